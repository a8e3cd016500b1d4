//! Task.

use serde_json::Value;

use crate::definition::{Query, Resource, Seconds, Task};

use super::fields::expected;
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
    let credentials = credentials(here, p.report);
    let timeout = p.seconds(here, "TimeoutSeconds", "TimeoutSecondsPath");
    let heartbeat = p.seconds(here, "HeartbeatSeconds", "HeartbeatSecondsPath");
    let shorter = heartbeat_is_shorter(&timeout, &heartbeat, here, p.report);
    let errors = p.errors(here);
    let next = p.next(here);
    required?;
    call?;
    shorter?;
    let (retry, catch) = errors?;
    Ok(Task {
        io: io?,
        resource: resource?,
        credentials: credentials?,
        timeout: timeout?,
        heartbeat: heartbeat?,
        retry,
        catch,
        next: next?,
    })
}

/// `lambda:invoke` needs to be told which function.
fn call_parameters(resource: &Read<Resource>, here: &Here<'_>, report: &mut Report) -> Read<()> {
    const MISSING: &str = "The field 'FunctionName' is required but was missing";
    let Ok(Resource::Service { arn, service, .. }) = resource else { return Ok(()) };
    if &**service != "lambda" {
        return Ok(());
    }
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

/// `Credentials` name a role.
fn credentials(here: &Here<'_>, report: &mut Report) -> Read<Option<Query>> {
    const NAME: &str = "Credentials";
    let Value::Object(given) = (match here.fields.get(NAME) {
        None => return Ok(None),
        Some(value) => value,
    }) else {
        return Err(expected("[OBJECT]", &here.fields.at.key(NAME), report));
    };
    if !["RoleArn", "RoleArn.$"].iter().any(|name| given.contains_key(*name)) {
        return Err(here.fields.refuse(NAME, "The field 'RoleArn' is required but was missing", report));
    }
    here.fields.query(NAME, here.language, Moment::Before, report)
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
