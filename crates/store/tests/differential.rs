//! SQLite against memory: the same chance-made commits, takeovers and reads, the same answers.
//!
//! Keys are few and short so that they meet often. A failure names its seed; put it into `SEEDS` to keep it.

use store::{
    Batch, Epoch, Folder, Memory, Options, Order, ShardId, Space, Sqlite, Store, Write, commit_and_wait, prefix_end,
    testing::{Chance, Scratch},
};

const SEEDS: std::ops::Range<u64> = 0..6;
const STEPS: u32 = 150;

#[test]
fn sqlite_answers_like_memory() {
    for seed in SEEDS {
        let scratch = Scratch::new();
        let memory = Memory::new();
        let mut sqlite = open(&scratch);
        let mut chance = Chance(seed);
        for step in 0..STEPS {
            if chance.below(40) == 0 {
                drop(sqlite);
                sqlite = open(&scratch);
            }
            let told = run(&sqlite, chance.clone());
            assert_eq!(told, run(&memory, chance.clone()), "seed {seed}, step {step}");
            // Both runs drew from copies; go on from a new place.
            chance.draw();
        }
        for space in Space::all() {
            assert_eq!(everything(&sqlite, space), everything(&memory, space), "seed {seed}, {}", space.name());
        }
    }
}

fn open(scratch: &Scratch) -> Sqlite {
    Sqlite::open(&Folder::lock(scratch.path()).unwrap(), Options::default()).unwrap()
}

/// One operation, and everything that it tells.
fn run(store: &dyn Store, mut chance: Chance) -> String {
    match chance.below(10) {
        0 => format!("{:?}", store.take(shard(&mut chance))),
        1..6 => format!("{:?}", commit_and_wait(store, batch(&mut chance))),
        6..8 => format!("{:?}", store.get(space(&mut chance), &key(&mut chance))),
        _ => scan(store, &mut chance),
    }
}

fn scan(store: &dyn Store, chance: &mut Chance) -> String {
    let (space, from, to) = (space(chance), key(chance), key(chance));
    let order = if chance.below(2) == 0 { Order::Ascending } else { Order::Descending };
    let limit = chance.below(6) as usize;
    format!("{:?}", store.scan(space, &from..&to, order, limit))
}

fn everything(store: &dyn Store, space: Space) -> Vec<store::Row> {
    store.scan(space, b""..&prefix_end(b""), Order::Ascending, usize::MAX).unwrap()
}

fn batch(chance: &mut Chance) -> Batch {
    let writes = (0..chance.below(12)).map(|_| write(chance)).collect();
    // Epochs rise as shards are taken, so all of them occur as stale and as current ones.
    Batch { shard: shard(chance), epoch: Epoch(chance.below(4)), writes }
}

fn write(chance: &mut Chance) -> Write {
    let (space, key) = (space(chance), key(chance));
    if chance.below(4) == 0 {
        return Write::Delete { space, key };
    }
    // Some values are longer than a page.
    let length = if chance.below(10) == 0 { 10_000 } else { chance.below(100) as usize };
    Write::Put { space, key, value: chance.bytes(length) }
}

fn shard(chance: &mut Chance) -> ShardId {
    ShardId(chance.below(3) as u16)
}

fn space(chance: &mut Chance) -> Space {
    [Space::Records, Space::Executions, Space::Meta][chance.below(3) as usize]
}

fn key(chance: &mut Chance) -> Vec<u8> {
    (0..chance.below(3)).map(|_| [0, 1, 127, 255][chance.below(4) as usize]).collect()
}
