mod chat_list;
mod checkpoints;
mod contract;
mod crash;
mod faults;
mod group_commit;
mod lifecycle;
mod throughput;

use std::path::{Path, PathBuf};

use actors::ports::{CommitRing, RingShape};
use schema::record::{Content, Entry, Event, MessageBody};
use schema::{ConversationId, MessageId, Sequence, UserId};

use super::{EmbeddedConfig, Store};

/// The store as its ring, whose `create` is not the roster's.
fn ring(store: &Store) -> &dyn CommitRing {
    store
}

/// A text message of 200 bytes from somebody.
fn message(conversation_id: ConversationId, seq: u64) -> Entry {
    Entry {
        conversation_id,
        seq: Sequence(seq),
        message_id: MessageId::generate(),
        sender_id: UserId::generate(),
        sent_at: 1_700_000_000_000,
        ordinal: 0,
        event: Event::Message(MessageBody::new(Content::Text { text: format!("{seq:0200}") })),
    }
}

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
