//! A request out of the parameters of a task.
//!
//! Names are taken as Step Functions has them, as the API has them, and in whatever case. Where a service wants text or
//! bytes, any JSON may stand, and goes as JSON; text for bytes is base64, but as the whole body of a request, where it is JSON
//! too.

use aws_client::time;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Number, Value};

use crate::table::{Form, Member, Operation, Place, Protocol, Service, Shape, Type};

const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Of a path that may have several parts.
const ESCAPED_PATH: &AsciiSet = &ESCAPED.remove(b'/');

/// A request that is not signed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub method: &'static str,
    /// Path and query, escaped.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

/// A member that has a value.
type Given<'a> = (&'static Member, &'a Value);

impl Operation {
    /// The request with these parameters. `token` is for a member that makes a request idempotent and was not given. The
    /// error says what is wrong with the parameters.
    pub fn request(&self, parameters: &Value, token: &str) -> Result<Sent, String> {
        let token = Value::from(token);
        let service = self.service;
        let mut given = service.given(self.input(), parameters, "Parameters")?;
        for member in service.members(self.input()).iter().filter(|member| member.is_token) {
            if !given.iter().any(|(known, _)| std::ptr::eq(*known, member)) {
                given.push((member, &token));
            }
        }
        match service.protocol {
            Protocol::Json => {
                let body = service.json_members(&given, "Parameters")?.to_string();
                let kind = format!("application/x-amz-json-{}", service.version);
                let target = format!("{}.{}", service.target, self.name());
                let headers = vec![("content-type".to_owned(), kind), ("x-amz-target".to_owned(), target)];
                Ok(Sent { method: "POST", target: "/".into(), headers, body: body.into() })
            }
            Protocol::Query | Protocol::Ec2 => {
                let mut form = vec![
                    ("Action".to_owned(), self.name().to_owned()),
                    ("Version".to_owned(), service.version.clone()),
                ];
                service.form_members(&mut form, "", &given)?;
                let kind = "application/x-www-form-urlencoded; charset=utf-8".to_owned();
                let headers = vec![("content-type".to_owned(), kind)];
                Ok(Sent { method: "POST", target: "/".into(), headers, body: joined(&form).into() })
            }
            Protocol::RestJson | Protocol::RestXml => self.rest(&given),
        }
    }

    fn rest(&self, given: &[Given<'_>]) -> Result<Sent, String> {
        let service = self.service;
        let (uri, fixed) = self.uri().split_once('?').unwrap_or((self.uri(), ""));
        let (mut path, mut query, mut headers) = (uri.to_owned(), Vec::new(), Vec::new());
        let mut inside: Vec<Given<'_>> = Vec::new();
        for (member, value) in given {
            match member.place {
                Place::Path => {
                    let text = plain(member.kind, value, Form::Iso)?;
                    let (one, many) = (format!("{{{}}}", member.wire), format!("{{{}+}}", member.wire));
                    if text.is_empty() {
                        return Err(format!("{} must not be empty", member.shown));
                    }
                    path = path.replace(&one, &utf8_percent_encode(&text, ESCAPED).to_string());
                    path = path.replace(&many, &utf8_percent_encode(&text, ESCAPED_PATH).to_string());
                }
                Place::Query => service.query_pairs(&mut query, member, value)?,
                Place::Header => headers.push((member.wire.to_ascii_lowercase(), service.header(member.kind, value)?)),
                Place::Headers => {
                    for (name, value) in value.as_object().into_iter().flatten() {
                        headers.push((format!("{}{name}", member.wire).to_ascii_lowercase(), text_of(value)));
                    }
                }
                Place::Body | Place::Status => inside.push((member, value)),
            }
        }
        if let Some((_, missing)) = path.split_once('{') {
            let name = missing.split('}').next().unwrap_or_default().trim_end_matches('+');
            let shown = service.members(self.input()).iter().find(|it| it.place == Place::Path && it.wire == name);
            return Err(format!("The field \"{}\" is required but was missing", shown.map_or(name, |it| &it.shown)));
        }
        let (body, kind) = self.body(&inside)?;
        if let Some(kind) = kind
            && !headers.iter().any(|(name, _)| name == "content-type")
        {
            headers.push(("content-type".to_owned(), kind.to_owned()));
        }
        let query = [fixed.to_owned(), joined(&query)];
        let query: Vec<String> = query.into_iter().filter(|part| !part.is_empty()).collect();
        let target = if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) };
        Ok(Sent { method: self.method(), target, headers, body })
    }

    /// What stands in the body, and its type.
    fn body(&self, inside: &[Given<'_>]) -> Result<(Bytes, Option<&'static str>), String> {
        let service = self.service;
        let is_json = service.protocol == Protocol::RestJson;
        let has_payload = service.members(self.input()).iter().any(|member| member.is_payload);
        if let Some((member, value)) = inside.iter().find(|(member, _)| member.is_payload) {
            return match (member.kind, is_json) {
                (Type::Text, _) => Ok((text_of(value).into(), Some("text/plain"))),
                (Type::Shape(_) | Type::Json, true) => {
                    let value = service.json(member.kind, value, &member.shown)?;
                    Ok((value.to_string().into(), Some("application/json")))
                }
                (Type::Shape(_), false) => {
                    let mut text = String::new();
                    service.xml(&mut text, &member.wire, &member.namespace, member, value)?;
                    Ok((text.into(), Some("application/xml")))
                }
                _ => Ok((value.to_string().into(), Some("application/octet-stream"))),
            };
        }
        if has_payload || (inside.is_empty() && matches!(self.method(), "GET" | "HEAD" | "DELETE")) {
            return Ok((Bytes::new(), None));
        }
        let takes_body = service.members(self.input()).iter().any(|member| member.place == Place::Body);
        match (is_json, takes_body) {
            (_, false) => Ok((Bytes::new(), None)),
            (false, _) if inside.is_empty() => Ok((Bytes::new(), None)),
            (true, true) => {
                let body = service.json_members(inside, "Parameters")?;
                Ok((body.to_string().into(), Some("application/json")))
            }
            (false, true) => {
                let (root, namespace) = self.root();
                let mut text = String::new();
                let root = if root.is_empty() { format!("{}Request", self.name()) } else { root.to_owned() };
                service.xml_members(&mut text, &root, namespace, inside)?;
                Ok((text.into(), Some("application/xml")))
            }
        }
    }
}

impl Service {
    /// The members of a structure that are given. Null is nothing.
    fn given<'a>(&'static self, shape: Option<usize>, value: &'a Value, at: &str) -> Result<Vec<Given<'a>>, String> {
        let Value::Object(values) = value else { return Err(format!("{at} must be an object")) };
        let members = self.members(shape);
        let find = |name: &str| {
            let is = |test: &dyn Fn(&Member) -> bool| members.iter().find(|member| test(member));
            is(&|member| member.shown == name)
                .or_else(|| is(&|member| member.wire == name))
                .or_else(|| is(&|member| member.shown.eq_ignore_ascii_case(name)))
                .or_else(|| is(&|member| member.wire.eq_ignore_ascii_case(name)))
        };
        let mut given = Vec::new();
        for (name, value) in values.iter().filter(|(_, value)| !value.is_null()) {
            let member =
                find(name).ok_or_else(|| format!("The field \"{name}\" is not supported by Step Functions"))?;
            given.push((member, value));
        }
        Ok(given)
    }

    fn json_members(&'static self, given: &[Given<'_>], at: &str) -> Result<Value, String> {
        let mut members = Map::new();
        for (member, value) in given {
            let at = format!("{at}.{}", member.shown);
            members.insert(member.wire.clone(), self.json(member.kind, value, &at)?);
        }
        Ok(Value::Object(members))
    }

    fn json(&'static self, kind: Type, value: &Value, at: &str) -> Result<Value, String> {
        Ok(match kind {
            Type::Text => text_of(value).into(),
            Type::Number => number(value),
            Type::Flag => flag(value),
            Type::Json => value.clone(),
            Type::Bytes => encoded(value).into(),
            Type::Time(Form::Iso | Form::Http) => text_of(value).into(),
            Type::Time(_) => seconds(value),
            Type::Shape(shape) => match &self.shapes[shape] {
                Shape::Structure(_) => self.json_members(&self.given(Some(shape), value, at)?, at)?,
                Shape::List { item, .. } => {
                    let items = list(value, at)?;
                    Value::Array(items.iter().map(|value| self.json(*item, value, at)).collect::<Result<_, _>>()?)
                }
                Shape::Map { value: kind, .. } => {
                    let Value::Object(members) = value else { return Err(format!("{at} must be an object")) };
                    let each = |(name, value): (&String, &Value)| Ok((name.clone(), self.json(*kind, value, at)?));
                    Value::Object(members.iter().map(each).collect::<Result<Map<_, _>, String>>()?)
                }
            },
        })
    }

    fn form_members(
        &'static self,
        form: &mut Vec<(String, String)>,
        prefix: &str,
        given: &[Given<'_>],
    ) -> Result<(), String> {
        for (member, value) in given {
            let mut name = member.wire.clone();
            if self.protocol == Protocol::Ec2 {
                name[..1].make_ascii_uppercase();
            }
            let name = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
            self.form(form, &name, member.kind, member.is_flattened, value)?;
        }
        Ok(())
    }

    fn form(
        &'static self,
        form: &mut Vec<(String, String)>,
        name: &str,
        kind: Type,
        is_flattened: bool,
        value: &Value,
    ) -> Result<(), String> {
        let Type::Shape(shape) = kind else {
            form.push((name.to_owned(), plain(kind, value, Form::Iso)?));
            return Ok(());
        };
        match &self.shapes[shape] {
            Shape::Structure(_) => self.form_members(form, name, &self.given(Some(shape), value, name)?),
            Shape::List { item, element } => {
                let items = list(value, name)?;
                if items.is_empty() && self.protocol == Protocol::Query {
                    form.push((name.to_owned(), String::new()));
                }
                // A flattened list is called as its elements are.
                let base = match (is_flattened, self.protocol, name.rsplit_once('.')) {
                    (_, Protocol::Ec2, _) => name.to_owned(),
                    (false, ..) => format!("{name}.{element}"),
                    (true, ..) if element == "member" => name.to_owned(),
                    (true, _, Some((prefix, _))) => format!("{prefix}.{element}"),
                    (true, _, None) => element.clone(),
                };
                for (at, value) in items.iter().enumerate() {
                    self.form(form, &format!("{base}.{}", at + 1), *item, false, value)?;
                }
                Ok(())
            }
            Shape::Map { value: kind, key_element, value_element } => {
                let Value::Object(members) = value else { return Err(format!("{name} must be an object")) };
                let base = if is_flattened { name.to_owned() } else { format!("{name}.entry") };
                for (at, (key, value)) in members.iter().enumerate() {
                    let base = format!("{base}.{}", at + 1);
                    form.push((format!("{base}.{key_element}"), key.clone()));
                    self.form(form, &format!("{base}.{value_element}"), *kind, false, value)?;
                }
                Ok(())
            }
        }
    }

    fn query_pairs(
        &'static self,
        query: &mut Vec<(String, String)>,
        member: &Member,
        value: &Value,
    ) -> Result<(), String> {
        let Type::Shape(shape) = member.kind else {
            query.push((member.wire.clone(), plain(member.kind, value, Form::Iso)?));
            return Ok(());
        };
        match &self.shapes[shape] {
            Shape::List { item, .. } => {
                for value in list(value, &member.shown)? {
                    query.push((member.wire.clone(), plain(*item, value, Form::Iso)?));
                }
            }
            // A map is pairs by itself.
            _ => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                    query.extend(values.iter().map(|value| (name.clone(), text_of(value))));
                }
            }
        }
        Ok(())
    }

    fn header(&'static self, kind: Type, value: &Value) -> Result<String, String> {
        match kind {
            Type::Json => Ok(STANDARD.encode(value.to_string())),
            Type::Shape(shape) => match &self.shapes[shape] {
                Shape::List { item, .. } => {
                    let items = list(value, "a header")?.iter().map(|value| plain(*item, value, Form::Http));
                    Ok(items.collect::<Result<Vec<_>, _>>()?.join(","))
                }
                _ => Ok(value.to_string()),
            },
            kind => plain(kind, value, Form::Http),
        }
    }

    fn xml_members(
        &'static self,
        text: &mut String,
        element: &str,
        namespace: &str,
        given: &[Given<'_>],
    ) -> Result<(), String> {
        text.push_str(&format!("<{element}"));
        if !namespace.is_empty() {
            text.push_str(&format!(" xmlns=\"{namespace}\""));
        }
        for (member, value) in given.iter().filter(|(member, _)| member.is_attribute) {
            // There is one: the type of a grantee.
            text.push_str(" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"");
            text.push_str(&format!(" {}=\"{}\"", member.wire, escaped(&text_of(value))));
        }
        text.push('>');
        for (member, value) in given.iter().filter(|(member, _)| !member.is_attribute) {
            self.xml(text, &member.wire, "", member, value)?;
        }
        text.push_str(&format!("</{element}>"));
        Ok(())
    }

    fn xml(
        &'static self,
        text: &mut String,
        element: &str,
        namespace: &str,
        member: &Member,
        value: &Value,
    ) -> Result<(), String> {
        self.element(text, element, namespace, (member.kind, member.is_flattened), value)
    }

    fn element(
        &'static self,
        text: &mut String,
        name: &str,
        namespace: &str,
        (kind, is_flattened): (Type, bool),
        value: &Value,
    ) -> Result<(), String> {
        let Type::Shape(shape) = kind else {
            text.push_str(&format!("<{name}>{}</{name}>", escaped(&plain(kind, value, Form::Iso)?)));
            return Ok(());
        };
        match &self.shapes[shape] {
            Shape::Structure(_) => self.xml_members(text, name, namespace, &self.given(Some(shape), value, name)?),
            Shape::List { item, element } => {
                let items = list(value, name)?;
                if is_flattened {
                    return items.iter().try_for_each(|value| self.element(text, name, "", (*item, false), value));
                }
                text.push_str(&format!("<{name}>"));
                items.iter().try_for_each(|value| self.element(text, element, "", (*item, false), value))?;
                text.push_str(&format!("</{name}>"));
                Ok(())
            }
            Shape::Map { value: kind, key_element, value_element } => {
                let Value::Object(members) = value else { return Err(format!("{name} must be an object")) };
                let entry = if is_flattened { name } else { "entry" };
                if !is_flattened {
                    text.push_str(&format!("<{name}>"));
                }
                for (key, value) in members {
                    text.push_str(&format!("<{entry}><{key_element}>{}</{key_element}>", escaped(key)));
                    self.element(text, value_element, "", (*kind, false), value)?;
                    text.push_str(&format!("</{entry}>"));
                }
                if !is_flattened {
                    text.push_str(&format!("</{name}>"));
                }
                Ok(())
            }
        }
    }
}

fn list<'v>(value: &'v Value, at: &str) -> Result<&'v [Value], String> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| format!("{at} must be a list"))
}

fn joined(pairs: &[(String, String)]) -> String {
    let escape = |text| utf8_percent_encode(text, ESCAPED);
    let pairs = pairs.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// JSON where a service wants text.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// JSON where a service wants bytes; text is base64 already.
fn encoded(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => STANDARD.encode(other.to_string()),
    }
}

fn number(value: &Value) -> Value {
    match value {
        Value::String(text) => text.parse::<Number>().map_or_else(|_| value.clone(), Value::Number),
        other => other.clone(),
    }
}

fn flag(value: &Value) -> Value {
    match value.as_str() {
        Some("true" | "True") => true.into(),
        Some("false" | "False") => false.into(),
        _ => value.clone(),
    }
}

/// A moment as seconds since 1970; what cannot be read goes as it is, for the service to refuse.
fn seconds(value: &Value) -> Value {
    match value.as_str().and_then(millis_of) {
        Some(millis) if millis % 1000 == 0 => (millis / 1000).into(),
        Some(millis) => (millis as f64 / 1000.0).into(),
        None => value.clone(),
    }
}

/// Milliseconds since 1970 of a moment as it is written in definitions.
fn millis_of(text: &str) -> Option<i64> {
    let seconds = time::parse_iso(text)?;
    let fraction = text.split_once('.').map_or("", |(_, rest)| rest.trim_end_matches('Z'));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    Some(seconds * 1000 + digits.parse::<i64>().ok()?)
}

/// A value that is text on the wire. A moment has this form unless its member says otherwise.
fn plain(kind: Type, value: &Value, usual: Form) -> Result<String, String> {
    let Type::Time(form) = kind else {
        return Ok(if kind == Type::Bytes { encoded(value) } else { text_of(value) });
    };
    let millis = match value {
        Value::Number(seconds) => seconds.as_f64().map(|seconds| (seconds * 1000.0) as i64),
        value => value.as_str().and_then(millis_of),
    };
    let millis = millis.ok_or_else(|| format!("{value} is not a moment, such as 2026-11-26T20:00:00Z"))?;
    Ok(match if form == Form::Usual { usual } else { form } {
        Form::Http => time::http_date(millis.div_euclid(1000)),
        Form::Seconds => millis.div_euclid(1000).to_string(),
        _ => time::iso(millis),
    })
}
