//! The environment of a function process: what Lambda sets, what the user set, and nothing of ours.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::config::Config;
use crate::function::FunctionInfo;
use crate::runtimes::{self, Family};
use crate::{ids, survivors, time};

/// `address` is where the process finds its Runtime API; `number` tells it from the host's other processes.
///
/// Variables of the user come after those that merely have a default, and before those that the host must have.
pub(crate) fn of_process(
    config: &Config,
    info: &FunctionInfo,
    instance: &str,
    number: u64,
    address: &str,
    scratch: &Path,
) -> Vec<(String, String)> {
    let function = &info.function;
    let task_root = info.code_folder.display().to_string();
    let home = &config.home;
    let stream = format!("{}/[{}]{}", time::stream_date(SystemTime::now()), info.version, ids::hex32());
    let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".into());
    let scratch = scratch.display().to_string();
    let mut defaults = vec![
        // The SDKs' word for: no `sync-` before the host of StartSyncExecution and TestState, which would not resolve.
        ("AWS_DISABLE_HOST_PREFIX_INJECTION", "true".into()),
        ("AWS_ENDPOINT_URL", config.endpoint_url.clone()),
        ("HOME", scratch.clone()),
        ("LANG", "en_US.UTF-8".into()),
        ("PATH", path),
        ("TMPDIR", scratch),
        ("TZ", ":UTC".into()),
    ];
    let search = search_paths(info);
    defaults.extend(info.opt.as_ref().map(|opt| (OPT, opt.display().to_string())));
    let fixed = [
        ("_HANDLER", function.handler.clone()),
        // The account is the access key, so that whoever signs with it says which account is meant.
        ("AWS_ACCESS_KEY_ID", home.account.clone()),
        ("AWS_DEFAULT_REGION", home.region.clone()),
        ("AWS_EXECUTION_ENV", format!("AWS_Lambda_{}", function.runtime)),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mb.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", function.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", info.version.to_string()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".into()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", function.name)),
        ("AWS_LAMBDA_LOG_STREAM_NAME", stream),
        ("AWS_LAMBDA_RUNTIME_API", address.into()),
        ("AWS_REGION", home.region.clone()),
        ("AWS_SECRET_ACCESS_KEY", "test".into()),
        ("AWS_SESSION_TOKEN", "test".into()),
        ("LAMBDA_RUNTIME_DIR", task_root.clone()),
        ("LAMBDA_TASK_ROOT", task_root),
        (survivors::INSTANCE, instance.into()),
        (survivors::PROCESS, process_name(instance, number)),
    ];
    let own = |(name, value): (&str, String)| (name.to_string(), value);
    let opt = info.opt.as_ref().map(|opt| opt.display().to_string());
    let user = function.environment.iter().map(|(name, value)| {
        let value = in_layers(value, opt.as_deref());
        (name.clone(), config.localise.as_ref().map_or(value.clone(), |localise| localise(&value)))
    });
    // A name may be there once: which of two counts is for each program to say.
    let mut all: BTreeMap<String, String> =
        defaults.into_iter().map(own).chain(user).chain(fixed.into_iter().map(own)).collect();
    search.iter().for_each(|(name, folders)| append(&mut all, name, folders));
    all.into_iter().collect()
}

/// Where a function finds its layers. On AWS that is `/opt`, always.
const OPT: &str = "LAMBDA_OPT";

/// What runtimes search beside what they would anyhow: the parts of the layers that AWS's runtimes search, and libraries beside the code.
fn search_paths(info: &FunctionInfo) -> Vec<(&'static str, Vec<PathBuf>)> {
    let runtime = info.function.runtime.as_str();
    let under = |root: Option<&Path>, parts: &[&str]| -> Vec<PathBuf> {
        let folders = root.into_iter().flat_map(|root| parts.iter().map(move |part| root.join(part)));
        folders.filter(|folder| folder.is_dir()).collect()
    };
    let (code, opt) = (Some(info.code_folder.as_path()), info.opt.as_deref());
    let node = runtime.trim_end_matches(".x").replace("nodejs", "node");
    let mut libraries = under(code, &["lib"]);
    libraries.extend(under(opt, &["lib"]));
    let mut paths = vec![("PATH", under(opt, &["bin"])), ("LD_LIBRARY_PATH", libraries)];
    paths.extend(match runtimes::family(runtime) {
        Some(Family::Node) => {
            let own_version = format!("nodejs/{node}/node_modules");
            Some(("NODE_PATH", under(opt, &[&own_version, "nodejs/node_modules"])))
        }
        Some(Family::Python) => {
            let own_version = format!("python/lib/{runtime}/site-packages");
            Some(("PYTHONPATH", under(opt, &[&own_version, "python"])))
        }
        _ => None,
    });
    paths
}

/// Adds folders to a variable that lists some, after what it has.
fn append(variables: &mut BTreeMap<String, String>, name: &str, folders: &[PathBuf]) {
    let more: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    if more.is_empty() {
        return;
    }
    let before = variables.remove(name).filter(|before| !before.is_empty());
    variables.insert(name.to_owned(), before.into_iter().chain(more).collect::<Vec<_>>().join(":"));
}

/// A variable that names something at `/opt` means what is in the layers: `NODE_OPTIONS=--require /opt/trace.js`.
fn in_layers(value: &str, opt: Option<&str>) -> String {
    const ROOT: &str = "/opt/";
    let Some(opt) = opt else { return value.to_owned() };
    let mut out = String::new();
    let mut rest = value;
    while let Some(at) = rest.find(ROOT) {
        let begins = rest[..at].chars().next_back().or(out.chars().next_back()).is_none_or(|c| " :;,=\"'".contains(c));
        out.push_str(&rest[..at]);
        let root = if begins { format!("{opt}/") } else { ROOT.to_owned() };
        out.push_str(&root);
        rest = &rest[at + ROOT.len()..];
    }
    out + rest
}

/// The value that all descendants of one process carry.
pub(crate) fn process_name(instance: &str, number: u64) -> String {
    format!("{instance}.{}.{number}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_name_what_is_in_layers() {
        let check = |value: &str, expect: &str| assert_eq!(in_layers(value, Some("/d/m")), expect);
        check("/opt/cert.pem", "/d/m/cert.pem");
        check("--require /opt/a.js --require /opt/b.js", "--require /d/m/a.js --require /d/m/b.js");
        check("a=/opt/x:/opt/y", "a=/d/m/x:/d/m/y");
        check("/usr/opt/x", "/usr/opt/x");
        check("/opt/opt/x", "/d/m/opt/x");
        check("plain", "plain");
        assert_eq!(in_layers("/opt/x", None), "/opt/x", "the machine's own");
    }

    #[test]
    fn lists_of_folders_grow_at_their_end() {
        let mut variables = BTreeMap::from([("PATH".to_owned(), "/bin".to_owned())]);
        append(&mut variables, "PATH", &["/l/bin".into(), "/l/more".into()]);
        append(&mut variables, "NODE_PATH", &["/l/node".into()]);
        append(&mut variables, "PYTHONPATH", &[]);
        let list: Vec<String> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(list, ["NODE_PATH=/l/node", "PATH=/bin:/l/bin:/l/more"]);
    }
}
