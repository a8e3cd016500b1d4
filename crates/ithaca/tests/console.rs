//! The console behind the real port: who may read, who may act, and that its pages and actions work without scripts.
//! (What a browser makes of them is tested in a browser.)

mod support;

use serde_json::{Value, json};
use support::client::{Client, text};
use support::http::Answer;
use support::ithaca::{Ithaca, Up};
use support::scratch::Scratch;
use support::wait::wait_for;

const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml");

struct Page<'a> {
    client: &'a Client,
    host: String,
}

impl Page<'_> {
    fn of(client: &Client) -> Page<'_> {
        Page { client, host: client.address.clone() }
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let headers: Vec<(&str, &str)> = headers.iter().copied().chain([BROWSER]).collect();
        self.client.send("GET", path, &headers, b"").unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// Sends a form as the console's own page would.
    fn post(&self, path: &str, fields: &str, headers: &[(&str, &str)]) -> Answer {
        let origin = format!("http://{}", self.host);
        let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
        if !headers.iter().any(|(name, _)| *name == "origin") {
            all.push(("origin", &origin));
        }
        all.extend(headers.iter().filter(|(name, value)| !(*name == "origin" && value.is_empty())));
        self.client.send("POST", path, &all, fields.as_bytes()).unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// What a form of this page brings back.
    fn key(&self, path: &str) -> String {
        let page = self.get(path, &[]).text();
        let (_, rest) = page.split_once("name=\"key\" value=\"").expect("the page has a form");
        rest.split('"').next().unwrap().to_owned()
    }
}

fn waiting() -> Value {
    json!({ "StartAt": "Wait", "States": {
        "Wait": { "Type": "Wait", "Seconds": 3600, "Next": "Done" },
        "Done": { "Type": "Succeed" } } })
}

fn running(scratch: &Scratch) -> (Ithaca, String) {
    let ithaca = Up::new(scratch.path()).start();
    let arn = ithaca.client().create_machine("waits", &waiting());
    (ithaca, arn)
}

fn status(client: &Client, execution: &str) -> String {
    text(&client.states("DescribeExecution", json!({ "executionArn": execution }))["status"])
}

#[test]
fn who_may_read_and_what_answers_allow() {
    let scratch = Scratch::new("console-reads");
    let (ithaca, arn) = running(&scratch);
    let client = ithaca.client();
    let page = Page::of(&client);
    let check = |path: &str, headers: &[(&str, &str)], expect: u16| {
        let answer = page.get(path, headers);
        assert_eq!(answer.status, expect, "{path} {headers:?}: {}", answer.text());
        answer
    };
    let machine = format!("/console/machines/{arn}");
    for path in ["/", "/console", "/console/machines", &machine] {
        let answer = check(path, &[], 200);
        let policy = answer.header("content-security-policy").unwrap_or_default();
        for rule in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
        let body = answer.text();
        assert!(!body.contains("class=\"name\" class="), "{path}: an element has two lists of classes");
        assert!(!body.contains("<style") && !body.contains(" style=") && !body.contains(" onclick="), "{path}");
        assert!(body.len() < 100_000, "{path} has {} bytes", body.len());
        check(path, &[("sec-fetch-site", "same-origin")], 200);
        check(path, &[("origin", "http://evil.example")], 403);
        check(path, &[("sec-fetch-site", "cross-site")], 403);
        check(path, &[("host", "evil.example")], 403);
    }
    check("/console/nothing", &[], 404);
    check("/console/machines/arn:aws:states:us-east-1:000000000000:stateMachine:none", &[], 404);
    // The rest of the port stays closed to pages, our own included.
    let own = format!("http://{}", page.host);
    check("/ithaca/changes", &[("origin", own.as_str())], 403);
    // Without a wish for HTML the root is for terminals.
    let plain = client.get("/");
    assert_eq!(plain.header("content-type"), Some("text/plain; charset=utf-8"));
}

#[test]
fn assets_are_ours_and_stay() {
    let scratch = Scratch::new("console-assets");
    let ithaca = Up::new(scratch.path()).start();
    let client = ithaca.client();
    let page = Page::of(&client);
    let first = page.get("/", &[]).text();
    let links = first.split("/console/assets/").skip(1).map(|rest| rest.split('"').next().unwrap());
    let mut bytes = first.len();
    for link in links {
        let answer = page.get(&format!("/console/assets/{link}"), &[]);
        assert_eq!(answer.status, 200, "{link}");
        assert!(answer.header("cache-control").unwrap().contains("immutable"), "{link}");
        assert!(!answer.text().contains("http://") && !answer.text().contains("https://"), "{link} loads from outside");
        bytes += answer.body.len();
    }
    assert!(bytes < 100_000, "the first page has {bytes} bytes in all");
}

#[test]
fn who_may_act() {
    let scratch = Scratch::new("console-acts");
    let (ithaca, arn) = running(&scratch);
    let client = ithaca.client();
    let page = Page::of(&client);
    let machine = format!("/console/machines/{arn}");
    let start = format!("{machine}/start");
    let key = page.key(&machine);
    let form = format!("input=%7B%7D&name=one&key={key}");
    let check = |fields: &str, headers: &[(&str, &str)]| {
        let answer = page.post(&start, fields, headers);
        assert_eq!(answer.status, 403, "{fields} {headers:?}: {}", answer.text());
    };
    check("input=%7B%7D&name=one", &[]);
    check("input=%7B%7D&name=one&key=0123", &[]);
    check(&form, &[("origin", "http://evil.example")]);
    check(&form, &[("origin", "http://localhost:3000")]);
    check(&form, &[("origin", "null")]);
    check(&form, &[("origin", "")]);
    check(&form, &[("sec-fetch-site", "cross-site")]);
    check(&form, &[("sec-fetch-site", "same-site")]);
    check(&form, &[("host", "evil.example")]);
    assert_eq!(client.states("ListExecutions", json!({ "stateMachineArn": arn }))["executions"], json!([]));
    // By GET nothing happens, whatever is in the address.
    assert_eq!(page.get(&format!("{start}?{form}"), &[]).status, 405);

    let answer = page.post(&start, &form, &[("sec-fetch-site", "same-origin")]);
    assert_eq!(answer.status, 303, "{}", answer.text());
    let there = answer.header("location").unwrap().to_owned();
    assert_eq!(page.get(&there, &[]).status, 200);
}

#[test]
fn an_execution_is_started_stopped_and_redriven() {
    let scratch = Scratch::new("console-execution");
    let (ithaca, arn) = running(&scratch);
    let client = ithaca.client();
    let page = Page::of(&client);
    let machine = format!("/console/machines/{arn}");
    let key = page.key(&machine);
    let bad = page.post(&format!("{machine}/start"), &format!("input=%7B&key={key}"), &[]);
    assert_eq!(bad.status, 400);
    assert!(bad.text().contains("The input is not JSON"), "{}", bad.text());

    page.post(&format!("{machine}/start"), &format!("input=%7B%22a%22%3A1%7D&name=one&key={key}"), &[]);
    let execution = arn.replace(":stateMachine:", ":execution:") + ":one";
    let there = format!("/console/executions/{execution}");
    let seen = page.get(&there, &[]).text();
    for part in ["data-state=\"Wait\" data-status=\"in-progress\"", "It is in Wait.", "Stop the execution"] {
        assert!(seen.contains(part), "{part} is not on the page: {seen}");
    }
    let stopped = page.post(&format!("{there}/stop"), &format!("cause=enough&key={key}"), &[]);
    assert_eq!(stopped.status, 303, "{}", stopped.text());
    assert_eq!(status(&client, &execution), "ABORTED");
    let seen = page.get(&there, &[]).text();
    for part in ["data-state=\"Wait\" data-status=\"cancelled\"", "It was stopped: enough.", "Redrive"] {
        assert!(seen.contains(part), "{part} is not on the page: {seen}");
    }
    let redriven = page.post(&format!("{there}/redrive"), &format!("key={key}"), &[]);
    assert_eq!(redriven.status, 303, "{}", redriven.text());
    wait_for("the execution goes on", || (status(&client, &execution) == "RUNNING").then_some(()));
    let again = page.post(&format!("{there}/redrive"), &format!("key={key}"), &[]);
    assert_eq!(again.status, 409, "{}", again.text());
    let svg = page.get(&format!("{there}/graph.svg"), &[]);
    assert_eq!(svg.header("content-type"), Some("image/svg+xml"));
    assert!(
        svg.header("content-security-policy").unwrap().starts_with("default-src 'none'; style-src 'unsafe-inline'")
    );

    // What cannot be started is shown again, with what was written.
    let taken = page.post(&format!("{machine}/start"), &format!("input=%7B%22b%22%3A2%7D&name=one&key={key}"), &[]);
    assert_eq!(taken.status, 409, "{}", taken.text());
    for part in ["The name is taken", "{&quot;b&quot;:2}", "value=\"one\""] {
        assert!(taken.text().contains(part), "{part} is not on the page: {}", taken.text());
    }
    let again = page.get(&format!("{machine}?again={execution}"), &[]).text();
    assert!(again.contains("This is the input of one."), "{again}");
}

#[test]
fn an_express_execution_is_told_at_once() {
    let scratch = Scratch::new("console-express");
    let ithaca = Up::new(scratch.path()).start();
    let client = ithaca.client();
    let page = Page::of(&client);
    let definition =
        json!({ "StartAt": "Say", "States": { "Say": { "Type": "Pass", "Result": "hello", "End": true } } });
    let body = json!({ "name": "quick", "type": "EXPRESS", "definition": definition.to_string(), "roleArn": support::client::ROLE });
    let arn = text(&client.states("CreateStateMachine", body)["stateMachineArn"]);
    let machine = format!("/console/machines/{arn}");
    let key = page.key(&machine);
    let told = page.post(&format!("{machine}/start"), &format!("input=1&key={key}"), &[]);
    assert_eq!(told.status, 200, "{}", told.text());
    for part in ["Succeeded", "&quot;hello&quot;", "An Express execution is not kept"] {
        assert!(told.text().contains(part), "{part} is not on the page: {}", told.text());
    }
}

/// A task that gives its token to another execution and waits.
fn asking(other: &str) -> Value {
    json!({ "StartAt": "Ask", "States": { "Ask": { "Type": "Task",
        "Resource": "arn:aws:states:::states:startExecution.waitForTaskToken",
        "Parameters": { "StateMachineArn": other, "Input": { "token.$": "$$.Task.Token" } }, "End": true } } })
}

#[test]
fn a_waiting_task_is_answered() {
    let scratch = Scratch::new("console-answers");
    let (ithaca, other) = running(&scratch);
    let client = ithaca.client();
    let page = Page::of(&client);
    let arn = client.create_machine("asks", &asking(&other));
    let begin = |name: &str| {
        let body = json!({ "stateMachineArn": arn, "name": name });
        let execution = text(&client.states("StartExecution", body)["executionArn"]);
        let there = format!("/console/executions/{execution}");
        let seen = wait_for("it waits for an answer", || {
            let seen = page.get(&there, &[]).text();
            seen.contains("data-waiting=\"Ask\"").then_some(seen)
        });
        assert!(seen.contains("data-state=\"Ask\" data-status=\"waiting\""), "{seen}");
        let (_, rest) = seen.split_once("name=\"task\" value=\"").expect("there is a form to answer");
        let task = rest.split('"').next().unwrap().to_owned();
        (execution, there, task)
    };
    let key = page.key(&format!("/console/machines/{arn}"));

    let (execution, there, task) = begin("good");
    let fields = format!("task={task}&verdict=success&output=%7B%22yes%22%3Atrue%7D&key={key}");
    assert_eq!(page.post(&format!("{there}/answer"), &fields, &[]).status, 303);
    wait_for("it has the answer", || (status(&client, &execution) == "SUCCEEDED").then_some(()));
    let again = page.post(&format!("{there}/answer"), &fields, &[]);
    assert_eq!(again.status, 409, "{}", again.text());
    assert!(again.text().contains("Nobody waits for this any more"), "{}", again.text());
    let output = page.get(&format!("{there}/events/8/data.json"), &[]);
    assert_eq!(output.text(), r#"{"yes":true}"#);

    let (execution, there, task) = begin("bad");
    let fields = format!("task={task}&verdict=success&output=%7B&key={key}");
    assert_eq!(page.post(&format!("{there}/answer"), &fields, &[]).status, 400);
    let fields = format!("task={task}&verdict=failure&error=Declined&cause=Not+now&key={key}");
    assert_eq!(page.post(&format!("{there}/answer"), &fields, &[]).status, 303);
    wait_for("it has the answer", || (status(&client, &execution) == "FAILED").then_some(()));
    let seen = page.get(&there, &[]).text();
    assert!(seen.contains("Ask failed: Declined: Not now."), "{seen}");

    // The same from a terminal, by the name of the execution.
    let (execution, ..) = begin("told");
    let said = ithaca.run(&["answer", "told", "--error", "Declined"]);
    assert_eq!(said.out.trim(), "answered", "{said:?}");
    wait_for("it has the answer", || (status(&client, &execution) == "FAILED").then_some(()));
    let said = ithaca.run(&["redrive", "told"]);
    assert_eq!(said.out.trim(), format!("redriven {execution}"), "{said:?}");
    wait_for("it waits again", || {
        let said = ithaca.run(&["answer", "told", "--output", r#"{"yes":1}"#]);
        (said.out.trim() == "answered").then_some(())
    });
    wait_for("it has the answer", || (status(&client, &execution) == "SUCCEEDED").then_some(()));
}

#[test]
fn events_and_map_runs_have_pages() {
    let scratch = Scratch::new("console-events");
    let ithaca = Up::new(scratch.path()).start();
    let client = ithaca.client();
    let page = Page::of(&client);
    let definition = json!({ "StartAt": "Each", "States": { "Each": { "Type": "Map", "End": true, "ToleratedFailureCount": 1,
        "ItemProcessor": { "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" }, "StartAt": "Is", "States": {
            "Is": { "Type": "Choice", "Choices": [{ "Variable": "$", "NumericEquals": 2, "Next": "Bad" }], "Default": "Good" },
            "Bad": { "Type": "Fail", "Error": "Two" }, "Good": { "Type": "Succeed" } } } } } });
    let arn = client.create_machine("each", &definition);
    let execution = client.start(&arn, &json!([1, 2, 3]));
    wait_for("it is over", || (status(&client, &execution) == "SUCCEEDED").then_some(()));
    let there = format!("/console/executions/{execution}");
    let check = |path: &str, expect: &[&str]| {
        let answer = page.get(path, &[]);
        assert_eq!(answer.status, 200, "{path}");
        let seen = answer.text();
        for part in expect {
            assert!(seen.contains(part), "{part} is not on {path}: {seen}");
        }
        seen
    };
    let seen = check(&there, &["1 item of 3 failed in", "2 of 3, 1 failed", "Map Run of Each"]);
    check(&format!("{there}/events"), &["MapStateStarted", "MapRunStarted", "ExecutionSucceeded"]);
    check(&format!("{there}/events?state=Each"), &["MapStateEntered"]);
    check(&format!("{there}/events/1"), &["Event 1: ExecutionStarted", "7 bytes"]);
    assert_eq!(page.get(&format!("{there}/events/99"), &[]).status, 404);
    assert_eq!(page.get(&format!("{there}/events/1/data.json"), &[]).text(), "[1,2,3]");
    let (_, rest) = seen.split_once("href=\"/console/map-runs/").expect("it leads to its Map Run");
    let run = format!("/console/map-runs/{}", rest.split(['"', '?']).next().unwrap());
    check(&run, &["3 items", "2 succeeded", "1 failed"]);
    let seen = check(&format!("{run}?status=FAILED"), &["Executions"]);
    let (_, rest) = seen.split_once("href=\"/console/executions/").expect("it leads to the execution of its parent");
    assert!(rest.contains("/console/executions/"), "it leads to the execution that failed");
}

#[test]
fn a_stream_tells_what_changes() {
    use std::io::{BufRead, BufReader, Write};
    let scratch = Scratch::new("console-stream");
    let (ithaca, arn) = running(&scratch);
    let client = ithaca.client();
    let execution = client.start(&arn, &json!({}));
    let mut stream = std::net::TcpStream::connect(&client.address).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    let request = format!("GET /console/executions/{execution}/live HTTP/1.1\r\nhost: {}\r\n\r\n", client.address);
    stream.write_all(request.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let mut status_of_wait = || loop {
        let line = lines.next().expect("the stream goes on");
        if let Some(data) = line.strip_prefix("data: {\"nodes\"") {
            let statuses: Value = serde_json::from_str(&format!("{{\"nodes\"{data}")).unwrap();
            return text(&statuses["nodes"]["Wait"]["status"]);
        }
    };
    assert_eq!(status_of_wait(), "in-progress");
    client.states("StopExecution", json!({ "executionArn": execution }));
    assert_eq!(status_of_wait(), "cancelled");
}
