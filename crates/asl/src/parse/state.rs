//! The definition, its blocks, and what all types of state share.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::definition::{Block, BlockId, Catcher, Definition, Io, Kind, Next, Retrier, Seconds, State, StateId};
use crate::jsonata;

use super::fields::{Fields, expected};
use super::language::{self, Language};
use super::query::Moment;
use super::report::{Problem, Read, Refused, Report, code};
use super::schema::{self, STATE_TYPES, StateType};
use super::{At, MachineType, Outline, catch, choice, fail, map, parallel, pass, succeed, task, wait};

/// The most seconds that AWS takes for a wait, a timeout or an interval: three years and two months.
pub(crate) const SECONDS_MAX: u64 = 99_999_999;

/// The transitions that were found, also where the definition as a whole is refused.
pub(crate) struct Links {
    /// For each block.
    pub starts: Vec<Option<StateId>>,
    pub edges: Vec<(StateId, StateId)>,
    /// For each state: `End`, Succeed or Fail.
    pub ends: Vec<bool>,
    /// For each block: some transition could not be read, so that nothing is certain about reachability.
    pub unsure: Vec<bool>,
}

pub(crate) struct Parser<'v> {
    pub outline: &'v Outline<'v>,
    pub machine: MachineType,
    pub report: &'v mut Report,
    pub links: Links,
    language: Language,
}

/// The state being read.
pub(crate) struct Here<'a> {
    pub id: StateId,
    pub block: BlockId,
    pub fields: Fields<'a>,
    pub language: Language,
    /// The blocks inside it.
    pub inner: &'a [Option<BlockId>],
}

impl<'v> Parser<'v> {
    pub fn new(outline: &'v Outline<'v>, machine: MachineType, report: &'v mut Report) -> Parser<'v> {
        let links = Links {
            starts: vec![None; outline.blocks.len()],
            edges: Vec::new(),
            ends: vec![false; outline.states.len()],
            unsure: vec![false; outline.blocks.len()],
        };
        Parser { outline, machine, report, links, language: Language::JsonPath }
    }

    pub fn definition(&mut self, text: &str, root: &Map<String, Value>) -> Read<Definition> {
        let fields = Fields { object: root, at: At::Root };
        schema::check(&fields, schema::ROOT, self.report);
        self.language = language::declared(&fields, self.report).unwrap_or(Language::JsonPath);
        let version = fields.word("Version", &["1.0"], self.report);
        let comment = fields.string("Comment", self.report);
        // Unlike a task's, the machine's own TimeoutSeconds may be zero on AWS.
        let timeout_seconds = fields.integer("TimeoutSeconds", 0, SECONDS_MAX, self.report);
        let mut blocks = Vec::new();
        let mut states = Vec::new();
        for index in 0..self.outline.blocks.len() {
            blocks.push(self.block(BlockId(index as u32)));
            states.extend(self.outline.blocks[index].states.iter().map(|id| self.state(*id)));
        }
        version?;
        Ok(Definition {
            text: text.into(),
            comment: comment?.map(str::to_owned),
            timeout_seconds: timeout_seconds?,
            states: states.into_iter().collect::<Read<_>>()?,
            blocks: blocks.into_iter().collect::<Read<_>>()?,
        })
    }

    fn block(&mut self, id: BlockId) -> Read<Block> {
        let outline = self.outline.block(id);
        let at = At::Block(self.outline, id);
        let fields = Fields { object: outline.object, at };
        let required = fields.require(&["StartAt", "States"], self.report);
        let start = self.start(id, &fields);
        let filled = match fields.get("States") {
            Some(Value::Object(states)) if states.is_empty() => {
                Err(fields.refuse("States", "Value cannot be empty", self.report))
            }
            None | Some(Value::Object(_)) => Ok(()),
            Some(_) => Err(expected("[OBJECT]", &at.key("States"), self.report)),
        };
        required?;
        filled?;
        Ok(Block { start: start?, states: outline.states.clone(), owner: outline.owner() })
    }

    fn start(&mut self, block: BlockId, fields: &Fields<'_>) -> Read<StateId> {
        let name = fields.string("StartAt", self.report).ok().flatten();
        // Without any state its absence is what is worth saying.
        let Some(name) = name.filter(|_| !self.outline.block(block).states.is_empty()) else {
            self.links.unsure[block.0 as usize] = true;
            return Err(Refused);
        };
        let start = self.find(block, name, &fields.at.key("StartAt"))?;
        self.links.starts[block.0 as usize] = Some(start);
        Ok(start)
    }

    fn state(&mut self, id: StateId) -> Read<State> {
        let outline = self.outline.state(id);
        let at = At::State(self.outline, id);
        let read = self.typed_state(id, at);
        if read.is_none() {
            self.links.unsure[outline.block.0 as usize] = true;
        }
        let (here, state_type) = read.ok_or(Refused)?;
        let comment = here.fields.string("Comment", self.report);
        let moment = match state_type {
            StateType::Task | StateType::Parallel | StateType::Map => Moment::After,
            _ => Moment::Before,
        };
        let assign = here.fields.assign(here.language, moment, self.report);
        let kind = self.kind(&here, state_type);
        Ok(State {
            id,
            block: outline.block,
            name: Arc::from(outline.name),
            comment: comment?.map(str::to_owned),
            assign: assign?,
            kind: kind?,
        })
    }

    /// The state and its type, unless too much is wrong to read on.
    fn typed_state(&mut self, id: StateId, at: At<'v>) -> Option<(Here<'v>, StateType)> {
        let outline = self.outline.state(id);
        if outline.refused {
            return None;
        }
        let fields = Fields::of(outline.value, at, self.report).ok()?;
        fields.require(&["Type"], self.report).ok()?;
        let name = fields.string("Type", self.report).ok()??;
        let Some((_, state_type)) = STATE_TYPES.iter().find(|(known, _)| *known == name) else {
            let known: Vec<&str> = STATE_TYPES.iter().map(|(known, _)| *known).collect();
            let message = format!("The field 'Type' should have one of these values: [{}]", known.join(", "));
            fields.refuse("Type", message, self.report);
            return None;
        };
        let language = self.state_language(&fields, *state_type);
        Some((Here { id, block: outline.block, fields, language, inner: &outline.inner }, *state_type))
    }

    /// Checks the fields against the type, and resolves the query language.
    fn state_language(&mut self, fields: &Fields<'_>, state_type: StateType) -> Language {
        let declared = language::declared(fields, self.report);
        let language = declared.unwrap_or(self.language);
        if self.language == Language::Jsonata && language == Language::JsonPath {
            language::downgraded(fields, self.report);
            schema::check_state(fields, state_type, None, self.report);
            return Language::Jsonata;
        }
        schema::check_state(fields, state_type, Some(language), self.report);
        language
    }

    fn kind(&mut self, here: &Here<'_>, state_type: StateType) -> Read<Kind> {
        match state_type {
            StateType::Task => task::parse(self, here).map(Kind::Task),
            StateType::Wait => wait::parse(self, here).map(Kind::Wait),
            StateType::Pass => pass::parse(self, here).map(Kind::Pass),
            StateType::Succeed => succeed::parse(self, here).map(Kind::Succeed),
            StateType::Fail => fail::parse(self, here).map(Kind::Fail),
            StateType::Choice => choice::parse(self, here).map(Kind::Choice),
            StateType::Parallel => parallel::parse(self, here).map(Kind::Parallel),
            StateType::Map => map::parse(self, here).map(Kind::Map),
        }
    }

    /// The state of this name in this block.
    fn find(&mut self, block: BlockId, name: &str, at: &At<'_>) -> Read<StateId> {
        self.outline.block(block).names.get(name).copied().ok_or_else(|| {
            let problem = Problem::new(code::MISSING_TARGET, at, format!("Missing 'Next' target: {name}"));
            self.report.add(problem.help("name a state of the same States object; a branch cannot leave its own"))
        })
    }

    /// A transition out of this state.
    pub fn target(&mut self, here: &Here<'_>, name: &str, at: &At<'_>) -> Read<StateId> {
        let to = self.find(here.block, name, at)?;
        self.links.edges.push((here.id, to));
        Ok(to)
    }

    /// `Next` of an object inside the state: a choice rule or a catcher. It is required there.
    pub fn inner_target(&mut self, here: &Here<'_>, fields: &Fields<'_>) -> Read<StateId> {
        match fields.string("Next", self.report) {
            Ok(Some(name)) => self.target(here, name, &fields.at.key("Next")),
            _ => Err(self.unsure(here)),
        }
    }

    /// Some transition of this state could not be read.
    pub fn unsure(&mut self, here: &Here<'_>) -> Refused {
        self.links.unsure[here.block.0 as usize] = true;
        Refused
    }

    pub fn ends(&mut self, here: &Here<'_>) {
        self.links.ends[here.id.0 as usize] = true;
    }

    /// `Next` or `"End": true`, exactly one of the two.
    pub fn next(&mut self, here: &Here<'_>) -> Read<Next> {
        const BOTH: &[&str] = &["Next", "End"];
        let fields = &here.fields;
        let next = fields.string("Next", self.report);
        let end = fields.boolean("End", self.report);
        let (Ok(next), Ok(end)) = (next, end) else { return Err(self.unsure(here)) };
        match (next, end.unwrap_or(false)) {
            (Some(name), false) => self.target(here, name, &fields.at.key("Next")).map(Next::State),
            (None, true) => {
                self.ends(here);
                Ok(Next::End)
            }
            (Some(_), true) => {
                let message = format!("There should only be one of the following fields: [{}]", BOTH.join(", "));
                self.report.add(Problem::schema(&fields.at, message));
                Err(self.unsure(here))
            }
            (None, false) => {
                let message =
                    format!("This object should have only one of the following fields: [{}]", BOTH.join(", "));
                let help = "add \"Next\": \"...\" or, where the work is done, \"End\": true";
                self.report.add(Problem::schema(&fields.at, message).help(help));
                Err(self.unsure(here))
            }
        }
    }

    /// The fields around the state's work.
    pub fn io(&mut self, here: &Here<'_>, moment: Moment) -> Read<Io> {
        here.fields.io(here.language, moment, true, self.report)
    }

    /// A setting of the state that is written as an expression; none when it is not, and in JSONPath.
    pub fn expression(&mut self, here: &Here<'_>, name: &str) -> Read<Option<jsonata::Expression>> {
        match here.language {
            Language::JsonPath => Ok(None),
            Language::Jsonata => here.fields.expression(name, Moment::Before, self.report),
        }
    }

    /// `TimeoutSeconds` or `TimeoutSecondsPath`, and their like.
    pub fn seconds(&mut self, here: &Here<'_>, name: &str, path_name: &str) -> Read<Option<Seconds>> {
        if let Some(expression) = self.expression(here, name)? {
            return Ok(Some(Seconds::Jsonata(expression)));
        }
        let fields = &here.fields;
        let one = fields.at_most_one(&[name, path_name], self.report);
        let fixed = fields.integer(name, 1, SECONDS_MAX, self.report);
        let path = fields.path(path_name, self.report);
        one?;
        Ok(fixed?.map(Seconds::Fixed).or(path?.map(Seconds::Path)))
    }

    /// `Retry` and `Catch` of Task, Parallel and Map.
    pub fn errors(&mut self, here: &Here<'_>) -> Read<(Vec<Retrier>, Vec<Catcher>)> {
        let retry = super::retry::parse(&here.fields, self.report);
        let catch = catch::parse(self, here);
        Ok((retry?, catch?))
    }
}
