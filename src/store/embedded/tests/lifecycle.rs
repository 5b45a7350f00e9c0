use std::os::unix::fs::PermissionsExt;

use actors::ports::{
    Applied, Commit, CommitRing, MaterialisedCommit, MessageStore, RingShape, RosterStore,
    StoreError, UserStore,
};
use bytes::Bytes;
use rusqlite::Connection;
use schema::record::{Entry, Event, NewRefreshToken};
use schema::{ConversationId, DeviceId, OwnerToken, Sequence, SequenceRange, UserId};

use super::{TempDir, message, ring};
use crate::store::embedded::open::database_path;
use crate::store::embedded::{
    EmbeddedConfig, Health, OpenError, Store, open_read_only, raise_generation,
};

fn commit(owner: OwnerToken, n: u64) -> Commit {
    Commit { shard: 0, owner, n, done: 0, payload: Bytes::from(format!("commit {n}")) }
}

fn entries(conversation: ConversationId, count: u64) -> MaterialisedCommit {
    let entries = (1..=count).map(|seq| message(conversation, seq)).collect();
    MaterialisedCommit { shard: 0, n: 1, entries }
}

fn mode_of(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).expect("the file exists").permissions().mode() & 0o777
}

#[tokio::test]
async fn a_second_server_is_refused() {
    let dir = TempDir::new();
    let store = dir.open();
    match Store::open(dir.config()) {
        Err(OpenError::InUse { holder, .. }) => {
            assert_eq!(holder, std::process::id().to_string(), "the holder is named");
        }
        other => panic!("a second open must be refused as in use, not {:?}", other.err()),
    }
    assert_eq!(
        ring(&store).create(0, OwnerToken::generate()).await,
        Ok(Applied::Yes),
        "the first works"
    );
    drop(store);
    dir.open();
}

#[tokio::test]
async fn what_was_answered_is_there_after_opening_again() {
    let dir = TempDir::new();
    let owner = OwnerToken::generate();
    let conversation = ConversationId::generate();
    for closed_in_order in [false, true] {
        let store = dir.open();
        let head = store.guard(0).await.unwrap().map_or(0, |guard| guard.head);
        ring(&store).create(0, owner).await.unwrap();
        assert_eq!(store.commit(commit(owner, head + 1)).await, Ok(Applied::Yes));
        store.materialise(vec![entries(conversation, (head + 1) * 10)]).await.unwrap();
        if closed_in_order {
            store.close();
            let log = database_path(dir.path()).with_extension("sqlite3-wal");
            let left = std::fs::metadata(log).map_or(0, |it| it.len());
            assert_eq!(left, 0, "an orderly end leaves no write-ahead log");
        }
        drop(store);

        let store = dir.open();
        assert_eq!(store.guard(0).await.unwrap().unwrap().head, head + 1);
        let slot = store.slot(0, head + 1).await.unwrap().unwrap();
        assert_eq!(slot.payload, format!("commit {}", head + 1));
        assert_eq!(store.head(conversation).await, Ok(Sequence((head + 1) * 10)));
    }
}

#[tokio::test]
async fn a_closed_store_refuses_and_frees_the_directory() {
    let dir = TempDir::new();
    let store = dir.open();
    let owner = OwnerToken::generate();
    ring(&store).create(0, owner).await.unwrap();
    let queued = store.commit(commit(owner, 1));
    store.close();
    assert_eq!(queued.await, Ok(Applied::Yes), "what was queued is still done");
    assert_eq!(store.health(), Health::Closed);
    assert!(store.commit(commit(owner, 2)).await.is_err(), "a closed store takes no writes");
    let read = store.conversation(ConversationId::generate()).await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "nor answers reads");
    dir.open();
}

#[tokio::test]
async fn files_are_private() {
    let dir = TempDir::new();
    let store = dir.open();
    ring(&store).create(0, OwnerToken::generate()).await.unwrap();
    assert_eq!(mode_of(dir.path()), 0o700);
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode_of(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn a_store_keeps_its_shape_and_id() {
    let dir = TempDir::new();
    let made = dir.open().facts();
    assert_eq!(made.shape, RingShape { shards: 4, slots: 16 });
    let other_shape = RingShape { shards: 9, slots: 9 };
    let config = EmbeddedConfig { new_shape: other_shape, ..dir.config() };
    assert_eq!(Store::open(config).unwrap().facts(), made);
}

#[test]
fn a_generation_is_raised_only_while_nobody_serves() {
    let dir = TempDir::new();
    let store = dir.open();
    assert!(matches!(raise_generation(dir.path(), 0), Err(OpenError::InUse { .. })));
    drop(store);
    assert_eq!(raise_generation(dir.path(), 0).unwrap(), 2);
    assert_eq!(raise_generation(dir.path(), 1_000).unwrap(), 1_000);
    assert_eq!(raise_generation(dir.path(), 7).unwrap(), 1_001);
    assert_eq!(dir.open().facts().generation, 1_001);
}

#[test]
fn a_newer_store_is_refused() {
    let dir = TempDir::new();
    drop(dir.open());
    let connection = Connection::open(database_path(dir.path())).unwrap();
    connection.execute_batch("PRAGMA user_version = 99").unwrap();
    let refused = Store::open(dir.config());
    assert!(matches!(refused, Err(OpenError::Newer { found: 99, .. })), "{:?}", refused.err());
    let refused = open_read_only(dir.path());
    assert!(matches!(refused, Err(OpenError::Newer { found: 99, .. })), "{:?}", refused.err());
}

/// Entries that were stored before ordinals were kept get them.
#[tokio::test]
async fn older_entries_are_counted_by_the_migration() {
    let dir = TempDir::new();
    let store = dir.open();
    let mut commit = entries(ConversationId::generate(), 5);
    let mut rows = commit.entries.to_vec();
    for at in [1, 3] {
        rows[at].event = Event::PinChanged { target: Sequence(1), on: true };
    }
    commit.entries = rows.into();
    store.materialise(vec![commit]).await.unwrap();
    store.close();
    let connection = Connection::open(database_path(dir.path())).unwrap();
    let added = ["mentions", "threads", "thread_replies", "facts", "due"];
    let drops: String = added.iter().map(|table| format!("DROP TABLE {table};")).collect();
    connection.execute_batch(&drops).unwrap();
    connection.execute_batch("ALTER TABLE messages DROP COLUMN ordinal").unwrap();
    let migration = include_str!("../../../../schema/sqlite/0020_personal.sql");
    connection.execute_batch(migration).unwrap();
    let sql = "SELECT ordinal FROM messages ORDER BY entry_id";
    let mut statement = connection.prepare(sql).unwrap();
    let ordinals = statement.query_map([], |row| row.get::<_, i64>(0)).unwrap();
    let ordinals: Vec<i64> = ordinals.map(Result::unwrap).collect();
    assert_eq!(ordinals, [1, 1, 2, 2, 3]);
}

#[test]
fn a_strange_database_is_refused_and_left_alone() {
    let dir = TempDir::new();
    std::fs::create_dir_all(dir.path()).unwrap();
    let connection = Connection::open(database_path(dir.path())).unwrap();
    connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
    let refused = Store::open(dir.config());
    assert!(matches!(refused, Err(OpenError::NotAStore)), "{:?}", refused.err());
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1, "nothing was added");
}

#[tokio::test]
async fn an_audit_reads_beside_the_server_and_without_it() {
    let dir = TempDir::new();
    assert!(matches!(open_read_only(dir.path()), Err(OpenError::Missing(_))));
    let store = dir.open();
    let owner = OwnerToken::generate();
    ring(&store).create(0, owner).await.unwrap();
    store.commit(commit(owner, 1)).await.unwrap();
    let conversations = [ConversationId::generate(), ConversationId::generate()];
    for (conversation, count) in conversations.into_iter().zip([1_203, 7]) {
        store.materialise(vec![entries(conversation, count)]).await.unwrap();
    }

    let audit = open_read_only(dir.path()).unwrap();
    let check = || {
        assert_eq!(audit.facts().shape.slots, 16);
        assert_eq!(audit.guard(0).unwrap().unwrap().head, 1);
        assert_eq!(audit.slot(0, 1).unwrap().unwrap().payload, "commit 1");
        let found: Vec<_> = audit.conversations().map(Result::unwrap).collect();
        let mut expected = conversations.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected);
        for (conversation, count) in conversations.into_iter().zip([1_203, 7]) {
            let numbers: Vec<_> =
                audit.entries(conversation).map(|entry| entry.unwrap().seq.0).collect();
            assert_eq!(numbers, (1..=count).collect::<Vec<_>>());
            assert_eq!(audit.head(conversation), Ok(Sequence(count)));
            assert_eq!(audit.conversation(conversation), Ok(None), "it was never created");
        }
        assert_eq!(audit.faults_of_file(), Ok(Vec::new()));
    };
    check();
    drop(store);
    check();
    drop(audit);
    let audit = open_read_only(dir.path()).unwrap();
    assert_eq!(audit.conversations().count(), 2, "also with nobody else there");
}

#[tokio::test]
async fn served_rows_are_purged_in_bites() {
    let dir = TempDir::new();
    let store = dir.open();
    let conversation = ConversationId::generate();
    let mut commit = entries(conversation, 10);
    let rows: Vec<Entry> = commit
        .entries
        .iter()
        .map(|entry| Entry {
            sent_at: if entry.seq.0 <= 6 { 1_000 } else { 2_000 },
            ..entry.clone()
        })
        .collect();
    commit.entries = rows.clone().into();
    store.materialise(vec![commit]).await.unwrap();
    let (mut after, mut bites) = (None, 0);
    loop {
        after = store.purge_sent_index(after, 1_500, 3).await.unwrap();
        bites += 1;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(bites, 4, "ten rows, three at a time");
    for entry in &rows {
        let found = store.sent(conversation, entry.sender_id, entry.message_id).await.unwrap();
        assert_eq!(found, (entry.sent_at > 1_500).then_some(entry.seq));
    }
    let everything = SequenceRange::new(Sequence(1), Sequence(10));
    assert_eq!(store.range(conversation, everything).await.unwrap(), rows, "messages stay");

    let token = |byte: u8| NewRefreshToken {
        hash: [byte; 32],
        user_id: UserId::generate(),
        device_id: DeviceId::generate(),
        expires_at: i64::from(byte),
    };
    for byte in 1..=9 {
        store.add_refresh_token(token(byte)).await.unwrap();
    }
    assert_eq!(store.purge_refresh_tokens(6, 3).await, Ok(3));
    assert_eq!(store.purge_refresh_tokens(6, 3).await, Ok(2));
    assert_eq!(store.purge_refresh_tokens(6, 3).await, Ok(0));
}
