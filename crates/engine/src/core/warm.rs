//! Which executions are likely to go on soon, and may keep what they have parsed.
//!
//! A waiting execution should cost its bytes and no more, but the state of a busy one is looked into at every step. So the
//! parsed forms of what went on lately are kept, up to a bound, and dropped from what has waited since.

use std::collections::VecDeque;

use super::{Active, snapshot_bytes};
use crate::keys::{ExecutionId, IdMap};

/// Text of executions whose parsed forms are kept. Parsed it takes about four times as much.
const TEXT_BYTES_MAX: usize = 8 << 20;

/// What one counts for beside its text.
const BYTES_EACH: usize = 512;

/// In the order in which they went on: those that did so last are at the end.
#[derive(Default)]
pub struct Warm {
    queue: VecDeque<Entry>,
    bytes: usize,
}

struct Entry {
    id: ExecutionId,
    /// If it has a later one, it went on since, and has another entry.
    seq: u32,
    bytes: usize,
}

impl Warm {
    pub fn add(&mut self, id: ExecutionId, active: &Active) {
        let input = &active.about.input;
        let input_bytes = if input.is_parsed() { input.size() } else { 0 };
        let bytes = BYTES_EACH + snapshot_bytes(&active.execution).max(input_bytes);
        self.bytes += bytes;
        self.queue.push_back(Entry { id, seq: active.seq, bytes });
    }

    pub fn cool(&mut self, active: &mut IdMap<ExecutionId, Active>) {
        while self.bytes > TEXT_BYTES_MAX {
            let Some(entry) = self.queue.pop_front() else { return };
            self.bytes -= entry.bytes;
            if let Some(active) = active.get_mut(&entry.id).filter(|active| active.seq == entry.seq) {
                active.execution.settle(&mut active.about.input);
                active.events.shrink_to_fit();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use interpreter::{Payload, Timestamp};
    use store::{ShardId, commit_and_wait};

    use super::*;
    use crate::core::{Core, Limits, Start};
    use crate::machines::{Created, Machines, NewMachine};

    #[test]
    fn what_has_waited_for_a_while_keeps_its_text_alone() {
        let store: Arc<dyn store::Store> = Arc::new(store::Memory::new());
        let machines = Arc::new(Machines::open(store.clone()).unwrap());
        let new = NewMachine {
            arn: "arn:aws:states:us-east-1:000000000000:stateMachine:m".into(),
            name: "m".into(),
            role_arn: "role".into(),
            definition: r#"{"StartAt":"A","States":{"A":{"Type":"Wait","SecondsPath":"$.s","End":true}}}"#.into(),
            tags: Default::default(),
            settings: Default::default(),
        };
        let Created::New(machine) = machines.create(new, Timestamp(0)).unwrap() else { panic!("it is new") };
        let limits = Limits {
            running_tasks_max: 1,
            open_executions_max: 1000,
            shards: 1,
            is_volatile: false,
            retention_ms: crate::limits::RETENTION_MS,
        };
        let mut core = Core::recover(ShardId(0), store.clone(), machines, limits, Timestamp(0), 1).unwrap();
        let input = format!(r#"{{"s":60,"text":"{}"}}"#, "x".repeat(100 << 10));
        for _ in 0..200 {
            core.start(Start::new(machine.revision.clone(), Payload::parse(&input).unwrap()), |_| ());
            let (batch, acts) = core.seal();
            commit_and_wait(&*store, batch).unwrap();
            drop(acts);
            core.committed();
        }
        let mut active: Vec<_> = core.active.iter().collect();
        active.sort_by_key(|(id, _)| **id);
        let parsed = active.iter().map(|(_, active)| active.about.input.is_parsed());
        let parsed: Vec<bool> = parsed.collect();
        let first_warm = parsed.iter().position(|is_parsed| *is_parsed).unwrap();
        assert_eq!(first_warm, 200 - TEXT_BYTES_MAX / (input.len() + BYTES_EACH));
        assert!(parsed[first_warm..].iter().all(|is_parsed| *is_parsed));
        for (_, active) in &active {
            let frame = &active.execution.frames[0];
            assert!(frame.input.is(&active.about.input), "the text is held once");
        }
    }
}
