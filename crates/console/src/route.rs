//! Which function answers which address: one table.
//!
//! `{}` stands for one part of a path, given decoded to [`Ask::name`]; so an ARN with a `/` in it is one part when it
//! is percent-encoded, as [`crate::ui::path`] does.

use http::Method;
use percent_encoding::percent_decode_str;

use crate::answer::Outcome;
use crate::ask::Ask;
use crate::pages::ROUTES;

pub type Run = fn(&Ask) -> Outcome;

pub struct Route {
    pub is_post: bool,
    pub pattern: &'static str,
    pub run: Run,
}

/// A page.
pub const fn get(pattern: &'static str, run: Run) -> Route {
    Route { is_post: false, pattern, run }
}

/// An action: a form that was sent.
pub const fn post(pattern: &'static str, run: Run) -> Route {
    Route { is_post: true, pattern, run }
}

pub enum Found {
    Route(Run, Vec<String>),
    OtherMethod,
    Nothing,
}

pub fn find(method: &Method, path: &str) -> Found {
    find_in(ROUTES, method, path)
}

fn find_in(routes: &[Route], method: &Method, path: &str) -> Found {
    let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    let mut found = Found::Nothing;
    for route in routes {
        let Some(names) = names(route.pattern, path) else { continue };
        if route.is_post == (method == Method::POST) {
            return Found::Route(route.run, names);
        }
        found = Found::OtherMethod;
    }
    found
}

fn names(pattern: &str, path: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(names),
            (Some("{}"), Some(part)) if !part.is_empty() => {
                names.push(percent_decode_str(part).decode_utf8_lossy().into_owned());
            }
            (Some(wanted), Some(given)) if wanted == given => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_paths() {
        let check = |pattern: &str, path: &str, expect: Option<&[&str]>| {
            let found = names(pattern, path);
            let found: Option<Vec<&str>> = found.as_ref().map(|names| names.iter().map(String::as_str).collect());
            assert_eq!(found.as_deref(), expect, "{path}");
        };
        check("/console/machines", "/console/machines", Some(&[]));
        check("/console/machines/{}", "/console/machines/arn:a%2Fb", Some(&["arn:a/b"]));
        check("/console/machines/{}", "/console/machines/", None);
        check("/console/machines/{}", "/console/machines/a/b", None);
        check("/console/{}/x", "/console/a/x", Some(&["a"]));
    }

    #[test]
    fn methods() {
        let is = |method: Method, path: &str| match find(&method, path) {
            Found::Route(..) => "route",
            Found::OtherMethod => "other method",
            Found::Nothing => "nothing",
        };
        assert_eq!(is(Method::GET, "/"), "route");
        assert_eq!(is(Method::GET, "/console"), "route");
        assert_eq!(is(Method::GET, "/console/"), "route");
        assert_eq!(is(Method::POST, "/console"), "other method");
        assert_eq!(is(Method::GET, "/console/nothing/here"), "nothing");
    }

    #[test]
    fn no_address_has_two_pages() {
        for (at, route) in ROUTES.iter().enumerate() {
            let same = |other: &Route| other.pattern == route.pattern && other.is_post == route.is_post;
            assert!(!ROUTES[at + 1..].iter().any(same), "{}", route.pattern);
        }
    }
}
