//! Follows the logs of this node's shards.
//!
//! How far a shard is stands in the index itself, written after the documents: whoever owns the
//! shard goes on there, and what was indexed twice is there once. Two nodes that both believe to
//! own a shard do the same work twice and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use actors::ports::{CommitRing, StoreError, WallClock};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use schema::metric;
use tokio::time::{Instant, sleep, timeout};

use super::cluster::ClusterSearch;
use super::leaving::Leaving;
use super::opensearch::{Failure, position};
use super::rebuild::{IndexError, silent};
use crate::store::cql::{FeedRow, GrownLog};

/// What grew is gathered for so long: many messages in one request.
const GATHER: Duration = Duration::from_millis(200);
/// Without news it is looked this often whether the index was replaced.
const LOOK: Duration = Duration::from_secs(5);
/// After a failure that is not OpenSearch's silence.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// Shards that are brought up at once.
const SHARDS: usize = 8;

/// Where a shard is, as this node knows.
struct Progress {
    index: String,
    position: u64,
}

pub(super) struct Indexer {
    search: ClusterSearch,
    owned: Box<dyn Fn() -> Vec<u32> + Send + Sync>,
    progress: BTreeMap<u32, Progress>,
    last_look: Option<Instant>,
    is_failing: bool,
    leaving: Leaving,
}

impl Indexer {
    pub fn new(
        search: ClusterSearch,
        owned: Box<dyn Fn() -> Vec<u32> + Send + Sync>,
        clock: Arc<dyn WallClock>,
    ) -> Self {
        let leaving = Leaving::new(search.clone(), clock);
        let progress = BTreeMap::new();
        Self { search, owned, progress, last_look: None, is_failing: false, leaving }
    }

    pub async fn run(mut self) {
        loop {
            if self.search.news.waiting().is_empty() {
                let _ = timeout(LOOK, self.search.news.wait()).await;
            }
            sleep(GATHER).await;
            let shards = self.shards();
            self.meter();
            let pause = self.search.client.pause();
            if pause > Duration::ZERO {
                sleep(pause).await;
                continue;
            }
            match self.work(&shards).await {
                Ok(()) => self.succeeded(),
                Err(IndexError::OpenSearch(Failure::Moved)) => self.last_look = None,
                Err(error) => {
                    self.failed(&error);
                    sleep(AFTER_FAILURE).await;
                }
            }
            self.meter();
        }
    }

    /// What was said comes into the index, then what is no more leaves it.
    async fn work(&mut self, shards: &BTreeSet<u32>) -> Result<(), IndexError> {
        if !shards.is_empty() {
            self.bring_up(shards).await?;
        }
        self.clear().await
    }

    /// Takes out of the index what is no more.
    pub(super) async fn clear(&mut self) -> Result<(), IndexError> {
        let owned: BTreeSet<u32> = (self.owned)().into_iter().collect();
        if owned.is_empty() {
            return Ok(());
        }
        self.leaving.clear(&owned).await
    }

    /// The shards to look at: those that grew, and now and then all of this node's.
    fn shards(&mut self) -> BTreeSet<u32> {
        let owned: BTreeSet<u32> = (self.owned)().into_iter().collect();
        let waiting = self.search.news.waiting();
        for shard in waiting.keys().filter(|shard| !owned.contains(shard)) {
            self.search.news.forget(*shard);
        }
        self.progress.retain(|shard, _| owned.contains(shard));
        let is_new = owned.iter().any(|shard| !self.progress.contains_key(shard));
        let is_due = self.last_look.is_none_or(|last| last.elapsed() >= LOOK);
        if is_due || is_new && !self.is_failing {
            self.last_look = Some(Instant::now());
            return owned;
        }
        waiting.into_keys().filter(|shard| owned.contains(shard)).collect()
    }

    /// Told once: while OpenSearch is away it would be told all the time.
    fn failed(&mut self, error: &IndexError) {
        if !self.is_failing {
            tracing::warn!(%error, "messages could not be indexed; tried again until they are");
        }
        self.is_failing = true;
    }

    fn succeeded(&mut self) {
        if std::mem::take(&mut self.is_failing) {
            tracing::info!("messages are indexed again");
        }
    }

    fn meter(&self) {
        let waiting = self.search.news.waiting();
        let behind = |(shard, growth): (&u32, &super::news::Growth)| {
            let at = self.progress.get(shard).map_or(0, |it| it.position);
            growth.last.saturating_sub(at)
        };
        let commits: u64 = waiting.iter().map(behind).sum();
        let oldest = waiting.values().map(|growth| growth.since.elapsed()).max();
        #[expect(clippy::cast_precision_loss, reason = "for display")]
        metrics::gauge!(metric::SEARCH_LAG_COMMITS).set(commits as f64);
        let seconds = oldest.unwrap_or_default().as_secs_f64();
        metrics::gauge!(metric::SEARCH_LAG_SECONDS).set(seconds);
    }

    /// Brings the index of some shards up to what is known of them.
    pub(super) async fn bring_up(&mut self, shards: &BTreeSet<u32>) -> Result<(), IndexError> {
        let client = &self.search.client;
        let index = client.current_index().await?;
        let mut positions = client.positions(&index, shards.iter().copied()).await?;
        let without: BTreeSet<u32> =
            shards.iter().copied().filter(|it| !positions.contains_key(it)).collect();
        if !without.is_empty() {
            let rebuilt = self.search.index_shards(&index, &without, &silent).await?;
            tracing::info!(shards = without.len(), ?rebuilt, "logs were read into the index");
            positions = client.positions(&index, shards.iter().copied()).await?;
        }
        let waiting = self.search.news.waiting();
        let is_known = |shard| self.progress.get(&shard).is_some_and(|it| it.index == index);
        let work = positions.into_iter().map(|(shard, position)| {
            let known = waiting.get(&shard).map(|growth| growth.last).filter(|_| is_known(shard));
            let is_quiet = known.is_none()
                && self
                    .progress
                    .get(&shard)
                    .is_some_and(|it| it.index == index && it.position == position);
            (shard, position, known, is_quiet)
        });
        let work: Vec<_> = work.filter(|(.., is_quiet)| !is_quiet).collect();
        let search = &self.search;
        let index = &index;
        let followed = stream::iter(work).map(|(shard, at, last, _)| async move {
            let position = search.follow_shard(index, shard, at, last).await?;
            search.news.indexed(shard, position);
            Ok::<_, IndexError>((shard, position))
        });
        let mut followed = followed.buffer_unordered(SHARDS);
        while let Some((shard, position)) = followed.try_next().await? {
            self.progress.insert(shard, Progress { index: index.clone(), position });
        }
        Ok(())
    }
}

impl ClusterSearch {
    /// Indexes what a shard's feed has above a position; returns the new position. `last`: the
    /// last commit that is in the feed, where that is known.
    async fn follow_shard(
        &self,
        index: &str,
        shard: u32,
        mut at: u64,
        last: Option<u64>,
    ) -> Result<u64, IndexError> {
        let last = match last {
            Some(last) => last,
            None => {
                let guard = CommitRing::guard(&self.store, shard).await;
                let guard = guard.map_err(|error| StoreError::Unavailable(error.to_string()))?;
                guard.map_or(0, |guard| guard.done)
            }
        };
        while at < last {
            let rows = self.store.grown(shard, at, last).await?;
            let whole = without_hole(at, rows);
            let Some(newest) = whole.last().map(|row| row.n) else {
                // The feed has forgotten, or nobody wrote it: all is read anew.
                tracing::info!(shard, at, last, "the feed has a hole; the shard is read anew");
                let only = BTreeSet::from([shard]);
                self.index_shards(index, &only, &silent).await?;
                let now = self.client.positions(index, std::iter::once(shard)).await?;
                return Ok(now.get(&shard).copied().unwrap_or(at).max(at));
            };
            self.index_logs(index, merged(&whole).into_iter()).await?;
            self.client.write(index, &[position(shard, newest)]).await?;
            at = newest;
        }
        Ok(at)
    }
}

/// The rows that follow each other from `at` on.
fn without_hole(mut at: u64, rows: Vec<FeedRow>) -> Vec<FeedRow> {
    let follows = |row: &FeedRow| {
        let follows = row.first <= at + 1;
        at = at.max(row.n);
        follows
    };
    rows.into_iter().take_while(follows).collect()
}

/// Each log once, with all that grew.
fn merged(rows: &[FeedRow]) -> Vec<GrownLog> {
    let mut logs = BTreeMap::new();
    for (id, first, last) in rows.iter().flat_map(|row| &row.logs) {
        let log = logs.entry(*id).or_insert((*first, *last));
        *log = (log.0.min(*first), log.1.max(*last));
    }
    logs.into_iter().map(|(id, (first, last))| (id, first, last)).collect()
}

#[cfg(test)]
mod tests {
    use schema::ConversationId;

    use super::*;

    fn row(first: u64, n: u64) -> FeedRow {
        let id = ConversationId::from_bytes([1; 16]);
        FeedRow { shard: 1, first, n, logs: vec![(id, first * 10, n * 10)] }
    }

    #[test]
    fn rows_count_up_to_the_first_hole() {
        let rows = vec![row(4, 6), row(7, 7), row(6, 8), row(10, 11), row(12, 12)];
        let whole = without_hole(5, rows.clone());
        assert_eq!(whole, rows[..3]);
        assert_eq!(merged(&whole), [(rows[0].logs[0].0, 40, 80)]);
        assert!(without_hole(2, rows).is_empty());
    }
}
