//! Status change events of the real binary: every start and end reaches a file and a webhook, once and in order, also
//! when the webhook is away for a moment.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};
use support::ithaca::Up;
use support::scratch::Scratch;
use support::wait::{BOUND, wait_for};

/// A receiver that refuses the first events it is sent.
const REFUSED: usize = 2;

#[test]
fn starts_and_ends_are_told() {
    let scratch = Scratch::new("events");
    let file = scratch.join("events.jsonl");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook?of=ithaca", listener.local_addr().unwrap());
    let (sender, received) = mpsc::channel();
    thread::spawn(move || {
        let mut seen = 0;
        for stream in listener.incoming() {
            serve(stream.unwrap(), &mut seen, &sender);
        }
    });
    let up = Up::new(scratch.join("data")).option("--events", file.to_str().unwrap()).option("--events", &url);
    let ithaca = up.start();
    let client = ithaca.client();
    let definition = json!({ "StartAt": "A", "States": { "A": { "Type": "Fail", "Error": "E", "Cause": "why" } } });
    let machine = client.create_machine("m", &definition);
    let execution = client.start(&machine, &json!({ "trip": 1 }));
    client.ended(&execution);

    let posted: Vec<Value> = (0..2).map(|_| received.recv_timeout(BOUND).expect("an event is posted")).collect();
    let written: Vec<Value> = wait_for("two lines in the file", || {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        (text.lines().count() == 2).then(|| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    });
    for events in [&posted, &written] {
        let statuses: Vec<&str> = events.iter().map(|event| event["detail"]["status"].as_str().unwrap()).collect();
        assert_eq!(statuses, ["RUNNING", "FAILED"]);
        let (started, ended) = (&events[0]["detail"], &events[1]["detail"]);
        assert_eq!(events[0]["detail-type"], "Step Functions Execution Status Change");
        assert_eq!(events[0]["resources"], json!([execution]));
        assert_eq!((&started["input"], &started["stopDate"]), (&json!(r#"{"trip":1}"#), &Value::Null));
        assert_eq!((&ended["error"], &ended["cause"], &ended["output"]), (&json!("E"), &json!("why"), &Value::Null));
        assert!(ended["stopDate"].as_i64() >= ended["startDate"].as_i64());
    }
    let odd = support::ithaca::command(&["up", "--events", "https://localhost/"]).output().unwrap();
    assert!(String::from_utf8_lossy(&odd.stderr).contains("--events https://localhost/: events go to a file or"));
}

/// Answers one request of a connection after the other.
fn serve(stream: TcpStream, seen: &mut usize, sender: &mpsc::Sender<Value>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        assert!(head.starts_with("POST /hook?of=ithaca HTTP/1.1"), "{head}");
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap()];
        reader.read_exact(&mut body).unwrap();
        *seen += 1;
        let status = if *seen <= REFUSED { "503 Service Unavailable" } else { "200 OK" };
        write!(writer, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").unwrap();
        if *seen > REFUSED {
            sender.send(serde_json::from_slice(&body).unwrap()).unwrap();
        }
    }
}
