//! PublishLayerVersion, GetLayerVersion, GetLayerVersionByArn, DeleteLayerVersion, ListLayerVersions, ListLayers.

use aws_protocol::{Error as AwsError, Response};
use serde_json::{Value, json};

use super::{Call, Pages, created, no_content, ok};
use crate::error::{Error, constraint};
use crate::layers::{Layer, LayerSettings, Layers};

pub(super) fn publish(call: &Call) -> Result<Response, Error> {
    let members = call.body()?;
    let settings = LayerSettings {
        description: members.get("Description")?.unwrap_or_default(),
        runtimes: members.get("CompatibleRuntimes")?.unwrap_or_default(),
        architectures: members.get("CompatibleArchitectures")?.unwrap_or_default(),
        license: members.get("LicenseInfo")?.unwrap_or_default(),
    };
    let code = members.within("Content")?.code(&call.host)?;
    let layer = call.host.publish_layer(&name(call), settings, &code)?;
    Ok(created(&whole(call, &layer)))
}

pub(super) fn get(call: &Call) -> Result<Response, Error> {
    Ok(ok(&whole(call, &call.host.layers().version(&name(call), number(call)?)?)))
}

pub(super) fn delete(call: &Call) -> Result<Response, Error> {
    call.host.delete_layer(&name(call), number(call)?)?;
    Ok(no_content())
}

pub(super) fn versions(call: &Call) -> Result<Response, Error> {
    let pages = Pages::of(call)?;
    let versions = call.host.layers().versions(&name(call)).into_iter().filter(|layer| is_for(call, layer));
    Ok(pages.by_place("LayerVersions", versions.map(|layer| shape(call, &layer)).collect()))
}

/// Layers; or, asked by `find=LayerVersion`, one version by its ARN.
pub(super) fn list(call: &Call) -> Result<Response, Error> {
    if call.query("find") == Some("LayerVersion") {
        let arn = call.query("Arn").unwrap_or_default();
        let (layer, version) = arn.rsplit_once(':').unwrap_or_default();
        return Ok(ok(&whole(call, &call.host.layers().version(&Layers::name_of(layer), parsed(version)?)?)));
    }
    let pages = Pages::of(call)?;
    let newest = call.host.layers().newest().into_iter().filter(|layer| is_for(call, layer));
    let shapes = newest.map(|layer| {
        let arn = call.host.layers().layer_arn(&layer.name);
        json!({"LayerName": layer.name, "LayerArn": arn, "LatestMatchingVersion": shape(call, &layer)})
    });
    Ok(pages.by_place("Layers", shapes.collect()))
}

fn name(call: &Call) -> String {
    Layers::name_of(call.function())
}

fn number(call: &Call) -> Result<u64, AwsError> {
    parsed(call.path.get(1).map_or("", String::as_str))
}

fn parsed(version: &str) -> Result<u64, AwsError> {
    version.parse().map_err(|_| constraint(version, "versionNumber", "Member must be a number"))
}

fn is_for(call: &Call, layer: &Layer) -> bool {
    let fits = |query: &str, known: &[String]| {
        call.query(query).is_none_or(|wanted| known.is_empty() || known.iter().any(|known| known == wanted))
    };
    fits("CompatibleRuntime", &layer.settings.runtimes) && fits("CompatibleArchitecture", &layer.settings.architectures)
}

/// As lists have it.
fn shape(call: &Call, layer: &Layer) -> Value {
    let settings = &layer.settings;
    let mut shape = json!({
        "LayerVersionArn": call.host.layers().arn(&layer.name, layer.version),
        "Version": layer.version,
        "Description": settings.description,
        "CreatedDate": layer.created,
    });
    let lists = [("CompatibleRuntimes", &settings.runtimes), ("CompatibleArchitectures", &settings.architectures)];
    lists.into_iter().filter(|(_, list)| !list.is_empty()).for_each(|(name, list)| shape[name] = json!(list));
    if !settings.license.is_empty() {
        shape["LicenseInfo"] = json!(settings.license);
    }
    shape
}

fn whole(call: &Call, layer: &Layer) -> Value {
    let mut shape = shape(call, layer);
    shape["LayerArn"] = call.host.layers().layer_arn(&layer.name).into();
    shape["Content"] = json!({
        // On AWS a link to the zip; here the content is a folder of this machine.
        "Location": format!("file://{}", call.host.layers().content(layer).display()),
        "CodeSha256": layer.code_sha256,
        "CodeSize": layer.code_size,
    });
    shape
}
