//! Every bound of the engine, with its reason.

/// Inputs one batch gathers at most: enough that a sync is shared by hundreds, few enough that a commit stays
/// well under a tenth of a second.
pub const BATCH_INPUTS_MAX: usize = 1024;

/// What a batch does once it is durable, answers of what was refused among them: those are no inputs, but each may have read
/// the store.
pub const BATCH_ACTS_MAX: usize = 8 * BATCH_INPUTS_MAX;

/// Bytes of payload one batch gathers at most before it is sealed.
pub const BATCH_BYTES_MAX: usize = 8 << 20;

/// Requests that wait for a shard; one more is refused with a throttling error. Answers of tasks do not
/// count: there are never more of them than tasks handed over.
pub const INBOX_MAX: usize = 10_000;

/// Tasks handed to runners at the same time, over all shards. More stay scheduled until one has its outcome.
pub const RUNNING_TASKS_MAX: usize = 10_000;

/// "Maximum number of open executions": 1,000,000.
/// Source: "Step Functions service quotas", AWS Step Functions Developer Guide.
pub const OPEN_EXECUTIONS_MAX: usize = 1_000_000;

/// "Maximum number of state machines": 100,000. Source: the same page.
pub const MACHINES_MAX: usize = 100_000;

/// "Maximum number of published versions": 1,000 per state machine. Source: the same page.
pub const VERSIONS_MAX: usize = 1000;

/// "Maximum number of aliases": 100 per state machine. Source: the same page.
pub const ALIASES_MAX: usize = 100;

/// Status changes a slow watcher may lag behind before it misses some.
pub const WATCH_BUFFER: usize = 4096;

/// Executions of one Map Run at the same time, when its author sets no lower limit. Source: "Using Map state in
/// Distributed mode", AWS Step Functions Developer Guide: up to 10,000 in parallel.
pub const MAP_RUN_CONCURRENCY_MAX: usize = 10_000;

/// "Maximum number of activities": 100,000. Source: "Step Functions service quotas", AWS Step Functions Developer Guide.
pub const ACTIVITIES_MAX: usize = 100_000;

/// "Maximum number of activity pollers": 1,000 on the same activity. Source: the same page.
pub const POLLERS_MAX: usize = 1_000;

/// "Execution history retention time: 90 days." Source: the same page.
pub const RETENTION_MS: u64 = 90 * 24 * 3600 * 1000;
