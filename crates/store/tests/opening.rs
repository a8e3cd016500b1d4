//! Opening what is there: ours, foreign, newer, damaged; and what a full disk leaves behind.

use std::{
    fs::{self, File},
    os::unix::fs::{FileExt, PermissionsExt},
    path::{Path, PathBuf},
};

use store::{
    Batch, Epoch, Error, FORMAT, Folder, Options, Order, ShardId, Space, Sqlite, Store, Write, commit_and_wait,
    prefix_end, testing::Scratch,
};

fn open(folder: &Path) -> Result<Sqlite, Error> {
    Sqlite::open(&Folder::lock(folder)?, Options::default())
}

fn file(scratch: &Scratch) -> PathBuf {
    scratch.path().join("ithaca.db")
}

fn commit(store: &Sqlite, epoch: Epoch, key: u32, bytes: usize) -> Result<(), Error> {
    let write = Write::Put { space: Space::Records, key: key.to_be_bytes().into(), value: vec![7; bytes] };
    commit_and_wait(store, Batch { shard: ShardId(0), epoch, writes: vec![write] })
}

fn run_sql(file: &Path, sql: &str) {
    rusqlite::Connection::open(file).unwrap().execute_batch(sql).unwrap();
}

/// Refuses to open with a text that begins and ends like this, and leaves every byte as it was.
fn check_refused(scratch: &Scratch, begins: &str, ends: &str) {
    let before = fs::read(file(scratch)).unwrap();
    let text = open(scratch.path()).map(|_| ()).unwrap_err().to_string();
    let begins = format!("{} {begins}", file(scratch).display());
    assert!(text.starts_with(&begins) && text.ends_with(ends), "{text}");
    assert!(before == fs::read(file(scratch)).unwrap(), "the file was changed: {text}");
}

#[test]
fn rows_and_epochs_are_there_again() {
    let scratch = Scratch::new();
    let store = open(scratch.path()).unwrap();
    assert_eq!(store.take(ShardId(0)), Ok(Epoch(1)));
    commit(&store, Epoch(1), 1, 10).unwrap();
    assert!(matches!(open(scratch.path()), Err(Error::InUse { .. })), "the open store holds the folder");
    drop(store);
    assert!(!scratch.path().join("ithaca.db-wal").exists(), "closing leaves one file");

    let store = open(scratch.path()).unwrap();
    assert_eq!(store.get(Space::Records, &1u32.to_be_bytes()).unwrap(), Some(vec![7; 10]));
    assert_eq!(store.take(ShardId(0)), Ok(Epoch(2)));
    let mode = |name| fs::metadata(scratch.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(["ithaca.db", "ithaca.db-wal", "lock"].map(mode), [0o600; 3], "only the user may read");
}

#[test]
fn a_newer_file_is_refused() {
    let scratch = Scratch::new();
    drop(open(scratch.path()).unwrap());
    run_sql(&file(&scratch), &format!("PRAGMA user_version = {}", FORMAT + 1));
    check_refused(
        &scratch,
        "was written by a newer Ithaca: its format is 2, this one knows up to 1",
        "another data folder",
    );
}

#[test]
fn a_foreign_file_is_refused() {
    let scratch = Scratch::new();
    run_sql(&file(&scratch), "CREATE TABLE orders (id)");
    check_refused(&scratch, "is a SQLite database, but not one of Ithaca", "Choose another data folder");
    fs::write(file(&scratch), "milk, bread, eggs. ".repeat(1000)).unwrap();
    check_refused(&scratch, "is damaged: file is not a database", "ithaca.db .recover`");
}

/// What a crash would leave: both files of an open store, copied without closing it.
fn crash_image(of: &Scratch) -> Scratch {
    let image = Scratch::new();
    for name in ["ithaca.db", "ithaca.db-wal"] {
        fs::copy(of.path().join(name), image.path().join(name)).unwrap();
    }
    image
}

/// A store with 200 rows in its file and one more in its log.
fn store_with_a_log(scratch: &Scratch) -> Sqlite {
    let store = open(scratch.path()).unwrap();
    let epoch = store.take(ShardId(0)).unwrap();
    (0..200).for_each(|key| commit(&store, epoch, key, 1000).unwrap());
    drop(store);
    let store = open(scratch.path()).unwrap();
    let epoch = store.take(ShardId(0)).unwrap();
    commit(&store, epoch, 200, 1000).unwrap();
    store
}

#[test]
fn what_is_in_the_log_only_is_recovered() {
    let scratch = Scratch::new();
    let image = {
        let _open = store_with_a_log(&scratch);
        crash_image(&scratch)
    };
    let store = open(image.path()).unwrap();
    assert_eq!(store.get(Space::Records, &200u32.to_be_bytes()).unwrap(), Some(vec![7; 1000]));
    assert_eq!(store.take(ShardId(0)), Ok(Epoch(3)));
}

/// Found at opening after a crash, and on demand otherwise.
#[test]
fn a_damaged_file_is_refused() {
    let scratch = Scratch::new();
    let store = store_with_a_log(&scratch);
    store.check().unwrap();
    let image = crash_image(&scratch);
    let damage = |scratch: &Scratch| {
        let pages = fs::metadata(file(scratch)).unwrap().len() / 4096;
        let opened = File::options().write(true).open(file(scratch)).unwrap();
        (pages / 2..pages / 2 + 4).for_each(|page| opened.write_all_at(&[0xee; 4096], page * 4096).unwrap());
    };
    damage(&image);
    let log = image.path().join("ithaca.db-wal");
    let log_before = fs::read(&log).unwrap();
    check_refused(&image, "is damaged: ", "ithaca.db .recover`");
    assert!(log_before == fs::read(&log).unwrap(), "the log was changed");

    drop(store);
    damage(&scratch);
    let text = open(scratch.path()).unwrap().check().unwrap_err().to_string();
    assert!(text.contains("ithaca.db is damaged: ") && text.contains("Nothing was changed or deleted"), "{text}");
}

/// The file's limit stands for a full disk: SQLite reports both alike.
#[test]
fn after_a_failed_write_the_store_refuses_until_it_is_opened_again() {
    let scratch = Scratch::new();
    let options = Options { file_bytes_max: Some(512 << 10), ..Options::default() };
    let store = Sqlite::open(&Folder::lock(scratch.path()).unwrap(), options).unwrap();
    let epoch = store.take(ShardId(0)).unwrap();
    let outcomes: Vec<_> = (0..100).map(|key| commit(&store, epoch, key, 20_000)).collect();
    let good = outcomes.iter().take_while(|outcome| outcome.is_ok()).count();
    assert!(good > 5, "{good} fit");
    assert!(matches!(&outcomes[good], Err(Error::Full { .. })), "{:?}", outcomes[good]);
    let later_are_refused = outcomes[good + 1..].iter().all(|outcome| matches!(outcome, Err(Error::Failed { .. })));
    assert!(later_are_refused && store.take(ShardId(0)).is_err());
    let text = commit(&store, epoch, 0, 1).unwrap_err().to_string();
    assert!(text.contains("no space is left for") && text.ends_with("Mend the cause first"), "{text}");

    let keys = |store: &Sqlite| {
        let rows = store.scan(Space::Records, b""..&prefix_end(b""), Order::Ascending, usize::MAX).unwrap();
        rows.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    let acknowledged: Vec<_> = (0..good as u32).map(|key| key.to_be_bytes().to_vec()).collect();
    assert_eq!(keys(&store), acknowledged, "reads go on");
    drop(store);
    let store = open(scratch.path()).unwrap();
    assert_eq!(keys(&store), acknowledged);
    commit(&store, store.take(ShardId(0)).unwrap(), 1000, 20_000).unwrap();
}

#[test]
fn a_panic_in_a_done_stops_the_store_but_leaves_nobody_waiting() {
    let scratch = Scratch::new();
    let store = open(scratch.path()).unwrap();
    let epoch = store.take(ShardId(0)).unwrap();
    let batch = Batch { shard: ShardId(0), epoch, writes: Vec::new() };
    store.commit(batch, Box::new(|_| panic!("asked for by the test")));
    // The first may still share the panicking transaction; both are answered.
    let outcomes = [1, 2].map(|key| commit(&store, epoch, key, 1));
    assert!(matches!(&outcomes[1], Err(Error::Failed { .. } | Error::Closed)), "{outcomes:?}");
}
