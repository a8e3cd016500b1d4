//! Starts function processes so that they die with us, and tells when they have ended.
//!
//! The parent-death signal of Linux is sent when the *thread* that forked ends, not the process. So one thread does
//! all the forking and lives as long as the host; when the host goes, by whatever way, the thread goes and the
//! kernel ends the functions.
//!
//! A process is the leader of a session of its own: its group can be killed as one, and a signal meant for the
//! terminal does not reach it.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::survivors;

/// How long the end of a process waits for its descendants to be gone. Longer than this, they are stuck in the
/// kernel and can do nothing.
const DESCENDANTS_BOUND: Duration = Duration::from_secs(5);

/// The waiting threads do next to nothing.
const WAITER_STACK_BYTES: usize = 128 << 10;

/// "File descriptors: 1,024." Source: "Lambda quotas", AWS Lambda Developer Guide. We may have raised our own.
const FILES_MAX: libc::rlim_t = 1024;

/// See [`start`]: an exec takes far less than all of these together.
const BUSY_ATTEMPTS_MAX: u32 = 50;
const BUSY_PAUSE: Duration = Duration::from_millis(2);

pub(crate) struct Launch {
    pub program: PathBuf,
    /// After the program's own name.
    pub arguments: Vec<String>,
    pub folder: PathBuf,
    /// The whole environment; nothing else is inherited.
    pub environment: Vec<(String, String)>,
    /// `NAME=value` of the variable that all its descendants carry.
    pub mark: String,
    pub data_bytes_max: u64,
}

pub(crate) struct Spawned {
    pub pid: u32,
    pub stdout: File,
    pub stderr: File,
    pub group: Arc<Group>,
    /// Told when the process, its group and all marked descendants are gone.
    pub ended: oneshot::Receiver<Ended>,
}

pub(crate) struct Ended {
    pub status: io::Result<ExitStatus>,
    /// Descendants that did not end in time.
    pub left: usize,
}

/// A process and the group it leads.
pub(crate) struct Group {
    pid: i32,
    /// INVARIANT: the group is signalled only under this lock and before the leader was reaped, for after that the
    /// number may belong to somebody else.
    reaped: Mutex<bool>,
}

impl Group {
    pub fn kill(&self) {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if !*reaped {
            // SAFETY: a system call on a number that is ours, see the invariant.
            unsafe { libc::kill(-self.pid, libc::SIGKILL) };
        }
    }

    fn reap(&self, child: &mut Child) -> io::Result<ExitStatus> {
        let mut reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: as above. The leader has ended, the rest of its group goes with it.
        unsafe { libc::kill(-self.pid, libc::SIGKILL) };
        *reaped = true;
        child.wait()
    }
}

/// A handle on the thread that forks. When the last one is dropped, the thread ends and all its processes are killed.
#[derive(Clone)]
pub(crate) struct Spawner {
    requests: mpsc::Sender<Request>,
}

struct Request {
    launch: Launch,
    reply: oneshot::Sender<io::Result<Spawned>>,
}

impl Spawner {
    pub fn start() -> io::Result<Spawner> {
        let (requests, inbox) = mpsc::channel::<Request>();
        thread::Builder::new().name("spawner".into()).spawn(move || {
            for Request { launch, reply } in inbox {
                if let Err(Ok(orphan)) = reply.send(spawn(launch)) {
                    orphan.group.kill();
                }
            }
        })?;
        Ok(Spawner { requests })
    }

    pub async fn spawn(&self, launch: Launch) -> io::Result<Spawned> {
        let (reply, answer) = oneshot::channel();
        let gone = || io::Error::other("the spawning thread has ended");
        self.requests.send(Request { launch, reply }).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

fn spawn(launch: Launch) -> io::Result<Spawned> {
    let mut command = Command::new(&launch.program);
    command.current_dir(&launch.folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (parent, data_bytes_max) = (std::process::id(), launch.data_bytes_max);
    let image = Image::new(&launch)?;
    // SAFETY: between fork and exec only system calls are made, on values prepared beforehand.
    unsafe { command.pre_exec(move || prepare(parent, data_bytes_max).and_then(|()| image.execute())) };
    let mut child = start(&mut command)?;
    let group = Arc::new(Group { pid: child.id() as i32, reaped: Mutex::new(false) });
    let stdout = nonblocking(child.stdout.take().expect("standard output was asked to be a pipe").into());
    let stderr = nonblocking(child.stderr.take().expect("standard error was asked to be a pipe").into());
    let pid = child.id();
    let ended = wait_in_thread(child, group.clone(), launch.mark);
    match (stdout, stderr, ended) {
        (Ok(stdout), Ok(stderr), Ok(ended)) => Ok(Spawned { pid, stdout, stderr, group, ended }),
        (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => {
            group.kill();
            Err(error)
        }
    }
}

/// A program that has just been written may be "busy" for a moment: a child forked meanwhile, for another function,
/// holds the descriptor it was written through until its own exec.
fn start(command: &mut Command) -> io::Result<Child> {
    let mut attempts = 0;
    loop {
        match command.spawn() {
            Err(error) if error.raw_os_error() == Some(libc::ETXTBSY) && attempts < BUSY_ATTEMPTS_MAX => {
                attempts += 1;
                thread::sleep(BUSY_PAUSE);
            }
            result => return result,
        }
    }
}

/// In the child, before exec.
fn prepare(parent: u32, data_bytes_max: u64) -> io::Result<()> {
    // SAFETY: system calls that are safe between fork and exec.
    unsafe {
        if libc::setsid() < 0 {
            return Err(io::Error::last_os_error());
        }
        #[cfg(target_os = "linux")]
        if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) < 0 {
            return Err(io::Error::last_os_error());
        }
        // The parent may have ended before the signal was asked for.
        if libc::getppid() as u32 != parent {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        if libc::getrlimit(libc::RLIMIT_DATA, &mut limit) < 0 {
            return Err(io::Error::last_os_error());
        }
        // Nobody may raise a limit that was set for us.
        limit.rlim_max = limit.rlim_max.min(data_bytes_max);
        limit.rlim_cur = limit.rlim_max;
        if libc::setrlimit(libc::RLIMIT_DATA, &limit) < 0 {
            return Err(io::Error::last_os_error());
        }
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) < 0 {
            return Err(io::Error::last_os_error());
        }
        limit.rlim_cur = limit.rlim_cur.min(FILES_MAX);
        if libc::setrlimit(libc::RLIMIT_NOFILE, &limit) < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// What `execve` wants, built before the fork, for after it nothing may be allocated.
///
/// The standard library would use `execvp`, which hands whatever the kernel refuses to a shell: code for another
/// architecture would be run as a script, and fail with words about syntax.
struct Image {
    program: CString,
    /// Ends with a null; points into `program` and `_texts`.
    arguments: Vec<*const libc::c_char>,
    /// Ends with a null; points into `_texts`.
    variables: Vec<*const libc::c_char>,
    _texts: [Vec<CString>; 2],
}

// SAFETY: the pointers lead to heap memory that the same value owns and nobody changes.
unsafe impl Send for Image {}
// SAFETY: as above.
unsafe impl Sync for Image {}

impl Image {
    fn new(launch: &Launch) -> io::Result<Image> {
        let program = CString::new(launch.program.as_os_str().as_encoded_bytes())?;
        let texts = |texts: Vec<String>| texts.into_iter().map(CString::new).collect::<Result<Vec<_>, _>>();
        let arguments = texts(launch.arguments.clone())?;
        let variables = texts(launch.environment.iter().map(|(name, value)| format!("{name}={value}")).collect())?;
        let pointers = |texts: &[CString]| texts.iter().map(|text| text.as_ptr()).collect::<Vec<_>>();
        let end = [std::ptr::null()];
        Ok(Image {
            arguments: [&[program.as_ptr()][..], &pointers(&arguments), &end].concat(),
            variables: [&pointers(&variables)[..], &end].concat(),
            _texts: [arguments, variables],
            program,
        })
    }

    /// Returns only if it failed.
    fn execute(&self) -> io::Result<()> {
        // SAFETY: both arrays end with a null, and all pointers lead to texts that end with one.
        unsafe { libc::execve(self.program.as_ptr(), self.arguments.as_ptr(), self.variables.as_ptr()) };
        Err(io::Error::last_os_error())
    }
}

fn nonblocking(fd: OwnedFd) -> io::Result<File> {
    use std::os::fd::AsRawFd;
    // SAFETY: calls on an open descriptor. The flag belongs to our end of the pipe alone.
    unsafe {
        let flags = libc::fcntl(fd.as_raw_fd(), libc::F_GETFL);
        if flags < 0 || libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(File::from(fd))
}

/// A thread per process: it sees the end before the process is reaped, which no signal-based way does, and that is
/// what makes killing the group safe.
fn wait_in_thread(mut child: Child, group: Arc<Group>, mark: String) -> io::Result<oneshot::Receiver<Ended>> {
    let (tell, ended) = oneshot::channel();
    let thread = thread::Builder::new().name("waiter".into()).stack_size(WAITER_STACK_BYTES);
    thread.spawn(move || {
        wait_for_end(child.id());
        let status = group.reap(&mut child);
        let left = survivors::sweep(&mark, DESCENDANTS_BOUND).err().unwrap_or(0);
        // Nobody listens when the host is gone.
        let _ = tell.send(Ended { status, left });
    })?;
    Ok(ended)
}

/// Returns when the process has ended, leaving it to be reaped.
fn wait_for_end(pid: u32) {
    loop {
        let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
        // SAFETY: the kernel writes at most one siginfo_t into memory that is ours.
        let result = unsafe { libc::waitid(libc::P_PID, pid, info.as_mut_ptr(), libc::WEXITED | libc::WNOWAIT) };
        if result == 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return;
        }
    }
}
