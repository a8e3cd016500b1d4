//! The console as a whole: what it reads, what it acts through, and how a request becomes an answer.

use std::sync::Arc;

use bytes::Bytes;
use engine::{Handle, Reader};
use http::{Method, StatusCode, header};

use crate::answer::{Body, Trouble};
use crate::around::Around;
use crate::ask::Ask;
use crate::execution::Executions;
use crate::guard::{self, Key};
use crate::pulse::Pulse;
use crate::{assets, route};

/// Every path of the console begins with it; `/` is the console's too, for browsers.
pub const PREFIX: &str = "/console";

/// Cheap to clone.
#[derive(Clone)]
pub struct Console(Arc<Parts>);

pub struct Parts {
    pub reader: Reader,
    pub handle: Handle,
    /// What forms must bring back.
    pub key: Key,
    /// Where AWS clients find this Ithaca, for commands that are shown to be copied.
    pub endpoint: String,
    pub executions: Executions,
    pub around: Around,
    pub pulse: Pulse,
}

impl std::ops::Deref for Console {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Console {
    pub fn new(reader: Reader, handle: Handle, endpoint: String, around: Around) -> Console {
        let executions = Executions::new(reader.clone());
        Console(Arc::new(Parts {
            reader,
            handle,
            key: Key::new(),
            endpoint,
            executions,
            around,
            pulse: Pulse::default(),
        }))
    }

    /// Is this request for the console? Everything below [`PREFIX`], and `/` when a browser asks.
    pub fn is_for<B>(request: &http::Request<B>) -> bool {
        let path = request.uri().path();
        if path == "/" {
            let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
            return matches!(*request.method(), Method::GET | Method::HEAD)
                && accept.is_some_and(|accept| accept.contains("text/html"));
        }
        path.strip_prefix(PREFIX).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Answers a request. What is read blocks, so a thread that may block does it.
    pub async fn handle(&self, request: http::Request<Bytes>) -> http::Response<Body> {
        let (parts, body) = request.into_parts();
        let is_head = parts.method == Method::HEAD;
        let response = match guard::check(&parts, &body, &self.key) {
            Err(refusal) => refusal.response(),
            Ok(()) => {
                let console = self.clone();
                let work = move || console.answer(&parts, &body);
                match tokio::task::spawn_blocking(work).await {
                    Ok(response) => response,
                    // A panic is our mistake: said, not hidden, and the process goes on.
                    Err(error) => guard::plain(
                        StatusCode::INTERNAL_SERVER_ERROR,
                        &format!("The page could not be made: {error}. Please report it.\n"),
                    ),
                }
            }
        };
        let mut response = guard::hardened(response);
        if is_head {
            *response.body_mut() = Body::Whole(Bytes::new());
        }
        response
    }

    fn answer(&self, parts: &http::request::Parts, body: &Bytes) -> http::Response<Body> {
        if let Some(name) = parts.uri.path().strip_prefix("/console/assets/") {
            return assets::response(name, parts.uri.query());
        }
        let method = if parts.method == Method::HEAD { &Method::GET } else { &parts.method };
        let outcome = match route::find(method, parts.uri.path()) {
            route::Found::Route(run, names) => {
                let ask = Ask::new(self.clone(), parts, names, body);
                let part = ask.part().is_some();
                run(&ask).map_err(|trouble| if part { trouble.plainly() } else { trouble })
            }
            route::Found::OtherMethod => Err(Trouble::other_method(&parts.method)),
            route::Found::Nothing => Err(Trouble::no_page(parts.uri.path())),
        };
        match outcome {
            Ok(answer) => answer.response(),
            Err(trouble) => trouble.response(),
        }
    }
}
