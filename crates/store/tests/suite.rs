//! One suite for every implementation of [`Store`]: what its documentation promises, promise by promise.

use std::{
    ops::Range,
    sync::{Arc, mpsc},
    thread,
};

use store::{
    BATCH_BYTES_MAX, Batch, Epoch, Error, Folder, KEY_BYTES_MAX, Memory, Options, Order, Row, ShardId, Space, Sqlite,
    Store, Write, commit_and_wait, prefix_end, testing::Scratch,
};

const SHARD: ShardId = ShardId(3);

fn for_each_store(test: impl Fn(Arc<dyn Store>)) {
    test(Arc::new(Memory::new()));
    let scratch = Scratch::new();
    test(Arc::new(Sqlite::open(&Folder::lock(scratch.path()).unwrap(), Options::default()).unwrap()));
}

fn put(space: Space, key: &[u8], value: &[u8]) -> Write {
    Write::Put { space, key: key.into(), value: value.into() }
}

fn delete(space: Space, key: &[u8]) -> Write {
    Write::Delete { space, key: key.into() }
}

fn commit(store: &dyn Store, epoch: Epoch, writes: Vec<Write>) -> Result<(), Error> {
    commit_and_wait(store, Batch { shard: SHARD, epoch, writes })
}

fn keys(rows: Vec<Row>) -> Vec<Vec<u8>> {
    rows.into_iter().map(|(key, _)| key).collect()
}

#[test]
fn what_was_put_is_got_until_it_is_deleted_in_every_space() {
    for_each_store(|store| {
        let epoch = store.take(SHARD).unwrap();
        for space in Space::all() {
            let get = |key| store.get(space, key).unwrap();
            let name = space.name().as_bytes();
            assert_eq!(get(b"k"), None);
            commit(&*store, epoch, vec![put(space, b"k", name), put(space, b"", b"")]).unwrap();
            assert_eq!(get(b"k").as_deref(), Some(name), "a key of another space is another key");
            assert_eq!(get(b"").as_deref(), Some(&b""[..]), "empty is not absent");
            commit(&*store, epoch, vec![put(space, b"k", b"new"), delete(space, b""), delete(space, b"-")]).unwrap();
            assert_eq!(get(b"k").as_deref(), Some(&b"new"[..]));
            assert_eq!(get(b""), None);
        }
    });
}

#[test]
fn the_writes_of_a_batch_take_effect_in_their_order() {
    for_each_store(|store| {
        let epoch = store.take(SHARD).unwrap();
        for space in [Space::Meta, Space::Records] {
            let writes =
                vec![put(space, b"k", b"1"), delete(space, b"k"), put(space, b"k", b"2"), put(space, b"k", b"3")];
            commit(&*store, epoch, writes).unwrap();
            assert_eq!(store.get(space, b"k").unwrap().as_deref(), Some(&b"3"[..]));
        }
    });
}

#[test]
fn scans_are_ordered_half_open_and_limited() {
    const KEYS: [&[u8]; 6] = [b"", b"a", b"a\0", b"ab", b"b", b"\xff\xff"];
    /// What a scan finds, as indexes into `KEYS`.
    fn check(
        store: &dyn Store,
        space: Space,
        range: Range<&[u8]>,
        limit: usize,
        ascending: &[usize],
        descending: &[usize],
    ) {
        for (order, expected) in [(Order::Ascending, ascending), (Order::Descending, descending)] {
            let rows = store.scan(space, range.clone(), order, limit).unwrap();
            assert!(rows.iter().all(|(key, value)| key == value), "a row has its own value");
            let expected: Vec<_> = expected.iter().map(|index| KEYS[*index].to_vec()).collect();
            assert_eq!(keys(rows), expected, "{range:?} {order:?} {limit}");
        }
    }
    for_each_store(|store| {
        let epoch = store.take(SHARD).unwrap();
        for space in [Space::Meta, Space::Records] {
            // Arriving in another order than sorted.
            let writes = [3, 0, 5, 1, 4, 2].map(|index: usize| put(space, KEYS[index], KEYS[index]));
            commit(&*store, epoch, writes.into()).unwrap();
            let all = prefix_end(b"");
            check(&*store, space, b""..&all, usize::MAX, &[0, 1, 2, 3, 4, 5], &[5, 4, 3, 2, 1, 0]);
            check(&*store, space, b""..&all, 2, &[0, 1], &[5, 4]);
            check(&*store, space, b""..&all, 0, &[], &[]);
            check(&*store, space, b"a"..b"b", 9, &[1, 2, 3], &[3, 2, 1]);
            check(&*store, space, b"a"..&prefix_end(b"a"), 1, &[1], &[3]);
            check(&*store, space, b"\xff"..&prefix_end(b"\xff"), 9, &[5], &[5]);
            check(&*store, space, b"a\0"..b"a\0", 9, &[], &[]);
            check(&*store, space, b"b"..b"a", 9, &[], &[]);
        }
    });
}

#[test]
fn the_end_of_a_prefix() {
    for (prefix, end) in [(&b"a"[..], &b"b"[..]), (b"a\xff", b"b"), (b"a\xff\x00", b"a\xff\x01"), (b"\x00", b"\x01")] {
        assert_eq!(prefix_end(prefix), end, "{prefix:?}");
    }
    assert!(prefix_end(b"\xff") > vec![u8::MAX; KEY_BYTES_MAX]);
}

#[test]
fn an_older_epoch_is_fenced_and_leaves_no_trace() {
    for_each_store(|store| {
        let fenced = |held, came| Err(Error::Fenced { shard: SHARD, held: Epoch(held), came: Epoch(came) });
        let write = |value: &[u8]| vec![put(Space::Meta, b"k", value), put(Space::Records, value, value)];
        assert_eq!(commit(&*store, Epoch(1), write(b"never taken")), fenced(0, 1));
        assert_eq!(store.take(SHARD), Ok(Epoch(1)));
        commit(&*store, Epoch(1), write(b"first")).unwrap();
        assert_eq!(store.take(SHARD), Ok(Epoch(2)));
        assert_eq!(commit(&*store, Epoch(1), write(b"late")), fenced(2, 1));
        assert_eq!(commit(&*store, Epoch(3), write(b"early")), fenced(2, 3));
        assert_eq!(store.get(Space::Meta, b"k").unwrap().as_deref(), Some(&b"first"[..]));
        assert_eq!(store.get(Space::Records, b"late").unwrap(), None);
        commit(&*store, Epoch(2), write(b"second")).unwrap();
        assert_eq!(store.take(ShardId(4)), Ok(Epoch(1)), "shards are taken one by one");
        assert_eq!((store.figures().batches, store.figures().fenced), (2, 3));
    });
}

/// Queues without waiting, so that fenced and other batches share transactions.
#[test]
fn batches_take_effect_in_the_order_of_their_commits_and_each_is_answered_once() {
    const COUNT: u64 = 2_000;
    for_each_store(|store| {
        let epoch = store.take(SHARD).unwrap();
        let (sender, receiver) = mpsc::channel();
        for number in 0..COUNT {
            let stale = number % 7 == 0;
            let epoch = if stale { Epoch(0) } else { epoch };
            let value = number.to_be_bytes();
            // Each key sees several batches; the last one must win.
            let writes = vec![put(Space::Meta, &[number as u8 % 16], &value), put(Space::Records, &value, &value)];
            let sender = sender.clone();
            let done = Box::new(move |outcome: Result<(), Error>| sender.send((number, outcome.is_err())).unwrap());
            store.commit(Batch { shard: SHARD, epoch, writes }, done);
        }
        drop(sender);
        // Ends when every callback is gone, so a second answer would be seen.
        let answers: Vec<_> = receiver.iter().collect();
        let expected: Vec<_> = (0..COUNT).map(|number| (number, number % 7 == 0)).collect();
        assert_eq!(answers, expected);

        let rows = store.scan(Space::Records, b""..&prefix_end(b""), Order::Ascending, usize::MAX).unwrap();
        let expected: Vec<_> = (0..COUNT).filter(|number| number % 7 != 0).map(|n| n.to_be_bytes().to_vec()).collect();
        assert_eq!(keys(rows), expected);
        for key in 0..16 {
            let last = (0..COUNT).rev().find(|number| number % 16 == key && number % 7 != 0).unwrap();
            assert_eq!(store.get(Space::Meta, &[key as u8]).unwrap(), Some(last.to_be_bytes().to_vec()));
        }
    });
}

/// Two owners of one shard race for it: whoever takes last wins, whatever is on the way.
#[test]
fn a_takeover_splits_what_is_on_the_way_into_before_and_after() {
    const COUNT: u32 = 300;
    for_each_store(|store| {
        let old = store.take(SHARD).unwrap();
        let committer = {
            let store = store.clone();
            thread::spawn(move || {
                let outcome = |n: u32| commit(&*store, old, vec![put(Space::Records, &n.to_be_bytes(), b"")]);
                (0..COUNT).map(outcome).take_while(|outcome| outcome.is_ok()).count()
            })
        };
        let new = store.take(SHARD).unwrap();
        let seen_by_new = store.scan(Space::Records, b""..&prefix_end(b""), Order::Ascending, usize::MAX).unwrap();
        commit(&*store, new, vec![put(Space::Meta, b"mine", b"")]).unwrap();
        let acknowledged = committer.join().unwrap();
        let rows = store.scan(Space::Records, b""..&prefix_end(b""), Order::Ascending, usize::MAX).unwrap();
        assert_eq!(rows.len(), acknowledged);
        assert_eq!(rows, seen_by_new, "nothing of the old owner appears after the takeover");
    });
}

#[test]
fn what_is_too_large_is_refused_at_the_door() {
    for_each_store(|store| {
        let epoch = store.take(SHARD).unwrap();
        let longest = vec![7; KEY_BYTES_MAX];
        commit(&*store, epoch, vec![put(Space::Records, &longest, b"v")]).unwrap();
        let longer = vec![7; KEY_BYTES_MAX + 1];
        let refused = commit(&*store, epoch, vec![put(Space::Records, b"k", b"v"), delete(Space::Records, &longer)]);
        let (bytes, bytes_max) = (KEY_BYTES_MAX + 1, KEY_BYTES_MAX);
        assert_eq!(refused, Err(Error::TooLarge { what: "key", bytes, bytes_max }));
        let huge = Write::Put { space: Space::Records, key: b"k".into(), value: vec![0; BATCH_BYTES_MAX] };
        let (bytes, bytes_max) = (BATCH_BYTES_MAX + 1, BATCH_BYTES_MAX);
        assert_eq!(commit(&*store, epoch, vec![huge]), Err(Error::TooLarge { what: "batch", bytes, bytes_max }));
        assert_eq!(store.get(Space::Records, b"k").unwrap(), None);
    });
}

#[test]
fn a_done_may_commit_again_and_drop_the_store() {
    for_each_store(|store| {
        let epoch = store.take(SHARD).unwrap();
        let (sender, receiver) = mpsc::channel();
        let batch = |key: &[u8]| Batch { shard: SHARD, epoch, writes: vec![put(Space::Meta, key, b"")] };
        let (second, inner) = (batch(b"2"), store.clone());
        let done = Box::new(move |outcome: Result<(), Error>| {
            outcome.unwrap();
            let last_holder = inner.clone();
            let report = Box::new(move |outcome| {
                drop(last_holder);
                sender.send(outcome).unwrap();
            });
            inner.commit(second, report);
        });
        store.commit(batch(b"1"), done);
        drop(store);
        assert_eq!(receiver.recv().unwrap(), Ok(()));
    });
}

#[test]
fn figures_add_up() {
    for_each_store(|store| {
        let epoch = store.take(SHARD).unwrap();
        commit(&*store, epoch, vec![put(Space::Meta, b"a", b"12345"), delete(Space::Meta, b"b")]).unwrap();
        commit(&*store, epoch, vec![put(Space::Records, b"a", b"678")]).unwrap();
        let figures = store.figures();
        assert_eq!((figures.batches, figures.rows, figures.value_bytes), (2, 3, 8));
        assert_eq!((figures.commit_latency.count(), figures.queued), (2, 0));
    });
}
