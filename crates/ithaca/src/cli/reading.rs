//! From a path on the command line to a plan.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aws_cloudformation::{Plan, Source};
use aws_protocol::Home;

use crate::deploy::Request;
use crate::template;

/// Which template is meant, and what it is read for.
#[derive(Clone, Default)]
pub struct Reading {
    /// A template, or the folder it is in.
    pub path: PathBuf,
    /// `KEY=VALUE`.
    pub parameters: Vec<String>,
    pub home: Home,
    pub ignore_unsupported: bool,
}

impl Reading {
    /// As it is in every place.
    pub fn of(path: &Path) -> Reading {
        Reading { path: path.to_owned(), ..Reading::default() }
    }

    /// The error is text for a person: all that is wrong.
    pub fn read(&self) -> Result<(Plan, Request), String> {
        let template::Found { file, stack_name, assets, parameters: known } = template::find(&self.path)?;
        let text = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let given = self.given()?;
        let mut parameters = known;
        parameters.extend(given.clone());
        let ignore_unsupported = self.ignore_unsupported;
        let home = self.home.clone();
        let options = aws_cloudformation::Options { home, stack_name, parameters, assets, ignore_unsupported };
        let files = |path: &Path| std::fs::read(path);
        let source = Source { path: &file, text: &text };
        let plan = aws_cloudformation::plan(source, &options, &files).map_err(|diagnostics| {
            diagnostics.iter().map(|diagnostic| diagnostic.to_string()).collect::<Vec<_>>().join("\n")
        })?;
        let template = String::from_utf8_lossy(&text).into_owned();
        Ok((plan, Request { template, parameters: given, ..Request::default() }))
    }

    fn given(&self) -> Result<BTreeMap<String, String>, String> {
        let pair = |parameter: &String| {
            let pair = parameter.split_once('=');
            let pair = pair.map(|(key, value)| (key.to_owned(), value.to_owned()));
            pair.ok_or_else(|| format!("--parameter {parameter}: write it as KEY=VALUE"))
        };
        self.parameters.iter().map(pair).collect()
    }
}
