//! SNS, which speaks AWS's older query protocol: a form in, XML out.

use aws_client::xml;
use aws_protocol::Response;
use engine::Task;
use interpreter::{Failure, Payload};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::json::as_text;
use super::sdk::{Refusal, Sdk, request_id_of};
use super::{Shared, There, bad_parameters};

pub const OPTIMIZED: Sdk = Sdk::One { prefix: "SNS", client: "AmazonSNS" };
pub const SDK: Sdk = Sdk::Two("Sns");

const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub async fn publish(shared: &Shared, task: &Task, sdk: Sdk) -> Result<Payload, Failure> {
    let form = form(task.input.value())?;
    let headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let answer = shared
        .post(task, There { variable: "SNS", signed_as: "sns", operation: "Publish" }, sdk, &headers, form.into())
        .await?;
    members(sdk, &answer).map(|members| sdk.output(members, &answer))
}

/// The members of Publish as a form. What is not text in a definition is JSON, which becomes text.
fn form(parameters: &Value) -> Result<String, Failure> {
    let Value::Object(members) = parameters else {
        return Err(bad_parameters(parameters, "Parameters must be an object"));
    };
    let mut form = vec!["Action=Publish".to_owned(), "Version=2010-03-31".to_owned()];
    for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
        match (name.as_str(), value) {
            ("MessageAttributes", Value::Object(attributes)) => form.extend(attributes_of(attributes)),
            _ => form.push(pair(name, value)),
        }
    }
    Ok(form.join("&"))
}

fn attributes_of(attributes: &Map<String, Value>) -> Vec<String> {
    let mut pairs = Vec::new();
    for (number, (name, value)) in attributes.iter().enumerate() {
        let entry = format!("MessageAttributes.entry.{}", number + 1);
        pairs.push(pair(&format!("{entry}.Name"), &name.as_str().into()));
        for (member, value) in value.as_object().into_iter().flatten() {
            pairs.push(pair(&format!("{entry}.Value.{member}"), value));
        }
    }
    pairs
}

fn pair(name: &str, value: &Value) -> String {
    let value = as_text(value);
    let escape = |text| utf8_percent_encode(text, ESCAPED);
    format!("{}={}", escape(name), escape(value.as_str().unwrap_or_default()))
}

fn members(sdk: Sdk, answer: &Response) -> Result<Map<String, Value>, Failure> {
    let text = String::from_utf8_lossy(answer.body());
    if !answer.status().is_success() {
        return Err(sdk.failure(&refusal(answer, &text), &[]));
    }
    let found = xml::records(&text, "PublishResult", ["MessageId", "SequenceNumber"]);
    let found = found.ok().and_then(|mut all| all.pop());
    let [message, sequence] = found.ok_or_else(|| sdk.unreachable("the answer is not a PublishResponse"))?;
    let named = [("MessageId", message), ("SequenceNumber", sequence)];
    Ok(named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect())
}

fn refusal(answer: &Response, text: &str) -> Refusal {
    let error = xml::records(text, "Error", ["Code", "Message"]).ok().and_then(|mut all| all.pop());
    let about = xml::records(text, "ErrorResponse", ["RequestId"]).ok().and_then(|mut all| all.pop());
    let [code, message] = error.unwrap_or_default();
    Refusal {
        code: code.unwrap_or_else(|| "UnknownError".into()),
        message: message.unwrap_or_else(|| text.to_owned()),
        status: answer.status().as_u16(),
        request_id: about.and_then(|[id]| id).unwrap_or_else(|| request_id_of(answer.headers())),
        extended_request_id: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn forms() {
        let check = |parameters: Value, expect: &str| {
            assert_eq!(form(&parameters).unwrap(), format!("Action=Publish&Version=2010-03-31{expect}"));
        };
        check(json!({ "TopicArn": "arn:a", "Message": "Hello you" }), "&TopicArn=arn%3Aa&Message=Hello%20you");
        check(json!({ "Message": { "a": 1 }, "Subject": null }), "&Message=%7B%22a%22%3A1%7D");
        check(
            json!({ "MessageAttributes": { "n": { "DataType": "String", "StringValue": "v" } } }),
            "&MessageAttributes.entry.1.Name=n&MessageAttributes.entry.1.Value.DataType=String\
             &MessageAttributes.entry.1.Value.StringValue=v",
        );
    }

    #[test]
    fn answers() {
        let answer =
            |status: u16, body: &str| http::Response::builder().status(status).body(body.to_owned().into()).unwrap();
        let published = "<PublishResponse xmlns=\"x\"><PublishResult><MessageId>M</MessageId></PublishResult>\
                         <ResponseMetadata><RequestId>R</RequestId></ResponseMetadata></PublishResponse>";
        let members = members(OPTIMIZED, &answer(200, published)).unwrap();
        assert_eq!(Value::Object(members), json!({ "MessageId": "M" }));
        let refused = "<ErrorResponse><Error><Type>Sender</Type><Code>NotFound</Code><Message>Topic does not exist\
                       </Message></Error><RequestId>R</RequestId></ErrorResponse>";
        let cause = "Topic does not exist (Service: AmazonSNS; Status Code: 404; Error Code: NotFound; Request ID: R; \
                     Proxy: null)";
        let failure = super::members(OPTIMIZED, &answer(404, refused)).unwrap_err();
        assert_eq!(failure, Failure::new("SNS.NotFoundException", cause));
        let odd = super::members(SDK, &answer(200, "{}")).unwrap_err();
        assert_eq!(odd.error.as_deref(), Some("Sns.SdkClientException"));
    }
}
