//! What is: stacks, their resources and events, templates.

use aws_protocol::query::Form;
use aws_protocol::xml::Xml;
use aws_protocol::{Error, time};

use super::{CloudFormation, PAGE_MAX, invalid, none, page, request};
use crate::stacks::{Event, Stack, StackOutput, StackResource, Status};
use crate::summary::{Declared, Summary};

/// The stack that `cdk bootstrap` makes. What it would hold is here by itself, so it is described where there is none.
const TOOLKIT: &str = "CDKToolkit";

/// Stands for a value that is not shown.
const HIDDEN: &str = "****";

pub fn iso(ms: u64) -> String {
    time::iso(i64::try_from(ms).unwrap_or(i64::MAX))
}

pub fn stacks(door: &CloudFormation, form: &Form) -> Result<Xml, Error> {
    let found = match form.get("StackName") {
        Some(name) => {
            let toolkit = || (name == TOOLKIT).then(|| toolkit(door));
            vec![door.find(name).or_else(toolkit).ok_or_else(|| none(name))?]
        }
        None => door.stacks().list().into_iter().filter(Stack::is_there).collect(),
    };
    let (found, next) = page(form, found, PAGE_MAX)?;
    let mut xml = Xml::default();
    xml.members("Stacks", &found, |xml, stack| describe(door, xml, stack));
    xml.optional("NextToken", next);
    Ok(xml)
}

fn toolkit(door: &CloudFormation) -> Stack {
    let home = &door.0.home;
    let id = home.arn("cloudformation", &format!("stack/{TOOLKIT}/00000000-0000-0000-0000-000000000000"));
    let bucket = format!("cdk-hnb659fds-assets-{}-{}", home.account, home.region);
    let output =
        |key: &str, value: String| StackOutput { key: key.into(), value, description: None, export_name: None };
    Stack {
        status: Status::CreateComplete,
        description: Some("What cdk bootstrap makes is here by itself".into()),
        outputs: vec![
            output("BucketName", bucket.clone()),
            output("BucketDomainName", format!("{bucket}.s3.{}.amazonaws.com", home.region)),
            output("BootstrapVersion", "9999".into()),
        ],
        ..Stack::new(id, TOOLKIT.into(), 0)
    }
}

fn describe(door: &CloudFormation, xml: &mut Xml, stack: &Stack) {
    xml.text("StackId", &stack.id).text("StackName", &stack.name);
    xml.optional("ChangeSetId", stack.said.change_set_id.as_ref()).optional("Description", stack.description.as_ref());
    // A stack that is being reviewed has no template yet.
    let summary = crate::summary::summary(&stack.template).unwrap_or_default();
    xml.members("Parameters", &summary.parameters, |xml, declared| {
        let value = stack.parameters.get(&declared.name).or(declared.default.as_ref());
        let shown = if declared.is_hidden { Some(HIDDEN) } else { value.map(String::as_str) };
        xml.text("ParameterKey", &declared.name).optional("ParameterValue", shown);
    });
    xml.text("CreationTime", iso(stack.created_ms));
    xml.optional("LastUpdatedTime", stack.updated_ms.map(iso)).optional("DeletionTime", stack.deleted_ms.map(iso));
    xml.element("RollbackConfiguration", |_| {});
    xml.text("StackStatus", stack.status.name()).optional("StackStatusReason", stack.reason.as_ref());
    xml.text("DisableRollback", stack.said.disable_rollback);
    xml.texts("NotificationARNs", &stack.said.notification_arns).texts("Capabilities", &stack.said.capabilities);
    xml.members("Outputs", &stack.outputs, |xml, output| {
        xml.text("OutputKey", &output.key).text("OutputValue", door.0.deploys.localise(&output.value));
        xml.optional("Description", output.description.as_ref()).optional("ExportName", output.export_name.as_ref());
    });
    xml.optional("RoleARN", stack.said.role_arn.as_ref());
    xml.members("Tags", &stack.tags, |xml, (key, value)| {
        xml.text("Key", key).text("Value", value);
    });
    xml.text("EnableTerminationProtection", stack.said.is_protected);
    xml.element("DriftInformation", |xml| {
        xml.text("StackDriftStatus", "NOT_CHECKED");
    });
}

pub fn list(door: &CloudFormation, form: &Form) -> Result<Xml, Error> {
    let wanted = form.texts("StackStatusFilter");
    let is_wanted = |stack: &Stack| wanted.is_empty() || wanted.iter().any(|status| status == stack.status.name());
    let (found, next) = page(form, door.stacks().list().into_iter().filter(is_wanted).collect(), PAGE_MAX)?;
    let mut xml = Xml::default();
    xml.members("StackSummaries", &found, |xml, stack| {
        xml.text("StackId", &stack.id).text("StackName", &stack.name);
        xml.optional("TemplateDescription", stack.description.as_ref()).text("CreationTime", iso(stack.created_ms));
        xml.optional("LastUpdatedTime", stack.updated_ms.map(iso)).optional("DeletionTime", stack.deleted_ms.map(iso));
        xml.text("StackStatus", stack.status.name()).optional("StackStatusReason", stack.reason.as_ref());
        xml.element("DriftInformation", |xml| {
            xml.text("StackDriftStatus", "NOT_CHECKED");
        });
    });
    xml.optional("NextToken", next);
    Ok(xml)
}

/// The newest first.
pub fn events(door: &CloudFormation, form: &Form) -> Result<Xml, Error> {
    let stack = door.named(form)?;
    let (events, next) = page(form, stack.events.iter().rev().collect(), PAGE_MAX)?;
    let mut xml = Xml::default();
    xml.members("StackEvents", events, |xml, event| describe_event(xml, &stack, event));
    xml.optional("NextToken", next);
    Ok(xml)
}

fn describe_event(xml: &mut Xml, stack: &Stack, event: &Event) {
    xml.text("StackId", &stack.id).text("EventId", event_id(event)).text("StackName", &stack.name);
    xml.text("LogicalResourceId", &event.logical_id).text("PhysicalResourceId", &event.physical_id);
    xml.text("ResourceType", &event.kind).text("Timestamp", iso(event.at_ms));
    xml.text("ResourceStatus", event.status.name()).optional("ResourceStatusReason", event.reason.as_ref());
}

fn event_id(event: &Event) -> String {
    format!("{}-{}-{}", event.logical_id, event.status.name(), event.at_ms)
}

/// The newer form of the same.
pub fn operation_events(door: &CloudFormation, form: &Form) -> Result<Xml, Error> {
    let stack = door.named(form)?;
    let fails = form.get("Filters.FailedEvents").is_some_and(|text| text == "true");
    let is_wanted = |event: &&Event| !fails || event.status.name().ends_with("_FAILED");
    let (events, next) = page(form, stack.events.iter().rev().filter(is_wanted).collect(), PAGE_MAX)?;
    let mut xml = Xml::default();
    xml.members("OperationEvents", events, |xml, event| {
        xml.text("EventId", event_id(event)).text("StackId", &stack.id).text("EventType", "STACK_EVENT");
        xml.text("LogicalResourceId", &event.logical_id).text("PhysicalResourceId", &event.physical_id);
        xml.text("ResourceType", &event.kind).text("Timestamp", iso(event.at_ms));
        xml.text("ResourceStatus", event.status.name()).optional("ResourceStatusReason", event.reason.as_ref());
    });
    xml.optional("NextToken", next);
    Ok(xml)
}

fn resource_members(xml: &mut Xml, resource: &StackResource, timestamp: &str) {
    xml.text("LogicalResourceId", &resource.logical_id).text("PhysicalResourceId", &resource.physical_id);
    xml.text("ResourceType", &resource.kind).text(timestamp, iso(resource.updated_ms));
    xml.text("ResourceStatus", resource.status.name()).optional("ResourceStatusReason", resource.reason.as_ref());
    xml.element("DriftInformation", |xml| {
        xml.text("StackResourceDriftStatus", "NOT_CHECKED");
    });
}

pub fn resource(door: &CloudFormation, form: &Form) -> Result<Xml, Error> {
    let (stack, id) = (door.named(form)?, form.required("LogicalResourceId")?);
    let found = stack.resources.iter().find(|resource| resource.logical_id == id);
    let found = found.ok_or_else(|| invalid(format!("Resource {id} does not exist for stack {}", stack.name)))?;
    let mut xml = Xml::default();
    xml.element("StackResourceDetail", |xml| {
        xml.text("StackName", &stack.name).text("StackId", &stack.id);
        resource_members(xml, found, "LastUpdatedTimestamp");
    });
    Ok(xml)
}

/// Of a stack, or of the stack that a physical id belongs to.
pub fn resources(door: &CloudFormation, form: &Form) -> Result<Xml, Error> {
    let stack = match (form.get("StackName"), form.get("PhysicalResourceId")) {
        (Some(_), _) => door.named(form)?,
        (None, Some(id)) => {
            let has = |stack: &Stack| stack.is_there() && stack.resources.iter().any(|it| it.physical_id == id);
            let owner = door.stacks().list().into_iter().find(has);
            owner.ok_or_else(|| invalid(format!("Stack for {id} does not exist")))?
        }
        (None, None) => return Err(invalid("Either StackName or PhysicalResourceId must be specified")),
    };
    let wanted = form.get("LogicalResourceId");
    let found = stack.resources.iter().filter(|it| wanted.is_none_or(|id| it.logical_id == id));
    let mut xml = Xml::default();
    xml.members("StackResources", found, |xml, resource| {
        xml.text("StackName", &stack.name).text("StackId", &stack.id);
        resource_members(xml, resource, "Timestamp");
    });
    Ok(xml)
}

pub fn list_resources(door: &CloudFormation, form: &Form) -> Result<Xml, Error> {
    let stack = door.named(form)?;
    let (found, next) = page(form, stack.resources.iter().collect(), PAGE_MAX)?;
    let mut xml = Xml::default();
    xml.members("StackResourceSummaries", found, |xml, resource| {
        resource_members(xml, resource, "LastUpdatedTimestamp");
    });
    xml.optional("NextToken", next);
    Ok(xml)
}

/// Both stages have the same text: SAM is read as it is, not turned into other resources first.
pub fn template(door: &CloudFormation, form: &Form) -> Result<Xml, Error> {
    let text = match form.get("ChangeSetName") {
        Some(_) => door.change_set(form)?.wanted.template,
        None => {
            let stack = door.named(form)?;
            // Of a stack that is being reviewed, what would come of it.
            let reviewed = || door.newest_change_set(&stack.name).map(|set| set.wanted.template);
            let shown = if stack.template.is_empty() { reviewed() } else { Some(stack.template) };
            shown.unwrap_or_else(|| "{}".into())
        }
    };
    let mut xml = Xml::default();
    xml.text("TemplateBody", text).texts("StagesAvailable", ["Original", "Processed"]);
    Ok(xml)
}

pub fn summary(door: &CloudFormation, form: &Form) -> Result<Xml, Error> {
    let text = match form.get("StackName") {
        Some(_) => door.named(form)?.template,
        None => request::template(door, form, None)?,
    };
    let summary = request::summarise(&text)?;
    let mut kinds: Vec<&str> = summary.resources.values().map(|(kind, _)| kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let mut xml = Xml::default();
    xml.members("Parameters", &summary.parameters, |xml, declared| {
        parameter_members(xml, declared);
        xml.text("ParameterType", &declared.kind);
        xml.element("ParameterConstraints", |xml| {
            if !declared.allowed_values.is_empty() {
                xml.texts("AllowedValues", &declared.allowed_values);
            }
        });
    });
    capability_members(&mut xml, &summary);
    xml.texts("ResourceTypes", kinds).text("Version", "2010-09-09");
    Ok(xml)
}

fn parameter_members(xml: &mut Xml, declared: &Declared) {
    xml.text("ParameterKey", &declared.name).optional("DefaultValue", declared.default.as_ref());
    xml.text("NoEcho", declared.is_hidden).optional("Description", declared.description.as_ref());
}

fn capability_members(xml: &mut Xml, summary: &Summary) {
    xml.optional("Description", summary.description.as_ref());
    if !summary.capabilities.is_empty() {
        xml.texts("Capabilities", &summary.capabilities);
        let reason = match summary.capability_reasons.is_empty() {
            true => format!("The following transforms require this capability: {}", summary.transforms.join(", ")),
            false => {
                let ids = summary.capability_reasons.join(", ");
                format!("The following resource(s) require capabilities: [{ids}]")
            }
        };
        xml.text("CapabilitiesReason", reason);
    }
    xml.texts("DeclaredTransforms", &summary.transforms);
}

pub fn validate(door: &CloudFormation, form: &Form) -> Result<Xml, Error> {
    let summary = request::summarise(&request::template(door, form, None)?)?;
    let mut xml = Xml::default();
    xml.members("Parameters", &summary.parameters, parameter_members);
    capability_members(&mut xml, &summary);
    Ok(xml)
}

pub fn exports(door: &CloudFormation, form: &Form) -> Result<Xml, Error> {
    let stacks = door.stacks().list();
    let live = stacks.iter().filter(|stack| stack.is_there());
    let exports = live.flat_map(|stack| {
        stack.outputs.iter().filter_map(move |output| Some((stack, output.export_name.as_ref()?, &output.value)))
    });
    let (exports, next) = page(form, exports.collect(), PAGE_MAX)?;
    let mut xml = Xml::default();
    xml.members("Exports", exports, |xml, (stack, name, value)| {
        xml.text("ExportingStackId", &stack.id).text("Name", name).text("Value", value);
    });
    xml.optional("NextToken", next);
    Ok(xml)
}

pub fn imports(door: &CloudFormation, form: &Form) -> Result<Xml, Error> {
    let export = form.required("ExportName")?;
    let stacks = door.stacks().list();
    let has = |stack: &&Stack| {
        let summary = crate::summary::summary(&stack.template).unwrap_or_default();
        stack.is_there() && summary.imports.iter().any(|import| import == export)
    };
    let importers: Vec<&str> = stacks.iter().filter(has).map(|stack| stack.name.as_str()).collect();
    if importers.is_empty() {
        return Err(invalid(format!("Export '{export}' is not imported by any stack.")));
    }
    let (importers, next) = page(form, importers, PAGE_MAX)?;
    let mut xml = Xml::default();
    xml.texts("Imports", importers).optional("NextToken", next);
    Ok(xml)
}
