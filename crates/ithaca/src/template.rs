//! Where the template is that a path means: the file itself, a folder with one in it, or what CDK has synthesized.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The template of a folder, in this order.
const NAMES: [&str; 5] = ["template.yaml", "template.yml", "template.json", "sam.yaml", "cloudformation.yaml"];

/// CDK's table of contents of what it has synthesized, and the folder it puts that into.
const MANIFEST: &str = "manifest.json";
const CDK_OUT: &str = "cdk.out";

/// A template's file, and the name of its stack where the template itself does not decide it.
#[derive(Debug, PartialEq)]
pub struct Found {
    pub file: PathBuf,
    pub stack_name: Option<String>,
}

pub fn find(path: &Path) -> Result<Found, String> {
    let path = std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if !path.is_dir() {
        let stack_name = path.parent().and_then(|folder| stacks(folder).ok()).unwrap_or_default();
        let stack_name = stack_name.into_iter().find(|(_, file)| *file == path).map(|(name, _)| name);
        return Ok(Found { file: path, stack_name });
    }
    if let Some(file) = NAMES.iter().map(|name| path.join(name)).find(|file| file.is_file()) {
        return Ok(Found { file, stack_name: None });
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
    match (stacks.pop(), stacks.is_empty()) {
        (Some((name, file)), true) => Ok(Found { file, stack_name: Some(name) }),
        (None, _) => Err(format!("{} has no stack", folder.join(MANIFEST).display())),
        (Some(last), false) => {
            stacks.push(last);
            let files: Vec<String> = stacks.iter().map(|(_, file)| format!("  {}", file.display())).collect();
            Err(format!("{} has several stacks: name one of\n{}", folder.display(), files.join("\n")))
        }
    }
}

/// The stacks of CDK's cloud assembly: name and template.
fn stacks(folder: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    let file = folder.join(MANIFEST);
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = std::fs::read(&file).map_err(|error| wrong(&error))?;
    let manifest: Value = serde_json::from_slice(&text).map_err(|error| wrong(&error))?;
    let artifacts = manifest["artifacts"].as_object().ok_or_else(|| wrong(&"it is not CDK's: it has no artifacts"))?;
    let stack = |(id, artifact): (&String, &Value)| {
        let template = artifact["properties"]["templateFile"].as_str()?;
        let name = artifact["properties"]["stackName"].as_str().unwrap_or(id);
        (artifact["type"] == "aws:cloudformation:stack").then(|| (name.to_owned(), folder.join(template)))
    };
    Ok(artifacts.iter().filter_map(stack).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn templates_are_found() {
        let scratch = store::testing::Scratch::new();
        let root = scratch.path();
        let check = |path: &str, expect: Result<(&str, Option<&str>), &str>| {
            let expect =
                expect.map(|(file, stack)| Found { file: root.join(file), stack_name: stack.map(str::to_owned) });
            match (find(&root.join(path)), expect) {
                (Err(found), Err(expect)) => assert!(found.contains(expect), "{path}: {found}"),
                (found, expect) => assert_eq!(found, expect.map_err(str::to_owned), "{path}"),
            }
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
}
