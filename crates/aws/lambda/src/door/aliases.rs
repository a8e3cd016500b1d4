//! CreateAlias, GetAlias, UpdateAlias, DeleteAlias, ListAliases.

use std::collections::BTreeMap;

use aws_protocol::{Error as AwsError, Response};
use serde_json::{Value, json};

use super::settings::Members;
use super::{Call, Pages, created, no_content, ok};
use crate::error::{Error, not_found};
use crate::host::stale_revision;
use crate::published::{Alias, Published};

pub(super) fn create(call: &Call) -> Result<Response, Error> {
    let members = call.body()?;
    let name: String = members.require("Name")?;
    let alias = Alias {
        version: members.require("FunctionVersion")?,
        description: members.get("Description")?.unwrap_or_default(),
        weights: weights(&members)?.unwrap_or_default(),
        revision_id: String::new(),
    };
    let alias = call.host.put_alias(call.function(), &name, &alias, true)?;
    Ok(created(&shape(&function_arn(call)?, &name, &alias)))
}

pub(super) fn get(call: &Call) -> Result<Response, Error> {
    let shape = call.host.read_published(call.function(), |published, info| {
        Ok(shape(&info.arn, name(call), known(published, &info.arn, name(call))?))
    })?;
    Ok(ok(&shape))
}

/// What the request does not name stays as it is.
pub(super) fn update(call: &Call) -> Result<Response, Error> {
    let members = call.body()?;
    let old = call
        .host
        .read_published(call.function(), |published, info| known(published, &info.arn, name(call)).cloned())?;
    if members.get::<String>("RevisionId")?.is_some_and(|id| id != old.revision_id) {
        return Err(stale_revision().into());
    }
    let alias = Alias {
        version: members.get("FunctionVersion")?.unwrap_or(old.version),
        description: members.get("Description")?.unwrap_or(old.description),
        weights: weights(&members)?.unwrap_or(old.weights),
        revision_id: String::new(),
    };
    let alias = call.host.put_alias(call.function(), name(call), &alias, false)?;
    Ok(ok(&shape(&function_arn(call)?, name(call), &alias)))
}

pub(super) fn delete(call: &Call) -> Result<Response, Error> {
    call.host.delete_alias(call.function(), name(call))?;
    Ok(no_content())
}

pub(super) fn list(call: &Call) -> Result<Response, Error> {
    let pages = Pages::of(call)?;
    let version = call.query("FunctionVersion");
    let shapes = call.host.read_published(call.function(), |published, info| {
        let aliases =
            published.aliases.iter().filter(|(_, alias)| version.is_none_or(|version| alias.version == version));
        Ok(aliases.map(|(name, alias)| shape(&info.arn, name, alias)).collect())
    })?;
    Ok(pages.by_place("Aliases", shapes))
}

fn name(call: &Call) -> &str {
    call.path.get(1).map_or("", String::as_str)
}

fn function_arn(call: &Call) -> Result<String, AwsError> {
    Ok(call.host.find(call.function(), None)?.arn.clone())
}

fn known<'a>(published: &'a Published, function_arn: &str, name: &str) -> Result<&'a Alias, AwsError> {
    published.aliases.get(name).ok_or_else(|| not_found(format!("Cannot find alias arn: {function_arn}:{name}")))
}

/// `RoutingConfig`; an empty one takes the weights away.
fn weights(members: &Members) -> Result<Option<BTreeMap<String, f64>>, AwsError> {
    match members.get::<Value>("RoutingConfig")? {
        None => Ok(None),
        Some(_) => Ok(Some(members.nested("RoutingConfig", "AdditionalVersionWeights")?.unwrap_or_default())),
    }
}

fn shape(function_arn: &str, name: &str, alias: &Alias) -> Value {
    let mut shape = json!({
        "AliasArn": format!("{function_arn}:{name}"),
        "Name": name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    });
    if !alias.weights.is_empty() {
        shape["RoutingConfig"] = json!({"AdditionalVersionWeights": alias.weights});
    }
    shape
}
