//! What an answer says: members as Step Functions shows them, or an error of the service.

use aws_client::time;
use aws_client::xml::{self, Element};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Response};
use serde_json::{Map, Number, Value};

use crate::table::{Form, Member, Operation, Place, Protocol, Service, Shape, Type};

/// How moments and members are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Milliseconds, and members as the API has them: as the SDK for Java of version 1.
    Millis,
    /// Written out: as that of version 2.
    Written,
}

/// An error as a service answers it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The service's own name for it.
    pub code: String,
    pub message: String,
    /// If it is in the document.
    pub request_id: Option<String>,
}

impl Operation {
    /// The members of a success. The error says why they cannot be read.
    pub fn answer(&self, answer: &Response<Bytes>, times: Times) -> Result<Map<String, Value>, String> {
        let read = Read { service: self.service, times };
        let members = self.service.members(self.output());
        let text = || std::str::from_utf8(answer.body()).map_err(|_| "the answer is not text".to_owned());
        match self.service.protocol {
            Protocol::Json => read.json_body(self.output(), answer.body()),
            Protocol::RestJson | Protocol::RestXml => {
                let mut shown = read.around(members, answer)?;
                let payload = members.iter().find(|member| member.is_payload);
                let is_empty = answer.body().is_empty();
                match (payload, self.service.protocol) {
                    (Some(Member { kind: Type::Bytes | Type::Text, .. }), _) if is_empty => {}
                    (Some(member @ Member { kind: Type::Bytes | Type::Text, .. }), _) => {
                        let text = String::from_utf8_lossy(answer.body()).into_owned();
                        shown.insert(read.name(member), text.into());
                    }
                    (_, _) if is_empty => {}
                    (Some(member), Protocol::RestJson) => {
                        let value = serde_json::from_slice(answer.body()).map_err(|error| not_json(&error))?;
                        shown.insert(read.name(member), read.json(member.kind, value));
                    }
                    (Some(member), _) => {
                        let root = xml::tree(text()?)?;
                        shown.insert(read.name(member), read.xml(member.kind, &root)?);
                    }
                    (None, Protocol::RestJson) => {
                        let body = read.json_body(self.output(), answer.body())?;
                        shown.extend(body);
                    }
                    (None, _) => shown.extend(read.xml_members(members, &xml::tree(text()?)?)?),
                }
                Ok(shown)
            }
            Protocol::Query | Protocol::Ec2 => {
                if members.is_empty() {
                    return Ok(Map::new());
                }
                let root = xml::tree(text()?)?;
                let result = root.children.iter().find(|child| child.name == format!("{}Result", self.name()));
                if !root.name.ends_with("Response") {
                    return Err(format!("the answer is not a {}Response", self.name()));
                }
                read.xml_members(members, result.unwrap_or(&root))
            }
        }
    }

    /// An error that was answered.
    pub fn refusal(&self, answer: &Response<Bytes>) -> Refusal {
        match self.service.protocol {
            Protocol::Json | Protocol::RestJson => json_refusal(answer),
            _ => xml_refusal(answer),
        }
    }
}

fn not_json(error: &serde_json::Error) -> String {
    format!("the answer is not a JSON object: {error}")
}

fn json_refusal(answer: &Response<Bytes>) -> Refusal {
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let header = header(answer.headers(), "x-amzn-errortype");
    let name = body["__type"].as_str().or(header).or(body["code"].as_str()).or(body["Code"].as_str());
    // It may have a namespace before it and a URL behind it.
    let name = name.unwrap_or("UnknownError").rsplit('#').next().unwrap_or_default();
    let name = name.split(':').next().unwrap_or_default();
    let message = body["message"].as_str().or(body["Message"].as_str()).or(body["errorMessage"].as_str());
    Refusal {
        code: name.to_owned(),
        message: message.map_or_else(|| String::from_utf8_lossy(answer.body()).into_owned(), str::to_owned),
        request_id: None,
    }
}

fn xml_refusal(answer: &Response<Bytes>) -> Refusal {
    let text = String::from_utf8_lossy(answer.body());
    let error = xml::records(&text, "Error", ["Code", "Message"]).ok().and_then(|mut all| all.pop());
    let [code, message] = error.unwrap_or_default();
    let about =
        |parent: &str, name| xml::records(&text, parent, [name]).ok().and_then(|mut all| all.pop()).and_then(|[id]| id);
    Refusal {
        code: code.unwrap_or_else(|| "UnknownError".into()),
        message: message.unwrap_or_else(|| text.clone().into_owned()),
        request_id: about("ErrorResponse", "RequestId")
            .or_else(|| about("Error", "RequestId"))
            .or_else(|| about("Response", "RequestID")),
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[derive(Clone, Copy)]
struct Read {
    service: &'static Service,
    times: Times,
}

impl Read {
    fn name(self, member: &Member) -> String {
        match self.times {
            Times::Written => member.shown.clone(),
            Times::Millis => {
                let mut name = member.wire.clone();
                name[..1].make_ascii_uppercase();
                name
            }
        }
    }

    /// Members that are not in the body.
    fn around(self, members: &[Member], answer: &Response<Bytes>) -> Result<Map<String, Value>, String> {
        let mut shown = Map::new();
        for member in members {
            let value = match member.place {
                Place::Status => Some(answer.status().as_u16().into()),
                Place::Header => match header(answer.headers(), &member.wire) {
                    Some(text) => Some(self.header(member.kind, text)?),
                    None => None,
                },
                Place::Headers => {
                    let prefix = member.wire.to_ascii_lowercase();
                    let with = answer.headers().iter().filter_map(|(name, value)| {
                        let name = name.as_str().strip_prefix(&prefix)?;
                        Some((name.to_owned(), value.to_str().ok()?.into()))
                    });
                    Some(Value::Object(with.collect()))
                }
                Place::Body | Place::Path | Place::Query => None,
            };
            if let Some(value) = value {
                shown.insert(self.name(member), value);
            }
        }
        Ok(shown)
    }

    fn header(self, kind: Type, text: &str) -> Result<Value, String> {
        match kind {
            Type::Json => {
                let json = STANDARD.decode(text).ok().and_then(|json| serde_json::from_slice(&json).ok());
                Ok(json.unwrap_or_else(|| text.into()))
            }
            Type::Shape(_) => Ok(text.split(',').map(|item| Value::from(item.trim())).collect()),
            Type::Time(Form::Usual) => Ok(self.moment(time::parse_http_date(text).map(|seconds| seconds * 1000), text)),
            kind => Ok(self.leaf(kind, text)),
        }
    }

    fn json_body(self, shape: Option<usize>, body: &[u8]) -> Result<Map<String, Value>, String> {
        if body.is_empty() {
            return Ok(Map::new());
        }
        let value: Map<String, Value> = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
        Ok(self.json_members(self.service.members(shape), value))
    }

    /// What the model has not got is left out, as the SDK does it.
    fn json_members(self, members: &[Member], mut values: Map<String, Value>) -> Map<String, Value> {
        let mut shown = Map::new();
        for member in members.iter().filter(|member| matches!(member.place, Place::Body | Place::Status)) {
            if let Some(value) = values.remove(&member.wire).filter(|value| !value.is_null()) {
                shown.insert(self.name(member), self.json(member.kind, value));
            }
        }
        shown
    }

    fn json(self, kind: Type, value: Value) -> Value {
        match (kind, value) {
            (Type::Time(_), Value::Number(seconds)) => {
                let millis = seconds.as_f64().map(|seconds| (seconds * 1000.0).round() as i64);
                self.moment(millis, &seconds.to_string())
            }
            (Type::Time(form), Value::String(text)) => self.leaf(Type::Time(form), &text),
            (Type::Bytes, Value::String(text)) => self.leaf(Type::Bytes, &text),
            (Type::Shape(shape), value) => match (&self.service.shapes[shape], value) {
                (Shape::Structure(members), Value::Object(values)) => Value::Object(self.json_members(members, values)),
                (Shape::List { item, .. }, Value::Array(items)) => {
                    items.into_iter().map(|value| self.json(*item, value)).collect()
                }
                (Shape::Map { value: kind, .. }, Value::Object(values)) => {
                    let each = values.into_iter().map(|(name, value)| (name, self.json(*kind, value)));
                    Value::Object(each.collect())
                }
                (_, value) => value,
            },
            (_, value) => value,
        }
    }

    fn xml_members(self, members: &[Member], element: &Element) -> Result<Map<String, Value>, String> {
        let mut shown = Map::new();
        for member in members.iter().filter(|member| member.place == Place::Body) {
            let mut found = element.children.iter().filter(|child| child.name == member.wire).peekable();
            let value = match member.kind {
                Type::Shape(shape) if member.is_flattened => match &self.service.shapes[shape] {
                    Shape::List { item, element: name } => {
                        // A flattened list is called as its member is, or as its elements are.
                        let items = element.children.iter().filter(|it| it.name == member.wire || it.name == *name);
                        let items: Vec<Value> =
                            items.map(|item_of| self.xml(*item, item_of)).collect::<Result<_, _>>()?;
                        (!items.is_empty()).then(|| items.into())
                    }
                    Shape::Map { .. } => match found.peek() {
                        Some(_) => Some(self.entries(shape, found)?),
                        None => None,
                    },
                    Shape::Structure(_) => found.next().map(|child| self.xml(member.kind, child)).transpose()?,
                },
                kind => found.next().map(|child| self.xml(kind, child)).transpose()?,
            };
            if let Some(value) = value {
                shown.insert(self.name(member), value);
            }
        }
        Ok(shown)
    }

    fn xml(self, kind: Type, element: &Element) -> Result<Value, String> {
        let Type::Shape(shape) = kind else { return Ok(self.leaf(kind, &element.text)) };
        match &self.service.shapes[shape] {
            Shape::Structure(members) => Ok(Value::Object(self.xml_members(members, element)?)),
            Shape::List { item, .. } => element.children.iter().map(|child| self.xml(*item, child)).collect(),
            Shape::Map { .. } => self.entries(shape, element.children.iter()),
        }
    }

    fn entries<'e>(self, shape: usize, entries: impl Iterator<Item = &'e Element>) -> Result<Value, String> {
        let Shape::Map { value, key_element, value_element } = &self.service.shapes[shape] else {
            return Ok(Value::Null);
        };
        let mut members = Map::new();
        for entry in entries {
            let child = |name: &str| entry.children.iter().find(|child| child.name == name);
            if let (Some(key), Some(of)) = (child(key_element), child(value_element)) {
                members.insert(key.text.clone(), self.xml(*value, of)?);
            }
        }
        Ok(Value::Object(members))
    }

    /// A text of a document or header as a value of its type. One that is not of it stays text.
    fn leaf(self, kind: Type, text: &str) -> Value {
        match kind {
            Type::Number => text.trim().parse::<Number>().map_or_else(|_| text.into(), Value::Number),
            Type::Flag => text.trim().parse::<bool>().map_or_else(|_| text.into(), Value::from),
            Type::Bytes => match STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
                Some(text) => text.into(),
                None => text.into(),
            },
            Type::Time(Form::Http) => self.moment(time::parse_http_date(text).map(|seconds| seconds * 1000), text),
            Type::Time(Form::Seconds) => self.moment(text.parse::<i64>().ok().map(|seconds| seconds * 1000), text),
            Type::Time(_) => self.moment(millis(text), text),
            _ => text.into(),
        }
    }

    fn moment(self, millis: Option<i64>, text: &str) -> Value {
        match (millis, self.times) {
            (None, _) => text.into(),
            (Some(millis), Times::Millis) => millis.into(),
            (Some(millis), Times::Written) => time::iso(millis).into(),
        }
    }
}

fn millis(text: &str) -> Option<i64> {
    let seconds = time::parse_iso(text)?;
    let fraction = text.split_once('.').map_or("", |(_, rest)| rest.trim_end_matches('Z'));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    Some(seconds * 1000 + digits.parse::<i64>().ok()?)
}
