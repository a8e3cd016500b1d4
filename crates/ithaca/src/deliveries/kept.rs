//! Deliveries as the data folder keeps them: one file, replaced as a whole.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use aws_events::Input;
use aws_outbox::Message;
use aws_patterns::Pattern;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::files;

pub const FILE: &str = "deliveries.json";
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    deliveries: Vec<Delivery>,
}

/// From a queue or a topic to a function or a queue, and how far it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// The stack that it belongs to.
    pub stack: String,
    pub source: Source,
    pub target: Target,
    /// Messages that are handed over together.
    pub batch_max: usize,
    pub batches_max: usize,
    /// Tries before it is given up.
    pub receives_max: Option<u32>,
    /// The URL of the queue that gets what is given up.
    pub dead_letters: Option<String>,
    pub retry_ms: u64,
    /// Patterns of which one must match; without any, all messages are meant.
    pub filters: Vec<Value>,
    /// They are about the message itself, and not about its attributes. Of a topic.
    pub filters_body: bool,
    /// Of a stream: also what was written before.
    pub from_the_oldest: bool,
    /// Everything up to this number was looked at.
    pub cursor: u64,
    /// What of it is not done, and how often it was tried.
    pub open: BTreeMap<u64, u32>,
    /// Of a stream, in place of both: the last record that is done.
    pub sequence: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Of a table, by its ARN.
    Stream(String),
    /// By its ARN.
    Queue(String),
    /// By its ARN.
    Topic(String),
    /// A rule of EventBridge.
    Rule(RuleSource),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleSource {
    pub arn: String,
    pub name: String,
    /// The bus whose events may fire it, by its ARN. A schedule has none: what fires it is sent to the rule itself.
    pub bus: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    Function {
        arn: String,
        /// It answers with those of the batch that it did not take.
        reports_failures: bool,
    },
    Queue {
        url: String,
        /// The message itself, without SNS's envelope.
        raw: bool,
    },
    /// A target of a rule: a function, a state machine, a queue or a topic, and what it gets of the event.
    OfRule { id: String, arn: String, input: Input },
}

impl Target {
    pub fn name(&self) -> &str {
        match self {
            Target::Function { arn, .. } => arn,
            Target::Queue { url, .. } => url,
            Target::OfRule { id, .. } => id,
        }
    }
}

impl Source {
    pub fn arn(&self) -> &str {
        match self {
            Source::Stream(arn) | Source::Queue(arn) | Source::Topic(arn) => arn,
            Source::Rule(rule) => &rule.arn,
        }
    }

    /// Whether messages of a group come one after the other.
    pub fn keeps_order(&self) -> bool {
        matches!(self, Source::Queue(arn) | Source::Topic(arn) if arn.ends_with(".fifo"))
    }

    /// Whether a message is of this queue or topic. A queue has as many addresses as hosts: the end of each is the same.
    pub fn has(&self, message: &Message) -> bool {
        match self {
            Source::Stream(_) => false,
            Source::Topic(arn) => message.service == "sns" && message.destination == *arn,
            Source::Rule(rule) => {
                message.service == "events" && message.destination == *rule.bus.as_ref().unwrap_or(&rule.arn)
            }
            Source::Queue(arn) => {
                let mut parts = arn.rsplitn(3, ':');
                let (Some(name), Some(account)) = (parts.next(), parts.next()) else { return false };
                let path = message.destination.strip_suffix(name).and_then(|rest| rest.strip_suffix('/'));
                message.service == "sqs" && path.is_some_and(|path| path.ends_with(&format!("/{account}")))
            }
        }
    }
}

impl Delivery {
    /// One of a stack that leads from nowhere to nowhere, one message at a time.
    pub fn of(stack: &str) -> Delivery {
        Delivery {
            stack: stack.to_owned(),
            source: Source::Queue(String::new()),
            target: Target::Queue { url: String::new(), raw: false },
            batch_max: 1,
            batches_max: usize::MAX,
            receives_max: None,
            dead_letters: None,
            retry_ms: 0,
            filters: Vec::new(),
            filters_body: false,
            from_the_oldest: false,
            cursor: 0,
            open: BTreeMap::new(),
            sequence: None,
        }
    }

    /// Whether both are the same way, however far each is.
    pub fn is_same(&self, other: &Delivery) -> bool {
        let way =
            |delivery: &Delivery| Delivery { cursor: 0, open: BTreeMap::new(), sequence: None, ..delivery.clone() };
        way(self) == way(other)
    }

    /// Those of a template were read before, so each can be.
    pub fn patterns(&self) -> Vec<Pattern> {
        self.filters.iter().filter_map(|filter| Pattern::parse(filter).ok()).collect()
    }

    pub fn retry(&self) -> Duration {
        Duration::from_millis(self.retry_ms)
    }

    pub fn reports_failures(&self) -> bool {
        matches!(self.target, Target::Function { reports_failures: true, .. })
    }
}

pub fn load(file: &Path) -> Result<Vec<Delivery>, String> {
    let text = match fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{}: {error}", file.display())),
    };
    match serde_json::from_slice::<Stored>(&text) {
        Ok(stored) if stored.format == FORMAT => Ok(stored.deliveries),
        Ok(stored) => Err(format!("{} has the format {}, this version knows {FORMAT}", file.display(), stored.format)),
        Err(error) => {
            Err(format!("{} is damaged: {error}. Move it away and deploy the template again", file.display()))
        }
    }
}

/// Writes what there is. `durably` flushes it, which only a new delivery needs: what is lost otherwise is done again.
pub fn save(file: &Path, deliveries: &[Delivery], durably: bool) -> Result<(), String> {
    let text = serde_json::to_vec(&Stored { format: FORMAT, deliveries: deliveries.to_vec() })
        .map_err(|error| error.to_string())?;
    files::replace(file, &text, durably)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn delivery(source: Source, filters: Vec<Value>, filters_body: bool) -> Delivery {
        let target = Target::Function { arn: "f".into(), reports_failures: true };
        Delivery { source, target, receives_max: Some(3), filters, filters_body, cursor: 7, ..Delivery::of("app") }
    }

    fn message(service: &str, destination: &str) -> Message {
        let (service, destination) = (service.to_owned(), destination.to_owned());
        let (operation, message_id) = (String::new(), String::new());
        let (sender, message) = (aws_outbox::Sender::default(), serde_json::Value::Null);
        Message { number: 1, at: 0, service, operation, destination, message_id, sender, message }
    }

    #[test]
    fn a_queue_has_many_addresses() {
        let queue = Source::Queue("arn:aws:sqs:us-east-1:000000000000:work".into());
        let topic = Source::Topic("arn:aws:sns:us-east-1:000000000000:work".into());
        for (source, service, destination, expect) in [
            (&queue, "sqs", "https://sqs.us-east-1.amazonaws.com/000000000000/work", true),
            (&queue, "sqs", "http://127.0.0.1:4566/000000000000/work", true),
            (&queue, "sqs", "http://127.0.0.1:4566/111111111111/work", false),
            (&queue, "sqs", "http://127.0.0.1:4566/000000000000/other-work", false),
            (&queue, "sns", "arn:aws:sns:us-east-1:000000000000:work", false),
            (&topic, "sns", "arn:aws:sns:us-east-1:000000000000:work", true),
            (&topic, "sns", "arn:aws:sns:us-east-1:000000000000:works", false),
        ] {
            assert_eq!(source.has(&message(service, destination)), expect, "{destination}");
        }
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let scratch = store::testing::Scratch::new();
        let file = scratch.path().join(FILE);
        assert_eq!(load(&file), Ok(Vec::new()));
        let mut delivery = delivery(Source::Queue("q".into()), vec![serde_json::json!({ "a": [1] })], false);
        delivery.open.insert(5, 2);
        save(&file, std::slice::from_ref(&delivery), true).unwrap();
        assert_eq!(load(&file), Ok(vec![delivery]));
        fs::write(&file, r#"{"format":9,"deliveries":[]}"#).unwrap();
        assert!(load(&file).unwrap_err().contains("has the format 9"));
    }
}
