//! What names mean in one stack: parameters, pseudo parameters, mappings, conditions and the resources' identities;
//! and the resolving of nodes in that light.
//!
//! Resolving never fails: what is wrong goes to the report and `Value::Invalid` takes its place. It is a function of
//! the template and the options alone, since an identity (physical name, ARN, id) is decided before anything exists.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use aws_protocol::Home;

use crate::diagnostic::{Position, Report};
use crate::intrinsics;
use crate::node::{Entry, Node, Value};
use crate::outside::Outside;
use crate::parameters::Parameter;
use crate::plan::Nested;
use crate::resources::Type;

/// What all resolved values of a plan may weigh together. References can repeat a long value more often than any
/// template has lines, so the output is bounded beside the input. A thousandfold of an ordinary plan.
const RESOLVED_BYTES_MAX: usize = 64 << 20;
/// The most one string may be made to: AWS's largest property is a state machine's definition of 1 MiB.
const TEXT_BYTES_MAX: usize = 1 << 20;
/// What a node weighs beside its text.
const NODE_BYTES: usize = 64;

/// Where a stack lives.
pub(crate) struct Site {
    pub home: Home,
    pub stack_name: String,
    /// Files and folders of this machine that stand for objects in S3, by key.
    pub assets: BTreeMap<String, PathBuf>,
    /// What other stacks export, by name.
    pub imports: BTreeMap<String, String>,
    /// How many stacks this one is in.
    pub depth: usize,
    pub outside: Outside,
    /// Paths of this machine mean nothing.
    pub is_remote: bool,
}

/// Begins a dynamic reference.
const DYNAMIC: &str = "{{resolve:";

/// AWS's commercial partition; a region of another is not told apart.
pub(crate) const PARTITION: &str = "aws";
pub(crate) const URL_SUFFIX: &str = "amazonaws.com";

/// What is decided about a resource before it exists.
#[derive(Clone)]
pub(crate) struct Identity {
    pub logical_id: String,
    /// The physical name: given by the template, or derived.
    pub name: String,
    pub kind: &'static Type,
    /// The alias that SAM makes of a function and others are to call it by.
    pub alias: Option<String>,
}

impl Identity {
    pub fn attribute(&self, site: &Site, name: &str) -> Option<String> {
        if self.kind.is_unserved() {
            return Some(format!("{}.{name}", self.name));
        }
        let value = self.kind.attributes.iter().find(|a| a.name == name).map(|a| (a.value)(site, self));
        // One that is empty is not there for this resource.
        value.filter(|value| !value.is_empty())
    }

    /// What `Ref` gives.
    pub fn reference(&self, site: &Site) -> String {
        (self.kind.reference)(site, self)
    }
}

/// What is known of a resource's logical id.
pub(crate) enum Known {
    /// It exists in this stack. Its identity follows once its turn in the order has come.
    Live(Option<Identity>),
    /// The named condition is false.
    NotCreated(String),
    /// Its type is not served; that is reported.
    Refused,
}

pub(crate) struct Scope<'a> {
    pub report: &'a Report,
    pub site: Site,
    pub parameters: HashMap<String, Parameter>,
    pub mappings: HashMap<String, Node>,
    /// `None` for a condition that could not be evaluated.
    pub conditions: HashMap<String, Option<bool>>,
    pub resources: HashMap<String, Known>,
    /// The resources that are stacks, by logical id.
    pub nested: HashMap<String, Nested>,
    /// Dynamic references are left as they are: somebody else knows what to do with them.
    pub keeps_references: Cell<bool>,
    resolved_bytes: Cell<usize>,
}

impl<'a> Scope<'a> {
    pub fn new(
        report: &'a Report,
        site: Site,
        parameters: HashMap<String, Parameter>,
        mappings: Vec<Entry>,
    ) -> Scope<'a> {
        let mappings = mappings.into_iter().map(|e| (e.key, e.value)).collect();
        let (conditions, resources, nested) = (HashMap::new(), HashMap::new(), HashMap::new());
        Scope {
            report,
            site,
            parameters,
            mappings,
            conditions,
            resources,
            nested,
            keeps_references: Cell::new(false),
            resolved_bytes: Cell::new(0),
        }
    }

    /// The node with every intrinsic function replaced by its value, and every `AWS::NoValue` left out.
    pub fn resolve(&self, node: &Node) -> Node {
        if !self.spend(node) {
            return Node::invalid(node.at);
        }
        match &node.value {
            Value::Invalid | Value::Absent => node.clone(),
            Value::Text { text, .. } => self.plain_text(node, text),
            Value::List(items) => Node::new(node.at, Value::List(self.items(items))),
            Value::Map(entries) => match intrinsics::call(node) {
                Some(call) => self.apply(call, node.at),
                None => Node::new(node.at, Value::Map(self.entries(entries))),
            },
        }
    }

    fn apply(&self, call: &Entry, at: Position) -> Node {
        let result = intrinsics::apply(self, call, at);
        let result = match result.literal() {
            Some(text) if text.contains(DYNAMIC) => self.plain_text(&result, text),
            _ => result,
        };
        match self.spend_more(result.measure().0 * NODE_BYTES + result.literal().map_or(0, str::len), at) {
            true => result,
            false => Node::invalid(at),
        }
    }

    fn items(&self, items: &[Node]) -> Vec<Node> {
        items.iter().map(|item| self.resolve(item)).filter(|item| !item.is_absent()).collect()
    }

    fn entries(&self, entries: &[Entry]) -> Vec<Entry> {
        let resolved = entries.iter().map(|e| Entry { key: e.key.clone(), at: e.at, value: self.resolve(&e.value) });
        resolved.filter(|e| !e.value.is_absent()).collect()
    }

    fn plain_text(&self, node: &Node, text: &str) -> Node {
        if !text.contains(DYNAMIC) || self.keeps_references.get() {
            return node.clone();
        }
        let (mut out, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once(DYNAMIC) {
            let Some((reference, after)) = after.split_once("}}") else {
                self.report.error(node.at, "a dynamic reference has no end", "end it with }}");
                return Node::invalid(node.at);
            };
            match self.dynamic(reference) {
                Ok(value) => out.extend([before, &value]),
                Err((message, help)) => {
                    self.report.error(node.at, message, help);
                    return Node::invalid(node.at);
                }
            }
            rest = after;
        }
        Node::string(node.at, &(out + rest))
    }

    /// The value of `SERVICE:NAME[:VERSION]`, or what is wrong with it and how to mend it.
    fn dynamic(&self, reference: &str) -> Result<String, (String, &'static str)> {
        let (service, rest) = reference.split_once(':').unwrap_or((reference, ""));
        if service != "ssm" {
            let help = "pass the value as a parameter, or keep it as a String and use {{resolve:ssm:NAME}}";
            return Err((format!("{{{{resolve:{service}:...}}}} is not supported: secrets are not kept here"), help));
        }
        let (name, version) = rest.split_once(':').map_or((rest, None), |(name, version)| (name, Some(version)));
        if !self.site.outside.is_known() {
            let help = "pass the value as a parameter";
            return Err((format!("the Parameter Store is not open here, so {name} has no value"), help));
        }
        let number = version.map(str::parse::<u64>).transpose();
        let number = number.map_err(|_| (format!("{rest} names no version by its number"), "write NAME:NUMBER"))?;
        match self.site.outside.parameter(name, number) {
            Some(value) if value.is_secret => Err((
                format!("the parameter {name} is a SecureString"),
                "keep it as a String, or read it in the function",
            )),
            Some(value) => Ok(value.text),
            None => Err((format!("the Parameter Store has no {rest}"), "put it first: aws ssm put-parameter")),
        }
    }

    fn spend(&self, node: &Node) -> bool {
        self.spend_more(NODE_BYTES + node.literal().map_or(0, str::len), node.at)
    }

    fn spend_more(&self, bytes: usize, at: Position) -> bool {
        let before = self.resolved_bytes.get();
        let after = before.saturating_add(bytes);
        self.resolved_bytes.set(after);
        if before <= RESOLVED_BYTES_MAX && after > RESOLVED_BYTES_MAX {
            let message = format!("the template resolves to over {RESOLVED_BYTES_MAX} bytes");
            self.report.error(at, message, "repeat less by references");
        }
        after <= RESOLVED_BYTES_MAX
    }

    /// Whether a function may make a string of so many bytes.
    pub fn fits(&self, bytes: usize, at: Position) -> bool {
        if bytes > TEXT_BYTES_MAX {
            let message = format!("a string of over {TEXT_BYTES_MAX} bytes is made here");
            self.report.error(at, message, "make a shorter one");
        }
        bytes <= TEXT_BYTES_MAX
    }

    /// Resolves a node that must come out as a string; `what` names it in the error.
    pub fn text(&self, node: &Node, what: &str) -> Option<String> {
        let resolved = self.resolve(node);
        let text = resolved.text();
        if text.is_none() && !resolved.is_invalid() {
            self.report.error(
                node.at,
                format!("{what} must be a string, this is {}", resolved.kind()),
                "give a string",
            );
        }
        text
    }

    /// The value of a condition; `None` after an error.
    pub fn condition(&self, name: &str, at: Position) -> Option<bool> {
        match self.conditions.get(name) {
            Some(value) => *value,
            None => {
                let help = "declare it under Conditions, or correct the name";
                self.report.error(at, format!("there is no condition \"{name}\""), help);
                None
            }
        }
    }

    /// Follows `Fn::If` to the branch that counts, without resolving it. `None` for `AWS::NoValue`.
    pub fn live<'n>(&self, node: &'n Node) -> Option<&'n Node> {
        let Some(call) = intrinsics::call(node) else { return Some(node) };
        match (call.key.as_str(), call.value.list()) {
            ("Ref", _) if call.value.literal() == Some("AWS::NoValue") => None,
            ("Fn::If", Some([condition, yes, no])) => {
                let name = condition.literal().unwrap_or_default();
                match self.conditions.get(name).copied().flatten() {
                    Some(true) => self.live(yes),
                    Some(false) => self.live(no),
                    None => Some(node),
                }
            }
            _ => Some(node),
        }
    }

    /// What a name means to `Ref` and to `${name}`: pseudo parameter, parameter, resource, or `Resource.Attribute`
    /// as SAM allows.
    pub fn value_of(&self, name: &str, at: Position) -> Node {
        if name.starts_with("AWS::") {
            return intrinsics::pseudo(self, name, at);
        }
        if let Some(parameter) = self.parameters.get(name) {
            return parameter.node(name, at, self.report);
        }
        if let Some((resource, attribute)) = name.split_once('.').filter(|_| !self.resources.contains_key(name)) {
            return self.attribute_of(resource, attribute, at);
        }
        match self.identity(name, at) {
            Some(identity) => Node::string(at, identity.reference(&self.site)),
            None => Node::invalid(at),
        }
    }

    pub fn attribute_of(&self, resource: &str, attribute: &str, at: Position) -> Node {
        let Some(identity) = self.identity(resource, at) else { return Node::invalid(at) };
        if let (Some(nested), Some(output)) = (self.nested.get(resource), attribute.strip_prefix("Outputs.")) {
            return self.output_of(resource, nested, output, at);
        }
        if let Some(value) = identity.attribute(&self.site, attribute) {
            return Node::string(at, value);
        }
        let known: Vec<&str> = identity.kind.attributes.iter().map(|a| a.name).collect();
        let help = match known.is_empty() {
            true => "use !Ref; this type has no attributes here".to_owned(),
            false => format!("{} has {} here", identity.kind.name, known.join(", ")),
        };
        self.report.error(at, format!("\"{resource}\" has no attribute \"{attribute}\""), help);
        Node::invalid(at)
    }

    fn output_of(&self, resource: &str, nested: &Nested, output: &str, at: Position) -> Node {
        let outputs = &nested.plan.outputs;
        if let Some(found) = outputs.iter().find(|found| found.logical_id == output) {
            return Node::string(at, found.value.clone());
        }
        let known: Vec<&str> = outputs.iter().map(|output| output.logical_id.as_str()).collect();
        let help = match known.is_empty() {
            true => "declare it under Outputs in that template".to_owned(),
            false => format!("declare it under Outputs in that template; there are {}", known.join(", ")),
        };
        self.report.error(at, format!("the stack \"{resource}\" has no output \"{output}\""), help);
        Node::invalid(at)
    }

    fn identity(&self, name: &str, at: Position) -> Option<&Identity> {
        match self.resources.get(name) {
            Some(Known::Live(Some(identity))) => Some(identity),
            // The order of resources makes sure that this is only met after a cycle was reported.
            Some(Known::Live(None) | Known::Refused) => None,
            Some(Known::NotCreated(condition)) => {
                let help = format!("wrap the reference in Fn::If on {condition}, or make the condition true");
                let message = format!("\"{name}\" is not created, because the condition {condition} is false");
                self.report.error(at, message, help);
                None
            }
            None => {
                self.unknown_name(name, at);
                None
            }
        }
    }

    pub fn unknown_name(&self, name: &str, at: Position) {
        let help = "declare it, or correct the name (names are case sensitive)";
        self.report.error(at, format!("there is no parameter or resource \"{name}\""), help);
    }
}
