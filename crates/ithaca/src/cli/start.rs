//! `ithaca start` and `ithaca stop`.

use std::io::Read;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::Client;
use super::terminal::print_line;
use super::{Context, Outcome, StartArgs, StopArgs, show};

/// How often a waiting start looks.
const POLL: Duration = Duration::from_millis(50);

pub async fn run(args: StartArgs, context: &Context) -> Outcome {
    let mut client = Client::connect(&context.endpoint).await?;
    let mut body =
        json!({ "stateMachineArn": client.machine(&args.machine).await?, "input": input(&args.input, "--input")? });
    if let Some(name) = args.name {
        body["name"] = name.into();
    }
    let started = client.call("StartExecution", body).await?;
    let arn = started["executionArn"].as_str().unwrap_or_default().to_owned();
    if !args.wait {
        print_line!("{}", if context.json { started.to_string() } else { arn });
        return Ok(ExitCode::SUCCESS);
    }
    loop {
        let description = client.call("DescribeExecution", json!({ "executionArn": arn })).await?;
        if description["status"] != "RUNNING" {
            show::print(&mut client, &arn, context).await?;
            let is_good = description["status"] == "SUCCEEDED";
            return Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        tokio::time::sleep(POLL).await;
    }
}

pub async fn stop(args: StopArgs, context: &Context) -> Outcome {
    let mut client = Client::connect(&context.endpoint).await?;
    let arn = client.execution(Some(&args.execution)).await?;
    let mut body = json!({ "executionArn": arn });
    for (member, value) in [("error", args.error), ("cause", args.cause)] {
        if let Some(value) = value {
            body[member] = value.into();
        }
    }
    let before = status(&mut client, &arn).await?;
    let stopped = client.call("StopExecution", body).await?;
    // As AWS does, it takes one that has ended too; and it may have ended on the way here.
    let after = status(&mut client, &arn).await?;
    match (context.json, before == "RUNNING" && after == "ABORTED") {
        (true, _) => print_line!("{stopped}"),
        (false, true) => print_line!("stopped {arn}"),
        (false, false) => print_line!("{arn} had already ended as {after}"),
    }
    Ok(ExitCode::SUCCESS)
}

async fn status(client: &mut Client, arn: &str) -> Result<String, String> {
    let description = client.call("DescribeExecution", json!({ "executionArn": arn })).await?;
    Ok(description["status"].as_str().unwrap_or_default().to_owned())
}

/// The text itself, a file after `@`, or standard input for `-`; checked to be JSON here, where the place is known.
pub fn input(argument: &str, option: &str) -> Result<String, String> {
    let (text, from) = match argument.strip_prefix('@') {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| format!("the input file {path}: {error}"))?;
            (text, path.to_owned())
        }
        None if argument == "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(|error| format!("standard input: {error}"))?;
            (text, "standard input".to_owned())
        }
        None => (argument.to_owned(), option.to_owned()),
    };
    serde_json::from_str::<Value>(&text).map_err(|error| format!("{from} is not JSON: {error}"))?;
    Ok(text)
}
