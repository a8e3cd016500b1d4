//! Who may ask the console, and what its answers allow a browser to do.
//!
//! The console acts for the person at the browser, and other people's pages are open in the same browser. So:
//!
//! - it is called by a name of this machine, or by an address: a foreign name that resolves to us (DNS rebinding) is
//!   refused even where Ithaca listens on the network;
//! - a request that says where it comes from must come from the console itself: exact `Origin`, `Sec-Fetch-Site`;
//! - what changes something must say so, and must bring back the key that only our own pages hold. The key is made
//!   anew at every start and stands in forms alone, so it travels in no cookie that another port would see;
//! - one thing is for other pages too: the drawing of a state machine or an execution, as an image. Whoever embeds it
//!   knows its ARN, and the browser lets that page show it, not read it;
//! - answers run no script and load nothing but ours, stand in no frame, and are kept in no cache.
//!
//! Pure but for the key's chance.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use crate::answer::{Body, whole};
use crate::ask::Fields;

/// The field of a form that holds the key.
pub const KEY_FIELD: &str = "key";

/// What only our own pages know.
pub struct Key(String);

impl Key {
    /// 128 bits from the operating system, by way of the standard library's hash keys.
    pub fn new() -> Key {
        let (first, second) = (RandomState::new().hash_one(1), RandomState::new().hash_one(2));
        Key(format!("{first:016x}{second:016x}"))
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    /// Takes as long whatever is wrong.
    fn is(&self, other: &str) -> bool {
        let differs = self.0.bytes().zip(other.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b));
        self.0.len() == other.len() && differs == 0
    }
}

impl Default for Key {
    fn default() -> Key {
        Key::new()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    ForeignHost,
    ForeignPage,
    NoOrigin,
    NoKey,
    OtherMethod,
}

impl Refusal {
    pub fn response(self) -> Response<Body> {
        let (status, text) = match self {
            Refusal::ForeignHost => (
                StatusCode::FORBIDDEN,
                "The console is called by localhost, by an address, or by a name of the local network.\n",
            ),
            Refusal::ForeignPage => (StatusCode::FORBIDDEN, "This request comes from another web page.\n"),
            Refusal::NoOrigin => (
                StatusCode::FORBIDDEN,
                "A form of the console must come from the console. Programs use the AWS protocol or the command line.\n",
            ),
            Refusal::NoKey => (
                StatusCode::FORBIDDEN,
                "This form is from before Ithaca was started. Nothing was done. Go back, load the page again, and repeat it.\n",
            ),
            Refusal::OtherMethod => (StatusCode::METHOD_NOT_ALLOWED, "The console takes GET and POST.\n"),
        };
        plain(status, text)
    }
}

pub fn plain(status: StatusCode, text: &str) -> Response<Body> {
    whole(status, "text/plain; charset=utf-8", text.to_owned())
}

/// May this request go on?
pub fn check(parts: &Parts, body: &[u8], key: &Key) -> Result<(), Refusal> {
    let host = text(&parts.headers, header::HOST).unwrap_or_default();
    if !is_near(host) {
        return Err(Refusal::ForeignHost);
    }
    let origin = text(&parts.headers, header::ORIGIN);
    let is_own = |origin: &str| {
        let authority = origin.strip_prefix("http://").or(origin.strip_prefix("https://"));
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    };
    if origin.is_some_and(|origin| !is_own(origin)) {
        return Err(Refusal::ForeignPage);
    }
    let site = parts.headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let is_navigation = parts.headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    let is_image = parts.headers.get("sec-fetch-dest").is_some_and(|dest| dest == "image");
    match parts.method {
        Method::GET | Method::HEAD => match site {
            None | Some(b"none" | b"same-origin") => Ok(()),
            // A link on another page may lead here: it changes nothing, and the other page sees nothing of it.
            Some(_) if is_navigation && origin.is_none() => Ok(()),
            // A drawing may be an image on another page, which can look at it and not read it.
            Some(_) if is_image && origin.is_none() && is_drawing(parts.uri.path()) => Ok(()),
            Some(_) => Err(Refusal::ForeignPage),
        },
        Method::POST => match site {
            Some(site) if site != b"same-origin" => Err(Refusal::ForeignPage),
            _ if origin.is_none() => Err(Refusal::NoOrigin),
            _ => {
                let form = Fields::parse(&String::from_utf8_lossy(body));
                if form.get(KEY_FIELD).is_some_and(|given| key.is(given)) { Ok(()) } else { Err(Refusal::NoKey) }
            }
        },
        _ => Err(Refusal::OtherMethod),
    }
}

/// The drawing of a state machine or an execution as a file.
fn is_drawing(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    matches!(parts[..], ["", "console", "machines" | "executions", _, "graph.svg"])
}

/// An address, or a name that no foreign DNS can give: of this machine or of the local network.
fn is_near(host: &str) -> bool {
    const LOCAL: [&str; 6] = [".localhost", ".local", ".lan", ".internal", ".home.arpa", ".docker.internal"];
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let name = name.to_ascii_lowercase();
    !name.is_empty()
        && (name.parse::<IpAddr>().is_ok() || !name.contains('.') || LOCAL.iter().any(|suffix| name.ends_with(suffix)))
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    // What cannot be read is not ours.
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Headers that every answer of the console has.
const HEADERS: [(&str, &str); 6] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    // Not `no-referrer`: it would make browsers hide the origin of our own forms.
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// A drawing as a file brings its own style, and may do nothing else.
const DRAWING_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox";

pub fn hardened(mut response: Response<Body>) -> Response<Body> {
    let is_drawing = response.headers().get(header::CONTENT_TYPE).is_some_and(|it| it == "image/svg+xml");
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if is_drawing {
        let policy = HeaderValue::from_static(DRAWING_POLICY);
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        let anybody = HeaderValue::from_static("cross-origin");
        response.headers_mut().insert("cross-origin-resource-policy", anybody);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: (&str, &str) = ("host", "localhost:4566");
    const OWN: (&str, &str) = ("origin", "http://localhost:4566");

    #[track_caller]
    fn check(method: &str, headers: &[(&str, &str)], has_key: bool, expect: Result<(), Refusal>) {
        check_at("/console", method, headers, has_key, expect);
    }

    #[track_caller]
    fn check_at(path: &str, method: &str, headers: &[(&str, &str)], has_key: bool, expect: Result<(), Refusal>) {
        let key = Key::new();
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let body = if has_key { format!("a=1&key={}", key.text()) } else { "a=1&key=0".to_owned() };
        assert_eq!(super::check(&parts, body.as_bytes(), &key), expect, "{method} {headers:?}");
    }

    #[test]
    fn who_may_read() {
        let foreign = Err(Refusal::ForeignPage);
        check("GET", &[HOST], false, Ok(()));
        check("HEAD", &[HOST], false, Ok(()));
        check("GET", &[HOST, OWN], false, Ok(()));
        check("GET", &[HOST, ("sec-fetch-site", "same-origin")], false, Ok(()));
        check("GET", &[HOST, ("sec-fetch-site", "none")], false, Ok(()));
        check("GET", &[HOST, ("origin", "http://evil.example")], false, foreign);
        check("GET", &[HOST, ("origin", "http://localhost:3000")], false, foreign);
        check("GET", &[HOST, ("origin", "null")], false, foreign);
        check("GET", &[HOST, ("sec-fetch-site", "cross-site")], false, foreign);
        check("GET", &[HOST, ("sec-fetch-site", "same-site"), ("sec-fetch-mode", "no-cors")], false, foreign);
        check("GET", &[HOST, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")], false, Ok(()));
    }

    #[test]
    fn drawings_on_other_pages() {
        let foreign = Err(Refusal::ForeignPage);
        let (site, image) = (("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "image"));
        let drawing = "/console/executions/arn:a/graph.svg";
        check_at(drawing, "GET", &[HOST, site, image], false, Ok(()));
        check_at("/console/machines/arn:a/graph.svg", "GET", &[HOST, site, image], false, Ok(()));
        check_at(drawing, "GET", &[HOST, site], false, foreign);
        check_at(drawing, "GET", &[HOST, site, ("sec-fetch-dest", "empty")], false, foreign);
        check_at(drawing, "GET", &[HOST, site, ("sec-fetch-dest", "iframe")], false, foreign);
        check_at(drawing, "GET", &[HOST, site, image, ("origin", "http://evil.example")], false, foreign);
        check_at(drawing, "GET", &[("host", "evil.example"), site, image], false, Err(Refusal::ForeignHost));
        check_at(drawing, "POST", &[HOST, site, image], true, foreign);
        for other in
            ["/console", "/console/executions/arn:a", "/console/executions/arn:a/events/graph.svg", "/graph.svg"]
        {
            check_at(other, "GET", &[HOST, site, image], false, foreign);
        }
    }

    #[test]
    fn who_may_act() {
        let foreign = Err(Refusal::ForeignPage);
        let same = ("sec-fetch-site", "same-origin");
        check("POST", &[HOST, OWN, same], true, Ok(()));
        check("POST", &[HOST, OWN], true, Ok(()));
        check("POST", &[HOST, OWN, same], false, Err(Refusal::NoKey));
        check("POST", &[HOST, same], true, Err(Refusal::NoOrigin));
        check("POST", &[HOST, ("origin", "http://localhost:3000"), ("sec-fetch-site", "same-site")], true, foreign);
        check("POST", &[HOST, OWN, ("sec-fetch-site", "cross-site")], true, foreign);
        check("POST", &[HOST, OWN, ("sec-fetch-site", "none")], true, foreign);
        check("PUT", &[HOST, OWN, same], true, Err(Refusal::OtherMethod));
    }

    #[test]
    fn names_of_hosts() {
        let check = |host: &str, expect: bool| assert_eq!(is_near(host), expect, "{host}");
        check("localhost:4566", true);
        check("127.0.0.1:4566", true);
        check("[::1]:4566", true);
        check("192.168.1.7", true);
        check("ithaca:4566", true);
        check("box.local:80", true);
        check("evil.example:4566", false);
        check("localhost.evil.example", false);
        check("", false);
    }
}
