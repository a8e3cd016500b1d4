//! The first pass: every block and every state by name, before any state is read.
//!
//! It goes wide, not deep: a list of blocks still to visit takes the place of recursion.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::definition::{BlockId, StateId};

use super::at::write_token;
use super::report::{Problem, Report, code};
use super::{At, STATE_NAME_CHARS_MAX};

pub(crate) struct Outline<'v> {
    pub blocks: Vec<BlockOutline<'v>>,
    pub states: Vec<StateOutline<'v>>,
}

pub(crate) struct BlockOutline<'v> {
    pub object: &'v Map<String, Value>,
    owner: Option<(StateId, Place)>,
    pub states: Vec<StateId>,
    pub names: HashMap<&'v str, StateId>,
}

impl BlockOutline<'_> {
    pub fn owner(&self) -> Option<StateId> {
        self.owner.map(|(state, _)| state)
    }
}

pub(crate) struct StateOutline<'v> {
    pub name: &'v str,
    pub value: &'v Value,
    pub block: BlockId,
    /// The blocks inside, in the order of `Branches`; none where an element is no object.
    pub inner: Vec<Option<BlockId>>,
    /// The name was refused; what is inside is not looked at.
    pub refused: bool,
}

#[derive(Clone, Copy)]
enum Place {
    Branch(usize),
    /// `ItemProcessor` or `Iterator`.
    Processor(&'static str),
}

impl<'v> Outline<'v> {
    pub fn of(root: &'v Map<String, Value>, report: &mut Report) -> Outline<'v> {
        let mut outline = Outline { blocks: Vec::new(), states: Vec::new() };
        outline.add_block(root, None);
        let mut next = 0;
        while next < outline.blocks.len() {
            outline.visit(BlockId(next as u32), report);
            next += 1;
        }
        outline
    }

    pub fn block(&self, id: BlockId) -> &BlockOutline<'v> {
        &self.blocks[id.0 as usize]
    }

    pub fn state(&self, id: StateId) -> &StateOutline<'v> {
        &self.states[id.0 as usize]
    }

    fn add_block(&mut self, object: &'v Map<String, Value>, owner: Option<(StateId, Place)>) -> BlockId {
        let id = BlockId(self.blocks.len() as u32);
        self.blocks.push(BlockOutline { object, owner, states: Vec::new(), names: HashMap::new() });
        id
    }

    fn visit(&mut self, block: BlockId, report: &mut Report) {
        let object = self.block(block).object;
        let Some(Value::Object(states)) = object.get("States") else { return };
        for (name, value) in states {
            let id = StateId(self.states.len() as u32);
            self.states.push(StateOutline { name, value, block, inner: Vec::new(), refused: false });
            self.blocks[block.0 as usize].states.push(id);
            self.blocks[block.0 as usize].names.insert(name, id);
            if self.refuse_name(id, report) {
                self.states[id.0 as usize].refused = true;
            } else {
                self.visit_inner(id);
            }
        }
    }

    fn refuse_name(&self, id: StateId, report: &mut Report) -> bool {
        let name = self.state(id).name;
        let wrong = if name.is_empty() {
            "State name must not be empty".to_owned()
        } else if name.chars().nth(STATE_NAME_CHARS_MAX).is_some() {
            format!("State name exceeds the maximum length of {STATE_NAME_CHARS_MAX} characters")
        } else {
            return false;
        };
        report.add(
            Problem::new(code::INVALID_NAME, &At::State(self, id), wrong)
                .help("the name is the key of the state in States"),
        );
        true
    }

    fn visit_inner(&mut self, id: StateId) {
        let Value::Object(state) = self.state(id).value else { return };
        let inner = match state.get("Type").and_then(Value::as_str) {
            Some("Parallel") => self.visit_branches(id, state),
            Some("Map") => self.visit_processor(id, state),
            _ => return,
        };
        self.states[id.0 as usize].inner = inner;
    }

    fn visit_branches(&mut self, id: StateId, state: &'v Map<String, Value>) -> Vec<Option<BlockId>> {
        let Some(Value::Array(branches)) = state.get("Branches") else { return Vec::new() };
        let place = |(index, branch): (usize, &'v Value)| {
            branch.as_object().map(|object| self.add_block(object, Some((id, Place::Branch(index)))))
        };
        branches.iter().enumerate().map(place).collect()
    }

    fn visit_processor(&mut self, id: StateId, state: &'v Map<String, Value>) -> Vec<Option<BlockId>> {
        let found = ["ItemProcessor", "Iterator"].into_iter().find(|name| state.contains_key(*name));
        let Some(name) = found else { return Vec::new() };
        let Some(Value::Object(object)) = state.get(name) else { return Vec::new() };
        vec![Some(self.add_block(object, Some((id, Place::Processor(name)))))]
    }

    /// Appends the pointer of a block.
    pub fn write_block(&self, id: BlockId, text: &mut String) {
        let Some((state, place)) = self.block(id).owner else { return };
        self.write_state(state, text);
        match place {
            Place::Branch(index) => {
                write_token("Branches", text);
                write_token(&index.to_string(), text);
            }
            Place::Processor(name) => write_token(name, text),
        }
    }

    /// Appends the pointer of a state.
    pub fn write_state(&self, id: StateId, text: &mut String) {
        let state = self.state(id);
        self.write_block(state.block, text);
        write_token("States", text);
        write_token(state.name, text);
    }
}
