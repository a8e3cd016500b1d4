//! `Ref`, `Fn::GetAtt` and the pseudo parameters.

use super::Call;
use crate::diagnostic::Position;
use crate::names;
use crate::node::{Node, Value};
use crate::scope::{PARTITION, Scope, Site, URL_SUFFIX};

type Pseudo = (&'static str, fn(&Site) -> String);

/// The parameters every template has.
const PSEUDO: &[Pseudo] = &[
    ("AWS::AccountId", |site| site.home.account.clone()),
    ("AWS::Partition", |_| PARTITION.to_owned()),
    ("AWS::Region", |site| site.home.region.clone()),
    ("AWS::StackId", names::stack_id),
    ("AWS::StackName", |site| site.stack_name.clone()),
    ("AWS::URLSuffix", |_| URL_SUFFIX.to_owned()),
];

pub(crate) fn pseudo(scope: &Scope<'_>, name: &str, at: Position) -> Node {
    match name {
        "AWS::NoValue" => return Node::new(at, Value::Absent),
        // Nobody is notified of a stack here.
        "AWS::NotificationARNs" => return Node::new(at, Value::List(Vec::new())),
        _ => {}
    }
    if let Some((_, value)) = PSEUDO.iter().find(|(known, _)| *known == name) {
        return Node::string(at, value(&scope.site));
    }
    let known: Vec<&str> = PSEUDO.iter().map(|(name, _)| *name).collect();
    let help = format!("served: {}, AWS::NoValue, AWS::NotificationARNs", known.join(", "));
    scope.report.error(at, format!("the pseudo parameter {name} is not supported"), help);
    Node::invalid(at)
}

pub(super) fn reference(scope: &Scope<'_>, call: &Call<'_>) -> Node {
    match call.argument.literal() {
        Some(name) => scope.value_of(name, call.at),
        None => call.refuse(scope),
    }
}

pub(super) fn get_att(scope: &Scope<'_>, call: &Call<'_>) -> Node {
    match call.argument.list() {
        Some([resource, attribute]) => {
            let Some(resource) = resource.literal() else { return call.refuse(scope) };
            match scope.text(attribute, "the attribute of Fn::GetAtt") {
                Some(attribute) => scope.attribute_of(resource, &attribute, call.at),
                None => Node::invalid(call.at),
            }
        }
        Some(_) => call.refuse(scope),
        None => match call.argument.literal().and_then(|text| text.split_once('.')) {
            Some((resource, attribute)) => scope.attribute_of(resource, attribute, call.at),
            None => call.refuse(scope),
        },
    }
}

/// The resource which an argument of `Fn::GetAtt` names.
pub(crate) fn get_att_target(argument: &Node) -> Option<&str> {
    match argument.list() {
        Some(items) => items.first()?.literal(),
        None => argument.literal()?.split_once('.').map(|(resource, _)| resource),
    }
}

/// What another stack exports.
pub(super) fn import_value(scope: &Scope<'_>, call: &Call<'_>) -> Node {
    let Some(name) = scope.text(call.argument, "the name of an export") else { return Node::invalid(call.at) };
    if let Some(value) = scope.site.imports.get(&name) {
        return Node::string(call.at, value.clone());
    }
    let known: Vec<&str> = scope.site.imports.keys().map(String::as_str).take(10).collect();
    let help = match known.as_slice() {
        [] => "deploy the stack that exports it first, into the same data folder".to_owned(),
        known => format!("deploy the stack that exports it first; there are {}", known.join(", ")),
    };
    scope.report.error(call.at, format!("no stack exports \"{name}\""), help);
    Node::invalid(call.at)
}
