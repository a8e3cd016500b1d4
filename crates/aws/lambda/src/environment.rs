//! The environment of a function process: what Lambda sets, what the user set, and nothing of ours.

use std::path::Path;
use std::time::SystemTime;

use crate::config::Config;
use crate::function::FunctionInfo;
use crate::name::LATEST;
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
    let stream = format!("{}/[{LATEST}]{}", time::stream_date(SystemTime::now()), ids::hex32());
    let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".into());
    let scratch = scratch.display().to_string();
    let defaults = [
        // The SDKs' word for: no `sync-` before the host of StartSyncExecution and TestState, which would not resolve.
        ("AWS_DISABLE_HOST_PREFIX_INJECTION", "true".into()),
        ("AWS_ENDPOINT_URL", config.endpoint_url.clone()),
        ("HOME", scratch.clone()),
        ("LANG", "en_US.UTF-8".into()),
        ("PATH", path),
        ("TMPDIR", scratch),
        ("TZ", ":UTC".into()),
    ];
    let fixed = [
        ("_HANDLER", function.handler.clone()),
        // The account is the access key, so that whoever signs with it says which account is meant.
        ("AWS_ACCESS_KEY_ID", home.account.clone()),
        ("AWS_DEFAULT_REGION", home.region.clone()),
        ("AWS_EXECUTION_ENV", format!("AWS_Lambda_{}", function.runtime)),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mb.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", function.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", LATEST.into()),
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
    let user = function.environment.iter().map(|(name, value)| (name.clone(), value.clone()));
    defaults.into_iter().map(own).chain(user).chain(fixed.into_iter().map(own)).collect()
}

/// The value that all descendants of one process carry.
pub(crate) fn process_name(instance: &str, number: u64) -> String {
    format!("{instance}.{}.{number}", std::process::id())
}
