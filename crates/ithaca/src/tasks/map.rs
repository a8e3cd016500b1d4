//! Items of distributed Maps out of objects, and results into objects.
//!
//! Reading and writing block, so each has a thread that may, when its turn has come. Items go to the engine piece by
//! piece, the next piece when the last one is durable: memory holds one piece, whatever the object is.

use std::sync::Arc;

use engine::{ExecutionStatus, Items, ReadItems, Reader, WriteResults, Written};
use interpreter::limits::PAYLOAD_BYTES_MAX;
use interpreter::{Failure, Payload};
use objects::items::{Action, ReaderConfig};
use objects::results::{Destination, Outcome, StateOutput, Status, Writer, WriterConfig};
use objects::{Error, ObjectStore};
use serde_json::Value;
use tokio::runtime::Handle;

use super::Shared;

/// Items given to the engine at once, about: it writes such a piece into one row.
const PIECE_BYTES: usize = 256 * 1024;

/// Executions whose results are looked up at once.
const RESULTS_PER_PAGE: usize = 1000;

pub async fn read(shared: &Shared, order: ReadItems, items: Items) {
    let (runtime, store) = (Handle::current(), shared.objects.clone());
    let work = move || match feed(&runtime, store, &order, &items) {
        Ok(Some(last)) => items.end(last),
        // Nobody wants more: the Map Run is over, and has nothing to be told.
        Ok(None) => {}
        Err(error) => items.fail(Failure::new("States.ItemReaderFailed", error.to_string())),
    };
    // A panic has dropped what it was to answer with.
    let _ = shared.object_streams.run(work).await;
}

/// Gives all items but the last piece, which is the answer; none if nobody wants it.
fn feed(
    runtime: &Handle,
    store: Arc<dyn ObjectStore>,
    order: &ReadItems,
    items: &Items,
) -> Result<Option<Vec<Payload>>, Error> {
    let action = Action::of_resource(&order.resource).ok_or_else(|| {
        Error::Configuration(format!("Ithaca does not read items from {}, but from s3", order.resource))
    })?;
    let mut config = order.config.clone();
    if let Some(most) = order.max_items {
        config.insert("MaxItems".into(), most.into());
    }
    let config = ReaderConfig::parse(&Value::Object(config))?;
    let (mut piece, mut bytes) = (Vec::new(), 0);
    for item in objects::items::read(store, action, order.parameters.value(), &config)? {
        let item = Payload::from_checked_text(item?.input());
        bytes += item.size();
        piece.push(item);
        if bytes >= PIECE_BYTES {
            bytes = 0;
            if !runtime.block_on(items.give(std::mem::take(&mut piece))) {
                return Ok(None);
            }
        }
    }
    Ok(Some(piece))
}

pub async fn write(shared: &Shared, order: WriteResults, written: Written) {
    let reader = match shared.front().await {
        Ok(front) => front.reader.clone(),
        // Dropped, it tells that writing was given up.
        Err(_) => return,
    };
    let store = shared.objects.clone();
    let work = move || match results(&reader, store, &order) {
        Ok(output) => written.succeed(Payload::from_checked_text(output)),
        Err(failure) => written.fail(failure),
    };
    // A panic has dropped what it was to answer with.
    let _ = shared.object_streams.run(work).await;
}

fn results(reader: &Reader, store: Arc<dyn ObjectStore>, order: &WriteResults) -> Result<String, Failure> {
    let config = WriterConfig::parse(&Value::Object(order.writer.config.clone())).map_err(|error| failed(&error))?;
    if order.writer.resource.is_none() {
        return inline(config, |push| for_each(reader, order, push));
    }
    let destination = Destination::parse(order.writer.parameters.value()).map_err(|error| failed(&error))?;
    let mut writer = Writer::new(store, destination, config, &*order.arn);
    for_each(reader, order, |result| writer.push(&result.outcome()).map_err(|error| failed(&error)))?;
    writer.finish().map_err(|error| failed(&error))
}

/// Without a place to write to, the results are the output of the state. Memory holds no more of them than that may have.
fn inline(
    config: WriterConfig,
    for_each: impl FnOnce(&mut dyn FnMut(Ended) -> Result<(), Failure>) -> Result<(), Failure>,
) -> Result<String, Failure> {
    let mut output = StateOutput::new(config);
    for_each(&mut |result| {
        output.push(&result.outcome()).map_err(|error| failed(&error))?;
        match output.bytes() > PAYLOAD_BYTES_MAX {
            true => Err(too_large()),
            false => Ok(()),
        }
    })?;
    Ok(output.finish())
}

/// One execution of the Map Run.
struct Ended {
    status: Status,
    input: Payload,
    output: Option<Payload>,
    failure: Failure,
    execution_arn: String,
    machine_arn: Arc<str>,
    started_at: i64,
    stopped_at: i64,
    redrive_count: u32,
}

impl Ended {
    fn outcome(&self) -> Outcome<'_> {
        Outcome {
            status: self.status,
            input: self.input.text(),
            output: self.output.as_ref().map(Payload::text),
            error: self.failure.error.as_deref(),
            cause: self.failure.cause.as_deref(),
            execution_arn: &self.execution_arn,
            state_machine_arn: &self.machine_arn,
            started_at: self.started_at,
            stopped_at: self.stopped_at,
            redrive_count: self.redrive_count,
        }
    }
}

/// Each execution of the Map Run, in the order of its items.
fn for_each(
    reader: &Reader,
    order: &WriteResults,
    mut act: impl FnMut(Ended) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let unreadable = |error: engine::Error| Failure::new("States.ResultWriterFailed", error.to_string());
    let mut from = 0;
    loop {
        let (page, next) = reader.map_run_executions(order.run, None, from, RESULTS_PER_PAGE).map_err(unreadable)?;
        for summary in page {
            let (output, failure) = reader.outcome(summary.id).map_err(unreadable)?;
            act(Ended {
                status: status(summary.row.status),
                input: reader.input(summary.id).map_err(unreadable)?,
                output,
                failure: failure.unwrap_or_default(),
                execution_arn: summary.execution_arn,
                machine_arn: summary.row.machine_arn,
                started_at: summary.row.started_at.0,
                stopped_at: summary.row.stopped_at.map_or(0, |at| at.0),
                redrive_count: summary.row.redrive_count,
            })?;
        }
        match next {
            Some(number) => from = number,
            None => return Ok(()),
        }
    }
}

fn status(status: ExecutionStatus) -> Status {
    match status {
        ExecutionStatus::Running => Status::Pending,
        ExecutionStatus::Succeeded => Status::Succeeded,
        ExecutionStatus::Failed => Status::Failed,
        ExecutionStatus::TimedOut => Status::TimedOut,
        ExecutionStatus::Aborted => Status::Aborted,
    }
}

fn failed(error: &Error) -> Failure {
    Failure::new("States.ResultWriterFailed", error.to_string())
}

fn too_large() -> Failure {
    let cause = "The results of the Map Run are larger than a payload may be: write them to S3 with a Resource.";
    Failure::new("States.DataLimitExceeded", cause)
}

#[cfg(test)]
mod tests {
    use objects::results::{OutputType, Transformation};

    use super::*;

    /// Of a thousand executions with large inputs no more are looked at than an output may hold.
    #[test]
    fn results_without_a_place_to_write_to_are_bounded() {
        let large = Payload::from_checked_text(format!("\"{}\"", "x".repeat(100_000)));
        let check = |status, transformation, expect: Result<usize, usize>| {
            let mut looked_at = 0;
            let config = WriterConfig { transformation, output_type: OutputType::Json };
            let output = inline(config, |push| {
                (0..1000).try_for_each(|_| {
                    looked_at += 1;
                    push(Ended {
                        status,
                        input: large.clone(),
                        output: (status == Status::Succeeded).then(|| Payload::from_checked_text("1")),
                        failure: Failure::default(),
                        execution_arn: "arn:e".to_owned(),
                        machine_arn: "arn:m".into(),
                        started_at: 0,
                        stopped_at: 0,
                        redrive_count: 0,
                    })
                })
            });
            let told = output.map(|output| output.len()).map_err(|failure| {
                assert_eq!(failure.error.as_deref(), Some("States.DataLimitExceeded"));
                looked_at
            });
            assert_eq!(told, expect, "{status:?}");
        };
        check(Status::Failed, Transformation::None, Err(3));
        check(Status::Succeeded, Transformation::None, Err(3));
        check(Status::Succeeded, Transformation::Compact, Ok(2001));
    }
}
