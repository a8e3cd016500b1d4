//! `AWS::Lambda::Url`, and `FunctionUrlConfig` of SAM's functions: an address of its own for a function.

use super::{Attribute, Build, Type, cors, function};
use crate::gateway;
use crate::names;
use crate::plan::{self, Cors};
use crate::properties::{NO_PERMISSIONS, Properties, Property, ignored, served};
use crate::scope::{Identity, Scope, Site};
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: NAME,
    summary: "the address of a function",
    identify: Some(identify),
    reference: function::arn,
    attributes: &[
        Attribute { name: "FunctionUrl", value: |site, url| address(site, &url.logical_id) },
        Attribute { name: "FunctionArn", value: function::arn },
    ],
    properties: &[
        served("TargetFunctionArn"),
        served("Qualifier"),
        served("Cors"),
        served("InvokeMode"),
        ignored("AuthType", NO_PERMISSIONS),
    ],
    build,
    ..Type::PLAIN
};

/// What SAM makes of `FunctionUrlConfig`.
pub(super) static IMPLIED: Type = Type {
    name: NAME,
    attributes: &[Attribute { name: "FunctionUrl", value: |site, url| address(site, &url.logical_id) }],
    ..Type::PLAIN
};

const NAME: &str = "AWS::Lambda::Url";
const CONFIG: &[Property] = &[served("Cors"), served("InvokeMode"), ignored("AuthType", NO_PERMISSIONS)];
/// An answer that is streamed is sent when it is whole.
const MODES: &[(&str, ())] = &[("BUFFERED", ()), ("RESPONSE_STREAM", ())];

/// SAM's name for the URL of a function.
pub(super) fn implied_id(function: &str) -> String {
    format!("{function}Url")
}

fn address(site: &Site, logical_id: &str) -> String {
    format!("https://{}.lambda-url.{}.on.aws/", id(site, logical_id), site.home.region)
}

fn id(site: &Site, logical_id: &str) -> String {
    names::made_up_id(site, logical_id, 32)
}

fn identify(scope: &Scope<'_>, resource: &Resource) -> Option<String> {
    let function = function::named(scope, resource, "TargetFunctionArn")?;
    let qualifier = resource.properties.iter().find(|p| p.key == "Qualifier");
    let qualifier = qualifier.and_then(|p| scope.text(&p.value, "Qualifier"));
    Some(qualifier.map_or(function.clone(), |qualifier| format!("{function}:{qualifier}")))
}

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    properties.require("TargetFunctionArn");
    properties.choice("InvokeMode", MODES);
    let cors = cors(&properties, "Cors", false);
    let id = id(&build.scope.site, &identity.logical_id);
    // By this it is found again when it is to go.
    if let Some(listed) = build.plan.resources.iter_mut().find(|listed| listed.logical_id == identity.logical_id) {
        listed.physical_id.clone_from(&id);
    }
    let arn = function::arn(&build.scope.site, identity);
    gateway::push_url(build, &identity.logical_id, resource.at, id, (identity.name.clone(), arn), cors);
}

/// The URL of a SAM function, which calls the function's alias if it has one.
pub(super) fn of_function(
    build: &mut Build<'_>,
    identity: &Identity,
    resource: &Resource,
    properties: &Properties<'_>,
) {
    if properties.node("FunctionUrlConfig").is_none() {
        return;
    }
    let config = properties.nested("FunctionUrlConfig", CONFIG);
    let cors: Option<Cors> = config.and_then(|config| {
        config.choice("InvokeMode", MODES);
        cors(&config, "Cors", false)
    });
    let logical_id = implied_id(&identity.logical_id);
    let id = id(&build.scope.site, &logical_id);
    build.plan.resources.push(plan::Resource {
        logical_id: logical_id.clone(),
        kind: NAME.into(),
        physical_id: id.clone(),
        at: resource.at,
        retained: false,
    });
    let arn = function::called_arn(&build.scope.site, identity);
    let name = identity.alias.as_ref().map_or(identity.name.clone(), |alias| format!("{}:{alias}", identity.name));
    gateway::push_url(build, &logical_id, resource.at, id, (name, arn), cors);
}
