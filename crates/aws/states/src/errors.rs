//! Every error this door answers with: AWS's name and AWS's text, one function each.

use aws_protocol::Error;
use engine::{ChangeError, StartError, StopError, TokenError};

fn quoted(name: &'static str, words: &str, what: &str) -> Error {
    Error::client(name, format!("{words}: '{what}'"))
}

pub fn invalid_arn(why: &str) -> Error {
    quoted("InvalidArn", "Invalid Arn", why)
}

pub fn invalid_name(name: &str) -> Error {
    quoted("InvalidName", "Invalid Name", name)
}

pub fn invalid_logging(why: &str) -> Error {
    Error::client("InvalidLoggingConfiguration", format!("Invalid Logging Configuration: {why}"))
}

pub fn invalid_definition(message: String) -> Error {
    Error::client("InvalidDefinition", message)
}

pub fn invalid_execution_input(why: &str) -> Error {
    quoted("InvalidExecutionInput", "Invalid State Machine Execution Input", why)
}

pub fn invalid_token(why: &str) -> Error {
    quoted("InvalidToken", "Invalid Token", why)
}

pub fn machine_exists(arn: &str) -> Error {
    quoted("StateMachineAlreadyExists", "State Machine Already Exists", arn)
}

pub fn machine_does_not_exist(arn: &str) -> Error {
    quoted("StateMachineDoesNotExist", "State Machine Does Not Exist", arn)
}

pub fn machine_deleting(arn: &str) -> Error {
    quoted("StateMachineDeleting", "State Machine is being deleted", arn)
}

pub fn machine_limit() -> Error {
    Error::client("StateMachineLimitExceeded", "State machine limit exceeded")
}

pub fn not_this_type() -> Error {
    let text = "This operation is not supported by this type of state machine";
    Error::client("StateMachineTypeNotSupported", text)
}

pub fn execution_does_not_exist(arn: &str) -> Error {
    quoted("ExecutionDoesNotExist", "Execution Does Not Exist", arn)
}

pub fn execution_exists(arn: &str) -> Error {
    quoted("ExecutionAlreadyExists", "Execution Already Exists", arn)
}

pub fn execution_limit() -> Error {
    Error::client("ExecutionLimitExceeded", "The maximum number of open executions is reached")
}

pub fn not_redrivable(why: &str, arn: &str) -> Error {
    Error::client("ExecutionNotRedrivable", format!("{why}: '{arn}'"))
}

pub fn activity_exists(arn: &str) -> Error {
    quoted("ActivityAlreadyExists", "Activity Already Exists", arn)
}

pub fn activity_does_not_exist(arn: &str) -> Error {
    quoted("ActivityDoesNotExist", "Activity Does Not Exist", arn)
}

pub fn activity_limit() -> Error {
    Error::client("ActivityLimitExceeded", "Activity limit exceeded")
}

pub fn activity_worker_limit() -> Error {
    Error::client("ActivityWorkerLimitExceeded", "The maximum number of workers concurrently polling is reached")
}

pub fn invalid_output(why: &str) -> Error {
    quoted("InvalidOutput", "Invalid Output", why)
}

pub fn from_token(error: TokenError) -> Error {
    match error {
        TokenError::Invalid => invalid_token("Invalid token"),
        TokenError::TimedOut => quoted("TaskTimedOut", "Task Timed Out", "Provided task does not exist anymore"),
        TokenError::Throttled => throttled(),
        TokenError::Engine(error) => from_engine(&error),
    }
}

pub fn resource_not_found(arn: &str) -> Error {
    Error::client("ResourceNotFound", format!("Resource not found: '{arn}'")).detail("resourceName", arn)
}

/// What AWS answers for aliases and their versions, without saying which.
pub fn no_such_resource(arn: &str) -> Error {
    Error::client("ResourceNotFound", "Request references a resource that does not exist.").detail("resourceName", arn)
}

pub fn conflict(text: impl Into<String>) -> Error {
    Error::client("ConflictException", text)
}

pub fn quota_exceeded(text: impl Into<String>) -> Error {
    Error::client("ServiceQuotaExceededException", text)
}

/// An ARN that names a Map state, where only a whole machine will do.
pub fn labelled(arn: &str) -> Error {
    validation(format!("This operation does not support the ARN of a Map state: '{arn}'"))
        .detail("reason", "API_DOES_NOT_SUPPORT_LABELED_ARNS")
}

pub fn invalid_routing(text: impl Into<String>) -> Error {
    validation(text).detail("reason", "INVALID_ROUTING_CONFIGURATION")
}

pub fn too_many_tags(arn: &str) -> Error {
    Error::client("TooManyTags", "The number of tags is over the limit of 50").detail("resourceName", arn)
}

pub fn missing_parameter(text: &str) -> Error {
    Error::client("MissingRequiredParameter", text)
}

pub fn validation(text: impl Into<String>) -> Error {
    Error::client("ValidationException", text)
}

/// The sentence AWS's front writes for a member that breaks its model.
pub fn constraint(value: &str, member: &str, rule: &str) -> Error {
    constraints(&[violation(value, member, rule)])
}

/// A value that must not be repeated is empty.
pub fn violation(value: &str, member: &str, rule: &str) -> String {
    let value = if value.is_empty() { String::new() } else { format!(" {value}") };
    format!("Value{value} at '{member}' failed to satisfy constraint: {rule}")
}

/// The same for members that break it together.
pub fn constraints(violations: &[String]) -> Error {
    let errors = if violations.len() == 1 { "error" } else { "errors" };
    validation(format!("{} validation {errors} detected: {}", violations.len(), violations.join("; ")))
}

/// The same for a text that is too long, which is not repeated.
pub fn too_long(length: usize, member: &str, most: usize) -> Error {
    let rule = format!("Member must have length less than or equal to {most}");
    constraint(&format!("of length {length}"), member, &rule)
}

pub fn serialization(text: impl Into<String>) -> Error {
    Error::client("SerializationException", text)
}

pub fn request_too_large(bytes: usize, bytes_max: usize) -> Error {
    Error::client("RequestEntityTooLargeException", format!("The request has {bytes} bytes; the most is {bytes_max}"))
}

pub fn unknown_operation(operation: &str, served: &str) -> Error {
    let text = match operation {
        "" => "The request names no operation: the header X-Amz-Target is missing".to_owned(),
        _ => format!("Ithaca does not serve the operation '{operation}' of Step Functions. It serves {served}"),
    };
    Error::client("UnknownOperationException", text)
}

pub fn throttled() -> Error {
    Error::client("ThrottlingException", "Rate exceeded")
}

pub fn from_engine(error: &engine::Error) -> Error {
    Error::internal(error.to_string())
}

pub fn from_start(error: StartError, machine_arn: &str) -> Error {
    match error {
        StartError::MachineDoesNotExist => machine_does_not_exist(machine_arn),
        StartError::MachineDeleting => machine_deleting(machine_arn),
        StartError::OtherType => not_this_type(),
        StartError::AlreadyExists { execution_arn } => execution_exists(&execution_arn),
        StartError::Throttled => throttled(),
        StartError::TooManyOpen => execution_limit(),
        StartError::Engine(error) => from_engine(&error),
    }
}

/// A refused change of the machine, version or alias of this ARN.
pub fn from_change(error: ChangeError, arn: &str) -> Error {
    match error {
        ChangeError::MachineDoesNotExist => machine_does_not_exist(arn),
        ChangeError::MachineDeleting => machine_deleting(arn),
        ChangeError::OtherRevision { current } => conflict(format!(
            "Failed to publish the State Machine version: the current State Machine revision is {current}."
        )),
        ChangeError::VersionDoesNotExist | ChangeError::AliasDoesNotExist => no_such_resource(arn),
        ChangeError::VersionInUse { aliases } => conflict(format!(
            "Version to be deleted must not be referenced by an alias. Current list of aliases referencing this version: [{}]",
            aliases.join(", ")
        )),
        ChangeError::AliasExists => conflict(
            "Failed to create alias because an alias with the same name and a different routing configuration already exists.",
        ),
        ChangeError::TooManyVersions => quota_exceeded(format!(
            "The state machine has {} published versions, which is the most: '{arn}'",
            engine::limits::VERSIONS_MAX
        )),
        ChangeError::TooManyAliases => quota_exceeded(format!(
            "The state machine has {} aliases, which is the most: '{arn}'",
            engine::limits::ALIASES_MAX
        )),
        ChangeError::Engine(error) => from_engine(&error),
    }
}

pub fn from_stop(error: StopError, execution_arn: &str) -> Error {
    match error {
        StopError::DoesNotExist => execution_does_not_exist(execution_arn),
        StopError::Throttled => throttled(),
        StopError::Engine(error) => from_engine(&error),
    }
}
