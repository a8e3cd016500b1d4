//! Runtimes: which there are, and what a process of each is started with.
//!
//! A `provided` runtime starts the code's own `bootstrap`. For Node.js and Python the interpreter is the machine's, and a client of the
//! Runtime API that is ours ([`Family::client`]) stands in for AWS's. AWS picks the version by name; here it is what the machine has: an
//! interpreter of just that version if there is one (`python3.12`), else the one that is there. The Amazon Linux around it is not here.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::function::FunctionInfo;
use crate::ids;

/// A name AWS knows, and what it is here.
struct Runtime {
    name: &'static str,
    family: Family,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Provided,
    Node,
    Python,
}

const fn runtime(name: &'static str, family: Family) -> Runtime {
    Runtime { name, family }
}

/// Every version AWS ever had of what we serve: old apps name old ones. The first is the default.
const RUNTIMES: &[Runtime] = &[
    runtime("provided.al2023", Family::Provided),
    runtime("provided.al2", Family::Provided),
    runtime("provided", Family::Provided),
    runtime("nodejs24.x", Family::Node),
    runtime("nodejs22.x", Family::Node),
    runtime("nodejs20.x", Family::Node),
    runtime("nodejs18.x", Family::Node),
    runtime("nodejs16.x", Family::Node),
    runtime("nodejs14.x", Family::Node),
    runtime("nodejs12.x", Family::Node),
    runtime("python3.14", Family::Python),
    runtime("python3.13", Family::Python),
    runtime("python3.12", Family::Python),
    runtime("python3.11", Family::Python),
    runtime("python3.10", Family::Python),
    runtime("python3.9", Family::Python),
    runtime("python3.8", Family::Python),
];

/// Where our clients lie, in the folder of the functions. No function's name begins with a dot.
pub const FOLDER: &str = ".runtimes";

pub const DEFAULT: &str = RUNTIMES[0].name;

/// None: not served.
pub fn family(name: &str) -> Option<Family> {
    RUNTIMES.iter().find(|runtime| runtime.name == name).map(|runtime| runtime.family)
}

/// For people: `provided.al2023, provided.al2, ..., python3.8`.
pub fn served() -> String {
    RUNTIMES.iter().map(|runtime| runtime.name).collect::<Vec<_>>().join(", ")
}

impl Family {
    /// The file that a process of this family runs: its name and its text.
    fn client(self) -> Option<(&'static str, &'static str)> {
        match self {
            Family::Provided => None,
            Family::Node => Some(("node.cjs", include_str!("../runtimes/node.cjs"))),
            Family::Python => Some(("python.py", include_str!("../runtimes/python.py"))),
        }
    }
}

/// The file that code given inline is saved as. None: AWS takes no inline code for this runtime.
pub fn inline_file(name: &str) -> Option<&'static str> {
    match family(name)? {
        Family::Node => Some("index.js"),
        Family::Python => Some("index.py"),
        Family::Provided => None,
    }
}

/// What a process is started with.
pub struct Start {
    pub program: PathBuf,
    pub arguments: Vec<String>,
}

/// What AWS's Node.js runtimes bring along: version 2 up to nodejs16.x, version 3 since.
const NODE_SDKS: [&str; 2] = ["aws-sdk", "@aws-sdk"];

/// Lets Node.js functions find AWS's SDK though their code does not have it, as on AWS: links in a `node_modules` above the code lead to
/// the first that is found above `origins`, or among the machine's global packages. Nothing else of those folders can be seen.
pub fn link_sdks(function: &Path, interpreter: &Path, origins: &[PathBuf]) -> io::Result<()> {
    let above = origins.iter().flat_map(|origin| origin.ancestors().map(|folder| folder.join("node_modules")));
    let global = interpreter.parent().map(|bin| bin.join("../lib/node_modules"));
    let roots: Vec<PathBuf> = above.chain(global).filter(|root| root.is_dir()).collect();
    let links = function.join("node_modules");
    NODE_SDKS.iter().try_for_each(|name| {
        let package = roots.iter().map(|root| root.join(name)).find(|package| package.is_dir());
        link(&links.join(name), package.as_deref())
    })
}

/// Makes `link` lead to `target`, or nowhere.
fn link(link: &Path, target: Option<&Path>) -> io::Result<()> {
    let old = fs::read_link(link).ok();
    if old.as_deref() == target {
        return Ok(());
    }
    if old.is_some()
        && let Err(error) = fs::remove_file(link)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let Some(target) = target else { return Ok(()) };
    fs::create_dir_all(link.parent().unwrap_or(link))?;
    match std::os::unix::fs::symlink(target, link) {
        // Another process of the function was as quick.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

/// How to start a function that lies in `home`, or why that cannot be. Blocks when the interpreter has to be found first. `clients` is
/// the folder for our clients of the Runtime API.
pub fn start(info: &FunctionInfo, home: &Path, clients: &Path) -> Result<Start, String> {
    let (function, name) = (&info.function, info.function.runtime.as_str());
    let Some(family) = family(name) else { return Err(format!("the runtime {name} is not served")) };
    let Some((file, text)) = family.client() else {
        let places = [Some(&info.code_folder), info.opt.as_ref()];
        let places: Vec<PathBuf> = places.into_iter().flatten().map(|folder| folder.join("bootstrap")).collect();
        return match places.iter().find(|program| program.exists()) {
            Some(program) => Ok(Start { program: program.clone(), arguments: Vec::new() }),
            None => {
                let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
                Err(format!("Couldn't find valid bootstrap(s): [{}]", places.join(" ")))
            }
        };
    };
    let program = interpreter(name, family)?;
    let client = place(clients, file, text).map_err(|error| format!("cannot write {file}: {error}"))?;
    let mut arguments = vec![client.display().to_string()];
    if family == Family::Node {
        let here = std::env::current_dir();
        let origins: Vec<PathBuf> = function.origin.iter().cloned().chain(here).collect();
        link_sdks(home, &program, &origins).map_err(|error| format!("cannot link the SDK: {error}"))?;
        // The heap is most of what a function has; AWS leaves a tenth for the rest.
        arguments.insert(0, format!("--max-old-space-size={}", function.memory_mb - function.memory_mb / 10));
    }
    Ok(wrapped(Start { program, arguments }, function.environment.get(WRAPPER), info.opt.as_deref()))
}

/// Names a program that starts the interpreter in the runtime's stead. `provided` runtimes do not look at it, as on AWS.
const WRAPPER: &str = "AWS_LAMBDA_EXEC_WRAPPER";

fn wrapped(start: Start, wrapper: Option<&String>, opt: Option<&Path>) -> Start {
    let Some(wrapper) = wrapper.filter(|wrapper| !wrapper.is_empty()) else { return start };
    let inside = opt.zip(wrapper.strip_prefix("/opt/")).map(|(opt, path)| opt.join(path));
    let program = inside.unwrap_or_else(|| wrapper.into());
    let arguments = [vec![start.program.display().to_string()], start.arguments].concat();
    Start { program, arguments }
}

/// The interpreter that runs functions of this runtime. The first time this starts it, and blocks for as long.
fn interpreter(name: &str, family: Family) -> Result<PathBuf, String> {
    static FOUND: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let found = || FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(program) = found().get(name) {
        return Ok(program.clone());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let program = find(name, family, &path)?;
    found().insert(name.to_owned(), program.clone());
    Ok(program)
}

fn find(name: &str, family: Family, path: &OsStr) -> Result<PathBuf, String> {
    let (exact, any, what, ask): (_, _, _, [&str; 2]) = match family {
        Family::Node => {
            let version = name.trim_start_matches("nodejs").trim_end_matches(".x");
            (format!("node{version}"), "node", "Node.js", ["-p", "process.execPath"])
        }
        _ => (name.to_owned(), "python3", "Python", ["-c", "import sys; print(sys.executable)"]),
    };
    let names = [exact.as_str(), any];
    let programs = names.iter().flat_map(|name| std::env::split_paths(path).map(move |folder| folder.join(name)));
    programs.filter(|file| is_executable(file)).find_map(|program| itself(&program, ask)).ok_or_else(|| {
        format!("{name} needs {what}, and no '{exact}' or '{any}' on the PATH that Ithaca was started with can be run: install it")
    })
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// A shim that takes longer is not asked again.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// Where the interpreter says that it is. What is on the PATH may be a shim of a version manager: slow, and perhaps for a version that
/// is not there.
fn itself(program: &Path, ask: [&str; 2]) -> Option<PathBuf> {
    let mut child = Command::new(program)
        .args(ask)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let until = Instant::now() + ANSWERS_WITHIN;
    while child.try_wait().ok()?.is_none() {
        if Instant::now() > until {
            // It is of no use; what becomes of it is its own affair.
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    // A path: it fits into the pipe that nobody has read so far.
    let output = child.wait_with_output().ok().filter(|output| output.status.success())?;
    let answer = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(answer.trim())).filter(|path| is_executable(path))
}

/// Writes a client where it is not there yet. Its name has its hash, so that one of another version is another file.
fn place(folder: &Path, file: &str, text: &str) -> io::Result<PathBuf> {
    let hash = Sha256::digest(text);
    let path = folder.join(format!("{:02x}{:02x}{:02x}{:02x}-{file}", hash[0], hash[1], hash[2], hash[3]));
    if !path.exists() {
        fs::create_dir_all(folder)?;
        let temporary = folder.join(format!("{}-{file}", ids::hex32()));
        fs::write(&temporary, text)?;
        fs::rename(&temporary, &path)?;
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtimes_have_families() {
        let check = |name: &str, expect: Option<Family>| assert_eq!(family(name), expect, "{name}");
        check("provided.al2023", Some(Family::Provided));
        check("nodejs12.x", Some(Family::Node));
        check("nodejs22.x", Some(Family::Node));
        check("python3.8", Some(Family::Python));
        check("java21", None);
        check("nodejs10.x", None);
        check("", None);
    }

    #[test]
    fn what_is_missing_is_named() {
        let scratch = tempfile();
        // Neither is a program that can be run.
        fs::write(scratch.join("python3"), "").unwrap();
        fs::write(scratch.join("python3.9"), "#!/bin/sh\nexit 127\n").unwrap();
        fs::set_permissions(scratch.join("python3.9"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let missing = find("python3.9", Family::Python, scratch.as_os_str()).unwrap_err();
        assert!(
            missing.starts_with("python3.9 needs Python, and no 'python3.9' or 'python3' on the PATH"),
            "{missing}"
        );
        fs::remove_dir_all(scratch).unwrap();
    }

    #[test]
    fn the_sdk_is_found_above_the_code_and_nothing_else() {
        let scratch = tempfile();
        let function = scratch.join("functions/f");
        let check = |expect: [Option<&str>; 2]| {
            let origins = [scratch.join("app/code"), scratch.join("elsewhere")];
            link_sdks(&function, &scratch.join("bin/node"), &origins).unwrap();
            let found = NODE_SDKS.map(|name| fs::read_link(function.join("node_modules").join(name)).ok());
            assert_eq!(found, expect.map(|path| path.map(|path| scratch.join(path))));
        };
        let package = |name: &str| fs::create_dir_all(scratch.join(name)).unwrap();
        ["app/code", "elsewhere", "bin"].into_iter().for_each(package);
        check([None, None]);
        package("app/node_modules/left-pad");
        package("lib/node_modules/aws-sdk");
        check([Some("bin/../lib/node_modules/aws-sdk"), None]);
        package("node_modules/aws-sdk");
        package("elsewhere/node_modules/@aws-sdk");
        check([Some("node_modules/aws-sdk"), Some("elsewhere/node_modules/@aws-sdk")]);
        package("app/node_modules/aws-sdk");
        check([Some("app/node_modules/aws-sdk"), Some("elsewhere/node_modules/@aws-sdk")]);
        fs::remove_dir_all(scratch.join("elsewhere")).unwrap();
        check([Some("app/node_modules/aws-sdk"), None]);
        fs::remove_dir_all(scratch).unwrap();
    }

    fn tempfile() -> PathBuf {
        let folder = std::env::temp_dir().join(format!("runtimes-{}", ids::hex32()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }
}
