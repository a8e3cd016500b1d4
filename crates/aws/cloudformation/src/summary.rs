//! What a template says of itself before anything in it is resolved: its parameters, its types, what it needs leave for.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value as Json;

use crate::diagnostic::{Diagnostic, Report};
use crate::node::{Entry, Node, Value};
use crate::template::Template;
use crate::{Source, decode, for_each, include, yaml};

/// The transform of SAM.
const SAM: &str = "AWS::Serverless-2016-10-31";

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    pub description: Option<String>,
    pub parameters: Vec<Declared>,
    /// AWS's names of what whoever deploys it must allow.
    pub capabilities: Vec<&'static str>,
    /// The resources that it must be allowed for.
    pub capability_reasons: Vec<String>,
    pub transforms: Vec<String>,
    /// The names that it imports, where they are plain.
    pub imports: Vec<String>,
    /// Each resource as it is written, with its type.
    pub resources: BTreeMap<String, (String, Json)>,
}

/// A parameter that a template declares.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Declared {
    pub name: String,
    pub kind: String,
    pub default: Option<String>,
    pub description: Option<String>,
    /// Its value is not shown.
    pub is_hidden: bool,
    pub allowed_values: Vec<String>,
}

/// Types of which a template needs `CAPABILITY_IAM`, each with the property that asks for `CAPABILITY_NAMED_IAM`.
const IAM: &[(&str, &str)] = &[
    ("AWS::IAM::AccessKey", ""),
    ("AWS::IAM::Group", "GroupName"),
    ("AWS::IAM::InstanceProfile", "InstanceProfileName"),
    ("AWS::IAM::ManagedPolicy", "ManagedPolicyName"),
    ("AWS::IAM::Policy", ""),
    ("AWS::IAM::Role", "RoleName"),
    ("AWS::IAM::User", "UserName"),
    ("AWS::IAM::UserToGroupAddition", ""),
];

/// # Errors
/// Every error of the text and of the template's sections.
pub fn summary(text: &str) -> Result<Summary, Vec<Diagnostic>> {
    let path = Path::new(crate::door::TEMPLATE);
    let report = Report::new(path);
    let found = read(Source { path, text: text.as_bytes() }, &report);
    report.finish()?;
    Ok(found.unwrap_or_default())
}

fn read(source: Source<'_>, report: &Report) -> Option<Summary> {
    let root = include::leave_out(yaml::read(decode(source.text).ok()?, report)?);
    // What is wrong with a loop, or is in one over a parameter, is told once the parameters are known.
    let root = for_each::expand(root, &BTreeMap::new(), &Report::new(source.path));
    let written = root.get("Resources").and_then(Node::map).unwrap_or_default();
    let resources: BTreeMap<String, (String, Json)> = written.iter().map(as_written).collect();
    let mut imports = Vec::new();
    imported(&root, &mut imports);
    let template = Template::parse(root, report);
    let (mut names, mut reasons) = (Vec::new(), Vec::new());
    for (id, (kind, body)) in &resources {
        let has = |property: &str| !body["Properties"][property].is_null();
        let needed = match IAM.iter().find(|(known, _)| known == kind) {
            Some((_, name)) if !name.is_empty() && has(name) => "CAPABILITY_NAMED_IAM",
            Some(_) => "CAPABILITY_IAM",
            // SAM makes a role for it.
            None if matches!(kind.as_str(), "AWS::Serverless::Function" | "AWS::Serverless::StateMachine")
                && !has("Role") =>
            {
                "CAPABILITY_IAM"
            }
            None => continue,
        };
        names.push(needed);
        reasons.push(id.clone());
    }
    let capability = names.iter().copied().max();
    let transforms = if template.serverless { vec![SAM.to_owned()] } else { Vec::new() };
    Some(Summary {
        description: template.description,
        parameters: template.parameters.iter().map(declared).collect(),
        capabilities: capability
            .into_iter()
            .chain((!transforms.is_empty()).then_some("CAPABILITY_AUTO_EXPAND"))
            .collect(),
        capability_reasons: reasons,
        transforms,
        imports,
        resources,
    })
}

fn as_written(entry: &Entry) -> (String, (String, Json)) {
    let kind = entry.value.get("Type").and_then(Node::text).unwrap_or_default();
    (entry.key.clone(), (kind, entry.value.json()))
}

fn declared(entry: &Entry) -> Declared {
    let text = |name: &str| entry.value.get(name).and_then(Node::text);
    let allowed = entry.value.get("AllowedValues").and_then(Node::list).unwrap_or_default();
    Declared {
        name: entry.key.clone(),
        kind: text("Type").unwrap_or_default(),
        default: text("Default"),
        description: text("Description"),
        is_hidden: text("NoEcho").is_some_and(|flag| flag.eq_ignore_ascii_case("true")),
        allowed_values: allowed.iter().filter_map(Node::text).collect(),
    }
}

fn imported(node: &Node, found: &mut Vec<String>) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| imported(item, found)),
        Value::Map(entries) => {
            for entry in entries {
                match entry.value.literal() {
                    Some(name) if entry.key == "Fn::ImportValue" => found.push(name.to_owned()),
                    _ => imported(&entry.value, found),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities() {
        let check = |resources: &str, expect: &[&str]| {
            let text = format!("Transform: AWS::Serverless-2016-10-31\nResources:\n{resources}");
            assert_eq!(summary(&text).unwrap().capabilities, expect, "{resources}");
        };
        let expand = "CAPABILITY_AUTO_EXPAND";
        check("  T: {Type: 'AWS::DynamoDB::Table'}", &[expand]);
        check("  R: {Type: 'AWS::IAM::Role'}", &["CAPABILITY_IAM", expand]);
        check("  R: {Type: 'AWS::IAM::Role', Properties: {RoleName: r}}", &["CAPABILITY_NAMED_IAM", expand]);
        check("  F: {Type: 'AWS::Serverless::Function'}", &["CAPABILITY_IAM", expand]);
        check("  F: {Type: 'AWS::Serverless::Function', Properties: {Role: r}}", &[expand]);
        check("  'Fn::ForEach::N': [N, [a, b], {'${N}R': {Type: 'AWS::IAM::Role'}}]", &["CAPABILITY_IAM", expand]);
        let include = "  Fn::Transform: {Name: 'AWS::Include', Parameters: {Location: 's3://b/k'}}";
        check(&format!("  T: {{Type: 'AWS::DynamoDB::Table'}}\n{include}"), &[expand]);
    }

    #[test]
    fn what_a_template_says_of_itself() {
        let text = "Description: d\nParameters:\n  P: {Type: Number, Default: 1, NoEcho: true}\nResources:\n  \
                    B: {Type: 'AWS::S3::Bucket', Properties: {BucketName: !ImportValue name}}\n";
        let found = summary(text).unwrap();
        assert_eq!(found.description.as_deref(), Some("d"));
        let parameter = &found.parameters[0];
        assert_eq!(
            (parameter.name.as_str(), parameter.default.as_deref(), parameter.is_hidden),
            ("P", Some("1"), true)
        );
        assert_eq!((found.imports.as_slice(), found.capabilities.len()), (&["name".to_owned()][..], 0));
        assert_eq!(found.resources["B"].0, "AWS::S3::Bucket");
        assert!(summary("[").is_err() && summary("a: b").is_err());
    }
}
