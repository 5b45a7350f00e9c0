//! A user's chat list: where each conversation ends, and what the user has not read of it.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use schema::record::{ConversationOverview, Entry};
use schema::wire::Refusal;
use schema::{Sequence, SequenceRange, UserId};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{DEADLINE, Node, unavailable};
use crate::conversation::{Peek, Peeked, Purged};
use crate::ports::MentionsWithin;

/// One row of a chat list with its newest visible entry.
#[derive(Clone, Debug)]
pub struct ChatRow {
    /// `head` is live here.
    pub overview: ConversationOverview,
    pub last: Option<Entry>,
    /// What the conversation itself said, if it runs here.
    pub memory: Option<InMemory>,
    /// Messages that the user was there for, of those that mention everyone who is.
    pub here: BTreeSet<Sequence>,
}

/// What a running conversation knows and the readers' tables may not show yet.
#[derive(Clone, Copy, Debug)]
pub struct InMemory {
    /// `None` when memory does not reach so far.
    pub unread: Option<u64>,
    /// What the tables show.
    pub materialised: Sequence,
    /// Mentions above that.
    pub mentions: u64,
}

/// What is not read of a conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages, not changes of them.
    pub unread: u64,
    /// Those of them that mention the user or everyone.
    pub mentions: u64,
}

impl ChatRow {
    /// The user has read up to here, or came here.
    #[must_use]
    pub fn seen(&self) -> Sequence {
        let begins_after = self.overview.conversation.purged_up_to;
        self.overview.read.max(self.overview.membership.joined_after).max(begins_after)
    }

    /// What lies above `seen` and in the readers' tables.
    fn unread_range(&self) -> SequenceRange {
        let shown = self.memory.map_or(self.overview.head, |it| it.materialised);
        SequenceRange::new(self.seen().next(), self.overview.head.min(shown))
    }
}

impl Node {
    /// The user's conversations, newest first.
    ///
    /// # Errors
    /// `retry_later`.
    pub async fn chat_list(&self, user: UserId) -> Result<Vec<ChatRow>, Refusal> {
        let overviews = self.tree.ports.roster.conversations_of(user, None).await;
        let overviews = overviews.map_err(|error| unavailable(&error))?;
        let was_here = self.tree.personal.was_here(user).await?;
        let mut rows = Vec::with_capacity(overviews.len());
        for overview in overviews {
            let here = was_here.get(&overview.conversation.conversation_id);
            rows.push(self.chat_row(user, overview, here.cloned().unwrap_or_default()).await?);
        }
        self.conceal_rows(user, &mut rows).await?;
        rows.sort_by_key(|row| {
            let sent_at = row.last.as_ref().map(|entry| entry.sent_at);
            Reverse(sent_at.unwrap_or(row.overview.conversation.created_at))
        });
        Ok(rows)
    }

    /// A conversation that runs here knows its newest entry; for the others the store does.
    async fn chat_row(
        &self,
        reader: UserId,
        mut overview: ConversationOverview,
        here: BTreeSet<Sequence>,
    ) -> Result<ChatRow, Refusal> {
        let id = overview.conversation.conversation_id;
        let mut memory = None;
        if let Some(running) = self.tree.conversations.get(id) {
            if let Some(purged) = Purged::of(&overview.conversation) {
                let _ = running.try_send(purged);
            }
            let (reply, peeked) = oneshot::channel();
            let peek = Peek { reader, seen: overview.read, here: here.clone(), reply };
            let asked = running.try_send(peek).is_ok();
            if asked && let Ok(Ok(Some(peeked))) = timeout(DEADLINE, peeked).await {
                let Peeked { head, last, unread, materialised, mentions } = peeked;
                memory = Some(InMemory { unread, materialised, mentions });
                overview.head = head;
                if last.is_some() || head == Sequence::START {
                    let last = last.map(|log| log.entry.clone());
                    return Ok(ChatRow { overview, last, memory, here });
                }
            }
        }
        let head = overview.head;
        if head == Sequence::START || head <= overview.membership.joined_after {
            return Ok(ChatRow { overview, last: None, memory, here });
        }
        let newest = self.tree.ports.messages.range(id, SequenceRange::new(head, head)).await;
        let newest = newest.map_err(|error| unavailable(&error))?.pop();
        let gone = self.gone(&overview.conversation);
        let last = newest.map(|entry| gone.shown(&entry).unwrap_or(entry));
        Ok(ChatRow { overview, last, memory, here })
    }

    /// That the user was there for what they have read since counts for nothing more.
    async fn forget_read_mentions(&self, user: UserId, rows: &[ChatRow]) {
        let of_row = |row: &ChatRow| {
            let (id, seen) = (row.overview.conversation.conversation_id, row.seen());
            let read = row.here.iter().copied().filter(move |seq| *seq <= seen);
            read.map(move |seq| (id, seq)).collect::<Vec<_>>()
        };
        let read: Vec<_> = rows.iter().flat_map(of_row).collect();
        if !read.is_empty() {
            self.tree.personal.forget_here(user, &read).await;
        }
    }

    /// What is not read of each row, by differences of ordinals and by the index of mentions:
    /// nothing is read of the logs themselves.
    ///
    /// # Errors
    /// `retry_later`.
    pub async fn chat_counts(
        &self,
        user: UserId,
        rows: &[ChatRow],
    ) -> Result<Vec<Counts>, Refusal> {
        let index = &self.tree.ports.index;
        let is_open = |row: &&ChatRow| {
            row.memory.is_none_or(|it| it.unread.is_none()) && row.seen() < row.overview.head
        };
        let id = |row: &ChatRow| row.overview.conversation.conversation_id;
        let asked = rows.iter().filter(is_open).map(|row| (id(row), row.seen())).collect();
        let ordinals = index.ordinals(asked).await.map_err(|error| unavailable(&error))?;
        let mut ordinals = ordinals.into_iter();
        let mut counts = Vec::with_capacity(rows.len());
        for row in rows {
            let unread = if is_open(&row) {
                let head = row.last.as_ref().map(|entry| entry.ordinal);
                match (head, ordinals.next().flatten()) {
                    (Some(head), Some(seen)) => head.saturating_sub(seen),
                    _ => row.seen().distance_to(row.overview.head),
                }
            } else {
                row.memory.and_then(|it| it.unread).unwrap_or(0)
            };
            counts.push(Counts { unread, mentions: row.memory.map_or(0, |it| it.mentions) });
        }
        let has_unread =
            |index: &usize| counts[*index].unread > 0 && !rows[*index].unread_range().is_empty();
        let unread: Vec<usize> = (0..rows.len()).filter(has_unread).collect();
        let within = unread.iter().map(|at| {
            let (conversation, range) = (id(&rows[*at]), rows[*at].unread_range());
            MentionsWithin { conversation, range, here: rows[*at].here.clone() }
        });
        let within = within.collect();
        let mentions = index.mentions(user, within).await.map_err(|error| unavailable(&error))?;
        for (at, mentions) in unread.into_iter().zip(mentions) {
            counts[at].mentions += mentions;
        }
        self.forget_read_mentions(user, rows).await;
        Ok(counts)
    }
}
