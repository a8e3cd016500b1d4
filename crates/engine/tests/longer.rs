//! Longer work with a crash before and after every commit: tasks that give their token away, activities, nested
//! executions, Map Runs, and the redrive of what ended badly.
//!
//! A world stands around the shard: runners that die with it; holders of tokens, workers and callers that do not, and
//! ask again when they got no answer. Which of them comes next is drawn from a seed. However it went, everything ends
//! as its row says, and what holds for every execution holds.

mod support;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, LazyLock, Mutex};

use asl::definition::Pattern;
use engine::core::{Start, StartReply, Taken, TokenAnswer};
use engine::{
    Errand, ExecutionId, ExecutionStatus, Machine, Outcome, Parent, RedriveError, StartError, StopError, TokenError,
};
use interpreter::{EventKind, Failure, HistoryEvent, Payload, TaskId, Timestamp, Token};
use store::testing::Chance;
use store::{Memory, Order, Space, prefix_end};
use support::{Bench, Crash, FUNCTION, START, machine, payload};

/// Few slots, so that tasks wait for one.
const SLOTS: usize = 4;

/// What somebody makes of what they were asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    /// Gives this back.
    Gives(&'static str),
    Echoes,
    Fails(&'static str),
    /// A sign of life, and then an answer.
    Lives(&'static str),
    /// Nothing, ever.
    Nothing,
}

/// What is known when somebody is asked: the state, the input, how often the execution was redriven.
struct Asked<'a> {
    state: &'a str,
    input: &'a str,
    redriven: u32,
    /// How many attempts of this state there have been before.
    before: usize,
}

/// A row of the table.
struct Row {
    name: &'static str,
    states: String,
    /// Members of the state machine itself.
    top: &'static str,
    /// The machine `c`, which nested executions run.
    child: String,
    input: &'static str,
    does: fn(&Asked) -> Does,
    /// What a user does to it: stops it when so many commits are done.
    stop: Option<usize>,
    /// How it ends; each but the last is followed by a redrive.
    ends: &'static [&'static str],
    /// What must hold beside that.
    also: fn(&World),
}

impl Row {
    fn new(name: &'static str, states: String, does: fn(&Asked) -> Does, ends: &'static [&'static str]) -> Row {
        Row { name, states, top: "", child: String::new(), input: "{}", does, stop: None, ends, also: |_| {} }
    }
}

/// What callers are told, when it is durable.
enum Told {
    Started(Result<StartReply, StartError>),
    Stopped(Result<Timestamp, StopError>),
    Redriven(Result<Timestamp, RedriveError>),
    Answered(usize, Result<(), TokenError>),
    Taken(Option<Taken>),
    Nested(ExecutionId, TaskId, Result<StartReply, StartError>),
    Wanted(Errand, usize, bool),
}

/// Somebody who has a task's token.
#[derive(Debug)]
struct Holder {
    token: String,
    does: Does,
    /// Has been asked and not answered.
    is_asking: bool,
    /// Was told that it was taken.
    is_taken: bool,
    is_done: bool,
    output: String,
}

struct World<'r> {
    row: &'r Row,
    bench: Bench,
    machine: Arc<Machine>,
    chance: Chance,
    told: Arc<Mutex<VecDeque<Told>>>,
    /// Names the run in what a failed check says.
    what: String,
    commits: usize,
    crashes: usize,
    started: Option<StartReply>,
    is_asking: bool,
    is_stopped: bool,
    holders: Vec<Holder>,
    /// Calls that have begun some longer work, and whose answer is on its way.
    calls: VecDeque<(ExecutionId, TaskId, Option<Arc<str>>)>,
    /// Tasks that are answered when everything is over: what frees their slots.
    silent: VecDeque<(ExecutionId, TaskId)>,
    reads: VecDeque<(Errand, usize)>,
    attempts: BTreeMap<String, usize>,
    /// Histories as they were durable at the last crash.
    durable: BTreeMap<ExecutionId, Vec<HistoryEvent>>,
}

/// Items that a reader gives, in chunks.
const CHUNKS: [&[&str]; 3] = [&["0", "1", "2", "3"], &["4"], &["5", "6", "7", "8"]];

fn run(row: &Row, seed: u64, crash: Option<Crash>) -> World<'_> {
    let bench = Bench::open(Arc::new(Memory::new()), START, SLOTS);
    if !row.child.is_empty() {
        bench.create("c", &row.child);
    }
    let machine = bench.create("m", &machine(&row.states).replacen('{', &format!("{{{}", row.top), 1));
    let mut world = World {
        row,
        bench,
        machine,
        chance: Chance(seed),
        told: Arc::default(),
        what: format!("{}, seed {seed}, {crash:?}", row.name),
        commits: 0,
        crashes: 0,
        started: None,
        is_asking: false,
        is_stopped: false,
        holders: Vec::new(),
        calls: VecDeque::new(),
        silent: VecDeque::new(),
        reads: VecDeque::new(),
        attempts: BTreeMap::new(),
        durable: BTreeMap::new(),
    };
    for _ in 0..20_000 {
        if !world.act() {
            world.check();
            return world;
        }
        world.commit(crash);
    }
    panic!("{}: the run does not end", world.what);
}

/// Something that may happen next.
enum Move {
    Start,
    Stop,
    Redrive,
    Run(usize),
    Answer(usize),
    Take,
    Submit,
    Read,
    Write,
}

impl World<'_> {
    /// Feeds one to three inputs; false when nothing is left to do.
    fn act(&mut self) -> bool {
        let mut did = self.bench.core.has_work();
        for _ in 0..=self.chance.below(3) {
            let mut moves = self.moves();
            if moves.is_empty()
                && self.status() != "RUNNING"
                && let Some((id, task)) = self.silent.pop_front()
            {
                self.bench.core.outcome(id, task, Outcome::Done(Ok(payload("\"late\""))));
                did = true;
            } else if moves.is_empty() {
                // Only time is waited for.
                did |= !self.bench.core.has_work() && self.bench.advance();
            } else {
                let next = moves.swap_remove(self.chance.below(moves.len() as u64) as usize);
                self.make(next);
                did = true;
            }
            self.bench.core.set_time(self.bench.now);
            self.bench.core.go_on();
        }
        did
    }

    fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        if self.is_asking {
        } else if self.started.is_none() {
            moves.push(Move::Start);
        } else if self.row.stop.is_some_and(|at| self.commits >= at) && !self.is_stopped {
            return vec![Move::Stop];
        } else if (self.redriven() as usize) + 1 < self.row.ends.len() && !self.status().starts_with("RUNNING") {
            moves.push(Move::Redrive);
        }
        moves.extend((0..self.bench.running.len()).map(Move::Run));
        let may_answer = |holder: &Holder| !holder.is_done && !holder.is_asking && holder.does != Does::Nothing;
        moves.extend((0..self.holders.len()).filter(|at| may_answer(&self.holders[*at])).map(Move::Answer));
        let optional = [
            (Move::Take, self.bench.offered.is_empty()),
            (Move::Submit, self.calls.is_empty()),
            (Move::Read, self.bench.reads.is_empty() && self.reads.is_empty()),
            (Move::Write, self.bench.writes.is_empty()),
        ];
        moves.extend(optional.into_iter().filter(|(_, is_none)| !is_none).map(|(next, _)| next));
        moves
    }

    fn make(&mut self, next: Move) {
        let told = self.told.clone();
        let tell = move |what: Told| told.lock().unwrap().push_back(what);
        match next {
            Move::Start => {
                self.is_asking = true;
                let input = payload(self.row.input);
                let start = Start { name: Some("x".into()), ..Start::new(self.machine.revision.clone(), input) };
                self.bench.core.start(start, move |answer| tell(Told::Started(answer)));
            }
            Move::Stop => {
                self.is_asking = true;
                let failure = Failure::named("Stopped");
                self.bench.core.stop(self.machine.number, "x", failure, move |answer| tell(Told::Stopped(answer)));
            }
            Move::Redrive => {
                self.is_asking = true;
                let id = self.id();
                self.bench.core.redrive(id, move |answer| tell(Told::Redriven(answer)));
            }
            Move::Run(at) => self.run_task(at),
            Move::Answer(at) => self.answer(at),
            Move::Take => {
                let (id, task) = self.bench.offered.pop_front().unwrap();
                self.bench.core.take(id, task, Some("worker".into()), move |taken| tell(Told::Taken(taken)));
            }
            Move::Submit => {
                let (id, task, child) = self.calls.pop_front().unwrap();
                self.bench.core.outcome(id, task, Outcome::Submitted { output: payload("{}"), child });
            }
            Move::Read => {
                if let Some((run, order)) = self.bench.reads.pop_front() {
                    assert_eq!(&*order.resource, "arn:aws:states:::s3:getObject");
                    self.reads.push_back((run, 0));
                }
                let (run, chunk) = self.reads.pop_front().unwrap();
                let items: Vec<Payload> = CHUNKS[chunk].iter().map(|item| payload(item)).collect();
                let is_last = chunk + 1 == CHUNKS.len();
                let redriven = self.redriven();
                let before = self.before(&format!("read {chunk}"));
                let asked = Asked { state: "read", input: "", redriven, before };
                match (self.row.does)(&asked) {
                    Does::Fails(error) if is_last => self.bench.core.items_failed(run, Failure::named(error)),
                    _ => self.bench.core.items_read(run, items, is_last, move |is_wanted| {
                        tell(Told::Wanted(run, chunk + 1, is_wanted && !is_last));
                    }),
                }
            }
            Move::Write => {
                let (errand, order) = self.bench.writes.pop_front().unwrap();
                let (found, _) = self.bench.reader.map_run_executions(order.run, None, 0, usize::MAX).unwrap();
                assert_eq!(found.len() as u64, order.counts.total, "a writer finds every execution");
                self.bench.core.results_written(errand, Ok(payload("\"written\"")));
            }
        }
    }

    fn before(&mut self, what: &str) -> usize {
        let before = self.attempts.entry(what.to_owned()).or_default();
        *before += 1;
        *before - 1
    }

    /// A runner does what it was handed, or at least the call that begins it.
    fn run_task(&mut self, at: usize) {
        let (id, _, task) = self.bench.running.remove(at).unwrap();
        let redriven = self.redriven();
        let before = self.before(&task.state);
        let asked = Asked { state: &task.state, input: task.input.text(), redriven, before };
        let does = (self.row.does)(&asked);
        if task.resource.call() == Some(("states", "startExecution")) {
            let nested = self.bench.machines.get(&format!("{}c", support::ARN)).unwrap().unwrap();
            let name: Arc<str> = format!("{:x}-{}-{}", id.0, task.task.frame.0, task.task.attempt.0).into();
            let start = Start {
                name: Some(name),
                parent: Some(Parent::Task { execution: id, task: task.task }),
                ..Start::new(nested.revision.clone(), payload("{}"))
            };
            let told = self.told.clone();
            self.bench.core.start(start, move |answer| {
                told.lock().unwrap().push_back(Told::Nested(id, task.task, answer));
            });
            return;
        }
        if task.resource.pattern() == Pattern::Callback {
            let secret = task.secret.expect("it has a token");
            let token = Token { execution: id.0, task: task.task, secret }.encode();
            self.hold(token, does);
            // Which of the two answers comes first is for the seed to say.
            self.calls.push_back((id, task.task, None));
            return;
        }
        let outcome = match does {
            Does::Gives(output) | Does::Lives(output) => Ok(payload(output)),
            Does::Echoes => Ok(task.input),
            Does::Fails(error) => Err(Failure::named(error)),
            Does::Nothing => return self.silent.push_back((id, task.task)),
        };
        self.bench.core.outcome(id, task.task, Outcome::Done(outcome));
    }

    fn hold(&mut self, token: String, does: Does) {
        assert!(self.holders.iter().all(|holder| holder.token != token), "a token is given away once");
        let output = format!("{{\"holder\":{}}}", self.holders.len());
        self.holders.push(Holder { token, does, is_asking: false, is_taken: false, is_done: false, output });
    }

    fn answer(&mut self, at: usize) {
        let holder = &mut self.holders[at];
        holder.is_asking = true;
        let answer = match holder.does {
            Does::Gives(_) | Does::Echoes => TokenAnswer::Succeeded(payload(&holder.output)),
            Does::Fails(error) => TokenAnswer::Failed(Failure::named(error)),
            Does::Lives(_) => TokenAnswer::Heartbeat,
            Does::Nothing => unreachable!("it does nothing"),
        };
        let told = self.told.clone();
        let token = Token::decode(&holder.token).unwrap();
        self.bench.core.answer(token, answer, move |answer| {
            told.lock().unwrap().push_back(Told::Answered(at, answer));
        });
    }

    fn commit(&mut self, crash: Option<Crash>) {
        if !self.bench.core.has_work() {
            return;
        }
        self.commits += 1;
        let (before, after) = crash.map_or((false, false), |crash| crash.sides(self.commits, &mut self.chance));
        if before {
            return self.crash();
        }
        if after {
            drop(self.bench.commit());
            return self.crash();
        }
        self.bench.turn();
        let told = std::mem::take(&mut *self.told.lock().unwrap());
        told.into_iter().for_each(|told| self.hear(told));
    }

    fn hear(&mut self, told: Told) {
        match told {
            Told::Started(Ok(reply)) => {
                self.is_asking = false;
                self.started = Some(reply);
            }
            // It was started before a crash, has ended since, and so the name is taken.
            Told::Started(Err(StartError::AlreadyExists { execution_arn })) => {
                assert!(self.crashes > 0);
                self.is_asking = false;
                self.started = Some(StartReply { execution_arn: execution_arn.into(), started_at: START });
            }
            Told::Stopped(Ok(_)) => {
                self.is_asking = false;
                self.is_stopped = true;
            }
            Told::Redriven(Ok(_)) => self.is_asking = false,
            // It was taken up before a crash.
            Told::Redriven(Err(RedriveError::NotRedrivable(why))) => {
                assert!(self.crashes > 0, "{}: {why}", self.what);
                self.is_asking = false;
            }
            Told::Answered(at, answer) => self.was_answered(at, answer),
            Told::Taken(None) => {}
            Told::Taken(Some(taken)) => {
                let redriven = self.redriven();
                let before = self.before("worker");
                let asked = Asked { state: "worker", input: taken.input.text(), redriven, before };
                let does = (self.row.does)(&asked);
                self.hold(taken.token, does);
            }
            Told::Nested(id, task, Ok(reply)) => self.calls.push_back((id, task, Some(reply.execution_arn))),
            Told::Nested(id, task, Err(error)) => {
                self.bench.core.outcome(id, task, Outcome::Done(Err(Failure::named(format!("{error}")))));
            }
            Told::Wanted(run, chunk, true) => self.reads.push_back((run, chunk)),
            Told::Wanted(_, _, false) => {}
            Told::Started(Err(error)) => panic!("{error}"),
            Told::Stopped(Err(error)) => panic!("{error}"),
            Told::Redriven(Err(error)) => panic!("{error}"),
        }
    }

    fn was_answered(&mut self, at: usize, answer: Result<(), TokenError>) {
        let holder = &mut self.holders[at];
        holder.is_asking = false;
        match answer {
            Ok(()) if matches!(holder.does, Does::Lives(_)) => {
                let Does::Lives(output) = holder.does else { return };
                holder.does = Does::Gives(output);
            }
            Ok(()) => {
                assert!(!holder.is_taken, "a token works once: {holder:?}");
                (holder.is_taken, holder.is_done) = (true, true);
            }
            Err(TokenError::TimedOut) => holder.is_done = true,
            Err(error) => panic!("{error}: {holder:?}"),
        }
    }

    fn crash(&mut self) {
        self.crashes += 1;
        let histories = self.bench.histories();
        let empty = Bench::open(Arc::new(Memory::new()), START, SLOTS);
        self.bench = std::mem::replace(&mut self.bench, empty).crash(SLOTS);
        // Nobody is told of what was on its way.
        self.told = Arc::default();
        self.is_asking = false;
        self.holders.iter_mut().for_each(|holder| holder.is_asking = false);
        self.calls.clear();
        self.silent.clear();
        self.reads.clear();
        for (id, durable) in std::mem::replace(&mut self.durable, histories) {
            assert!(self.durable[&id].starts_with(&durable), "{}: a history has changed", self.what);
        }
    }

    fn id(&self) -> ExecutionId {
        self.bench.reader.find(&engine::execution_arn(&self.machine.arn, "x")).unwrap().expect("it was started")
    }

    fn status(&self) -> String {
        self.bench.end(&self.machine, "x")
    }

    fn redriven(&self) -> u32 {
        let arn = engine::execution_arn(&self.machine.arn, "x");
        self.bench.reader.describe(&arn).unwrap().map_or(0, |found| found.row.redrive_count)
    }

    /// What must hold at the end.
    fn check(&mut self) {
        let what = self.what.clone();
        self.bench.check_all(&what);
        assert_eq!(self.ends_in_history(), self.row.ends, "{what}");
        self.check_tokens(&what);
        (self.row.also)(self);
    }

    /// Every end of the execution, in short.
    fn ends_in_history(&self) -> Vec<String> {
        let text = |failure: &Failure| failure.error.as_deref().unwrap_or("-").to_owned();
        let history = self.bench.history_of(self.id());
        let ends = history.iter().filter_map(|event| match &event.kind {
            EventKind::ExecutionSucceeded { output } => Some(format!("ok {}", blurred(output.text()))),
            EventKind::ExecutionFailed(failure) => Some(format!("failed {}", text(failure))),
            EventKind::ExecutionAborted(failure) => Some(format!("aborted {}", text(failure))),
            EventKind::ExecutionTimedOut(_) => Some("timed out".to_owned()),
            _ => None,
        });
        ends.collect()
    }

    /// Whoever was told that their answer was taken finds it in the history, and no token works now.
    fn check_tokens(&mut self, what: &str) {
        let outputs: Vec<String> = self
            .bench
            .histories()
            .into_values()
            .flatten()
            .filter_map(|event| match event.kind {
                EventKind::TaskSucceeded { output, .. } => Some(output.text().to_owned()),
                _ => None,
            })
            .collect();
        for holder in self.holders.iter().filter(|holder| holder.is_taken && matches!(holder.does, Does::Gives(_))) {
            assert!(outputs.contains(&holder.output), "{what}: an answer that was taken is lost: {holder:?}");
        }
        let tokens: Vec<Token> = self.holders.iter().map(|holder| Token::decode(&holder.token).unwrap()).collect();
        let foreign = Token {
            execution: 7,
            task: TaskId { frame: interpreter::FrameId(0), attempt: interpreter::WaitId(1) },
            secret: 1,
        };
        let refused = |bench: &mut Bench, token: Token| {
            let heard = Arc::new(Mutex::new(None));
            let to = heard.clone();
            bench.core.answer(token, TokenAnswer::Succeeded(payload("1")), move |it| *to.lock().unwrap() = Some(it));
            bench.settle();
            heard.lock().unwrap().take().unwrap()
        };
        for token in tokens {
            let answer = refused(&mut self.bench, token);
            assert!(matches!(answer, Err(TokenError::TimedOut)), "{what}: {answer:?}");
        }
        let answer = refused(&mut self.bench, foreign);
        assert!(matches!(answer, Err(TokenError::Invalid)), "{what}: {answer:?}");
    }
}

fn blurred(text: &str) -> String {
    text.chars().map(|char| if char.is_ascii_digit() { '#' } else { char }).collect()
}

/// At every crash point of one seed, and with many crashes in others.
fn check(row: &Row) {
    for at in 1..=run(row, 1, None).commits {
        for crash in [Crash::Before(at), Crash::After(at)] {
            assert_eq!(run(row, 1, Some(crash)).crashes, 1);
        }
    }
    for seed in 2..=12 {
        run(row, seed, None);
        run(row, seed, Some(Crash::Often(15)));
    }
}

const LOST: &str = r#""Retry":[{"ErrorEquals":["Lambda.SdkClientException"],"MaxAttempts":20,"MaxDelaySeconds":2}],"#;

fn callback(fields: &str) -> String {
    format!(
        r#""Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken",
           "Parameters":{{"FunctionName":"f","Payload":{{"t.$":"$$.Task.Token"}}}},{fields}"#
    )
}

#[test]
fn a_saga_with_a_callback() {
    let saga = |fields: &str| {
        format!(
            r#""A":{{{FUNCTION},{LOST}"Next":"B"}},
               "B":{{{},"Catch":[{{"ErrorEquals":["States.ALL"],"Next":"Undo"}}],"Next":"C"}},
               "C":{{{FUNCTION},{LOST}"End":true}},
               "Undo":{{{FUNCTION},{LOST}"Next":"Sorry"}},"Sorry":{{"Type":"Fail","Error":"Sorry"}}"#,
            callback(&format!(r#"{LOST}{fields}"TimeoutSeconds":60"#))
        )
    };
    let heart = r#""HeartbeatSeconds":10,"#;
    let rows = [
        Row::new("answered", saga(""), |_| Does::Echoes, &[r#"ok {"holder":#}"#]),
        Row::new(
            "alive",
            saga(heart),
            |asked| if asked.state == "B" { Does::Lives("") } else { Does::Echoes },
            &[r#"ok {"holder":#}"#],
        ),
        Row::new(
            "refused",
            saga(heart),
            |asked| if asked.state == "B" { Does::Fails("E") } else { Does::Echoes },
            &["failed Sorry"],
        ),
        Row::new(
            "silent",
            saga(heart),
            |asked| if asked.state == "B" { Does::Nothing } else { Does::Echoes },
            &["failed Sorry"],
        ),
        Row::new(
            "silent for long",
            saga(""),
            |asked| if asked.state == "B" { Does::Nothing } else { Does::Echoes },
            &["failed Sorry"],
        ),
        Row::new(
            "stuck undoing",
            saga(""),
            |asked| match asked.state {
                "B" => Does::Fails("E"),
                "Undo" if asked.redriven == 0 => Does::Fails("E"),
                _ => Does::Echoes,
            },
            &["failed E", "failed Sorry"],
        ),
    ];
    rows.iter().for_each(check);
}

#[test]
fn an_activity_and_its_worker() {
    const ACTIVITY: &str = r#""Type":"Task","Resource":"arn:aws:states:us-east-1:000000000000:activity:a""#;
    let retry = r#""Retry":[{"ErrorEquals":["States.Timeout"],"MaxAttempts":20,"MaxDelaySeconds":2}],"#;
    let states =
        |fields: &str| format!(r#""A":{{{ACTIVITY},{fields}"TimeoutSeconds":30,"HeartbeatSeconds":10,"End":true}}"#);
    let rows = [
        Row::new("answered", states(retry), |_| Does::Echoes, &[r#"ok {"holder":#}"#]),
        Row::new("alive", states(retry), |_| Does::Lives(""), &[r#"ok {"holder":#}"#]),
        Row::new("refused", states(retry), |_| Does::Fails("E"), &["failed E"]),
        Row::new(
            "silent once",
            states(retry),
            |asked| if asked.before == 0 { Does::Nothing } else { Does::Echoes },
            &[r#"ok {"holder":#}"#],
        ),
        Row::new("silent", states(""), |_| Does::Nothing, &["failed States.Timeout"]),
    ];
    rows.iter().for_each(check);
}

const NESTED: &str = r#""Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync:2","Parameters":{"StateMachineArn":"c"},"OutputPath":"$.Output","#;

#[test]
fn a_nested_execution() {
    let parent = |fields: &str| format!(r#""A":{{{NESTED}{fields}"End":true}}"#);
    let task = |top: &str| format!(r#"{{{top}"StartAt":"T","States":{{"T":{{{FUNCTION},{LOST}"End":true}}}}}}"#);
    let hour = || r#"{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":3600,"End":true}}}"#.to_owned();
    // A child that nobody stops ends by itself, after an hour.
    let with_its_parent = |world: &World| {
        let ended = world.bench.rows().into_iter().filter_map(|(_, row)| row.stopped_at).max();
        assert!(ended < Some(START.after_ms(3_600_000)), "{}", world.what);
    };
    let gives = |_: &Asked| Does::Gives("7");
    let row = |name, states, child, does, ends| Row { child, ..Row::new(name, states, does, ends) };
    let silent = |_: &Asked| Does::Nothing;
    let rows = [
        row("succeeds", parent(""), task(""), gives, &["ok #"]),
        row("fails", parent(""), task(""), |_| Does::Fails("E"), &["failed States.TaskFailed"]),
        row("times out", parent(""), task(r#""TimeoutSeconds":5,"#), silent, &["failed States.TaskFailed"]),
        Row {
            also: with_its_parent,
            ..row("is given up", parent(r#""TimeoutSeconds":9,"#), hour(), gives, &["failed States.Timeout"])
        },
        Row {
            also: with_its_parent,
            stop: Some(1),
            ..row("is stopped", parent(""), hour(), gives, &["aborted Stopped"])
        },
        Row {
            also: with_its_parent,
            stop: Some(3),
            ..row("is stopped later", parent(""), hour(), gives, &["aborted Stopped"])
        },
        Row {
            stop: Some(2),
            ..row("is stopped and redriven", parent(""), hour(), gives, &["aborted Stopped", "ok {}"])
        },
        row(
            "fails twice",
            parent(""),
            task(""),
            |asked| match asked.redriven {
                0 | 1 => Does::Fails("E"),
                _ => Does::Gives("7"),
            },
            &["failed States.TaskFailed", "failed States.TaskFailed", "ok #"],
        ),
    ];
    rows.iter().for_each(check);
}

/// A distributed Map of these fields over 25 items, three at a time.
fn distributed(fields: &str, item: &str) -> String {
    format!(
        r#""A":{{"Type":"Pass","Parameters":{{"a.$":"States.ArrayRange(0, 24, 1)"}},"OutputPath":"$.a","Next":"M"}},
           "M":{{"Type":"Map","MaxConcurrency":3,{fields}"ItemProcessor":{{"ProcessorConfig":{{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"}},
               "StartAt":"I","States":{{"I":{{{item}"End":true}}}}}},"End":true}}"#
    )
}

/// These states in one branch, and a state of these fields in the other.
fn beside(states: &str, other: &str) -> String {
    format!(
        r#""A":{{"Type":"Parallel","Branches":[{{"StartAt":"Q","States":{{{}}}}},
           {{"StartAt":"O","States":{{"O":{{{other}"End":true}}}}}}],"End":true}}"#,
        states.replacen(r#""A""#, r#""Q""#, 1)
    )
}

fn is_item(asked: &Asked, items: &[&str]) -> bool {
    asked.state == "I" && items.contains(&asked.input)
}

fn children(world: &World, expected: usize) {
    let found = world.bench.rows().iter().filter(|(_, row)| row.parent.is_some()).count();
    assert_eq!(found, expected, "{}", world.what);
}

#[test]
fn a_map_run() {
    let item = format!("{FUNCTION},{LOST}");
    let echo = |_: &Asked| Does::Echoes;
    let no_items = r#""ItemReader":{"Resource":"arn:aws:states:::s3:getObject","ReaderConfig":{"MaxItemsPath":"$$.Execution.Input.most"},"Parameters":{"Bucket":"b","Key":"k"}},"#;
    let nested = format!(r#"{{"StartAt":"T","States":{{"T":{{{FUNCTION},{LOST}"End":true}}}}}}"#);
    let batched = format!(
        r#""Type":"Task","Resource":"arn:aws:lambda:us-east-1:000000000000:function:f","OutputPath":"$.Items",{LOST}"#
    );
    let reader = r#""ItemReader":{"Resource":"arn:aws:states:::s3:getObject","Parameters":{"Bucket":"b","Key":"k"}},"#;
    let writer = r#""ResultWriter":{"Resource":"arn:aws:states:::s3:putObject","Parameters":{"Bucket":"b"}},"#;
    let sorted = |world: &World| {
        let end = world.status();
        let numbers: Vec<String> = (0..25).map(|n| n.to_string()).collect();
        assert_eq!(end, format!("SUCCEEDED [{}]", numbers.join(",")));
        children(world, 25);
    };
    const ALL: &[&str] = &["ok [#,#,#,#,#,#,#,#,#,#,##,##,##,##,##,##,##,##,##,##,##,##,##,##,##]"];
    let rows = [
        Row { also: sorted, ..Row::new("all", distributed("", &item), echo, ALL) },
        Row {
            also: |world| children(world, 7),
            ..Row::new(
                "batches",
                distributed(r#""ItemBatcher":{"MaxItemsPerBatch":4},"#, &batched),
                echo,
                &["ok [[#,#,#,#],[#,#,#,#],[#,#,##,##],[##,##,##,##],[##,##,##,##],[##,##,##,##],[##]]"],
            )
        },
        Row {
            also: |world| children(world, 25),
            ..Row::new(
                "a failing item within what is tolerated",
                distributed(r#""ToleratedFailureCount":1,"#, &item),
                |asked| if is_item(asked, &["3"]) { Does::Fails("E") } else { Does::Echoes },
                &["ok [#,#,#,#,#,#,#,#,#,##,##,##,##,##,##,##,##,##,##,##,##,##,##,##]"],
            )
        },
        Row::new(
            "more than is tolerated",
            distributed(r#""ToleratedFailureCount":1,"#, &item),
            |asked| if is_item(asked, &["3", "9"]) { Does::Fails("E") } else { Does::Echoes },
            &["failed States.ExceedToleratedFailureThreshold"],
        ),
        Row::new(
            "a batch of more than is tolerated",
            distributed(r#""ToleratedFailurePercentage":7,"ItemBatcher":{"MaxItemsPerBatch":2},"#, &batched),
            |asked| if asked.input.contains("8") { Does::Fails("E") } else { Does::Echoes },
            &["failed States.ExceedToleratedFailureThreshold"],
        ),
        Row {
            also: |world| children(world, 9),
            ..Row::new("read", distributed(reader, &item), echo, &["ok [#,#,#,#,#,#,#,#,#]"])
        },
        Row {
            also: |world| children(world, 0),
            ..Row::new(
                "not read",
                distributed(reader, &item),
                |asked| if asked.state == "read" { Does::Fails("States.ItemReaderFailed") } else { Does::Echoes },
                &["failed States.ItemReaderFailed"],
            )
        },
        Row {
            also: |world| children(world, 25),
            ..Row::new("written", distributed(writer, &item), echo, &["ok \"written\""])
        },
        Row { stop: Some(9), ..Row::new("stopped", distributed("", &item), echo, &["aborted Stopped"]) },
        // A run that fails at once, while the same step asks for a task of an activity.
        Row {
            input: r#"{"most":-1}"#,
            ..Row::new(
                "fails at once",
                beside(
                    &distributed(no_items, &item),
                    r#""Type":"Task","Resource":"arn:aws:states:us-east-1:000000000000:activity:a","#,
                ),
                echo,
                &["failed States.ItemReaderFailed"],
            )
        },
        // The end of the one is told while the other is taken up.
        Row {
            child: nested,
            ..Row::new(
                "beside a nested execution",
                beside(&distributed("", &item), NESTED),
                |asked| if asked.state == "I" { Does::Nothing } else { Does::Fails("E") },
                &["failed States.TaskFailed"],
            )
        },
        Row { stop: Some(2), ..Row::new("stopped soon", distributed(reader, &item), echo, &["aborted Stopped"]) },
    ];
    rows.iter().for_each(check);
}

/// A result of which two are too large for a Map.
fn large() -> &'static str {
    static LARGE: LazyLock<String> = LazyLock::new(|| format!("\"{}\"", "x".repeat(200_000)));
    &LARGE
}

#[test]
fn a_redrive() {
    let task = format!("{FUNCTION},{LOST}");
    let chain = format!(r#""A":{{{task}"Next":"B"}},"B":{{{task}"Next":"C"}},"C":{{{task}"End":true}}"#);
    let branch = |name: &str| format!(r#"{{"StartAt":"{name}","States":{{"{name}":{{{task}"End":true}}}}}}"#);
    let wait = r#"{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":60,"End":true}}}"#;
    let parallel = format!(
        r#""A":{{"Type":"Parallel","Branches":[{},{},{wait}],"Next":"D"}},"D":{{{task}"End":true}}"#,
        branch("B"),
        branch("C")
    );
    let map = format!(
        r#""M":{{"Type":"Map","MaxConcurrency":3,"ItemProcessor":{{"StartAt":"I","States":{{"I":{{{task}"Next":"J"}},"J":{{"Type":"Pass","End":true}}}}}},"End":true}}"#
    );
    let map = format!(r#""A":{{"Type":"Pass","Result":[0,1,2,3,4,5,6],"Next":"M"}},{map}"#);
    let choice = format!(
        r#""A":{{{task}"Next":"C"}},"C":{{"Type":"Choice","Choices":[{{"Variable":"$.x","IsPresent":true,"Next":"D"}}]}},"D":{{"Type":"Succeed"}}"#
    );
    let waits = format!(r#""A":{{"Type":"Wait","Seconds":100,"Next":"B"}},"B":{{{task}"End":true}}"#);
    let fail = format!(r#""A":{{{task}"Next":"F"}},"F":{{"Type":"Fail","Error":"Sorry"}}"#);
    let echo = |_: &Asked| Does::Echoes;
    let in_b = |asked: &Asked| match asked.state {
        "B" if asked.redriven < 2 => Does::Fails("E"),
        _ => Does::Echoes,
    };
    // Only what had not ended well runs again.
    let once = |world: &World| {
        let times = |state: &str, name: &str| {
            let is_of =
                |event: &&HistoryEvent| matches!(&event.kind, EventKind::StateExited { name: of, .. } if **of == *name);
            assert_eq!(world.bench.history_of(world.id()).iter().filter(is_of).count(), 1, "{}: {state}", world.what);
        };
        times("A", "A");
    };
    let with_more =
        format!(r#"{},"Next":"Z"}},"Z":{{{task}"End":true}}"#, map.strip_suffix(r#","End":true}"#).unwrap());
    // Each item once: what was under way when the Map failed as a whole begins with it anew.
    let seven = |world: &World| {
        let history = world.bench.history_of(world.id());
        let after = history.iter().skip_while(|event| !matches!(event.kind, EventKind::ExecutionRedriven { .. }));
        let scheduled = after.filter(|event| matches!(event.kind, EventKind::TaskScheduled { .. })).count();
        assert!(scheduled == 8 || world.crashes > 0, "{}: {scheduled} tasks", world.what);
    };
    const NUMBERS: &[&str] = &["failed E", "failed E", "ok [#,#,#,#,#,#,#]"];
    let rows = [
        Row { also: once, ..Row::new("a task", chain.clone(), in_b, &["failed E", "failed E", "ok {}"]) },
        Row::new("a branch", parallel.clone(), in_b, &["failed E", "failed E", "ok [{},{},{}]"]),
        Row::new(
            "after a Parallel",
            parallel.clone(),
            |asked| match asked.state {
                "D" if asked.redriven < 1 => Does::Fails("E"),
                _ => Does::Echoes,
            },
            &["failed E", "ok [{},{},{}]"],
        ),
        Row::new(
            "items",
            map.clone(),
            |asked| match asked.input {
                "2" | "5" if asked.redriven < 1 => Does::Fails("E"),
                "6" if asked.redriven < 2 => Does::Fails("E"),
                _ => Does::Echoes,
            },
            NUMBERS,
        ),
        Row {
            also: seven,
            ..Row::new(
                "too large results",
                with_more,
                |asked| match asked.redriven {
                    0 => Does::Gives(large()),
                    _ => Does::Echoes,
                },
                &["failed States.DataLimitExceeded", "ok [#,#,#,#,#,#,#]"],
            )
        },
        Row::new("a Choice", choice, echo, &["failed States.NoChoiceMatched", "failed States.NoChoiceMatched"]),
        Row { stop: Some(1), ..Row::new("a Wait", waits.clone(), echo, &["aborted Stopped", "ok {}"]) },
        Row {
            stop: Some(2),
            ..Row::new("a Map that was stopped", map.clone(), echo, &["aborted Stopped", "ok [#,#,#,#,#,#,#]"])
        },
        Row {
            stop: Some(2),
            ..Row::new("a Parallel that was stopped", parallel, echo, &["aborted Stopped", "ok [{},{},{}]"])
        },
        Row {
            top: r#""TimeoutSeconds":50,"#,
            ..Row::new("a timeout", waits, echo, &["timed out", "timed out", "ok {}"])
        },
        Row::new("a Fail", fail, echo, &["failed Sorry", "failed Sorry"]),
    ];
    rows.iter().for_each(check);
}

#[test]
fn a_map_run_is_redriven() {
    let item = format!("{FUNCTION},{LOST}");
    let reader = r#""ItemReader":{"Resource":"arn:aws:states:::s3:getObject","Parameters":{"Bucket":"b","Key":"k"}},"#;
    let writer = r#""ResultWriter":{"Resource":"arn:aws:states:::s3:putObject","Parameters":{"Bucket":"b"}},"#;
    let echo = |_: &Asked| Does::Echoes;
    const ALL: &str = "ok [#,#,#,#,#,#,#,#,#,#,##,##,##,##,##,##,##,##,##,##,##,##,##,##,##]";
    const EXCEEDED: &str = "failed States.ExceedToleratedFailureThreshold";
    // One run, and in the end as many executions as inputs.
    let whole = |world: &World| {
        let runs = world.bench.reader.map_runs(world.id()).unwrap();
        assert_eq!(runs.len(), 1, "{}", world.what);
        children(world, runs[0].executions.total as usize);
        let history = world.bench.history_of(world.id());
        let redriven = history.iter().filter(|event| matches!(event.kind, EventKind::MapRunRedriven { .. })).count();
        assert_eq!((redriven, runs[0].redrive_count as usize), (world.row.ends.len() - 1, world.row.ends.len() - 1));
    };
    // Executions that did not succeed are there beside those that were started in their place.
    let express = |world: &World| {
        let runs = world.bench.reader.map_runs(world.id()).unwrap();
        assert_eq!((runs.len(), runs[0].executions.succeeded, runs[0].redrive_count), (1, 25, 1), "{}", world.what);
        assert!(world.bench.rows().len() > 1 + 25);
    };
    let rows = [
        Row {
            also: whole,
            ..Row::new(
                "items",
                distributed("", &item),
                |asked| match asked.redriven {
                    0 if is_item(asked, &["3", "9"]) => Does::Fails("E"),
                    1 if is_item(asked, &["9", "20"]) => Does::Fails("E"),
                    _ => Does::Echoes,
                },
                &[EXCEEDED, EXCEEDED, ALL],
            )
        },
        Row {
            also: whole,
            ..Row::new(
                "within what is tolerated",
                distributed(r#""ToleratedFailureCount":2,"#, &item),
                |asked| match asked.redriven {
                    0 if is_item(asked, &["3", "9", "11"]) => Does::Fails("E"),
                    _ if is_item(asked, &["9"]) => Does::Fails("E"),
                    _ => Does::Echoes,
                },
                &[EXCEEDED, "ok [#,#,#,#,#,#,#,#,#,##,##,##,##,##,##,##,##,##,##,##,##,##,##,##]"],
            )
        },
        Row {
            also: whole,
            ..Row::new(
                "batches",
                distributed(r#""ItemBatcher":{"MaxItemsPerBatch":9},"#, &item),
                |asked| match asked.redriven {
                    0 if asked.input.contains("13") => Does::Fails("E"),
                    _ => Does::Gives("1"),
                },
                &[EXCEEDED, "ok [#,#,#]"],
            )
        },
        Row {
            also: whole,
            ..Row::new(
                "reading",
                distributed(reader, &item),
                |asked| match asked.redriven {
                    0 if asked.state == "read" => Does::Fails("States.ItemReaderFailed"),
                    _ => Does::Echoes,
                },
                &["failed States.ItemReaderFailed", "ok [#,#,#,#,#,#,#,#,#]"],
            )
        },
        Row {
            also: whole,
            ..Row::new(
                "written",
                distributed(writer, &item),
                |asked| match asked.redriven {
                    0 if is_item(asked, &["24"]) => Does::Fails("E"),
                    _ => Does::Echoes,
                },
                &[EXCEEDED, "ok \"written\""],
            )
        },
        Row {
            also: express,
            ..Row::new(
                "Express executions",
                distributed("", &item).replace("STANDARD", "EXPRESS"),
                |asked| match asked.redriven {
                    0 if is_item(asked, &["12"]) => Does::Fails("E"),
                    _ => Does::Echoes,
                },
                &[EXCEEDED, ALL],
            )
        },
        Row {
            also: whole,
            stop: Some(9),
            ..Row::new("stopped", distributed("", &item), echo, &["aborted Stopped", ALL])
        },
    ];
    rows.iter().for_each(check);
}

#[test]
fn an_answer_that_comes_before_that_of_the_call() {
    let states = format!(r#""A":{{{}}}"#, callback(r#""HeartbeatSeconds":10,"TimeoutSeconds":60,"End":true"#));
    let check = |answer: TokenAnswer, end: &str| {
        let mut bench = Bench::open(Arc::new(Memory::new()), START, SLOTS);
        let machine = bench.create("m", &machine(&states));
        bench.start(&machine, "x", "{}");
        bench.settle();
        let (id, _, task) = bench.running.pop_front().unwrap();
        let token = Token { execution: id.0, task: task.task, secret: task.secret.unwrap() };
        let heard: Arc<Mutex<Vec<Result<(), TokenError>>>> = Arc::default();
        let say = |bench: &mut Bench, answer: TokenAnswer| {
            let to = heard.clone();
            bench.core.answer(token, answer, move |it| to.lock().unwrap().push(it));
            bench.settle();
            heard.lock().unwrap().pop().unwrap()
        };
        assert!(say(&mut bench, TokenAnswer::Heartbeat).is_ok());
        assert!(say(&mut bench, answer.clone()).is_ok());
        // Used once, it is used.
        for again in [TokenAnswer::Heartbeat, answer, TokenAnswer::Failed(Failure::default())] {
            assert!(matches!(say(&mut bench, again), Err(TokenError::TimedOut)));
        }
        let forged = Token { secret: 1, ..token };
        let to = heard.clone();
        bench.core.answer(forged, TokenAnswer::Heartbeat, move |it| to.lock().unwrap().push(it));
        bench.settle();
        assert!(matches!(heard.lock().unwrap().pop(), Some(Err(TokenError::Invalid))));
        // The call itself never comes back.
        assert_eq!(bench.end(&machine, "x"), "RUNNING");
        while bench.end(&machine, "x") == "RUNNING" {
            assert!(bench.advance());
            bench.settle();
        }
        assert_eq!((bench.end(&machine, "x").as_str(), bench.now), (end, START.after_ms(60_000)));
    };
    check(TokenAnswer::Succeeded(payload("7")), "SUCCEEDED 7");
    check(TokenAnswer::Failed(Failure::named("E")), "FAILED E");
}

#[test]
fn a_map_run_of_a_machine_that_is_deleted_starts_nothing_more() {
    let mut bench = Bench::open(Arc::new(Memory::new()), START, SLOTS);
    let machine = bench.create("m", &machine(&distributed("", &format!("{FUNCTION},"))));
    bench.start(&machine, "x", "{}");
    bench.settle();
    bench.machines.delete(&machine.arn).unwrap();
    bench.core.machine_deleted(machine.number);
    assert_eq!(bench.running.len(), 3);
    bench.answer_task("I", Ok("1"));
    bench.settle();
    bench
        .running
        .drain(..)
        .for_each(|(id, _, task)| bench.core.outcome(id, task.task, Outcome::Done(Ok(payload("1")))));
    bench.settle();
    bench.check_all("deleted");
    assert_eq!(bench.rows().len(), 4);
    assert!(bench.rows().iter().all(|(_, row)| row.stopped_at.is_some()));
}

/// Twelve items of 3 KB, which together are a snapshot that has a row of its own.
fn large_items() -> &'static str {
    static ITEMS: LazyLock<String> = LazyLock::new(|| {
        let item = |n: u8| format!("\"{}\"", char::from(b'a' + n).to_string().repeat(3_000));
        format!("[{}]", (0..12).map(item).collect::<Vec<_>>().join(","))
    });
    &ITEMS
}

#[test]
fn a_snapshot_apart() {
    let map = |fields: &str| {
        format!(
            r#""M":{{"Type":"Map","MaxConcurrency":3,"ItemProcessor":{{"StartAt":"I","States":{{"I":{{{FUNCTION},{LOST}"End":true}}}}}},{fields}}}"#
        )
    };
    // It grows with a Map, and shrinks again before the end.
    let states = format!(
        r#""A":{{{FUNCTION},{LOST}"ResultPath":null,"Next":"M"}},{},"B":{{{FUNCTION},{LOST}"End":true}}"#,
        map(r#""ResultSelector":{"n.$":"States.ArrayLength($)"},"Next":"B""#)
    );
    let rows = [
        Row {
            input: large_items(),
            ..Row::new("through a Map", states.clone(), |_| Does::Echoes, &[r#"ok {"n":##}"#])
        },
        Row {
            input: large_items(),
            ..Row::new(
                "and a redrive",
                states,
                |asked| match asked.input.starts_with("\"h") && asked.redriven < 2 {
                    true => Does::Fails("E"),
                    false => Does::Echoes,
                },
                &["failed E", "failed E", r#"ok {"n":##}"#],
            )
        },
    ];
    rows.iter().for_each(check);
}

#[test]
fn a_map_of_many_items_writes_its_snapshot_over_the_last() {
    let mut bench = Bench::open(Arc::new(Memory::new()), START, 100);
    let states = format!(
        r#""A":{{"Type":"Map","ItemProcessor":{{"StartAt":"I","States":{{"I":{{{FUNCTION},"End":true}}}}}},"End":true}}"#
    );
    let machine = bench.create("m", &machine(&states));
    // Texts that no compression makes smaller by much.
    let mut chance = Chance(1);
    let mut item =
        || format!("\"{}\"", (0..12).map(|_| format!("{:016x}", chance.below(u64::MAX))).collect::<String>());
    let items: Vec<String> = (0..200).map(|_| item()).collect();
    let input = format!("[{}]", items.join(","));
    bench.start(&machine, "x", &input);
    bench.settle();
    while let Some((id, _, task)) = bench.running.pop_front() {
        bench.core.outcome(id, task.task, Outcome::Done(Ok(task.input)));
        bench.settle();
    }
    assert_eq!(bench.end(&machine, "x"), format!("SUCCEEDED {input}"));
    let rows = bench.store.scan(Space::Records, &[]..&prefix_end(&[]), Order::Ascending, usize::MAX).unwrap();
    let bytes: usize = rows.iter().map(|(_, value)| value.len()).sum();
    // The input, each item's events, the output: not the whole with each of the items.
    assert!(rows.len() > 200 && bytes < 10 * input.len(), "{} rows, {bytes} bytes", rows.len());
}

#[test]
fn executions_that_are_too_large_for_one_batch_are_stopped_in_several() {
    const ITEMS: usize = 60;
    let reader = r#""ItemReader":{"Resource":"arn:aws:states:::s3:getObject","Parameters":{"Bucket":"b","Key":"k"}},"#;
    let states = distributed(reader, &format!("{FUNCTION},")).replace(r#""MaxConcurrency":3,"#, "");
    let begin = || {
        let mut bench = Bench::open(Arc::new(Memory::new()), START, 100);
        let machine = bench.create("m", &machine(&states));
        bench.start(&machine, "x", "{}");
        bench.settle();
        let (run, _) = bench.reads.pop_front().unwrap();
        let item = payload(large());
        let items: Vec<Payload> = (0..ITEMS).map(|_| Payload::from_value(item.value().clone())).collect();
        bench.core.items_read(run, items, true, drop);
        bench.settle();
        assert_eq!(bench.running.len(), ITEMS);
        // The batch that stops it is full before all its executions are stopped.
        bench.stop(&machine, "x");
        assert!(bench.core.is_full());
        bench.turn();
        assert_eq!(bench.end(&machine, "x"), "ABORTED Stopped");
        assert!(bench.core.gauges().open_executions > 10);
        (bench, machine)
    };
    let answer_all = |bench: &mut Bench| {
        while let Some((id, _, task)) = bench.running.pop_front() {
            bench.core.outcome(id, task.task, Outcome::Done(Ok(payload("1"))));
            bench.settle();
        }
    };
    let (mut bench, _) = begin();
    bench.settle();
    answer_all(&mut bench);
    bench.check_all("stopped");
    assert!(bench.rows().iter().all(|(_, row)| row.status == ExecutionStatus::Aborted));

    let mut bench = begin().0.crash(100);
    bench.settle();
    bench.check_all("stopped after a crash");
    assert!(bench.rows().iter().all(|(_, row)| row.stopped_at.is_some()));

    // A redrive in between waits for that, and then goes on with all of them.
    let (mut bench, machine) = begin();
    let id = bench.reader.find(&engine::execution_arn(&machine.arn, "x")).unwrap().unwrap();
    bench.core.redrive(id, drop);
    bench.settle();
    answer_all(&mut bench);
    bench.check_all("redriven");
    assert_eq!(bench.end(&machine, "x"), format!("SUCCEEDED [{}]", vec!["1"; ITEMS].join(",")));
}
