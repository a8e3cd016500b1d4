//! `AWS::Lambda::LayerVersion` and `AWS::Serverless::LayerVersion`: files that functions find beside their code.
//!
//! On AWS each change makes a version with the next number. Here a template's layer is always version 1, whose content follows the
//! template: its ARN is known before it exists.

use super::function::{ARCHITECTURES, is_built};
use super::lambda_function::{self, Place};
use super::{Attribute, Build, Type, local_path};
use crate::names;
use crate::node::Node;
use crate::plan::{Code, Layer};
use crate::properties::{NO_EFFECT, Properties, Property, ignored, served};
use crate::scope::{Identity, Site};
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::Lambda::LayerVersion",
    summary: "files beside the code of functions",
    named_by: Some("LayerName"),
    name_max: 140,
    reference: arn,
    attributes: ATTRIBUTES,
    properties: &[
        served("Content"),
        served("LayerName"),
        served("Description"),
        served("CompatibleRuntimes"),
        served("CompatibleArchitectures"),
        served("LicenseInfo"),
    ],
    build,
    ..Type::PLAIN
};

pub(super) const SERVERLESS: Type = Type {
    name: "AWS::Serverless::LayerVersion",
    becomes: Some("AWS::Lambda::LayerVersion"),
    properties: &[
        served("ContentUri"),
        served("LayerName"),
        served("Description"),
        served("CompatibleRuntimes"),
        served("CompatibleArchitectures"),
        served("LicenseInfo"),
        ignored("RetentionPolicy", "the layer has one version here"),
        ignored("PublishLambdaVersion", NO_EFFECT),
    ],
    build: build_serverless,
    ..TYPE
};

/// `Arn` is not AWS's: by it two layers of one name are told.
const ATTRIBUTES: &[Attribute] =
    &[Attribute { name: "LayerVersionArn", value: arn }, Attribute { name: "Arn", value: arn }];

const CONTENT: &[Property] = &[served("S3Bucket"), served("S3Key"), ignored("S3ObjectVersion", NO_EFFECT)];

fn arn(site: &Site, layer: &Identity) -> String {
    names::arn(site, "lambda", &format!("layer:{}:1", layer.name))
}

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    properties.require("Content");
    let content = match lambda_function::place(build, resource, &properties, "Content", CONTENT) {
        Place::Here(content) => Some(content),
        Place::Other(None) => None,
        Place::Other(Some(_)) => {
            let help = "name a folder (`Content: ./path`), or keep CDK's asset metadata";
            properties.error("Content", "the content is not on this machine", help);
            None
        }
    };
    push(build, identity, resource, &properties, content);
}

fn build_serverless(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    let path = properties.require("ContentUri").and_then(|uri| local_path(&properties, "ContentUri", uri));
    let content = path.map(|path| Code::Path(build.path(&path)));
    push(build, identity, resource, &properties, content);
}

fn push(
    build: &mut Build<'_>,
    identity: &Identity,
    resource: &Resource,
    properties: &Properties<'_>,
    content: Option<Code>,
) {
    let architectures = properties.texts("CompatibleArchitectures").unwrap_or_default();
    if architectures.iter().any(|word| ARCHITECTURES.iter().all(|(known, _)| known != word)) {
        properties.error("CompatibleArchitectures", "architectures are x86_64 and arm64", "name these");
    }
    let Some(Code::Path(content)) = content else { return };
    let metadata = resource.metadata.as_ref().filter(|metadata| !is_built(metadata));
    let method = metadata.and_then(|metadata| metadata.get("BuildMethod"));
    build.plan.layers.push(Layer {
        logical_id: identity.logical_id.clone(),
        name: identity.name.clone(),
        arn: arn(&build.scope.site, identity),
        at: resource.at,
        content,
        build_method: method.and_then(Node::text),
        description: properties.text("Description").unwrap_or_default(),
        runtimes: properties.texts("CompatibleRuntimes").unwrap_or_default(),
        architectures,
        license: properties.text("LicenseInfo").unwrap_or_default(),
    });
}
