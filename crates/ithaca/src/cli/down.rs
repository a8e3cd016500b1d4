//! `ithaca down`: removes what was deployed, through the CloudFormation API of a running Ithaca.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use aws_client::xml;
use aws_cloudformation::door::VERSION;
use aws_protocol::query::FORM;
use http::{Request, header};
use http_body_util::Full;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::client::Client;
use super::terminal::{Tone, paint, print_line};
use super::{Context, DownArgs, Outcome};
use crate::deploy;
use crate::template;

/// Functions that run are waited for, 15 minutes at most.
const PATIENCE: Duration = Duration::from_secs(16 * 60);
const PAUSE: Duration = Duration::from_millis(200);

pub async fn run(args: DownArgs, context: &Context) -> Outcome {
    let mut formation = Formation { client: Client::connect(&context.endpoint).await? };
    let live = formation.stacks().await?;
    let stacks = chosen(args.what.as_deref(), &live)?;
    let mut code = ExitCode::SUCCESS;
    for stack in stacks {
        if !args.abort_running {
            formation.check_nothing_runs(&stack).await?;
        }
        let gone = formation.remove(&stack, args.delete_data).await?;
        if gone.failure.is_some() {
            code = ExitCode::FAILURE;
        }
        tell(&stack, &gone, context);
    }
    Ok(code)
}

fn tell(stack: &str, gone: &Gone, context: &Context) {
    if context.json {
        let line = serde_json::json!({
            "stack": stack, "removed": gone.removed, "kept": gone.kept, "failure": gone.failure,
        });
        return print_line!("{line}");
    }
    match &gone.failure {
        None => print_line!("{}  {stack}", paint(Tone::Strong, "removed")),
        Some(why) => print_line!("{}  {stack}: {why}", paint(Tone::Bad, "not all is removed of")),
    }
    gone.removed.iter().for_each(|name| print_line!("  removed  {name}"));
    gone.kept.iter().for_each(|name| print_line!("  kept     {name}"));
}

/// The stacks that a name or a path means: those of a path in the reverse of the order in which they were deployed.
fn chosen(what: Option<&str>, live: &[String]) -> Result<Vec<String>, String> {
    let known = || match live {
        [] => "nothing is deployed".to_owned(),
        names => format!("deployed: {}", names.join(", ")),
    };
    if let Some(name) = what.filter(|name| live.iter().any(|stack| stack == name)) {
        return Ok(vec![name.to_owned()]);
    }
    let path = Path::new(what.unwrap_or("."));
    if what.is_some() && !path.exists() {
        return Err(format!("there is no stack and no path {}; {}", path.display(), known()));
    }
    let found = match (template::find(path), what, live) {
        (Ok(found), ..) => found,
        (Err(_), None, [only]) => return Ok(vec![only.clone()]),
        (Err(why), ..) => return Err(format!("{why}; or name a stack: {}", known())),
    };
    let name = |found: template::Found| {
        found.stack_name.unwrap_or_else(|| aws_cloudformation::default_stack_name(&found.file))
    };
    let names: Vec<String> = found.into_iter().map(name).rev().collect();
    let there: Vec<String> = names.iter().filter(|name| live.contains(name)).cloned().collect();
    match there.is_empty() {
        true => Err(format!("{} is not deployed; {}", names.join(", "), known())),
        false => Ok(there),
    }
}

/// What has become of a stack.
#[derive(Default)]
struct Gone {
    removed: Vec<String>,
    kept: Vec<String>,
    failure: Option<String>,
}

/// CloudFormation as a client.
struct Formation {
    client: Client,
}

impl Formation {
    async fn call(&mut self, action: &str, members: &[(String, String)]) -> Result<String, String> {
        let fixed = [("Action".to_owned(), action.to_owned()), ("Version".to_owned(), VERSION.to_owned())];
        let escape = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let pairs = fixed.iter().chain(members).map(|(name, value)| format!("{}={}", escape(name), escape(value)));
        let body = pairs.collect::<Vec<_>>().join("&");
        let request = Request::post("/")
            .header(header::HOST, self.client.authority())
            .header(header::CONTENT_TYPE, FORM)
            .body(Full::from(body))
            .map_err(|error| error.to_string())?;
        let (status, body) = self.client.send(request).await?;
        let text = String::from_utf8_lossy(&body).into_owned();
        if status.is_success() {
            return Ok(text);
        }
        let said = xml::records(&text, "Error", ["Code", "Message"]).unwrap_or_default();
        match said.into_iter().next() {
            Some([Some(code), Some(message)]) => Err(format!("{code}: {message}")),
            _ => Err(format!("{action}: it answered {status}")),
        }
    }

    async fn list<const N: usize>(
        &mut self,
        action: &str,
        members: &[(String, String)],
        wanted: [&str; N],
    ) -> Result<Vec<[Option<String>; N]>, String> {
        let mut found = Vec::new();
        let mut asked = members.to_vec();
        loop {
            let text = self.call(action, &asked).await?;
            found.extend(xml::records(&text, "member", wanted)?);
            let tokens = xml::records(&text, &format!("{action}Result"), ["NextToken"])?;
            let Some([Some(token)]) = tokens.into_iter().next() else { return Ok(found) };
            asked = members.to_vec();
            asked.push(("NextToken".into(), token));
        }
    }

    /// The names of those that are there.
    async fn stacks(&mut self) -> Result<Vec<String>, String> {
        let found = self.list("ListStacks", &[], ["StackName", "StackStatus"]).await?;
        let is_there = |status: &Option<String>| status.as_deref() != Some("DELETE_COMPLETE");
        Ok(found.into_iter().filter(|[_, status]| is_there(status)).filter_map(|[name, _]| name).collect())
    }

    /// Deleting a state machine aborts its executions, and nothing compensates what they did.
    async fn check_nothing_runs(&mut self, name: &str) -> Result<(), String> {
        let stack = [("StackName".to_owned(), name.to_owned())];
        let resources = self.list("ListStackResources", &stack, ["PhysicalResourceId", "ResourceType"]).await?;
        let mut running = Vec::new();
        for [id, kind] in resources {
            let (Some(id), Some("AWS::StepFunctions::StateMachine")) = (id, kind.as_deref()) else { continue };
            let asked = json!({ "stateMachineArn": id, "statusFilter": "RUNNING", "maxResults": 1 });
            let found = self.client.call("ListExecutions", asked).await?;
            if found["executions"].as_array().is_some_and(|list| !list.is_empty()) {
                running.push(id.rsplit(':').next().unwrap_or_default().to_owned());
            }
        }
        match running.is_empty() {
            true => Ok(()),
            false => Err(format!(
                "executions of {} run, and would be aborted without being compensated. Wait for their end, or say --abort-running",
                running.join(", ")
            )),
        }
    }

    async fn remove(&mut self, name: &str, delete_data: bool) -> Result<Gone, String> {
        let stack = [("StackName".to_owned(), name.to_owned())];
        let resources = self.list("ListStackResources", &stack, ["LogicalResourceId", "ResourceType"]).await?;
        let is_data = |kind: &Option<String>| kind.as_deref().is_some_and(deploy::is_data);
        let data = resources.into_iter().filter(|[_, kind]| is_data(kind) && !delete_data).filter_map(|[id, _]| id);
        let mut members = stack.to_vec();
        members.extend(data.enumerate().map(|(at, id)| (format!("RetainResources.member.{}", at + 1), id)));
        let described = self.list("DescribeStacks", &stack, ["StackId"]).await?;
        let id = described.into_iter().find_map(|[id]| id).ok_or("a stack without an id")?;
        self.call("DeleteStack", &members).await?;
        let by_id = [("StackName".to_owned(), id)];
        let since = Instant::now();
        loop {
            let described = self.list("DescribeStacks", &by_id, ["StackStatus", "StackStatusReason"]).await?;
            match described.into_iter().find(|[status, _]| status.is_some()) {
                Some([Some(status), why]) if !status.ends_with("_IN_PROGRESS") => {
                    let mut gone = self.gone(&by_id).await?;
                    gone.failure = (status != "DELETE_COMPLETE").then(|| why.unwrap_or(status));
                    return Ok(gone);
                }
                _ if since.elapsed() > PATIENCE => return Err(format!("the stack {name} is still being deleted")),
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// What its newest deletion says of each thing.
    async fn gone(&mut self, stack: &[(String, String)]) -> Result<Gone, String> {
        let wanted = ["PhysicalResourceId", "ResourceType", "ResourceStatus", "ResourceStatusReason"];
        let mut gone = Gone::default();
        for [id, kind, status, why] in self.list("DescribeStackEvents", stack, wanted).await? {
            let (id, kind, status) = (id.unwrap_or_default(), kind.unwrap_or_default(), status.unwrap_or_default());
            match status.as_str() {
                "DELETE_IN_PROGRESS" if kind == aws_cloudformation::stacks::STACK => break,
                _ if !deploy::leaves_something(&kind) => {}
                "DELETE_SKIPPED" => gone.kept.push(format!("{id} ({kind})")),
                "DELETE_COMPLETE" => gone.removed.push(format!("{id} ({kind})")),
                "DELETE_FAILED" => gone.kept.push(format!("{id} ({kind}): {}", why.unwrap_or_default())),
                _ => {}
            }
        }
        gone.removed.reverse();
        gone.kept.reverse();
        Ok(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_stacks_are_meant() {
        let scratch = store::testing::Scratch::new();
        let app = scratch.path().join("my_app");
        std::fs::create_dir(&app).unwrap();
        std::fs::write(app.join("template.yaml"), "").unwrap();
        let path = app.to_str().unwrap();
        let check = |what: &str, live: &[&str], expect: Result<&[&str], &str>| {
            let live: Vec<String> = live.iter().map(|name| (*name).to_owned()).collect();
            match (chosen(Some(what), &live), expect) {
                (Ok(found), Ok(expect)) => assert_eq!(found, expect, "{what}"),
                (Err(found), Err(expect)) => assert!(found.contains(expect), "{what}: {found}"),
                (found, expect) => panic!("{what}: {found:?} is not {expect:?}"),
            }
        };
        check("a", &["a", "b"], Ok(&["a"]));
        check(path, &["my-app", "b"], Ok(&["my-app"]));
        check(path, &["b"], Err("my-app is not deployed; deployed: b"));
        check("none", &[], Err("there is no stack and no path none; nothing is deployed"));
        check(scratch.path().to_str().unwrap(), &["a"], Err("or name a stack: deployed: a"));
    }
}
