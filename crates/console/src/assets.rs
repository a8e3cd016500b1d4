//! Style and scripts: written by hand, held by the binary, cached by the browser for as long as they are the same.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use http::{HeaderValue, StatusCode, header};

use crate::answer::{Body, whole};
use crate::{graph, guard};

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Name, type, text. A module is loaded by the page that names it.
static ASSETS: LazyLock<[(&str, &str, String); 5]> = LazyLock::new(|| {
    [
        ("console.css", CSS, include_str!("../assets/console.css").to_owned()),
        ("graph.css", CSS, graph::stylesheet()),
        ("theme.js", SCRIPT, include_str!("../assets/theme.js").to_owned()),
        ("console.js", SCRIPT, include_str!("../assets/console.js").to_owned()),
        ("graph.js", SCRIPT, include_str!("../assets/graph.js").to_owned()),
    ]
});

/// Changes when any of them does.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = DefaultHasher::new();
    ASSETS.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
});

/// The address of an asset.
pub fn address(name: &str) -> String {
    debug_assert!(ASSETS.iter().any(|(known, ..)| *known == name), "{name} is no asset");
    format!("/console/assets/{name}?{}", *VERSION)
}

pub fn response(name: &str, version: Option<&str>) -> http::Response<Body> {
    let Some((_, content_type, text)) = ASSETS.iter().find(|(known, ..)| *known == name) else {
        return guard::plain(StatusCode::NOT_FOUND, "There is no such file.\n");
    };
    let mut response = whole(StatusCode::OK, content_type, text.clone());
    if version == Some(VERSION.as_str()) {
        let caching = HeaderValue::from_static("public, max-age=31536000, immutable");
        response.headers_mut().insert(header::CACHE_CONTROL, caching);
    }
    response
}
