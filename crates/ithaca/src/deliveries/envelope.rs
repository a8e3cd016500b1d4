//! What a function or a queue gets: the events that AWS's documentation shows ("Using Lambda with Amazon SQS", "Using
//! Lambda with Amazon SNS", "Amazon SNS message and JSON formats"). Signatures are empty: nothing here is signed.

use aws_client::time;
use aws_outbox::Message;
use aws_patterns::Pattern;
use md5::{Digest, Md5};
use serde_json::{Map, Value, json};

use super::{Delivery, Source, now_ms};

/// The event for a batch; with each message how often it was tried, this time included.
pub fn for_function(source: &Source, messages: &[(&Message, u32)]) -> Value {
    let records: Vec<Value> = messages
        .iter()
        .map(|(message, receives)| match source {
            Source::Queue(arn) | Source::Stream(arn) => queue_record(arn, message, *receives),
            Source::Topic(arn) => json!({
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": format!("{arn}:ithaca"),
                "Sns": notification(arn, message),
            }),
            // A target of a rule gets the event itself.
            Source::Rule(_) => event(message),
        })
        .collect();
    json!({ "Records": records })
}

/// The event of EventBridge that a message is: what a client gave PutEvents, or what this machine tells of itself.
pub fn event(message: &Message) -> Value {
    let sent = &message.message;
    // Bus and rule are named by ARNs with region and account.
    let mut parts = message.destination.split(':').skip(3);
    let (region, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let seconds = match &sent["Time"] {
        Value::Number(number) => number.as_f64().map(|seconds| seconds as i64 * 1000),
        Value::String(text) => time::parse_iso(text),
        _ => None,
    };
    let at = seconds.unwrap_or(message.at);
    json!({
        "version": "0",
        "id": message.message_id,
        "detail-type": sent["DetailType"],
        "source": sent["Source"],
        "account": account,
        "time": time::iso(at - at.rem_euclid(1000)).replace(".000", ""),
        "region": region,
        "resources": sent["Resources"].as_array().cloned().unwrap_or_default(),
        "detail": serde_json::from_str::<Value>(text(sent, "Detail")).unwrap_or_default(),
    })
}

/// The members of SendMessage for a topic's message that goes on to a queue.
pub fn for_queue(source: &Source, message: &Message, raw: bool) -> Value {
    let sent = &message.message;
    match raw {
        true => {
            let mut body = json!({ "MessageBody": text(sent, "Message") });
            if let Some(attributes) = sent.get("MessageAttributes") {
                body["MessageAttributes"] = attributes.clone();
            }
            body
        }
        false => {
            let mut notification = notification(source.arn(), message);
            if notification["MessageAttributes"].as_object().is_some_and(Map::is_empty) {
                notification.as_object_mut().map(|members| members.remove("MessageAttributes"));
            }
            json!({ "MessageBody": notification.to_string() })
        }
    }
}

/// Which messages a function says it did not take; none if it says nothing that can be understood, which is a failure of all.
pub fn failures(answer: &[u8]) -> Option<Vec<String>> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    match &answer["batchItemFailures"] {
        // An empty answer is a success of all.
        Value::Null => Some(Vec::new()),
        Value::Array(items) => {
            let ids = items.iter().map(|item| item["itemIdentifier"].as_str().filter(|id| !id.is_empty()));
            ids.map(|id| id.map(str::to_owned)).collect()
        }
        _ => None,
    }
}

/// Whether a delivery's filters let a message through. A queue's are about the record that the function gets, with the body as JSON if it is
/// JSON; a topic's about the attributes, or about the message; a rule's about the event.
pub fn is_meant(delivery: &Delivery, patterns: &[Pattern], message: &Message) -> bool {
    if patterns.is_empty() {
        return true;
    }
    let sent = &message.message;
    let parsed = |name: &str| serde_json::from_str(text(sent, name)).unwrap_or_else(|_| sent[name].clone());
    let about = match &delivery.source {
        Source::Topic(_) if delivery.filters_body => parsed("Message"),
        Source::Topic(_) => attributes_of_topic(&sent["MessageAttributes"]),
        Source::Rule(_) => event(message),
        Source::Queue(arn) | Source::Stream(arn) => {
            let mut record = queue_record(arn, message, 1);
            record["body"] = parsed("MessageBody");
            record
        }
    };
    patterns.iter().any(|pattern| pattern.matches(&about))
}

/// Attributes as filter policies see them: numbers and lists are what they say.
fn attributes_of_topic(attributes: &Value) -> Value {
    let each = |(name, attribute): (&String, &Value)| {
        let value = text(attribute, "StringValue");
        let typed = match text(attribute, "DataType").split('.').next().unwrap_or_default() {
            "Number" => serde_json::from_str(value).ok(),
            "String" if attribute["DataType"] == "String.Array" => serde_json::from_str(value).ok(),
            _ => None,
        };
        (name.clone(), typed.unwrap_or_else(|| value.into()))
    };
    Value::Object(attributes.as_object().into_iter().flatten().map(each).collect())
}

fn queue_record(arn: &str, message: &Message, receives: u32) -> Value {
    let sent = &message.message;
    let body = text(sent, "MessageBody");
    let mut attributes = json!({
        "ApproximateReceiveCount": receives.to_string(),
        "SentTimestamp": message.at.to_string(),
        "SenderId": "ITHACA",
        "ApproximateFirstReceiveTimestamp": now_ms().to_string(),
    });
    for (member, name) in [("MessageGroupId", "MessageGroupId"), ("MessageDeduplicationId", "MessageDeduplicationId")] {
        if let Some(value) = sent[member].as_str() {
            attributes[name] = value.into();
        }
    }
    if sent["MessageGroupId"].is_string() {
        attributes["SequenceNumber"] = format!("{:020}", message.number).into();
    }
    let digest = Md5::digest(body.as_bytes());
    json!({
        "messageId": message.message_id,
        "receiptHandle": format!("ithaca-{}", message.number),
        "body": body,
        "attributes": attributes,
        "messageAttributes": of_queue(&sent["MessageAttributes"]),
        "md5OfBody": digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": arn.split(':').nth(3).unwrap_or_default(),
    })
}

fn of_queue(attributes: &Value) -> Value {
    let each = |(name, attribute): (&String, &Value)| {
        let mut told = json!({ "stringListValues": [], "binaryListValues": [], "dataType": attribute["DataType"] });
        for (member, name) in [("StringValue", "stringValue"), ("BinaryValue", "binaryValue")] {
            if let Some(value) = attribute.get(member) {
                told[name] = value.clone();
            }
        }
        (name.clone(), told)
    };
    Value::Object(attributes.as_object().into_iter().flatten().map(each).collect())
}

fn notification(topic_arn: &str, message: &Message) -> Value {
    let sent = &message.message;
    let each = |(name, attribute): (&String, &Value)| {
        let value = attribute.get("StringValue").or(attribute.get("BinaryValue")).cloned().unwrap_or_default();
        (name.clone(), json!({ "Type": attribute["DataType"], "Value": value }))
    };
    let told: Map<String, Value> = sent["MessageAttributes"].as_object().into_iter().flatten().map(each).collect();
    json!({
        "Type": "Notification",
        "MessageId": message.message_id,
        "TopicArn": topic_arn,
        "Subject": sent.get("Subject"),
        "Message": text(sent, "Message"),
        "Timestamp": time::iso(message.at),
        "SignatureVersion": "1",
        "Signature": "",
        "SigningCertUrl": "",
        "UnsubscribeUrl": "",
        "MessageAttributes": told,
    })
}

fn text<'v>(members: &'v Value, name: &str) -> &'v str {
    members[name].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(service: &str, message: Value) -> Message {
        let text = |text: &str| text.to_owned();
        Message {
            number: 7,
            at: 1_795_720_000_000,
            service: text(service),
            operation: String::new(),
            destination: String::new(),
            message_id: text("id"),
            sender: aws_outbox::Sender::default(),
            message,
        }
    }

    #[test]
    fn a_batch_of_a_queue() {
        let source = Source::Queue("arn:aws:sqs:eu-west-1:000000000000:work".into());
        let sent = json!({ "MessageBody": "hello", "MessageGroupId": "g",
            "MessageAttributes": { "kind": { "DataType": "String", "StringValue": "hotel" } } });
        let event = for_function(&source, &[(&message("sqs", sent), 2)]);
        let record = &event["Records"][0];
        for (pointer, expect) in [
            ("/messageId", json!("id")),
            ("/body", json!("hello")),
            ("/md5OfBody", json!("5d41402abc4b2a76b9719d911017c592")),
            ("/attributes/ApproximateReceiveCount", json!("2")),
            ("/attributes/SentTimestamp", json!("1795720000000")),
            ("/attributes/SequenceNumber", json!("00000000000000000007")),
            ("/messageAttributes/kind/stringValue", json!("hotel")),
            ("/messageAttributes/kind/dataType", json!("String")),
            ("/eventSource", json!("aws:sqs")),
            ("/awsRegion", json!("eu-west-1")),
        ] {
            assert_eq!(record.pointer(pointer), Some(&expect), "{pointer}");
        }
    }

    #[test]
    fn a_message_of_a_topic() {
        let source = Source::Topic("arn:topic".into());
        let sent = json!({ "Message": "booked", "Subject": "s",
            "MessageAttributes": { "n": { "DataType": "Number", "StringValue": "1" } } });
        let message = message("sns", sent);
        let record = &for_function(&source, &[(&message, 1)])["Records"][0];
        assert_eq!(record["Sns"]["Message"], "booked");
        assert_eq!(record["Sns"]["MessageAttributes"]["n"], json!({ "Type": "Number", "Value": "1" }));
        assert_eq!(record["Sns"]["Timestamp"], time::iso(1_795_720_000_000));
        let body = for_queue(&source, &message, false);
        let told: Value = serde_json::from_str(body["MessageBody"].as_str().unwrap()).unwrap();
        assert_eq!((&told["Type"], &told["Message"]), (&json!("Notification"), &json!("booked")));
        let raw = for_queue(&source, &message, true);
        assert_eq!(
            (&raw["MessageBody"], &raw["MessageAttributes"]["n"]["StringValue"]),
            (&json!("booked"), &json!("1"))
        );
    }

    #[test]
    fn filters() {
        let (queue, topic) = (Source::Queue("arn:aws:sqs:x:0:q".into()), Source::Topic("arn:topic".into()));
        let with = |attributes: Value, body: &str| json!({ "Message": body, "MessageBody": body, "MessageAttributes": attributes });
        let hotel = json!({ "kind": { "DataType": "String", "StringValue": "hotel" }, "n": { "DataType": "Number", "StringValue": "5" },
            "all": { "DataType": "String.Array", "StringValue": "[\"a\",\"b\"]" } });
        for (source, filter, filters_body, expect) in [
            (&topic, json!({ "kind": ["hotel"], "n": [{ "numeric": [">", 4] }], "all": ["b"] }), false, true),
            (&topic, json!({ "kind": ["flight"] }), false, false),
            (&topic, json!({ "trip": { "to": ["Dublin"] } }), true, true),
            (&topic, json!({ "trip": { "to": ["Dublin"] } }), false, false),
            (&queue, json!({ "body": { "trip": { "to": ["Dublin"] } } }), false, true),
            (&queue, json!({ "body": { "trip": { "to": ["Rome"] } } }), false, false),
            (&queue, json!({ "messageAttributes": { "kind": { "stringValue": ["hotel"] } } }), false, true),
            (&queue, json!({ "body": ["hello"] }), false, false),
        ] {
            let delivery = super::super::kept::tests::delivery(source.clone(), vec![filter.clone()], filters_body);
            let service = if *source == topic { "sns" } else { "sqs" };
            let message = message(service, with(hotel.clone(), r#"{"trip":{"to":"Dublin"}}"#));
            assert_eq!(is_meant(&delivery, &delivery.patterns(), &message), expect, "{filter}");
        }
    }

    #[test]
    fn what_a_function_did_not_take() {
        for (answer, expect) in [
            ("null", Some(vec![])),
            ("{}", Some(vec![])),
            (r#"{"batchItemFailures":[]}"#, Some(vec![])),
            (r#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#, Some(vec!["a".to_owned()])),
            (r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#, None),
            (r#"{"batchItemFailures":[{"id":"a"}]}"#, None),
            (r#"{"batchItemFailures":"a"}"#, None),
            ("x", None),
        ] {
            assert_eq!(failures(answer.as_bytes()), expect, "{answer}");
        }
    }
}
