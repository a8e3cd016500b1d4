//! Task.

use serde_json::Value;

use crate::definition::{Resource, Seconds, Task};

use super::fields::Fields;
use super::language::Language;
use super::query::Moment;
use super::report::{Problem, Read, Report};
use super::resource;
use super::state::{Here, Parser};

pub(crate) fn parse(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Task> {
    let required = here.fields.require(&["Resource"], p.report);
    let resource = resource::parse(p, here);
    let io = p.io(here, Moment::After);
    let call = call_parameters(&resource, here, p.report);
    let timeout = p.seconds(here, "TimeoutSeconds", "TimeoutSecondsPath");
    let heartbeat = p.seconds(here, "HeartbeatSeconds", "HeartbeatSecondsPath");
    let shorter = heartbeat_is_shorter(&timeout, &heartbeat, here, p.report);
    let errors = p.errors(here);
    let next = p.next(here);
    required?;
    call?;
    shorter?;
    let (retry, catch) = errors?;
    Ok(Task { io: io?, resource: resource?, timeout: timeout?, heartbeat: heartbeat?, retry, catch, next: next? })
}

/// `lambda:invoke` needs to be told which function.
fn call_parameters(resource: &Read<Resource>, here: &Here<'_>, report: &mut Report) -> Read<()> {
    const MISSING: &str = "The field 'FunctionName' is required but was missing";
    let Ok(Resource::Service { arn, .. }) = resource else { return Ok(()) };
    let (field, names, example) = match here.language {
        Language::JsonPath => ("Parameters", &["FunctionName", "FunctionName.$"][..], r#""Payload.$": "$""#),
        Language::Jsonata => ("Arguments", &["FunctionName"][..], r#""Payload": "{% $states.input %}""#),
    };
    match here.fields.get(field) {
        None => {
            let message = format!("{field} field is required for resource ARN: {arn}");
            let help = format!(r#"add "{field}": {{"FunctionName": "...", {example}}}"#);
            Err(report.add(Problem::schema(&here.fields.at, message).help(help)))
        }
        Some(Value::Object(given)) if !names.iter().any(|name| given.contains_key(*name)) => {
            Err(here.fields.refuse(field, MISSING, report))
        }
        Some(_) => Ok(()),
    }
}

/// `Credentials` name a role. (The field itself is refused in `not_yet`.)
pub(crate) fn credentials(fields: &Fields<'_>, report: &mut Report) -> Read<()> {
    let Some(Value::Object(given)) = fields.get("Credentials") else { return Ok(()) };
    if ["RoleArn", "RoleArn.$"].iter().any(|name| given.contains_key(*name)) {
        return Ok(());
    }
    Err(fields.refuse("Credentials", "The field 'RoleArn' is required but was missing", report))
}

fn heartbeat_is_shorter(
    timeout: &Read<Option<Seconds>>,
    heartbeat: &Read<Option<Seconds>>,
    here: &Here<'_>,
    report: &mut Report,
) -> Read<()> {
    match (timeout, heartbeat) {
        (Ok(Some(Seconds::Fixed(timeout))), Ok(Some(Seconds::Fixed(heartbeat)))) if heartbeat >= timeout => {
            let message = format!("HeartbeatSeconds must be smaller than TimeoutSeconds, which is {timeout}");
            Err(here.fields.refuse("HeartbeatSeconds", message, report))
        }
        _ => Ok(()),
    }
}
