//! Services that speak AWS JSON: a row each. Our own doors are called as an AWS client would call them, the others at
//! their endpoints.
//!
//! Step Functions writes all members with a capital. Services whose members begin small on the wire get them so, and
//! their answers are written back.

use aws_client::time;
use aws_protocol::Response;
use bytes::Bytes;
use engine::{Task, split_execution_arn};
use http::Request;
use interpreter::{Failure, Payload};
use serde_json::{Map, Value};

use super::sdk::{Refusal, Sdk, request_id_of};
use super::{Shared, There, bad_parameters};

/// A service.
struct Service {
    /// As in `aws-sdk:NAME:action`.
    name: &'static str,
    /// As errors of `aws-sdk` begin.
    java: &'static str,
    /// What comes before the operation in `X-Amz-Target`.
    target: &'static str,
    version: &'static str,
    place: Place,
    members: Members,
    /// Members that are text on the wire, and may be any JSON in a definition.
    texts: &'static [&'static str],
    /// Errors that the service answers although its model has not got them.
    lacks: &'static [&'static str],
}

#[derive(Clone, Copy)]
enum Place {
    States,
    Dynamo,
    Logs,
    /// With the end of its variable, and the name it is signed with.
    There(&'static str, &'static str),
}

/// How members begin on the wire.
#[derive(Clone, Copy, PartialEq)]
enum Members {
    Large,
    Small,
}

use Members::{Large, Small};

const SERVICES: &[Service] = &[
    row("dynamodb", "DynamoDb", "DynamoDB_20120810", "1.0", Place::Dynamo, Large).lacks(&["ValidationException"]),
    row("sfn", "Sfn", "AWSStepFunctions", "1.0", Place::States, Small).texts(&["Input", "Output", "Definition"]),
    row("cloudwatchlogs", "CloudWatchLogs", "Logs_20140328", "1.1", Place::Logs, Small),
    row("sqs", "Sqs", "AmazonSQS", "1.0", Place::There("SQS", "sqs"), Large).texts(&["MessageBody"]).lacks(&[
        "InvalidParameterValue",
        "MissingParameter",
        "InternalFailure",
    ]),
    row("eventbridge", "EventBridge", "AWSEvents", "1.1", Place::There("EVENTBRIDGE", "events"), Large)
        .lacks(&["ValidationException"]),
    row("athena", "Athena", "AmazonAthena", "1.1", Place::There("ATHENA", "athena"), Large),
    row("codebuild", "CodeBuild", "CodeBuild_20161006", "1.1", Place::There("CODEBUILD", "codebuild"), Small),
    row(
        "cognitoidentityprovider",
        "CognitoIdentityProvider",
        "AWSCognitoIdentityProviderService",
        "1.1",
        Place::There("COGNITO_IDENTITY_PROVIDER", "cognito-idp"),
        Large,
    ),
    row("comprehend", "Comprehend", "Comprehend_20171127", "1.1", Place::There("COMPREHEND", "comprehend"), Large),
    row("ecs", "Ecs", "AmazonEC2ContainerServiceV20141113", "1.1", Place::There("ECS", "ecs"), Small),
    row("firehose", "Firehose", "Firehose_20150804", "1.1", Place::There("FIREHOSE", "firehose"), Large),
    row("glue", "Glue", "AWSGlue", "1.1", Place::There("GLUE", "glue"), Large),
    row("kinesis", "Kinesis", "Kinesis_20131202", "1.1", Place::There("KINESIS", "kinesis"), Large),
    row("kms", "Kms", "TrentService", "1.1", Place::There("KMS", "kms"), Large),
    row("rekognition", "Rekognition", "RekognitionService", "1.1", Place::There("REKOGNITION", "rekognition"), Large),
    row("sagemaker", "SageMaker", "SageMaker", "1.1", Place::There("SAGEMAKER", "sagemaker"), Large),
    row(
        "secretsmanager",
        "SecretsManager",
        "secretsmanager",
        "1.1",
        Place::There("SECRETS_MANAGER", "secretsmanager"),
        Large,
    )
    .texts(&["SecretString"]),
    row("ssm", "Ssm", "AmazonSSM", "1.1", Place::There("SSM", "ssm"), Large),
    row("textract", "Textract", "Textract", "1.1", Place::There("TEXTRACT", "textract"), Large),
    row("transcribe", "Transcribe", "Transcribe", "1.1", Place::There("TRANSCRIBE", "transcribe"), Large),
    row(
        "translate",
        "Translate",
        "AWSShineFrontendService_20170701",
        "1.1",
        Place::There("TRANSLATE", "translate"),
        Large,
    ),
];

/// Optimized integrations: the service, its actions, its row above, and how errors are named.
const OPTIMIZED: &[(&str, &[&str], &str, Sdk)] = &[
    (
        "dynamodb",
        &["getItem", "putItem", "updateItem", "deleteItem"],
        "dynamodb",
        sdk_one("DynamoDB", "AmazonDynamoDBv2"),
    ),
    ("sqs", &["sendMessage"], "sqs", sdk_one("SQS", "AmazonSQS")),
    ("states", &["startExecution"], "sfn", sdk_one("StepFunctions", "AWSStepFunctions")),
    ("events", &["putEvents"], "eventbridge", sdk_one("EventBridge", "AmazonEventBridge")),
];

const fn row(
    name: &'static str,
    java: &'static str,
    target: &'static str,
    version: &'static str,
    place: Place,
    members: Members,
) -> Service {
    Service { name, java, target, version, place, members, texts: &[], lacks: &[] }
}

const fn sdk_one(prefix: &'static str, client: &'static str) -> Sdk {
    Sdk::One { prefix, client }
}

impl Service {
    const fn texts(self, texts: &'static [&'static str]) -> Service {
        Service { texts, ..self }
    }

    const fn lacks(self, lacks: &'static [&'static str]) -> Service {
        Service { lacks, ..self }
    }
}

/// An action of a service.
pub struct Call {
    service: &'static Service,
    pub sdk: Sdk,
    operation: String,
}

/// The call for a service and an action of a resource, if there is a row.
pub fn find(service: &str, action: &str) -> Option<Call> {
    let row = |name: &str| SERVICES.iter().find(|row| row.name == name);
    let (service, sdk) = match service.strip_prefix("aws-sdk:") {
        Some(name) => row(name).map(|row| (row, Sdk::Two(row.java)))?,
        None => {
            let (.., name, sdk) =
                OPTIMIZED.iter().find(|(name, actions, ..)| *name == service && actions.contains(&action))?;
            (row(name)?, *sdk)
        }
    };
    Some(Call { service, sdk, operation: first_letter(action, |letter| letter.to_ascii_uppercase()) })
}

impl Call {
    pub async fn run(&self, shared: &Shared, task: &Task) -> Result<Payload, Failure> {
        let body = self.body(task.input.value())?;
        let answer = self.send(shared, task, body).await?;
        let members = self.members(&answer)?;
        Ok(self.output(members, &answer))
    }

    /// What goes over the wire. A member that is null is one that is not set.
    pub fn body(&self, parameters: &Value) -> Result<Map<String, Value>, Failure> {
        let Value::Object(parameters) = parameters else {
            return Err(bad_parameters(parameters, "Parameters must be an object"));
        };
        let mut body = Map::new();
        for (name, value) in parameters.iter().filter(|(_, value)| !value.is_null()) {
            let value = match self.service.texts.contains(&name.as_str()) {
                true => as_text(value),
                false => value.clone(),
            };
            body.insert(name.clone(), value);
        }
        match self.service.members {
            Large => Ok(body),
            Small => Ok(renamed(body, |letter| letter.to_ascii_lowercase())),
        }
    }

    pub async fn send(&self, shared: &Shared, task: &Task, body: Map<String, Value>) -> Result<Response, Failure> {
        let Service { target, version, place, .. } = self.service;
        let target = format!("{target}.{}", self.operation);
        let body = Bytes::from(Value::Object(body).to_string());
        let content_type = format!("application/x-amz-json-{version}");
        if let Place::There(variable, signed_as) = place {
            let headers = [("content-type", content_type.as_str()), ("x-amz-target", &target)];
            let place = There { variable, signed_as, operation: &self.operation };
            return shared.post(task, place, self.sdk, &headers, body).await;
        }
        let request = Request::post("/").header("content-type", content_type).header("x-amz-target", &target);
        let request = request.body(body).map_err(|error| self.sdk.unreachable(&format!("{target}: {error}")))?;
        let front = shared.front().await?;
        Ok(match place {
            Place::Dynamo => front.dynamo.handle(request).await,
            Place::Logs => front.logs.handle(request).await,
            Place::States | Place::There(..) => front.states.handle(&request).await,
        })
    }

    /// The members of a success, as Step Functions shows them.
    pub fn members(&self, answer: &Response) -> Result<Map<String, Value>, Failure> {
        if !answer.status().is_success() {
            return Err(self.sdk.failure(&refusal(answer), self.service.lacks));
        }
        let members = match answer.body().is_empty() {
            true => Map::new(),
            false => serde_json::from_slice(answer.body())
                .map_err(|error| self.sdk.unreachable(&format!("the answer is not a JSON object: {error}")))?,
        };
        let mut members = match self.service.members {
            Large => members,
            Small => renamed(members, |letter| letter.to_ascii_uppercase()),
        };
        members.iter_mut().for_each(|(name, value)| self.show_dates(name, value));
        Ok(members)
    }

    pub fn output(&self, members: Map<String, Value>, answer: &Response) -> Payload {
        self.sdk.output(members, answer)
    }

    /// Moments are seconds on the wire. The first SDK shows milliseconds, the second writes them out. A member is known
    /// to be one by its name.
    fn show_dates(&self, name: &str, value: &mut Value) {
        match value {
            Value::Object(members) => members.iter_mut().for_each(|(name, value)| self.show_dates(name, value)),
            Value::Array(values) => values.iter_mut().for_each(|value| self.show_dates(name, value)),
            Value::Number(seconds) if name.ends_with("Date") => {
                let Some(millis) = seconds.as_f64().map(|seconds| (seconds * 1000.0).round() as i64) else { return };
                *value = match self.sdk {
                    Sdk::One { .. } => millis.into(),
                    Sdk::Two(_) => time::iso(millis).into(),
                };
            }
            _ => {}
        }
    }
}

/// `events:putEvents`: the execution and its machine are named as resources of each event, and an entry that is refused
/// fails the task.
pub async fn put_events(shared: &Shared, task: &Task) -> Result<Payload, Failure> {
    let call = find("events", "putEvents").expect("INVARIANT: the table has a row for it");
    let mut body = call.body(task.input.value())?;
    let machine = split_execution_arn(&task.execution_arn).map(|(machine, _)| machine);
    for entry in body.get_mut("Entries").and_then(Value::as_array_mut).into_iter().flatten() {
        complete(entry, [Some(task.execution_arn.to_string()), machine.clone()].into_iter().flatten());
    }
    let answer = call.send(shared, task, body).await?;
    let members = call.members(&answer)?;
    match members.get("FailedEntryCount").and_then(Value::as_u64) {
        None | Some(0) => Ok(Payload::from_value(Value::Object(members))),
        Some(_) => Err(Failure::new("EventBridge.FailedEntry", Value::Object(members).to_string())),
    }
}

fn complete(entry: &mut Value, resources: impl Iterator<Item = String>) {
    let Value::Object(entry) = entry else { return };
    if let Some(detail) = entry.get_mut("Detail") {
        *detail = as_text(detail);
    }
    if let Value::Array(named) = entry.entry("Resources").or_insert_with(|| Value::Array(Vec::new())) {
        named.extend(resources.map(Value::from));
    }
}

/// JSON where a service wants text.
pub fn as_text(value: &Value) -> Value {
    match value {
        Value::String(_) => value.clone(),
        other => other.to_string().into(),
    }
}

fn renamed(members: Map<String, Value>, change: fn(char) -> char) -> Map<String, Value> {
    let renamed = |(name, value): (String, Value)| (first_letter(&name, change), renamed_within(value, change));
    members.into_iter().map(renamed).collect()
}

fn renamed_within(value: Value, change: fn(char) -> char) -> Value {
    match value {
        Value::Object(members) => Value::Object(renamed(members, change)),
        Value::Array(values) => values.into_iter().map(|value| renamed_within(value, change)).collect(),
        other => other,
    }
}

fn first_letter(name: &str, change: fn(char) -> char) -> String {
    let mut letters = name.chars();
    letters.next().map(change).into_iter().chain(letters).collect()
}

/// An error of the AWS JSON protocols. Its name may have a namespace before it and a URL behind it.
pub fn refusal(answer: &Response) -> Refusal {
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let header = answer.headers().get("x-amzn-errortype").and_then(|name| name.to_str().ok());
    let name = body["__type"].as_str().or(body["code"].as_str()).or(header).unwrap_or("UnknownError");
    let name = name.rsplit('#').next().unwrap_or_default().split(':').next().unwrap_or_default();
    let message = body["message"].as_str().or(body["Message"].as_str());
    Refusal {
        code: name.to_owned(),
        message: message.map_or_else(|| String::from_utf8_lossy(answer.body()).into_owned(), str::to_owned),
        status: answer.status().as_u16(),
        request_id: request_id_of(answer.headers()),
        extended_request_id: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn calls_by_resource() {
        let check = |service: &str, action: &str, expect: Option<(&str, &str)>| {
            let found = find(service, action);
            assert_eq!(
                found.as_ref().map(|call| (call.service.target, &*call.operation)),
                expect,
                "{service}:{action}"
            );
        };
        check("dynamodb", "putItem", Some(("DynamoDB_20120810", "PutItem")));
        check("dynamodb", "query", None);
        check("aws-sdk:dynamodb", "query", Some(("DynamoDB_20120810", "Query")));
        check("aws-sdk:sfn", "sendTaskSuccess", Some(("AWSStepFunctions", "SendTaskSuccess")));
        check("aws-sdk:secretsmanager", "getSecretValue", Some(("secretsmanager", "GetSecretValue")));
        check("secretsmanager", "getSecretValue", None);
        check("aws-sdk:nothing", "x", None);
        check("aws-sdk:", "", None);
    }

    #[test]
    fn rows_are_named_once_and_referred_to() {
        let mut names: Vec<&str> = SERVICES.iter().map(|row| row.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        for (service, actions, ..) in OPTIMIZED {
            assert!(find(service, actions[0]).is_some(), "{service}");
        }
    }

    #[test]
    fn bodies() {
        let check = |service: &str, action: &str, parameters: Value, expect: Value| {
            let call = find(service, action).unwrap();
            assert_eq!(Value::Object(call.body(&parameters).unwrap()), expect, "{service}:{action}");
        };
        check(
            "aws-sdk:sfn",
            "startExecution",
            json!({ "StateMachineArn": "arn", "Input": { "Trip": 1 }, "Name": null }),
            json!({ "stateMachineArn": "arn", "input": "{\"Trip\":1}" }),
        );
        check(
            "aws-sdk:sfn",
            "createStateMachine",
            json!({ "LoggingConfiguration": { "Destinations": [{ "CloudWatchLogsLogGroup": { "LogGroupArn": "a" } }] } }),
            json!({ "loggingConfiguration": { "destinations": [{ "cloudWatchLogsLogGroup": { "logGroupArn": "a" } }] } }),
        );
        check("aws-sdk:sfn", "sendTaskSuccess", json!({ "Output": "{}" }), json!({ "output": "{}" }));
        check(
            "sqs",
            "sendMessage",
            json!({ "QueueUrl": "q", "MessageBody": { "Message": "m" } }),
            json!({ "QueueUrl": "q", "MessageBody": "{\"Message\":\"m\"}" }),
        );
        check(
            "dynamodb",
            "putItem",
            json!({ "TableName": "t", "Item": { "Pk": { "S": "a" } } }),
            json!({ "TableName": "t", "Item": { "Pk": { "S": "a" } } }),
        );
        assert!(find("sqs", "sendMessage").unwrap().body(&json!("text")).is_err());
    }

    fn answer(status: u16, body: &str) -> Response {
        http::Response::builder().status(status).header("x-amzn-requestid", "ID").body(body.to_owned().into()).unwrap()
    }

    #[test]
    fn answers() {
        let check = |service: &str, action: &str, body: &str, expect: Value| {
            let members = find(service, action).unwrap().members(&answer(200, body)).unwrap();
            assert_eq!(Value::Object(members), expect);
        };
        let started = r#"{"executionArn":"e","startDate":1700000000.25}"#;
        check("states", "startExecution", started, json!({ "ExecutionArn": "e", "StartDate": 1_700_000_000_250_i64 }));
        check(
            "aws-sdk:sfn",
            "startExecution",
            started,
            json!({ "ExecutionArn": "e", "StartDate": "2023-11-14T22:13:20.250Z" }),
        );
        check(
            "aws-sdk:sfn",
            "listExecutions",
            r#"{"executions":[{"name":"n","stopDate":0}]}"#,
            json!({ "Executions": [{ "Name": "n", "StopDate": "1970-01-01T00:00:00.000Z" }] }),
        );
        check(
            "aws-sdk:dynamodb",
            "query",
            r#"{"Items":[{"a":{"N":"1"}}]}"#,
            json!({ "Items": [{ "a": { "N": "1" } }] }),
        );
        check("aws-sdk:sqs", "deleteMessage", "", json!({}));
    }

    #[test]
    fn refusals() {
        let check = |service: &str, body: &str, expect: (&str, &str)| {
            let call = find(service, "putItem").unwrap();
            let failure = call.members(&answer(400, body)).unwrap_err();
            let cause = failure.cause.as_deref().unwrap();
            assert_eq!((failure.error.as_deref().unwrap(), cause.split(" (Service").next().unwrap()), expect);
        };
        let condition =
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"No"}"#;
        check("dynamodb", condition, ("DynamoDB.ConditionalCheckFailedException", "No"));
        check("aws-sdk:dynamodb", condition, ("DynamoDb.ConditionalCheckFailedException", "No"));
        let invalid = r#"{"__type":"com.amazon.coral.validate#ValidationException","Message":"Bad"}"#;
        check("dynamodb", invalid, ("DynamoDB.AmazonDynamoDBException", "Bad"));
        check("aws-sdk:dynamodb", invalid, ("DynamoDb.DynamoDbException", "Bad"));
        let with_url = r#"{"__type":"ResourceNotFoundException:http://internal/","message":"Gone"}"#;
        check("aws-sdk:kms", with_url, ("Kms.ResourceNotFoundException", "Gone"));
        check("aws-sdk:kms", "<html>", ("Kms.UnknownErrorException", "<html>"));
    }

    #[test]
    fn events_name_where_they_come_from() {
        let check = |mut entry: Value, expect: Value| {
            complete(&mut entry, ["e".to_owned(), "m".to_owned()].into_iter());
            assert_eq!(entry, expect);
        };
        check(json!({ "Detail": { "a": 1 } }), json!({ "Detail": "{\"a\":1}", "Resources": ["e", "m"] }));
        check(json!({ "Resources": ["q"] }), json!({ "Resources": ["q", "e", "m"] }));
    }
}
