//! What can be counted and found in logs without reading them.

use std::collections::BTreeSet;

use schema::{ConversationId, Sequence, SequenceRange, UserId};

use super::PortFuture;

/// Most that is counted of anything.
pub const COUNTED_MAX: usize = 1_000;

/// Where mentions are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MentionsWithin {
    pub conversation: ConversationId,
    pub range: SequenceRange,
    /// Messages that the user was there for: of those that mention everyone who is there, these
    /// mention the user.
    pub here: BTreeSet<Sequence>,
}

/// A message of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadReply {
    pub seq: Sequence,
    pub sender_id: UserId,
}

/// Indexes that [`MessageStore::materialise`](super::MessageStore::materialise) fills, with its
/// guarantees.
pub trait LogIndex: Send + Sync + 'static {
    /// The ordinals of entries, in the order of the question; `None` where there is no such entry.
    /// The start of a log has zero.
    fn ordinals(&self, at: Vec<(ConversationId, Sequence)>) -> PortFuture<Vec<Option<u64>>>;

    /// How many messages of each range mention the user, everyone, or those who were there with
    /// the user among them, and were not deleted; at most [`COUNTED_MAX`] of each. A message that
    /// mentions a user twice counts once.
    fn mentions(&self, user: UserId, within: Vec<MentionsWithin>) -> PortFuture<Vec<u64>>;

    /// Threads whose first message lies below `below`, descending, each with its last reply.
    fn threads(
        &self,
        conversation: ConversationId,
        below: Sequence,
        limit: usize,
    ) -> PortFuture<Vec<(Sequence, Sequence)>>;

    /// Replies of a thread within a range, at most `limit`, ascending: the lowest of them, or
    /// with `newest` the highest.
    fn thread_replies(
        &self,
        conversation: ConversationId,
        root: Sequence,
        range: SequenceRange,
        limit: usize,
        newest: bool,
    ) -> PortFuture<Vec<ThreadReply>>;
}
