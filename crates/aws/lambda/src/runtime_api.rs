//! The four routes of the Runtime API, version 2018-06-01, as one process sees them.
//!
//! Who is asking is known from the port, so a request is a state change of that one [`Process`]. The long poll for
//! work is a channel that the pool holds the other end of: no timer, no polling.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, ORIGIN};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::job::Job;
use crate::outcome::Outcome;
use crate::pool::Ticket;
use crate::process::{Asked, Process};
use crate::{ids, time};

type Answer = Response<Full<Bytes>>;

const RUNTIME: &str = "/2018-06-01/runtime/";

const FUNCTION_ARN: HeaderName = HeaderName::from_static("lambda-runtime-invoked-function-arn");
const REQUEST_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-request-id");
const TRACE_ID: HeaderName = HeaderName::from_static("lambda-runtime-trace-id");
const CLIENT_CONTEXT: HeaderName = HeaderName::from_static("lambda-runtime-client-context");
const DEADLINE_MS: HeaderName = HeaderName::from_static("lambda-runtime-deadline-ms");
const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-runtime-function-error-type");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How much of an answer that is too large is read and thrown away, so that the runtime gets to read ours.
const DRAIN_BYTES_MAX: usize = 64 << 20;

/// The answer to a POST while it is being made. One connection makes one at a time.
type Unfinished = Arc<Mutex<Option<Pin<Box<dyn Future<Output = Answer> + Send>>>>>;

/// Serves one connection to its end.
///
/// A runtime may post its last words and exit without reading the answer. hyper then drops what it was waiting for,
/// though the words have arrived; so a POST lives outside of hyper, and is finished after the connection has ended. A
/// long poll is meant to end with its connection.
pub(crate) async fn serve_connection(process: Arc<Process>, stream: TcpStream) {
    let unfinished = Unfinished::default();
    let service = service_fn(|request| serve(process.clone(), request, &unfinished));
    // The error of a connection is that of the client: the keeper sees the end of the process itself.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    let left = unfinished.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(post) = left {
        post.await;
    }
}

fn serve(
    process: Arc<Process>,
    request: Request<Incoming>,
    unfinished: &Unfinished,
) -> impl Future<Output = Result<Answer, Infallible>> + use<> {
    let is_post = request.method() == Method::POST;
    let mut poll_itself = None;
    let slot = unfinished.clone();
    match is_post {
        true => *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::pin(route(process, request))),
        false => poll_itself = Some(Box::pin(route(process, request))),
    }
    poll_fn(move |context| {
        if let Some(get) = &mut poll_itself {
            return get.as_mut().poll(context).map(Ok);
        }
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let post = slot.as_mut().expect("a POST is in its place until it is finished");
        let answer = std::task::ready!(post.as_mut().poll(context));
        *slot = None;
        Poll::Ready(Ok(answer))
    })
}

/// Runtimes call by the address they were given. A web page in the user's browser, which could guess the port, calls
/// from an origin or by a name of its own.
fn is_foreign(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.split(':').next().unwrap_or_default();
    let is_page = headers.contains_key(ORIGIN) || headers.contains_key(FETCH_SITE);
    is_page || !(name.is_empty() || name == "localhost" || name.parse::<std::net::IpAddr>().is_ok())
}

async fn route(process: Arc<Process>, request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    if is_foreign(&parts.headers) {
        return refuse(StatusCode::FORBIDDEN, "Forbidden", "The Runtime API is for the function's own process");
    }
    let route: Vec<&str> = parts.uri.path().strip_prefix(RUNTIME).unwrap_or_default().split('/').collect();
    match (&parts.method, route.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => next(&process).await,
        (&Method::POST, ["invocation", id, "response"]) => response(&process, id, body).await,
        (&Method::POST, ["invocation", id, "error"]) => error(&process, id, &parts.headers, body).await,
        (&Method::POST, ["init", "error"]) => init_error(&process, &parts.headers, body).await,
        (method, _) => {
            let text = format!("{method} {} is not part of the Runtime API", parts.uri.path());
            refuse(StatusCode::NOT_FOUND, "NotFound", &text)
        }
    }
}

async fn next(process: &Arc<Process>) -> Answer {
    let job = match process.ask() {
        Asked::Work(job) => job,
        Asked::Wait(ticket, hand) => match Waiting::new(process, ticket, hand).job().await {
            Some(job) => job,
            // Asked again elsewhere, or about to be killed: there is nothing to say.
            None => return std::future::pending().await,
        },
        Asked::Busy => {
            let text = "The process asked for work while it has an invocation to answer";
            return refuse(StatusCode::FORBIDDEN, "InvalidStateTransition", text);
        }
        Asked::Never => return std::future::pending().await,
    };
    begin(process, job).await
}

async fn begin(process: &Arc<Process>, job: Box<Job>) -> Answer {
    let (payload, headers) = (job.payload.clone(), invocation_headers(process, &job));
    match process.begin(job) {
        Ok(deadline) => {
            let mut answer = Response::new(Full::new(payload));
            *answer.headers_mut() = headers;
            let deadline = HeaderValue::from(time::epoch_ms(deadline));
            answer.headers_mut().insert(DEADLINE_MS, deadline);
            answer
        }
        Err(job) => {
            process.hosted.give_back(&process.host, job);
            std::future::pending().await
        }
    }
}

fn invocation_headers(process: &Process, job: &Job) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(FUNCTION_ARN, job.arn.as_ref().unwrap_or(&process.hosted.arn).clone());
    let made_up;
    let trace = match &job.options.trace_id {
        Some(trace) => trace,
        None => {
            made_up = ids::trace(time::epoch_ms(std::time::SystemTime::now()));
            &made_up
        }
    };
    let texts = [
        (REQUEST_ID, Some(job.request_id.as_str())),
        (TRACE_ID, Some(trace)),
        (CLIENT_CONTEXT, job.options.client_context.as_deref()),
    ];
    for (name, text) in texts {
        // What cannot be a header was refused when the invocation was accepted.
        if let Some(value) = text.and_then(|text| HeaderValue::from_str(text).ok()) {
            headers.insert(name, value);
        }
    }
    headers
}

async fn response(process: &Process, id: &str, body: Incoming) -> Answer {
    if !process.is_running(id) {
        return invalid_id(id);
    }
    let limit = process.host.config.limits.response_bytes_max;
    match read(body, limit).await {
        Ok(Some(body)) => finished(process.finish(id, Outcome::Succeeded(body)), id),
        Ok(None) => {
            process.finish(id, Outcome::response_too_large(limit));
            let text = format!("Exceeded maximum allowed payload size ({limit} bytes).");
            refuse(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &text)
        }
        Err(error) => refuse(StatusCode::BAD_REQUEST, "InvalidRequest", &error.to_string()),
    }
}

async fn error(process: &Process, id: &str, headers: &HeaderMap, body: Incoming) -> Answer {
    if !process.is_running(id) {
        return invalid_id(id);
    }
    match read_error(process, headers, body).await {
        Ok(outcome) => finished(process.finish(id, outcome), id),
        Err(answer) => answer,
    }
}

async fn init_error(process: &Process, headers: &HeaderMap, body: Incoming) -> Answer {
    let outcome = match read_error(process, headers, body).await {
        Ok(outcome) => outcome,
        Err(answer) => return answer,
    };
    match process.fail_init(outcome) {
        true => accepted(),
        false => {
            let text = "The process has finished its initialisation";
            refuse(StatusCode::FORBIDDEN, "InvalidStateTransition", text)
        }
    }
}

async fn read_error(process: &Process, headers: &HeaderMap, body: Incoming) -> Result<Outcome, Answer> {
    let limit = process.host.config.limits.response_bytes_max;
    let header = headers.get(ERROR_TYPE).and_then(|value| value.to_str().ok());
    match read(body, limit).await {
        Ok(Some(body)) => Ok(Outcome::posted(body, header)),
        Ok(None) => Ok(Outcome::response_too_large(limit)),
        Err(error) => Err(refuse(StatusCode::BAD_REQUEST, "InvalidRequest", &error.to_string())),
    }
}

/// `None` if it is larger than `limit`. A body in one piece is not copied.
async fn read(mut body: Incoming, limit: usize) -> Result<Option<Bytes>, hyper::Error> {
    let mut whole = Bytes::new();
    let mut pieces = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        length += data.len();
        match length {
            n if n > limit + DRAIN_BYTES_MAX => return Ok(None),
            n if n > limit => (whole, pieces) = (Bytes::new(), BytesMut::new()),
            n if n == data.len() => whole = data,
            _ => {
                pieces.extend_from_slice(&std::mem::take(&mut whole));
                pieces.extend_from_slice(&data);
            }
        }
    }
    match length {
        n if n > limit => Ok(None),
        _ if pieces.is_empty() => Ok(Some(whole)),
        _ => Ok(Some(pieces.freeze())),
    }
}

fn finished(done: bool, id: &str) -> Answer {
    if done { accepted() } else { invalid_id(id) }
}

fn accepted() -> Answer {
    const BODY: &[u8] = br#"{"status":"OK"}"#;
    let mut answer = Response::new(Full::new(Bytes::from_static(BODY)));
    *answer.status_mut() = StatusCode::ACCEPTED;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(BODY.len()));
    answer
}

fn invalid_id(id: &str) -> Answer {
    refuse(StatusCode::BAD_REQUEST, "InvalidRequestID", &format!("{id} is not the invocation of this process"))
}

fn refuse(status: StatusCode, error_type: &str, message: &str) -> Answer {
    let body = json!({"errorMessage": message, "errorType": error_type}).to_string();
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// A long poll. If its connection goes, so does its place in the pool; a job that had just been put in it goes back.
struct Waiting<'a> {
    process: &'a Arc<Process>,
    ticket: Ticket,
    hand: oneshot::Receiver<Box<Job>>,
    taken: bool,
}

impl<'a> Waiting<'a> {
    fn new(process: &'a Arc<Process>, ticket: Ticket, hand: oneshot::Receiver<Box<Job>>) -> Waiting<'a> {
        Waiting { process, ticket, hand, taken: false }
    }

    async fn job(mut self) -> Option<Box<Job>> {
        let job = (&mut self.hand).await.ok();
        self.taken = job.is_some();
        job
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        self.hand.close();
        match self.hand.try_recv() {
            Ok(job) => self.process.hosted.give_back(&self.process.host, job),
            Err(_) => drop(self.process.hosted.pool().withdraw_ticket(self.ticket)),
        }
    }
}
