//! Invocations, with real processes: what is answered, what is killed, what waits, what is started.

mod support;

use std::time::Duration;

use aws_lambda::{Code, Function, InvokeError, InvokeOptions, Limits, Outcome, Source, Throttle};
use bytes::Bytes;
use serde_json::{Value, json};
use support::{Bench, Gate, Scratch, is_alive, let_go, succeeded, until};

#[tokio::test]
async fn a_warm_process_is_used_again() {
    let bench = Bench::with(|_| {});
    let first = bench.ok(json!({"do": "pid"})).await;
    for _ in 0..20 {
        assert_eq!(bench.ok(json!({"do": "pid"})).await, first);
    }
    bench.host.shut_down().await;
    assert!(!is_alive(first.as_u64().unwrap()));
}

#[tokio::test]
async fn payloads_come_back_as_they_are() {
    let bench = Bench::with(|_| {});
    let check = async |payload: Bytes, expect: &[u8]| {
        let invoked = bench.host.invoke("f", payload, InvokeOptions::default()).await.unwrap();
        assert!(succeeded(&invoked) == expect, "{} bytes instead of {}", succeeded(&invoked).len(), expect.len());
    };
    check(Bytes::from_static(b" {\"a\" : 1.0} "), b" {\"a\" : 1.0} ").await;
    check(Bytes::new(), b"{}").await;
    check(r#"{"do":"garbage"}"#.into(), b"\xff not json").await;
    let large = format!("\"{}\"", "y".repeat(300_000));
    check(large.clone().into(), large.as_bytes()).await;
    let largest = format!("\"{}\"", "y".repeat(6_291_454));
    check(largest.clone().into(), largest.as_bytes()).await;
    bench.host.shut_down().await;
}

#[tokio::test]
async fn what_a_function_gets_to_see() {
    let bench = Bench::with(|f| {
        f.environment.insert("TABLE".into(), "Bookings".into());
        f.environment.insert("TZ".into(), "Europe/Dublin".into());
    });
    let _ours = std::fs::File::create(bench.scratch.0.join("lock")).unwrap();
    let options = InvokeOptions {
        client_context: Some(r#"{"client":1}"#.into()),
        trace_id: Some("Root=1-2-3".into()),
        request_id: Some("0-1-2".into()),
        log_tail: false,
    };
    let invoked = bench.host.invoke("f", r#"{"do":"context"}"#.into(), options).await.unwrap();
    assert_eq!(invoked.request_id, "0-1-2");
    let seen: Value = serde_json::from_slice(&succeeded(&invoked)).unwrap();
    let info = bench.host.function("f").unwrap();
    let check = |group: &str, name: &str, expect: &str| assert_eq!(seen[group][name], expect, "{name}");
    check("headers", "lambda-runtime-aws-request-id", "0-1-2");
    check("headers", "lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:f");
    check("headers", "lambda-runtime-trace-id", "Root=1-2-3");
    check("headers", "lambda-runtime-client-context", r#"{"client":1}"#);
    check("environment", "TABLE", "Bookings");
    check("environment", "TZ", "Europe/Dublin");
    check("environment", "AWS_ENDPOINT_URL", "http://127.0.0.1:4566");
    check("environment", "AWS_DISABLE_HOST_PREFIX_INJECTION", "true");
    check("environment", "AWS_REGION", "us-east-1");
    check("environment", "AWS_ACCESS_KEY_ID", "000000000000");
    check("environment", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128");
    check("environment", "AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/f");
    check("environment", "LAMBDA_TASK_ROOT", info.code_folder.to_str().unwrap());
    assert_eq!(seen["folder"], info.code_folder.to_str().unwrap());
    assert_eq!(seen["environment"]["CARGO_MANIFEST_DIR"], Value::Null, "nothing of ours is inherited");
    let scratch = bench.scratch.0.to_str().unwrap();
    let open: Vec<&str> = seen["open"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(!open.iter().any(|path| path.starts_with(scratch)), "{open:?}");
    let deadline: u64 = seen["headers"]["lambda-runtime-deadline-ms"].as_str().unwrap().parse().unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    assert!(deadline > now && deadline <= now + 60_000, "{deadline} {now}");
    bench.host.shut_down().await;
}

#[tokio::test]
async fn function_errors() {
    let bench = Bench::with(|_| {});
    let check = async |payload: Value, expect: (&str, &str)| {
        let (error_type, message) = bench.error(payload).await;
        assert_eq!((error_type.as_str(), message.as_str()), expect);
    };
    check(json!({"do": "error"}), ("HotelFull", "no rooms")).await;
    check(json!({"do": "empty error"}), ("Header", "")).await;
    let exit = "RequestId: ID Error: Runtime exited with error: exit status 9";
    check(json!({"do": "exit", "status": 9}), ("Runtime.ExitError", exit)).await;
    let exit = "RequestId: ID Error: Runtime exited without providing a reason";
    check(json!({"do": "exit", "status": 0}), ("Runtime.ExitError", exit)).await;
    let exit = "RequestId: ID Error: Runtime exited with error: signal: aborted";
    check(json!({"do": "abort"}), ("Runtime.ExitError", exit)).await;
    let large = "Response payload size exceeded maximum allowed payload size (6291556 bytes).";
    check(json!({"do": "large", "bytes": 7 << 20}), ("Function.ResponseSizeTooLarge", large)).await;
    let memory = bench.error(json!({"do": "memory", "bytes": 2u64 << 30})).await;
    assert_eq!(memory.0, "Runtime.ExitError", "more than MemorySize and the headroom");
    assert_eq!(bench.ok(json!({"do": "large", "bytes": 300_000})).await.as_str().unwrap().len(), 300_000);
    bench.host.shut_down().await;
}

#[tokio::test]
async fn a_response_counts_even_if_the_process_ends_with_it() {
    let bench = Bench::with(|_| {});
    for _ in 0..20 {
        assert_eq!(bench.ok(json!({"do": "answer and exit"})).await, "last words");
    }
    bench.host.shut_down().await;
}

#[tokio::test]
async fn runtimes_that_break_the_rules() {
    let bench = Bench::with(|_| {});
    assert_eq!(bench.ok(json!({"do": "wrong id"})).await, 400);
    assert_eq!(bench.ok(json!({"do": "ask twice"})).await, 403);
    assert_eq!(bench.ok(json!({"do": "late"})).await, 1);
    bench.ok(json!({})).await;
    assert!(bench.log().contains(&"the second response was answered 400".into()));
    bench.host.shut_down().await;
}

#[tokio::test]
async fn a_timeout_kills_the_whole_tree_before_it_is_told() {
    let bench = Bench::with(|f| f.timeout_seconds = 1);
    let before = bench.ok(json!({"do": "pid"})).await;
    let (error_type, message) = bench.error(json!({"do": "fork", "hang": true})).await;
    assert_eq!(error_type, "Sandbox.Timedout");
    assert_eq!(message, "RequestId: ID Error: Task timed out after 1.00 seconds");
    let forked = bench.log().iter().find_map(|line| line.strip_prefix("forked ")?.parse().ok()).unwrap();
    assert!(!is_alive(forked) && !is_alive(before.as_u64().unwrap()));
    assert_ne!(bench.ok(json!({"do": "pid"})).await, before, "another process goes on");
    bench.host.shut_down().await;
}

#[tokio::test]
async fn failures_before_the_first_request_for_work() {
    let bench = Bench::open(Limits { init_timeout: Duration::from_millis(300), ..Limits::default() });
    let check = async |init: &str, error_type: &str, part: &str| {
        bench.put("f", |f| {
            f.environment.insert("PROBE_INIT".into(), init.into());
            f.timeout_seconds = 1;
        });
        let (a, b, c) = tokio::join!(bench.error(json!({})), bench.error(json!({})), bench.error(json!({})));
        for (got_type, message) in [a, b, c] {
            assert!(got_type == error_type && message.contains(part), "{init}: {got_type}: {message}");
        }
    };
    check("error", "Config", "no table").await;
    check("exit", "Runtime.ExitError", "exit status 3").await;
    check("hang", "Sandbox.Timedout", "timed out after 1.00 seconds").await;
    bench.put("f", |_| {});
    assert_eq!(bench.ok(json!(1)).await, 1, "and after all that it works");
    bench.host.shut_down().await;
}

#[tokio::test]
async fn code_that_cannot_be_started() {
    let bench = Bench::open(Limits::default());
    let check = async |file: &str, text: &str, part: &str| {
        let folder = bench.scratch.0.join("code");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(file), text).unwrap();
        bench.host.put_function(Function::new("f"), Code::Folder(folder.clone())).unwrap();
        let (error_type, message) = bench.error(json!({})).await;
        assert!(error_type == "Runtime.InvalidEntrypoint" && message.contains(part), "{error_type}: {message}");
        std::fs::remove_dir_all(folder).unwrap();
    };
    check("index.js", "", "Couldn't find valid bootstrap(s)").await;
    check("bootstrap", "neither a program nor a script", "xec format error").await;
    check("bootstrap", "#!/no/such/interpreter\n", "o such file or directory").await;
    bench.host.shut_down().await;
}

#[tokio::test]
async fn an_idle_process_that_ended_is_replaced() {
    let bench = Bench::with(|_| {});
    let pid = bench.ok(json!({"do": "pid"})).await.as_u64().unwrap();
    // SAFETY: a signal to a process that this test has started.
    unsafe { libc::kill(pid as i32, libc::SIGKILL) };
    until("the end is noticed", || bench.log().iter().any(|line| line.contains("signal: killed"))).await;
    assert_ne!(bench.ok(json!({"do": "pid"})).await, pid);
    bench.host.shut_down().await;
}

#[tokio::test]
async fn idle_processes_are_stopped() {
    let bench = Bench::open(Limits { idle_timeout: Duration::from_millis(20), ..Limits::default() });
    bench.put("f", |f| f.timeout_seconds = 1);
    let pid = bench.ok(json!({"do": "pid"})).await.as_u64().unwrap();
    until("the idle process is stopped", || !is_alive(pid)).await;
    assert_ne!(bench.ok(json!({"do": "pid"})).await, pid);
    bench.host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocked_invocations_get_processes_of_their_own_up_to_the_cap() {
    let bench = Bench::open(Limits { processes_per_function: 6, ..Limits::default() });
    bench.put("f", |_| {});
    let gate = Gate::new().await;
    let all: Vec<_> = (0..9).map(|_| spawn_gated(&bench, "f", &gate)).collect();
    let first = gate.arrived(6).await;
    let_go(first).await;
    let_go(gate.arrived(3).await).await;
    let mut pids = Vec::new();
    for invocation in all {
        pids.push(invocation.await.unwrap());
    }
    pids.sort();
    pids.dedup();
    assert_eq!(pids.len(), 6);
    bench.host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_total_is_shared_and_a_first_process_is_always_granted() {
    let bench = Bench::open(Limits { processes_total: 2, ..Limits::default() });
    for name in ["f", "g", "h"] {
        bench.put(name, |_| {});
    }
    let (f, g) = (Gate::new().await, Gate::new().await);
    let taken = [spawn_gated(&bench, "f", &f), spawn_gated(&bench, "f", &f)];
    let at_f = f.arrived(2).await;
    assert_eq!(bench.invoke("h", json!(1)).await.unwrap().outcome, Outcome::Succeeded("1".into()), "beyond the total");
    let_go(at_f).await;
    for invocation in taken {
        invocation.await.unwrap();
    }
    // Three idle ones now, none of them of `g`: they make room.
    let wanted = [spawn_gated(&bench, "g", &g), spawn_gated(&bench, "g", &g)];
    let_go(g.arrived(2).await).await;
    for invocation in wanted {
        invocation.await.unwrap();
    }
    bench.host.shut_down().await;
}

fn spawn_gated(bench: &Bench, name: &'static str, gate: &Gate) -> tokio::task::JoinHandle<Bytes> {
    let (host, payload) = (bench.host.clone(), gate.payload.to_string());
    tokio::spawn(async move { succeeded(&host.invoke(name, payload.into(), InvokeOptions::default()).await.unwrap()) })
}

#[tokio::test]
async fn throttling() {
    let bench = Bench::open(Limits { processes_per_function: 1, queue_max: 2, ..Limits::default() });
    bench.put("f", |f| f.reserved_concurrency = Some(0));
    let throttled = |error: Result<_, InvokeError>| match error {
        Err(InvokeError::TooManyRequests(why)) => why,
        other => panic!("{other:?} is not throttled"),
    };
    assert_eq!(throttled(bench.invoke("f", json!({})).await), Throttle::Reserved, "zero throttles everything");
    bench.put("f", |f| f.reserved_concurrency = Some(1));
    let gate = Gate::new().await;
    let one = spawn_gated(&bench, "f", &gate);
    let at_gate = gate.arrived(1).await;
    assert_eq!(throttled(bench.invoke("f", json!({})).await), Throttle::Reserved);
    bench.put("f", |_| {});
    let waiting = [spawn_gated(&bench, "f", &gate), spawn_gated(&bench, "f", &gate)];
    tokio::task::yield_now().await;
    assert_eq!(throttled(bench.invoke("f", json!({})).await), Throttle::QueueFull);
    let_go(at_gate).await;
    one.await.unwrap();
    for invocation in waiting {
        let_go(gate.arrived(1).await).await;
        invocation.await.unwrap();
    }
    bench.host.shut_down().await;
}

#[tokio::test]
async fn the_place_is_free_when_the_answer_comes() {
    let bench = Bench::with(|f| f.reserved_concurrency = Some(1));
    for _ in 0..50 {
        bench.ok(json!({})).await;
    }
    bench.host.shut_down().await;
}

#[tokio::test]
async fn an_abandoned_invocation_that_waits_never_runs() {
    let bench = Bench::open(Limits { processes_per_function: 1, ..Limits::default() });
    bench.put("f", |_| {});
    let gate = Gate::new().await;
    let one = spawn_gated(&bench, "f", &gate);
    let at_gate = gate.arrived(1).await;
    let abandoned = spawn_gated(&bench, "f", &gate);
    tokio::task::yield_now().await;
    abandoned.abort();
    assert!(abandoned.await.unwrap_err().is_cancelled());
    let_go(at_gate).await;
    one.await.unwrap();
    bench.ok(json!({})).await;
    let starts = bench.log().iter().filter(|line| line.starts_with("START")).count();
    assert_eq!(starts, 2);
    bench.host.shut_down().await;
}

#[tokio::test]
async fn new_code_is_for_new_invocations() {
    let bench = Bench::with(|_| {});
    let gate = Gate::new().await;
    let running = spawn_gated(&bench, "f", &gate);
    let at_gate = gate.arrived(1).await;
    let old = bench.host.function("f").unwrap();

    let folder = Scratch::new();
    std::fs::copy(bench.scratch.0.join("script"), folder.0.join("bootstrap")).unwrap();
    std::fs::write(folder.0.join("more"), "a second file").unwrap();
    let function = Function { timeout_seconds: 60, ..Function::new("f") };
    let new = bench.host.put_function(function.clone(), Code::Folder(folder.0.clone())).unwrap();
    assert!(new.code_sha256 != old.code_sha256 && new.revision_id != old.revision_id);
    let fresh = bench.ok(json!({"do": "pid"})).await;

    let_go(at_gate).await;
    let before: Value = serde_json::from_slice(&running.await.unwrap()).unwrap();
    assert_ne!(before, fresh);
    until("the old process ends", || !is_alive(before.as_u64().unwrap())).await;
    until("the old code goes with it", || !old.code_folder.exists()).await;

    let again = bench.host.put_function(function.clone(), Code::Folder(folder.0.clone())).unwrap();
    assert_eq!(again, new, "the same code and settings change nothing");
    assert_eq!(bench.ok(json!({"do": "pid"})).await, fresh);
    let told = Function { description: "d".into(), ..function };
    bench.host.put_function(told, Code::Folder(folder.0.clone())).unwrap();
    assert_eq!(bench.ok(json!({"do": "pid"})).await, fresh, "a description needs no new process");
    bench.host.shut_down().await;
}

#[tokio::test]
async fn logs() {
    let bench = Bench::with(|_| {});
    let options = InvokeOptions { log_tail: true, request_id: Some("ID".into()), ..InvokeOptions::default() };
    let payload = r#"{"do":"print","times":2}"#;
    let invoked = bench.host.invoke("f", payload.into(), options.clone()).await.unwrap();
    let tail = invoked.log_tail.unwrap();
    let lines: Vec<&str> = tail.lines().collect();
    assert_eq!(lines[0], "START RequestId: ID Version: $LATEST");
    let mut printed = lines[1..5].to_vec();
    printed.sort();
    assert_eq!(printed, ["second line", "to stderr", "to stdout", "unfinished unfinished "]);
    assert_eq!(lines[5], "END RequestId: ID");
    assert!(lines[6].starts_with("REPORT RequestId: ID\tDuration: ") && lines[6].contains("Memory Size: 128 MB"));
    let stderr = bench.host.logs("f").into_iter().find(|line| line.source == Source::Stderr).unwrap();
    assert_eq!((stderr.text.as_str(), &*stderr.function), ("to stderr", "f"));

    let payload = r#"{"do":"print","times":1000}"#;
    let long = bench.host.invoke("f", payload.into(), options).await.unwrap().log_tail.unwrap();
    assert!(long.len() <= 4096 && long.contains("REPORT"), "{}", long.len());
    bench.host.shut_down().await;
    let file = std::fs::read_to_string(bench.scratch.0.join("functions/f/log")).unwrap();
    assert_eq!(file.lines().filter(|line| line.ends_with(" to stderr")).count(), 2);
}

#[tokio::test]
async fn events_are_tried_again() {
    let retries = vec![Duration::from_millis(1), Duration::from_millis(1)];
    let bench = Bench::open(Limits { event_retries: retries, ..Limits::default() });
    bench.put("f", |_| {});
    let id = bench.host.invoke_event("f", r#"{"do":"error"}"#.into()).await.unwrap();
    until("the event is dropped", || bench.log().iter().any(|line| line.contains("is dropped"))).await;
    let start = format!("START RequestId: {id} Version: $LATEST");
    assert_eq!(bench.log().iter().filter(|line| **line == start).count(), 3);
    bench.host.shut_down().await;
}

#[tokio::test]
async fn a_throttled_event_is_not_a_try() {
    let bench = Bench::open(Limits { event_retries: Vec::new(), ..Limits::default() });
    bench.put("f", |f| f.reserved_concurrency = Some(0));
    let id = bench.host.invoke_event("f", "{}".into()).await.unwrap();
    tokio::task::yield_now().await;
    bench.put("f", |_| {});
    let start = format!("START RequestId: {id} Version: $LATEST");
    until("the event runs", || bench.log().contains(&start)).await;
    bench.host.shut_down().await;
}

#[tokio::test]
async fn events_that_wait_are_bounded() {
    let waiting = json!({ "x": "x".repeat(200) }).to_string();
    let rows = [
        Limits { events_max: 1, ..Limits::default() },
        Limits { events_bytes_max: waiting.len() + 10, ..Limits::default() },
    ];
    for limits in rows {
        let bench = Bench::open(Limits { drain_timeout: Duration::from_millis(20), ..limits });
        bench.put("f", |_| {});
        let gate = Gate::new().await;
        bench.host.invoke_event("f", gate.payload.to_string().into()).await.unwrap();
        let _at_gate = gate.arrived(1).await;
        let refused = bench.host.invoke_event("f", waiting.clone().into()).await;
        assert!(matches!(refused, Err(InvokeError::TooManyRequests(Throttle::QueueFull))), "{refused:?}");
        bench.host.shut_down().await;
    }
}

#[tokio::test]
async fn an_event_that_is_not_done_runs_at_the_next_start() {
    let bench = Bench::open(Limits { drain_timeout: Duration::from_millis(20), ..Limits::default() });
    bench.put("f", |_| {});
    let gate = Gate::new().await;
    let id = bench.host.invoke_event("f", gate.payload.to_string().into()).await.unwrap();
    let _at_gate = gate.arrived(1).await;
    bench.host.shut_down().await;
    let bench = Bench::open_in(bench.scratch, Limits::default());
    bench.host.resume_events();
    let _at_gate = gate.arrived(1).await;
    assert!(bench.log().iter().any(|line| line.contains(&id)), "{:?}", bench.log());
    bench.host.shut_down().await;
}

#[tokio::test]
async fn shutting_down_tells_everybody() {
    let bench = Bench::open(Limits {
        processes_per_function: 1,
        drain_timeout: Duration::from_millis(20),
        ..Limits::default()
    });
    bench.put("f", |_| {});
    let gate = Gate::new().await;
    let host = bench.host.clone();
    let payload = gate.payload.to_string();
    let running = tokio::spawn(async move { host.invoke("f", payload.into(), InvokeOptions::default()).await });
    let _at_gate = gate.arrived(1).await;
    let host = bench.host.clone();
    let waiting = tokio::spawn(async move { host.invoke("f", "{}".into(), InvokeOptions::default()).await });
    tokio::task::yield_now().await;
    bench.host.shut_down().await;
    assert_eq!(waiting.await.unwrap(), Err(InvokeError::ShutDown));
    assert_eq!(running.await.unwrap(), Err(InvokeError::ShutDown));
    assert_eq!(bench.invoke("f", json!({})).await, Err(InvokeError::ShutDown));
}

#[tokio::test]
async fn functions_are_there_again_after_a_restart() {
    let bench = Bench::with(|f| f.memory_mb = 256);
    let info = bench.host.function("f").unwrap();
    bench.host.shut_down().await;
    let bench = Bench::open_in(bench.scratch, Limits::default());
    assert_eq!(bench.host.functions(), [info]);
    assert_eq!(bench.ok(json!([1])).await, json!([1]));
    bench.host.delete_function("f").unwrap();
    bench.host.shut_down().await;
    let bench = Bench::open_in(bench.scratch, Limits::default());
    assert_eq!(bench.host.functions(), []);
    bench.host.shut_down().await;
}

#[tokio::test]
async fn refused_before_the_function_is_reached() {
    let bench = Bench::with(|_| {});
    let check = async |name: &str, payload: Bytes, expect: (u16, &str, &str)| {
        let error = bench.host.invoke(name, payload, InvokeOptions::default()).await.unwrap_err().to_aws();
        assert_eq!((error.status.as_u16(), error.name), (expect.0, expect.1));
        assert!(error.message.contains(expect.2), "{}", error.message);
    };
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:nobody";
    check("nobody", "{}".into(), (404, "ResourceNotFoundException", &format!("Function not found: {arn}"))).await;
    check("no body", "{}".into(), (400, "ValidationException", "'no body' at 'functionName'")).await;
    check("f", "{".into(), (400, "InvalidRequestContentException", "Could not parse payload into json")).await;
    let large = format!("\"{}\"", "y".repeat(6_291_455));
    check("f", large.into(), (413, "RequestEntityTooLargeException", "smaller than 6291456 bytes")).await;
    assert_eq!(bench.log(), [""; 0]);
    bench.host.shut_down().await;
}

/// The first process of a function is always there, more only if there is memory for them.
#[tokio::test]
async fn memory_bounds_growth() {
    let bench = Bench::open(Limits { memory_bytes_max: 1, ..Limits::default() });
    bench.put("f", |_| {});
    bench.put("g", |_| {});
    let gate = Gate::new().await;
    let (host, payload) = (bench.host.clone(), Bytes::from(gate.payload.to_string()));
    let invoke = |name: &'static str| {
        let (host, payload) = (host.clone(), payload.clone());
        tokio::spawn(async move { host.invoke(name, payload, InvokeOptions::default()).await })
    };
    let all = [invoke("f"), invoke("f"), invoke("g")];
    let first = gate.arrived(2).await;
    until("growth is put off", || bench.host.starts().2 > 0).await;
    let figures = bench.host.figures();
    assert_eq!((figures.processes, figures.waiting), (2, 1));
    let_go(first).await;
    let_go(gate.arrived(1).await).await;
    for invoked in all {
        succeeded(&invoked.await.unwrap().unwrap());
    }
    let (starts, took, _) = bench.host.starts();
    assert!(starts == 2 && !took.is_zero(), "{starts} starts in {took:?}");
    bench.host.shut_down().await;
}
