//! An empty account behind the door: an engine over a store in memory, and requests by name.

#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::Arc;
use std::time::Duration;

use aws_protocol::Home;
use aws_states::States;
use engine::{Completion, Config, Engine, Task, TaskRunner};
use serde_json::{Value, json};
use store::Memory;

pub const MACHINE: &str = "arn:aws:states:us-east-1:000000000000:stateMachine:m";
pub const ROLE: &str = "arn:aws:iam::000000000000:role/r";

pub struct Account {
    engine: Engine,
    states: States,
}

impl Account {
    pub fn open() -> Account {
        let engine = Engine::open(Arc::new(Memory::new()), Arc::new(Echo), &Config::default()).unwrap();
        let states = States::new(engine.handle(), engine.reader(), Home::default());
        Account { engine, states }
    }

    pub fn states(&self) -> &States {
        &self.states
    }

    /// The answer, or `NAME: text` of the error.
    pub async fn ask(&self, operation: &str, body: Value) -> Result<Value, String> {
        self.states.call(operation, body).await.map_err(|error| error.to_string())
    }

    /// Compares an answer, without its dates, or an error.
    pub async fn check(&self, operation: &str, body: Value, expect: Result<Value, &str>) {
        let answer = self.ask(operation, body.clone()).await.map(without_dates);
        assert_eq!(answer, expect.map_err(str::to_owned), "{operation} {body}");
    }

    /// A machine `m` of one Pass state.
    pub async fn create(&self, more: Value) -> Value {
        let mut body = json!({ "name": "m", "definition": pass(0), "roleArn": ROLE });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.ask("CreateStateMachine", body).await.unwrap()
    }

    pub fn close(self) {
        self.engine.shut_down(Duration::ZERO);
    }
}

/// The definition of a machine that answers with a number.
pub fn pass(result: u32) -> String {
    json!({ "StartAt": "A", "States": { "A": { "Type": "Pass", "Result": result, "End": true } } }).to_string()
}

pub fn without_dates(answer: Value) -> Value {
    match answer {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(name, _)| !name.ends_with("Date"));
            Value::Object(kept.map(|(name, value)| (name, without_dates(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_dates).collect()),
        other => other,
    }
}

struct Echo;

impl TaskRunner for Echo {
    fn run(&self, task: Task, completion: Completion) {
        completion.succeed(task.input);
    }
}
