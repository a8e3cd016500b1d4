//! Disks that are full, read-only, limited or broken: what Ithaca says, and that nothing acknowledged is lost.
//!
//! A full and a read-only disk are real where this process may mount (`tmpfs`, a read-only bind); elsewhere the faults
//! of [`crate::faults`] answer as such disks do, and the verdict says which it was.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{CallError, Client, text};
use crate::faults::{Fault, Faults, Files, What};
use crate::ithaca::{Ithaca, Up};
use crate::kills::DISK_FAULTS;
use crate::scratch::Scratch;
use crate::verdict::Verdict;
use crate::wait::wait_for;

/// Of a disk that is about to be full: room for a start and some hundred executions.
const DISK_MIB: u64 = 24;

/// Of each execution that fills it.
const INPUT_BYTES: usize = 100 << 10;

/// More than fit.
const STARTS_MAX: usize = 4000;

/// A program whose disk has failed ends within this.
const END_BOUND: Duration = Duration::from_secs(30);

/// Of a file, for the limit that a shell's `ulimit -f` sets.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// A mounted folder, for as long as this lives.
struct Mount(PathBuf);

impl Mount {
    fn tmpfs(folder: &Path, mib: u64) -> Option<Mount> {
        Mount::new(folder, &["-t", "tmpfs", "-o", &format!("size={mib}m"), "chaos"])
    }

    /// The folder as it is, read-only.
    fn read_only(folder: &Path) -> Option<Mount> {
        let bound = Mount::new(folder, &["--bind", folder.to_str()?])?;
        bound.remount("bind,ro").then_some(bound)
    }

    fn new(folder: &Path, arguments: &[&str]) -> Option<Mount> {
        std::fs::create_dir_all(folder).expect("a folder can be made");
        run(Command::new("mount").args(arguments).arg(folder)).then(|| Mount(folder.to_owned()))
    }

    fn remount(&self, options: &str) -> bool {
        run(Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a guard that is just ending may still hold a file.
        run(Command::new("umount").arg("--lazy").arg(&self.0));
    }
}

/// False also where there is no such program or it may not do that.
fn run(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn pass() -> Value {
    json!({ "StartAt": "A", "States": { "A": { "Type": "Pass", "End": true } } })
}

/// Starts executions until one is not acknowledged. Their names.
fn fill(client: &Client, machine: &str) -> Vec<String> {
    let mut started = Vec::new();
    for number in 0..STARTS_MAX {
        let name = format!("fill-{number}");
        // Does not compress.
        let noise: String = (0..INPUT_BYTES / 16).map(|at| format!("{:016x}", mixed(number, at))).collect();
        let body = json!({ "stateMachineArn": machine, "name": name, "input": json!({ "noise": noise }).to_string() });
        match client.try_states("StartExecution", &body) {
            Ok(answer) => started.push(text(&answer["executionArn"])),
            Err(CallError::Refused(refusal)) if refusal.status < 500 => panic!("{name}: {refusal:?}"),
            Err(_) => return started,
        }
    }
    started
}

fn mixed(number: usize, at: usize) -> u64 {
    crate::random::Random::new((number as u64) << 32 | at as u64).draw()
}

/// How many of these executions are not there, or did not succeed.
fn lost(client: &Client, executions: &[String]) -> usize {
    let is_there = |arn: &&String| {
        let asked = json!({ "executionArn": arn });
        wait_for("it ends", || match client.try_states("DescribeExecution", &asked) {
            Ok(described) if described["status"] == "RUNNING" => None,
            Ok(described) => Some(described["status"] == "SUCCEEDED"),
            Err(_) => Some(false),
        })
    };
    executions.len() - executions.iter().filter(is_there).count()
}

/// The end of an instance whose disk has failed: exit code 1 and a last line that says what to do.
fn expect_end(verdict: &mut Verdict, ithaca: &mut Ithaca, says: &[&str]) {
    let ended = ithaca.ends_within(END_BOUND);
    let said = ithaca.complaints();
    verdict.claim("it ends", shown(ended), |_| ended.and_then(|status| status.code()) == Some(1));
    let last = said.lines().last().unwrap_or_default().to_owned();
    verdict.claim("it says", last, |last| says.iter().all(|says| last.contains(says)));
    if said.contains("panicked") {
        verdict.problems.push(said);
    }
    if ended.is_none() {
        ithaca.kill();
    }
}

fn shown(ended: Option<ExitStatus>) -> String {
    match ended {
        None => "never".to_owned(),
        Some(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("with exit code {code}"),
            (None, signal) => format!("by signal {signal:?}"),
        },
    }
}

/// A disk that fills up: the engine's, then the tables'.
pub fn full() -> Vec<Verdict> {
    let scratch = Scratch::new("chaos-full");
    let disk = scratch.join("disk");
    let mount = Mount::tmpfs(&disk, DISK_MIB);
    std::fs::create_dir_all(disk.join("data")).expect("it can be made");
    let data = disk.join("data").canonicalize().expect("it is there");
    let faults = Faults::new(scratch.join("faults"), &data);
    let up = faults.under(Up::new(&data));
    let how = if mount.is_some() { "a tmpfs" } else { "ENOSPC from the preloaded library; no mounting here" };

    let mut verdict = Verdict::new("full disk");
    verdict.say("made of", how);
    let mut ithaca = up.start();
    let client = ithaca.client();
    let machine = client.create_machine("fill", &pass());
    if mount.is_none() {
        faults.set(Fault { files: Files::Engine, what: What::TornWrite, error: libc::ENOSPC, times: None });
    }
    let started = fill(&client, &machine);
    verdict.say("acknowledged before it was full", started.len());
    expect_end(&mut verdict, &mut ithaca, &["no space is left for", "ithaca.db", "Free space", "Start Ithaca again"]);

    // Started again while there is no room: it may serve what needs none, or say the same.
    let mut again = up.clone().port(0).spawn();
    match again.wait_ready() {
        Ok(()) => {
            verdict.say("started while it is full", "it serves");
            verdict.claim("  lost", lost(&again.client(), &started), |lost| *lost == 0);
            again.kill();
        }
        Err(status) => {
            verdict.claim("started while it is full", shown(Some(status)), |_| status.code() == Some(1));
            let said = again.complaints().trim_end().to_owned();
            verdict.claim("  it says", said, |said| said.contains("space") && !said.contains("panicked"));
        }
    }

    match &mount {
        Some(mount) => assert!(mount.remount(&format!("size={}m", 4 * DISK_MIB)), "a mount can grow"),
        None => faults.mend(),
    }
    let ithaca = up.start();
    let client = ithaca.client();
    verdict.claim("with room again, lost", lost(&client, &started), |lost| *lost == 0);
    let more = text(&client.states("StartExecution", json!({ "stateMachineArn": machine }))["executionArn"]);
    verdict.claim("  new ones that end badly", lost(&client, &[more]), |lost| *lost == 0);
    verdict.claim("  it stops", shown(Some(ithaca.stop())), |stopped| stopped == "with exit code 0");
    vec![verdict, limited()]
}

/// A limit on the size of files, as `ulimit -f` sets it: the kernel's answer to a write beyond is a signal.
fn limited() -> Verdict {
    let scratch = Scratch::new("chaos-limited");
    let up = Up::new(scratch.join("data"));
    let mut verdict = Verdict::new("limit on the size of files");
    let mut ithaca = up.start();
    let limit = libc::rlimit { rlim_cur: FILE_BYTES_MAX, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: a call about a child that has not been waited for, with a limit that outlives it.
    let set = unsafe { libc::prlimit(ithaca.id() as i32, libc::RLIMIT_FSIZE, &limit, std::ptr::null_mut()) };
    assert_eq!(set, 0, "a limit can be lowered");
    let client = ithaca.client();
    let machine = client.create_machine("fill", &pass());
    let started = fill(&client, &machine);
    expect_end(&mut verdict, &mut ithaca, &["ithaca.db", "`ulimit -f`", "Start Ithaca again"]);
    let ithaca = up.start();
    verdict.claim("without the limit, lost", lost(&ithaca.client(), &started), |lost| *lost == 0);
    verdict
}

/// Folders that cannot be written are refused at the start.
pub fn read_only() -> Verdict {
    let mut verdict = Verdict::new("read-only folder");
    let scratch = Scratch::new("chaos-read-only");
    let used = scratch.join("used/data");
    std::fs::create_dir_all(scratch.join("used")).expect("it can be made");
    assert!(Up::new(&used).start().stop().success(), "a folder that was used before");
    std::fs::create_dir_all(scratch.join("new")).expect("it can be made");
    let mounts = [Mount::read_only(&scratch.join("used")), Mount::read_only(&scratch.join("new"))];
    if mounts.iter().any(Option::is_none) {
        let locked = ["used/data", "used", "new"].iter().all(|folder| lock(&scratch.join(folder)));
        verdict.say("made of", if locked { "folders of mode 0555" } else { "nothing: it could not be made" });
    } else {
        verdict.say("made of", "read-only mounts");
    }
    for (what, folder) in [("a folder that was used before", used), ("a folder to be made", scratch.join("new/data"))] {
        let mut ithaca = Up::new(&folder).spawn();
        let ended = ithaca.wait_ready();
        verdict.claim(what, shown(ended.err()), |_| ended.is_err_and(|status| status.code() == Some(1)));
        let said = ithaca.complaints().trim_end().to_owned();
        let names = folder.display().to_string();
        verdict.claim("  it says", said, |said| {
            said.lines().count() == 1 && said.contains(&names) && (said.contains("writable") || said.contains("write"))
        });
    }
    drop(mounts);
    for folder in ["used", "used/data", "new"] {
        unlock(&scratch.join(folder));
    }
    verdict
}

fn lock(folder: &Path) -> bool {
    set_mode(folder, 0o555);
    // Whoever may do everything is not stopped by a mode.
    let probe = folder.join("probe");
    std::fs::write(&probe, "").map(|()| std::fs::remove_file(&probe)).is_err()
}

fn unlock(folder: &Path) {
    set_mode(folder, 0o755);
}

fn set_mode(folder: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(folder, mode).expect("the mode of an own folder can be set");
}

/// Every fault of a disk, once and for good, while executions start and rows are put.
pub fn failing() -> Vec<Verdict> {
    let faults = DISK_FAULTS.iter().flat_map(|(files, what, error)| {
        [Some(1), None].map(|times| Fault { files: *files, what: *what, error: *error, times })
    });
    faults.map(fails).chain([others()]).collect()
}

/// One fault, and what it leaves.
pub fn fails(fault: Fault) -> Verdict {
    let Fault { files, what, error, times } = fault;
    let how_often = if times.is_some() { "once" } else { "from now on" };
    let error = std::io::Error::from_raw_os_error(error);
    let mut verdict = Verdict::new(&format!("{files:?} {what:?} fails {how_often}: {error}"));
    let scratch = Scratch::new(&format!("chaos-failing-{files:?}-{what:?}"));
    std::fs::create_dir_all(scratch.join("data")).expect("it can be made");
    let data = scratch.join("data").canonicalize().expect("it is there");
    let faults = Faults::new(scratch.join("faults"), &data);
    let up = faults.under(Up::new(&data));
    let mut ithaca = up.start();
    let client = ithaca.client();
    let machine = client.create_machine("work", &pass());
    create_table(&client);
    let mut work = Work::default();
    work.go(&client, &machine, 20);
    faults.set(fault);
    // Some may still be answered: not every write is of these files.
    work.go(&client, &machine, 200);
    let file = if files == Files::Engine { "ithaca.db" } else { "dynamodb.db" };
    expect_end(&mut verdict, &mut ithaca, &[file, "Start Ithaca again"]);
    faults.mend();
    let ithaca = up.start();
    let client = ithaca.client();
    verdict.claim("acknowledged", work.executions.len() + work.rows, |count| *count >= 40);
    verdict.claim("lost executions", lost(&client, &work.executions), |lost| *lost == 0);
    verdict
        .claim("lost rows", work.rows - (0..work.rows).filter(|row| has_row(&client, *row)).count(), |lost| *lost == 0);
    verdict
}

/// Executions and rows, in turn, until one is not acknowledged.
#[derive(Default)]
struct Work {
    executions: Vec<String>,
    rows: usize,
}

impl Work {
    fn go(&mut self, client: &Client, machine: &str, count: usize) {
        for _ in 0..count {
            let Ok(answer) = client.try_states("StartExecution", &json!({ "stateMachineArn": machine })) else {
                return;
            };
            self.executions.push(text(&answer["executionArn"]));
            let row = json!({ "TableName": "rows", "Item": { "pk": { "N": self.rows.to_string() } } });
            if client.json("DynamoDB_20120810.PutItem", &row.to_string()).is_err() {
                return;
            }
            self.rows += 1;
        }
    }
}

fn create_table(client: &Client) {
    client.dynamo(
        "CreateTable",
        json!({
            "TableName": "rows",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{ "AttributeName": "pk", "AttributeType": "N" }],
            "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
        }),
    );
}

fn has_row(client: &Client, row: usize) -> bool {
    let key = json!({ "TableName": "rows", "Key": { "pk": { "N": row.to_string() } }, "ConsistentRead": true });
    !client.dynamo("GetItem", key)["Item"].is_null()
}

/// Logs cannot be written: executions do not care.
pub fn others() -> Verdict {
    let mut verdict = Verdict::new("logs cannot be written");
    let scratch = Scratch::new("chaos-others");
    std::fs::create_dir_all(scratch.join("data")).expect("it can be made");
    let data = scratch.join("data").canonicalize().expect("it is there");
    let faults = Faults::new(scratch.join("faults"), &data);
    let ithaca = faults.under(Up::new(&data)).start();
    let client = ithaca.client();
    client.json("Logs_20140328.CreateLogGroup", r#"{"logGroupName":"g"}"#).expect("a log group");
    let group = "arn:aws:logs:us-east-1:000000000000:log-group:g:*";
    let machine = client.states(
        "CreateStateMachine",
        json!({
            "name": "logged", "definition": pass().to_string(), "roleArn": crate::client::ROLE,
            "loggingConfiguration": { "level": "ALL", "includeExecutionData": true,
                                      "destinations": [{ "cloudWatchLogsLogGroup": { "logGroupArn": group } }] },
        }),
    );
    faults.set(Fault { files: Files::Others, what: What::Write, error: libc::ENOSPC, times: None });
    let start = || {
        text(&client.states("StartExecution", json!({ "stateMachineArn": machine["stateMachineArn"] }))["executionArn"])
    };
    let executions: Vec<String> = (0..50).map(|_| start()).collect();
    verdict.claim("executions that did not succeed", lost(&client, &executions), |lost| *lost == 0);
    wait_for("the fault is met", || (faults.hits() > 0).then_some(()));
    verdict.claim("healthy", client.get("/healthz").status, |status| *status == 200);
    faults.mend();
    verdict.claim("it stops", shown(Some(ithaca.stop())), |stopped| stopped == "with exit code 0");
    verdict
}
