//! Where APIs are on the shared port: the ways clients write the address of an API. An HTTP API's stage `$default`
//! may be left out.
//!
//! ```text
//! Host: {api}.execute-api.{anything}      /{stage}/{path}                        AWS's own
//! /restapis/{api}/{stage}/_user_request_/{path}                                  the habit of this field
//! /_aws/execute-api/{api}/{stage}/{path}                                         its younger form
//! Host: {url}.lambda-url.{anything}        /{path}                               a function's own
//! /_aws/lambda-url/{url}/{path}
//! ```

use aws_protocol::Request;
use http::header::HOST;

use crate::api::{Api, DEFAULT};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub api_id: String,
    pub stage: String,
    /// The path within the API, beginning with a slash, still percent-encoded.
    pub path: String,
    /// The path if there is no stage in it: that of the stage `$default`.
    whole: String,
}

impl Address {
    /// The address in a request, or none if the request is for another door.
    pub fn of(request: &Request) -> Option<Address> {
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).or(request.uri().host());
        Address::by_host(host.unwrap_or_default(), request.uri().path())
            .or_else(|| Address::by_path(request.uri().path()))
    }

    fn by_host(host: &str, path: &str) -> Option<Address> {
        let (api_id, domain) = host.split_once('.')?;
        let service = domain.split(['.', ':']).next();
        let whole = path.strip_prefix('/')?;
        if service == Some("lambda-url") {
            return Some(Address::new(api_id, DEFAULT, whole, whole));
        }
        if service != Some("execute-api") {
            return None;
        }
        let (stage, path) = first(whole);
        Some(Address::new(api_id, stage, path, whole))
    }

    fn by_path(path: &str) -> Option<Address> {
        if let Some(rest) = path.strip_prefix("/restapis/") {
            let (api_id, rest) = rest.split_once('/')?;
            let (stage, rest) = rest.split_once('/')?;
            let (marker, path) = first(rest);
            return (marker == "_user_request_").then(|| Address::new(api_id, stage, path, path));
        }
        if let Some(rest) = path.strip_prefix("/_aws/lambda-url/") {
            let (id, whole) = first(rest);
            return Some(Address::new(id, DEFAULT, whole, whole));
        }
        let (api_id, whole) = path.strip_prefix("/_aws/execute-api/")?.split_once('/')?;
        let (stage, path) = first(whole);
        Some(Address::new(api_id, stage, path, whole))
    }

    fn new(api_id: &str, stage: &str, path: &str, whole: &str) -> Address {
        // A client may have encoded the dollar.
        let stage = stage.replace("%24", "$");
        Address { api_id: api_id.to_owned(), stage, path: format!("/{path}"), whole: format!("/{whole}") }
    }

    /// The API that is meant, and the path within it: of the named stage, else of `$default`.
    pub(crate) fn api<'a>(&'a self, apis: &'a [Api]) -> Option<(&'a Api, &'a str)> {
        let at = |stage: &str| apis.iter().find(|api| api.id() == self.api_id && api.stage() == stage);
        match at(&self.stage) {
            Some(api) => Some((api, &self.path)),
            None => at(DEFAULT).map(|api| (api, self.whole.as_str())),
        }
    }
}

/// The first segment and what follows its slash.
fn first(path: &str) -> (&str, &str) {
    path.split_once('/').unwrap_or((path, ""))
}
