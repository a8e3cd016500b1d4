//! Map Runs at their bounds: much at once, deep, failing at their beginning, damaged.

mod support;

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use engine::{Errand, Machine, Outcome};
use interpreter::Failure;
use store::{Batch, Memory, Order, ShardId, Space, Write, commit_and_wait, prefix_end};
use support::{Bench, FUNCTION, START, machine, payload};

/// A batch of the engine may be somewhat larger than it is full.
const BATCH_BYTES: usize = 2 * engine::limits::BATCH_BYTES_MAX;

fn map(fields: &str, item: &str) -> String {
    let processor = format!(
        r#""ItemProcessor":{{"ProcessorConfig":{{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"}},
            "StartAt":"I","States":{{"I":{{{item},"End":true}}}}}}"#
    );
    machine(&format!(
        r#""A":{{"Type":"Map",{fields}{processor},"Next":"Z"}},"Z":{{"Type":"Pass","OutputPath":"$[0]","End":true}}"#
    ))
}

const READER: &str =
    r#""ItemReader":{"Resource":"arn:aws:states:::s3:getObject","Parameters":{"Bucket":"b","Key":"k"}},"#;
const PASS: &str = r#""Type":"Pass""#;

fn begin(definition: &str, input: &str) -> (Bench, Arc<Machine>) {
    let mut bench = Bench::open(Arc::new(Memory::new()), START, 10_000);
    let machine = bench.create("m", definition);
    bench.start(&machine, "x", input);
    bench.settle();
    (bench, machine)
}

/// Goes on until nothing is left to do; gives the bytes of the largest batch.
fn work(bench: &mut Bench) -> usize {
    let mut most = 0;
    loop {
        bench.core.go_on();
        if !bench.core.has_work() {
            return most;
        }
        let (batch, acts) = bench.core.seal();
        most = most.max(batch.writes.iter().map(bytes).sum());
        commit_and_wait(&*bench.store, batch).unwrap();
        bench.core.committed();
        bench.perform(acts);
    }
}

fn bytes(write: &Write) -> usize {
    match write {
        Write::Put { key, value, .. } => key.len() + value.len(),
        Write::Delete { key, .. } => key.len(),
    }
}

fn nested(levels: usize) -> String {
    format!("{}1{}", "[".repeat(levels), "]".repeat(levels))
}

#[test]
fn what_is_nested_too_deep_fails_the_run() {
    let check = |fields: &str, input: &str, expect: &str| {
        let (bench, machine) = begin(&map(fields, PASS), input);
        let end = bench.end(&machine, "x");
        assert!(end.starts_with(expect), "{fields}: {end}");
        bench.check_all(fields);
        bench.crash(10).check_all(fields);
    };
    let batches = r#""ItemBatcher":{"MaxItemsPerBatch":2},"#;
    check("", &nested(120), "SUCCEEDED");
    check("", &nested(122), "FAILED States.DataLimitExceeded");
    check(batches, &nested(118), "SUCCEEDED");
    check(batches, &nested(120), "FAILED States.DataLimitExceeded");
    let wrapped = r#""ItemSelector":{"a":{"b.$":"$$.Map.Item.Value"}},"#;
    check(wrapped, &nested(120), "FAILED States.DataLimitExceeded");
    let input = r#""ItemBatcher":{"MaxItemsPerBatch":2,"BatchInput":{"a.$":"$"}},"#;
    check(input, &nested(120), "FAILED States.DataLimitExceeded");
}

#[test]
fn a_run_that_fails_at_its_beginning_and_is_tried_for_ever_ends_with_its_history() {
    let reader =
        READER.replace(r#""Parameters""#, r#""ReaderConfig":{"InputType":"JSON","MaxItemsPath":"$[0]"},"Parameters""#);
    let again = r#""Catch":[{"ErrorEquals":["States.ALL"],"Next":"A","ResultPath":null}],"#;
    let (bench, machine) = begin(&map(&format!("{reader}{again}"), PASS), "[-1]");
    assert_eq!(bench.end(&machine, "x").split(' ').next(), Some("FAILED"));
    assert_eq!(bench.history(&machine, "x").len(), 25_000);
    bench.check_all("for ever");
}

#[test]
fn what_a_selector_multiplies_comes_in_batches() {
    const ITEMS: usize = 300;
    let item = "x".repeat(180_000);
    let input = format!(r#"{{"a":"{item}","items":[{}0]}}"#, "0,".repeat(ITEMS - 1));
    let fields = r#""ItemsPath":"$.items","ItemSelector":{"a.$":"$.a"},"ResultPath":null,"#;
    let small = r#""Type":"Pass","Result":1"#;
    let definition = map(fields, small).replace(r#","OutputPath":"$[0]""#, "");
    for times in 0..2 {
        let mut bench = Bench::open(Arc::new(Memory::new()), START, 100);
        let machine = bench.create("m", &definition);
        bench.start(&machine, "x", &input);
        // A crash on the way begins anew.
        (0..5 * times).for_each(|_| {
            bench.core.go_on();
            bench.turn();
        });
        let mut bench = if times > 0 { bench.crash(100) } else { bench };
        let most = work(&mut bench);
        assert!(most < BATCH_BYTES, "{most}");
        assert!(bench.end(&machine, "x").starts_with("SUCCEEDED"), "{}", bench.end(&machine, "x"));
        let (_, row) = bench.rows().swap_remove(0);
        assert!(row.parent.is_none());
        bench.check_all("multiplied");
    }
}

#[test]
fn what_each_batch_gets_beside_its_items_comes_in_batches() {
    let input = format!(r#"{{"a":"{}","items":[{}0]}}"#, "x".repeat(150_000), "0,".repeat(299));
    let fields =
        r#""ItemsPath":"$.items","ItemBatcher":{"MaxItemsPerBatch":1,"BatchInput":{"a.$":"$.a"}},"ResultPath":null,"#;
    let definition = map(fields, r#""Type":"Pass","Result":1"#).replace(r#","OutputPath":"$[0]""#, "");
    let mut bench = Bench::open(Arc::new(Memory::new()), START, 100);
    let machine = bench.create("m", &definition);
    bench.start(&machine, "x", &input);
    let most = work(&mut bench);
    assert!(most < BATCH_BYTES, "{most}");
    assert!(bench.end(&machine, "x").starts_with("SUCCEEDED"));
    bench.check_all("batches");
}

#[test]
fn what_a_crash_has_cost_thousands_of_tasks_is_told_in_batches() {
    let input = format!("\"{}\"", "x".repeat(100_000));
    let mut bench = Bench::open(Arc::new(Memory::new()), START, 10_000);
    let machine = bench.create("m", &machine(&format!(r#""A":{{{FUNCTION},"End":true}}"#)));
    for n in 0..300 {
        bench.start(&machine, &format!("x{n}"), &input);
        bench.settle();
    }
    let mut bench = bench.crash(10_000);
    assert!(bench.core.is_full());
    let most = work(&mut bench);
    assert!(most < BATCH_BYTES, "{most}");
    assert_eq!(bench.rows().iter().filter(|(_, row)| row.stopped_at.is_some()).count(), 300);
}

#[test]
fn what_an_earlier_round_tells_is_not_wanted() {
    let (mut bench, machine) = begin(&map(READER, FUNCTION), "{}");
    let (old, _) = bench.reads.pop_front().unwrap();
    bench.stop(&machine, "x");
    bench.settle();
    redrive(&mut bench, &machine);
    let (new, _) = bench.reads.pop_front().unwrap();
    let wanted = Arc::new(Mutex::new(Vec::new()));
    let mut give = |errand: Errand, is_last: bool| {
        let to = wanted.clone();
        bench.core.items_read(errand, vec![payload("1")], is_last, move |it| to.lock().unwrap().push(it));
        bench.settle();
    };
    give(old, false);
    give(new, false);
    give(old, true);
    give(new, false);
    bench.core.items_failed(old, Failure::named("Stale"));
    bench.core.items_read(new, vec![], true, drop);
    bench.settle();
    assert_eq!(*wanted.lock().unwrap(), [false, true, false, true]);
    assert_eq!(bench.running.len(), 2);
}

#[test]
fn an_earlier_writer_is_not_wanted() {
    let writer = r#""ResultWriter":{"Resource":"arn:aws:states:::s3:putObject","Parameters":{"Bucket":"b"}},"#;
    let (mut bench, machine) = begin(&map(&format!("{writer}{READER}"), PASS), "{}");
    let (errand, _) = bench.reads.pop_front().unwrap();
    bench.core.items_read(errand, vec![payload("1")], true, drop);
    bench.settle();
    let (old, _) = bench.writes.pop_front().unwrap();
    bench.stop(&machine, "x");
    bench.settle();
    redrive(&mut bench, &machine);
    let (new, _) = bench.writes.pop_front().unwrap();
    bench.core.results_written(old, Ok(payload("[\"old\"]")));
    bench.settle();
    assert_eq!(bench.end(&machine, "x"), "RUNNING");
    bench.core.results_written(new, Ok(payload("[\"new\"]")));
    bench.settle();
    assert_eq!(bench.end(&machine, "x"), "SUCCEEDED \"new\"");
}

fn redrive(bench: &mut Bench, machine: &Machine) {
    let id = bench.reader.find(&engine::execution_arn(&machine.arn, "x")).unwrap().unwrap();
    let is_taken = Arc::new(Mutex::new(false));
    let to = is_taken.clone();
    bench.core.redrive(id, move |answer| *to.lock().unwrap() = answer.is_ok());
    bench.settle();
    assert!(*is_taken.lock().unwrap());
}

/// One execution of a run has ended, and what was written of it cannot be read.
fn damaged(tolerance: &str) -> (Bench, Arc<Machine>) {
    let (mut bench, machine) = begin(&map(tolerance, FUNCTION), "[1,2,3]");
    bench.answer_task("I", Err("Bad"));
    bench.settle();
    let (id, _) = bench.rows().into_iter().find(|(_, row)| row.parent.is_some() && row.stopped_at.is_some()).unwrap();
    let records = id.0.to_be_bytes();
    let rows = bench.store.scan(Space::Records, &records..&prefix_end(&records), Order::Ascending, 99).unwrap();
    let epoch = bench.store.take(ShardId(0)).unwrap();
    let damage = |(key, _)| Write::Put { space: Space::Records, key, value: b"damaged".to_vec() };
    let writes = rows.into_iter().map(damage).collect();
    commit_and_wait(&*bench.store, Batch { shard: ShardId(0), epoch, writes }).unwrap();
    (bench.crash(100), machine)
}

#[test]
fn a_damaged_execution_of_a_run_keeps_nobody_from_opening() {
    let tolerant = r#""ToleratedFailurePercentage":50,"ItemBatcher":{"MaxItemsPerBatch":1},"#;
    let (mut bench, machine) = damaged(tolerant);
    bench.settle();
    let end = bench.end(&machine, "x");
    assert!(end.starts_with("FAILED States.Runtime The Map Run cannot go on: "), "{end}");
    assert_eq!(bench.core.gauges().open_executions, 0);
}

#[test]
fn one_that_cannot_be_redriven_stays_as_it_is() {
    let (mut bench, machine) = damaged(r#""ToleratedFailurePercentage":50,"#);
    bench.stop(&machine, "x");
    bench.settle();
    redrive(&mut bench, &machine);
    for _ in 0..2 {
        bench.answer_task("I", Ok("7"));
        bench.settle();
    }
    assert_eq!(bench.end(&machine, "x"), "SUCCEEDED 7");
}

#[test]
fn runs_that_wait_for_room_go_on_when_there_is_some() {
    let mut bench = Bench::with_room(Arc::new(Memory::new()), START, 100, 5);
    let machine = bench.create("m", &map("", FUNCTION));
    for name in ["x", "y", "z"] {
        bench.start(&machine, name, "[1,2,3,4,5,6,7,8,9,10]");
    }
    bench.settle();
    while let Some((id, _, task)) = bench.running.pop_front() {
        assert!(bench.core.gauges().open_executions <= 5);
        bench.core.outcome(id, task.task, Outcome::Done(Ok(payload("1"))));
        bench.settle();
    }
    for name in ["x", "y", "z"] {
        assert_eq!(bench.end(&machine, name), "SUCCEEDED 1");
    }
    bench.check_all("room");
}

#[test]
fn many_executions_of_an_earlier_round_are_counted_in_portions() {
    const ITEMS: usize = 700;
    let mut items = String::new();
    (0..ITEMS).for_each(|n| write!(items, "{n},").unwrap());
    let input = format!("[{}]", items.trim_end_matches(','));
    let (mut bench, machine) = begin(&map(r#""ToleratedFailurePercentage":100,"#, FUNCTION), &input);
    assert_eq!(bench.running.len(), ITEMS);
    for n in 0..ITEMS - 1 {
        let outcome = if n % 2 == 0 { Ok("1") } else { Err("Bad") };
        bench.answer_task("I", outcome);
    }
    bench.settle();
    let mut bench = bench.crash(10_000);
    bench.settle();
    let runs: Vec<_> = bench.rows().iter().flat_map(|(id, _)| bench.reader.map_runs(*id).unwrap()).collect();
    assert_eq!((runs[0].executions.succeeded, runs[0].executions.failed), (350, 350), "the last one is lost");
    assert!(bench.end(&machine, "x").starts_with("SUCCEEDED"));
    bench.check_all("counted");
}
