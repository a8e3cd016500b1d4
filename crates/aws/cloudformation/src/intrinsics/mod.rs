//! Intrinsic functions: which there are and what each does. To add one, add a row, and a file if it is new in kind.
//!
//! A function is given its argument unresolved, since some (`Fn::If`) must not look at all of it.

mod branch;
mod find_in_map;
mod list;
mod reference;
mod sub;
mod text;

pub(crate) use branch::evaluate as evaluate_conditions;
pub(crate) use reference::{get_att_target, pseudo};
pub(crate) use sub::{Part, parts};

use crate::diagnostic::Position;
use crate::node::{Entry, Node};
use crate::scope::Scope;

struct Intrinsic {
    name: &'static str,
    /// The form of its argument, for messages.
    form: &'static str,
    action: Action,
}

enum Action {
    /// Gives a value.
    Value(fn(&Scope<'_>, &Call<'_>) -> Node),
    /// Gives a truth value, so it has its place under Conditions only.
    Truth,
    /// Known and not served; what to do instead.
    Unsupported(&'static str),
}

const INTRINSICS: &[Intrinsic] = &[
    value("Ref", "a name", reference::reference),
    value("Fn::GetAtt", "Resource.Attribute, or [resource, attribute]", reference::get_att),
    value("Fn::Sub", "a string, or [string, {name: value}]", sub::sub),
    value("Fn::Join", "[delimiter, [values]]", text::join),
    value("Fn::Split", "[delimiter, string]", text::split),
    value("Fn::Select", "[index, [values]]", text::select),
    value("Fn::Base64", "a string", text::base64),
    value("Fn::FindInMap", "[map, key, second key, {DefaultValue: value}]", find_in_map::find_in_map),
    value("Fn::Length", "a list", list::length),
    value("Fn::ToJsonString", "a map or a list", list::to_json_string),
    value("Fn::Cidr", "[address block, count, bits]", list::cidr),
    value("Fn::GetAZs", "a region", list::zones),
    value("Fn::ImportValue", "the name of an export", reference::import_value),
    value("Fn::If", "[condition, value if true, value if false]", branch::choose),
    truth("Fn::Equals", "[value, value]"),
    truth("Fn::And", "2 to 10 conditions"),
    truth("Fn::Or", "2 to 10 conditions"),
    truth("Fn::Not", "[condition]"),
    truth("Condition", "the name of a condition"),
    unsupported("Fn::Transform", "include the text itself; macros do not run here"),
    unsupported(
        "Fn::ForEach",
        "it has its place in sections and maps: `Fn::ForEach::Name: [variable, [values], {...}]`",
    ),
    unsupported("Fn::GetStackOutput", "pass the value of the other stack as a parameter"),
    unsupported("Fn::Contains", "it belongs to Rules"),
    unsupported("Fn::EachMemberEquals", "it belongs to Rules"),
    unsupported("Fn::EachMemberIn", "it belongs to Rules"),
    unsupported("Fn::RefAll", "it belongs to Rules"),
    unsupported("Fn::ValueOf", "it belongs to Rules"),
    unsupported("Fn::ValueOfAll", "it belongs to Rules"),
];

const fn value(name: &'static str, form: &'static str, action: fn(&Scope<'_>, &Call<'_>) -> Node) -> Intrinsic {
    Intrinsic { name, form, action: Action::Value(action) }
}

const fn truth(name: &'static str, form: &'static str) -> Intrinsic {
    Intrinsic { name, form, action: Action::Truth }
}

const fn unsupported(name: &'static str, instead: &'static str) -> Intrinsic {
    Intrinsic { name, form: "", action: Action::Unsupported(instead) }
}

/// The functions that are served, with the form of their argument.
pub(crate) fn served() -> impl Iterator<Item = (&'static str, &'static str)> {
    INTRINSICS.iter().filter(|i| !matches!(i.action, Action::Unsupported(_))).map(|i| (i.name, i.form))
}

/// One use of a function.
pub(crate) struct Call<'a> {
    pub name: &'a str,
    pub argument: &'a Node,
    pub at: Position,
    form: &'static str,
}

impl<'a> Call<'a> {
    /// The argument as a list of so many items; else an error that shows the form.
    pub fn items<const N: usize>(&self, scope: &Scope<'_>) -> Option<[&'a Node; N]> {
        let items: Option<[&Node; N]> =
            self.argument.list().and_then(|items| items.iter().collect::<Vec<_>>().try_into().ok());
        if items.is_none() {
            self.refuse(scope);
        }
        items
    }

    /// Says what the argument should look like.
    pub fn refuse(&self, scope: &Scope<'_>) -> Node {
        if !self.argument.is_invalid() {
            scope.report.error(self.at, format!("{} takes {}", self.name, self.form), "correct its argument");
        }
        Node::invalid(self.at)
    }
}

/// The function a map calls, if it calls one: its only key is `Ref` or begins with `Fn::`.
pub(crate) fn call(node: &Node) -> Option<&Entry> {
    node.only_entry().filter(|entry| is_function(&entry.key))
}

fn is_function(key: &str) -> bool {
    key == "Ref" || key.starts_with("Fn::")
}

pub(crate) fn apply(scope: &Scope<'_>, entry: &Entry, at: Position) -> Node {
    // Fn::ForEach is written with a loop name behind it.
    let name = if entry.key.starts_with("Fn::ForEach") { "Fn::ForEach" } else { entry.key.as_str() };
    let Some(intrinsic) = INTRINSICS.iter().find(|i| i.name == name) else {
        let names: Vec<&str> = served().map(|(name, _)| name).collect();
        scope.report.error(at, format!("unknown function {name}"), format!("served: {}", names.join(", ")));
        return Node::invalid(at);
    };
    match intrinsic.action {
        Action::Value(action) => action(scope, &Call { name, argument: &entry.value, at, form: intrinsic.form }),
        Action::Truth => {
            let help = "give the condition a name under Conditions and use Fn::If on it";
            scope.report.error(at, format!("{name} is allowed under Conditions only"), help);
            Node::invalid(at)
        }
        Action::Unsupported(instead) => {
            scope.report.error(at, format!("{name} is not supported"), instead);
            Node::invalid(at)
        }
    }
}
