//! Calls of services by their models: any operation of any service, written and read as `aws_models` says.
//!
//! | where it goes | if |
//! |---|---|
//! | a door of ours, asked as an AWS client would ask it | there is one, and the user names no other place for the service |
//! | the endpoint of the user's, signed | they name one for it, or one for all |
//! | the outbox | the operation sends something |
//! | nowhere: the task fails, and its cause names the setting | none of these |

use aws_models::{Operation, Sent, Times};
use aws_outbox::{Outbox, Sender};
use aws_protocol::Response;
use bytes::Bytes;
use engine::{Task, split_execution_arn};
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use interpreter::{Failure, Payload};
use serde_json::{Map, Value};

use super::sdk::{Refusal, Sdk, request_id_of};
use super::{Shared, bad_parameters, refused};
use crate::request_id;

/// Services with a door of ours; of the first ones no other place counts, since their state is the engine's or has an
/// option of its own.
const DOORS: &[(&str, bool)] = &[
    ("sfn", true),
    ("dynamodb", true),
    ("cloudwatchlogs", true),
    ("lambda", true),
    ("cloudformation", false),
    ("s3", false),
    ("ssm", false),
    ("sts", false),
];

/// Optimized integrations: the service, its actions, the service of its model, and how errors are named.
const OPTIMIZED: &[(&str, &[&str], &str, Sdk)] = &[
    (
        "dynamodb",
        &["getItem", "putItem", "updateItem", "deleteItem"],
        "dynamodb",
        sdk_one("DynamoDB", "AmazonDynamoDBv2"),
    ),
    ("sqs", &["sendMessage"], "sqs", sdk_one("SQS", "AmazonSQS")),
    ("sns", &["publish"], "sns", sdk_one("SNS", "AmazonSNS")),
    ("states", &["startExecution"], "sfn", sdk_one("StepFunctions", "AWSStepFunctions")),
    ("events", &["putEvents"], "eventbridge", sdk_one("EventBridge", "AmazonEventBridge")),
    (
        "athena",
        &["startQueryExecution", "stopQueryExecution", "getQueryExecution", "getQueryResults"],
        "athena",
        sdk_one("Athena", "AmazonAthena"),
    ),
    ("batch", &["submitJob"], "batch", sdk_one("Batch", "AWSBatch")),
    (
        "codebuild",
        &["startBuild", "stopBuild", "batchDeleteBuilds", "batchGetReports", "startBuildBatch", "stopBuildBatch"],
        "codebuild",
        sdk_one("CodeBuild", "AWSCodeBuild"),
    ),
    ("ecs", &["runTask"], "ecs", sdk_one("ECS", "AmazonECS")),
    ("glue", &["startJobRun"], "glue", sdk_one("Glue", "AWSGlue")),
];

const fn sdk_one(prefix: &'static str, client: &'static str) -> Sdk {
    Sdk::One { prefix, client }
}

/// An action of a service.
pub struct Call {
    operation: Operation,
    pub sdk: Sdk,
}

/// The call for a service and an action of a resource, if there is one.
pub fn find(service: &str, action: &str) -> Option<Call> {
    let of = |name: &str| aws_models::find(name)?.operation(action);
    match service.strip_prefix("aws-sdk:") {
        Some(name) => of(name).map(|operation| Call { operation, sdk: Sdk::Two(&operation.service.java) }),
        None => {
            let row = OPTIMIZED.iter().find(|(name, actions, ..)| *name == service && actions.contains(&action));
            row.and_then(|(.., name, sdk)| Some(Call { operation: of(name)?, sdk: *sdk }))
        }
    }
}

impl Call {
    pub async fn run(&self, shared: &Shared, task: &Task) -> Result<Payload, Failure> {
        let answer = self.send(shared, task, self.request(task.input.value())?).await?;
        let members = self.members(&answer)?;
        Ok(self.output(members, &answer))
    }

    pub fn request(&self, parameters: &Value) -> Result<Sent, Failure> {
        let sent = self.operation.request(parameters, &request_id::text());
        sent.map_err(|why| bad_parameters(parameters, &why))
    }

    pub async fn send(&self, shared: &Shared, task: &Task, sent: Sent) -> Result<Response, Failure> {
        let (service, name) = (self.operation.service, self.operation.name());
        let door = DOORS.iter().find(|(door, _)| *door == service.name);
        let is_named = shared.elsewhere.names(&service.variable);
        let outbox = if service.name == "eventbridge" { "events" } else { &service.name };
        if door.is_some_and(|(_, always)| *always || !is_named) || is_of_a_bus(&service.name, name) && !is_named {
            return self.ask(shared, sent, None).await;
        }
        if shared.elsewhere.knows(&service.variable) {
            let signed_as = self.operation.is_signed().then_some(service.signed_as.as_str());
            let answer = shared.elsewhere.send(&service.variable, signed_as, sent).await.map_err(refused)?;
            return answer.map_err(|why| self.sdk.unreachable(&why));
        }
        if Outbox::takes(outbox, name) {
            let sender =
                Sender { execution: Some(task.execution_arn.to_string()), state: Some(task.state.to_string()) };
            return self.ask(shared, sent, Some(sender)).await;
        }
        Err(refused(shared.elsewhere.unknown(&service.variable)))
    }

    /// The end of the variable that has to name a place for it, unless there is one for all.
    pub fn variable(&self) -> Option<&'static str> {
        let (service, name) = (self.operation.service, self.operation.name());
        let has_door = DOORS.iter().any(|(door, _)| *door == service.name);
        let outbox = if service.name == "eventbridge" { "events" } else { &service.name };
        (!has_door && !Outbox::takes(outbox, name) && !is_of_a_bus(&service.name, name)).then_some(&service.variable)
    }

    /// Asks a door of ours.
    async fn ask(&self, shared: &Shared, sent: Sent, sender: Option<Sender>) -> Result<Response, Failure> {
        let unreachable = |why: String| self.sdk.unreachable(&why);
        let headers = headers(&sent).map_err(unreachable)?;
        let request = Request::builder().method(sent.method).uri(&sent.target).body(sent.body);
        let mut request = request.map_err(|error| unreachable(error.to_string()))?;
        *request.headers_mut() = headers;
        request.headers_mut().insert(header::HOST, HeaderValue::from_static("localhost"));
        // Doors tell by it whom a request is for, and check nothing.
        let region = shared.elsewhere.region();
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=task/19700101/{region}/{}/aws4_request, SignedHeaders=host, Signature=0",
            self.operation.service.signed_as
        );
        let scope = HeaderValue::try_from(scope).map_err(|error| unreachable(error.to_string()))?;
        request.headers_mut().insert(header::AUTHORIZATION, scope);
        if let Some(sender) = sender {
            request.extensions_mut().insert(sender);
        }
        Ok(shared.front().await?.ask(request).await)
    }

    /// The members of a success, as Step Functions shows them.
    pub fn members(&self, answer: &Response) -> Result<Map<String, Value>, Failure> {
        if !answer.status().is_success() {
            let refusal = self.refusal(answer);
            return Err(self.sdk.failure(&refusal, self.operation.service.exception(&refusal.code)));
        }
        let times = match self.sdk {
            Sdk::One { .. } => Times::Millis,
            Sdk::Two(_) => Times::Written,
        };
        self.operation.answer(answer, times).map_err(|why| self.sdk.unreachable(&why))
    }

    pub fn refusal(&self, answer: &Response) -> Refusal {
        let aws_models::Refusal { code, message, request_id } = self.operation.refusal(answer);
        let request_id = request_id.unwrap_or_else(|| request_id_of(answer.headers()));
        Refusal { code, message, status: answer.status().as_u16(), request_id, extended_request_id: None }
    }

    /// The failure of an error that the service answers.
    pub fn failure(&self, refusal: &Refusal) -> Failure {
        self.sdk.failure(refusal, self.operation.service.exception(&refusal.code))
    }

    pub fn output(&self, members: Map<String, Value>, answer: &Response) -> Payload {
        self.sdk.output(members, answer)
    }
}

/// EventBridge's rules and connections are served here, though a place for all takes the events themselves.
fn is_of_a_bus(service: &str, operation: &str) -> bool {
    let is_served = aws_connections::Connections::serves(operation) || aws_events::is_served(operation);
    service == "eventbridge" && is_served && !Outbox::takes("events", operation)
}

/// The headers of a request.
pub fn headers(sent: &Sent) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &sent.headers {
        let parsed = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
        let (name, value) = parsed.ok_or_else(|| format!("{name}: {value} is not a header of HTTP"))?;
        headers.insert(name, value);
    }
    Ok(headers)
}

/// The members of a request that is JSON.
pub fn body(sent: &Sent) -> Map<String, Value> {
    serde_json::from_slice(&sent.body).expect("INVARIANT: the body was made of members")
}

/// The request with other members.
pub fn with_body(sent: Sent, body: Map<String, Value>) -> Sent {
    Sent { body: Bytes::from(Value::Object(body).to_string()), ..sent }
}

/// `events:putEvents`: the execution and its machine are named as resources of each event, and an entry that is refused
/// fails the task.
pub async fn put_events(shared: &Shared, task: &Task) -> Result<Payload, Failure> {
    let call = find("events", "putEvents").expect("INVARIANT: the table has a row for it");
    let mut parameters = task.input.value().clone();
    let machine = split_execution_arn(&task.execution_arn).map(|(machine, _)| machine);
    for entry in parameters.get_mut("Entries").and_then(Value::as_array_mut).into_iter().flatten() {
        complete(entry, [Some(task.execution_arn.to_string()), machine.clone()].into_iter().flatten());
    }
    let answer = call.send(shared, task, call.request(&parameters)?).await?;
    let members = call.members(&answer)?;
    match members.get("FailedEntryCount").and_then(Value::as_u64) {
        None | Some(0) => Ok(Payload::from_value(Value::Object(members))),
        Some(_) => Err(Failure::new("EventBridge.FailedEntry", Value::Object(members).to_string())),
    }
}

fn complete(entry: &mut Value, resources: impl Iterator<Item = String>) {
    let Value::Object(entry) = entry else { return };
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn calls_by_resource() {
        let check = |service: &str, action: &str, expect: Option<(&str, &str)>| {
            let found = find(service, action);
            let found = found.as_ref().map(|call| (call.operation.service.java.as_str(), call.operation.name()));
            assert_eq!(found, expect, "{service}:{action}");
        };
        check("dynamodb", "putItem", Some(("DynamoDb", "PutItem")));
        check("dynamodb", "query", None);
        check("aws-sdk:dynamodb", "query", Some(("DynamoDb", "Query")));
        check("aws-sdk:sfn", "sendTaskSuccess", Some(("Sfn", "SendTaskSuccess")));
        check("aws-sdk:secretsmanager", "getSecretValue", Some(("SecretsManager", "GetSecretValue")));
        check("secretsmanager", "getSecretValue", None);
        check("aws-sdk:ec2", "describeInstances", Some(("Ec2", "DescribeInstances")));
        check("aws-sdk:ec2", "describeNothing", None);
        check("aws-sdk:nothing", "x", None);
        check("aws-sdk:", "", None);
    }

    #[test]
    fn rows_refer_to_operations() {
        for (service, actions, ..) in OPTIMIZED {
            for action in *actions {
                assert!(find(service, action).is_some(), "{service}:{action}");
            }
        }
        assert!(DOORS.iter().all(|(name, _)| aws_models::find(name).is_some()));
    }

    #[test]
    fn refusals() {
        let check = |service: &str, action: &str, body: &str, expect: (&str, &str)| {
            let call = find(service, action).unwrap();
            let answer = http::Response::builder().status(400).header("x-amzn-requestid", "ID");
            let failure = call.members(&answer.body(body.to_owned().into()).unwrap()).unwrap_err();
            let cause = failure.cause.as_deref().unwrap();
            assert_eq!((failure.error.as_deref().unwrap(), cause.split(" (Service").next().unwrap()), expect);
        };
        let condition =
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"No"}"#;
        check("dynamodb", "putItem", condition, ("DynamoDB.ConditionalCheckFailedException", "No"));
        check("aws-sdk:dynamodb", "putItem", condition, ("DynamoDb.ConditionalCheckFailedException", "No"));
        let invalid = r#"{"__type":"com.amazon.coral.validate#ValidationException","Message":"Bad"}"#;
        check("dynamodb", "putItem", invalid, ("DynamoDB.AmazonDynamoDBException", "Bad"));
        check("aws-sdk:dynamodb", "putItem", invalid, ("DynamoDb.DynamoDbException", "Bad"));
        check("aws-sdk:kms", "encrypt", "<html>", ("Kms.KmsException", "<html>"));
        let missing =
            "<ErrorResponse><Error><Code>DBInstanceNotFound</Code><Message>No</Message></Error></ErrorResponse>";
        check("aws-sdk:rds", "startDBInstance", missing, ("Rds.DbInstanceNotFoundException", "No"));
        let topic = "<ErrorResponse><Error><Code>NotFound</Code><Message>No</Message></Error></ErrorResponse>";
        check("sns", "publish", topic, ("SNS.NotFoundException", "No"));
    }

    #[test]
    fn events_name_where_they_come_from() {
        let check = |mut entry: Value, expect: Value| {
            complete(&mut entry, ["e".to_owned(), "m".to_owned()].into_iter());
            assert_eq!(entry, expect);
        };
        check(json!({ "Source": "s" }), json!({ "Source": "s", "Resources": ["e", "m"] }));
        check(json!({ "Resources": ["q"] }), json!({ "Resources": ["q", "e", "m"] }));
    }
}
