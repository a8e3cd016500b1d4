//! A request as a page function sees it: names out of the path, the query, the fields of a form.

use bytes::Bytes;
use percent_encoding::percent_decode_str;

use crate::console::Console;

/// Where the command line looks when nobody says where.
const USUAL_ENDPOINT: &str = "http://127.0.0.1:4566";

pub struct Ask {
    pub console: Console,
    /// What stands for the `{}` of the route, decoded.
    names: Vec<String>,
    query: Fields,
    form: Fields,
}

/// Fields of a query or a form, in their order.
#[derive(Debug, Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    pub fn parse(text: &str) -> Fields {
        let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Fields(
            pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(n, v)| (decode(n), decode(v))).collect(),
        )
    }

    /// The value of a field that is there and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        found.filter(|value| !value.is_empty())
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }
}

impl Ask {
    pub(crate) fn new(console: Console, parts: &http::request::Parts, names: Vec<String>, body: &Bytes) -> Ask {
        let query = Fields::parse(parts.uri.query().unwrap_or_default());
        let form = Fields::parse(&String::from_utf8_lossy(body));
        Ask { console, names, query, form }
    }

    /// What stands for the n-th `{}` of the route.
    pub fn name(&self, at: usize) -> &str {
        self.names.get(at).map(String::as_str).unwrap_or_default()
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name)
    }

    pub fn query_number(&self, name: &str) -> Option<u64> {
        self.query.number(name)
    }

    /// A field of the posted form.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.form.get(name)
    }

    /// A command of AWS's tool, aimed at this Ithaca: `service operation` and its arguments.
    pub fn aws(&self, operation: &str, arguments: &str) -> String {
        aws(&self.console.endpoint, operation, arguments)
    }

    /// A command of our own, aimed at this Ithaca.
    pub fn ithaca(&self, command: &str) -> String {
        ithaca(&self.console.endpoint, command)
    }

    /// The part of the page that a script wants anew, if it is one that asks.
    pub fn part(&self) -> Option<&str> {
        self.query.get("part")
    }
}

fn aws(endpoint: &str, operation: &str, arguments: &str) -> String {
    let between = if arguments.is_empty() { "" } else { " " };
    format!("aws {operation} --endpoint-url {endpoint}{between}{arguments}")
}

/// Short where the tool would find us anyway.
fn ithaca(endpoint: &str, command: &str) -> String {
    match endpoint == USUAL_ENDPOINT {
        true => format!("ithaca {command}"),
        false => format!("ithaca {command} --endpoint {endpoint}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        let elsewhere = "http://127.0.0.1:4600";
        assert_eq!(
            aws(elsewhere, "lambda list-functions", ""),
            "aws lambda list-functions --endpoint-url http://127.0.0.1:4600"
        );
        assert_eq!(aws(elsewhere, "a b", "--c d"), "aws a b --endpoint-url http://127.0.0.1:4600 --c d");
        assert_eq!(ithaca(elsewhere, "show x"), "ithaca show x --endpoint http://127.0.0.1:4600");
        assert_eq!(ithaca(USUAL_ENDPOINT, "show x"), "ithaca show x");
    }

    #[test]
    fn fields() {
        let check = |text: &str, name: &str, expect: Option<&str>| {
            assert_eq!(Fields::parse(text).get(name), expect, "{text}");
        };
        check("a=1&b=x+y%26", "b", Some("x y&"));
        check("a=1", "b", None);
        check("a=", "a", None);
        check("a&b=2", "b", Some("2"));
        check("a=%ff", "a", Some("\u{fffd}"));
        check("", "a", None);
    }
}
