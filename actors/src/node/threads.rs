//! Threads of a conversation: found by an index, never by reading the log.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use schema::record::{Entry, MessageState};
use schema::wire::Refusal;
use schema::{ConversationId, DeviceId, Sequence, SequenceRange, UserId};

use super::{HISTORY_PAGE_MAX, HistoryRead, Node, Page, unavailable};
use crate::conversation::Settle;
use crate::personal::Followed;
use crate::ports::{COUNTED_MAX, StoreError, ThreadReply};

/// Participants that are named.
const PARTICIPANTS_MAX: usize = 10;

/// One thread, as its reader sees it.
#[derive(Clone, Debug)]
pub struct ThreadSummary {
    pub thread: Sequence,
    /// What it is about, if the reader may see it.
    pub root: Option<Entry>,
    pub replies: u64,
    pub last_seq: Sequence,
    /// The last first.
    pub participants: Vec<UserId>,
    pub following: bool,
    pub read: Sequence,
    pub unread: u64,
}

/// Replies of a thread.
#[derive(Clone, Debug)]
pub struct ThreadRead {
    /// Ascending.
    pub entries: Vec<Entry>,
    pub states: Vec<MessageState>,
    pub read: Sequence,
}

/// What a reader said of one thread.
#[derive(Clone, Copy, Debug)]
struct Own {
    read: Sequence,
    followed: Option<Followed>,
}

impl Own {
    /// Whether they follow it, and up to where they have read it. `replied`: their last reply.
    fn in_thread(self, is_author: bool, replied: Option<Sequence>) -> (bool, Sequence) {
        let replied_at = replied.unwrap_or_default();
        // Who replied has read what stands above, and who follows asks for what comes.
        let read = self.read.max(replied_at);
        match self.followed {
            None => (is_author || replied.is_some(), read),
            Some(Followed { on: true, since }) => (true, read.max(since)),
            // Who left and replies again is back.
            Some(Followed { on: false, since }) => (replied_at > since, read),
        }
    }
}

/// Those who replied, the last first.
fn participants(replies: &[ThreadReply]) -> Vec<UserId> {
    let mut named = BTreeSet::new();
    let senders = replies.iter().rev().map(|reply| reply.sender_id);
    senders.filter(|user| named.insert(*user)).take(PARTICIPANTS_MAX).collect()
}

impl Node {
    /// What the reader may see of a conversation whose log is in the readers' tables.
    async fn visible(
        &self,
        reader: UserId,
        conversation: ConversationId,
    ) -> Result<SequenceRange, Refusal> {
        self.ask(conversation, |reply| Settle { reply }).await?;
        let newest = self.history(reader, conversation, Page::Newest, 1).await?;
        let membership = self.tree.ports.roster.membership(conversation, reader).await;
        let membership = membership.map_err(|error| unavailable(&error))?;
        let after = membership.map_or(Sequence::START, |it| it.joined_after);
        Ok(SequenceRange::new(after.next(), newest.head))
    }

    /// Threads whose first message lies below `below`, newest first; also those of whose replies the
    /// reader may see none.
    ///
    /// # Errors
    /// `not_found`, `retry_later`.
    pub async fn threads(
        &self,
        reader: UserId,
        conversation: ConversationId,
        below: Sequence,
        limit: usize,
    ) -> Result<Vec<ThreadSummary>, Refusal> {
        let visible = self.visible(reader, conversation).await?;
        let index = &self.tree.ports.index;
        let found = index.threads(conversation, below, limit).await;
        let found = found.map_err(|error| unavailable(&error))?;
        let positions = self.tree.personal.thread_positions(reader, conversation).await?;
        let follows = self.tree.personal.thread_follows(reader, conversation).await?;
        let summaries = found.into_iter().map(|(thread, last_seq)| {
            let position = positions.iter().find(|(root, _)| *root == thread);
            let read = position.map_or(Sequence::START, |(_, read)| *read);
            let own = Own { read, followed: follows.get(&thread).copied() };
            self.summary(reader, conversation, visible, (thread, last_seq), own)
        });
        try_join_all(summaries).await
    }

    async fn summary(
        &self,
        reader: UserId,
        conversation: ConversationId,
        visible: SequenceRange,
        (thread, last_seq): (Sequence, Sequence),
        own: Own,
    ) -> Result<ThreadSummary, Refusal> {
        let index = &self.tree.ports.index;
        let replies = index.thread_replies(conversation, thread, visible, COUNTED_MAX, true).await;
        let replies = replies.map_err(|error| unavailable(&error))?;
        let root = if visible.contains(thread) {
            self.entries(reader, conversation, &[thread]).await?.entries.pop()
        } else {
            None
        };
        let is_author = root.as_ref().is_some_and(|root| root.sender_id == reader);
        let replied = replies.iter().rev().find(|it| it.sender_id == reader).map(|it| it.seq);
        let (following, read) = own.in_thread(is_author, replied);
        let unread = replies.iter().filter(|it| following && it.seq > read).count() as u64;
        Ok(ThreadSummary {
            thread,
            root,
            replies: replies.len() as u64,
            last_seq: replies.last().map_or(last_seq, |it| it.seq),
            participants: participants(&replies),
            following,
            read,
            unread,
        })
    }

    /// A page of a thread's replies.
    ///
    /// # Errors
    /// `not_found`, `retry_later`.
    pub async fn thread_page(
        &self,
        reader: UserId,
        conversation: ConversationId,
        root: Sequence,
        page: Page,
        limit: u64,
    ) -> Result<ThreadRead, Refusal> {
        let visible = self.visible(reader, conversation).await?;
        let (range, newest) = match page {
            Page::Before(before) => {
                (SequenceRange::new(visible.first, visible.last.min(before.back(1))), true)
            }
            Page::After(after) => {
                (SequenceRange::new(visible.first.max(after.next()), visible.last), false)
            }
            Page::Newest => (visible, true),
            Page::At(_) => {
                let text = "at: a thread is paged by number";
                return Err(Refusal::new(schema::wire::ErrorCode::InvalidField, text));
            }
        };
        let limit = usize::try_from(limit.clamp(1, HISTORY_PAGE_MAX)).unwrap_or(1);
        let replies =
            self.tree.ports.index.thread_replies(conversation, root, range, limit, newest).await;
        let replies = replies.map_err(|error| unavailable(&error))?;
        let numbers: Vec<Sequence> = replies.iter().map(|reply| reply.seq).collect();
        let HistoryRead { entries, states, .. } =
            self.entries(reader, conversation, &numbers).await?;
        let positions = self.tree.personal.thread_positions(reader, conversation).await?;
        let read = positions.into_iter().find(|(it, _)| *it == root).map(|(_, read)| read);
        Ok(ThreadRead { entries, states, read: read.unwrap_or_default() })
    }

    /// Single entries of the readers' tables with what became of them.
    async fn entries(
        &self,
        reader: UserId,
        conversation: ConversationId,
        numbers: &[Sequence],
    ) -> Result<HistoryRead, Refusal> {
        let messages = &self.tree.ports.messages;
        let one = |seq: &Sequence| {
            let range = SequenceRange::new(*seq, *seq);
            async move {
                let entry = messages.range(conversation, range).await?;
                Ok::<_, StoreError>((entry, messages.changes(conversation, range).await?))
            }
        };
        let read = try_join_all(numbers.iter().map(one)).await;
        let (mut entries, mut changes) = (Vec::new(), Vec::new());
        for (entry, changed) in read.map_err(|error| unavailable(&error))? {
            entries.extend(entry);
            changes.extend(changed);
        }
        let states = schema::record::message_state::states(&changes);
        let head = Sequence::START;
        let purged_up_to = Sequence::START;
        let mut read = HistoryRead { entries, head, states, purged_up_to };
        self.leave_out_what_is_gone(conversation, &mut read).await?;
        self.conceal(reader, conversation, &mut read).await?;
        Ok(read)
    }

    /// The user has read a thread up to a number.
    ///
    /// # Errors
    /// `not_found`, `retry_later`.
    pub async fn read_thread(
        &self,
        user: UserId,
        by: DeviceId,
        conversation: ConversationId,
        root: Sequence,
        seq: Sequence,
    ) -> Result<(), Refusal> {
        let details = self.describe(user, conversation).await?;
        if !details.members.iter().any(|member| member.user_id == user) || root > details.head {
            return Err(Refusal::not_found());
        }
        let read = seq.min(details.head);
        self.tree.personal.read_thread(user, Some(by), conversation, root, read).await
    }

    /// The user follows a thread, or does no more.
    ///
    /// # Errors
    /// `not_found`, `invalid_field`, `retry_later`.
    pub async fn follow_thread(
        &self,
        user: UserId,
        by: DeviceId,
        conversation: ConversationId,
        root: Sequence,
        on: bool,
    ) -> Result<(), Refusal> {
        let details = self.describe(user, conversation).await?;
        let place = details.members.iter().find(|member| member.user_id == user);
        let is_there = place.is_some_and(|it| it.joined_after < root) && root <= details.head;
        if !is_there {
            return Err(Refusal::not_found());
        }
        let followed = Followed { on, since: details.head };
        self.tree.personal.follow_thread(user, Some(by), conversation, root, followed).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(read: u64, followed: Option<(bool, u64)>) -> Own {
        let followed = followed.map(|(on, since)| Followed { on, since: Sequence(since) });
        Own { read: Sequence(read), followed }
    }

    #[test]
    fn one_follows_what_one_has_part_in_unless_one_said_otherwise() {
        let seen = |own: Own, is_author, replied: Option<u64>| {
            let (following, read) = own.in_thread(is_author, replied.map(Sequence));
            (following, read.0)
        };
        assert_eq!(seen(own(3, None), false, None), (false, 3));
        assert_eq!(seen(own(0, None), true, None), (true, 0));
        assert_eq!(seen(own(3, None), false, Some(7)), (true, 7));
        assert_eq!(seen(own(3, Some((true, 9))), false, None), (true, 9), "what comes from now on");
        assert_eq!(seen(own(12, Some((true, 9))), false, None), (true, 12));
        assert_eq!(seen(own(3, Some((false, 9))), true, Some(7)), (false, 7), "author or not");
        assert_eq!(seen(own(3, Some((false, 9))), true, Some(11)), (true, 11), "back again");
    }
}
