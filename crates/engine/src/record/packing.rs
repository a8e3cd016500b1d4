//! How records become small: each is compressed on its own, or with the record before it as a dictionary.
//!
//! The records of one execution say much the same: a task's parameters repeat the state's input, and the next state's input is
//! that input with a result more. Beside the record before it, a record of the travel saga takes 40 % of what it takes
//! alone, and every byte is written twice: to SQLite's log, then to its file.
//!
//! ```text
//!   number        0        1        2        3    ...   8        9
//!   form          alone <- leans <- leans <- leans      alone <- leans
//! ```
//!
//! A record leans on the one before it only while that is at hand, in a bounded memory of what was written lately, and
//! never more than [`CHAIN_MAX`] in a row: so a waiting execution costs no memory for it, and whoever wants one record
//! reads a few at most. It does not know what is in a record.

use std::borrow::Cow;
use std::collections::HashMap;

use store::{Order, Space, Store};

use super::{RECORD_FORMAT, unreadable};
use crate::error::Error;
use crate::keys::{self, ExecutionId};

/// The third format compressed: its size and an LZ4 block.
const ALONE: u8 = 4;
/// The same, but the block's dictionary is the record before it.
const LEANING: u8 = 5;

/// Records in a row that lean on the one before. A longer chain saves little more and makes reading slower.
const CHAIN_MAX: u32 = 8;

/// LZ4 reaches back so far. A larger record is nobody's dictionary.
const DICTIONARY_BYTES_MAX: usize = 64 << 10;

/// A record shorter than this is written as it is: there is little to be saved.
const ALONE_BYTES_MIN: usize = 256;
const LEANING_BYTES_MIN: usize = 32;

/// No record is larger: it is part of one batch.
const RECORD_BYTES_MAX: usize = store::BATCH_BYTES_MAX;

/// How much of what was written lately is remembered in one shard: twice this, at most.
const RECENT_BYTES_MAX: usize = 8 << 20;

/// Makes the written form of records, and remembers what the next ones may lean on.
#[derive(Default)]
pub struct Packer {
    young: HashMap<ExecutionId, Recent>,
    young_bytes: usize,
    old: HashMap<ExecutionId, Recent>,
}

struct Recent {
    seq: u32,
    /// Records before it that it needs to be read.
    chain: u32,
    plain: Vec<u8>,
}

impl Packer {
    /// The written form of a record, given in its plain form. More of this execution will follow unless `is_last`.
    pub fn pack(&mut self, id: ExecutionId, seq: u32, plain: Vec<u8>, is_last: bool) -> Vec<u8> {
        let before = self.young.remove(&id).inspect(|recent| self.young_bytes -= recent.plain.len());
        let before = before.or_else(|| self.old.remove(&id));
        let before = before.filter(|recent| recent.seq.checked_add(1) == Some(seq) && recent.chain < CHAIN_MAX);
        let (written, chain) = match &before {
            Some(recent) => (leaning(&plain, &recent.plain), recent.chain + 1),
            None => (alone(&plain), 0),
        };
        if is_last || plain.len() > DICTIONARY_BYTES_MAX {
            return written.unwrap_or(plain);
        }
        let written = written.unwrap_or_else(|| plain.clone());
        self.remember(id, Recent { seq, chain, plain });
        written
    }

    fn remember(&mut self, id: ExecutionId, recent: Recent) {
        if self.young_bytes > RECENT_BYTES_MAX {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += recent.plain.len();
        self.young.insert(id, recent);
    }
}

/// A record compressed by itself, if that saves anything.
pub fn alone(plain: &[u8]) -> Option<Vec<u8>> {
    compressed(ALONE, ALONE_BYTES_MIN, plain, lz4_flex::block::compress_into)
}

/// `before` is in its plain form too.
fn leaning(plain: &[u8], before: &[u8]) -> Option<Vec<u8>> {
    compressed(LEANING, LEANING_BYTES_MIN, plain, |body, block| {
        lz4_flex::block::compress_into_with_dict(body, block, &before[1..])
    })
}

type Compressed = Result<usize, lz4_flex::block::CompressError>;

fn compressed(
    format: u8,
    bytes_min: usize,
    plain: &[u8],
    compress: impl Fn(&[u8], &mut [u8]) -> Compressed,
) -> Option<Vec<u8>> {
    let body = &plain[1..];
    if body.len() < bytes_min {
        return None;
    }
    let mut written = vec![0; 5 + lz4_flex::block::get_maximum_output_size(body.len())];
    let length = compress(body, &mut written[5..]).ok()?;
    if 5 + length >= plain.len() {
        return None;
    }
    written[0] = format;
    written[1..5].copy_from_slice(&u32::try_from(body.len()).ok()?.to_be_bytes());
    written.truncate(5 + length);
    Some(written)
}

/// The plain form of a record that stands alone.
pub fn unpack(written: &[u8]) -> Result<Cow<'_, [u8]>, Error> {
    match written.first() {
        Some(&ALONE) => decompressed(written, lz4_flex::block::decompress_into),
        Some(&LEANING) => Err(unreadable("a compressed record", &"the record before it is missing")),
        Some(_) => Ok(written.into()),
        None => Err(unreadable("a record", &"it is empty")),
    }
}

fn unpack_after<'w>(written: &'w [u8], before: &[u8]) -> Result<Cow<'w, [u8]>, Error> {
    match leans(written) {
        false => unpack(written),
        true => {
            decompressed(written, |block, body| lz4_flex::block::decompress_into_with_dict(block, body, &before[1..]))
        }
    }
}

fn leans(written: &[u8]) -> bool {
    written.first() == Some(&LEANING)
}

type Decompressed = Result<usize, lz4_flex::block::DecompressError>;

fn decompressed(written: &[u8], decompress: impl Fn(&[u8], &mut [u8]) -> Decompressed) -> Result<Cow<'_, [u8]>, Error> {
    let refused = |why: &dyn std::fmt::Display| unreadable("a compressed record", why);
    let (size, block) = written[1..].split_first_chunk::<4>().ok_or_else(|| refused(&"it is too short"))?;
    let size = u32::from_be_bytes(*size) as usize;
    if size > RECORD_BYTES_MAX {
        return Err(refused(&"it claims to be larger than a record can be"));
    }
    let mut plain = vec![0; 1 + size];
    plain[0] = RECORD_FORMAT;
    match decompress(block, &mut plain[1..]) {
        Ok(length) if length == size => Ok(plain.into()),
        Ok(_) => Err(refused(&"it is shorter than it claims")),
        Err(error) => Err(refused(&error)),
    }
}

/// Reads the records of one execution, in any order.
pub struct Records<'s> {
    store: &'s dyn Store,
    id: ExecutionId,
    /// Plain forms that others may lean on: those of one chain.
    known: Vec<(u32, Vec<u8>)>,
}

impl<'s> Records<'s> {
    pub fn of(store: &'s dyn Store, id: ExecutionId) -> Records<'s> {
        Records { store, id, known: Vec::new() }
    }

    /// The plain form of the record with this number, of which the store has given the written form.
    pub fn plain<'w>(&mut self, seq: u32, written: &'w [u8]) -> Result<Cow<'w, [u8]>, Error> {
        if leans(written) && self.known(seq.wrapping_sub(1)).is_none() {
            self.read_before(seq)?;
        }
        let plain = match self.known(seq.wrapping_sub(1)) {
            Some(before) => unpack_after(written, before)?,
            None => unpack(written)?,
        };
        if plain.len() <= DICTIONARY_BYTES_MAX && self.known(seq).is_none() {
            if self.known.len() > CHAIN_MAX as usize {
                self.known.remove(0);
            }
            self.known.push((seq, plain.to_vec()));
        }
        Ok(plain)
    }

    /// The newest record and what it leans on, with the first one if it is among them: (number, plain form), in order.
    pub fn newest(&mut self) -> Result<Vec<(u32, Vec<u8>)>, Error> {
        let rows = self.scan(0, u32::MAX)?;
        self.newest_of(&rows)
    }

    /// The same of records that were read already: all, or the newest of a chain.
    pub fn newest_of(&mut self, rows: &[(u32, Vec<u8>)]) -> Result<Vec<(u32, Vec<u8>)>, Error> {
        let first = rows.first().filter(|(seq, _)| *seq == 0);
        let from = rows.iter().rposition(|(_, written)| !leans(written)).unwrap_or(0);
        let wanted = first.filter(|_| from > 0).into_iter().chain(&rows[from..]);
        wanted.map(|(seq, written)| Ok((*seq, self.plain(*seq, written)?.into_owned()))).collect()
    }

    fn known(&self, seq: u32) -> Option<&[u8]> {
        self.known.iter().find(|(known, _)| *known == seq).map(|(_, plain)| &plain[..])
    }

    /// Gets to know the record before this one.
    fn read_before(&mut self, seq: u32) -> Result<(), Error> {
        let rows = self.scan(seq.saturating_sub(CHAIN_MAX), seq)?;
        let from = rows.iter().rposition(|(_, written)| !leans(written));
        let from = from.ok_or_else(|| unreadable("a compressed record", &"what it leans on is missing"))?;
        self.known.clear();
        for (seq, written) in &rows[from..] {
            let plain = match self.known.last() {
                Some((_, before)) => unpack_after(written, before)?,
                None => unpack(written)?,
            };
            self.known.push((*seq, plain.into_owned()));
        }
        Ok(())
    }

    /// The newest records with these numbers, a chain at most, in order.
    fn scan(&self, from: u32, to: u32) -> Result<Vec<(u32, Vec<u8>)>, Error> {
        let (from, to) = (keys::record(self.id, from), keys::record(self.id, to));
        let rows = self.store.scan(Space::Records, &from..&to, Order::Descending, CHAIN_MAX as usize + 1)?;
        let number = |key: &[u8]| {
            keys::record_seq(key).ok_or_else(|| unreadable("a record's key", &"it is too short to have a number"))
        };
        rows.into_iter().rev().map(|(key, written)| Ok((number(&key)?, written))).collect()
    }
}

#[cfg(test)]
mod tests {
    use store::{Batch, Memory, ShardId, Write, commit_and_wait};

    use super::*;

    const ID: ExecutionId = ExecutionId(7);

    /// A record as large as those of a saga, much like the one before it.
    fn plain(seq: u32) -> Vec<u8> {
        let state: String = (0..=seq).map(|step| format!(r#""step{step}":{}"#, step * 7919)).collect();
        format!("{}{{\"trip\":\"5c12d94a-ee6a\",{state}}}", RECORD_FORMAT as char).into_bytes()
    }

    fn stored(written: &[Vec<u8>]) -> Memory {
        let store = Memory::new();
        let epoch = store.take(ShardId(0)).unwrap();
        let put = |(seq, value): (u32, &Vec<u8>)| Write::Put {
            space: Space::Records,
            key: keys::record(ID, seq),
            value: value.clone(),
        };
        let writes = (0..).zip(written).map(put).collect();
        commit_and_wait(&store, Batch { shard: ShardId(0), epoch, writes }).unwrap();
        store
    }

    fn chain(count: u32) -> Vec<Vec<u8>> {
        let mut packer = Packer::default();
        (0..count).map(|seq| packer.pack(ID, seq, plain(seq), false)).collect()
    }

    #[test]
    fn chains_are_short_and_read_in_any_order() {
        const COUNT: u32 = 30;
        let written = chain(COUNT);
        let alone: Vec<usize> = (0..written.len()).filter(|at| !leans(&written[*at])).collect();
        assert_eq!(alone, [0, 9, 18, 27]);
        let store = stored(&written);
        let check = |order: &[u32]| {
            let mut records = Records::of(&store, ID);
            for seq in order {
                assert_eq!(records.plain(*seq, &written[*seq as usize]).unwrap(), plain(*seq), "{seq} in {order:?}");
            }
        };
        check(&(0..COUNT).collect::<Vec<_>>());
        check(&(0..COUNT).rev().collect::<Vec<_>>());
        check(&[17, 3, 29, 0, 8, 9, 26, 25]);
        let newest = Records::of(&store, ID).newest().unwrap();
        assert_eq!(newest, [27, 28, 29].map(|seq| (seq, plain(seq))));
    }

    #[test]
    fn what_is_not_at_hand_is_not_leant_on() {
        let mut packer = Packer::default();
        let first = packer.pack(ID, 0, plain(0), false);
        assert!(!leans(&first));
        assert!(!leans(&packer.pack(ID, 2, plain(2), false)), "there was another between them");
        assert!(leans(&packer.pack(ID, 3, plain(3), true)));
        assert!(!leans(&packer.pack(ID, 4, plain(4), false)), "the one before it was the last");
        // Others push it out.
        let large: Vec<u8> = [RECORD_FORMAT].into_iter().chain((0..60_000).map(|at| (at % 251) as u8)).collect();
        (100..500).for_each(|other| drop(packer.pack(ExecutionId(other), 0, large.clone(), false)));
        assert!(!leans(&packer.pack(ID, 5, plain(5), false)));
        let bytes: usize = packer.young.values().chain(packer.old.values()).map(|recent| recent.plain.len()).sum();
        assert!(bytes <= 2 * RECENT_BYTES_MAX + 2 * DICTIONARY_BYTES_MAX, "{bytes}");
    }

    #[test]
    fn a_large_record_is_no_dictionary() {
        let mut packer = Packer::default();
        let large = [&[RECORD_FORMAT][..], &vec![b'x'; DICTIONARY_BYTES_MAX]].concat();
        let written = [packer.pack(ID, 0, large.clone(), false), packer.pack(ID, 1, plain(1), false)];
        assert!(!leans(&written[1]));
        let store = stored(&written);
        assert_eq!(Records::of(&store, ID).newest().unwrap(), [(0, large), (1, plain(1))]);
    }

    /// What an earlier version wrote must be read for ever, byte for byte.
    #[test]
    fn the_fifth_format_is_still_read() {
        let written = include_bytes!("../../tests/formats/record-5.bin");
        assert!(leans(written));
        assert_eq!(unpack_after(written, &plain(4)).unwrap(), plain(5));
    }

    #[test]
    #[ignore = "writes a file that is kept"]
    fn write_the_fifth_format() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/formats/record-5.bin");
        std::fs::write(path, leaning(&plain(5), &plain(4)).unwrap()).unwrap();
    }

    #[test]
    fn damage_is_told_and_never_a_panic() {
        let written = chain(4);
        assert!(leans(&written[3]));
        let check = |damaged: &[Vec<u8>]| Records::of(&stored(damaged), ID).newest().map(drop);
        for at in 0..written[2].len() {
            let mut damaged = written.clone();
            damaged[2][at] ^= 0x55;
            let _ = check(&damaged);
            damaged[2].truncate(at);
            let _ = check(&damaged);
        }
        let store = stored(&written);
        let epoch = store.take(ShardId(0)).unwrap();
        let writes = (0..3).map(|seq| Write::Delete { space: Space::Records, key: keys::record(ID, seq) }).collect();
        commit_and_wait(&store, Batch { shard: ShardId(0), epoch, writes }).unwrap();
        let error = Records::of(&store, ID).plain(3, &written[3]).unwrap_err();
        assert!(error.to_string().contains("what it leans on is missing"), "{error}");
    }
}
