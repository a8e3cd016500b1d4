//! Functions in Node.js that ask for AWS's SDK where there is none: said when they are deployed, and not only by their first call.
//!
//! AWS's runtimes bring the SDK along; here it is found above the code, above where Ithaca was started, or among the machine's global
//! packages, as `aws_lambda::runtimes` links it. What a function asks for is read from its text, so it is a hint and no more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use aws_cloudformation::{Code, Plan};

/// Files that are looked into, for each function, and how large they may be: bundles are one file.
const FILES_MAX: usize = 200;
const FILE_BYTES_MAX: u64 = 2 << 20;
/// Functions that are named; the others are counted.
const NAMED_MAX: usize = 3;

/// What stands before the name of a package that is asked for.
const ASKS: [&str; 6] = ["require(", "from ", "from", "import(", "import ", "import"];

/// A sentence for each package that is asked for and not there.
pub(super) fn missing(plan: &Plan) -> Vec<String> {
    let elsewhere = elsewhere();
    let mut missing: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for function in plan.functions.iter().filter(|function| function.runtime.starts_with("nodejs")) {
        // A layer may have it.
        let Code::Path(code) = &function.code else { continue };
        if !function.layers.is_empty() || !code.is_dir() {
            continue;
        }
        for package in asked(code).into_iter().filter(|package| !is_there(package, code, &elsewhere)) {
            missing.entry(package).or_default().push(&function.logical_id);
        }
    }
    let app = crate::template::app_folder(&plan.template);
    missing.iter().map(|(package, functions)| sentence(package, functions, &app)).collect()
}

fn sentence(package: &str, functions: &[&str], app: &Path) -> String {
    let named = functions[..functions.len().min(NAMED_MAX)].join(", ");
    let who = match functions.len().saturating_sub(NAMED_MAX) {
        0 => named,
        more => format!("{named} and {more} more"),
    };
    format!(
        "note: {package} is not there, for which {who} will ask; AWS's runtime brings it along: `npm install {package}` in {}",
        app.display()
    )
}

/// Above where Ithaca runs, and the machine's global packages.
fn elsewhere() -> Vec<PathBuf> {
    let here = std::env::current_dir().unwrap_or_default();
    let above = here.ancestors().map(|folder| folder.join("node_modules"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let node = std::env::split_paths(&path).map(|folder| folder.join("node")).find(|node| node.is_file());
    let global = node.and_then(|node| Some(fs::canonicalize(node).ok()?.parent()?.join("../lib/node_modules")));
    above.chain(global).collect()
}

fn is_there(package: &str, code: &Path, elsewhere: &[PathBuf]) -> bool {
    let above = code.ancestors().map(|folder| folder.join("node_modules"));
    above.chain(elsewhere.iter().cloned()).any(|modules| modules.join(package).is_dir())
}

/// The packages of the SDK that the code asks for.
fn asked(code: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let (mut folders, mut left) = (vec![code.to_owned()], FILES_MAX);
    while let Some(folder) = folders.pop().filter(|_| left > 0) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, Ok(meta)) = (entry.path(), entry.metadata()) else { continue };
            let is_code = path.extension().is_some_and(|it| ["js", "mjs", "cjs"].iter().any(|code| it == *code));
            if meta.is_dir() && entry.file_name() != "node_modules" {
                folders.push(path);
            } else if is_code && meta.len() <= FILE_BYTES_MAX && left > 0 {
                left -= 1;
                found.extend(asked_in(&fs::read_to_string(path).unwrap_or_default()));
            }
        }
    }
    found
}

fn asked_in(text: &str) -> impl Iterator<Item = String> + '_ {
    text.match_indices("aws-sdk").filter_map(|(at, _)| {
        let start = at - usize::from(text[..at].ends_with('@'));
        let quote = text[..start].chars().next_back().filter(|quote| ['"', '\'', '`'].contains(quote))?;
        let before = &text[..start - 1];
        let name = text[start..].split(quote).next()?;
        let parts: Vec<&str> = name.split('/').collect();
        let package = match parts.as_slice() {
            ["@aws-sdk", name, ..] => format!("@aws-sdk/{name}"),
            ["aws-sdk", ..] => "aws-sdk".to_owned(),
            _ => return None,
        };
        ASKS.iter().any(|ask| before.ends_with(ask)).then_some(package)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_code_asks_for() {
        let check = |text: &str, expect: &[&str]| {
            assert_eq!(asked_in(text).collect::<Vec<_>>(), expect, "{text}");
        };
        check("const AWS = require('aws-sdk');", &["aws-sdk"]);
        check("var a=require(\"aws-sdk/clients/dynamodb\")", &["aws-sdk"]);
        check("import { SFN } from '@aws-sdk/client-sfn';", &["@aws-sdk/client-sfn"]);
        check("import{a}from\"@aws-sdk/client-sfn/x.js\";import'@aws-sdk/b'", &["@aws-sdk/client-sfn", "@aws-sdk/b"]);
        check("await import(`@aws-sdk/client-s3`)", &["@aws-sdk/client-s3"]);
        check("{ \"name\": \"@aws-sdk/client-sfn\" } // aws-sdk", &[]);
        check("require('my-aws-sdk'); require('aws-sdk-mock')", &[]);
        check("aws-sdk", &[]);
        check("\u{e9}'aws-sdk'", &[]);
    }

    #[test]
    fn what_is_not_there_is_told_once() {
        let scratch = store::testing::Scratch::new();
        let app = scratch.path();
        let write = |file: &str, text: &str| {
            fs::create_dir_all(app.join(file).parent().unwrap()).unwrap();
            fs::write(app.join(file), text).unwrap();
        };
        write("code/lib/a.mjs", "import 'aws-sdk'; import '@aws-sdk/never-published'");
        write("code/node_modules/x/index.js", "require('@aws-sdk/of-a-package')");
        write("code/readme.md", "require('@aws-sdk/of-a-text')");
        write("node_modules/aws-sdk/index.js", "");
        let code = app.join("code");
        assert_eq!(asked(&code).into_iter().collect::<Vec<_>>(), ["@aws-sdk/never-published", "aws-sdk"]);
        assert!(is_there("aws-sdk", &code, &[]) && !is_there("@aws-sdk/never-published", &code, &[]));
        assert!(is_there("aws-sdk", Path::new("/nowhere"), &[app.join("node_modules")]));
        assert_eq!(
            sentence("aws-sdk", &["A", "B", "C", "D", "E"], Path::new("/app")),
            "note: aws-sdk is not there, for which A, B, C and 2 more will ask; AWS's runtime brings it along: `npm install aws-sdk` in /app"
        );
    }
}
