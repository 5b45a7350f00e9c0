mod audit;
mod config;
mod contract;
mod copy;
mod import;
mod lifecycle;
mod names;
mod outage;
mod roster;
mod throughput;
mod tls;

use std::sync::atomic::{AtomicU32, Ordering};

use actors::ports::CommitRing;
use loadtest::services::cassandra_for_tests;
use schema::record::{Content, Entry, Event, MessageBody};
use schema::{ConversationId, MessageId, Sequence, UserId};

use super::{CqlConfig, Store, migrate};

/// Settings of a keyspace on the one Cassandra of all tests, with more parameters.
async fn config_with(keyspace: &str, parameters: &str) -> CqlConfig {
    let cassandra = cassandra_for_tests().await.expect("Cassandra runs");
    let url = format!("cql://{}/{keyspace}?{parameters}", cassandra.address());
    CqlConfig::from_url(&url).expect("the URL is right")
}

/// Settings of a store with a small ring.
async fn config(keyspace: &str) -> CqlConfig {
    config_with(keyspace, "replication_factor=1&shards=64&slots=16").await
}

/// The name of a keyspace that no other test has.
fn keyspace_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A store in a keyspace of its own.
async fn new_store() -> Store {
    let config = config(&keyspace_name()).await;
    migrate(&config).await.expect("migrates");
    Store::connect(&config).await.expect("connects")
}

/// The store as its ring, whose `create` is not the roster's.
fn ring(store: &Store) -> &dyn CommitRing {
    store
}

/// A text message of 200 bytes from somebody, sent now.
fn message(conversation_id: ConversationId, seq: u64) -> Entry {
    let message_id = MessageId::generate();
    Entry {
        conversation_id,
        seq: Sequence(seq),
        message_id,
        sender_id: UserId::generate(),
        sent_at: message_id.unix_ms().expect("it holds its time"),
        ordinal: 0,
        event: Event::Message(MessageBody::new(Content::Text { text: format!("{seq:0200}") })),
    }
}
