//! What happens around every state's work: its input, its arguments, its result, its output and its variables.
//!
//! ```text
//! JSONPath  input ── InputPath ── Parameters ── work ── ResultSelector ── ResultPath ── OutputPath ── output
//! JSONata   input ──────────────── Arguments ── work ───────────────────────────────────── Output ── output
//!                                                └── Assign ── variables
//! ```
//!
//! Assign and Output stand side by side: both see the variables as they were when the state was entered.
//! A payload that a field leaves as it is stays the same allocation: `$` copies nothing. Where a field only places a payload
//! in another, their texts are joined and nobody reads them.

use std::sync::Arc;

use asl::definition::{Filter, Io, Kind, Next, PathIo, Query, ResultPath};
use asl::scope::{Context, EvalError};
use asl::template::Template;
use asl::{Scope, compact, jsonata};
use serde_json::{Map, Value};

use crate::context;
use crate::execution::FrameId;
use crate::history::{EventKind, Failure};
use crate::limits::{ASSIGN_BYTES_MAX, PAYLOAD_BYTES_MAX, PAYLOAD_DEPTH_MAX, VARIABLES_BYTES_MAX};
use crate::payload::Payload;
use crate::stepper::{Done, Flow, Stepper};

/// What an expression may see besides its state's input, the context and the variables.
#[derive(Clone, Copy, Default)]
pub struct Known<'p> {
    /// `$states.result`; in JSONPath this and the next are `$`.
    pub result: Option<&'p Payload>,
    /// `$states.errorOutput`
    pub error_output: Option<&'p Payload>,
    /// The item of a Map iteration that is about to start.
    pub item: Option<(u32, &'p Payload)>,
}

/// The fields that make a state's output and variables, and where they stand: in the state itself, in a rule of a
/// Choice, in a catcher.
pub struct Leaving<'d> {
    pub assign: Option<&'d Query>,
    /// `Output`, in JSONata.
    pub output: Option<&'d jsonata::Template>,
    /// `Choices[0]/`, `Catch[1]/`; empty for the state itself.
    pub place: String,
}

impl Stepper<'_> {
    /// Evaluates JSONPath with `input` as `$`; a failure gets AWS's sentence about the state.
    pub fn evaluate<R>(
        &self,
        id: FrameId,
        input: &Payload,
        work: impl FnOnce(&Scope<'_>) -> Result<R, EvalError>,
    ) -> Result<R, Failure> {
        self.evaluate_item(id, input, None, work)
    }

    /// The same with the item of a Map iteration that is about to start.
    fn evaluate_item<R>(
        &self,
        id: FrameId,
        input: &Payload,
        item: Option<(u32, &Payload)>,
        work: impl FnOnce(&Scope<'_>) -> Result<R, EvalError>,
    ) -> Result<R, Failure> {
        let frame = self.frame(id);
        let context = Context::new(|| context::object(self.setting, self.execution, frame, item, self.token));
        let variables = self.execution.variables(frame);
        let scope = Scope { input: input.value(), context: &context, variables: &variables, entropy: &self.entropy };
        work(&scope).map_err(|error| Failure::new(error.error, self.runtime_cause(id, &error.cause)))
    }

    /// Evaluates JSON with JSONata in it; a failure is recorded.
    pub fn jsonata(
        &mut self,
        id: FrameId,
        template: &jsonata::Template,
        field: &str,
        known: Known<'_>,
    ) -> Result<Value, Failure> {
        self.in_jsonata(id, known, |scope| template.evaluate(scope, field))
    }

    /// Evaluates an expression of a field that takes values of one type; a failure is recorded.
    pub fn jsonata_as(
        &mut self,
        id: FrameId,
        expression: &jsonata::Expression,
        expected: jsonata::Expected,
        field: &str,
    ) -> Result<Value, Failure> {
        self.in_jsonata(id, Known::default(), |scope| expression.evaluate_as(expected, scope, field))
    }

    fn in_jsonata(
        &mut self,
        id: FrameId,
        known: Known<'_>,
        work: impl FnOnce(&jsonata::Scope<'_>) -> Result<Value, jsonata::Failure>,
    ) -> Result<Value, Failure> {
        self.with_jsonata(id, known, work)
            .map_err(|failure| self.evaluation_failed(id, &failure, self.before_entry(id)))
    }

    fn with_jsonata<R>(&self, id: FrameId, known: Known<'_>, work: impl FnOnce(&jsonata::Scope<'_>) -> R) -> R {
        let frame = self.frame(id);
        let context = Context::new(|| context::object(self.setting, self.execution, frame, known.item, self.token));
        let variables = self.execution.variables(frame);
        let states = jsonata::States {
            input: frame.input.value(),
            result: known.result.map(Payload::value),
            error_output: known.error_output.map(Payload::value),
            context: &context,
        };
        work(&jsonata::Scope { states, variables: &variables, entropy: &self.entropy, now_ms: self.at.0 })
    }

    /// The value of an expression is of the right type and yet of no use; found after the state was entered.
    pub fn unusable(&mut self, id: FrameId, field: &str, cause: &str) -> Failure {
        self.evaluation_failed(id, &jsonata::Failure::new(Some(field), cause), self.frame(id).last_event)
    }

    /// Records that a state in JSONata could not be evaluated.
    pub fn evaluation_failed(&mut self, id: FrameId, failed: &jsonata::Failure, previous: u64) -> Failure {
        let failure = Failure::new(failed.error, self.runtime_cause(id, &failed.cause));
        let (location, state) = (failed.location.as_deref().map(Arc::from), self.state_of(id).name.clone());
        let event = self.emit(previous, EventKind::EvaluationFailed { failure: failure.clone(), location, state });
        self.frame_mut(id).last_event = event;
        failure
    }

    /// The state's input after InputPath.
    pub fn effective_input(&self, id: FrameId, io: &Io) -> Result<Payload, Failure> {
        let input = &self.frame(id).input;
        let Io::Path(io) = io else { return Ok(input.clone()) };
        let input = self.filter(id, &io.input_path, input)?;
        self.seen(|seen| seen.after_input_path = Some(input.clone()));
        Ok(input)
    }

    /// Parameters or Arguments: what the work gets. Without them, the input.
    pub fn arguments(&mut self, id: FrameId, io: &Io, input: &Payload) -> Result<Payload, Failure> {
        match io {
            Io::Path(io) => {
                let parameters = self.template(id, io.parameters.as_ref(), input)?;
                self.seen(|seen| seen.after_parameters = Some(parameters.clone()));
                Ok(parameters)
            }
            Io::Jsonata(io) => {
                let arguments = match &io.arguments {
                    None => input.clone(),
                    Some(arguments) => {
                        Payload::from_value(self.jsonata(id, arguments, "Arguments", Known::default())?)
                    }
                };
                self.seen(|seen| seen.after_arguments = Some(arguments.clone()));
                Ok(arguments)
            }
        }
    }

    /// A value that Assign or ItemSelector makes. `data` is `$` in JSONPath.
    pub fn query(
        &mut self,
        id: FrameId,
        query: &Query,
        field: &str,
        data: &Payload,
        known: Known<'_>,
    ) -> Result<Value, Failure> {
        match query {
            Query::Path(template) => self.evaluate_item(id, data, known.item, |scope| template.evaluate(scope)),
            Query::Jsonata(template) => self.jsonata(id, template, field, known),
        }
    }

    /// The state's work is done, or it has none: its output and its variables. Of a state without work `result` is
    /// its input, after InputPath.
    pub fn leave(&mut self, id: FrameId, io: &Io, result: Payload, next: Next) -> Result<Flow, Failure> {
        let output = match io {
            Io::Path(_) => None,
            Io::Jsonata(io) => io.output.as_ref(),
        };
        let leaving = Leaving { assign: self.state_of(id).assign.as_ref(), output, place: String::new() };
        self.leave_by(id, io, leaving, result, next)
    }

    /// The same with fields that do not stand in the state itself.
    pub fn leave_by(
        &mut self,
        id: FrameId,
        io: &Io,
        leaving: Leaving<'_>,
        result: Payload,
        next: Next,
    ) -> Result<Flow, Failure> {
        self.seen(|seen| seen.result = Some(result.clone()));
        let works = matches!(self.state_of(id).kind, Kind::Task(_) | Kind::Parallel(_) | Kind::Map(_));
        let known = Known { result: works.then_some(&result), ..Known::default() };
        let assigned = self.assigned(id, &leaving, &result, known)?;
        let output = match (io, leaving.output) {
            (Io::Path(io), _) => self.path_output(id, io, result)?,
            (Io::Jsonata(_), None) => result,
            (Io::Jsonata(_), Some(output)) => {
                Payload::from_value(self.jsonata(id, output, &format!("{}Output", leaving.place), known)?)
            }
        };
        Ok(Flow::Done(Done { output, assigned, next }))
    }

    /// What Assign makes. `data` is `$` in JSONPath.
    pub fn assigned(
        &mut self,
        id: FrameId,
        leaving: &Leaving<'_>,
        data: &Payload,
        known: Known<'_>,
    ) -> Result<Vec<(Arc<str>, Payload)>, Failure> {
        let Some(assign) = leaving.assign else { return Ok(Vec::new()) };
        let Value::Object(values) = self.query(id, assign, &format!("{}Assign", leaving.place), data, known)? else {
            unreachable!("INVARIANT: Assign was parsed as an object");
        };
        let payload = |(name, value): (String, Value)| (Arc::from(name), Payload::from_value(value));
        let assigned: Vec<(Arc<str>, Payload)> = values.into_iter().map(payload).collect();
        self.check_variables(id, &assigned).map_err(|cause| Failure::new("States.DataLimitExceeded", cause))?;
        Ok(assigned)
    }

    fn check_variables(&self, id: FrameId, assigned: &[(Arc<str>, Payload)]) -> Result<(), String> {
        let whose = &self.state_of(id).name;
        let bytes: usize = assigned.iter().map(|(_, value)| value.size()).sum();
        if bytes > ASSIGN_BYTES_MAX {
            return Err(format!(
                "The variables assigned by the state '{whose}' exceed the maximum of {ASSIGN_BYTES_MAX} bytes."
            ));
        }
        if assigned.iter().any(|(_, value)| value.is_deeper_than(PAYLOAD_DEPTH_MAX)) {
            return Err(format!(
                "The variables assigned by the state '{whose}' are nested more than {PAYLOAD_DEPTH_MAX} levels deep."
            ));
        }
        let own = &self.frame(id).variables;
        let replaced: usize = assigned.iter().filter_map(|(name, _)| own.get(name)).map(Payload::size).sum();
        if self.execution.variables_bytes() - replaced + bytes > VARIABLES_BYTES_MAX {
            return Err(format!("The variables of the execution exceed the maximum of {VARIABLES_BYTES_MAX} bytes."));
        }
        Ok(())
    }

    fn filter(&self, id: FrameId, filter: &Filter, payload: &Payload) -> Result<Payload, Failure> {
        match filter {
            Filter::Path(path) if path.text() == "$" => Ok(payload.clone()),
            Filter::Path(path) => self.evaluate(id, payload, |scope| {
                path.evaluate(scope).map(|value| Payload::from_value(value.into_owned()))
            }),
            Filter::Empty => Ok(Payload::from_value(Value::Object(Map::new()))),
        }
    }

    /// Without a template the payload as it is.
    fn template(&self, id: FrameId, template: Option<&Template>, payload: &Payload) -> Result<Payload, Failure> {
        let Some(template) = template else { return Ok(payload.clone()) };
        match payload.spliced(|text| template.splice(text)) {
            Some(made) => Ok(made),
            None => self.evaluate(id, payload, |scope| template.evaluate(scope).map(Payload::from_value)),
        }
    }

    /// ResultPath puts the result into the state's input as it came, before InputPath.
    pub fn insert(&mut self, id: FrameId, result_path: &ResultPath, result: Payload) -> Result<Payload, Failure> {
        let input = &mut self.frame_mut(id).input;
        let path = match result_path {
            ResultPath::Discard => return Ok(input.clone()),
            ResultPath::At(path) if path.is_root() => return Ok(result),
            ResultPath::At(path) => path,
        };
        let name = path.member().filter(|_| result.is_compact());
        match name.and_then(|name| input.spliced(|text| compact::with_member(text, name, result.text()))) {
            Some(combined) => Ok(combined),
            None => path
                .set(input.take_value(), result.value().clone())
                .map(Payload::from_value)
                .map_err(|error| Failure::new(error.error, self.runtime_cause(id, &error.cause))),
        }
    }

    /// ResultSelector, ResultPath and OutputPath, in this order.
    fn path_output(&mut self, id: FrameId, io: &PathIo, result: Payload) -> Result<Payload, Failure> {
        let selected = self.template(id, io.result_selector.as_ref(), &result)?;
        self.seen(|seen| seen.after_result_selector = Some(selected.clone()));
        let combined = self.insert(id, &io.result_path, selected)?;
        self.seen(|seen| seen.after_result_path = Some(combined.clone()));
        self.filter(id, &io.output_path, &combined)
    }

    /// The payload quota holds for every state's output.
    pub fn within_limit(&self, id: FrameId, payload: &Payload) -> Result<(), Failure> {
        check_size(payload, &self.state_of(id).name)
    }
}

/// AWS's error for a result that is too large, ours for one that is too deep; `whose` is a state's name or a task's
/// resource.
pub fn check_size(payload: &Payload, whose: &str) -> Result<(), Failure> {
    if payload.size() > PAYLOAD_BYTES_MAX {
        return Err(too_large(whose));
    }
    check_depth(payload, whose)
}

/// A value that is nested too deep could not be read again.
pub fn check_depth(payload: &Payload, whose: &str) -> Result<(), Failure> {
    if payload.is_deeper_than(PAYLOAD_DEPTH_MAX) {
        let cause = format!(
            "The state/task '{whose}' returned a result with objects and arrays nested more than {PAYLOAD_DEPTH_MAX} levels deep."
        );
        return Err(Failure::new("States.DataLimitExceeded", cause));
    }
    Ok(())
}

/// AWS's error for a result over the payload quota.
pub fn too_large(whose: &str) -> Failure {
    let cause = format!(
        "The state/task '{whose}' returned a result with a size exceeding the maximum number of bytes service limit."
    );
    Failure::new("States.DataLimitExceeded", cause)
}

/// A whole number that is not negative, also when it is written `2.0`.
pub fn whole(value: &Value) -> Option<u64> {
    let integral = |number: f64| number >= 0.0 && number.fract() == 0.0 && number < u64::MAX as f64;
    value.as_u64().or_else(|| value.as_f64().filter(|number| integral(*number)).map(|number| number as u64))
}
