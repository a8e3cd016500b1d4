//! Stacks in stacks: a resource that is a template of its own, read where the outer template is, with parameters from there.
//!
//! Its outputs are known before anything exists, as all of a plan is, so the outer template may use them at once.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::diagnostic::Report;
use crate::node::Node;
use crate::plan::Nested;
use crate::properties::Properties;
use crate::resources;
use crate::scope::{Identity, Scope};
use crate::template::Resource;
use crate::{Files, Options, Source, folder_of};

/// Deeper than anybody nests them; so that a template that names itself comes to an end.
const DEPTH_MAX: usize = 5;

/// The plan of a resource that is a stack. `None` after an error.
pub(crate) fn read(
    scope: &Scope<'_>,
    identity: &Identity,
    resource: &Resource,
    template: &std::path::Path,
    files: &dyn Files,
) -> Option<Nested> {
    let kind = resources::of(resource);
    let properties = Properties::read(scope, kind.name, resource.at, &resource.properties, kind.properties);
    let property = if properties.node("Location").is_some() { "Location" } else { "TemplateURL" };
    let place = properties.required_text(property)?;
    if scope.site.depth >= DEPTH_MAX {
        properties.error(property, format!("stacks are nested {DEPTH_MAX} deep at most"), "put the resources here");
        return None;
    }
    let Some(path) = path_of(scope, template, &place) else {
        let help = "name a file beside the template; `cdk synth` and `sam build` have it there";
        properties.error(property, format!("the template {place} is not on this machine"), help);
        return None;
    };
    let text = match files.read(&path) {
        Ok(text) => text,
        Err(error) => {
            properties.error(property, format!("cannot read {}: {error}", path.display()), "correct the path");
            return None;
        }
    };
    let parameters: BTreeMap<String, String> = properties
        .entries("Parameters")
        .unwrap_or_default()
        .into_iter()
        .filter_map(|parameter| Some((parameter.key, given(&parameter.value)?)))
        .collect();
    let options = Options {
        home: scope.site.home.clone(),
        stack_name: Some(identity.name.clone()),
        parameters: parameters.clone(),
        assets: scope.site.assets.clone(),
        imports: scope.site.imports.clone(),
        outside: scope.site.outside.clone(),
        is_remote: scope.site.is_remote,
        ignore_unsupported: scope.report.is_lenient(),
    };
    let report = Report::new(&path);
    let report = if scope.report.is_lenient() { report.lenient() } else { report };
    let plan = crate::read_at(Source { path: &path, text: &text }, &options, files, &report, scope.site.depth + 1);
    scope.report.absorb_nested(report);
    Some(Nested { plan: plan?, template: String::from_utf8_lossy(&text).into_owned(), parameters })
}

/// A parameter's value; a list is its parts with commas between.
fn given(value: &Node) -> Option<String> {
    match value.list() {
        Some(items) => Some(items.iter().filter_map(Node::text).collect::<Vec<_>>().join(",")),
        None => value.text(),
    }
}

/// A file beside the template, or the asset whose key ends the address in S3.
fn path_of(scope: &Scope<'_>, template: &std::path::Path, place: &str) -> Option<PathBuf> {
    let site = &scope.site;
    if !place.contains("://") {
        return (!site.is_remote).then(|| folder_of(template).join(place).components().collect());
    }
    let asset = site.assets.iter().find(|(key, _)| place.ends_with(&format!("/{key}")));
    asset.map(|(_, path)| path.clone()).or_else(|| site.outside.object_at(place))
}
