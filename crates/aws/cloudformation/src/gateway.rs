//! From the parts of REST APIs to APIs with routes.
//!
//! CloudFormation describes an API in pieces that name each other by id (a method on a resource under a parent), SAM as
//! events of functions. Both leave their pieces in [`Parts`]; when all resources are read, [`link`] puts them together.

use std::collections::{BTreeMap, HashMap};

use crate::diagnostic::Position;
use crate::names;
use crate::plan::{self, Plan, Route};
use crate::resources::Build;
use crate::scope::{Identity, Scope, Site};
use crate::template::Resource;

/// The length of API Gateway's ids of APIs, resources and deployments.
const API_ID: usize = 10;
const RESOURCE_ID: usize = 6;
/// The longest path, in segments; also the bound of walking from a resource to the root.
const SEGMENTS_MAX: usize = 300;

#[derive(Default)]
pub(crate) struct Parts {
    pub segments: Vec<Segment>,
    pub methods: Vec<Method>,
    pub calls: Vec<Call>,
    pub stages: Vec<Stage>,
    /// Where each API of the plan stands: its root resource.
    roots: HashMap<String, String>,
}

/// `AWS::ApiGateway::Resource`: one segment of a path.
pub(crate) struct Segment {
    pub id: String,
    pub parent: String,
    pub part: String,
}

/// A method on a path that is known by the id of its last segment.
pub(crate) struct Method {
    pub segment: String,
    pub segment_at: Position,
    pub call: Call,
}

/// A function called by a method on a path of an API.
pub(crate) struct Call {
    /// The logical id of who says so.
    pub resource: String,
    pub api: String,
    pub api_at: Position,
    pub path: String,
    pub method: String,
    pub function_arn: String,
    pub at: Position,
}

pub(crate) struct Stage {
    pub api: String,
    pub api_at: Position,
    pub name: String,
    pub variables: BTreeMap<String, String>,
    pub at: Position,
}

pub(crate) fn api_id(site: &Site, logical_id: &str) -> String {
    names::made_up_id(site, logical_id, API_ID)
}

pub(crate) fn root_id(site: &Site, logical_id: &str) -> String {
    names::made_up_id(site, &format!("{logical_id}/"), API_ID)
}

pub(crate) fn segment_id(site: &Site, logical_id: &str) -> String {
    names::made_up_id(site, logical_id, RESOURCE_ID)
}

pub(crate) fn push_api(
    build: &mut Build<'_>,
    identity: &Identity,
    resource: &Resource,
    name: String,
    binary_media_types: Vec<String>,
) {
    let id = api_id(&build.scope.site, &identity.logical_id);
    build.gateway.roots.insert(root_id(&build.scope.site, &identity.logical_id), id.clone());
    build.plan.apis.push(plan::Api {
        logical_id: identity.logical_id.clone(),
        id,
        name,
        at: resource.at,
        stages: Vec::new(),
        routes: Vec::new(),
        binary_media_types,
    });
}

/// Gives each API of the plan its stages and routes.
pub(crate) fn link(parts: Parts, plan: &mut Plan, scope: &Scope<'_>) {
    let segments = parts.segments.iter().map(|s| (s.id.as_str(), s)).collect();
    let paths = Paths { segments, roots: &parts.roots };
    let mut linker = Linker { plan, scope, doubtful: scope.report.failed() };
    for stage in parts.stages {
        linker.stage(stage);
    }
    for Method { segment, segment_at, mut call } in parts.methods {
        match paths.of(&segment, &call.api) {
            Some(path) => {
                call.path = path;
                linker.route(call);
            }
            None => linker.unknown(&call.resource, segment_at, format!("\"{segment}\" is no resource of this API")),
        }
    }
    for call in parts.calls {
        linker.route(call);
    }
    scope.report.about(None);
}

struct Paths<'a> {
    segments: HashMap<&'a str, &'a Segment>,
    roots: &'a HashMap<String, String>,
}

impl Paths<'_> {
    /// The path of a segment, if its way up ends at the root of the API.
    fn of(&self, segment: &str, api: &str) -> Option<String> {
        let mut parts = Vec::new();
        let mut id = segment;
        while parts.len() <= SEGMENTS_MAX {
            if let Some(owner) = self.roots.get(id) {
                parts.reverse();
                return (owner == api).then(|| format!("/{}", parts.join("/")));
            }
            let segment = self.segments.get(id)?;
            parts.push(segment.part.as_str());
            id = &segment.parent;
        }
        None
    }
}

struct Linker<'a, 'b> {
    plan: &'a mut Plan,
    scope: &'a Scope<'b>,
    /// Something was wrong before, so that what is missing may be missing because of that.
    doubtful: bool,
}

impl Linker<'_, '_> {
    fn stage(&mut self, stage: Stage) {
        let Some(api) = self.plan.apis.iter_mut().find(|api| api.id == stage.api) else {
            return self.unknown("", stage.api_at, format!("\"{}\" is no API of this template", stage.api));
        };
        if api.stages.iter().any(|known| known.name == stage.name) {
            let message = format!("the API {} has two stages \"{}\"", api.logical_id, stage.name);
            return self.scope.report.error(stage.at, message, "remove one, or name it otherwise");
        }
        api.stages.push(plan::Stage { name: stage.name, variables: stage.variables });
    }

    fn route(&mut self, call: Call) {
        let function = self.plan.functions.iter().find_map(|f| {
            // What comes after the name is a version or an alias.
            let qualifier = call.function_arn.strip_prefix(&f.arn)?;
            (qualifier.is_empty() || qualifier.starts_with(':')).then(|| format!("{}{qualifier}", f.name))
        });
        let Some(function) = function else {
            return self.unknown(
                &call.resource,
                call.at,
                format!("\"{}\" is no function of this template", call.function_arn),
            );
        };
        let Some(api) = self.plan.apis.iter_mut().find(|api| api.id == call.api) else {
            return self.unknown(&call.resource, call.api_at, format!("\"{}\" is no API of this template", call.api));
        };
        if let Some(first) = api.routes.iter().find(|r| r.method == call.method && r.path == call.path) {
            self.scope.report.about(Some(&call.resource));
            let message = format!("{} {} of {} is taken by {}", call.method, call.path, api.logical_id, first.function);
            return self.scope.report.error(
                call.at,
                message,
                format!("change one of the two; the first is at {}", first.at),
            );
        }
        let Call { method, path, function_arn, at, .. } = call;
        api.routes.push(Route { method, path, function, function_arn, at });
    }

    fn unknown(&self, resource: &str, at: Position, message: String) {
        if self.doubtful {
            return;
        }
        self.scope.report.about(Some(resource).filter(|r| !r.is_empty()));
        self.scope.report.error(at, message, "refer to one that the template declares");
    }
}
