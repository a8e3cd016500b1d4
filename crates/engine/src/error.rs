//! What the engine's callers are told. Doors turn these into AWS's names and texts.

#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A row or record that this version cannot read, or that contradicts another.
    #[error("{what} in the store cannot be read: {why}. Was it written by a newer Ithaca, or is the file damaged?")]
    Unreadable { what: String, why: String },
    /// The shard is ending its term; the request may be sent again.
    #[error("the engine is not taking requests: {0}")]
    Unavailable(String),
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum StartError {
    #[error("the state machine does not exist")]
    MachineDoesNotExist,
    #[error("the state machine is being deleted")]
    MachineDeleting,
    #[error("the type of the state machine does not allow this")]
    OtherType,
    /// Same name, and closed or with another input.
    #[error("an execution of this name exists: {execution_arn}")]
    AlreadyExists { execution_arn: String },
    #[error("the engine has more requests waiting than it takes")]
    Throttled,
    #[error("the quota of open executions is reached")]
    TooManyOpen,
    #[error(transparent)]
    Engine(#[from] Error),
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum StopError {
    #[error("the execution does not exist")]
    DoesNotExist,
    #[error("the engine has more requests waiting than it takes")]
    Throttled,
    #[error(transparent)]
    Engine(#[from] Error),
}

/// Why a change of a state machine, its versions or its aliases was refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ChangeError {
    #[error("the state machine does not exist")]
    MachineDoesNotExist,
    #[error("the state machine is being deleted")]
    MachineDeleting,
    /// The caller meant another revision than the current one.
    #[error("the current revision is {current}")]
    OtherRevision { current: String },
    #[error("the version does not exist")]
    VersionDoesNotExist,
    /// Aliases route to the version that was to be deleted.
    #[error("these aliases route to the version: {aliases:?}")]
    VersionInUse { aliases: Vec<String> },
    #[error("the alias does not exist")]
    AliasDoesNotExist,
    /// Same name, other content.
    #[error("another alias of this name exists")]
    AliasExists,
    #[error("the quota of versions is reached")]
    TooManyVersions,
    #[error("the quota of aliases is reached")]
    TooManyAliases,
    #[error(transparent)]
    Engine(#[from] Error),
}

/// Why an answer by a task's token is refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the token is none")]
    Invalid,
    /// It was good, but nobody waits for this task any more.
    #[error("nobody waits for the task any more")]
    TimedOut,
    #[error("the engine has more requests waiting than it takes")]
    Throttled,
    #[error(transparent)]
    Engine(#[from] Error),
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum RedriveError {
    #[error("the execution does not exist")]
    DoesNotExist,
    /// It runs, succeeded, or cannot go on; with AWS's reason.
    #[error("{0}")]
    NotRedrivable(String),
    #[error("the engine has more requests waiting than it takes")]
    Throttled,
    #[error("the quota of open executions is reached")]
    TooManyOpen,
    #[error(transparent)]
    Engine(#[from] Error),
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum MapRunError {
    #[error("the Map Run does not exist")]
    DoesNotExist,
    /// It has ended, and what has ended is not changed.
    #[error("the Map Run has completed")]
    Completed,
    #[error("the engine has more requests waiting than it takes")]
    Throttled,
    #[error(transparent)]
    Engine(#[from] Error),
}

/// Why a worker's question for a task is refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PollError {
    #[error("the activity does not exist")]
    DoesNotExist,
    #[error("more workers wait for this activity than may")]
    TooManyPollers,
    #[error(transparent)]
    Engine(#[from] Error),
}
