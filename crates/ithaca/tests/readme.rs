//! What the documents say is checked against the program: commands, options, resource types, links, paths, the picture.
//!
//! A command is checked by having the real command line parse it: with `--help` behind it, it does nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const ITHACA: &str = env!("CARGO_BIN_EXE_ithaca");

/// The documents with commands for people to type.
const MANUALS: &[&str] = &[
    "README.md",
    "docs/apps.md",
    "CONTRIBUTING.md",
    "examples/travel/README.md",
    "examples/checkout/README.md",
    "examples/travel-node/README.md",
    "examples/checkout-node/README.md",
    "examples/payment/README.md",
    "examples/approval/README.md",
    "examples/order-fulfilment/README.md",
    "examples/payment-python/README.md",
    "examples/order-fulfilment-python/README.md",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(document: &str) -> String {
    fs::read_to_string(root().join(document)).unwrap_or_else(|error| panic!("{document}: {error}"))
}

fn ithaca(arguments: &[&str]) -> Output {
    Command::new(ITHACA).args(arguments).current_dir(root()).output().expect("the binary was built for this test")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The lines in fenced blocks of a shell that call Ithaca, as `ithaca ...`.
fn commands(document: &str) -> Vec<String> {
    let mut is_shell = false;
    let mut found = Vec::new();
    for line in document.lines() {
        match line.strip_prefix("```") {
            Some(language) => is_shell = matches!(language, "sh" | "console"),
            None if is_shell => {
                let line = line.strip_prefix("$ ").unwrap_or(line);
                let arguments = ["ithaca ", "cargo run --release -- "].iter().find_map(|call| line.strip_prefix(call));
                found.extend(arguments.map(|arguments| format!("ithaca {arguments}")));
            }
            None => {}
        }
    }
    found
}

#[test]
fn every_command_in_the_manuals_can_be_typed() {
    // The shell splits the line as it would for a person.
    let wrapper = r#"ithaca() { "$ITHACA" "$@" --help; }; "#;
    let mut count = 0;
    for document in MANUALS {
        for line in commands(&read(document)) {
            let shell = Command::new("sh").args(["-c", &format!("{wrapper}{line}")]).env("ITHACA", ITHACA).output();
            let output = shell.expect("there is a shell");
            assert!(output.status.success(), "{document}: {line}\n{}", text(&output.stderr));
            count += 1;
        }
    }
    assert!(count >= 10, "only {count} commands were found: has the form of the blocks changed?");
}

#[test]
fn every_command_and_option_is_in_the_readme() {
    let readme = read("README.md");
    let help = text(&ithaca(&["--help"]).stdout);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.contains(&"up"), "{help}");
    for name in names.into_iter().filter(|name| *name != "help") {
        assert!(readme.contains(&format!("`ithaca {name}")), "README.md does not show `ithaca {name}`");
    }
    let help = text(&ithaca(&["up", "--help"]).stdout);
    let options = help.split_whitespace().filter(|word| word.starts_with("--"));
    for option in options.map(|word| word.trim_end_matches([',', '.', ':'])) {
        assert!(readme.contains(&format!("`{option}`")), "README.md does not name `{option}` of `ithaca up`");
    }
}

#[test]
fn every_resource_type_is_in_the_manual() {
    let manual = read("docs/apps.md");
    for served in aws_cloudformation::supported_types() {
        assert!(manual.contains(&format!("`{}`", served.name)), "docs/apps.md does not name {}", served.name);
        assert!(manual.contains(served.summary), "docs/apps.md does not say of {}: {}", served.name, served.summary);
    }
}

#[test]
fn the_examples_are_valid() {
    let examples = MANUALS.iter().filter_map(|manual| manual.strip_suffix("/README.md"));
    let output = ithaca(&["validate"].into_iter().chain(examples).collect::<Vec<_>>());
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn the_picture_is_what_graph_draws() {
    let drawn = ithaca(&["graph", "examples/travel/saga.asl.json"]);
    let is_same = text(&drawn.stdout).trim_end() == read("docs/travel-saga.svg").trim_end();
    let command = "cargo run --release -- graph examples/travel/saga.asl.json --output docs/travel-saga.svg";
    assert!(is_same, "docs/travel-saga.svg is out of date. Draw it again and look at it:\n{command}");
}

#[test]
fn continuous_integration_runs_the_readmes_tests() {
    let readme = read("README.md");
    let line = readme.lines().find(|line| line.contains("# pass the tests")).expect("README.md has the command");
    let command = line.split('#').next().unwrap_or_default().trim();
    assert!(read(".ci/run").contains(command), ".ci/run does not run `{command}`");
}

#[test]
fn links_and_paths_lead_somewhere() {
    let mut documents: Vec<String> =
        ["ARCHITECTURE.md", "CHANGELOG.md"].iter().chain(MANUALS).map(|it| it.to_string()).collect();
    for entry in fs::read_dir(root().join("docs/decisions")).expect("the decisions are there") {
        documents.push(format!("docs/decisions/{}", entry.expect("a name can be read").file_name().display()));
    }
    for document in &documents {
        let content = read(document);
        let folder = root().join(document).parent().expect("a document is in a folder").to_owned();
        for target in links(&content) {
            assert!(folder.join(target).exists(), "{document} links to {target}, which is not there");
        }
        for path in paths(&content) {
            assert!(root().join(path).exists(), "{document} names {path}, which is not there");
        }
    }
}

/// Targets of relative links, without anchors.
fn links(content: &str) -> impl Iterator<Item = &str> {
    let targets = content.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files = targets.filter(|target| !target.contains("://")).filter_map(|target| target.split('#').next());
    files.filter(|file| !file.is_empty())
}

/// Paths of this repository in backticks, each up to the first part that stands for many.
fn paths(content: &str) -> impl Iterator<Item = &str> {
    let quoted = content.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    let ours = quoted.filter(|text| ["crates/", "docs/", "examples/", ".ci/"].iter().any(|top| text.starts_with(top)));
    ours.filter_map(|text| text.split([' ', '*', '<']).next())
}
