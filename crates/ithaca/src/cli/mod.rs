//! The command line: what it takes, and one file for each command.
//!
//! Every command but `new`, `up`, `bench`, `validate` and `graph` is a client of a running Ithaca over its public protocol,
//! so it works as well against one on another machine; `backup`, which needs a folder of that machine, only there. Human output by default, `--json` for programs.

mod answer;
mod backup;
mod bench;
mod client;
mod down;
mod executions;
mod files;
mod new;
mod outbox;
mod reading;
mod show;
mod start;
pub(crate) mod terminal;
mod up;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::log::{Format, Level};

/// The hidden subcommand of the guard process; see `aws_lambda::guard`.
pub const GUARD: &str = "guard-functions";

/// A hundred years: who wants to keep everything has more than enough, and no calculation overflows.
const HISTORY_DAYS_MAX: i64 = 36_500;

/// Every saga gets home: a durable engine for AWS Step Functions workflows, in one binary.
#[derive(Parser)]
#[command(name = "ithaca", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Where Ithaca listens.
    #[arg(long, global = true, env = "ITHACA_ENDPOINT", default_value = "http://127.0.0.1:4566")]
    endpoint: String,
    /// Print JSON for programs instead of text for people.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Write an app to start from: a template, a saga, functions and their tests.
    New(NewArgs),
    /// Serve AWS clients; with a template, deploy it first.
    Up(UpArgs),
    /// Remove what was deployed. Tables and buckets stay, unless --delete-data says otherwise.
    Down(DownArgs),
    /// Start an execution of a state machine.
    Start(StartArgs),
    /// List executions, newest first.
    Executions(ExecutionsArgs),
    /// Show one execution as a timeline: states, attempts, errors, compensations.
    Show(OneArgs),
    /// Show the history events of one execution.
    History(OneArgs),
    /// Stop an execution. Its compensations do not run.
    Stop(StopArgs),
    /// Answer a task that waits for its token: with --output as a success, with --error as a failure.
    Answer(AnswerArgs),
    /// Go on with an execution that ended badly, from the state that failed.
    Redrive(RedriveArgs),
    /// List what was sent by SQS, SNS, EventBridge and SES and is kept here.
    Outbox(OutboxArgs),
    /// Copy the data folder of a running Ithaca, as it is at one moment, to a folder to be made.
    Backup(BackupArgs),
    /// Check definitions (*.asl.json) and templates without running them.
    Validate(ValidateArgs),
    /// Draw a definition.
    Graph(GraphArgs),
    /// Measure this machine: sagas per second, latency, processor time, bytes, memory, growth.
    Bench(bench::BenchArgs),
    #[command(hide = true, name = GUARD)]
    Guard { instance: String },
    #[command(hide = true, name = bench::FUNCTION)]
    BenchFunction(bench::FunctionArgs),
    #[command(hide = true, name = bench::WORKER)]
    BenchWorker(bench::WorkerArgs),
}

#[derive(Args)]
pub(crate) struct NewArgs {
    /// The folder to make. Its name becomes the name of the stack.
    #[arg(value_name = "NAME", required_unless_present = "list")]
    folder: Option<PathBuf>,
    /// Which app: see --list.
    #[arg(long)]
    template: Option<String>,
    /// The language of its functions [default: the first that --list tells]
    #[arg(long, value_enum)]
    language: Option<new::Language>,
    /// Tell which templates there are.
    #[arg(long)]
    list: bool,
}

#[derive(Args)]
pub(crate) struct UpArgs {
    /// A SAM or CloudFormation template, or a folder with one. Without it Ithaca serves what was deployed before.
    path: Option<PathBuf>,
    /// The port for AWS clients.
    #[arg(long, default_value_t = 4566)]
    port: u16,
    /// The port of the first API; further APIs take the next free ones.
    #[arg(long, default_value_t = 3000)]
    api_port: u16,
    /// Where everything durable is kept [default: .ithaca beside the template]
    #[arg(long)]
    data: Option<PathBuf>,
    /// The address to listen on. Anything but loopback lets others on the network use this Ithaca.
    #[arg(long, default_value = "127.0.0.1")]
    host: std::net::IpAddr,
    /// Use another DynamoDB (http://HOST:PORT) instead of the embedded one.
    #[arg(long, value_name = "URL")]
    dynamodb_endpoint: Option<String>,
    /// The folder of objects, a folder in it for each bucket [default: objects in the data folder]
    #[arg(long, value_name = "FOLDER")]
    objects: Option<PathBuf>,
    /// Without --objects: an object store that speaks S3's protocol (http://HOST:PORT), also by AWS_ENDPOINT_URL_S3.
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL_S3", hide_env = true)]
    s3_endpoint: Option<String>,
    /// Where AWS services are that tasks call and Ithaca does not serve (http://HOST:PORT). The environment may name a
    /// place for each: AWS_ENDPOINT_URL_SQS, AWS_ENDPOINT_URL_SNS and so on.
    #[arg(long, value_name = "URL")]
    aws_endpoint: Option<String>,
    /// A value for a parameter of the template; may be given several times.
    #[arg(long = "parameter", value_name = "KEY=VALUE")]
    parameters: Vec<String>,
    /// Deploy again when the template, a definition or code changes. Running executions keep their definition.
    #[arg(long, requires = "path")]
    watch: bool,
    /// Go on without the types and properties of templates that are not served, also of those that come over the API.
    #[arg(long)]
    ignore_unsupported: bool,
    /// The region of what is deployed, and of requests that are not signed.
    #[arg(long, default_value = "us-east-1")]
    region: String,
    /// The account of everything: twelve digits [default: 000000000000, or an access key of twelve digits]
    #[arg(long)]
    account: Option<String>,
    /// Days for which the history of an execution is kept after its end, and its name is taken.
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=HISTORY_DAYS_MAX))]
    history_days: u32,
    /// The most processes of functions at one time; one function has a quarter of them at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    function_processes: u32,
    /// Memory that the processes of functions may have together before no more are started, beyond the first of each function. By default
    /// half of the machine's, or of its container's.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(64..))]
    function_memory: Option<u64>,
    /// Append every start and end of an execution to a file, or post it to an http:// URL, as EventBridge's
    /// "Step Functions Execution Status Change"; may be given several times.
    #[arg(long, value_name = "FILE|URL")]
    events: Vec<String>,
    /// Print what functions write to their logs.
    #[arg(long)]
    logs: bool,
    /// Send a trace of each execution that ends to an OpenTelemetry collector (http://HOST:4318).
    #[cfg(feature = "otel")]
    #[arg(long, value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// What the server says of itself on standard error: lines of this level and above it.
    #[arg(long, value_enum, default_value_t = Level::Warn)]
    log_level: Level,
    /// How it says it: text for people, or JSON for programs.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    log_format: Format,
}

#[derive(Args)]
pub(crate) struct DownArgs {
    /// The stack, or the path of its template [default: the template of this folder, or the only stack there is]
    #[arg(value_name = "STACK|PATH")]
    what: Option<String>,
    /// Remove tables with their items and empty buckets too, as AWS would.
    #[arg(long)]
    delete_data: bool,
    /// Also if executions run: they are aborted, and their compensations do not run.
    #[arg(long)]
    abort_running: bool,
}

#[derive(Args)]
pub(crate) struct StartArgs {
    /// The state machine's name or ARN.
    machine: String,
    /// JSON, @FILE, or - for standard input.
    #[arg(long, default_value = "{}")]
    input: String,
    /// While it runs, a start with the same name and input is the same execution; after that the name is taken.
    #[arg(long)]
    name: Option<String>,
    /// Wait for the end, show the timeline, and exit with 1 unless it succeeded.
    #[arg(long)]
    wait: bool,
}

#[derive(Args)]
pub(crate) struct ExecutionsArgs {
    /// Only those of this state machine (name or ARN).
    machine: Option<String>,
    /// Only those with this status.
    #[arg(long, value_parser = ["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"], ignore_case = true)]
    status: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 20)]
    limit: usize,
}

#[derive(Args)]
pub(crate) struct OneArgs {
    /// The execution's name, the beginning of it, or its ARN; without it the newest one.
    execution: Option<String>,
}

#[derive(Args)]
pub(crate) struct StopArgs {
    /// The execution's name, the beginning of it, or its ARN.
    execution: String,
    /// The error that the execution then has.
    #[arg(long)]
    error: Option<String>,
    /// Why, in words.
    #[arg(long)]
    cause: Option<String>,
}

#[derive(Args)]
#[command(group(clap::ArgGroup::new("verdict").required(true).multiple(true).args(["output", "error", "cause"])))]
pub(crate) struct AnswerArgs {
    /// The task's token; or the name, the beginning of it, or the ARN of the execution that waits.
    task: String,
    /// JSON, @FILE, or - for standard input: the task has succeeded.
    #[arg(long, conflicts_with_all = ["error", "cause"])]
    output: Option<String>,
    /// The task has failed with this error, which Retry and Catch compare.
    #[arg(long)]
    error: Option<String>,
    /// The task has failed: why, in words.
    #[arg(long)]
    cause: Option<String>,
    /// The state that waits, where several do.
    #[arg(long)]
    state: Option<String>,
}

#[derive(Args)]
pub(crate) struct RedriveArgs {
    /// The execution's name, the beginning of it, or its ARN.
    execution: String,
}

#[derive(Args)]
pub(crate) struct OutboxArgs {
    /// Only what was sent by this service.
    #[arg(long, value_parser = ["sqs", "sns", "events", "ses", "sesv2"])]
    service: Option<String>,
    /// Only what was sent to queues, topics, buses or addresses with this in their name.
    #[arg(long, value_name = "PART")]
    destination: Option<String>,
    /// Only what an execution of this name or ARN has sent.
    #[arg(long, value_name = "NAME")]
    execution: Option<String>,
    /// The newest so many, 1000 at most.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Go on printing what is sent from now on.
    #[arg(long)]
    follow: bool,
}

#[derive(Args)]
pub(crate) struct BackupArgs {
    /// The folder to make. It is a data folder: `ithaca up --data` of a copy of it goes on from the moment of the backup.
    folder: PathBuf,
    /// Leave out what is free in the databases: smaller, and it takes longer.
    #[arg(long)]
    compact: bool,
}

#[derive(Args)]
pub(crate) struct ValidateArgs {
    /// Definitions in JSON, templates, and folders with a template.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

#[derive(Args)]
pub(crate) struct GraphArgs {
    /// A definition in JSON.
    file: PathBuf,
    /// An image, or text for Mermaid or Graphviz.
    #[arg(long, value_enum, default_value_t = GraphFormat::Svg)]
    format: GraphFormat,
    /// Write here instead of to standard output.
    #[arg(long, short)]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum GraphFormat {
    Svg,
    Mermaid,
    Dot,
}

/// Where to talk to, and how to talk to the user.
pub(crate) struct Context {
    pub endpoint: String,
    pub json: bool,
}

/// A failed command: text for standard error, and the exit code 1.
pub(crate) type Outcome = Result<ExitCode, String>;

pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let context = Context { endpoint: cli.endpoint, json: cli.json };
    match run(cli.command, &context) {
        Ok(_) if terminal::is_output_lost() => ExitCode::FAILURE,
        Ok(code) => code,
        Err(text) => {
            eprintln!("{} {text}", terminal::paint(terminal::Tone::Bad, "error:"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, context: &Context) -> Outcome {
    match command {
        Command::Up(args) => {
            let runtime = runtime()?;
            let done = runtime.block_on(up::run(args, context));
            // Nobody waits for a tool that does not let itself be ended.
            runtime.shutdown_timeout(BLOCKED_MAX);
            done
        }
        Command::Down(args) => client_runtime()?.block_on(down::run(args, context)),
        Command::Start(args) => client_runtime()?.block_on(start::run(args, context)),
        Command::Executions(args) => client_runtime()?.block_on(executions::run(args, context)),
        Command::Show(args) => client_runtime()?.block_on(show::run(args, context)),
        Command::History(args) => client_runtime()?.block_on(show::history(args, context)),
        Command::Stop(args) => client_runtime()?.block_on(start::stop(args, context)),
        Command::Answer(args) => client_runtime()?.block_on(answer::run(args, context)),
        Command::Redrive(args) => client_runtime()?.block_on(answer::redrive(args, context)),
        Command::Outbox(args) => client_runtime()?.block_on(outbox::run(args, context)),
        Command::Backup(args) => client_runtime()?.block_on(backup::run(args, context)),
        Command::New(args) => new::run(&args, context),
        Command::Validate(args) => files::validate(&args, context),
        Command::Graph(args) => files::graph(&args),
        Command::Bench(args) => bench::run(&args, context),
        Command::BenchFunction(args) => bench::function(&args),
        Command::BenchWorker(args) => bench::worker(&args),
        Command::Guard { instance } => match aws_lambda::guard::run(&instance) {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) => Err(error.to_string()),
        },
    }
}

/// How long an end waits for what blocks.
const BLOCKED_MAX: Duration = Duration::from_secs(5);

pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the threads of the server could not be started: {error}"))
}

fn client_runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the client could not be started: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
