//! What a durable commit costs, against what the disk itself asks for.
//!
//! `cargo run --release -p store --example commit_bench [seconds per line] [folder]`
//!
//! Rows are like an engine's records: a key of an execution id and a sequence number (8 + 4 bytes, big
//! endian), a value of 700 bytes, 512 executions advancing in turn and making room for a new one after 20
//! steps. "written" is what was handed to the system (log and database file), "disk" what it made of it.
//!
//! The second part decides a layout: the same rows on a bare connection, sorted by key against in order of
//! arrival with an index on the key.

use std::{
    collections::VecDeque,
    env, fs,
    fs::File,
    os::unix::fs::FileExt,
    path::Path,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, params};
use store::{
    Batch, Epoch, Folder, Histogram, Options, Order, ShardId, Space, Sqlite, Store, Write, commit_and_wait, prefix_end,
    testing::{Chance, Scratch},
};

const EXECUTIONS: usize = 512;
const VALUE_BYTES: usize = 700;
const STEPS_OF_EXECUTION: [u32; 2] = [20, 400];

fn main() {
    let mut arguments = env::args().skip(1);
    let seconds = arguments.next().map_or(2.0, |text| text.parse().expect("seconds per line, such as 2"));
    let span = Duration::from_secs_f64(seconds);
    let scratch = Scratch::new();
    let folder = arguments.next().map_or(scratch.path().to_path_buf(), Into::into);

    println!("the disk: 4 KiB and fdatasync");
    sync_alone(&folder, "growing file", span, false);
    sync_alone(&folder, "file of full size", span, true);

    println!("\nthe store: one committer");
    for rows in [1, 16, 256] {
        one_committer(&folder, rows, span);
    }
    println!("\nthe store: many committers of one row each, each waiting for its own");
    for committers in [4, 64] {
        many_committers(&folder, committers, span);
    }
    println!("\nthe store: one committer of 256 rows, 4 batches on the way");
    in_flight(&folder, span);

    println!("\nthe layout of records, 256 and 512 rows a commit");
    for steps in STEPS_OF_EXECUTION {
        for layout in [SORTED, ARRIVAL] {
            for rows in [256, 512] {
                layouts(&folder, layout, rows, steps, span);
            }
        }
    }
}

/// Executions in turn, each replaced by a new one after its steps.
struct Load {
    chance: Chance,
    steps: u32,
    open: VecDeque<(u64, u32)>,
    next: u64,
}

impl Load {
    fn new(steps: u32) -> Load {
        let mut chance = Chance(7);
        // Executions are at different steps when the run begins.
        let open = (0..EXECUTIONS as u64).map(|id| (id, chance.below(u64::from(steps)) as u32)).collect();
        Load { chance, steps, open, next: EXECUTIONS as u64 }
    }

    fn row(&mut self) -> (Vec<u8>, Vec<u8>) {
        let (id, step) = self.open.pop_front().expect("there are always as many executions");
        let key = [id.to_be_bytes().as_slice(), step.to_be_bytes().as_slice()].concat();
        if step + 1 < self.steps {
            self.open.push_back((id, step + 1));
        } else {
            self.open.push_back((self.next, 0));
            self.next += 1;
        }
        (key, self.chance.bytes(VALUE_BYTES))
    }

    fn batch(&mut self, epoch: Epoch, rows: usize) -> Batch {
        let put = |(key, value)| Write::Put { space: Space::Records, key, value };
        Batch { shard: ShardId(0), epoch, writes: (0..rows).map(|_| put(self.row())).collect() }
    }
}

fn sync_alone(folder: &Path, name: &str, span: Duration, full: bool) {
    let path = folder.join("sync");
    let file = File::create(&path).expect("the folder can be written");
    let page = vec![1; 4096];
    let pages_max = 4096;
    if full {
        (0..pages_max).for_each(|page_at| file.write_all_at(&page, page_at * 4096).expect("room on the disk"));
        file.sync_all().expect("the disk is healthy");
    }
    let (mut latency, since, mut at) = (Histogram::default(), Instant::now(), 0);
    while since.elapsed() < span {
        let start = Instant::now();
        file.write_all_at(&page, (at % pages_max) * 4096).expect("room on the disk");
        file.sync_data().expect("the disk is healthy");
        latency.record(start.elapsed());
        at += 1;
    }
    println!("  {name:<28} {}", show(&latency));
    fs::remove_file(path).expect("our own file can be removed");
}

/// A store in a folder of its own, and the epoch under which to commit.
fn open(folder: &Path) -> (Arc<Sqlite>, Epoch, std::path::PathBuf) {
    let path = folder.join("bench");
    let folder = Folder::lock(&path).expect("the folder is free");
    let store = Sqlite::open(&folder, Options::default()).expect("a new store opens");
    let epoch = store.take(ShardId(0)).expect("a shard can be taken");
    (Arc::new(store), epoch, path)
}

fn one_committer(folder: &Path, rows: usize, span: Duration) {
    let (store, epoch, path) = open(folder);
    let mut load = Load::new(STEPS_OF_EXECUTION[0]);
    let meter = Meter::start();
    let (mut latency, mut count) = (Histogram::default(), 0);
    let mut making = Duration::ZERO;
    while meter.since.elapsed() < span {
        let made = Instant::now();
        let batch = load.batch(epoch, rows);
        let start = Instant::now();
        making += start - made;
        commit_and_wait(&*store, batch).expect("the disk is healthy");
        latency.record(start.elapsed());
        count += rows;
    }
    meter.report(&format!("{rows} rows a batch"), count, making, &latency);
    if rows == 256 {
        reads(&store, &load);
    }
    drop(store);
    fs::remove_dir_all(path).expect("our own folder can be removed");
}

fn reads(store: &Sqlite, load: &Load) {
    let mut chance = Chance(3);
    let (mut gets, mut scans) = (Histogram::default(), Histogram::default());
    for _ in 0..20_000 {
        let id = chance.below(load.next).to_be_bytes();
        let start = Instant::now();
        store.get(Space::Records, &[id.as_slice(), &[0, 0, 0, 5]].concat()).expect("reads succeed");
        gets.record(start.elapsed());
        let start = Instant::now();
        store.scan(Space::Records, &id..&prefix_end(&id), Order::Descending, 1).expect("reads succeed");
        scans.record(start.elapsed());
    }
    println!("  get                          {}", show(&gets));
    println!("  last record of an execution  {}", show(&scans));
    let start = Instant::now();
    store.check().expect("the file is whole");
    let bytes = store.figures().file_bytes;
    println!("  quick_check                  {:?} for {} MiB", start.elapsed(), bytes >> 20);
}

fn many_committers(folder: &Path, committers: u32, span: Duration) {
    let (store, epoch, path) = open(folder);
    let meter = Meter::start();
    let work = |number: u32| {
        let store = store.clone();
        thread::spawn(move || {
            let mut load = Load::new(STEPS_OF_EXECUTION[0]);
            let (since, mut count) = (Instant::now(), 0);
            while since.elapsed() < span {
                let mut batch = load.batch(epoch, 1);
                if let Some(Write::Put { key, .. }) = batch.writes.first_mut() {
                    key.splice(0..4, number.to_be_bytes());
                }
                commit_and_wait(&*store, batch).expect("the disk is healthy");
                count += 1;
            }
            count
        })
    };
    let threads: Vec<_> = (0..committers).map(work).collect();
    let count = threads.into_iter().map(|thread| thread.join().expect("a committer does not panic")).sum();
    meter.report(&format!("{committers} committers"), count, Duration::ZERO, &store.figures().commit_latency);
    drop(store);
    fs::remove_dir_all(path).expect("our own folder can be removed");
}

fn in_flight(folder: &Path, span: Duration) {
    let (store, epoch, path) = open(folder);
    let mut load = Load::new(STEPS_OF_EXECUTION[0]);
    let ready: Vec<Batch> = (0..64).map(|_| load.batch(epoch, 256)).collect();
    let (sender, receiver) = mpsc::channel();
    let meter = Meter::start();
    let (mut sent, mut count, mut generation) = (0, 0, 0u32);
    let mut making = Duration::ZERO;
    while meter.since.elapsed() < span {
        if sent >= 4 {
            let outcome: Result<(), store::Error> = receiver.recv().expect("a sender is on the way");
            outcome.expect("the disk is healthy");
            sent -= 1;
        }
        let made = Instant::now();
        let mut batch = ready[count % ready.len()].clone();
        generation += u32::from(count % ready.len() == 0);
        for write in &mut batch.writes {
            if let Write::Put { key, .. } = write {
                key.splice(0..4, generation.to_be_bytes());
            }
        }
        making += made.elapsed();
        let sender = sender.clone();
        store.commit(batch, Box::new(move |outcome| drop(sender.send(outcome))));
        sent += 1;
        count += 1;
    }
    meter.report("4 x 256 rows", count * 256, Duration::ZERO, &store.figures().commit_latency);
    let figures = store.figures();
    println!("  {} commits, {} checkpoints, {making:?} spent on making batches", figures.commits, figures.checkpoints);
    drop(store);
    fs::remove_dir_all(path).expect("our own folder can be removed");
}

const SORTED: (&str, &str) =
    ("sorted by key", "CREATE TABLE records (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID");
const ARRIVAL: (&str, &str) = (
    "in order of arrival",
    "CREATE TABLE records (lsn INTEGER PRIMARY KEY, key BLOB NOT NULL, value BLOB NOT NULL);
     CREATE UNIQUE INDEX records_key ON records (key)",
);

fn layouts(folder: &Path, (name, table): (&str, &str), rows: usize, steps: u32, span: Duration) {
    let path = folder.join("layout");
    fs::create_dir_all(&path).expect("the folder can be written");
    let connection = Connection::open(path.join("db")).expect("a new file opens");
    let setup = format!(
        "PRAGMA journal_mode = wal; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536;
         PRAGMA wal_autocheckpoint = 4096; {table};"
    );
    connection.execute_batch(&setup).expect("a new table can be made");
    let sql = "INSERT INTO records (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    let mut put = connection.prepare(sql).expect("the table is there");
    let mut load = Load::new(steps);
    let meter = Meter::start();
    let (mut latency, mut count) = (Histogram::default(), 0);
    let mut making = Duration::ZERO;
    while meter.since.elapsed() < span {
        let made = Instant::now();
        let batch: Vec<_> = (0..rows).map(|_| load.row()).collect();
        let start = Instant::now();
        making += start - made;
        connection.execute_batch("BEGIN IMMEDIATE").expect("nobody else writes");
        for (key, value) in &batch {
            put.execute(params![key, value]).expect("room on the disk");
        }
        connection.execute_batch("COMMIT").expect("the disk is healthy");
        latency.record(start.elapsed());
        count += rows;
    }
    drop(put);
    meter.report(&format!("{name}, {steps} steps, {rows}"), count, making, &latency);
    drop(connection);
    fs::remove_dir_all(path).expect("our own folder can be removed");
}

/// Time, CPU time and bytes from a moment on.
struct Meter {
    since: Instant,
    io: Io,
}

impl Meter {
    fn start() -> Meter {
        Meter { io: Io::now(), since: Instant::now() }
    }

    fn report(self, name: &str, rows: usize, not_counted: Duration, latency: &Histogram) {
        let (spent, io) = (self.since.elapsed() - not_counted, Io::now());
        let each = |bytes: u64| bytes as f64 / rows as f64 / 1024.0;
        let (written, disk) = (each(io.written - self.io.written), each(io.disk - self.io.disk));
        let rate = rows as f64 / spent.as_secs_f64();
        println!(
            "  {name:<36} {rate:>8.0} rows/s {written:>6.2} KiB written {disk:>6.2} KiB disk a row  {}",
            show(latency)
        );
    }
}

struct Io {
    written: u64,
    disk: u64,
}

impl Io {
    /// Zeroes where the system does not tell.
    fn now() -> Io {
        let text = fs::read_to_string("/proc/self/io").unwrap_or_default();
        let field = |name| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0);
        Io { written: field("wchar:"), disk: field("write_bytes:") }
    }
}

fn show(latency: &Histogram) -> String {
    let [p50, p99, most] = [0.5, 0.99, 1.0].map(|share| latency.percentile(share));
    format!("p50 {p50:>8.1?} p99 {p99:>8.1?} max {most:>8.1?}")
}
