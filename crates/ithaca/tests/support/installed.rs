//! Programs of PyPI and npm that tests ask for by name and version: installed once, below the target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;

/// The folder with the programs of a Python environment that has what `folder`'s requirements.txt names.
pub fn python(name: &str, folder: &Path) -> PathBuf {
    let home = once(name, &[folder.join("requirements.txt")], |home| {
        let make = || run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(home));
        make().or_else(|reason| from_debian(&["python3", "python3-venv"], &reason).and_then(|_| make()))?;
        let mut pip = Command::new(home.join("bin/python"));
        run(pip.args(["-m", "pip", "install", "-q", "-r", "requirements.txt"]).current_dir(folder))
    });
    home.join("bin")
}

/// A folder in which is installed what `folder`'s package-lock.json names.
pub fn node(name: &str, folder: &Path) -> PathBuf {
    let files = ["package.json", "package-lock.json"].map(|name| folder.join(name));
    once(name, &files, |home| {
        fs::create_dir_all(home).unwrap();
        for file in &files {
            fs::copy(file, home.join(file.file_name().unwrap())).unwrap();
        }
        let install = || run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(home));
        install().or_else(|reason| from_debian(&["nodejs", "npm"], &reason).and_then(|_| install()))
    })
}

/// Runs it and returns what it said, which is also told when it went wrong.
pub fn run(command: &mut Command) -> Result<String, String> {
    let Output { status, stdout, stderr } = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    if status.success() { Ok(said) } else { Err(format!("{command:?} ended with {status}:\n{said}")) }
}

/// The folder, made anew when it is missing or what `wanted` says has changed.
fn once(name: &str, wanted: &[PathBuf], make: impl FnOnce(&Path) -> Result<String, String>) -> PathBuf {
    // Held while one is made, so that who comes second waits.
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let wanted: String = wanted.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    // Written last, so a folder with it is whole.
    let mark = home.join("installed.txt");
    if fs::read_to_string(&mark).ok().as_ref() != Some(&wanted) {
        make(&home).unwrap_or_else(|reason| panic!("nothing was checked: {name} could not be installed: {reason}"));
        fs::write(&mark, wanted).unwrap();
    }
    home
}

/// On a bare machine an interpreter comes by its package; elsewhere it is the user's to install.
fn from_debian(packages: &[&str], reason: &str) -> Result<String, String> {
    run(Command::new("apt-get").args(["install", "-y", "-q"]).args(packages))
        .map_err(|again| format!("{reason}; {again}; install {}", packages.join(" and ")))
}
