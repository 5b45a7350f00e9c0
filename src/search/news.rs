//! Which shards grew, told by whoever materialises: the log first, its feed second, then the
//! indexer is woken.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actors::ports::{ExpiredPurge, MaterialisedCommit, MessageStore, PortFuture};
use schema::record::Entry;
use schema::{ConversationId, MessageId, Sequence, SequenceRange, UserId};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::store::cql::{FeedRow, Store};

/// The last commit of each shard that is to be indexed, and since when one waits.
#[derive(Default)]
pub(super) struct News {
    shards: Mutex<BTreeMap<u32, Growth>>,
    /// Conversations whose entries up to a number are to leave the index.
    purged: Mutex<BTreeMap<ConversationId, Sequence>>,
    woken: Notify,
}

/// How far a shard's feed goes, and how far its index.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth {
    pub last: u64,
    /// When the oldest of what is not indexed yet was noted.
    pub since: Instant,
}

impl News {
    fn shards(&self) -> MutexGuard<'_, BTreeMap<u32, Growth>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A shard's feed goes up to commit `n`.
    pub fn grown(&self, shard: u32, n: u64) {
        let mut shards = self.shards();
        let growth = shards.entry(shard).or_insert(Growth { last: n, since: Instant::now() });
        growth.last = growth.last.max(n);
        drop(shards);
        self.woken.notify_one();
    }

    /// A shard's index goes up to commit `n`.
    pub fn indexed(&self, shard: u32, n: u64) {
        let mut shards = self.shards();
        match shards.get_mut(&shard) {
            Some(growth) if growth.last <= n => {
                shards.remove(&shard);
            }
            Some(growth) => growth.since = Instant::now(),
            None => {}
        }
    }

    /// A conversation keeps its entries up to here no longer.
    pub fn purged(&self, conversation: ConversationId, up_to: Sequence) {
        let mut purged = self.purged.lock().unwrap_or_else(PoisonError::into_inner);
        let known = purged.entry(conversation).or_insert(up_to);
        *known = up_to.max(*known);
        drop(purged);
        self.woken.notify_one();
    }

    pub fn has_purged(&self) -> bool {
        !self.purged.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// What was told by [`purged`](Self::purged) since.
    pub fn take_purged(&self) -> BTreeMap<ConversationId, Sequence> {
        std::mem::take(&mut *self.purged.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Another node follows this shard.
    pub fn forget(&self, shard: u32) {
        self.shards().remove(&shard);
    }

    /// What waits to be indexed, by shard.
    pub fn waiting(&self) -> BTreeMap<u32, Growth> {
        self.shards().clone()
    }

    pub async fn wait(&self) {
        self.woken.notified().await;
    }
}

/// A message store that notes in the feed what it has materialised.
pub(super) struct Noted {
    pub inner: Arc<dyn MessageStore>,
    pub store: Store,
    pub news: Arc<News>,
}

impl MessageStore for Noted {
    fn materialise(&self, commits: Vec<MaterialisedCommit>) -> PortFuture<()> {
        let rows = feed_rows(&commits);
        let materialised = self.inner.materialise(commits);
        let (store, news) = (self.store.clone(), self.news.clone());
        Box::pin(async move {
            materialised.await?;
            let lasts: Vec<(u32, u64)> = rows.iter().map(|row| (row.shard, row.n)).collect();
            store.note_grown(rows).await?;
            for (shard, n) in lasts {
                news.grown(shard, n);
            }
            Ok(())
        })
    }

    fn range(&self, conversation: ConversationId, range: SequenceRange) -> PortFuture<Vec<Entry>> {
        self.inner.range(conversation, range)
    }

    fn changes(
        &self,
        conversation: ConversationId,
        targets: SequenceRange,
    ) -> PortFuture<Vec<Entry>> {
        self.inner.changes(conversation, targets)
    }

    fn head(&self, conversation: ConversationId) -> PortFuture<Sequence> {
        self.inner.head(conversation)
    }

    fn sent(
        &self,
        conversation: ConversationId,
        sender: UserId,
        message: MessageId,
    ) -> PortFuture<Option<Sequence>> {
        self.inner.sent(conversation, sender, message)
    }

    fn purged_up_to(&self, conversation: ConversationId) -> PortFuture<Sequence> {
        self.inner.purged_up_to(conversation)
    }

    fn purge_expired(
        &self,
        shard: u32,
        after_ms: i64,
        up_to_ms: i64,
        entries_max: u32,
    ) -> PortFuture<ExpiredPurge> {
        self.inner.purge_expired(shard, after_ms, up_to_ms, entries_max)
    }

    fn expired_up_to(&self, shard: u32) -> PortFuture<Option<i64>> {
        self.inner.expired_up_to(shard)
    }

    fn note_expired_up_to(&self, shard: u32, up_to_ms: i64) -> PortFuture<()> {
        self.inner.note_expired_up_to(shard, up_to_ms)
    }

    fn purge_below(
        &self,
        conversation: ConversationId,
        up_to: Sequence,
        entries_max: u32,
    ) -> PortFuture<bool> {
        let purged = self.inner.purge_below(conversation, up_to, entries_max);
        let news = self.news.clone();
        Box::pin(async move {
            let has_more = purged.await?;
            if !has_more {
                news.purged(conversation, up_to);
            }
            Ok(has_more)
        })
    }

    fn conversations_after(
        &self,
        after: Option<ConversationId>,
        count_max: u32,
    ) -> PortFuture<Vec<ConversationId>> {
        self.inner.conversations_after(after, count_max)
    }
}

/// What the commits of one shard add to its logs.
struct Grown {
    first: u64,
    n: u64,
    logs: BTreeMap<ConversationId, (u64, u64)>,
}

/// One row for each shard among the commits.
fn feed_rows(commits: &[MaterialisedCommit]) -> Vec<FeedRow> {
    let mut shards: BTreeMap<u32, Grown> = BTreeMap::new();
    for commit in commits {
        let empty = || Grown { first: commit.n, n: commit.n, logs: BTreeMap::new() };
        let grown = shards.entry(commit.shard).or_insert_with(empty);
        (grown.first, grown.n) = (grown.first.min(commit.n), grown.n.max(commit.n));
        for entry in commit.entries.iter() {
            let seq = entry.seq.0;
            let log = grown.logs.entry(entry.conversation_id).or_insert((seq, seq));
            *log = (log.0.min(seq), log.1.max(seq));
        }
    }
    let rows = shards.into_iter().map(|(shard, Grown { first, n, logs })| {
        let logs = logs.into_iter().map(|(id, (first, last))| (id, first, last)).collect();
        FeedRow { shard, first, n, logs }
    });
    rows.collect()
}
