//! The worker: what it is told to do, and the threads that do it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::desk::{Desk, Work};
use crate::lines::{self, Heard};
use crate::link::{self, Link};
use crate::{Error, Failure, Refused};

/// "Maximum input or output size for a task, state, or execution": 256 KiB. A larger output fails its task, as on AWS.
const OUTPUT_BYTES_MAX: usize = 256 * 1024;

/// How long [`Running::stop`] waits for what is at work.
const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// Pauses between attempts to connect again: from the first, doubled up to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// Lines that are taken together, so that handlers need not wait for all of a long read.
const LINES_AT_ONCE: usize = 256;

type Handler = Arc<dyn Fn(&Task) -> Result<Value, Failure> + Send + Sync>;

/// What a worker will do.
pub struct Worker {
    endpoint: String,
    name: Option<String>,
    heartbeats: Option<Duration>,
    ahead: usize,
    jobs: Vec<Job>,
}

struct Job {
    activity: Arc<str>,
    concurrency: usize,
    handler: Handler,
}

impl Worker {
    /// A worker of the Ithaca at `http://HOST:PORT`. It connects when it is started.
    pub fn connect(endpoint: impl Into<String>) -> Worker {
        Worker { endpoint: endpoint.into(), name: None, heartbeats: None, ahead: 0, jobs: Vec::new() }
    }

    /// Does the tasks of an activity, so many at the same time, each in a thread of its own.
    pub fn activity(
        mut self,
        arn: impl Into<Arc<str>>,
        concurrency: usize,
        handler: impl Fn(&Task) -> Result<Value, Failure> + Send + Sync + 'static,
    ) -> Worker {
        self.jobs.push(Job { activity: arn.into(), concurrency: concurrency.max(1), handler: Arc::new(handler) });
        self
    }

    /// The name that histories show.
    pub fn named(mut self, name: impl Into<String>) -> Worker {
        self.name = Some(name.into());
        self
    }

    /// Holds so many tasks of each activity beyond those at work: no thread waits for the next one then. For short tasks;
    /// the time that a task waits here counts against its timeouts.
    pub fn ahead(mut self, tasks: usize) -> Worker {
        self.ahead = tasks;
        self
    }

    /// Sends a heartbeat for every task that is here, so often. A third of the shortest `HeartbeatSeconds` is good. It
    /// tells that the process lives, not that a handler gets anywhere: for that a handler calls [`Task::heartbeat`].
    pub fn heartbeats(mut self, every: Duration) -> Worker {
        self.heartbeats = Some(every);
        self
    }

    /// Connects, and works until it is stopped. A connection that is lost later is opened again, as long as it takes.
    ///
    /// # Errors
    /// Nobody answers at the endpoint, or an activity is refused.
    pub fn start(self) -> Result<Running, Error> {
        let authority = link::authority(&self.endpoint)?;
        let credits = self.jobs.iter().map(|job| (job.activity.clone(), job.concurrency + self.ahead)).collect();
        let desk = Arc::new(Desk::new(self.name, self.heartbeats, credits));
        let (link, stream) = Link::open(&authority)?;
        desk.connected(stream);
        // Dropped on the way out, it ends what was begun.
        let running = Running { desk: desk.clone() };
        for (number, job) in self.jobs.into_iter().enumerate() {
            for _ in 0..job.concurrency {
                let (desk, activity, handler) = (desk.clone(), job.activity.clone(), job.handler.clone());
                spawn("worker-task", move || work(&desk, number, &activity, &handler))?;
            }
        }
        let writer = desk.clone();
        spawn("worker-write", move || write(&writer))?;
        let (reader, again) = (desk.clone(), authority.clone());
        spawn("worker-read", move || keep_reading(&reader, &again, link))?;
        desk.wait_subscribed(&authority)?;
        Ok(running)
    }

    /// Starts, and returns when it can work no more.
    ///
    /// # Errors
    /// As [`Worker::start`]; or an activity was deleted.
    pub fn run(self) -> Result<(), Error> {
        self.start()?.wait()
    }
}

/// A worker at work. Dropping it ends it at once; what its tasks come to is not told then.
pub struct Running {
    desk: Arc<Desk>,
}

impl Running {
    /// Takes no more tasks, finishes those that are here, and waits for their acknowledgements: half a minute at most.
    ///
    /// # Errors
    /// [`Error::Unfinished`]
    pub fn stop(self) -> Result<(), Error> {
        self.stop_within(STOP_PATIENCE)
    }

    /// The same with another patience.
    pub fn stop_within(self, patience: Duration) -> Result<(), Error> {
        match self.desk.drain(patience) {
            0 => Ok(()),
            tasks => Err(Error::Unfinished(tasks)),
        }
    }

    /// Waits until it can work no more, because an activity was deleted or the worker was dropped.
    pub fn wait(&self) -> Result<(), Error> {
        self.desk.wait_over()
    }

    /// Answers any task by its token, those of `.waitForTaskToken` too.
    pub fn answers(&self) -> Answers {
        Answers { desk: self.desk.clone() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.desk.end();
    }
}

/// Answers by token over a worker's connection. Every call waits for the acknowledgement: what was accepted is durable.
#[derive(Clone)]
pub struct Answers {
    desk: Arc<Desk>,
}

impl Answers {
    pub fn succeed(&self, token: &str, output: &Value) -> Result<(), Refused> {
        self.send(token, lines::success(token, output), false)
    }

    pub fn fail(&self, token: &str, failure: &Failure) -> Result<(), Refused> {
        self.send(token, lines::failure(token, failure), false)
    }

    pub fn heartbeat(&self, token: &str) -> Result<(), Refused> {
        self.send(token, lines::heartbeat(token), true)
    }

    fn send(&self, token: &str, line: String, is_heartbeat: bool) -> Result<(), Refused> {
        let (waiter, acknowledged) = mpsc::channel();
        self.desk.send(token, line, is_heartbeat, waiter);
        acknowledged.recv().unwrap_or_else(|_| {
            let message = "The worker was stopped before Ithaca has acknowledged this.".to_owned();
            Err(Refused { error: "Worker.Stopped".to_owned(), message })
        })
    }
}

/// One attempt of one task.
pub struct Task {
    pub activity: Arc<str>,
    /// Names the attempt; good for SendTaskSuccess and its like as well.
    pub token: String,
    pub input: Value,
    answers: Answers,
}

impl Task {
    /// Says that the work goes on.
    ///
    /// # Errors
    /// `TaskTimedOut`: nobody waits for the outcome any more, so the handler may as well give up.
    pub fn heartbeat(&self) -> Result<(), Refused> {
        self.answers.heartbeat(&self.token)
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map(drop).map_err(Error::Thread)
}

fn work(desk: &Arc<Desk>, job: usize, activity: &Arc<str>, handler: &Handler) {
    while let Some(Work { token, input }) = desk.next_task(job) {
        let answers = Answers { desk: desk.clone() };
        let line = match serde_json::from_str(&input) {
            Ok(input) => {
                let task = Task { activity: activity.clone(), token: token.clone(), input, answers };
                outcome(&token, do_task(handler, &task))
            }
            Err(error) => lines::failure(&token, &Failure::new("Worker.BadInput", error.to_string())),
        };
        desk.finish(job, token, line);
    }
}

fn do_task(handler: &Handler, task: &Task) -> Result<Value, Failure> {
    // What a handler leaves behind when it panics is its own: a task of it is not seen again.
    catch_unwind(AssertUnwindSafe(|| handler(task))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(Failure::new("Worker.Panicked", text.unwrap_or_else(|| "the handler panicked".to_owned())))
    })
}

fn outcome(token: &str, outcome: Result<Value, Failure>) -> String {
    match outcome {
        Err(failure) => lines::failure(token, &failure),
        Ok(output) => match output.to_string().len() {
            ..=OUTPUT_BYTES_MAX => lines::success(token, &output),
            bytes => {
                let cause = format!("The output has {bytes} bytes; the most is {OUTPUT_BYTES_MAX}.");
                lines::failure(token, &Failure::new("States.DataLimitExceeded", cause))
            }
        },
    }
}

fn write(desk: &Desk) {
    let mut out = Vec::new();
    while let Some(stream) = desk.next_mail(&mut out) {
        if std::io::Write::write_all(&mut &*stream, &out).is_err() {
            // The reader finds the connection ended, and opens another.
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

fn keep_reading(desk: &Desk, authority: &str, first: Link) {
    let mut link = Some(first);
    while let Some(open) = link {
        read(desk, open);
        desk.disconnected();
        link = open_again(desk, authority);
    }
}

fn open_again(desk: &Desk, authority: &str) -> Option<Link> {
    let (mut pause, longest) = PAUSES;
    while !desk.is_over() {
        if let Ok((link, stream)) = Link::open(authority) {
            desk.connected(stream);
            return Some(link);
        }
        if !desk.pause(pause) {
            break;
        }
        pause = (pause * 2).min(longest);
    }
    None
}

/// Until the connection ends.
fn read(desk: &Desk, mut link: Link) {
    let mut line = Vec::new();
    let mut all: Vec<Heard> = Vec::new();
    while !desk.is_over() {
        // What is no line of this protocol ends the connection, as a broken one does.
        let Ok(true) = link.line(&mut line) else { return };
        let Some(heard) = lines::heard(&line) else { return };
        all.push(heard);
        if all.len() >= LINES_AT_ONCE || !link.has_line() {
            desk.hear(std::mem::take(&mut all));
        }
    }
}
