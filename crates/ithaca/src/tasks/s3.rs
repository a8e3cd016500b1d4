//! `aws-sdk:s3`: objects of the same store in which distributed Maps read and write.
//!
//! A body is written as JSON, a text with its quotation marks, and is read as text: so does AWS. The store keeps no
//! metadata, so there is none in an answer.

use std::io::Read;
use std::sync::Arc;

use aws_client::time;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use interpreter::limits::PAYLOAD_BYTES_MAX;
use interpreter::{Failure, Payload};
use objects::{Address, Entry, Error, Listing, ObjectStore};
use serde_json::{Map, Value, json};

use super::sdk::{Refusal, Sdk};
use super::{Shared, bad_parameters, required};

const S3: Sdk = Sdk::Two("S3");

/// A page of a listing, S3's own limit.
const KEYS_MAX: usize = 1000;

type Run = fn(&dyn ObjectStore, &Value) -> Result<Value, Failure>;

/// Its name, what it does, and which members of its request it knows.
pub type Action = &'static (&'static str, Run, &'static [&'static str]);

const ACTIONS: &[(&str, Run, &[&str])] = &[
    ("getObject", get_object, &["VersionId"]),
    ("headObject", head_object, &["VersionId"]),
    ("putObject", put_object, &["Body", "ContentType"]),
    ("deleteObject", delete_object, &["VersionId"]),
    ("copyObject", copy_object, &["CopySource"]),
    ("listObjects", list_objects, &["Prefix", "Marker", "MaxKeys"]),
    ("listObjectsV2", list_objects_v2, &["Prefix", "StartAfter", "MaxKeys", "ContinuationToken"]),
];

pub fn find(action: &str) -> Option<Action> {
    ACTIONS.iter().find(|(name, ..)| *name == action)
}

pub async fn call(shared: &Shared, (name, run, knows): Action, parameters: &Value) -> Result<Payload, Failure> {
    check_members(name, parameters, knows)?;
    let (store, parameters) = (Arc::clone(&shared.objects), parameters.clone());
    let done = shared.object_calls.run(move || run(&*store, &parameters)).await;
    let members = done.map_err(|error| S3.unreachable(&error.to_string()))??;
    Ok(Payload::from_value(members))
}

/// A member that is not known would change what is asked for.
fn check_members(action: &str, parameters: &Value, knows: &[&str]) -> Result<(), Failure> {
    const ALL: &[&str] = &["Bucket", "Key", "ExpectedBucketOwner"];
    let Value::Object(members) = parameters else {
        return Err(bad_parameters(parameters, "Parameters must be an object"));
    };
    match members.keys().find(|name| !ALL.contains(&name.as_str()) && !knows.contains(&name.as_str())) {
        Some(unknown) => {
            Err(bad_parameters(parameters, &format!("Ithaca does not serve {unknown} of s3:{action}: leave it out")))
        }
        None => Ok(()),
    }
}

fn get_object(store: &dyn ObjectStore, parameters: &Value) -> Result<Value, Failure> {
    let address = address(parameters)?;
    let object = store.get(&address).map_err(|error| failure(&error))?;
    let mut body = Vec::new();
    // One byte more than a payload may have shows that it has too many, which the engine tells.
    let limit = PAYLOAD_BYTES_MAX as u64 + 1;
    object.body.take(limit).read_to_end(&mut body).map_err(|error| S3.unreachable(&error.to_string()))?;
    let mut members = head(store, &address, object.size)?;
    members.insert("Body".into(), String::from_utf8_lossy(&body).into());
    Ok(Value::Object(members))
}

fn head_object(store: &dyn ObjectStore, parameters: &Value) -> Result<Value, Failure> {
    let address = address(parameters)?;
    let size = store.get(&address).map_err(|error| failure(&error))?.size;
    head(store, &address, size).map(Value::Object)
}

/// What is told about an object.
fn head(store: &dyn ObjectStore, address: &Address, size: u64) -> Result<Map<String, Value>, Failure> {
    let mut members = Map::new();
    members.insert("AcceptRanges".into(), "bytes".into());
    members.insert("ContentLength".into(), size.into());
    members.insert("ContentType".into(), "binary/octet-stream".into());
    if let Some(entry) = entry_of(store, address)? {
        members.insert("ETag".into(), entry.etag.into());
        members.insert("LastModified".into(), time::iso(entry.last_modified * 1000).into());
    }
    members.insert("Metadata".into(), json!({}));
    Ok(members)
}

/// The entry of an object in the listing of its bucket.
fn entry_of(store: &dyn ObjectStore, address: &Address) -> Result<Option<Entry>, Failure> {
    let listing = Listing {
        bucket: address.bucket.clone(),
        prefix: address.key.clone(),
        expected_bucket_owner: address.expected_bucket_owner.clone(),
        ..Listing::default()
    };
    let first = store.list(&listing).map_err(|error| failure(&error))?.next();
    let first = first.transpose().map_err(|error| failure(&error))?;
    Ok(first.filter(|entry| entry.key == address.key))
}

fn put_object(store: &dyn ObjectStore, parameters: &Value) -> Result<Value, Failure> {
    let address = address(parameters)?;
    let body = match &parameters["Body"] {
        Value::Null => Bytes::new(),
        body => body.to_string().into(),
    };
    let checksum = STANDARD.encode(crc32fast::hash(&body).to_be_bytes());
    let content_type = parameters["ContentType"].as_str().unwrap_or("binary/octet-stream");
    store.put(&address, body, content_type).map_err(|error| failure(&error))?;
    let mut members = Map::new();
    members.insert("ChecksumCRC32".into(), checksum.into());
    members.insert("ChecksumType".into(), "FULL_OBJECT".into());
    if let Some(entry) = entry_of(store, &address)? {
        members.insert("ETag".into(), entry.etag.into());
    }
    Ok(Value::Object(members))
}

fn delete_object(store: &dyn ObjectStore, parameters: &Value) -> Result<Value, Failure> {
    store.delete(&address(parameters)?).map_err(|error| failure(&error))?;
    Ok(json!({}))
}

fn copy_object(store: &dyn ObjectStore, parameters: &Value) -> Result<Value, Failure> {
    /// As much as is put at once: S3 copies 5 GB, which would be held in memory here.
    const COPIED_BYTES_MAX: u64 = 64 * 1024 * 1024;
    let to = address(parameters)?;
    let source = required(parameters, "CopySource")?;
    let (bucket, key) = source.trim_start_matches('/').split_once('/').ok_or_else(|| {
        bad_parameters(parameters, "The value for the field 'CopySource' must be a bucket, a slash and a key")
    })?;
    let object = store.get(&Address::new(bucket, key)).map_err(|error| failure(&error))?;
    let too_large = || {
        bad_parameters(parameters, &format!("The object has more than the {COPIED_BYTES_MAX} bytes that Ithaca copies"))
    };
    if object.size > COPIED_BYTES_MAX {
        return Err(too_large());
    }
    let mut body = Vec::new();
    // An endpoint need not tell the size: one byte more than may be copied shows that there are too many.
    let limit = COPIED_BYTES_MAX + 1;
    object.body.take(limit).read_to_end(&mut body).map_err(|error| S3.unreachable(&error.to_string()))?;
    if body.len() as u64 > COPIED_BYTES_MAX {
        return Err(too_large());
    }
    store.put(&to, body.into(), "binary/octet-stream").map_err(|error| failure(&error))?;
    let entry = entry_of(store, &to)?;
    let result =
        entry.map(|entry| json!({ "ETag": entry.etag, "LastModified": time::iso(entry.last_modified * 1000) }));
    Ok(json!({ "CopyObjectResult": result }))
}

fn list_objects(store: &dyn ObjectStore, parameters: &Value) -> Result<Value, Failure> {
    let page = list(store, parameters, "Marker")?;
    let mut members = page.members(parameters);
    members["Marker"] = parameters["Marker"].as_str().unwrap_or_default().into();
    if let Some(last) = page.next {
        members["NextMarker"] = last.into();
    }
    Ok(members)
}

fn list_objects_v2(store: &dyn ObjectStore, parameters: &Value) -> Result<Value, Failure> {
    let begin = if parameters["ContinuationToken"].is_string() { "ContinuationToken" } else { "StartAfter" };
    let page = list(store, parameters, begin)?;
    let mut members = page.members(parameters);
    members["KeyCount"] = page.entries.len().into();
    if let Some(last) = page.next {
        members["NextContinuationToken"] = last.into();
    }
    Ok(members)
}

struct Page {
    entries: Vec<Entry>,
    keys_max: usize,
    /// The last key, if there are more.
    next: Option<String>,
}

/// A page of a listing, after the key that this member names.
fn list(store: &dyn ObjectStore, parameters: &Value, begin: &str) -> Result<Page, Failure> {
    let keys_max = parameters["MaxKeys"].as_u64().map_or(KEYS_MAX, |most| (most as usize).min(KEYS_MAX));
    let listing = Listing {
        bucket: required(parameters, "Bucket")?.to_owned(),
        prefix: parameters["Prefix"].as_str().unwrap_or_default().to_owned(),
        start_after: parameters[begin].as_str().unwrap_or_default().to_owned(),
        expected_bucket_owner: parameters["ExpectedBucketOwner"].as_str().map(str::to_owned),
    };
    let found = store.list(&listing).map_err(|error| failure(&error))?.take(keys_max + 1);
    let mut entries = found.collect::<Result<Vec<Entry>, Error>>().map_err(|error| failure(&error))?;
    let is_truncated = entries.len() > keys_max;
    entries.truncate(keys_max);
    let next = entries.last().filter(|_| is_truncated).map(|entry| entry.key.clone());
    Ok(Page { entries, keys_max, next })
}

impl Page {
    fn members(&self, parameters: &Value) -> Value {
        let content = |entry: &Entry| {
            json!({
                "ETag": entry.etag,
                "Key": entry.key,
                "LastModified": time::iso(entry.last_modified * 1000),
                "Size": entry.size,
                "StorageClass": entry.storage_class,
            })
        };
        let mut members = json!({
            "IsTruncated": self.next.is_some(),
            "MaxKeys": self.keys_max,
            "Name": parameters["Bucket"],
            "Prefix": parameters["Prefix"].as_str().unwrap_or_default(),
        });
        if !self.entries.is_empty() {
            members["Contents"] = self.entries.iter().map(content).collect();
        }
        members
    }
}

fn address(parameters: &Value) -> Result<Address, Failure> {
    Ok(Address {
        version_id: parameters["VersionId"].as_str().map(str::to_owned),
        expected_bucket_owner: parameters["ExpectedBucketOwner"].as_str().map(str::to_owned),
        ..Address::new(required(parameters, "Bucket")?, required(parameters, "Key")?)
    })
}

fn failure(error: &Error) -> Failure {
    match error {
        Error::Refused { code, status, message, request_id } => {
            let refusal = Refusal {
                code: code.clone(),
                message: message.clone(),
                status: *status,
                request_id: request_id.clone(),
                extended_request_id: None,
            };
            let service = aws_models::find("s3").expect("INVARIANT: the table has S3");
            // Its model has this one lately, the SDK of Step Functions has not.
            let exception = service.exception(code).filter(|_| code != "AccessDenied");
            S3.failure(&refusal, exception)
        }
        other => S3.unreachable(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The calls of one bucket, one after the other, with what each gives; times are left out.
    #[test]
    fn calls() {
        let root = std::env::temp_dir().join(format!("ithaca-s3-{}", std::process::id()));
        std::fs::create_dir_all(root.join("b")).unwrap();
        let store = objects::Folder::open(&root).unwrap();
        let check = |action: &str, parameters: Value, expect: Value| {
            let (_, run, knows) = find(action).unwrap();
            let done = check_members(action, &parameters, knows).and_then(|()| run(&store, &parameters));
            let mut shown = match done {
                Ok(members) => members,
                Err(failure) => json!([failure.error, failure.cause]),
            };
            for members in [&mut shown].into_iter().filter_map(Value::as_object_mut) {
                members.remove("LastModified");
                for content in members.get_mut("Contents").and_then(Value::as_array_mut).into_iter().flatten() {
                    content.as_object_mut().unwrap().remove("LastModified");
                }
                members.get_mut("CopyObjectResult").and_then(Value::as_object_mut).map(|it| it.remove("LastModified"));
            }
            assert_eq!(shown, expect, "{action} {parameters}");
        };
        let (text, is_false) = ("\"2b5df3712557f503a9977a8ea893b2c9\"", "\"68934a3e9455fa72420237eb05902327\"");
        let at = |key: &str| json!({ "Bucket": "b", "Key": key });
        let with = |mut it: Value, name: &str, value: Value| {
            it[name] = value;
            it
        };
        // Bodies, ETags and checksums as recorded on AWS.
        let put = |checksum: &str, etag: &str| json!({ "ChecksumCRC32": checksum, "ChecksumType": "FULL_OBJECT", "ETag": etag });
        check("putObject", with(at("k"), "Body", "text data".into()), put("KUmHvQ==", text));
        check("putObject", with(at("n/k"), "Body", false.into()), put("K81oMA==", is_false));
        let about = json!({
            "AcceptRanges": "bytes", "ContentLength": 11, "ContentType": "binary/octet-stream", "ETag": text, "Metadata": {},
        });
        check("headObject", at("k"), about.clone());
        check("getObject", at("k"), with(about, "Body", "\"text data\"".into()));
        check(
            "copyObject",
            with(at("k2"), "CopySource", "b/k".into()),
            json!({ "CopyObjectResult": { "ETag": text } }),
        );
        let content = |key: &str, size: u64, etag: &str| json!({ "ETag": etag, "Key": key, "Size": size, "StorageClass": "STANDARD" });
        check(
            "listObjectsV2",
            json!({ "Bucket": "b", "MaxKeys": 2 }),
            json!({
                "Contents": [content("k", 11, text), content("k2", 11, text)],
                "IsTruncated": true, "KeyCount": 2, "MaxKeys": 2, "Name": "b", "NextContinuationToken": "k2", "Prefix": "",
            }),
        );
        check(
            "listObjectsV2",
            json!({ "Bucket": "b", "ContinuationToken": "k2" }),
            json!({
                "Contents": [content("n/k", 5, is_false)],
                "IsTruncated": false, "KeyCount": 1, "MaxKeys": 1000, "Name": "b", "Prefix": "",
            }),
        );
        check("deleteObject", at("k"), json!({}));
        let refused = |error: &str, message: &str, status: u16| {
            json!([
                error,
                format!("{message} (Service: S3, Status Code: {status}, Request ID: local) (SDK Attempt Count: 1)")
            ])
        };
        check("getObject", at("k"), refused("S3.NoSuchKeyException", "The specified key does not exist.", 404));
        let none = refused("S3.NoSuchBucketException", "The specified bucket does not exist", 404);
        check("listObjects", json!({ "Bucket": "none" }), none);
        check(
            "getObject",
            with(at("k"), "Range", "bytes=0-1".into()),
            json!([
                "States.Runtime",
                "The Parameters '{\"Bucket\":\"b\",\"Key\":\"k\",\"Range\":\"bytes=0-1\"}' could not be used to start the Task: [Ithaca does not serve Range of s3:getObject: leave it out]"
            ]),
        );
        check(
            "getObject",
            json!({ "Bucket": "b" }),
            json!([
                "States.Runtime",
                "The Parameters '{\"Bucket\":\"b\"}' could not be used to start the Task: [The field \"Key\" is required but was missing]"
            ]),
        );
        std::fs::remove_dir_all(&root).unwrap();
    }

    /// An endpoint that does not tell the size of its objects, which are larger than what is copied.
    struct Endless;

    impl ObjectStore for Endless {
        fn get(&self, _address: &Address) -> Result<objects::Object, Error> {
            Ok(objects::Object { size: 0, encoding: None, body: Box::new(std::io::repeat(0)) })
        }

        fn list(&self, _listing: &Listing) -> Result<objects::Entries, Error> {
            Ok(Box::new(std::iter::empty()))
        }

        fn put(&self, _address: &Address, body: Bytes, _content_type: &str) -> Result<(), Error> {
            panic!("{} bytes of a larger object are stored", body.len())
        }

        fn delete(&self, _address: &Address) -> Result<(), Error> {
            panic!("nothing is deleted")
        }

        fn create_bucket(&self, bucket: &str) -> Result<(), Error> {
            panic!("the bucket {bucket} is made")
        }
    }

    #[test]
    fn no_part_of_an_object_is_copied() {
        let parameters = json!({ "Bucket": "b", "Key": "k", "CopySource": "b/large" });
        let cause = copy_object(&Endless, &parameters).unwrap_err().cause.unwrap();
        assert!(cause.contains("The object has more than the 67108864 bytes that Ithaca copies"), "{cause}");
    }
}
