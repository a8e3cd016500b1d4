//! Making sure that a table is there: the way templates and examples get their tables.
//!
//! It speaks to the door like any client, so it works with every backend. Toward a forwarded endpoint the request
//! carries placeholder credentials, as local endpoints accept them; tables in AWS itself are made there.

use std::collections::BTreeMap;

use aws_protocol::AWS_JSON_1_0;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{Dynamo, Error};

pub async fn ensure(dynamo: &Dynamo, create: &Value) -> Result<(), Error> {
    let table = create["TableName"].as_str().ok_or_else(|| lacking("TableName", create))?;
    let wanted = key(create).ok_or_else(|| lacking("KeySchema", create))?;
    match call(dynamo, "DescribeTable", &json!({ "TableName": table })).await {
        Ok(answer) => match key(&answer["Table"]) {
            Some(found) if found == wanted => Ok(()),
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
