//! Every bound of this crate, with where it comes from.

use std::time::Duration;

/// One item: "Step Functions supports reading an item of up to 8 MB" (developer guide, *ItemReader (Map)*).
pub const ITEM_BYTES_MAX: usize = 8 * 1024 * 1024;

/// One object, after decompression: "10 GB as the maximum size of an individual file" (*ItemReader (Map)*).
pub const OBJECT_BYTES_MAX: u64 = 10 * 1024 * 1024 * 1024;

/// "a limit of up to 100,000,000 after which the Distributed Map stops reading items" (*ItemReader (Map)*).
pub const ITEMS_MAX: u64 = 100_000_000;

/// "Step Functions supports CSV headers of up to 10 KiB" (*ItemReader (Map)*).
pub const CSV_HEADER_BYTES_MAX: usize = 10 * 1024;

/// Ours: an inventory manifest names its files with some 200 bytes each, so this is a quarter of a million files.
pub const MANIFEST_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Ours, where AWS has 5 GB: a file of results is held in memory until it is written, one of each kind. The manifest
/// names all files, however many there are.
pub const RESULT_FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The longest key of an object in UTF-8 (S3, *Naming objects*).
pub const KEY_BYTES_MAX: usize = 1024;

/// The longest name of a file on Linux; a key with a longer part lies apart.
pub const NAME_BYTES_MAX: usize = 255;

/// Parts of a multipart upload (S3, *Multipart upload limits*): all but the last have 5 MiB at least.
pub const PART_NUMBER_MAX: u32 = 10_000;
pub const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;

/// Ours: multipart uploads of a bucket that are open at the same time.
pub const UPLOADS_MAX: usize = 1000;

/// Ours: how deep the folders of a bucket may be nested. A key of the longest length has no more parts.
pub const FOLDER_DEPTH_MAX: usize = KEY_BYTES_MAX / 2;

/// What is read at once from an object.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// A page of a listing and an error are XML of this size at most: 1,000 keys of 1,024 bytes, each byte escaped to
/// three, and as much again for what is around them.
pub const XML_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The wait for an answer and for each piece of a body: what AWS's SDKs wait by default.
pub const SILENCE_MAX: Duration = Duration::from_secs(60);
