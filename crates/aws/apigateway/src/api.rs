//! An API and its routes: which function serves a method and a path.
//!
//! AWS decides on the pair of path and method: of the routes that serve both, the most specific path wins, segment by
//! segment (a text before `{name}` before `{name+}`), then the named method before ANY. A specific path without the
//! method does not hide a greedy one that has it.

use http::Method as HttpMethod;

/// A REST API that is deployed to one stage.
#[derive(Clone, Debug)]
pub struct Api {
    id: String,
    name: String,
    stage: String,
    routes: Vec<Route>,
}

/// One method of one resource, and the function behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub method: Method,
    /// As in a template: `/`, `/trips/{id}`, `/{proxy+}`.
    pub path: String,
    pub function_arn: String,
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
#[derive(Debug, PartialEq, Eq)]
pub struct Match<'a> {
    pub route: &'a Route,
    /// Names and values, still percent-encoded, as AWS passes them.
    pub parameters: Vec<(&'a str, &'a str)>,
}

impl Api {
    pub fn new(
        id: impl Into<String>,
        name: impl Into<String>,
        stage: impl Into<String>,
        routes: Vec<Route>,
    ) -> Result<Api, Error> {
        let api = Api { id: id.into(), name: name.into(), stage: stage.into(), routes };
        for (at, route) in api.routes.iter().enumerate() {
            let double = api.routes[..at].iter().any(|other| other.path == route.path && other.method == route.method);
            let fault = fault(&route.path).or(double.then_some("it is declared twice for the same method"));
            if let Some(reason) = fault {
                return Err(Error { api: api.name, path: route.path.clone(), reason });
            }
        }
        Ok(api)
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

    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The route that serves the method and the path; a slash at the end of the path makes no difference.
    pub fn route<'a>(&'a self, method: &HttpMethod, path: &'a str) -> Option<Match<'a>> {
        let serving = self.routes.iter().filter(|route| route.method.serves(method));
        let matching = serving.filter_map(|route| Some(Match { route, parameters: take(&route.path, path)? }));
        matching.min_by_key(|matched| matched.route.rank())
    }

    /// The routes as a person would list them.
    pub(crate) fn show_routes(&self) -> String {
        let shown = self.routes.iter().map(|route| match &route.method {
            Method::Any => format!("ANY {}", route.path),
            Method::Only(method) => format!("{method} {}", route.path),
        });
        format!("[{}]", shown.collect::<Vec<_>>().join(", "))
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

impl Route {
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
