//! The operations: one table, one function each.
//!
//! Source of shapes, names and limits: the service model `logs` 2014-03-28.

use aws_protocol::{Error, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::filter::Filter;
use crate::groups::{Failure, Group};
use crate::stream::{Placed, Stream};
use crate::{Logs, TARGET_PREFIX, now_ms};

/// Events of one answer, and bytes of their messages.
const EVENTS_MAX: usize = 10_000;
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Entries of one page of groups or streams.
const PAGE_MAX: usize = 50;
/// Streams that a request may name.
const NAMES_MAX: usize = 100;
const NAME_CHARS_MAX: usize = 512;
/// Bytes of streams that one FilterLogEvents reads before it answers with what it has.
const SCAN_BYTES_MAX: u64 = 64 << 20;

/// What PutRetentionPolicy takes, in days.
const RETENTIONS: [u32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

type Operation = fn(&Logs, Value) -> Result<Value, Error>;

const OPERATIONS: [(&str, Operation); 8] = [
    ("CreateLogGroup", create_log_group),
    ("DeleteLogGroup", delete_log_group),
    ("DeleteRetentionPolicy", delete_retention_policy),
    ("DescribeLogGroups", describe_log_groups),
    ("DescribeLogStreams", describe_log_streams),
    ("FilterLogEvents", filter_log_events),
    ("GetLogEvents", get_log_events),
    ("PutRetentionPolicy", put_retention_policy),
];

pub fn answer(logs: &Logs, request: &Request) -> Result<Value, Error> {
    let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = target.strip_prefix(TARGET_PREFIX).unwrap_or(target);
    let Some((_, operation)) = OPERATIONS.iter().find(|(known, _)| *known == name) else {
        let served: Vec<&str> = OPERATIONS.iter().map(|(name, _)| *name).collect();
        return Err(Error::client(
            "UnknownOperationException",
            format!("Ithaca does not serve the operation '{name}' of CloudWatch Logs. It serves {}", served.join(", ")),
        ));
    };
    let body = match request.body().trim_ascii() {
        b"" => json!({}),
        body => serde_json::from_slice(body)
            .ok()
            .filter(Value::is_object)
            .ok_or_else(|| serialization("The request body must be a JSON object"))?,
    };
    operation(logs, body)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OneGroup {
    log_group_name: Option<String>,
    retention_in_days: Option<u32>,
}

fn create_log_group(logs: &Logs, body: Value) -> Result<Value, Error> {
    let request: OneGroup = members(body)?;
    let name = group_name(request.log_group_name)?;
    let mut groups = logs.lock();
    if groups.get(&name).is_some() {
        return Err(Error::client("ResourceAlreadyExistsException", "The specified log group already exists"));
    }
    groups.create(&name, now_ms()).map_err(failed)?;
    Ok(json!({}))
}

fn delete_log_group(logs: &Logs, body: Value) -> Result<Value, Error> {
    let request: OneGroup = members(body)?;
    let name = group_name(request.log_group_name)?;
    match logs.lock().delete(&name).map_err(failed)? {
        true => Ok(json!({})),
        false => Err(no_group()),
    }
}

fn put_retention_policy(logs: &Logs, body: Value) -> Result<Value, Error> {
    let request: OneGroup = members(body)?;
    let days = request.retention_in_days.ok_or_else(|| missing("retentionInDays"))?;
    if !RETENTIONS.contains(&days) {
        let allowed = RETENTIONS.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        return Err(invalid(format!("retentionInDays must be one of {allowed}")));
    }
    retain(logs, request.log_group_name, Some(days))
}

fn delete_retention_policy(logs: &Logs, body: Value) -> Result<Value, Error> {
    let request: OneGroup = members(body)?;
    retain(logs, request.log_group_name, None)
}

fn retain(logs: &Logs, name: Option<String>, days: Option<u32>) -> Result<Value, Error> {
    let name = group_name(name)?;
    let mut groups = logs.lock();
    let group = groups.get_mut(&name).ok_or_else(no_group)?;
    group.set_retention(days, now_ms()).map_err(failed)?;
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeGroups {
    log_group_name_prefix: Option<String>,
    log_group_name_pattern: Option<String>,
    limit: Option<i64>,
    next_token: Option<String>,
}

fn describe_log_groups(logs: &Logs, body: Value) -> Result<Value, Error> {
    let request: DescribeGroups = members(body)?;
    if request.log_group_name_prefix.is_some() && request.log_group_name_pattern.is_some() {
        return Err(invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."));
    }
    let limit = limit(request.limit, PAGE_MAX)?;
    let groups = logs.lock();
    let mut rest = groups
        .all()
        .filter(|group| group.about.name.starts_with(request.log_group_name_prefix.as_deref().unwrap_or_default()))
        .filter(|group| group.about.name.contains(request.log_group_name_pattern.as_deref().unwrap_or_default()))
        .filter(|group| request.next_token.as_ref().is_none_or(|after| group.about.name > *after));
    let shown: Vec<&Group> = rest.by_ref().take(limit).collect();
    let mut answer = json!({ "logGroups": shown.iter().map(|group| shown_group(logs, group)).collect::<Vec<_>>() });
    if let (Some(last), Some(_)) = (shown.last(), rest.next()) {
        answer["nextToken"] = last.about.name.as_str().into();
    }
    Ok(answer)
}

fn shown_group(logs: &Logs, group: &Group) -> Value {
    let arn = logs.home.arn("logs", &format!("log-group:{}", group.about.name));
    let mut shown = json!({
        "logGroupName": group.about.name,
        "creationTime": group.about.created_at,
        "metricFilterCount": 0,
        "arn": format!("{arn}:*"),
        "storedBytes": group.bytes(),
        "logGroupClass": "STANDARD",
        "logGroupArn": arn,
    });
    if let Some(days) = group.about.retention_days {
        shown["retentionInDays"] = days.into();
    }
    shown
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeStreams {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name_prefix: Option<String>,
    order_by: Option<String>,
    #[serde(default)]
    descending: bool,
    limit: Option<i64>,
    next_token: Option<String>,
}

fn describe_log_streams(logs: &Logs, body: Value) -> Result<Value, Error> {
    let request: DescribeStreams = members(body)?;
    let name = group_name(named(request.log_group_name, request.log_group_identifier))?;
    let limit = limit(request.limit, PAGE_MAX)?;
    let by_time = match request.order_by.as_deref() {
        None | Some("LogStreamName") => false,
        Some("LastEventTime") if request.log_stream_name_prefix.is_some() => {
            return Err(invalid("Cannot order by LastEventTime with a logStreamNamePrefix."));
        }
        Some("LastEventTime") => true,
        Some(other) => {
            return Err(constraint(
                other,
                "orderBy",
                "Member must satisfy enum value set: [LogStreamName, LastEventTime]",
            ));
        }
    };
    let groups = logs.lock();
    let group = groups.get(&name).ok_or_else(no_group)?;
    let prefix = request.log_stream_name_prefix.as_deref().unwrap_or_default();
    let mut streams: Vec<(&String, &Stream)> =
        group.streams.iter().filter(|(name, _)| name.starts_with(prefix)).collect();
    if by_time {
        streams.sort_by_key(|(name, stream)| (stream.last_event, *name));
    }
    if request.descending {
        streams.reverse();
    }
    // A stream that the token names may be gone by now: the list begins anew then.
    let after = request.next_token.as_ref().and_then(|after| streams.iter().position(|(name, _)| *name == after));
    let mut rest = streams.into_iter().skip(after.map_or(0, |at| at + 1));
    let shown: Vec<_> = rest.by_ref().take(limit).collect();
    let entry = |(stream_name, stream): &(&String, &Stream)| {
        let mut entry = Map::from_iter([
            ("logStreamName".to_owned(), Value::from(stream_name.as_str())),
            ("creationTime".to_owned(), stream.created_at.into()),
            ("arn".to_owned(), logs.home.arn("logs", &format!("log-group:{name}:log-stream:{stream_name}")).into()),
            // So AWS answers since 2019.
            ("storedBytes".to_owned(), 0.into()),
        ]);
        let times = [
            ("firstEventTimestamp", stream.first_event),
            ("lastEventTimestamp", stream.last_event),
            ("lastIngestionTime", stream.last_ingestion),
        ];
        entry.extend(times.into_iter().filter_map(|(name, at)| Some((name.to_owned(), at?.into()))));
        Value::Object(entry)
    };
    let mut answer = json!({ "logStreams": shown.iter().map(entry).collect::<Vec<_>>() });
    if let (Some((last, _)), Some(_)) = (shown.last(), rest.next()) {
        answer["nextToken"] = last.as_str().into();
    }
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GetEvents {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    limit: Option<i64>,
    next_token: Option<String>,
    #[serde(default)]
    start_from_head: bool,
}

/// Where a page of a stream begins or ends.
#[derive(Clone, Copy)]
enum Direction {
    From(u64),
    Before(u64),
}

impl Direction {
    fn parse(token: &str) -> Result<Direction, Error> {
        let refused = || invalid("The specified nextToken is invalid.");
        let (direction, place) = token.split_once('/').ok_or_else(refused)?;
        let place = place.parse().map_err(|_| refused())?;
        match direction {
            "f" => Ok(Direction::From(place)),
            "b" => Ok(Direction::Before(place)),
            _ => Err(refused()),
        }
    }
}

fn get_log_events(logs: &Logs, body: Value) -> Result<Value, Error> {
    let request: GetEvents = members(body)?;
    let name = group_name(named(request.log_group_name, request.log_group_identifier))?;
    let stream = request.log_stream_name.ok_or_else(|| missing("logStreamName"))?;
    let limit = limit(request.limit, EVENTS_MAX)?;
    let direction = match &request.next_token {
        Some(token) => Direction::parse(token)?,
        None if request.start_from_head => Direction::From(0),
        None => Direction::Before(u64::MAX),
    };
    let mut groups = logs.lock();
    let group = groups.get_mut(&name).ok_or_else(no_group)?;
    let stream = group.streams.get_mut(&stream).ok_or_else(no_stream)?;
    let in_time = within(request.start_time, request.end_time);
    let (from, before) = match direction {
        Direction::From(from) => (from, u64::MAX),
        Direction::Before(before) => (0, before),
    };
    let all = stream.read(from).map_err(unreadable)?;
    let mut wanted: Vec<Placed> =
        all.into_iter().filter(|placed| placed.end <= before && in_time(placed.event.timestamp)).collect();
    let (first, end) = match direction {
        Direction::From(from) => {
            wanted.truncate(fitting(wanted.iter(), limit));
            (from, wanted.last().map_or(from, |placed| placed.end))
        }
        Direction::Before(before) => {
            let count = fitting(wanted.iter().rev(), limit);
            wanted.drain(..wanted.len() - count);
            let end = wanted.last().map_or(before.min(stream.bytes), |placed| placed.end);
            (end, end)
        }
    };
    let first = wanted.first().map_or(first, |placed| placed.at);
    let events: Vec<Value> = wanted.iter().map(|placed| json!(placed.event)).collect();
    Ok(json!({
        "events": events,
        "nextForwardToken": format!("f/{end}"),
        "nextBackwardToken": format!("b/{first}"),
    }))
}

/// How many of these events an answer takes.
fn fitting<'e>(events: impl Iterator<Item = &'e Placed>, limit: usize) -> usize {
    let mut bytes = 0;
    let mut count = 0;
    for placed in events.take(limit) {
        bytes += placed.event.message.len();
        if bytes > ANSWER_BYTES_MAX && count > 0 {
            break;
        }
        count += 1;
    }
    count
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FilterEvents {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_names: Option<Vec<String>>,
    log_stream_name_prefix: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    filter_pattern: Option<String>,
    limit: Option<i64>,
    next_token: Option<String>,
}

/// One stream after another, the oldest first; a token tells the stream and the place in it.
fn filter_log_events(logs: &Logs, body: Value) -> Result<Value, Error> {
    let request: FilterEvents = members(body)?;
    let name = group_name(named(request.log_group_name.clone(), request.log_group_identifier.clone()))?;
    let limit = limit(request.limit, EVENTS_MAX)?;
    let filter = Filter::parse(request.filter_pattern.as_deref().unwrap_or_default())
        .map_err(|why| invalid(format!("Invalid filter pattern: {why}")))?;
    let start = request.next_token.as_deref().map(stream_place).transpose()?;
    let in_time = within(request.start_time, request.end_time);
    let mut groups = logs.lock();
    let group = groups.get_mut(&name).ok_or_else(no_group)?;
    let order = chosen_streams(group, &request)?;
    // One that is gone was the oldest, so what is left follows it.
    let first = start.as_ref().map_or(0, |(stream, _)| order.iter().position(|name| name == stream).unwrap_or(0));
    let (mut events, mut bytes, mut scanned) = (Vec::new(), 0, 0);
    for stream_name in &order[first..] {
        let place = start.as_ref().filter(|(stream, _)| stream == stream_name).map_or(0, |(_, place)| *place);
        let Some(stream) = group.streams.get_mut(stream_name) else { continue };
        if scanned > SCAN_BYTES_MAX {
            return Ok(filtered(events, Some((place, stream_name))));
        }
        scanned += stream.bytes;
        for placed in stream.read(place).map_err(unreadable)? {
            if !in_time(placed.event.timestamp) || !filter.matches(&placed.event.message) {
                continue;
            }
            bytes += placed.event.message.len();
            if events.len() == limit || (bytes > ANSWER_BYTES_MAX && !events.is_empty()) {
                return Ok(filtered(events, Some((placed.at, stream_name))));
            }
            let mut event = json!({ "logStreamName": stream_name, "eventId": event_id(&placed) });
            event["timestamp"] = placed.event.timestamp.into();
            event["ingestionTime"] = placed.event.ingestion_time.into();
            event["message"] = placed.event.message.into();
            events.push(event);
        }
    }
    Ok(filtered(events, None))
}

fn filtered(events: Vec<Value>, next: Option<(u64, &String)>) -> Value {
    let mut answer = json!({ "events": events, "searchedLogStreams": [] });
    if let Some((place, stream)) = next {
        answer["nextToken"] = format!("{place}/{stream}").into();
    }
    answer
}

/// The names of the streams to search, in the order in which they began.
fn chosen_streams(group: &Group, request: &FilterEvents) -> Result<Vec<String>, Error> {
    let prefix = request.log_stream_name_prefix.as_deref().unwrap_or_default();
    let mut chosen: Vec<(&String, &Stream)> = match &request.log_stream_names {
        Some(_) if request.log_stream_name_prefix.is_some() => {
            return Err(invalid("logStreamNames and logStreamNamePrefix are mutually exclusive."));
        }
        Some(names) if names.len() > NAMES_MAX => {
            return Err(invalid(format!("logStreamNames: at most {NAMES_MAX} may be given")));
        }
        Some(names) => names
            .iter()
            .map(|name| group.streams.get_key_value(name).ok_or_else(no_stream))
            .collect::<Result<_, _>>()?,
        None => group.streams.iter().filter(|(name, _)| name.starts_with(prefix)).collect(),
    };
    chosen.sort_by_key(|(name, stream)| (stream.first_event, *name));
    chosen.dedup_by_key(|(name, _)| *name);
    Ok(chosen.into_iter().map(|(name, _)| name.clone()).collect())
}

fn stream_place(token: &str) -> Result<(String, u64), Error> {
    let parts = token.split_once('/').and_then(|(place, stream)| Some((stream.to_owned(), place.parse().ok()?)));
    parts.ok_or_else(|| invalid("The specified nextToken is invalid."))
}

/// Digits, as on AWS; unique in its stream.
fn event_id(placed: &Placed) -> String {
    format!("{:020}{:020}", placed.event.timestamp.max(0), placed.at)
}

/// From the start on, and before the end.
fn within(start: Option<i64>, end: Option<i64>) -> impl Fn(i64) -> bool {
    move |at| start.is_none_or(|start| at >= start) && end.is_none_or(|end| at < end)
}

fn members<T: DeserializeOwned>(body: Value) -> Result<T, Error> {
    serde_json::from_value(body).map_err(|error| serialization(format!("A member has the wrong type: {error}")))
}

/// The group's name, or the name in its ARN.
fn named(name: Option<String>, identifier: Option<String>) -> Option<String> {
    name.or_else(|| {
        let identifier = identifier?;
        let name = aws_protocol::Arn::parse(&identifier).and_then(|arn| arn.resource.strip_prefix("log-group:"));
        Some(name.map_or(identifier.as_str(), |name| name.trim_end_matches(":*")).to_owned())
    })
}

fn group_name(name: Option<String>) -> Result<String, Error> {
    let name = name.ok_or_else(|| missing("logGroupName"))?;
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-/#".contains(c);
    let rule = match name.chars().count() {
        0 => "Member must have length greater than or equal to 1",
        count if count > NAME_CHARS_MAX => "Member must have length less than or equal to 512",
        _ if !name.chars().all(is_allowed) => r"Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+",
        _ => return Ok(name),
    };
    Err(constraint(&name, "logGroupName", rule))
}

fn limit(asked: Option<i64>, max: usize) -> Result<usize, Error> {
    let Some(count) = asked else { return Ok(max) };
    match usize::try_from(count) {
        Ok(0) | Err(_) => {
            Err(constraint(&count.to_string(), "limit", "Member must have value greater than or equal to 1"))
        }
        Ok(count) if count > max => {
            let rule = format!("Member must have value less than or equal to {max}");
            Err(constraint(&count.to_string(), "limit", &rule))
        }
        Ok(count) => Ok(count),
    }
}

fn invalid(text: impl Into<String>) -> Error {
    Error::client("InvalidParameterException", text)
}

fn constraint(value: &str, member: &str, rule: &str) -> Error {
    invalid(format!("1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {rule}"))
}

fn missing(member: &str) -> Error {
    invalid(format!(
        "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
    ))
}

fn serialization(text: impl Into<String>) -> Error {
    Error::client("SerializationException", text)
}

fn no_group() -> Error {
    Error::client("ResourceNotFoundException", "The specified log group does not exist.")
}

fn no_stream() -> Error {
    Error::client("ResourceNotFoundException", "The specified log stream does not exist.")
}

fn unreadable(error: std::io::Error) -> Error {
    Error::internal(format!("a log stream cannot be read: {error}"))
}

fn failed(failure: Failure) -> Error {
    match failure {
        Failure::TooManyGroups => Error::client("LimitExceededException", failure.to_string()),
        Failure::File { .. } | Failure::Unreadable { .. } => Error::internal(failure.to_string()),
    }
}
