//! Every scenario, small enough for every change. The long ones: `cargo run --release -p chaos -- --help`.

use std::sync::Once;
use std::time::Duration;

use chaos::faults::{Fault, Files, What};
use chaos::verdict::Verdict;
use chaos::{disks, kills, overload, place};

/// Chosen so that all fates come in few kills.
const SEED: u64 = 2;

fn built() {
    static BUILT: Once = Once::new();
    BUILT.call_once(place::build_program);
}

fn check(verdicts: Vec<Verdict>) {
    verdicts.iter().for_each(Verdict::expect_good);
}

#[test]
fn sagas_survive_kills() {
    built();
    check(vec![kills::run(&kills::Plan {
        kills: 10,
        seed: SEED,
        sagas_per_kill: 6,
        life_max: Duration::from_millis(600),
        program: env!("CARGO_BIN_EXE_chaos").into(),
        progress: None,
    })]);
}

#[test]
fn a_full_disk_is_said_and_survived() {
    built();
    check(disks::full());
}

#[test]
fn a_read_only_folder_is_refused() {
    built();
    check(vec![disks::read_only()]);
}

#[test]
fn a_failing_disk_ends_the_program() {
    built();
    let check_fault = |files, what, error, times| check(vec![disks::fails(Fault { files, what, error, times })]);
    check_fault(Files::Engine, What::Sync, libc::EIO, Some(1));
    check_fault(Files::Engine, What::TornWrite, libc::EIO, None);
    check_fault(Files::Tables, What::Sync, libc::EIO, Some(1));
    check(vec![disks::others()]);
}

#[test]
fn too_much_is_throttled() {
    built();
    check(vec![overload::starts(overload::SHORT)]);
}

#[test]
fn clients_that_misbehave_hold_up_nobody() {
    built();
    check(overload::bad_clients(overload::SHORT));
}
