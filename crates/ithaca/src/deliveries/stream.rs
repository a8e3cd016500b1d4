//! What is written to a table, on its way to a function: one batch after the other, in the order of the writes.
//!
//! A batch that fails is tried again, and what comes after it waits, as on AWS: that is how a stream keeps its order. It is asked for anew
//! four times a second, as AWS does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use aws_patterns::Pattern;
use bytes::Bytes;
use serde_json::{Value, json};

use super::{Delivery, Inner, Target, envelope, front};
use crate::front::Front;
use crate::log;

/// How long a stream without news is left alone, and one that cannot be read.
const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);
/// Between two tries of a batch: from the first to the last.
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(60);

pub struct StreamCourier {
    pub deliveries: Weak<Inner>,
    pub state: Arc<Mutex<Delivery>>,
}

impl StreamCourier {
    pub async fn work(self) {
        loop {
            let Some(front) = front(&self.deliveries) else { return };
            let read = self.deliver_some(&front).await;
            drop(front);
            match read {
                Ok(true) => {}
                Ok(false) => tokio::time::sleep(PAUSE).await,
                Err(why) => {
                    let arn = self.state().source.arn().to_owned();
                    let fields = [("stream", (&arn).into()), ("why", (&why).into())];
                    log::warn("deliveries", "a stream cannot be read", &fields);
                    tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                }
            }
        }
    }

    /// The next batch, until it is taken or given up. Whether there was one.
    async fn deliver_some(&self, front: &Arc<Front>) -> Result<bool, String> {
        let delivery = self.state().clone();
        let table = table_of(delivery.source.arn());
        let arn = stream_arn(front, table).await?;
        let Some(after) = delivery.sequence.clone() else {
            let newest = if delivery.from_the_oldest { String::new() } else { newest(front, &arn).await? };
            self.state().sequence = Some(newest);
            self.tell();
            return Ok(true);
        };
        let mut records = read(front, &arn, &after, delivery.batch_max).await?;
        let Some(last) = records.last().map(sequence) else { return Ok(false) };
        records.iter_mut().for_each(|record| record["eventSourceARN"] = arn.as_str().into());
        let patterns: Vec<Pattern> = delivery.patterns();
        records.retain(|record| patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(record)));
        self.hand_over(front, &delivery, records).await;
        self.state().sequence = Some(last);
        self.tell();
        Ok(true)
    }

    async fn hand_over(&self, front: &Arc<Front>, delivery: &Delivery, mut records: Vec<Value>) {
        let Target::Function { arn, reports_failures } = &delivery.target else { return };
        let mut pause = RETRY_MIN;
        for tries in 1.. {
            if records.is_empty() {
                return;
            }
            let event = json!({ "Records": records }).to_string();
            let failed = match super::call(front, arn, event, records.len()).await {
                Some(answer) if *reports_failures => envelope::failures(&answer),
                Some(_) => return,
                None => None,
            };
            if let Some(failed) = &failed {
                // From the first that failed on: what comes after it is to be tried again too.
                match records.iter().position(|record| failed.contains(&sequence(record))) {
                    Some(at) => drop(records.drain(..at)),
                    None if failed.is_empty() => return,
                    None => {}
                }
            }
            if delivery.receives_max.is_some_and(|most| tries >= most) {
                let what = [("function", arn.into()), ("records", (records.len() as u64).into())];
                log::warn("deliveries", "records of a stream were given up", &what);
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY_MAX);
        }
    }

    fn tell(&self) {
        if let Some(deliveries) = self.deliveries.upgrade() {
            deliveries.changed.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, Delivery> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/stream/LABEL`
fn table_of(arn: &str) -> &str {
    arn.split('/').nth(1).unwrap_or_default()
}

fn sequence(record: &Value) -> String {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default().to_owned()
}

async fn stream_arn(front: &Front, table: &str) -> Result<String, String> {
    let described = call(front, "DynamoDB_20120810.DescribeTable", json!({ "TableName": table })).await?;
    let arn = described["Table"]["LatestStreamArn"].as_str();
    arn.map(str::to_owned).ok_or_else(|| format!("the table {table} has no stream: give it a StreamSpecification"))
}

/// Records after a sequence number; after an empty one from the oldest on.
async fn read(front: &Front, arn: &str, after: &str, limit: usize) -> Result<Vec<Value>, String> {
    let described = call(front, "DynamoDBStreams_20120810.DescribeStream", json!({ "StreamArn": arn })).await?;
    let shards = described["StreamDescription"]["Shards"].as_array().cloned().unwrap_or_default();
    let mut records = Vec::new();
    for shard in shards {
        let mut asked = json!({ "StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON" });
        if !after.is_empty() {
            asked["ShardIteratorType"] = "AFTER_SEQUENCE_NUMBER".into();
            asked["SequenceNumber"] = after.into();
        }
        let iterator = call(front, "DynamoDBStreams_20120810.GetShardIterator", asked).await?;
        let asked = json!({ "ShardIterator": iterator["ShardIterator"], "Limit": limit.min(1000) });
        let mut read = call(front, "DynamoDBStreams_20120810.GetRecords", asked).await?;
        records.extend(read["Records"].as_array_mut().map(std::mem::take).unwrap_or_default());
    }
    Ok(records)
}

/// The number of the newest record; empty if there is none.
async fn newest(front: &Front, arn: &str) -> Result<String, String> {
    let mut newest = String::new();
    loop {
        match read(front, arn, &newest, 1000).await?.last() {
            Some(record) => newest = sequence(record),
            None => return Ok(newest),
        }
    }
}

async fn call(front: &Front, target: &str, body: Value) -> Result<Value, String> {
    let request = http::Request::post("/").header("x-amz-target", target).body(Bytes::from(body.to_string()));
    let answer = front.dynamo.handle(request.map_err(|error| error.to_string())?).await;
    let value: Value = serde_json::from_slice(answer.body()).map_err(|error| error.to_string())?;
    if answer.status().is_success() { Ok(value) } else { Err(format!("{target}: {value}")) }
}
