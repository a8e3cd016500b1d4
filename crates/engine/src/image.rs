//! What the store holds, key by key and row by row: for whoever checks it, as the simulator does. Nothing here changes
//! anything.

use interpreter::{Execution, HistoryEvent};
use store::Store;

use crate::error::Error;
use crate::keys::ExecutionId;
pub use crate::keys::{execution, listing_id, name, record, record_seq, snapshot};
use crate::record::Records;
pub use crate::record::{decode_row, decode_snapshot};

/// The events of a record, and its snapshot if that is not apart. It may lean on earlier records, which are read.
pub fn decode_record(
    store: &dyn Store,
    id: ExecutionId,
    seq: u32,
    written: &[u8],
) -> Result<(Vec<HistoryEvent>, Option<Execution>), Error> {
    let mut records = Records::of(store, id);
    let plain = records.plain(seq, written)?;
    Ok((crate::record::decode_events(&plain)?, decode_snapshot(&plain)?))
}
