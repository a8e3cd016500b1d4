//! An API and its routes: what answers a method and a path.
//!
//! AWS decides on the pair of path and method: of the routes that serve both, the most specific path wins, segment by
//! segment (a text before `{name}` before `{name+}`), then the named method before ANY. A specific path without the
//! method does not hide a greedy one that has it. An HTTP API has one more, `$default`, which takes what no other does.

use std::collections::BTreeMap;

use http::Method as HttpMethod;

use crate::cors::Cors;
use crate::integration::Integration;

/// The path of the route, and the name of the stage, that an HTTP API has for everything else.
pub const DEFAULT: &str = "$default";

/// An API that is deployed to one stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Api {
    id: String,
    name: String,
    stage: String,
    kind: Kind,
    routes: Vec<Route>,
    variables: BTreeMap<String, String>,
    cors: Option<Cors>,
    binary_media_types: Vec<String>,
}

/// The three sorts of API that call a function by HTTP; they differ in events, answers and refusals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Kind {
    #[default]
    Rest,
    Http,
    /// A function's URL: an HTTP API with one route, whose paths stay percent-encoded.
    FunctionUrl,
}

/// One method of one path, and what is behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    pub method: Method,
    /// As in a template: `/`, `/trips/{id}`, `/{proxy+}`, or `$default` (with ANY).
    pub path: String,
    pub integration: Integration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    Any,
    Only(HttpMethod),
}

/// A route that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the route {path} of the API {api}: {reason}")]
pub struct Error {
    pub api: String,
    pub path: String,
    pub reason: &'static str,
}

/// A route and what its parameters took from the path.
#[derive(Debug, PartialEq)]
pub struct Match<'a> {
    pub route: &'a Route,
    /// Names and values, still percent-encoded, as AWS passes them.
    pub parameters: Vec<(&'a str, &'a str)>,
}

impl Api {
    /// A REST API.
    pub fn new(
        id: impl Into<String>,
        name: impl Into<String>,
        stage: impl Into<String>,
        routes: Vec<Route>,
    ) -> Result<Api, Error> {
        Api::of(Kind::Rest, id, name, stage, routes)
    }

    pub fn of(
        kind: Kind,
        id: impl Into<String>,
        name: impl Into<String>,
        stage: impl Into<String>,
        routes: Vec<Route>,
    ) -> Result<Api, Error> {
        let (id, name, stage) = (id.into(), name.into(), stage.into());
        let (variables, cors, binary_media_types) = (BTreeMap::new(), None, Vec::new());
        let api = Api { id, name, stage, kind, routes, variables, cors, binary_media_types };
        for (at, route) in api.routes.iter().enumerate() {
            let double = api.routes[..at].iter().any(|other| other.path == route.path && other.method == route.method);
            let is_default = route.path == DEFAULT && kind != Kind::Rest;
            let fault = if is_default { None } else { fault(&route.path) };
            let fault = fault.or(double.then_some("it is declared twice for the same method"));
            if let Some(reason) = fault {
                return Err(Error { api: api.name, path: route.path.clone(), reason });
            }
        }
        Ok(api)
    }

    /// The API of a function's URL.
    pub fn function_url(id: impl Into<String>, function_arn: impl Into<String>, cors: Option<Cors>) -> Api {
        let (id, integration) = (id.into(), Integration::function(function_arn, crate::Payload::V2));
        let route = Route { method: Method::Any, path: DEFAULT.to_owned(), integration };
        let api = Api::of(Kind::FunctionUrl, &id, &id, DEFAULT, vec![route]);
        api.expect("the one route is $default").with_cors(cors)
    }

    /// Stage variables.
    pub fn with_variables(mut self, variables: BTreeMap<String, String>) -> Api {
        self.variables = variables;
        self
    }

    pub fn with_cors(mut self, cors: Option<Cors>) -> Api {
        self.cors = cors;
        self
    }

    /// A REST API's media types whose bodies reach the function in base64.
    pub fn with_binary_media_types(mut self, types: Vec<String>) -> Api {
        self.binary_media_types = types;
        self
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn stage(&self) -> &str {
        &self.stage
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    pub fn cors(&self) -> Option<&Cors> {
        self.cors.as_ref()
    }

    pub fn binary_media_types(&self) -> &[String] {
        &self.binary_media_types
    }

    /// The route that serves the method and the path. A slash at the end of the path makes a difference to HTTP APIs only.
    pub fn route<'a>(&'a self, method: &HttpMethod, path: &'a str) -> Option<Match<'a>> {
        let serving = || self.routes.iter().filter(|route| route.method.serves(method));
        let is_trimmed = self.kind == Kind::Rest;
        let matching = serving().filter(|route| route.path != DEFAULT).filter_map(|route| {
            let is_greedy = route.path.ends_with("+}");
            let fits = is_trimmed || is_greedy || path.len() < 2 || !path.ends_with('/');
            Some(Match { route, parameters: take(&route.path, path).filter(|_| fits)? })
        });
        let default =
            || serving().find(|route| route.path == DEFAULT).map(|route| Match { route, parameters: Vec::new() });
        matching.min_by_key(|matched| matched.route.rank()).or_else(default)
    }

    /// The routes as a person would list them.
    pub(crate) fn show_routes(&self) -> String {
        format!("[{}]", self.routes.iter().map(Route::key).collect::<Vec<_>>().join(", "))
    }
}

impl Method {
    fn serves(&self, method: &HttpMethod) -> bool {
        match self {
            Method::Any => true,
            Method::Only(only) => only == method,
        }
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Method::Any => f.write_str("ANY"),
            Method::Only(method) => f.write_str(method.as_str()),
        }
    }
}

impl Route {
    /// As a template of an HTTP API names it: `GET /trips/{id}`, `$default`.
    pub fn key(&self) -> String {
        match self.path.as_str() {
            DEFAULT => DEFAULT.to_owned(),
            path => format!("{} {path}", self.method),
        }
    }

    /// Less is more specific.
    fn rank(&self) -> (Vec<u8>, bool) {
        let rank = |segment| match Segment::of(segment) {
            Segment::Text(_) => 0,
            Segment::One(_) => 1,
            Segment::Rest(_) => 2,
        };
        (segments(&self.path).map(rank).collect(), self.method == Method::Any)
    }
}

enum Segment<'a> {
    Text(&'a str),
    /// `{name}`: one segment.
    One(&'a str),
    /// `{name+}`: one segment and all that follow.
    Rest(&'a str),
}

impl Segment<'_> {
    fn of(segment: &str) -> Segment<'_> {
        match segment.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) {
            None => Segment::Text(segment),
            Some(name) => match name.strip_suffix('+') {
                None => Segment::One(name),
                Some(name) => Segment::Rest(name),
            },
        }
    }
}

/// What the parameters of `pattern` take from `path`, if it matches.
fn take<'a>(pattern: &'a str, path: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let mut rest = trim(path);
    let mut parameters = Vec::new();
    for segment in segments(pattern) {
        let (first, after) = rest.split_once('/').unwrap_or((rest, ""));
        match Segment::of(segment) {
            Segment::Text(text) if text == first => {}
            Segment::Text(_) => return None,
            _ if first.is_empty() => return None,
            Segment::One(name) => parameters.push((name, first)),
            Segment::Rest(name) => {
                parameters.push((name, rest));
                return Some(parameters);
            }
        }
        rest = after;
    }
    rest.is_empty().then_some(parameters)
}

fn segments(pattern: &str) -> impl Iterator<Item = &str> {
    trim(pattern).split('/').filter(|segment| !segment.is_empty())
}

/// The path without the slash before it and the slashes after it.
fn trim(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path).trim_end_matches('/')
}

/// What is wrong with a route's path, if anything.
fn fault(path: &str) -> Option<&'static str> {
    let Some(inner) = path.strip_prefix('/') else { return Some("a path begins with /") };
    if inner.is_empty() {
        return None;
    }
    let mut names = Vec::new();
    let mut segments = inner.split('/').peekable();
    while let Some(segment) = segments.next() {
        let name = match Segment::of(segment) {
            Segment::Rest(_) if segments.peek().is_some() => return Some("nothing can follow {name+}"),
            Segment::Text("") => return Some("it has an empty segment; a path has no // and no / at its end"),
            Segment::Text(text) if text.contains(['{', '}']) => return Some("a parameter is a whole segment: {name}"),
            Segment::Text(_) => continue,
            Segment::One(name) | Segment::Rest(name) => name,
        };
        if name.is_empty() || name.contains(['{', '}', '+']) {
            return Some("a parameter is written {name} or {name+}");
        }
        if names.contains(&name) {
            return Some("it has two parameters of one name");
        }
        names.push(name);
    }
    None
}
