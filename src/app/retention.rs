//! Taking away what has expired, and removing what is kept no longer: for the shards of this node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use actors::conversation::Purged;
use actors::ports::{MessageStore, Owner, StoreError, WallClock};
use actors::supervisor::Tree;
use schema::record::Conversation;
use schema::{ConversationId, Sequence, SequenceRange, metric};
use tokio::time::Instant;

/// What expired is taken away so often.
const EXPIRED_EVERY: Duration = Duration::from_secs(5);
/// Entries of one step; between steps, other work has its turn.
const EXPIRED_ENTRIES: u32 = 500;
/// Entries come to the list of what expires a little after they were stored. What expired this long
/// ago is looked at once more before that is noted for good.
const LATE_MS: i64 = 10 * 60 * 1_000;
/// A store without a note is looked through from so long ago.
const FIRST_LOOK_MS: i64 = 48 * 60 * 60 * 1_000;
const OLD_EVERY: Duration = Duration::from_secs(60 * 60);
/// After a shard came here: whoever had it may not have come to look.
const OLD_FIRST: Duration = Duration::from_secs(15);
const CONVERSATIONS: u32 = 100;
const OLD_ENTRIES: u32 = 2_000;
const BETWEEN_STEPS: Duration = Duration::from_millis(20);

/// How far one shard is.
#[derive(Clone, Copy, Debug)]
struct Progress {
    /// Everything that expired up to here was looked at.
    reached_ms: i64,
    /// The same for good: also what came late.
    noted_ms: i64,
}

/// Works for as long as the node runs.
pub async fn purge(tree: Arc<Tree>, clock: Arc<dyn WallClock>) {
    let mut shards: BTreeMap<u32, Progress> = BTreeMap::new();
    let mut owned = BTreeSet::new();
    let mut old_at = Instant::now() + OLD_FIRST;
    loop {
        tokio::time::sleep(EXPIRED_EVERY).await;
        let now_ms = clock.now_ms();
        for shard in 0..tree.ports.ring.shape().shards {
            if tree.ports.directory.owner(shard) != Owner::Here {
                shards.remove(&shard);
                owned.remove(&shard);
                continue;
            }
            if owned.insert(shard) {
                old_at = old_at.min(Instant::now() + OLD_FIRST);
            }
            if let Err(error) = expired(&tree, &mut shards, shard, now_ms).await {
                tracing::warn!(%error, shard, "what expired was not taken away; tried again");
            }
        }
        if Instant::now() >= old_at {
            old_at = Instant::now() + OLD_EVERY;
            if let Err(error) = old(&tree, now_ms).await {
                tracing::warn!(%error, "old entries were not removed; tried again");
            }
        }
    }
}

/// Takes away what expired in one shard.
async fn expired(
    tree: &Tree,
    shards: &mut BTreeMap<u32, Progress>,
    shard: u32,
    now_ms: i64,
) -> Result<(), StoreError> {
    let messages = &tree.ports.messages;
    let mut progress = match shards.get(&shard) {
        Some(progress) => *progress,
        None => {
            let noted = messages.expired_up_to(shard).await?;
            let noted_ms = noted.unwrap_or(now_ms - FIRST_LOOK_MS);
            Progress { reached_ms: noted_ms, noted_ms }
        }
    };
    let (from_ms, reached_ms) = (progress.reached_ms, now_ms);
    silence(messages.as_ref(), shard, from_ms, reached_ms).await?;
    progress.reached_ms = reached_ms.max(from_ms);
    if progress.noted_ms + 2 * LATE_MS < now_ms {
        silence(messages.as_ref(), shard, progress.noted_ms, now_ms - LATE_MS).await?;
        progress.noted_ms = now_ms - LATE_MS;
        messages.note_expired_up_to(shard, progress.noted_ms).await?;
    }
    shards.insert(shard, progress);
    Ok(())
}

async fn silence(
    messages: &dyn MessageStore,
    shard: u32,
    mut after_ms: i64,
    up_to_ms: i64,
) -> Result<(), StoreError> {
    while after_ms < up_to_ms {
        let done = messages.purge_expired(shard, after_ms, up_to_ms, EXPIRED_ENTRIES).await?;
        metrics::counter!(metric::ENTRIES_EXPIRED).increment(done.purged);
        after_ms = done.reached_ms.max(after_ms + 1);
        if after_ms < up_to_ms {
            tokio::time::sleep(BETWEEN_STEPS).await;
        }
    }
    Ok(())
}

/// Removes what conversations of this node's shards keep no longer.
async fn old(tree: &Tree, now_ms: i64) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let some = tree.ports.messages.conversations_after(after, CONVERSATIONS).await?;
        for id in &some {
            if tree.sequencers.owner(*id) == Owner::Here {
                old_of(tree, *id, now_ms).await?;
            }
        }
        if some.len() < CONVERSATIONS as usize {
            return Ok(());
        }
        after = some.last().copied();
        tokio::time::sleep(BETWEEN_STEPS).await;
    }
}

async fn old_of(tree: &Tree, id: ConversationId, now_ms: i64) -> Result<(), StoreError> {
    let Some(record) = tree.ports.roster.conversation(id).await? else { return Ok(()) };
    let days = tree.conversations.context().retention_default_days;
    let Some(kept_ms) = record.retention_ms(days) else { return Ok(()) };
    let kept_since_ms = now_ms.saturating_sub(i64::try_from(kept_ms).unwrap_or(i64::MAX));
    let messages = tree.ports.messages.as_ref();
    // What was cut short goes on: nobody is shown it, but it is there.
    let begun = Some(record.purged_up_to).filter(|up_to| *up_to > Sequence::START);
    let Some(up_to) = last_before(messages, &record, kept_since_ms).await?.or(begun) else {
        return Ok(());
    };
    // Nobody is shown any of it from here on; its rows go a piece at a time.
    let mut has_more = true;
    while has_more {
        has_more = messages.purge_below(id, up_to, OLD_ENTRIES).await?;
        if let Some(running) = tree.conversations.get(id) {
            let _ = running.try_send(Purged { up_to });
        }
        tokio::time::sleep(BETWEEN_STEPS).await;
    }
    let removed = record.purged_up_to.distance_to(up_to);
    metrics::counter!(metric::ENTRIES_REMOVED).increment(removed);
    Ok(())
}

/// The last entry that was sent before `since_ms`, by halving; `None`: none is to go. The newest
/// entry always stays: the log goes on from it.
async fn last_before(
    messages: &dyn MessageStore,
    record: &Conversation,
    since_ms: i64,
) -> Result<Option<Sequence>, StoreError> {
    let (id, first) = (record.conversation_id, record.purged_up_to.next());
    let is_old = async |seq: Sequence| {
        let read = messages.range(id, SequenceRange::new(seq, seq)).await?;
        Ok::<_, StoreError>(read.first().is_some_and(|entry| entry.sent_at < since_ms))
    };
    let head = messages.head(id).await?;
    if first >= head || !is_old(first).await? {
        return Ok(None);
    }
    let (mut low, mut high) = (first, head);
    // The entry `low` is old; `high` is not, or is the newest.
    while low.next() < high {
        let middle = Sequence(low.0 + (high.0 - low.0) / 2);
        if is_old(middle).await? {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(Some(low))
}

#[cfg(test)]
mod tests {
    use actors::memory::MemoryStore;
    use actors::ports::{MaterialisedCommit, NewConversation, RosterStore as _};
    use schema::record::{Content, ConversationKind, Entry, Event, MessageBody};
    use schema::{MessageId, UserId};

    use super::*;

    const NOW_MS: i64 = 1_800_000_000_000;

    /// Entry n was sent n milliseconds after NOW_MS.
    async fn log(store: &MemoryStore, count: u64) -> ConversationId {
        let id = ConversationId::generate();
        let new = NewConversation {
            conversation_id: id,
            kind: ConversationKind::Group,
            name: None,
            created_by: UserId::generate(),
            created_at: NOW_MS,
            members: Vec::new(),
        };
        store.create(new).await.unwrap();
        let entry = |seq: u64| Entry {
            conversation_id: id,
            seq: Sequence(seq),
            message_id: MessageId::generate(),
            sender_id: UserId::generate(),
            sent_at: NOW_MS + i64::try_from(seq).unwrap(),
            ordinal: seq,
            event: Event::Message(MessageBody::new(Content::Text { text: "hi".into() })),
        };
        let entries = (1..=count).map(entry).collect();
        let commit = MaterialisedCommit { shard: 0, n: 1, entries };
        store.materialise(vec![commit]).await.unwrap();
        id
    }

    #[tokio::test]
    async fn the_last_old_entry_is_found_and_the_newest_stays() {
        let store = MemoryStore::default();
        let id = log(&store, 100).await;
        let record = store.conversation(id).await.unwrap().unwrap();
        for (since, expected) in
            [(0, None), (1, None), (2, Some(1)), (50, Some(49)), (100, Some(99)), (900, Some(99))]
        {
            let found = last_before(&store, &record, NOW_MS + since).await.unwrap();
            assert_eq!(found, expected.map(Sequence), "{since}");
        }
        store.purge_below(id, Sequence(49), 10).await.unwrap();
        let record = store.conversation(id).await.unwrap().unwrap();
        assert_eq!(last_before(&store, &record, NOW_MS + 50).await, Ok(None), "once");
        let found = last_before(&store, &record, NOW_MS + 60).await.unwrap();
        assert_eq!(found, Some(Sequence(59)));
    }
}
