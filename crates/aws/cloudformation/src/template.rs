//! The sections of a template: which there are, and the frame of each resource. What a resource's properties mean is
//! not known here.

use std::collections::HashMap;

use crate::diagnostic::{Position, Report};
use crate::intrinsics;
use crate::node::{Entry, Node, Value, find};

/// AWS's quotas of one template.
const RESOURCES_MAX: usize = 500;
const PARAMETERS_MAX: usize = 200;
const MAPPINGS_MAX: usize = 200;
const OUTPUTS_MAX: usize = 200;
/// The transform which makes a template a SAM template.
const SAM: &str = "AWS::Serverless-2016-10-31";
/// The transform which adds functions; those that are not served name themselves where they are used.
const LANGUAGE_EXTENSIONS: &str = "AWS::LanguageExtensions";

/// What happens to each section of a template.
const SECTIONS: &[(&str, Section)] = &[
    ("AWSTemplateFormatVersion", Section::Ignored),
    ("Description", Section::Read),
    ("Metadata", Section::Ignored),
    ("Rules", Section::Read),
    ("Parameters", Section::Read),
    ("Mappings", Section::Read),
    ("Conditions", Section::Read),
    ("Transform", Section::Read),
    ("Globals", Section::Read),
    ("Resources", Section::Read),
    ("Outputs", Section::Read),
    ("Hooks", Section::Noted("Hooks (CodeDeploy) have no effect here")),
];

#[derive(Clone, Copy)]
enum Section {
    Read,
    Ignored,
    Noted(&'static str),
}

/// What may stand beside a resource's Type and Properties.
const RESOURCE_KEYS: &[&str] = &[
    "Type",
    "Properties",
    "DependsOn",
    "Condition",
    "Metadata",
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "UpdatePolicy",
    "CreationPolicy",
    "Connectors",
    "IgnoreGlobals",
];

#[derive(Default)]
pub(crate) struct Template {
    /// Has SAM's transform.
    pub serverless: bool,
    pub description: Option<String>,
    pub parameters: Vec<Entry>,
    pub rules: Vec<Entry>,
    pub mappings: Vec<Entry>,
    pub conditions: Vec<Entry>,
    pub globals: Vec<Entry>,
    pub resources: Vec<Resource>,
    pub outputs: Vec<Entry>,
}

/// A name and where it stands.
pub(crate) type Named = (String, Position);

pub(crate) struct Resource {
    pub id: String,
    pub at: Position,
    pub kind: Named,
    pub condition: Option<Named>,
    pub depends_on: Vec<Named>,
    /// DeletionPolicy: `Delete`, `Retain`, `RetainExceptOnCreate`, `Snapshot`.
    pub deletion_policy: Option<String>,
    pub metadata: Option<Node>,
    pub properties: Vec<Entry>,
    /// SAM's `IgnoreGlobals`: `*`, or names of properties.
    pub ignore_globals: Vec<String>,
}

impl Template {
    pub fn parse(root: Node, report: &Report) -> Template {
        let mut sections = Sections::split(root, report);
        Template {
            serverless: sections.transforms(),
            description: sections.found.remove("Description").and_then(|section| section.value.text()),
            parameters: sections.entries("Parameters", PARAMETERS_MAX),
            rules: sections.entries("Rules", usize::MAX),
            mappings: sections.entries("Mappings", MAPPINGS_MAX),
            conditions: sections.entries("Conditions", usize::MAX),
            globals: sections.entries("Globals", usize::MAX),
            outputs: sections.entries("Outputs", OUTPUTS_MAX),
            resources: sections.resources(),
        }
    }
}

struct Sections<'a> {
    found: HashMap<String, Entry>,
    report: &'a Report,
}

impl Sections<'_> {
    fn split(root: Node, report: &Report) -> Sections<'_> {
        let mut found = HashMap::new();
        let at = root.at;
        for entry in entries_of(root, "a template", report) {
            match SECTIONS.iter().find(|(name, _)| *name == entry.key) {
                Some((_, Section::Read)) => drop(found.insert(entry.key.clone(), entry)),
                Some((_, Section::Ignored)) => {}
                Some((_, Section::Noted(note))) => report.note(entry.at, *note),
                None => report.error(entry.at, format!("unknown section \"{}\"", entry.key), section_help()),
            }
        }
        if !found.contains_key("Resources") {
            report.error(
                at,
                "the template has no Resources section",
                "declare at least one resource under `Resources:`",
            );
        }
        Sections { found, report }
    }

    fn entries(&mut self, name: &str, limit: usize) -> Vec<Entry> {
        let Some(section) = self.found.remove(name) else { return Vec::new() };
        let entries = entries_of(section.value, name, self.report);
        if let Some(extra) = entries.get(limit) {
            let message = format!("{name} has {} entries, the limit is {limit}", entries.len());
            self.report.error(extra.at, message, "split the template into several stacks");
        }
        entries
    }

    fn resources(&mut self) -> Vec<Resource> {
        let entries = self.entries("Resources", RESOURCES_MAX);
        entries.into_iter().take(RESOURCES_MAX).filter_map(|entry| resource(entry, self.report)).collect()
    }

    /// Whether SAM's transform is among them.
    fn transforms(&mut self) -> bool {
        let Some(section) = self.found.remove("Transform") else { return false };
        let names = match section.value.value {
            Value::List(names) => names,
            value => vec![Node::new(section.value.at, value)],
        };
        for name in &names {
            if !matches!(name.literal(), Some(SAM | LANGUAGE_EXTENSIONS)) && !name.is_invalid() {
                let what = name.literal().unwrap_or("of this form");
                let help = format!("only {SAM} is applied here; process the template with the macro first");
                self.report.error(name.at, format!("the transform {what} is not supported"), help);
            }
        }
        names.iter().any(|name| name.literal() == Some(SAM))
    }
}

fn section_help() -> String {
    let names: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).collect();
    format!("the sections of a template are {}", names.join(", "))
}

/// The entries of a map; anything else is an error, an empty value is an empty map.
pub(crate) fn entries_of(node: Node, what: &str, report: &Report) -> Vec<Entry> {
    let at = node.at;
    match node.value {
        Value::Map(entries) => entries,
        Value::Invalid => Vec::new(),
        _ if node.is_null() => Vec::new(),
        _ => {
            report.error(
                at,
                format!("{what} must be a map, this is {}", node.kind()),
                "write it as `name: value` lines",
            );
            Vec::new()
        }
    }
}

fn resource(entry: Entry, report: &Report) -> Option<Resource> {
    let Entry { key: id, at, value } = entry;
    if value.is_invalid() {
        return None;
    }
    report.about(Some(&id));
    if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric()) {
        report.error(at, format!("the logical id \"{id}\" is not alphanumeric"), "use letters and digits only");
    }
    let body = entries_of(value, "a resource", report);
    let kind = named(find(&body, "Type"));
    let is_sam = kind.as_ref().is_some_and(|(kind, _)| kind.starts_with("AWS::Serverless::"));
    for entry in body.iter().filter(|e| !RESOURCE_KEYS.contains(&e.key.as_str())) {
        let help = format!("beside Type and Properties a resource may have {}", RESOURCE_KEYS[2..].join(", "));
        let what = format!("unknown resource attribute \"{}\"", entry.key);
        match is_sam {
            // SAM leaves it out of what it translates.
            true => report.note(entry.at, format!("{what} has no effect")),
            false => report.error(entry.at, what, help),
        }
    }
    if kind.is_none() {
        report.error(at, "the resource has no Type", "add `Type: AWS::...`");
    }
    let condition = named(find(&body, "Condition"));
    if let Some(node) = find(&body, "Condition").filter(|_| condition.is_none()) {
        report.error(node.at, "Condition takes the name of a condition", "name an entry of the Conditions section");
    }
    let resource = Resource {
        condition,
        depends_on: names(find(&body, "DependsOn"), "DependsOn", report),
        deletion_policy: deletion_policy(find(&body, "DeletionPolicy"), report),
        metadata: find(&body, "Metadata").cloned(),
        ignore_globals: names(find(&body, "IgnoreGlobals"), "IgnoreGlobals", report).into_iter().map(|n| n.0).collect(),
        properties: find(&body, "Properties").map_or(Vec::new(), |p| entries_of(p.clone(), "Properties", report)),
        kind: kind?,
        id,
        at,
    };
    report.about(None);
    Some(resource)
}

fn deletion_policy(node: Option<&Node>, report: &Report) -> Option<String> {
    const POLICIES: [&str; 4] = ["Delete", "Retain", "RetainExceptOnCreate", "Snapshot"];
    let node = node?;
    let policy = node.text();
    if !policy.as_deref().is_some_and(|policy| POLICIES.contains(&policy)) && intrinsics::call(node).is_none() {
        report.error(node.at, "this is no DeletionPolicy", format!("it is one of {}", POLICIES.join(", ")));
    }
    policy
}

fn named(node: Option<&Node>) -> Option<Named> {
    let node = node?;
    Some((node.text()?, node.at))
}

/// One name or a list of names.
fn names(node: Option<&Node>, what: &str, report: &Report) -> Vec<Named> {
    let Some(node) = node else { return Vec::new() };
    let items = node.list().unwrap_or(std::slice::from_ref(node));
    for item in items.iter().filter(|item| item.text().is_none() && !item.is_invalid()) {
        report.error(item.at, format!("{what} takes a name or a list of names"), "write plain names, no functions");
    }
    items.iter().filter_map(|item| named(Some(item))).collect()
}
