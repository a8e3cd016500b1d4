//! Where the template is that a path means: the file itself, a folder with one in it, or what CDK has synthesized.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The template of a folder, in this order.
const NAMES: [&str; 5] = ["template.yaml", "template.yml", "template.json", "sam.yaml", "cloudformation.yaml"];

/// CDK's table of contents of what it has synthesized, and the folder it puts that into.
const MANIFEST: &str = "manifest.json";
const CDK_OUT: &str = "cdk.out";

/// A template's file, and what lies beside it that decides what it means.
#[derive(Debug, Default, PartialEq)]
pub struct Found {
    pub file: PathBuf,
    /// The name of its stack, where the template itself does not decide it.
    pub stack_name: Option<String>,
    /// Files and folders that CDK would upload, by the key it would give them.
    pub assets: BTreeMap<String, PathBuf>,
    /// Parameters that CDK would give values to.
    pub parameters: BTreeMap<String, String>,
}

pub fn find(path: &Path) -> Result<Found, String> {
    let path = std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if !path.is_dir() {
        let beside = path.parent().filter(|folder| folder.join(MANIFEST).is_file());
        let stacks = beside.map(stacks).transpose().unwrap_or_default().unwrap_or_default();
        let synthesized = stacks.into_iter().find(|stack| stack.file == path);
        return Ok(synthesized.unwrap_or(Found { file: path, ..Found::default() }));
    }
    if let Some(file) = NAMES.iter().map(|name| path.join(name)).find(|file| file.is_file()) {
        return Ok(Found { file, ..Found::default() });
    }
    let folders = [path.clone(), path.join(CDK_OUT)];
    match folders.iter().find(|folder| folder.join(MANIFEST).is_file()) {
        Some(folder) => only_stack(folder),
        None if path.join("cdk.json").is_file() => {
            Err(format!("{} is a CDK app that was not synthesized yet: run `cdk synth` there first", path.display()))
        }
        None => Err(format!("{} has no template: looked for {}, {CDK_OUT}", path.display(), NAMES.join(", "))),
    }
}

fn only_stack(folder: &Path) -> Result<Found, String> {
    let mut stacks = stacks(folder)?;
    if stacks.len() > 1 {
        let files: Vec<String> = stacks.iter().map(|stack| format!("  {}", stack.file.display())).collect();
        return Err(format!("{} has several stacks: name one of\n{}", folder.display(), files.join("\n")));
    }
    stacks.pop().ok_or_else(|| format!("{} has no stack", folder.join(MANIFEST).display()))
}

/// The stacks of CDK's cloud assembly.
fn stacks(folder: &Path) -> Result<Vec<Found>, String> {
    let manifest = read_json(&folder.join(MANIFEST))?;
    let artifacts = manifest["artifacts"].as_object();
    let artifacts = artifacts
        .ok_or_else(|| format!("{}: it is not CDK's: it has no artifacts", folder.join(MANIFEST).display()))?;
    let mut found = Vec::new();
    for (id, artifact) in artifacts {
        let Some(template) = artifact["properties"]["templateFile"].as_str() else { continue };
        if artifact["type"] != "aws:cloudformation:stack" {
            continue;
        }
        let name = artifact["properties"]["stackName"].as_str().unwrap_or(id);
        let mut stack = Found { file: folder.join(template), stack_name: Some(name.to_owned()), ..Found::default() };
        parameters_of_first_version(folder, artifact, &mut stack);
        let listed = folder.join(format!("{id}.assets.json"));
        if listed.is_file() {
            stack.assets.extend(assets_of_second_version(folder, &read_json(&listed)?));
        }
        found.push(stack);
    }
    Ok(found)
}

/// Version 1 asks for bucket, key and hash of each asset by parameters. A key is in two parts, before and after two strokes.
fn parameters_of_first_version(folder: &Path, artifact: &Value, stack: &mut Found) {
    let entries = artifact["metadata"].as_object().into_iter().flat_map(|metadata| metadata.values());
    for entry in entries.filter_map(Value::as_array).flatten().filter(|entry| entry["type"] == "aws:cdk:asset") {
        let data = &entry["data"];
        let Some(path) = data["path"].as_str() else { continue };
        stack.assets.insert(format!("assets/{path}"), folder.join(path));
        let key = format!("assets/||{path}");
        let values = [
            ("s3BucketParameter", "assets".to_owned()),
            ("s3KeyParameter", key),
            ("artifactHashParameter", "hash".to_owned()),
        ];
        for (name, value) in values {
            stack.parameters.extend(data[name].as_str().map(|parameter| (parameter.to_owned(), value)));
        }
    }
}

/// Version 2 lists its assets beside the template, each with the key that it will have.
fn assets_of_second_version(folder: &Path, listed: &Value) -> Vec<(String, PathBuf)> {
    let files = listed["files"].as_object().into_iter().flat_map(|files| files.values());
    let keys = |file: &Value| -> Vec<(String, PathBuf)> {
        let Some(path) = file["source"]["path"].as_str() else { return Vec::new() };
        let destinations = file["destinations"].as_object().into_iter().flat_map(|destinations| destinations.values());
        let keys = destinations.filter_map(|destination| destination["objectKey"].as_str());
        keys.map(|key| (key.to_owned(), folder.join(path))).collect()
    };
    files.flat_map(keys).collect()
}

fn read_json(file: &Path) -> Result<Value, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = std::fs::read(file).map_err(|error| wrong(&error))?;
    serde_json::from_slice(&text).map_err(|error| wrong(&error))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn templates_are_found() {
        let scratch = store::testing::Scratch::new();
        let root = scratch.path();
        let check = |path: &str, expect: Result<(&str, Option<&str>), &str>| match (find(&root.join(path)), expect) {
            (Err(found), Err(expect)) => assert!(found.contains(expect), "{path}: {found}"),
            (Ok(found), Ok((file, stack))) => {
                assert_eq!((found.file, found.stack_name.as_deref()), (root.join(file), stack), "{path}");
            }
            (found, expect) => panic!("{path}: {found:?} is not {expect:?}"),
        };
        let write = |name: &str, text: &str| {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), text).unwrap();
        };
        let stack =
            |file: &str| format!(r#"{{"type":"aws:cloudformation:stack","properties":{{"templateFile":"{file}"}}}}"#);
        write("sam/template.yaml", "");
        write("cdk/cdk.json", "{}");
        check("sam", Ok(("sam/template.yaml", None)));
        check("sam/template.yaml", Ok(("sam/template.yaml", None)));
        check("cdk", Err("was not synthesized yet: run `cdk synth`"));
        let tree = r#"{"type":"cdk:tree"}"#;
        write("cdk/cdk.out/manifest.json", &format!(r#"{{"artifacts":{{"Tree":{tree},"Saga":{}}}}}"#, stack("S.json")));
        check("cdk", Ok(("cdk/cdk.out/S.json", Some("Saga"))));
        check("cdk/cdk.out", Ok(("cdk/cdk.out/S.json", Some("Saga"))));
        check("cdk/cdk.out/S.json", Ok(("cdk/cdk.out/S.json", Some("Saga"))));
        write("two/manifest.json", &format!(r#"{{"artifacts":{{"A":{},"B":{}}}}}"#, stack("A.json"), stack("B.json")));
        check("two", Err("several stacks: name one of"));
        write("none/manifest.json", r#"{"artifacts":{}}"#);
        check("none", Err("has no stack"));
        write("foreign/manifest.json", "[]");
        check("foreign", Err("it has no artifacts"));
        fs::create_dir(root.join("empty")).unwrap();
        check("empty", Err("has no template: looked for template.yaml"));
    }
    #[test]
    fn assets_of_both_versions_are_found() {
        let scratch = store::testing::Scratch::new();
        let root = scratch.path();
        let write = |name: &str, text: &str| fs::write(root.join(name), text).unwrap();
        let asset = r#"{"type":"aws:cdk:asset","data":{"path":"asset.1","s3BucketParameter":"B","s3KeyParameter":"K","artifactHashParameter":"H"}}"#;
        let stack = r#""type":"aws:cloudformation:stack","properties":{"templateFile":"S.json"}"#;
        write(MANIFEST, &format!(r#"{{"artifacts":{{"S":{{{stack},"metadata":{{"/S":[{asset}]}}}}}}}}"#));
        write(
            "S.assets.json",
            r#"{"files":{"2":{"source":{"path":"asset.2"},"destinations":{"x":{"objectKey":"2.zip"}}}}}"#,
        );
        let found = find(root).unwrap();
        let asset = |key: &str, file: &str| (key.to_owned(), root.join(file));
        assert_eq!(found.assets, BTreeMap::from([asset("assets/asset.1", "asset.1"), asset("2.zip", "asset.2")]));
        let parameter = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = [parameter("B", "assets"), parameter("K", "assets/||asset.1"), parameter("H", "hash")];
        assert_eq!(found.parameters, BTreeMap::from(expected));
    }
}
