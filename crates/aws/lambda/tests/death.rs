//! `kill -9` of a host: nothing of its functions is left, and nobody else can have the data folder before that.
#![cfg(target_os = "linux")]

mod support;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use aws_lambda::{Config, Host};
use support::{Scratch, is_alive, probe, until};

/// A host in a process of its own, whose function has left a grandchild in another session.
struct Victim {
    host: Child,
    guard: u64,
    function: u64,
    grandchild: u64,
    scratch: Scratch,
}

impl Victim {
    fn start() -> Victim {
        let scratch = Scratch::new();
        let mut command = Command::new(probe());
        let mut host = command.args(["host", scratch.0.to_str().unwrap()]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(host.stdout.take().unwrap()).lines().map(Result::unwrap);
        let grandchild = lines.find_map(|line| line.strip_prefix("forked ")?.parse().ok()).unwrap();
        let function = parent(grandchild);
        let guard = children(host.id().into()).into_iter().find(|pid| *pid != function).unwrap();
        Victim { host, guard, function, grandchild, scratch }
    }

    fn kill(&mut self) {
        self.host.kill().unwrap();
        self.host.wait().unwrap();
    }

    fn is_lock_free(&self) -> bool {
        File::open(self.scratch.0.join("lock")).unwrap().try_lock().is_ok()
    }
}

#[tokio::test]
async fn the_guard_ends_what_the_host_left_and_then_the_lock_is_free() {
    let mut victim = Victim::start();
    assert!(is_alive(victim.grandchild) && is_alive(victim.function) && is_alive(victim.guard));
    assert!(!victim.is_lock_free());
    victim.kill();
    until("the lock is free", || victim.is_lock_free()).await;
    assert!(!is_alive(victim.function) && !is_alive(victim.grandchild));
    until("the guard ends", || !is_alive(victim.guard)).await;
}

#[tokio::test]
async fn a_guard_that_was_killed_is_replaced() {
    let mut victim = Victim::start();
    kill(victim.guard);
    let host = victim.host.id().into();
    until("another guard", || children(host).iter().any(|pid| *pid != victim.function && *pid != victim.guard)).await;
    victim.kill();
    until("the lock is free", || victim.is_lock_free()).await;
    assert!(!is_alive(victim.function) && !is_alive(victim.grandchild));
}

#[tokio::test]
async fn the_next_host_ends_what_even_the_guard_could_not() {
    let mut victim = Victim::start();
    kill(victim.guard);
    victim.kill();
    until("the function ends with its parent", || !is_alive(victim.function)).await;
    assert!(is_alive(victim.grandchild), "nobody was left to end it");
    let config = Config::new(victim.scratch.0.join("functions"), "http://127.0.0.1:4566");
    let host = Host::open(config).unwrap();
    assert!(!is_alive(victim.grandchild));
    assert_eq!(host.functions().len(), 1);
    host.shut_down().await;
}

fn kill(pid: u64) {
    // SAFETY: a signal to a process that this test has started.
    unsafe { libc::kill(pid as i32, libc::SIGKILL) };
}

fn parent(pid: u64) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)?.parse().ok()).unwrap_or(0)
}

fn children(of: u64) -> Vec<u64> {
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| parent(*pid) == of && is_alive(*pid)).collect()
}
