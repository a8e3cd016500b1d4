//! SAM's `Globals`: properties that every resource of a type inherits.
//!
//! The rules are SAM's: maps are merged and the resource's own entry wins, lists are joined with the global items
//! first, anything else is the resource's own value if it has one. An intrinsic function counts as a plain value.

use crate::diagnostic::Report;
use crate::intrinsics;
use crate::node::{Entry, Node, Value};
use crate::resources;
use crate::template::Template;
use crate::yaml::NODES_MAX;

/// The sections, the type each is for, and the properties that may not be global, as SAM has it.
const SECTIONS: &[(&str, &str, &[&str])] = &[
    ("Function", "AWS::Serverless::Function", &["Role", "Policies", "FunctionName", "Events", "InlineCode"]),
    ("Api", "AWS::Serverless::Api", &["StageName", "DefinitionBody"]),
    ("HttpApi", "AWS::Serverless::HttpApi", &["Name", "StageName", "DefinitionBody", "DefinitionUri"]),
    ("SimpleTable", "AWS::Serverless::SimpleTable", &["TableName", "PrimaryKey"]),
    ("StateMachine", "AWS::Serverless::StateMachine", &["Definition", "DefinitionUri", "Name", "Role", "Events"]),
];
/// Sections for types that are not served; such a resource is an error of its own.
const WITHOUT_EFFECT: &[&str] = &["LayerVersion", "CapacityProvider", "WebSocketApi"];

pub(crate) fn apply(template: &mut Template, report: &Report) {
    let globals = std::mem::take(&mut template.globals);
    let mut nodes = 0;
    for section in &globals {
        if WITHOUT_EFFECT.contains(&section.key.as_str()) {
            report.note(section.at, format!("Globals for {} have no effect here", section.key));
            continue;
        }
        let Some((_, kind, local_only)) = SECTIONS.iter().find(|(name, ..)| *name == section.key) else {
            let names: Vec<&str> = SECTIONS.iter().map(|(name, ..)| *name).collect();
            let message = format!("unknown section \"{}\" of Globals", section.key);
            report.error(section.at, message, format!("Globals has {}", names.join(", ")));
            continue;
        };
        let entries = check(section, kind, local_only, report);
        let weight = section.value.measure().0;
        for resource in template.resources.iter_mut().filter(|r| r.kind.0 == *kind) {
            nodes += weight;
            if nodes > NODES_MAX {
                let message = format!("Globals written out have over {NODES_MAX} values");
                return report.error(section.at, message, "make Globals smaller, or split the template");
            }
            let own = std::mem::take(&mut resource.properties);
            let inherited = entries.iter().filter(|e| !resource.ignore_globals.iter().any(|i| i == "*" || *i == e.key));
            resource.properties = merge_maps(inherited.cloned().collect(), own);
        }
    }
}

/// The section's entries without those that cannot be global or do not exist.
fn check(section: &Entry, kind: &str, local_only: &[&str], report: &Report) -> Vec<Entry> {
    let table = resources::find(kind).map_or(Default::default(), |kind| kind.properties);
    let mut entries = crate::template::entries_of(section.value.clone(), "a section of Globals", report);
    entries.retain(|entry| {
        let allowed = !local_only.contains(&entry.key.as_str()) && table.iter().any(|p| p.name == entry.key);
        if !allowed {
            let message = format!("\"{}\" cannot be global for {}", entry.key, section.key);
            report.error(entry.at, message, "move it to the resources, or correct the name");
        }
        allowed
    });
    entries
}

fn merge_maps(mut globals: Vec<Entry>, own: Vec<Entry>) -> Vec<Entry> {
    for entry in own {
        match globals.iter_mut().find(|g| g.key == entry.key) {
            Some(global) => {
                let inherited = std::mem::replace(&mut global.value, Node::invalid(entry.at));
                *global = Entry { key: entry.key, at: entry.at, value: merge(inherited, entry.value) };
            }
            None => globals.push(entry),
        }
    }
    globals
}

fn merge(global: Node, own: Node) -> Node {
    if intrinsics::call(&global).is_some() || intrinsics::call(&own).is_some() {
        return own;
    }
    let at = own.at;
    match (global.value, own.value) {
        (Value::Map(global), Value::Map(own)) => Node::new(at, Value::Map(merge_maps(global, own))),
        (Value::List(global), Value::List(own)) => Node::new(at, Value::List([global, own].concat())),
        (_, own) => Node::new(at, own),
    }
}
