//! Sockets in front of the doors: one accept loop per port, one decision per request.
//!
//! The hot route (AWS JSON by `X-Amz-Target`) is decided first, by a prefix. A door sees a whole request and gives
//! a whole answer; only the stream of status changes is open-ended.
//!
//! Other people's pages must not reach us through the user's browser: a request needs a `Host` that names this
//! machine (so a foreign name that resolves to loopback is refused), and the main port takes none that says it comes
//! from a page (`Origin`, `Sec-Fetch-Site`): AWS clients send neither, and not every door needs a header that would
//! make a browser ask first. The console is for pages: for its own alone, which `console::guard` sees to. An API's own
//! port is for pages too; there the function decides.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use aws_apigateway::{Address, Api, Gateway};
use aws_cloudformation::door::{self, CloudFormation};
use aws_connections::Connections;
use aws_dynamodb::Dynamo;
use aws_lambda::Host;
use aws_logs::Logs;
use aws_outbox::Outbox;
use aws_protocol::{Request, Response, Scope, query, respond};
use aws_s3::S3;
use aws_ssm::Ssm;
use aws_states::States;
use aws_sts::Sts;
use bytes::Bytes;
use console::Console;
use engine::{Handle, Reader, StatusChange};
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use objects::ObjectStore;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::net::TcpListener;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::backup::{Backups, Order};
use crate::log::{self, Level};
use crate::metrics::{self, Counters, Dialect, Door};
use crate::phase::{Gate, Phase};
use crate::pressure::{self, Counted, Held, NoRoom, Patient, Share};
use crate::request_id;
use crate::rules::Rules;
use crate::server::Functions;

/// The largest body of each door, so that no caller can fill the memory: AWS's limit of a request, or a zip of 50 MB
/// in base64 for Lambda.
const STATES_BODY_BYTES_MAX: usize = 2 << 20;
const DYNAMODB_BODY_BYTES_MAX: usize = 17 << 20;
const API_BODY_BYTES_MAX: usize = 11 << 20;
const LAMBDA_BODY_BYTES_MAX: usize = 72 << 20;
/// A form with an input of 256 KB, each byte of which may take three.
const CONSOLE_BODY_BYTES_MAX: usize = 1 << 20;

/// Connections at the same time, over all ports; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 16_384;

/// Of a request's head; AWS takes less. It is also what a connection reads and writes at once, so all connections
/// together hold 1 GiB of such buffers at most.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// An answer this large counts until it is sent.
const LARGE_ANSWER_BYTES: usize = 16 << 10;

/// A client that takes longer to send its headers is not one.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// A body has to be here by then.
const BODY_TIMEOUT: Duration = Duration::from_secs(120);

/// What the server says of itself.
const OWN_PAGES: [&str; 6] = ["/healthz", "/readyz", "/metrics", "/ithaca/changes", "/ithaca/outbox", "/ithaca/backup"];

const PLAIN: &str = "text/plain; charset=utf-8";

/// Where AWS's JSON protocols name service and operation.
const TARGET: header::HeaderName = header::HeaderName::from_static("x-amz-target");

/// Our own command line says with it that it wants the main port, so that no API's function takes its requests.
pub const FOR_MAIN_PORT: &str = "ithaca-main-port";

/// What `/healthz` answers.
pub const ALIVE: &str = "ok\n";

/// What AWS's support, and a log, would find the request by.
const REQUEST_ID: header::HeaderName = header::HeaderName::from_static("x-amzn-requestid");

/// Where REST services of AWS name an error.
const ERROR_TYPE: header::HeaderName = header::HeaderName::from_static("x-amzn-errortype");

static CONNECTIONS: Semaphore = Semaphore::const_new(CONNECTIONS_MAX);

static LIMIT: AtomicUsize = AtomicUsize::new(CONNECTIONS_MAX);

pub struct Front {
    pub states: States,
    pub lambda: Host,
    pub dynamo: Arc<Dynamo>,
    pub logs: Logs,
    pub s3: S3,
    pub ssm: Ssm,
    pub sts: Sts,
    /// It deploys through this, so it comes after it and goes before it.
    pub formation: RwLock<Option<CloudFormation>>,
    pub outbox: Outbox,
    pub rules: Rules,
    pub connections: Connections,
    pub gateway: Gateway<Functions>,
    pub apis: RwLock<Vec<Arc<Api>>>,
    /// The ports of their own, by the id of the API.
    pub addresses: RwLock<BTreeMap<String, SocketAddr>>,
    pub handle: Handle,
    pub reader: Reader,
    pub objects: Arc<dyn ObjectStore>,
    pub console: Console,
    pub phase: watch::Receiver<Phase>,
    pub counters: Arc<Counters>,
    pub backups: Arc<Backups>,
    /// Becomes a text when the engine or the tables cannot go on.
    pub fatal: watch::Receiver<Option<String>>,
}

/// What a port is for.
#[derive(Clone)]
pub enum Port {
    Main,
    /// An API's own: everything on it is the API's.
    Api(Arc<Slot>),
}

/// The API behind a port: a deployment puts another in its place, or takes it away.
pub struct Slot(RwLock<Option<Arc<Api>>>);

impl Slot {
    pub fn new(api: Arc<Api>) -> Slot {
        Slot(RwLock::new(Some(api)))
    }

    pub fn put(&self, api: Option<Arc<Api>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = api;
    }

    fn get(&self) -> Option<Arc<Api>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Which names a request may call us by.
#[derive(Clone, Copy)]
pub enum HostNames {
    /// Bound to loopback: only names of this machine.
    Local,
    /// Bound to a network by the user's choice: any.
    Any,
}

impl HostNames {
    pub fn of(bound: IpAddr) -> HostNames {
        if bound.is_loopback() { HostNames::Local } else { HostNames::Any }
    }

    fn allow(self, headers: &HeaderMap) -> bool {
        let HostNames::Local = self else { return true };
        let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return true };
        let name = match host.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        let is_local_name = |name: &str| {
            name == "localhost"
                || [".localhost", ".localhost.localstack.cloud", ".amazonaws.com", ".docker.internal"]
                    .iter()
                    .any(|suffix| name.ends_with(suffix))
        };
        let name = name.to_ascii_lowercase();
        // SDKs put `sync-` before the host of StartSyncExecution and TestState.
        let name = name.strip_prefix("sync-").unwrap_or(&name);
        name.parse::<IpAddr>().is_ok() || is_local_name(name)
    }
}

type Answer = http::Response<BoxBody<Bytes, Infallible>>;

/// Open connections, and the most there may be.
pub fn connections() -> (usize, usize) {
    let limit = LIMIT.load(Ordering::Relaxed);
    // One permit is held by each loop that accepts.
    (limit.saturating_sub(CONNECTIONS.available_permits()), limit)
}

/// No more connections than this, if the system has files for fewer than we would take. Called once.
pub fn limit_connections(most: usize) {
    LIMIT.store(most.min(CONNECTIONS_MAX), Ordering::Relaxed);
    CONNECTIONS.forget_permits(CONNECTIONS_MAX.saturating_sub(most));
}

/// Accepts until it is aborted.
pub async fn serve(listener: TcpListener, gate: Arc<Gate>, port: Port) {
    loop {
        let permit = CONNECTIONS.acquire().await.expect("the semaphore is never closed");
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(_) => {
                // No descriptors left, most likely: wait for connections to end instead of spinning.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Small answers must not wait for more; a socket that refuses the option works all the same.
        let _ = stream.set_nodelay(true);
        let (gate, port) = (gate.clone(), port.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let service = service_fn(move |request| {
                let (gate, port) = (gate.clone(), port.clone());
                async move { Ok::<_, Infallible>(identified(answer(&gate, &port, request, peer).await)) }
            });
            let mut connection = http1::Builder::new();
            connection.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(HEAD_BYTES_MAX);
            // A broken connection is the client's affair.
            let _ = connection.serve_connection(TokioIo::new(Patient::new(stream)), service).with_upgrades().await;
        });
    }
}

/// Every answer has the id of its request: the door's, or one of ours.
fn identified(mut answer: Answer) -> Answer {
    answer.headers_mut().entry(REQUEST_ID).or_insert_with(request_id::new);
    answer
}

async fn answer(gate: &Gate, port: &Port, request: http::Request<Incoming>, peer: SocketAddr) -> Answer {
    if !gate.host_names.allow(request.headers()) {
        let text = "This Host is not a name of this machine. Call Ithaca by localhost or an address, or let it listen on the network with --host.\n";
        return whole(respond(StatusCode::FORBIDDEN, PLAIN, text));
    }
    if matches!(port, Port::Api(_)) && request.headers().contains_key(FOR_MAIN_PORT) {
        let text = "This is the port of an API, not Ithaca's main port.\n";
        return whole(respond(StatusCode::MISDIRECTED_REQUEST, PLAIN, text));
    }
    let is_console = matches!(port, Port::Main) && is_console(&request);
    if matches!(port, Port::Main) && !is_console && is_from_a_page(request.headers()) {
        let text =
            "This request comes from a web page. Ithaca's main port is for AWS clients and the command line only.\n";
        return whole(respond(StatusCode::FORBIDDEN, PLAIN, text));
    }
    let front = match gate.front() {
        Some(front) => front,
        None if is_probe(&request) => return whole(probed(request.uri().path(), gate.phase())),
        None => gate.opened().await,
    };
    if matches!(port, Port::Main) && request.uri().path() == crate::lane::PATH {
        return crate::lane::open(front, request);
    }
    if matches!(port, Port::Main) && !is_console && is_s3(front, &request) {
        return stored(front, request).await;
    }
    let (parts, body) = request.into_parts();
    let bytes_max = if is_console { CONSOLE_BODY_BYTES_MAX } else { body_bytes_max(port, &parts) };
    if body.size_hint().lower() > bytes_max as u64 {
        return whole(too_large(bytes_max));
    }
    // Until it is answered.
    let mut share = Share::default();
    let body = Limited::new(Counted { body, share: &mut share }, bytes_max);
    let body = match tokio::time::timeout(BODY_TIMEOUT, pressure::collect(body)).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return whole(too_large(bytes_max));
        }
        Ok(Err(error)) if is_no_room(&*error) => return whole(throttled(port, &parts.headers)),
        _ => {
            return whole(respond(StatusCode::BAD_REQUEST, PLAIN, "The request body is broken.\n"));
        }
    };
    let answers_much = answers_much(&parts.headers);
    let request = http::Request::from_parts(parts, body);
    let told = log::is_on(Level::Debug).then(|| Told::of(port, &request));
    let (door, answer) = match port {
        Port::Main if is_console => (Door::Console, shown(front.console.handle(request).await)),
        Port::Main if answers_much => at_leisure(front, request, peer).await,
        Port::Api(slot) => match slot.get() {
            Some(api) => (Door::ApiGateway, whole(front.gateway.handle(&api, request, peer).await)),
            None => (Door::Other, whole(respond(StatusCode::NOT_FOUND, PLAIN, "This API was removed.\n"))),
        },
        Port::Main => front.route(request, peer).await,
    };
    front.counters.answered(door, answer.status());
    if let Some(told) = told {
        told.answered(door, answer.status());
    }
    answer
}

/// The console has the main port's own names. Where the name is an API's or a bucket's, its pages come from others, and what
/// they do must not be done in the console's name.
fn is_console<B>(request: &http::Request<B>) -> bool {
    Console::is_for(request) && !is_api_host(request.headers()) && !aws_s3::is_for(request.headers(), request.uri())
}

fn is_api_host(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    host.contains(".execute-api.") || host.contains(".lambda-url.")
}

/// Is it S3's? Signed for it, or without any signature for a bucket that is here.
fn is_s3<B>(front: &Front, request: &http::Request<B>) -> bool {
    let headers = request.headers();
    if headers.contains_key(TARGET) {
        return false;
    }
    let path = request.uri().path();
    let is_open = matches!(*request.method(), Method::GET | Method::HEAD)
        && !headers.contains_key(header::AUTHORIZATION)
        && !is_api_host(headers);
    let is_own = path == "/" || OWN_PAGES.contains(&path) || is_lambda(path);
    aws_s3::is_for(headers, request.uri()) || is_open && !is_own && front.s3.has_bucket_of(path)
}

/// S3's bodies go to the disk and come from it piece by piece.
async fn stored(front: &Front, mut request: http::Request<Incoming>) -> Answer {
    request.headers_mut().insert(REQUEST_ID, request_id::new());
    // A key is its owner's data.
    let told = log::is_on(Level::Debug).then(|| Told {
        method: request.method().clone(),
        what: "S3".into(),
        since: Instant::now(),
    });
    let mut answer = front.s3.handle(request).await.map(|body| match body {
        aws_s3::Body::Whole(bytes) => Full::new(bytes).boxed(),
        aws_s3::Body::Pieces(pieces) => Stream(pieces).boxed(),
    });
    keep_apart(answer.headers_mut());
    front.counters.answered(Door::S3, answer.status());
    if let Some(told) = told {
        told.answered(Door::S3, answer.status());
    }
    answer
}

/// An object may be a page that anybody has made, and a browser that is shown it must not take it for one of the console,
/// which is at the same address.
fn keep_apart(headers: &mut HeaderMap) {
    const HARMLESS: [&str; 4] = ["image/", "audio/", "video/", "application/pdf"];
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, header::HeaderValue::from_static("nosniff"));
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.trim().to_ascii_lowercase();
    if kind.contains("xml") || !HARMLESS.iter().any(|harmless| kind.starts_with(harmless)) {
        let policy = header::HeaderValue::from_static("sandbox allow-scripts");
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
}

/// A request for the log: neither query, headers nor body, which may hold what is nobody's business. The path of an
/// API's request is its caller's data too.
struct Told {
    method: Method,
    what: String,
    since: Instant,
}

impl Told {
    fn of<B>(port: &Port, request: &http::Request<B>) -> Told {
        let target = request.headers().get(TARGET).and_then(|value| value.to_str().ok());
        let what = match (port, target) {
            (Port::Api(slot), _) => format!("API {}", slot.get().as_ref().map_or("removed", |api| api.id())),
            (Port::Main, Some(target)) => target.to_owned(),
            (Port::Main, None) => request.uri().path().to_owned(),
        };
        Told { method: request.method().clone(), what, since: Instant::now() }
    }

    fn answered(self, door: Door, status: StatusCode) {
        let micros = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        let fields = [
            ("door", door.name().into()),
            ("method", self.method.as_str().into()),
            ("what", (&self.what).into()),
            ("status", u64::from(status.as_u16()).into()),
            ("took_us", micros.into()),
        ];
        log::debug("http", "request", &fields);
    }
}

fn is_probe<B>(request: &http::Request<B>) -> bool {
    request.method() == Method::GET && matches!(request.uri().path(), "/healthz" | "/readyz")
}

/// While nothing is there to ask: it lives, and is not ready.
fn probed(path: &str, phase: Phase) -> Response {
    match path {
        "/healthz" => respond(StatusCode::OK, PLAIN, ALIVE),
        _ => not_ready(phase.why_not().unwrap_or_default()),
    }
}

fn not_ready(why: &str) -> Response {
    respond(StatusCode::SERVICE_UNAVAILABLE, PLAIN, format!("{why}\n"))
}

/// Megabytes take long to write down: on a thread of their own, few at a time, so that nobody else waits for them.
async fn at_leisure(front: &Arc<Front>, request: Request, peer: SocketAddr) -> (Door, Answer) {
    let Some(turn) = pressure::turn().await else {
        return (Door::Other, whole(throttled(&Port::Main, request.headers())));
    };
    let (front, runtime) = (front.clone(), tokio::runtime::Handle::current());
    let routed = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        runtime.block_on(front.route(request, peer))
    });
    routed.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// Operations whose answers may have megabytes.
fn answers_much(headers: &HeaderMap) -> bool {
    const LARGE: [&str; 5] = ["GetExecutionHistory", "Scan", "BatchGetItem", "GetLogEvents", "FilterLogEvents"];
    let target = headers.get(TARGET).and_then(|value| value.to_str().ok());
    target.and_then(|target| target.split_once('.')).is_some_and(|(_, operation)| LARGE.contains(&operation))
}

/// Browsers say so; `none` is the user's own doing, such as an address typed in.
fn is_from_a_page(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    headers.contains_key(header::ORIGIN) || site.is_some_and(|site| site != "none" && site != "same-origin")
}

fn body_bytes_max(port: &Port, parts: &http::request::Parts) -> usize {
    let target = parts.headers.get(TARGET).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match port {
        Port::Api(_) => API_BODY_BYTES_MAX,
        Port::Main if target.starts_with("DynamoDB") => DYNAMODB_BODY_BYTES_MAX,
        Port::Main if is_lambda(parts.uri.path()) => LAMBDA_BODY_BYTES_MAX,
        Port::Main if parts.headers.contains_key(TARGET) => STATES_BODY_BYTES_MAX,
        Port::Main => API_BODY_BYTES_MAX,
    }
}

fn too_large(bytes_max: usize) -> Response {
    let text = format!("The request body is larger than {bytes_max} bytes.\n");
    respond(StatusCode::PAYLOAD_TOO_LARGE, PLAIN, text)
}

fn is_no_room(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<NoRoom>() || error.source().is_some_and(is_no_room)
}

/// What AWS SDKs take as "later": each service has its own words for it.
fn throttled(port: &Port, headers: &HeaderMap) -> Response {
    let text = "Rate exceeded";
    if matches!(port, Port::Main) && headers.contains_key(TARGET) {
        return aws_protocol::json_1_0_error("", &aws_protocol::Error::client("ThrottlingException", text));
    }
    let body = serde_json::json!({ "Type": "User", "message": text });
    let mut answer = aws_protocol::json(StatusCode::TOO_MANY_REQUESTS, aws_protocol::REST_JSON, &body);
    answer.headers_mut().insert(ERROR_TYPE, header::HeaderValue::from_static("TooManyRequestsException"));
    answer
}

fn whole(response: Response) -> Answer {
    let bytes = response.body().len();
    response.map(|body| {
        let body = Full::new(body);
        if bytes < LARGE_ANSWER_BYTES { body.boxed() } else { Held::new(body, bytes).boxed() }
    })
}

fn shown(response: http::Response<console::Body>) -> Answer {
    response.map(|body| match body {
        console::Body::Whole(bytes) => Full::new(bytes).boxed(),
        console::Body::Stream(pieces) => Stream(pieces).boxed(),
    })
}

impl Front {
    /// Serves an API in the place of the one of its id and stage, if there is one.
    pub fn put_api(&self, api: Arc<Api>, address: SocketAddr) {
        self.addresses.write().unwrap_or_else(PoisonError::into_inner).insert(api.id().to_owned(), address);
        let mut apis = self.apis.write().unwrap_or_else(PoisonError::into_inner);
        match apis.iter_mut().find(|old| old.id() == api.id() && old.stage() == api.stage()) {
            Some(old) => *old = api,
            None => apis.push(api),
        }
    }

    pub fn remove_api(&self, id: &str, stage: &str) {
        let mut apis = self.apis.write().unwrap_or_else(PoisonError::into_inner);
        apis.retain(|api| api.id() != id || api.stage() != stage);
        if !apis.iter().any(|api| api.id() == id) {
            self.addresses.write().unwrap_or_else(PoisonError::into_inner).remove(id);
        }
    }

    pub fn api_addresses(&self) -> BTreeMap<String, SocketAddr> {
        self.addresses.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn has_api(&self, id: &str) -> bool {
        self.apis.read().unwrap_or_else(PoisonError::into_inner).iter().any(|api| api.id() == id)
    }

    /// Calls the API at this address.
    pub async fn call_api(&self, address: &Address, request: Request, peer: SocketAddr) -> Response {
        let apis: Vec<Api> =
            self.apis.read().unwrap_or_else(PoisonError::into_inner).iter().map(|api| Api::clone(api)).collect();
        self.gateway.handle_at(&apis, address, request, peer).await
    }

    async fn route(&self, request: Request, peer: SocketAddr) -> (Door, Answer) {
        let target = request.headers().get(TARGET).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if target.starts_with(aws_states::TARGET_PREFIX) {
            return (Door::States, whole(self.states.handle(&request).await));
        }
        if target.starts_with("DynamoDB") {
            return (Door::Dynamo, whole(self.dynamo.handle(request).await));
        }
        if target.starts_with(aws_logs::TARGET_PREFIX) {
            return (Door::Logs, whole(self.logs.handle(request).await));
        }
        if target.starts_with(aws_ssm::TARGET_PREFIX) {
            return (Door::Ssm, whole(self.ssm.handle(request).await));
        }
        if let Some(operation) = target.strip_prefix(aws_connections::TARGET_PREFIX)
            && Connections::serves(operation)
        {
            return (Door::Events, whole(self.connections(request).await));
        }
        if Rules::is_for(&request) {
            return (Door::Outbox, whole(self.rules.handle(&request).await));
        }
        if aws_outbox::is_for(&request) {
            return (Door::Outbox, whole(self.outbox.handle(&request).await));
        }
        if let Some(address) = Address::of(&request) {
            return (Door::ApiGateway, whole(self.call_api(&address, request, peer).await));
        }
        if is_lambda(request.uri().path()) {
            return (Door::Lambda, whole(self.lambda.handle(request).await));
        }
        if is_query(&request) {
            return self.query(request).await;
        }
        (Door::Other, self.own(&request, peer).await)
    }

    /// Services of the query protocol: which one is said by the version of the protocol, and by the signature.
    async fn query(&self, mut request: Request) -> (Door, Answer) {
        request.headers_mut().insert(REQUEST_ID, request_id::new());
        let form = query::Form::of(&request);
        let service = Scope::of(request.headers()).map(|scope| scope.service).unwrap_or_default();
        if form.get("Version") == Some(aws_sts::VERSION) || service == "sts" {
            return (Door::Sts, whole(self.sts.handle(&request)));
        }
        if form.get("Version") == Some(door::VERSION) || service == "cloudformation" {
            if request.method() != Method::POST && !is_reading(form.action()) {
                let text = format!("{} changes something, so it is asked for by POST", form.action());
                let error = aws_protocol::Error::client("InvalidHTTPMethod", text);
                return (Door::CloudFormation, whole(query::error_answer(request.headers(), "", &error)));
            }
            let formation = self.formation.read().unwrap_or_else(PoisonError::into_inner).clone();
            return (
                Door::CloudFormation,
                match formation {
                    Some(formation) => whole(formation.handle(request).await),
                    None => whole(not_ready("stopping")),
                },
            );
        }
        let what = if service.is_empty() { form.action() } else { service };
        let error = aws_protocol::Error::client("InvalidAction", format!("Ithaca does not serve {what}. {SERVED}"));
        (Door::Other, whole(query::error_answer(request.headers(), "", &error)))
    }

    /// Asks a door as a client would, in memory.
    pub async fn ask(self: &Arc<Self>, request: Request) -> Response {
        let answer = match is_s3(self, &request) {
            true => self.s3.handle(request.map(Full::new)).await.map(|body| match body {
                aws_s3::Body::Whole(bytes) => Full::new(bytes).boxed(),
                aws_s3::Body::Pieces(pieces) => Stream(pieces).boxed(),
            }),
            false => self.route(request, SocketAddr::from(([127, 0, 0, 1], 0))).await.1,
        };
        let (parts, body) = identified(answer).into_parts();
        let Ok(body) = body.collect().await;
        Response::from_parts(parts, body.to_bytes())
    }

    /// The server's own pages.
    async fn own(&self, request: &Request, peer: SocketAddr) -> Answer {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/healthz") => whole(self.health()),
            (&Method::GET, "/readyz") => whole(self.readiness()),
            (&Method::GET, "/metrics") => whole(self.metrics(request).await),
            (&Method::GET, "/ithaca/changes") => self.changes(),
            (&Method::GET, "/ithaca/outbox") => whole(crate::outbox::list(&self.outbox, request).await),
            (&Method::POST, "/ithaca/backup") => self.backup(request, peer),
            (&Method::GET, "/") => whole(respond(StatusCode::OK, PLAIN, WELCOME)),
            _ => whole(unknown(request)),
        }
    }

    /// A change is written to the disk before it is answered.
    async fn connections(&self, request: Request) -> Response {
        let connections = self.connections.clone();
        let answered = tokio::task::spawn_blocking(move || connections.handle(&request)).await;
        answered.unwrap_or_else(|error| {
            aws_protocol::json_1_1_error(&aws_protocol::Error::internal(format!("the request was given up: {error}")))
        })
    }

    fn health(&self) -> Response {
        let (status, text) = match &*self.fatal.borrow() {
            None => (StatusCode::OK, ALIVE.to_owned()),
            Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        };
        respond(status, PLAIN, text)
    }

    /// It is of use only when the engine goes on and all is there.
    pub fn why_not_ready(&self) -> Option<String> {
        let stopped = self.fatal.borrow().clone();
        stopped.or_else(|| self.phase.borrow().why_not().map(str::to_owned))
    }

    fn readiness(&self) -> Response {
        match self.why_not_ready() {
            None => respond(StatusCode::OK, PLAIN, "ready\n"),
            Some(why) => not_ready(&why),
        }
    }

    async fn metrics(&self, request: &Request) -> Response {
        let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let dialect = Dialect::asked(accept);
        let is_ready = self.why_not_ready().is_none();
        respond(StatusCode::OK, dialect.content_type(), metrics::scrape(self, is_ready, dialect).await)
    }

    /// Copies the data folder; the answer tells how far it is, a JSON object a line. Who goes away ends it.
    fn backup(&self, request: &Request, peer: SocketAddr) -> Answer {
        let refuse = |status, text: String| whole(respond(status, PLAIN, text));
        if !Backups::may_ask(peer.ip()) {
            let text = "A backup goes to a folder of this machine, so it is asked for on this machine.\n";
            return refuse(StatusCode::FORBIDDEN, text.to_owned());
        }
        let order: Order = match serde_json::from_slice(request.body()) {
            Ok(order) => order,
            Err(error) => return refuse(StatusCode::BAD_REQUEST, format!("This is no order for a backup: {error}\n")),
        };
        let (sender, receiver) = mpsc::channel(256);
        let backups = self.backups.clone();
        tokio::task::spawn_blocking(move || {
            backups.run(&order, &mut |line| match sender.blocking_send(Bytes::from(format!("{line}\n"))) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            });
        });
        http::Response::builder()
            .header(header::CONTENT_TYPE, "application/x-ndjson")
            .body(Stream(receiver).boxed())
            .expect("fixed headers make a valid answer")
    }

    /// Every start and end of an execution from now on, as server-sent events: one JSON object each.
    fn changes(&self) -> Answer {
        let mut changes = self.handle.watch();
        let (sender, receiver) = mpsc::channel(256);
        tokio::spawn(async move {
            loop {
                let text = match changes.recv().await {
                    Ok(change) => change_event(&change),
                    Err(RecvError::Lagged(missed)) => format!(": {missed} changes were missed\n\n"),
                    Err(RecvError::Closed) => return,
                };
                // A reader that has gone ends the stream.
                if sender.send(Bytes::from(text)).await.is_err() {
                    return;
                }
            }
        });
        http::Response::builder()
            .header(header::CONTENT_TYPE, "text/event-stream")
            .header(header::CACHE_CONTROL, "no-store")
            .body(Stream(receiver).boxed())
            .expect("fixed headers make a valid answer")
    }
}

fn change_event(change: &StatusChange) -> String {
    let json = serde_json::json!({
        "executionArn": &*change.execution_arn,
        "stateMachineArn": &*change.machine_arn,
        "status": change.status.name(),
        "startDate": change.started_at.0,
        "stopDate": change.stopped_at.map(|at| at.0),
    });
    // Not `Display`, which goes through the formatter piece by piece.
    ["data: ", &serde_json::to_string(&json).expect("a JSON value always serialises"), "\n\n"].concat()
}

/// A body of frames that come over a channel.
struct Stream(mpsc::Receiver<Bytes>);

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// Lambda's REST paths begin with the date of their version.
fn is_lambda(path: &str) -> bool {
    const SECTIONS: [&str; 6] =
        ["/functions", "/tags", "/event-source-mappings", "/layers", "/account-settings", "/code-signing"];
    let Some((date, rest)) = path.get(1..11).zip(path.get(11..)) else { return false };
    let is_date = date.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    is_date && SECTIONS.iter().any(|section| rest.starts_with(section))
}

/// AWS's query protocol: a form for the whole service.
fn is_query(request: &Request) -> bool {
    let is_form = request.method() == Method::POST && query::is_query(request.headers());
    request.uri().path() == "/" && (is_form || request.uri().query().is_some_and(|text| text.contains("Action=")))
}

/// Browsers load an image from any address without saying who asks, at least from machines of the network. AWS's clients
/// always send a form.
fn is_reading(action: &str) -> bool {
    ["Describe", "Get", "List", "Validate"].iter().any(|verb| action.starts_with(verb))
}

const SERVED: &str = "It serves Step Functions, Lambda, DynamoDB, S3, the parameter store of SSM, STS, CloudFormation, CloudWatch Logs, deployed APIs of API Gateway, and what sends by SQS, SNS, EventBridge and SES.";

const WELCOME: &str = "Ithaca is running.\n\n\
    Browser: open this address.\n\
    AWS clients: point --endpoint-url or AWS_ENDPOINT_URL here.\n\
    Command line: ithaca executions, ithaca show NAME, ithaca --help.\n";

/// A request no door wants: says what it seems to be for and what is served.
fn unknown(request: &Request) -> Response {
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let what = match (text(TARGET), Scope::of(request.headers()).map(|scope| scope.service)) {
        (Some(target), _) if !target.is_empty() => format!("the operation '{target}'"),
        (_, Some(service)) => format!("the AWS service '{service}'"),
        _ => format!("{} {}", request.method(), request.uri().path()),
    };
    let error = aws_protocol::Error::with_status(
        StatusCode::NOT_FOUND,
        "UnknownOperationException",
        format!("Ithaca does not serve {what}. {SERVED}"),
    );
    aws_protocol::json_1_0_error("", &error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lambda_paths() {
        let check = |path: &str, expect: bool| assert_eq!(is_lambda(path), expect, "{path}");
        check("/2015-03-31/functions/", true);
        check("/2015-03-31/functions/f/invocations", true);
        check("/2017-03-31/tags/arn", true);
        check("/2015-03-31/other", false);
        check("/functions", false);
        check("/", false);
        check("/20é5-03-31/functions", false);
    }

    #[test]
    fn pages_of_others() {
        let check = |kind: &str, expect: bool| {
            let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]);
            keep_apart(&mut headers);
            assert_eq!(headers.contains_key(header::CONTENT_SECURITY_POLICY), expect, "{kind}");
            assert!(headers.contains_key(header::X_CONTENT_TYPE_OPTIONS));
        };
        check("text/html", true);
        check(" Text/HTML; charset=utf-8", true);
        check("image/svg+xml", true);
        check("multipart/x-mixed-replace", true);
        check("", true);
        check("image/png", false);
        check("application/pdf", false);
    }

    #[test]
    fn what_is_the_consoles() {
        let check = |host: &str, path: &str, expect: bool| {
            let request = http::Request::get(path).header("host", host).body(()).unwrap();
            assert_eq!(is_console(&request), expect, "{host} {path}");
        };
        check("localhost:4566", "/console/machines", true);
        check("localhost:4566", "/other", false);
        check("abc.lambda-url.us-east-1.localhost:4566", "/console", false);
        check("abc.execute-api.localhost:4566", "/console", false);
        check("b.s3.localhost:4566", "/console", false);
        check("localhost:4566", "/console?X-Amz-Credential=k%2F20260101%2Fus-east-1%2Fs3%2Faws4_request", false);
    }

    /// While the engine is being recovered, only health and readiness are told; who asks for more waits.
    #[tokio::test]
    async fn before_the_engine_is_there() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gate = Gate::new(HostNames::Local);
        let port = tokio::spawn(serve(listener, gate.clone(), Port::Main));
        let ask = async |path: &str| {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            stream
        };
        let answered = async |path: &str| {
            let mut text = String::new();
            ask(path).await.read_to_string(&mut text).await.unwrap();
            text
        };
        assert!(answered("/healthz").await.starts_with("HTTP/1.1 200 "));
        let mut waiting = ask("/").await;
        let unready = answered("/readyz").await;
        assert!(
            unready.starts_with("HTTP/1.1 503 ") && unready.ends_with("recovering: what was open is being loaded\n")
        );
        let mut byte = [0];
        // Others that came later have been answered.
        assert!(matches!(waiting.try_read(&mut byte), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock));
        // Nobody answers any more when the start fails.
        port.abort();
        assert_eq!(gate.phase(), Phase::Recovering);
        drop(waiting.shutdown().await);
    }

    #[test]
    fn hosts() {
        let check = |host: &str, expect: bool| {
            let headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
            assert_eq!(HostNames::Local.allow(&headers), expect, "{host}");
            assert!(HostNames::Any.allow(&headers));
        };
        check("localhost:4566", true);
        check("127.0.0.1:4566", true);
        check("[::1]:4566", true);
        check("sync-states.localhost:4566", true);
        check("sync-localhost:4566", true);
        check("Sync-LocalHost", true);
        check("sync-127.0.0.1:4566", true);
        check("sync-evil.example:4566", false);
        check("sync-sync-localhost", false);
        check("abc.execute-api.us-east-1.amazonaws.com", true);
        check("evil.example:4566", false);
        check("localhost.evil.example", false);
    }
}
