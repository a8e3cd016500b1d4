//! Every bound of the interpreter, with its reason.

/// "Maximum input or output size for a task, state, or execution": 256 KiB of UTF-8 text.
/// Source: "Step Functions service quotas", AWS Step Functions Developer Guide.
pub const PAYLOAD_BYTES_MAX: usize = 256 * 1024;

/// An error's name and its cause: "SensitiveError" and "SensitiveCause" of the service model.
pub const ERROR_CHARS_MAX: usize = 256;
pub const CAUSE_CHARS_MAX: usize = 32_768;

/// Objects and arrays inside each other. Ours: AWS names no such limit, but a payload is parsed again after a restart,
/// and the parser stops at 128 levels so that hostile text cannot exhaust the stack.
pub const PAYLOAD_DEPTH_MAX: usize = 120;

/// "Maximum execution history size": the event with this number is the last, and it is `ExecutionFailed`.
/// Source: the same page.
pub const HISTORY_EVENTS_MAX: u64 = 25_000;

/// "The maximum combined size for all variables in a single Assign field": 256 KiB of the texts of their values; it is
/// so the maximum size of a single variable, too.
/// Source: "Passing data between states with variables", AWS Step Functions Developer Guide.
pub const ASSIGN_BYTES_MAX: usize = 256 * 1024;

/// "The total size of all stored variables cannot exceed 10MiB per execution". Source: the same page.
pub const VARIABLES_BYTES_MAX: usize = 10 * 1024 * 1024;

/// A step stops at the first state boundary after so many events and asks to continue, so that one execution
/// cannot hold up its shard or make one enormous commit.
pub const STEP_EVENTS_MAX: usize = 500;

/// Iterations of an inline Map that run at the same time when the author sets no lower limit.
/// Source: "Using Map state in Inline mode", AWS Step Functions Developer Guide.
pub const INLINE_MAP_CONCURRENCY_MAX: usize = 40;

/// A Wait may last this long: 24855 days, the largest whole number of days whose seconds fit in 31 bits.
/// Recorded: a wait of 24856 days is refused with "Wait state delay is too long."
pub const WAIT_SECONDS_MAX: i64 = 24_855 * 24 * 3600 + 86_399;

/// "TimeoutSeconds" and "HeartbeatSeconds" of a Task: the quota of the language.
pub const TASK_SECONDS_MAX: u64 = 99_999_999;

/// "Maximum execution time" of an Express workflow: 5 minutes. Source: "Step Functions service quotas", AWS Step
/// Functions Developer Guide.
pub const EXPRESS_SECONDS_MAX: u64 = 5 * 60;
