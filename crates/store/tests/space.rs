//! The file over time: what is deleted is given back, and a copy of a file in use is whole.

use std::{
    fs,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use store::{
    Batch, Copied, Epoch, Folder, Options, Order, ShardId, Space, Sqlite, Store, Write, commit_and_wait, prefix_end,
    testing::Scratch,
};

const SHARD: ShardId = ShardId(0);
const ROW_BYTES: usize = 8000;

fn open(scratch: &Scratch, returns_space: bool) -> Sqlite {
    let options = Options { returns_space, ..Options::default() };
    Sqlite::open(&Folder::lock(scratch.path()).unwrap(), options).unwrap()
}

fn put(key: u32) -> Write {
    Write::Put { space: Space::Records, key: key.to_be_bytes().into(), value: vec![7; ROW_BYTES] }
}

fn delete(key: u32) -> Write {
    Write::Delete { space: Space::Records, key: key.to_be_bytes().into() }
}

fn commit(store: &Sqlite, epoch: Epoch, writes: Vec<Write>) {
    commit_and_wait(store, Batch { shard: SHARD, epoch, writes }).unwrap();
}

fn keys(store: &Sqlite) -> Vec<u32> {
    let rows = store.scan(Space::Records, b""..&prefix_end(b""), Order::Ascending, usize::MAX).unwrap();
    rows.into_iter().map(|(key, _)| u32::from_be_bytes(key.try_into().unwrap())).collect()
}

fn file_bytes(store: &Sqlite) -> u64 {
    fs::metadata(store.file()).unwrap().len()
}

/// Asks until it holds; fails after a minute.
fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_is_deleted_is_given_back_but_for_what_is_kept_for_later() {
    for returns_space in [true, false] {
        let scratch = Scratch::new();
        let store = open(&scratch, returns_space);
        let epoch = store.take(SHARD).unwrap();
        // 40 MB, of which a tenth stays.
        for from in (0..5000).step_by(500) {
            commit(&store, epoch, (from..from + 500).map(put).collect());
        }
        until("the log is copied", || file_bytes(&store) > 40_000_000);
        for from in (0..5000).step_by(500) {
            commit(&store, epoch, (from..from + 450).map(delete).collect());
        }
        if returns_space {
            until("the space is given back", || file_bytes(&store) < 12_000_000);
        }
        drop(store);
        // A file that was made without keeps what it has, and uses it again.
        let store = open(&scratch, true);
        let epoch = store.take(SHARD).unwrap();
        assert_eq!(keys(&store).len(), 500);
        if !returns_space {
            assert!(file_bytes(&store) > 40_000_000);
            for from in (0..5000).step_by(500) {
                commit(&store, epoch, (from..from + 450).map(put).collect());
            }
            drop(store);
            let bytes = fs::metadata(scratch.path().join("ithaca.db")).unwrap().len();
            assert!(bytes < 44_000_000, "{bytes}");
        } else {
            store.check().unwrap();
        }
    }
}

#[test]
fn a_snapshot_is_of_one_moment_while_commits_go_on() {
    let (scratch, target) = (Scratch::new(), Scratch::new());
    let store = Arc::new(open(&scratch, true));
    let epoch = store.take(SHARD).unwrap();
    let (stop, durable) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let writer = {
        let (store, stop, durable) = (store.clone(), stop.clone(), durable.clone());
        thread::spawn(move || {
            let mut slowest = Duration::ZERO;
            for key in 0.. {
                if stop.load(Ordering::SeqCst) {
                    return slowest;
                }
                let since = Instant::now();
                commit(&store, epoch, vec![put(key)]);
                slowest = slowest.max(since.elapsed());
                durable.store(key + 1, Ordering::SeqCst);
            }
            unreachable!("it is told to stop before its keys are used up")
        })
    };
    for (round, compact) in [false, true].into_iter().enumerate() {
        let enough = 1000 * (round as u32 + 1);
        until("there is something to copy", || durable.load(Ordering::SeqCst) > enough);
        let before = durable.load(Ordering::SeqCst);
        let (snapshot, held) = store
            .snapshot(|| {
                // Whoever was told of a commit by now finds it in the copy; the last may not know yet.
                thread::sleep(Duration::from_millis(50));
                durable.load(Ordering::SeqCst)
            })
            .unwrap();
        let file = target.path().join("ithaca.db");
        let mut told = Vec::new();
        let copied = snapshot.copy(&file, compact, &mut |copied| {
            // The copy takes as long as many commits, and the log would have been written from its start many times.
            let seen = durable.load(Ordering::SeqCst);
            until("commits go on", || durable.load(Ordering::SeqCst) > seen + 10);
            told.push(copied);
            ControlFlow::Continue(())
        });
        assert_eq!(copied.unwrap(), Some(fs::metadata(&file).unwrap().len()));
        let Copied { bytes, of } = *told.last().unwrap();
        assert!(told.len() > 1 && bytes == of, "{told:?}");
        let copy = open(&target, true);
        let found = keys(&copy);
        assert_eq!(found, (0..found.len() as u32).collect::<Vec<_>>());
        assert!(before <= held && (held..=held + 1).contains(&(found.len() as u32)), "{before} {held} {}", found.len());
        assert_eq!(copy.take(SHARD), Ok(Epoch(2)));
        drop(copy);
        fs::remove_file(file).unwrap();
    }
    stop.store(true, Ordering::SeqCst);
    let slowest = writer.join().unwrap();
    assert!(slowest < Duration::from_secs(4), "a commit waited for a copy: {slowest:?}");
}

#[test]
fn a_copy_can_be_given_up_and_one_that_fails_names_its_place() {
    let (scratch, target) = (Scratch::new(), Scratch::new());
    let store = open(&scratch, true);
    let epoch = store.take(SHARD).unwrap();
    commit(&store, epoch, (0..1000).map(put).collect());
    let (snapshot, ()) = store.snapshot(|| ()).unwrap();
    let copied = snapshot.copy(&target.path().join("copy"), false, &mut |_| ControlFlow::Break(()));
    assert_eq!(copied, Ok(None));

    let (snapshot, ()) = store.snapshot(|| ()).unwrap();
    let error = snapshot.copy(&target.path().join("absent/copy"), false, &mut |_| ControlFlow::Continue(()));
    let text = error.unwrap_err().to_string();
    assert!(text.contains("absent/copy"), "{text}");
}
