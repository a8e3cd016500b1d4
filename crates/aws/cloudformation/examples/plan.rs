//! Prints the plan of a template as JSON, and its notes; or every error.
//!
//! `cargo run -p aws-cloudformation --example plan -- template.yaml [Parameter=value ...]`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aws_cloudformation::{Options, Source, plan, supported_types};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(path) = arguments.next().map(PathBuf::from) else {
        eprintln!("usage: plan TEMPLATE [Parameter=value ...]\n\nresource types:");
        supported_types().iter().for_each(|t| eprintln!("  {:40} {}", t.name, t.summary));
        return ExitCode::from(2);
    };
    let parameters = arguments.filter_map(|a| a.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()))).collect();
    // An absolute path has a folder to name the stack after.
    let read = std::path::absolute(&path).and_then(|path| Ok((std::fs::read(&path)?, path)));
    let (text, path) = match read {
        Ok(found) => found,
        Err(error) => {
            eprintln!("cannot read {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    };
    let options = Options { parameters, ..Options::default() };
    match plan(Source { path: &path, text: &text }, &options, &|path: &Path| std::fs::read(path)) {
        Ok(plan) => {
            plan.notes.iter().for_each(|note| eprintln!("{note}"));
            println!("{}", serde_json::to_string_pretty(&plan).expect("a plan is plain data"));
            ExitCode::SUCCESS
        }
        Err(errors) => {
            errors.iter().for_each(|error| eprintln!("{error}"));
            ExitCode::FAILURE
        }
    }
}
