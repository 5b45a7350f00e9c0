use std::sync::mpsc::channel;

use actors::ports::{Applied, Commit, CommitRing, RosterStore, StoreError};
use bytes::Bytes;
use rusqlite::Connection;
use schema::{ConversationId, OwnerToken};

use super::{TempDir, ring};
use crate::store::embedded::failure::Failure;
use crate::store::embedded::{EmbeddedConfig, Health, Store};

fn commit(owner: OwnerToken, n: u64, payload: Vec<u8>) -> Commit {
    Commit { shard: 0, owner, n, done: 0, payload: Bytes::from(payload) }
}

/// Holds the writer until the returned sender is dropped, so that what is queued meanwhile
/// becomes one transaction.
fn hold_writer(store: &Store) -> std::sync::mpsc::Sender<()> {
    let (release, held) = channel::<()>();
    let (running, is_running) = channel();
    drop(store.write("test", move |_: &Connection| {
        let _ = running.send(());
        let _ = held.recv();
        Ok(())
    }));
    is_running.recv().expect("the writer runs");
    release
}

fn insert_store_row(connection: &Connection) -> Result<(), Failure> {
    let sql =
        "INSERT INTO store (id, store_id, shards, slots, generation) VALUES (1, x'', 1, 1, 1)";
    connection.execute(sql, [])?;
    Ok(())
}

#[tokio::test]
async fn a_failing_job_takes_no_other_with_it() {
    let dir = TempDir::new();
    let store = dir.open();
    let owner = OwnerToken::generate();
    ring(&store).create(0, owner).await.unwrap();
    let release = hold_writer(&store);
    let transactions = store.transactions();
    let before = store.commit(commit(owner, 1, vec![1]));
    let failing = store.write("test", |connection: &Connection| {
        connection.execute("UPDATE ring_guards SET head = 99", []).map_err(Failure::from)?;
        insert_store_row(connection)
    });
    let after = store.commit(commit(owner, 2, vec![2]));
    drop(release);
    assert_eq!(before.await, Ok(Applied::Yes));
    assert!(matches!(failing.await, Err(StoreError::Damaged(_))), "its own failure");
    assert_eq!(after.await, Ok(Applied::Yes));
    assert_eq!(store.guard(0).await.unwrap().unwrap().head, 2, "the failed job had no effect");
    assert_eq!(store.health(), Health::Ready);
    assert!(store.transactions() - transactions <= 3, "they shared a transaction");
}

#[tokio::test]
async fn a_fatal_failure_stops_the_writer_and_tells_everyone() {
    let dir = TempDir::new();
    let store = dir.open();
    let owner = OwnerToken::generate();
    ring(&store).create(0, owner).await.unwrap();
    let release = hold_writer(&store);
    let with_it = store.commit(commit(owner, 1, vec![1]));
    let fatal = store.write("test", |_: &Connection| -> Result<(), Failure> {
        Err(Failure::Fatal("sync failed".to_owned()))
    });
    let behind = store.commit(commit(owner, 2, vec![2]));
    drop(release);
    assert!(with_it.await.is_err(), "its transaction was not stored");
    assert!(fatal.await.is_err());
    assert!(behind.await.is_err());
    assert!(store.commit(commit(owner, 1, vec![1])).await.is_err(), "nothing is taken any more");
    assert!(matches!(store.health(), Health::Stopped(_)), "the process can tell");
    let read = store.conversation(ConversationId::generate()).await;
    assert_eq!(read, Ok(None), "reads go on");
    drop(store);
    let store = dir.open();
    assert_eq!(store.guard(0).await.unwrap().unwrap().head, 0);
}

#[tokio::test]
async fn a_panic_of_the_writer_is_no_silence() {
    let dir = TempDir::new();
    let store = dir.open();
    let release = hold_writer(&store);
    let panicking =
        store.write("test", |_: &Connection| -> Result<(), Failure> { panic!("on purpose") });
    let beside = ring(&store).create(0, OwnerToken::generate());
    drop(release);
    assert!(panicking.await.is_err());
    assert!(beside.await.is_err());
    assert!(ring(&store).create(0, OwnerToken::generate()).await.is_err());
    assert!(matches!(store.health(), Health::Stopped(_)));
}

#[tokio::test]
async fn a_panic_of_a_read_is_its_own() {
    let dir = TempDir::new();
    let store = dir.open();
    for _ in 0..5 {
        let panicking =
            store.read("test", |_: &Connection| -> Result<(), Failure> { panic!("on purpose") });
        assert!(panicking.await.is_err());
    }
    assert_eq!(store.conversation(ConversationId::generate()).await, Ok(None));
    assert_eq!(store.health(), Health::Ready);
}

#[tokio::test]
async fn full_queues_refuse_at_once() {
    let dir = TempDir::new();
    let config = EmbeddedConfig { queue_jobs_max: 3, ..dir.config() };
    let store = Store::open(config).unwrap();
    let release = hold_writer(&store);
    let mut waiting: Vec<_> = (0..5).map(|shard| store.guard(shard)).collect();
    let refused = waiting.split_off(3);
    for answer in refused {
        assert!(answer.await.is_err(), "the queue holds three");
    }
    drop(release);
    for answer in waiting {
        assert_eq!(answer.await, Ok(None), "those that were taken are answered");
    }
}

#[tokio::test]
async fn a_full_disk_is_overcome() {
    let dir = TempDir::new();
    let store = dir.open();
    let owner = OwnerToken::generate();
    ring(&store).create(0, owner).await.unwrap();
    let limit = |pages: i64| {
        store.write("test", move |connection: &Connection| {
            let sql = format!("PRAGMA max_page_count = {pages}");
            Ok(connection.query_row(&sql, [], |row| row.get::<_, i64>(0))?)
        })
    };
    limit(1).await.unwrap();
    let large = vec![7; 60_000];
    let full = store.commit(commit(owner, 1, large.clone())).await;
    assert!(full.is_err(), "there is no room");
    assert_eq!(store.health(), Health::Ready, "the state of the file is known");
    assert_eq!(store.guard(0).await.unwrap().unwrap().head, 0, "nothing of it was stored");
    limit(1 << 20).await.unwrap();
    assert_eq!(store.commit(commit(owner, 1, large)).await, Ok(Applied::Yes), "room again");
}
