//! The recorded runs of AWS that read items from objects: the items are held against the recorded output of Maps
//! whose child executions pass their input on. The recordings lie beside the repository.

use std::path::Path;

use objects::items::Action;
use serde_json::{Value, json};

use crate::support::Scratch;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance/open");

#[test]
fn recorded() {
    if !Path::new(CASES).is_dir() {
        eprintln!("nothing was checked: {CASES} is absent");
        return;
    }
    let mut checked = 0;
    for area in ["scenarios", "assign"] {
        for file in std::fs::read_dir(Path::new(CASES).join(area)).unwrap() {
            let case: Value = serde_json::from_slice(&std::fs::read(file.unwrap().path()).unwrap()).unwrap();
            if case["s3_objects"].is_array() && check(&case) {
                checked += 1;
            }
        }
    }
    assert!(checked >= 9, "only {checked} recordings were checked");
}

/// `false` for what a reader alone cannot answer: batches, and items that a listing dates.
fn check(case: &Value) -> bool {
    let Some(map) =
        case["definition"]["States"].as_object().unwrap().values().find(|state| state["ItemReader"].is_object())
    else {
        return false;
    };
    let reader = &map["ItemReader"];
    let action = Action::of_resource(reader["Resource"].as_str().unwrap()).unwrap();
    if map["ItemBatcher"].is_object() || action == Action::ListObjectsV2 {
        return false;
    }
    let objects: Vec<(String, &str)> = case["s3_objects"].as_array().unwrap().iter().map(object).collect();
    let objects: Vec<(&str, &[u8])> = objects.iter().map(|(path, body)| (path.as_str(), body.as_bytes())).collect();
    let scratch = Scratch::of(&objects);
    let arguments = json!({ "Bucket": case["input"]["Bucket"], "Key": case["input"]["Key"] });
    let mut config = reader["ReaderConfig"].clone();
    if let Some(path) = config.as_object_mut().unwrap().remove("MaxItemsPath") {
        let variable = path.as_str().unwrap().starts_with("$maxItems");
        config["MaxItems"] = if variable { json!(2) } else { case["input"]["MaxItems"].clone() };
    }
    let found = scratch.read(action, &arguments, &config).map_err(|error| error.to_string());
    let expected = &case["expected"];
    match found {
        Ok(items) => {
            let items: Vec<Value> = items.map(|item| serde_json::from_str(&item.unwrap().input()).unwrap()).collect();
            let output: Value = serde_json::from_str(expected["output"].as_str().unwrap()).unwrap();
            assert_eq!(Value::Array(items), output, "{}", case["name"]);
        }
        Err(cause) => assert_eq!(expected["cause"], cause, "{}", case["name"]),
    }
    true
}

fn object(object: &Value) -> (String, &str) {
    let text = |name: &str| object[name].as_str().unwrap();
    (format!("{}/{}", text("bucket"), text("key")), text("body"))
}
