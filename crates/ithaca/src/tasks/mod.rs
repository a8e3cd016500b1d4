//! Tasks of state machines become calls: of functions, of what else is served here, of services elsewhere.
//!
//! ```text
//!   engine ── Task ──> Tasks::run ── call() ──┬─ lambda       invocations of the host
//!                                             ├─ states       executions started by executions
//!                                             ├─ service      any other service: our own doors, an endpoint, the outbox
//!                                             ├─ s3           objects
//!                                             └─ http         APIs of API Gateway, any URL
//!   engine ── ReadItems, WriteResults ──────────> map         objects
//! ```
//!
//! A call answers, and for a request and its response that is all. For `.waitForTaskToken` and `.sync` the answer is the
//! first half; the engine gets the second by the token, or from the execution that was started.
//!
//! What a service answers is shaped and its errors are named as the AWS SDK for Java does, since that is what Step
//! Functions passes on: [`sdk`].

mod connection;
mod elsewhere;
mod http;
mod lambda;
mod map;
mod s3;
mod sdk;
mod service;
mod states;
mod turns;

use std::sync::{Arc, Weak};

use asl::definition::{Pattern, Resource};
use aws_lambda::Host;
use engine::{Completion, Items, Parent, ReadItems, Task, TaskRunner, WriteResults, Written};
use interpreter::{Failure, Payload};
use objects::ObjectStore;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::SetOnce;

pub use elsewhere::Elsewhere;

use self::connection::Tokens;
use self::turns::Turns;
use crate::front::Front;

pub struct Tasks {
    shared: Arc<Shared>,
    runtime: Handle,
}

/// What calls need.
struct Shared {
    host: Host,
    objects: Arc<dyn ObjectStore>,
    /// Of tasks, which are short, and of Map Runs, whose reading and writing may take hours: neither waits for the other.
    object_calls: Turns,
    object_streams: Turns,
    elsewhere: Elsewhere,
    tokens: Tokens,
    /// Our own doors. They are opened after the engine, which hands tasks over as soon as it is there; and they are not
    /// kept, since they keep the engine.
    front: SetOnce<Weak<Front>>,
}

/// What a call came to.
struct Answer {
    output: Payload,
    /// The execution that was started and is waited for.
    child: Option<Arc<str>>,
}

impl Tasks {
    pub fn new(host: Host, objects: Arc<dyn ObjectStore>, elsewhere: Elsewhere, runtime: Handle) -> Arc<Tasks> {
        let (object_calls, object_streams) = (Turns::new(), Turns::new());
        let shared = Shared {
            host,
            objects,
            object_calls,
            object_streams,
            elsewhere,
            tokens: Tokens::default(),
            front: SetOnce::new(),
        };
        Arc::new(Tasks { shared: Arc::new(shared), runtime })
    }

    /// Our own doors are open: tasks that wait for them go on.
    pub fn open(&self, front: &Arc<Front>) {
        self.shared.front.set(Arc::downgrade(front)).expect("doors are opened once");
    }
}

impl TaskRunner for Tasks {
    fn run(&self, task: Task, completion: Completion) {
        self.run_all(vec![(task, completion)]);
    }

    /// One hand-over from the shard's thread to the runtime, however many they are.
    fn run_all(&self, tasks: Vec<(Task, Completion)>) {
        let shared = self.shared.clone();
        self.runtime.spawn(async move {
            for (at, (task, completion)) in tasks.into_iter().enumerate() {
                begin(&shared, task, completion);
                if at % BEGUN_IN_A_ROW == BEGUN_IN_A_ROW - 1 {
                    tokio::task::yield_now().await;
                }
            }
        });
    }

    fn read_items(&self, order: ReadItems, items: Items) {
        let shared = self.shared.clone();
        self.runtime.spawn(async move { map::read(&shared, order, items).await });
    }

    fn write_results(&self, order: WriteResults, written: Written) {
        let shared = self.shared.clone();
        self.runtime.spawn(async move { map::write(&shared, order, written).await });
    }
}

/// So many tasks are begun before others who share the thread get their turn.
const BEGUN_IN_A_ROW: usize = 32;

/// Invocations of functions, which are most, end where their answer comes in; all else has somebody who waits for it.
fn begin(shared: &Arc<Shared>, task: Task, completion: Completion) {
    let Some((task, completion)) = lambda::begin(&shared.host, task, completion) else { return };
    let shared = shared.clone();
    tokio::spawn(async move {
        let answer = perform(&shared, &task, completion.parent()).await;
        tell(completion, task.resource.pattern(), answer);
    });
}

fn tell(completion: Completion, pattern: Pattern, answer: Result<Answer, Failure>) {
    match answer {
        Ok(answer) if pattern == Pattern::RequestResponse => completion.succeed(answer.output),
        Ok(answer) => completion.submit(answer.output, answer.child),
        Err(failure) => completion.fail(failure),
    }
}

/// What carries a resource out.
enum Call {
    StartExecution,
    Lambda,
    LambdaBySdk,
    ApiGateway,
    Http,
    PutEvents,
    S3(s3::Action),
    Service(service::Call),
}

impl Call {
    /// None if it is not served.
    fn of(resource: &Resource) -> Option<Call> {
        let (service, action) = resource.call()?;
        let is_sync = matches!(resource.pattern(), Pattern::Sync | Pattern::Sync2);
        match (service, action) {
            ("states", "startExecution") => Some(Call::StartExecution),
            _ if is_sync => None,
            ("lambda", "invoke") => Some(Call::Lambda),
            ("aws-sdk:lambda", "invoke") => Some(Call::LambdaBySdk),
            ("apigateway", "invoke") => Some(Call::ApiGateway),
            ("http", "invoke") => Some(Call::Http),
            ("events", "putEvents") => Some(Call::PutEvents),
            ("aws-sdk:s3", action) if let Some(action) = s3::find(action) => Some(Call::S3(action)),
            _ => service::find(service, action).map(Call::Service),
        }
    }
}

/// Whether tasks with this resource can be carried out.
pub fn is_served(resource: &Resource) -> bool {
    match resource {
        Resource::Function { .. } | Resource::Activity { .. } => true,
        Resource::Service { .. } => Call::of(resource).is_some(),
    }
}

/// The end of the variable that has to name a place for tasks with this resource, if nothing here does them.
pub fn place_of(resource: &Resource) -> Option<&'static str> {
    match Call::of(resource)? {
        Call::Service(call) => call.variable(),
        _ => None,
    }
}

/// One attempt.
async fn perform(shared: &Shared, task: &Task, parent: Parent) -> Result<Answer, Failure> {
    // Functions by their ARN have begun before, and activities are given to their workers by the engine.
    let call = Call::of(&task.resource).ok_or_else(|| not_served(task.resource.arn()))?;
    let parameters = task.input.value();
    let output = match call {
        Call::StartExecution => return states::start_execution(shared, task, parent).await,
        Call::Lambda => lambda::invoke_action(&shared.host, task).await,
        Call::LambdaBySdk => lambda::invoke_by_sdk(&shared.host, task).await,
        Call::ApiGateway => http::api_gateway(shared, parameters).await,
        Call::Http => http::any(shared, parameters).await,
        Call::PutEvents => service::put_events(shared, task).await,
        Call::S3(action) => s3::call(shared, action, parameters).await,
        Call::Service(call) => call.run(shared, task).await,
    };
    output.map(Answer::of)
}

impl Answer {
    fn of(output: Payload) -> Answer {
        Answer { output, child: None }
    }
}

impl Shared {
    async fn front(&self) -> Result<Arc<Front>, Failure> {
        self.front.wait().await.upgrade().ok_or_else(|| unknown_outcome("Ithaca is stopping"))
    }
}

/// What was under way when a part of us went is as unknown as after a crash, and has the same name.
fn unknown_outcome(why: &str) -> Failure {
    Failure::new("Lambda.SdkClientException", why)
}

/// An error that Catch and Retry can name, which `States.Runtime` is not.
fn refused(why: impl Into<String>) -> Failure {
    Failure::new("States.TaskFailed", why.into())
}

fn not_served(resource: &str) -> Failure {
    let help = match resource.rsplit_once(".sync") {
        Some((call, _)) => {
            let call = call.rsplit(':').next().unwrap_or_default();
            format!(
                "It waits for no job of another service: begin it with aws-sdk:SERVICE:{call}, and look at it with Wait and \
                 Choice states until it has ended"
            )
        }
        None => "Call it from a function and name the function instead, or catch States.TaskFailed".to_owned(),
    };
    refused(format!("Ithaca does not serve the resource {resource}. {help}."))
}

/// AWS's words for parameters without which there is nothing to start.
fn bad_parameters(parameters: &Value, why: &str) -> Failure {
    let cause = format!("The Parameters '{parameters}' could not be used to start the Task: [{why}]");
    Failure::new("States.Runtime", cause)
}

/// A parameter that must be there and be a string.
fn required<'p>(parameters: &'p Value, name: &str) -> Result<&'p str, Failure> {
    match &parameters[name] {
        Value::String(text) => Ok(text),
        Value::Null => Err(bad_parameters(parameters, &format!("The field \"{name}\" is required but was missing"))),
        _ => Err(bad_parameters(parameters, &format!("The value for the field '{name}' must be a STRING"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources() {
        let check = |service: &str, action: &str, pattern: Pattern, expect: bool| {
            let action = format!("{action}{}", pattern.suffix());
            let arn = format!("arn:aws:states:::{service}:{action}");
            let resource =
                Resource::Service { arn: arn.as_str().into(), service: service.into(), action: action.into(), pattern };
            assert_eq!(is_served(&resource), expect, "{arn}");
        };
        let (once, sync, token) = (Pattern::RequestResponse, Pattern::Sync, Pattern::Callback);
        for (service, action) in [
            ("lambda", "invoke"),
            ("states", "startExecution"),
            ("sqs", "sendMessage"),
            ("sns", "publish"),
            ("events", "putEvents"),
            ("dynamodb", "getItem"),
            ("glue", "startJobRun"),
            ("apigateway", "invoke"),
            ("http", "invoke"),
            ("aws-sdk:sfn", "sendTaskSuccess"),
            ("aws-sdk:s3", "getObject"),
            ("aws-sdk:lambda", "invoke"),
        ] {
            check(service, action, once, true);
            check(service, action, token, true);
            check(service, action, sync, service == "states");
        }
        check("states", "startExecution", Pattern::Sync2, true);
        check("aws-sdk:ec2", "describeInstances", once, true);
        check("aws-sdk:ec2", "describeNothing", once, false);
        check("aws-sdk:s3", "createBucket", once, true);
        check("aws-sdk:none", "any", once, false);
        check("emr-serverless", "startJobRun", once, false);
        assert!(
            is_served(&Resource::Function { arn: "f".into() }) && is_served(&Resource::Activity { arn: "a".into() })
        );
    }
}
