//! `AWS::Include`: a part of the template that lies in a file beside it, such as the OpenAPI document of an API.
//!
//! The file takes its place before anything is resolved, so functions in it mean what they would mean there. AWS has the file uploaded
//! to S3 first; here it is read where it is, unless the template itself came over the wire: then it is an object, and no file
//! of this machine. It does not include further ones, as on AWS.

use std::path::{Path, PathBuf};

use crate::diagnostic::{Position, Report};
use crate::node::{Entry, Node, Value};
use crate::scope::Site;
use crate::{Files, TEMPLATE_BYTES_MAX, decode, folder_of, yaml};

const TRANSFORM: &str = "Fn::Transform";
const INCLUDE: &str = "AWS::Include";
const LOCAL: &str = "name a file beside the template: `Parameters: { Location: api.yaml }`";
const UPLOADED: &str = "upload it first, and name it so: `Parameters: { Location: s3://BUCKET/KEY }`";

/// The template with every `Fn::Transform` that includes a file replaced by what the file says.
pub(crate) fn resolve(node: Node, template: &Path, site: &Site, files: &dyn Files, report: &Report) -> Node {
    Includes { template, site, files, report }.node(node)
}

/// The template without what it includes, for who cannot read it.
pub(crate) fn leave_out(node: Node) -> Node {
    let value = match node.value {
        Value::List(items) => Value::List(items.into_iter().map(leave_out).collect()),
        Value::Map(entries) => {
            let kept = entries.into_iter().filter(|entry| location(entry).is_none());
            Value::Map(kept.map(|entry| Entry { value: leave_out(entry.value), ..entry }).collect())
        }
        value => value,
    };
    Node { value, ..node }
}

struct Includes<'a> {
    template: &'a Path,
    site: &'a Site,
    files: &'a dyn Files,
    report: &'a Report,
}

impl Includes<'_> {
    fn node(&self, node: Node) -> Node {
        let value = match node.value {
            Value::List(items) => Value::List(items.into_iter().map(|item| self.node(item)).collect()),
            Value::Map(entries) => return self.map(node.at, entries),
            value => value,
        };
        Node { value, ..node }
    }

    /// What a file says stands beside what the map says otherwise; alone it may be anything.
    fn map(&self, at: Position, entries: Vec<Entry>) -> Node {
        let mut kept = Vec::new();
        let mut included = Vec::new();
        for entry in entries {
            match location(&entry) {
                Some(location) => included.push(self.file(entry.at, location)),
                None => kept.push(Entry { value: self.node(entry.value), ..entry }),
            }
        }
        if kept.is_empty() && included.len() == 1 {
            return included.remove(0);
        }
        for node in included {
            match node.value {
                Value::Map(entries) => kept.extend(entries),
                Value::Invalid => return Node::invalid(at),
                _ => self.report.error(node.at, "the file that is included is no map", "include a map here"),
            }
        }
        Node::new(at, Value::Map(kept))
    }

    fn file(&self, at: Position, location: Option<&Node>) -> Node {
        let Some(path) = location.and_then(Node::text).and_then(|place| self.path_of(&place)) else {
            let (what, help) = match self.site.is_remote {
                true => ("object in S3 as its Location", UPLOADED),
                false => ("local Location", LOCAL),
            };
            self.report.error(location.map_or(at, |node| node.at), format!("{INCLUDE} has no {what}"), help);
            return Node::invalid(at);
        };
        self.read(at, path).unwrap_or_else(|(message, help)| {
            self.report.error(at, message, help);
            Node::invalid(at)
        })
    }

    /// The file of an object in S3, or one beside the template.
    fn path_of(&self, place: &str) -> Option<PathBuf> {
        let outside = &self.site.outside;
        match place.strip_prefix("s3://").map(|rest| rest.split_once('/')) {
            Some(object) => object.and_then(|(bucket, key)| outside.object(bucket, key)),
            None if place.contains("://") => outside.object_at(place),
            None => (!self.site.is_remote).then(|| folder_of(self.template).join(place).components().collect()),
        }
    }

    fn read(&self, at: Position, path: PathBuf) -> Result<Node, (String, &'static str)> {
        let shown = path.display();
        let bytes = self.files.read(&path).map_err(|error| (format!("cannot read {shown}: {error}"), LOCAL))?;
        if bytes.len() > TEMPLATE_BYTES_MAX {
            return Err((
                format!("{shown} has {} bytes, the limit is {TEMPLATE_BYTES_MAX}", bytes.len()),
                "include less",
            ));
        }
        let text = decode(&bytes).map_err(|(at, message)| (format!("{shown}:{at}: {message}"), "save it as UTF-8"))?;
        let report = Report::new(&path);
        let node = yaml::read(text, &report);
        self.report.absorb(report);
        Ok(node.map_or(Node::invalid(at), |node| placed(node, at)))
    }
}

/// The location of an entry that includes a file.
fn location(entry: &Entry) -> Option<Option<&Node>> {
    let is_include = entry.key == TRANSFORM && entry.value.get("Name").and_then(Node::literal) == Some(INCLUDE);
    is_include.then(|| entry.value.get("Parameters").and_then(|parameters| parameters.get("Location")))
}

/// What is wrong with a part of the file is told of the place that includes it: a position is one in the template.
fn placed(node: Node, at: Position) -> Node {
    let value = match node.value {
        Value::List(items) => Value::List(items.into_iter().map(|item| placed(item, at)).collect()),
        Value::Map(entries) => {
            Value::Map(entries.into_iter().map(|entry| Entry { at, value: placed(entry.value, at), ..entry }).collect())
        }
        value => value,
    };
    Node { at, value }
}
