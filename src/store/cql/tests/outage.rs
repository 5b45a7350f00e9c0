use std::time::Duration;

use actors::ports::{Applied, Commit, CommitRing, MessageStore, StoreError};
use bytes::Bytes;
use loadtest::services::{Cassandra, CassandraSpec};
use schema::{ConversationId, OwnerToken};
use tokio::time::{Instant, sleep};

use super::ring;
use crate::store::cql::{CqlConfig, Store, migrate};

/// The answer of a call, which must not take longer than its deadline.
async fn in_time<T>(call: impl Future<Output = T>, deadline_s: u64) -> T {
    let since = Instant::now();
    let answer = call.await;
    let took = since.elapsed();
    assert!(took < Duration::from_secs(deadline_s), "{took:?} instead of {deadline_s} s");
    answer
}

/// Waits until the guard can be read again.
async fn head_after_outage(store: &Store) -> u64 {
    for _ in 0..60 {
        if let Ok(guard) = store.guard(0).await {
            return guard.expect("the shard was created").head;
        }
        sleep(Duration::from_millis(500)).await;
    }
    panic!("the database did not come back");
}

/// On a Cassandra of its own: nobody else's is stopped.
#[tokio::test]
async fn a_database_that_stops_is_noticed_in_time_and_nothing_is_lost() {
    let cassandra = Cassandra::start(CassandraSpec::default()).await.expect("Cassandra runs");
    let url = format!("cql://{}/outage?replication_factor=1&slots=16", cassandra.address());
    let config = CqlConfig::from_url(&url).expect("the URL is right");
    migrate(&config).await.expect("migrates");
    let store = Store::connect(&config).await.expect("connects");
    let owner = OwnerToken::generate();
    let commit = |n, text: &'static str| Commit {
        shard: 0,
        owner,
        n,
        done: n - 1,
        payload: Bytes::from_static(text.as_bytes()),
    };
    assert_eq!(ring(&store).create(0, owner).await, Ok(Applied::Yes));
    assert_eq!(store.commit(commit(1, "before")).await, Ok(Applied::Yes));
    assert!(store.is_answering().await);

    cassandra.pause(0).expect("it runs");
    // A process with many threads stops one by one: an answer may still slip out.
    let mut answers = 0;
    while in_time(store.is_answering(), 3).await {
        answers += 1;
        assert!(answers < 20, "a stopped database answers");
        sleep(Duration::from_millis(50)).await;
    }
    let (committed, head) = tokio::join!(
        in_time(store.commit(commit(2, "in doubt")), 7),
        in_time(store.head(ConversationId::generate()), 16)
    );
    assert!(committed.is_err(), "its outcome is not known: {committed:?}");
    assert!(matches!(head, Err(StoreError::Unavailable(_))), "{head:?}");
    cassandra.resume(0).expect("it runs");

    // As the committer resolves it: the guard first, the slot second, then the same again.
    if head_after_outage(&store).await == 1 {
        let again = store.commit(commit(2, "in doubt")).await.expect("answers");
        assert!(again == Applied::Yes || head_after_outage(&store).await == 2);
    }
    let slot = store.slot(0, 2).await.expect("answers").expect("it was written");
    assert_eq!((slot.n, slot.writer, &slot.payload[..]), (2, owner, &b"in doubt"[..]));
    assert_eq!(store.commit(commit(3, "after")).await, Ok(Applied::Yes));
    assert!(store.is_answering().await);
}
