//! AWS's query protocol: a form in, XML out. CloudFormation and STS speak it.
//!
//! ```text
//!   Action=CreateStack&Version=2010-05-15&Parameters.member.1.ParameterKey=Size&Parameters.member.1.ParameterValue=1
//!   <CreateStackResponse xmlns="…"><CreateStackResult>…</CreateStackResult><ResponseMetadata>…</ResponseMetadata></…>
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::{HeaderMap, StatusCode};
use percent_encoding::percent_decode_str;

use crate::xml::Xml;
use crate::{Error, Request, Response, respond};

/// The content type of requests.
pub const FORM: &str = "application/x-www-form-urlencoded";
const XML: &str = "text/xml";

/// Where the front puts the id of a request, which is also in the body of its answer.
pub const REQUEST_ID: &str = "x-amzn-requestid";

/// The members of a request, or of one member of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form(BTreeMap<String, String>);

impl Form {
    /// Of the query of its address and the body together, as AWS takes both.
    pub fn of(request: &Request) -> Form {
        let mut form = Form::parse(request.uri().query().unwrap_or_default().as_bytes());
        form.0.extend(Form::parse(request.body()).0);
        form
    }

    pub fn parse(text: &[u8]) -> Form {
        let text = String::from_utf8_lossy(text);
        let decode = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        };
        Form(text.split('&').filter(|text| !text.is_empty()).map(pair).collect())
    }

    /// The operation that is asked for.
    pub fn action(&self) -> &str {
        self.get("Action").unwrap_or_default()
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    pub fn required(&self, name: &str) -> Result<&str, Error> {
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(|| {
            let field = name.char_indices().map(|(at, c)| if at == 0 { c.to_ascii_lowercase() } else { c });
            let field: String = field.collect();
            let message = format!(
                "1 validation error detected: Value null at '{field}' failed to satisfy constraint: Member must not be null"
            );
            Error::client("ValidationError", message)
        })
    }

    /// The members of a list, each with its own members; one that is a text has it under the name ``.
    pub fn list(&self, name: &str) -> Vec<Form> {
        let prefix = format!("{name}.member.");
        let mut members: BTreeMap<u64, Form> = BTreeMap::new();
        for (key, value) in self.0.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix)) {
            let rest = &key[prefix.len()..];
            let (number, member) = rest.split_once('.').unwrap_or((rest, ""));
            if let Ok(number) = number.parse() {
                members.entry(number).or_default().0.insert(member.to_owned(), value.clone());
            }
        }
        members.into_values().collect()
    }

    /// The members of a list of texts.
    pub fn texts(&self, name: &str) -> Vec<String> {
        self.list(name).into_iter().filter_map(|mut member| member.0.remove("")).collect()
    }
}

/// Is this a request of the protocol?
pub fn is_query(headers: &HeaderMap) -> bool {
    let content_type = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| value.starts_with(FORM))
}

fn request_id(headers: &HeaderMap) -> Cow<'_, str> {
    headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default().into()
}

/// The answer of an action.
pub fn answer(headers: &HeaderMap, space: &str, action: &str, fill: impl FnOnce(&mut Xml)) -> Response {
    let document = Xml::document(&format!("{action}Response"), Some(space), |xml| {
        xml.element(&format!("{action}Result"), fill);
        xml.element("ResponseMetadata", |xml| {
            xml.text("RequestId", request_id(headers));
        });
    });
    identified(headers, respond(StatusCode::OK, XML, document.finish()))
}

/// An answer has the id of its request, in its head too.
fn identified(headers: &HeaderMap, mut response: Response) -> Response {
    if let Some(id) = headers.get(REQUEST_ID) {
        response.headers_mut().insert(REQUEST_ID, id.clone());
    }
    response
}

pub fn error_answer(headers: &HeaderMap, space: &str, error: &Error) -> Response {
    let document = Xml::document("ErrorResponse", Some(space), |xml| {
        xml.element("Error", |xml| {
            let kind = if error.status.is_server_error() { "Receiver" } else { "Sender" };
            xml.text("Type", kind).text("Code", error.name).text("Message", &error.message);
        });
        xml.text("RequestId", request_id(headers));
    });
    identified(headers, respond(error.status, XML, document.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let form = Form::parse(
            b"Action=A&Tags.member.2.Key=b&Tags.member.10.Key=c+%26&Tags.member.1.Key=a&Names.member.1=x&Flag=True",
        );
        assert_eq!(form.action(), "A");
        let keys: Vec<String> = form.list("Tags").iter().map(|tag| tag.get("Key").unwrap().to_owned()).collect();
        assert_eq!(keys, ["a", "b", "c &"]);
        assert_eq!(form.texts("Names"), ["x"]);
        assert!(form.is_true("Flag") && !form.is_true("Names"));
        let missing = form.required("StackName").unwrap_err();
        assert!(missing.message.contains("'stackName' failed"), "{missing}");
        assert_eq!(Form::parse(b""), Form::default());
    }

    #[test]
    fn answers() {
        let headers =
            HeaderMap::from_iter([(http::HeaderName::from_static(REQUEST_ID), http::HeaderValue::from_static("id"))]);
        let said = |answer: Response| String::from_utf8(answer.into_body().to_vec()).unwrap();
        let done = said(answer(&headers, "urn:x", "Do", |xml| {
            xml.text("A", 1);
        }));
        assert!(done.ends_with("<DoResponse xmlns=\"urn:x\"><DoResult><A>1</A></DoResult><ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></DoResponse>"));
        let failed = said(error_answer(&headers, "urn:x", &Error::client("ValidationError", "no")));
        assert!(failed.contains("<Error><Type>Sender</Type><Code>ValidationError</Code><Message>no</Message></Error><RequestId>id</RequestId>"));
    }
}
