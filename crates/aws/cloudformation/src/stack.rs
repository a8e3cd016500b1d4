//! From the sections of a template to a plan: the order in which things become known.
//!
//! Parameters need nothing, conditions need parameters, what exists needs conditions, the order needs what exists, an
//! identity needs those before it in the order, and a resource's properties need all identities.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::Files;
use crate::diagnostic::Report;
use crate::gateway::{self, Parts};
use crate::globals;
use crate::graph;
use crate::intrinsics;
use crate::names;
use crate::nested;
use crate::node::{Entry, Node};
use crate::parameters;
use crate::plan::{self, Output, Plan};
use crate::references;
use crate::resources::{self, Build, Implied, STACK, implicit_apis};
use crate::rules;
use crate::scope::{Identity, Known, Scope, Site};
use crate::template::{Resource, Template};

/// What SAM's types begin with.
const SAM: &str = "AWS::Serverless::";

/// `None` after an error that leaves nothing to go on with.
pub(crate) fn resolve(
    mut template: Template,
    path: &Path,
    site: Site,
    values: &BTreeMap<String, String>,
    files: &dyn Files,
    report: &Report,
) -> Option<Plan> {
    let parameters = parameters::values(&template.parameters, values, &site, report);
    let mut scope = Scope::new(report, site, parameters, std::mem::take(&mut template.mappings));
    rules::check(&scope, &template.rules, &template.parameters);
    scope.conditions = intrinsics::evaluate_conditions(&scope, &template.conditions);
    let implicit = implicit_apis(&scope, &template, |r| exists(&scope, r) != Some(false));
    template.resources.extend(implicit);
    globals::apply(&mut template, report);
    declare(&mut scope, &template);
    let live: Vec<&Resource> = template.resources.iter().filter(|r| is_live(&scope, r)).collect();
    check_references(&scope, &live);
    let order = order(&scope, &live)?;
    identify(&mut scope, &order, path, files);
    Some(build(&scope, &template, &order, path, files))
}

/// Whether a resource's condition holds; `None` if that is not known.
fn exists(scope: &Scope<'_>, resource: &Resource) -> Option<bool> {
    match &resource.condition {
        None => Some(true),
        Some((name, at)) => scope.condition(name, *at),
    }
}

fn is_live(scope: &Scope<'_>, resource: &Resource) -> bool {
    matches!(scope.resources.get(&resource.id), Some(Known::Live(_)))
}

/// Says of each logical id whether it exists, and reports the types that are not served.
fn declare(scope: &mut Scope<'_>, template: &Template) {
    for resource in &template.resources {
        scope.report.about(Some(&resource.id));
        let known = match (exists(scope, resource), &resource.condition) {
            (Some(true), _) if !is_served(scope, template, resource) => Known::Refused,
            (Some(true), _) => Known::Live(None),
            (Some(false), Some((condition, _))) => Known::NotCreated(condition.clone()),
            _ => Known::Refused,
        };
        scope.resources.insert(resource.id.clone(), known);
    }
    scope.report.about(None);
}

fn is_served(scope: &Scope<'_>, template: &Template, resource: &Resource) -> bool {
    let (kind, at) = &resource.kind;
    if kind.starts_with("AWS::Serverless::") && !template.serverless {
        let help = "add `Transform: AWS::Serverless-2016-10-31` at the top";
        scope.report.error(*at, format!("{kind} needs SAM's transform"), help);
    }
    if resources::find(kind).is_some() {
        return true;
    }
    let help = "remove it, give it a Condition that is false here, or go on without it: --ignore-unsupported";
    let help = match resources::nearest(kind) {
        Some(nearest) => format!("did you mean {nearest}? If not, {help}"),
        None => help.to_owned(),
    };
    scope.report.unsupported(*at, format!("the type {kind} is not supported"), help);
    scope.report.is_lenient()
}

/// Every name that is referred to must exist, also where the value does not matter here.
fn check_references(scope: &Scope<'_>, live: &[&Resource]) {
    let implied: Vec<String> = live.iter().flat_map(|r| implied(r)).map(|i| i.logical_id).collect();
    let check = |name: &str, at| {
        if !scope.resources.contains_key(name) && !implied.iter().any(|id| id == name) {
            scope.unknown_name(name, at);
        }
    };
    for resource in live {
        scope.report.about(Some(&resource.id));
        resource.properties.iter().for_each(|p| references::each(scope, &p.value, &mut |name, at| check(name, at)));
        resource.depends_on.iter().for_each(|(name, at)| check(name, *at));
    }
    scope.report.about(None);
}

fn implied(resource: &Resource) -> Vec<Implied> {
    (resources::of(resource).implied)(resource)
}

/// The resources that exist, each after those it refers to. `None` after a cycle.
fn order<'t>(scope: &Scope<'_>, live: &[&'t Resource]) -> Option<Vec<&'t Resource>> {
    let index: HashMap<&str, usize> = live.iter().enumerate().map(|(n, r)| (r.id.as_str(), n)).collect();
    let edges: Vec<Vec<usize>> = live
        .iter()
        .map(|resource| {
            let mut targets = Vec::new();
            let mut found = |name: &str, _| targets.extend(index.get(name));
            resource.depends_on.iter().for_each(|(name, at)| found(name, *at));
            // SAM makes resources of their own of events: a function may be in the document of the API of its event.
            let own = resource.properties.iter().filter(|p| !(p.key == "Events" && resource.kind.0.starts_with(SAM)));
            own.for_each(|p| references::each(scope, &p.value, &mut found));
            targets
        })
        .collect();
    match graph::order(&edges) {
        Ok(order) => Some(order.into_iter().map(|n| live[n]).collect()),
        Err(cycles) => {
            for cycle in cycles {
                let path: Vec<&str> = cycle.iter().map(|n| live[*n].id.as_str()).collect();
                let message = format!("resources depend on each other: {}", path.join(" -> "));
                scope.report.error(live[cycle[0]].at, message, "break the cycle at one of the references");
            }
            None
        }
    }
}

/// Decides the identities: first those that SAM implies, which need no others, then in order.
fn identify(scope: &mut Scope<'_>, order: &[&Resource], path: &Path, files: &dyn Files) {
    for implied in order.iter().flat_map(|resource| implied(resource)) {
        let Implied { logical_id, kind, name } = implied;
        let name = name.unwrap_or_else(|| names::derived(&scope.site, &logical_id, kind.name_max));
        let identity = Identity { logical_id: logical_id.clone(), name, kind, alias: None };
        scope.resources.entry(logical_id).or_insert(Known::Live(Some(identity)));
    }
    let mut taken: HashMap<String, &str> = HashMap::new();
    for resource in order {
        scope.report.about(Some(&resource.id));
        let kind = resources::of(resource);
        let identity = kind.identity(scope, resource);
        if identity.name.len() > kind.name_max {
            let message = format!("the name \"{}\" is longer than {} characters", identity.name, kind.name_max);
            scope.report.error(resource.at, message, "give it a shorter one");
        }
        // An ARN is what two types of one service may not share.
        let arn = identity.attribute(&scope.site, "Arn").filter(|_| kind.created);
        if let Some(first) = arn.and_then(|arn| taken.insert(arn, &resource.id)) {
            let message = format!("the name \"{}\" is taken by {first}", identity.name);
            scope.report.error(resource.at, message, "give one of the two another name");
        }
        if kind.name == STACK || kind.becomes == Some(STACK) {
            let nested = nested::read(scope, &identity, resource, path, files);
            scope.nested.extend(nested.map(|nested| (resource.id.clone(), nested)));
        }
        scope.resources.insert(resource.id.clone(), Known::Live(Some(identity)));
    }
    scope.report.about(None);
}

fn build(scope: &Scope<'_>, template: &Template, order: &[&Resource], path: &Path, files: &dyn Files) -> Plan {
    let plan = Plan {
        stack_name: scope.site.stack_name.clone(),
        stack_id: names::stack_id(&scope.site),
        template: path.to_owned(),
        description: template.description.clone(),
        resources: order.iter().filter_map(|resource| listed(scope, resource)).collect(),
        nested: order.iter().filter_map(|resource| scope.nested.get(&resource.id).cloned()).collect(),
        ..Plan::default()
    };
    let folder = crate::folder_of(path);
    let mut build = Build { scope, files, folder: &folder, plan, gateway: Parts::default() };
    for resource in order {
        scope.report.about(Some(&resource.id));
        if let Some(Known::Live(Some(identity))) = scope.resources.get(&resource.id) {
            build.resource(identity, resource);
        }
    }
    scope.report.about(None);
    let (mut plan, parts) = (build.plan, build.gateway);
    gateway::link(parts, &mut plan, scope);
    plan.outputs = template.outputs.iter().filter_map(|entry| output(scope, entry)).collect();
    plan
}

fn listed(scope: &Scope<'_>, resource: &Resource) -> Option<plan::Resource> {
    let Some(Known::Live(Some(identity))) = scope.resources.get(&resource.id) else { return None };
    Some(plan::Resource {
        logical_id: resource.id.clone(),
        kind: identity.kind.becomes.unwrap_or(&resource.kind.0).to_owned(),
        physical_id: identity.reference(&scope.site),
        at: resource.at,
        retained: resource.deletion_policy.as_deref().is_some_and(|policy| policy.starts_with("Retain")),
    })
}

fn output(scope: &Scope<'_>, entry: &Entry) -> Option<Output> {
    const MEMBERS: &[&str] = &["Value", "Description", "Export", "Condition"];
    if entry.value.is_invalid() {
        return None;
    }
    let members = crate::template::entries_of(entry.value.clone(), "an output", scope.report);
    for unknown in members.iter().filter(|m| !MEMBERS.contains(&m.key.as_str())) {
        let message = format!("an output has no \"{}\"", unknown.key);
        scope.report.error(unknown.at, message, format!("it has {}", MEMBERS.join(", ")));
    }
    if let Some(condition) = entry.value.get("Condition")
        && !scope.condition(condition.literal().unwrap_or_default(), condition.at)?
    {
        return None;
    }
    let Some(value) = entry.value.get("Value") else {
        scope.report.error(entry.at, format!("the output \"{}\" has no Value", entry.key), "add `Value: ...`");
        return None;
    };
    let export = entry.value.get("Export").and_then(|export| export.get("Name"));
    Some(Output {
        logical_id: entry.key.clone(),
        value: scope.text(value, "the value of an output")?,
        description: entry.value.get("Description").and_then(Node::text),
        export_name: export.and_then(|name| scope.text(name, "the name of an export")),
        at: entry.at,
    })
}
