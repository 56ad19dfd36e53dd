//! A directory for stores, gone after the test, also when that is killed.
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use zcx::{Store, StoreOptions};

pub struct Place {
    path: PathBuf,
    remover: Child,
}

impl Place {
    pub fn new() -> Place {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = PathBuf::from(format!("/dev/shm/zcx-test-rust-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).expect("a directory in /dev/shm");
        // Its standard input ends with this process, however that ends.
        let remover = Command::new("sh")
            .args(["-c", "cat; rm -rf \"$0\""])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .expect("sh");
        Place { path, remover }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn store(&self) -> Store {
        self.store_with(&StoreOptions { budget: 256 << 20, ..Default::default() })
    }

    pub fn store_with(&self, options: &StoreOptions) -> Store {
        Store::open_with(Some(&self.path.join("store")), options).expect("a store")
    }

    /// A calculator's configuration, with its store here; `more` begins with a comma, or is empty.
    pub fn config(&self, plugin: &Path, name: &str, more: &str) -> String {
        let (store, plugin) = (self.path.join("store"), plugin.display());
        format!(
            r#"{{"name": "test", "type": "{name}", "plugin": "{plugin}", "lmdb_enabled": true,
                "lmdb_db_path": "{}", "lmdb_map_size": {}{more}}}"#,
            store.display(),
            256 << 20
        )
    }
}

impl Default for Place {
    fn default() -> Place {
        Place::new()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.remover.stdin.take());
        self.remover.wait().expect("the remover");
    }
}
