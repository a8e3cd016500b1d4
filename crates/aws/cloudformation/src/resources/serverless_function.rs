//! `AWS::Serverless::Function`: a function with its role, and the routes that call it.

use super::function::{self, NAME_MAX, SERVERLESS_ATTRIBUTES, with_common};
use super::{Build, Implied, Type, event, implied_role, lambda_url, local_path};
use crate::plan::{self, Alias, Code};
use crate::properties::{NO_EFFECT, NO_PERMISSIONS, Properties, Property, ignored, served, unsupported};
use crate::scope::Identity;
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: super::event::FUNCTION,
    becomes: Some("AWS::Lambda::Function"),
    summary: "a function, and routes to it",
    named_by: Some("FunctionName"),
    name_max: NAME_MAX,
    attributes: SERVERLESS_ATTRIBUTES,
    alias_by: Some("AutoPublishAlias"),
    properties: PROPERTIES,
    implied,
    build,
    ..Type::PLAIN
};

const ONE_WAY: &str = "each deployment publishes what has changed, and the alias follows at once";

const PROPERTIES: &[Property] = with_common![
    served("CodeUri"),
    served("InlineCode"),
    served("Events"),
    ignored("Policies", NO_PERMISSIONS),
    ignored("AssumeRolePolicyDocument", NO_PERMISSIONS),
    ignored("PermissionsBoundary", NO_PERMISSIONS),
    ignored("RolePath", NO_PERMISSIONS),
    ignored("Tracing", NO_EFFECT),
    ignored("PropagateTags", NO_EFFECT),
    ignored("SourceKMSKeyArn", NO_EFFECT),
    served("AutoPublishAlias"),
    ignored("AutoPublishAliasAllProperties", ONE_WAY),
    ignored("AutoPublishCodeSha256", ONE_WAY),
    ignored("DeploymentPreference", ONE_WAY),
    ignored("ProvisionedConcurrencyConfig", ONE_WAY),
    ignored("PublishToLatestPublished", ONE_WAY),
    ignored("VersionDescription", ONE_WAY),
    ignored("VersionDeletionPolicy", ONE_WAY),
    unsupported("DeadLetterQueue", "catch the failure in the caller; failed events are kept nowhere here"),
    unsupported("EventInvokeConfig", "handle retries and results in the caller or in a state machine"),
    served("FunctionUrlConfig"),
    unsupported("ImageUri", "package the function as a folder or archive"),
];

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    let code = code(build, &properties);
    function::push(build, identity, resource, &properties, code);
    event::of_function(build, identity, &properties);
    push_alias(build, identity, resource);
    lambda_url::of_function(build, identity, resource, &properties);
}

fn implied(resource: &Resource) -> Vec<Implied> {
    let mut all = implied_role(resource);
    if resource.properties.iter().any(|p| p.key == "FunctionUrlConfig") {
        all.push(Implied { logical_id: lambda_url::implied_id(&resource.id), kind: &lambda_url::IMPLIED, name: None });
    }
    all
}

fn push_alias(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let Some(name) = identity.alias.clone() else { return };
    let (logical_id, arn) =
        (format!("{}Alias{name}", identity.logical_id), function::called_arn(&build.scope.site, identity));
    build.plan.resources.push(plan::Resource {
        logical_id: logical_id.clone(),
        kind: "AWS::Lambda::Alias".into(),
        physical_id: arn.clone(),
        at: resource.at,
        retained: false,
    });
    build.plan.aliases.push(Alias {
        logical_id,
        function: identity.name.clone(),
        arn,
        at: resource.at,
        version: None,
        weights: Default::default(),
        description: String::new(),
        name,
    });
}

const LOCATION: &[Property] = &[served("Bucket"), served("Key"), ignored("Version", NO_EFFECT)];

fn code(build: &Build<'_>, properties: &Properties<'_>) -> Option<Code> {
    match (properties.node("CodeUri"), properties.node("InlineCode")) {
        (None, Some(_)) => properties.text("InlineCode").map(Code::Inline),
        (Some(uri), None) if uri.map().is_some() && build.scope.site.outside.has_objects() => {
            let location = properties.nested("CodeUri", LOCATION)?;
            let path = super::asset(build, &location, "Key");
            if path.is_none() {
                properties.error("CodeUri", "the code is not on this machine", super::no_object(&build.scope.site));
            }
            path.map(Code::Path)
        }
        (Some(uri), None) => local_path(properties, "CodeUri", uri).map(|path| Code::Path(build.path(&path))),
        (Some(_), Some(_)) => {
            properties.error("InlineCode", "the function has both CodeUri and InlineCode", "remove one");
            None
        }
        (None, None) => {
            properties.require("CodeUri");
            None
        }
    }
}
