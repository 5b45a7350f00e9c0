//! Reading logs: ranges, heads, sent ids.

use actors::ports::{ExpiredPurge, MaterialisedCommit, MessageStore, PortFuture};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use schema::record::Entry;
use schema::{ConversationId, MessageId, Sequence, SequenceRange, UserId};
use uuid::Uuid;

use super::failure::Failure;
use super::materialise::Plan;
use super::rows::{bucket, day, number, sequence, to_column};
use super::store::{Store, answer, measured};

/// Partitions of one conversation that are read at once.
const BUCKETS_IN_FLIGHT: usize = 4;

pub(super) type EntryColumns = (i64, Uuid, Uuid, i64, Vec<u8>);
/// The same with the ordinal.
type MessageColumns = (i64, Uuid, Uuid, i64, Vec<u8>, Option<i64>);

impl Store {
    /// A conversation's head and when its entry was sent; `None` while it has no entries.
    pub(super) async fn read_head(
        &self,
        id: ConversationId,
    ) -> Result<Option<(Sequence, i64)>, Failure> {
        let row = self.row::<(Option<i64>, Option<i64>)>(&self.statements().head, (id.0,));
        let Some((Some(head), sent_at)) = row.await? else { return Ok(None) };
        Ok(Some((sequence(head)?, sent_at.unwrap_or(0))))
    }

    pub(super) async fn read_range(
        &self,
        id: ConversationId,
        wanted: SequenceRange,
    ) -> Result<Vec<Entry>, Failure> {
        let Some(range) = self.bounded(id, wanted).await? else { return Ok(Vec::new()) };
        let buckets = bucket(range.first)..=bucket(range.last);
        let reads = stream::iter(buckets).map(|bucket| self.read_bucket(id, bucket, range));
        reads.buffered(BUCKETS_IN_FLIGHT).try_concat().await
    }

    /// The range less what cannot have entries, so that few partitions are asked.
    pub(super) async fn bounded(
        &self,
        id: ConversationId,
        wanted: SequenceRange,
    ) -> Result<Option<SequenceRange>, Failure> {
        let mut range = SequenceRange::new(wanted.first.max(Sequence(1)), wanted.last);
        if !range.is_empty() && bucket(range.last) > bucket(range.first) + 1 {
            let head = self.read_head(id).await?.map_or(Sequence::START, |(head, _)| head);
            range.last = range.last.min(head);
        }
        Ok(Some(range).filter(|range| !range.is_empty()))
    }

    async fn read_bucket(
        &self,
        id: ConversationId,
        bucket: u64,
        range: SequenceRange,
    ) -> Result<Vec<Entry>, Failure> {
        let key = (id.0, to_column(bucket), to_column(range.first.0), to_column(range.last.0));
        let rows = self.rows::<MessageColumns>(&self.statements().messages, key).await?;
        let whole = |(seq, message, sender, sent_at, event, ordinal): MessageColumns| {
            let ordinal = number(ordinal.unwrap_or(0))?;
            Ok(Entry { ordinal, ..entry(id, (seq, message, sender, sent_at, event))? })
        };
        rows.into_iter().map(whole).collect()
    }

    pub(super) async fn read_sent(
        &self,
        id: ConversationId,
        sender: UserId,
        message: MessageId,
    ) -> Result<Option<Sequence>, Failure> {
        let key = (id.0, sender.0, day(message), message.0);
        let row = self.row::<(Option<i64>,)>(&self.statements().sent, key).await?;
        row.and_then(|(seq,)| seq).map(sequence).transpose()
    }
}

pub(super) fn entry(
    conversation_id: ConversationId,
    columns: EntryColumns,
) -> Result<Entry, Failure> {
    let (seq, message_id, sender_id, sent_at, event) = columns;
    Ok(Entry {
        conversation_id,
        seq: sequence(seq)?,
        message_id: MessageId(message_id),
        sender_id: UserId(sender_id),
        sent_at,
        ordinal: 0,
        event: rmp_serde::from_slice(&event).map_err(|error| {
            Failure::Damaged(format!("an event of {conversation_id} cannot be read: {error}"))
        })?,
    })
}

impl MessageStore for Store {
    /// Takes as long as its rows need; each statement has its deadline.
    fn materialise(&self, commits: Vec<MaterialisedCommit>) -> PortFuture<()> {
        let store = self.clone();
        Box::pin(async move {
            let work = async { store.carry_out(Plan::of_commits(&commits)?).await };
            Ok(measured("materialise", work).await?)
        })
    }

    fn range(&self, conversation: ConversationId, wanted: SequenceRange) -> PortFuture<Vec<Entry>> {
        let store = self.clone();
        Box::pin(async move { answer("range", store.read_range(conversation, wanted)).await })
    }

    fn changes(
        &self,
        conversation: ConversationId,
        targets: SequenceRange,
    ) -> PortFuture<Vec<Entry>> {
        let store = self.clone();
        Box::pin(async move { answer("changes", store.read_changes(conversation, targets)).await })
    }

    fn head(&self, conversation: ConversationId) -> PortFuture<Sequence> {
        let store = self.clone();
        Box::pin(async move {
            let head = answer("head", store.read_head(conversation)).await?;
            Ok(head.map_or(Sequence::START, |(head, _)| head))
        })
    }

    fn sent(
        &self,
        conversation: ConversationId,
        sender: UserId,
        message: MessageId,
    ) -> PortFuture<Option<Sequence>> {
        let store = self.clone();
        Box::pin(
            async move { answer("sent", store.read_sent(conversation, sender, message)).await },
        )
    }

    fn purged_up_to(&self, conversation: ConversationId) -> PortFuture<Sequence> {
        let store = self.clone();
        Box::pin(async move { answer("purged_up_to", store.read_purged(conversation)).await })
    }

    fn purge_expired(
        &self,
        shard: u32,
        after_ms: i64,
        up_to_ms: i64,
        entries_max: u32,
    ) -> PortFuture<ExpiredPurge> {
        let store = self.clone();
        Box::pin(async move {
            let work = store.silence_expired(shard, after_ms, up_to_ms, entries_max);
            answer("purge_expired", work).await
        })
    }

    fn expired_up_to(&self, shard: u32) -> PortFuture<Option<i64>> {
        let store = self.clone();
        Box::pin(async move { answer("expired_up_to", store.read_expired_up_to(shard)).await })
    }

    fn note_expired_up_to(&self, shard: u32, up_to_ms: i64) -> PortFuture<()> {
        let store = self.clone();
        Box::pin(async move {
            answer("note_expired_up_to", store.write_expired_up_to(shard, up_to_ms)).await
        })
    }

    fn purge_below(
        &self,
        conversation: ConversationId,
        up_to: Sequence,
        entries_max: u32,
    ) -> PortFuture<bool> {
        let store = self.clone();
        Box::pin(async move {
            answer("purge_below", store.remove_below(conversation, up_to, entries_max)).await
        })
    }

    fn conversations_after(
        &self,
        after: Option<ConversationId>,
        count_max: u32,
    ) -> PortFuture<Vec<ConversationId>> {
        let store = self.clone();
        Box::pin(
            async move { answer("conversations_after", store.heads_after(after, count_max)).await },
        )
    }
}
