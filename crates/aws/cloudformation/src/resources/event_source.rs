//! `AWS::Lambda::EventSourceMapping`: a queue whose messages a function gets. Streams are not read here.

use super::{Build, Type};
use crate::plan::EventSource;
use crate::properties::{NO_EFFECT, Properties, Property, ignored, served, unsupported};
use crate::scope::Identity;
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::Lambda::EventSourceMapping",
    summary: "a queue whose messages a function gets",
    reference: |site, mapping| crate::names::made_up_uuid(site, &mapping.logical_id),
    attributes: &[
        super::Attribute { name: "Id", value: |site, mapping| mapping.reference(site) },
        super::Attribute {
            name: "EventSourceMappingArn",
            value: |site, mapping| {
                let id = mapping.reference(site);
                crate::names::arn(site, "lambda", &format!("event-source-mapping:{id}"))
            },
        },
    ],
    properties: PROPERTIES,
    build,
    ..Type::PLAIN
};

/// AWS's limit where no window is given.
pub(super) const BATCH_MAX: u32 = 10_000;
const BATCH_DEFAULT: u32 = 10;

const PROPERTIES: &[Property] = &[
    served("BatchSize"),
    served("Enabled"),
    served("EventSourceArn"),
    served("FunctionName"),
    served("FunctionResponseTypes"),
    ignored("KmsKeyArn", NO_EFFECT),
    ignored("MaximumBatchingWindowInSeconds", "messages are handed over at once"),
    ignored("MetricsConfig", NO_EFFECT),
    ignored("ScalingConfig", "ten batches are under way at most"),
    ignored("Tags", NO_EFFECT),
    unsupported("FilterCriteria", "look at the message in the function"),
    unsupported("AmazonManagedKafkaEventSourceConfig", "there is no Kafka here"),
    unsupported("BisectBatchOnFunctionError", "streams are not read here"),
    unsupported("DestinationConfig", "give the queue a RedrivePolicy"),
    unsupported("DocumentDBEventSourceConfig", "there is no DocumentDB here"),
    unsupported("MaximumRecordAgeInSeconds", "streams are not read here"),
    unsupported("MaximumRetryAttempts", "give the queue a RedrivePolicy"),
    unsupported("ParallelizationFactor", "streams are not read here"),
    unsupported("Queues", "there is no message broker here"),
    unsupported("SelfManagedEventSource", "there is no Kafka here"),
    unsupported("SelfManagedKafkaEventSourceConfig", "there is no Kafka here"),
    unsupported("SourceAccessConfigurations", "there is no message broker here"),
    unsupported("StartingPosition", "streams are not read here"),
    unsupported("StartingPositionTimestamp", "streams are not read here"),
    unsupported("Topics", "there is no Kafka here"),
    unsupported("TumblingWindowInSeconds", "streams are not read here"),
];

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    let function = properties.required_text("FunctionName");
    let function = function.map(|name| match name.starts_with("arn:") {
        true => name,
        false => crate::names::arn(&build.scope.site, "lambda", &format!("function:{name}")),
    });
    let source = properties.required_text("EventSourceArn");
    if let (Some(source), Some(function)) = (source, function) {
        push(build, &properties, "EventSourceArn", source, function);
    }
}

/// What a mapping and a SAM event of a queue have in common.
pub(super) fn push(
    build: &mut Build<'_>,
    properties: &Properties<'_>,
    source_property: &str,
    queue_arn: String,
    function_arn: String,
) {
    if queue_arn.split(':').nth(2) != Some("sqs") {
        let message = format!("{queue_arn} is no queue: functions get messages of queues only here");
        build.scope.report.unsupported(
            properties.place(source_property),
            message,
            "invoke the function in another way",
        );
        return;
    }
    if properties.flag("Enabled") == Some(false) {
        return;
    }
    let reported = properties.texts("FunctionResponseTypes").unwrap_or_default();
    build.plan.event_sources.push(EventSource {
        queue_arn,
        function_arn,
        batch_max: properties.number("BatchSize", 1..=BATCH_MAX).unwrap_or(BATCH_DEFAULT),
        reports_failures: reported.iter().any(|kind| kind == "ReportBatchItemFailures"),
        at: properties.at,
    });
}
