//! Reference paths: names and single indexes only, so that a result can be written where they point.

use serde_json::{Map, Value};

use super::{Path, PathError, Root, Step};
use crate::scope::EvalError;

/// AWS's name in recorded failures of `ResultPath`. The developer guide says `States.ResultPathMatchFailure`
/// instead; executions show this one, with the text of [`refused`].
const CONFLICT: &str = "States.ReferencePathConflict";

/// Where `ResultPath` puts a result. Always in the input: the context object cannot be written.
#[derive(Clone, Debug)]
pub struct ReferencePath {
    path: Path,
}

impl ReferencePath {
    pub fn parse(text: &str) -> Result<ReferencePath, PathError> {
        let path = Path::parse(text)?;
        let refusal = if path.root != Root::Input {
            "a result is written into the state's data: begin with '$.', not with '$$' or a variable"
        } else if path.tail.is_some() || !path.steps.iter().all(Step::is_definite) {
            "a reference path names one place: only names and single indexes, no '*', ',', ':', '..', '?' or functions"
        } else if path.steps.iter().any(|step| matches!(step, Step::Index(index) if *index < 0)) {
            "an index in a reference path counts from the start: it cannot be negative"
        } else {
            return Ok(ReferencePath { path });
        };
        Err(PathError { message: refusal.to_owned(), offset: 0 })
    }

    /// The text it was parsed from.
    pub fn text(&self) -> &str {
        self.path.text()
    }

    /// Is it `$`?
    pub fn is_root(&self) -> bool {
        self.path.steps.is_empty()
    }

    /// The member of the data that it is, if it is one: `$.name`.
    pub fn member(&self) -> Option<&str> {
        match &self.path.steps[..] {
            [Step::Name(name)] => Some(name),
            _ => None,
        }
    }

    pub fn get<'v>(&self, root: &'v Value) -> Option<&'v Value> {
        self.path.steps.iter().try_fold(root, |node, step| step.child(node))
    }

    /// `root` with `value` at this place. Missing objects on the way are made; an array only takes an index it
    /// already has, and nothing else can be stepped into.
    pub fn set(&self, mut root: Value, value: Value) -> Result<Value, EvalError> {
        let mut node = &mut root;
        for step in &self.path.steps {
            node = enter(step, node)?;
        }
        *node = value;
        Ok(root)
    }
}

fn enter<'v>(step: &Step, node: &'v mut Value) -> Result<&'v mut Value, EvalError> {
    match (step, node) {
        // What is missing is written at once, and an object made here is empty until the next step fills it.
        (Step::Name(name), Value::Object(members)) => {
            Ok(members.entry(&**name).or_insert_with(|| Value::Object(Map::new())))
        }
        (Step::Index(index), Value::Array(items)) => {
            let at = usize::try_from(*index).ok().filter(|at| *at < items.len());
            match at {
                Some(at) => Ok(&mut items[at]),
                None => Err(refused(&index.to_string(), &Value::Array(std::mem::take(items)))),
            }
        }
        (Step::Name(name), node) => Err(refused(name, node)),
        (Step::Index(index), node) => Err(refused(&index.to_string(), node)),
        (_, node) => Err(refused("", node)),
    }
}

fn refused(step: &str, node: &Value) -> EvalError {
    EvalError::new(CONFLICT, format!("Unable to apply step \"{step}\" to input {node}"))
}
