//! Objects in buckets: where a distributed Map reads its items and writes its results.
//!
//! ```text
//!   items::Items  ── an iterator of items ──┐              ┌── results::Writer  manifest.json, SUCCEEDED_0.json ...
//!     JSON, JSON Lines, CSV, listings,      │              │
//!     inventories, manifests; gzip          v              v
//!                                        trait ObjectStore
//!                                          │            │
//!                                       Folder       Endpoint
//!                                  a directory       S3's REST protocol, signed
//! ```
//!
//! Everything here is blocking and pulled: whoever wants the next item asks for it, and memory holds one item and one
//! chunk of its object. An async caller gives it a thread of its own (`tokio::task::spawn_blocking`). Decoding is apart
//! from fetching: it takes any `Read`.
//!
//! This crate knows neither executions nor the Amazon States Language, does not retry, and keeps nothing.

mod endpoint;
mod error;
mod folder;
pub mod items;
pub mod limits;
pub mod results;

use std::io::Read;

use bytes::Bytes;

pub use aws_client::Credentials;
pub use endpoint::{Endpoint, EndpointOptions};
pub use error::Error;
pub use folder::{About, Bucket, Folder, KEPT, Part, Said, Unfinished, Upload};

/// Where an object is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    pub bucket: String,
    pub key: String,
    /// A version other than the newest, where the store keeps versions.
    pub version_id: Option<String>,
    /// The account that the bucket must belong to.
    pub expected_bucket_owner: Option<String>,
}

impl Address {
    pub fn new(bucket: impl Into<String>, key: impl Into<String>) -> Address {
        Address { bucket: bucket.into(), key: key.into(), ..Address::default() }
    }

    /// As `Map.Item.Source` of the context object has it.
    pub fn uri(&self) -> String {
        format!("S3://{}/{}", self.bucket, self.key)
    }
}

/// An object that is being read.
pub struct Object {
    /// In bytes, as stored.
    pub size: u64,
    /// `Content-Encoding`, if the store keeps one.
    pub encoding: Option<String>,
    pub body: Box<dyn Read + Send>,
}

/// An object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    /// With the quotation marks that belong to it.
    pub etag: String,
    /// In bytes.
    pub size: u64,
    /// Seconds since 1970.
    pub last_modified: i64,
    pub storage_class: String,
}

/// Which objects of a bucket to list.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    pub bucket: String,
    /// Only keys that begin so.
    pub prefix: String,
    /// Only keys after this one.
    pub start_after: String,
    pub expected_bucket_owner: Option<String>,
}

/// The entries of a listing, fetched as they are asked for. Nothing follows an error.
pub type Entries = Box<dyn Iterator<Item = Result<Entry, Error>> + Send>;

/// Where objects are kept.
///
/// An implementer owes: objects appear whole or not at all; a listing ascends by the bytes of the keys; what is missing
/// is [`Error::Refused`] with S3's code (`NoSuchKey`, `NoSuchBucket`). Calls block, so no async worker may make them.
pub trait ObjectStore: Send + Sync {
    fn get(&self, address: &Address) -> Result<Object, Error>;
    fn list(&self, listing: &Listing) -> Result<Entries, Error>;
    /// Writes over what was there.
    fn put(&self, address: &Address, body: Bytes, content_type: &str) -> Result<(), Error>;
    /// Makes a bucket, or finds that it is there.
    fn create_bucket(&self, name: &str) -> Result<(), Error>;
    /// What is not there is deleted already.
    fn delete(&self, address: &Address) -> Result<(), Error>;
}
