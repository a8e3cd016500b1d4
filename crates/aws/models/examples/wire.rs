//! Writes requests and reads answers, a JSON object a line, for `compare.py`, which holds them against botocore.

use std::io::BufRead;

use aws_models::{Operation, Times, find};
use bytes::Bytes;
use serde_json::{Value, json};

fn main() {
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("lines are text");
        let asked: Value = serde_json::from_str(&line).expect("a line is JSON");
        let text = |name: &str| asked[name].as_str().unwrap_or_default();
        let operation = find(text("service")).and_then(|service| service.operation(text("operation")));
        let operation = operation.unwrap_or_else(|| panic!("there is no {line}"));
        let said =
            if asked.get("parameters").is_some() { request(&operation, &asked) } else { answer(&operation, &asked) };
        println!("{}", said.unwrap_or_else(|why| json!({ "error": why })));
    }
}

fn request(operation: &Operation, asked: &Value) -> Result<Value, String> {
    let sent = operation.request(&asked["parameters"], "TOKEN")?;
    let headers: Value = sent.headers.iter().map(|(name, value)| json!([name, value])).collect();
    let body = String::from_utf8_lossy(&sent.body);
    Ok(json!({ "method": sent.method, "target": sent.target, "headers": headers, "body": body }))
}

fn answer(operation: &Operation, asked: &Value) -> Result<Value, String> {
    let mut answer = http::Response::builder();
    for (name, value) in asked["headers"].as_object().into_iter().flatten() {
        answer = answer.header(name, value.as_str().unwrap_or_default());
    }
    let body = Bytes::from(asked["body"].as_str().unwrap_or_default().to_owned());
    let answer = answer.body(body).map_err(|error| error.to_string())?;
    operation.answer(&answer, Times::Written).map(Value::Object)
}
