//! The real binary: `ithaca up` as a process that can be killed, and every other command.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

use crate::client::Client;
use crate::wait::{wait_for, wait_within};

/// What `ithaca up` is told.
#[derive(Clone, Debug)]
pub struct Up {
    pub template: Option<PathBuf>,
    pub data: PathBuf,
    /// 0 lets the system choose, which it says when it is ready.
    pub port: u16,
    pub parameters: Vec<String>,
    /// Further options, as they are written.
    pub options: Vec<String>,
    pub environment: Vec<(String, String)>,
    /// Another binary, such as an older one.
    pub program: Option<PathBuf>,
    /// Where it is started.
    pub folder: Option<PathBuf>,
}

impl Up {
    pub fn new(data: impl Into<PathBuf>) -> Up {
        let (parameters, options, environment) = (Vec::new(), Vec::new(), Vec::new());
        Up { template: None, data: data.into(), port: 0, parameters, options, environment, program: None, folder: None }
    }

    pub fn template(mut self, path: impl Into<PathBuf>) -> Up {
        self.template = Some(path.into());
        self
    }

    /// Without a template it serves what was deployed before.
    pub fn without_template(mut self) -> Up {
        (self.template, self.parameters) = (None, Vec::new());
        self
    }

    pub fn parameter(mut self, key_and_value: &str) -> Up {
        self.parameters.push(key_and_value.to_owned());
        self
    }

    pub fn option(mut self, name: &str, value: &str) -> Up {
        self.options.extend([name.to_owned(), value.to_owned()]);
        self
    }

    pub fn environment(mut self, name: &str, value: &str) -> Up {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Up {
        self.folder = Some(folder.into());
        self
    }

    pub fn port(mut self, port: u16) -> Up {
        self.port = port;
        self
    }

    pub fn command(&self) -> Command {
        let program = self.program.as_deref().unwrap_or(crate::place::program());
        let mut command = command_of(program, &["up", "--json", "--api-port", "0", "--port", &self.port.to_string()]);
        command.arg("--data").arg(&self.data).args(&self.template);
        command.args(&self.options);
        command.current_dir(self.folder.as_deref().unwrap_or(Path::new(".")));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.args(self.parameters.iter().flat_map(|parameter| ["--parameter", parameter]));
        command
    }

    /// Starts it and returns at once.
    pub fn spawn(&self) -> Ithaca {
        let mut process =
            self.command().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, ready) = mpsc::channel();
        let output = process.stdout.take().unwrap();
        let reader = thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Only the first line is asked for, but all must be read, or the program waits for a reader.
                let _ = sender.send(line);
            }
        });
        let complaints = Arc::<Mutex<String>>::default();
        let (errors, kept) = (process.stderr.take().unwrap(), complaints.clone());
        let complainer = thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                let mut kept = kept.lock().unwrap();
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        let process = Killed(process);
        Ithaca { process, ready, said: Value::Null, complaints, readers: vec![reader, complainer] }
    }

    /// Starts it and returns once it serves.
    pub fn start(&self) -> Ithaca {
        let mut ithaca = self.spawn();
        if let Err(status) = ithaca.wait_ready() {
            panic!("{:?} ended with {status}:\n{}", self.command(), ithaca.complaints());
        }
        ithaca
    }

    /// Starts it, expects it to give up, and returns what it wrote to standard error.
    pub fn fails(&self) -> String {
        let mut ithaca = self.spawn();
        match ithaca.wait_ready() {
            Ok(()) => panic!("{:?} was expected to fail", self.command()),
            Err(status) => assert_eq!(status.code(), Some(1), "{}", ithaca.complaints()),
        }
        ithaca.complaints()
    }
}

/// A running `ithaca up`. Dropping it kills it.
pub struct Ithaca {
    process: Killed,
    ready: Receiver<String>,
    said: Value,
    complaints: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Ithaca {
    /// Waits until it says that it serves; the error is how it ended instead.
    pub fn wait_ready(&mut self) -> Result<(), ExitStatus> {
        let process = &mut self.process;
        let line = wait_for("ithaca up is ready", || match self.ready.try_recv() {
            Ok(line) => Some(Ok(line)),
            Err(mpsc::TryRecvError::Empty) => None,
            Err(mpsc::TryRecvError::Disconnected) => Some(Err(process.0.wait().unwrap())),
        });
        self.said = serde_json::from_str(&line?).expect("the first line of up --json is JSON");
        Ok(())
    }

    /// What the first line of `up --json` said.
    pub fn said(&self) -> &Value {
        &self.said
    }

    pub fn endpoint(&self) -> String {
        crate::client::text(&self.said["endpoint"])
    }

    pub fn port(&self) -> u16 {
        self.endpoint().rsplit(':').next().unwrap().parse().unwrap()
    }

    pub fn client(&self) -> Client {
        Client { address: self.endpoint().trim_start_matches("http://").to_owned() }
    }

    /// A client of the first API.
    pub fn api(&self) -> Client {
        let url = crate::client::text(&self.said["apis"][0]["url"]);
        Client { address: url.trim_start_matches("http://").to_owned() }
    }

    pub fn id(&self) -> u32 {
        self.process.0.id()
    }

    /// What it wrote to standard error; all of it once it has ended.
    pub fn complaints(&mut self) -> String {
        if self.process.0.try_wait().unwrap().is_some() {
            self.join_readers();
        }
        self.complaints.lock().unwrap().clone()
    }

    /// Runs a command against it.
    pub fn run(&self, arguments: &[&str]) -> Said {
        Said::of(command(arguments).args(["--endpoint", &self.endpoint()]))
    }

    /// How it ended by itself, if it did in time.
    pub fn ends_within(&mut self, bound: Duration) -> Option<ExitStatus> {
        wait_within(bound, || self.process.0.try_wait().unwrap())
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.process.0.kill().unwrap();
        self.process.0.wait().unwrap();
        self.join_readers();
    }

    /// Asks it to stop, as Ctrl-C does, and returns how it ended.
    pub fn stop(mut self) -> ExitStatus {
        self.process.interrupt()
    }

    fn join_readers(&mut self) {
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
    }
}

impl Drop for Ithaca {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("what ithaca wrote to standard error:\n{}", self.complaints());
        }
    }
}

/// A process that does not outlive the test.
pub struct Killed(pub Child);

impl Killed {
    /// Asks it to stop, as Ctrl-C does, and returns how it ended.
    pub fn interrupt(&mut self) -> ExitStatus {
        // SAFETY: a signal to a child that has not been waited for, so the number is still its own.
        unsafe { libc::kill(self.0.id() as i32, libc::SIGINT) };
        wait_for("it stops", || self.0.try_wait().unwrap())
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A command line of the binary, with nothing of the caller's environment that would change what it does.
pub fn command(arguments: &[&str]) -> Command {
    command_of(crate::place::program(), arguments)
}

fn command_of(program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_remove("ITHACA_ENDPOINT").env("NO_COLOR", "1");
    command.env("CARGO_TARGET_DIR", crate::examples::target());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    command
}

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn of(command: &mut Command) -> Said {
        let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).expect("ithaca writes UTF-8");
        Said { code: status.code(), out: text(stdout), err: text(stderr) }
    }

    #[track_caller]
    pub fn expect_success(self) -> Said {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{}", self.out);
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }
}

/// The processes that carry a data folder's path in their environment or command line: its functions, since their
/// code is there, and the program itself.
pub fn processes_of(data: &Path) -> Vec<i32> {
    processes_with(data.to_str().expect("the tests' folder has a plain name"))
}

/// The function processes that a host with this process id started over a data folder: the mark that each carries,
/// and hands to its children, holds that id.
pub fn functions_of(data: &Path, host: u32) -> Vec<i32> {
    let is_of_host = |id: &i32| {
        let environment = String::from_utf8_lossy(&proc_file(*id, "environ")).into_owned();
        let mut marks = environment.split('\0').filter_map(|variable| variable.strip_prefix("ITHACA_PROCESS="));
        marks.any(|mark| mark.split('.').nth(1) == Some(&host.to_string()))
    };
    processes_of(data).into_iter().filter(is_of_host).collect()
}

fn processes_with(text: &str) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let holds = |bytes: Vec<u8>| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    ids.filter(|id| holds(proc_file(*id, "environ")) || holds(proc_file(*id, "cmdline"))).collect()
}

/// Empty for a process that has just ended, or is another user's.
fn proc_file(id: i32, name: &str) -> Vec<u8> {
    std::fs::read(format!("/proc/{id}/{name}")).unwrap_or_default()
}
