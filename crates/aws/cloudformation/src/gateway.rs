//! From the parts of APIs to APIs with routes.
//!
//! CloudFormation describes an API in pieces that name each other by id (a method on a resource under a parent, a route
//! to an integration) or as an OpenAPI document, SAM as events of functions. All leave their pieces in [`Parts`]; when all
//! resources are read, [`link`] puts them together.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::diagnostic::Position;
use crate::names;
use crate::plan::{self, ApiKind, Integration, Plan, Route};
use crate::resources::Build;
use crate::scope::{Identity, Scope, Site};
use crate::template::Resource;

/// The length of API Gateway's ids of APIs, resources and deployments.
const API_ID: usize = 10;
const RESOURCE_ID: usize = 6;
const INTEGRATION_ID: usize = 7;
/// The longest path, in segments; also the bound of walking from a resource to the root.
const SEGMENTS_MAX: usize = 300;

#[derive(Default)]
pub(crate) struct Parts {
    pub segments: Vec<Segment>,
    pub methods: Vec<Method>,
    pub calls: Vec<Call>,
    pub stages: Vec<Stage>,
    /// Of HTTP APIs, by id.
    pub integrations: HashMap<String, Target>,
    /// APIs that an OpenAPI document describes: events add nothing to them, as with SAM.
    pub described: HashSet<String>,
    /// APIs whose preflights SAM answers by a method of its own for each path: the answer, by API.
    pub preflights: Vec<(String, Position, Integration)>,
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

/// What a method on a path of an API calls.
pub(crate) struct Call {
    /// The logical id of who says so.
    pub resource: String,
    pub api: String,
    pub api_at: Position,
    pub path: String,
    pub method: String,
    pub target: Target,
    pub at: Position,
    /// Said by an event of a function or state machine.
    pub is_event: bool,
}

#[derive(Clone)]
pub(crate) enum Target {
    /// A function of this template.
    Function {
        arn: String,
        payload_format: &'static str,
        timeout_ms: Option<u32>,
    },
    /// An integration of an HTTP API, by its id.
    Integration(String),
    Other(Integration),
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

pub(crate) fn integration_id(site: &Site, logical_id: &str) -> String {
    names::made_up_id(site, logical_id, INTEGRATION_ID)
}

pub(crate) fn push_api(build: &mut Build<'_>, identity: &Identity, resource: &Resource, kind: ApiKind, name: String) {
    let id = api_id(&build.scope.site, &identity.logical_id);
    build.gateway.roots.insert(root_id(&build.scope.site, &identity.logical_id), id.clone());
    build.plan.apis.push(plan::Api {
        logical_id: identity.logical_id.clone(),
        id,
        name,
        at: resource.at,
        stages: Vec::new(),
        kind,
        routes: Vec::new(),
        binary_media_types: Vec::new(),
        cors: None,
    });
}

/// The API of a function's URL: all requests go to the one function.
pub(crate) fn push_url(
    build: &mut Build<'_>,
    logical_id: &str,
    at: Position,
    id: String,
    (function, arn): (String, String),
    cors: Option<plan::Cors>,
) {
    let integration =
        Integration::Function { function: function.clone(), arn, payload_format: "2.0", timeout_ms: None };
    let route = Route { method: "ANY".into(), path: plan::DEFAULT.into(), integration, at };
    build.plan.apis.push(plan::Api {
        logical_id: logical_id.to_owned(),
        id,
        name: format!("URL of {function}"),
        at,
        stages: vec![plan::Stage { name: plan::DEFAULT.into(), variables: BTreeMap::new() }],
        kind: ApiKind::FunctionUrl,
        routes: vec![route],
        binary_media_types: Vec::new(),
        cors,
    });
}

/// Gives each API of the plan its stages and routes.
pub(crate) fn link(parts: Parts, plan: &mut Plan, scope: &Scope<'_>) {
    let segments = parts.segments.iter().map(|s| (s.id.as_str(), s)).collect();
    let paths = Paths { segments, roots: &parts.roots };
    let (integrations, described) = (parts.integrations, parts.described);
    let mut linker = Linker { plan, scope, integrations, doubtful: scope.report.failed() };
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
        if !(call.is_event && described.contains(&call.api)) {
            linker.route(call);
        }
    }
    for (api, at, answer) in parts.preflights {
        linker.preflights(&api, at, &answer);
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
    integrations: HashMap<String, Target>,
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
        let Some(integration) = self.integration(&call.resource, call.at, &call.target) else { return };
        let Some(api) = self.plan.apis.iter_mut().find(|api| api.id == call.api) else {
            return self.unknown(&call.resource, call.api_at, format!("\"{}\" is no API of this template", call.api));
        };
        if let Some(first) = api.routes.iter().find(|r| r.method == call.method && r.path == call.path) {
            self.scope.report.about(Some(&call.resource));
            let by = first.function().unwrap_or("another route");
            let message = format!("{} {} of {} is taken by {by}", call.method, call.path, api.logical_id);
            return self.scope.report.error(
                call.at,
                message,
                format!("change one of the two; the first is at {}", first.at),
            );
        }
        let Call { method, path, at, .. } = call;
        api.routes.push(Route { method, path, integration, at });
    }

    /// What the target is in this template.
    fn integration(&self, resource: &str, at: Position, target: &Target) -> Option<Integration> {
        match target {
            Target::Other(integration) => Some(integration.clone()),
            Target::Function { arn, payload_format, timeout_ms } => {
                let function = self.plan.functions.iter().find_map(|f| {
                    // What comes after the name is a version or an alias.
                    let qualifier = arn.strip_prefix(&f.arn)?;
                    (qualifier.is_empty() || qualifier.starts_with(':')).then(|| format!("{}{qualifier}", f.name))
                });
                let Some(function) = function else {
                    self.unknown(resource, at, format!("\"{arn}\" is no function of this template"));
                    return None;
                };
                let (arn, timeout_ms) = (arn.clone(), *timeout_ms);
                Some(Integration::Function { function, arn, payload_format, timeout_ms })
            }
            Target::Integration(id) => match self.integrations.get(id) {
                // One names a function or a service, never another integration.
                Some(Target::Integration(_)) | None => {
                    self.unknown(resource, at, format!("\"{id}\" is no integration of this template"));
                    None
                }
                Some(target) => self.integration(resource, at, target),
            },
        }
    }

    /// Adds what answers OPTIONS to each path that has nothing of its own for it. Methods that are not said are those
    /// of the path.
    fn preflights(&mut self, api: &str, at: Position, answer: &Integration) {
        const ALLOWED: &str = "Access-Control-Allow-Methods";
        let Some(api) = self.plan.apis.iter_mut().find(|known| known.id == api) else { return };
        let mut paths: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        api.routes.iter().for_each(|route| paths.entry(route.path.clone()).or_default().push(&route.method));
        paths.retain(|_, methods| !methods.contains(&"OPTIONS"));
        let answers = paths.into_iter().map(|(path, mut methods)| {
            let mut integration = answer.clone();
            if let Integration::Mock(mapping) = &mut integration {
                if methods.contains(&"ANY") {
                    methods = vec!["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"];
                }
                methods.push("OPTIONS");
                methods.sort_unstable();
                for response in &mut mapping.responses {
                    response.headers.entry(ALLOWED.into()).or_insert_with(|| format!("'{}'", methods.join(",")));
                }
            }
            Route { method: "OPTIONS".into(), path, integration, at }
        });
        let answers: Vec<Route> = answers.collect();
        api.routes.extend(answers);
    }

    fn unknown(&self, resource: &str, at: Position, message: String) {
        if self.doubtful {
            return;
        }
        self.scope.report.about(Some(resource).filter(|r| !r.is_empty()));
        self.scope.report.error(at, message, "refer to one that the template declares");
    }
}
