//! Rules of TestState that the recorded answers of AWS do not cover, and what the Trial of each state type tells.

use std::sync::Arc;
use std::time::Duration;

use engine::{Completion, Config, Engine, Task, TaskRunner};
use serde_json::{Value, json};
use store::Memory;

use crate::States;

const ROLE: &str = "arn:aws:iam::111111111111:role/r";

/// A function that answers with its input, one that fails, and one that never answers.
struct Functions;

impl TaskRunner for Functions {
    fn run(&self, task: Task, completion: Completion) {
        match &**task.resource.arn() {
            arn if arn.ends_with(":fails") => completion.fail(interpreter::Failure::new("Boom", "it went off")),
            arn if arn.ends_with(":sleeps") => std::mem::forget(completion),
            _ => completion.succeed(task.input),
        }
    }
}

/// Asks, and gives the answer or `{"error": NAME: TEXT}`.
fn ask(request: Value) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let engine = Engine::open(Arc::new(Memory::new()), Arc::new(Functions), &Config::default()).unwrap();
    let home = aws_protocol::Home { region: "us-east-1".into(), account: "111111111111".into() };
    let states = States::new(engine.handle(), engine.reader(), home);
    let answer = runtime.block_on(states.call("TestState", request));
    engine.shut_down(Duration::ZERO);
    answer.unwrap_or_else(|error| json!({ "error": error.to_string() }))
}

/// The request's members are texts on the wire; here they are JSON. The answer holds `expect`.
#[track_caller]
fn check(mut request: Value, expect: Value) {
    for member in ["definition", "input", "variables", "context"] {
        match request.get(member) {
            None | Some(Value::String(_)) => {}
            Some(value) => request[member] = value.to_string().into(),
        }
    }
    let found = parsed(ask(request.clone()));
    for (member, value) in expect.as_object().unwrap() {
        let is = found.get(member).unwrap_or(&Value::Null);
        assert_eq!(is, value, "{member} of {found:#} to {request:#}");
    }
}

/// Texts of JSON objects and arrays as what they say.
fn parsed(value: Value) -> Value {
    match value {
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, parsed(value))).collect(),
        Value::String(text) if text.starts_with(['{', '[']) => {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        }
        other => other,
    }
}

fn function(name: &str) -> Value {
    json!({ "Type": "Task", "Resource": format!("arn:aws:lambda:us-east-1:111111111111:function:{name}"), "End": true })
}

fn with(mut state: Value, fields: Value) -> Value {
    state.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    state
}

fn map(fields: Value) -> Value {
    let inside = json!({ "Type": "Pass", "End": true });
    let state = json!({ "Type": "Map", "End": true, "ItemProcessor": {
        "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
        "StartAt": "Inside", "States": { "Inside": inside } } });
    with(state, fields)
}

#[test]
fn real_calls() {
    check(
        json!({ "definition": function("echoes"), "roleArn": ROLE, "input": { "a": 1 } }),
        json!({ "status": "SUCCEEDED", "output": { "a": 1 } }),
    );
    let caught =
        with(function("fails"), json!({ "Catch": [{ "ErrorEquals": ["Boom"], "Next": "Mend", "ResultPath": "$.e" }] }));
    check(
        json!({ "definition": caught, "roleArn": ROLE, "input": { "a": 1 }, "inspectionLevel": "DEBUG" }),
        json!({ "status": "CAUGHT_ERROR", "error": "Boom", "cause": "it went off", "nextState": "Mend",
            "output": { "a": 1, "e": { "Error": "Boom", "Cause": "it went off" } },
            "inspectionData": { "input": { "a": 1 }, "afterInputPath": { "a": 1 }, "afterParameters": { "a": 1 },
                "errorDetails": { "catchIndex": 0 } } }),
    );
    check(
        json!({ "definition": with(function("sleeps"), json!({ "TimeoutSeconds": 1 })), "roleArn": ROLE }),
        json!({ "status": "FAILED", "error": "States.Timeout", "cause": null }),
    );
}

#[test]
fn waits_take_their_time() {
    check(
        json!({ "definition": { "Type": "Wait", "Seconds": 1, "Next": "Then" }, "input": [1], "inspectionLevel": "TRACE" }),
        json!({ "status": "SUCCEEDED", "output": [1], "nextState": "Then",
            "inspectionData": { "input": [1], "afterInputPath": [1] } }),
    );
}

#[test]
fn variables_before_and_after() {
    let state = json!({ "Type": "Pass", "QueryLanguage": "JSONata", "End": true, "Assign": { "b": "{% $a + 1 %}" },
        "Output": "{% $a %}" });
    check(
        json!({ "definition": state, "variables": { "a": 1, "b": 7 }, "inspectionLevel": "DEBUG" }),
        json!({ "status": "SUCCEEDED", "output": "1",
            "inspectionData": { "input": {}, "variables": { "a": 1, "b": 2 } } }),
    );
    check(
        json!({ "definition": state, "variables": [1] }),
        json!({ "error": "ValidationException: Variables must be a JSON object of at most 262144 bytes" }),
    );
}

#[test]
fn failed_expressions_are_told() {
    let state = json!({ "Type": "Pass", "QueryLanguage": "JSONata", "End": true, "Output": "{% $nothing %}" });
    check(
        json!({ "definition": state, "inspectionLevel": "DEBUG" }),
        json!({ "status": "FAILED", "error": "States.QueryEvaluationError", "inspectionData": { "input": {} } }),
    );
}

#[test]
fn retriers_and_catchers_in_turn() {
    let state = with(
        function("any"),
        json!({
        "Retry": [{ "ErrorEquals": ["Other"] }, { "ErrorEquals": ["Boom"], "IntervalSeconds": 3, "MaxAttempts": 2 }],
        "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Mend" }] }),
    );
    let tried = |count: Value| {
        json!({ "definition": state, "inspectionLevel": "DEBUG", "mock": { "errorOutput": { "error": "Boom" } },
            "stateConfiguration": { "retrierRetryCount": count } })
    };
    let data =
        |details: Value| json!({ "input": {}, "afterInputPath": {}, "afterParameters": {}, "errorDetails": details });
    let again = json!({ "retryIndex": 1, "retryBackoffIntervalSeconds": 6 });
    check(tried(json!(1)), json!({ "status": "RETRIABLE", "output": null, "inspectionData": data(again) }));
    let over = json!({ "catchIndex": 0, "retryIndex": 1 });
    check(tried(json!(2)), json!({ "status": "CAUGHT_ERROR", "nextState": "Mend", "inspectionData": data(over) }));
    check(
        tried(json!(-1)),
        json!({ "error": "ValidationException: 1 validation error detected: Value '-1' at \
            'stateConfiguration.retrierRetryCount' failed to satisfy constraint: Member must have value greater than or equal to 0" }),
    );
}

#[test]
fn distributed_maps_tell_what_their_items_become() {
    let state = map(json!({ "ItemsPath": "$.list", "ItemSelector": { "n.$": "$$.Map.Item.Value", "of.$": "$.who" },
        "ItemBatcher": { "MaxItemsPerBatch": 2, "BatchInput": { "x": 1 } }, "ToleratedFailurePercentage": 50 }));
    let input = json!({ "list": [1, 2, 3], "who": "me" });
    let selected = json!([{ "n": 1, "of": "me" }, { "n": 2, "of": "me" }, { "n": 3, "of": "me" }]);
    check(
        json!({ "definition": state, "input": input, "inspectionLevel": "DEBUG", "mock": { "result": "[1, 2]" },
            "stateConfiguration": { "mapIterationFailureCount": 1 } }),
        json!({ "status": "SUCCEEDED", "output": [1, 2], "inspectionData": { "input": input, "afterInputPath": input,
            "afterItemsPath": [1, 2, 3], "afterItemSelector": selected,
            "afterItemBatcher": [
                { "BatchInput": { "x": 1 }, "Items": [selected[0], selected[1]] },
                { "BatchInput": { "x": 1 }, "Items": [selected[2]] }],
            "afterResultSelector": [1, 2], "afterResultPath": [1, 2],
            "maxConcurrency": 0, "toleratedFailurePercentage": 50.0 } }),
    );
    check(
        json!({ "definition": state, "input": input, "mock": { "result": "[1, 2]" },
            "stateConfiguration": { "mapIterationFailureCount": 2 } }),
        json!({ "status": "FAILED", "error": "States.ExceedToleratedFailureThreshold" }),
    );
}

#[test]
fn items_that_a_reader_has_read() {
    let reader = |config: Value| {
        map(json!({ "ItemSelector": { "v.$": "$$.Map.Item.Value" }, "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject", "Parameters": { "Bucket": "b", "Key": "k" }, "ReaderConfig": config } }))
    };
    let read = |config: Value, data: &str, expect: Value| {
        let request = json!({ "definition": reader(config), "inspectionLevel": "DEBUG", "mock": { "result": "[]" },
            "stateConfiguration": { "mapItemReaderData": data } });
        check(request, expect);
    };
    let selected = |items: Value| {
        json!({ "inspectionData": { "input": {}, "afterInputPath": {}, "afterItemSelector": items,
            "afterResultSelector": [], "afterResultPath": [], "maxConcurrency": 0 } })
    };
    read(json!({ "InputType": "JSON", "MaxItems": 1 }), "[1, 2]", selected(json!([{ "v": 1 }])));
    read(json!({ "InputType": "JSONL" }), "1\n{\"a\": 2}\n", selected(json!([{ "v": 1 }, { "v": { "a": 2 } }])));
    let csv = json!({ "InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW" });
    read(csv, "a,b\n1,2\n", selected(json!([{ "v": { "a": "1", "b": "2" } }])));
    read(json!({ "InputType": "JSON" }), "[1", json!({ "status": "FAILED", "error": "States.ItemReaderFailed" }));
    let request = json!({ "definition": reader(json!({ "InputType": "JSON", "ItemsPointer": "/a" })),
        "inspectionLevel": "DEBUG", "mock": { "result": "[]" },
        "stateConfiguration": { "mapItemReaderData": "{\"a\":[7]}" } });
    check(
        request,
        json!({ "inspectionData": { "input": {}, "afterInputPath": {}, "afterItemsPointer": [7],
            "afterItemSelector": [{ "v": 7 }], "afterResultSelector": [], "afterResultPath": [], "maxConcurrency": 0 } }),
    );
}

#[test]
fn inline_maps_and_parallels() {
    let inside = json!({ "StartAt": "Inside", "States": { "Inside": { "Type": "Pass", "End": true } } });
    let inline = json!({ "Type": "Map", "End": true, "MaxConcurrency": 3, "ItemSelector": { "i.$": "$$.Map.Item.Index" },
        "ItemProcessor": inside });
    check(
        json!({ "definition": inline, "input": ["a", "b"], "inspectionLevel": "DEBUG", "mock": { "result": "[7, 8]" } }),
        json!({ "status": "SUCCEEDED", "output": [7, 8], "inspectionData": { "input": ["a", "b"], "afterInputPath": ["a", "b"],
            "afterItemsPath": ["a", "b"], "afterItemSelector": [{ "i": 0 }, { "i": 1 }],
            "afterResultSelector": [7, 8], "afterResultPath": [7, 8], "maxConcurrency": 3 } }),
    );
    let parallel = json!({ "Type": "Parallel", "End": true, "Branches": [inside],
        "Retry": [{ "ErrorEquals": ["States.ALL"], "MaxAttempts": 1 }] });
    let failed = json!({ "errorOutput": { "error": "Boom", "cause": "c" } });
    check(
        json!({ "definition": parallel, "mock": failed, "stateConfiguration": { "errorCausedByState": "Inside" } }),
        json!({ "status": "RETRIABLE", "error": "Boom", "cause": "c" }),
    );
    check(
        json!({ "definition": parallel, "mock": failed, "stateConfiguration": { "errorCausedByState": "Outside" } }),
        json!({ "error": "ValidationException: ErrorCausedByState names 'Outside', which is no state inside" }),
    );
}

#[test]
fn work_that_others_end_needs_a_mock() {
    let task = |resource: &str, parameters: Value| json!({ "Type": "Task", "End": true, "Resource": resource, "Parameters": parameters, "OutputPath": "$.out" });
    let token = json!({ "QueueUrl": "q", "MessageBody": { "t.$": "$$.Task.Token" } });
    let rows = [
        ("arn:aws:states:us-east-1:111111111111:activity:a", json!({}), "Activity tasks"),
        ("arn:aws:states:::sqs:sendMessage.waitForTaskToken", token, "the .waitForTaskToken pattern"),
        ("arn:aws:states:::states:startExecution.sync:2", json!({ "StateMachineArn": "m" }), "the .sync pattern"),
    ];
    for (resource, parameters, what) in rows {
        let definition = task(resource, parameters);
        let refused = format!("InvalidDefinition: TestState API does not support {what} when a mock is not specified");
        check(json!({ "definition": definition, "roleArn": ROLE }), json!({ "error": refused }));
        let mock = json!({ "result": json!({ "out": 1 }).to_string() });
        check(json!({ "definition": definition, "mock": mock }), json!({ "status": "SUCCEEDED", "output": "1" }));
        let mock = json!({ "errorOutput": { "error": "Boom" } });
        check(json!({ "definition": definition, "mock": mock }), json!({ "status": "FAILED", "error": "Boom" }));
    }
}

#[test]
fn a_given_context_object_is_the_whole_one() {
    let definition = json!({ "Type": "Task", "End": true, "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": { "QueueUrl": "q", "MessageBody.$": "$$.Task.Token" } });
    let tested = |context: Value, expect: Value| {
        let mock = json!({ "result": "1" });
        check(
            json!({ "definition": definition, "mock": mock, "context": context, "inspectionLevel": "DEBUG" }),
            expect,
        );
    };
    tested(json!({}), json!({ "status": "FAILED", "inspectionData": { "input": {}, "afterInputPath": {} } }));
    let data = json!({ "input": {}, "afterInputPath": {}, "afterParameters": { "QueueUrl": "q", "MessageBody": "t" },
        "result": "1", "afterResultSelector": "1", "afterResultPath": "1" });
    tested(json!({ "Task": { "Token": "t" } }), json!({ "status": "SUCCEEDED", "inspectionData": data }));
}

#[test]
fn requests_that_do_not_fit() {
    let pass = json!({ "Type": "Pass", "End": true });
    let refused = |request: Value, error: &str| check(request, json!({ "error": error }));
    let needs = "when a mock is not specified.";
    let context = json!({ "definition": pass, "context": {} });
    refused(context, &format!("ValidationException: TestState does not support Context {needs}"));
    let count = json!({ "definition": pass, "stateConfiguration": { "retrierRetryCount": 0 } });
    refused(count, &format!("ValidationException: TestState does not support RetrierRetryCount {needs}"));
    let only = "ValidationException: A test mock should have only one of the following fields: [result, errorOutput].";
    refused(json!({ "definition": function("f"), "mock": {} }), only);
    let both = json!({ "result": "1", "errorOutput": { "error": "E" } });
    refused(json!({ "definition": function("f"), "mock": both }), only);
    let of_a_task = json!({ "definition": function("f"), "mock": { "result": "1" },
        "stateConfiguration": { "mapIterationFailureCount": 1 } });
    refused(of_a_task, "ValidationException: TestState supports MapIterationFailureCount only for Map states");
    refused(
        json!({ "definition": pass, "inspectionLevel": "ALL" }),
        "ValidationException: 1 validation error detected: Value 'ALL' at 'inspectionLevel' failed to satisfy constraint: \
         Member must satisfy enum value set: [INFO, DEBUG, TRACE]",
    );
    refused(
        json!({ "definition": "[]" }),
        "InvalidDefinition: Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: Definition must be a valid JSON object at null'",
    );
    refused(
        json!({ "definition": pass, "input": " " }),
        "InvalidExecutionInput: Invalid State Machine Execution Input: 'Invalid execution input.'",
    );
}
