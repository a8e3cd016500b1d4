//! What is run: the shapes of sagas, and who does their tasks.
//!
//! Every shape is the travel saga's: a task gets the whole state and adds its result to it. The kinds of tasks differ
//! only in the resource, so that what they cost can be told apart.

use clap::ValueEnum;
use serde_json::{Map, Value, json};

/// The function, the activity and the machine all have this name.
pub const NAME: &str = "bench";

/// The function and the activity that always fail.
pub const FAILING: &str = "bench-fail";

/// What they fail with.
pub const ERROR: &str = "BookingFailed";

/// What they answer otherwise.
pub const ANSWER: &str = r#"{"status":"ok","booking_id":"2039533926"}"#;

pub const HOME: &str = "us-east-1:000000000000";
pub const ROLE: &str = "arn:aws:iam::000000000000:role/bench";

/// A trip, as the travel example's client sends it.
pub const INPUT: &str = r#"{"trip_id":"5c12d94a-ee6a-40d9-889b-1d49142248b7","depart":"London","depart_at":"2021-07-10T06:00:00.000Z","arrive":"Dublin","arrive_at":"2021-07-12T08:00:00.000Z","hotel":"holiday inn","check_in":"2021-07-10T12:00:00.000Z","check_out":"2021-07-12T14:00:00.000Z","rental":"Volvo","run_type":"success"}"#;

const STEPS: usize = 5;
const COMPENSATIONS: usize = 3;
const PASSES: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// Five tasks in a row.
    Travel,
    /// The fifth task fails, and three compensations run.
    Compensated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Tasks {
    /// Lambda functions: processes on the Runtime API.
    Lambda,
    /// Functions in Node.js, one for each step, by the machine's interpreter.
    Node,
    /// Workers that poll for the tasks of an activity and answer them over the wire.
    Activity,
    /// A worker with a lane: the same activities over one connection, many tasks at once.
    Stream,
    /// Functions of the program that the engine is part of: no HTTP, no other process.
    Local,
    /// No tasks: twenty Pass states in a row.
    Pass,
}

/// A shape and who does its tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saga {
    pub shape: Shape,
    pub tasks: Tasks,
}

impl Saga {
    pub fn name(self) -> &'static str {
        match (self.tasks, self.shape) {
            (Tasks::Pass, _) => "pass",
            (_, Shape::Travel) => "travel",
            (_, Shape::Compensated) => "compensated",
        }
    }

    /// How it ends when all goes as it should.
    pub fn expected(self) -> &'static str {
        match (self.tasks, self.shape) {
            (Tasks::Pass, _) | (_, Shape::Travel) => "SUCCEEDED",
            (_, Shape::Compensated) => "FAILED",
        }
    }

    /// Tasks, or states where there are no tasks.
    pub fn steps(self) -> usize {
        match (self.tasks, self.shape) {
            (Tasks::Pass, _) => PASSES,
            (_, Shape::Travel) => STEPS,
            (_, Shape::Compensated) => STEPS + COMPENSATIONS,
        }
    }

    pub fn definition(self) -> String {
        match (self.tasks, self.shape) {
            (Tasks::Pass, _) => in_a_row(PASSES),
            (tasks, shape) => travel(tasks, shape),
        }
    }
}

pub fn machine_arn(name: &str) -> String {
    format!("arn:aws:states:{HOME}:stateMachine:{name}")
}

pub fn activity_arn(name: &str) -> String {
    format!("arn:aws:states:{HOME}:activity:{name}")
}

/// So many Pass states.
pub fn in_a_row(passes: usize) -> String {
    let mut states = Map::new();
    for at in 1..=passes {
        let next = if at == passes { "Done".to_owned() } else { format!("Step{}", at + 1) };
        states.insert(format!("Step{at}"), json!({ "Type": "Pass", "Next": next }));
    }
    states.insert("Done".into(), json!({ "Type": "Succeed" }));
    json!({ "StartAt": "Step1", "States": states }).to_string()
}

fn travel(tasks: Tasks, shape: Shape) -> String {
    let mut states = Map::new();
    for at in 1..=STEPS {
        let fails = at == STEPS && shape == Shape::Compensated;
        let mut state = task(tasks, &worker_of(tasks, &format!("Step{at}"), fails));
        state["ResultPath"] = format!("$.Step{at}Result").into();
        let caught = if fails { format!("Undo{COMPENSATIONS}") } else { "Failed".to_owned() };
        state["Catch"] = json!([{ "ErrorEquals": ["States.ALL"], "ResultPath": "$.Error", "Next": caught }]);
        state["Next"] = if at == STEPS { "Done".into() } else { format!("Step{}", at + 1).into() };
        states.insert(format!("Step{at}"), state);
    }
    if shape == Shape::Compensated {
        for at in (1..=COMPENSATIONS).rev() {
            let mut state = task(tasks, &worker_of(tasks, &format!("Undo{at}"), false));
            state["ResultPath"] = format!("$.Undo{at}Result").into();
            state["Next"] = if at == 1 { "Failed".into() } else { format!("Undo{}", at - 1).into() };
            states.insert(format!("Undo{at}"), state);
        }
    }
    states.insert("Done".into(), json!({ "Type": "Succeed" }));
    states.insert("Failed".into(), json!({ "Type": "Fail", "Error": ERROR }));
    json!({ "StartAt": "Step1", "TimeoutSeconds": 300, "States": states }).to_string()
}

/// Who does a step: one for all, but for Node.js one for each, as an app has it.
fn worker_of(tasks: Tasks, step: &str, fails: bool) -> String {
    match (tasks, fails) {
        (Tasks::Node, false) => format!("{NAME}-{step}"),
        (_, true) => FAILING.to_owned(),
        (_, false) => NAME.to_owned(),
    }
}

/// The functions in Node.js: names, and whether they fail.
pub fn node_functions() -> Vec<(String, bool)> {
    let steps = (1..=STEPS).map(|at| format!("Step{at}"));
    let undone = (1..=COMPENSATIONS).map(|at| format!("Undo{at}"));
    let named = steps.chain(undone).map(|step| (worker_of(Tasks::Node, &step, false), false));
    named.chain([(FAILING.to_owned(), true)]).collect()
}

fn task(tasks: Tasks, name: &str) -> Value {
    match tasks {
        Tasks::Lambda | Tasks::Node => json!({
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": { "FunctionName": name, "Payload.$": "$" },
            "ResultSelector": { "Payload.$": "$.Payload" },
        }),
        Tasks::Activity | Tasks::Stream => json!({ "Type": "Task", "Resource": activity_arn(name) }),
        Tasks::Local | Tasks::Pass => {
            json!({ "Type": "Task", "Resource": format!("arn:aws:lambda:{HOME}:function:{name}") })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_saga_is_valid() {
        for tasks in [Tasks::Lambda, Tasks::Node, Tasks::Activity, Tasks::Stream, Tasks::Local, Tasks::Pass] {
            for shape in [Shape::Travel, Shape::Compensated] {
                let saga = Saga { shape, tasks };
                let parsed = asl::parse(&saga.definition());
                assert!(parsed.is_ok(), "{saga:?}: {:?}", parsed.err());
            }
        }
    }
}
