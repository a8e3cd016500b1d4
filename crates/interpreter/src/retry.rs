//! Retry and Catch: what becomes of a failed state before its thread is given up.
//!
//! Source: "Handling errors in Step Functions workflows", AWS Step Functions Developer Guide.

use asl::definition::{CaughtOutput, Jitter, Next, Retrier, error_matches};
use serde_json::{Map, Value};

use crate::execution::FrameId;
use crate::history::{ErrorText, Failure};
use crate::io::{Known, Leaving};
use crate::payload::Payload;
use crate::stepper::{Done, Stepper};

impl Stepper<'_> {
    /// The pause before the next attempt, if a retrier grants one. Each retrier counts for itself over one visit
    /// of the state; the first that matches decides.
    pub fn retry_delay_ms(&mut self, id: FrameId, failure: &Failure) -> Option<u64> {
        let retriers = self.state_of(id).kind.retriers();
        let index = retriers.iter().position(|retrier| error_matches(&retrier.error_equals, failure.name()))?;
        let retrier = &retriers[index];
        self.seen(|seen| seen.retrier = Some(index));
        let frame = self.frame_mut(id);
        frame.retries.resize(retriers.len(), 0);
        let used = frame.retries[index];
        if u64::from(used) >= retrier.max_attempts {
            return None;
        }
        frame.retries[index] = used + 1;
        let delay = match (delay_ms(retrier, used), retrier.jitter) {
            (delay, Jitter::None) => delay,
            (delay, Jitter::Full) => (self.entropy.unit() * delay.saturating_add(1) as f64) as u64,
        };
        self.seen(|seen| seen.backoff_ms = Some(delay));
        Some(delay)
    }

    /// How the first catcher that matches leaves the state.
    pub fn catch(&mut self, id: FrameId, failure: &Failure) -> Result<Option<Done>, Failure> {
        let catchers = self.state_of(id).kind.catchers();
        let found =
            catchers.iter().enumerate().find(|(_, catcher)| error_matches(&catcher.error_equals, failure.name()));
        let Some((index, catcher)) = found else { return Ok(None) };
        self.seen(|seen| seen.catcher = Some(index));
        let error_output = error_output(failure);
        let known = Known { error_output: Some(&error_output), ..Known::default() };
        let place = format!("Catch[{index}]/");
        let leaving = Leaving { assign: catcher.assign.as_ref(), output: None, place };
        let assigned = self.assigned(id, &leaving, &error_output, known)?;
        let output = match &catcher.output {
            CaughtOutput::Path(result_path) => self.insert(id, result_path, error_output)?,
            CaughtOutput::Jsonata(None) => error_output,
            CaughtOutput::Jsonata(Some(output)) => {
                Payload::from_value(self.jsonata(id, output, &format!("{}Output", leaving.place), known)?)
            }
        };
        self.within_limit(id, &output)?;
        Ok(Some(Done { output, assigned, next: Next::State(catcher.next) }))
    }
}

/// `{"Error": …, "Cause": …}`; what is absent is null, as recorded.
pub fn error_output(failure: &Failure) -> Payload {
    let member = |(name, text): (&str, &ErrorText)| (name.to_owned(), text.as_deref().map_or(Value::Null, Value::from));
    let members = [("Error", &failure.error), ("Cause", &failure.cause)].map(member);
    Payload::from_value(Value::Object(Map::from_iter(members)))
}

/// IntervalSeconds × BackoffRate^used, at most MaxDelaySeconds.
fn delay_ms(retrier: &Retrier, used: u32) -> u64 {
    let exponent = i32::try_from(used).unwrap_or(i32::MAX);
    let seconds = retrier.interval_seconds as f64 * retrier.backoff_rate.powi(exponent);
    let capped = retrier.max_delay_seconds.map_or(seconds, |max| seconds.min(max as f64));
    // A cast from f64 saturates, so an enormous backoff is merely the end of time.
    (capped * 1000.0) as u64
}
