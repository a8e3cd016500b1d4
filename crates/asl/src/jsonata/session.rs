//! One evaluator for the expressions of one field: each value is converted once, each function registered once.

use std::rc::Rc;

use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorOptions};
use jsonata_core::value::JValue;
use serde_json::Value;

use super::failure::Reason;
use super::host::{Host, Named, register};
use super::limit::{Budget, DEPTH_MAX, SEQUENCE_ITEMS_MAX, TIME_MAX_MS};
use super::reads::{Part, Reads};
use super::value::{self, Wide};
use super::{Scope, States, message};
use crate::scope::Entropy;

/// The variable that is no variable of the author's.
pub(super) const STATES: &str = "states";

/// Whose values depend on the entropy.
const BY_CHANCE: [&str; 3] = ["random", "uuid", "shuffle"];

pub(super) struct Session {
    evaluator: Evaluator,
    host: Rc<Host>,
}

impl Session {
    pub(super) fn new(scope: &Scope<'_>, reads: &Reads) -> Result<Session, Reason> {
        // Drawn only where it is used, so that an expression without chance takes nothing from the others.
        let by_chance = BY_CHANCE.iter().any(|name| reads.functions.contains(*name));
        let seed = if by_chance { scope.entropy.next() } else { 0 };
        let host = Host::new(seed, scope.now_ms);
        let mut bindings = Context::new();
        for (name, part) in &reads.variables {
            if let Some(value) = variable(scope, name, part, &host.wide) {
                // Where it is read, a name that a function has too was given the function's name of a value.
                let name = Named::find(name).map_or_else(|| name.clone(), Named::as_value);
                bindings.bind(name, value);
            }
        }
        Session::with(bindings, host, reads)
    }

    pub(super) fn with(bindings: Context, host: Host, reads: &Reads) -> Result<Session, Reason> {
        let mut evaluator = Evaluator::with_options(bindings, options());
        let host = Rc::new(host);
        register(&mut evaluator, &host, reads.functions.iter()).map_err(|error| message::reason(&error))?;
        Ok(Session { evaluator, host })
    }

    /// `tree` is guarded. `input` is the context item, which Step Functions does not have.
    pub(super) fn evaluate(&mut self, tree: &AstNode, input: &JValue) -> Result<Value, Reason> {
        self.host.budget.refill();
        let value = self.evaluator.evaluate(tree, input).map_err(|error| message::reason(&error))?;
        value::write(&value, &self.host.wide)
    }
}

impl Host {
    pub(super) fn new(seed: u64, now_ms: i64) -> Host {
        Host { entropy: Entropy::new(seed), now_ms, wide: Wide::default(), budget: Budget::new() }
    }
}

fn options() -> EvaluatorOptions {
    EvaluatorOptions {
        timeout_ms: Some(TIME_MAX_MS),
        max_stack_depth: Some(DEPTH_MAX),
        max_sequence_length: Some(SEQUENCE_ITEMS_MAX),
        ..EvaluatorOptions::default()
    }
}

fn variable(scope: &Scope<'_>, name: &str, part: &Part, wide: &Wide) -> Option<JValue> {
    match name {
        STATES => Some(states(&scope.states, part, wide)),
        name => scope.variables.get(name).map(|value| value::read(value, part, wide)),
    }
}

fn states(states: &States<'_>, part: &Part, wide: &Wide) -> JValue {
    let wanted = States::MEMBERS.iter().filter_map(|name| {
        let part = match part {
            Part::All => &Part::All,
            Part::Members(members) => members.get(*name)?,
        };
        let value = states.member(name)?;
        Some(((*name).to_owned(), value::read(value, part, wide)))
    });
    value::object(wanted)
}
