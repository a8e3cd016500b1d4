//! `AWS::SQS::Queue`: where messages wait for whoever takes them.

use super::sns_topic::fifo;
use super::{Attribute, Build, Type};
use crate::plan::Queue;
use crate::properties::{NO_EFFECT, NO_PERMISSIONS, ignored, served};
use crate::scope::{Identity, Site, URL_SUFFIX};
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::SQS::Queue",
    summary: "a queue",
    named_by: Some("QueueName"),
    fifo_by: Some("FifoQueue"),
    name_max: 80,
    reference: url,
    attributes: &[
        Attribute { name: "Arn", value: arn },
        Attribute { name: "QueueName", value: |_, queue| queue.name.clone() },
        Attribute { name: "QueueUrl", value: url },
    ],
    properties: &[
        served("QueueName"),
        served("FifoQueue"),
        served("RedrivePolicy"),
        ignored("ContentBasedDeduplication", NO_EFFECT),
        ignored("DeduplicationScope", NO_EFFECT),
        ignored("DelaySeconds", "messages are delivered at once"),
        ignored("FifoThroughputLimit", NO_EFFECT),
        ignored("KmsDataKeyReusePeriodSeconds", NO_EFFECT),
        ignored("KmsMasterKeyId", NO_EFFECT),
        ignored("MaximumMessageSize", NO_EFFECT),
        ignored("MessageRetentionPeriod", "messages stay as long as the outbox keeps them"),
        ignored("ReceiveMessageWaitTimeSeconds", NO_EFFECT),
        ignored("RedriveAllowPolicy", NO_PERMISSIONS),
        ignored("SqsManagedSseEnabled", NO_EFFECT),
        ignored("Tags", NO_EFFECT),
        served("VisibilityTimeout"),
    ],
    build,
    ..Type::PLAIN
};

/// `Ref` of a queue is its address, as AWS has it; where SDKs really send is decided by their endpoint.
fn url(site: &Site, queue: &Identity) -> String {
    format!("https://sqs.{}.{URL_SUFFIX}/{}/{}", site.home.region, site.home.account, queue.name)
}

fn arn(site: &Site, queue: &Identity) -> String {
    crate::names::arn(site, "sqs", &queue.name)
}

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    fifo(&properties, "FifoQueue", "QueueName", &identity.name);
    let redrive = properties.node("RedrivePolicy").map(crate::node::Node::json).unwrap_or_default();
    let receives_max = &redrive["maxReceiveCount"];
    let receives_max = receives_max.as_u64().or_else(|| receives_max.as_str()?.parse().ok());
    build.plan.queues.push(Queue {
        logical_id: identity.logical_id.clone(),
        name: identity.name.clone(),
        arn: arn(&build.scope.site, identity),
        url: url(&build.scope.site, identity),
        at: resource.at,
        dead_letters: redrive["deadLetterTargetArn"].as_str().map(str::to_owned),
        visibility_seconds: properties.number("VisibilityTimeout", 0..=43_200).unwrap_or(30),
        receives_max: receives_max.and_then(|count| u32::try_from(count).ok()),
    });
}
