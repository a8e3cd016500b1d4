//! `AWS::Lambda::Version`: a function as it is now, for good. AWS numbers versions when it makes them, so a number is not known here; in its place
//! stands the logical id, which the host takes for the version that was published under it.

use super::function;
use super::{Attribute, Build, Type};
use crate::plan::Version;
use crate::properties::{NO_EFFECT, ignored, served};
use crate::scope::{Identity, Scope};
use crate::template::Resource;

const NOT_KEPT_WARM: &str = "processes start when they are needed";

pub(super) const TYPE: Type = Type {
    name: "AWS::Lambda::Version",
    summary: "a version of a function",
    identify: Some(identify),
    reference: function::arn,
    attributes: &[
        Attribute { name: "Version", value: |_, version| version.logical_id.clone() },
        Attribute { name: "FunctionArn", value: function::arn },
    ],
    properties: &[
        served("FunctionName"),
        served("Description"),
        ignored("CodeSha256", "the code is what is deployed"),
        ignored("ProvisionedConcurrencyConfig", NOT_KEPT_WARM),
        ignored("RuntimePolicy", NO_EFFECT),
        ignored("FunctionScalingConfig", NOT_KEPT_WARM),
    ],
    build,
    ..Type::PLAIN
};

fn identify(scope: &Scope<'_>, resource: &Resource) -> Option<String> {
    Some(format!("{}:{}", function::named(scope, resource, "FunctionName")?, resource.id))
}

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    let Some(function) = properties.required_text("FunctionName") else { return };
    build.plan.versions.push(Version {
        logical_id: identity.logical_id.clone(),
        function: function::name_of(&function),
        arn: function::arn(&build.scope.site, identity),
        at: resource.at,
        description: properties.text("Description"),
    });
}
