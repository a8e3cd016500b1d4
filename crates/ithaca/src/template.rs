//! Where the templates are that a path means: the file itself, a folder with one in it, or what CDK has synthesized, which may be
//! several stacks: each after those it needs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The template of a folder, in this order.
const NAMES: [&str; 5] = ["template.yaml", "template.yml", "template.json", "sam.yaml", "cloudformation.yaml"];

/// CDK's table of contents of what it has synthesized, and the folder it puts that into.
const MANIFEST: &str = "manifest.json";
const CDK_OUT: &str = "cdk.out";

/// Where `sam build` puts what it has built, in the app's folder.
const SAM_BUILT: &str = ".aws-sam/build";

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
    /// What CDK calls it, and the others that it needs.
    id: String,
    needs: Vec<String>,
}

/// The folder of the app that a path belongs to: where its data is kept unless told otherwise. What CDK synthesizes and
/// `sam build` builds is made anew again and again, so that is the folder around it.
pub fn app_folder(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = if path.is_dir() { path.as_path() } else { path.parent().unwrap_or(Path::new("")) };
    if folder.ends_with(SAM_BUILT) {
        return folder.ancestors().nth(2).unwrap_or(folder).to_owned();
    }
    let is_synthesized = folder.file_name().is_some_and(|name| name == CDK_OUT) || folder.join(MANIFEST).is_file();
    match folder.parent() {
        Some(app) if is_synthesized => app.to_owned(),
        _ => folder.to_owned(),
    }
}

pub fn find(path: &Path) -> Result<Vec<Found>, String> {
    let path = std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if !path.is_dir() {
        let beside = path.parent().filter(|folder| folder.join(MANIFEST).is_file());
        let stacks = beside.map(stacks).transpose().unwrap_or_default().unwrap_or_default();
        let synthesized = stacks.into_iter().find(|stack| stack.file == path);
        return Ok(vec![synthesized.unwrap_or_else(|| alone(path))]);
    }
    if let Some(file) = NAMES.iter().map(|name| path.join(name)).find(|file| file.is_file()) {
        return Ok(vec![alone(file)]);
    }
    let folders = [path.clone(), path.join(CDK_OUT)];
    match folders.iter().find(|folder| folder.join(MANIFEST).is_file()) {
        Some(folder) => match stacks(folder)? {
            found if found.is_empty() => Err(format!("{} has no stack", folder.join(MANIFEST).display())),
            found => Ok(in_order(found)),
        },
        None if path.join("cdk.json").is_file() => {
            Err(format!("{} is a CDK app that was not synthesized yet: run `cdk synth` there first", path.display()))
        }
        None => Err(format!("{} has no template: looked for {}, {CDK_OUT}", path.display(), NAMES.join(", "))),
    }
}

/// A template by itself. What `sam build` has built has the name of its app.
fn alone(file: PathBuf) -> Found {
    let is_built = file.parent().is_some_and(|folder| folder.ends_with(SAM_BUILT));
    let app = is_built.then(|| app_folder(&file));
    let name = app.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
    Found { stack_name: name.map(aws_cloudformation::stack_name_of), file, ..Found::default() }
}

/// Each after those it needs. CDK sees to it that there is no circle.
fn in_order(mut left: Vec<Found>) -> Vec<Found> {
    let mut ordered: Vec<Found> = Vec::new();
    while !left.is_empty() {
        let is_free = |stack: &Found| !stack.needs.iter().any(|id| left.iter().any(|other| other.id == *id));
        let next = left.iter().position(is_free).unwrap_or(0);
        ordered.push(left.remove(next));
    }
    ordered
}

/// The stacks of CDK's cloud assembly, with those of its stages.
fn stacks(folder: &Path) -> Result<Vec<Found>, String> {
    let manifest = read_json(&folder.join(MANIFEST))?;
    let artifacts = manifest["artifacts"].as_object();
    let artifacts = artifacts
        .ok_or_else(|| format!("{}: it is not CDK's: it has no artifacts", folder.join(MANIFEST).display()))?;
    let mut found = Vec::new();
    for (id, artifact) in artifacts {
        if let ("cdk:cloud-assembly", Some(stage)) = kind_and(artifact, "directoryName") {
            found.extend(stacks(&folder.join(stage))?);
        }
        let Some(template) = artifact["properties"]["templateFile"].as_str() else { continue };
        if artifact["type"] != "aws:cloudformation:stack" {
            continue;
        }
        let name = artifact["properties"]["stackName"].as_str().unwrap_or(id);
        let needs = artifact["dependencies"].as_array().into_iter().flatten();
        let mut stack = Found {
            file: folder.join(template),
            stack_name: Some(name.to_owned()),
            id: id.clone(),
            needs: needs.filter_map(|id| id.as_str().map(str::to_owned)).collect(),
            ..Found::default()
        };
        parameters_of_first_version(folder, artifact, &mut stack);
        let listed = folder.join(format!("{id}.assets.json"));
        if listed.is_file() {
            stack.assets.extend(assets_of_second_version(folder, &read_json(&listed)?));
        }
        found.push(stack);
    }
    Ok(found)
}

fn kind_and<'a>(artifact: &'a Value, property: &str) -> (&'a str, Option<&'a str>) {
    (artifact["type"].as_str().unwrap_or_default(), artifact["properties"][property].as_str())
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
                let [found] = found.as_slice() else { panic!("{path}: {found:?}") };
                assert_eq!((&found.file, found.stack_name.as_deref()), (&root.join(file), stack), "{path}");
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
        write("My app/.aws-sam/build/template.yaml", "");
        let built = "My app/.aws-sam/build/template.yaml";
        check("My app/.aws-sam/build", Ok((built, Some("My-app"))));
        check(built, Ok((built, Some("My-app"))));
        check("cdk", Err("was not synthesized yet: run `cdk synth`"));
        let tree = r#"{"type":"cdk:tree"}"#;
        write("cdk/cdk.out/manifest.json", &format!(r#"{{"artifacts":{{"Tree":{tree},"Saga":{}}}}}"#, stack("S.json")));
        check("cdk", Ok(("cdk/cdk.out/S.json", Some("Saga"))));
        check("cdk/cdk.out", Ok(("cdk/cdk.out/S.json", Some("Saga"))));
        check("cdk/cdk.out/S.json", Ok(("cdk/cdk.out/S.json", Some("Saga"))));
        write("none/manifest.json", r#"{"artifacts":{}}"#);
        check("none", Err("has no stack"));
        write("foreign/manifest.json", "[]");
        check("foreign", Err("it has no artifacts"));
        fs::create_dir(root.join("empty")).unwrap();
        check("empty", Err("has no template: looked for template.yaml"));
    }

    #[test]
    fn stacks_come_after_those_they_need() {
        let scratch = store::testing::Scratch::new();
        let root = scratch.path();
        let stack = |needs: &str| {
            format!(
                r#"{{"type":"aws:cloudformation:stack","dependencies":[{needs}],"properties":{{"templateFile":"x.json"}}}}"#
            )
        };
        let stage = r#"{"type":"cdk:cloud-assembly","properties":{"directoryName":"stage"}}"#;
        let (a, b, c) = (stack(r#""B","A.assets""#), stack(r#""C""#), stack(""));
        fs::create_dir(root.join("stage")).unwrap();
        fs::write(root.join(MANIFEST), format!(r#"{{"artifacts":{{"A":{a},"B":{b},"C":{c},"Stage":{stage}}}}}"#))
            .unwrap();
        fs::write(root.join("stage/manifest.json"), format!(r#"{{"artifacts":{{"D":{}}}}}"#, stack(""))).unwrap();
        let names: Vec<String> = find(root).unwrap().into_iter().map(|found| found.stack_name.unwrap()).collect();
        assert_eq!(names, ["C", "B", "A", "D"]);
    }

    #[test]
    fn data_is_kept_beside_the_app() {
        let scratch = store::testing::Scratch::new();
        let root = scratch.path();
        fs::create_dir_all(root.join("cdk/cdk.out")).unwrap();
        fs::create_dir_all(root.join("other/out")).unwrap();
        fs::write(root.join("other/out").join(MANIFEST), "{}").unwrap();
        fs::create_dir_all(root.join("sam/.aws-sam/build")).unwrap();
        for (path, expect) in [
            ("cdk", "cdk"),
            ("cdk/cdk.out", "cdk"),
            ("cdk/cdk.out/S.template.json", "cdk"),
            ("cdk/template.yaml", "cdk"),
            ("other/out", "other"),
            ("sam/.aws-sam/build", "sam"),
            ("sam/.aws-sam/build/template.yaml", "sam"),
        ] {
            assert_eq!(app_folder(&root.join(path)), root.join(expect), "{path}");
        }
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
        let found = find(root).unwrap().remove(0);
        let asset = |key: &str, file: &str| (key.to_owned(), root.join(file));
        assert_eq!(found.assets, BTreeMap::from([asset("assets/asset.1", "asset.1"), asset("2.zip", "asset.2")]));
        let parameter = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = [parameter("B", "assets"), parameter("K", "assets/||asset.1"), parameter("H", "hash")];
        assert_eq!(found.parameters, BTreeMap::from(expected));
    }
}
