//! Events of SAM's functions that are messages: `SQS`, `SNS`.

use super::{Build, event_source, function};
use crate::plan::Subscription;
use crate::properties::{NO_EFFECT, Properties, Property, ignored, served, unsupported};
use crate::scope::Identity;

const QUEUE: &[Property] = &[
    served("BatchSize"),
    served("Enabled"),
    served("FunctionResponseTypes"),
    served("Queue"),
    ignored("MaximumBatchingWindowInSeconds", "messages are handed over at once"),
    ignored("MetricsConfig", NO_EFFECT),
    ignored("ScalingConfig", "ten batches are under way at most"),
    unsupported("FilterCriteria", "look at the message in the function"),
    unsupported("KmsKeyArn", "there are no keys here; remove it"),
];

const TOPIC: &[Property] = &[
    served("Topic"),
    ignored("RedrivePolicy", "what cannot be delivered stays in the outbox"),
    ignored("Region", NO_EFFECT),
    unsupported("FilterPolicy", "look at the message in the function"),
    unsupported("FilterPolicyScope", "look at the message in the function"),
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
        at: properties.at,
    });
}
