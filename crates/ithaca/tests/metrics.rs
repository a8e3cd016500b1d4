//! What the real binary tells of itself: `/metrics` compared with what was done, `/readyz`, log lines, traces.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::{fs, thread};

use serde_json::{Value, json};
use support::client::{Client, text};
use support::history::{attempts, states_entered};
use support::ithaca::{Up, command};
use support::scratch::Scratch;
use support::travel::{FAILURES, MACHINE, built_example};
use support::wait::{BOUND, wait_for};

/// Series of one scrape, at most, however many machines there are: a hundred machines have seven each.
const SERIES_MAX: usize = 1_300;

/// Samples by name and labels, as they are written.
type Samples = BTreeMap<String, f64>;

/// Scrapes, and checks every line against the grammar of the format.
fn scrape(client: &Client) -> Samples {
    let answer = client.get("/metrics");
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    checked(&answer.text(), false)
}

/// `# HELP`, `# TYPE`, then samples of that family, none of them twice; OpenMetrics ends with `# EOF`.
fn checked(text: &str, is_open: bool) -> Samples {
    assert!(text.ends_with('\n'));
    let mut samples = Samples::new();
    let (mut declared, mut helped) = (BTreeMap::<String, String>::new(), None);
    let mut family = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "# EOF" {
            assert!(is_open && lines.peek().is_none(), "EOF is the last line of OpenMetrics only");
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a help has a text");
            assert!(help.ends_with('.'), "{line}");
            helped = Some(name.to_owned());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type has a name");
            assert_eq!(helped.take().as_deref(), Some(name), "each family has a help");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(declared.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is declared twice");
            family = name.to_owned();
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
            let name = series.split('{').next().unwrap_or_default();
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
            let suffix = name.strip_prefix(&*family).unwrap_or_else(|| panic!("{line} stands below {family}"));
            let allowed: &[&str] = match (&*declared[&family], is_open) {
                ("histogram", _) => &["_bucket", "_sum", "_count"],
                ("counter", true) => &["_total"],
                ("counter", false) if !family.ends_with("_total") => &[],
                _ => &[""],
            };
            assert!(allowed.contains(&suffix), "{line} is no sample of {family}");
            check_labels(&series[name.len()..], line);
            assert!(samples.insert(series.to_owned(), value).is_none(), "{series} stands twice");
        }
    }
    assert_eq!(is_open, text.ends_with("# EOF\n"));
    samples
}

/// `{name="text",...}` with escapes, or nothing.
fn check_labels(labels: &str, line: &str) {
    if labels.is_empty() {
        return;
    }
    let inner = labels.strip_prefix('{').and_then(|it| it.strip_suffix('}')).unwrap_or_else(|| panic!("{line}"));
    let mut rest = inner;
    while !rest.is_empty() {
        let (name, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
        let mut escaped = false;
        let end = value.bytes().position(|byte| {
            let is_end = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            is_end
        });
        rest = &value[end.unwrap_or_else(|| panic!("{line}")) + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}

/// The sum of all samples that begin so.
fn sum(samples: &Samples, begin: &str) -> f64 {
    samples.iter().filter(|(series, _)| series.starts_with(begin)).map(|(_, value)| value).sum()
}

/// A collector: gives the body of every POST.
fn collector() -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, received) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            collect(stream.unwrap(), &sender);
        }
    });
    (format!("http://{address}"), received)
}

fn collect(mut stream: TcpStream, sender: &mpsc::Sender<Value>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        assert!(head.starts_with("POST /v1/traces HTTP/1.1"), "{head}");
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap()];
        reader.read_exact(&mut body).unwrap();
        sender.send(serde_json::from_slice(&body).unwrap()).unwrap();
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}").unwrap();
    }
}

/// Spans by trace, once all of so many traces are there.
fn traces(received: &Receiver<Value>, count: usize) -> BTreeMap<String, Vec<Value>> {
    let mut traces = BTreeMap::<String, Vec<Value>>::new();
    while traces.len() < count {
        let request = received.recv_timeout(BOUND).expect("a collector is told of every execution that ends");
        let spans = request["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
        for span in spans {
            traces.entry(text(&span["traceId"])).or_default().push(span.clone());
        }
    }
    traces
}

#[test]
fn a_day_of_travel_is_told() {
    let scratch = Scratch::new("metrics");
    let (collector, received) = collector();
    let up = Up::new(scratch.join("data"))
        .template(built_example())
        .parameter("FailureRate=0")
        .option("--otlp-endpoint", &collector)
        .option("--log-format", "json")
        .option("--log-level", "debug");
    let mut ithaca = up.start();
    let (client, api) = (ithaca.client(), ithaca.api());
    let ready = client.get("/readyz");
    assert_eq!((ready.status, ready.text()), (200, "ready\n".to_owned()));
    let types: Vec<&str> = ["success"].into_iter().chain(FAILURES.iter().map(|run| run.name)).collect();
    for name in &types {
        assert_eq!(api.get(&format!("/?runType={name}&tripID=secret-{name}")).status, 200);
    }
    let executions = wait_for("all have ended", || {
        let all = client.executions(MACHINE);
        (all.len() == types.len() && all.iter().all(|it| it["status"] != "RUNNING")).then_some(all)
    });
    let histories: Vec<Vec<Value>> = executions.iter().map(|it| client.history(&text(&it["executionArn"]))).collect();

    let samples = scrape(&client);
    let machine = r#"{machine="travel-BookingSaga""#;
    let at = |series: &str| samples.get(series).copied().unwrap_or_else(|| panic!("there is no {series}"));
    assert_eq!(at(&format!("ithaca_executions_started_total{machine}}}")), 6.0);
    assert_eq!(at(&format!(r#"ithaca_executions_ended_total{machine},status="SUCCEEDED"}}"#)), 1.0);
    assert_eq!(at(&format!(r#"ithaca_executions_ended_total{machine},status="FAILED"}}"#)), 5.0);
    assert_eq!(sum(&samples, "ithaca_executions_ended_total"), 6.0);
    assert_eq!(at(r#"ithaca_execution_duration_seconds_count{status="FAILED"}"#), 5.0);
    let events: usize = histories.iter().map(Vec::len).sum();
    let entered: usize = histories.iter().map(|history| states_entered(history).len()).sum();
    let tried: usize = histories.iter().map(|history| attempts(history).len()).sum();
    assert_eq!(at("ithaca_history_events_total"), events as f64);
    assert_eq!(at("ithaca_state_transitions_total"), entered as f64);
    assert_eq!(at(r#"ithaca_task_call_duration_seconds_count{resource="lambda"}"#), tried as f64);
    assert_eq!(at(r#"ithaca_task_call_duration_seconds_bucket{resource="lambda",le="+Inf"}"#), tried as f64);
    assert_eq!(at(r#"ithaca_task_call_failures_total{resource="lambda"}"#), 5.0);
    for nothing in ["ithaca_executions_open", "ithaca_tasks_running", "ithaca_inbox_requests", "ithaca_timers"] {
        // A timer that was cleared may lie about for a while.
        assert!(at(nothing) == 0.0 || nothing == "ithaca_timers", "{nothing}");
    }
    assert_eq!((at("ithaca_functions"), at("ithaca_ready"), at("ithaca_shards_answering")), (9.0, 1.0, 2.0));
    assert!(
        at("ithaca_function_processes") >= 9.0 && at("ithaca_store_size_bytes") > at("ithaca_store_wal_size_bytes")
    );
    assert_eq!(at("ithaca_store_commit_size_bytes_count"), at("ithaca_store_commits_total"));
    assert_eq!(at("ithaca_store_commit_duration_seconds_count"), at("ithaca_store_batches_total"));
    assert_eq!(at(r#"ithaca_http_requests_total{door="apigateway",code="2xx"}"#), 6.0);
    assert!(at("process_resident_memory_bytes") > 1e6 && at("process_cpu_seconds_total") > 0.0);
    assert_eq!(at(&format!(r#"ithaca_build_info{{version="{}"}}"#, env!("CARGO_PKG_VERSION"))), 1.0);
    check_dashboard(&samples);

    let open =
        client.send("GET", "/metrics", &[("accept", "application/openmetrics-text; version=1.0.0")], b"").unwrap();
    assert!(open.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    let told = checked(&open.text(), true);
    assert_eq!(told.keys().collect::<Vec<_>>(), scrape(&client).keys().collect::<Vec<_>>(), "one set in both dialects");

    check_traces(&traces(&received, 6), &histories);
    let exported = wait_for("the export is counted", || {
        let exported = scrape(&client)["ithaca_trace_spans_exported_total"];
        (exported > 0.0).then_some(exported)
    });
    assert_eq!(exported, (6 + entered + tried) as f64);

    let lines = wait_for("a request is logged", || {
        let lines = ithaca.complaints();
        lines.contains("AWSStepFunctions.ListExecutions").then_some(lines)
    });
    // Before it speaks itself, cargo builds the functions and says so.
    for line in lines.lines().skip_while(|line| !line.starts_with('{')) {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for member in ["time", "level", "target", "message"] {
            assert!(line[member].is_string(), "{member} of {line}");
        }
    }
    for said in ["bound, recovering", "recovered, serving", "ready"] {
        assert!(lines.contains(&format!(r#""message":"{said}""#)), "{said}: {lines}");
    }
    assert!(!lines.contains("secret-"), "no log line has anything of an input or a query:\n{lines}");
}

/// One trace for each execution, a span for each of its states and attempts, each below the right one.
fn check_traces(traces: &BTreeMap<String, Vec<Value>>, histories: &[Vec<Value>]) {
    assert_eq!(traces.len(), histories.len());
    let shape = |states: Vec<&str>, tries: usize| (states.into_iter().map(str::to_owned).collect::<Vec<_>>(), tries);
    let expect: BTreeSet<_> =
        histories.iter().map(|history| shape(states_entered(history), attempts(history).len())).collect();
    let mut found = BTreeSet::new();
    for spans in traces.values() {
        let root = spans.iter().find(|span| span["parentSpanId"].is_null()).expect("a trace has a root");
        let below =
            |parent: &Value| spans.iter().filter(|span| span["parentSpanId"] == parent["spanId"]).collect::<Vec<_>>();
        let states = below(root);
        let tries: Vec<&Value> = states.iter().flat_map(|state| below(state)).collect();
        assert_eq!(1 + states.len() + tries.len(), spans.len(), "every span has its place");
        found.insert(shape(states.iter().map(|state| state["name"].as_str().unwrap()).collect(), tries.len()));
        let time = |span: &Value, member: &str| text(&span[member]).parse::<u64>().unwrap();
        for span in spans {
            assert!(time(span, "startTimeUnixNano") >= time(root, "startTimeUnixNano"));
            assert!(time(span, "startTimeUnixNano") <= time(span, "endTimeUnixNano"));
            assert!(time(span, "endTimeUnixNano") <= time(root, "endTimeUnixNano"));
        }
        let failed = tries.iter().filter(|attempt| attempt["status"]["code"] == 2).count();
        let is_good = root["status"]["code"] == 1;
        assert_eq!(failed, usize::from(!is_good), "what failed was tried once, and everything else went well");
        assert!(!json!(spans).to_string().contains("secret-"), "no payload leaves with a span");
    }
    assert_eq!(found, expect);
}

/// Every metric that the dashboard names is there.
fn check_dashboard(samples: &Samples) {
    let path = format!("{}/../../docs/grafana.json", env!("CARGO_MANIFEST_DIR"));
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let names: BTreeSet<&str> = samples.keys().filter_map(|series| series.split('{').next()).collect();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let mut shown = BTreeSet::new();
    for expression in targets.map(|target| target["expr"].as_str().unwrap()) {
        let words = expression.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        shown.extend(words.filter(|word| word.starts_with("ithaca_") || word.starts_with("process_")));
    }
    for name in &shown {
        assert!(names.contains(name), "docs/grafana.json shows {name}, which is not in /metrics");
    }
    assert!(shown.len() > 40, "only {} metrics were found: has the form of the dashboard changed?", shown.len());
}

#[test]
fn labels_are_bounded() {
    let scratch = Scratch::new("cardinality");
    let ithaca = Up::new(scratch.join("data")).start();
    let client = ithaca.client();
    let definition = json!({ "StartAt": "A", "States": { "A": { "Type": "Succeed" } } });
    let machines: Vec<String> = (0..130).map(|n| client.create_machine(&format!("m{n}"), &definition)).collect();
    let started: Vec<String> = machines.iter().map(|machine| client.start(machine, &json!({}))).collect();
    started.iter().for_each(|execution| drop(client.ended(execution)));
    // The name of a machine that is no more may be given again: its series go on.
    client.states("DeleteStateMachine", json!({ "stateMachineArn": machines[0] }));
    wait_for("the machine is gone", || {
        client.try_states("DescribeStateMachine", &json!({ "stateMachineArn": machines[0] })).err()
    });
    client.ended(&client.start(&client.create_machine("m0", &definition), &json!({})));

    let samples = scrape(&client);
    let by_machine = samples.keys().filter(|series| series.starts_with("ithaca_executions_started_total")).count();
    assert_eq!(by_machine, 101);
    assert_eq!(sum(&samples, "ithaca_executions_started_total"), 131.0);
    assert_eq!(sum(&samples, "ithaca_executions_ended_total"), 131.0);
    assert_eq!(samples[r#"ithaca_executions_started_total{machine="*"}"#], 31.0);
    assert!(samples.len() < SERIES_MAX, "{} series", samples.len());
}

#[test]
fn branches_stand_side_by_side_below_the_span_of_the_caller() {
    let scratch = Scratch::new("spans");
    let (collector, received) = collector();
    let ithaca = Up::new(scratch.join("data")).option("--otlp-endpoint", &collector).start();
    let client = ithaca.client();
    let branch = |name: &str, then: Value| json!({ "StartAt": name, "States": { name: then } });
    let definition = json!({ "StartAt": "Both", "States": {
        "Both": { "Type": "Parallel", "Next": "After", "Branches": [
            branch("Left", json!({ "Type": "Pass", "End": true })),
            branch("Right", json!({ "Type": "Wait", "Seconds": 0, "End": true })),
        ] },
        "After": { "Type": "Map", "ItemsPath": "$", "End": true, "ItemProcessor": branch("Each", json!({ "Type": "Pass", "End": true })) },
    } });
    let machine = client.create_machine("m", &definition);
    let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    client.states("StartExecution", json!({ "stateMachineArn": machine, "input": "{}", "traceHeader": header }));
    let traces = traces(&received, 1);
    let spans = &traces["5759e988bd862e3fe1be46a994272793"];
    let name_of =
        |id: &Value| spans.iter().find(|span| span["spanId"] == *id).map_or("", |span| span["name"].as_str().unwrap());
    let mut found: Vec<_> =
        spans.iter().map(|span| (span["name"].as_str().unwrap(), name_of(&span["parentSpanId"]))).collect();
    found.sort_unstable();
    let expect = [
        ("After", "m"),
        ("Both", "m"),
        ("Each", "After"),
        ("Each", "After"),
        ("Left", "Both"),
        ("Right", "Both"),
        ("m", ""),
    ];
    assert_eq!(found, expect);
    assert!(spans.iter().all(|span| span["status"]["code"] == 1), "{spans:?}");
    assert_eq!(spans[0]["parentSpanId"], "53995c3f42cd8ad8");
}

#[test]
fn a_collector_that_is_away_loses_traces_and_nothing_else() {
    let scratch = Scratch::new("no-collector");
    // Nobody listens on a port that was just given back.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut ithaca = Up::new(scratch.join("data")).option("--otlp-endpoint", &format!("http://{address}/")).start();
    let client = ithaca.client();
    let machine = client.create_machine("m", &json!({ "StartAt": "A", "States": { "A": { "Type": "Succeed" } } }));
    for n in 0..3 {
        client.ended(&client.start(&machine, &json!({ "n": n })));
    }
    wait_for("three traces are counted as lost", || {
        (scrape(&client)["ithaca_traces_dropped_total"] == 3.0).then_some(())
    });
    let said = wait_for("it is said", || {
        let said = ithaca.complaints();
        said.contains("otel: traces were dropped").then_some(said)
    });
    assert_eq!(said.matches("otel: traces were dropped").count(), 1, "it is said once: {said}");
    let odd = command(&["up", "--otlp-endpoint", "https://localhost"]).output().unwrap();
    assert!(
        String::from_utf8_lossy(&odd.stderr).contains("--otlp-endpoint https://localhost/v1/traces: it is to be an")
    );
}
