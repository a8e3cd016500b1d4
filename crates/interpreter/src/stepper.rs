//! One step in progress: accepts the input, drives every frame that can move, collects what comes of it.
//!
//! The branching lives here; what each state type does lives in [`crate::states`]. A frame that can move is in
//! `ready`; a state function returns whether it is [`Flow::Done`], waits, or failed, and this file turns that
//! into events, the next state, a retry, a catch, or the end of the thread.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use asl::definition::{Kind, Next, State, StateId};
use asl::scope::Entropy;

use crate::execution::{Branch, Execution, Frame, FrameId, MapRunId, Status, TaskId, TimerId, Timestamp, Wait, WaitId};
use crate::history::{EventKind, Failure, HistoryEvent, StateType};
use crate::input::{Input, InputKind, Rejected, Setting};
use crate::limits::{EXPRESS_SECONDS_MAX, HISTORY_EVENTS_MAX, STEP_EVENTS_MAX};
use crate::payload::Payload;
use crate::states;
use crate::token::Token;
use crate::{Command, Transition};

/// What a state made of being entered, or of what it waited for.
pub(crate) enum Flow {
    Done(Done),
    Waits,
}

pub(crate) struct Done {
    pub output: Payload,
    /// New values of variables.
    pub assigned: Vec<(Arc<str>, Payload)>,
    pub next: Next,
}

pub(crate) struct Stepper<'a> {
    pub setting: &'a Setting<'a>,
    pub execution: &'a mut Execution,
    pub at: Timestamp,
    pub entropy: Entropy,
    out: Transition,
    ready: VecDeque<FrameId>,
    /// The history is full: the execution ends with the next event.
    full: bool,
    /// The token of the attempt whose arguments are being worked out.
    pub token: Option<Token>,
    /// The frames as they were when the failure began that is being dealt with.
    failing: Option<Vec<Frame>>,
}

impl<'a> Stepper<'a> {
    pub fn new(setting: &'a Setting<'a>, execution: &'a mut Execution, input: &Input) -> Stepper<'a> {
        Stepper {
            setting,
            execution,
            at: input.at,
            entropy: Entropy::new(input.entropy),
            out: Transition::default(),
            ready: VecDeque::new(),
            full: false,
            token: None,
            failing: None,
        }
    }

    pub fn apply(mut self, kind: &InputKind) -> Result<Transition, Rejected> {
        self.accept(kind)?;
        self.run();
        Ok(self.out)
    }

    /// The one place where an input meets the execution's state: legal pairs do something, all others are
    /// rejected before anything has changed.
    fn accept(&mut self, kind: &InputKind) -> Result<(), Rejected> {
        match (&self.execution.status, kind) {
            (Status::Fresh, InputKind::Start) => self.start(),
            (Status::Fresh, _) | (_, InputKind::Start) => return Err(Rejected::NotNow),
            (_, InputKind::Redrive(map_runs)) => self.redrive(map_runs)?,
            (status, _) if status.is_terminal() => return Err(Rejected::Terminal),
            (_, InputKind::Stop(failure)) => self.end(Status::Aborted(failure.clone())),
            (_, InputKind::TimerFired(timer)) => self.timer_fired(*timer)?,
            (_, InputKind::Continue) => self.resume()?,
            (_, InputKind::TaskStarted(task)) => {
                self.open_task(*task, false)?;
                states::task::started(self, *task);
            }
            (_, InputKind::TaskSucceeded(task, output)) => {
                self.open_task(*task, true)?;
                let flow = states::task::succeeded(self, *task, output);
                self.settle(task.frame, flow);
            }
            (_, InputKind::TaskFailed(task, failure)) => {
                self.open_task(*task, true)?;
                let flow = states::task::given_up(self, *task, failure);
                self.settle(task.frame, flow);
            }
            (_, InputKind::TaskHeartbeat(task)) => {
                self.open_task(*task, true)?;
                states::task::lives(self, *task)?;
            }
            (_, InputKind::ActivityStarted(task, worker)) => {
                self.open_task(*task, false)?;
                states::task::taken(self, *task, worker.clone());
            }
            (_, InputKind::TaskSubmitted(task, output, child)) => {
                self.open_task(*task, true)?;
                let flow = states::task::submitted(self, *task, output, child.clone())?;
                self.settle(task.frame, flow);
            }
            (_, InputKind::TaskAnswered(task, outcome)) => {
                self.open_task(*task, true)?;
                let flow = states::task::answered(self, *task, outcome)?;
                self.settle(task.frame, flow);
            }
            (_, InputKind::MapRunFinished(run, outcome)) => {
                self.open_map_run(*run)?;
                let flow = states::map_run::finished(self, run.frame, outcome);
                self.settle(run.frame, flow);
            }
        }
        Ok(())
    }

    fn open_task(&self, task: TaskId, started: bool) -> Result<(), Rejected> {
        match self.execution.task(task) {
            Some((_, wait)) if wait.is_started() == started => Ok(()),
            _ => Err(Rejected::Stale),
        }
    }

    fn open_map_run(&self, run: MapRunId) -> Result<(), Rejected> {
        match self.execution.frame(run.frame) {
            Some(Frame { wait: Wait::MapRun(wait), .. }) if wait.run == run.run => Ok(()),
            _ => Err(Rejected::Stale),
        }
    }

    fn start(&mut self) {
        let definition = self.setting.definition;
        self.execution.status = Status::Running;
        self.emit(0, EventKind::ExecutionStarted { input: self.setting.about.input.clone() });
        self.set_deadline();
        let start = definition.block(self.execution.block).start;
        // AWS gives the first StateEntered the previousEventId 0, like ExecutionStarted itself.
        self.spawn(None, None, start, self.setting.about.input.clone(), 0);
    }

    /// TimeoutSeconds of the state machine. A child of a Map Run has the time that its parent has.
    fn set_deadline(&mut self) {
        let own = self.setting.definition.timeout_seconds;
        let own = own.filter(|_| self.execution.block == asl::Definition::ROOT);
        let most = self.setting.about.is_express.then_some(EXPRESS_SECONDS_MAX);
        if let Some(seconds) = own.into_iter().chain(most).min() {
            let at = self.at.after_ms(seconds.saturating_mul(1000));
            self.execution.deadline = Some(at);
            self.command(Command::SetTimer(TimerId::Execution, at));
        }
    }

    /// Goes on with the threads that were not done when the execution ended: what failed or was under way is done
    /// again, what was done stays done.
    fn redrive(&mut self, map_runs: &[(MapRunId, u32)]) -> Result<(), Rejected> {
        if !self.execution.status.is_terminal() || self.execution.unfinished.is_empty() {
            return Err(Rejected::Terminal);
        }
        self.execution.status = Status::Running;
        self.execution.redrive_count += 1;
        self.execution.frames = std::mem::take(&mut self.execution.unfinished);
        let count = self.execution.redrive_count;
        let redriven = self.emit(self.execution.last_event, EventKind::ExecutionRedriven { count });
        self.set_deadline();
        let (mut again, mut timers, mut runs) = (Vec::new(), Vec::new(), Vec::new());
        for frame in &mut self.execution.frames {
            frame.last_event = redriven;
            frame.retries.clear();
            match &frame.wait {
                Wait::Ready => self.ready.push_back(frame.id),
                Wait::Until { wait, at } => timers.push((TimerId::Pause(frame.id, *wait), *at)),
                Wait::MapRun(wait) => {
                    let id = MapRunId { frame: frame.id, run: wait.run };
                    match map_runs.iter().find(|(known, _)| *known == id) {
                        Some((_, count)) => runs.push((id, wait.arn.clone(), *count)),
                        None => again.push(frame.id),
                    }
                }
                Wait::Backoff { .. } | Wait::Task(_) => again.push(frame.id),
                Wait::Parallel(_) | Wait::Map(_) => {}
            }
        }
        for (timer, at) in timers {
            self.command(Command::SetTimer(timer, at));
        }
        for (id, arn, count) in runs {
            self.emit_on(id.frame, EventKind::MapRunRedriven { arn, count });
            self.command(Command::RedriveMapRun(id));
        }
        for id in again {
            // A sibling's failure may have removed the frame meanwhile.
            if self.execution.frame(id).is_some() {
                let flow = self.work(id);
                self.settle(id, flow);
            }
        }
        Ok(())
    }

    fn resume(&mut self) -> Result<(), Rejected> {
        self.ready = self.execution.frames.iter().filter(|f| f.wait == Wait::Ready).map(|f| f.id).collect();
        if self.ready.is_empty() { Err(Rejected::NotNow) } else { Ok(()) }
    }

    fn timer_fired(&mut self, timer: TimerId) -> Result<(), Rejected> {
        match timer {
            TimerId::Execution => match self.execution.deadline {
                Some(_) => self.end(Status::TimedOut),
                None => return Err(Rejected::Stale),
            },
            TimerId::Pause(id, wait) => self.pause_over(id, wait)?,
            TimerId::Timeout(task) | TimerId::Heartbeat(task) => {
                let (_, open) = self.execution.task(task).ok_or(Rejected::Stale)?;
                let due = if timer == TimerId::Timeout(task) { open.timeout_at } else { open.heartbeat_at };
                // A heartbeat that came after the timer was set has moved the moment on.
                if due.is_none_or(|at| at > self.at) {
                    return Err(Rejected::Stale);
                }
                let flow = states::task::timed_out(self, task);
                self.settle(task.frame, flow);
            }
        }
        Ok(())
    }

    fn pause_over(&mut self, id: FrameId, wait: WaitId) -> Result<(), Rejected> {
        let frame = self.execution.frame(id).ok_or(Rejected::Stale)?;
        match frame.wait {
            Wait::Until { wait: open, .. } if open == wait => {
                let flow = states::wait::over(self, id);
                self.settle(id, flow);
            }
            Wait::Backoff { wait: open, .. } if open == wait => {
                let flow = self.work(id);
                self.settle(id, flow);
            }
            _ => return Err(Rejected::Stale),
        }
        Ok(())
    }

    fn run(&mut self) {
        // A trial ends with its state, which has always left an event or two.
        let events_max = if self.setting.trial.is_some() { 1 } else { STEP_EVENTS_MAX };
        while let Some(id) = self.ready.pop_front() {
            if self.full {
                break;
            }
            if self.out.history.len() >= events_max {
                self.command(Command::Continue);
                return;
            }
            // A sibling's failure may have removed the frame since it became ready.
            if self.execution.frame(id).is_some() {
                self.enter(id);
            }
        }
        if self.full && !self.execution.status.is_terminal() {
            self.end(history_full());
        }
    }

    /// Enters the state the frame points at.
    fn enter(&mut self, id: FrameId) {
        let state = self.state_of(id);
        let frame = self.frame(id);
        let entered = EventKind::StateEntered {
            state: StateType::of(&state.kind),
            name: state.name.clone(),
            input: frame.input.clone(),
        };
        let event = self.emit_on(id, entered);
        let at = self.at;
        let frame = self.frame_mut(id);
        frame.entered_event = event;
        frame.entered_at = at;
        let flow = self.work(id);
        self.settle(id, flow);
    }

    /// Does (or, after a retry's pause, does again) what the frame's state does.
    fn work(&mut self, id: FrameId) -> Result<Flow, Failure> {
        let state = self.state_of(id);
        match &state.kind {
            Kind::Task(task) => states::task::enter(self, id, state, task),
            Kind::Pass(pass) => states::pass::enter(self, id, pass),
            Kind::Choice(choice) => states::choice::enter(self, id, choice),
            Kind::Wait(wait) => states::wait::enter(self, id, wait),
            Kind::Succeed(succeed) => states::succeed::enter(self, id, succeed),
            Kind::Fail(fail) => Err(states::fail::failure(self, id, fail)),
            Kind::Parallel(parallel) => states::parallel::enter(self, id, parallel),
            Kind::Map(map) => states::map::enter(self, id, map),
        }
    }

    /// Turns what a state made of it into what happens next.
    pub fn settle(&mut self, id: FrameId, flow: Result<Flow, Failure>) {
        match flow {
            Ok(Flow::Waits) => {}
            Ok(Flow::Done(done)) => match self.within_limit(id, &done.output) {
                Ok(()) => self.exit(id, done),
                Err(failure) => self.failed(id, failure),
            },
            Err(failure) => self.failed(id, failure),
        }
    }

    /// A failure begins. What stands now is where a redrive would go on, should it end the execution.
    fn failed(&mut self, id: FrameId, failure: Failure) {
        let mut frames = self.execution.frames.clone();
        // What still works for a Parallel or Map that fails as a whole begins anew with it. A thread comes after the one
        // that it works for.
        let mut gone = vec![id];
        frames.retain(|frame| {
            let is_gone = frame.parent.is_some_and(|(parent, _)| gone.contains(&parent));
            gone.extend(is_gone.then_some(frame.id));
            !is_gone
        });
        if let Some(frame) = frames.iter_mut().find(|frame| frame.id == id)
            // A Map Run that has failed goes on by itself.
            && !matches!(frame.wait, Wait::MapRun(_))
        {
            // The state was entered already, so it is its work that is to be done again.
            frame.wait = Wait::Backoff { wait: WaitId(0), at: self.at };
        }
        self.failing = Some(frames);
        self.fail(id, failure);
        self.failing = None;
    }

    /// Leaves the state: its event, then the next state or the end of the thread.
    fn exit(&mut self, id: FrameId, done: Done) {
        let state = self.state_of(id);
        let (state, name, output) = (StateType::of(&state.kind), state.name.clone(), done.output.clone());
        // A Fail state has no exit, and it never gets here.
        let exited = match done.assigned {
            none if none.is_empty() => EventKind::StateExited { state, name, output },
            variables => {
                self.frame_mut(id).variables.extend(variables.iter().cloned());
                EventKind::StateExitedAssigning { state, name, output, variables }
            }
        };
        self.emit_on(id, exited);
        match done.next {
            Next::State(to) => self.go(id, to, done.output),
            Next::End => self.complete(id, done.output),
        }
    }

    fn go(&mut self, id: FrameId, to: StateId, input: Payload) {
        let frame = self.frame_mut(id);
        frame.state = to;
        frame.input = input;
        frame.retries.clear();
        frame.wait = Wait::Ready;
        self.ready.push_back(id);
    }

    /// The thread has reached an end: the execution succeeds, or the Parallel or Map takes the output.
    fn complete(&mut self, id: FrameId, output: Payload) {
        match self.frame(id).parent {
            None => self.end(Status::Succeeded(output)),
            Some((parent, index)) => {
                let last = self.frame(id).last_event;
                self.remove(id);
                self.frame_mut(parent).last_event = last;
                let flow = match &self.state_of(parent).kind {
                    Kind::Parallel(parallel) => states::parallel::completed(self, parent, parallel, index, output),
                    Kind::Map(map) => states::map::completed(self, parent, map, (id, index), output),
                    _ => unreachable!("INVARIANT: only a Parallel or a Map has child frames"),
                };
                self.settle(parent, flow);
            }
        }
    }

    /// The state has failed: retry, catch, or the end of the thread.
    pub fn fail(&mut self, id: FrameId, failure: Failure) {
        if self.full {
            return;
        }
        self.seen(|seen| seen.failure = Some(failure.clone()));
        self.cancel_children(id);
        if let Some(delay_ms) = self.retry_delay_ms(id, &failure) {
            let wait = self.next_wait();
            let at = self.at.after_ms(delay_ms);
            self.frame_mut(id).wait = Wait::Backoff { wait, at };
            self.command(Command::SetTimer(TimerId::Pause(id, wait), at));
            return;
        }
        match self.frame(id).wait {
            Wait::Parallel(_) => drop(self.emit_on(id, EventKind::ParallelFailed)),
            Wait::Map(_) | Wait::MapRun(_) => drop(self.emit_on(id, EventKind::MapFailed)),
            _ => {}
        }
        // The branches are gone: from here on the frame waits for nothing.
        self.frame_mut(id).wait = Wait::Ready;
        match self.catch(id, &failure) {
            Ok(Some(done)) => self.exit(id, done),
            Ok(None) => self.abandon(id, failure),
            Err(failure) => self.abandon(id, failure),
        }
    }

    /// The thread ends in failure: so does the execution, or the Parallel or Map it works for.
    fn abandon(&mut self, id: FrameId, failure: Failure) {
        match self.frame(id).parent {
            None => self.end(Status::Failed(failure)),
            Some((parent, index)) => {
                let state = self.state_of(parent);
                let last = self.frame(id).last_event;
                if let Kind::Map(_) = state.kind {
                    self.emit(last, EventKind::IterationFailed { name: state.name.clone(), index });
                } else if let Kind::Task(_) = self.state_of(id).kind {
                    // So recorded: the task that brings its branch down is itself aborted.
                    self.emit_aborted(id);
                }
                self.remove(id);
                self.frame_mut(parent).last_event = last;
                self.fail(parent, failure);
            }
        }
    }

    /// Ends every thread that works for this frame, however deep.
    fn cancel_children(&mut self, id: FrameId) {
        let children: Vec<FrameId> = match &self.frame(id).wait {
            Wait::Parallel(branches) => branches
                .iter()
                .filter_map(|branch| match branch {
                    Branch::Running(child) => Some(*child),
                    Branch::Done(_) => None,
                })
                .collect(),
            Wait::Map(map) => map.running.clone(),
            _ => Vec::new(),
        };
        for child in children {
            // The child whose failure brings us here is gone already.
            if self.execution.frame(child).is_some() {
                self.cancel(child);
            }
        }
    }

    fn cancel(&mut self, id: FrameId) {
        self.cancel_children(id);
        self.close_wait(id);
        if let Wait::MapRun(_) = self.frame(id).wait {
            self.emit_on(id, EventKind::MapRunAborted);
        }
        // A frame that was never entered has nothing to abort.
        if self.frame(id).wait != Wait::Ready {
            self.emit_aborted(id);
        }
        if let Some((parent, index)) = self.frame(id).parent
            && let State { kind: Kind::Map(_), name, .. } = self.state_of(parent)
        {
            let aborted = EventKind::IterationAborted { name: name.clone(), index };
            self.emit_on(id, aborted);
        }
        self.remove(id);
    }

    /// The types of state whose unfinished business AWS records when their thread is given up.
    fn emit_aborted(&mut self, id: FrameId) {
        let state = StateType::of(&self.state_of(id).kind);
        if matches!(state, StateType::Task | StateType::Wait | StateType::Parallel | StateType::Map) {
            self.emit_on(id, EventKind::StateAborted { state });
        }
    }

    /// Takes back what the frame waits for outside: timers and a task.
    pub fn close_wait(&mut self, id: FrameId) {
        if let Wait::Task(open) = &self.frame(id).wait
            && open.has_child()
        {
            let attempt = open.attempt;
            self.command(Command::StopChild(TaskId { frame: id, attempt }));
        }
        let (timers, task) = match &self.frame(id).wait {
            Wait::Until { wait, .. } | Wait::Backoff { wait, .. } => ([Some(TimerId::Pause(id, *wait)), None], None),
            Wait::Task(open) => {
                let task = TaskId { frame: id, attempt: open.attempt };
                let timers = [
                    open.timeout_at.map(|_| TimerId::Timeout(task)),
                    open.heartbeat_at.map(|_| TimerId::Heartbeat(task)),
                ];
                (timers, Some(task))
            }
            Wait::MapRun(open) => {
                let run = MapRunId { frame: id, run: open.run };
                self.command(Command::CancelMapRun(run));
                return;
            }
            Wait::Ready | Wait::Parallel(_) | Wait::Map(_) => ([None, None], None),
        };
        for timer in timers.into_iter().flatten() {
            self.command(Command::ClearTimer(timer));
        }
        if let Some(task) = task {
            self.command(Command::CancelTask(task));
        }
    }

    /// The execution reaches its one terminal status.
    fn end(&mut self, status: Status) {
        // An event that did not fit has been dropped, so whatever the end was going to be, this is it.
        let status = if self.full { history_full() } else { status };
        if let Status::Aborted(_) | Status::TimedOut = status {
            self.execution.unfinished = self.execution.frames.clone();
        } else if let Status::Failed(_) = status {
            self.execution.unfinished = self.failing.take().unwrap_or_default();
        }
        let last = self.execution.frames.first().map_or(self.execution.last_event, |root| root.last_event);
        for id in self.execution.frames.iter().map(|frame| frame.id).collect::<Vec<_>>() {
            self.close_wait(id);
        }
        if self.execution.deadline.take().is_some() && status != Status::TimedOut {
            self.command(Command::ClearTimer(TimerId::Execution));
        }
        self.ready.clear();
        self.execution.frames.clear();
        let event = match &status {
            Status::Succeeded(output) => EventKind::ExecutionSucceeded { output: output.clone() },
            Status::Failed(failure) => EventKind::ExecutionFailed(failure.clone()),
            Status::Aborted(failure) => EventKind::ExecutionAborted(failure.clone()),
            Status::TimedOut => EventKind::ExecutionTimedOut(Failure::default()),
            Status::Fresh | Status::Running => unreachable!("INVARIANT: an end is terminal"),
        };
        self.execution.status = status;
        self.emit(last, event);
        self.command(Command::Finish);
    }

    /// A new thread, ready to enter its first state.
    pub fn spawn(
        &mut self,
        parent: Option<(FrameId, u32)>,
        item: Option<Payload>,
        state: StateId,
        input: Payload,
        last_event: u64,
    ) -> FrameId {
        let id = FrameId(self.execution.next_frame);
        self.execution.next_frame += 1;
        if self.execution.frames.is_empty() {
            // Most executions have one frame, and many wait long with it: no room for three more.
            self.execution.frames.reserve_exact(1);
        }
        // INVARIANT: frames are ascending by id, because ids only grow.
        self.execution.frames.push(Frame {
            id,
            parent,
            item,
            state,
            input,
            entered_at: self.at,
            entered_event: 0,
            last_event,
            retries: Vec::new(),
            wait: Wait::Ready,
            variables: BTreeMap::new(),
        });
        self.ready.push_back(id);
        id
    }

    fn remove(&mut self, id: FrameId) {
        if let Ok(at) = self.execution.frames.binary_search_by_key(&id, |frame| frame.id) {
            self.execution.frames.remove(at);
        }
    }

    pub fn next_wait(&mut self) -> WaitId {
        self.execution.next_wait += 1;
        WaitId(self.execution.next_wait)
    }

    pub fn command(&mut self, command: Command) {
        self.out.commands.push(command);
    }

    /// Records an event of a frame's thread.
    pub fn emit_on(&mut self, id: FrameId, kind: EventKind) -> u64 {
        let event = self.emit(self.frame(id).last_event, kind);
        self.frame_mut(id).last_event = event;
        event
    }

    /// Records an event after `previous`; returns its id. When the history is full the event is dropped and the
    /// execution ends: only a terminal event may take the last number.
    pub fn emit(&mut self, previous: u64, kind: EventKind) -> u64 {
        let id = self.execution.last_event + 1;
        if id >= HISTORY_EVENTS_MAX && !kind.is_terminal() && !self.setting.about.is_express {
            self.full = true;
            return previous;
        }
        // INVARIANT: ids are 1..n without gaps, and an event comes after the one it follows.
        assert!(previous < id, "event {id} cannot follow event {previous}");
        self.execution.last_event = id;
        self.out.history.push(HistoryEvent { id, previous, at: self.at, kind });
        id
    }

    /// The event after which AWS records that a state could not be evaluated: when nothing has come of the state yet,
    /// that before it was entered.
    pub fn before_entry(&self, id: FrameId) -> u64 {
        let frame = self.frame(id);
        let entered = self.out.history.iter().rev().find(|event| event.id == frame.last_event);
        match entered {
            Some(event) if event.id == frame.entered_event => event.previous,
            _ => frame.last_event,
        }
    }

    pub fn frame(&self, id: FrameId) -> &Frame {
        self.execution.frame(id).expect("INVARIANT: a frame is there until its thread ends")
    }

    pub fn frame_mut(&mut self, id: FrameId) -> &mut Frame {
        self.execution.frame_mut(id).expect("INVARIANT: a frame is there until its thread ends")
    }

    pub fn state_of(&self, id: FrameId) -> &'a State {
        self.setting.definition.state(self.frame(id).state)
    }

    /// "An error occurred while executing the state…": how AWS begins the cause of a failed expression.
    pub fn runtime_cause(&self, id: FrameId, cause: &str) -> Arc<str> {
        let frame = self.frame(id);
        format!(
            "An error occurred while executing the state '{}' (entered at the event id #{}). {cause}",
            self.state_of(id).name,
            frame.entered_event
        )
        .into()
    }
}

/// The end of an execution whose next event would not fit.
fn history_full() -> Status {
    let cause = format!("The execution reached the maximum number of history events ({HISTORY_EVENTS_MAX}).");
    Status::Failed(Failure::new("States.Runtime", cause))
}
