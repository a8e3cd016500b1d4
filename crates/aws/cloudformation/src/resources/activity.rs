//! `AWS::StepFunctions::Activity`: work that workers ask for. Nothing is needed but its name.

use super::state_machine::NAME_MAX;
use super::{Attribute, Build, Type};
use crate::plan::Activity;
use crate::properties::{NO_EFFECT, ignored, served};
use crate::scope::{Identity, Site};
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::StepFunctions::Activity",
    summary: "an activity",
    named_by: Some("Name"),
    name_max: NAME_MAX,
    reference: arn,
    attributes: &[
        Attribute { name: "Arn", value: arn },
        Attribute { name: "Name", value: |_, activity| activity.name.clone() },
    ],
    properties: &[served("Name"), ignored("EncryptionConfiguration", NO_EFFECT), ignored("Tags", NO_EFFECT)],
    build,
    ..Type::PLAIN
};

fn arn(site: &Site, activity: &Identity) -> String {
    crate::names::arn(site, "states", &format!("activity:{}", activity.name))
}

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    // What it says is looked at, though the name is known already.
    build.properties(identity, resource);
    let activity = Activity {
        logical_id: identity.logical_id.clone(),
        name: identity.name.clone(),
        arn: arn(&build.scope.site, identity),
        at: resource.at,
    };
    build.plan.activities.push(activity);
}
