//! `AWS::Lambda::EventSourceMapping`: a queue whose messages a function gets, or a stream of what is written to a table.

use aws_patterns::Pattern;
use serde_json::Value as Json;

use super::{Build, Type};
use crate::plan::EventSource;
use crate::properties::{NO_EFFECT, Properties, Property, ignored, served, unsupported};
use crate::scope::Identity;
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::Lambda::EventSourceMapping",
    summary: "a queue or a table's stream whose messages a function gets",
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
const STREAM_BATCH_DEFAULT: u32 = 100;

const PROPERTIES: &[Property] = &[
    served("BatchSize"),
    served("Enabled"),
    served("EventSourceArn"),
    served("FilterCriteria"),
    served("FunctionName"),
    served("FunctionResponseTypes"),
    served("MaximumRetryAttempts"),
    served("StartingPosition"),
    ignored("BisectBatchOnFunctionError", "a batch is tried again whole"),
    ignored("KmsKeyArn", NO_EFFECT),
    ignored("MaximumBatchingWindowInSeconds", "messages are handed over at once"),
    ignored("MaximumRecordAgeInSeconds", "records are as old as the stream keeps them"),
    ignored("MetricsConfig", NO_EFFECT),
    ignored("ParallelizationFactor", "a stream has one batch under way"),
    ignored("ScalingConfig", "ten batches are under way at most"),
    ignored("Tags", NO_EFFECT),
    unsupported("AmazonManagedKafkaEventSourceConfig", "there is no Kafka here"),
    unsupported("DestinationConfig", "give the queue a RedrivePolicy, or catch the failure in the function"),
    unsupported("DocumentDBEventSourceConfig", "there is no DocumentDB here"),
    unsupported("Queues", "there is no message broker here"),
    unsupported("SelfManagedEventSource", "there is no Kafka here"),
    unsupported("SelfManagedKafkaEventSourceConfig", "there is no Kafka here"),
    unsupported("SourceAccessConfigurations", "there is no message broker here"),
    unsupported("StartingPositionTimestamp", "begin with TRIM_HORIZON or LATEST"),
    unsupported("Topics", "there is no Kafka here"),
    unsupported("TumblingWindowInSeconds", "count in a table"),
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

/// What a mapping and SAM's events have in common.
pub(super) fn push(
    build: &mut Build<'_>,
    properties: &Properties<'_>,
    source_property: &str,
    source_arn: String,
    function_arn: String,
) {
    let service = source_arn.split(':').nth(2);
    let is_stream = service == Some("dynamodb") && source_arn.contains("/stream/");
    if service != Some("sqs") && !is_stream {
        let message = format!("functions get no messages of {source_arn} here: they get those of queues and tables");
        build.scope.report.unsupported(
            properties.place(source_property),
            message,
            "invoke the function in another way, or name the Arn of a queue or the StreamArn of a table",
        );
        return;
    }
    let from_the_oldest = match is_stream {
        true => properties.required_text("StartingPosition").is_some_and(|position| position != "LATEST"),
        false => false,
    };
    let filters = filters(properties);
    if properties.flag("Enabled") == Some(false) {
        return;
    }
    let reported = properties.texts("FunctionResponseTypes").unwrap_or_default();
    let batch_default = if is_stream { STREAM_BATCH_DEFAULT } else { BATCH_DEFAULT };
    let retries = properties.node("MaximumRetryAttempts").and_then(crate::node::Node::integer);
    build.plan.event_sources.push(EventSource {
        source_arn,
        function_arn,
        batch_max: properties.number("BatchSize", 1..=BATCH_MAX).unwrap_or(batch_default),
        reports_failures: reported.iter().any(|kind| kind == "ReportBatchItemFailures"),
        filters,
        from_the_oldest,
        // -1, the default, is for ever.
        tries_max: retries.and_then(|retries| u32::try_from(retries).ok()).map(|retries| retries.saturating_add(1)),
        at: properties.at,
    });
}

/// `FilterCriteria: { Filters: [{ Pattern: '{...}' }] }`, each pattern a text of JSON.
fn filters(properties: &Properties<'_>) -> Vec<Json> {
    let Some(criteria) = properties.nested("FilterCriteria", &[served("Filters")]) else { return Vec::new() };
    let mut patterns = Vec::new();
    for node in criteria.list("Filters").unwrap_or_default() {
        let entries = crate::template::entries_of(node.clone(), "a filter", properties.scope.report);
        let filter = Properties::read(properties.scope, "Filters", node.at, &entries, &[served("Pattern")]);
        let Some(text) = filter.required_text("Pattern") else { continue };
        let read = serde_json::from_str::<Json>(&text).map_err(|error| error.to_string());
        patterns.extend(read.map_or_else(
            |why| {
                filter.error("Pattern", format!("this is not JSON: {why}"), "write the pattern as a text of JSON");
                None
            },
            |pattern| checked(&filter, "Pattern", pattern),
        ));
    }
    patterns
}

/// A pattern, if it is one.
pub(super) fn checked(properties: &Properties<'_>, name: &str, pattern: Json) -> Option<Json> {
    match Pattern::parse(&pattern) {
        Ok(_) => Some(pattern),
        Err(why) => {
            properties.error(name, format!("the pattern cannot be read: {why}"), "correct it there");
            None
        }
    }
}
