//! A backup of an instance under load: what a crash at its moment would have left, whole, and going on to its ends.
//!
//! ```text
//!   starters ── sagas, one after another, never pausing ─────────────────────────► kill -9
//!                        │ backup │        │ backup --compact │
//!                        └────────┴────────┴── each: a new Ithaca over the copy; every saga gets home, every row is a saga's
//! ```

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};
use support::client::{CallError, Client, text};
use support::history::{check_whole, states_entered};
use support::ithaca::{Ithaca, Up};
use support::scratch::Scratch;
use support::travel::{BOOKED, MACHINE, SORRY, TABLE, built_example, trip};
use support::wait::wait_for;

const STARTERS: usize = 4;

/// Acknowledged before a backup begins, so that there is something of every kind in it.
const SAGAS_MIN: usize = 60;

#[test]
fn a_backup_under_load_holds_everything_and_goes_on() {
    let scratch = Scratch::new("backup");
    let up = Up::new(scratch.join("data")).template(built_example()).parameter("FailureRate=0");
    let mut ithaca = up.start();
    let client = ithaca.client();
    let sagas = Sagas::default();
    let backups: Vec<_> = thread::scope(|scope| {
        let _over = Over(&sagas);
        for _ in 0..STARTERS {
            scope.spawn(|| sagas.start_all(&client));
        }
        let backups = [&[][..], &["--compact"]].into_iter().enumerate().map(|(round, options)| {
            wait_for("there are sagas", || (sagas.acknowledged().len() >= SAGAS_MIN * (round + 1)).then_some(()));
            let before = sagas.acknowledged();
            let folder = scratch.join(&format!("backup-{round}"));
            back_up(&ithaca, &folder, options);
            (folder, before)
        });
        let backups = backups.collect();
        refuse_bad_places(&ithaca, &scratch);
        ithaca.kill();
        backups
    });
    // Nothing is left of the original, in case a copy should lead there.
    fs::rename(&up.data, scratch.join("gone")).unwrap();
    for (folder, before) in backups {
        let again = Up::new(folder).start();
        judge(&again.client(), &before);
        assert!(again.stop().success());
    }
}

/// The sagas that are started, one after another, until nobody answers any more.
#[derive(Default)]
struct Sagas {
    next: AtomicUsize,
    acknowledged: Mutex<BTreeSet<String>>,
    is_over: AtomicBool,
}

/// The test is over, by a panic too.
struct Over<'s>(&'s Sagas);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::SeqCst);
    }
}

impl Sagas {
    fn acknowledged(&self) -> BTreeSet<String> {
        self.acknowledged.lock().unwrap().clone()
    }

    fn start_all(&self, client: &Client) {
        // As many at a time as get home, however slow the machine is.
        const OPEN_MAX: usize = 40;
        let running = json!({ "stateMachineArn": MACHINE, "statusFilter": "RUNNING" });
        let mut open = 0;
        while !self.is_over.load(Ordering::SeqCst) {
            if open < OPEN_MAX {
                let number = self.next.fetch_add(1, Ordering::SeqCst);
                let name = format!("saga-{number:05}");
                // Every third one is compensated, so that rows come and go.
                let kind = if number.is_multiple_of(3) { "failFlightsConfirmation" } else { "success" };
                let body = json!({ "stateMachineArn": MACHINE, "name": name, "input": trip(&name, kind).to_string() });
                if ask(client, "StartExecution", &body).is_none() {
                    return;
                }
                self.acknowledged.lock().unwrap().insert(name);
            }
            let Some(listed) = ask(client, "ListExecutions", &running) else { return };
            open = listed["executions"].as_array().unwrap().len();
        }
    }
}

/// None when nobody is there any more.
fn ask(client: &Client, operation: &str, body: &Value) -> Option<Value> {
    match client.try_states(operation, body) {
        Ok(answer) => Some(answer),
        Err(CallError::NoAnswer(_)) => None,
        Err(error) => panic!("{operation} {body}: {error:?}"),
    }
}

fn back_up(ithaca: &Ithaca, folder: &Path, options: &[&str]) {
    let folder = folder.to_str().unwrap();
    let said = ithaca.run(&[&["backup", folder, "--json"], options].concat()).expect_success();
    let lines: Vec<Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (end, progress) = lines.split_last().unwrap();
    assert_eq!((&end["done"], &end["folder"]), (&json!(true), &json!(folder)), "{end}");
    for file in ["ithaca.db", "dynamodb.db"] {
        let last = progress.iter().rfind(|line| line["file"] == file).unwrap_or_else(|| panic!("{file}: {}", said.out));
        assert_eq!(last["bytes"], last["of"], "{last}");
    }
    let names = |folder: &Path| -> BTreeSet<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let expected = ["apis.json", "dynamodb.db", "functions", "ithaca.db", "objects", "outbox", "stacks"];
    assert_eq!(names(Path::new(folder)), expected.map(str::to_owned).into());
    let size = |path: &Path| fs::metadata(path).unwrap().len();
    let databases: u64 = ["ithaca.db", "dynamodb.db"].iter().map(|name| size(&Path::new(folder).join(name))).sum();
    assert!(end["bytes"].as_u64().unwrap() > databases, "the functions are in it as well: {end}");
}

/// What a backup cannot be made to, and why.
fn refuse_bad_places(ithaca: &Ithaca, scratch: &Scratch) {
    let file = scratch.join("a-file");
    fs::write(&file, "precious").unwrap();
    fs::create_dir(scratch.join("empty")).unwrap();
    fs::create_dir(scratch.join("cut-off.part")).unwrap();
    let inside = scratch.join("data/functions/copy");
    for (folder, says) in [
        (file.clone(), "is there already: a backup makes its folder and overwrites nothing"),
        (scratch.join("empty"), "is there already"),
        (scratch.join("backup-0"), "is there already"),
        (scratch.join("cut-off"), "cut-off.part is there already: a backup that was cut off has left it. Remove it"),
        (scratch.join("absent/copy"), "The folder that is to hold the backup must be there"),
        (file.join("copy"), "a-file"),
        (inside, "lies in the data folder: choose a place outside"),
        ("/".into(), "a backup needs the absolute path of a folder to make"),
        ("/proc/copy".into(), "/proc/copy.part"),
    ] {
        let said = ithaca.run(&["backup", folder.to_str().unwrap()]);
        assert_eq!(said.code, Some(1), "{}: {said:?}", folder.display());
        assert!(said.err.contains(says), "{}: {said:?}", folder.display());
    }
    assert_eq!(fs::read_to_string(file).unwrap(), "precious");
    let client = ithaca.client();
    for body in ["", "{}", r#"{"folder":"relative"}"#] {
        let answer = client.send("POST", "/ithaca/backup", &[], body.as_bytes()).unwrap();
        let is_refused = answer.status == 400 || answer.text().contains("a backup needs the absolute path");
        assert!(is_refused, "{body}: {}", answer.text());
    }
    let page = client.send("POST", "/ithaca/backup", &[("origin", "http://evil.example")], b"{}").unwrap();
    assert_eq!(page.status, 403);
}

/// Whoever was acknowledged is there, each ends booked or compensated as a whole, and no row is anybody else's.
fn judge(client: &Client, before: &BTreeSet<String>) {
    let running = json!({ "stateMachineArn": MACHINE, "statusFilter": "RUNNING" });
    let is_open = |client: &Client| {
        !client.states("ListExecutions", running.clone())["executions"].as_array().unwrap().is_empty()
    };
    let was_open = is_open(client);
    wait_for("all executions end", || (!is_open(client)).then_some(()));
    let executions = client.executions(MACHINE);
    let names: BTreeSet<String> = executions.iter().map(|execution| text(&execution["name"])).collect();
    let missing: Vec<_> = before.difference(&names).collect();
    assert!(missing.is_empty(), "acknowledged and not in the backup: {missing:?}");
    let rows = rows_by_trip(client);
    let strangers: Vec<_> = rows.keys().filter(|trip| !names.contains(*trip)).collect();
    assert!(strangers.is_empty(), "rows that no execution knows of: {strangers:?}");
    let (mut booked, mut compensated) = (0, 0);
    for execution in &executions {
        let name = text(&execution["name"]);
        let events = client.history(execution["executionArn"].as_str().unwrap());
        check_whole(&events);
        let left = rows.get(&name).map_or(&[][..], Vec::as_slice);
        match (execution["status"].as_str().unwrap(), *states_entered(&events).last().unwrap()) {
            ("SUCCEEDED", BOOKED) => {
                assert_eq!(left, ["FLIGHT confirmed", "HOTEL confirmed", "PAYMENT confirmed"], "{name} is booked");
                booked += 1;
            }
            ("FAILED", SORRY) => {
                assert_eq!(left, [""; 0], "{name} is compensated");
                compensated += 1;
            }
            end => panic!("{name} ended as {end:?}"),
        }
    }
    println!("{booked} booked, {compensated} compensated, some were open: {was_open}");
    assert!(booked > 0 && compensated > 0);
}

/// Kind and status of all rows, by trip, in the order of their keys.
fn rows_by_trip(client: &Client) -> BTreeMap<String, Vec<String>> {
    let mut rows = BTreeMap::<String, Vec<String>>::new();
    let mut scan = json!({ "TableName": TABLE, "ConsistentRead": true });
    loop {
        let mut page = client.dynamo("Scan", scan.clone());
        for row in page["Items"].as_array().unwrap() {
            let kind = text(&row["sk"]["S"]).split('#').next().unwrap().to_owned();
            let state = format!("{kind} {}", text(&row["transaction_status"]["S"]));
            rows.entry(text(&row["pk"]["S"])).or_default().push(state);
        }
        match page["LastEvaluatedKey"].take() {
            Value::Null => break,
            key => scan["ExclusiveStartKey"] = key,
        }
    }
    rows.values_mut().for_each(|states| states.sort());
    rows
}
