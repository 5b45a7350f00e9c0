//! Taking away what entries said once their time is over, and entries that are kept no longer.
//!
//! No write goes by the clock: see `docs/decision/0016-purging-keeps-commit-order.md`. What an
//! entry said is overwritten half a step after the commit that brought it; entries that are kept no
//! longer are removed at the end of all commit orders, which hides any late copy of theirs.

use actors::ports::ExpiredPurge;
use schema::record::{Entry, Event};
use schema::{ConversationId, Sequence};
use uuid::Uuid;

use super::failure::Failure;
use super::materialise::pack;
use super::rows::{bucket, sequence, small, to_column};
use super::store::{Store, all};

pub(super) const HOUR_MS: i64 = 60 * 60 * 1_000;
/// Between two orders of one commit's entries and those of the next; an import's are below it.
const HALF_STEP: i64 = 512;
/// Later than the order of every commit.
const END_OF_ORDER: i64 = 1 << 62;
/// Rows that tell what expires are kept for so long beyond that time.
const LISTED_S: i64 = 365 * 24 * 60 * 60;
/// Longest TTL that the database takes, 20 years.
const TTL_MAX_S: i64 = 630_720_000;
/// Hours that are looked through at most in one call.
const HOURS_MAX: usize = 48;

/// The TTL of the row that tells when the entry expires.
pub(super) fn expiring_ttl_s(entry: &Entry) -> i32 {
    let after_ms = entry.expires_at().map_or(0, |at| at.saturating_sub(entry.sent_at));
    let ttl_s = (after_ms / 1_000).saturating_add(LISTED_S).clamp(LISTED_S, TTL_MAX_S);
    i32::try_from(ttl_s).unwrap_or(i32::MAX)
}

type ExpiringColumns = (i64, Uuid, i64);

impl Store {
    pub(super) async fn silence_expired(
        &self,
        shard: u32,
        after_ms: i64,
        up_to_ms: i64,
        entries_max: u32,
    ) -> Result<ExpiredPurge, Failure> {
        let shard = small(shard.into());
        let (mut purged, mut left) = (0, entries_max.max(1) as usize);
        let hours = after_ms.div_euclid(HOUR_MS)..=up_to_ms.div_euclid(HOUR_MS);
        for (count, hour) in hours.enumerate() {
            if count >= HOURS_MAX {
                return Ok(ExpiredPurge { purged, reached_ms: hour * HOUR_MS - 1 });
            }
            let limit = i32::try_from(left).unwrap_or(i32::MAX);
            let key = (shard, hour, after_ms, up_to_ms, limit);
            let statement = &self.statements().expiring;
            let mut rows = self.rows::<ExpiringColumns>(statement, key).await?;
            let full = rows.last().map(|row| row.0).filter(|_| rows.len() >= left);
            if let Some(last_ms) = full {
                // All of that millisecond: what follows begins after it.
                rows.retain(|row| row.0 < last_ms);
                let key = (shard, hour, last_ms - 1, last_ms, i32::MAX);
                rows.extend(self.rows::<ExpiringColumns>(statement, key).await?);
            }
            left = left.saturating_sub(rows.len());
            let work = rows.into_iter().map(|(_, id, seq)| self.silence(ConversationId(id), seq));
            let silenced = all(work.collect()).await?;
            purged += silenced.into_iter().map(u64::from).sum::<u64>();
            if let Some(reached_ms) = full {
                return Ok(ExpiredPurge { purged, reached_ms });
            }
        }
        Ok(ExpiredPurge { purged, reached_ms: up_to_ms })
    }

    /// Takes away what one entry said; false when there was nothing.
    async fn silence(&self, id: ConversationId, seq: i64) -> Result<bool, Failure> {
        type Columns = (Option<Vec<u8>>, Option<i64>);
        let seq = sequence(seq)?;
        let column = |seq: Sequence| to_column(bucket(seq));
        let statements = self.statements();
        let key = (id.0, column(seq), to_column(seq.0));
        let row = self.row::<Columns>(&statements.said, key).await?;
        let Some((Some(event), Some(order))) = row else { return Ok(false) };
        let event: Event = rmp_serde::from_slice(&event).map_err(|error| {
            Failure::Damaged(format!("an event of {id} cannot be read: {error}"))
        })?;
        let scrubbed = event.scrubbed();
        if event == scrubbed {
            return Ok(false);
        }
        let (packed, order) = (pack(&scrubbed)?, order | HALF_STEP);
        if let Event::MessageEdited { target, .. } = event {
            let slot = schema::record::message_state::edit_slot(seq);
            let row = (id.0, column(target), to_column(target.0), slot, packed.clone(), order);
            self.write(&statements.scrub_change, row).await?;
        }
        let row = (id.0, column(seq), to_column(seq.0), packed, order);
        self.write(&statements.scrub_message, row).await?;
        Ok(true)
    }

    pub(super) async fn read_expired_up_to(&self, shard: u32) -> Result<Option<i64>, Failure> {
        let key = (small(shard.into()),);
        let row = self.row::<(Option<i64>,)>(&self.statements().expired_up_to, key).await?;
        Ok(row.and_then(|(up_to,)| up_to))
    }

    pub(super) async fn write_expired_up_to(
        &self,
        shard: u32,
        up_to_ms: i64,
    ) -> Result<(), Failure> {
        let row = (up_to_ms, up_to_ms, small(shard.into()));
        self.write(&self.statements().set_expired_up_to, row).await
    }

    pub(super) async fn read_purged(&self, id: ConversationId) -> Result<Sequence, Failure> {
        let row = self.row::<(Option<i64>,)>(&self.statements().purged, (id.0,)).await?;
        row.and_then(|(up_to,)| up_to).map_or(Ok(Sequence::START), sequence)
    }

    pub(super) async fn write_purged(
        &self,
        id: ConversationId,
        up_to: Sequence,
    ) -> Result<(), Failure> {
        let column = to_column(up_to.0);
        self.write(&self.statements().set_purged, (column, column, id.0)).await
    }

    /// Removes the oldest entries up to `up_to`, a few partitions of them; true while there are
    /// more.
    pub(super) async fn remove_below(
        &self,
        id: ConversationId,
        up_to: Sequence,
        entries_max: u32,
    ) -> Result<bool, Failure> {
        let Some((head, _)) = self.read_head(id).await? else { return Ok(false) };
        let up_to = up_to.min(head);
        let removed = self.read_removed(id).await?;
        if up_to <= removed {
            return Ok(false);
        }
        self.write_purged(id, up_to).await?;
        let end = up_to.min(removed.forward(entries_max.max(1).into()));
        let statements = self.statements();
        for each in bucket(removed.next())..=bucket(end) {
            let row = (END_OF_ORDER, id.0, to_column(each), to_column(end.0));
            self.write(&statements.remove_messages, row).await?;
            self.write(&statements.remove_changes, row).await?;
        }
        let column = to_column(end.0);
        self.write(&statements.set_removed, (column, column, id.0)).await?;
        Ok(end < up_to)
    }

    async fn read_removed(&self, id: ConversationId) -> Result<Sequence, Failure> {
        let row = self.row::<(Option<i64>,)>(&self.statements().removed, (id.0,)).await?;
        row.and_then(|(up_to,)| up_to).map_or(Ok(Sequence::START), sequence)
    }

    pub(super) async fn heads_after(
        &self,
        after: Option<ConversationId>,
        count_max: u32,
    ) -> Result<Vec<ConversationId>, Failure> {
        let count = small(count_max.into());
        let statements = self.statements();
        let rows = match after {
            Some(after) => self.rows::<(Uuid,)>(&statements.next_heads, (after.0, count)).await?,
            None => self.rows::<(Uuid,)>(&statements.first_heads, (count,)).await?,
        };
        Ok(rows.into_iter().map(|(id,)| ConversationId(id)).collect())
    }
}
