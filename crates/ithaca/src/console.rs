//! What the console shows of parts that it does not know: its traits, answered from the doors, the store, the process.
//!
//! Doors are asked as clients ask them, in memory. Every call comes on a thread that may block.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant, UNIX_EPOCH};

use aws_lambda::{Architecture, InvokeOptions, Outcome, Source};
use aws_outbox::{Filter, Sender};
use aws_protocol::Response;
use bytes::Bytes;
use console::{
    Api, ApiRoute, Apis, Around, Called, Fact, Function, Functions, Group, Health, Invoked, LogLine, Outbox, Sent,
    TableError, Tables,
};
use engine::limits;
use http::{Request, header};
use interpreter::Timestamp;
use serde_json::Value;
use tokio::runtime::Handle;

use crate::front::{self, Front};
use crate::server::Options;

/// A shard that has not told its figures by then is left out.
const PATIENCE: Duration = Duration::from_secs(1);

/// More of an answer than this is of no use on a page.
const SHOWN_BYTES_MAX: usize = 256 * 1024;

/// The newest versions of a function that its page names.
const VERSIONS_SHOWN_MAX: usize = 10;

/// How the server was started, and what it is made of.
pub struct Sources {
    /// Opened after the console, which it holds; and not kept, since it keeps the engine.
    front: OnceLock<Weak<Front>>,
    runtime: Handle,
    started_at: Timestamp,
    data: PathBuf,
    history: Duration,
    settings: Vec<(&'static str, String)>,
}

impl Sources {
    pub fn new(options: &Options, address: SocketAddr) -> Arc<Sources> {
        Arc::new(Sources {
            front: OnceLock::new(),
            runtime: Handle::current(),
            started_at: engine::now(),
            data: options.data.clone(),
            history: options.history,
            settings: settings(options, address),
        })
    }

    pub fn around(self: &Arc<Sources>) -> Around {
        Around {
            functions: self.clone(),
            tables: self.clone(),
            apis: self.clone(),
            outbox: self.clone(),
            health: self.clone(),
            history: self.history,
        }
    }

    pub fn open(&self, front: &Arc<Front>) {
        // INVARIANT: a server opens once.
        assert!(self.front.set(Arc::downgrade(front)).is_ok(), "the console was open already");
    }

    /// Requests come through the front, so it is there but for a moment at the end.
    fn front(&self) -> Option<Arc<Front>> {
        self.front.get()?.upgrade()
    }
}

fn settings(options: &Options, address: SocketAddr) -> Vec<(&'static str, String)> {
    vec![
        ("Listens on", address.to_string()),
        ("Data", options.data.display().to_string()),
        ("Region", options.home.region.clone()),
        ("Account", options.home.account.clone()),
        ("Accounts", if options.account_is_fixed { "one for everybody" } else { "by access key" }.to_owned()),
        ("DynamoDB", options.dynamodb_endpoint.clone().unwrap_or_else(|| "embedded".to_owned())),
        ("Objects", options.objects.to_string()),
        ("Histories kept for", format!("{} days", options.history.as_secs() / 86_400)),
        ("First API port", options.api_port.to_string()),
        ("Status events go to", format!("{} targets", options.events.len())),
    ]
}

const STOPPING: &str = "Ithaca is stopping.";

impl Functions for Sources {
    fn list(&self) -> Vec<Function> {
        let Some(front) = self.front() else { return Vec::new() };
        let mut all: Vec<Function> = front.lambda.functions().iter().map(|info| function(&front, info)).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    fn get(&self, name: &str) -> Option<Function> {
        let front = self.front()?;
        Some(function(&front, &front.lambda.function(name)?))
    }

    fn logs(&self, name: &str) -> Vec<LogLine> {
        let Some(front) = self.front() else { return Vec::new() };
        let line = |line: aws_lambda::LogLine| LogLine {
            at: Timestamp(line.at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)),
            is_platform: line.source == Source::Platform,
            text: line.text,
        };
        front.lambda.logs(name).into_iter().map(line).collect()
    }

    fn invoke(&self, name: &str, payload: &str) -> Result<Invoked, String> {
        let front = self.front().ok_or(STOPPING)?;
        let since = Instant::now();
        let payload = Bytes::from(payload.to_owned());
        let (name, host) = (name.to_owned(), front.lambda.clone());
        let invoked = self.runtime.block_on(async { host.invoke(&name, payload, InvokeOptions::default()).await });
        let took_ms = since.elapsed().as_millis() as i64;
        match invoked.map_err(|error| error.to_string())?.outcome {
            Outcome::Succeeded(payload) => Ok(Invoked { payload: text_of(&payload), error: None, took_ms }),
            Outcome::FunctionError { error_type, message, payload } => {
                Ok(Invoked { payload: text_of(&payload), error: Some(format!("{error_type}: {message}")), took_ms })
            }
        }
    }
}

fn function(front: &Front, info: &aws_lambda::FunctionInfo) -> Function {
    let settings = &info.function;
    let figures = front.lambda.figures_of(&settings.name).unwrap_or_default();
    let environment = settings.environment.iter().map(|(name, value)| (name.clone(), value.clone()));
    let (versions, aliases) = front.lambda.published(&settings.name).unwrap_or_default();
    Function {
        name: settings.name.clone(),
        arn: info.arn.clone(),
        description: settings.description.clone(),
        runtime: settings.runtime.clone(),
        handler: settings.handler.clone(),
        architecture: match settings.architecture {
            Architecture::Arm => "arm64".to_owned(),
            Architecture::X86 => "x86_64".to_owned(),
        },
        memory_mb: settings.memory_mb,
        timeout_seconds: settings.timeout_seconds,
        reserved_concurrency: settings.reserved_concurrency,
        environment: environment.collect(),
        layers: settings.layers.clone(),
        versions: newest(&versions),
        aliases: aliases.into_iter().map(|(name, alias)| (name, routed(alias))).collect(),
        code_bytes: info.code_size,
        changed_at: info.last_modified.clone(),
        processes: figures.processes,
        idle: figures.idle,
        waiting: figures.waiting,
    }
}

/// As many versions as one looks at, and whether there are more.
fn newest(versions: &[u64]) -> Vec<String> {
    let skipped = versions.len().saturating_sub(VERSIONS_SHOWN_MAX);
    let more = (skipped > 0).then(|| "…".to_owned());
    more.into_iter().chain(versions[skipped..].iter().map(u64::to_string)).collect()
}

/// `2`, or `2, 3 (10 %)`.
fn routed(alias: aws_lambda::Alias) -> String {
    let weight = |(version, share): (&String, &f64)| format!(", {version} ({:.0} %)", share * 100.0);
    alias.version.clone() + &alias.weights.iter().map(weight).collect::<String>()
}

fn text_of(bytes: &Bytes) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_BYTES_MAX)]).into_owned()
}

impl Tables for Sources {
    fn call(&self, operation: &str, body: Value) -> Result<Value, TableError> {
        let refused = |name: &str, message: &str| TableError { name: name.to_owned(), message: message.to_owned() };
        let front = self.front().ok_or_else(|| refused("ServiceUnavailable", STOPPING))?;
        let request = Request::post("/")
            .header(header::HOST, "localhost")
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header(header::CONTENT_TYPE, aws_protocol::AWS_JSON_1_0)
            .body(Bytes::from(body.to_string()))
            .map_err(|error| refused("InvalidRequest", &error.to_string()))?;
        let response = self.runtime.block_on(front.dynamo.handle(request));
        let told: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        if response.status().is_success() {
            return Ok(told);
        }
        let text = |members: [&str; 2]| members.iter().find_map(|member| told[*member].as_str()).map(str::to_owned);
        // DynamoDB writes the namespace of its errors before their names.
        let name = text(["__type", "code"]).unwrap_or_else(|| response.status().to_string());
        let name = name.rsplit('#').next().unwrap_or_default().to_owned();
        Err(TableError { name, message: text(["message", "Message"]).unwrap_or_default() })
    }
}

impl Outbox for Sources {
    fn list(&self, wanted: &str, limit: usize) -> Result<Vec<Sent>, String> {
        let wanted = wanted.to_ascii_lowercase();
        let is_wanted = |message: &aws_outbox::Message| {
            let Sender { execution, state } = &message.sender;
            let texts = [&message.service, &message.destination].into_iter().chain(execution).chain(state);
            texts.into_iter().any(|text| text.to_ascii_lowercase().contains(&wanted))
        };
        let looked_at = if wanted.is_empty() { limit } else { crate::outbox::MESSAGES_MAX };
        let found = self.sent(&Filter::default(), looked_at)?;
        Ok(found.into_iter().filter(is_wanted).take(limit).map(sent).collect())
    }

    fn get(&self, number: u64) -> Result<Option<Sent>, String> {
        let filter = Filter { number: Some(number), ..Filter::default() };
        Ok(self.sent(&filter, 1)?.pop().map(sent))
    }
}

impl Sources {
    fn sent(&self, filter: &Filter, limit: usize) -> Result<Vec<aws_outbox::Message>, String> {
        let front = self.front().ok_or(STOPPING)?;
        front.outbox.list(filter, limit).map_err(|error| error.to_string())
    }
}

fn sent(message: aws_outbox::Message) -> Sent {
    Sent {
        number: message.number,
        at: Timestamp(message.at),
        service: message.service,
        operation: message.operation,
        destination: message.destination,
        message_id: message.message_id,
        execution: message.sender.execution,
        state: message.sender.state,
        message: message.message.to_string(),
    }
}

impl Apis for Sources {
    fn list(&self) -> Vec<Api> {
        let Some(front) = self.front() else { return Vec::new() };
        let apis = front.apis.read().unwrap_or_else(PoisonError::into_inner);
        let urls: BTreeMap<String, SocketAddr> = front.api_addresses();
        let api = |api: &Arc<aws_apigateway::Api>| Api {
            id: api.id().to_owned(),
            name: api.name().to_owned(),
            stage: api.stage().to_owned(),
            url: urls.get(api.id()).map(|address| format!("http://{address}")),
            routes: api.routes().iter().map(route).collect(),
        };
        apis.iter().map(api).collect()
    }

    fn call(&self, id: &str, method: &str, path: &str, body: &str) -> Result<Called, String> {
        let front = self.front().ok_or(STOPPING)?;
        let found = {
            let apis = front.apis.read().unwrap_or_else(PoisonError::into_inner);
            apis.iter().find(|api| api.id() == id).cloned()
        };
        let api = found.ok_or_else(|| format!("there is no API {id}"))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost")
            .header(header::USER_AGENT, "ithaca-console")
            .body(Bytes::from(body.to_owned()))
            .map_err(|error| error.to_string())?;
        let since = Instant::now();
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let response = self.runtime.block_on(front.gateway.handle(&api, request, peer));
        Ok(called(&response, since.elapsed().as_millis() as i64))
    }
}

fn route(route: &aws_apigateway::Route) -> ApiRoute {
    let function_arn = match &route.integration {
        aws_apigateway::Integration::Function { arn, .. } => Some(arn.clone()),
        _ => None,
    };
    let target = route.integration.target();
    ApiRoute { method: route.method.to_string(), path: route.path.clone(), target, function_arn }
}

fn called(response: &Response, took_ms: i64) -> Called {
    let headers = response.headers().iter();
    let header = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    Called {
        status: response.status().as_u16(),
        headers: headers.map(header).collect(),
        body: text_of(response.body()),
        took_ms,
    }
}

impl Health for Sources {
    fn trouble(&self) -> Option<String> {
        self.front().map_or(Some(STOPPING.to_owned()), |front| front.why_not_ready())
    }

    fn groups(&self) -> Vec<Group> {
        let Some(front) = self.front() else { return Vec::new() };
        let figures = self.runtime.block_on(front.handle.figures(PATIENCE));
        vec![
            self.process(),
            engine_group(&front, &figures),
            store_group(&front),
            functions_group(&front),
            self.started(),
        ]
    }
}

impl Sources {
    fn process(&self) -> Group {
        let mut facts = vec![
            ("Version", Fact::Text(env!("CARGO_PKG_VERSION").to_owned())),
            ("Started", Fact::Moment(self.started_at)),
        ];
        if let Some(bytes) = crate::metrics::resident_bytes() {
            facts.push(("Memory", Fact::Bytes(bytes)));
        }
        let (open, most) = front::connections();
        facts.push(("Connections", Fact::Share { used: open as u64, of: most as u64 }));
        if let Some((free, of)) = disk(&self.data) {
            facts.push(("Disk", Fact::Free { free, of }));
        }
        Group { title: "Process", facts }
    }

    fn started(&self) -> Group {
        let facts = self.settings.iter().map(|(name, text)| (*name, Fact::Text(text.clone())));
        Group { title: "Settings", facts: facts.collect() }
    }
}

fn engine_group(front: &Front, figures: &engine::Figures) -> Group {
    let gauges = &figures.gauges;
    let share = |used: usize, of: usize| Fact::Share { used: used as u64, of: of as u64 };
    let facts = vec![
        ("Shards that answer", Fact::Text(format!("{} of {}", figures.shards, front.handle.shards()))),
        ("Open executions", share(gauges.open_executions, limits::OPEN_EXECUTIONS_MAX)),
        ("Requests in the inbox", share(figures.inbox, limits::INBOX_MAX)),
        ("Tasks that run", share(gauges.running_tasks, limits::RUNNING_TASKS_MAX)),
        ("Tasks that wait for a slot", Fact::Count(gauges.waiting_tasks as u64)),
        ("Open Map Runs", Fact::Count(gauges.map_runs as u64)),
        ("Timers, with cleared ones", Fact::Count(gauges.timers as u64)),
        ("States entered since the start", Fact::Count(figures.transitions)),
    ];
    Group { title: "Engine", facts }
}

fn store_group(front: &Front) -> Group {
    let figures = front.reader.figures();
    let percentile = |share| Fact::Micros(figures.commit_latency.percentile(share).as_micros() as u64);
    let mut facts = vec![
        ("Size", Fact::Bytes(figures.file_bytes)),
        ("Write-ahead log", Fact::Bytes(figures.wal_bytes)),
        ("Batches that wait", Fact::Count(figures.queued)),
        ("Transactions", Fact::Count(figures.commits)),
    ];
    if figures.commits > 0 {
        facts.push(("Commit, median", percentile(0.5)));
        facts.push(("Commit, 99 of 100", percentile(0.99)));
    }
    Group { title: "Store", facts }
}

fn functions_group(front: &Front) -> Group {
    let figures = front.lambda.figures();
    let facts = vec![
        ("Functions", Fact::Count(figures.functions as u64)),
        ("Processes", Fact::Count(figures.processes as u64)),
        ("Wait for work", Fact::Count(figures.idle as u64)),
        ("Invocations that wait", Fact::Count(figures.waiting as u64)),
    ];
    Group { title: "Function host", facts }
}

/// Free for us, and the whole, of the file system that holds the data.
fn disk(data: &std::path::Path) -> Option<(u64, u64)> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(data.as_os_str().as_bytes()).ok()?;
    let mut told = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends with a zero, and the system writes the whole structure when it answers with 0.
    let told = unsafe {
        if libc::statvfs(path.as_ptr(), told.as_mut_ptr()) != 0 {
            return None;
        }
        told.assume_init()
    };
    Some((told.f_bavail * told.f_frsize, told.f_blocks * told.f_frsize))
}
