//! Reading a whole store from beside, also while servers write to it.

use std::collections::BTreeMap;

use actors::committer::payload;
use actors::ports::{Guard, Slot, StoreError};
use actors::sequencer::shard_of;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use schema::checker::{History, Row, Violation};
use schema::record::{Conversation, Entry};
use schema::{ConversationId, Sequence, SequenceRange};
use scylla::statement::prepared::PreparedStatement;
use serde::Serialize;
use uuid::Uuid;

use super::failure::Failure;
use super::store::{Store, all};
use crate::store::embedded::StoreFacts;

/// Conversations whose heads are read before the ring is read once. Their ids and heads are kept
/// in memory.
const CONVERSATIONS_PAGE: usize = 4_096;
/// Conversations that are checked at once; memory is that of so many of the largest.
const CHECKED_AT_ONCE: usize = 4;
/// Entries that are read at a time.
const ENTRIES_PAGE: u64 = 500;
/// Ids are kept in the index for 30 days; rows near their end are not looked for.
const INDEXED_MS: i64 = 29 * 86_400_000;

/// What an audit looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditOptions {
    /// Look every entry of the last 29 days up in the index of sent ids: a read for each.
    pub sent_index: bool,
    /// What time it is, milliseconds since 1970 UTC.
    pub now_ms: i64,
}

/// What was read and what is wrong with it.
#[derive(Debug, Default, Serialize)]
pub struct AuditReport {
    pub passed: bool,
    pub conversations: u64,
    pub rows: u64,
    pub messages: u64,
    /// Rows of commits that readers' tables do not have yet.
    pub rows_only_in_ring: u64,
    /// Rows that were looked up in the index of sent ids.
    pub rows_indexed: u64,
    pub violations: Vec<Violation>,
    /// Where the ring of commits and the readers' tables disagree, or a slot does not read.
    pub ring_faults: Vec<String>,
    /// Entries whose id the index of sent ids does not have, or has with another number.
    pub index_faults: Vec<String>,
}

/// A store that is only read.
#[derive(Clone)]
pub struct AuditReader {
    store: Store,
}

/// Committed entries that may not be materialised yet.
pub type RingRows = BTreeMap<ConversationId, BTreeMap<Sequence, Row>>;

impl AuditReader {
    #[must_use]
    pub fn new(store: &Store) -> Self {
        Self { store: store.clone() }
    }

    #[must_use]
    pub fn facts(&self) -> StoreFacts {
        self.store.facts()
    }

    /// Every conversation that was created or has entries, each once, in no order.
    #[must_use]
    pub fn conversations(&self) -> BoxStream<'_, Result<ConversationId, StoreError>> {
        let created = self.scan(&self.store.statements().all_conversations);
        let with_entries = self.scan(&self.store.statements().all_heads);
        let never_created = with_entries.try_filter_map(async |id| {
            let row = self.has_row(id).await?;
            Ok(Some(id).filter(|_| !row))
        });
        created.chain(never_created).map_err(StoreError::from).boxed()
    }

    fn scan<'a>(
        &'a self,
        statement: &'a PreparedStatement,
    ) -> BoxStream<'a, Result<ConversationId, Failure>> {
        let pages = async {
            let pages = self.store.session().execute_iter(statement.clone(), ()).await?;
            let rows = pages.rows_stream::<(Uuid,)>()?;
            Ok::<_, Failure>(rows.map_ok(|(id,)| ConversationId(id)).map_err(Failure::from))
        };
        stream::once(pages).try_flatten().boxed()
    }

    async fn has_row(&self, id: ConversationId) -> Result<bool, Failure> {
        type Columns = (Option<String>, Option<String>, Option<Uuid>, Option<i64>);
        let statement = &self.store.statements().conversation;
        Ok(self.store.row::<Columns>(statement, (id.0,)).await?.is_some())
    }

    /// Every materialised entry up to number `last`, by number.
    #[must_use]
    pub fn entries(
        &self,
        id: ConversationId,
        last: Sequence,
    ) -> BoxStream<'_, Result<Entry, StoreError>> {
        let pages = stream::try_unfold(Sequence::START, move |after| async move {
            if after >= last {
                return Ok::<_, StoreError>(None);
            }
            let range = SequenceRange::above(after, ENTRIES_PAGE, last);
            let page = self.store.read_range(id, range).await?;
            Ok(Some((stream::iter(page.into_iter().map(Ok)), range.last)))
        });
        pages.try_flatten().boxed()
    }

    /// A conversation's own row; `None` if it has entries without ever having been created.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn conversation(
        &self,
        id: ConversationId,
    ) -> Result<Option<Conversation>, StoreError> {
        Ok(self.store.read_conversation(id).await?)
    }

    /// The head that readers are told.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn head(&self, id: ConversationId) -> Result<Sequence, StoreError> {
        Ok(self.store.read_head(id).await?.map_or(Sequence::START, |(head, _)| head))
    }

    /// A shard's guard cells.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn guard(&self, shard: u32) -> Result<Option<Guard>, StoreError> {
        Ok(self.store.ring_guard(shard).await?)
    }

    /// The slot of commit `n`, whose entries may not be materialised yet. The caller checks `n`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn slot(&self, shard: u32, n: u64) -> Result<Option<Slot>, StoreError> {
        Ok(self.store.ring_slot(shard, n).await?)
    }

    /// The rows of all commits that may not be materialised, and what is wrong with their slots.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ring_rows(&self) -> Result<(RingRows, Vec<String>), StoreError> {
        let shards = 0..self.facts().shape.shards;
        let shards = all(shards.map(|shard| self.shard_rows(shard)).collect()).await?;
        let (mut rows, mut faults) = (RingRows::new(), Vec::new());
        for (of_shard, faults_of_shard) in shards {
            for row in of_shard {
                rows.entry(row.conversation_id).or_default().insert(row.seq, row);
            }
            faults.extend(faults_of_shard);
        }
        Ok((rows, faults))
    }

    async fn shard_rows(&self, shard: u32) -> Result<(Vec<Row>, Vec<String>), Failure> {
        let (mut rows, mut faults) = (Vec::new(), Vec::new());
        let Some(guard) = self.store.ring_guard(shard).await? else { return Ok((rows, faults)) };
        for n in guard.done + 1..=guard.head {
            // A slot with another number was materialised and used again since the guard was read.
            let slot = self.store.ring_slot(shard, n).await?;
            let Some(slot) = slot.filter(|slot| slot.n == n) else {
                let now = self.store.ring_guard(shard).await?;
                if now.is_some_and(|now| now.done < n) {
                    faults.push(format!("shard {shard}, commit {n}: not in its slot, nor done"));
                }
                continue;
            };
            match payload::split(&slot.payload) {
                Ok(entries) => rows.extend(entries.iter().map(Row::from)),
                Err(error) => faults.push(format!("shard {shard}, commit {n}: {error}")),
            }
        }
        let shards = self.facts().shape.shards;
        let strays = rows.iter().filter(|row| shard_of(row.conversation_id, shards) != shard);
        faults.extend(strays.map(|row| format!("shard {shard} holds {row}, of another shard")));
        Ok((rows, faults))
    }
}

/// Reads the whole stored log and checks its promises. Servers may go on meanwhile.
///
/// Per page of conversations: heads first, the ring second, entries last. So whatever a head or
/// the ring shows was committed before the entries are read, and is in the ring that was read or
/// in the tables; what comes meanwhile is above, and no violation.
///
/// # Errors
/// When the database does not answer.
pub async fn audit(store: &Store, options: AuditOptions) -> Result<AuditReport, StoreError> {
    let reader = AuditReader::new(store);
    let mut report = AuditReport::default();
    // Commits of conversations that no table knows yet.
    let (first_ring, _) = reader.ring_rows().await?;
    let mut pages = reader.conversations().try_chunks(CONVERSATIONS_PAGE);
    let mut unseen = first_ring;
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| error.1)?;
        for id in &page {
            unseen.remove(id);
        }
        audit_page(&reader, &page, options, &mut report).await?;
    }
    let unseen: Vec<_> = unseen.into_keys().collect();
    audit_page(&reader, &unseen, options, &mut report).await?;
    report.ring_faults.sort();
    report.ring_faults.dedup();
    report.passed = report.violations.is_empty()
        && report.ring_faults.is_empty()
        && report.index_faults.is_empty();
    Ok(report)
}

async fn audit_page(
    reader: &AuditReader,
    page: &[ConversationId],
    options: AuditOptions,
    report: &mut AuditReport,
) -> Result<(), StoreError> {
    let heads = all(page.iter().map(|id| reader.store.read_head(*id)).collect()).await?;
    let (mut ring, faults) = reader.ring_rows().await?;
    report.ring_faults.extend(faults);
    let checks: Vec<_> = page
        .iter()
        .zip(heads)
        .map(|(id, head)| {
            let head = head.map_or(Sequence::START, |(head, _)| head);
            let committed = ring.remove(id).unwrap_or_default();
            audit_conversation(reader, *id, head, committed, options)
        })
        .collect();
    let mut checks = stream::iter(checks).buffer_unordered(CHECKED_AT_ONCE);
    while let Some(found) = checks.next().await {
        report.add(found?);
    }
    Ok(())
}

async fn audit_conversation(
    reader: &AuditReader,
    id: ConversationId,
    head: Sequence,
    mut committed: BTreeMap<Sequence, Row>,
    options: AuditOptions,
) -> Result<AuditReport, StoreError> {
    let mut report = AuditReport { conversations: 1, ..AuditReport::default() };
    let mut history = History::new();
    history.record_head(id, head);
    let last = committed.keys().next_back().copied().unwrap_or(head).max(head);
    let mut entries = reader.entries(id, last).chunks(super::store::IN_FLIGHT_MAX);
    while let Some(some) = entries.next().await {
        let some = some.into_iter().collect::<Result<Vec<_>, _>>()?;
        for row in some.iter().map(Row::from) {
            if let Some(in_ring) = committed.remove(&row.seq)
                && !in_ring.agrees(&row)
            {
                report.ring_faults.push(format!(
                    "conversation {id}: the ring has {in_ring}, readers are shown {row}"
                ));
            }
            history.record_log_row(row);
        }
        if options.sent_index {
            report.check_index(reader, &some, options.now_ms).await?;
        }
    }
    // After the entries: what is removed meanwhile is not missing.
    history.record_removed(id, reader.store.read_purged(id).await?);
    report.rows_only_in_ring = u64::try_from(committed.len()).unwrap_or(u64::MAX);
    for row in committed.into_values() {
        history.record_log_row(row);
    }
    let verdict = history.check();
    report.rows = verdict.counts.log_rows;
    report.messages = verdict.counts.messages;
    report.violations = verdict.violations;
    Ok(report)
}

impl AuditReport {
    fn add(&mut self, other: Self) {
        self.conversations += other.conversations;
        self.rows += other.rows;
        self.messages += other.messages;
        self.rows_only_in_ring += other.rows_only_in_ring;
        self.rows_indexed += other.rows_indexed;
        self.violations.extend(other.violations);
        self.ring_faults.extend(other.ring_faults);
        self.index_faults.extend(other.index_faults);
    }

    async fn check_index(
        &mut self,
        reader: &AuditReader,
        entries: &[Entry],
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let since = now_ms.saturating_sub(INDEXED_MS);
        let recent: Vec<_> = entries.iter().filter(|entry| entry.sent_at >= since).collect();
        let lookups = recent.iter().map(|entry| {
            reader.store.read_sent(entry.conversation_id, entry.sender_id, entry.message_id)
        });
        let found = all(lookups.collect()).await?;
        for (entry, found) in recent.iter().zip(found) {
            self.rows_indexed += 1;
            if found != Some(entry.seq) {
                let (id, row) = (entry.conversation_id, Row::from(*entry));
                self.index_faults.push(format!("conversation {id}: {row} is indexed as {found:?}"));
            }
        }
        Ok(())
    }
}
