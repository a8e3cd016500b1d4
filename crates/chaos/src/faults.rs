//! Faults of the machine under the real program: a disk that refuses or is slow, a clock that jumps.
//!
//! ```text
//!   test ── stores into slots ──> file `faults` <── maps ── shim/faults.c, preloaded into ithaca
//! ```
//!
//! The shim is compiled when it is first wanted, by the C compiler that building Ithaca needs anyway. It stands between
//! the program and the C library: what the kernel would do after such a failure (Linux may drop the pages whose flush failed)
//! it does not play. It fails what the program asks for, on the files below one folder, and counts.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::ithaca::Up;

/// The slots of `shim/faults.c`, in its order.
#[derive(Clone, Copy)]
enum Slot {
    ClockShiftNs,
    SyncErrno,
    WriteErrno,
    Files,
    Left,
    SyncDelayUs,
    Hits,
    IsTorn,
}

const SLOTS: u64 = 8;

/// Which files are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// `ithaca.db` and its log.
    Engine,
    /// `dynamodb.db` and its log.
    Tables,
    /// Everything else in the data folder: logs, functions, objects.
    Others,
}

/// What goes wrong with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub files: Files,
    pub what: What,
    /// An errno.
    pub error: i32,
    /// How often; without a number until it is mended.
    pub times: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// fsync and fdatasync.
    Sync,
    /// Every write.
    Write,
    /// Every write, after its first half was written.
    TornWrite,
}

/// The faults of one `ithaca`, which outlive its restarts.
pub struct Faults {
    file: File,
    path: PathBuf,
    folder: PathBuf,
}

impl Faults {
    /// None so far. `path` is where the slots lie, `folder` the data folder as the program sees it: a real path.
    pub fn new(path: PathBuf, folder: &Path) -> Faults {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
        let file = file.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        file.set_len(SLOTS * 8).expect("the slots have room");
        Faults { file, path, folder: folder.to_owned() }
    }

    /// The same program, under these faults.
    pub fn under(&self, up: Up) -> Up {
        up.environment("LD_PRELOAD", &text(shim()))
            .environment("CHAOS_FAULTS", &text(&self.path))
            .environment("CHAOS_FOLDER", &text(&self.folder))
    }

    pub fn set(&self, fault: Fault) {
        self.mend();
        self.store(Slot::Hits, 0);
        self.store(
            Slot::Files,
            match fault.files {
                Files::Engine => 1,
                Files::Tables => 2,
                Files::Others => 4,
            },
        );
        self.store(Slot::Left, fault.times.map_or(0, i64::from));
        self.store(Slot::IsTorn, i64::from(fault.what == What::TornWrite));
        let slot = if fault.what == What::Sync { Slot::SyncErrno } else { Slot::WriteErrno };
        // Last: from now on it happens.
        self.store(slot, i64::from(fault.error));
    }

    /// The disk is well again; the clock stays where it is.
    pub fn mend(&self) {
        for slot in [Slot::SyncErrno, Slot::WriteErrno, Slot::SyncDelayUs] {
            self.store(slot, 0);
        }
    }

    /// How often the last fault was met.
    pub fn hits(&self) -> i64 {
        self.load(Slot::Hits)
    }

    /// Every flush of these files takes so long.
    pub fn slow(&self, delay: Duration) {
        self.store(Slot::Files, 1);
        self.store(Slot::SyncDelayUs, i64::try_from(delay.as_micros()).expect("a short delay"));
    }

    /// Sets the program's wall clock this far from the real one.
    pub fn shift_clock(&self, seconds: i64) {
        self.store(Slot::ClockShiftNs, seconds * 1_000_000_000);
    }

    fn store(&self, slot: Slot, value: i64) {
        self.file.write_all_at(&value.to_ne_bytes(), slot as u64 * 8).expect("the slots can be written");
    }

    fn load(&self, slot: Slot) -> i64 {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, slot as u64 * 8).expect("the slots can be read");
        i64::from_ne_bytes(bytes)
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("the tests' folders have plain names").to_owned()
}

/// The compiled shim.
fn shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        let folder = crate::place::temporary();
        std::fs::create_dir_all(&folder).expect("the tests' folder can be made");
        let shim = folder.join(format!("faults-{}.so", std::process::id()));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/shim/faults.c");
        let mut compiler = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
        compiler.args(["-O2", "-shared", "-fPIC", "-o"]).arg(&shim).args([source, "-ldl"]);
        assert!(compiler.status().expect("a C compiler is there").success(), "the faults could not be compiled");
        shim
    })
}
