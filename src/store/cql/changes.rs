//! What later entries did to messages.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use schema::record::message_state::{EDIT_SLOTS, EDIT_SLOTS_END};
use schema::record::{Content, Entry, Event, MessageBody};
use schema::{ConversationId, Sequence, SequenceRange};

use super::failure::Failure;
use super::materialise::pack;
use super::messages::{EntryColumns, entry};
use super::rows::{bucket, sequence, to_column};
use super::store::{Store, all};

/// Partitions of one conversation that are read at once.
const BUCKETS_IN_FLIGHT: usize = 4;

impl Store {
    /// The changes of the messages of a range.
    pub(super) async fn read_changes(
        &self,
        id: ConversationId,
        targets: SequenceRange,
    ) -> Result<Vec<Entry>, Failure> {
        let Some(targets) = self.bounded(id, targets).await? else { return Ok(Vec::new()) };
        let buckets = bucket(targets.first)..=bucket(targets.last);
        let reads = stream::iter(buckets).map(|bucket| async move {
            let (first, last) = (to_column(targets.first.0), to_column(targets.last.0));
            let key = (id.0, to_column(bucket), first, last);
            let rows = self.rows::<EntryColumns>(&self.statements().changes, key).await?;
            rows.into_iter().map(|row| entry(id, row)).collect::<Result<Vec<_>, _>>()
        });
        reads.buffered(BUCKETS_IN_FLIGHT).try_concat().await
    }

    /// Takes away what a message and its edits said. As each row keeps the later of what is
    /// written, it does not matter whether they are there yet.
    pub(super) async fn scrub(
        &self,
        id: ConversationId,
        target: Sequence,
        order: i64,
    ) -> Result<(), Failure> {
        let body = MessageBody::new(Content::Deleted {});
        let message = pack(&Event::Message(body))?;
        let content = Content::Deleted {};
        let edit = Event::MessageEdited { target, content, mentions: vec![], expires_at: None };
        let edit = pack(&edit)?;
        let statements = self.statements();
        let column = |seq: Sequence| to_column(bucket(seq));
        let key = (id.0, column(target), to_column(target.0), EDIT_SLOTS, EDIT_SLOTS_END);
        let edits = self.rows::<(String, Option<i64>)>(&statements.edits, key).await?;
        let numbers = edits.iter().filter_map(|(_, seq)| seq.map(sequence));
        let numbers: Vec<Sequence> = numbers.collect::<Result<_, _>>()?;
        self.forget_mentions(id, target, &numbers, order).await?;
        let mut messages = vec![(target, message)];
        let mut changes = Vec::new();
        for (slot, seq) in edits {
            if let Some(seq) = seq {
                messages.push((sequence(seq)?, edit.clone()));
            }
            changes.push((id.0, column(target), to_column(target.0), slot, edit.clone(), order));
        }
        let messages = messages.into_iter().map(|(seq, event)| {
            let row = (id.0, column(seq), to_column(seq.0), event, order);
            self.write(&statements.scrub_message, row)
        });
        all(messages.collect()).await?;
        let changes = changes.into_iter().map(|row| self.write(&statements.scrub_change, row));
        all(changes.collect()).await?;
        Ok(())
    }
}
