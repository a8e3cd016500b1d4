//! `AWS::SNS::Topic` and `AWS::SNS::Subscription`: where messages are published, and who is told of them.

use serde_json::Value as Json;

use super::{Attribute, Build, Type, event_source};
use crate::plan::{Subscription, Topic};
use crate::properties::{NO_EFFECT, NO_PERMISSIONS, Properties, Property, ignored, served, unsupported};
use crate::scope::{Identity, Site};
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::SNS::Topic",
    summary: "a topic",
    named_by: Some("TopicName"),
    fifo_by: Some("FifoTopic"),
    name_max: 256,
    reference: arn,
    attributes: &[
        Attribute { name: "TopicArn", value: arn },
        Attribute { name: "TopicName", value: |_, topic| topic.name.clone() },
    ],
    properties: &[
        served("TopicName"),
        served("FifoTopic"),
        served("Subscription"),
        ignored("ArchivePolicy", NO_EFFECT),
        ignored("ContentBasedDeduplication", NO_EFFECT),
        ignored("DataProtectionPolicy", NO_PERMISSIONS),
        ignored("DeliveryStatusLogging", NO_EFFECT),
        ignored("DisplayName", NO_EFFECT),
        ignored("FifoThroughputScope", NO_EFFECT),
        ignored("KmsMasterKeyId", NO_EFFECT),
        ignored("SignatureVersion", NO_EFFECT),
        ignored("Tags", NO_EFFECT),
        ignored("TracingConfig", NO_EFFECT),
    ],
    build: topic,
    ..Type::PLAIN
};

pub(super) const SUBSCRIPTION: Type = Type {
    name: "AWS::SNS::Subscription",
    summary: "a subscription of a topic",
    reference: |site, subscription| {
        let id = crate::names::made_up_id(site, &subscription.logical_id, 12);
        crate::names::arn(site, "sns", &format!("{}:{id}", subscription.name))
    },
    attributes: &[Attribute { name: "Arn", value: |site, subscription| subscription.reference(site) }],
    properties: &[
        served("Endpoint"),
        served("Protocol"),
        served("TopicArn"),
        served("RawMessageDelivery"),
        served("FilterPolicy"),
        served("FilterPolicyScope"),
        ignored("DeliveryPolicy", NO_EFFECT),
        ignored("RedrivePolicy", "what cannot be delivered stays in the outbox"),
        ignored("Region", NO_EFFECT),
        ignored("ReplayPolicy", NO_EFFECT),
        ignored("SubscriptionRoleArn", NO_PERMISSIONS),
    ],
    build: subscription,
    ..Type::PLAIN
};

/// What a topic's own list has of each.
const INLINE: &[Property] =
    &[served("Endpoint"), served("Protocol"), unsupported("TopicArn", "the topic is the one it stands in")];

pub(super) fn arn(site: &Site, topic: &Identity) -> String {
    crate::names::arn(site, "sns", &topic.name)
}

/// Only the names of those that keep an order end in .fifo. A name that is made up says nothing.
pub(super) fn fifo(properties: &Properties<'_>, flag: &str, name_property: &str, name: &str) {
    let fifo = properties.flag(flag).unwrap_or(false);
    if properties.node(name_property).is_none() || fifo == name.ends_with(".fifo") {
        return;
    }
    match fifo {
        true => properties.error(name_property, format!("with {flag} the name ends in .fifo"), "add .fifo to the name"),
        false => properties.error(
            name_property,
            "a name that ends in .fifo is of one that keeps an order",
            format!("add `{flag}: true`, or change the name"),
        ),
    }
}

fn topic(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    fifo(&properties, "FifoTopic", "TopicName", &identity.name);
    let arn = arn(&build.scope.site, identity);
    for node in properties.list("Subscription").unwrap_or_default() {
        let entries = crate::template::entries_of(node.clone(), "a subscription", build.scope.report);
        let inline = Properties::read(build.scope, "AWS::SNS::Topic.Subscription", node.at, &entries, INLINE);
        push(build, &inline, arn.clone());
    }
    build.plan.topics.push(Topic {
        logical_id: identity.logical_id.clone(),
        name: identity.name.clone(),
        arn,
        at: resource.at,
    });
}

fn subscription(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    let Some(topic_arn) = properties.required_text("TopicArn") else { return };
    push(build, &properties, topic_arn);
}

fn push(build: &mut Build<'_>, properties: &Properties<'_>, topic_arn: String) {
    let (Some(protocol), Some(endpoint)) = (properties.required_text("Protocol"), properties.required_text("Endpoint"))
    else {
        return;
    };
    if !matches!(protocol.as_str(), "lambda" | "sqs") {
        let message = format!("messages for {protocol} stay in the outbox: nothing is sent to {endpoint}");
        build.scope.report.note(properties.at, message);
    }
    build.plan.subscriptions.push(Subscription {
        topic_arn,
        protocol,
        endpoint,
        raw: properties.flag("RawMessageDelivery").unwrap_or(false),
        filter: filter(properties),
        filters_body: filters_body(properties),
        at: properties.at,
    });
}

/// The pattern of the messages that are meant.
pub(super) fn filter(properties: &Properties<'_>) -> Option<Json> {
    let policy = properties.node("FilterPolicy")?.json();
    event_source::checked(properties, "FilterPolicy", policy)
}

pub(super) fn filters_body(properties: &Properties<'_>) -> bool {
    properties.text("FilterPolicyScope").is_some_and(|scope| scope == "MessageBody")
}
