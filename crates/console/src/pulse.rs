//! How executions ended in the last hour, minute by minute: what the overview draws.
//!
//! Counted while they end, from the first look on; what ended before that look is read once, the newest so many. Nothing
//! is counted while nobody has looked, so a console that is not used costs nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use engine::{ExecutionStatus, Reader, StatusChange};
use tokio::sync::broadcast::error::RecvError;

use crate::console::Console;
use crate::execution::tell_once;
use crate::story::{Aftermath, Story};

pub const MINUTES: usize = 60;
const MINUTE_MS: i64 = 60_000;

/// Executions of the past that are read at the first look, in all and of each machine: the page waits for it.
const READ_MAX: usize = 1000;
const READ_OF_EACH_MAX: usize = 200;

/// Failed executions whose histories are read for one minute, to tell those that were compensated. The others count as
/// failed only; who fails more often than this has other troubles.
const LOOKED_INTO_MAX: u32 = 60;

/// How executions ended in one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    pub succeeded: u32,
    pub compensated: u32,
    pub failed: u32,
    pub stopped: u32,
    looked_into: u32,
}

impl Ends {
    pub fn total(&self) -> u32 {
        self.succeeded + self.compensated + self.failed + self.stopped
    }
}

#[derive(Debug, Default)]
pub struct Hour {
    /// Minutes since 1970, ascending and without gaps.
    minutes: VecDeque<(i64, Ends)>,
}

impl Hour {
    /// The last sixty minutes, oldest first; the last is the one that goes on.
    pub fn until(&self, now_ms: i64) -> Vec<Ends> {
        let now = now_ms.div_euclid(MINUTE_MS);
        let of = |minute: i64| self.minutes.iter().find(|(known, _)| *known == minute).map(|(_, ends)| *ends);
        (now - MINUTES as i64 + 1..=now).map(|minute| of(minute).unwrap_or_default()).collect()
    }

    fn at(&mut self, ms: i64) -> Option<&mut Ends> {
        let minute = ms.div_euclid(MINUTE_MS);
        match self.minutes.back() {
            None => self.minutes.push_back((minute, Ends::default())),
            Some((last, _)) if minute > *last => {
                // A long silence needs no row for each of its minutes.
                let from = (*last + 1).max(minute - MINUTES as i64 + 1);
                self.minutes.extend((from..=minute).map(|minute| (minute, Ends::default())));
            }
            Some(_) => {}
        }
        while let Some((first, _)) = self.minutes.front()
            && minute < *first
            && self.minutes.len() < MINUTES
        {
            let before = first - 1;
            self.minutes.push_front((before, Ends::default()));
        }
        while self.minutes.len() > MINUTES {
            self.minutes.pop_front();
        }
        self.minutes.iter_mut().rev().find(|(known, _)| *known == minute).map(|(_, ends)| ends)
    }
}

/// Cheap to clone.
#[derive(Clone, Default)]
pub struct Pulse {
    hour: Arc<Mutex<Hour>>,
    is_watched: Arc<OnceLock<()>>,
}

impl Pulse {
    /// The last hour; the first look begins to count.
    pub fn look(&self, console: &Console) -> Vec<Ends> {
        self.is_watched.get_or_init(|| self.begin(console));
        self.hour.lock().unwrap_or_else(PoisonError::into_inner).until(engine::now().0)
    }

    fn begin(&self, console: &Console) {
        let mut changes = console.handle.watch();
        let (pulse, reader) = (self.clone(), console.reader.clone());
        self.read_past(&console.reader);
        tokio::spawn(async move {
            loop {
                match changes.recv().await {
                    Ok(change) if change.stopped_at.is_some() => pulse.clone().count(change, reader.clone()).await,
                    // What was missed is missing in the drawing; the lists have it.
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        });
    }

    async fn count(self, change: StatusChange, reader: Reader) {
        let at = change.stopped_at.unwrap_or(change.started_at).0;
        if change.status != ExecutionStatus::Failed || !self.may_look_into(at) {
            return self.add(at, change.status, false);
        }
        let arn = change.execution_arn.clone();
        let looked = tokio::task::spawn_blocking(move || is_compensated(&reader, &arn)).await;
        self.add(at, change.status, looked.unwrap_or(false));
    }

    fn may_look_into(&self, at: i64) -> bool {
        let mut hour = self.hour.lock().unwrap_or_else(PoisonError::into_inner);
        hour.at(at).is_some_and(|ends| {
            ends.looked_into += 1;
            ends.looked_into <= LOOKED_INTO_MAX
        })
    }

    fn add(&self, at: i64, status: ExecutionStatus, is_compensated: bool) {
        let mut hour = self.hour.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(ends) = hour.at(at) else { return };
        match status {
            ExecutionStatus::Running => {}
            ExecutionStatus::Succeeded => ends.succeeded += 1,
            ExecutionStatus::Failed if is_compensated => ends.compensated += 1,
            ExecutionStatus::Failed | ExecutionStatus::TimedOut => ends.failed += 1,
            ExecutionStatus::Aborted => ends.stopped += 1,
        }
    }

    /// Errors end it: the drawing is then younger than it could be, and the page that reads the same store says why.
    fn read_past(&self, reader: &Reader) {
        let now = engine::now().0;
        let mut left = READ_MAX;
        for machine in reader.machines().list() {
            let most = READ_OF_EACH_MAX.min(left);
            if most == 0 {
                return;
            }
            let Ok(page) = reader.list(machine.number, &Default::default(), None, most) else { return };
            left -= page.executions.len();
            for summary in page.executions {
                let Some(stopped_at) = summary.row.stopped_at else { continue };
                let is_in_time = now - stopped_at.0 < MINUTES as i64 * MINUTE_MS && stopped_at.0 <= now;
                if !is_in_time {
                    continue;
                }
                let is_failed = summary.row.status == ExecutionStatus::Failed && self.may_look_into(stopped_at.0);
                let is_compensated = is_failed && is_compensated(reader, &summary.execution_arn);
                self.add(stopped_at.0, summary.row.status, is_compensated);
            }
        }
    }
}

fn is_compensated(reader: &Reader, arn: &str) -> bool {
    aftermath(reader, arn) == Some(Aftermath::Compensated)
}

/// What a bad end has left. Not told of what cannot be read, or is very long: its own page tells.
pub fn aftermath(reader: &Reader, arn: &str) -> Option<Aftermath> {
    Story::of(&tell_once(reader, arn).ok().flatten()?).aftermath()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_that_pass() {
        let pulse = Pulse::default();
        let minute = |number: i64| number * MINUTE_MS;
        let check = |now: i64, expect: &[(usize, u32)]| {
            let shown = pulse.hour.lock().unwrap().until(now);
            assert_eq!(shown.len(), MINUTES);
            let found: Vec<_> = shown.iter().enumerate().filter(|(_, it)| it.total() > 0).collect();
            let found: Vec<_> = found.into_iter().map(|(at, ends)| (at, ends.total())).collect();
            assert_eq!(found, expect);
        };
        check(minute(1000), &[]);
        pulse.add(minute(1000), ExecutionStatus::Succeeded, false);
        pulse.add(minute(1000) + 59_999, ExecutionStatus::Failed, true);
        check(minute(1000), &[(59, 2)]);
        // Older ones come later when the past is read.
        pulse.add(minute(990), ExecutionStatus::Aborted, false);
        check(minute(1000), &[(49, 1), (59, 2)]);
        pulse.add(minute(1030), ExecutionStatus::TimedOut, false);
        check(minute(1030), &[(19, 1), (29, 2), (59, 1)]);
        pulse.add(minute(5000), ExecutionStatus::Succeeded, false);
        check(minute(5000), &[(59, 1)]);
        pulse.add(minute(1000), ExecutionStatus::Succeeded, false);
        check(minute(5000), &[(59, 1)]);
    }

    #[test]
    fn kinds_of_ends() {
        let pulse = Pulse::default();
        for (status, is_compensated) in
            [(ExecutionStatus::Failed, true), (ExecutionStatus::Failed, false), (ExecutionStatus::TimedOut, false)]
        {
            pulse.add(0, status, is_compensated);
        }
        let ends = pulse.hour.lock().unwrap().until(0)[MINUTES - 1];
        assert_eq!((ends.compensated, ends.failed, ends.succeeded), (1, 2, 0));
    }
}
