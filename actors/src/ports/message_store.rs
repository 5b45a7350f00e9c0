//! The tables that readers use. Filled from commits, in any order, any number of times.

use std::sync::Arc;

use schema::record::Entry;
use schema::{ConversationId, MessageId, Sequence, SequenceRange, UserId};

use super::PortFuture;

/// A committed batch on its way to the readers' tables.
#[derive(Clone, Debug)]
pub struct MaterialisedCommit {
    pub shard: u32,
    /// Commit number: with the entry's index it orders writes of one row.
    pub n: u64,
    pub entries: Arc<[Entry]>,
}

/// Messages by conversation and number, heads, and the index of sent ids.
///
/// Guarantees: [`materialise`](Self::materialise) is idempotent and order-free: a late copy of an
/// older commit never hides a newer one. When it returns, later reads see it. It need not be durable
/// by itself, but a commit statement that is durable later (it carries `done`) makes it so.
pub trait MessageStore: Send + Sync + 'static {
    /// Writes entries, heads, the sent index, and the membership and conversation rows that
    /// `MembersChanged` and `ConversationChanged` entries imply.
    fn materialise(&self, commits: Vec<MaterialisedCommit>) -> PortFuture<()>;

    /// Entries of the range in ascending order, as far as they are materialised.
    fn range(&self, conversation: ConversationId, range: SequenceRange) -> PortFuture<Vec<Entry>>;

    /// What later entries did to the messages of the range: every edit and deletion, and the last
    /// word of each user on each emoji and of all on the pin; in any order. What a deleted message
    /// and its edits said is gone from here and from [`range`](Self::range).
    fn changes(
        &self,
        conversation: ConversationId,
        targets: SequenceRange,
    ) -> PortFuture<Vec<Entry>>;

    /// The last materialised number; [`Sequence::START`] when there is none.
    fn head(&self, conversation: ConversationId) -> PortFuture<Sequence>;

    /// The number that this sender's id has in the conversation, for 30 days at least.
    fn sent(
        &self,
        conversation: ConversationId,
        sender: UserId,
        message: MessageId,
    ) -> PortFuture<Option<Sequence>>;

    /// Entries up to here were removed by [`purge_below`](Self::purge_below).
    fn purged_up_to(&self, conversation: ConversationId) -> PortFuture<Sequence>;

    /// Takes away what entries of the shard said that expired above `after_ms` and up to
    /// `up_to_ms` (see [`Entry::expires_at`]), at most `entries_max` of them, the earliest first.
    /// No late copy of their commits brings it back; numbers, ids and times stay. Repeats are
    /// harmless.
    fn purge_expired(
        &self,
        shard: u32,
        after_ms: i64,
        up_to_ms: i64,
        entries_max: u32,
    ) -> PortFuture<ExpiredPurge>;

    /// How far expired entries of the shard are known to be purged, milliseconds since 1970 UTC.
    fn expired_up_to(&self, shard: u32) -> PortFuture<Option<i64>>;

    /// Notes how far expired entries of the shard are purged; never goes back.
    fn note_expired_up_to(&self, shard: u32, up_to_ms: i64) -> PortFuture<()>;

    /// Removes entries of the conversation up to `up_to` for good, with what was done to them:
    /// at most `entries_max`, the oldest first. [`purged_up_to`](Self::purged_up_to) says so
    /// before they go. Returns whether more are left to remove.
    fn purge_below(
        &self,
        conversation: ConversationId,
        up_to: Sequence,
        entries_max: u32,
    ) -> PortFuture<bool>;

    /// Conversations that have entries, some of them: those that follow `after` in the order of
    /// this store. Fewer than `count_max`: there are no more.
    fn conversations_after(
        &self,
        after: Option<ConversationId>,
        count_max: u32,
    ) -> PortFuture<Vec<ConversationId>>;
}

/// What [`MessageStore::purge_expired`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpiredPurge {
    /// Entries that said something and do no more.
    pub purged: u64,
    /// Everything that expired up to here was looked at.
    pub reached_ms: i64,
}
