//! AddPermission, RemovePermission, GetPolicy: kept and shown, without effect, since nobody is refused here.

use aws_protocol::{Error as AwsError, Response};
use serde_json::{Map, Value, json};

use super::settings::Members;
use super::{Call, created, no_content, ok};
use crate::error::{Error, conflict, not_found};
use crate::host::stale_revision;
use crate::ids;
use crate::name::{self, LATEST};
use crate::published::{Policy, Published};

pub(super) fn add(call: &Call) -> Result<Response, Error> {
    let members = call.body()?;
    let (function, qualifier) = named(call)?;
    let sid: String = members.require("StatementId")?;
    let statement = call.host.edit_published(&function, |published, info| {
        let resource = if qualifier.is_empty() { info.arn.clone() } else { format!("{}:{qualifier}", info.arn) };
        let statement = statement(&members, &sid, &resource)?;
        check_qualifier(published, &qualifier, &resource)?;
        let mut policy = published.policies.get(&qualifier).cloned().unwrap_or_default();
        check_revision(&policy, members.get("RevisionId")?)?;
        if policy.statements.iter().any(|known| known["Sid"] == sid.as_str()) {
            return Err(conflict(format!(
                "The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the existing statement."
            )));
        }
        policy.statements.push(statement.clone());
        policy.revision_id = ids::uuid();
        policy.check_size()?;
        published.policies.insert(qualifier.clone(), policy);
        Ok(statement)
    })?;
    Ok(created(&json!({"Statement": Value::Object(statement).to_string()})))
}

pub(super) fn remove(call: &Call) -> Result<Response, Error> {
    let (function, qualifier) = named(call)?;
    let sid = call.path.get(1).map_or("", String::as_str);
    call.host.edit_published(&function, |published, _| {
        let gone = || not_found(format!("Statement {sid} is not found in resource policy."));
        let policy = published.policies.get_mut(&qualifier).ok_or_else(gone)?;
        check_revision(policy, call.query("RevisionId").map(str::to_owned))?;
        let at = policy.statements.iter().position(|known| known["Sid"] == sid).ok_or_else(gone)?;
        policy.statements.remove(at);
        policy.revision_id = ids::uuid();
        published.policies.retain(|_, policy| !policy.statements.is_empty());
        Ok(())
    })?;
    Ok(no_content())
}

pub(super) fn get(call: &Call) -> Result<Response, Error> {
    let (function, qualifier) = named(call)?;
    let shape = call.host.read_published(&function, |published, _| {
        let none = || not_found("The resource you requested does not exist.");
        let policy = published.policies.get(&qualifier).ok_or_else(none)?;
        let text = json!({"Version": "2012-10-17", "Id": "default", "Statement": policy.statements}).to_string();
        Ok(json!({"Policy": text, "RevisionId": policy.revision_id}))
    })?;
    Ok(ok(&shape))
}

/// The function, and the version or alias whose policy is meant: none for its own.
fn named(call: &Call) -> Result<(String, String), AwsError> {
    let (function, qualifier) = name::resolve(call.function(), call.query("Qualifier"), &call.host.config().home)?;
    Ok((function, qualifier.unwrap_or_default()))
}

fn check_qualifier(published: &Published, qualifier: &str, arn: &str) -> Result<(), AwsError> {
    match qualifier.is_empty() || qualifier == LATEST || published.has(qualifier) {
        true => Ok(()),
        false => Err(not_found(format!("Function not found: {arn}"))),
    }
}

fn check_revision(policy: &Policy, revision_id: Option<String>) -> Result<(), AwsError> {
    match revision_id.is_some_and(|id| id != policy.revision_id) {
        true => Err(stale_revision()),
        false => Ok(()),
    }
}

fn statement(members: &Members, sid: &str, resource: &str) -> Result<Map<String, Value>, AwsError> {
    let principal: String = members.require("Principal")?;
    let principal = match principal.as_str() {
        "*" => json!("*"),
        account if account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()) => {
            json!({"AWS": format!("arn:aws:iam::{account}:root")})
        }
        arn if arn.starts_with("arn:") => json!({"AWS": arn}),
        service => json!({"Service": service}),
    };
    let mut statement = Map::new();
    statement.insert("Sid".into(), sid.into());
    statement.insert("Effect".into(), "Allow".into());
    statement.insert("Principal".into(), principal);
    statement.insert("Action".into(), members.require::<String>("Action")?.into());
    statement.insert("Resource".into(), resource.into());
    let mut conditions: Map<String, Value> = Map::new();
    for (member, operator, key) in CONDITIONS {
        if let Some(value) = members.get::<String>(member)? {
            conditions.entry(*operator).or_insert_with(|| json!({}))[*key] = value.into();
        }
    }
    if !conditions.is_empty() {
        statement.insert("Condition".into(), conditions.into());
    }
    Ok(statement)
}

/// Members of the request that become conditions of the statement.
const CONDITIONS: &[(&str, &str, &str)] = &[
    ("SourceArn", "ArnLike", "AWS:SourceArn"),
    ("SourceAccount", "StringEquals", "AWS:SourceAccount"),
    ("EventSourceToken", "StringEquals", "lambda:EventSourceToken"),
    ("FunctionUrlAuthType", "StringEquals", "lambda:FunctionUrlAuthType"),
    ("PrincipalOrgID", "StringEquals", "aws:PrincipalOrgID"),
];
