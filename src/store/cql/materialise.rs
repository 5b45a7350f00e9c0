//! Writing entries to the tables that readers use.
//!
//! Each row carries its commit's order as its timestamp, so the later commit wins a row whichever
//! comes first, and a repeat changes nothing. Rows are grouped by partition: a batch inside one
//! partition costs about what one row costs.

use std::collections::BTreeMap;

use actors::ports::MaterialisedCommit;
use schema::record::{Ban, ConversationPatch, Entry, Event, Member, Role, message_state};
use schema::{ConversationId, MessageId, Sequence, UserId};
use scylla::serialize::row::SerializeRow;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;
use uuid::Uuid;

use super::expiry::{HOUR_MS, expiring_ttl_s};
use super::failure::Failure;
use super::log_index::IndexPlan;
use super::rows::{bucket, day, role_text, small, to_column};
use super::store::{Store, all};

/// Entries of one commit that the order tells apart; commits are far smaller.
const COMMIT_ENTRIES_MAX: u64 = 1_024;
/// Below the order of every commit: what is there before the first.
pub(super) const CREATED: i64 = 1;

const BATCH_ROWS_MAX: usize = 100;
const BATCH_BYTES_MAX: usize = 40 * 1_024;
/// Keys, times and headers of a row.
const ROW_BYTES: usize = 96;

/// The timestamp of an entry's writes.
fn order(n: u64, index: usize) -> i64 {
    let index = u64::try_from(index).unwrap_or(u64::MAX).min(COMMIT_ENTRIES_MAX - 1);
    to_column(n.saturating_mul(COMMIT_ENTRIES_MAX).saturating_add(index))
}

pub(super) fn pack(event: &Event) -> Result<Vec<u8>, Failure> {
    rmp_serde::to_vec_named(event)
        .map_err(|error| Failure::Damaged(format!("an event cannot be packed: {error}")))
}

/// Conversation, bucket, number, message, sender, time, event, ordinal, order.
type MessageRow = (Uuid, i64, i64, Uuid, Uuid, i64, Vec<u8>, i64, i64);
type SentRow = (Uuid, Uuid, i32, Uuid, i64, i64);
/// Conversation, bucket, target, slot, then the entry that changes.
type ChangeRow = (Uuid, i64, i64, String, i64, Uuid, Uuid, i64, Vec<u8>, i64);
type RoleRow = (Uuid, Uuid, &'static str, i64);
/// Conversation, user, entry, whether it is a ban, who said so and when.
type BanRow = (Uuid, Uuid, i64, bool, Uuid, i64, i64);
/// Shard, hour, time, conversation, entry; then timestamp and TTL.
type ExpiringRow = (i32, i64, i64, Uuid, i64, i64, i32);
type HeadRow = (Uuid, i64, i64, i64);
type NameRow = (Uuid, Option<String>, i64);
/// Conversation and user, in the order of the table's key.
type AdditionRow = (Uuid, Uuid, &'static str, i64, i64);
type RemovalRow = (Uuid, Uuid, i64, i64);

/// Rows to write, by partition.
#[derive(Default)]
pub(super) struct Plan {
    messages: BTreeMap<(ConversationId, u64), Vec<MessageRow>>,
    sent: BTreeMap<(ConversationId, UserId, i32), Vec<SentRow>>,
    index: IndexPlan,
    changes: BTreeMap<(ConversationId, u64), Vec<ChangeRow>>,
    roles: BTreeMap<ConversationId, Vec<RoleRow>>,
    roles_by_user: BTreeMap<UserId, Vec<RoleRow>>,
    /// Deleted messages and the timestamp of their deletion.
    pub(super) deletions: BTreeMap<(ConversationId, Sequence), i64>,
    heads: BTreeMap<ConversationId, HeadRow>,
    names: BTreeMap<ConversationId, NameRow>,
    /// Changes beside the name and the timestamp of each.
    pub(super) settings: Vec<(ConversationId, ConversationPatch, i64)>,
    bans: BTreeMap<ConversationId, Vec<BanRow>>,
    expiring: BTreeMap<(u32, i64), Vec<ExpiringRow>>,
    additions: BTreeMap<ConversationId, Vec<AdditionRow>>,
    removals: BTreeMap<ConversationId, Vec<RemovalRow>>,
    additions_by_user: BTreeMap<UserId, Vec<AdditionRow>>,
    removals_by_user: BTreeMap<UserId, Vec<RemovalRow>>,
}

impl Plan {
    pub fn of_commits(commits: &[MaterialisedCommit]) -> Result<Self, Failure> {
        let mut plan = Self::default();
        for commit in commits {
            for (index, entry) in commit.entries.iter().enumerate() {
                plan.add_commit_entry(commit.shard, entry, order(commit.n, index))?;
            }
        }
        Ok(plan)
    }

    fn add_commit_entry(&mut self, shard: u32, entry: &Entry, order: i64) -> Result<(), Failure> {
        self.add_message(entry, order)?;
        self.add_expiring(shard, entry, order);
        let (id, seq) = (entry.conversation_id, entry.seq);
        self.add_sent(id, entry.sender_id, entry.message_id, seq, order);
        self.add_head(id, seq, entry.sent_at, order);
        match &entry.event {
            Event::Message(_) => {}
            Event::RolesChanged { members } => {
                for member in members {
                    self.change_role(id, *member, order);
                }
            }
            Event::MessageEdited { target, .. }
            | Event::MessageDeleted { target }
            | Event::ReactionChanged { target, .. }
            | Event::PinChanged { target, .. } => self.add_change(entry, *target, order)?,
            Event::MembersChanged { added, removed } => {
                for member in added {
                    self.add_member(id, *member, seq, order);
                }
                for user in removed {
                    self.remove_member(id, *user, seq, order);
                }
            }
            Event::ConversationChanged(change) => {
                if change.name.is_some() {
                    let row = (id.0, change.name.clone(), order);
                    keep_later(&mut self.names, id, row, |row| row.2);
                }
                self.settings.push((id, (**change).clone(), order));
            }
            Event::BansChanged { banned, unbanned } => {
                for user in banned {
                    self.remove_member(id, *user, seq, order);
                    self.add_ban(entry, *user, true, order);
                }
                for user in unbanned {
                    self.add_ban(entry, *user, false, order);
                }
            }
            Event::Joined { .. } => {
                let member = Member { user_id: entry.sender_id, role: Role::Member };
                self.add_member(id, member, seq, order);
            }
        }
        Ok(())
    }

    /// The entry itself.
    pub fn add_message(&mut self, entry: &Entry, order: i64) -> Result<(), Failure> {
        let event = pack(&entry.event)?;
        let bucket = bucket(entry.seq);
        self.messages.entry((entry.conversation_id, bucket)).or_default().push((
            entry.conversation_id.0,
            to_column(bucket),
            to_column(entry.seq.0),
            entry.message_id.0,
            entry.sender_id.0,
            entry.sent_at,
            event,
            to_column(entry.ordinal),
            order,
        ));
        self.index.add(entry, order);
        Ok(())
    }

    /// When what an entry says is to be taken away.
    pub fn add_expiring(&mut self, shard: u32, entry: &Entry, order: i64) {
        let Some(at) = entry.expires_at() else { return };
        let (hour, shard_column) = (at.div_euclid(HOUR_MS), small(shard.into()));
        self.expiring.entry((shard, hour)).or_default().push((
            shard_column,
            hour,
            at,
            entry.conversation_id.0,
            to_column(entry.seq.0),
            order,
            expiring_ttl_s(entry),
        ));
    }

    /// What an entry says of a user: a ban, or its end.
    pub fn add_ban(&mut self, entry: &Entry, user: UserId, is_banned: bool, order: i64) {
        let id = entry.conversation_id;
        let (seq, by) = (to_column(entry.seq.0), entry.sender_id.0);
        let row = (id.0, user.0, seq, is_banned, by, entry.sent_at, order);
        self.bans.entry(id).or_default().push(row);
    }

    /// A ban of another store.
    pub fn add_imported_ban(&mut self, id: ConversationId, ban: Ban, timestamp: i64) {
        let Ban { user_id, seq, banned_by, banned_at } = ban;
        let (user, by) = (user_id.0, banned_by.0);
        let row = (id.0, user, to_column(seq.0), true, by, banned_at, timestamp);
        self.bans.entry(id).or_default().push(row);
    }

    /// What an entry does to an earlier message.
    pub fn add_change(
        &mut self,
        entry: &Entry,
        target: Sequence,
        order: i64,
    ) -> Result<(), Failure> {
        let Some(slot) = message_state::slot(entry) else { return Ok(()) };
        let id = entry.conversation_id;
        if let Event::MessageDeleted { .. } = entry.event {
            self.deletions.insert((id, target), order);
        }
        let bucket = bucket(target);
        self.changes.entry((id, bucket)).or_default().push((
            id.0,
            to_column(bucket),
            to_column(target.0),
            slot,
            to_column(entry.seq.0),
            entry.message_id.0,
            entry.sender_id.0,
            entry.sent_at,
            pack(&entry.event)?,
            order,
        ));
        Ok(())
    }

    /// Another role, given by an entry of this order.
    pub fn change_role(&mut self, id: ConversationId, member: Member, order: i64) {
        let (user, role) = (member.user_id, role_text(member.role));
        self.roles.entry(id).or_default().push((id.0, user.0, role, order));
        self.roles_by_user.entry(user).or_default().push((user.0, id.0, role, order));
    }

    /// The number of a sent message id.
    pub fn add_sent(
        &mut self,
        id: ConversationId,
        sender: UserId,
        message: MessageId,
        seq: Sequence,
        order: i64,
    ) {
        let row = (id.0, sender.0, day(message), message.0, to_column(seq.0), order);
        self.sent.entry((id, sender, row.2)).or_default().push(row);
    }

    /// A conversation's head and when its entry was sent; the highest of them is kept.
    pub fn add_head(&mut self, id: ConversationId, head: Sequence, sent_at: i64, order: i64) {
        let row = (id.0, to_column(head.0), sent_at, order);
        keep_later(&mut self.heads, id, row, |row| row.1);
    }

    /// An addition at entry `seq`, zero for a first member.
    pub fn add_member(&mut self, id: ConversationId, member: Member, seq: Sequence, order: i64) {
        let (user, role, seq) = (member.user_id, role_text(member.role), to_column(seq.0));
        self.additions.entry(id).or_default().push((id.0, user.0, role, seq, order));
        self.additions_by_user.entry(user).or_default().push((user.0, id.0, role, seq, order));
    }

    /// A removal at entry `seq`, also of someone whose addition is not here yet.
    pub fn remove_member(&mut self, id: ConversationId, user: UserId, seq: Sequence, order: i64) {
        let seq = to_column(seq.0);
        self.removals.entry(id).or_default().push((id.0, user.0, seq, order));
        self.removals_by_user.entry(user).or_default().push((user.0, id.0, seq, order));
    }

    /// Batches of rows, each inside one partition, and last of all the heads: who sees a head can
    /// read what is below it.
    fn into_batches(self) -> (Vec<Rows>, Vec<Rows>) {
        let mut rows = Vec::new();
        let size = |row: &MessageRow| ROW_BYTES + row.6.len();
        rows.extend(split_all(self.messages, size).map(Rows::Messages));
        let size = |row: &ChangeRow| ROW_BYTES + row.3.len() + row.8.len();
        rows.extend(split_all(self.changes, size).map(Rows::Changes));
        rows.extend(split_all(self.roles, |_| ROW_BYTES).map(Rows::Roles));
        rows.extend(split_all(self.roles_by_user, |_| ROW_BYTES).map(Rows::RolesByUser));
        rows.extend(split_all(self.sent, |_| ROW_BYTES).map(Rows::Sent));
        rows.extend(split_all(self.additions, |_| ROW_BYTES).map(Rows::Additions));
        rows.extend(split_all(self.removals, |_| ROW_BYTES).map(Rows::Removals));
        let by_user = split_all(self.additions_by_user, |_| ROW_BYTES);
        rows.extend(by_user.map(Rows::AdditionsByUser));
        let by_user = split_all(self.removals_by_user, |_| ROW_BYTES);
        rows.extend(by_user.map(Rows::RemovalsByUser));
        rows.extend(split_all(self.bans, |_| ROW_BYTES).map(Rows::Bans));
        rows.extend(split_all(self.expiring, |_| ROW_BYTES).map(Rows::Expiring));
        rows.extend(self.names.into_values().map(Rows::Name));
        (rows, self.heads.into_values().map(Rows::Head).collect())
    }
}

/// Keeps the row for which `rank` is higher; of equals the new one.
fn keep_later<K: Ord, R>(rows: &mut BTreeMap<K, R>, key: K, row: R, rank: fn(&R) -> i64) {
    match rows.get(&key) {
        Some(kept) if rank(kept) > rank(&row) => {}
        _ => {
            rows.insert(key, row);
        }
    }
}

/// Rows of one partition and one statement.
enum Rows {
    Messages(Vec<MessageRow>),
    Changes(Vec<ChangeRow>),
    Roles(Vec<RoleRow>),
    RolesByUser(Vec<RoleRow>),
    Sent(Vec<SentRow>),
    Head(HeadRow),
    Name(NameRow),
    Additions(Vec<AdditionRow>),
    Removals(Vec<RemovalRow>),
    AdditionsByUser(Vec<AdditionRow>),
    RemovalsByUser(Vec<RemovalRow>),
    Bans(Vec<BanRow>),
    Expiring(Vec<ExpiringRow>),
}

/// Splits the rows of each partition into batches that the database takes well; a row that is too
/// big for any goes alone.
pub(super) fn split_all<K, R>(
    partitions: BTreeMap<K, Vec<R>>,
    size: impl Fn(&R) -> usize,
) -> impl Iterator<Item = Vec<R>> {
    partitions.into_values().flat_map(move |rows| split(rows, &size))
}

pub(super) fn split<R>(rows: Vec<R>, size: impl Fn(&R) -> usize) -> Vec<Vec<R>> {
    let (mut batches, mut batch, mut bytes) = (Vec::new(), Vec::new(), 0);
    for row in rows {
        let more = size(&row);
        if !batch.is_empty() && (batch.len() >= BATCH_ROWS_MAX || bytes + more > BATCH_BYTES_MAX) {
            batches.push(std::mem::take(&mut batch));
            bytes = 0;
        }
        bytes += more;
        batch.push(row);
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}

impl Store {
    /// Writes everything that is planned, heads last.
    pub(super) async fn carry_out(&self, mut plan: Plan) -> Result<(), Failure> {
        let deletions = std::mem::take(&mut plan.deletions);
        let settings = std::mem::take(&mut plan.settings);
        let index = std::mem::take(&mut plan.index);
        let (rows, heads) = plan.into_batches();
        all(rows.into_iter().map(|rows| self.write_rows(rows)).collect()).await?;
        self.write_index(index).await?;
        for (id, change, order) in settings {
            self.write_settings(id, &change, order).await?;
        }
        for ((id, target), order) in deletions {
            self.scrub(id, target, order).await?;
        }
        all(heads.into_iter().map(|head| self.write_rows(head)).collect()).await?;
        Ok(())
    }

    async fn write_rows(&self, rows: Rows) -> Result<(), Failure> {
        let statements = self.statements();
        match rows {
            Rows::Messages(rows) => self.write_batch(&statements.insert_message, &rows).await,
            Rows::Changes(rows) => self.write_batch(&statements.insert_change, &rows).await,
            Rows::Roles(rows) => self.write_batch(&statements.insert_role, &rows).await,
            Rows::RolesByUser(rows) => {
                self.write_batch(&statements.insert_role_by_user, &rows).await
            }
            Rows::Sent(rows) => self.write_batch(&statements.insert_sent, &rows).await,
            Rows::Head(row) => self.write(&statements.insert_head, row).await,
            Rows::Name(row) => self.write(&statements.insert_name, row).await,
            Rows::Additions(rows) => self.write_batch(&statements.insert_addition, &rows).await,
            Rows::Removals(rows) => self.write_batch(&statements.insert_removal, &rows).await,
            Rows::AdditionsByUser(rows) => {
                self.write_batch(&statements.insert_addition_by_user, &rows).await
            }
            Rows::RemovalsByUser(rows) => {
                self.write_batch(&statements.insert_removal_by_user, &rows).await
            }
            Rows::Bans(rows) => self.write_batch(&statements.insert_ban, &rows).await,
            Rows::Expiring(rows) => self.write_batch(&statements.insert_expiring, &rows).await,
        }
    }

    /// Writes rows of one partition together, idempotently.
    pub(super) async fn write_batch<R: SerializeRow>(
        &self,
        statement: &PreparedStatement,
        rows: &[R],
    ) -> Result<(), Failure> {
        if let [row] = rows {
            return self.write(statement, row).await;
        }
        let statements = rows.iter().map(|_| statement.clone().into()).collect();
        let mut batch = Batch::new_with_statements(BatchType::Unlogged, statements);
        batch.set_is_idempotent(true);
        self.session().batch(&batch, rows).await?;
        Ok(())
    }
}
