//! JSON in which a text that is wholly `{% ... %}` is an expression: `Arguments`, `Output`, `Assign` and their like.
//!
//! Parsed once into a tree in which everything without expressions is one literal. The expressions of a template
//! share one evaluator: what several of them read is converted once.

use serde_json::{Map, Value};

use super::Scope;
use super::expression::{Available, Expression};
use super::failure::{Failure, Reason};
use super::parse::{ParseError, inside};
use super::reads::Reads;
use super::session::Session;
use crate::diagnostic::{Diagnostic, Severity};

/// A parsed template.
#[derive(Clone, Debug)]
pub struct Template {
    root: Node,
    /// Of all expressions but plain paths, which read the data where it is.
    reads: Reads,
}

impl Template {
    /// `pointer` is the JSON pointer of `value` in the definition. None when there was an error.
    pub fn parse(
        value: &Value,
        pointer: &str,
        available: Available,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Template> {
        let before = diagnostics.len();
        let root = Node::parse(value, pointer, available, diagnostics);
        let mut reads = Reads::default();
        root.expressions(&mut |expression| {
            if !expression.is_path() {
                reads.join(expression.reads());
            }
        });
        (diagnostics.len() == before).then_some(Template { root, reads })
    }

    /// `field` is the name of the field in the state, for instance `Output`; members are told as `Output/total`,
    /// items as `Output/ids[0]`.
    pub fn evaluate(&self, scope: &Scope<'_>, field: &str) -> Result<Value, Failure> {
        Evaluation { scope, reads: &self.reads, session: None }.value(&self.root, &mut field.to_owned())
    }

    /// The variables that its expressions read, sorted; see [`Expression::variables`].
    pub fn variables(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.root.expressions(&mut |expression| names.extend_from_slice(expression.variables()));
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The expression that it is, when it is one and nothing around it.
    pub fn expression(&self) -> Option<&Expression> {
        match &self.root {
            Node::Expression(expression) => Some(expression),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
enum Node {
    Literal(Value),
    Object(Vec<(String, Node)>),
    Array(Vec<Node>),
    Expression(Expression),
}

impl Node {
    fn parse(value: &Value, pointer: &str, available: Available, diagnostics: &mut Vec<Diagnostic>) -> Node {
        match value {
            Value::Array(items) => {
                let nodes = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| Node::parse(item, &format!("{pointer}/{index}"), available, diagnostics));
                let nodes: Vec<_> = nodes.collect();
                if nodes.iter().all(Node::is_literal) { Node::Literal(value.clone()) } else { Node::Array(nodes) }
            }
            Value::Object(members) => {
                let nodes = members.iter().map(|(name, member)| {
                    let pointer = format!("{pointer}/{}", escaped(name));
                    (name.clone(), Node::parse(member, &pointer, available, diagnostics))
                });
                let nodes: Vec<_> = nodes.collect();
                let literal = nodes.iter().all(|(_, node)| node.is_literal());
                if literal { Node::Literal(value.clone()) } else { Node::Object(nodes) }
            }
            Value::String(text) => match inside(text) {
                Some(text) => Node::expression(text, pointer, available, diagnostics),
                None => Node::Literal(value.clone()),
            },
            scalar => Node::Literal(scalar.clone()),
        }
    }

    fn expression(text: &str, pointer: &str, available: Available, diagnostics: &mut Vec<Diagnostic>) -> Node {
        match Expression::parse(text) {
            Ok(expression) => {
                let findings = expression.findings(available).into_iter();
                diagnostics.extend(findings.map(|found| diagnostic(found.code, found.message, pointer)));
                Node::Expression(expression)
            }
            Err(error) => {
                diagnostics.push(diagnostic(ParseError::CODE, error.message, pointer));
                Node::Literal(Value::Null)
            }
        }
    }

    fn is_literal(&self) -> bool {
        matches!(self, Node::Literal(_))
    }

    fn expressions(&self, visit: &mut impl FnMut(&Expression)) {
        match self {
            Node::Literal(_) => {}
            Node::Object(nodes) => nodes.iter().for_each(|(_, node)| node.expressions(visit)),
            Node::Array(nodes) => nodes.iter().for_each(|node| node.expressions(visit)),
            Node::Expression(expression) => visit(expression),
        }
    }
}

struct Evaluation<'e> {
    scope: &'e Scope<'e>,
    reads: &'e Reads,
    /// Made for the first expression that needs one.
    session: Option<Session>,
}

impl Evaluation<'_> {
    /// `field` is put back as it was given.
    fn value(&mut self, node: &Node, field: &mut String) -> Result<Value, Failure> {
        let before = field.len();
        match node {
            Node::Literal(value) => Ok(value.clone()),
            Node::Expression(expression) => {
                self.expression(expression).map_err(|reason| expression.failure(field, &reason))
            }
            Node::Array(nodes) => {
                let mut items = Vec::with_capacity(nodes.len());
                for (index, node) in nodes.iter().enumerate() {
                    field.push_str(&format!("[{index}]"));
                    items.push(self.value(node, field)?);
                    field.truncate(before);
                }
                Ok(Value::Array(items))
            }
            Node::Object(nodes) => {
                let mut members = Map::with_capacity(nodes.len());
                for (name, node) in nodes {
                    field.push('/');
                    field.push_str(name);
                    members.insert(name.clone(), self.value(node, field)?);
                    field.truncate(before);
                }
                Ok(Value::Object(members))
            }
        }
    }

    fn expression(&mut self, expression: &Expression) -> Result<Value, Reason> {
        if let Some(result) = expression.at_once(self.scope) {
            return result;
        }
        if expression.is_path() {
            return expression.evaluate_in(&mut Session::new(self.scope, expression.reads())?);
        }
        let session = match &mut self.session {
            Some(session) => session,
            none => none.insert(Session::new(self.scope, self.reads)?),
        };
        expression.evaluate_in(session)
    }
}

fn diagnostic(code: &'static str, message: String, pointer: &str) -> Diagnostic {
    Diagnostic { severity: Severity::Error, code, message, pointer: pointer.to_owned(), line: 0, column: 0, help: None }
}

/// A member's name as one step of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
