//! `AWS::Serverless::Function`: a function with its role, and the routes that call it.

use super::function::{self, ATTRIBUTES, NAME_MAX, with_common};
use super::{Build, Type, event, implied_role, local_path};
use crate::plan::Code;
use crate::properties::{NO_EFFECT, NO_PERMISSIONS, Properties, Property, ignored, served, unsupported};
use crate::scope::Identity;
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: super::event::FUNCTION,
    becomes: Some("AWS::Lambda::Function"),
    summary: "a function, and routes to it",
    named_by: Some("FunctionName"),
    name_max: NAME_MAX,
    attributes: ATTRIBUTES,
    properties: PROPERTIES,
    implied: implied_role,
    build,
    ..Type::PLAIN
};

const NO_VERSIONS: &str = "the function itself is called, there are no versions here";

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
    ignored("AutoPublishAlias", NO_VERSIONS),
    ignored("AutoPublishAliasAllProperties", NO_VERSIONS),
    ignored("AutoPublishCodeSha256", NO_VERSIONS),
    ignored("DeploymentPreference", NO_VERSIONS),
    ignored("ProvisionedConcurrencyConfig", NO_VERSIONS),
    ignored("PublishToLatestPublished", NO_VERSIONS),
    ignored("VersionDescription", NO_VERSIONS),
    ignored("VersionDeletionPolicy", NO_VERSIONS),
    unsupported("DeadLetterQueue", "catch the failure in the caller; failed events are kept nowhere here"),
    unsupported("EventInvokeConfig", "handle retries and results in the caller or in a state machine"),
    unsupported("FunctionUrlConfig", "use an event of type Api"),
    unsupported("ImageUri", "package the function as a folder or archive"),
];

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    let code = code(build, &properties);
    function::push(build, identity, resource, &properties, code);
    event::routes(build, identity, &properties);
}

const LOCATION: &[Property] = &[served("Bucket"), served("Key"), ignored("Version", NO_EFFECT)];

fn code(build: &Build<'_>, properties: &Properties<'_>) -> Option<Code> {
    match (properties.node("CodeUri"), properties.node("InlineCode")) {
        (None, Some(_)) => properties.text("InlineCode").map(Code::Inline),
        (Some(uri), None) if uri.map().is_some() && build.scope.site.outside.is_known() => {
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
