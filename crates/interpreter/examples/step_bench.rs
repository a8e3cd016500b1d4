//! How fast the pure core is: one step, and the reading of a definition.
//!
//! `cargo run --release -p interpreter --example step_bench [WORD]`, with a word only the rows that hold it.
//!
//! Per state, in nanoseconds, the median of several runs: a Pass that builds an object, a Choice of three rules, and the
//! completion of a Task whose result is put into the input; with inputs of 1 KB and 100 KB, in both query languages.
//! A payload is parsed before the clock starts, as it is before it reaches a step. Then the largest definition that
//! AWS takes, in milliseconds.
#![allow(clippy::disallowed_methods)] // It measures time.

use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

use interpreter::{About, Command, Execution, Input, InputKind, Payload, Setting, TaskId, Timestamp, step};

/// States in a row, so that a step is mostly them and not its start and end.
const STATES: usize = 20;
const RUNS: usize = 11;
const RUN_AT_LEAST: Duration = Duration::from_millis(20);

const LANGUAGES: [&str; 2] = ["JSONPath", "JSONata"];
const SIZES: [(&str, usize); 2] = [("1 KB", 1_000), ("100 KB", 100_000)];
const KINDS: [&str; 3] = ["Pass", "Choice", "Task"];

fn main() {
    let only = std::env::args().nth(1).unwrap_or_default();
    let wanted = |row: &str| row.contains(&only);
    println!("{:<28} {:>12}", "step, per state", "ns");
    for kind in KINDS {
        for language in LANGUAGES {
            for (name, bytes) in SIZES {
                let row = format!("{kind} {language} {name}");
                if wanted(&row) {
                    println!("{row:<28} {:>12}", steps(kind, language, bytes).as_nanos());
                }
            }
        }
    }
    println!("\n{:<28} {:>12}", "parse of 1 MB", "ms");
    for language in LANGUAGES {
        let row = format!("definition {language}");
        if wanted(&row) {
            let text = large(language);
            let time = median(|| drop(black_box(asl::parse(black_box(&text)).expect("it is valid"))));
            println!("{row:<28} {:>12.1}", time.as_secs_f64() * 1000.0);
        }
    }
}

/// The time of one call: the median of runs that are each long enough to be measured.
fn median(mut call: impl FnMut()) -> Duration {
    let mut run = |calls: u32| {
        let start = Instant::now();
        (0..calls).for_each(|_| call());
        start.elapsed()
    };
    let mut calls = 1;
    while run(calls) < RUN_AT_LEAST {
        calls *= 2;
    }
    let mut times: Vec<Duration> = (0..RUNS).map(|_| run(calls) / calls).collect();
    times.sort();
    times[RUNS / 2]
}

fn steps(kind: &str, language: &str, bytes: usize) -> Duration {
    let text = machine(kind, language);
    let parsed = asl::parse(&text).unwrap_or_else(|found| panic!("{found:?}"));
    let about = about(payload(bytes));
    let setting = Setting::new(&parsed.definition, &about);
    let input = |kind| Input { at: Timestamp(0), entropy: 1, kind };
    let start = |execution: &mut Execution| {
        step(&setting, execution, &input(InputKind::Start)).expect("a fresh execution starts")
    };
    if kind != "Task" {
        return median(|| drop(black_box(start(&mut Execution::new())))) / STATES as u32;
    }
    let mut execution = Execution::new();
    let task: TaskId = start(&mut execution)
        .commands
        .iter()
        .find_map(|command| if let Command::RunTask(task) = command { Some(task.task) } else { None })
        .expect("a Task state asks for its task");
    step(&setting, &mut execution, &input(InputKind::TaskStarted(task))).expect("a scheduled task starts");
    let answer = payload(bytes);
    let complete = input(InputKind::TaskSucceeded(task, answer));
    let copy = median(|| drop(black_box(execution.clone())));
    let both = median(|| drop(black_box(step(&setting, &mut execution.clone(), &complete).expect("it is awaited"))));
    both.saturating_sub(copy)
}

fn machine(kind: &str, language: &str) -> String {
    let is_jsonata = language == "JSONata";
    let count = if kind == "Task" { 1 } else { STATES };
    let mut states = String::new();
    for at in 0..count {
        let next = format!("S{}", at + 1);
        let state = match (kind, is_jsonata) {
            ("Pass", false) => {
                format!(r#""Type":"Pass","Parameters":{{"id.$":"$.id","items.$":"$.items","total":3}},"Next":"{next}""#)
            }
            ("Pass", true) => format!(
                r#""Type":"Pass","Output":{{"id":"{{% $states.input.id %}}","items":"{{% $states.input.items %}}","total":3}},"Next":"{next}""#
            ),
            ("Choice", false) => format!(
                r#""Type":"Choice","Choices":[{{"Variable":"$.id","StringEquals":"x","Next":"End"}},{{"Variable":"$.none","IsPresent":true,"Next":"End"}},{{"Variable":"$.total","NumericGreaterThan":2,"Next":"{next}"}}],"Default":"End""#
            ),
            ("Choice", true) => format!(
                r#""Type":"Choice","Choices":[{{"Condition":"{{% $states.input.id = 'x' %}}","Next":"End"}},{{"Condition":"{{% $exists($states.input.none) %}}","Next":"End"}},{{"Condition":"{{% $states.input.total > 2 %}}","Next":"{next}"}}],"Default":"End""#
            ),
            (_, false) => format!(
                r#""Type":"Task","Resource":"arn:aws:lambda:us-east-1:111111111111:function:f","ResultPath":"$.result","Next":"{next}""#
            ),
            (_, true) => format!(
                r#""Type":"Task","Resource":"arn:aws:lambda:us-east-1:111111111111:function:f","Output":{{"id":"{{% $states.input.id %}}","result":"{{% $states.result %}}"}},"Next":"{next}""#
            ),
        };
        write!(states, r#""S{at}":{{{state}}},"#).expect("a String takes everything");
    }
    // The last state of the row is one more; it and the end are part of what a run costs.
    let last = format!("S{count}");
    let end = if kind == "Choice" { r#","End":{"Type":"Succeed"}"# } else { "" };
    format!(
        r#"{{"QueryLanguage":"{language}","StartAt":"S0","States":{{{states}"{last}":{{"Type":"Succeed"}}{end}}}}}"#
    )
}

/// An order of about so many bytes.
fn payload(bytes: usize) -> Payload {
    let item = r#"{"sku":"5c12d94a-ee6a-40d9","count":2,"price":19.99,"tags":["a","b"]}"#;
    let items = vec![item; (bytes / item.len()).max(1)].join(",");
    let text = format!(r#"{{"id":"265846601","total":3,"items":[{items}]}}"#);
    let payload = Payload::parse(&text).expect("it is JSON");
    black_box(payload.value());
    payload
}

fn about(input: Payload) -> About {
    About {
        execution_arn: "arn:aws:states:us-east-1:111111111111:execution:machine:run".into(),
        execution_name: "run".into(),
        machine_arn: "arn:aws:states:us-east-1:111111111111:stateMachine:machine".into(),
        machine_name: "machine".into(),
        role_arn: "arn:aws:iam::111111111111:role/role".into(),
        started_at: Timestamp(0),
        input,
        key: 1,
        is_express: false,
    }
}

/// A definition of nearly the characters that AWS takes, a saga without end: tasks that retry and catch, choices,
/// transformations.
fn large(language: &str) -> String {
    let is_jsonata = language == "JSONata";
    let mut states = String::new();
    let mut at = 0;
    while states.len() < asl::parse::DEFINITION_CHARS_MAX - 2_000 {
        let (task, choice, pass, next) = (at, at + 1, at + 2, at + 3);
        let guard = r#""Retry":[{"ErrorEquals":["Lambda.TooManyRequestsException","States.Timeout"],"IntervalSeconds":1,"MaxAttempts":3,"BackoffRate":2}],"Catch":[{"ErrorEquals":["States.ALL"],"Next":"Failed"}]"#;
        let (arguments, rule, output) = if is_jsonata {
            (
                r#""Arguments":{"FunctionName":"reserve","Payload":{"order":"{% $states.input.order.id %}","total":"{% $sum($states.input.items.price) %}"}}"#,
                r#""Condition":"{% $states.input.order.total > 100 and $states.input.order.state = 'open' %}""#,
                r#""Output":{"order":"{% $states.input.order %}","count":"{% $count($states.input.items) %}"}"#,
            )
        } else {
            (
                r#""Parameters":{"FunctionName":"reserve","Payload":{"order.$":"$.order.id","total.$":"States.ArrayLength($.items)"}}"#,
                r#""And":[{"Variable":"$.order.total","NumericGreaterThan":100},{"Variable":"$.order.state","StringEquals":"open"}]"#,
                r#""Parameters":{"order.$":"$.order","count.$":"States.ArrayLength($.items)"}"#,
            )
        };
        write!(
            states,
            r#""S{task}":{{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke",{arguments},{guard},"Next":"S{choice}"}},"S{choice}":{{"Type":"Choice","Choices":[{{{rule},"Next":"S{pass}"}}],"Default":"S{pass}"}},"S{pass}":{{"Type":"Pass",{output},"Next":"S{next}"}},"#
        )
        .expect("a String takes everything");
        at = next;
    }
    format!(
        r#"{{"QueryLanguage":"{language}","StartAt":"S0","States":{{{states}"S{at}":{{"Type":"Succeed"}},"Failed":{{"Type":"Fail"}}}}}}"#
    )
}
