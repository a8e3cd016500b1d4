//! The objects that were there when a case was recorded, for ItemReaders, and where results go: buckets in memory.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use engine::{ReadItems, Reader, WriteResults};
use interpreter::{Failure, Payload};
use objects::items::{Action, ReaderConfig};
use objects::results::{Destination, Outcome, Status, Writer, WriterConfig};
use objects::{Address, Entries, Entry, Error, Listing, Object, ObjectStore};
use serde_json::{Map, Value};

use crate::case::Case;

pub struct Objects {
    store: Arc<Buckets>,
    reader: Reader,
}

/// Bodies by bucket and key. A bucket that nobody named is there, and empty.
#[derive(Default)]
struct Buckets(Mutex<BTreeMap<(String, String), Bytes>>);

impl Objects {
    pub fn new(case: &Case, reader: Reader) -> Objects {
        let entry = |object: &crate::case::S3Object| {
            ((object.bucket.clone(), object.key.clone()), Bytes::from(object.body.clone()))
        };
        let buckets = case.s3_objects.iter().map(entry).collect();
        Objects { store: Arc::new(Buckets(Mutex::new(buckets))), reader }
    }

    /// All items of a reader.
    pub fn read(&self, order: &ReadItems) -> Result<Vec<Payload>, Failure> {
        self.items(order).map_err(|error| Failure::new("States.ItemReaderFailed", error.to_string()))
    }

    fn items(&self, order: &ReadItems) -> Result<Vec<Payload>, Error> {
        let action = Action::of_resource(&order.resource).expect("INVARIANT: a parsed ItemReader has an action");
        let mut config: Map<String, Value> = order.config.clone();
        if let Some(most) = order.max_items {
            config.insert("MaxItems".into(), most.into());
        }
        let config = ReaderConfig::parse(&Value::Object(config))?;
        let items = objects::items::read(self.store.clone(), action, order.parameters.value(), &config)?;
        items.map(|item| item.map(|item| Payload::from_checked_text(item.input()))).collect()
    }

    /// Writes the results of a Map Run.
    pub fn written(&self, order: &WriteResults) -> Result<Payload, Failure> {
        self.write(order).map_err(|why| Failure::new("States.ResultWriterFailed", why))
    }

    fn write(&self, order: &WriteResults) -> Result<Payload, String> {
        let config = WriterConfig::parse(&Value::Object(order.writer.config.clone())).map_err(|it| it.to_string())?;
        let destination = Destination::parse(order.writer.parameters.value()).map_err(|error| error.to_string())?;
        let mut writer = Writer::new(self.store.clone(), destination, config, &*order.arn);
        let all = self.reader.map_run_executions(order.run, None, 0, usize::MAX).map_err(|error| error.to_string())?;
        for execution in all.0 {
            let described = self.reader.describe(&execution.execution_arn).map_err(|error| error.to_string())?;
            let Some(it) = described else { continue };
            let failure = it.failure.unwrap_or_default();
            let outcome = Outcome {
                status: status(it.row.status),
                input: it.input.text(),
                output: it.output.as_ref().map(Payload::text),
                error: failure.error.as_deref(),
                cause: failure.cause.as_deref(),
                execution_arn: &it.execution_arn,
                state_machine_arn: &it.row.machine_arn,
                started_at: it.row.started_at.0,
                stopped_at: it.row.stopped_at.map_or(0, |at| at.0),
                redrive_count: it.row.redrive_count,
            };
            writer.push(&outcome).map_err(|error| error.to_string())?;
        }
        writer.finish().map(Payload::from_checked_text).map_err(|error| error.to_string())
    }
}

fn status(status: engine::ExecutionStatus) -> Status {
    match status {
        engine::ExecutionStatus::Running => Status::Pending,
        engine::ExecutionStatus::Succeeded => Status::Succeeded,
        engine::ExecutionStatus::Failed => Status::Failed,
        engine::ExecutionStatus::TimedOut => Status::TimedOut,
        engine::ExecutionStatus::Aborted => Status::Aborted,
    }
}

impl Buckets {
    fn all(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, String), Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ObjectStore for Buckets {
    fn get(&self, address: &Address) -> Result<Object, Error> {
        let found = self.all().get(&(address.bucket.clone(), address.key.clone())).cloned();
        let body = found.ok_or_else(|| Error::Refused {
            code: "NoSuchKey".into(),
            status: 404,
            message: "The specified key does not exist.".into(),
            request_id: "conformance".into(),
        })?;
        Ok(Object { size: body.len() as u64, encoding: None, body: Box::new(Cursor::new(body)) })
    }

    fn list(&self, listing: &Listing) -> Result<Entries, Error> {
        let is_listed = |bucket: &str, key: &str| {
            bucket == listing.bucket && key.starts_with(&listing.prefix) && *key > *listing.start_after
        };
        let all = self.all();
        let listed = all.iter().filter(|((bucket, key), _)| is_listed(bucket, key));
        let entry = |((_, key), body): (&(String, String), &Bytes)| {
            Ok(Entry {
                key: key.clone(),
                etag: format!("\"{}\"", key.len()),
                size: body.len() as u64,
                last_modified: 1_700_000_000,
                storage_class: "STANDARD".into(),
            })
        };
        let entries: Vec<Result<Entry, Error>> = listed.map(entry).collect();
        Ok(Box::new(entries.into_iter()))
    }

    fn put(&self, address: &Address, body: Bytes, _content_type: &str) -> Result<(), Error> {
        self.all().insert((address.bucket.clone(), address.key.clone()), body);
        Ok(())
    }

    fn create_bucket(&self, _name: &str) -> Result<(), Error> {
        Ok(())
    }

    fn delete(&self, address: &Address) -> Result<(), Error> {
        self.all().remove(&(address.bucket.clone(), address.key.clone()));
        Ok(())
    }
}
