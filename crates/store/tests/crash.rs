//! Killed at a bad moment: what was acknowledged is there, and no batch is there in part.
//!
//! The test runs its own program again as a child, which commits numbered batches without pause and prints
//! each number once it is acknowledged. The parent kills it with SIGKILL after a seeded number of lines,
//! opens the file and looks. Rounds go on in the same folder, so recovery is recovered from, too.

use std::{
    env,
    io::{BufRead, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use store::{
    Batch, Folder, Options, Order, Row, ShardId, Space, Sqlite, Store, Write, prefix_end,
    testing::{Chance, Scratch},
};

const ROUNDS: u64 = 5;
const CHILD_FOLDER: &str = "ITHACA_TEST_CRASH_FOLDER";
const ROWS_OF_BATCH: u64 = 5;
const BATCHES_ON_THE_WAY: u64 = 3;
/// A killed child's lock is gone as soon as the kernel has cleared it up.
const LOCK_WAIT: Duration = Duration::from_secs(60);

#[test]
fn acknowledged_batches_survive_a_kill_and_none_is_partial() {
    if let Some(folder) = env::var_os(CHILD_FOLDER) {
        commit_until_killed(Path::new(&folder));
    }
    let scratch = Scratch::new();
    let mut chance = Chance(11);
    let mut first = 0;
    for round in 0..ROUNDS {
        let (mut child, mut lines) = start_child(scratch.path());
        let acknowledged = read_numbers(&mut lines, 1 + chance.below(120));
        child.kill().unwrap();
        child.wait().unwrap();
        // What it printed before it died was acknowledged, too.
        let acknowledged = read_numbers(&mut lines, u64::MAX).or(acknowledged).expect("a line was read");
        let committed = check_whole(scratch.path(), round);
        assert!(acknowledged >= first, "round {round} went on after the one before");
        assert!(
            committed > acknowledged,
            "round {round}: {acknowledged} was acknowledged, {committed} batches are there"
        );
        first = committed;
    }
}

fn start_child(folder: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "acknowledged_batches_survive_a_kill_and_none_is_partial", "--nocapture", "--test-threads=1"])
        .env(CHILD_FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    (child, lines)
}

/// Reads up to `count` numbers, past what the test harness prints, and returns the last.
fn read_numbers(lines: &mut impl BufRead, count: u64) -> Option<u64> {
    // A last line without its end was cut by the kill.
    let numbers = lines
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix("acknowledged ")?.strip_suffix('.')?.parse().ok());
    numbers.take(count as usize).last()
}

/// Checks that batches 0..n are there, each as a whole, and returns n.
fn check_whole(folder: &Path, round: u64) -> u64 {
    let store = open(folder);
    store.check().unwrap();
    let records = everything(&store, Space::Records);
    let expected: Vec<_> = (0..records.len() as u64).map(|row| key(row / ROWS_OF_BATCH, row % ROWS_OF_BATCH)).collect();
    let found: Vec<_> = records.into_iter().map(|(key, _)| key).collect();
    assert_eq!(found, expected, "round {round}: no batch is missing before the last");
    assert_eq!(found.len() as u64 % ROWS_OF_BATCH, 0, "round {round}: the last batch is whole");
    let committed = found.len() as u64 / ROWS_OF_BATCH;
    let last = store.get(Space::Meta, b"last").unwrap().unwrap();
    assert_eq!(last, (committed - 1).to_be_bytes(), "round {round}: both spaces belong together");
    committed
}

fn open(folder: &Path) -> Sqlite {
    Sqlite::open(&Folder::lock_within(folder, LOCK_WAIT).unwrap(), Options::default()).unwrap()
}

fn everything(store: &Sqlite, space: Space) -> Vec<Row> {
    store.scan(space, b""..&prefix_end(b""), Order::Ascending, usize::MAX).unwrap()
}

fn key(batch: u64, row: u64) -> Vec<u8> {
    [batch.to_be_bytes(), row.to_be_bytes()].concat()
}

/// The child: goes on after what is there, and never comes back.
fn commit_until_killed(folder: &Path) -> ! {
    let store = open(folder);
    let epoch = store.take(ShardId(0)).unwrap();
    let start = everything(&store, Space::Records).len() as u64 / ROWS_OF_BATCH;
    let (sender, receiver) = mpsc::channel();
    for number in start.. {
        let row = |row| Write::Put { space: Space::Records, key: key(number, row), value: vec![row as u8; 900] };
        let mut writes: Vec<_> = (0..ROWS_OF_BATCH).map(row).collect();
        writes.push(Write::Put { space: Space::Meta, key: b"last".into(), value: number.to_be_bytes().into() });
        let sender = sender.clone();
        let done = Box::new(move |outcome: Result<(), store::Error>| sender.send(outcome.map(|()| number)).unwrap());
        store.commit(Batch { shard: ShardId(0), epoch, writes }, done);
        if number >= start + BATCHES_ON_THE_WAY {
            let acknowledged = receiver.recv().unwrap().unwrap();
            let mut out = std::io::stdout().lock();
            // Fails when the parent is gone; then there is nobody to work for.
            if writeln!(out, "acknowledged {acknowledged}.").and_then(|()| out.flush()).is_err() {
                std::process::exit(1);
            }
        }
    }
    unreachable!("numbers do not end")
}
