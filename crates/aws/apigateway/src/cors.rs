//! CORS as an HTTP API or a function's URL has it configured: preflights are answered before any route, and what a
//! backend says of CORS is replaced.
//!
//! A preflight is OPTIONS with `Origin` and `Access-Control-Request-Method`. One of an origin that is not allowed is
//! answered too, without a header that would allow anything.

use aws_protocol::{Request, Response};
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderName, HeaderValue, ORIGIN,
};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cors {
    pub allow_credentials: bool,
    pub allow_headers: Vec<String>,
    pub allow_methods: Vec<String>,
    /// `*`, `https://*`, or an origin each.
    pub allow_origins: Vec<String>,
    pub expose_headers: Vec<String>,
    pub max_age_seconds: Option<i64>,
}

/// All that speaks of CORS in an answer.
const HEADERS: &[HeaderName] = &[
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
];

impl Cors {
    /// The answer to a preflight; nothing if the request is none.
    pub fn preflight(&self, request: &Request) -> Option<Response> {
        let headers = request.headers();
        let is_preflight = request.method() == Method::OPTIONS
            && headers.contains_key(ORIGIN)
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        is_preflight.then(|| {
            let mut response = http::Response::new(Bytes::new());
            *response.status_mut() = StatusCode::NO_CONTENT;
            let max_age = self.max_age_seconds.map(|seconds| seconds.to_string()).unwrap_or_default();
            self.put(
                request,
                &mut response,
                &[
                    (ACCESS_CONTROL_ALLOW_METHODS, self.allow_methods.join(",")),
                    (ACCESS_CONTROL_ALLOW_HEADERS, self.allow_headers.join(",")),
                    (ACCESS_CONTROL_MAX_AGE, max_age),
                ],
            );
            response
        })
    }

    /// Replaces what the answer to a request says of CORS.
    pub fn mark(&self, request: &Request, response: &mut Response) {
        HEADERS.iter().for_each(|name| drop(response.headers_mut().remove(name)));
        self.put(request, response, &[]);
    }

    fn put(&self, request: &Request, response: &mut Response, further: &[(HeaderName, String)]) {
        let Some(origin) = request.headers().get(ORIGIN).and_then(|origin| self.allowed(origin)) else { return };
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.allow_credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        let exposed = (ACCESS_CONTROL_EXPOSE_HEADERS, self.expose_headers.join(","));
        for (name, value) in further.iter().chain([&exposed]) {
            if let Ok(value) = HeaderValue::try_from(value)
                && !value.is_empty()
            {
                headers.insert(name, value);
            }
        }
    }

    /// What `Access-Control-Allow-Origin` says to this origin. With credentials it must be the origin itself.
    fn allowed(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        let text = origin.to_str().ok()?;
        let fits = |allowed: &String| match allowed.strip_suffix("://*") {
            Some(scheme) => text.split_once("://").is_some_and(|(given, _)| given.eq_ignore_ascii_case(scheme)),
            None => allowed.eq_ignore_ascii_case(text),
        };
        match self.allow_origins.iter().any(|allowed| allowed == "*") {
            true if self.allow_credentials => Some(origin.clone()),
            true => Some(HeaderValue::from_static("*")),
            false => self.allow_origins.iter().any(fits).then(|| origin.clone()),
        }
    }
}
