//! `AWS::Events::Rule` and `AWS::Scheduler::Schedule`: what fires on a schedule or by an event, and what it starts. SAM's
//! events of functions and state machines become the same.
//!
//! What is said of patterns, expressions and targets is handed on as the API takes it, and judged there.

use serde_json::{Map, Value as Json, json};

use super::{Attribute, Build, Type};
use crate::diagnostic::Position;
use crate::names;
use crate::plan::{self, Rule};
use crate::properties::{NO_EFFECT, NO_PERMISSIONS, Properties, Property, ignored, served, unsupported};
use crate::scope::{Identity, Scope, Site};
use crate::template::Resource;

/// AWS's limit of a rule's and a schedule's name.
const NAME_MAX: usize = 64;
const DEFAULT: &str = "default";

pub(super) const RULE: Type = Type {
    name: "AWS::Events::Rule",
    summary: "a rule: a schedule or a pattern of events, and what it starts",
    identify: Some(identify),
    name_max: 2 * NAME_MAX,
    attributes: &[Attribute { name: "Arn", value: rule_arn }],
    properties: RULE_PROPERTIES,
    build: build_rule,
    ..Type::PLAIN
};

pub(super) const SCHEDULE: Type = Type {
    name: "AWS::Scheduler::Schedule",
    summary: "a schedule of EventBridge Scheduler, in UTC",
    named_by: Some("Name"),
    name_max: NAME_MAX,
    attributes: &[Attribute { name: "Arn", value: |site, schedule| schedule_arn(site, DEFAULT, &schedule.name) }],
    properties: SCHEDULE_PROPERTIES,
    build: build_schedule,
    ..Type::PLAIN
};

const RULE_PROPERTIES: &[Property] = &[
    served("Name"),
    served("Description"),
    served("EventBusName"),
    served("EventPattern"),
    served("ScheduleExpression"),
    served("State"),
    served("Targets"),
    ignored("RoleArn", NO_PERMISSIONS),
    ignored("Tags", NO_EFFECT),
];

const SCHEDULE_PROPERTIES: &[Property] = &[
    served("Name"),
    served("Description"),
    served("GroupName"),
    served("ScheduleExpression"),
    served("ScheduleExpressionTimezone"),
    served("StartDate"),
    served("EndDate"),
    served("State"),
    served("Target"),
    ignored("FlexibleTimeWindow", "it fires at the beginning of the window"),
    ignored("KmsKeyArn", NO_EFFECT),
];

const TARGET: &[Property] = &[
    served("Id"),
    served("Arn"),
    served("Input"),
    served("InputPath"),
    served("InputTransformer"),
    served("RetryPolicy"),
    served("DeadLetterConfig"),
    ignored("RoleArn", NO_PERMISSIONS),
    unsupported("AppSyncParameters", "call a function"),
    unsupported("BatchParameters", "call a function"),
    unsupported("EcsParameters", "call a function"),
    unsupported("EventBridgeParameters", "call a function"),
    unsupported("HttpParameters", "call a function"),
    unsupported("KinesisParameters", "call a function"),
    unsupported("RedshiftDataParameters", "call a function"),
    unsupported("RunCommandParameters", "call a function"),
    unsupported("SageMakerPipelineParameters", "call a function"),
    ignored("SqsParameters", "a queue that keeps an order has one group for all events"),
];

/// `Name`, or `Bus|Name` as `Ref` gives for another bus.
fn identify(scope: &Scope<'_>, resource: &Resource) -> Option<String> {
    let text = |name: &str| {
        let property = resource.properties.iter().find(|p| p.key == name)?;
        let resolved = scope.resolve(&property.value);
        if resolved.is_absent() { None } else { scope.text(&property.value, name) }
    };
    let name = text("Name").unwrap_or_else(|| names::derived(&scope.site, &resource.id, NAME_MAX));
    Some(match text("EventBusName").map(bus_name).filter(|bus| bus != DEFAULT) {
        Some(bus) => format!("{bus}|{name}"),
        None => name,
    })
}

fn bus_name(given: String) -> String {
    given.rsplit_once("event-bus/").map_or(given.clone(), |(_, name)| name.to_owned())
}

fn rule_arn(site: &Site, rule: &Identity) -> String {
    names::arn(site, "events", &format!("rule/{}", rule.name.replace('|', "/")))
}

fn schedule_arn(site: &Site, group: &str, name: &str) -> String {
    names::arn(site, "scheduler", &format!("schedule/{group}/{name}"))
}

fn build_rule(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    let name = identity.name.split_once('|').map_or(identity.name.as_str(), |(_, name)| name);
    let mut body = members(&properties, &["Description", "EventBusName", "ScheduleExpression", "State"]);
    body.insert("Name".into(), name.into());
    if let Some(pattern) = properties.node("EventPattern") {
        body.insert("EventPattern".into(), pattern.json().to_string().into());
    }
    let listed = properties.list("Targets").unwrap_or_default();
    let targets = listed.iter().map(|node| {
        let of = "a target";
        let target = Properties::read(properties.scope, of, node.at, node.map().unwrap_or_default(), TARGET);
        said_of_target(&target, None)
    });
    let targets = targets.collect();
    let arn = rule_arn(&build.scope.site, identity);
    push(build, &identity.logical_id, arn, resource.at, false, body, targets);
}

fn build_schedule(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    properties.require("ScheduleExpression");
    properties.require("Target");
    let Some(target) = properties.nested("Target", TARGET) else { return };
    let mut body = schedule_body(&properties);
    body.insert("Name".into(), identity.name.as_str().into());
    body.insert("Target".into(), said_of_target(&target, None));
    let group = properties.text("GroupName").unwrap_or_else(|| DEFAULT.to_owned());
    let arn = schedule_arn(&build.scope.site, &group, &identity.name);
    push(build, &identity.logical_id, arn, resource.at, true, body, Vec::new());
}

fn push(
    build: &mut Build<'_>,
    logical_id: &str,
    arn: String,
    at: Position,
    is_schedule: bool,
    body: Map<String, Json>,
    targets: Vec<Json>,
) {
    let logical_id = logical_id.to_owned();
    build.plan.rules.push(Rule { logical_id, arn, at, is_schedule, body: body.into(), targets });
}

fn schedule_body(properties: &Properties<'_>) -> Map<String, Json> {
    let names = ["Description", "ScheduleExpression", "ScheduleExpressionTimezone", "StartDate", "EndDate", "State"];
    members(properties, &names)
}

/// Members that are texts.
fn members(properties: &Properties<'_>, names: &[&str]) -> Map<String, Json> {
    names.iter().filter_map(|name| Some(((*name).to_owned(), properties.text(name)?.into()))).collect()
}

/// A target as PutTargets takes it; an event of SAM names what it is of.
fn said_of_target(target: &Properties<'_>, of_sam: Option<&str>) -> Json {
    let mut said = members(target, &["Id", "Arn", "Input", "InputPath"]);
    for name in ["InputTransformer", "RetryPolicy", "DeadLetterConfig"] {
        if let Some(node) = target.node(name) {
            said.insert(name.into(), node.json());
        }
    }
    if let Some(arn) = of_sam {
        said.entry("Id").or_insert("Target".into());
        said.insert("Arn".into(), arn.into());
    }
    said.into()
}

const SAM_SCHEDULE: &[Property] = &[
    served("Schedule"),
    served("Name"),
    served("Description"),
    served("Enabled"),
    served("State"),
    served("Input"),
    served("RetryPolicy"),
    served("DeadLetterConfig"),
    ignored("RoleArn", NO_PERMISSIONS),
    ignored("Target", NO_EFFECT),
];
const SAM_SCHEDULE_V2: &[Property] = &[
    served("ScheduleExpression"),
    served("ScheduleExpressionTimezone"),
    served("StartDate"),
    served("EndDate"),
    served("State"),
    served("Input"),
    served("Name"),
    served("Description"),
    served("GroupName"),
    served("RetryPolicy"),
    served("DeadLetterConfig"),
    ignored("FlexibleTimeWindow", "it fires at the beginning of the window"),
    ignored("KmsKeyArn", NO_EFFECT),
    ignored("OmitName", NO_EFFECT),
    ignored("PermissionsBoundary", NO_PERMISSIONS),
    ignored("RoleArn", NO_PERMISSIONS),
];
const SAM_RULE: &[Property] = &[
    served("Pattern"),
    served("EventBusName"),
    served("RuleName"),
    served("State"),
    served("Enabled"),
    served("Input"),
    served("InputPath"),
    served("InputTransformer"),
    served("RetryPolicy"),
    served("DeadLetterConfig"),
    ignored("RoleArn", NO_PERMISSIONS),
    ignored("Target", NO_EFFECT),
];

/// A schedule or a rule of an event of SAM's, whose target is the function or state machine that has it. False for another type of event.
pub(super) fn of_event(
    build: &mut Build<'_>,
    (kind, frame): (&str, &Properties<'_>),
    logical_id: &str,
    target_arn: &str,
    at: Position,
) -> bool {
    let table = match kind {
        "Schedule" => SAM_SCHEDULE,
        "ScheduleV2" => SAM_SCHEDULE_V2,
        "EventBridgeRule" | "CloudWatchEvent" => SAM_RULE,
        _ => return false,
    };
    frame.require("Properties");
    let Some(properties) = frame.nested("Properties", table) else { return true };
    let site = &build.scope.site;
    let named = properties.text("Name").or_else(|| properties.text("RuleName"));
    let name = named.unwrap_or_else(|| names::derived(site, logical_id, NAME_MAX));
    let target = said_of_target(&properties, Some(target_arn));
    let (mut body, arn, physical_id, is_schedule, targets) = match kind {
        "ScheduleV2" => {
            properties.require("ScheduleExpression");
            let group = properties.text("GroupName").unwrap_or_else(|| DEFAULT.to_owned());
            let mut body = schedule_body(&properties);
            body.insert("Target".into(), target);
            (body, schedule_arn(site, &group, &name), name.clone(), true, Vec::new())
        }
        "Schedule" => {
            let mut body = members(&properties, &["Description", "State"]);
            if let Some(expression) = properties.required_text("Schedule") {
                body.insert("ScheduleExpression".into(), expression.into());
            }
            (body, names::arn(site, "events", &format!("rule/{name}")), name.clone(), false, vec![target])
        }
        _ => {
            let mut body = members(&properties, &["State", "EventBusName"]);
            if let Some(pattern) = properties.require("Pattern") {
                body.insert("EventPattern".into(), pattern.json().to_string().into());
            }
            let bus = properties.text("EventBusName").map(bus_name).filter(|bus| bus != DEFAULT);
            let (path, physical_id) = match bus {
                Some(bus) => (format!("rule/{bus}/{name}"), format!("{bus}|{name}")),
                None => (format!("rule/{name}"), name.clone()),
            };
            (body, names::arn(site, "events", &path), physical_id, false, vec![target])
        }
    };
    body.insert("Name".into(), json!(name));
    if let Some(is_enabled) = properties.node("Enabled").and_then(|_| properties.flag("Enabled")) {
        body.insert("State".into(), if is_enabled { "ENABLED" } else { "DISABLED" }.into());
    }
    build.plan.resources.push(plan::Resource {
        logical_id: logical_id.to_owned(),
        kind: if is_schedule { SCHEDULE.name } else { RULE.name }.to_owned(),
        physical_id,
        at,
        retained: false,
    });
    push(build, logical_id, arn, at, is_schedule, body, targets);
    true
}
