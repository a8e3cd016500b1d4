//! What may be sent: one table of operations, and for each a function from its request to messages and an answer.
//!
//! Requests are JSON here, with the members' names of the API, whatever came over the wire. Limits and words are those of
//! the services' API references; what would need a queue, a topic or an identity to be known is not checked.

use std::collections::BTreeSet;

use aws_protocol::Home;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use md5::{Digest, Md5};
use serde_json::{Map, Value, json};

use crate::Name;
use crate::wire::uuid;

/// Of a message, and of a batch together.
const SQS_BYTES_MAX: usize = 1 << 20;
const SNS_BYTES_MAX: usize = 256 << 10;
const EVENTS_BYTES_MAX: usize = 1 << 20;
/// Of a mail with its attachments.
const SES_BYTES_MAX: usize = 40 << 20;
const RECIPIENTS_MAX: usize = 50;
const BATCH_ENTRIES_MAX: usize = 10;
const ATTRIBUTES_MAX: usize = 10;
const DELAY_SECONDS_MAX: i64 = 900;

pub struct Operation {
    pub service: &'static str,
    pub name: &'static str,
    pub draft: fn(&Value, &Place) -> Result<Drafted, Refusal>,
}

const OPERATIONS: &[Operation] = &[
    Operation { service: "sqs", name: "SendMessage", draft: send_message },
    Operation { service: "sqs", name: "SendMessageBatch", draft: send_message_batch },
    Operation { service: "sqs", name: "GetQueueUrl", draft: get_queue_url },
    Operation { service: "sns", name: "Publish", draft: publish },
    Operation { service: "sns", name: "PublishBatch", draft: publish_batch },
    Operation { service: "events", name: "PutEvents", draft: put_events },
    Operation { service: "ses", name: "SendEmail", draft: send_email },
    Operation { service: "ses", name: "SendRawEmail", draft: send_raw_email },
    Operation { service: "ses", name: "SendTemplatedEmail", draft: send_templated_email },
    Operation { service: "sesv2", name: "SendEmail", draft: send_email_v2 },
];

pub fn find(service: &str, name: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.service == service && operation.name == name)
}

/// What of a service is taken, for who asks for something else.
fn taken(service: &str) -> Vec<&'static str> {
    OPERATIONS.iter().filter(|operation| operation.service == service).map(|operation| operation.name).collect()
}

/// Whose names are meant, and by which address we were called.
pub struct Place {
    pub home: Home,
    pub host: String,
}

pub struct Draft {
    pub destination: String,
    pub message_id: String,
    pub message: Value,
}

/// Messages that are not sent yet, and the answer for when they are.
pub struct Drafted {
    pub messages: Vec<Draft>,
    pub answer: Value,
    /// Puts the numbers of the messages into the answer, where it has them.
    pub numbered: fn(Value, &[u64]) -> Value,
}

impl Drafted {
    fn new(messages: Vec<Draft>, answer: Value) -> Drafted {
        Drafted { messages, answer, numbered: |answer, _| answer }
    }
}

/// An AWS error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
}

impl Refusal {
    fn new((status, code): Name, message: impl Into<String>) -> Refusal {
        Refusal { status, code, message: message.into() }
    }

    pub fn internal(why: &str) -> Refusal {
        Refusal::new((StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure"), why)
    }

    pub fn throttled(service: &str) -> Refusal {
        let name = match service {
            "sqs" => (StatusCode::FORBIDDEN, "RequestThrottled"),
            _ => (StatusCode::BAD_REQUEST, "ThrottlingException"),
        };
        Refusal::new(name, "Rate exceeded")
    }

    pub fn unknown(service: &str, operation: &str) -> Refusal {
        let taken = taken(service).join(", ");
        let variable = if service == "events" { "EVENTBRIDGE".to_owned() } else { service.to_ascii_uppercase() };
        Refusal::new(
            (StatusCode::BAD_REQUEST, "UnknownOperationException"),
            format!(
                "Ithaca keeps what is sent in its outbox and does not serve the operation '{operation}' of {service}. It \
                 serves {taken}. For all of {service} point the client to another endpoint: AWS_ENDPOINT_URL_{variable}."
            ),
        )
    }

    pub fn malformed(message: impl Into<String>) -> Refusal {
        Refusal::new((StatusCode::BAD_REQUEST, "SerializationException"), message)
    }
}

const fn bad(code: &'static str) -> Name {
    (StatusCode::BAD_REQUEST, code)
}

const MISSING: Name = bad("MissingParameter");
const INVALID_VALUE: Name = bad("InvalidParameterValue");
const INVALID: Name = bad("InvalidParameter");
const VALIDATION: Name = bad("ValidationError");

/// A text that must be there and not be empty.
fn required<'v>(members: &'v Value, name: &str) -> Result<&'v str, Refusal> {
    match &members[name] {
        Value::String(text) if !text.is_empty() => Ok(text),
        Value::Null | Value::String(_) => {
            Err(Refusal::new(MISSING, format!("The request must contain the parameter {name}.")))
        }
        _ => Err(Refusal::malformed(format!("{name} must be a string"))),
    }
}

fn optional<'v>(members: &'v Value, name: &str) -> Option<&'v str> {
    members[name].as_str().filter(|text| !text.is_empty())
}

fn without(members: &Value, names: &[&str]) -> Value {
    let members = members.as_object().into_iter().flatten();
    Value::Object(
        members
            .filter(|(name, value)| !names.contains(&name.as_str()) && !value.is_null())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    )
}

/// Twenty digits, as those of FIFO queues and topics have.
fn sequence(number: u64) -> Value {
    format!("{number:020}").into()
}

fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

// ---- SQS

fn send_message(members: &Value, _: &Place) -> Result<Drafted, Refusal> {
    let queue = queue(members)?;
    let (draft, answer) = message(members, queue)?;
    Ok(Drafted { messages: vec![draft], answer, numbered: of_one })
}

fn of_one(mut answer: Value, numbers: &[u64]) -> Value {
    if answer.get("SequenceNumber").is_some() {
        answer["SequenceNumber"] = sequence(numbers[0]);
    }
    answer
}

fn queue(members: &Value) -> Result<&str, Refusal> {
    let url = required(members, "QueueUrl")?;
    match url.rsplit('/').next() {
        Some(name) if is_name(name.strip_suffix(".fifo").unwrap_or(name)) => Ok(url),
        _ => Err(Refusal::new(bad("InvalidAddress"), format!("The address {url} is not valid for this endpoint."))),
    }
}

fn is_name(name: &str) -> bool {
    (1..=80).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// A message and what SQS answers: with an empty SequenceNumber if it is to have one.
fn message(members: &Value, queue: &str) -> Result<(Draft, Value), Refusal> {
    let body = required(members, "MessageBody")?;
    let invalid =
        |why: String| Err(Refusal::new(INVALID_VALUE, format!("One or more parameters are invalid. Reason: {why}")));
    if let Some(other) = body.chars().find(|letter| !is_sent(*letter)) {
        let why = format!("Invalid binary character '#x{:X}' was found in the message body", u32::from(other));
        return Err(Refusal::new(bad("InvalidMessageContents"), why));
    }
    let attributes = &members["MessageAttributes"];
    if body.len() + bytes_of(attributes) > SQS_BYTES_MAX {
        return invalid(format!("Message must be shorter than {SQS_BYTES_MAX} bytes."));
    }
    if let Some(seconds) = members["DelaySeconds"].as_i64().filter(|seconds| !(0..=DELAY_SECONDS_MAX).contains(seconds))
    {
        let why = format!(
            "Value {seconds} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= {DELAY_SECONDS_MAX}."
        );
        return Err(Refusal::new(INVALID_VALUE, why));
    }
    let is_fifo = queue.ends_with(".fifo");
    if is_fifo {
        required(members, "MessageGroupId")?;
    }
    let message_id = uuid();
    let mut answer = json!({ "MD5OfMessageBody": md5(body.as_bytes()), "MessageId": message_id });
    if let Some(digest) = attributes_md5(attributes)? {
        answer["MD5OfMessageAttributes"] = digest.into();
    }
    if let Some(digest) = attributes_md5(&members["MessageSystemAttributes"])? {
        answer["MD5OfMessageSystemAttributes"] = digest.into();
    }
    if is_fifo {
        answer["SequenceNumber"] = "".into();
    }
    let draft = Draft { destination: queue.to_owned(), message_id, message: without(members, &["QueueUrl", "Id"]) };
    Ok((draft, answer))
}

/// What XML 1.0 can hold, which SQS asks for in both of its protocols.
fn is_sent(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn bytes_of(attributes: &Value) -> usize {
    let each = |(name, attribute): (&String, &Value)| {
        let values = attribute.as_object().into_iter().flat_map(Map::values);
        name.len() + values.filter_map(Value::as_str).map(str::len).sum::<usize>()
    };
    attributes.as_object().into_iter().flatten().map(each).sum()
}

/// The digest of attributes, as SQS describes it for who wants to check what arrived. None without attributes.
fn attributes_md5(attributes: &Value) -> Result<Option<String>, Refusal> {
    let Some(attributes) = attributes.as_object().filter(|attributes| !attributes.is_empty()) else { return Ok(None) };
    let invalid = |why: String| Refusal::new(INVALID_VALUE, why);
    if attributes.len() > ATTRIBUTES_MAX {
        let why = format!(
            "Number of message attributes [{}] exceeds the allowed maximum [{ATTRIBUTES_MAX}].",
            attributes.len()
        );
        return Err(invalid(why));
    }
    let mut names: Vec<&String> = attributes.keys().collect();
    names.sort();
    let mut bytes = Vec::new();
    let put = |bytes: &mut Vec<u8>, part: &[u8]| {
        bytes.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(part);
    };
    for name in names {
        let attribute = &attributes[name];
        let kind = attribute["DataType"].as_str().unwrap_or_default();
        put(&mut bytes, name.as_bytes());
        put(&mut bytes, kind.as_bytes());
        match kind.split('.').next().unwrap_or_default() {
            "String" | "Number" => {
                let value = attribute["StringValue"].as_str().filter(|value| !value.is_empty());
                let value = value.ok_or_else(|| {
                    let needs = "must contain a non-empty message attribute value for message attribute type";
                    invalid(format!("The message attribute '{name}' {needs} '{kind}'."))
                })?;
                bytes.push(1);
                put(&mut bytes, value.as_bytes());
            }
            "Binary" => {
                let value = attribute["BinaryValue"].as_str().and_then(|value| STANDARD.decode(value).ok());
                let value =
                    value.ok_or_else(|| invalid(format!("The message attribute '{name}' has no binary value.")))?;
                bytes.push(2);
                put(&mut bytes, &value);
            }
            "" => {
                return Err(invalid(format!(
                    "The message attribute '{name}' must contain a non-empty message attribute type."
                )));
            }
            _ => {
                let why = "the supported type prefixes are Binary, Number, and String.";
                return Err(invalid(format!(
                    "The message attribute '{name}' has an invalid message attribute type, {why}"
                )));
            }
        }
    }
    Ok(Some(md5(&bytes)))
}

fn send_message_batch(members: &Value, _: &Place) -> Result<Drafted, Refusal> {
    let queue = queue(members)?;
    let of_sqs = Batch {
        empty: "EmptyBatchRequest",
        many: "TooManyEntriesInBatchRequest",
        twice: "BatchEntryIdsNotDistinct",
        id: "InvalidBatchEntryId",
    };
    let entries = of_sqs.entries(&members["Entries"])?;
    let bytes: usize = entries
        .iter()
        .map(|it| it["MessageBody"].as_str().map_or(0, str::len) + bytes_of(&it["MessageAttributes"]))
        .sum();
    if bytes > SQS_BYTES_MAX {
        let why = format!("Batch requests cannot be longer than {SQS_BYTES_MAX} bytes. You have sent {bytes} bytes.");
        return Err(Refusal::new(bad("BatchRequestTooLong"), why));
    }
    Ok(each(entries, |entry| message(entry, queue)))
}

/// Each entry for itself: what is wrong with one is told with its id.
fn each(entries: &[Value], draft: impl Fn(&Value) -> Result<(Draft, Value), Refusal>) -> Drafted {
    let (mut messages, mut successful, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for entry in entries {
        match draft(entry) {
            Ok((draft, mut answer)) => {
                messages.push(draft);
                answer["Id"] = entry["Id"].clone();
                successful.push(answer);
            }
            Err(Refusal { code, message, .. }) => {
                failed.push(json!({ "Id": entry["Id"], "Code": code, "Message": message, "SenderFault": true }));
            }
        }
    }
    Drafted { messages, answer: json!({ "Successful": successful, "Failed": failed }), numbered: of_each }
}

fn of_each(mut answer: Value, numbers: &[u64]) -> Value {
    let entries = answer["Successful"].as_array_mut().into_iter().flatten();
    for (entry, number) in entries.zip(numbers) {
        if entry.get("SequenceNumber").is_some() {
            entry["SequenceNumber"] = sequence(*number);
        }
    }
    answer
}

/// What a service calls what can be wrong with a batch.
struct Batch {
    empty: &'static str,
    many: &'static str,
    twice: &'static str,
    id: &'static str,
}

impl Batch {
    fn entries<'v>(&self, entries: &'v Value) -> Result<&'v [Value], Refusal> {
        let entries = entries.as_array().map(Vec::as_slice).unwrap_or_default();
        let ids: Vec<&str> = entries.iter().map(|entry| entry["Id"].as_str().unwrap_or_default()).collect();
        let refuse = |code, why: String| Err(Refusal::new(bad(code), why));
        match entries.len() {
            0 => return refuse(self.empty, "There should be at least one entry in the request.".into()),
            1..=BATCH_ENTRIES_MAX => {}
            count => {
                let why =
                    format!("Maximum number of entries per request are {BATCH_ENTRIES_MAX}. You have sent {count}.");
                return refuse(self.many, why);
            }
        }
        if ids.iter().any(|id| !is_name(id)) {
            let why = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.";
            return refuse(self.id, why.into());
        }
        let mut seen = BTreeSet::new();
        match ids.iter().find(|id| !seen.insert(**id)) {
            Some(id) => refuse(self.twice, format!("Id {id} repeated.")),
            None => Ok(entries),
        }
    }
}

/// Every queue exists; this is its address here.
fn get_queue_url(members: &Value, place: &Place) -> Result<Drafted, Refusal> {
    let name = required(members, "QueueName")?;
    if !is_name(name.strip_suffix(".fifo").unwrap_or(name)) {
        let why = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
        return Err(Refusal::new(INVALID_VALUE, why));
    }
    let account = optional(members, "QueueOwnerAWSAccountId").unwrap_or(&place.home.account);
    Ok(Drafted::new(Vec::new(), json!({ "QueueUrl": format!("http://{}/{account}/{name}", place.host) })))
}

// ---- SNS

fn publish(members: &Value, _: &Place) -> Result<Drafted, Refusal> {
    let targets = ["TopicArn", "TargetArn", "PhoneNumber"];
    let named: Vec<&str> = targets.iter().filter_map(|name| optional(members, name)).collect();
    let invalid = |why: &str| Refusal::new(INVALID, format!("Invalid parameter: {why}"));
    let [destination] = named[..] else {
        return Err(match named.is_empty() {
            true => invalid("TopicArn or TargetArn Reason: no value for required parameter"),
            false => invalid("Only one of TopicArn, TargetArn or PhoneNumber can be given"),
        });
    };
    if optional(members, "PhoneNumber").is_none() && aws_protocol::Arn::parse(destination).is_none() {
        return Err(invalid("TopicArn Reason: An ARN must have at least 6 elements, not 1"));
    }
    let (draft, answer) = notice(members, destination)?;
    Ok(Drafted { messages: vec![draft], answer, numbered: of_one })
}

fn notice(members: &Value, destination: &str) -> Result<(Draft, Value), Refusal> {
    let invalid = |why: &str| Refusal::new(INVALID, format!("Invalid parameter: {why}"));
    let message = optional(members, "Message").ok_or_else(|| invalid("Empty message"))?;
    if message.len() + bytes_of(&members["MessageAttributes"]) > SNS_BYTES_MAX {
        return Err(invalid("Message too long"));
    }
    if let Some(subject) = optional(members, "Subject")
        && (subject.chars().count() > 100 || subject.contains(['\n', '\r']) || subject.starts_with(' '))
    {
        return Err(invalid("Subject"));
    }
    if members["MessageStructure"] == "json" {
        let forms: Value = serde_json::from_str(message)
            .map_err(|_| invalid("Message Structure - JSON message body failed to parse"))?;
        if !forms["default"].is_string() {
            return Err(invalid("Message Structure - No default entry in JSON message body"));
        }
    }
    attributes_md5(&members["MessageAttributes"])
        .map_err(|refusal| Refusal { code: "ParameterValueInvalid", ..refusal })?;
    let is_fifo = destination.ends_with(".fifo");
    if is_fifo && optional(members, "MessageGroupId").is_none() {
        return Err(invalid("The MessageGroupId parameter is required for FIFO topics"));
    }
    let message_id = uuid();
    let mut answer = json!({ "MessageId": message_id });
    if is_fifo {
        answer["SequenceNumber"] = "".into();
    }
    let message = without(members, &["TopicArn", "TargetArn", "PhoneNumber", "Id"]);
    Ok((Draft { destination: destination.to_owned(), message_id, message }, answer))
}

fn publish_batch(members: &Value, _: &Place) -> Result<Drafted, Refusal> {
    let topic = optional(members, "TopicArn")
        .ok_or_else(|| Refusal::new(INVALID, "Invalid parameter: TopicArn Reason: no value for required parameter"))?;
    let of_sns = Batch {
        empty: "EmptyBatchRequest",
        many: "TooManyEntriesInBatchRequest",
        twice: "BatchEntryIdsNotDistinct",
        id: "InvalidBatchEntryId",
    };
    let entries = of_sns.entries(&members["PublishBatchRequestEntries"])?;
    let bytes: usize =
        entries.iter().map(|it| it["Message"].as_str().map_or(0, str::len) + bytes_of(&it["MessageAttributes"])).sum();
    if bytes > SNS_BYTES_MAX {
        return Err(Refusal::new(
            bad("BatchRequestTooLong"),
            "The length of all the messages put together is more than the limit.",
        ));
    }
    Ok(each(entries, |entry| notice(entry, topic)))
}

// ---- EventBridge

fn put_events(members: &Value, place: &Place) -> Result<Drafted, Refusal> {
    let entries = members["Entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    let refuse = |why: String| Err(Refusal::new(bad("ValidationException"), why));
    if !(1..=BATCH_ENTRIES_MAX).contains(&entries.len()) {
        let bound = if entries.is_empty() { "greater than or equal to 1" } else { "less than or equal to 10" };
        return refuse(format!(
            "1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length {bound}"
        ));
    }
    let bytes: usize = entries.iter().map(event_bytes).sum();
    if bytes > EVENTS_BYTES_MAX {
        return refuse("Total size of the entries in the request is over the limit.".into());
    }
    let (mut messages, mut told, mut failed) = (Vec::new(), Vec::new(), 0);
    for entry in entries {
        match event(entry, place) {
            Ok(draft) => {
                told.push(json!({ "EventId": draft.message_id }));
                messages.push(draft);
            }
            Err((code, why)) => {
                failed += 1;
                told.push(json!({ "ErrorCode": code, "ErrorMessage": why }));
            }
        }
    }
    Ok(Drafted::new(messages, json!({ "FailedEntryCount": failed, "Entries": told })))
}

/// An event of this machine's own, which is not checked.
pub fn own_event(destination: String, message: Value) -> Drafted {
    let message_id = uuid();
    let told = json!({ "FailedEntryCount": 0, "Entries": [{ "EventId": message_id }] });
    Drafted::new(vec![Draft { destination, message_id, message }], told)
}

/// As EventBridge counts it.
fn event_bytes(entry: &Value) -> usize {
    let length = |name: &str| entry[name].as_str().map_or(0, str::len);
    let resources = entry["Resources"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::len);
    let time = if entry["Time"].is_null() { 0 } else { 14 };
    time + length("Source") + length("DetailType") + length("Detail") + resources.sum::<usize>()
}

fn event(entry: &Value, place: &Place) -> Result<Draft, (&'static str, String)> {
    for name in ["Source", "DetailType", "Detail"] {
        if optional(entry, name).is_none() {
            let why = format!("Parameter {name} is not valid. Reason: {name} is a required argument.");
            return Err(("InvalidArgument", why));
        }
    }
    if entry["Source"].as_str().is_some_and(|source| source.starts_with("aws.")) {
        return Err(("NotAuthorizedForSourceException", "Not authorized for the source.".into()));
    }
    let detail = serde_json::from_str::<Map<String, Value>>(entry["Detail"].as_str().unwrap_or_default());
    detail.map_err(|_| ("MalformedDetail", "Detail is malformed.".to_owned()))?;
    let bus = optional(entry, "EventBusName").unwrap_or("default");
    let bus = match aws_protocol::Arn::parse(bus) {
        Some(_) => bus.to_owned(),
        None => place.home.arn("events", &format!("event-bus/{bus}")),
    };
    Ok(Draft { destination: bus, message_id: uuid(), message: without(entry, &["EventBusName"]) })
}

// ---- SES

fn mailed(members: &Value, destination: String, besides: &[&str]) -> Drafted {
    // Region, moment and machine are in an id of SES; here it is random.
    let message_id = format!("{}-000000", uuid());
    let answer = json!({ "MessageId": message_id });
    Drafted::new(vec![Draft { destination, message_id, message: without(members, besides) }], answer)
}

/// All who get it, one after the other.
fn recipients(destination: &Value) -> Vec<&str> {
    let lists = ["ToAddresses", "CcAddresses", "BccAddresses"];
    let lists = lists.iter().flat_map(|name| destination[name].as_array().into_iter().flatten());
    lists.filter_map(Value::as_str).collect()
}

fn addressed(all: &[&str], name: Name) -> Result<String, Refusal> {
    match all.len() {
        0 => Err(Refusal::new(name, "Missing required header 'To'.")),
        1..=RECIPIENTS_MAX => Ok(all.join(", ")),
        _ => Err(Refusal::new(name, format!("Recipient count exceeds {RECIPIENTS_MAX}."))),
    }
}

/// AWS's words for members that must be there.
fn needs(members: &Value, paths: &[&str], name: Name) -> Result<(), Refusal> {
    let missing: Vec<&&str> = paths.iter().filter(|path| members.pointer(path).is_none_or(Value::is_null)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let told = |path: &&&str| {
        let mut parts: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
        for part in &mut parts {
            part[..1].make_ascii_lowercase();
        }
        format!("Value null at '{}' failed to satisfy constraint: Member must not be null", parts.join("."))
    };
    let (count, told) = (missing.len(), missing.iter().map(told).collect::<Vec<_>>().join("; "));
    let plural = if count == 1 { "error" } else { "errors" };
    Err(Refusal::new(name, format!("{count} validation {plural} detected: {told}")))
}

fn send_email(members: &Value, _: &Place) -> Result<Drafted, Refusal> {
    needs(members, &["/Source", "/Message", "/Message/Subject", "/Message/Body"], VALIDATION)?;
    let to = addressed(&recipients(&members["Destination"]), INVALID_VALUE)?;
    let body = &members["Message"]["Body"];
    if body["Text"]["Data"].is_null() && body["Html"]["Data"].is_null() {
        return Err(Refusal::new(INVALID_VALUE, "Message body must have Text or Html."));
    }
    Ok(mailed(members, to, &[]))
}

fn send_raw_email(members: &Value, _: &Place) -> Result<Drafted, Refusal> {
    needs(members, &["/RawMessage", "/RawMessage/Data"], VALIDATION)?;
    let data = members["RawMessage"]["Data"].as_str().unwrap_or_default();
    let mail = raw(data, INVALID_VALUE)?;
    let named = members["Destinations"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let named: Vec<&str> = named.collect();
    let to = if named.is_empty() { addressees(&mail) } else { named.iter().map(|name| (*name).to_owned()).collect() };
    let to = addressed(&to.iter().map(String::as_str).collect::<Vec<_>>(), INVALID_VALUE)?;
    Ok(mailed(members, to, &[]))
}

/// A mail as it goes over SMTP, out of base64.
fn raw(data: &str, name: Name) -> Result<String, Refusal> {
    let bytes = STANDARD.decode(data).map_err(|_| Refusal::new(name, "The raw message is not encoded in base64."))?;
    match bytes.len() {
        0 => Err(Refusal::new(name, "Empty raw message.")),
        1..=SES_BYTES_MAX => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        _ => Err(Refusal::new(
            bad("MessageRejected"),
            format!("Message length is more than {SES_BYTES_MAX} bytes long."),
        )),
    }
}

/// Who gets it by the head of a mail, whose lines may be folded.
fn addressees(mail: &str) -> Vec<String> {
    let mail = mail.replace("\r\n", "\n");
    let head = mail.split("\n\n").next().unwrap_or_default().replace("\n ", " ").replace("\n\t", " ");
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let to = lines.filter(|(name, _)| ["to", "cc", "bcc"].contains(&name.trim().to_ascii_lowercase().as_str()));
    to.flat_map(|(_, list)| list.split(',').map(|one| one.trim().to_owned()).collect::<Vec<_>>())
        .filter(|one| !one.is_empty())
        .collect()
}

fn send_templated_email(members: &Value, _: &Place) -> Result<Drafted, Refusal> {
    needs(members, &["/Source", "/Template", "/TemplateData"], VALIDATION)?;
    let to = addressed(&recipients(&members["Destination"]), INVALID_VALUE)?;
    let data = members["TemplateData"].as_str().unwrap_or_default();
    if serde_json::from_str::<Map<String, Value>>(data).is_err() {
        return Err(Refusal::new(INVALID_VALUE, "Template data is not a JSON object."));
    }
    Ok(mailed(members, to, &[]))
}

fn send_email_v2(members: &Value, _: &Place) -> Result<Drafted, Refusal> {
    const BAD: Name = bad("BadRequestException");
    needs(members, &["/Content"], BAD)?;
    let content = &members["Content"];
    let forms: Vec<&str> = ["Simple", "Raw", "Template"].into_iter().filter(|form| !content[*form].is_null()).collect();
    let [form] = forms[..] else {
        return Err(Refusal::new(BAD, "Content must have one of Simple, Raw and Template."));
    };
    let mut to: Vec<String> = recipients(&members["Destination"]).into_iter().map(str::to_owned).collect();
    match form {
        "Simple" => needs(members, &["/FromEmailAddress", "/Content/Simple/Subject", "/Content/Simple/Body"], BAD)?,
        "Raw" => {
            let mail = raw(content["Raw"]["Data"].as_str().unwrap_or_default(), BAD)?;
            if to.is_empty() {
                to = addressees(&mail);
            }
        }
        _ => needs(members, &["/FromEmailAddress"], BAD)?,
    }
    let to = addressed(&to.iter().map(String::as_str).collect::<Vec<_>>(), BAD)?;
    Ok(mailed(members, to, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { home: Home::default(), host: "localhost:4566".into() }
    }

    fn draft(service: &str, name: &str, members: &Value) -> Result<Drafted, Refusal> {
        (find(service, name).unwrap().draft)(members, &place())
    }

    /// Digests that AWS's own documentation and SDKs' tests show.
    #[test]
    fn digests() {
        assert_eq!(md5(b"This is a test message"), "fafb00f5732ab283681e124bf8747ed1");
        let attributes = json!({
            "ByteArray": { "DataType": "Binary", "BinaryValue": STANDARD.encode([1, 2, 3]) },
            "Name": { "DataType": "String", "StringValue": "x" },
        });
        let mut expect = Vec::new();
        for part in [&b"ByteArray"[..], b"Binary"] {
            expect.extend((part.len() as u32).to_be_bytes());
            expect.extend(part);
        }
        expect.extend([2, 0, 0, 0, 3, 1, 2, 3]);
        expect.extend(b"\0\0\0\x04Name\0\0\0\x06String\x01\0\0\0\x01x");
        assert_eq!(attributes_md5(&attributes), Ok(Some(md5(&expect))));
        assert_eq!(attributes_md5(&json!({})), Ok(None));
    }

    #[test]
    fn what_is_sent() {
        let check = |service: &str, name: &str, members: Value, to: &[&str], shape: &[&str]| {
            let drafted = draft(service, name, &members).map_err(|refusal| refusal.message).unwrap();
            let found: Vec<&str> = drafted.messages.iter().map(|draft| draft.destination.as_str()).collect();
            assert_eq!(found, to, "{service} {name}");
            let numbers: Vec<u64> = (1..=found.len() as u64).collect();
            let answer = (drafted.numbered)(drafted.answer, &numbers);
            let mut names: Vec<&str> = answer.as_object().unwrap().keys().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, shape, "{answer}");
        };
        let queue = "http://localhost:4566/000000000000/q";
        let fifo = "http://localhost:4566/000000000000/q.fifo";
        let to = json!({ "ToAddresses": ["a@x"], "BccAddresses": ["b@x"] });
        let text = json!({ "Data": "t" });
        let raw = STANDARD.encode("From: a@x\r\nTo: b@x,\r\n c@x\r\n\r\nTo: d@x");
        check(
            "sqs",
            "SendMessage",
            json!({ "QueueUrl": queue, "MessageBody": "m" }),
            &[queue],
            &["MD5OfMessageBody", "MessageId"],
        );
        check(
            "sqs",
            "SendMessage",
            json!({ "QueueUrl": fifo, "MessageBody": "m", "MessageGroupId": "g" }),
            &[fifo],
            &["MD5OfMessageBody", "MessageId", "SequenceNumber"],
        );
        let entries = json!([{ "Id": "a", "MessageBody": "m" }, { "Id": "b" }]);
        check(
            "sqs",
            "SendMessageBatch",
            json!({ "QueueUrl": queue, "Entries": entries }),
            &[queue],
            &["Failed", "Successful"],
        );
        check("sqs", "GetQueueUrl", json!({ "QueueName": "q" }), &[], &["QueueUrl"]);
        let topic = "arn:aws:sns:us-east-1:000000000000:t";
        check("sns", "Publish", json!({ "TopicArn": topic, "Message": "m" }), &[topic], &["MessageId"]);
        check("sns", "Publish", json!({ "PhoneNumber": "+1", "Message": "m" }), &["+1"], &["MessageId"]);
        let entries = json!([{ "Id": "a", "Message": "m" }, { "Id": "b", "Message": "n" }]);
        let batch = json!({ "TopicArn": topic, "PublishBatchRequestEntries": entries });
        check("sns", "PublishBatch", batch, &[topic, topic], &["Failed", "Successful"]);
        let entries = json!([
            { "Source": "s", "DetailType": "d", "Detail": "{}" },
            { "Source": "s", "DetailType": "d", "Detail": "{}", "EventBusName": "orders" },
            { "Source": "s", "DetailType": "d", "Detail": "[]" },
        ]);
        let buses = [
            "arn:aws:events:us-east-1:000000000000:event-bus/default",
            "arn:aws:events:us-east-1:000000000000:event-bus/orders",
        ];
        check("events", "PutEvents", json!({ "Entries": entries }), &buses, &["Entries", "FailedEntryCount"]);
        let mail =
            json!({ "Source": "s@x", "Destination": to, "Message": { "Subject": text, "Body": { "Text": text } } });
        check("ses", "SendEmail", mail, &["a@x, b@x"], &["MessageId"]);
        check("ses", "SendRawEmail", json!({ "RawMessage": { "Data": raw } }), &["b@x, c@x"], &["MessageId"]);
        let mail = json!({ "Source": "s@x", "Destination": to, "Template": "t", "TemplateData": "{}" });
        check("ses", "SendTemplatedEmail", mail, &["a@x, b@x"], &["MessageId"]);
        let content = json!({ "Simple": { "Subject": text, "Body": { "Html": text } } });
        let mail = json!({ "FromEmailAddress": "s@x", "Destination": to, "Content": content });
        check("sesv2", "SendEmail", mail, &["a@x, b@x"], &["MessageId"]);
        check("sesv2", "SendEmail", json!({ "Content": { "Raw": { "Data": raw } } }), &["b@x, c@x"], &["MessageId"]);
    }

    #[test]
    fn what_is_refused() {
        let check = |service: &str, name: &str, members: Value, code: &str, words: &str| {
            let refusal = draft(service, name, &members).map(|_| ()).unwrap_err();
            assert_eq!(refusal.code, code, "{}", refusal.message);
            assert!(refusal.message.contains(words), "{}", refusal.message);
        };
        let queue = "http://localhost/1/q";
        let long = "x".repeat(SQS_BYTES_MAX + 1);
        check("sqs", "SendMessage", json!({ "MessageBody": "m" }), "MissingParameter", "QueueUrl");
        check("sqs", "SendMessage", json!({ "QueueUrl": queue }), "MissingParameter", "MessageBody");
        check(
            "sqs",
            "SendMessage",
            json!({ "QueueUrl": queue, "MessageBody": 1 }),
            "SerializationException",
            "MessageBody",
        );
        check("sqs", "SendMessage", json!({ "QueueUrl": "q q", "MessageBody": "m" }), "InvalidAddress", "q q");
        check(
            "sqs",
            "SendMessage",
            json!({ "QueueUrl": queue, "MessageBody": long }),
            "InvalidParameterValue",
            "shorter than 1048576",
        );
        check(
            "sqs",
            "SendMessage",
            json!({ "QueueUrl": queue, "MessageBody": "\u{1}" }),
            "InvalidMessageContents",
            "#x1",
        );
        check(
            "sqs",
            "SendMessage",
            json!({ "QueueUrl": queue, "MessageBody": "m", "DelaySeconds": 901 }),
            "InvalidParameterValue",
            "DelaySeconds",
        );
        check(
            "sqs",
            "SendMessage",
            json!({ "QueueUrl": "q.fifo", "MessageBody": "m" }),
            "MissingParameter",
            "MessageGroupId",
        );
        let attributes = json!({ "a": { "DataType": "String" } });
        check(
            "sqs",
            "SendMessage",
            json!({ "QueueUrl": queue, "MessageBody": "m", "MessageAttributes": attributes }),
            "InvalidParameterValue",
            "'a' must contain",
        );
        check(
            "sqs",
            "SendMessageBatch",
            json!({ "QueueUrl": queue, "Entries": [] }),
            "EmptyBatchRequest",
            "at least one",
        );
        let twice = json!([{ "Id": "a", "MessageBody": "m" }, { "Id": "a", "MessageBody": "m" }]);
        check(
            "sqs",
            "SendMessageBatch",
            json!({ "QueueUrl": queue, "Entries": twice }),
            "BatchEntryIdsNotDistinct",
            "Id a",
        );
        let many: Vec<Value> = (0..11).map(|id| json!({ "Id": id.to_string(), "MessageBody": "m" })).collect();
        check(
            "sqs",
            "SendMessageBatch",
            json!({ "QueueUrl": queue, "Entries": many }),
            "TooManyEntriesInBatchRequest",
            "11",
        );
        check("sns", "Publish", json!({ "Message": "m" }), "InvalidParameter", "TopicArn or TargetArn");
        check("sns", "Publish", json!({ "TopicArn": "t", "Message": "m" }), "InvalidParameter", "6 elements");
        let topic = "arn:aws:sns:us-east-1:1:t";
        check("sns", "Publish", json!({ "TopicArn": topic }), "InvalidParameter", "Empty message");
        check(
            "sns",
            "Publish",
            json!({ "TopicArn": topic, "Message": "x".repeat(SNS_BYTES_MAX + 1) }),
            "InvalidParameter",
            "too long",
        );
        check(
            "sns",
            "Publish",
            json!({ "TopicArn": topic, "Message": "{}", "MessageStructure": "json" }),
            "InvalidParameter",
            "No default entry",
        );
        check("events", "PutEvents", json!({ "Entries": [] }), "ValidationException", "greater than or equal to 1");
        let large = json!([{ "Source": "s", "DetailType": "d", "Detail": long }]);
        check("events", "PutEvents", json!({ "Entries": large }), "ValidationException", "over the limit");
        check(
            "ses",
            "SendEmail",
            json!({ "Source": "s" }),
            "ValidationError",
            "3 validation errors detected: Value null at 'message'",
        );
        check("ses", "SendRawEmail", json!({ "RawMessage": { "Data": "%" } }), "InvalidParameterValue", "base64");
        check("sesv2", "SendEmail", json!({ "Content": {} }), "BadRequestException", "one of Simple");
    }

    #[test]
    fn events_that_are_refused() {
        let check =
            |entry: Value, code: &str| assert_eq!(event(&entry, &place()).err().map(|(code, _)| code), Some(code));
        check(json!({ "DetailType": "d", "Detail": "{}" }), "InvalidArgument");
        check(json!({ "Source": "s", "DetailType": "d", "Detail": "no" }), "MalformedDetail");
        check(json!({ "Source": "aws.s3", "DetailType": "d", "Detail": "{}" }), "NotAuthorizedForSourceException");
    }
}
