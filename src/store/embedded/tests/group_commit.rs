use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actors::ports::{Applied, Commit, CommitRing, MaterialisedCommit, MessageStore};
use bytes::Bytes;
use futures_util::future::join_all;
use schema::record::PositionAdvance;
use schema::{ConversationId, DeviceId, OwnerToken, Sequence, SequenceRange, UserId};

use super::{TempDir, message};
use crate::store::embedded::Store;

async fn owned_shards(store: &Store) -> Vec<OwnerToken> {
    let owners: Vec<_> = (0..4).map(|_| OwnerToken::generate()).collect();
    for (shard, owner) in (0..).zip(&owners) {
        assert_eq!(store.create(shard, *owner).await, Ok(Applied::Yes));
    }
    owners
}

#[tokio::test]
async fn a_hundred_commits_share_their_syncs() {
    let dir = TempDir::new();
    let store = dir.open();
    let owners = owned_shards(&store).await;
    let transactions = store.transactions();
    let commits = (1..=25_u64)
        .flat_map(|n| (0..4).zip(&owners).map(move |(shard, owner)| (n, shard, *owner)));
    let answers = join_all(commits.map(|(n, shard, owner)| {
        let payload = Bytes::from(vec![1; 200]);
        store.commit(Commit { shard, owner, n, done: n - 1, payload })
    }))
    .await;
    assert_eq!(answers, vec![Ok(Applied::Yes); 100], "in the order of asking, all apply");
    let transactions = store.transactions() - transactions;
    assert!(transactions < 50, "100 commits took {transactions} transactions");
}

#[tokio::test]
async fn positions_for_whom_nobody_waits_are_gathered() {
    use actors::ports::RosterStore as _;
    let dir = TempDir::new();
    let store = dir.open();
    let (conversation_id, user_id) = (ConversationId::generate(), UserId::generate());
    let device = DeviceId::generate();
    let advance = |seq| {
        vec![PositionAdvance {
            user_id,
            conversation_id,
            delivered: Some((device, Sequence(seq))),
            read: None,
            is_private: false,
        }]
    };
    let transactions = store.transactions();
    let mut gathered = Vec::new();
    for seq in 1..=30 {
        gathered.push(store.advance_positions_at_leisure(advance(seq)));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // One that is waited for does not wait for them, and takes them along.
    store.advance_positions(advance(31)).await.unwrap();
    assert_eq!(join_all(gathered).await, vec![Ok(()); 30]);
    let transactions = store.transactions() - transactions;
    assert!(transactions < 10, "{transactions} transactions for 31 positions");
    let positions = store.positions_of(conversation_id).await.unwrap();
    assert_eq!(positions[0].delivered, Sequence(31));
}

/// Commits, then materialises, `count` entries one by one, reading each back.
async fn write_a_log(store: Store, shard: u32, owner: OwnerToken, count: u64) -> ConversationId {
    let conversation = ConversationId::generate();
    for n in 1..=count {
        let payload = Bytes::from(n.to_string());
        let commit = Commit { shard, owner, n, done: n - 1, payload };
        assert_eq!(store.commit(commit).await, Ok(Applied::Yes));
        let commit =
            MaterialisedCommit { shard, n, entries: Arc::from([message(conversation, n)]) };
        store.materialise(vec![commit]).await.unwrap();
        assert_eq!(store.head(conversation).await, Ok(Sequence(n)), "reads see what returned");
    }
    conversation
}

#[test]
fn shards_write_and_readers_read_at_once() {
    let dir = TempDir::new();
    let store = dir.open();
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let owners = runtime().block_on(owned_shards(&store));
    let shared = ConversationId::generate();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..)
            .zip(owners)
            .map(|(shard, owner)| {
                let store = store.clone();
                scope.spawn(move || runtime().block_on(write_a_log(store, shard, owner, 60)))
            })
            .collect();
        // One log grows; what readers see of it has no holes.
        let grow = async {
            for n in 0..40 {
                let entries = (n * 10 + 1..=n * 10 + 10).map(|seq| message(shared, seq)).collect();
                let commit = MaterialisedCommit { shard: 0, n: n + 1, entries };
                store.materialise(vec![commit]).await.unwrap();
            }
        };
        let reader = scope.spawn(|| {
            runtime().block_on(async {
                while !over.load(Ordering::Relaxed) {
                    let everything = SequenceRange::new(Sequence(1), Sequence(u64::MAX));
                    let entries = store.range(shared, everything).await.unwrap();
                    let numbers: Vec<_> = entries.iter().map(|entry| entry.seq.0).collect();
                    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
                }
            });
        });
        runtime().block_on(grow);
        let conversations: Vec<_> = writers
            .into_iter()
            .map(|writer| writer.join().expect("the writer's checks hold"))
            .collect();
        over.store(true, Ordering::Relaxed);
        reader.join().expect("the reader's checks hold");
        for conversation in conversations {
            assert_eq!(runtime().block_on(store.head(conversation)), Ok(Sequence(60)));
        }
    });
}
