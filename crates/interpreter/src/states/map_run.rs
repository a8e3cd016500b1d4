//! A distributed Map: its items become executions of their own, together a Map Run.
//!
//! The interpreter works out every setting, asks for the run and waits for its outcome; reading items, starting
//! executions and counting what becomes of them is done by whoever carries the run out. For each item that asks
//! [`ItemInputs`] for the input of its execution, because only here an ItemSelector can be evaluated.

use std::sync::Arc;

use asl::definition::{
    Count, Distributed, ItemBatcher, ItemReader, Kind, Map, Query, ResultWriter, Settings, Tolerance,
};
use asl::jsonata::Expected;
use serde_json::Value;

use super::map;
use crate::command::{Batcher, Command, Source, StartMapRun, Writer};
use crate::execution::{Execution, FrameId, MapRunId, MapRunWait, Timestamp, Wait};
use crate::history::{EventKind, Failure};
use crate::input::{Input, InputKind, Setting};
use crate::io::{Known, check_size, whole};
use crate::payload::Payload;
use crate::stepper::{Flow, Stepper};

/// "MaxItems ... up to 100,000,000". Source: "ItemReader (Map)", AWS Step Functions Developer Guide. A larger number
/// is no error, as recorded.
const MAX_ITEMS_MAX: u64 = 100_000_000;

pub fn enter(step: &mut Stepper<'_>, id: FrameId, map: &Map, distributed: &Distributed) -> Result<Flow, Failure> {
    let input = step.effective_input(id, &map.io)?;
    // With a reader the items are known to the run only, and its length is told as 0.
    let items = match distributed.reader {
        Some(_) => None,
        None => Some(map::items(step, id, map, &input)?),
    };
    let concurrency = map::asked_concurrency(step, id, map, &input)?;
    let length = items.as_ref().map_or(0, |items| items.len());
    step.emit_on(id, EventKind::MapStarted { length: length as u32 });
    let tolerated_failure_count = count_tolerated(step, id, map, &input)?;
    let tolerated_failure_percentage = percentage_tolerated(step, id, map, &input)?;
    let source = match (&distributed.reader, items) {
        (Some(reader), _) => source(step, id, reader, &input)?,
        (None, items) => Source::Items(Payload::array(items.iter().flatten())),
    };
    let batcher = distributed.batcher.as_ref().map(|it| batcher(step, id, it, &input)).transpose()?;
    let writer = distributed.writer.as_ref().map(|it| writer(step, id, it, &input)).transpose()?;

    let run = step.next_wait();
    let arn = arn(step, id, distributed);
    step.emit_on(id, EventKind::MapRunStarted { arn: arn.clone() });
    step.frame_mut(id).wait = Wait::MapRun(MapRunWait { run, arn: arn.clone() });
    step.command(Command::StartMapRun(Box::new(StartMapRun {
        id: MapRunId { frame: id, run },
        arn,
        source,
        concurrency: (concurrency > 0).then_some(concurrency),
        tolerated_failure_count,
        tolerated_failure_percentage,
        batcher,
        writer,
        is_express: distributed.is_express,
    })));
    Ok(Flow::Waits)
}

/// The run is over.
pub fn finished(step: &mut Stepper<'_>, id: FrameId, outcome: &Result<Payload, Failure>) -> Result<Flow, Failure> {
    let Kind::Map(map) = &step.state_of(id).kind else {
        unreachable!("INVARIANT: only a Map state waits for a Map Run");
    };
    let started = step.frame(id).last_event;
    match outcome {
        Ok(output) => {
            let succeeded = step.emit(started, EventKind::MapRunSucceeded);
            step.emit(succeeded, EventKind::MapSucceeded);
            step.frame_mut(id).wait = Wait::Ready;
            // StateExited follows the start of the run, beside its end: so recorded since November 2024.
            step.leave(id, &map.io, output.clone(), map.next)
        }
        Err(failure) => {
            step.emit_on(id, EventKind::MapRunFailed(failure.clone()));
            Err(failure.clone())
        }
    }
}

/// Makes the inputs of a run's executions.
pub struct ItemInputs<'a> {
    setting: &'a Setting<'a>,
    /// A copy: what an evaluation records of itself is not the execution's history.
    execution: Execution,
    frame: FrameId,
}

impl<'a> ItemInputs<'a> {
    pub fn new(setting: &'a Setting<'a>, execution: &Execution, run: MapRunId) -> ItemInputs<'a> {
        ItemInputs { setting, execution: execution.clone(), frame: run.frame }
    }

    /// What ItemSelector makes of an item; without one, the item.
    pub fn select(&mut self, at: Timestamp, entropy: u64, index: u32, item: &Payload) -> Result<Payload, Failure> {
        let input = Input { at, entropy, kind: InputKind::Continue };
        let mut step = Stepper::new(self.setting, &mut self.execution, &input);
        let Kind::Map(map) = &step.state_of(self.frame).kind else {
            unreachable!("INVARIANT: only a Map state waits for a Map Run");
        };
        map::select(&mut step, self.frame, map, index, item)
    }
}

/// `arn:aws:states:REGION:ACCOUNT:mapRun:MACHINE/LABEL:ID`
fn arn(step: &Stepper<'_>, id: FrameId, distributed: &Distributed) -> Arc<str> {
    let about = step.setting.about;
    let label = match &distributed.label {
        Some(label) => label.to_string(),
        None => made_up_label(&about.machine_arn, &step.state_of(id).name),
    };
    let (high, low) = (step.entropy.next(), step.entropy.next());
    let prefix = about.machine_arn.replacen(":stateMachine:", ":mapRun:", 1);
    format!("{prefix}/{label}:{}", uuid(high, low)).into()
}

/// AWS gives a Map without a label one of its own making, the same for all its runs.
fn made_up_label(machine_arn: &str, state: &str) -> String {
    let hash = |seed: u64| {
        let bytes = machine_arn.bytes().chain([0]).chain(state.bytes());
        // FNV-1a: it need not be hard to guess, only the same tomorrow.
        bytes.fold(0xcbf2_9ce4_8422_2325 ^ seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    };
    uuid(hash(0), hash(0x9e37_79b9_7f4a_7c15))
}

fn uuid(high: u64, low: u64) -> String {
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        0x8000 | ((low >> 48) & 0x3fff),
        low & 0xffff_ffff_ffff
    )
}

fn source(step: &mut Stepper<'_>, id: FrameId, reader: &ItemReader, input: &Payload) -> Result<Source, Failure> {
    let parameters = object(step, id, reader.parameters.as_ref(), "ItemReader/Arguments", input)?;
    let config = settings(step, id, &reader.config, "ItemReader/ReaderConfig")?;
    let max_items = match &reader.max_items {
        None => None,
        Some(count) => match number(step, id, count, input, "MaxItems")? {
            number if number < 0.0 => {
                return Ok(Source::Unusable(Failure::new(
                    "States.ItemReaderFailed",
                    "field MaxItems must be positive",
                )));
            }
            // Zero is no limit, as recorded.
            number => Some(number as u64).filter(|most| (1..=MAX_ITEMS_MAX).contains(most)),
        },
    };
    Ok(Source::Reader { resource: reader.resource.clone(), parameters, config, max_items })
}

fn batcher(step: &mut Stepper<'_>, id: FrameId, it: &ItemBatcher, input: &Payload) -> Result<Batcher, Failure> {
    let mut most = |count: &Option<Count>, field: &str| -> Result<Option<u64>, Failure> {
        let Some(count) = count else { return Ok(None) };
        let number = number(step, id, count, input, field)?;
        if number < 1.0 {
            let cause = format!("field {field} must be positive");
            return Err(Failure::new("States.Runtime", step.runtime_cause(id, &cause)));
        }
        Ok(Some(number as u64))
    };
    let max_items = most(&it.max_items, "MaxItemsPerBatch")?;
    let max_bytes = most(&it.max_bytes, "MaxInputBytesPerBatch")?;
    let batch_input = match &it.batch_input {
        None => None,
        Some(query) => {
            let value = step.query(id, query, "ItemBatcher/BatchInput", input, Known::default())?;
            let batch_input = Payload::from_value(value);
            check_size(&batch_input, &step.state_of(id).name)?;
            Some(batch_input)
        }
    };
    Ok(Batcher { max_items, max_bytes, batch_input })
}

fn writer(step: &mut Stepper<'_>, id: FrameId, it: &ResultWriter, input: &Payload) -> Result<Writer, Failure> {
    let parameters = object(step, id, it.parameters.as_ref(), "ResultWriter/Arguments", input)?;
    let config = settings(step, id, &it.config, "ResultWriter/WriterConfig")?;
    Ok(Writer { resource: it.resource.clone(), parameters, config })
}

/// Parameters or Arguments; without them an empty object.
fn object(
    step: &mut Stepper<'_>,
    id: FrameId,
    query: Option<&Query>,
    field: &str,
    input: &Payload,
) -> Result<Payload, Failure> {
    match query {
        None => Ok(Payload::from_checked_text("{}")),
        Some(query) => step.query(id, query, field, input, Known::default()).map(Payload::from_value),
    }
}

fn settings(
    step: &mut Stepper<'_>,
    id: FrameId,
    settings: &Settings,
    field: &str,
) -> Result<serde_json::Map<String, Value>, Failure> {
    match settings {
        Settings::Fixed(settings) => Ok(settings.clone()),
        Settings::Jsonata(template) => match step.jsonata(id, template, field, Known::default())? {
            Value::Object(settings) => Ok(settings),
            _ => unreachable!("INVARIANT: a template of an object gives an object"),
        },
    }
}

/// A number that may be negative: what is wrong with it differs from field to field.
fn number(step: &mut Stepper<'_>, id: FrameId, count: &Count, input: &Payload, field: &str) -> Result<f64, Failure> {
    match count {
        Count::Fixed(number) => Ok(*number as f64),
        Count::Path(path) => {
            let value = step.evaluate(id, input, |scope| path.evaluate(scope).map(|value| value.into_owned()))?;
            // AWS reads a text of digits, too.
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            shown.parse::<i64>().map(|number| number as f64).map_err(|_| {
                let cause = not_whole(field, &shown, path.text());
                Failure::new("States.Runtime", step.runtime_cause(id, &cause))
            })
        }
        Count::Jsonata(expression) => {
            let value = step.jsonata_as(id, expression, Expected::Number, field)?;
            match value.as_f64().filter(|number| number.fract() == 0.0) {
                Some(number) => Ok(number),
                None => {
                    let cause = format!("The {field} field must be a whole number but was: {value}");
                    Err(step.unusable(id, field, &cause))
                }
            }
        }
    }
}

fn not_whole(field: &str, shown: &str, path: &str) -> String {
    format!("The {field}Path field refers to value \"{shown}\" which is not a valid integer: {path}")
}

fn count_tolerated(step: &mut Stepper<'_>, id: FrameId, map: &Map, input: &Payload) -> Result<Option<u64>, Failure> {
    const FIELD: &str = "ToleratedFailureCount";
    let value = match &map.tolerated_failure_count {
        None => return Ok(None),
        Some(Tolerance::Fixed(count)) => return Ok(Some(*count as u64)),
        Some(tolerance) => tolerance_value(step, id, tolerance, input, FIELD)?,
    };
    let written = value.as_str().and_then(|text| text.parse().ok());
    let number = match (&map.tolerated_failure_count, value.as_i64().or(written)) {
        (_, Some(number)) => number,
        (Some(Tolerance::Path(path)), None) => {
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let cause = not_whole(FIELD, &shown, path.text());
            return Err(Failure::new("States.Runtime", step.runtime_cause(id, &cause)));
        }
        (_, None) => match whole(&value) {
            Some(number) => number as i64,
            None => {
                let cause = format!("The {FIELD} field must be a whole number that is not negative but was: {value}");
                return Err(step.unusable(id, FIELD, &cause));
            }
        },
    };
    u64::try_from(number)
        .map(Some)
        .map_err(|_| Failure::new("States.Runtime", step.runtime_cause(id, &format!("{FIELD} cannot be negative."))))
}

fn percentage_tolerated(
    step: &mut Stepper<'_>,
    id: FrameId,
    map: &Map,
    input: &Payload,
) -> Result<Option<f64>, Failure> {
    const FIELD: &str = "ToleratedFailurePercentage";
    let value = match &map.tolerated_failure_percentage {
        None => return Ok(None),
        Some(Tolerance::Fixed(percentage)) => return Ok(Some(*percentage)),
        Some(tolerance) => tolerance_value(step, id, tolerance, input, FIELD)?,
    };
    let refused = |cause: &str| Failure::new("States.Runtime", step.runtime_cause(id, cause));
    let written = value.as_str().and_then(|text| text.parse().ok());
    match (&map.tolerated_failure_percentage, value.as_f64().or(written)) {
        (_, Some(number)) if (0.0..=100.0).contains(&number) => Ok(Some(number)),
        (_, Some(_)) => Err(refused(&format!("{FIELD} must be between 0 and 100."))),
        (Some(Tolerance::Path(path)), None) => {
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let path = path.text();
            Err(refused(&format!(
                "The {FIELD}Path field refers to value \"{shown}\" which is not a valid float: {path}"
            )))
        }
        (_, None) => Err(refused(&format!("{FIELD} must be between 0 and 100."))),
    }
}

fn tolerance_value(
    step: &mut Stepper<'_>,
    id: FrameId,
    tolerance: &Tolerance,
    input: &Payload,
    field: &str,
) -> Result<Value, Failure> {
    match tolerance {
        Tolerance::Fixed(number) => Ok(Value::from(*number)),
        Tolerance::Path(path) => step.evaluate(id, input, |scope| path.evaluate(scope).map(|value| value.into_owned())),
        Tolerance::Jsonata(expression) => step.jsonata_as(id, expression, Expected::Number, field),
    }
}
