//! One evaluator for the expressions of one field: each value is converted once, each function registered once.

use std::rc::Rc;

use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError, EvaluatorOptions};
use jsonata_core::value::JValue;
use serde_json::Value;

use super::failure::Reason;
use super::host::{Host, Named, register};
use super::limit::{Budget, DEPTH_MAX, SEQUENCE_ITEMS_MAX, TIME_MAX_MS};
use super::message;
use super::reads::{Part, Reads};
use super::value::{self, Wide};
use super::{Scope, States};
use crate::scope::Entropy;

pub(super) const STATES: &str = "states";

pub(super) struct Session {
    evaluator: Evaluator,
    host: Rc<Host>,
}

impl Session {
    pub(super) fn new(scope: &Scope<'_>, reads: &Reads) -> Result<Session, Reason> {
        // Drawn only by what may use it, so that adding a constant field does not change the chance of others.
        let seed = if CHANCE.iter().any(|name| reads.functions.contains(*name)) { scope.entropy.next() } else { 0 };
        let mut session = Session::begin(seed, scope.now_ms, reads).map_err(|error| message::reason(&error))?;
        for (name, part) in &reads.variables {
            if let Some(value) = session.variable(scope, name, part) {
                session.bind(name, value);
            }
        }
        Ok(session)
    }

    /// `bind` is called later, so the evaluator is made around an empty context and rebuilt with what is bound.
    fn begin(seed: u64, now_ms: i64, reads: &Reads) -> Result<Session, EvaluatorError> {
        todo!()
    }
}
