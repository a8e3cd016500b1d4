//! The guard: a process that ends function processes when their host cannot, even after `kill -9` of the host.
//!
//! ```text
//!   host --(pipe; its write end is open as long as the host lives)--> guard
//!     |                                                                | end of file
//!     +-- function process (mark in its environment) <-- kill ---------+ repeated until none is left
//!           +-- grandchild (inherited the mark)      <-- kill ---------+ then the guard exits
//!                                                                        and with it goes the lock
//! ```
//!
//! Three nets, each for what slips through the one before: the parent-death signal takes function processes at once
//! but not their children; the guard takes everything that is marked; the sweep at the next start takes what is left
//! if the guard was killed too. The guard inherits the data folder's locked file, so that a new host cannot begin
//! before the guard has finished: two hosts' functions never run at the same time.
//!
//! The guard is the host's own executable with a hidden subcommand, so there is nothing else to install.

use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::config::Guard;
use crate::survivors;

/// Between two complaints about processes that do not end; there is nobody to complain to, so it just goes on.
const ROUND: Duration = Duration::from_secs(10);

/// Before a guard that ended is started again: an executable that cannot be a guard must not be a busy loop.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Set for the guard, never for functions: a guard must not carry the mark it looks for.
pub(crate) fn mark(instance: &str) -> String {
    format!("{}={instance}", survivors::INSTANCE)
}

/// What the hidden subcommand does: waits until the host is gone, ends its function processes, returns.
///
/// `instance` is the last argument of the command line. Must be called in a process started by
/// [`crate::Host::open`]: it waits for the end of standard input.
pub fn run(instance: &str) -> io::Result<()> {
    outlive_the_terminal();
    // What arrives means nothing; the end of it does.
    io::copy(&mut io::stdin().lock().by_ref(), &mut io::sink())?;
    let mark = mark(instance);
    while survivors::sweep(&mark, ROUND).is_err() {}
    Ok(())
}

/// Signals that are meant to end the host must not end its guard first.
fn outlive_the_terminal() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
        // SAFETY: ignoring a signal installs no handler.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// The host's side: starts the guard, and starts it again should it end before the host does.
pub(crate) struct Watch {
    shared: Arc<Mutex<Shared>>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

struct Shared {
    /// Dropping it is the signal.
    pipe: Option<ChildStdin>,
    closing: bool,
}

impl Watch {
    /// Returns once the first guard runs.
    pub fn start(config: &Guard, instance: &str) -> io::Result<Watch> {
        let (mut child, pipe) = spawn(config, instance)?;
        let shared = Arc::new(Mutex::new(Shared { pipe: Some(pipe), closing: false }));
        let (config, instance, watched) = (config.clone(), instance.to_string(), shared.clone());
        let thread = thread::Builder::new().name("guard-watch".into()).spawn(move || {
            loop {
                // An error means that there is no such child: the same as its end.
                let _ = child.wait();
                match respawn(&config, &instance, &watched) {
                    Some(next) => child = next,
                    None => return,
                }
            }
        })?;
        Ok(Watch { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Lets the guard sweep and end, and waits for it. Blocks.
    pub fn finish(&self) {
        self.let_go();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic of that thread was reported by the panic hook.
            let _ = thread.join();
        }
    }

    fn let_go(&self) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.closing = true;
        shared.pipe = None;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// `None` when the host is closing.
fn respawn(config: &Guard, instance: &str, shared: &Mutex<Shared>) -> Option<Child> {
    loop {
        if shared.lock().unwrap_or_else(PoisonError::into_inner).closing {
            return None;
        }
        thread::sleep(RESTART_PAUSE);
        // A machine that cannot start a process now may be able to in a second.
        let Ok((mut child, pipe)) = spawn(config, instance) else { continue };
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.closing {
            drop(pipe);
            let _ = child.wait();
            return None;
        }
        shared.pipe = Some(pipe);
        return Some(child);
    }
}

fn spawn(config: &Guard, instance: &str) -> io::Result<(Child, ChildStdin)> {
    let mut command = Command::new(&config.executable);
    command.args(&config.arguments).arg(instance);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.env_remove(survivors::INSTANCE).env_remove(survivors::PROCESS);
    let lock = config.lock.as_ref().map(|file| file.as_raw_fd());
    // SAFETY: between fork and exec only system calls are made, on values copied beforehand; the descriptor is open
    // because `config` holds the file.
    unsafe { command.pre_exec(move || detach(lock)) };
    let mut child = command.spawn()?;
    let pipe = child.stdin.take().expect("standard input was asked to be a pipe");
    Ok((child, pipe))
}

/// A session of its own, out of reach of the terminal's signals; and the locked file stays open across exec.
fn detach(lock: Option<i32>) -> io::Result<()> {
    // SAFETY: system calls that are safe between fork and exec.
    unsafe {
        if libc::setsid() < 0 {
            return Err(io::Error::last_os_error());
        }
        if let Some(fd) = lock
            && libc::fcntl(fd, libc::F_SETFD, 0) < 0
        {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
