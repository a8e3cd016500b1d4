//! Events of SAM's functions that are messages: `SQS`, `SNS`, `DynamoDB`.

use super::{Build, event_source, function, sns_topic};
use crate::plan::Subscription;
use crate::properties::{NO_EFFECT, Properties, Property, ignored, served, unsupported};
use crate::scope::Identity;

const QUEUE: &[Property] = &[
    served("BatchSize"),
    served("Enabled"),
    served("FilterCriteria"),
    served("FunctionResponseTypes"),
    served("Queue"),
    ignored("MaximumBatchingWindowInSeconds", "messages are handed over at once"),
    ignored("MetricsConfig", NO_EFFECT),
    ignored("ScalingConfig", "ten batches are under way at most"),
    ignored("KmsKeyArn", NO_EFFECT),
];

const STREAM: &[Property] = &[
    served("BatchSize"),
    served("Enabled"),
    served("FilterCriteria"),
    served("FunctionResponseTypes"),
    served("MaximumRetryAttempts"),
    served("StartingPosition"),
    served("Stream"),
    ignored("BisectBatchOnFunctionError", "a batch is tried again whole"),
    ignored("KmsKeyArn", NO_EFFECT),
    ignored("MaximumBatchingWindowInSeconds", "messages are handed over at once"),
    ignored("MaximumRecordAgeInSeconds", "records are as old as the stream keeps them"),
    ignored("MetricsConfig", NO_EFFECT),
    ignored("ParallelizationFactor", "a stream has one batch under way"),
    unsupported("DestinationConfig", "catch the failure in the function"),
    unsupported("StartingPositionTimestamp", "begin with TRIM_HORIZON or LATEST"),
    unsupported("TumblingWindowInSeconds", "count in a table"),
];

const TOPIC: &[Property] = &[
    served("Topic"),
    ignored("RedrivePolicy", "what cannot be delivered stays in the outbox"),
    ignored("Region", NO_EFFECT),
    served("FilterPolicy"),
    served("FilterPolicyScope"),
    unsupported("SqsSubscription", "subscribe a queue, and give the function an event of that queue"),
];

/// Every message of a queue reaches the function.
pub(super) fn of_queue(build: &mut Build<'_>, identity: &Identity, frame: &Properties<'_>) {
    let properties = frame.require("Properties").and_then(|_| frame.nested("Properties", QUEUE));
    let Some(properties) = properties else { return };
    let Some(queue) = properties.required_text("Queue") else { return };
    let function = function::called_arn(&build.scope.site, identity);
    event_source::push(build, &properties, "Queue", queue, function);
}

/// Everything that is written to a table reaches the function.
pub(super) fn of_stream(build: &mut Build<'_>, identity: &Identity, frame: &Properties<'_>) {
    let properties = frame.require("Properties").and_then(|_| frame.nested("Properties", STREAM));
    let Some(properties) = properties else { return };
    let Some(stream) = properties.required_text("Stream") else { return };
    let function = function::called_arn(&build.scope.site, identity);
    event_source::push(build, &properties, "Stream", stream, function);
}

/// Every message that is published to a topic reaches the function.
pub(super) fn of_topic(build: &mut Build<'_>, identity: &Identity, frame: &Properties<'_>) {
    let properties = frame.require("Properties").and_then(|_| frame.nested("Properties", TOPIC));
    let Some(properties) = properties else { return };
    let Some(topic_arn) = properties.required_text("Topic") else { return };
    build.plan.subscriptions.push(Subscription {
        topic_arn,
        protocol: "lambda".to_owned(),
        endpoint: function::called_arn(&build.scope.site, identity),
        raw: false,
        filter: sns_topic::filter(&properties),
        filters_body: sns_topic::filters_body(&properties),
        at: properties.at,
    });
}
