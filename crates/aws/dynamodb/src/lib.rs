//! The DynamoDB door: requests of any AWS SDK in, DynamoDB's answers out.
//!
//! ```text
//!            Request ──> Dynamo::handle ──┬─ Embedded / Memory: operations ──> worker (one thread, group commit) ──> dynoxide ──> SQLite
//!                                         └─ Forward: forward ──> another DynamoDB endpoint, unchanged
//! ```
//!
//! What DynamoDB *means* is `dynoxide`'s business; this crate owns what is around it: which operations are served,
//! how requests and errors look on the wire, on which thread the synchronous calls run and when an answer may leave
//! (after its write is on the disk, never before). The embedded data is one SQLite file of its own, which ordinary
//! tools can open while nothing runs.
//!
//! Not known here: sockets of our own port, signatures (the composition root decides whom it trusts), and the other
//! AWS doors.

mod error;
mod forward;
mod operations;
mod table;
mod wire;
mod worker;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use aws_protocol::{Home, Request, Response};
use http::StatusCode;
use tokio::sync::watch;

pub use error::Error;

/// DynamoDB's own limit for the body of a request: 16 MiB, the size of a full BatchWriteItem.
const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Where the tables are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// In one SQLite file, made when it is missing. Its folder must exist.
    Embedded(PathBuf),
    /// In memory, gone with the process.
    Memory,
    /// At another endpoint (DynamoDB Local, ScyllaDB Alternator, a proxy in front of AWS): `http://HOST[:PORT]`.
    Forward(String),
}

/// An open DynamoDB. Dropping it waits for the requests already accepted and closes the file.
pub struct Dynamo {
    place: Place,
}

enum Place {
    Here(worker::Worker),
    There(forward::Upstream),
}

impl Dynamo {
    /// Opens the backend; `home` is the account and region that the ARNs in the answers name.
    ///
    /// A `Forward` endpoint is not contacted yet: it may start after us.
    pub fn open(backend: Backend, home: &Home) -> Result<Dynamo, Error> {
        let place = match backend {
            Backend::Forward(url) => Place::There(forward::Upstream::parse(&url)?),
            Backend::Embedded(path) => Place::Here(worker::Worker::start(worker::Store::File(path), home)?),
            Backend::Memory => Place::Here(worker::Worker::start(worker::Store::Memory, home)?),
        };
        Ok(Dynamo { place })
    }

    /// Becomes a text when the embedded tables cannot go on: the file could not be flushed. Every request is refused then;
    /// only a new process reads again what is durable.
    pub fn fatal(&self) -> watch::Receiver<Option<String>> {
        match &self.place {
            Place::Here(worker) => worker.fatal.clone(),
            Place::There(_) => watch::channel(None).1,
        }
    }

    /// Answers one request. Every failure is an answer too. Dropping the future does not take back a write that was
    /// already handed to the store.
    pub async fn handle(&self, request: Request) -> Response {
        match &self.place {
            Place::Here(worker) => serve(worker, request).await,
            Place::There(upstream) => upstream.forward(request).await,
        }
    }

    /// Makes the table of a CreateTable request, or finds that it is there with the same key.
    ///
    /// A table that is there keeps its items. Its global indexes and its stream are changed to what is wanted; another key
    /// or other local indexes are refused, because they would need another table.
    pub async fn ensure_table(&self, create_table_request: &serde_json::Value) -> Result<(), Error> {
        table::ensure(self, create_table_request).await
    }

    /// Removes a table with its items, if it is there.
    pub async fn remove_table(&self, name: &str) -> Result<(), Error> {
        table::remove(self, name).await
    }
}

async fn serve(worker: &worker::Worker, request: Request) -> Response {
    if request.body().len() > REQUEST_BYTES_MAX {
        return wire::refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            "com.amazon.coral.service#RequestEntityTooLargeException",
            &format!("The request has {} bytes; DynamoDB takes {REQUEST_BYTES_MAX}.", request.body().len()),
        );
    }
    let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    match operations::find(target) {
        Some(operation) => worker.run(operation, request.into_body()).await,
        None => wire::refuse(
            StatusCode::BAD_REQUEST,
            "com.amazon.coral.service#UnknownOperationException",
            &operations::not_served(target),
        ),
    }
}
