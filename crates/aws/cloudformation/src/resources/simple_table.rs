//! `AWS::Serverless::SimpleTable`: a table of one key, `id` of type String unless it says otherwise.

use serde_json::{Map, json};

use super::dynamodb_table::{ATTRIBUTES, encryption, provisioned, push};
use super::{Build, Type};
use crate::properties::{NO_EFFECT, Property, ignored, served};
use crate::scope::Identity;
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::Serverless::SimpleTable",
    becomes: Some("AWS::DynamoDB::Table"),
    summary: "a table of one key",
    named_by: Some("TableName"),
    attributes: ATTRIBUTES,
    properties: PROPERTIES,
    build,
    ..Type::PLAIN
};

const PROPERTIES: &[Property] = &[
    served("TableName"),
    served("PrimaryKey"),
    served("ProvisionedThroughput"),
    served("SSESpecification"),
    ignored("PointInTimeRecoverySpecification", "there are no backups of single tables here"),
    ignored("Tags", NO_EFFECT),
];
const PRIMARY_KEY: &[Property] = &[served("Name"), served("Type")];
/// SAM's names of the types of a key.
const KEY_TYPES: &[(&str, &str)] = &[("String", "S"), ("Number", "N"), ("Binary", "B")];

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    let key = properties.nested("PrimaryKey", PRIMARY_KEY);
    let name = key.as_ref().and_then(|key| key.text("Name")).unwrap_or_else(|| "id".into());
    let kind = key.as_ref().and_then(|key| key.choice("Type", KEY_TYPES)).unwrap_or("S");
    let mut create = Map::new();
    create.insert("TableName".into(), identity.name.clone().into());
    create.insert("AttributeDefinitions".into(), json!([{ "AttributeName": name, "AttributeType": kind }]));
    create.insert("KeySchema".into(), json!([{ "AttributeName": name, "KeyType": "HASH" }]));
    provisioned(&mut create, &properties);
    if !create.contains_key("ProvisionedThroughput") {
        create.insert("BillingMode".into(), "PAY_PER_REQUEST".into());
    }
    encryption(&mut create, &properties);
    push(build, identity, resource, create.into(), None);
}
