//! The section `Rules`: what must be true of the parameters' values before anything is made.
//!
//! An assertion about a value that only AWS has, such as the version of CDK's bootstrap in its Parameter Store, says nothing
//! here, so it holds. Whether a rule holds is therefore yes, no or unknown, as with conditions.

use crate::diagnostic::Position;
use crate::node::{Entry, Node, find};
use crate::parameters::Parameter;
use crate::scope::Scope;

/// Functions in each other; evaluation recurses.
const DEPTH_MAX: usize = 32;
const RULE: &[&str] = &["RuleCondition", "Assertions"];

/// Reports each assertion that does not hold. `declared` are the parameters with their types.
pub(crate) fn check(scope: &Scope<'_>, rules: &[Entry], declared: &[Entry]) {
    let judge = Judge { scope, declared };
    for rule in rules {
        judge.rule(rule);
    }
}

struct Judge<'a> {
    scope: &'a Scope<'a>,
    declared: &'a [Entry],
}

/// The values an expression stands for; nothing if only AWS knows them.
type Values = Option<Vec<String>>;

impl Judge<'_> {
    fn rule(&self, rule: &Entry) {
        let entries = rule.value.map().unwrap_or_default();
        for unknown in entries.iter().filter(|e| !RULE.contains(&e.key.as_str())) {
            let message = format!("a rule has no \"{}\"", unknown.key);
            self.scope.report.error(unknown.at, message, format!("it has {}", RULE.join(", ")));
        }
        let applies = find(entries, "RuleCondition").map_or(Some(true), |condition| self.truth(condition, 0));
        if applies != Some(true) {
            return;
        }
        let assertions = find(entries, "Assertions").and_then(Node::list).unwrap_or_default();
        if assertions.is_empty() {
            self.scope.report.error(
                rule.at,
                format!("the rule {} has no Assertions", rule.key),
                "add one, or remove it",
            );
        }
        for assertion in assertions {
            let Some(assert) = assertion.get("Assert") else {
                self.scope.report.error(assertion.at, "an assertion has no Assert", "add `Assert: ...`");
                continue;
            };
            if self.truth(assert, 0) == Some(false) {
                let described = assertion.get("AssertDescription").and_then(Node::text);
                let message = described.unwrap_or_else(|| "an assertion of it is false".to_owned());
                let help = "give the parameters values that the rule allows";
                self.scope.report.error(assert.at, format!("the rule {}: {message}", rule.key), help);
            }
        }
    }

    fn truth(&self, node: &Node, depth: usize) -> Option<bool> {
        if depth >= DEPTH_MAX {
            return self.refuse(node.at, format!("a rule is nested deeper than {DEPTH_MAX}"));
        }
        let Some(call) = node.only_entry() else { return self.not_a_rule(node) };
        let items = call.value.list().unwrap_or_default();
        let truths = || items.iter().map(|item| self.truth(item, depth + 1)).collect::<Vec<_>>();
        match (call.key.as_str(), items) {
            ("Fn::And", [_, _, ..]) => all(&truths()),
            ("Fn::Or", [_, _, ..]) => any(&truths()),
            ("Fn::Not", [one]) => self.truth(one, depth + 1).map(|truth| !truth),
            ("Fn::Equals", [left, right]) => Some(self.values(left)? == self.values(right)?),
            ("Fn::Contains", [list, value]) => {
                let (list, value) = (self.values(list)?, self.values(value)?);
                Some(value.iter().all(|value| list.contains(value)))
            }
            ("Fn::EachMemberEquals", [list, value]) => {
                let (list, value) = (self.values(list)?, self.values(value)?);
                Some(list.iter().all(|item| value.first() == Some(item)))
            }
            ("Fn::EachMemberIn", [list, allowed]) => {
                let (list, allowed) = (self.values(list)?, self.values(allowed)?);
                Some(list.iter().all(|item| allowed.contains(item)))
            }
            _ => self.not_a_rule(node),
        }
    }

    fn values(&self, node: &Node) -> Values {
        let Some(call) = node.only_entry() else {
            return match (node.text(), node.list()) {
                (Some(text), _) => Some(vec![text]),
                (None, Some(items)) => {
                    let values: Option<Vec<Vec<String>>> = items.iter().map(|item| self.values(item)).collect();
                    values.map(|values| values.concat())
                }
                _ => None,
            };
        };
        match (call.key.as_str(), call.value.literal()) {
            ("Ref", Some(name)) => self.parameter(name, call.value.at),
            // All parameters of a type.
            ("Fn::RefAll", Some(kind)) => {
                let is_meant = |e: &&Entry| e.value.get("Type").and_then(Node::text).as_deref() == Some(kind);
                let values = self.declared.iter().filter(is_meant).map(|e| self.parameter(&e.key, e.at));
                values.collect::<Option<Vec<_>>>().map(|values| values.concat())
            }
            // Attributes of things in AWS: a subnet's VPC, a key's tags.
            ("Fn::ValueOf" | "Fn::ValueOfAll", _) => None,
            _ => {
                self.refuse(node.at, format!("a rule cannot have {}", call.key));
                None
            }
        }
    }

    fn parameter(&self, name: &str, at: Position) -> Values {
        match self.scope.parameters.get(name) {
            Some(Parameter::Text(text)) => Some(vec![text.clone()]),
            Some(Parameter::List(items)) => Some(items.clone()),
            Some(Parameter::Remote | Parameter::Invalid) => None,
            None if name.starts_with("AWS::") => self.scope.value_of(name, at).text().map(|text| vec![text]),
            None => {
                self.refuse(at, format!("there is no parameter \"{name}\""));
                None
            }
        }
    }

    fn not_a_rule(&self, node: &Node) -> Option<bool> {
        if node.is_invalid() {
            return None;
        }
        self.refuse(node.at, "this is nothing that a rule can assert".to_owned())
    }

    fn refuse(&self, at: Position, message: String) -> Option<bool> {
        let help = "rules have Fn::And, Fn::Or, Fn::Not, Fn::Equals, Fn::Contains, Fn::EachMemberEquals, Fn::EachMemberIn, Fn::RefAll and Ref of parameters";
        self.scope.report.error(at, message, help);
        None
    }
}

/// Unknown only if nothing decides.
fn all(truths: &[Option<bool>]) -> Option<bool> {
    match truths.contains(&Some(false)) {
        true => Some(false),
        false => truths.iter().all(Option::is_some).then_some(true),
    }
}

fn any(truths: &[Option<bool>]) -> Option<bool> {
    match truths.contains(&Some(true)) {
        true => Some(true),
        false => truths.iter().all(Option::is_some).then_some(false),
    }
}
