//! The door over real files: what was put is found again, page by page, also by the next process.

use std::path::{Path, PathBuf};

use aws_logs::Logs;
use aws_protocol::Home;
use serde_json::{Value, json};

const GROUP: &str = "/aws/vendedlogs/states/m";

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("aws-logs-{name}-{}", std::process::id()));
        // What a killed run has left.
        let _ = std::fs::remove_dir_all(&path);
        Folder(path)
    }

    fn open(&self) -> Logs {
        Logs::open(&self.0, &Home::default()).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn ask(logs: &Logs, operation: &str, body: Value) -> Result<Value, String> {
    let request = http::Request::post("/")
        .header("x-amz-target", format!("{}{operation}", aws_logs::TARGET_PREFIX))
        .body(body.to_string().into())
        .unwrap();
    let response = logs.handle(request).await;
    assert_eq!(response.headers()["content-type"], "application/x-amz-json-1.1");
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    match response.status().is_success() {
        true => Ok(body),
        false => Err(format!("{}: {}", body["__type"].as_str().unwrap(), body["message"].as_str().unwrap())),
    }
}

async fn check(logs: &Logs, operation: &str, body: Value, expect: Result<Value, &str>) {
    let answer = ask(logs, operation, body.clone()).await;
    let is_met = match (&answer, &expect) {
        (Ok(answer), Ok(expect)) => answer == expect,
        (Err(answer), Err(expect)) => answer.contains(expect),
        _ => false,
    };
    assert!(is_met, "{operation} {body}: {answer:?}");
}

/// Follows the tokens of a list to its end.
async fn all(logs: &Logs, operation: &str, mut body: Value, list: &str) -> Vec<Value> {
    let mut entries = Vec::new();
    loop {
        let answer = ask(logs, operation, body.clone()).await.unwrap();
        entries.extend(answer[list].as_array().unwrap().iter().cloned());
        match answer.get("nextToken") {
            Some(token) => body["nextToken"] = token.clone(),
            None => return entries,
        }
    }
}

fn messages(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["message"].as_str().unwrap()).collect()
}

/// Events `n 0`, `n 1` … at 1000, 1001 …
fn put(logs: &Logs, stream: &str, count: i64) {
    let texts: Vec<String> = (0..count).map(|n| format!("{stream} {n}")).collect();
    let events: Vec<(i64, &str)> = (1000..).zip(texts.iter().map(String::as_str)).collect();
    assert!(logs.put(GROUP, stream, &events).unwrap());
}

fn stream_files(folder: &Path) -> usize {
    let groups = std::fs::read_dir(folder).unwrap().map(|group| group.unwrap().path());
    let files = groups.flat_map(|group| std::fs::read_dir(group).unwrap());
    files.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().ends_with(".jsonl")).count()
}

#[tokio::test]
async fn groups_come_and_go() {
    let folder = Folder::new("groups");
    let logs = folder.open();
    let group = json!({ "logGroupName": GROUP });
    check(&logs, "CreateLogGroup", group.clone(), Ok(json!({}))).await;
    check(&logs, "CreateLogGroup", group.clone(), Err("ResourceAlreadyExistsException: ")).await;
    logs.declare(GROUP).unwrap();
    logs.declare("other").unwrap();
    let retained = json!({ "logGroupName": GROUP, "retentionInDays": 7 });
    check(&logs, "PutRetentionPolicy", retained, Ok(json!({}))).await;
    let eight = json!({ "logGroupName": GROUP, "retentionInDays": 8 });
    check(&logs, "PutRetentionPolicy", eight, Err("InvalidParameterException: ")).await;

    // The next process finds them.
    drop(logs);
    let logs = folder.open();
    let found = ask(&logs, "DescribeLogGroups", json!({ "logGroupNamePrefix": "/aws/" })).await.unwrap();
    let shown = &found["logGroups"][0];
    assert_eq!(found["logGroups"].as_array().unwrap().len(), 1);
    assert_eq!((&shown["logGroupName"], &shown["retentionInDays"]), (&json!(GROUP), &json!(7)));
    assert_eq!(shown["arn"], format!("arn:aws:logs:us-east-1:000000000000:log-group:{GROUP}:*"));
    assert_eq!(all(&logs, "DescribeLogGroups", json!({ "limit": 1 }), "logGroups").await.len(), 2);

    check(&logs, "DeleteLogGroup", group.clone(), Ok(json!({}))).await;
    check(&logs, "DeleteLogGroup", group, Err("ResourceNotFoundException: The specified log group does not exist."))
        .await;
    assert!(!logs.put(GROUP, "s", &[(1, "late")]).unwrap());
    drop(logs);
    assert_eq!(all(&folder.open(), "DescribeLogGroups", json!({}), "logGroups").await.len(), 1);
}

#[tokio::test]
async fn a_group_that_cannot_be_read_harms_no_other_and_is_not_lost() {
    let folder = Folder::new("unreadable");
    let logs = folder.open();
    for name in ["good", "newer", "broken"] {
        logs.declare(name).unwrap();
    }
    drop(logs);
    let file = |group: &str| folder.0.join(group).join("group.json");
    std::fs::write(file("newer"), r#"{"format":2,"name":"newer","created_at":0,"retention_days":null}"#).unwrap();
    std::fs::write(file("broken"), "{").unwrap();
    let logs = folder.open();
    let mut told = logs.unreadable();
    told.sort();
    assert!(told[0].contains("broken") && told[1].contains("its format is 2, this version knows 1"), "{told:?}");
    assert_eq!(all(&logs, "DescribeLogGroups", json!({}), "logGroups").await.len(), 1);
    assert!(logs.declare("newer").unwrap_err().to_string().contains("move it away"));
    assert!(file("newer").is_file());
}

#[tokio::test]
async fn names_stay_in_the_folder() {
    let folder = Folder::new("names");
    let logs = folder.open();
    for name in ["..", ".", "../../etc", "a/../b", "#", "group.json"] {
        check(&logs, "CreateLogGroup", json!({ "logGroupName": name }), Ok(json!({}))).await;
        assert!(logs.put(name, "../../../x", &[(1, "m")]).unwrap());
    }
    logs.flush().unwrap();
    assert_eq!(stream_files(&folder.0), 6);
    assert_eq!(all(&folder.open(), "DescribeLogGroups", json!({}), "logGroups").await.len(), 6);
    for (name, why) in [("", "length greater"), ("a b", "pattern"), ("\u{e9}", "pattern"), ("a:b", "pattern")] {
        check(&logs, "CreateLogGroup", json!({ "logGroupName": name }), Err(why)).await;
    }
    check(&logs, "CreateLogGroup", json!({ "logGroupName": "n".repeat(513) }), Err("less than or equal to 512")).await;
    check(&logs, "CreateLogGroup", json!({ "logGroupName": "n".repeat(512) }), Ok(json!({}))).await;
}

#[tokio::test]
async fn events_are_read_in_pages_from_either_end() {
    let folder = Folder::new("pages");
    let logs = folder.open();
    logs.declare(GROUP).unwrap();
    put(&logs, "s", 10);
    let streams = ask(&logs, "DescribeLogStreams", json!({ "logGroupName": GROUP })).await.unwrap();
    let stream = streams["logStreams"][0]["logStreamName"].clone();
    assert_eq!(streams["logStreams"][0]["lastEventTimestamp"], 1009);
    let get = |more: Value| {
        let mut body = json!({ "logGroupName": GROUP, "logStreamName": stream, "limit": 4 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let mut answer = ask(&logs, "GetLogEvents", get(json!({ "startFromHead": true }))).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.extend(answer["events"].as_array().unwrap().clone());
        let next = json!({ "nextToken": answer["nextForwardToken"] });
        answer = ask(&logs, "GetLogEvents", get(next)).await.unwrap();
    }
    let expected: Vec<String> = (0..10).map(|n| format!("s {n}")).collect();
    assert_eq!(messages(&seen), expected);

    let mut answer = ask(&logs, "GetLogEvents", get(json!({}))).await.unwrap();
    assert_eq!(messages(answer["events"].as_array().unwrap()), ["s 6", "s 7", "s 8", "s 9"]);
    let end = answer["nextForwardToken"].clone();
    for expected in [&["s 2", "s 3", "s 4", "s 5"][..], &["s 0", "s 1"], &[], &[]] {
        let next = json!({ "nextToken": answer["nextBackwardToken"] });
        answer = ask(&logs, "GetLogEvents", get(next)).await.unwrap();
        assert_eq!(messages(answer["events"].as_array().unwrap()), expected);
    }
    // What comes later is found with the token of the end.
    put(&logs, "s", 1);
    let answer = ask(&logs, "GetLogEvents", get(json!({ "nextToken": end }))).await.unwrap();
    assert_eq!(messages(answer["events"].as_array().unwrap()), ["s 0"]);
    let times = json!({ "startTime": 1002, "endTime": 1004, "startFromHead": true });
    let answer = ask(&logs, "GetLogEvents", get(times)).await.unwrap();
    assert_eq!(messages(answer["events"].as_array().unwrap()), ["s 2", "s 3"]);
    for bad in ["", "x", "f/x", "x/1"] {
        check(&logs, "GetLogEvents", get(json!({ "nextToken": bad })), Err("nextToken is invalid")).await;
    }
    let none = json!({ "logGroupName": GROUP, "logStreamName": "none" });
    check(&logs, "GetLogEvents", none, Err("The specified log stream does not exist.")).await;
}

#[tokio::test]
async fn a_group_is_searched_stream_by_stream() {
    let folder = Folder::new("search");
    let logs = folder.open();
    logs.declare(GROUP).unwrap();
    for stream in ["a", "b", "c"] {
        put(&logs, stream, 3);
    }
    let body = |pattern: &str, limit: i64| json!({ "logGroupName": GROUP, "filterPattern": pattern, "limit": limit });
    for limit in [1, 2, 100] {
        let found = all(&logs, "FilterLogEvents", body("1", limit), "events").await;
        assert_eq!(messages(&found), ["a 1", "b 1", "c 1"], "by {limit}");
    }
    let mut prefixed = body("-0", 100);
    prefixed["logStreamNamePrefix"] = "b".into();
    assert_eq!(messages(&all(&logs, "FilterLogEvents", prefixed, "events").await), ["b 1", "b 2"]);
    check(&logs, "FilterLogEvents", body("{ $.id = 1 }", 1), Err("patterns over JSON")).await;
    check(&logs, "FilterLogEvents", body("", 0), Err("at 'limit'")).await;
    check(&logs, "Unknown", json!({}), Err("UnknownOperationException: ")).await;
    check(&logs, "FilterLogEvents", json!({ "logGroupName": 1 }), Err("SerializationException: ")).await;
}

#[tokio::test]
async fn a_line_that_a_crash_has_cut_harms_no_other() {
    let folder = Folder::new("cut");
    let logs = folder.open();
    logs.declare(GROUP).unwrap();
    put(&logs, "s", 2);
    logs.flush().unwrap();
    let group = std::fs::read_dir(&folder.0).unwrap().next().unwrap().unwrap().path();
    let is_stream = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "jsonl");
    let file = std::fs::read_dir(&group).unwrap().map(|file| file.unwrap().path()).find(is_stream).unwrap();
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 9]).unwrap();
    put(&logs, "s", 1);
    let found = all(&logs, "FilterLogEvents", json!({ "logGroupName": GROUP }), "events").await;
    assert_eq!(messages(&found), ["s 0", "s 0"]);
    assert_eq!(
        all(&folder.open(), "DescribeLogStreams", json!({ "logGroupName": GROUP }), "logStreams").await.len(),
        1
    );
}

#[tokio::test]
async fn hostile_members_are_refused_in_aws_form() {
    const OPERATIONS: [&str; 8] = [
        "CreateLogGroup",
        "DeleteLogGroup",
        "DeleteRetentionPolicy",
        "DescribeLogGroups",
        "DescribeLogStreams",
        "FilterLogEvents",
        "GetLogEvents",
        "PutRetentionPolicy",
    ];
    const MEMBERS: [&str; 16] = [
        "logGroupName",
        "logGroupIdentifier",
        "logStreamName",
        "logStreamNames",
        "logStreamNamePrefix",
        "logGroupNamePrefix",
        "logGroupNamePattern",
        "filterPattern",
        "nextToken",
        "limit",
        "startTime",
        "endTime",
        "startFromHead",
        "descending",
        "orderBy",
        "retentionInDays",
    ];
    let hostile = [
        json!(null),
        json!(-1),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!("\u{0}\u{e9}\u{1f600}"),
        json!("../.."),
        json!("f/18446744073709551615"),
        json!("18446744073709551615/s"),
        json!("arn:aws:logs:::log-group:"),
        json!("?"),
        json!("\"\\"),
        json!("x".repeat(10_000)),
        json!([]),
        json!(["s", "s"]),
        json!({}),
        json!(true),
    ];
    let folder = Folder::new("hostile");
    let logs = folder.open();
    logs.declare(GROUP).unwrap();
    put(&logs, "s", 3);
    for operation in OPERATIONS {
        for member in MEMBERS {
            for value in &hostile {
                logs.declare(GROUP).unwrap();
                let mut body = json!({ "logGroupName": GROUP, "logStreamName": "s", "retentionInDays": 1 });
                body[member] = value.clone();
                // Also that a refusal names an error is checked there.
                if let Err(refused) = ask(&logs, operation, body.clone()).await {
                    assert!(!refused.starts_with("InternalServerError"), "{operation} {body}: {refused}");
                }
            }
        }
    }
}
