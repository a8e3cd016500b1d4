//! How the AWS SDK for Java shows what services answer: that is what Step Functions passes on.
//!
//! | | optimized (`arn:aws:states:::dynamodb:putItem`) | SDK (`arn:aws:states:::aws-sdk:dynamodb:putItem`) |
//! |---|---|---|
//! | version of the SDK | 1 | 2 |
//! | output | with `SdkHttpMetadata` and `SdkResponseMetadata` | without |
//! | error | `DynamoDB.ConditionalCheckFailedException` | `DynamoDb.ConditionalCheckFailedException` |
//! | error that the service's model lacks | `DynamoDB.AmazonDynamoDBException` | `DynamoDb.DynamoDbException` |
//! | cause | `... (Service: AmazonDynamoDBv2; Status Code: 400; Error Code: ...; Request ID: ...; Proxy: null)` | `... (Service: DynamoDb, Status Code: 400, Request ID: ...) (SDK Attempt Count: 1)` |
//! | no answer | `DynamoDB.SdkClientException` | `DynamoDb.SdkClientException` |

use aws_protocol::Response;
use http::HeaderMap;
use interpreter::{Failure, Payload};
use serde_json::{Map, Value, json};

use crate::request_id;

/// Which SDK calls a service, under which names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sdk {
    /// Version 1: what errors begin with, and the name of the client's service.
    One { prefix: &'static str, client: &'static str },
    /// Version 2, which has one name for both.
    Two(&'static str),
}

/// An error as a service answers it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The service's own name for it.
    pub code: String,
    pub message: String,
    pub status: u16,
    pub request_id: String,
    /// S3 has two.
    pub extended_request_id: Option<String>,
}

impl Sdk {
    /// `exception` is what the service's model makes of the code, if it has it.
    pub fn failure(self, refusal: &Refusal, exception: Option<&str>) -> Failure {
        let class = exception.map_or_else(|| self.base_class(), str::to_owned);
        let Refusal { code, message, status, request_id, extended_request_id } = refusal;
        let cause = match self {
            Sdk::One { client, .. } => format!(
                "{message} (Service: {client}; Status Code: {status}; Error Code: {code}; Request ID: {request_id}; Proxy: null)"
            ),
            Sdk::Two(service) => {
                let extended = extended_request_id.as_ref().map(|id| format!(", Extended Request ID: {id}"));
                let extended = extended.unwrap_or_default();
                format!(
                    "{message} (Service: {service}, Status Code: {status}, Request ID: {request_id}{extended}) (SDK Attempt Count: 1)"
                )
            }
        };
        Failure::new(format!("{}.{class}", self.prefix()), cause)
    }

    /// The service did not answer, or not in a way that can be read.
    pub fn unreachable(self, why: &str) -> Failure {
        let error = format!("{}.SdkClientException", self.prefix());
        Failure::new(error, format!("Unable to execute HTTP request: {why}"))
    }

    fn prefix(self) -> &'static str {
        match self {
            Sdk::One { prefix, .. } => prefix,
            Sdk::Two(service) => service,
        }
    }

    fn base_class(self) -> String {
        match self {
            Sdk::One { client, .. } => format!("{}Exception", client.trim_end_matches("v2")),
            Sdk::Two(service) => format!("{service}Exception"),
        }
    }

    /// The output of a task: what the service answered, its members in order of their names.
    pub fn output(self, mut members: Map<String, Value>, answer: &Response) -> Payload {
        if let Sdk::One { .. } = self {
            members.insert("SdkHttpMetadata".into(), http_metadata(answer));
            members.insert("SdkResponseMetadata".into(), json!({ "RequestId": request_id_of(answer.headers()) }));
        }
        members.sort_keys();
        Payload::from_value(Value::Object(members))
    }
}

fn http_metadata(answer: &Response) -> Value {
    let headers = headers(answer);
    let all: Map<String, Value> = headers.iter().map(|(name, value)| (name.clone(), json!([value]))).collect();
    let single: Map<String, Value> = headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({ "AllHttpHeaders": all, "HttpHeaders": single, "HttpStatusCode": answer.status().as_u16() })
}

/// The headers of an answer as AWS spells them, which HTTP does not. One of our own doors has no length yet.
pub fn headers(answer: &Response) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in answer.headers() {
        headers.push((spelled(name.as_str()), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    }
    if !answer.headers().contains_key(http::header::CONTENT_LENGTH) {
        headers.push(("Content-Length".into(), answer.body().len().to_string()));
    }
    headers
}

fn spelled(name: &str) -> String {
    const SPELLINGS: &[&str] = &[
        "Connection",
        "Content-Encoding",
        "Content-Length",
        "Content-Type",
        "Date",
        "Location",
        "Server",
        "Set-Cookie",
        "Via",
        "X-Amz-Cf-Id",
        "X-Amz-Cf-Pop",
        "X-Amzn-Trace-Id",
        "X-Cache",
        "x-amzn-RequestId",
    ];
    SPELLINGS.iter().find(|spelling| spelling.eq_ignore_ascii_case(name)).unwrap_or(&name).to_string()
}

/// What the service called the request, or what we call it.
pub fn request_id_of(headers: &HeaderMap) -> String {
    let named = ["x-amzn-requestid", "x-amz-request-id"].iter().find_map(|name| headers.get(*name));
    named.and_then(|id| id.to_str().ok()).map_or_else(request_id::text, str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DYNAMODB: Sdk = Sdk::One { prefix: "DynamoDB", client: "AmazonDynamoDBv2" };
    const STATES: Sdk = Sdk::One { prefix: "StepFunctions", client: "AWSStepFunctions" };

    /// As recorded on AWS.
    #[test]
    fn errors() {
        let check =
            |sdk: Sdk, code: &str, exception: Option<&str>, extended: Option<&str>, error: &str, cause: &str| {
                let refusal = Refusal {
                    code: code.into(),
                    message: "No".into(),
                    status: 400,
                    request_id: "ID".into(),
                    extended_request_id: extended.map(str::to_owned),
                };
                assert_eq!(sdk.failure(&refusal, exception), Failure::new(error, cause));
            };
        check(
            DYNAMODB,
            "ValidationException",
            None,
            None,
            "DynamoDB.AmazonDynamoDBException",
            "No (Service: AmazonDynamoDBv2; Status Code: 400; Error Code: ValidationException; Request ID: ID; Proxy: null)",
        );
        check(
            STATES,
            "StateMachineDoesNotExist",
            Some("StateMachineDoesNotExistException"),
            None,
            "StepFunctions.StateMachineDoesNotExistException",
            "No (Service: AWSStepFunctions; Status Code: 400; Error Code: StateMachineDoesNotExist; Request ID: ID; Proxy: null)",
        );
        check(
            Sdk::Two("DynamoDb"),
            "ConditionalCheckFailedException",
            Some("ConditionalCheckFailedException"),
            None,
            "DynamoDb.ConditionalCheckFailedException",
            "No (Service: DynamoDb, Status Code: 400, Request ID: ID) (SDK Attempt Count: 1)",
        );
        check(
            Sdk::Two("Sfn"),
            "InvalidToken",
            Some("InvalidTokenException"),
            None,
            "Sfn.InvalidTokenException",
            "No (Service: Sfn, Status Code: 400, Request ID: ID) (SDK Attempt Count: 1)",
        );
        check(
            Sdk::Two("S3"),
            "NoSuchBucket",
            Some("NoSuchBucketException"),
            Some("X"),
            "S3.NoSuchBucketException",
            "No (Service: S3, Status Code: 400, Request ID: ID, Extended Request ID: X) (SDK Attempt Count: 1)",
        );
        check(
            Sdk::Two("Sqs"),
            "UnrecognizedClientException",
            None,
            None,
            "Sqs.SqsException",
            "No (Service: Sqs, Status Code: 400, Request ID: ID) (SDK Attempt Count: 1)",
        );
    }

    #[test]
    fn outputs() {
        let answer = http::Response::builder()
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amzn-requestid", "ID")
            .body("{}".into())
            .unwrap();
        let members =
            || Map::from_iter([("Zebra".to_owned(), json!(1)), ("Item".to_owned(), json!({ "b": 1, "a": 2 }))]);
        assert_eq!(Sdk::Two("DynamoDb").output(members(), &answer).text(), r#"{"Item":{"b":1,"a":2},"Zebra":1}"#);
        let headers =
            json!({ "Content-Type": "application/x-amz-json-1.0", "x-amzn-RequestId": "ID", "Content-Length": "2" });
        let expect = json!({
            "Item": { "b": 1, "a": 2 },
            "SdkHttpMetadata": {
                "AllHttpHeaders": {
                    "Content-Type": ["application/x-amz-json-1.0"], "x-amzn-RequestId": ["ID"], "Content-Length": ["2"],
                },
                "HttpHeaders": headers,
                "HttpStatusCode": 200,
            },
            "SdkResponseMetadata": { "RequestId": "ID" },
            "Zebra": 1,
        });
        assert_eq!(DYNAMODB.output(members(), &answer).value(), &expect);
    }
}
