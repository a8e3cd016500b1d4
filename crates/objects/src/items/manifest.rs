//! Manifests: objects that say which objects hold the items.
//!
//! An S3 inventory's is a JSON text with the columns and the names of its CSV files. Athena's, of an `UNLOAD` query, is a
//! CSV whose first column is the files' URIs.

use std::io::Read;
use std::sync::Arc;

use serde_json::Value;

use super::config::{Format, Headers, InputType, ReaderConfig};
use super::csv::FirstFields;
use super::{Chain, Rows, input};
use crate::limits::MANIFEST_BYTES_MAX;
use crate::{Address, Error, ObjectStore};

pub(super) fn inventory(store: Arc<dyn ObjectStore>, address: &Address, config: &ReaderConfig) -> Result<Rows, Error> {
    let uri = address.uri();
    let broken = |reason: &str| Error::data(&uri, format!("it is not the manifest of an S3 inventory: {reason}"));
    let manifest = whole(&*store, address)?;
    let manifest: Value = serde_json::from_slice(&manifest).map_err(|error| broken(&error.to_string()))?;
    match manifest["fileFormat"].as_str() {
        Some("CSV") => {}
        Some(other) => return Err(broken(&format!("the fileFormat must be CSV, but is {other}"))),
        None => return Err(broken("it has no fileFormat")),
    }
    let schema = manifest["fileSchema"].as_str().ok_or_else(|| broken("it has no fileSchema"))?;
    let headers = match &config.csv_headers {
        Some(headers) => headers.clone(),
        None => Headers::Given(schema.split(',').map(|name| name.trim().to_owned()).collect()),
    };
    let bucket = manifest["destinationBucket"].as_str().map(bucket_name).unwrap_or(&address.bucket);
    let files = manifest["files"].as_array().ok_or_else(|| broken("it has no files"))?;
    let keys: Option<Vec<&str>> = files.iter().map(|file| file["key"].as_str()).collect();
    let keys = keys.ok_or_else(|| broken("one of its files has no key"))?;
    let files: Vec<Address> = keys.into_iter().map(|key| beside(address, bucket, key)).collect();
    let format = Format::Csv { delimiter: config.delimiter(), headers };
    Ok(Box::new(Chain { store, addresses: Box::new(files.into_iter().map(Ok)), format, current: None }))
}

/// The name in `arn:aws:s3:::NAME`, or what was there already.
fn bucket_name(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

pub(super) fn athena(store: Arc<dyn ObjectStore>, address: &Address, config: &ReaderConfig) -> Result<Rows, Error> {
    // Whether its files can be read is said before the manifest is.
    let format = config.format()?;
    debug_assert!(config.input_type != Some(InputType::Json), "a manifest's type has been looked at");
    let uri = address.uri();
    let object = store.get(address)?;
    let places = FirstFields::new(input::open(object.body, object.encoding.as_deref(), &uri)?);
    let address = address.clone();
    let addresses = places.filter(|place| !matches!(place, Ok(place) if place.is_empty())).map(move |place| {
        let place = place?;
        let (bucket, key) = place
            .strip_prefix("s3://")
            .and_then(|path| path.split_once('/'))
            .ok_or_else(|| Error::data(&uri, format!("it names `{place}`, which is not s3://BUCKET/KEY")))?;
        Ok(beside(&address, bucket, key))
    });
    Ok(Box::new(Chain { store, addresses: Box::new(addresses), format, current: None }))
}

/// Another object, of the same owner.
fn beside(address: &Address, bucket: &str, key: &str) -> Address {
    Address { expected_bucket_owner: address.expected_bucket_owner.clone(), ..Address::new(bucket, key) }
}

fn whole(store: &dyn ObjectStore, address: &Address) -> Result<Vec<u8>, Error> {
    let object = store.get(address)?;
    let mut bytes = Vec::new();
    let read = object.body.take(MANIFEST_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| Error::data(&address.uri(), format!("it cannot be read: {error}")))?;
    if bytes.len() as u64 > MANIFEST_BYTES_MAX {
        let reason = format!("it has more than the {MANIFEST_BYTES_MAX} bytes that a manifest may have");
        return Err(Error::data(&address.uri(), reason));
    }
    Ok(bytes)
}
