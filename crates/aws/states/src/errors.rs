//! Every error this door answers with: AWS's name and AWS's text, one function each.

use aws_protocol::Error;
use engine::{StartError, StopError, TokenError};

fn quoted(name: &'static str, words: &str, what: &str) -> Error {
    Error::client(name, format!("{words}: '{what}'"))
}

pub fn invalid_arn(why: &str) -> Error {
    quoted("InvalidArn", "Invalid Arn", why)
}

pub fn invalid_name(name: &str) -> Error {
    quoted("InvalidName", "Invalid Name", name)
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

pub fn type_not_supported(text: impl Into<String>) -> Error {
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
    validation(format!("1 validation error detected: Value {value} at '{member}' failed to satisfy constraint: {rule}"))
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
        StartError::AlreadyExists { execution_arn } => execution_exists(&execution_arn),
        StartError::Throttled => throttled(),
        StartError::TooManyOpen => execution_limit(),
        StartError::Engine(error) => from_engine(&error),
    }
}

pub fn from_stop(error: StopError, execution_arn: &str) -> Error {
    match error {
        StopError::DoesNotExist => execution_does_not_exist(execution_arn),
        StopError::Throttled => throttled(),
        StopError::Engine(error) => from_engine(&error),
    }
}
