//! The whole of Ithaca over one data folder: store, engine and doors, opened in the order in which they need
//! each other and closed in the reverse.

use std::fs::File;
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use aws_apigateway::{Gateway, InvokeAnswer, Invoker, Source};
use aws_cloudformation::stacks::Stacks;
use aws_connections::Connections;
use aws_dynamodb::{Backend, Dynamo};
use aws_lambda::{Host, InvokeOptions, Outcome};
use aws_logs::Logs;
use aws_outbox::Outbox;
use aws_protocol::{Home, Homes, Response};
use aws_s3::S3;
use aws_ssm::Ssm;
use aws_states::{Recorder, States};
use aws_sts::Sts;
use bytes::Bytes;
use console::Console;
use engine::{Engine, Handle, Reader};
use objects::{EndpointOptions, ObjectStore};
use store::{Folder, Sqlite, Store};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::addresses::Here;
use crate::backup::Backups;
use crate::console::Sources;
use crate::deliveries::Deliveries;
use crate::deploy::Deployer;
use crate::events::{Followers, Target};
use crate::front::{self, Front};
use crate::log;
use crate::logs::LogGroups;
use crate::metrics::Counters;
use crate::phase::{Gate, Phase};
use crate::ports::Apis;
use crate::rules::Rules;
use crate::tasks::{Elsewhere, Tasks};

/// How long a start waits for the guard of an instance that has just died to finish its work.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// How long a stop waits for running tasks, so that what they did is not unknown at the next start.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// Where and how to serve.
#[derive(Clone, Debug)]
pub struct Options {
    pub host: IpAddr,
    pub port: u16,
    /// The first port for APIs; each further API takes the next one that is free.
    pub api_port: u16,
    pub data: PathBuf,
    pub home: Home,
    /// Everybody has the home's account; otherwise an access key of twelve digits is one.
    pub account_is_fixed: bool,
    /// Another DynamoDB to use instead of the embedded one.
    pub dynamodb_endpoint: Option<String>,
    pub objects: Objects,
    /// How long histories are kept, and names taken, after the end of their executions.
    pub history: Duration,
    pub functions: FunctionLimits,
    pub elsewhere: Elsewhere,
    /// Where status changes go.
    pub events: Vec<Target>,
    /// The collector that gets a trace of each execution.
    #[cfg(feature = "otel")]
    pub otlp: Option<crate::webhook::Address>,
    /// Called with every line that functions write.
    pub print_logs: bool,
    /// Templates that come over CloudFormation's API go on without what is not served in them.
    pub ignore_unsupported: bool,
}

/// For people.
impl std::fmt::Display for Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Objects::Own => f.write_str("in the data folder"),
            Objects::Folder(folder) => folder.display().fmt(f),
            Objects::Endpoint(endpoint) => f.write_str(&endpoint.url),
        }
    }
}

/// Where objects are kept, for distributed Maps and for tasks of S3.
#[derive(Clone, Debug)]
pub enum Objects {
    /// In a folder of the data folder, made when it is missing.
    Own,
    /// In a folder that is there.
    Folder(PathBuf),
    /// Behind S3's protocol.
    Endpoint(EndpointOptions),
}

#[derive(Debug)]
pub enum StartError {
    Store(store::Error),
    Engine(engine::Error),
    Lambda(aws_lambda::OpenError),
    Dynamo(aws_dynamodb::Error),
    Logs(aws_logs::Failure),
    Parameters(aws_ssm::Failure),
    Outbox(aws_outbox::OpenError),
    Connections(aws_connections::Failure),
    Objects(objects::Error),
    Stacks(String),
    Deliveries(String),
    Rules(String),
    Executable(std::io::Error),
    Thread(std::io::Error),
    Events(std::io::Error),
    Port { address: SocketAddr, option: &'static str, cause: std::io::Error },
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StartError::Store(error) => error.fmt(f),
            StartError::Engine(error) => error.fmt(f),
            StartError::Lambda(error) => write_chain(f, error),
            StartError::Dynamo(error) => write_chain(f, error),
            StartError::Objects(error) => error.fmt(f),
            StartError::Rules(why) => write!(f, "the rules of EventBridge cannot be read: {why}"),
            StartError::Deliveries(why) => write!(f, "the deliveries of messages cannot be read: {why}"),
            StartError::Stacks(why) => write!(f, "the stacks cannot be read: {why}"),
            StartError::Logs(error) => write!(f, "the execution logs cannot be opened: {error}"),
            StartError::Parameters(error) => write!(f, "the parameters cannot be opened: {error}"),
            StartError::Outbox(error) => write_chain(f, error),
            StartError::Connections(error) => write!(f, "the connections cannot be read: {error}"),
            StartError::Events(cause) => write!(f, "a file that --events names cannot be written: {cause}"),
            StartError::Thread(cause) => write!(f, "a thread could not be started: {cause}"),
            StartError::Executable(cause) => write!(f, "the path of this program cannot be found: {cause}"),
            StartError::Port { address, option, cause } if cause.kind() == std::io::ErrorKind::AddrInUse => {
                write!(f, "{address} is in use by another program. Stop it, or choose another port with {option}")
            }
            StartError::Port { address, option, cause } => {
                write!(f, "cannot listen on {address}: {cause}. Choose another place with --host or {option}")
            }
        }
    }
}

impl std::error::Error for StartError {}

fn write_chain(f: &mut std::fmt::Formatter<'_>, error: &dyn std::error::Error) -> std::fmt::Result {
    write!(f, "{error}")?;
    let mut source = error.source();
    while let Some(cause) = source {
        write!(f, ": {cause}")?;
        source = cause.source();
    }
    Ok(())
}

/// A running Ithaca.
pub struct Server {
    pub(crate) options: Options,
    /// Where the main port really is: what was asked for, or what 0 was given.
    pub address: SocketAddr,
    pub(crate) front: Arc<Front>,
    engine: Engine,
    recorder: Arc<Recorder>,
    followers: Followers,
    #[cfg(feature = "otel")]
    exporter: Option<crate::otel::Exporter>,
    gate: Arc<Gate>,
    fatal: watch::Receiver<Option<String>>,
    main: AbortHandle,
    apis: Apis,
    deployer: Deployer,
    deliveries: Deliveries,
    _folder: Folder,
}

impl Server {
    /// Opens everything and begins to serve. What was running goes on before the first request is taken.
    pub async fn start(mut options: Options) -> Result<Server, StartError> {
        let began = Instant::now();
        let folder = Folder::lock_within(&options.data, LOCK_WAIT).map_err(StartError::Store)?;
        options.data = folder.path().to_owned();
        // The port comes first: two instances must not both recover before one finds it taken.
        let asked = SocketAddr::new(options.host, options.port);
        let listener = listen(asked, "--port").await?;
        let address = listener.local_addr().unwrap_or(asked);
        let gate = Gate::new(front::HostNames::of(options.host));
        let main = tokio::spawn(front::serve(listener, gate.clone(), front::Port::Main));
        log::info("server", "bound, recovering", &[("address", (&address.to_string()).into())]);
        let opened = Server::open(options, folder, address, gate, main.abort_handle());
        let server = opened.await.inspect_err(|_| main.abort())?;
        let recovered = [
            ("open_executions", server.handle().gauges().await.open_executions.into()),
            ("took_ms", (began.elapsed().as_millis() as u64).into()),
        ];
        log::info("server", "recovered, serving", &recovered);
        Ok(server)
    }

    /// Opens what stands behind the port, and lets requests in.
    async fn open(
        options: Options,
        folder: Folder,
        address: SocketAddr,
        gate: Arc<Gate>,
        main: AbortHandle,
    ) -> Result<Server, StartError> {
        let counters = Arc::<Counters>::default();
        let known = Arc::<OnceLock<Weak<Front>>>::default();
        let (objects, kept) = object_store(&options).map_err(StartError::Objects)?;
        let mut config = lambda_config(&options, address, &folder, known.clone())?;
        config.objects = Some(code_from(objects.clone()));
        let host = Host::open(config).map_err(StartError::Lambda)?;
        let dynamo = Dynamo::open(dynamo_backend(&options), &options.home).map_err(StartError::Dynamo)?;
        let store = Sqlite::open(&folder, store::Options::default()).map_err(StartError::Store)?;
        let store = Arc::new(store);
        let has_tables = options.dynamodb_endpoint.is_none();
        let backups = Backups::new(options.data.clone(), store.clone(), has_tables, elsewhere_kept(&options));
        let store: Arc<dyn Store> = store;
        let ssm = Ssm::open(&options.data.join("parameters"), &options.home).map_err(StartError::Parameters)?;
        for why in ssm.unreadable() {
            log::warn("ssm", "a parameter is left alone", &[("why", (&why).into())]);
        }
        let (elsewhere, runtime) = (options.elsewhere.clone(), tokio::runtime::Handle::current());
        let runner = Tasks::new(host.clone(), objects.clone(), elsewhere, runtime);
        let logs = Logs::open(&options.data.join("logs"), &options.home).map_err(StartError::Logs)?;
        for why in logs.unreadable() {
            log::warn("logs", "a log group is left alone", &[("why", (&why.to_string()).into())]);
        }
        let outbox = Outbox::open(&options.data.join("outbox"), &options.home).map_err(StartError::Outbox)?;
        let connections = Connections::open(&options.data, &options.home).map_err(StartError::Connections)?;
        let log_groups = Arc::new(LogGroups { logs: logs.clone(), counters: counters.clone() });
        let recorder = Recorder::start(log_groups.clone()).map_err(StartError::Thread)?;
        let recorder = Arc::new(recorder);
        let config = engine::Config { log: recorder.clone(), retention: options.history, ..engine::Config::default() };
        let mut targets = Vec::new();
        for target in &options.events {
            target.check().map_err(StartError::Events)?;
            targets.push((target.clone(), config.changes.subscribe()));
        }
        let to_rules = config.changes.subscribe();
        #[cfg(feature = "otel")]
        let to_be_traced = options.otlp.clone().map(|address| (address, config.changes.subscribe()));
        let engine = Engine::open(store, runner.clone(), &config).map_err(StartError::Engine)?;

        let mut states = States::new(engine.handle(), engine.reader(), options.home.clone()).with_log(log_groups);
        if options.account_is_fixed {
            states = states.with_fixed_account();
        }
        let followers = Followers::start(targets, &states, &counters);
        #[cfg(feature = "otel")]
        let exporter = to_be_traced.map(|(address, changes)| {
            crate::otel::Exporter::start(address, changes, engine.reader(), counters.clone())
        });
        let sources = Sources::new(&options, address);
        let fatal = first_end(engine.fatal(), dynamo.fatal());
        let dynamo = Arc::new(dynamo);
        let doors = Functions { host: host.clone(), states: states.clone(), dynamo: dynamo.clone() };
        let deliveries = Deliveries::new(&options.data, outbox.clone());
        let rules = Rules::open(&options.data, &options.home, deliveries.clone(), outbox.clone());
        let rules = rules.map_err(StartError::Rules)?;
        let front = Arc::new(Front {
            states,
            gateway: Gateway::new(doors, options.home.clone(), Source::system()),
            lambda: host,
            logs,
            s3: S3::new(kept, options.home.clone()),
            ssm,
            formation: RwLock::default(),
            sts: Sts::new(Homes { home: options.home.clone(), account_is_fixed: options.account_is_fixed }),
            outbox,
            rules,
            connections,
            dynamo,
            apis: RwLock::default(),
            addresses: RwLock::default(),
            handle: engine.handle(),
            reader: engine.reader(),
            objects,
            console: Console::new(engine.reader(), engine.handle(), endpoint_url(address), sources.around()),
            phase: gate.watch(),
            counters,
            backups: Arc::new(backups),
            fatal: fatal.clone(),
        });
        runner.open(&front);
        let _ = known.set(Arc::downgrade(&front));
        sources.open(&front);
        front.outbox.listen(deliveries.listener());
        deliveries.open(&front).map_err(StartError::Deliveries)?;
        front.rules.start(&front, to_rules);
        let stacks = Stacks::open(&options.data.join("stacks")).map_err(StartError::Stacks)?;
        let apis = Apis::new(front.clone(), gate.clone(), options.host, options.api_port, options.data.clone());
        let deployer = Deployer::new(front.clone(), apis.clone(), deliveries.clone(), stacks);
        let (s3, ssm) = (front.s3.clone(), front.ssm.clone());
        let formation = crate::formation::open(deployer.clone(), s3, ssm, &options);
        let formation = formation.map_err(StartError::Stacks)?;
        *front.formation.write().unwrap_or_else(PoisonError::into_inner) = Some(formation);
        gate.open(front.clone());
        front.lambda.resume_events();
        Ok(Server {
            options,
            address,
            front,
            engine,
            recorder,
            followers,
            #[cfg(feature = "otel")]
            exporter,
            gate,
            fatal,
            main,
            apis,
            deployer,
            deliveries,
            _folder: folder,
        })
    }

    pub fn handle(&self) -> Handle {
        self.engine.handle()
    }

    /// Becomes a text when the engine or the tables cannot go on; a restart reads everything again.
    pub fn fatal(&self) -> watch::Receiver<Option<String>> {
        self.fatal.clone()
    }

    /// Open executions that do not go on because they cannot be read.
    pub fn unreadable(&self) -> &[String] {
        self.engine.unreadable()
    }

    pub fn reader(&self) -> Reader {
        self.engine.reader()
    }

    /// Deploys templates while this serves.
    pub fn deployer(&self) -> &Deployer {
        &self.deployer
    }

    /// What was to be deployed is there: `/readyz` says so.
    pub fn ready(&self) {
        self.gate.set(Phase::Ready);
        log::info("server", "ready", &[]);
    }

    /// Takes no more requests, gives running tasks a moment to answer, ends all functions.
    pub async fn shut_down(self) {
        self.gate.set(Phase::Stopping);
        log::info("server", "stopping", &[]);
        self.apis.close();
        self.front.formation.write().unwrap_or_else(PoisonError::into_inner).take();
        let engine = self.engine;
        // Joining threads would block the runtime that the last completions need. The main port stays open
        // meanwhile: running functions may call us.
        let recorder = self.recorder;
        let close = move || {
            engine.shut_down(STOP_PATIENCE);
            recorder.close();
        };
        let _ = tokio::task::spawn_blocking(close).await;
        self.followers.shut_down().await;
        self.deliveries.shut_down().await;
        #[cfg(feature = "otel")]
        if let Some(exporter) = self.exporter {
            exporter.shut_down().await;
        }
        self.main.abort();
        self.front.lambda.shut_down().await;
        log::info("server", "stopped", &[]);
    }
}

/// Which part cannot go on, and why: the first of them.
fn first_end(
    engine: watch::Receiver<Option<String>>,
    tables: watch::Receiver<Option<String>>,
) -> watch::Receiver<Option<String>> {
    let (tell, first) = watch::channel(None);
    tokio::spawn(async move {
        let why = tokio::select! {
            why = end_of(engine) => format!("the engine has stopped: {why}"),
            why = end_of(tables) => format!("the DynamoDB tables have stopped: {why}"),
        };
        tell.send_replace(Some(why));
    });
    first
}

/// Never comes of a part that is closed in good order.
async fn end_of(mut part: watch::Receiver<Option<String>>) -> String {
    let why = part.wait_for(Option::is_some).await.map(|why| why.clone().unwrap_or_default());
    match why {
        Ok(why) => why,
        Err(_) => std::future::pending().await,
    }
}

/// Connections that the kernel keeps for us until we take them. Where hundreds come at once and there is no room, each waits a
/// second before it tries again.
const BACKLOG: u32 = 4096;

pub(crate) async fn listen(address: SocketAddr, option: &'static str) -> Result<TcpListener, StartError> {
    let open = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    open().map_err(|cause| StartError::Port { address, option, cause })
}

/// What the processes of functions may take of the machine together.
#[derive(Clone, Copy, Debug)]
pub struct FunctionLimits {
    pub processes_max: usize,
    /// None: half of what there is.
    pub memory_bytes_max: Option<u64>,
}

impl FunctionLimits {
    /// A busy function leaves room for others.
    fn of_one(&self) -> usize {
        (self.processes_max / 4).max(1)
    }
}

/// `known` gets the front when it is there, and with it which APIs there are.
fn lambda_config(
    options: &Options,
    address: SocketAddr,
    folder: &Folder,
    known: Arc<OnceLock<Weak<Front>>>,
) -> Result<aws_lambda::Config, StartError> {
    let lock = folder.as_fd().try_clone_to_owned().map_err(StartError::Executable)?;
    let guard = aws_lambda::Guard {
        executable: std::env::current_exe().map_err(StartError::Executable)?,
        arguments: vec![crate::cli::GUARD.to_owned()],
        lock: Some(Arc::new(File::from(lock))),
    };
    let mut config = aws_lambda::Config::new(options.data.join("functions"), endpoint_url(address));
    config.home = options.home.clone();
    config.limits.processes_total = options.functions.processes_max;
    config.limits.processes_per_function = options.functions.of_one();
    let half = || crate::process::memory_bytes().map_or(u64::MAX, |all| all / 2);
    config.limits.memory_bytes_max = options.functions.memory_bytes_max.unwrap_or_else(half);
    config.guard = Some(guard);
    let (endpoint, has_queues) = (endpoint_url(address), !options.elsewhere.knows("SQS"));
    config.localise = Some(Arc::new(move |text| {
        let front = known.get().and_then(Weak::upgrade);
        let has_api = |id: &str| front.as_ref().is_some_and(|front| front.has_api(id));
        Here { endpoint: &endpoint, has_queues, has_api: &has_api }.localise(text)
    }));
    if options.print_logs {
        config.log_sink = Some(Arc::new(|line| log::function_line(&line.function, &line.text)));
    }
    Ok(config)
}

/// What functions are told: an address they can reach, also when we listen on all of them.
fn endpoint_url(address: SocketAddr) -> String {
    let port = address.port();
    match address.ip() {
        ip if ip.is_unspecified() => format!("http://127.0.0.1:{port}"),
        IpAddr::V6(ip) => format!("http://[{ip}]:{port}"),
        IpAddr::V4(ip) => format!("http://{ip}:{port}"),
    }
}

fn dynamo_backend(options: &Options) -> Backend {
    match &options.dynamodb_endpoint {
        Some(url) => Backend::Forward(url.clone()),
        None => Backend::Embedded(options.data.join("dynamodb.db")),
    }
}

/// What a copy of the data folder has not, for people.
fn elsewhere_kept(options: &Options) -> Vec<String> {
    let tables = options.dynamodb_endpoint.as_ref().map(|url| format!("the tables, which are at {url}"));
    let objects = match &options.objects {
        Objects::Own => None,
        Objects::Folder(folder) => Some(format!("the objects, which are in {}", folder.display())),
        Objects::Endpoint(endpoint) => Some(format!("the objects, which are at {}", endpoint.url)),
    };
    tables.into_iter().chain(objects).collect()
}

/// Code of functions and layers by bucket and key.
fn code_from(store: Arc<dyn ObjectStore>) -> aws_lambda::Objects {
    Arc::new(move |bucket, key, bytes_max| {
        let object = store.get(&objects::Address::new(bucket, key)).map_err(|error| error.to_string())?;
        let mut bytes = Vec::new();
        let read = object.body.take(bytes_max as u64).read_to_end(&mut bytes);
        read.map_err(|error| format!("s3://{bucket}/{key} cannot be read: {error}"))?;
        Ok(bytes.into())
    })
}

/// The objects as tasks see them, and as the S3 door does.
fn object_store(options: &Options) -> Result<(Arc<dyn ObjectStore>, aws_s3::Store), objects::Error> {
    let folder = match &options.objects {
        Objects::Own => {
            let folder = options.data.join("objects");
            let made = std::fs::create_dir_all(&folder);
            made.map_err(|source| objects::Error::Disk {
                doing: "make the folder of objects",
                path: folder.display().to_string(),
                source,
            })?;
            folder
        }
        Objects::Folder(folder) => folder.clone(),
        Objects::Endpoint(endpoint) => {
            let store = Arc::new(objects::Endpoint::new(endpoint.clone())?);
            return Ok((store, aws_s3::Store::Elsewhere(endpoint.url.clone())));
        }
    };
    let folder = Arc::new(objects::Folder::open(folder)?);
    let swept = folder.clone();
    tokio::task::spawn_blocking(move || swept.sweep());
    Ok((folder.clone(), aws_s3::Store::Folder(folder)))
}

/// The other doors as API Gateway sees them.
#[derive(Clone)]
pub struct Functions {
    host: Host,
    states: States,
    dynamo: Arc<Dynamo>,
}

impl Invoker for Functions {
    async fn invoke(&self, function_arn: &str, payload: Bytes) -> Result<InvokeAnswer, aws_apigateway::InvokeError> {
        let (host, arn) = (self.host.clone(), function_arn.to_owned());
        // A task of its own, because a run goes on when the client has gone.
        let run = tokio::spawn(async move { host.invoke(&arn, payload, InvokeOptions::default()).await });
        match run.await {
            Ok(Ok(invoked)) => Ok(match invoked.outcome {
                Outcome::Succeeded(payload) => InvokeAnswer { payload, function_error: false },
                Outcome::FunctionError { payload, .. } => InvokeAnswer { payload, function_error: true },
            }),
            Ok(Err(aws_lambda::InvokeError::TooManyRequests(_))) => Err(aws_apigateway::InvokeError::Throttled),
            Ok(Err(error)) => Err(aws_apigateway::InvokeError::Rejected(error.to_string())),
            Err(error) => Err(aws_apigateway::InvokeError::Rejected(error.to_string())),
        }
    }

    async fn call(&self, service: &str, operation: &str, body: Bytes) -> Result<Response, String> {
        let prefix = match service {
            "states" => aws_states::TARGET_PREFIX,
            "dynamodb" => "DynamoDB_20120810.",
            other => return Err(format!("{other} is not called by APIs here")),
        };
        let request = http::Request::post("/").header("x-amz-target", format!("{prefix}{operation}")).body(body);
        let request = request.map_err(|error| error.to_string())?;
        Ok(match service {
            "dynamodb" => self.dynamo.handle(request).await,
            _ => self.states.handle(&request).await,
        })
    }
}
