//! The console's pages about what lies around the engine, over the real binary with the travel saga: functions, tables,
//! APIs, waiting tasks, health; what they show and what their forms do. Without a browser: forms are sent as a page
//! without scripts sends them.

mod support;

use serde_json::{Value, json};
use support::client::{Client, text};
use support::http::Answer;
use support::ithaca::{Ithaca, Up};
use support::scratch::Scratch;
use support::travel::{FAILURES, MACHINE, TABLE, built_example};
use support::wait::wait_for;

/// What of a page is enough before any other request: the issue's bound for the first one.
const PAGE_BYTES_MAX: usize = 100_000;

fn get(client: &Client, path: &str) -> Answer {
    let answer = client.send("GET", path, &[("accept", "text/html")], b"").unwrap();
    assert!(answer.body.len() < PAGE_BYTES_MAX, "{path} has {} bytes", answer.body.len());
    answer
}

/// A page that must be there.
fn page(client: &Client, path: &str) -> String {
    let answer = get(client, path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.text()
}

#[track_caller]
fn shows(page: &str, texts: &[&str]) {
    for text in texts {
        assert!(page.contains(text), "there is no {text} on\n{page}");
    }
}

/// Sends a form with the key that is on the page.
fn post(client: &Client, on: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    let page = page(client, on);
    let (_, key) = page.split_once("name=\"key\" value=\"").unwrap_or_else(|| panic!("{on} has no form"));
    let key = key.split('"').next().unwrap();
    let encoded = |text: &str| -> String {
        text.bytes()
            .map(
                |byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") },
            )
            .collect()
    };
    let all = fields.iter().copied().chain([("key", key)]);
    let body: Vec<String> = all.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let origin = format!("http://{}", client.address);
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("origin", origin.as_str())];
    client.send("POST", path, &headers, body.join("&").as_bytes()).unwrap()
}

fn travel() -> (Scratch, Ithaca) {
    let scratch = Scratch::new("console-pages");
    let ithaca = Up::new(scratch.join("data")).template(built_example()).parameter("FailureRate=0").start();
    (scratch, ithaca)
}

/// What stands between two texts.
fn between<'a>(page: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = page.split_once(before).unwrap_or_else(|| panic!("there is no {before} on\n{page}"));
    rest.split(after).next().unwrap()
}

#[test]
fn a_trip_by_the_console_alone() {
    let (_scratch, ithaca) = travel();
    let client = ithaca.client();

    // The API, and its six ways.
    let apis = page(&client, "/console/apis");
    shows(&apis, &["Six ways to travel", "data-way=\"success\"", "/{proxy+}", "travel-SagaFunction", "curl"]);
    for run in &FAILURES {
        shows(&apis, &[&format!("data-way=\"{}\"", run.name)]);
    }
    let id = between(&apis, "id=\"api-", "\"").to_owned();
    let (on, call) = (format!("/console/apis/{id}"), format!("/console/apis/{id}/call"));
    let fields = [("method", "GET"), ("path", "/?runType=success&tripID=trip-c")];
    let called = post(&client, &on, &call, &fields);
    assert_eq!(called.status, 200);
    let told = called.text();
    shows(
        &told,
        &["The holiday booking system is processing your order", "1 execution", "data-started", "?hash=trip-c"],
    );
    let execution = between(&told, "href=\"/console/executions/", "\"").to_owned();
    client.ended(&execution.replace("%2F", "/"));
    shows(&page(&client, &format!("/console/executions/{execution}")), &["Succeeded"]);
    let odd = post(&client, &on, &call, &[("method", "GET"), ("path", "no-slash")]);
    assert_eq!((odd.status, odd.text().contains("begin with a slash")), (400, true));

    // Its rows: all, by key, one.
    let table = format!("/console/tables/{TABLE}");
    let here = format!("--endpoint-url {}", ithaca.endpoint());
    shows(&page(&client, "/console/tables"), &[TABLE, &format!("aws dynamodb list-tables {here}")]);
    let all = page(&client, &table);
    shows(&all, &["3 items", "HOTEL#", "confirmed", &format!("aws dynamodb scan {here}")]);
    let hotel = page(&client, &format!("{table}?hash=trip-c&range=HOTEL"));
    shows(&hotel, &["1 item", "HOTEL#", "aws dynamodb query", "begins_with"]);
    assert!(!hotel.contains("FLIGHT#"));
    shows(&page(&client, &format!("{table}?hash=nobody")), &["No item has the key nobody"]);
    let item = between(&hotel, &format!("href=\"{table}/item?key="), "\"").to_owned();
    let item = page(&client, &format!("{table}/item?key={item}"));
    shows(&item, &["transaction_status", "confirmed", "holiday inn", &format!("aws dynamodb get-item {here}")]);
    let gone = r#"{"pk":{"S":"x"},"sk":{"S":"y"}}"#.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    shows(&page(&client, &format!("{table}/item?key={gone}")), &["The item is not there"]);
    assert_eq!(get(&client, "/console/tables/none").status, 404);
    assert_eq!(get(&client, &format!("{table}/item?key=x")).status, 400);

    // The function that started it, and one that answers to a form.
    shows(&page(&client, "/console/functions"), &["travel-SagaFunction", "provided.al2023", "128 MB"]);
    let function = "/console/functions/travel-ReserveHotelFunction";
    let shown = page(&client, function);
    shows(
        &shown,
        &["START RequestId", "the last 1 of 1", "TABLE_NAME", &format!("aws lambda invoke {here}"), "changed <time"],
    );
    let payload = support::travel::trip("trip-by-hand", "success").to_string();
    let invoked = post(&client, function, &format!("{function}/invoke"), &[("payload", &payload)]);
    assert_eq!(invoked.status, 200);
    shows(&invoked.text(), &["Answered", "booking_id"]);
    shows(&page(&client, &format!("{table}?hash=trip-by-hand")), &["pending"]);
    let failed = post(&client, function, &format!("{function}/invoke"), &[("payload", "[]")]);
    assert_eq!((failed.status, failed.text().contains("Failed")), (200, true), "{}", failed.text());
    shows(&page(&client, function), &["pill failed\">Failed: "]);
    assert_eq!(post(&client, function, &format!("{function}/invoke"), &[("payload", "{")]).status, 400);
    assert_eq!(get(&client, "/console/functions/none").status, 404);

    // Health tells what was done.
    let health = page(&client, "/console/health");
    shows(&health, &["All is well", "<dd data-fact=\"Functions\">9</dd>", "2 of 2", "Commit, median", "/metrics"]);
    assert_eq!(client.executions(MACHINE).len(), 1);
}

#[test]
fn rows_are_shown_as_they_change() {
    let scratch = Scratch::new("console-rows");
    let ithaca = Up::new(scratch.join("data")).start();
    let client = ithaca.client();
    let attribute = |name: &str, kind: &str| json!({ "AttributeName": name, "AttributeType": kind });
    let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
    let table = json!({ "TableName": "rows", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [attribute("id", "S"), attribute("at", "N")], "KeySchema": [key("id", "HASH"), key("at", "RANGE")] });
    client.dynamo("CreateTable", table);
    // What the page's script asks for each second.
    let part = || page(&client, "/console/tables/rows?hash=a&part=items");
    shows(&part(), &["No item has the key a"]);
    let put = |at: u64, status: &str| {
        let item = json!({ "id": { "S": "a" }, "at": { "N": at.to_string() }, "status": { "S": status }, "list": { "L": [{ "N": "1" }] } });
        client.dynamo("PutItem", json!({ "TableName": "rows", "Item": item }));
    };
    put(1, "pending");
    shows(&part(), &["1 item", "<span class=\"pill waiting\">pending</span>", "[1]"]);
    put(1, "confirmed");
    shows(&part(), &["<span class=\"pill succeeded\">confirmed</span>"]);
    shows(&page(&client, "/console/tables/rows?hash=a&range=2"), &["No item has the key a"]);
    shows(&page(&client, "/console/tables/rows?hash=a&range=1"), &["1 item", "#r = :r"]);
    assert_eq!(get(&client, "/console/tables/rows?hash=a&range=x").status, 400);
    client.dynamo("DeleteItem", json!({ "TableName": "rows", "Key": { "id": { "S": "a" }, "at": { "N": "1" } } }));
    shows(&part(), &["No item has the key a"]);
    // More than a page, and the way to all of it.
    (0..60).for_each(|at| put(at, "pending"));
    let first = page(&client, "/console/tables/rows");
    shows(&first, &["50 items shown of about", "rel=\"next\""]);
    let next = between(&first, "rel=\"next\" href=\"", "\"").to_owned();
    let second = page(&client, &next);
    shows(&second, &["10 items shown", "First"]);
    assert!(!second.contains("rel=\"next\""));
}

#[test]
fn empty_pages_say_what_to_do() {
    let scratch = Scratch::new("console-empty");
    let ithaca = Up::new(scratch.join("data")).start();
    let client = ithaca.client();
    for (path, title, next) in [
        ("functions", "There is no function yet", "ithaca up"),
        ("tables", "There is no table yet", "create-table"),
        ("apis", "There is no API yet", "ithaca up"),
        ("outbox", "Nothing was sent yet", "sns publish"),
        ("waiting", "Nothing waits for an answer", "ithaca up examples/checkout"),
        ("waiting", "There is no activity", "create-activity"),
    ] {
        shows(&page(&client, &format!("/console/{path}")), &[title, next, "<p class=\"strong\">"]);
    }
    shows(&page(&client, "/console/health"), &["All is well", &scratch.join("data").display().to_string()]);
}

#[test]
fn waiting_tasks_are_answered() {
    let scratch = Scratch::new("console-waiting");
    let ithaca = Up::new(scratch.join("data")).start();
    let client = ithaca.client();
    let activity = text(&client.states("CreateActivity", json!({ "name": "ship" }))["activityArn"]);
    let task = json!({ "Type": "Task", "Resource": activity, "TimeoutSeconds": 600, "End": true });
    let machine = client.create_machine("m", &json!({ "StartAt": "Ship", "States": { "Ship": task } }));
    let executions: Vec<String> = (0..2).map(|n| client.start(&machine, &json!({ "n": n }))).collect();
    wait_for("both want a worker", || {
        let shown = page(&client, "/console/waiting");
        (shown.matches("data-waiting=\"Ship\"").count() == 2).then_some(())
    });
    let wanted = page(&client, "/console/waiting");
    shows(&wanted, &["data-activity=\"ship\"", "<td class=\"number\">2</td>", "Wants a worker"]);
    assert!(!wanted.contains("name=\"verdict\""), "what no worker has taken cannot be answered");
    for _ in 0..2 {
        let taken = client.states("GetActivityTask", json!({ "activityArn": activity }));
        assert!(taken["taskToken"].is_string());
    }
    for (execution, fields, status) in [
        (&executions[0], [("verdict", "success"), ("output", "{\"sent\":true}")], "SUCCEEDED"),
        (&executions[1], [("verdict", "failure"), ("error", "Lost")], "FAILED"),
    ] {
        let shown = page(&client, "/console/waiting");
        let name = execution.rsplit(':').next().unwrap();
        let of_it = shown.split("<article").find(|article| article.contains(name)).expect("it waits");
        let action = between(of_it, "action=\"", "\"").to_owned();
        let number = between(of_it, "name=\"task\" value=\"", "\"").to_owned();
        let fields: Vec<_> = fields.into_iter().chain([("task", number.as_str())]).collect();
        assert_eq!(post(&client, "/console/waiting", &action, &fields).status, 303);
        let ended: Value = client.ended(execution);
        assert_eq!(ended["status"], status, "{ended}");
    }
    shows(&page(&client, "/console/waiting"), &["Nothing waits for an answer"]);
}
