//! The AWS protocols as a test speaks them: Step Functions, DynamoDB and Lambda over one port.

use std::io;

use serde_json::{Value, json};

use crate::http::{self, Answer};

/// The role of everything the tests create; nobody looks at it.
pub const ROLE: &str = "arn:aws:iam::000000000000:role/test";

#[derive(Clone, Debug)]
pub struct Client {
    /// `HOST:PORT`.
    pub address: String,
}

#[derive(Debug)]
pub enum CallError {
    /// The connection broke: what was asked may have been done or not.
    NoAnswer(io::Error),
    Refused(Refusal),
}

#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub name: String,
    pub message: String,
}

impl Client {
    /// An operation of Step Functions that must succeed.
    pub fn states(&self, operation: &str, body: Value) -> Value {
        self.try_states(operation, &body).unwrap_or_else(|error| panic!("{operation} {body}: {error:?}"))
    }

    pub fn try_states(&self, operation: &str, body: &Value) -> Result<Value, CallError> {
        self.json(&format!("AWSStepFunctions.{operation}"), &body.to_string())
    }

    /// An operation of DynamoDB that must succeed.
    pub fn dynamo(&self, operation: &str, body: Value) -> Value {
        let answer = self.json(&format!("DynamoDB_20120810.{operation}"), &body.to_string());
        answer.unwrap_or_else(|error| panic!("{operation} {body}: {error:?}"))
    }

    /// An AWS JSON call with any target and any body.
    pub fn json(&self, target: &str, body: &str) -> Result<Value, CallError> {
        let headers = [("x-amz-target", target), ("content-type", "application/x-amz-json-1.0")];
        read(self.send("POST", "/", &headers, body.as_bytes()))
    }

    /// The name of the error that an AWS JSON call is answered with.
    pub fn refusal(&self, target: &str, body: &str) -> Refusal {
        match self.json(target, body) {
            Err(CallError::Refused(refusal)) => refusal,
            other => panic!("{target} was not refused: {other:?}"),
        }
    }

    /// A request in Lambda's REST protocol.
    pub fn lambda(&self, method: &str, path: &str, body: &Value) -> Result<Value, CallError> {
        read(self.send(method, path, &[], body.to_string().as_bytes()))
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Answer> {
        http::send(&self.address, method, path, headers, body)
    }

    /// The answer to a GET that must be answered.
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"").unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// The ARN of a new state machine.
    pub fn create_machine(&self, name: &str, definition: &Value) -> String {
        let body = json!({ "name": name, "definition": definition.to_string(), "roleArn": ROLE });
        text(&self.states("CreateStateMachine", body)["stateMachineArn"])
    }

    /// The ARN of a new execution.
    pub fn start(&self, machine_arn: &str, input: &Value) -> String {
        let body = json!({ "stateMachineArn": machine_arn, "input": input.to_string() });
        text(&self.states("StartExecution", body)["executionArn"])
    }

    /// The description of an execution once it has ended.
    pub fn ended(&self, execution_arn: &str) -> Value {
        crate::wait::wait_for(&format!("the end of {execution_arn}"), || {
            let description = self.states("DescribeExecution", json!({ "executionArn": execution_arn }));
            (description["status"] != "RUNNING").then_some(description)
        })
    }

    /// All entries of a list, over as many pages as it takes.
    pub fn all(&self, operation: &str, mut body: Value, member: &str) -> Vec<Value> {
        let mut entries = Vec::new();
        body["maxResults"] = json!(1000);
        loop {
            let mut page = self.states(operation, body.clone());
            entries.append(page[member].as_array_mut().unwrap_or_else(|| panic!("{operation} without {member}")));
            match page["nextToken"].take() {
                Value::Null => return entries,
                token => body["nextToken"] = token,
            }
        }
    }

    pub fn executions(&self, machine_arn: &str) -> Vec<Value> {
        self.all("ListExecutions", json!({ "stateMachineArn": machine_arn }), "executions")
    }

    pub fn history(&self, execution_arn: &str) -> Vec<Value> {
        self.all("GetExecutionHistory", json!({ "executionArn": execution_arn }), "events")
    }
}

fn read(answer: io::Result<Answer>) -> Result<Value, CallError> {
    let answer = answer.map_err(CallError::NoAnswer)?;
    let body = if answer.body.is_empty() { Value::Null } else { answer.json() };
    if (200..300).contains(&answer.status) {
        return Ok(body);
    }
    let name = [&body["__type"], &body["Type"]].into_iter().find_map(Value::as_str);
    let name = name.or_else(|| answer.header("x-amzn-errortype")).unwrap_or_default();
    let message = [&body["message"], &body["Message"]].into_iter().find_map(Value::as_str).unwrap_or_default();
    // DynamoDB writes the namespace of its errors before their names.
    let name = name.rsplit('#').next().unwrap_or_default().to_owned();
    Err(CallError::Refused(Refusal { status: answer.status, name, message: message.to_owned() }))
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}
