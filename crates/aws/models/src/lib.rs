//! AWS's services as data: how a request to any of them is written, and what its answer says, for members as Step
//! Functions has them.
//!
//! ```text
//!   services.zip ── table ──> Service ── Operation ── request ──> Sent       method, target, headers, body: not signed yet
//!                                            └─────── answer  <── Response   members with capitals, or a Refusal
//! ```
//!
//! The table is made by `derive.py` from botocore's service models; an entry of the archive is a service, unpacked and
//! read when it is first asked for. Pure: no sockets, no clock, and of services nothing but their models.

mod answer;
mod request;
mod table;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::{Cursor, Read};
use std::sync::{Mutex, OnceLock, PoisonError};

use zip::ZipArchive;

pub use answer::{Refusal, Times};
pub use request::Sent;
pub use table::{Operation, Protocol, Service};

static ARCHIVE: &[u8] = include_bytes!("../services.zip");

/// A service by its name in `arn:aws:states:::aws-sdk:NAME:operation`. There are some hundred, and what was read stays.
pub fn find(name: &str) -> Option<&'static Service> {
    type Known = Mutex<(ZipArchive<Cursor<&'static [u8]>>, HashMap<String, &'static Service>)>;
    static KNOWN: OnceLock<Known> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        let archive = ZipArchive::new(Cursor::new(ARCHIVE)).expect("INVARIANT: the archive was made by derive.py");
        Mutex::new((archive, HashMap::new()))
    });
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    let (archive, services) = &mut *known;
    if let Some(service) = services.get(name) {
        return Some(service);
    }
    let mut text = String::new();
    archive.by_name(name).ok()?.read_to_string(&mut text).expect("INVARIANT: entries are text");
    let service: &'static Service = Box::leak(Box::new(Service::read(name, &text)));
    services.insert(name.to_owned(), service);
    Some(service)
}

/// The names of all services.
pub fn names() -> Vec<String> {
    let archive = ZipArchive::new(Cursor::new(ARCHIVE)).expect("INVARIANT: the archive was made by derive.py");
    archive.file_names().filter_map(Result::ok).map(|name| name.into_owned()).collect()
}
