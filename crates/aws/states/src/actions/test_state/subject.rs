//! What is tested: one state, written alone or within its state machine.
//!
//! A state that comes alone is put into a state machine of its own, with a stand-in for each state that it leads to, so
//! that it is read by the same reader and with the same rules as every other. In both cases the definition is made to
//! start at the state.

use asl::Definition;
use asl::definition::{Kind, State, StateId};
use aws_protocol::Error;
use serde_json::{Map, Value, json};

use crate::{check, errors};

/// The name of a state that comes without one: AWS's.
const UNNAMED: &str = "StateName";

#[derive(Debug)]
pub struct Subject {
    /// Starts at the state.
    pub definition: Definition,
    /// The state as it was written.
    pub written: Value,
    pub is_jsonata: bool,
    id: StateId,
}

impl Subject {
    pub fn read(text: &str, state_name: Option<&str>) -> Result<Subject, Error> {
        check::definition_size(text)?;
        let (text, name) = match state_name {
            Some(name) => (text.to_owned(), name),
            None => (machine_around(text)?, UNNAMED),
        };
        let mut definition = parsed(&text)?;
        let Some(id) = definition.states.iter().find(|state| *state.name == *name).map(|state| state.id) else {
            let why = format!("The state machine definition has no state with the name '{name}'");
            return Err(errors::validation(why));
        };
        definition.blocks[Definition::ROOT.0 as usize].start = id;
        let machine: Value = serde_json::from_str(&text).expect("INVARIANT: what was parsed as a definition is JSON");
        let written = state_in(&machine, name).cloned().unwrap_or_default();
        // As a definition says it: the state itself, else its machine.
        let language = written.get("QueryLanguage").or_else(|| machine.get("QueryLanguage"));
        let is_jsonata = language.is_some_and(|language| language != "JSONPath");
        Ok(Subject { definition, written, is_jsonata, id })
    }

    pub fn state(&self) -> &State {
        self.definition.state(self.id)
    }

    pub fn kind(&self) -> &Kind {
        &self.state().kind
    }

    pub fn has(&self, field: &str) -> bool {
        self.written.get(field).is_some()
    }

    /// Is there a state of this name in the branches or iterations?
    pub fn contains(&self, name: &str) -> bool {
        state_in(&json!({ "States": { "": self.written } }), name).is_some()
    }
}

fn parsed(text: &str) -> Result<Definition, Error> {
    match asl::parse(text) {
        Ok(parsed) => Ok(parsed.definition),
        Err(diagnostics) => Err(errors::invalid_definition(asl::aws_message(&diagnostics))),
    }
}

/// The text of a state machine with this state in it, the text of the state unchanged.
fn machine_around(text: &str) -> Result<String, Error> {
    let Ok(Value::Object(state)) = serde_json::from_str::<Value>(text) else {
        // What is no JSON object is refused with the words for a state machine that is none.
        return match parsed(text) {
            Err(error) => Err(error),
            Ok(_) => unreachable!("INVARIANT: a definition is a JSON object"),
        };
    };
    let stand_ins: String = targets(&state).iter().map(|name| format!(r#",{name}:{{"Type":"Succeed"}}"#)).collect();
    Ok(format!(r#"{{"StartAt":"{UNNAMED}","States":{{"{UNNAMED}":{text}{stand_ins}}}}}"#))
}

/// The states that a state leads to, each once, as JSON strings.
fn targets(state: &Map<String, Value>) -> Vec<String> {
    let rules = ["Choices", "Catch"].into_iter().filter_map(|field| state.get(field)?.as_array()).flatten();
    let nexts = rules.filter_map(|rule| rule.get("Next")).chain(state.get("Next")).chain(state.get("Default"));
    let mut names: Vec<String> =
        nexts.filter(|next| next.as_str().is_some_and(|name| name != UNNAMED)).map(Value::to_string).collect();
    names.sort();
    names.dedup();
    names
}

/// The state of this name, however deep in branches and iterations.
fn state_in<'v>(machine: &'v Value, name: &str) -> Option<&'v Value> {
    let mut blocks = vec![machine];
    while let Some(block) = blocks.pop() {
        let states = block.get("States").and_then(Value::as_object);
        for (own, state) in states.into_iter().flatten() {
            if own == name {
                return Some(state);
            }
            blocks.extend(state.get("Branches").and_then(Value::as_array).into_iter().flatten());
            blocks.extend(["ItemProcessor", "Iterator"].into_iter().filter_map(|field| state.get(field)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_alone_and_within_machines() {
        let check = |text: &str, name: Option<&str>, expect: Result<&str, &str>| {
            let found = Subject::read(text, name);
            let found = found.as_ref().map(|subject| &*subject.state().name).map_err(|error| error.message.as_str());
            assert_eq!(found, expect, "{text}");
        };
        check(r#"{"Type":"Pass","End":true}"#, None, Ok(UNNAMED));
        check(r#"{"Type":"Pass","Next":"a \"b\""}"#, None, Ok(UNNAMED));
        let map = r#"{"StartAt":"M","States":{"M":{"Type":"Map","End":true,"ItemProcessor":{"StartAt":"I",
            "States":{"I":{"Type":"Pass","End":true}}}}}}"#;
        check(map, Some("M"), Ok("M"));
        check(map, Some("I"), Ok("I"));
        check(map, Some("X"), Err("The state machine definition has no state with the name 'X'"));
    }

    #[test]
    fn query_languages() {
        let check = |text: &str, name: Option<&str>, expect: bool| {
            assert_eq!(Subject::read(text, name).unwrap().is_jsonata, expect, "{text}");
        };
        check(r#"{"Type":"Pass","End":true}"#, None, false);
        check(r#"{"Type":"Pass","QueryLanguage":"JSONata","End":true}"#, None, true);
        let machine = r#"{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":{"Type":"Pass","End":true}}}"#;
        check(machine, Some("A"), true);
    }
}
