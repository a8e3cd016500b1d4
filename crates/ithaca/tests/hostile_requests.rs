//! Random and mutated HTTP at the real front: methods, targets, headers, sizes, bodies that are broken, cut off or slow.
//! Nothing falls over, nothing hangs, and every answer is a whole one that an AWS client understands.
//!
//! The door's own test of this kind (`crates/aws/states/tests/hostile.rs`) sends more, but past the sockets.

mod support;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use support::client::Client;
use support::ithaca::Up;
use support::random::Random;
use support::scratch::Scratch;

/// Of each of the clients that send at the same time.
const REQUESTS: usize = 300;
const CLIENTS: u64 = 4;

/// Connections that begin a request and never end it.
const STUCK: usize = 50;

/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between the parts of a slow body.
const PAUSE: Duration = Duration::from_millis(20);

const MACHINE: &str = "arn:aws:states:us-east-1:000000000000:stateMachine:good";

/// What is sent before it is damaged.
#[derive(Clone)]
struct Good {
    method: &'static str,
    path: String,
    target: Option<String>,
    body: Vec<u8>,
}

fn good_requests() -> Vec<Good> {
    let table = include_str!("aws_clients/scenarios.json");
    let table: Value = serde_json::from_str(table).expect("the table of calls is JSON");
    let json = |target: String, body: &Value| {
        let body = without_names(&body.to_string()).into_bytes();
        Good { method: "POST", path: "/".to_owned(), target: Some(target), body }
    };
    let steps = table["steps"].as_array().expect("it has steps");
    let states = steps.iter().map(|step| {
        json(format!("AWSStepFunctions.{}", step["call"].as_str().expect("a step calls something")), &step["with"])
    });
    let item = json!({ "TableName": "t", "Item": { "pk": { "S": "x" } }, "Key": { "pk": { "N": "1e400" } } });
    let tables = ["PutItem", "GetItem", "Query", "Scan", "DescribeTable", "BatchWriteItem", "TransactWriteItems"];
    let tables = tables.map(|operation| json(format!("DynamoDB_20120810.{operation}"), &item));
    let group = json!({ "logGroupName": "g", "logStreamName": "s", "filterPattern": "x" });
    let logs = ["CreateLogGroup", "DescribeLogGroups", "GetLogEvents", "FilterLogEvents", "DeleteLogGroup"];
    let logs = logs.map(|operation| json(format!("Logs_20140328.{operation}"), &group));
    let function = json!({ "FunctionName": "f", "Runtime": "provided.al2023", "Handler": "h", "Role": "r", "Code": { "ZipFile": "AAAA" } });
    let rest = |method: &'static str, path: &str, body: &Value| Good {
        method,
        path: path.to_owned(),
        target: None,
        body: body.to_string().into_bytes(),
    };
    let functions = [
        rest("POST", "/2015-03-31/functions", &function),
        rest("GET", "/2015-03-31/functions/f?Qualifier=%31", &Value::Null),
        rest("POST", "/2015-03-31/functions/f/invocations", &json!({ "a": 1 })),
        rest("PUT", "/2015-03-31/functions/f/configuration", &json!({ "Timeout": -1 })),
        rest("DELETE", "/2015-03-31/functions/f", &Value::Null),
        rest("GET", "/restapis/x/Prod/_user_request_/a/b", &Value::Null),
        rest("GET", "/healthz", &Value::Null),
        rest("POST", "/nothing/at/all", &Value::Null),
    ];
    states.chain(tables).chain(logs).chain(functions).collect()
}

/// The table's `${name}` become things that are there.
fn without_names(text: &str) -> String {
    let mut parts = text.split("${");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').unwrap_or(("", part));
        filled.push_str(if name == "prefix" { "good" } else { MACHINE });
        filled.push_str(rest);
    }
    filled
}

struct Dice(Random);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound as u64) as usize
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// How a body is announced and sent.
#[derive(Clone, Copy, PartialEq)]
enum Framing {
    Honest,
    Slow,
    Chunked,
    /// Less comes than was announced, and then the end.
    CutOff,
    /// More comes than was announced.
    TooLong,
}

/// The head of a request, its body, and how it is sent.
fn damaged(good: &Good, dice: &mut Dice) -> (String, Vec<u8>, Framing) {
    let mut body = good.body.clone();
    for _ in 0..[0, 0, 0, 1, 2, 3][dice.below(6)] {
        damage(&mut body, dice);
    }
    let method = match dice.below(12) {
        0 => dice.one(&["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"]),
        _ => good.method,
    };
    let path = match dice.below(12) {
        0 => dice.one(&["*", "/%", "//", "/%00%ff", "/../..", "/?x=%zz&&=", "http://localhost/", "/\u{e9}"]).to_owned(),
        1 => format!("{}/{}", good.path, "x".repeat(dice.below(70_000))),
        _ => good.path.clone(),
    };
    let framing = [
        Framing::Honest,
        Framing::Honest,
        Framing::Honest,
        Framing::Slow,
        Framing::Chunked,
        Framing::CutOff,
        Framing::TooLong,
    ][dice.below(7)];
    let mut head = format!("{method} {path} HTTP/1.{}\r\n", if dice.below(20) == 0 { 0 } else { 1 });
    let mut header = |name: &str, value: &str| head.push_str(&format!("{name}: {value}\r\n"));
    header(
        "host",
        if dice.below(20) == 0 {
            dice.one(&["", "evil.example", "sync-localhost", "[::1", "a:b:c"])
        } else {
            "localhost"
        },
    );
    if let Some(target) = &good.target {
        match dice.below(20) {
            0 => {}
            1 => header("x-amz-target", &target[..dice.below(target.len())]),
            2 => header("x-amz-target", &format!("{target}{}", "X".repeat(dice.below(5000)))),
            _ => header("x-amz-target", target),
        }
    }
    let scopes = [
        "AWS4-HMAC-SHA256 Credential=111122223333/20260101/eu-west-1/states/aws4_request, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=////////aws4_request",
        "AWS4-HMAC-SHA256 Credential=a/b/c/\u{1}d/aws4_request",
        "Basic eDp4",
    ];
    match dice.below(10) {
        0 => header("authorization", dice.one(&scopes)),
        1 => {
            header("content-type", dice.one(&["text/html", "", "multipart/form-data; boundary=x", "application/json"]))
        }
        2 => header(dice.one(&["x-y", "cookie", "accept-encoding", "expect"]), &"v".repeat(dice.below(20_000))),
        3 => header("no colon here and \u{7f}", ""),
        4 => header("origin", "http://evil.example"),
        _ => {}
    }
    match framing {
        Framing::Honest | Framing::Slow => header("content-length", &body.len().to_string()),
        Framing::Chunked => header("transfer-encoding", "chunked"),
        Framing::CutOff => header("content-length", &(body.len() + 1 + dice.below(1000)).to_string()),
        Framing::TooLong => header("content-length", &(body.len() / 2).to_string()),
    }
    header("connection", "close");
    head.push_str("\r\n");
    (head, body, framing)
}

fn damage(body: &mut Vec<u8>, dice: &mut Dice) {
    let at = dice.below(body.len() + 1);
    match dice.below(8) {
        0 => body.truncate(at),
        1 => *body = b"[".repeat(1 << dice.below(16)),
        2 => body.extend(vec![b' '; dice.below(3 << 20)]),
        3 => body.insert(at, *dice.one(&[&b'"', &b'{', &b'\\', &0, &0xff])),
        4 => {
            let piece: Vec<u8> = body[at..body.len().min(at + 100)].repeat(3);
            body.splice(at..at, piece);
        }
        5 if at < body.len() => drop(body.remove(at)),
        _ => {
            if let Some(byte) = body.get_mut(at) {
                *byte = dice.below(256) as u8;
            }
        }
    }
}

/// Sends a request and reads the first answer. Nothing, if the server ended the connection without one.
fn exchange(address: &str, head: &str, body: &[u8], framing: Framing) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // A server that refuses may stop reading, so a failed write is no failure: the answer counts.
    let _ = send(&mut stream, head, body, framing);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Err(error),
        // A reset after the answer is the end of it.
        _ => Ok(answer),
    }
}

fn send(stream: &mut TcpStream, head: &str, body: &[u8], framing: Framing) -> io::Result<()> {
    stream.write_all(head.as_bytes())?;
    match framing {
        Framing::Honest | Framing::TooLong => stream.write_all(body),
        Framing::Slow => body.chunks(body.len() / 3 + 1).try_for_each(|part| {
            thread::sleep(PAUSE);
            stream.write_all(part)
        }),
        Framing::Chunked => {
            for part in body.chunks(body.len() / 3 + 1) {
                stream.write_all(format!("{:x}\r\n", part.len()).as_bytes())?;
                stream.write_all(part)?;
                stream.write_all(b"\r\n")?;
            }
            stream.write_all(b"0\r\n\r\n")
        }
        Framing::CutOff => {
            stream.write_all(body)?;
            stream.shutdown(Shutdown::Write)
        }
    }
}

/// What is wrong with an answer, if anything is.
fn fault(answer: &[u8]) -> Option<String> {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return (!answer.is_empty()).then(|| "its head is not whole".to_owned());
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let status: u16 = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = &answer[end + 4..];
    // What cannot be read as a request at all is refused before anybody could give it an id.
    let is_unreadable = matches!(status, 400 | 413 | 414 | 431) && body.is_empty();
    if is_unreadable {
        return None;
    }
    if header("x-amzn-requestid").is_none() {
        return Some("it has no request id".to_owned());
    }
    let length = header("content-length").and_then(|length| length.parse().ok());
    if length.is_some_and(|length: usize| length != body.len()) && status != 304 {
        return Some(format!("{} of {length:?} bytes came", body.len()));
    }
    let is_json = header("content-type").is_some_and(|kind| kind.contains("json"));
    let members = match is_json && !body.is_empty() {
        true => match serde_json::from_slice::<Value>(body) {
            Ok(members) => members,
            Err(error) => return Some(format!("it is not JSON: {error}")),
        },
        false => Value::Null,
    };
    match status {
        200..300 => members.get("__type").map(|name| format!("success with an error's name, {name}")),
        400..=499 | 501 if is_json && members["__type"].is_null() && header("x-amzn-errortype").is_none() => {
            Some("an error without a name".to_owned())
        }
        400..=499 | 501 => None,
        _ => Some("a status that no client has deserved".to_owned()),
    }
}

#[test]
fn every_answer_is_one_that_a_client_understands() {
    let scratch = Scratch::new("hostile");
    let mut ithaca = Up::new(scratch.join("data")).start();
    let client = ithaca.client();
    let machine =
        client.create_machine("good", &json!({ "StartAt": "A", "States": { "A": { "Type": "Pass", "End": true } } }));
    assert_eq!(machine, MACHINE);
    let stuck: Vec<TcpStream> = (0..STUCK)
        .map(|number| {
            let mut stream = TcpStream::connect(&client.address).unwrap();
            let head = "POST / HTTP/1.1\r\nhost: localhost\r\nx-amz-target: AWSStepFunctions.ListActivities\r\ncontent-length: 9\r\n\r\n{";
            stream.write_all(&head.as_bytes()[..head.len() - number]).unwrap();
            stream
        })
        .collect();
    let good = good_requests();
    let mut seeds = Random::from_env("hostile_requests");
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (seed, good, address) = (seeds.draw(), &good, &client.address);
            scope.spawn(move || play(number, Random::new(seed), good, address));
        }
    });
    drop(stuck);
    still_works(&client);
    assert!(!ithaca.complaints().contains("panicked"), "{}", ithaca.complaints());
}

fn play(client: u64, random: Random, good: &[Good], address: &str) {
    let mut dice = Dice(random);
    let mut answered = 0;
    for number in 0..REQUESTS {
        let (head, body, framing) = damaged(&good[dice.below(good.len())], &mut dice);
        let shown = || {
            let body = String::from_utf8_lossy(&body[..body.len().min(1000)]).into_owned();
            format!("client {client}, request {number}: {head}{body}")
        };
        let answer = exchange(address, &head, &body, framing)
            .unwrap_or_else(|error| panic!("no answer within {PATIENCE:?} ({error}): {}", shown()));
        if let Some(fault) = fault(&answer) {
            panic!("{fault}: {}\nto {}", String::from_utf8_lossy(&answer), shown());
        }
        answered += usize::from(!answer.is_empty());
    }
    assert!(answered > REQUESTS / 2, "only {answered} of {REQUESTS} requests were answered");
}

fn still_works(client: &Client) {
    assert_eq!(client.get("/healthz").status, 200);
    let definition = json!({ "StartAt": "A", "States": { "A": { "Type": "Pass", "End": true } } });
    let after = client.create_machine("after", &definition);
    let execution = client.start(&after, &json!({}));
    assert_eq!(client.ended(&execution)["status"], "SUCCEEDED");
}
