//! How an invocation that reached the function ended, and the error shapes Lambda makes when the function's own
//! runtime could not.

use std::process::ExitStatus;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

/// Both are a status 200 for whoever invoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The bytes the runtime posted, as they are.
    Succeeded(Bytes),
    FunctionError {
        /// `errorType` of the payload, or what the runtime named in its header.
        error_type: String,
        /// `errorMessage` of the payload.
        message: String,
        /// The bytes the runtime posted (`{"errorMessage","errorType","stackTrace"}` by convention), or ours.
        payload: Bytes,
    },
}

impl Outcome {
    fn of_host(error_type: &str, message: String) -> Outcome {
        let payload = json!({"errorType": error_type, "errorMessage": message}).to_string().into();
        Outcome::FunctionError { error_type: error_type.into(), message, payload }
    }

    pub(crate) fn timed_out(request_id: &str, limit: Duration) -> Outcome {
        let seconds = limit.as_secs_f64();
        let text = format!("RequestId: {request_id} Error: Task timed out after {seconds:.2} seconds");
        Outcome::of_host("Sandbox.Timedout", text)
    }

    pub(crate) fn exited(request_id: &str, status: ExitStatus) -> Outcome {
        Outcome::of_host("Runtime.ExitError", format!("RequestId: {request_id} Error: {}", exit_text(status)))
    }

    pub(crate) fn invalid_entrypoint(request_id: &str, reason: &str) -> Outcome {
        Outcome::of_host("Runtime.InvalidEntrypoint", format!("RequestId: {request_id} Error: {reason}"))
    }

    pub(crate) fn response_too_large(limit: usize) -> Outcome {
        let text = format!("Response payload size exceeded maximum allowed payload size ({limit} bytes).");
        Outcome::of_host("Function.ResponseSizeTooLarge", text)
    }

    /// What a runtime posted to `/error` or `/init/error`. `header` is `Lambda-Runtime-Function-Error-Type`.
    pub(crate) fn posted(body: Bytes, header: Option<&str>) -> Outcome {
        let fields: Option<Value> = serde_json::from_slice(&body).ok();
        let field = |name: &str| fields.as_ref().and_then(|v| v.get(name)).and_then(Value::as_str).map(String::from);
        let error_type = field("errorType").or(header.map(String::from)).unwrap_or_else(|| "Runtime.Unknown".into());
        let message = field("errorMessage").unwrap_or_default();
        match body.is_empty() {
            true => Outcome::of_host(&error_type, message),
            false => Outcome::FunctionError { error_type, message, payload: body },
        }
    }
}

/// How a process ended, in the words of Lambda's supervisor.
pub(crate) fn exit_text(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(0), _) => "Runtime exited without providing a reason".into(),
        (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
        (None, Some(signal)) => format!("Runtime exited with error: signal: {}", signal_name(signal)),
        (None, None) => "Runtime exited with error: unknown status".into(),
    }
}

fn signal_name(signal: i32) -> String {
    let names = [
        (libc::SIGABRT, "aborted"),
        (libc::SIGALRM, "alarm clock"),
        (libc::SIGBUS, "bus error"),
        (libc::SIGFPE, "floating point exception"),
        (libc::SIGHUP, "hangup"),
        (libc::SIGILL, "illegal instruction"),
        (libc::SIGINT, "interrupt"),
        (libc::SIGKILL, "killed"),
        (libc::SIGPIPE, "broken pipe"),
        (libc::SIGQUIT, "quit"),
        (libc::SIGSEGV, "segmentation fault"),
        (libc::SIGSYS, "bad system call"),
        (libc::SIGTERM, "terminated"),
        (libc::SIGTRAP, "trace/breakpoint trap"),
    ];
    names.iter().find(|(n, _)| *n == signal).map_or_else(|| format!("signal {signal}"), |(_, name)| (*name).into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn exits() {
        let check = |raw: i32, expect: &str| assert_eq!(exit_text(ExitStatus::from_raw(raw)), expect);
        check(0, "Runtime exited without providing a reason");
        check(1 << 8, "Runtime exited with error: exit status 1");
        check(9, "Runtime exited with error: signal: killed");
        check(11, "Runtime exited with error: signal: segmentation fault");
        check(64, "Runtime exited with error: signal: signal 64");
    }

    #[test]
    fn posted_errors() {
        let check = |body: &'static str, header: Option<&str>, expect: (&str, &str, &str)| {
            let Outcome::FunctionError { error_type, message, payload } = Outcome::posted(body.into(), header) else {
                panic!("{body} is no error")
            };
            let payload = String::from_utf8_lossy(&payload).into_owned();
            assert_eq!((error_type.as_str(), message.as_str(), payload.as_str()), expect);
        };
        let body = r#"{"errorMessage":"no rooms","errorType":"Full","stackTrace":[]}"#;
        check(body, Some("Ignored"), ("Full", "no rooms", body));
        check("{}", Some("Handled"), ("Handled", "", "{}"));
        check("garbage", None, ("Runtime.Unknown", "", "garbage"));
        check("", Some("T"), ("T", "", r#"{"errorType":"T","errorMessage":""}"#));
    }
}
