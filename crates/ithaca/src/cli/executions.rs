//! `ithaca executions`: a table, newest first.

use std::process::ExitCode;

use serde_json::Value;

use super::client::Client;
use super::terminal::{Tone, duration, moment, paint, print_line, shorten, status_tone};
use super::{Context, ExecutionsArgs, Outcome};

pub async fn run(args: ExecutionsArgs, context: &Context) -> Outcome {
    let mut client = Client::connect(&context.endpoint).await?;
    let executions = client.executions(args.machine.as_deref(), args.status.as_deref(), args.limit).await?;
    if context.json {
        print_line!("{}", Value::from(executions));
        return Ok(ExitCode::SUCCESS);
    }
    if executions.is_empty() {
        print_line!("no executions");
        return Ok(ExitCode::SUCCESS);
    }
    print_line!(
        "{}",
        paint(Tone::Quiet, &format!("{:<10} {:<24} {:<38} {:>10}  STARTED", "STATUS", "MACHINE", "NAME", "TOOK"))
    );
    for execution in &executions {
        print_line!("{}", line(execution));
    }
    Ok(ExitCode::SUCCESS)
}

fn line(execution: &Value) -> String {
    let text = |member: &str| execution[member].as_str().unwrap_or_default();
    let machine = text("stateMachineArn").rsplit(':').next().unwrap_or_default();
    let took = match (execution["startDate"].as_f64(), execution["stopDate"].as_f64()) {
        (Some(start), Some(stop)) => duration((stop - start) * 1000.0),
        _ => "-".into(),
    };
    let status = paint(status_tone(text("status")), &format!("{:<10}", text("status")));
    format!(
        "{status} {:<24} {:<38} {took:>10}  {}",
        shorten(machine, 24),
        shorten(text("name"), 38),
        moment(execution["startDate"].as_f64())
    )
}
