//! `AWS::DynamoDB::Table`: the body of CreateTable.

use serde_json::{Map, Value as Json, json};

use super::{Attribute, Build, Type};
use crate::node::Node;
use crate::plan::Table;
use crate::properties::{NO_EFFECT, NO_PERMISSIONS, Properties, Property, ignored, served, unsupported};
use crate::scope::{Identity, Site};
use crate::shape::{self, Member, Shape, renamed, same};
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::DynamoDB::Table",
    summary: "a table",
    named_by: Some("TableName"),
    attributes: ATTRIBUTES,
    properties: PROPERTIES,
    build,
    ..Type::PLAIN
};

/// The label in a stream's ARN is the time at which it was made, which nobody knows before. Whoever is given this one means the
/// newest stream of the table.
pub(super) const ATTRIBUTES: &[Attribute] = &[
    Attribute { name: "Arn", value: arn },
    Attribute { name: "StreamArn", value: |site, table| format!("{}/stream/latest", arn(site, table)) },
];

const PROPERTIES: &[Property] = &[
    served("TableName"),
    served("AttributeDefinitions"),
    served("KeySchema"),
    served("BillingMode"),
    served("ProvisionedThroughput"),
    served("GlobalSecondaryIndexes"),
    served("LocalSecondaryIndexes"),
    served("StreamSpecification"),
    served("SSESpecification"),
    served("TableClass"),
    served("DeletionProtectionEnabled"),
    served("TimeToLiveSpecification"),
    ignored("ContributorInsightsSpecification", NO_EFFECT),
    ignored("OnDemandThroughput", NO_EFFECT),
    ignored("PointInTimeRecoverySpecification", "there are no backups of single tables here"),
    ignored("ResourcePolicy", NO_PERMISSIONS),
    ignored("Tags", NO_EFFECT),
    ignored("WarmThroughput", NO_EFFECT),
    unsupported("ImportSourceSpecification", "fill the table after it is made; there is no S3 here"),
    unsupported("KinesisStreamSpecification", "there is no Kinesis here; remove it"),
    unsupported("GlobalTableWitnesses", "there is one region here; remove it"),
    unsupported("GlobalTableSourceArn", "there is one region here; remove it"),
    unsupported("GlobalTableSettingsReplicationMode", "there is one region here; remove it"),
    unsupported("MultiRegionConsistency", "there is one region here; remove it"),
    unsupported("Replicas", "there is one region here; remove it"),
];

const KEY_SCHEMA: Shape =
    Shape::List(&Shape::Object(&[same("AttributeName", Shape::Text), same("KeyType", Shape::Text)]));
const THROUGHPUT: Shape =
    Shape::Object(&[same("ReadCapacityUnits", Shape::Integer), same("WriteCapacityUnits", Shape::Integer)]);
const PROJECTION: Shape =
    Shape::Object(&[same("ProjectionType", Shape::Text), same("NonKeyAttributes", Shape::List(&Shape::Text))]);
const GLOBAL_INDEX: Shape = Shape::Object(&[
    same("IndexName", Shape::Text),
    same("KeySchema", KEY_SCHEMA),
    same("Projection", PROJECTION),
    same("ProvisionedThroughput", THROUGHPUT),
    same("OnDemandThroughput", Shape::Dropped),
    same("WarmThroughput", Shape::Dropped),
    same("ContributorInsightsSpecification", Shape::Dropped),
]);
const LOCAL_INDEX: Shape =
    Shape::Object(&[same("IndexName", Shape::Text), same("KeySchema", KEY_SCHEMA), same("Projection", PROJECTION)]);
const ENCRYPTION: Shape = Shape::Object(&[
    renamed("SSEEnabled", "Enabled", Shape::Flag),
    same("SSEType", Shape::Text),
    same("KMSMasterKeyId", Shape::Text),
]);
const TIME_TO_LIVE: Shape = Shape::Object(&[same("AttributeName", Shape::Text), same("Enabled", Shape::Flag)]);

/// The members of CreateTable that are passed on.
const CREATE_TABLE: &[Member] = &[
    same(
        "AttributeDefinitions",
        Shape::List(&Shape::Object(&[same("AttributeName", Shape::Text), same("AttributeType", Shape::Text)])),
    ),
    same("KeySchema", KEY_SCHEMA),
    same("BillingMode", Shape::Text),
    same("ProvisionedThroughput", THROUGHPUT),
    same("GlobalSecondaryIndexes", Shape::List(&GLOBAL_INDEX)),
    same("LocalSecondaryIndexes", Shape::List(&LOCAL_INDEX)),
    same("TableClass", Shape::Text),
    same("DeletionProtectionEnabled", Shape::Flag),
];

pub(super) fn arn(site: &Site, table: &Identity) -> String {
    crate::names::arn(site, "dynamodb", &format!("table/{}", table.name))
}

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    properties.require("KeySchema");
    let mut create = Map::new();
    create.insert("TableName".into(), identity.name.clone().into());
    for member in CREATE_TABLE {
        insert(&mut create, &properties, member);
    }
    encryption(&mut create, &properties);
    stream(&mut create, &properties);
    throughput(&properties, &create);
    attributes(&properties, &create);
    let time_to_live = properties
        .node("TimeToLiveSpecification")
        .and_then(|node| shape::json(properties.scope, node, &TIME_TO_LIVE, "TimeToLiveSpecification"));
    push(build, identity, resource, Json::Object(create), time_to_live);
}

pub(super) fn push(
    build: &mut Build<'_>,
    identity: &Identity,
    resource: &Resource,
    create: Json,
    time_to_live: Option<Json>,
) {
    build.plan.tables.push(Table {
        logical_id: identity.logical_id.clone(),
        name: identity.name.clone(),
        arn: arn(&build.scope.site, identity),
        at: resource.at,
        create,
        time_to_live,
    });
}

fn insert(create: &mut Map<String, Json>, properties: &Properties<'_>, member: &Member) {
    let Some(node) = properties.node(member.name) else { return };
    if let Some(value) = shape::json(properties.scope, node, &member.shape, member.name) {
        create.insert(member.api.to_owned(), value);
    }
}

pub(super) fn encryption(create: &mut Map<String, Json>, properties: &Properties<'_>) {
    insert(create, properties, &same("SSESpecification", ENCRYPTION));
}

pub(super) fn provisioned(create: &mut Map<String, Json>, properties: &Properties<'_>) {
    insert(create, properties, &same("ProvisionedThroughput", THROUGHPUT));
}

/// CloudFormation has only the view type; the API wants to be told that the stream is on.
fn stream(create: &mut Map<String, Json>, properties: &Properties<'_>) {
    const STREAM: &[Property] = &[served("StreamViewType"), ignored("ResourcePolicy", NO_PERMISSIONS)];
    let Some(stream) = properties.nested("StreamSpecification", STREAM) else { return };
    if let Some(view) = stream.required_text("StreamViewType") {
        create.insert("StreamSpecification".into(), json!({ "StreamEnabled": true, "StreamViewType": view }));
    }
}

fn throughput(properties: &Properties<'_>, create: &Map<String, Json>) {
    let on_demand = create.get("BillingMode").is_some_and(|mode| mode == "PAY_PER_REQUEST");
    let given = properties.node("ProvisionedThroughput");
    match (on_demand, given) {
        (false, None) => {
            properties.error(
                "BillingMode",
                "the table has no ProvisionedThroughput",
                "add `BillingMode: PAY_PER_REQUEST`",
            );
        }
        (true, Some(_)) => {
            let message = "ProvisionedThroughput contradicts BillingMode PAY_PER_REQUEST";
            properties.error("ProvisionedThroughput", message, "remove one of the two");
        }
        _ => {}
    }
}

/// DynamoDB wants each key's attribute defined, and none beside them.
fn attributes(properties: &Properties<'_>, create: &Map<String, Json>) {
    let names = |value: Option<&Json>| -> Vec<String> {
        let items = value.and_then(Json::as_array).into_iter().flatten();
        items.filter_map(|item| item.get("AttributeName")?.as_str().map(str::to_owned)).collect()
    };
    let Some(definitions) = properties.require("AttributeDefinitions").filter(|node| readable(node)) else { return };
    let defined = names(create.get("AttributeDefinitions"));
    let mut keys = names(create.get("KeySchema"));
    for list in ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"] {
        let indexes = create.get(list).and_then(Json::as_array).into_iter().flatten();
        keys.extend(indexes.flat_map(|index| names(index.get("KeySchema"))));
    }
    for key in keys.iter().filter(|key| !defined.contains(key)) {
        let message = format!("the key attribute \"{key}\" is not in AttributeDefinitions");
        properties.scope.report.error(definitions.at, message, "add its name and type (S, N or B)");
    }
    for name in defined.iter().filter(|name| !keys.contains(name)) {
        let message = format!("the attribute \"{name}\" is defined and is no key of the table or an index");
        properties.scope.report.error(definitions.at, message, "define key attributes only");
    }
}

/// Whether all of it could be resolved, so that judging it makes sense.
fn readable(node: &Node) -> bool {
    let items = node.list().unwrap_or_default();
    !items.iter().any(|item| item.is_invalid() || item.get("AttributeName").is_some_and(Node::is_invalid))
}
