//! What is wrong with a definition, told with its place in the file where a person mends it.
//!
//! A template's definition may be inline, in a file of its own, or put together from pieces; the plan knows where each
//! part came from, so that `up` and `validate` point at the same place.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use asl::definition::{Kind, State};
use asl::{Definition, Diagnostic, MachineType, Severity};
use aws_cloudformation::{Plan, StateMachine, StateMachineKind};
use serde_json::{Value, json};

use crate::apis;
use crate::rules;
use crate::tasks;

const NOT_SERVED: &str = "ITHACA_NOT_SERVED";
const API_NOT_SERVED: &str = "ITHACA_API_NOT_SERVED";
const RULE_NOT_SERVED: &str = "ITHACA_RULE_NOT_SERVED";

/// A diagnostic and the file it is about; its line and column are in that file.
pub struct Finding {
    file: PathBuf,
    diagnostic: Diagnostic,
}

impl Finding {
    pub fn is_error(&self) -> bool {
        self.diagnostic.severity == Severity::Error
    }

    /// A person who deploys is told of this, though it is no error.
    pub fn is_not_served(&self) -> bool {
        self.diagnostic.code == NOT_SERVED
    }

    pub fn to_json(&self) -> Value {
        let diagnostic = &self.diagnostic;
        json!({
            "severity": severity(diagnostic).to_uppercase(),
            "code": diagnostic.code,
            "message": diagnostic.message,
            "location": diagnostic.pointer,
            "line": diagnostic.line,
            "column": diagnostic.column,
            "help": diagnostic.help,
            "text": self.to_string(),
        })
    }
}

/// As compilers do: `file:line:column: error: what`, then how to mend it.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diagnostic { line, column, message, code, pointer, help, .. } = &self.diagnostic;
        let severity = severity(&self.diagnostic);
        // AWS repeats the text and the place after a message about its syntax; here the place comes first.
        let message = message.split("\n at [Source:").next().unwrap_or(message);
        write!(f, "{}:{line}:{column}: {severity}: {message} [{code}] at {pointer}", self.file.display())?;
        match help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

fn severity(diagnostic: &Diagnostic) -> &'static str {
    match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// What a definition's text deserves to be told: warnings if it can be used, else what is wrong with it.
pub fn in_text(file: &Path, text: &str) -> Vec<Finding> {
    in_text_of(file, text, MachineType::Standard)
}

fn in_text_of(file: &Path, text: &str, machine_type: MachineType) -> Vec<Finding> {
    let found = match asl::parse_as(text, machine_type) {
        Ok(parsed) => [parsed.warnings, not_served(&parsed.definition, text)].concat(),
        Err(diagnostics) => diagnostics,
    };
    found.into_iter().map(|diagnostic| Finding { file: file.to_owned(), diagnostic }).collect()
}

/// Tasks that cannot be carried out here. Only a warning: the definition is AWS's, and the state may never be entered.
fn not_served(definition: &Definition, text: &str) -> Vec<Diagnostic> {
    let resource = |state: &State| match &state.kind {
        Kind::Task(task) if !tasks::is_served(&task.resource) => Some(task.resource.arn().to_string()),
        _ => None,
    };
    let resources: BTreeSet<String> = definition.states.iter().filter_map(resource).collect();
    if resources.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    find_resources(&value, String::new(), &mut |pointer, resource| {
        if resources.contains(resource) {
            found.push((pointer, resource.to_owned()));
        }
    });
    let pointers: Vec<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
    let places = asl::places(text, &pointers);
    let diagnostic = |((pointer, resource), place): ((String, String), Option<(u32, u32)>)| Diagnostic {
        severity: Severity::Warning,
        code: NOT_SERVED,
        message: format!("Ithaca does not serve {resource}: here the task fails with States.TaskFailed"),
        pointer,
        line: place.unwrap_or_default().0,
        column: place.unwrap_or_default().1,
        help: Some("call it from a function, and name the function instead".into()),
    };
    found.into_iter().zip(places).map(diagnostic).collect()
}

/// Each `Resource` of a state, with its pointer.
fn find_resources(value: &Value, pointer: String, act: &mut impl FnMut(String, &str)) {
    let Value::Object(members) = value else { return };
    if let (Some("Task"), Some(resource)) = (value["Type"].as_str(), value["Resource"].as_str()) {
        act(format!("{pointer}/Resource"), resource);
    }
    for (name, member) in members {
        match (name.as_str(), member) {
            ("States", Value::Object(states)) => {
                for (state, value) in states {
                    let state = state.replace('~', "~0").replace('/', "~1");
                    find_resources(value, format!("{pointer}/States/{state}"), act);
                }
            }
            ("Branches", Value::Array(branches)) => {
                for (index, branch) in branches.iter().enumerate() {
                    find_resources(branch, format!("{pointer}/Branches/{index}"), act);
                }
            }
            ("ItemProcessor" | "Iterator", processor) => {
                find_resources(processor, format!("{pointer}/{name}"), act);
            }
            _ => {}
        }
    }
}

/// The same for every state machine of a template, and what its APIs and rules ask for that is not served.
pub fn in_plan(plan: &Plan) -> Vec<Finding> {
    const IN_A_FUNCTION: &str = "do this in a function, and let it be called";
    const CORRECT: &str = "correct it, or let a function decide";
    let of_apis = apis::refusals(plan).into_iter().map(|refusal| (API_NOT_SERVED, IN_A_FUNCTION, refusal));
    let of_rules = rules::refusals(plan).into_iter().map(|refusal| (RULE_NOT_SERVED, CORRECT, refusal));
    let refusals = of_apis.chain(of_rules).map(|(code, help, (at, name, message))| Finding {
        file: plan.template.clone(),
        diagnostic: Diagnostic {
            severity: Severity::Error,
            code,
            message,
            pointer: name,
            line: at.line,
            column: at.column,
            help: Some(help.into()),
        },
    });
    plan.state_machines.iter().flat_map(in_machine).chain(refusals).collect()
}

/// What tasks call at a place that has to be named and is not known, for people.
pub fn without_a_place(plan: &Plan, is_known: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut found = BTreeSet::new();
    for machine in &plan.state_machines {
        let Ok(parsed) = asl::parse(&machine.definition.text) else { continue };
        for state in &parsed.definition.states {
            if let Kind::Task(task) = &state.kind
                && let Some(variable) = tasks::place_of(&task.resource)
                && !is_known(variable)
            {
                let arn = task.resource.arn();
                found.insert(format!(
                    "{}: warning: {arn} is called at an endpoint of yours, and none is named: its task fails\n  help: start \
                     Ithaca with AWS_ENDPOINT_URL_{variable}=http://HOST:PORT in its environment, or with --aws-endpoint URL",
                    machine.definition.file.display()
                ));
            }
        }
    }
    found.into_iter().collect()
}

fn in_machine(machine: &StateMachine) -> Vec<Finding> {
    let machine_type = match machine.kind {
        StateMachineKind::Express => MachineType::Express,
        StateMachineKind::Standard => MachineType::Standard,
    };
    let mut found = in_text_of(&machine.definition.file, &machine.definition.text, machine_type);
    for finding in &mut found {
        let at = machine.definition.locate(&finding.diagnostic.pointer);
        (finding.diagnostic.line, finding.diagnostic.column) = (at.line, at.column);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_that_need_a_place() {
        let check = |service: &str, action: &str, expect: Option<&str>| {
            let arn = format!("arn:aws:states:::{service}:{action}");
            let text = format!(
                r#"{{ "StartAt": "A", "States": {{ "A": {{ "Type": "Task", "Resource": "{arn}", "Parameters": {{ "FunctionName": "f" }}, "End": true }} }} }}"#
            );
            let parsed = asl::parse(&text).unwrap_or_else(|found| panic!("{found:?}"));
            let Kind::Task(task) = &parsed.definition.states[0].kind else { panic!("it is a task") };
            assert_eq!(tasks::place_of(&task.resource), expect, "{arn}");
        };
        check("aws-sdk:ec2", "describeInstances", Some("EC2"));
        check("aws-sdk:secretsmanager", "getSecretValue", Some("SECRETS_MANAGER"));
        check("aws-sdk:sqs", "receiveMessage", Some("SQS"));
        check("aws-sdk:sqs", "sendMessage", None);
        check("aws-sdk:eventbridge", "putEvents", None);
        check("aws-sdk:eventbridge", "putRule", None);
        check("aws-sdk:eventbridge", "createArchive", Some("EVENTBRIDGE"));
        check("aws-sdk:eventbridge", "createConnection", None);
        check("aws-sdk:ssm", "getParameter", None);
        check("aws-sdk:lambda", "listFunctions", None);
        check("lambda", "invoke", None);
    }

    #[test]
    fn tasks_that_are_not_served_are_told_with_their_place() {
        let text = r#"{ "StartAt": "A", "States": {
  "A": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": { "FunctionName": "f" }, "Next": "B" },
  "B": { "Type": "Map", "End": true, "ItemProcessor": { "StartAt": "a/b", "States": {
    "a/b": { "Type": "Task", "End": true,
      "Resource": "arn:aws:states:::ecs:runTask.sync" } } } } } }"#;
        let found = in_text(Path::new("m.asl.json"), text);
        assert_eq!(found.len(), 1);
        assert!(!found[0].is_error() && found[0].is_not_served());
        let expect = "m.asl.json:5:7: warning: Ithaca does not serve arn:aws:states:::ecs:runTask.sync: here \
                      the task fails with States.TaskFailed [ITHACA_NOT_SERVED] at \
                      /States/B/ItemProcessor/States/a~1b/Resource\n  help: call it from a function, and name the \
                      function instead";
        assert_eq!(found[0].to_string(), expect);
    }
}
