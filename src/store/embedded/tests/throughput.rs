//! Figures, printed: `cargo test --release … throughput -- --ignored --nocapture --test-threads 1`.

use std::sync::Arc;
use std::time::Duration;

use actors::ports::{
    Applied, Commit, CommitRing, MaterialisedCommit, MessageStore, RingShape, StoreError,
};
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::{FuturesOrdered, StreamExt};
use schema::record::Entry;
use schema::{ConversationId, OwnerToken, UserId};
use tokio::time::Instant;

use super::{TempDir, message};
use crate::store::embedded::{EmbeddedConfig, Store};

const SHARDS: u32 = 4;
/// Packed, of one entry.
const ENTRY_BYTES: usize = 280;

/// One measurement.
#[derive(Clone, Copy)]
struct Load {
    entries_per_commit: usize,
    conversations: usize,
    seconds: u64,
    /// Pause between the commits of a shard: an open system instead of a saturated one.
    pause_ms: u64,
}

/// A shard's committer in small: one commit in flight, materialising behind it.
struct Shard {
    store: Store,
    number: u32,
    owner: OwnerToken,
    conversations: Vec<(ConversationId, UserId, u64)>,
    next_conversation: usize,
}

impl Shard {
    fn entries(&mut self, count: usize) -> Arc<[Entry]> {
        (0..count)
            .map(|_| {
                self.next_conversation = (self.next_conversation + 1) % self.conversations.len();
                let (conversation_id, sender_id, seq) =
                    &mut self.conversations[self.next_conversation];
                *seq += 1;
                Entry { sender_id: *sender_id, ..message(*conversation_id, *seq) }
            })
            .collect()
    }

    /// Returns entries stored and the latency of each commit, milliseconds.
    async fn run(mut self, load: Load) -> (usize, Vec<f64>) {
        let payload = Bytes::from(vec![7; load.entries_per_commit * ENTRY_BYTES]);
        let slots = u64::from(self.store.shape().slots);
        let end = Instant::now() + Duration::from_secs(load.seconds);
        let (mut n, mut done, mut stored) = (0, 0, 0);
        let mut latencies_ms = Vec::new();
        let mut behind = FuturesOrdered::new();
        while Instant::now() < end {
            while n - done >= slots - 1 {
                let finished: Result<u64, StoreError> = behind.next().await.expect("some");
                done = finished.expect("materialised");
            }
            n += 1;
            let commit =
                Commit { shard: self.number, owner: self.owner, n, done, payload: payload.clone() };
            let since = Instant::now();
            assert_eq!(self.store.commit(commit).await, Ok(Applied::Yes));
            latencies_ms.push(since.elapsed().as_secs_f64() * 1e3);
            let entries = self.entries(load.entries_per_commit);
            stored += entries.len();
            let commit = MaterialisedCommit { shard: self.number, n, entries };
            let materialised = self.store.materialise(vec![commit]);
            behind.push_back(async move { materialised.await.map(|()| n) });
            tokio::task::yield_now().await;
            while let Some(Some(finished)) = futures_util::FutureExt::now_or_never(behind.next()) {
                done = finished.expect("materialised");
            }
            if load.pause_ms > 0 {
                tokio::time::sleep(Duration::from_millis(load.pause_ms)).await;
            }
        }
        while let Some(finished) = behind.next().await {
            finished.expect("materialised");
        }
        (stored, latencies_ms)
    }
}

/// Processor time of this process so far, seconds.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks = |index: usize| fields[index].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) / 100.0
}

async fn measure(load: Load) {
    let dir = TempDir::new();
    let new_shape = RingShape { shards: SHARDS, slots: 256 };
    let store = Store::open(EmbeddedConfig { new_shape, ..dir.config() }).expect("opens");
    let mut shards = Vec::new();
    for number in 0..SHARDS {
        let owner = OwnerToken::generate();
        assert_eq!(store.create(number, owner).await, Ok(Applied::Yes));
        let conversations = (0..load.conversations / SHARDS as usize)
            .map(|_| (ConversationId::generate(), UserId::generate(), 0))
            .collect();
        shards.push(Shard {
            store: store.clone(),
            number,
            owner,
            conversations,
            next_conversation: 0,
        });
    }
    let (since, processor) = (Instant::now(), processor_seconds());
    let results = join_all(shards.into_iter().map(|shard| shard.run(load))).await;
    let seconds = since.elapsed().as_secs_f64();
    let processor = processor_seconds() - processor;
    let stored: usize = results.iter().map(|(stored, _)| stored).sum();
    let mut latencies_ms: Vec<f64> = results.into_iter().flat_map(|(_, it)| it).collect();
    latencies_ms.sort_by(f64::total_cmp);
    let quantile = |q: f64| latencies_ms[((latencies_ms.len() - 1) as f64 * q) as usize];
    println!(
        "{:>4} entries/commit, {:>6} conversations, pause {:>2} ms: {:>8.0} msg/s, {:>5.1} us processor/msg, \
         {:>6} commits, commit p50 {:.2} p99 {:.2} p99.9 {:.2} max {:.1} ms, {} transactions",
        load.entries_per_commit,
        load.conversations,
        load.pause_ms,
        stored as f64 / seconds,
        processor * 1e6 / stored as f64,
        latencies_ms.len(),
        quantile(0.5),
        quantile(0.99),
        quantile(0.999),
        quantile(1.0),
        store.transactions(),
    );
}

#[tokio::test]
#[ignore = "prints figures"]
async fn throughput() {
    let seconds = std::env::var("SECONDS_EACH").map_or(5, |it| it.parse().expect("a number"));
    for conversations in [200, 20_000] {
        for entries_per_commit in [1, 16, 128] {
            measure(Load { entries_per_commit, conversations, seconds, pause_ms: 0 }).await;
        }
        for (entries_per_commit, pause_ms) in [(1, 4), (16, 10)] {
            measure(Load { entries_per_commit, conversations, seconds, pause_ms }).await;
        }
    }
}
