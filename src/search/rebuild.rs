//! Reads logs into an index: a part that grew, or all there is.

use std::collections::BTreeSet;
use std::future::ready;

use actors::ports::{CommitRing, MessageStore as _, StoreError};
use actors::sequencer::shard_of;
use anyhow::Context as _;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use schema::record::{Entry, Event};
use schema::{ConversationId, Sequence, SequenceRange, metric};

use super::cluster::ClusterSearch;
use super::opensearch::{Failure, Operation, operation, position};
use crate::store::cql::GrownLog;

/// Entries that are read at once.
const PAGE_ENTRIES: u64 = 500;
/// Documents of one request.
const WRITE_DOCUMENTS: usize = 1_000;
const WRITE_BYTES: usize = 4 * 1024 * 1024;
/// Logs that are read at once.
const LOGS: usize = 8;

/// Why an index could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum IndexError {
    #[error(transparent)]
    OpenSearch(#[from] Failure),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was read into an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Rebuilt {
    pub conversations: u64,
    pub entries: u64,
    pub documents: u64,
}

/// Told of after each log.
pub(super) type Progress<'a> = &'a (dyn Fn(&Rebuilt) + Send + Sync);

pub(super) fn silent(_: &Rebuilt) {}

/// Documents on their way.
#[derive(Default)]
struct Outgoing {
    operations: Vec<Operation>,
    bytes: usize,
}

impl Outgoing {
    fn add(&mut self, operation: Operation) {
        self.bytes += 128 + operation.document["text"].as_str().map_or(0, str::len);
        self.operations.push(operation);
    }

    fn take_if_full(&mut self) -> Vec<Operation> {
        if self.operations.len() < WRITE_DOCUMENTS && self.bytes < WRITE_BYTES {
            return Vec::new();
        }
        std::mem::take(self).operations
    }
}

impl ClusterSearch {
    /// Brings these parts of logs into an index.
    pub(super) async fn index_logs(
        &self,
        index: &str,
        logs: impl Iterator<Item = GrownLog>,
    ) -> Result<(), IndexError> {
        let logs = stream::iter(logs).map(Ok);
        self.read_all(index, logs, &silent).await.map(drop)
    }

    /// Brings the whole logs of some shards into an index, and then their positions: what comes
    /// meanwhile is in their feed.
    pub(super) async fn index_shards(
        &self,
        index: &str,
        shards: &BTreeSet<u32>,
        progress: Progress<'_>,
    ) -> Result<Rebuilt, IndexError> {
        let mut marks = Vec::new();
        for shard in shards {
            let guard = CommitRing::guard(&self.store, *shard).await;
            let guard = guard.map_err(|error| StoreError::Unavailable(error.to_string()))?;
            marks.push(position(*shard, guard.map_or(0, |guard| guard.done)));
        }
        let of_all = self.store.facts().shape.shards;
        let heads = self.store.all_heads().await?;
        let logs = heads.try_filter_map(|(id, head)| {
            let is_wanted = shards.contains(&shard_of(id, of_all));
            ready(Ok(is_wanted.then_some((id, 1, head.0))))
        });
        let rebuilt = self.read_all(index, logs.map_err(IndexError::from), progress).await?;
        self.client.write(index, &marks).await?;
        Ok(rebuilt)
    }

    async fn read_all(
        &self,
        index: &str,
        logs: impl stream::Stream<Item = Result<GrownLog, IndexError>>,
        progress: Progress<'_>,
    ) -> Result<Rebuilt, IndexError> {
        let (mut rebuilt, mut outgoing) = (Rebuilt::default(), Outgoing::default());
        let read = logs.map_ok(|log| self.read_log(index, log).boxed()).try_buffer_unordered(LOGS);
        let mut read = std::pin::pin!(read);
        while let Some((entries, written, rest)) = read.try_next().await? {
            rebuilt.conversations += 1;
            rebuilt.entries += entries;
            rebuilt.documents += written + rest.len() as u64;
            rest.into_iter().for_each(|operation| outgoing.add(operation));
            self.client.write(index, &outgoing.take_if_full()).await?;
            progress(&rebuilt);
        }
        self.client.write(index, &outgoing.operations).await?;
        metrics::counter!(metric::SEARCH_INDEXED).increment(rebuilt.entries);
        Ok(rebuilt)
    }

    /// Reads one log, or a part; returns how many entries it has, how many documents were written
    /// on the way, and what is left to write.
    async fn read_log(
        &self,
        index: &str,
        (id, first, last): GrownLog,
    ) -> Result<(u64, u64, Vec<Operation>), IndexError> {
        let (mut outgoing, mut entries, mut written) = (Outgoing::default(), 0, 0);
        let mut next = first.max(1);
        if next == 1 {
            // What is kept no longer may be there still, for a moment.
            next = self.store.purged_up_to(id).await?.next().0;
        }
        while next <= last {
            let until = last.min(next + PAGE_ENTRIES - 1);
            let range = SequenceRange::new(Sequence(next), Sequence(until));
            for entry in self.store.range(id, range).await? {
                entries += 1;
                let edited = self.edited(id, &entry).await?;
                if let Some(operation) = operation(&entry, edited.as_ref()) {
                    outgoing.add(operation);
                }
                let full = outgoing.take_if_full();
                written += full.len() as u64;
                self.client.write(index, &full).await?;
            }
            next = until + 1;
        }
        Ok((entries, written, outgoing.operations))
    }

    /// The message that an edit is of.
    async fn edited(&self, id: ConversationId, entry: &Entry) -> Result<Option<Entry>, StoreError> {
        let Event::MessageEdited { target, .. } = entry.event else { return Ok(None) };
        let found = self.store.range(id, SequenceRange::new(target, target)).await?;
        Ok(found.into_iter().next())
    }

    /// Makes a fresh index of all logs, then searches that one in place of the one before.
    /// Servers may run; they follow the new one from where it ends.
    ///
    /// # Errors
    /// When the database or OpenSearch does not answer; the index before is searched on.
    pub async fn reindex(&self, now_ms: i64, progress: Progress<'_>) -> anyhow::Result<Rebuilt> {
        let index = self.client.fresh_index(now_ms).await.context("making an index")?;
        let shards = (0..self.store.facts().shape.shards).collect();
        let rebuilt = self.index_shards(&index, &shards, progress).await;
        let rebuilt = rebuilt.context("filling the new index; the one before is searched on")?;
        self.client.switch_to(&index).await.context("switching to the new index")?;
        Ok(rebuilt)
    }
}
