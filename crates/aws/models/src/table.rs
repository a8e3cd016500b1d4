//! The table of a service: lines of text, read once.
//!
//! ```text
//!   PROTOCOL JAVA VARIABLE SIGNED_AS TARGET VERSION   the service; VERSION is the one of JSON, or of the API
//!   ! CODE CODE=EXCEPTION ...                         errors of its model, and what Java calls them if not CODE with `Exception`
//!   > NAME [METHOD URI] [<INPUT[=ROOT][!NAMESPACE]] [>OUTPUT] [-]    an operation; `-`: it is not signed
//!   ( MEMBER ...                                      shape 0 and so on: a structure
//!   [TYPE ELEMENT                                     a list
//!   {TYPE KEY,VALUE                                   a map
//!
//!   MEMBER   SHOWN[:TYPE][@MARKS][- or =WIRE][!NAMESPACE]    `-`: on the wire its first letter is small
//!   MARKS    u h p q c: in the path, a header, headers of a prefix, the query, the status code; * payload; f flattened;
//!            a attribute; i idempotency token
//!   TYPE     s text (if there is none), n number, b flag, x bytes, j JSON, t ti tr tu moment; or the number of a shape
//! ```

use std::collections::HashMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Json,
    RestJson,
    RestXml,
    Query,
    Ec2,
}

#[derive(Debug)]
pub struct Service {
    /// As in `aws-sdk:NAME:operation`.
    pub name: String,
    pub protocol: Protocol,
    /// As errors begin.
    pub java: String,
    /// The end of `AWS_ENDPOINT_URL_...`.
    pub variable: String,
    pub signed_as: String,
    pub(crate) target: String,
    pub(crate) version: String,
    /// Exceptions by code.
    errors: HashMap<String, String>,
    operations: Vec<Row>,
    pub(crate) shapes: Vec<Shape>,
}

#[derive(Debug)]
struct Row {
    name: String,
    method: String,
    uri: String,
    input: Option<usize>,
    root: String,
    namespace: String,
    output: Option<usize>,
    is_signed: bool,
}

/// An operation of a service.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    pub service: &'static Service,
    row: &'static Row,
}

#[derive(Debug)]
pub(crate) enum Shape {
    Structure(Vec<Member>),
    List { item: Type, element: String },
    Map { value: Type, key_element: String, value_element: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Text,
    Number,
    Flag,
    Bytes,
    Json,
    Time(Form),
    Shape(usize),
}

/// How a moment is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As the protocol has it at this place.
    Usual,
    Iso,
    Http,
    Seconds,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Body,
    Path,
    Header,
    /// Headers that begin with the member's name.
    Headers,
    Query,
    Status,
}

#[derive(Debug)]
pub(crate) struct Member {
    /// As Step Functions has it.
    pub shown: String,
    pub wire: String,
    pub kind: Type,
    pub place: Place,
    pub is_payload: bool,
    pub is_flattened: bool,
    pub is_attribute: bool,
    pub is_token: bool,
    pub namespace: String,
}

impl Service {
    /// Of an entry of the archive.
    pub(crate) fn read(name: &str, text: &str) -> Service {
        let mut lines = text.lines();
        let head: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
        let [protocol, java, variable, signed_as, target, version] = head[..] else {
            panic!("INVARIANT: the head of {name} has six words");
        };
        let mut service = Service {
            name: name.to_owned(),
            protocol: match protocol {
                "json" => Protocol::Json,
                "rest-json" => Protocol::RestJson,
                "rest-xml" => Protocol::RestXml,
                "query" => Protocol::Query,
                _ => Protocol::Ec2,
            },
            java: java.to_owned(),
            variable: variable.to_owned(),
            signed_as: signed_as.to_owned(),
            target: target.to_owned(),
            version: version.to_owned(),
            errors: HashMap::new(),
            operations: Vec::new(),
            shapes: Vec::new(),
        };
        for line in lines {
            let (kind, rest) = line.split_at(1);
            match kind {
                "!" => service.errors.extend(rest.split_whitespace().map(error)),
                ">" => service.operations.push(row(rest)),
                "(" => service.shapes.push(Shape::Structure(rest.split_whitespace().map(member).collect())),
                "[" => {
                    let (item, element) = rest.split_once(' ').unwrap_or((rest, "member"));
                    service.shapes.push(Shape::List { item: type_of(item), element: element.to_owned() });
                }
                _ => {
                    let (value, names) = rest.split_once(' ').unwrap_or((rest, ","));
                    let (key, element) = names.split_once(',').unwrap_or_default();
                    let or = |name: &str, usual: &str| if name.is_empty() { usual.to_owned() } else { name.to_owned() };
                    service.shapes.push(Shape::Map {
                        value: type_of(value),
                        key_element: or(key, "key"),
                        value_element: or(element, "value"),
                    });
                }
            }
        }
        service
    }

    /// An operation by its name in a resource, whose first letter is small.
    pub fn operation(&'static self, action: &str) -> Option<Operation> {
        let mut letters = action.chars();
        let first = letters.next()?;
        let is_it = |row: &&Row| {
            let mut name = row.name.chars();
            name.next().is_some_and(|letter| letter.eq_ignore_ascii_case(&first)) && name.as_str() == letters.as_str()
        };
        self.operations.iter().find(is_it).map(|row| Operation { service: self, row })
    }

    /// What the SDK for Java calls an error of this code, without the package; none if the service's model lacks it.
    pub fn exception(&self, code: &str) -> Option<&str> {
        self.errors.get(code).map(String::as_str)
    }

    /// Whether all shapes that are referred to are there; the number of operations.
    #[cfg(test)]
    pub(crate) fn check(&self) -> usize {
        let is_missing = |kind: &Type| matches!(kind, Type::Shape(shape) if *shape >= self.shapes.len());
        for shape in &self.shapes {
            let kinds: Vec<Type> = match shape {
                Shape::Structure(members) => members.iter().map(|member| member.kind).collect(),
                Shape::List { item, .. } => vec![*item],
                Shape::Map { value, .. } => vec![*value],
            };
            assert!(!kinds.iter().any(is_missing), "{}: {shape:?}", self.name);
        }
        for row in &self.operations {
            let mut shapes = [row.input, row.output].into_iter().flatten();
            assert!(shapes.all(|shape| shape < self.shapes.len()), "{}: {}", self.name, row.name);
        }
        self.operations.len()
    }

    pub(crate) fn members(&self, shape: Option<usize>) -> &[Member] {
        match shape.map(|shape| &self.shapes[shape]) {
            Some(Shape::Structure(members)) => members,
            _ => &[],
        }
    }
}

impl Operation {
    pub fn name(&self) -> &'static str {
        &self.row.name
    }

    pub fn is_signed(&self) -> bool {
        self.row.is_signed
    }

    pub(crate) fn method(&self) -> &'static str {
        &self.row.method
    }

    pub(crate) fn uri(&self) -> &'static str {
        &self.row.uri
    }

    pub(crate) fn input(&self) -> Option<usize> {
        self.row.input
    }

    pub(crate) fn output(&self) -> Option<usize> {
        self.row.output
    }

    /// The name of the document's root, and its namespace.
    pub(crate) fn root(&self) -> (&'static str, &'static str) {
        (&self.row.root, &self.row.namespace)
    }
}

fn error(word: &str) -> (String, String) {
    let (code, exception) = word.split_once('=').unwrap_or((word, ""));
    let exception = match exception {
        "" if code.ends_with("Exception") => code.to_owned(),
        "" => format!("{code}Exception"),
        exception => exception.to_owned(),
    };
    (code.to_owned(), exception)
}

fn row(rest: &str) -> Row {
    let mut words = rest.split_whitespace();
    let name = words.next().unwrap_or_default().to_owned();
    let mut row = Row {
        name,
        method: "POST".into(),
        uri: "/".into(),
        input: None,
        root: String::new(),
        namespace: String::new(),
        output: None,
        is_signed: true,
    };
    for word in words {
        let (first, rest) = word.split_at(1);
        match first {
            "<" => {
                let (rest, namespace) = rest.split_once('!').unwrap_or((rest, ""));
                let (shape, root) = rest.split_once('=').unwrap_or((rest, ""));
                (row.input, row.root, row.namespace) = (shape.parse().ok(), root.to_owned(), namespace.to_owned());
            }
            ">" => row.output = rest.parse().ok(),
            "-" => row.is_signed = false,
            "/" => row.uri = word.to_owned(),
            _ => row.method = word.to_owned(),
        }
    }
    row
}

fn member(word: &str) -> Member {
    let (word, namespace) = word.split_once('!').unwrap_or((word, ""));
    let (rest, wire) = match word.split_once('=') {
        Some((rest, wire)) => (rest, Some(wire.to_owned())),
        None => (word, None),
    };
    let (rest, is_small) = match rest.strip_suffix('-') {
        Some(rest) if wire.is_none() => (rest, true),
        _ => (rest, false),
    };
    let (rest, marks) = rest.split_once('@').unwrap_or((rest, ""));
    let (shown, kind) = rest.split_once(':').unwrap_or((rest, "s"));
    let place = marks.chars().find_map(|mark| match mark {
        'u' => Some(Place::Path),
        'h' => Some(Place::Header),
        'p' => Some(Place::Headers),
        'q' => Some(Place::Query),
        'c' => Some(Place::Status),
        _ => None,
    });
    Member {
        shown: shown.to_owned(),
        wire: wire.unwrap_or_else(|| if is_small { small(shown) } else { shown.to_owned() }),
        kind: type_of(kind),
        place: place.unwrap_or(Place::Body),
        is_payload: marks.contains('*'),
        is_flattened: marks.contains('f'),
        is_attribute: marks.contains('a'),
        is_token: marks.contains('i'),
        namespace: namespace.to_owned(),
    }
}

fn small(name: &str) -> String {
    let mut name = name.to_owned();
    name[..1].make_ascii_lowercase();
    name
}

fn type_of(text: &str) -> Type {
    match text {
        "s" => Type::Text,
        "n" => Type::Number,
        "b" => Type::Flag,
        "x" => Type::Bytes,
        "j" => Type::Json,
        "t" => Type::Time(Form::Usual),
        "ti" => Type::Time(Form::Iso),
        "tr" => Type::Time(Form::Http),
        "tu" => Type::Time(Form::Seconds),
        number => Type::Shape(number.parse().expect("INVARIANT: a type is a letter or the number of a shape")),
    }
}
