//! The SSM door: the parameter store. AWS JSON 1.1, `X-Amz-Target: AmazonSSM.<Operation>`; and the parameters behind it.
//!
//! ```text
//!  templates ({{resolve:ssm:…}}, AWS::SSM::Parameter) ──> Parameters: parameters/HASH.json <── door <── AWS clients
//! ```
//!
//! A parameter is a file with all its versions, written whole and synced before the answer. A `SecureString` is readable
//! by the user who runs Ithaca, and by nobody else; it is **not** encrypted: there is no key that would not lie beside it.
//!
//! The crate knows neither templates nor sockets. Policies, public parameters and everything else of Systems Manager are
//! not served.

mod door;
mod parameters;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_protocol::{Error, Home, Request, Response, json_1_1, json_1_1_error};

pub use parameters::{Failure, Kind, Parameter, Parameters, Version};

/// What comes before the operation in `X-Amz-Target`.
pub const TARGET_PREFIX: &str = "AmazonSSM.";

/// What `cdk deploy` asks for before it does anything: which version of its bootstrap template is there. What that would
/// make is here by itself, so the newest is.
const BOOTSTRAP_VERSION: &str = "9999";

/// Cheap to clone.
#[derive(Clone)]
pub struct Ssm {
    parameters: Arc<Mutex<Parameters>>,
    home: Home,
}

impl Ssm {
    /// Opens the parameters of a folder, which need not be there yet.
    pub fn open(folder: &Path, home: &Home) -> Result<Ssm, Failure> {
        Ok(Ssm { parameters: Arc::new(Mutex::new(Parameters::open(folder)?)), home: home.clone() })
    }

    /// Files that could not be read, each with the reason. They stay as they are.
    pub fn unreadable(&self) -> Vec<String> {
        self.lock().unreadable.clone()
    }

    /// The value of a parameter, of its newest version or of another. `None`: there is none.
    pub fn value(&self, name: &str, version: Option<u64>) -> Option<(Kind, String)> {
        self.lock().value(name, version)
    }

    /// Makes a parameter or gives it another value; one that is the same already stays as it is.
    pub fn declare(&self, name: &str, kind: Kind, value: &str, description: &str) -> Result<(), Error> {
        door::check_name(name)?;
        let mut parameters = self.lock();
        if parameters.value(name, None).is_some_and(|known| known == (kind, value.to_owned())) {
            return Ok(());
        }
        let version = Version::new(kind, value, description, now_ms());
        parameters.put(name, version).map(drop).map_err(door::failed)
    }

    /// Deletes a parameter, if it is there.
    pub fn delete(&self, name: &str) -> Result<(), Error> {
        self.lock().delete(name).map(drop).map_err(door::failed)
    }

    /// Answers one request. Never fails: every failure is an AWS error.
    pub async fn handle(&self, request: Request) -> Response {
        let ssm = self.clone();
        // Files are written.
        let answered = tokio::task::spawn_blocking(move || door::answer(&ssm, &request)).await;
        match answered.unwrap_or_else(|error| Err(Error::internal(format!("the request was given up: {error}")))) {
            Ok(answer) => json_1_1(&answer),
            Err(error) => json_1_1_error(&error),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Parameters> {
        self.parameters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The value of a parameter that is there by itself: `/cdk-bootstrap/QUALIFIER/version`.
pub fn built_in(name: &str) -> Option<&'static str> {
    let qualifier = name.strip_prefix("/cdk-bootstrap/")?.strip_suffix("/version")?;
    let is_good = (1..=10).contains(&qualifier.len()) && qualifier.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_good.then_some(BOOTSTRAP_VERSION)
}

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
