//! A worker that greets. Beside it: `ithaca up`, an activity, a state machine whose task it is.
//!
//! ```sh
//! aws stepfunctions create-activity --name greet
//! cargo run -p ithaca-worker --example greeter -- http://127.0.0.1:4566 arn:aws:states:us-east-1:000000000000:activity:greet
//! ```

use std::time::Duration;

use ithaca_worker::{Error, Failure, Worker};
use serde_json::json;

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [endpoint, activity] = &arguments[..] else {
        eprintln!("usage: greeter http://HOST:PORT ACTIVITY_ARN");
        std::process::exit(2);
    };
    Worker::connect(endpoint.as_str())
        .named("greeter")
        .heartbeats(Duration::from_secs(5))
        .activity(activity.as_str(), 4, |task| match task.input["name"].as_str() {
            Some(name) => Ok(json!({ "greeting": format!("Hello, {name}!") })),
            None => Err(Failure::new("NoName", "the input has no name")),
        })
        .run()
}
