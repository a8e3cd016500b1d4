//! Conditions (`Fn::Equals`, `Fn::And`, `Fn::Or`, `Fn::Not`, `Condition`) and the function that uses them, `Fn::If`.
//!
//! A condition may name others, in any order of the text, so evaluating one follows the names and remembers the
//! results; the path walked so far finds a cycle, and its depth is bounded.

use std::collections::HashMap;

use super::Call;
use crate::diagnostic::Position;
use crate::node::{Entry, Node};
use crate::scope::Scope;

/// Conditions in conditions and conditions that name conditions, together: evaluation recurses.
const DEPTH_MAX: usize = 100;
/// AWS's limits of `Fn::And` and `Fn::Or`.
const OPERANDS: std::ops::RangeInclusive<usize> = 2..=10;

pub(super) fn choose(scope: &Scope<'_>, call: &Call<'_>) -> Node {
    let Some([condition, yes, no]) = call.items(scope) else { return Node::invalid(call.at) };
    let Some(name) = condition.literal() else { return call.refuse(scope) };
    match scope.condition(name, condition.at) {
        Some(true) => scope.resolve(yes),
        Some(false) => scope.resolve(no),
        None => Node::invalid(call.at),
    }
}

/// The value of every condition of the template.
pub(crate) fn evaluate(scope: &Scope<'_>, conditions: &[Entry]) -> HashMap<String, Option<bool>> {
    let declared = conditions.iter().map(|e| (e.key.as_str(), e)).collect();
    let mut evaluation = Evaluation { scope, declared, values: HashMap::new(), path: Vec::new(), depth: 0 };
    for entry in conditions {
        evaluation.named(&entry.key, entry.at);
    }
    evaluation.values
}

struct Evaluation<'a> {
    scope: &'a Scope<'a>,
    declared: HashMap<&'a str, &'a Entry>,
    values: HashMap<String, Option<bool>>,
    path: Vec<&'a str>,
    depth: usize,
}

impl<'a> Evaluation<'a> {
    fn named(&mut self, name: &'a str, at: Position) -> Option<bool> {
        if let Some(value) = self.values.get(name) {
            return *value;
        }
        let Some(entry) = self.declared.get(name).copied() else {
            return self.refuse(at, format!("there is no condition \"{name}\""), "declare it, or correct the name");
        };
        if self.path.contains(&name) {
            let cycle = [&self.path[..], &[name]].concat().join(" -> ");
            return self.refuse(at, format!("conditions need each other: {cycle}"), "break the cycle");
        }
        self.path.push(name);
        let value = self.truth(&entry.value);
        self.path.pop();
        self.values.insert(name.to_owned(), value);
        value
    }

    fn truth(&mut self, node: &'a Node) -> Option<bool> {
        if self.depth >= DEPTH_MAX {
            return self.refuse(
                node.at,
                format!("over {DEPTH_MAX} conditions depend on each other"),
                "shorten the chain",
            );
        }
        self.depth += 1;
        let value = self.function(node);
        self.depth -= 1;
        value
    }

    fn function(&mut self, node: &'a Node) -> Option<bool> {
        let Some(entry) = node.only_entry() else { return self.not_a_condition(node) };
        match (entry.key.as_str(), entry.value.literal()) {
            ("Condition", Some(name)) => return self.named(name, node.at),
            ("Condition", None) => return self.not_a_condition(&entry.value),
            _ => {}
        }
        match entry.key.as_str() {
            "Fn::Equals" => self.equals(node.at, &entry.value),
            "Fn::Not" => self.operands(node.at, &entry.value, 1..=1)?.first().copied().flatten().map(|b| !b),
            "Fn::And" => all(&self.operands(node.at, &entry.value, OPERANDS)?),
            "Fn::Or" => all(&negate(self.operands(node.at, &entry.value, OPERANDS)?)).map(|b| !b),
            _ => self.not_a_condition(node),
        }
    }

    /// The values of all operands; every one is looked at, so that every error is found.
    fn operands(
        &mut self,
        at: Position,
        list: &'a Node,
        count: std::ops::RangeInclusive<usize>,
    ) -> Option<Vec<Option<bool>>> {
        match list.list() {
            Some(items) if count.contains(&items.len()) => Some(items.iter().map(|item| self.truth(item)).collect()),
            _ => {
                let message = format!("this takes a list of {} to {} conditions", count.start(), count.end());
                self.refuse(at, message, "correct the list");
                None
            }
        }
    }

    fn equals(&self, at: Position, operands: &Node) -> Option<bool> {
        let Some([left, right]) = operands.list() else {
            return self.refuse(at, "Fn::Equals takes [value, value]".into(), "give two values");
        };
        let (left, right) = (self.scope.resolve(left), self.scope.resolve(right));
        match (left.text(), right.text()) {
            (Some(left), Some(right)) => Some(left == right),
            _ if left.is_invalid() || right.is_invalid() => None,
            _ => Some(left.json() == right.json()),
        }
    }

    fn not_a_condition(&self, node: &Node) -> Option<bool> {
        if node.is_invalid() {
            return None;
        }
        let help = "use Fn::Equals, Fn::And, Fn::Or, Fn::Not or Condition";
        self.refuse(node.at, format!("a condition is a function, this is {}", node.kind()), help)
    }

    fn refuse(&self, at: Position, message: String, help: &str) -> Option<bool> {
        self.scope.report.error(at, message, help);
        None
    }
}

/// Whether all are true; unknown if one is.
fn all(values: &[Option<bool>]) -> Option<bool> {
    values.iter().copied().collect::<Option<Vec<bool>>>().map(|values| values.into_iter().all(|b| b))
}

fn negate(values: Vec<Option<bool>>) -> Vec<Option<bool>> {
    values.into_iter().map(|value| value.map(|b| !b)).collect()
}
