//! This program in the roles around the measured one: the function behind the Runtime API, and the workers of an
//! activity, by requests and with a lane. All answer at once. The first two speak over plain sockets: what they cost is hardly
//! more than the protocol. The third is what a user writes.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;

use clap::Args;
use ithaca_worker::{Failure, Worker};
use serde_json::{Value, json};

use super::shape::{ANSWER, ERROR};
use crate::cli::Outcome;

/// The hidden subcommand that is the benchmark's function.
pub const FUNCTION: &str = "bench-function";

/// The hidden subcommand that works on an activity's tasks.
pub const WORKER: &str = "bench-worker";

/// The option of both that makes every task fail.
pub const FAILS: &str = "--fails";

#[derive(Args)]
pub struct FunctionArgs {
    #[arg(long)]
    fails: bool,
}

#[derive(Args)]
pub struct WorkerArgs {
    /// HOST:PORT
    #[arg(long)]
    address: String,
    #[arg(long)]
    activity: String,
    /// Each has a connection and a thread.
    #[arg(long, default_value_t = 1)]
    pollers: usize,
    /// One connection with a lane instead, and so many tasks held beside the one at work.
    #[arg(long, conflicts_with = "pollers")]
    ahead: Option<usize>,
    #[arg(long)]
    fails: bool,
}

/// Answers every invocation over one connection to the Runtime API.
pub fn function(args: &FunctionArgs) -> Outcome {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API")
        .map_err(|_| "this is a function: it runs under a Lambda host".to_owned())?;
    answer_invocations(&api, args.fails).map_err(|error| format!("the Runtime API: {error}"))
}

fn answer_invocations(api: &str, fails: bool) -> io::Result<ExitCode> {
    let failure = json!({ "errorType": ERROR, "errorMessage": "no seat is left" }).to_string();
    let (what, answer) = if fails { ("error", failure.as_str()) } else { ("response", ANSWER) };
    let error_type = if fails { format!("Lambda-Runtime-Function-Error-Type: {ERROR}\r\n") } else { String::new() };
    let mut connection = Connection::open(api)?;
    loop {
        let next = connection.exchange("GET", "/2018-06-01/runtime/invocation/next", "", "")?;
        let path = format!("/2018-06-01/runtime/invocation/{}/{what}", next.request_id);
        connection.exchange("POST", &path, &error_type, answer)?;
    }
}

/// Takes tasks of an activity until it is killed.
pub fn worker(args: &WorkerArgs) -> Outcome {
    match args.ahead {
        Some(ahead) => stream(args, ahead),
        None => poll(args),
    }
}

/// One handler in one thread: it does not wait for anything, so that more threads would only be woken more often.
fn stream(args: &WorkerArgs, ahead: usize) -> Outcome {
    let answer: Value = serde_json::from_str(ANSWER).map_err(|error| format!("the answer is not JSON: {error}"))?;
    let fails = args.fails;
    let worker = Worker::connect(format!("http://{}", args.address)).ahead(ahead);
    let worker = worker.activity(args.activity.as_str(), 1, move |_| match fails {
        true => Err(Failure::new(ERROR, "no seat is left")),
        false => Ok(answer.clone()),
    });
    worker.run().map_err(|error| error.to_string())?;
    Ok(ExitCode::SUCCESS)
}

fn poll(args: &WorkerArgs) -> Outcome {
    let pollers: Vec<_> = (0..args.pollers.max(1))
        .map(|_| {
            let (address, activity, fails) = (args.address.clone(), args.activity.clone(), args.fails);
            std::thread::spawn(move || answer_tasks(&address, &activity, fails))
        })
        .collect();
    for poller in pollers {
        match poller.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(format!("a worker of {}: {error}", args.activity)),
            Err(_) => return Err("a worker has panicked".into()),
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn answer_tasks(address: &str, activity: &str, fails: bool) -> io::Result<()> {
    let mut connection = Connection::open(address)?;
    let poll = json!({ "activityArn": activity }).to_string();
    loop {
        let task: Value = serde_json::from_slice(&connection.call("GetActivityTask", &poll)?)?;
        // Nobody had a task for it in a minute.
        let Some(token) = task["taskToken"].as_str() else { continue };
        match fails {
            true => connection.call("SendTaskFailure", &json!({ "taskToken": token, "error": ERROR }).to_string())?,
            false => {
                connection.call("SendTaskSuccess", &json!({ "taskToken": token, "output": ANSWER }).to_string())?
            }
        };
    }
}

/// One connection that is kept, one request at a time.
struct Connection {
    host: String,
    reader: BufReader<TcpStream>,
    writer: TcpStream,
}

struct Answer {
    status: u16,
    /// Of an invocation.
    request_id: String,
    body: Vec<u8>,
}

impl Connection {
    fn open(host: &str) -> io::Result<Connection> {
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        Ok(Connection { host: host.to_owned(), reader: BufReader::new(stream.try_clone()?), writer: stream })
    }

    /// An operation of Step Functions; what it answers if that is not an error.
    fn call(&mut self, operation: &str, body: &str) -> io::Result<Vec<u8>> {
        let (json, target) = (aws_protocol::AWS_JSON_1_0, aws_states::TARGET_PREFIX);
        let headers = format!("Content-Type: {json}\r\nX-Amz-Target: {target}{operation}\r\n");
        let answer = self.exchange("POST", "/", &headers, body)?;
        match answer.status {
            200 => Ok(answer.body),
            status => Err(io::Error::other(format!("{operation}: {status} {}", String::from_utf8_lossy(&answer.body)))),
        }
    }

    fn exchange(&mut self, method: &str, path: &str, headers: &str, body: &str) -> io::Result<Answer> {
        let (host, length) = (&self.host, body.len());
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
        self.writer.write_all(request.as_bytes())?;
        read_answer(&mut self.reader)
    }
}

fn read_answer(reader: &mut impl BufRead) -> io::Result<Answer> {
    let mut line = String::new();
    let mut next_line = |reader: &mut dyn BufRead| -> io::Result<String> {
        line.clear();
        match reader.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    };
    let status = next_line(reader)?.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let mut answer = Answer { status, request_id: String::new(), body: Vec::new() };
    let mut length = 0;
    loop {
        let line = next_line(reader)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").unwrap_or((&line, ""));
        match name.to_ascii_lowercase().as_str() {
            "lambda-runtime-aws-request-id" => answer.request_id = value.to_owned(),
            "content-length" => length = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    reader.take(length).read_to_end(&mut answer.body)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let text = "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: abc\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 202 Accepted\r\n\r\n";
        let mut reader = text.as_bytes();
        let first = read_answer(&mut reader).unwrap();
        assert_eq!((first.status, first.request_id.as_str(), &first.body[..]), (200, "abc", &b"{}"[..]));
        assert_eq!(read_answer(&mut reader).unwrap().status, 202);
        assert!(read_answer(&mut reader).is_err());
    }
}
