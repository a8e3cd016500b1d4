//! Each region and account has its own names: those that a request is signed for.

use aws_states::States;
use serde_json::{Value, json};
use support::{Account, ROLE, pass};

mod support;

async fn ask(states: &States, credential: Option<(&str, &str)>, operation: &str, body: Value) -> Value {
    let mut request = http::Request::post("/").header("x-amz-target", format!("AWSStepFunctions.{operation}"));
    if let Some((key, region)) = credential {
        let scope = format!("Credential={key}/20260101/{region}/states/aws4_request");
        request = request.header("authorization", format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"));
    }
    let response = states.handle(&request.body(body.to_string().into()).unwrap()).await;
    serde_json::from_slice(response.body()).unwrap()
}

fn names(list: &Value, member: &str, arn: &str) -> Vec<String> {
    list[member].as_array().unwrap().iter().map(|entry| entry[arn].as_str().unwrap().to_owned()).collect()
}

const CREDENTIALS: [Option<(&str, &str)>; 4] =
    [None, Some(("test", "eu-west-1")), Some(("111122223333", "us-east-1")), Some(("111122223333", "eu-west-1"))];

#[tokio::test]
async fn names_and_lists_are_of_one_region_and_account() {
    let account = Account::open();
    let states = account.states();
    let mut machines = Vec::new();
    for (credential, of) in CREDENTIALS.into_iter().zip([
        "us-east-1:000000000000",
        "eu-west-1:000000000000",
        "us-east-1:111122223333",
        "eu-west-1:111122223333",
    ]) {
        let create = json!({ "name": "m", "definition": pass(0), "roleArn": ROLE });
        let created = ask(states, credential, "CreateStateMachine", create).await;
        let machine = format!("arn:aws:states:{of}:stateMachine:m");
        assert_eq!(created["stateMachineArn"], machine);
        let activity = ask(states, credential, "CreateActivity", json!({ "name": "a" })).await;
        let listed = ask(states, credential, "ListStateMachines", json!({})).await;
        assert_eq!(names(&listed, "stateMachines", "stateMachineArn"), [machine.as_str()]);
        let listed = ask(states, credential, "ListActivities", json!({})).await;
        assert_eq!(names(&listed, "activities", "activityArn"), [activity["activityArn"].as_str().unwrap()]);
        machines.push(machine);
    }
    // An ARN says where it belongs, whoever asks.
    for machine in &machines {
        let started = ask(states, None, "StartExecution", json!({ "stateMachineArn": machine, "name": "x" })).await;
        assert_eq!(started["executionArn"], format!("{}:x", machine.replace("stateMachine", "execution")));
    }
    account.close();
}

#[tokio::test]
async fn an_account_that_is_given_is_everybodys() {
    let account = Account::open();
    let states = account.states().clone().with_fixed_account();
    for (number, credential) in CREDENTIALS.into_iter().enumerate() {
        let created = ask(&states, credential, "CreateActivity", json!({ "name": format!("a{number}") })).await;
        let arn = created["activityArn"].as_str().unwrap();
        assert!(arn.contains(":000000000000:activity:"), "{arn}");
    }
    account.close();
}
