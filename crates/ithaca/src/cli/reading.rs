//! From a path on the command line to plans: one, or those of the stacks of a CDK app.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aws_cloudformation::stacks::Stacks;
use aws_cloudformation::{Outside, Plan, Source};
use aws_protocol::Home;

use crate::deploy::Request;
use crate::formation;
use crate::template;

/// Which template is meant, and what it is read for.
#[derive(Clone, Default)]
pub struct Reading {
    /// A template, or the folder it is in.
    pub path: PathBuf,
    /// `KEY=VALUE`.
    pub parameters: Vec<String>,
    pub home: Home,
    /// The data folder, for what the stacks in it export and the parameters in it.
    pub data: Option<PathBuf>,
    pub ignore_unsupported: bool,
}

impl Reading {
    /// As it is in every place.
    pub fn of(path: &Path) -> Reading {
        Reading { path: path.to_owned(), ..Reading::default() }
    }

    /// Each plan after those it needs. The error is text for a person: all that is wrong.
    pub fn read(&self) -> Result<Vec<(Plan, Request)>, String> {
        let given = self.given()?;
        let found = template::find(&self.path)?;
        let known = match &self.data {
            Some(data) if data.join("stacks").is_dir() => Some(Stacks::open(&data.join("stacks"))?),
            _ => None,
        };
        let outside = match &self.data {
            Some(data) => formation::parameters_of(data, &self.home)?,
            None => Outside::default(),
        };
        let mut exported = BTreeMap::new();
        let mut plans: Vec<(Plan, Request)> = Vec::new();
        let mut wrong = Vec::new();
        for template in found {
            let text =
                std::fs::read(&template.file).map_err(|error| format!("{}: {error}", template.file.display()))?;
            let mut imports = match (&known, &template.stack_name) {
                (Some(stacks), name) => stacks.exports_without(name.as_deref().unwrap_or_default()),
                (None, _) => BTreeMap::new(),
            };
            imports.extend(exported.clone());
            let options = aws_cloudformation::Options {
                home: self.home.clone(),
                stack_name: template.stack_name,
                parameters: template.parameters.into_iter().chain(given.clone()).collect(),
                assets: template.assets,
                imports,
                outside: outside.clone(),
                is_remote: false,
                ignore_unsupported: self.ignore_unsupported,
            };
            let files = |path: &Path| std::fs::read(path);
            let source = Source { path: &template.file, text: &text };
            match aws_cloudformation::plan(source, &options, &files) {
                Ok(plan) => {
                    let exports = plan.outputs.iter();
                    exported.extend(exports.filter_map(|o| Some((o.export_name.clone()?, o.value.clone()))));
                    let template = String::from_utf8_lossy(&text).into_owned();
                    plans.push((plan, Request { template, parameters: given.clone(), ..Request::default() }));
                }
                Err(diagnostics) => wrong.extend(diagnostics.iter().map(ToString::to_string)),
            }
        }
        if wrong.is_empty() { Ok(plans) } else { Err(wrong.join("\n")) }
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
