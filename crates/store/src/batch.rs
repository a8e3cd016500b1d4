//! What is committed: batches of writes under a shard's epoch, and how large they may be.
//!
//! The limits are checked here, before any queue, so that every implementation refuses the same batches.

use std::fmt;

use crate::{Error, Space};

/// The longest key. PostgreSQL's B-tree entries end at about 2,700 bytes, and a database that one
/// implementation can hold must fit into each.
pub const KEY_BYTES_MAX: usize = 2048;

/// The largest batch, keys and values together. A batch is held in memory twice while it is written, and
/// SQLite's longest value is 1,000,000,000 bytes.
pub const BATCH_BYTES_MAX: usize = 256 << 20;

/// A unit of ownership.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShardId(pub u16);

/// How often a shard was taken over. The highest one owns the shard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Epoch(pub u64);

/// One change of one row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Write {
    /// Sets the value, whether or not the key was there.
    Put { space: Space, key: Vec<u8>, value: Vec<u8> },
    /// Removes the row; a key that is not there is no error.
    Delete { space: Space, key: Vec<u8> },
}

/// What one commit holds: applied in order, all or nothing, under the epoch of its shard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    pub shard: ShardId,
    pub epoch: Epoch,
    pub writes: Vec<Write>,
}

impl Write {
    pub fn key(&self) -> &[u8] {
        match self {
            Write::Put { key, .. } | Write::Delete { key, .. } => key,
        }
    }

    pub(crate) fn value_bytes(&self) -> usize {
        match self {
            Write::Put { value, .. } => value.len(),
            Write::Delete { .. } => 0,
        }
    }
}

impl Batch {
    /// Bytes of all keys and values.
    pub fn bytes(&self) -> usize {
        self.writes.iter().map(|write| write.key().len() + write.value_bytes()).sum()
    }

    /// The size of the batch, or why it is refused at the door.
    pub(crate) fn checked_bytes(&self) -> Result<usize, Error> {
        let longest_key = self.writes.iter().map(|write| write.key().len()).max().unwrap_or(0);
        within("key", longest_key, KEY_BYTES_MAX)?;
        let bytes = self.bytes();
        within("batch", bytes, BATCH_BYTES_MAX)?;
        Ok(bytes)
    }

    /// Refuses the batch unless its epoch is the one its shard is held under.
    pub(crate) fn fence(&self, held: Epoch) -> Result<(), Error> {
        if self.epoch == held {
            return Ok(());
        }
        Err(Error::Fenced { shard: self.shard, held, came: self.epoch })
    }
}

fn within(what: &'static str, bytes: usize, bytes_max: usize) -> Result<(), Error> {
    if bytes <= bytes_max { Ok(()) } else { Err(Error::TooLarge { what, bytes, bytes_max }) }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
