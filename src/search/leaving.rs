//! What is no more leaves the index: messages that expired, and those that are kept no longer.
//!
//! Nothing is noted of what expired: the index itself tells what is left to remove. Of what is kept
//! no longer the index has a mark for each conversation, written once the messages are out of it.
//! Whoever takes a shard over, or finds another index, compares these marks with what the store
//! says: whatever was cut short goes on.

use std::collections::BTreeSet;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use actors::ports::WallClock;
use actors::sequencer::shard_of;
use futures_util::TryStreamExt as _;
use schema::{ConversationId, Sequence};
use tokio::time::Instant;

use super::cluster::ClusterSearch;
use super::opensearch::{removed, removed_id};
use super::rebuild::IndexError;

/// What expired is removed so often, by the owner of the first shard.
const LOOK: Duration = Duration::from_secs(5);
/// Marks that are read at once.
const MARKS: usize = 500;

pub(super) struct Leaving {
    search: ClusterSearch,
    clock: Arc<dyn WallClock>,
    /// The index that these shards were compared with.
    index: String,
    compared: BTreeSet<u32>,
    looked_at: Option<Instant>,
}

impl Leaving {
    pub fn new(search: ClusterSearch, clock: Arc<dyn WallClock>) -> Self {
        let (index, compared) = (String::new(), BTreeSet::new());
        Self { search, clock, index, compared, looked_at: None }
    }

    /// Removes what is to be removed of the shards of this node.
    pub async fn clear(&mut self, owned: &BTreeSet<u32>) -> Result<(), IndexError> {
        let is_due = self.looked_at.is_none_or(|last| last.elapsed() >= LOOK);
        if !is_due && !self.search.news.has_purged() {
            return Ok(());
        }
        self.looked_at = Some(Instant::now());
        let index = self.search.client.current_index().await?;
        if index != self.index {
            (self.index, self.compared) = (index.clone(), BTreeSet::new());
        }
        self.compared.retain(|shard| owned.contains(shard));
        if owned.contains(&0) {
            self.search.client.remove_expired(&index, self.clock.now_ms()).await?;
        }
        let fresh: BTreeSet<u32> = owned.difference(&self.compared).copied().collect();
        if !fresh.is_empty() {
            self.compare(&fresh).await?;
            self.compared.extend(fresh);
        }
        let purged: Vec<_> = self.search.news.take_purged().into_iter().collect();
        for (at, some) in purged.chunks(MARKS).enumerate() {
            if let Err(error) = self.remove(&index, some).await {
                // Not forgotten, whatever comes of this.
                for (id, up_to) in &purged[at * MARKS..] {
                    self.search.news.purged(*id, *up_to);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Removes what is kept no longer of some conversations, of those that have no mark of it.
    async fn remove(
        &self,
        index: &str,
        purged: &[(ConversationId, Sequence)],
    ) -> Result<(), IndexError> {
        let client = &self.search.client;
        let ids: Vec<String> = purged.iter().map(|(id, _)| removed_id(*id)).collect();
        let marks = client.numbers(index, &ids).await?;
        for ((id, up_to), mark) in purged.iter().zip(marks) {
            if mark.is_some_and(|mark| mark >= up_to.0) {
                continue;
            }
            let count = client.remove_below(index, *id, *up_to).await?;
            client.write(index, &[removed(*id, *up_to)]).await?;
            tracing::debug!(%id, %up_to, count, "what is kept no longer left the index");
        }
        Ok(())
    }

    /// What the store keeps no longer, of some shards: whoever owned them may not have come to it.
    async fn compare(&self, shards: &BTreeSet<u32>) -> Result<(), IndexError> {
        let of_all = self.search.store.facts().shape.shards;
        let purged = self.search.store.all_purged().await?.try_filter(|(id, up_to)| {
            ready(*up_to > Sequence::START && shards.contains(&shard_of(*id, of_all)))
        });
        let mut purged = std::pin::pin!(purged);
        while let Some((id, up_to)) = purged.try_next().await? {
            self.search.news.purged(id, up_to);
        }
        Ok(())
    }
}
