//! Functions for the tests to deploy: a zip with a small script as its bootstrap.
//!
//! A function that needs more than a shell can be written beside its test: [`own_bootstrap`] has the test program itself
//! started as the function's process, where the ignored test named `function` calls [`serve`].

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;

use crate::client::{CallError, Client, ROLE, text};
use crate::http;

/// Creates a function whose bootstrap is this script, and returns its ARN.
pub fn create(client: &Client, name: &str, bootstrap: &str, timeout_seconds: u32) -> String {
    let body = json!({
        "FunctionName": name,
        "Runtime": "provided.al2023",
        "Handler": "bootstrap",
        "Role": ROLE,
        "Timeout": timeout_seconds,
        "Code": { "ZipFile": STANDARD.encode(zip("bootstrap", bootstrap.as_bytes())) },
    });
    let created = client.lambda("POST", "/2015-03-31/functions", &body);
    text(&created.unwrap_or_else(|error| panic!("{name}: {error:?}"))["FunctionArn"])
}

pub fn invoke(client: &Client, name: &str, payload: &Value) -> Result<Value, CallError> {
    client.lambda("POST", &format!("/2015-03-31/functions/{name}/invocations"), payload)
}

pub fn zip(name: &str, content: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file(name, SimpleFileOptions::default().unix_permissions(0o755)).unwrap();
    zip.write_all(content).unwrap();
    zip.finish().unwrap().into_inner()
}

/// A state machine with one task that calls a function by its ARN.
pub fn one_task(function_arn: &str) -> Value {
    json!({ "StartAt": "Call", "States": { "Call": { "Type": "Task", "Resource": function_arn, "End": true } } })
}

/// The bootstrap that runs the ignored test `function` of this test program.
pub fn own_bootstrap() -> String {
    let program = std::env::current_exe().unwrap();
    format!("#!/bin/sh\nexec '{}' --ignored --exact function --nocapture\n", program.display())
}

/// Speaks the Runtime API until the host ends the process: `answer` gets the function's name and the event as it came. Does nothing
/// in a process that is not a function's.
pub fn serve(answer: impl Fn(&str, &http::Answer) -> Vec<u8>) {
    let Ok(api) = std::env::var("AWS_LAMBDA_RUNTIME_API") else { return };
    let name = std::env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap();
    loop {
        let event = http::send(&api, "GET", "/2018-06-01/runtime/invocation/next", &[], b"").unwrap();
        let path = format!(
            "/2018-06-01/runtime/invocation/{}/response",
            event.header("lambda-runtime-aws-request-id").expect("an event has an id")
        );
        // Whether the host takes the answer is what the tests are about.
        http::send(&api, "POST", &path, &[], &answer(&name, &event)).unwrap();
    }
}
