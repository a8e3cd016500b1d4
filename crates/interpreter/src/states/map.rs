//! Map: the processor runs once for each item, so many at a time; the outputs become one array in the items' order.
//! Inline, that is done here, in frames of the same execution; a distributed one is [`super::map_run`].

use std::collections::VecDeque;

use asl::definition::{Count, Items, Map};
use asl::jsonata::{self, Expected};
use asl::path::Path;
use serde_json::Value;

use crate::execution::{FrameId, MapWait, Wait};
use crate::history::{EventKind, Failure};
use crate::io::{Known, too_large, whole};
use crate::limits::{INLINE_MAP_CONCURRENCY_MAX, PAYLOAD_BYTES_MAX};
use crate::payload::Payload;
use crate::states::map_run;
use crate::stepper::{Flow, Stepper};
use crate::trial;

pub fn enter(step: &mut Stepper<'_>, id: FrameId, map: &Map) -> Result<Flow, Failure> {
    if map.io.is_jsonata() {
        // So recorded: a Map in JSONata has begun before its fields are evaluated, so that it fails with them.
        step.frame_mut(id).wait = Wait::Map(MapWait::default());
    }
    if map.is_misplaced {
        let cause = "The ItemReader, ItemBatcher and ResultWriter fields are not supported for INLINE maps";
        return Err(Failure::new("States.Runtime", step.runtime_cause(id, cause)));
    }
    if let Some(distributed) = &map.distributed {
        return map_run::enter(step, id, map, distributed);
    }
    let input = step.effective_input(id, &map.io)?;
    let items = items(step, id, map, &input)?;
    let concurrency = concurrency(step, id, map, &input)?;
    let length = items.len();
    step.emit_on(id, EventKind::MapStarted { length: length as u32 });
    if let Some(work) = step.given_work() {
        return tried(step, id, map, &items, work);
    }
    step.frame_mut(id).wait =
        Wait::Map(MapWait { pending: items, running: Vec::new(), results: vec![None; length], concurrency });
    start_iterations(step, id, map)?;
    finish_if_done(step, id, map)
}

/// One iteration is done; its frame is gone already.
pub fn completed(
    step: &mut Stepper<'_>,
    id: FrameId,
    map: &Map,
    (child, index): (FrameId, u32),
    output: Payload,
) -> Result<Flow, Failure> {
    let name = step.state_of(id).name.clone();
    let succeeded = step.emit(step.frame(id).last_event, EventKind::IterationSucceeded { name, index });
    let open = wait(step, id);
    open.running.retain(|running| *running != child);
    open.results[index as usize] = Some(output);
    // The results together are the Map's result, so they have its limit; waiting for the last one would hold, and
    // write, as much as all iterations may give.
    let bytes: usize = open.results.iter().flatten().map(Payload::size).sum();
    if bytes > PAYLOAD_BYTES_MAX {
        return Err(too_large(&step.state_of(id).name));
    }
    if open.running.is_empty() && open.pending.is_empty() {
        // The end of the Map follows this event; a further iteration follows what came before it: so recorded.
        step.frame_mut(id).last_event = succeeded;
    }
    start_iterations(step, id, map)?;
    finish_if_done(step, id, map)
}

fn start_iterations(step: &mut Stepper<'_>, id: FrameId, map: &Map) -> Result<(), Failure> {
    let start = step.setting.definition.block(map.processor).start;
    loop {
        let open = wait(step, id);
        if open.running.len() >= open.concurrency as usize {
            return Ok(());
        }
        let index = (open.results.len() - open.pending.len()) as u32;
        let Some(item) = open.pending.pop_front() else { return Ok(()) };
        let input = select(step, id, map, index, &item)?;
        let name = step.state_of(id).name.clone();
        let started = step.emit(step.frame(id).last_event, EventKind::IterationStarted { name, index });
        let child = step.spawn(Some((id, index)), Some(item), start, input, started);
        wait(step, id).running.push(child);
    }
}

/// ItemSelector makes the iteration's input; it may look at the Map's input and at the item in the context.
pub fn select(step: &mut Stepper<'_>, id: FrameId, map: &Map, index: u32, item: &Payload) -> Result<Payload, Failure> {
    let Some(selector) = &map.item_selector else { return Ok(item.clone()) };
    let input = step.effective_input(id, &map.io)?;
    let known = Known { item: Some((index, item)), ..Known::default() };
    let selected = Payload::from_value(step.query(id, selector, "ItemSelector", &input, known)?);
    step.within_limit(id, &selected)?;
    Ok(selected)
}

fn finish_if_done(step: &mut Stepper<'_>, id: FrameId, map: &Map) -> Result<Flow, Failure> {
    let outputs: Option<Vec<&Payload>> = wait(step, id).results.iter().map(Option::as_ref).collect();
    let Some(outputs) = outputs else { return Ok(Flow::Waits) };
    let result = Payload::array(outputs.into_iter());
    done(step, id, map, result)
}

/// All iterations are done.
fn done(step: &mut Stepper<'_>, id: FrameId, map: &Map, result: Payload) -> Result<Flow, Failure> {
    step.emit(step.frame(id).last_event, EventKind::MapSucceeded);
    step.frame_mut(id).wait = Wait::Ready;
    step.leave(id, &map.io, result, map.next)
}

/// A trial: what the iterations come to is given.
fn tried(
    step: &mut Stepper<'_>,
    id: FrameId,
    map: &Map,
    items: &VecDeque<Payload>,
    work: Result<Payload, Failure>,
) -> Result<Flow, Failure> {
    step.frame_mut(id).wait = Wait::Map(MapWait::default());
    if map.item_selector.is_some() {
        let inputs = items.iter().enumerate().map(|(index, item)| select(step, id, map, index as u32, item));
        let selected = trial::shown(inputs)?;
        step.seen(|seen| seen.after_item_selector = Some(Payload::array(selected.iter())));
    }
    done(step, id, map, work?)
}

fn wait<'s>(step: &'s mut Stepper<'_>, id: FrameId) -> &'s mut MapWait {
    match &mut step.frame_mut(id).wait {
        Wait::Map(wait) => wait,
        _ => unreachable!("INVARIANT: a Map with iterations waits for them"),
    }
}

pub fn items(step: &mut Stepper<'_>, id: FrameId, map: &Map, input: &Payload) -> Result<VecDeque<Payload>, Failure> {
    let found = match &map.items {
        None => input.value().clone(),
        Some(Items::Path(path)) => {
            step.evaluate(id, input, |scope| path.evaluate(scope).map(|value| value.into_owned()))?
        }
        Some(Items::Jsonata(expression)) => step.jsonata_as(id, expression, Expected::Array, "Items")?,
        Some(Items::Listed(list)) => step.jsonata(id, list, "Items", Known::default())?,
    };
    match found {
        Value::Array(items) => {
            step.seen(|seen| seen.after_items_path = Some(Payload::from_value(Value::Array(items.clone()))));
            Ok(items.into_iter().map(Payload::from_value).collect())
        }
        other => {
            let cause = format!("Map state input must be an array but was: {other}");
            Err(match (map.io.is_jsonata(), &map.items) {
                (true, _) => step.evaluation_failed(id, &jsonata::Failure::new(None, cause), step.before_entry(id)),
                (false, Some(Items::Path(path))) => Failure::new("States.Runtime", not_an_array(path)),
                (false, _) => Failure::new("States.Runtime", step.runtime_cause(id, &cause)),
            })
        }
    }
}

/// AWS's words, which say `$` of the context object too, and nothing of the state.
fn not_an_array(path: &Path) -> String {
    let text = path.text();
    let text = if text.starts_with("$$") { &text[1..] } else { text };
    format!("Reference path \"{text}\" must point to array.")
}

fn concurrency(step: &mut Stepper<'_>, id: FrameId, map: &Map, input: &Payload) -> Result<u32, Failure> {
    let asked = asked_concurrency(step, id, map, input)?;
    let ceiling = INLINE_MAP_CONCURRENCY_MAX as u64;
    Ok(if asked == 0 { ceiling } else { asked.min(ceiling) } as u32)
}

/// What the author asks for; 0 is no limit.
pub fn asked_concurrency(step: &mut Stepper<'_>, id: FrameId, map: &Map, input: &Payload) -> Result<u64, Failure> {
    const FIELD: &str = "MaxConcurrency";
    let asked = match &map.max_concurrency {
        Count::Fixed(count) => *count,
        Count::Path(path) => {
            let value = step.evaluate(id, input, |scope| path.evaluate(scope).map(|value| value.into_owned()))?;
            // AWS reads a text of digits, too.
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            text.parse().map_err(|_| {
                let cause = format!(
                    "The {FIELD}Path field refers to value \"{text}\" which is not a valid integer: {}",
                    path.text()
                );
                Failure::new("States.Runtime", step.runtime_cause(id, &cause))
            })?
        }
        Count::Jsonata(expression) => {
            let value = step.jsonata_as(id, expression, Expected::Number, FIELD)?;
            match whole(&value) {
                Some(count) => count,
                None => {
                    let cause =
                        format!("The {FIELD} field must be a whole number that is not negative but was: {value}");
                    return Err(step.unusable(id, FIELD, &cause));
                }
            }
        }
    };
    step.seen(|seen| seen.max_concurrency = Some(asked));
    Ok(asked)
}
