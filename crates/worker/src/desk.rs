//! What the threads of a worker share: tasks to be done, lines to be written, answers that were not acknowledged.
//!
//! ```text
//!  reader ── hear ──> queue of each job ── next_task ──> handlers
//!     └── acknowledged                                      │ finish
//!            └──> letters <── kept until then ──────────────┤
//!                                         outbox <──────────┘
//!                                            └── next_mail ──> writer
//! ```
//!
//! An answer is a *letter*: it is kept until it was acknowledged, and sent again over each new connection, so none is lost with
//! one. Sent twice it does no harm: the second is refused, since nobody waits for the task any more.

use std::collections::{HashMap, VecDeque};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::lines::{self, Heard};
use crate::{Error, Failure, Refused};

/// An empty line is sent when nothing else was for so long.
const PULSE: Duration = Duration::from_secs(15);

/// What Ithaca had no room for, or could not make durable, is sent again after so long.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

pub struct Desk {
    name: Option<String>,
    /// How often it is told that the tasks of this worker go on.
    heartbeats: Option<Duration>,
    state: Mutex<State>,
    /// For the writer.
    mail: Condvar,
    /// For the handlers of each job.
    work: Vec<Condvar>,
    /// For whoever waits until something has changed.
    news: Condvar,
}

#[derive(Default)]
struct State {
    jobs: Vec<Desktop>,
    /// The lines for the open connection.
    outbox: Vec<u8>,
    stream: Option<Arc<TcpStream>>,
    /// By token, in order. The first is under way; the next is sent when that was answered, so that each answer is known to be
    /// its own.
    letters: HashMap<String, VecDeque<Letter>>,
    /// Lines to be sent again, and when.
    again: VecDeque<(Instant, String)>,
    /// Takes no more tasks.
    is_stopping: bool,
    /// Nothing more is done.
    is_over: bool,
    failed: Option<Error>,
}

/// The tasks of one activity.
struct Desktop {
    activity: Arc<str>,
    /// Tasks that the worker holds at once.
    credit: usize,
    queue: VecDeque<Work>,
    /// Tokens of tasks that are queued or at work.
    held: HashMap<String, ()>,
    /// Threads that wait.
    idle: usize,
    is_subscribed: bool,
}

pub struct Work {
    pub token: String,
    pub input: String,
}

struct Letter {
    line: String,
    is_heartbeat: bool,
    /// Who waits for the acknowledgement.
    waiter: Option<Sender<Result<(), Refused>>>,
}

impl Desk {
    /// Activities with the number of tasks that are held at once.
    pub fn new(name: Option<String>, heartbeats: Option<Duration>, jobs: Vec<(Arc<str>, usize)>) -> Desk {
        let work = jobs.iter().map(|_| Condvar::new()).collect();
        let desktop = |(activity, credit)| Desktop {
            activity,
            credit,
            queue: VecDeque::new(),
            held: HashMap::new(),
            idle: 0,
            is_subscribed: false,
        };
        let state = State { jobs: jobs.into_iter().map(desktop).collect(), ..State::default() };
        let (mail, news) = (Condvar::new(), Condvar::new());
        Desk { name, heartbeats, state: Mutex::new(state), mail, work, news }
    }

    /// A new connection: says what the worker takes, and again what was not acknowledged.
    pub fn connected(&self, stream: TcpStream) {
        let mut guard = self.state();
        let state = &mut *guard;
        state.stream = Some(Arc::new(stream));
        state.outbox.clear();
        state.again.clear();
        for job in state.jobs.iter_mut().filter(|_| !state.is_stopping) {
            let holding: Vec<&str> = job.held.keys().map(String::as_str).collect();
            let line = lines::subscribe(&job.activity, self.name.as_deref(), job.credit, &holding);
            state.outbox.extend_from_slice(line.as_bytes());
        }
        for letter in state.letters.values().filter_map(VecDeque::front) {
            state.outbox.extend_from_slice(letter.line.as_bytes());
        }
        self.mail.notify_one();
    }

    pub fn disconnected(&self) {
        let mut state = self.state();
        state.stream = None;
        state.outbox.clear();
        state.jobs.iter_mut().for_each(|job| job.is_subscribed = false);
        self.news.notify_all();
    }

    /// Takes what one read has brought.
    pub fn hear(&self, all: Vec<Heard>) {
        let mut state = self.state();
        for heard in all {
            self.hear_one(&mut state, heard);
        }
        for (job, work) in state.jobs.iter().zip(&self.work) {
            (0..job.idle.min(job.queue.len())).for_each(|_| work.notify_one());
        }
        self.news.notify_all();
    }

    fn hear_one(&self, state: &mut State, heard: Heard) {
        match heard {
            Heard::Nothing => {}
            Heard::Subscribed { activity } => {
                // The answer to a credit of nothing comes when no task is on its way any more.
                let is_subscribed = !state.is_stopping;
                state.jobs.iter_mut().filter(|job| *job.activity == activity).for_each(|job| {
                    job.is_subscribed = is_subscribed;
                });
            }
            Heard::Task { activity, token, input } => {
                if let Some(job) = state.jobs.iter_mut().find(|job| *job.activity == activity) {
                    job.held.insert(token.clone(), ());
                    job.queue.push_back(Work { token, input });
                }
            }
            Heard::Accepted { token } => {
                self.mail.notify_one();
                if let Some(waiter) = state.acknowledged(&token).and_then(|letter| letter.waiter) {
                    // Whoever waited may have gone.
                    let _ = waiter.send(Ok(()));
                }
            }
            Heard::RefusedAnswer { token, refused } => self.refused(state, token, refused),
            Heard::RefusedActivity { activity, refused } => state.fail(Error::Refused { activity, refused }),
            Heard::RefusedLine(refused) => {
                state.fail(Error::Refused { activity: "a line of this worker".into(), refused })
            }
        }
    }

    fn refused(&self, state: &mut State, token: String, refused: Refused) {
        let Some(mut letter) = state.refused(&token) else { return };
        let is_passing = matches!(refused.error.as_str(), "ThrottlingException" | "InternalServerError");
        let is_gone = matches!(refused.error.as_str(), "TaskTimedOut" | "TaskDoesNotExist" | "InvalidToken");
        if is_passing && !letter.is_heartbeat {
            state.again.push_back((Instant::now() + AGAIN_AFTER, letter.line.clone()));
            state.letters.entry(token).or_default().push_front(letter);
            return self.mail.notify_one();
        }
        state.send_next(&token);
        self.mail.notify_one();
        if let Some(waiter) = letter.waiter.take() {
            let _ = waiter.send(Err(refused));
        } else if !is_gone && !letter.is_heartbeat {
            // Ithaca does not take what the handler gave, and the task must not wait for ever.
            let line = lines::failure(&token, &Failure::new(refused.error, refused.message));
            self.post(state, token, Letter { line, is_heartbeat: false, waiter: None });
        }
    }

    /// The next task of a job; waits for it. None when there will be no more.
    pub fn next_task(&self, job: usize) -> Option<Work> {
        let mut state = self.state();
        loop {
            if state.is_over {
                return None;
            }
            if let Some(work) = state.jobs[job].queue.pop_front() {
                return Some(work);
            }
            state.jobs[job].idle += 1;
            state = self.work[job].wait(state).unwrap_or_else(PoisonError::into_inner);
            state.jobs[job].idle -= 1;
        }
    }

    /// A task has its outcome.
    pub fn finish(&self, job: usize, token: String, line: String) {
        let mut state = self.state();
        state.jobs[job].held.remove(&token);
        self.post(&mut state, token, Letter { line, is_heartbeat: false, waiter: None });
    }

    /// Sends an answer; what becomes of it is told to whoever waits.
    pub fn send(&self, token: &str, line: String, is_heartbeat: bool, waiter: Sender<Result<(), Refused>>) {
        let mut state = self.state();
        // When all is over the waiter is dropped, which tells.
        if !state.is_over {
            self.post(&mut state, token.to_owned(), Letter { line, is_heartbeat, waiter: Some(waiter) });
        }
    }

    fn post(&self, state: &mut State, token: String, letter: Letter) {
        let State { letters, outbox, stream, .. } = state;
        let under_way = letters.entry(token).or_default();
        if under_way.is_empty() && stream.is_some() {
            if outbox.is_empty() {
                self.mail.notify_one();
            }
            outbox.extend_from_slice(letter.line.as_bytes());
        }
        under_way.push_back(letter);
    }

    /// Fills in what is to be written, and where to; waits for it. None when all is over.
    pub fn next_mail(&self, out: &mut Vec<u8>) -> Option<Arc<TcpStream>> {
        out.clear();
        let (mut pulse, mut beat) = (Instant::now() + PULSE, self.heartbeats.map(|every| Instant::now() + every));
        let mut state = self.state();
        loop {
            if state.is_over {
                return None;
            }
            let now = Instant::now();
            if let (Some(at), Some(every)) = (beat, self.heartbeats)
                && at <= now
            {
                self.beat(&mut state);
                beat = Some(now + every);
            }
            while state.again.front().is_some_and(|(at, _)| *at <= now)
                && let Some((_, line)) = state.again.pop_front()
            {
                state.outbox.extend_from_slice(line.as_bytes());
            }
            if pulse <= now && state.outbox.is_empty() {
                state.outbox.push(b'\n');
                pulse = now + PULSE;
            }
            match &state.stream {
                Some(stream) if !state.outbox.is_empty() => {
                    let stream = stream.clone();
                    std::mem::swap(out, &mut state.outbox);
                    return Some(stream);
                }
                Some(_) => {}
                None => state.outbox.clear(),
            }
            let next = [Some(pulse), beat, state.again.front().map(|(at, _)| *at)].into_iter().flatten().min();
            let patience = next.unwrap_or(pulse).saturating_duration_since(now);
            state = self.mail.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Says of every task here that it goes on, unless that was said and not heard yet.
    fn beat(&self, state: &mut State) {
        let tokens: Vec<String> = state.jobs.iter().flat_map(|job| job.held.keys().cloned()).collect();
        for token in tokens {
            if !state.letters.contains_key(&token) {
                let line = lines::heartbeat(&token);
                self.post(state, token, Letter { line, is_heartbeat: true, waiter: None });
            }
        }
    }

    /// Waits until all activities are subscribed, or one is refused.
    pub fn wait_subscribed(&self, authority: &str) -> Result<(), Error> {
        let mut state = self.state();
        while !state.is_over && !state.jobs.iter().all(|job| job.is_subscribed) {
            if state.stream.is_none() {
                // The connection broke right at the start.
                let cause = std::io::ErrorKind::ConnectionReset.into();
                return Err(Error::Connect { endpoint: format!("http://{authority}"), cause });
            }
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.failed.take().map_or(Ok(()), Err)
    }

    /// Waits until all is over; with the reason, if it is not that somebody wanted it.
    pub fn wait_over(&self) -> Result<(), Error> {
        let mut state = self.state();
        while !state.is_over {
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.failed.take().map_or(Ok(()), Err)
    }

    /// Takes no more tasks, and waits until those that are here have an acknowledged outcome. How many have none in time.
    pub fn drain(&self, patience: Duration) -> usize {
        let until = Instant::now() + patience;
        let mut state = self.state();
        state.is_stopping = true;
        if state.stream.is_some() {
            for job in 0..state.jobs.len() {
                let line = lines::subscribe(&state.jobs[job].activity, self.name.as_deref(), 0, &[]);
                state.outbox.extend_from_slice(line.as_bytes());
            }
            self.mail.notify_one();
        }
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let is_quiet = state.unfinished() == 0 && !state.jobs.iter().any(|job| job.is_subscribed);
            if state.is_over || is_quiet || left.is_zero() {
                return state.unfinished();
            }
            state = self.news.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends everything, whatever is unfinished.
    pub fn end(&self) {
        self.state().end();
        self.wake();
    }

    fn wake(&self) {
        self.mail.notify_all();
        self.news.notify_all();
        self.work.iter().for_each(Condvar::notify_all);
    }

    /// Waits before another connection is tried. False when there will be none.
    pub fn pause(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut state = self.state();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if state.is_over || left.is_zero() {
                return !state.is_over;
            }
            state = self.news.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whoever waited when all ended is woken, once the lock is free.
    pub fn is_over(&self) -> bool {
        let is_over = self.state().is_over;
        if is_over {
            self.wake();
        }
        is_over
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The letter of this token that is under way was taken; the next one goes.
    fn acknowledged(&mut self, token: &str) -> Option<Letter> {
        let letter = self.letters.get_mut(token)?.pop_front();
        self.send_next(token);
        letter
    }

    /// The letter of this token that is under way was not taken: it, or the next one, is to be sent.
    fn refused(&mut self, token: &str) -> Option<Letter> {
        self.letters.get_mut(token)?.pop_front()
    }

    fn send_next(&mut self, token: &str) {
        match self.letters.get(token).map(VecDeque::front) {
            Some(Some(next)) if self.stream.is_some() => self.outbox.extend_from_slice(next.line.as_bytes()),
            Some(None) => drop(self.letters.remove(token)),
            _ => {}
        }
    }

    fn unfinished(&self) -> usize {
        let outcomes = self.letters.values().flatten().filter(|letter| !letter.is_heartbeat).count();
        outcomes + self.jobs.iter().map(|job| job.held.len()).sum::<usize>()
    }

    fn fail(&mut self, error: Error) {
        self.failed.get_or_insert(error);
        self.end();
    }

    fn end(&mut self) {
        self.is_over = true;
        // Whoever waits for an acknowledgement is told by the end of its channel.
        self.letters.clear();
        if let Some(stream) = self.stream.take() {
            // It may be broken already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::mpsc::channel;

    use super::*;

    fn mail(desk: &Desk) -> String {
        let mut out = Vec::new();
        desk.next_mail(&mut out).expect("it is connected");
        String::from_utf8(out).unwrap()
    }

    /// Ithaca may refuse at once what comes later, while it still writes what came before. So each answer has to be of the one
    /// letter of its token that is under way.
    #[test]
    fn letters_of_a_token_go_one_after_the_other() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let desk = Desk::new(None, None, vec![("a".into(), 1)]);
        desk.connected(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        mail(&desk);
        let (heard, hears) = channel();
        desk.send("t", "heartbeat\n".into(), true, heard);
        desk.finish(0, "t".into(), "success\n".into());
        desk.finish(0, "u".into(), "other\n".into());
        assert_eq!(mail(&desk), "heartbeat\nother\n");
        desk.hear(vec![Heard::Accepted { token: "t".into() }]);
        assert!(hears.recv().unwrap().is_ok());
        assert_eq!(mail(&desk), "success\n");
        desk.hear(vec![Heard::Accepted { token: "u".into() }, Heard::Accepted { token: "t".into() }]);
        assert!(desk.state().letters.is_empty());
    }

    /// A new connection begins with the first letter of each token again.
    #[test]
    fn a_new_connection_sends_what_was_not_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connect = || TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let desk = Desk::new(None, None, Vec::new());
        desk.connected(connect());
        let (heard, _hears) = channel();
        desk.send("t", "heartbeat\n".into(), true, heard);
        desk.finish_again("t", "success\n");
        assert_eq!(mail(&desk), "heartbeat\n");
        desk.disconnected();
        desk.connected(connect());
        assert_eq!(mail(&desk), "heartbeat\n");
        desk.hear(vec![Heard::Accepted { token: "t".into() }]);
        assert_eq!(mail(&desk), "success\n");
    }

    impl Desk {
        fn finish_again(&self, token: &str, line: &str) {
            let letter = Letter { line: line.into(), is_heartbeat: false, waiter: None };
            self.post(&mut self.state(), token.into(), letter);
        }
    }
}
