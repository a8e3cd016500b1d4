//! Tasks of state machines become calls: of functions, of what else is served here, of services elsewhere.
//!
//! ```text
//!   engine ── Task ──> Tasks::run ── call() ──┬─ lambda       invocations of the host
//!                                             ├─ states       executions started by executions
//!                                             ├─ json         AWS JSON services: our own doors, or an endpoint
//!                                             ├─ sns          the same over the query protocol
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

mod elsewhere;
mod http;
mod json;
mod lambda;
mod map;
mod s3;
mod sdk;
mod sns;
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
        let shared = Shared { host, objects, object_calls, object_streams, elsewhere, front: SetOnce::new() };
        Arc::new(Tasks { shared: Arc::new(shared), runtime })
    }

    /// Our own doors are open: tasks that wait for them go on.
    pub fn open(&self, front: &Arc<Front>) {
        self.shared.front.set(Arc::downgrade(front)).expect("doors are opened once");
    }
}

impl TaskRunner for Tasks {
    fn run(&self, task: Task, completion: Completion) {
        let shared = self.shared.clone();
        self.runtime.spawn(async move {
            match perform(&shared, &task, completion.parent()).await {
                Ok(answer) if task.resource.pattern() == Pattern::RequestResponse => completion.succeed(answer.output),
                Ok(answer) => completion.submit(answer.output, answer.child),
                Err(failure) => completion.fail(failure),
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

/// One attempt. The services of the table in [`json`] have a row there; the others are named here.
async fn perform(shared: &Shared, task: &Task, parent: Parent) -> Result<Answer, Failure> {
    let Some((service, action)) = task.resource.call() else {
        return match &task.resource {
            Resource::Function { arn } => lambda::function(&shared.host, arn, &task.input).await.map(Answer::of),
            // Activities are given to their workers by the engine.
            other => Err(not_served(other.arn())),
        };
    };
    let parameters = task.input.value();
    match (service, action, task.resource.pattern()) {
        ("states", "startExecution", _) => states::start_execution(shared, task, parent).await,
        (_, _, Pattern::Sync | Pattern::Sync2) => Err(not_served(task.resource.arn())),
        ("lambda", "invoke", _) => lambda::invoke_action(&shared.host, parameters).await.map(Answer::of),
        ("apigateway", "invoke", _) => http::api_gateway(shared, parameters).await.map(Answer::of),
        ("http", "invoke", _) => http::any(shared, parameters).await.map(Answer::of),
        ("sns", "publish", _) => sns::publish(shared, parameters, sns::OPTIMIZED).await.map(Answer::of),
        ("aws-sdk:sns", "publish", _) => sns::publish(shared, parameters, sns::SDK).await.map(Answer::of),
        ("aws-sdk:s3", action, _) => s3::call(shared, action, parameters).await.map(Answer::of),
        ("events", "putEvents", _) => json::put_events(shared, task).await.map(Answer::of),
        _ => match json::find(service, action) {
            Some(call) => call.run(shared, parameters).await.map(Answer::of),
            None => Err(not_served(task.resource.arn())),
        },
    }
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
    let help = "Call it from a function and name the function instead, or catch States.TaskFailed";
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
