//! The items of a distributed Map's `ItemReader`: one at a time, each as compact JSON whose members have the order of
//! the source.
//!
//! ```text
//!   s3:getObject      JSON, JSONL, CSV          one object  ──────────────────────────> its items
//!                     MANIFEST, ATHENA_DATA     a manifest  ──> the objects it names ─> their items
//!   s3:listObjectsV2  NONE                      a listing   ──────────────────────────> its entries
//!                     LOAD_AND_FLATTEN          a listing   ──> its objects ──────────> their items
//! ```
//!
//! What was observed of AWS is said where it is done. Memory holds one item, one chunk of its object and the page of a
//! listing; an object that turns out broken halfway ends the items with an error after those that were good.

mod config;
mod csv;
mod input;
mod json;
mod lines;
mod manifest;

use std::borrow::Cow;
use std::io::{Cursor, Read};
use std::sync::Arc;

use serde_json::Value;

pub use config::{Action, Format, Headers, InputType, ManifestType, ReaderConfig, Transformation};

use crate::{Address, Entry, Error, Listing, ObjectStore};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// `Map.Item.Key` of the context object: only the members of a JSON object have one.
    pub key: Option<String>,
    /// `Map.Item.Value`: checked, compact JSON.
    pub value: String,
    /// `Map.Item.Source`: `S3://bucket/key`, or `S3://bucket` of a listing's entry.
    pub source: Arc<str>,
}

impl Item {
    /// The input of the child execution when there is no `ItemSelector`: the value, or for a member of an object the
    /// pair `{"Key": .., "Value": ..}` (observed).
    pub fn input(&self) -> Cow<'_, str> {
        match &self.key {
            None => Cow::Borrowed(&self.value),
            Some(key) => Cow::Owned(format!("{{\"Key\":{},\"Value\":{}}}", quoted(key), self.value)),
        }
    }
}

/// Items as a decoder gives them.
pub type Rows = Box<dyn Iterator<Item = Result<Item, Error>> + Send>;

/// The items, `MaxItems` of them at most. Nothing follows an error.
pub struct Items {
    rows: Rows,
    left: u64,
}

impl Items {
    fn new(rows: Rows, config: &ReaderConfig) -> Items {
        Items { rows: until_error(rows), left: config.limit() }
    }
}

impl Iterator for Items {
    type Item = Result<Item, Error>;

    fn next(&mut self) -> Option<Result<Item, Error>> {
        self.left = self.left.checked_sub(1)?;
        self.rows.next()
    }
}

/// Begins to read. `arguments` are the reader's evaluated `Parameters` or `Arguments`.
pub fn read(
    store: Arc<dyn ObjectStore>,
    action: Action,
    arguments: &Value,
    config: &ReaderConfig,
) -> Result<Items, Error> {
    let rows = match (action, config.transformation) {
        (Action::GetObject, Transformation::LoadAndFlatten) => {
            return Err(Error::configuration("the Transformation LOAD_AND_FLATTEN is for s3:listObjectsV2 only"));
        }
        (Action::GetObject, Transformation::None) => match config.manifest()? {
            None => object(&*store, &config::address(arguments)?, &config.format()?)?,
            Some(ManifestType::S3Inventory) => manifest::inventory(store, &config::address(arguments)?, config)?,
            Some(ManifestType::AthenaData) => manifest::athena(store, &config::address(arguments)?, config)?,
        },
        (Action::ListObjectsV2, Transformation::None) => entries(&*store, &config::listing(arguments)?)?,
        (Action::ListObjectsV2, Transformation::LoadAndFlatten) => {
            flattened(store, config::listing(arguments)?, config.format()?)?
        }
    };
    Ok(Items::new(rows, config))
}

/// The items of a text that stands for what `read` would fetch, as `mapItemReaderData` of TestState does.
pub fn of_text(text: &str, source: &str, config: &ReaderConfig) -> Result<Items, Error> {
    let body = Cursor::new(text.to_owned().into_bytes());
    let format = match config.input_type {
        // A listing as the array of its entries.
        None => Format::Json { pointer: String::new() },
        Some(_) => config.format()?,
    };
    Ok(Items::new(decode(Box::new(body), None, source, &format)?, config))
}

/// The items in the bytes of one object; nothing follows an error. Its name and encoding say whether it is compressed; so do its first bytes.
pub fn decode(
    body: Box<dyn Read + Send>,
    encoding: Option<&str>,
    source: &str,
    format: &Format,
) -> Result<Rows, Error> {
    let input = input::open(body, encoding, source)?;
    Ok(match format {
        Format::Json { pointer } => until_error(json::Members::new(input, pointer)?),
        Format::JsonLines => until_error(lines::Lines::new(input)),
        Format::Csv { delimiter, headers } => until_error(csv::Rows::new(input, *delimiter, headers)?),
    })
}

/// A decoder that has lost its way must not be asked again: it would answer with the same error for ever.
fn until_error(mut rows: impl Iterator<Item = Result<Item, Error>> + Send + 'static) -> Rows {
    let mut is_over = false;
    Box::new(std::iter::from_fn(move || {
        let item = if is_over { None } else { rows.next() };
        is_over = !matches!(item, Some(Ok(_)));
        item
    }))
}

fn object(store: &dyn ObjectStore, address: &Address, format: &Format) -> Result<Rows, Error> {
    let object = store.get(address)?;
    decode(object.body, object.encoding.as_deref(), &address.uri(), format)
}

fn entries(store: &dyn ObjectStore, listing: &Listing) -> Result<Rows, Error> {
    let source: Arc<str> = format!("S3://{}", listing.bucket).into();
    let entries = store.list(listing)?;
    Ok(Box::new(
        entries
            .map(move |entry| entry.map(|entry| Item { key: None, value: metadata(&entry), source: source.clone() })),
    ))
}

/// AWS's spelling (`Etag`), order, and `LastModified` as Java writes a number of seconds (observed: `1.789180622E9`).
fn metadata(entry: &Entry) -> String {
    let Entry { key, etag, size, last_modified, storage_class } = entry;
    format!(
        "{{\"Etag\":{},\"Key\":{},\"LastModified\":{},\"Size\":{size},\"StorageClass\":{}}}",
        quoted(etag),
        quoted(key),
        java_double(*last_modified),
        quoted(storage_class)
    )
}

/// As `Double.toString` writes a whole number: one digit before the point from ten million on.
fn java_double(whole: i64) -> String {
    if whole.unsigned_abs() < 10_000_000 {
        return format!("{whole}.0");
    }
    let digits = whole.unsigned_abs().to_string();
    let fraction = digits[1..].trim_end_matches('0');
    let sign = if whole < 0 { "-" } else { "" };
    let fraction = if fraction.is_empty() { "0" } else { fraction };
    format!("{sign}{}.{fraction}E{}", &digits[..1], digits.len() - 1)
}

/// The items of all objects in a listing. What stands for a folder in S3's console, an empty object whose key ends
/// with `/`, holds no items.
fn flattened(store: Arc<dyn ObjectStore>, listing: Listing, format: Format) -> Result<Rows, Error> {
    let owner = listing.expected_bucket_owner.clone();
    let entries = store.list(&listing)?;
    let addresses = entries.filter_map(move |entry| match entry {
        Ok(entry) if entry.size == 0 && entry.key.ends_with('/') => None,
        Ok(entry) => Some(Ok(Address {
            expected_bucket_owner: owner.clone(),
            ..Address::new(listing.bucket.clone(), entry.key)
        })),
        Err(error) => Some(Err(error)),
    });
    Ok(Box::new(Chain { store, addresses: Box::new(addresses), format, current: None }))
}

/// The items of many objects, one object after the other.
pub(crate) struct Chain {
    pub store: Arc<dyn ObjectStore>,
    pub addresses: Box<dyn Iterator<Item = Result<Address, Error>> + Send>,
    pub format: Format,
    pub current: Option<Rows>,
}

impl Iterator for Chain {
    type Item = Result<Item, Error>;

    fn next(&mut self) -> Option<Result<Item, Error>> {
        loop {
            if let Some(item) = self.current.as_mut().and_then(Iterator::next) {
                return Some(item);
            }
            let address = match self.addresses.next()? {
                Ok(address) => address,
                Err(error) => return Some(Err(error)),
            };
            match object(&*self.store, &address, &self.format) {
                Ok(rows) => self.current = Some(rows),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// A text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_as_java_writes_them() {
        let check = |whole: i64, expect: &str| assert_eq!(java_double(whole), expect);
        check(1_789_180_622, "1.789180622E9");
        check(1_700_000_000, "1.7E9");
        check(10_000_000, "1.0E7");
        check(9_999_999, "9999999.0");
        check(0, "0.0");
        check(-20_000_000, "-2.0E7");
    }
}
