//! A folder of a test's own. It is removed at the end, and kept for a look when the test failed.

use std::path::{Path, PathBuf};
use std::{fs, process, thread};

pub struct Scratch(PathBuf);

impl Scratch {
    /// `name` is unique among the tests of one file.
    pub fn new(name: &str) -> Scratch {
        let path = crate::place::temporary().join(format!("{name}-{}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file into the folder and returns where it is.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("kept for a look: {}", self.0.display());
            return;
        }
        // What a process that is just ending still writes there is found by nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}
