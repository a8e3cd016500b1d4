//! What ended long ago is deleted, and nothing else; a little at a time, whatever crashes.

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{Filter, Machine, Outcome};
use store::testing::{Chance, Scratch};
use store::{Folder, Memory, Options, Order, Space, Sqlite, Store, prefix_end};
use support::{Answer, Bench, FUNCTION, START, machine, payload};

const DAY_MS: u64 = 24 * 3600 * 1000;
const SLOTS: usize = 100;

/// Rows beside those of machines and definitions.
fn rows(bench: &Bench) -> usize {
    let spaces = [Space::Executions, Space::Names, Space::Listing, Space::Records, Space::MapRuns];
    spaces.map(|space| rows_of(bench, space)).iter().sum()
}

fn rows_of(bench: &Bench, space: Space) -> usize {
    bench.store.scan(space, &[]..&prefix_end(&[]), Order::Ascending, usize::MAX).unwrap().len()
}

fn fresh() -> Bench {
    Bench::open(Arc::new(Memory::new()), START, SLOTS)
}

/// Answers every task until nothing more is asked for.
fn work(bench: &mut Bench) {
    bench.settle();
    while let Some((id, _, task)) = bench.running.pop_front() {
        bench.core.outcome(id, task.task, Outcome::Done(Ok(payload("1"))));
        bench.settle();
    }
}

/// Lets so many milliseconds pass as the loop of a shard would: it sleeps until it is wanted. Gives the largest batch.
fn pass(bench: &mut Bench, ms: u64) -> usize {
    let until = bench.now.after_ms(ms);
    let mut most = 0;
    while let Some(at) = bench.core.next_wake().filter(|at| *at <= until) {
        bench.now = bench.now.max(at);
        bench.core.set_time(bench.now);
        bench.core.go_on();
        while bench.core.has_work() {
            let before = rows(bench);
            bench.turn();
            most = most.max(before.saturating_sub(rows(bench)));
            bench.core.go_on();
        }
    }
    bench.now = until;
    most
}

fn start(bench: &mut Bench, machine: &Machine, name: &str, input: &str) -> Answer {
    bench.core.set_time(bench.now);
    bench.start(machine, name, input);
    bench.settle();
    bench.answer(name).unwrap()
}

#[test]
fn what_has_ended_is_kept_for_ninety_days_and_its_name_is_taken_for_as_long() {
    let mut bench = fresh();
    let quick = bench.create("quick", &machine(r#""A":{"Type":"Pass","End":true}"#));
    let slow = bench.create("slow", &machine(r#""A":{"Type":"Wait","Seconds":8640000,"End":true}"#));
    start(&mut bench, &quick, "x", "1");
    start(&mut bench, &slow, "long", "1");
    pass(&mut bench, 60 * DAY_MS);
    start(&mut bench, &quick, "later", "1");
    pass(&mut bench, 29 * DAY_MS);
    assert_eq!(bench.end(&quick, "x"), "SUCCEEDED 1");
    assert!(matches!(start(&mut bench, &quick, "x", "2"), Answer::Started(Err(_))));
    pass(&mut bench, 2 * DAY_MS);
    assert_eq!([bench.end(&quick, "x"), bench.end(&quick, "later")], ["none", "SUCCEEDED 1"]);
    assert_eq!(bench.end(&slow, "long"), "RUNNING");
    assert!(matches!(start(&mut bench, &quick, "x", "2"), Answer::Started(Ok(_))));
    assert_eq!(bench.reader.list(quick.number, &Filter::default(), None, 9).unwrap().executions.len(), 2);
    pass(&mut bench, 30 * DAY_MS);
    assert_eq!([bench.end(&slow, "long"), bench.end(&quick, "x")], ["SUCCEEDED 1", "SUCCEEDED 2"]);
    pass(&mut bench, 200 * DAY_MS);
    assert_eq!(rows(&bench), 0);
}

#[test]
fn much_is_deleted_a_little_at_a_time_whatever_crashes() {
    let further: String = (1..300).map(|n| format!(r#""S{n}":{{{FUNCTION},"Next":"S{}"}},"#, n + 1)).collect();
    let long = machine(&format!(r#""A":{{{FUNCTION},"Next":"S1"}},{further}"S300":{{"Type":"Succeed"}}"#));
    let items = machine(&format!(
        r#""A":{{"Type":"Pass","Parameters":{{"a.$":"States.ArrayRange(1, 600, 1)"}},"OutputPath":"$.a","Next":"M"}},
           "M":{{"Type":"Map","ItemProcessor":{{"ProcessorConfig":{{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"}},
             "StartAt":"I","States":{{"I":{{{FUNCTION},"End":true}}}}}},"End":true}}"#
    ));
    for crashes in [false, true] {
        let mut bench = fresh();
        let (long, items) = (bench.create("long", &long), bench.create("items", &items));
        let kept = bench.create("kept", &machine(r#""A":{"Type":"Pass","End":true}"#));
        for name in ["x", "y"] {
            start(&mut bench, &long, name, "1");
            start(&mut bench, &items, name, "1");
        }
        work(&mut bench);
        assert!(bench.end(&items, "y").starts_with("SUCCEEDED"));
        assert!(rows(&bench) > 6000);
        pass(&mut bench, 50 * DAY_MS);
        start(&mut bench, &kept, "z", "1");
        pass(&mut bench, 40 * DAY_MS);
        let mut chance = Chance(1);
        while rows(&bench) > 4 {
            let most = pass(&mut bench, 3_600_000);
            assert!(most < 1000, "{most} rows in one batch");
            if crashes && chance.below(2) == 0 {
                bench.now = bench.core.next_wake().unwrap().max(bench.now);
                bench.core.set_time(bench.now);
                bench.core.go_on();
                if chance.below(2) == 0 {
                    drop(bench.commit());
                }
                bench = bench.crash(SLOTS);
            }
            assert!(bench.now < START.after_ms(95 * DAY_MS), "it is not done");
        }
        assert_eq!(bench.end(&kept, "z"), "SUCCEEDED 1");
        bench.check_all("retention");
    }
}

#[test]
fn the_executions_of_a_map_run_are_kept_as_long_as_it_may_need_them() {
    let items = machine(&format!(
        r#""A":{{"Type":"Pass","Result":[1,2],"Next":"M"}},
           "M":{{"Type":"Map","ItemProcessor":{{"ProcessorConfig":{{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"}},
             "StartAt":"I","States":{{"I":{{{FUNCTION},"End":true}}}}}},"End":true}}"#
    ));
    let mut bench = fresh();
    let items = bench.create("items", &items);
    start(&mut bench, &items, "x", "1");
    bench.answer_task("I", Ok("1"));
    bench.settle();
    // The other item takes its time.
    let (id, _, task) = bench.running.pop_front().unwrap();
    pass(&mut bench, 200 * DAY_MS);
    bench.core.outcome(id, task.task, Outcome::Done(Ok(payload("2"))));
    bench.settle();
    assert_eq!(bench.end(&items, "x"), "SUCCEEDED [1,2]");
    pass(&mut bench, 80 * DAY_MS);
    bench.check_all("kept");
    assert_eq!(bench.rows().len(), 3);
    pass(&mut bench, 11 * DAY_MS);
    assert_eq!(rows(&bench), 0);
}

#[test]
fn the_revisions_of_deleted_machines_go_when_their_executions_have_gone() {
    let definition =
        |text: &str| machine(&format!(r#""A":{{"Type":"Wait","Seconds":60,"Comment":"{text}","End":true}}"#));
    let mut bench = fresh();
    let kept = bench.create("kept", &definition("1"));
    // Of each name three, one after another: with executions, without, and the last with a start on its way.
    for round in 0..3 {
        let used = bench.create("used", &definition("1"));
        bench.create("unused", &definition("1"));
        for revision in 0..40 {
            let definition = Some(definition(&revision.to_string()));
            bench.machines.update(&used.arn, engine::Update { definition, ..Default::default() }, bench.now).unwrap();
        }
        start(&mut bench, &used, &format!("x{round}"), "1");
        bench.start(&used, &format!("late{round}"), "1");
        for arn in [&used.arn, &kept.arn.replace("kept", "unused").into()] {
            bench.machines.delete(arn).unwrap();
        }
        bench.core.machine_deleted(used.number);
        pass(&mut bench, DAY_MS);
    }
    assert_eq!(rows_of(&bench, Space::Definitions), 1 + 3 * 41, "those that executions may ask for are there");
    assert_eq!(bench.rows().len(), 6);
    for (id, row) in bench.rows() {
        assert_ne!(row.status.name(), "RUNNING", "{}", row.name);
        assert!(bench.reader.revision(&row).unwrap().definition().is_ok());
        support::check_history(&bench.history_of(id));
    }
    pass(&mut bench, 88 * DAY_MS);
    assert_eq!(rows_of(&bench, Space::Definitions), 1 + 2 * 41, "the first of the three is over");
    let mut chance = Chance(1);
    while rows_of(&bench, Space::Definitions) > 1 {
        pass(&mut bench, DAY_MS / 4 + chance.below(DAY_MS / 4));
        bench = bench.crash(SLOTS);
        // Two passes without a crash between them.
        pass(&mut bench, 2 * DAY_MS / 24);
        assert!(bench.now < START.after_ms(100 * DAY_MS), "it is not done");
    }
    assert_eq!(rows(&bench), 0);
    // The rows of the machines themselves go at the next start, but for that of the newest, whose number is used up.
    bench = bench.crash(SLOTS);
    assert_eq!(rows_of(&bench, Space::Machines), 2);
    let next = bench.create("used", &definition("1"));
    assert_eq!(next.number, 8);
    assert_eq!(bench.machines.list().len(), 2);
}

/// Bytes of the database file, once all that is durable is in it.
fn file_bytes(bench: &Bench, folder: &Path) -> u64 {
    let before = bench.store.figures().checkpoints;
    // Something to copy back, if the writer has done so already.
    bench.machines.edit_tags(&bench.machines.list()[0].arn, Ok::<_, ()>).unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while bench.store.figures().checkpoints == before {
        assert!(Instant::now() < end, "an idle writer copies its log back");
        std::thread::yield_now();
    }
    fs::metadata(folder.join("ithaca.db")).unwrap().len()
}

/// A year of executions that end on their day, of some that take most of the year, and of a machine that is made anew each
/// month. What is kept is bounded by 90 days' worth, in rows and in bytes, and what is open is never touched.
#[test]
fn a_year_leaves_ninety_days() {
    /// A step is five days.
    const DAYS: usize = 5;
    const PER_STEP: usize = 40;
    /// Of the input, which no compression makes smaller than half.
    const DIGITS: usize = 3000;
    let scratch = Scratch::new();
    let folder = Folder::lock(scratch.path()).unwrap();
    let sqlite = || -> Arc<dyn Store> { Arc::new(Sqlite::open(&folder, Options::default()).unwrap()) };
    let stores: [Arc<dyn Store>; 2] = [Arc::new(Memory::new()), sqlite()];
    for (store, is_file) in stores.into_iter().zip([false, true]) {
        let mut bench = Bench::open(store, START, SLOTS);
        let daily = bench.create("daily", &machine(r#""A":{"Type":"Wait","Seconds":60,"End":true}"#));
        let long = bench.create("long", &machine(r#""A":{"Type":"Wait","Seconds":25920000,"End":true}"#));
        let monthly = machine(r#""A":{"Type":"Pass","End":true}"#);
        let mut chance = Chance(1);
        let (mut most_rows, mut most_bytes) = (0, 0);
        for day in (0..365).step_by(DAYS) {
            if day % 20 == 0 {
                start(&mut bench, &long, &format!("long{day}"), "1");
            }
            if day % 30 == 0 {
                let made = bench.create("monthly", &monthly);
                start(&mut bench, &made, "once", "1");
                bench.machines.delete(&made.arn).unwrap();
                bench.core.machine_deleted(made.number);
            }
            bench.core.set_time(bench.now);
            for at in 0..PER_STEP {
                let digits: String = (0..DIGITS / 16).map(|_| format!("{:016x}", chance.below(u64::MAX))).collect();
                bench.start(&daily, &format!("{day}-{at}"), &format!(r#""{digits}""#));
            }
            bench.settle();
            pass(&mut bench, DAYS as u64 * DAY_MS);
            let rows = rows(&bench);
            let bytes = if is_file && day % 30 == 0 { file_bytes(&bench, scratch.path()) } else { 0 };
            if day <= 90 {
                (most_rows, most_bytes) = (rows.max(most_rows), bytes.max(most_bytes));
            }
            // Those that take long are few, and stay for their own time.
            assert!(rows <= most_rows + 5 * 18, "day {day}: {rows} rows after {most_rows}");
            // What was free is used again.
            assert!(bytes <= most_bytes + most_bytes / 4, "day {day}: {bytes} bytes after {most_bytes}");
            assert!(rows_of(&bench, Space::Definitions) <= 2 + 4, "day {day}: revisions of 90 days, and of this month");
        }
        assert!(most_rows > 90 / DAYS * PER_STEP * 5 && (!is_file || most_bytes > 1 << 20), "{most_rows} {most_bytes}");
        for day in (0..365).step_by(20) {
            // Each has its 300 days, and 90 after them.
            let expected = if day < 65 { "SUCCEEDED 1" } else { "RUNNING" };
            assert_eq!(bench.end(&long, &format!("long{day}")), expected, "{day}");
        }
        let daily_rows = bench.rows().into_iter().filter(|(_, row)| row.machine == daily.number);
        let kept = daily_rows.inspect(|(id, _)| support::check_history(&bench.history_of(*id))).count();
        assert_eq!(kept, 90 / DAYS * PER_STEP);

        pass(&mut bench, 400 * DAY_MS);
        assert_eq!(rows(&bench), 0);
        assert_eq!(bench.core.gauges(), Default::default());
    }
}

/// However much a day brings, the sweep deletes more: load sets its pace, and a batch has its share of it.
#[test]
fn the_sweep_keeps_up_with_any_load() {
    // One batch after another, 10 ms each, is full speed; months of nothing between them.
    const TURNS: usize = 100;
    const STARTS: usize = 20;
    /// Name, row, list entry and record.
    const ROWS_EACH: usize = 4;
    let mut bench = fresh();
    let quick = bench.create("quick", &machine(r#""A":{"Type":"Pass","End":true}"#));
    let mut most = 0;
    for day in [0, 91, 182] {
        bench.now = START.after_ms(day * DAY_MS);
        let before = rows(&bench);
        for turn in 0..TURNS {
            bench.core.set_time(bench.now);
            bench.core.go_on();
            (0..STARTS).for_each(|at| bench.start(&quick, &format!("{day}-{turn}-{at}"), "1"));
            let expected = rows(&bench) + STARTS * ROWS_EACH;
            bench.turn();
            most = most.max(expected - rows(&bench));
            bench.now = bench.now.after_ms(10);
        }
        // All that was there is gone, and what was written since is there.
        let (written, after) = (TURNS * STARTS * ROWS_EACH, rows(&bench));
        assert_eq!(after, written, "day {day}: of {before} and {written} rows");
    }
    assert!((200..500).contains(&most), "{most} rows were deleted in one batch");
}
