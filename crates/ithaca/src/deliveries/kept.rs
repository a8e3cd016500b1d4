//! Deliveries as the data folder keeps them: one file, replaced as a whole.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use aws_outbox::Message;
use serde::{Deserialize, Serialize};

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
    /// Everything up to this number was looked at.
    pub cursor: u64,
    /// What of it is not done, and how often it was tried.
    pub open: BTreeMap<u64, u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// By its ARN.
    Queue(String),
    /// By its ARN.
    Topic(String),
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
}

impl Target {
    pub fn name(&self) -> &str {
        match self {
            Target::Function { arn, .. } => arn,
            Target::Queue { url, .. } => url,
        }
    }
}

impl Source {
    pub fn arn(&self) -> &str {
        match self {
            Source::Queue(arn) | Source::Topic(arn) => arn,
        }
    }

    /// Whether a message is of this queue or topic. A queue has as many addresses as hosts: the end of each is the same.
    pub fn has(&self, message: &Message) -> bool {
        match self {
            Source::Topic(arn) => message.service == "sns" && message.destination == *arn,
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
    /// Whether both are the same way, however far each is.
    pub fn is_same(&self, other: &Delivery) -> bool {
        let way = |delivery: &Delivery| Delivery { cursor: 0, open: BTreeMap::new(), ..delivery.clone() };
        way(self) == way(other)
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
    let fresh = file.with_extension("new");
    let text = serde_json::to_vec(&Stored { format: FORMAT, deliveries: deliveries.to_vec() })
        .map_err(|error| error.to_string())?;
    let write = || -> std::io::Result<()> {
        let mut written = File::create(&fresh)?;
        written.write_all(&text)?;
        // Also where it need not be durable: after a power cut the file must not be half of one.
        written.sync_data()?;
        fs::rename(&fresh, file)?;
        match file.parent() {
            Some(folder) if durably => File::open(folder)?.sync_all(),
            _ => Ok(()),
        }
    };
    write().map_err(|error| format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let delivery = Delivery {
            stack: "app".into(),
            source: Source::Queue("q".into()),
            target: Target::Function { arn: "f".into(), reports_failures: true },
            batch_max: 10,
            batches_max: 1,
            receives_max: Some(3),
            dead_letters: None,
            retry_ms: 30_000,
            cursor: 7,
            open: BTreeMap::from([(5, 2)]),
        };
        save(&file, std::slice::from_ref(&delivery), true).unwrap();
        assert_eq!(load(&file), Ok(vec![delivery]));
        fs::write(&file, r#"{"format":9,"deliveries":[]}"#).unwrap();
        assert!(load(&file).unwrap_err().contains("has the format 9"));
    }
}
