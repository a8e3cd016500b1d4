//! The run of a distributed Map, in a test: its items are looked at, and nothing is started.
//!
//! What the run comes to is given. So is the number of items that have failed, which is held against what the author
//! tolerates: without a threshold nothing is exceeded, as recorded.

use interpreter::{Batcher, Execution, Failure, ItemInputs, Payload, Setting, Source, StartMapRun, Timestamp, Trial};
use objects::Address;
use objects::items::ReaderConfig;
use serde_json::{Map, Value};

/// What is said of the run.
pub struct Given {
    /// What the ItemReader has read, as it was found.
    pub read: Option<String>,
    pub failed_items: u64,
}

/// A run that the interpreter has asked for.
pub struct Run<'a> {
    pub setting: &'a Setting<'a>,
    pub trial: &'a Trial,
    pub execution: &'a Execution,
    pub at: Timestamp,
    pub entropy: u64,
    pub has_selector: bool,
}

impl Run<'_> {
    /// What the Map is told of its run.
    pub fn outcome(
        &self,
        asked: &StartMapRun,
        given: &Given,
        work: Option<&Result<Payload, Failure>>,
    ) -> Result<Payload, Failure> {
        {
            let mut seen = self.trial.seen.borrow_mut();
            seen.tolerated_failure_count = asked.tolerated_failure_count;
            seen.tolerated_failure_percentage = asked.tolerated_failure_percentage;
        }
        let items = self.items(&asked.source, given)?;
        let inputs = self.selected(asked, &items)?;
        if let Some(batcher) = &asked.batcher {
            let batches = batches(batcher, &inputs)?;
            self.trial.seen.borrow_mut().after_item_batcher = Some(Payload::array(batches.iter()));
        }
        let work = work.expect("INVARIANT: a Map is tested with a mock only").clone()?;
        match is_exceeded(asked, given.failed_items, items.len()) {
            true => Err(Failure::new("States.ExceedToleratedFailureThreshold", EXCEEDED)),
            false => Ok(work),
        }
    }

    fn items(&self, source: &Source, given: &Given) -> Result<Vec<Payload>, Failure> {
        let (parameters, config, max_items) = match source {
            Source::Items(items) => return Ok(listed(items.value())),
            Source::Unusable(failure) => return Err(failure.clone()),
            Source::Reader { parameters, config, max_items, .. } => (parameters.value(), config, *max_items),
        };
        let Some(text) = &given.read else { return Ok(Vec::new()) };
        let items = read(text, parameters, config, max_items)
            .map_err(|error| Failure::new("States.ItemReaderFailed", error.to_string()))?;
        if config.contains_key("ItemsPointer") {
            self.trial.seen.borrow_mut().after_items_pointer = Some(Payload::array(items.iter()));
        }
        Ok(items)
    }

    fn selected(&self, asked: &StartMapRun, items: &[Payload]) -> Result<Vec<Payload>, Failure> {
        if !self.has_selector {
            return Ok(items.to_vec());
        }
        let mut inputs = ItemInputs::new(self.setting, self.execution, asked.id);
        let select =
            |(index, item)| inputs.select(self.at, self.entropy.wrapping_add(index as u64), index as u32, item);
        let selected = bounded(items.iter().enumerate().map(select))?;
        self.trial.seen.borrow_mut().after_item_selector = Some(Payload::array(selected.iter()));
        Ok(selected)
    }
}

/// Also what an execution could not begin with is not shown.
fn bounded(inputs: impl Iterator<Item = Result<Payload, Failure>>) -> Result<Vec<Payload>, Failure> {
    interpreter::shown(inputs.map(|input| {
        let input = input?;
        interpreter::check_depth(&input, "ItemProcessor").map(|()| input)
    }))
}

const EXCEEDED: &str = "The specified tolerated failure threshold was exceeded";

fn is_exceeded(asked: &StartMapRun, failed: u64, items: usize) -> bool {
    let percentage = failed as f64 * 100.0 / items.max(1) as f64;
    asked.tolerated_failure_count.is_some_and(|count| failed > count)
        || asked.tolerated_failure_percentage.is_some_and(|most| percentage > most)
}

fn listed(items: &Value) -> Vec<Payload> {
    items.as_array().into_iter().flatten().cloned().map(Payload::from_value).collect()
}

/// The items in a text, by the code that reads them from an object.
fn read(
    text: &str,
    parameters: &Value,
    config: &Map<String, Value>,
    max_items: Option<u64>,
) -> Result<Vec<Payload>, objects::Error> {
    let mut config = ReaderConfig::parse(&Value::Object(config.clone()))?;
    config.max_items = max_items.unwrap_or(0);
    let name = |field: &str| parameters[field].as_str().unwrap_or_default().to_owned();
    let source = Address::new(name("Bucket"), name("Key")).uri();
    let items = objects::items::of_text(text, &source, &config)?;
    items.map(|item| item.map(|item| Payload::from_checked_text(&*item.input()))).collect()
}

/// The inputs of the executions when items travel together.
fn batches(batcher: &Batcher, items: &[Payload]) -> Result<Vec<Payload>, Failure> {
    let mut rest = items;
    bounded(std::iter::from_fn(|| {
        if rest.is_empty() {
            return None;
        }
        let (mut count, mut bytes) = (0, 0);
        for item in rest {
            bytes += item.size() + 1;
            let is_full = batcher.max_items.is_some_and(|most| count as u64 >= most)
                || batcher.max_bytes.is_some_and(|most| bytes as u64 > most);
            // An item that is larger than a batch may be travels alone.
            if is_full && count > 0 {
                break;
            }
            count += 1;
        }
        let (batch, after) = rest.split_at(count);
        rest = after;
        Some(Ok(batcher.together(batch)))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_in_batches() {
        let check = |max_items, max_bytes, expect: &str| {
            let items: Vec<Payload> = (1..=5).map(|number| Payload::from_value(number.into())).collect();
            let batcher = Batcher { max_items, max_bytes, batch_input: None };
            assert_eq!(Payload::array(batches(&batcher, &items).unwrap().iter()).text(), expect);
        };
        check(Some(2), None, r#"[{"Items":[1,2]},{"Items":[3,4]},{"Items":[5]}]"#);
        check(None, Some(6), r#"[{"Items":[1,2,3]},{"Items":[4,5]}]"#);
        check(Some(9), Some(1), r#"[{"Items":[1]},{"Items":[2]},{"Items":[3]},{"Items":[4]},{"Items":[5]}]"#);
    }

    #[test]
    fn inputs_that_are_too_much() {
        let check = |batch_input: Payload, expect: Option<&str>| {
            let batcher = Batcher { max_items: Some(1), max_bytes: None, batch_input: Some(batch_input) };
            let items = vec![Payload::from_checked_text("1"); 100];
            let failure = batches(&batcher, &items).err();
            assert_eq!(failure.as_ref().and_then(|it| it.error.as_deref()), expect, "{failure:?}");
        };
        let text = |bytes: usize| Payload::from_value("x".repeat(bytes).into());
        check(text(100_000), None);
        check(text(200_000), Some("States.DataLimitExceeded"));
        let nested = |levels| Payload::from_checked_text(format!("{}{}", "[".repeat(levels), "]".repeat(levels)));
        check(nested(119), None);
        check(nested(120), Some("States.DataLimitExceeded"));
    }
}
