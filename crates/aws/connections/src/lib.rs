//! EventBridge's connections: how an API elsewhere is to be told who asks. AWS JSON 1.1, `X-Amz-Target: AWSEvents.<Operation>`.
//!
//! ```text
//!  AWS clients, templates ──> door ──> connections.json, for its owner's eyes only <── Connections::get ── who calls the API
//! ```
//!
//! Secrets are in that file and in the answer of [`Connections::get`], nowhere else: no operation tells one, and none is
//! printed. A secret that is not to lie on the disk comes from the environment ([`Connection::with_environment`]).
//!
//! The crate knows neither how APIs are called nor who does it; tokens are the caller's business.

mod door;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_protocol::{Error, Home, Homes, Request, Response, json_1_1, json_1_1_error};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What comes before the operation in `X-Amz-Target`.
pub const TARGET_PREFIX: &str = "AWSEvents.";

const FILE: &str = "connections.json";
const FORMAT: u32 = 1;

/// How a connection says who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    #[serde(rename = "API_KEY")]
    ApiKey,
    #[serde(rename = "BASIC")]
    Basic,
    #[serde(rename = "OAUTH_CLIENT_CREDENTIALS")]
    OAuth,
}

/// A connection with its secrets, which is why it cannot be printed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    pub arn: String,
    pub name: String,
    pub description: Option<String>,
    pub kind: Kind,
    /// `AuthParameters` as CreateConnection has them.
    pub parameters: Value,
    /// False once it was deauthorized.
    pub is_authorized: bool,
    /// Milliseconds since 1970.
    pub created_at: i64,
    pub changed_at: i64,
}

impl Connection {
    /// The same with secrets of the environment: `ITHACA_CONNECTION_NAME_API_KEY_VALUE`, `..._PASSWORD` and
    /// `..._CLIENT_SECRET`, the name in capitals, and what is neither a letter nor a digit as `_`.
    pub fn with_environment(mut self, environment: impl Fn(&str) -> Option<String>) -> Connection {
        let upper = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' };
        let name: String = self.name.chars().map(upper).collect();
        for (end, path) in door::SECRETS {
            if let Some(secret) = environment(&format!("ITHACA_CONNECTION_{name}_{end}"))
                && let Some(place) = self.parameters.pointer_mut(path)
            {
                *place = secret.into();
            }
        }
        self
    }
}

/// The connections cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct Failure {
    pub path: PathBuf,
    pub source: io::Error,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    format: u32,
    connections: Vec<Connection>,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Connections {
    all: Arc<Mutex<All>>,
    homes: Homes,
}

struct All {
    path: PathBuf,
    /// By ARN without its id at the end, which names one.
    by_name: BTreeMap<String, Connection>,
}

impl Connections {
    /// Those of a data folder.
    pub fn open(data: &Path, home: &Home) -> Result<Connections, Failure> {
        let path = data.join(FILE);
        let failed = |source| Failure { path: path.clone(), source };
        let kept = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| failed(io::Error::other(error.to_string())))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Kept { format: FORMAT, connections: Vec::new() },
            Err(error) => return Err(failed(error)),
        };
        if kept.format != FORMAT {
            return Err(failed(io::Error::other(format!("its format is {}, of a newer Ithaca", kept.format))));
        }
        let by_name = kept.connections.into_iter().map(|one| (key(&one.arn).to_owned(), one)).collect();
        let homes = Homes { home: home.clone(), account_is_fixed: false };
        Ok(Connections { all: Arc::new(Mutex::new(All { path, by_name })), homes })
    }

    /// Is this one of the operations?
    pub fn serves(operation: &str) -> bool {
        door::find(operation).is_some()
    }

    /// Answers one request; it may block for the time of a write. Never fails: every failure is an AWS error.
    pub fn handle(&self, request: &Request) -> Response {
        let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let body = match request.body().trim_ascii() {
            b"" => Ok(json!({})),
            body => serde_json::from_slice(body).ok().filter(Value::is_object).ok_or(()),
        };
        let body = body.map_err(|()| Error::client("SerializationException", "The request body must be a JSON object"));
        let home = self.homes.elsewhere(request.headers()).unwrap_or_else(|| self.homes.home.clone());
        let operation = target.strip_prefix(TARGET_PREFIX).unwrap_or(target);
        match body.and_then(|body| self.run(&home, operation, &body)) {
            Ok(answer) => json_1_1(&answer),
            Err(error) => json_1_1_error(&error),
        }
    }

    fn run(&self, home: &Home, operation: &str, body: &Value) -> Result<Value, Error> {
        match door::find(operation) {
            Some(run) => run(&mut self.lock(), home, body, now_ms()),
            None => Err(Error::client(
                "UnknownOperationException",
                format!("Ithaca does not serve the operation '{operation}' of EventBridge's connections"),
            )),
        }
    }

    /// Makes the connection of this ARN, or brings it to what CreateConnection's body says.
    pub fn put(&self, arn: &str, body: &Value) -> Result<(), Error> {
        door::put(&mut self.lock(), arn, body, now_ms())
    }

    /// By the name it has at home. What is gone is removed already.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        let key = door::key_of(&self.homes.home, name);
        let mut all = self.lock();
        match all.by_name.contains_key(&key) {
            true => all.change(&key, None).map_err(door::failed),
            false => Ok(()),
        }
    }

    /// By ARN.
    pub fn get(&self, arn: &str) -> Option<Connection> {
        self.lock().by_name.get(key(arn)).filter(|one| one.arn == arn).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    /// Sets or removes one; durable when it returns, and as before if it fails.
    fn change(&mut self, name: &str, connection: Option<Connection>) -> Result<(), Failure> {
        let before = match connection {
            Some(connection) => self.by_name.insert(name.to_owned(), connection),
            None => self.by_name.remove(name),
        };
        let written = self.write();
        if written.is_err() {
            match before {
                Some(before) => drop(self.by_name.insert(name.to_owned(), before)),
                None => drop(self.by_name.remove(name)),
            }
        }
        written.map_err(|source| Failure { path: self.path.clone(), source })
    }

    /// The whole file anew, renamed into place.
    fn write(&self) -> io::Result<()> {
        let kept = Kept { format: FORMAT, connections: self.by_name.values().cloned().collect() };
        let part = self.path.with_extension("json.part");
        // One that a crash has left may have another mode.
        match fs::remove_file(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(&serde_json::to_vec_pretty(&kept)?)?;
        file.sync_all()?;
        fs::rename(&part, &self.path)?;
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// The ARN without the id at its end.
fn key(arn: &str) -> &str {
    arn.rsplit_once('/').map_or(arn, |(key, _)| key)
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
