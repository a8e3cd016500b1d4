//! Making sure that a table is there, as a template wants it: the way templates and examples get their tables, and lose them.
//!
//! Items stay: global indexes and streams are changed to what is wanted; another key or other local indexes would need
//! another table, so they are refused.
//!
//! It speaks to the door like any client, so it works with every backend. Toward a forwarded endpoint the request
//! carries placeholder credentials, as local endpoints accept them; tables in AWS itself are made there.

use std::collections::BTreeMap;

use aws_protocol::AWS_JSON_1_0;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::{Dynamo, Error};

pub async fn ensure(dynamo: &Dynamo, create: &Value) -> Result<(), Error> {
    let table = create["TableName"].as_str().ok_or_else(|| lacking("TableName", create))?;
    let wanted = key(create).ok_or_else(|| lacking("KeySchema", create))?;
    match call(dynamo, "DescribeTable", &json!({ "TableName": table })).await {
        Ok(answer) => match key(&answer["Table"]) {
            Some(found) if found == wanted => change(dynamo, table, &answer["Table"], create).await,
            found => {
                Err(Error::OtherKey { table: table.into(), found: show(found.as_ref()), wanted: show(Some(&wanted)) })
            }
        },
        Err(refusal) if refusal.kind.ends_with("ResourceNotFoundException") => {
            let created = call(dynamo, "CreateTable", create).await;
            created.map(drop).map_err(|refusal| refusal.of("CreateTable", table))
        }
        Err(refusal) => Err(refusal.of("DescribeTable", table)),
    }
}

/// Removes a table with its items; one that is not there is removed already.
pub async fn remove(dynamo: &Dynamo, table: &str) -> Result<(), Error> {
    match call(dynamo, "DeleteTable", &json!({ "TableName": table })).await {
        Err(refusal) if !refusal.kind.ends_with("ResourceNotFoundException") => Err(refusal.of("DeleteTable", table)),
        _ => Ok(()),
    }
}

/// Brings a table that is there to what is wanted.
async fn change(dynamo: &Dynamo, table: &str, found: &Value, wanted: &Value) -> Result<(), Error> {
    let local = |table: &Value| names(&table["LocalSecondaryIndexes"]);
    if local(found) != local(wanted) {
        let show = |names: Vec<String>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(Error::OtherLocalIndexes {
            table: table.into(),
            found: show(local(found)),
            wanted: show(local(wanted)),
        });
    }
    for update in updates(found, wanted) {
        let mut body = json!({ "TableName": table, "AttributeDefinitions": wanted["AttributeDefinitions"] });
        body.as_object_mut().into_iter().for_each(|body| body.extend(update.clone()));
        call(dynamo, "UpdateTable", &body).await.map_err(|refusal| refusal.of("UpdateTable", table))?;
    }
    Ok(())
}

/// The members of the calls of UpdateTable that lead from one to the other: one index at a time, as DynamoDB takes them.
fn updates(found: &Value, wanted: &Value) -> Vec<Map<String, Value>> {
    let indexes = |table: &Value| table["GlobalSecondaryIndexes"].as_array().cloned().unwrap_or_default();
    let is_same = |a: &Value, b: &Value| {
        let is_listed = |name: &str| set(&a["Projection"][name]) == set(&b["Projection"][name]);
        a["IndexName"] == b["IndexName"]
            && set(&a["KeySchema"]) == set(&b["KeySchema"])
            && a["Projection"]["ProjectionType"] == b["Projection"]["ProjectionType"]
            && is_listed("NonKeyAttributes")
    };
    let (there, planned) = (indexes(found), indexes(wanted));
    let mut calls = Vec::new();
    for gone in there.iter().filter(|index| !planned.iter().any(|other| is_same(index, other))) {
        calls.push(json!({ "GlobalSecondaryIndexUpdates": [{ "Delete": { "IndexName": gone["IndexName"] } }] }));
    }
    for new in planned.iter().filter(|index| !there.iter().any(|other| is_same(index, other))) {
        calls.push(json!({ "GlobalSecondaryIndexUpdates": [{ "Create": new }] }));
    }
    let stream = |table: &Value| {
        let specification = &table["StreamSpecification"];
        specification["StreamEnabled"].as_bool().unwrap_or(false).then(|| specification["StreamViewType"].clone())
    };
    match (stream(found), stream(wanted)) {
        (before, after) if before == after => {}
        (before, after) => {
            // A stream with another view is another stream.
            if before.is_some() {
                calls.push(json!({ "StreamSpecification": { "StreamEnabled": false } }));
            }
            if after.is_some() {
                calls.push(json!({ "StreamSpecification": wanted["StreamSpecification"] }));
            }
        }
    }
    calls.into_iter().filter_map(|call| call.as_object().cloned()).collect()
}

fn names(indexes: &Value) -> Vec<String> {
    let items = indexes.as_array().into_iter().flatten();
    let mut names: Vec<String> = items.filter_map(|index| Some(index["IndexName"].as_str()?.to_owned())).collect();
    names.sort();
    names
}

/// A list whose order says nothing.
fn set(list: &Value) -> Vec<String> {
    let mut items: Vec<String> = list.as_array().into_iter().flatten().map(Value::to_string).collect();
    items.sort();
    items
}

/// From `HASH` and `RANGE` to the attribute and its type: what must agree.
type Key<'a> = BTreeMap<&'a str, (&'a str, &'a str)>;

fn key(table: &Value) -> Option<Key<'_>> {
    table["KeySchema"].as_array()?.iter().map(|element| key_attribute(table, element)).collect()
}

fn key_attribute<'a>(table: &'a Value, element: &'a Value) -> Option<(&'a str, (&'a str, &'a str))> {
    let name = element["AttributeName"].as_str()?;
    let definitions = table["AttributeDefinitions"].as_array()?;
    let definition = definitions.iter().find(|definition| definition["AttributeName"] == name)?;
    Some((element["KeyType"].as_str()?, (name, definition["AttributeType"].as_str()?)))
}

fn show(key: Option<&Key<'_>>) -> String {
    let parts = key.into_iter().flatten().map(|(role, (name, kind))| format!("{name} ({kind}, {role})"));
    parts.collect::<Vec<_>>().join(" and ")
}

fn lacking(member: &'static str, request: &Value) -> Error {
    Error::TableRequest { member, request: request.to_string() }
}

/// DynamoDB's no.
struct Refusal {
    kind: String,
    message: String,
}

impl Refusal {
    fn of(self, operation: &'static str, table: &str) -> Error {
        Error::Refused { operation, table: table.into(), reason: format!("{} ({})", self.message, self.kind) }
    }
}

async fn call(dynamo: &Dynamo, operation: &str, body: &Value) -> Result<Value, Refusal> {
    let request = http::Request::post("/")
        .header("content-type", AWS_JSON_1_0)
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .header("x-amz-date", "20000101T000000Z")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=ithaca/20000101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
        )
        .body(Bytes::from(body.to_string()))
        .expect("these headers are valid");
    let response = dynamo.handle(request).await;
    let answer: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    match response.status().is_success() {
        true => Ok(answer),
        false => Err(Refusal {
            kind: answer["__type"].as_str().unwrap_or(response.status().as_str()).to_owned(),
            message: answer["message"].as_str().or(answer["Message"].as_str()).unwrap_or_default().to_owned(),
        }),
    }
}
