//! A folder of objects that goes with the test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use objects::items::{Action, Items, ReaderConfig, read};
use objects::{Error, Folder};
use serde_json::Value;

pub struct Scratch(PathBuf);

impl Scratch {
    /// Objects as `bucket/key` and body.
    pub fn of(objects: &[(&str, &[u8])]) -> Scratch {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("objects-test-{}-{number}", std::process::id()));
        for (path, body) in objects {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, body).unwrap();
        }
        fs::create_dir_all(&root).unwrap();
        Scratch(root)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn folder(&self) -> Arc<Folder> {
        Arc::new(Folder::open(&self.0).unwrap())
    }

    pub fn read(&self, action: Action, arguments: &Value, config: &Value) -> Result<Items, Error> {
        read(self.folder(), action, arguments, &ReaderConfig::parse(config)?)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

pub fn gzip(plain: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}
