//! A function's settings, and the bounds AWS sets on them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_protocol::Error;
use serde::{Deserialize, Serialize};

use crate::error::{constraint, invalid};
use crate::runtimes;

/// What a function is, apart from its code. [`Function::new`] has AWS's defaults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    pub name: String,
    pub runtime: String,
    pub handler: String,
    pub role: String,
    pub description: String,
    /// 1 to 900.
    pub timeout_seconds: u32,
    /// 128 to 10,240.
    pub memory_mb: u32,
    pub environment: BTreeMap<String, String>,
    pub architecture: Architecture,
    /// 512 to 10,240. Told, not enforced: functions share the machine's disk.
    pub ephemeral_storage_mb: u32,
    /// `PassThrough` or `Active`. Told, not acted upon.
    pub tracing: String,
    pub tags: BTreeMap<String, String>,
    /// `Some(0)` throttles every invocation.
    pub reserved_concurrency: Option<u32>,
    /// ARNs of layers, later ones over earlier ones.
    #[serde(default)]
    pub layers: Vec<String>,
    /// Where the code came from: SDKs that AWS's runtimes bring along are looked for there and above.
    #[serde(default)]
    pub origin: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Architecture {
    #[serde(rename = "x86_64")]
    X86,
    #[serde(rename = "arm64")]
    Arm,
}

impl Architecture {
    /// That of the machine we run on.
    pub const HERE: Architecture = if cfg!(target_arch = "aarch64") { Architecture::Arm } else { Architecture::X86 };
}

impl Function {
    pub fn new(name: impl Into<String>) -> Function {
        Function {
            name: name.into(),
            runtime: runtimes::DEFAULT.into(),
            handler: "bootstrap".into(),
            role: "arn:aws:iam::000000000000:role/ithaca".into(),
            description: String::new(),
            timeout_seconds: 3,
            memory_mb: 128,
            environment: BTreeMap::new(),
            architecture: Architecture::HERE,
            ephemeral_storage_mb: 512,
            tracing: "PassThrough".into(),
            tags: BTreeMap::new(),
            reserved_concurrency: None,
            layers: Vec::new(),
            origin: None,
        }
    }

    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds.into())
    }

    /// Whether processes started with `self` may go on serving `other`: only what is told or counted differs.
    pub(crate) fn same_process(&self, other: &Function) -> bool {
        let seen = |f: &Function| Function {
            description: String::new(),
            role: String::new(),
            tracing: String::new(),
            tags: BTreeMap::new(),
            reserved_concurrency: None,
            ephemeral_storage_mb: 0,
            ..f.clone()
        };
        seen(self) == seen(other)
    }

    /// The first setting AWS would refuse, in its words. The name is checked by [`crate::name`].
    pub(crate) fn validate(&self) -> Result<(), Error> {
        self.validate_runtime()?;
        in_range(self.timeout_seconds, "timeout", 1, 900)?;
        in_range(self.memory_mb, "memorySize", 128, 10_240)?;
        in_range(self.ephemeral_storage_mb, "ephemeralStorage.size", 512, 10_240)?;
        at_most(&self.description, "description", 256)?;
        at_most(&self.handler, "handler", 128)?;
        if self.handler.contains(char::is_whitespace) {
            let pattern = "Member must satisfy regular expression pattern: [^\\s]+";
            return Err(constraint(&self.handler, "handler", pattern));
        }
        if !is_role(&self.role) {
            let pattern = "Member must satisfy regular expression pattern: \
                           arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+";
            return Err(constraint(&self.role, "role", pattern));
        }
        if !["PassThrough", "Active"].contains(&self.tracing.as_str()) {
            let set = "Member must satisfy enum value set: [Active, PassThrough]";
            return Err(constraint(&self.tracing, "tracingConfig.mode", set));
        }
        if self.tags.len() > TAGS_MAX {
            return Err(invalid(format!("A function may have {TAGS_MAX} tags, these are {}.", self.tags.len())));
        }
        validate_environment(&self.environment)
    }

    fn validate_runtime(&self) -> Result<(), Error> {
        if runtimes::family(&self.runtime).is_some() {
            return Ok(());
        }
        Err(invalid(format!(
            "Value {} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{}]. Others are not \
             served: build the function with a bootstrap of its own, or leave it on AWS.",
            self.runtime,
            runtimes::served()
        )))
    }
}

/// AWS's bound on the tags of one resource.
const TAGS_MAX: usize = 50;

/// AWS's bound on all variables of a function together.
const ENVIRONMENT_BYTES_MAX: usize = 4096;

/// Set by the host for every process; a function may not change them.
const RESERVED_VARIABLES: &[&str] = &[
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
    crate::survivors::INSTANCE,
    crate::survivors::PROCESS,
];

fn validate_environment(variables: &BTreeMap<String, String>) -> Result<(), Error> {
    const UNABLE: &str = "Lambda was unable to configure your environment variables because the environment variables \
                          you have provided";
    let reserved: Vec<&str> =
        variables.keys().map(String::as_str).filter(|name| RESERVED_VARIABLES.contains(name)).collect();
    if !reserved.is_empty() {
        return Err(invalid(format!(
            "{UNABLE} contains reserved keys that are currently not supported for modification. Reserved keys used in \
             this request: {}",
            reserved.join(", ")
        )));
    }
    if let Some(name) = variables.keys().find(|name| !is_variable(name)) {
        let pattern = "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: \
                       [a-zA-Z]([a-zA-Z0-9_])+]";
        return Err(constraint(name, "environment.variables", pattern));
    }
    if let Some((name, _)) = variables.iter().find(|(_, value)| value.contains('\0')) {
        return Err(invalid(format!("The environment variable {name} contains a NUL, which no process can be given.")));
    }
    let bytes: usize = variables.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > ENVIRONMENT_BYTES_MAX {
        return Err(invalid(format!("{UNABLE} exceeded the 4KB limit. String measured: {bytes} bytes")));
    }
    Ok(())
}

/// A letter, then at least one letter, digit or underscore.
fn is_variable(name: &str) -> bool {
    name.len() > 1
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn is_role(arn: &str) -> bool {
    let parsed = aws_protocol::Arn::parse(arn);
    parsed.is_some_and(|a| {
        let account = a.account.len() == 12 && a.account.bytes().all(|b| b.is_ascii_digit());
        a.service == "iam" && a.region.is_empty() && account && a.resource.len() > 5 && a.resource.starts_with("role/")
    })
}

fn in_range(value: u32, member: &str, min: u32, max: u32) -> Result<(), Error> {
    let bound = match value {
        v if v < min => format!("Member must have value greater than or equal to {min}"),
        v if v > max => format!("Member must have value less than or equal to {max}"),
        _ => return Ok(()),
    };
    Err(constraint(&value.to_string(), member, &bound))
}

fn at_most(text: &str, member: &str, max: usize) -> Result<(), Error> {
    match text.chars().count() > max {
        true => Err(constraint(text, member, &format!("Member must have length less than or equal to {max}"))),
        false => Ok(()),
    }
}

/// A layer of a function, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedLayer {
    pub arn: String,
    /// Bytes of the zip or of all files.
    pub code_size: u64,
}

/// A function as it stands, or one of its versions: its settings, its code's identity, when it last changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionInfo {
    pub function: Function,
    /// With the version, but for `$LATEST`.
    pub arn: String,
    /// `$LATEST`, or a number.
    pub version: Arc<str>,
    pub layers: Vec<UsedLayer>,
    /// The layers as one folder, if there are any.
    pub opt: Option<PathBuf>,
    /// Base64, of the uploaded zip; of the files' names and contents if the code was a folder.
    pub code_sha256: String,
    /// Bytes of the zip or of all files.
    pub code_size: u64,
    /// The code, unpacked: the working folder of the processes.
    pub code_folder: PathBuf,
    /// `2026-11-21T21:39:07.123+0000`
    pub last_modified: String,
    /// A new one with every change.
    pub revision_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_bounds_are_refused() {
        let check = |change: &dyn Fn(&mut Function), expect: Option<(&str, &str)>| {
            let mut function = Function::new("f");
            change(&mut function);
            match (function.validate(), expect) {
                (Ok(()), None) => {}
                (Err(e), Some((name, part))) if e.name == name && e.message.contains(part) => {}
                (got, expect) => panic!("{function:?}: {got:?} is not {expect:?}"),
            }
        };
        let variable = |name: &'static str, value: String| {
            move |f: &mut Function| {
                f.environment.insert(name.into(), value.clone());
            }
        };
        check(&|_| {}, None);
        check(&|f| f.timeout_seconds = 900, None);
        check(&|f| f.timeout_seconds = 0, Some(("ValidationException", "'0' at 'timeout'")));
        check(&|f| f.timeout_seconds = 901, Some(("ValidationException", "less than or equal to 900")));
        check(&|f| f.memory_mb = 127, Some(("ValidationException", "'127' at 'memorySize'")));
        check(&|f| f.runtime = "nodejs22.x".into(), None);
        check(&|f| f.runtime = "java21".into(), Some(("InvalidParameterValueException", "provided.al2023")));
        check(&|f| f.role = "me".into(), Some(("ValidationException", "'me' at 'role'")));
        check(&|f| f.handler = "a b".into(), Some(("ValidationException", "'a b' at 'handler'")));
        check(&|f| f.description = "d".repeat(257), Some(("ValidationException", "length less than or equal to 256")));
        check(&variable("TABLE", "t".into()), None);
        check(&variable("AWS_REGION", "x".into()), Some(("InvalidParameterValueException", "AWS_REGION")));
        check(&variable("ITHACA_INSTANCE", "x".into()), Some(("InvalidParameterValueException", "reserved keys")));
        check(&variable("A=B", "x".into()), Some(("ValidationException", "'A=B'")));
        check(&variable("NUL", "\0".into()), Some(("InvalidParameterValueException", "NUL")));
        check(&variable("BIG", "x".repeat(4096)), Some(("InvalidParameterValueException", "4KB")));
    }

    #[test]
    fn only_what_a_process_sees_needs_new_processes() {
        let check = |change: &dyn Fn(&mut Function), same: bool| {
            let (old, mut new) = (Function::new("f"), Function::new("f"));
            change(&mut new);
            assert_eq!(old.same_process(&new), same, "{new:?}");
        };
        check(&|f| f.description = "d".into(), true);
        check(&|f| f.reserved_concurrency = Some(1), true);
        check(&|f| f.timeout_seconds = 4, false);
        check(&|f| f.handler = "h".into(), false);
        check(&|f| drop(f.environment.insert("KEY".into(), "v".into())), false);
    }
}
