//! Templates of AWS SAM and CloudFormation, read into a resolved, typed plan that a deployer applies.
//!
//! ```text
//! text -> yaml -> template -> parameters, rules, conditions -> globals -> graph -> identities -> resources -> gateway -> Plan
//!         spans   sections                              (SAM)      order    names, ARNs   one file each  routes
//! ```
//!
//! A template is resolved in one pass and before anything exists: physical names are decided up front, so every ARN, id
//! and URL a template may refer to is a function of the template and the [`Options`], never an answer of a service.
//! What the template asks for and what is not served is an error that names type, logical id, file, line and column;
//! all errors come at once. What is merely without effect here is a note. A deployer never meets half a plan.
//!
//! It knows no host, engine, HTTP or clock, and reads no file but through [`Files`].

mod diagnostic;
pub mod door;
mod for_each;
mod gateway;
mod globals;
mod graph;
mod include;
mod intrinsics;
mod names;
mod nested;
mod node;
mod openapi;
mod outside;
mod parameters;
mod plan;
mod properties;
mod references;
mod resources;
mod rules;
mod scope;
mod shape;
mod stack;
pub mod stacks;
pub mod summary;
mod support;
mod template;
mod yaml;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

pub use aws_protocol::Home;

pub use outside::{Outside, Value as OutsideValue, World};

pub use diagnostic::{Diagnostic, Position, Severity};
pub use names::stack_name_of;
pub use plan::{
    Alias, Api, ApiKind, Architecture, Build, Code, Cors, DEFAULT, Definition, EventSource, Function, Integration,
    Layer, MachineAlias, MachineVersion, MappedResponse, Mapping, Output, Parameter, Plan, Queue, Resource, Route,
    Rule, Stage, StateMachine, StateMachineKind, Subscription, Table, Topic, Version,
};
pub use support::{SupportedFunction, SupportedType, supported_functions, supported_types};

use diagnostic::Report;
use scope::Site;
use template::Template;

/// AWS's limit of a template.
const TEMPLATE_BYTES_MAX: usize = 1 << 20;

/// A template as it was found.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// For messages, and the folder that paths in the template start from.
    pub path: &'a Path,
    /// YAML or JSON, in UTF-8 if it is well formed.
    pub text: &'a [u8],
}

/// What a template is read for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub home: Home,
    /// By default made from the name of the template's folder, so give `Source` a path that has one.
    pub stack_name: Option<String>,
    /// Values of parameters; they beat the defaults.
    pub parameters: BTreeMap<String, String>,
    /// Files and folders of this machine that stand for objects in S3, by key: what CDK would upload.
    pub assets: BTreeMap<String, PathBuf>,
    /// What other stacks export, by name: what `Fn::ImportValue` gives.
    pub imports: BTreeMap<String, String>,
    /// What is neither in the template nor beside it.
    pub outside: Outside,
    /// It came over a wire: the paths of this machine mean nothing in it.
    pub is_remote: bool,
    /// Types and properties that are not served become notes: the plan is without them.
    pub ignore_unsupported: bool,
}

/// Reads a file that the template names; the path starts where the template's path starts. Implementers bound what they
/// read: a definition of over 1 MiB is refused anyway.
pub trait Files {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
}

impl<F: Fn(&Path) -> io::Result<Vec<u8>>> Files for F {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self(path)
    }
}

/// Reads a template into a plan.
///
/// # Errors
/// Every error of the template and of the definition files it names, in the order of the text.
pub fn plan(source: Source<'_>, options: &Options, files: &dyn Files) -> Result<Plan, Vec<Diagnostic>> {
    let report = Report::new(source.path);
    let report = if options.ignore_unsupported { report.lenient() } else { report };
    let plan = read(source, options, files, &report);
    let notes = report.finish()?;
    Ok(Plan { notes, ..plan.expect("a template without errors gives a plan") })
}

fn read(source: Source<'_>, options: &Options, files: &dyn Files, report: &Report) -> Option<Plan> {
    read_at(source, options, files, report, 0)
}

/// `depth`: how many stacks it is in.
fn read_at(source: Source<'_>, options: &Options, files: &dyn Files, report: &Report, depth: usize) -> Option<Plan> {
    if source.text.len() > TEMPLATE_BYTES_MAX {
        let message = format!("the template has {} bytes, the limit is {TEMPLATE_BYTES_MAX}", source.text.len());
        report.error(Position::START, message, "split the template into several stacks");
        return None;
    }
    let text = match decode(source.text) {
        Ok(text) => text,
        Err((at, message)) => {
            report.error(at, message, "save the template as UTF-8");
            return None;
        }
    };
    let site = Site { depth, ..site(source.path, options, report) };
    let root = include::resolve(yaml::read(text, report)?, source.path, &site, files, report);
    let root = for_each::expand(root, &options.parameters, report);
    let template = Template::parse(root, report);
    stack::resolve(template, source.path, site, &options.parameters, files, report)
}

fn site(path: &Path, options: &Options, report: &Report) -> Site {
    let stack_name = options.stack_name.clone().unwrap_or_else(|| default_stack_name(path));
    if !names::is_stack_name(&stack_name) {
        let help = "use letters, digits and hyphens, a letter first, at most 128";
        report.error(Position::START, format!("\"{stack_name}\" is not a stack's name"), help);
    }
    let (assets, imports) = (options.assets.clone(), options.imports.clone());
    let (outside, is_remote) = (options.outside.clone(), options.is_remote);
    Site { home: options.home.clone(), stack_name, assets, imports, depth: 0, outside, is_remote }
}

/// The name of a template's stack where nobody gives another: made of its folder's.
pub fn default_stack_name(template: &Path) -> String {
    let folder = template.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    names::stack_name_of(folder.unwrap_or_default())
}

/// The text of a file; the error says where it stops being one.
fn decode(bytes: &[u8]) -> Result<&str, (Position, String)> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = &bytes[..error.valid_up_to()];
        let line_start = valid.iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
        let line = 1 + valid.iter().filter(|b| **b == b'\n').count();
        let column = 1 + String::from_utf8_lossy(&valid[line_start..]).chars().count();
        let at = Position { line: line as u32, column: column as u32 };
        (at, "the file is not text in UTF-8".to_owned())
    })
}

/// The folder of a file, for joining paths to it.
fn folder_of(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).to_owned()
}
