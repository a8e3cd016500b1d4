//! One evaluator for the expressions of one field: each value is converted once, each function registered once.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError, EvaluatorOptions};
use jsonata_core::value::JValue;
use serde_json::Value;

use super::failure::Reason;
use super::host::{Host, Named, register};
use super::limit::{Budget, DEPTH_MAX, SEQUENCE_ITEMS_MAX, TIME_MAX_MS};
use super::reads::{Part, Reads};
use super::value::{self, Wide};
use super::{Scope, States, blame, message};
use crate::scope::Entropy;

/// The variable that is no variable of the author's.
pub(super) const STATES: &str = "states";

/// Whose values depend on the entropy.
const BY_CHANCE: [&str; 3] = ["random", "uuid", "shuffle"];

pub(super) struct Session {
    evaluator: Evaluator,
    host: Rc<Host>,
    /// Each expression has its own, so that what one draws does not change what the next one gets.
    seeds: Entropy,
}

impl Session {
    pub(super) fn new(scope: &Scope<'_>, reads: &Reads) -> Result<Session, Reason> {
        // Drawn only where it is used, so that an expression without chance takes nothing from the others.
        let by_chance = BY_CHANCE.iter().any(|name| reads.functions.contains(*name));
        let seed = if by_chance { scope.entropy.next() } else { 0 };
        let host = Host::new(scope.now_ms);
        let mut bindings = Context::new();
        for (name, part) in &reads.variables {
            if let Some(value) = variable(scope, name, part, &host.wide) {
                // Where it is read, a name that a function has too was given the function's name of a value.
                let name = Named::find(name).map_or_else(|| name.clone(), Named::as_value);
                bindings.bind(name, value);
            }
        }
        Session::with(bindings, host, seed, reads)
    }

    pub(super) fn with(bindings: Context, host: Host, seed: u64, reads: &Reads) -> Result<Session, Reason> {
        let mut evaluator = Evaluator::with_options(bindings, options());
        let host = Rc::new(host);
        register(&mut evaluator, &host, reads).map_err(|error| message::reason(&error))?;
        Ok(Session { evaluator, host, seeds: Entropy::new(seed) })
    }

    /// `tree` is guarded, `reads` is what it reads. `input` is the context item, which Step Functions does not have.
    pub(super) fn evaluate(&mut self, tree: &AstNode, reads: &Reads, input: &JValue) -> Result<Value, Reason> {
        // The evaluator is not ours, and some arithmetic in it is not checked. What it makes of its state by a panic
        // is not looked at again: a failed evaluation is the session's last.
        let evaluation = AssertUnwindSafe(|| self.evaluate_here(tree, reads, input));
        catch_unwind(evaluation).unwrap_or(Err(Reason::Internal))
    }

    fn evaluate_here(&mut self, tree: &AstNode, reads: &Reads, input: &JValue) -> Result<Value, Reason> {
        let seed = self.seeds.next();
        let value = self.run(tree, seed, input).map_err(|error| match blame::could_tell_more(&error) {
            true => message::reason(&self.blamed(error, tree, reads, seed, input)),
            false => message::reason(&error),
        })?;
        value::write(&value, &self.host.wide)
    }

    fn run(&mut self, tree: &AstNode, seed: u64, input: &JValue) -> Result<JValue, EvaluatorError> {
        self.host.budget.refill();
        self.host.entropy.replace(Entropy::new(seed));
        self.evaluator.evaluate(tree, input)
    }

    /// The same error with a better text.
    fn blamed(
        &mut self,
        error: EvaluatorError,
        tree: &AstNode,
        reads: &Reads,
        seed: u64,
        input: &JValue,
    ) -> EvaluatorError {
        let mut tree = tree.clone();
        blame::telling(&mut tree, reads);
        if blame::register(&mut self.evaluator, reads).is_err() {
            return error;
        }
        match self.run(&tree, seed, input) {
            Err(told) if told.code() == error.code() => blame::unnamed(told, reads),
            // Through the host an expression goes deeper, and may meet a limit first.
            _ => blame::unnamed(error, reads),
        }
    }
}

impl Host {
    pub(super) fn new(now_ms: i64) -> Host {
        Host { entropy: RefCell::new(Entropy::new(0)), now_ms, wide: Wide::default(), budget: Budget::default() }
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
