//! The runner that the engine hands tasks to: it only puts them on a table, and the world decides what becomes of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use engine::{Completion, Items, Parent, ReadItems, Task, TaskRunner, WriteResults, Written};

use crate::auditor::Auditor;
use crate::journal::Journal;

pub enum Handed {
    Task(Task, Completion),
    Read(ReadItems, Items),
    Write(WriteResults, Written),
}

/// Of one process.
pub struct Table {
    auditor: Arc<Auditor>,
    journal: Arc<Journal>,
    process: u32,
    /// The shard that writes nothing.
    volatile: u16,
    handed: Mutex<VecDeque<Handed>>,
}

impl Table {
    pub fn new(auditor: Arc<Auditor>, journal: Arc<Journal>, process: u32, volatile: u16) -> Table {
        Table { auditor, journal, process, volatile, handed: Mutex::default() }
    }

    /// What was handed over since.
    pub fn clear(&self) -> VecDeque<Handed> {
        std::mem::take(&mut *self.handed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, handed: Handed) {
        self.handed.lock().unwrap_or_else(PoisonError::into_inner).push_back(handed);
    }
}

impl TaskRunner for Table {
    fn run(&self, task: Task, completion: Completion) {
        // Functions die with their process, so what one hands over that was superseded runs nowhere.
        if self.auditor.is_owner(self.process) {
            self.journal.note(|| format!("task    {} {} of {}", task.id, task.state, task.execution_arn));
            let Parent::Task { execution, .. } = completion.parent() else {
                unreachable!("a task waits for its outcome")
            };
            if execution.shard() != self.volatile || self.auditor.look(execution, |_| ()).is_some() {
                self.auditor.handed(&task, &completion.parent());
            }
            self.put(Handed::Task(task, completion));
        }
    }

    fn read_items(&self, order: ReadItems, items: Items) {
        if self.auditor.is_owner(self.process) {
            self.put(Handed::Read(order, items));
        }
    }

    fn write_results(&self, order: WriteResults, written: Written) {
        if self.auditor.is_owner(self.process) {
            self.put(Handed::Write(order, written));
        }
    }
}
