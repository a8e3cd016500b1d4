//! What the tasks of TestState calls did on AWS, as far as AWS's own answer tells it.
//!
//! A call without a mock really called something. What that answered is the member `result` of the inspection data;
//! and of a state that has no field to change its result, the output. A task of which neither is told is answered with
//! its input.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use engine::{Completion, Task, TaskRunner};
use interpreter::Payload;
use serde_json::Value;

use crate::case::Step;
use crate::tasks::output;

/// Fields that make the output from the result.
const CHANGING: &[&str] = &["ResultSelector", "ResultPath", "OutputPath", "Output"];

pub struct Told(Mutex<VecDeque<Option<Payload>>>);

impl Told {
    /// One answer for each call that runs a task, in their order.
    pub fn by(steps: &[Step]) -> Told {
        Told(Mutex::new(steps.iter().filter_map(|step| called(step).map(|state| result(step, &state))).collect()))
    }
}

impl TaskRunner for Told {
    fn run(&self, task: Task, completion: Completion) {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front().flatten();
        completion.succeed(told.unwrap_or(task.input));
    }
}

/// The Task state that a step tests without a mock.
fn called(step: &Step) -> Option<Value> {
    if step.op != "TestState" || step.params.get("mock").is_some() {
        return None;
    }
    let definition: Value = match &step.params["definition"] {
        Value::String(text) => serde_json::from_str(text).ok()?,
        written => written.clone(),
    };
    let state = match step.params["stateName"].as_str() {
        Some(name) => definition["States"][name].clone(),
        None => definition,
    };
    (state["Type"] == "Task").then_some(state)
}

fn result(step: &Step, state: &Value) -> Option<Payload> {
    let expect = step.expect.as_ref()?;
    let is_unchanged = CHANGING.iter().all(|field| state.get(field).is_none());
    let told = expect["inspectionData"].get("result").or_else(|| expect.get("output").filter(|_| is_unchanged))?;
    Some(output(told))
}
