mod chat_list;
mod contract;
mod crash;
mod faults;
mod group_commit;
mod lifecycle;
mod throughput;

use std::path::{Path, PathBuf};

use actors::ports::RingShape;

use super::{EmbeddedConfig, Store};

/// A directory that is removed with its test.
pub struct TempDir {
    path: PathBuf,
}

impl TempDir {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("switchboard-{}", uuid::Uuid::new_v4()));
        Self { path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A configuration of a small ring.
    pub fn config(&self) -> EmbeddedConfig {
        let new_shape = RingShape { shards: 4, slots: 16 };
        EmbeddedConfig { new_shape, ..EmbeddedConfig::new(&self.path) }
    }

    pub fn open(&self) -> Store {
        Store::open(self.config()).expect("the store opens")
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
