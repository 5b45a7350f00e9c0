//! An OpenSearch beside the store of a cluster.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actors::ports::{MessageStore, StoreError, WallClock};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use schema::record::{Entry, Event, Membership, message_state};
use schema::{ConversationId, SequenceRange, UserId};
use tokio::runtime::Handle;

use super::indexer::Indexer;
use super::news::{News, Noted};
use super::opensearch::{
    Candidate, Client, Failure, OpenSearchConfig, candidates, search_body, shown_text,
};
use super::port::{SearchError, SearchFuture, SearchHit, SearchIndex, SearchPage, SearchQuery};
use crate::store::cql::Store;

/// Candidates that are looked up in the store at once.
const LOOK_UPS: usize = 16;
/// Times that the index is asked again because what it found may not be seen.
const ROUNDS_MAX: u32 = 4;
/// What a client is told that comes while OpenSearch does not answer.
const RETRY_AFTER_MS: u64 = 5_000;

/// Searches in OpenSearch, checked against the store. Clones are the same.
#[derive(Clone)]
pub struct ClusterSearch {
    pub(super) client: Client,
    pub(super) store: Store,
    pub(super) news: Arc<News>,
    /// Serves the connections.
    handle: Handle,
}

impl ClusterSearch {
    /// Does not connect yet: a server starts without OpenSearch.
    ///
    /// # Errors
    /// A CA file that cannot be read.
    pub fn new(config: OpenSearchConfig, store: Store, handle: Handle) -> anyhow::Result<Self> {
        Ok(Self { client: Client::new(config)?, store, news: Arc::default(), handle })
    }

    /// The message store to give to actors: what is materialised by it is indexed.
    #[must_use]
    pub fn noting(&self, inner: Arc<dyn MessageStore>) -> Arc<dyn MessageStore> {
        Arc::new(Noted { inner, store: self.store.clone(), news: self.news.clone() })
    }

    /// Follows the logs of the shards that `owned` names, until the runtime ends.
    pub fn follow(
        &self,
        owned: impl Fn() -> Vec<u32> + Send + Sync + 'static,
        clock: Arc<dyn WallClock>,
    ) {
        self.handle.spawn(Indexer::new(self.clone(), Box::new(owned), clock).run());
    }

    async fn find(&self, query: SearchQuery) -> Result<SearchPage, SearchError> {
        let mut visible = self.store.places_of(query.reader).await?;
        if let Some(conversation) = query.conversation {
            visible.retain(|(id, _)| *id == conversation);
        }
        let places: BTreeMap<ConversationId, Membership> = visible.iter().copied().collect();
        let mut page = SearchPage::default();
        let mut offset = query.offset;
        for _ in 0..ROUNDS_MAX {
            let missing = query.limit.saturating_sub(count(page.hits.len()));
            let asked = missing.saturating_add(1);
            let Some(body) = search_body(&query, &visible, offset, asked) else {
                return Ok(page);
            };
            let found = self.candidates(query.reader, &body).await?;
            let is_last = count(found.len()) < asked;
            let looked_up = stream::iter(found)
                .map(|candidate| self.look_up(candidate, &places, &query))
                .buffered(LOOK_UPS)
                .try_collect::<Vec<_>>();
            for hit in looked_up.await? {
                if count(page.hits.len()) >= query.limit {
                    page.next = Some(offset);
                    return Ok(page);
                }
                page.hits.extend(hit);
                offset = offset.saturating_add(1);
            }
            if is_last {
                return Ok(page);
            }
        }
        page.next = Some(offset);
        Ok(page)
    }

    async fn candidates(
        &self,
        reader: UserId,
        body: &serde_json::Value,
    ) -> Result<Vec<Option<Candidate>>, SearchError> {
        let answer = self.client.search(&reader.to_string(), body).await;
        let found = answer.and_then(|answer| {
            candidates(&answer).ok_or_else(|| Failure::Unavailable("no whole answer".to_owned()))
        });
        found.map_err(|failure| {
            if !matches!(failure, Failure::LeftAlone(_)) {
                tracing::warn!(%failure, "a search could not be answered");
            }
            SearchError::Unavailable { retry_after_ms: RETRY_AFTER_MS }
        })
    }

    /// What the store says of a candidate now; `None` when the reader is not to see it.
    async fn look_up(
        &self,
        candidate: Option<Candidate>,
        places: &BTreeMap<ConversationId, Membership>,
        query: &SearchQuery,
    ) -> Result<Option<SearchHit>, StoreError> {
        let Some(candidate) = candidate else { return Ok(None) };
        let Some(place) = places.get(&candidate.conversation) else { return Ok(None) };
        let is_in_sight = candidate.seq > place.joined_after
            && place.left_at.is_none_or(|left_at| candidate.seq <= left_at);
        if !is_in_sight {
            return Ok(None);
        }
        let only = SequenceRange::new(candidate.seq, candidate.seq);
        let (entries, mut changes) = tokio::try_join!(
            self.store.range(candidate.conversation, only),
            self.store.changes(candidate.conversation, only),
        )?;
        // Whoever has left does not see what was edited since; what was deleted is gone for all.
        changes.retain(|it| {
            matches!(it.event, Event::MessageDeleted { .. })
                || place.left_at.is_none_or(|left_at| it.seq <= left_at)
        });
        let entry = entries.into_iter().next();
        Ok(entry.and_then(|entry| as_hit(entry, &changes, candidate, query)))
    }
}

/// The entry as it is now, if it is what was looked for and says what the index says.
fn as_hit(
    mut entry: Entry,
    changes: &[Entry],
    candidate: Candidate,
    query: &SearchQuery,
) -> Option<SearchHit> {
    if entry.is_expired(query.now_ms) {
        return None;
    }
    let is_wanted = query.from.is_none_or(|from| entry.sender_id == from)
        && query.since.is_none_or(|since| entry.sent_at >= since)
        && query.until.is_none_or(|until| entry.sent_at <= until);
    let state = message_state::states(changes).into_iter().next();
    let is_deleted = state.as_ref().is_some_and(|it| it.deleted.is_some());
    let Event::Message(body) = &mut entry.event else { return None };
    if let Some(edited) = state.and_then(|it| it.edited) {
        body.content = edited.content;
    }
    let says_so = shown_text(&body.content).is_some_and(|text| text == candidate.text);
    (is_wanted && !is_deleted && says_so)
        .then_some(SearchHit { entry, highlights: candidate.highlights })
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl SearchIndex for ClusterSearch {
    fn search(&self, query: SearchQuery) -> SearchFuture {
        let search = self.clone();
        // Connections belong to the runtime that opened them.
        let found = self.handle.spawn(async move { search.find(query).await });
        Box::pin(async move {
            let unavailable = SearchError::Unavailable { retry_after_ms: RETRY_AFTER_MS };
            match tokio::time::timeout(Duration::from_secs(15), found).await {
                Ok(Ok(answer)) => answer,
                _ => Err(unavailable),
            }
        })
    }
}
