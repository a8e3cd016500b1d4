//! What happens around every state's work: InputPath, Parameters, ResultSelector, ResultPath, OutputPath.
//!
//! A payload that a field leaves as it is stays the same allocation: `$` copies nothing.

use asl::Scope;
use asl::definition::{Filter, Io, ResultPath};
use asl::scope::{Context, EvalError};
use asl::template::Template;
use serde_json::{Map, Value};

use crate::context;
use crate::execution::FrameId;
use crate::history::Failure;
use crate::limits::{PAYLOAD_BYTES_MAX, PAYLOAD_DEPTH_MAX};
use crate::payload::Payload;
use crate::stepper::Stepper;

impl Stepper<'_> {
    /// Evaluates with `input` as `$`; a failure gets AWS's sentence about the state.
    pub fn evaluate<R>(
        &self,
        id: FrameId,
        input: &Payload,
        work: impl FnOnce(&Scope<'_>) -> Result<R, EvalError>,
    ) -> Result<R, Failure> {
        self.evaluate_item(id, input, None, work)
    }

    /// The same with the item of a Map iteration that is about to start.
    pub fn evaluate_item<R>(
        &self,
        id: FrameId,
        input: &Payload,
        item: Option<(u32, &Payload)>,
        work: impl FnOnce(&Scope<'_>) -> Result<R, EvalError>,
    ) -> Result<R, Failure> {
        let frame = self.frame(id);
        let context = Context::new(|| context::object(self.setting, self.execution, frame, item));
        let scope = Scope { input: input.value(), context: &context, entropy: &self.entropy };
        work(&scope).map_err(|error| self.evaluation_failed(id, &error))
    }

    pub fn evaluation_failed(&self, id: FrameId, error: &EvalError) -> Failure {
        Failure::new(error.error, self.runtime_cause(id, &error.cause))
    }

    /// The state's input after InputPath.
    pub fn effective_input(&self, id: FrameId, io: &Io) -> Result<Payload, Failure> {
        let input = self.frame(id).input.clone();
        self.filter(id, &io.input_path, &input)
    }

    /// OutputPath.
    pub fn output(&self, id: FrameId, io: &Io, payload: &Payload) -> Result<Payload, Failure> {
        self.filter(id, &io.output_path, payload)
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

    /// Parameters, ItemSelector or ResultSelector; without one the payload as it is.
    pub fn template(&self, id: FrameId, template: Option<&Template>, payload: &Payload) -> Result<Payload, Failure> {
        match template {
            None => Ok(payload.clone()),
            Some(template) => self.evaluate(id, payload, |scope| template.evaluate(scope).map(Payload::from_value)),
        }
    }

    /// ResultPath puts the result into the state's input as it came, before InputPath.
    pub fn insert(&mut self, id: FrameId, result_path: &ResultPath, result: Payload) -> Result<Payload, Failure> {
        let input = &mut self.frame_mut(id).input;
        match result_path {
            ResultPath::Discard => Ok(input.clone()),
            ResultPath::At(path) if path.is_root() => Ok(result),
            ResultPath::At(path) => path
                .set(input.take_value(), result.value().clone())
                .map(Payload::from_value)
                .map_err(|error| self.evaluation_failed(id, &error)),
        }
    }

    /// ResultSelector, ResultPath and OutputPath, in this order.
    pub fn result_to_output(
        &mut self,
        id: FrameId,
        io: &Io,
        selector: Option<&Template>,
        result_path: &ResultPath,
        result: Payload,
    ) -> Result<Payload, Failure> {
        let selected = self.template(id, selector, &result)?;
        let combined = self.insert(id, result_path, selected)?;
        self.output(id, io, &combined)
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
