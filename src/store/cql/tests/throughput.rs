//! Figures, not promises: run alone, with `--ignored --nocapture`.

use std::sync::Arc;
use std::time::Duration;

use actors::ports::{Applied, Commit, CommitRing, MaterialisedCommit, MessageStore};
use bytes::Bytes;
use futures_util::future::join_all;
use schema::record::Entry;
use schema::{ConversationId, OwnerToken, UserId};
use tokio::time::Instant;

use super::{config, keyspace_name, message, ring};
use crate::store::cql::{Store, migrate};

const MEASURED: Duration = Duration::from_secs(6);
/// Packed, of one entry.
const ENTRY_BYTES: usize = 280;

/// Commits on one shard, one at a time; returns the latency of each, milliseconds.
async fn commit_on(store: Store, shard: u32, bytes: usize) -> Vec<f64> {
    let owner = OwnerToken::generate();
    assert_eq!(ring(&store).create(shard, owner).await, Ok(Applied::Yes));
    let payload = Bytes::from(vec![7; bytes]);
    let (end, mut latencies_ms) = (Instant::now() + MEASURED, Vec::new());
    for n in 1.. {
        let since = Instant::now();
        let commit = Commit { shard, owner, n, done: n - 1, payload: payload.clone() };
        assert_eq!(store.commit(commit).await, Ok(Applied::Yes));
        latencies_ms.push(since.elapsed().as_secs_f64() * 1e3);
        if Instant::now() > end {
            break;
        }
    }
    latencies_ms
}

async fn measure_commits(store: &Store, first: u32, shards: u32, entries: usize) {
    let work =
        (first..first + shards).map(|it| commit_on(store.clone(), it, entries * ENTRY_BYTES));
    let mut latencies_ms: Vec<f64> = join_all(work).await.into_iter().flatten().collect();
    latencies_ms.sort_by(f64::total_cmp);
    let quantile = |q: f64| latencies_ms[((latencies_ms.len() - 1) as f64 * q) as usize];
    let per_second = latencies_ms.len() as f64 / MEASURED.as_secs_f64();
    println!(
        "{shards:>2} shards x {entries:>3} entries: {per_second:>6.0} commits/s, {:>7.0} msg/s, \
         p50 {:.2} p99 {:.2} max {:.1} ms",
        per_second * entries as f64,
        quantile(0.5),
        quantile(0.99),
        quantile(1.0)
    );
}

/// Entries of one call, spread over conversations.
fn entries(people: &mut [(ConversationId, UserId, u64)], count: usize) -> Arc<[Entry]> {
    let conversations = people.len();
    (0..count)
        .map(|index| {
            let (id, sender_id, seq) = &mut people[index % conversations];
            *seq += 1;
            Entry { sender_id: *sender_id, ..message(*id, *seq) }
        })
        .collect()
}

async fn measure_materialising(store: &Store, commits: usize, size: usize, conversations: usize) {
    let work = (0..4_u32).map(|shard| async move {
        let mut people: Vec<_> = (0..conversations)
            .map(|_| (ConversationId::generate(), UserId::generate(), 0))
            .collect();
        let (end, mut n, mut rows) = (Instant::now() + MEASURED, 0, 0);
        while Instant::now() < end {
            let calls = (0..commits).map(|_| {
                n += 1;
                MaterialisedCommit { shard, n, entries: entries(&mut people, size) }
            });
            store.materialise(calls.collect()).await.expect("answers");
            rows += commits * size;
        }
        rows
    });
    let rows: usize = join_all(work).await.into_iter().sum();
    println!(
        "4 x {commits:>2} commits of {size:>3} entries in {conversations:>4} conversations: {:>6.0} entries/s",
        rows as f64 / MEASURED.as_secs_f64()
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints figures"]
async fn throughput() {
    let config = config(&keyspace_name()).await;
    let since = Instant::now();
    migrate(&config).await.expect("migrates");
    let migrated = since.elapsed();
    let store = Store::connect(&config).await.expect("connects");
    println!("migrating took {migrated:?}, connecting {:?}", since.elapsed() - migrated);
    let mut first = 0;
    for (shards, entries) in [(1, 1), (8, 1), (16, 1), (8, 16), (8, 128)] {
        measure_commits(&store, first, shards, entries).await;
        first += shards;
    }
    for (commits, size, conversations) in
        [(1, 1, 1), (1, 32, 1), (8, 32, 4), (1, 128, 128), (8, 128, 8), (8, 128, 1_000)]
    {
        measure_materialising(&store, commits, size, conversations).await;
    }
}
