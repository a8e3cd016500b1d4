//! One state on its own: what TestState asks of a step beyond what an execution asks.
//!
//! A trial is a step like every other, with the same code for every state type. It differs where it says so here: it
//! stops when its state is left, the context object may be given, the work of a Parallel or a Map may be given, and
//! somebody looks on while a state's data is made. A setting without a trial pays for none of this.

use std::cell::RefCell;

use serde_json::Value;

use crate::history::Failure;
use crate::payload::Payload;
use crate::stepper::Stepper;

/// How a state is tried.
#[derive(Default)]
pub struct Trial {
    /// The context object, except for the item of a Map.
    pub context: Option<Value>,
    /// What the branches of a Parallel or the iterations of an inline Map come to; they are not run. Without it such a
    /// state waits for ever.
    pub work: Option<Result<Payload, Failure>>,
    pub seen: RefCell<Seen>,
}

/// What was seen of a state's data on its way from input to output, and of its errors. What the state did not come to,
/// or does not have, is absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    pub after_input_path: Option<Payload>,
    pub after_parameters: Option<Payload>,
    pub after_arguments: Option<Payload>,
    pub after_items_path: Option<Payload>,
    pub after_items_pointer: Option<Payload>,
    pub after_item_selector: Option<Payload>,
    pub after_item_batcher: Option<Payload>,
    pub result: Option<Payload>,
    pub after_result_selector: Option<Payload>,
    pub after_result_path: Option<Payload>,
    /// As the definition says it; 0 is no limit.
    pub max_concurrency: Option<u64>,
    pub tolerated_failure_count: Option<u64>,
    pub tolerated_failure_percentage: Option<f64>,
    /// The error that Retry and Catch were asked about.
    pub failure: Option<Failure>,
    /// The retrier that matched, also one whose attempts are used up.
    pub retrier: Option<usize>,
    /// The pause before the next attempt, if there is one.
    pub backoff_ms: Option<u64>,
    pub catcher: Option<usize>,
}

impl Stepper<'_> {
    /// Lets whoever tries the state see something of it.
    pub fn seen(&self, see: impl FnOnce(&mut Seen)) {
        if let Some(trial) = self.setting.trial {
            see(&mut trial.seen.borrow_mut());
        }
    }

    /// What stands for the work of a Parallel or a Map, if that is given.
    pub fn given_work(&self) -> Option<Result<Payload, Failure>> {
        self.setting.trial.and_then(|trial| trial.work.clone())
    }
}

/// Inputs that are made of all items together. A selector may put the whole input into each: more than this is not shown.
const SHOWN_BYTES_MAX: usize = 16 << 20;

/// The inputs, unless they are too much to be shown.
pub fn shown(inputs: impl Iterator<Item = Result<Payload, Failure>>) -> Result<Vec<Payload>, Failure> {
    let mut bytes = 0;
    let check = |input: Result<Payload, Failure>| {
        let input = input?;
        bytes += input.size();
        if bytes > SHOWN_BYTES_MAX {
            let cause = format!("the inputs of all items together are larger than {SHOWN_BYTES_MAX} bytes");
            return Err(Failure::new("States.DataLimitExceeded", cause));
        }
        Ok(input)
    };
    inputs.map(check).collect()
}
