//! What ended long ago is deleted, and nothing else; a little at a time, whatever crashes.

mod support;

use std::sync::Arc;

use engine::{Filter, Machine, Outcome};
use store::testing::Chance;
use store::{Memory, Order, Space, prefix_end};
use support::{Answer, Bench, FUNCTION, START, machine, payload};

const DAY_MS: u64 = 24 * 3600 * 1000;
const SLOTS: usize = 100;

/// Rows beside those of machines and definitions.
fn rows(bench: &Bench) -> usize {
    let of = |space| bench.store.scan(space, &[]..&prefix_end(&[]), Order::Ascending, usize::MAX).unwrap().len();
    [Space::Executions, Space::Names, Space::Listing, Space::Records, Space::MapRuns].map(of).iter().sum()
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
