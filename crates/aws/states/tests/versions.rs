//! Versions and aliases through the door: what is published stays, and starts are sent where they belong.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use support::{Account, MACHINE, ROLE, pass};

mod support;

fn at(qualifier: &str) -> String {
    format!("{MACHINE}:{qualifier}")
}

fn route(version: u32, weight: u32) -> Value {
    json!({ "stateMachineVersionArn": at(&version.to_string()), "weight": weight })
}

/// Updates the machine's definition and publishes it.
async fn publish(account: &Account, result: u32) -> Value {
    let body = json!({ "stateMachineArn": MACHINE, "definition": pass(result), "publish": true });
    account.ask("UpdateStateMachine", body).await.unwrap()
}

async fn versions(account: &Account) -> Vec<String> {
    let answer = account.ask("ListStateMachineVersions", json!({ "stateMachineArn": MACHINE })).await.unwrap();
    let arns = answer["stateMachineVersions"].as_array().unwrap().iter();
    arns.map(|version| version["stateMachineVersionArn"].as_str().unwrap().rsplit(':').next().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_version_stays_as_it_was_published() {
    let account = Account::open();
    account.create(json!({})).await;
    for _ in 0..2 {
        account
            .check(
                "PublishStateMachineVersion",
                json!({ "stateMachineArn": MACHINE, "description": "first", "revisionId": "INITIAL" }),
                Ok(json!({ "stateMachineVersionArn": at("1") })),
            )
            .await;
    }
    let updated = publish(&account, 1).await;
    assert_eq!(updated["stateMachineVersionArn"], at("2").as_str());
    let described = account.ask("DescribeStateMachine", json!({ "stateMachineArn": at("2") })).await.unwrap();
    assert_eq!((&described["definition"], &described["revisionId"]), (&json!(pass(1)), &updated["revisionId"]));
    let first = account.ask("DescribeStateMachine", json!({ "stateMachineArn": at("1") })).await.unwrap();
    assert_eq!((&first["definition"], &first["description"]), (&json!(pass(0)), &json!("first")));
    assert_eq!((&first["stateMachineArn"], &first["revisionId"]), (&json!(at("1")), &Value::Null));

    let stale = json!({ "stateMachineArn": MACHINE, "revisionId": "INITIAL" });
    let current = updated["revisionId"].as_str().unwrap();
    account
        .check(
            "PublishStateMachineVersion",
            stale,
            Err(&format!(
                "ConflictException: Failed to publish the State Machine version for revision INITIAL. The current State Machine revision is {current}."
            )),
        )
        .await;

    // Numbers are used once, also by a revision that is published anew.
    account.check("DeleteStateMachineVersion", json!({ "stateMachineVersionArn": at("2") }), Ok(json!({}))).await;
    assert_eq!(versions(&account).await, ["1"]);
    account
        .check(
            "PublishStateMachineVersion",
            json!({ "stateMachineArn": MACHINE }),
            Ok(json!({ "stateMachineVersionArn": at("3") })),
        )
        .await;
    assert_eq!(versions(&account).await, ["3", "1"]);

    // A change of the settings is a revision too.
    let traced = json!({ "stateMachineArn": MACHINE, "tracingConfiguration": { "enabled": true }, "publish": true });
    let updated = account.ask("UpdateStateMachine", traced).await.unwrap();
    assert_eq!(updated["stateMachineVersionArn"], at("4").as_str());
    for (version, enabled) in [("3", false), ("4", true)] {
        let described = account.ask("DescribeStateMachine", json!({ "stateMachineArn": at(version) })).await.unwrap();
        assert_eq!(described["tracingConfiguration"]["enabled"], enabled, "{version}");
    }
    account.ask("DeleteStateMachine", json!({ "stateMachineArn": MACHINE })).await.unwrap();
    account.check("DeleteStateMachineVersion", json!({ "stateMachineVersionArn": at("4") }), Ok(json!({}))).await;
    account.close();
}

#[tokio::test]
async fn creating_is_idempotent_on_publishing_too() {
    let account = Account::open();
    let body = |more: Value| {
        let mut body = json!({ "name": "m", "definition": pass(0), "roleArn": ROLE });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let published = || body(json!({ "publish": true, "versionDescription": "first" }));
    for _ in 0..2 {
        let answer = Ok(json!({ "stateMachineArn": MACHINE, "stateMachineVersionArn": at("1") }));
        account.check("CreateStateMachine", published(), answer).await;
    }
    let exists = format!("StateMachineAlreadyExists: State Machine Already Exists: '{MACHINE}'");
    for other in [json!({}), json!({ "publish": true })] {
        account.check("CreateStateMachine", body(other), Err(&exists)).await;
    }
    account
        .check(
            "CreateStateMachine",
            body(json!({ "versionDescription": "first" })),
            Err("ValidationException: Version description can only be set when publish is true"),
        )
        .await;
    account.close();
}

#[tokio::test]
async fn the_life_of_an_alias() {
    let account = Account::open();
    account.create(json!({ "publish": true })).await;
    publish(&account, 1).await;
    let prod = json!({ "stateMachineAliasArn": at("PROD") });
    let create = |routes: Value| json!({ "name": "PROD", "description": "live", "routingConfiguration": routes });
    for _ in 0..2 {
        account.check("CreateStateMachineAlias", create(json!([route(1, 100)])), Ok(prod.clone())).await;
    }
    let described = |description: &str, routes: Value| {
        let mut alias = json!({ "stateMachineAliasArn": at("PROD"), "name": "PROD", "routingConfiguration": routes });
        alias["description"] = description.into();
        Ok(alias)
    };
    account.check("DescribeStateMachineAlias", prod.clone(), described("live", json!([route(1, 100)]))).await;
    let update = |more: Value| {
        let mut body = prod.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    account.check("UpdateStateMachineAlias", update(json!({ "description": "half" })), Ok(json!({}))).await;
    let both = json!([route(1, 60), route(2, 40)]);
    account.check("UpdateStateMachineAlias", update(json!({ "routingConfiguration": both })), Ok(json!({}))).await;
    account.check("DescribeStateMachineAlias", prod.clone(), described("half", both.clone())).await;
    account
        .check(
            "UpdateStateMachineAlias",
            prod.clone(),
            Err("ValidationException: Either the description or the RoutingConfiguration must be specified"),
        )
        .await;
    account
        .check(
            "DeleteStateMachineVersion",
            json!({ "stateMachineVersionArn": at("2") }),
            Err("ConflictException: Version to be deleted must not be referenced by an alias. Current list of aliases referencing this version: [PROD]"),
        )
        .await;
    account
        .ask("CreateStateMachineAlias", json!({ "name": "TEST", "routingConfiguration": [route(2, 100)] }))
        .await
        .unwrap();
    let list = |names: &[&str]| {
        let alias = |name: &&str| json!({ "stateMachineAliasArn": at(name) });
        Ok(json!({ "stateMachineAliases": names.iter().map(alias).collect::<Vec<_>>() }))
    };
    for (arn, names) in [(MACHINE, &["PROD", "TEST"][..]), (&at("1"), &["PROD"]), (&at("2"), &["PROD", "TEST"])] {
        account.check("ListStateMachineAliases", json!({ "stateMachineArn": arn }), list(names)).await;
    }
    for _ in 0..2 {
        account.check("DeleteStateMachineAlias", prod.clone(), Ok(json!({}))).await;
    }
    let gone = "ResourceNotFound: Request references a resource that does not exist.";
    for operation in ["DescribeStateMachineAlias", "UpdateStateMachineAlias"] {
        account.check(operation, update(json!({ "description": "x" })), Err(gone)).await;
    }
    let missing = json!({ "name": "X", "routingConfiguration": [route(9, 100)] });
    account.check("CreateStateMachineAlias", missing, Err(gone)).await;
    account.close();
}

#[tokio::test]
async fn starts_go_where_they_are_sent() {
    let account = Account::open();
    account.create(json!({ "publish": true })).await;
    publish(&account, 1).await;
    account.ask("UpdateStateMachine", json!({ "stateMachineArn": MACHINE, "definition": pass(2) })).await.unwrap();
    account
        .ask("CreateStateMachineAlias", json!({ "name": "OLD", "routingConfiguration": [route(1, 100)] }))
        .await
        .unwrap();
    let halves = json!({ "name": "HALF", "routingConfiguration": [route(1, 50), route(2, 50)] });
    account.ask("CreateStateMachineAlias", halves).await.unwrap();

    let mut started = BTreeMap::new();
    for (arn, output) in [(MACHINE, "2"), (&at("1"), "0"), (&at("2"), "1"), (&at("OLD"), "0")] {
        let found = outcome(&account, arn).await;
        assert_eq!((&found["status"], &found["output"]), (&json!("SUCCEEDED"), &json!(output)), "{arn}");
        assert_eq!(found["stateMachineArn"], MACHINE);
        started.insert(arn.to_owned(), found);
    }
    let named =
        |arn: &str| (started[arn]["stateMachineVersionArn"].clone(), started[arn]["stateMachineAliasArn"].clone());
    assert_eq!(named(MACHINE), (Value::Null, Value::Null));
    assert_eq!(named(&at("2")), (json!(at("2")), Value::Null));
    assert_eq!(named(&at("OLD")), (json!(at("1")), json!(at("OLD"))));

    // Each list holds what was started through its ARN, and only that.
    let lists = [(MACHINE.to_owned(), 4), (at("1"), 2), (at("2"), 1), (at("OLD"), 1), (at("HALF"), 0)];
    for (arn, count) in lists {
        let answer = account.ask("ListExecutions", json!({ "stateMachineArn": arn })).await.unwrap();
        assert_eq!(answer["executions"].as_array().unwrap().len(), count, "{arn}");
    }
    // Chance decides, so both versions are drawn in few enough tries.
    let mut drawn = BTreeMap::<String, usize>::new();
    while drawn.len() < 2 {
        *drawn.entry(outcome(&account, &at("HALF")).await["output"].to_string()).or_default() += 1;
        assert!(drawn.values().sum::<usize>() < 200, "{drawn:?}");
    }
    for gone in [at("9"), at("NONE")] {
        let error = format!("StateMachineDoesNotExist: State Machine Does Not Exist: '{gone}'");
        for operation in ["StartExecution", "ListExecutions", "DescribeStateMachine"] {
            account.check(operation, json!({ "stateMachineArn": gone }), Err(&error)).await;
        }
    }
    let labelled = account.ask("StartExecution", json!({ "stateMachineArn": format!("{MACHINE}/label") })).await;
    assert!(labelled.unwrap_err().starts_with("ValidationException: "));
    account.close();
}

/// Starts an execution and describes it when it has ended.
async fn outcome(account: &Account, arn: &str) -> Value {
    let started = account.ask("StartExecution", json!({ "stateMachineArn": arn })).await.unwrap();
    let described = account.ask("DescribeExecution", json!({ "executionArn": started["executionArn"] })).await.unwrap();
    // A Pass state ends in the step that starts it.
    assert_ne!(described["status"], "RUNNING");
    described
}

#[tokio::test]
async fn pages_and_quotas() {
    let account = Account::open();
    account.create(json!({ "publish": true })).await;
    for n in 1..12 {
        publish(&account, n).await;
    }
    let mut seen = Vec::new();
    let mut body = json!({ "stateMachineArn": MACHINE, "maxResults": 5 });
    loop {
        let answer = account.ask("ListStateMachineVersions", body.clone()).await.unwrap();
        seen.extend(answer["stateMachineVersions"].as_array().unwrap().iter().cloned());
        match answer.get("nextToken") {
            Some(token) => body["nextToken"] = token.clone(),
            None => break,
        }
    }
    let numbers: Vec<String> = (1..=12).rev().map(|n| at(&n.to_string())).collect();
    let shown: Vec<&str> = seen.iter().map(|version| version["stateMachineVersionArn"].as_str().unwrap()).collect();
    assert_eq!(shown, numbers);
    let foreign = json!({ "stateMachineArn": MACHINE, "nextToken": body["nextToken"] });
    account.check("ListStateMachineAliases", foreign, Err("InvalidToken: Invalid Token: 'Invalid token'")).await;

    for n in 0..100 {
        let new = json!({ "name": format!("a{n}"), "routingConfiguration": [route(1, 100)] });
        account.ask("CreateStateMachineAlias", new).await.unwrap();
    }
    let over =
        account.ask("CreateStateMachineAlias", json!({ "name": "b", "routingConfiguration": [route(1, 100)] })).await;
    assert!(over.unwrap_err().starts_with("ServiceQuotaExceededException: "));
    account.close();
}

#[tokio::test]
async fn the_executions_of_a_map_run_tell_whose_they_are() {
    let account = Account::open();
    let item = json!({ "StartAt": "B", "States": { "B": { "Type": "Pass", "End": true } } });
    let mut processor = json!({ "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" } });
    processor.as_object_mut().unwrap().extend(item.as_object().unwrap().clone());
    let map = json!({ "Type": "Map", "Label": "each", "ItemProcessor": processor, "End": true });
    let definition = json!({ "StartAt": "A", "States": { "A": map } }).to_string();
    account.create(json!({ "definition": definition, "publish": true })).await;
    let start = json!({ "stateMachineArn": at("1"), "input": "[1]" });
    let started = account.ask("StartExecution", start).await.unwrap();
    let parent = json!({ "executionArn": started["executionArn"] });
    let ended = async || {
        while account.ask("DescribeExecution", parent.clone()).await.unwrap()["status"] == "RUNNING" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), ended()).await.expect("it ends");
    let runs = account.ask("ListMapRuns", parent).await.unwrap();
    let run = &runs["mapRuns"][0]["mapRunArn"];
    let children = account.ask("ListExecutions", json!({ "mapRunArn": run })).await.unwrap();
    let child = &children["executions"][0];
    assert_eq!(child["stateMachineArn"], format!("{MACHINE}/each"));
    assert_eq!(child["stateMachineVersionArn"], at("1"));
    let child = json!({ "executionArn": child["executionArn"] });
    let machine = account.ask("DescribeStateMachineForExecution", child).await.unwrap();
    assert_eq!((&machine["label"], &machine["mapRunArn"]), (&json!("each"), run));
    let labelled = json!({ "stateMachineArn": format!("{MACHINE}/each") });
    let refused = account.ask("DescribeStateMachine", labelled).await.unwrap_err();
    assert!(refused.starts_with("ValidationException: "), "{refused}");
    account.close();
}
