//! The faults that tests of other crates rely on.

use std::sync::{Arc, mpsc};

use store::{
    Batch, Epoch, Memory, ShardId, Space, Store, Write, commit_and_wait,
    testing::{Fault, Faulty},
};

fn batch(epoch: Epoch, key: u8) -> Batch {
    let write = Write::Put { space: Space::Meta, key: vec![key], value: Vec::new() };
    Batch { shard: ShardId(0), epoch, writes: vec![write] }
}

#[test]
fn the_nth_commit_meets_its_fault() {
    let store = Faulty::new(Arc::new(Memory::new())).on(2, Fault::Fail).on(3, Fault::LoseReply);
    let epoch = store.take(ShardId(0)).unwrap();
    let outcomes = [1, 2, 3, 4].map(|key| commit_and_wait(&store, batch(epoch, key)).is_ok());
    let written = [1, 2, 3, 4].map(|key| store.get(Space::Meta, &[key]).unwrap().is_some());
    assert_eq!(outcomes, [true, false, false, true]);
    assert_eq!(written, [true, false, true, true]);
}

#[test]
fn a_held_commit_holds_those_behind_it_until_released() {
    let store = Faulty::new(Arc::new(Memory::new()));
    let epoch = store.take(ShardId(0)).unwrap();
    store.on_next(Fault::Hold);
    let (sender, receiver) = mpsc::channel();
    for key in [1, 2] {
        let sender = sender.clone();
        store.commit(batch(epoch, key), Box::new(move |outcome| sender.send((key, outcome)).unwrap()));
    }
    assert!(receiver.try_recv().is_err());
    assert_eq!(store.get(Space::Meta, &[1]).unwrap(), None);
    store.release();
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [(1, Ok(())), (2, Ok(()))]);
    assert_eq!(store.commits(), 2);
}
