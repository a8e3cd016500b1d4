//! Redrive: an execution that ended badly goes on where it stood.
//!
//! What it was about to do is in its last record. It is loaded again as if it had never ended, under the same id; its
//! history goes on with `ExecutionRedriven`.
//!
//! Source: "Restarting state machine executions with redrive", AWS Step Functions Developer Guide.

use interpreter::{InputKind, MapRunId, Timestamp, Wait};
use store::{Space, Write};

use super::{Act, Active, Core, listed_under, load};
use crate::error::{Error, RedriveError};
use crate::keys::{self, ExecutionId};
use crate::map_run::RunKey;
use crate::record::{self, ExecutionStatus, Row};

/// "...within 14 days of ... completion". Source: the same page.
pub const REDRIVE_WITHIN_MS: i64 = 14 * 24 * 3600 * 1000;

/// "...event history count is less than 24,999". Source: the same page.
pub const REDRIVE_EVENTS_MAX: u64 = 24_999;

/// Why an execution cannot be redriven, in AWS's words; none if it can.
pub fn not_redrivable(row: &Row, last_event: u64, now: Timestamp) -> Option<&'static str> {
    let stopped_at = row.stopped_at.unwrap_or(now);
    match row.status {
        ExecutionStatus::Running => Some("Execution is RUNNING and cannot be redriven"),
        ExecutionStatus::Succeeded => Some("Execution is SUCCEEDED and cannot be redriven"),
        _ if now.0.saturating_sub(stopped_at.0) > REDRIVE_WITHIN_MS => {
            Some("Execution has exceeded its redrivable period")
        }
        _ if last_event >= REDRIVE_EVENTS_MAX => {
            Some("Execution history event limit exceeded. Unable to redrive the execution")
        }
        _ => None,
    }
}

impl Core {
    /// Goes on with an execution that ended badly. Answered when it is durable that it does.
    pub fn redrive(&mut self, id: ExecutionId, reply: impl FnOnce(Result<Timestamp, RedriveError>) + Send + 'static) {
        self.inputs += 1;
        let answer = self.try_redrive(id);
        self.acts.push(Act::Reply(Box::new(move || reply(answer))));
    }

    fn try_redrive(&mut self, id: ExecutionId) -> Result<Timestamp, RedriveError> {
        if self.active.contains_key(&id) || self.sealed_ending.iter().any(|ending| ending.id == id) {
            return Err(RedriveError::NotRedrivable("Execution is RUNNING and cannot be redriven".to_owned()));
        }
        if self.active.len() >= self.limits.open_executions_max {
            return Err(RedriveError::TooManyOpen);
        }
        let stored = self.store.get(Space::Executions, &keys::execution(id)).map_err(Error::from)?;
        let row = record::decode_row(&stored.ok_or(RedriveError::DoesNotExist)?)?;
        if let Some(why) = not_redrivable(&row, 0, self.now) {
            return Err(RedriveError::NotRedrivable(why.to_owned()));
        }
        if self.is_expired(&row) {
            // It is being deleted, or will be soon.
            return Err(RedriveError::DoesNotExist);
        }
        if row.parent_run().is_some() {
            let why = "Execution is one of a Map Run and can be redriven only with it";
            return Err(RedriveError::NotRedrivable(why.to_owned()));
        }
        if self.deleting.contains(&row.machine) {
            return Err(RedriveError::NotRedrivable("State machine is in DELETING status".to_owned()));
        }
        let (mut active, ended_at) = load(&*self.store, &self.machines, id).map_err(|error| match error {
            // One that was written by a version that did not keep what was about to happen.
            Error::Unreadable { .. } => {
                RedriveError::NotRedrivable("Execution was started before it could be redriven".to_owned())
            }
            other => other.into(),
        })?;
        if let Some(why) = not_redrivable(&row, active.execution.last_event, self.now) {
            return Err(RedriveError::NotRedrivable(why.to_owned()));
        }
        if active.execution.unfinished.is_empty() {
            return Err(RedriveError::NotRedrivable("Execution has nothing to go on with".to_owned()));
        }
        let map_runs = self.unfinished_runs(id, &active)?;
        self.set_time(ended_at);
        self.take_back(id, &mut active);
        self.take_in(id, active);
        self.changed(id);
        self.go_on_with(id, map_runs);
        Ok(self.now)
    }

    pub(super) fn go_on_with(&mut self, id: ExecutionId, map_runs: Vec<(MapRunId, u32)>) {
        let is_taken = self.apply(id, InputKind::Redrive(map_runs));
        // INVARIANT: an execution that has ended and has something left to do takes a redrive.
        assert!(is_taken, "a redrive was refused");
    }

    /// The Map Runs that it was waiting for, and how often each will have been redriven.
    pub(super) fn unfinished_runs(&self, id: ExecutionId, active: &Active) -> Result<Vec<(MapRunId, u32)>, Error> {
        let mut found = Vec::new();
        for frame in &active.execution.unfinished {
            let Wait::MapRun(wait) = &frame.wait else { continue };
            let run = MapRunId { frame: frame.id, run: wait.run };
            if let Some(row) = self.stored_run(RunKey { execution: id, id: run })? {
                found.push((run, row.redrive_count + 1));
            }
        }
        Ok(found)
    }

    /// Its row tells again that it runs.
    pub(super) fn take_back(&mut self, id: ExecutionId, active: &mut Active) {
        let listed = listed_under(&active.row);
        let old = keys::listing(listed, active.row.status, id);
        active.row.status = ExecutionStatus::Running;
        active.row.stopped_at = None;
        active.row.redrive_count += 1;
        active.is_redriven = true;
        active.row.redriven_at = Some(self.now);
        let new = keys::listing(listed, ExecutionStatus::Running, id);
        self.writes.extend([
            Write::Delete { space: Space::Listing, key: old },
            Write::Put { space: Space::Listing, key: new, value: Vec::new() },
            Write::Put { space: Space::Executions, key: keys::execution(id), value: record::encode_row(&active.row) },
        ]);
    }
}
