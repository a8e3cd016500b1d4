//! `ithaca up`: serve, deploy, and say what happens until Ctrl-C.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use aws_cloudformation::Plan;
use aws_protocol::Home;
use engine::{ExecutionStatus, StatusChange};
use objects::EndpointOptions;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

use super::reading::Reading;
use super::terminal::{Tone, duration, paint, print_line, shorten, status_tone};
use super::watch::{Changed, Ready, Watch};
use super::{Context, Outcome, UpArgs};
use crate::deploy::{self, Deployed, Deployer, Request, prepare};
use crate::events::Target;
use crate::findings;
use crate::log;
use crate::server::{FunctionLimits, Objects, Options, Server};
use crate::tasks::Elsewhere;
use crate::template;

pub async fn run(args: UpArgs, context: &Context) -> Outcome {
    // What we and our functions write is the user's own, also in a folder that others may enter.
    // SAFETY: umask only sets a number of this process.
    unsafe { libc::umask(0o077) };
    log::set(args.log_level, args.log_format);
    crate::process::survive_file_limit();
    match crate::process::raise_open_files() {
        Ok(connections) => crate::front::limit_connections(connections),
        Err(error) => {
            log::warn("server", "the limit of open files is not known", &[("why", (&error.to_string()).into())]);
        }
    }
    let account = args.account.as_deref();
    check_account(account)?;
    check_region(&args.region)?;
    if let (None, Some(parameter)) = (&args.path, args.parameters.first()) {
        return Err(format!(
            "--parameter {parameter}: there is no template to take it; name one, as in `ithaca up PATH`"
        ));
    }
    let has_template = args.path.is_none() && template::find(Path::new(".")).is_ok();
    let home = home(&args.region, account);
    let data = args
        .data
        .unwrap_or_else(|| template::app_folder(args.path.as_deref().unwrap_or(Path::new("."))).join(".ithaca"));
    let reading = args.path.as_ref().map(|path| Reading {
        path: path.clone(),
        parameters: args.parameters.clone(),
        home: home.clone(),
        data: Some(data.clone()),
        ignore_unsupported: args.ignore_unsupported,
    });
    let plans = reading.as_ref().map(Reading::read).transpose()?;
    let elsewhere = Elsewhere::new(std::env::vars(), args.aws_endpoint.as_deref(), &args.region)?;
    let prepared = plans.map(|plans| prepare_all(plans, &elsewhere, context)).transpose()?;
    let options = Options {
        host: args.host,
        port: args.port,
        api_port: args.api_port,
        data,
        home,
        account_is_fixed: account.is_some(),
        dynamodb_endpoint: args.dynamodb_endpoint,
        history: Duration::from_secs(u64::from(args.history_days) * 24 * 3600),
        functions: FunctionLimits {
            processes_max: args.function_processes as usize,
            memory_bytes_max: args.function_memory.map(|mib| mib << 20),
        },
        objects: objects(args.objects, args.s3_endpoint, &elsewhere),
        elsewhere,
        events: args.events.iter().map(|text| Target::parse(text)).collect::<Result<_, _>>()?,
        #[cfg(feature = "otel")]
        otlp: args.otlp_endpoint.as_deref().map(crate::otel::parse).transpose()?,
        print_logs: args.logs,
        ignore_unsupported: args.ignore_unsupported,
    };
    let server = Server::start(options).await.map_err(|error| error.to_string())?;
    let mut changes = server.handle().watch();
    let deployer = server.deployer().clone();
    let mut watched = match (reading, &prepared) {
        (Some(reading), Some(prepared)) if args.watch => Some(Watch::new(reading, prepared).start()),
        _ => None,
    };
    let deployed = match prepared {
        Some(prepared) => apply_all(&deployer, prepared).await,
        None => deployer.serve_again().await,
    };
    let deployed = match deployed {
        Ok(deployed) => deployed,
        Err(text) => {
            server.shut_down().await;
            return Err(text);
        }
    };
    server.ready();
    announce(&server, &deployed, context);
    if has_template && deployed.is_empty() && !context.json {
        print_line!("  no template was named: `ithaca up .` deploys the template of this folder");
    }
    for text in server.unreadable() {
        log::error("engine", "an execution does not go on", &[("why", text.into())]);
    }
    let mut fatal = server.fatal();
    let mut stop = std::pin::pin!(stop_signal());
    loop {
        tokio::select! {
            _ = &mut stop => break,
            why = fatal.wait_for(Option::is_some) => {
                let why = why.ok().and_then(|why| why.clone()).unwrap_or_default();
                // Nothing that is acknowledged is lost, and only a new process reads it again: no orderly stop, which
                // would need the engine.
                log::error("server", "it cannot go on. Start Ithaca again", &[("why", (&why).into())]);
                std::process::exit(1);
            }
            Some(changed) = next_change(&mut watched) => redeploy(&deployer, changed, context).await,
            change = changes.recv() => match change {
                Ok(change) if change.status != ExecutionStatus::Running => report(&change, context),
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => {
                    log::warn("executions", "changes came too fast to be shown", &[("count", missed.into())]);
                }
                Err(RecvError::Closed) => break,
            },
        }
    }
    deploy::end_builds();
    if !context.json {
        print_line!("stopping: what is running goes on at the next start");
    }
    tokio::select! {
        () = server.shut_down() => {}
        // The second time it is meant: what is running is found at the next start.
        () = stop_signal() => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn objects(folder: Option<PathBuf>, endpoint: Option<String>, elsewhere: &Elsewhere) -> Objects {
    match (folder, endpoint) {
        (Some(folder), _) => Objects::Folder(folder),
        (None, Some(url)) => Objects::Endpoint(EndpointOptions {
            url,
            region: elsewhere.region().to_owned(),
            credentials: Some(elsewhere.credentials().clone()),
        }),
        (None, None) => Objects::Own,
    }
}

/// Ctrl-C or a polite kill.
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        // Without signals there is only kill -9, which is safe too.
        Err(_) => std::future::pending().await,
    }
}

pub fn home(region: &str, account: Option<&str>) -> Home {
    let account = account.map_or_else(|| Home::default().account, str::to_owned);
    Home { region: region.to_owned(), account }
}

fn check_account(account: Option<&str>) -> Result<(), String> {
    match account {
        Some(account) if !aws_protocol::is_account(account) => {
            Err(format!("--account {account}: an account has twelve digits"))
        }
        _ => Ok(()),
    }
}

/// AWS adds regions, so any name of their form is taken: it becomes a part of ARNs and of host names.
fn check_region(region: &str) -> Result<(), String> {
    /// As a part of a host name.
    const CHARS_MAX: usize = 63;
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_good = region.starts_with(|c: char| c.is_ascii_lowercase()) && region.chars().all(is_plain);
    match is_good && region.len() <= CHARS_MAX {
        true => Ok(()),
        false => {
            Err(format!("--region {region}: a region has lower-case letters, digits and hyphens, as in us-east-1"))
        }
    }
}

fn prepare_all(plans: Vec<(Plan, Request)>, elsewhere: &Elsewhere, context: &Context) -> Result<Vec<Ready>, String> {
    let say = |text: &str| {
        if !context.json {
            print_line!("{text}");
        }
    };
    let ready = |(plan, request): (Plan, Request)| {
        for note in &plan.notes {
            say(&paint(Tone::Quiet, &note.to_string()));
        }
        findings::without_a_place(&plan, &|variable| elsewhere.knows(variable)).iter().for_each(|text| say(text));
        let prepared = prepare(&plan, &say)?;
        Ok(Ready { plan, request, prepared })
    };
    plans.into_iter().map(ready).collect()
}

/// One stack after the other; the first that fails is the last.
async fn apply_all(deployer: &Deployer, stacks: Vec<Ready>) -> Result<Deployed, String> {
    let mut all = Deployed::default();
    for Ready { plan, request, prepared } in stacks {
        all.extend(deployer.apply(&plan, &prepared, request).await?);
    }
    Ok(all)
}

fn announce(server: &Server, deployed: &Deployed, context: &Context) {
    let endpoint = format!("http://{}", server.address);
    if context.json {
        let apis: Vec<_> = deployed
            .apis
            .iter()
            .map(|(name, address)| serde_json::json!({ "name": name, "url": format!("http://{address}") }))
            .collect();
        print_line!("{}", serde_json::json!({ "endpoint": endpoint, "apis": apis, "data": server.options.data }));
        return;
    }
    print_line!("{}  data in {}", paint(Tone::Strong, "Ithaca is up"), server.options.data.display());
    print_line!("  console         {}", paint(Tone::Strong, &endpoint));
    print_line!("  AWS endpoint    {}", paint(Tone::Strong, &endpoint));
    for (name, address) in &deployed.apis {
        print_line!("  API {name:<11} {}", paint(Tone::Strong, &format!("http://{address}")));
    }
    for (kind, names) in [
        ("state machines", &deployed.state_machines),
        ("activities", &deployed.activities),
        ("functions", &deployed.functions),
        ("tables", &deployed.tables),
        ("buckets", &deployed.buckets),
    ] {
        if !names.is_empty() {
            print_line!("  {kind:<15} {}", shorten(&names.join(", "), 90));
        }
    }
    for (name, value) in &deployed.outputs {
        print_line!("  output {name:<8} {value}");
    }
    tell_removed(deployed);
    if !server.options.host.is_loopback() {
        let warning = "  Requests are not authenticated: everyone who can reach this address can use this Ithaca.";
        print_line!("{}", paint(Tone::Warn, warning));
    }
    print_line!("{}", paint(Tone::Quiet, "  Ctrl-C stops; executions end here as they end:"));
}

fn tell_removed(deployed: &Deployed) {
    for name in &deployed.removed {
        print_line!("  removed         {name}: the template does not name it any more");
    }
    for name in &deployed.kept {
        print_line!(
            "{}",
            paint(Tone::Warn, &format!("  still there     {name}: the template does not name it any more"))
        );
    }
}

/// Never comes without `--watch`.
async fn next_change(watched: &mut Option<mpsc::Receiver<Changed>>) -> Option<Changed> {
    match watched {
        Some(changes) => changes.recv().await,
        None => std::future::pending().await,
    }
}

/// What is wrong is told, and what was deployed before stays.
async fn redeploy(deployer: &Deployer, changed: Changed, context: &Context) {
    let deployed = match changed.read {
        Ok(stacks) => apply_all(deployer, stacks).await,
        Err(why) => Err(why),
    };
    let took = duration(changed.since.elapsed().as_secs_f64() * 1000.0);
    match deployed {
        Err(why) if context.json => print_line!("{}", serde_json::json!({ "reload": "failed", "why": why })),
        Err(why) => print_line!("{}\n{}", paint(Tone::Bad, "not reloaded; what was there stays"), why),
        Ok(deployed) if context.json => {
            let millis = changed.since.elapsed().as_millis() as u64;
            print_line!("{}", serde_json::json!({ "reload": "done", "changed": deployed.changed, "tookMs": millis }));
        }
        Ok(deployed) => {
            let what = match deployed.changed.as_slice() {
                [] => "code, definitions, tables and APIs are the same".to_owned(),
                names => shorten(&names.join(", "), 90),
            };
            print_line!("  {}  {what}  in {took}", paint(Tone::Good, "reloaded"));
            tell_removed(&deployed);
        }
    }
}

/// One line for an execution that has ended.
fn report(change: &StatusChange, context: &Context) {
    let status = change.status.name();
    let took = change.stopped_at.map_or(0, |stopped| stopped.0 - change.started_at.0);
    if context.json {
        let line = serde_json::json!({ "executionArn": &*change.execution_arn, "status": status, "tookMs": took });
        print_line!("{line}");
        return;
    }
    let name = change.execution_arn.split(":execution:").nth(1).unwrap_or(&change.execution_arn);
    let why = change.failure.as_ref().map_or_else(String::new, |failure| {
        let cause = failure.cause.as_deref().unwrap_or_default();
        format!("  {} {}", failure.error.as_deref().unwrap_or_default(), shorten(cause, 80))
    });
    print_line!("  {} {name}  {}{why}", paint(status_tone(status), &format!("{status:<9}")), duration(took as f64));
}
