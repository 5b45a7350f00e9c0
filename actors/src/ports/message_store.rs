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
}
