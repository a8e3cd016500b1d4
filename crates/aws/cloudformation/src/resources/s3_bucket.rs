//! `AWS::S3::Bucket`: a place for objects. What AWS would do with the objects by itself is not done here.

use super::{Attribute, Build, Type};
use crate::plan::Bucket;
use crate::properties::{NO_EFFECT, NO_PERMISSIONS, Property, ignored, served, unsupported};
use crate::scope::{Identity, Site};
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::S3::Bucket",
    summary: "a bucket of objects",
    named_by: Some("BucketName"),
    name_max: 63,
    reference: name,
    attributes: &[
        Attribute { name: "Arn", value: |site, bucket| format!("arn:aws:s3:::{}", name(site, bucket)) },
        Attribute { name: "DomainName", value: |site, bucket| format!("{}.s3.amazonaws.com", name(site, bucket)) },
    ],
    properties: PROPERTIES,
    build,
    ..Type::PLAIN
};

const KEPT: &str = "objects are kept here until somebody deletes them";

const PROPERTIES: &[Property] = &[
    served("BucketName"),
    ignored("AbacStatus", NO_PERMISSIONS),
    ignored("AccelerateConfiguration", NO_EFFECT),
    ignored("AccessControl", NO_PERMISSIONS),
    ignored("AnalyticsConfigurations", NO_EFFECT),
    ignored("BucketEncryption", NO_EFFECT),
    ignored("CorsConfiguration", NO_EFFECT),
    ignored("IntelligentTieringConfigurations", NO_EFFECT),
    ignored("LifecycleConfiguration", KEPT),
    ignored("LoggingConfiguration", NO_EFFECT),
    ignored("MetricsConfigurations", NO_EFFECT),
    ignored("OwnershipControls", NO_PERMISSIONS),
    ignored("PublicAccessBlockConfiguration", NO_PERMISSIONS),
    ignored("Tags", NO_EFFECT),
    ignored("VersioningConfiguration", "an object has one version here"),
    unsupported("InventoryConfigurations", "no inventories are written here: put one into the bucket by hand"),
    unsupported("NotificationConfiguration", "nothing is told of objects here: start the state machine yourself"),
    unsupported("ObjectLockConfiguration", "objects cannot be locked here"),
    unsupported("ObjectLockEnabled", "objects cannot be locked here"),
    unsupported("ReplicationConfiguration", "objects are not copied elsewhere"),
    unsupported("WebsiteConfiguration", "objects are not served as pages"),
];

/// Buckets have no capitals; a name made of a logical id would.
fn name(_: &Site, bucket: &Identity) -> String {
    bucket.name.to_ascii_lowercase()
}

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    // What it says is looked at, though the name is known already.
    build.properties(identity, resource);
    let name = name(&build.scope.site, identity);
    build.plan.buckets.push(Bucket { logical_id: identity.logical_id.clone(), name, at: resource.at });
}
