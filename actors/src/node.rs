//! The door for callers without a socket: REST handlers and command-line tools.

mod chat_list;
mod own;
mod threads;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::prelude::SendError;
use actix::{Actor, Handler, Message};
use schema::cluster::envelope::{NodeFrame, Signal};
use schema::record::{
    Ban, Conversation as ConversationRecord, Draft, Entry, Event, Membership, MessageState,
    PositionAdvance,
};
use schema::wire::{CloseCode, ErrorCode, Refusal};
use schema::{ConversationId, DeviceId, Sequence, SequenceRange, UserId};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::conversation::{
    Conversation, Describe, Gone, Heed, Read, Settle, Submit, SubmitReply, ToMember,
};
pub use crate::conversation::{HISTORY_PAGE_MAX, Page, Submitted};
use crate::ports::StoreError;
use crate::session::{CloseDevice, ReadUpTo};
use crate::supervisor::Tree;
pub use chat_list::{ChatRow, Counts, InMemory};
pub use threads::{ThreadRead, ThreadSummary};

/// A page of a log.
#[derive(Clone, Debug)]
pub struct HistoryRead {
    /// Ascending, consecutive.
    pub entries: Vec<Entry>,
    /// The last number that this reader may see.
    pub head: Sequence,
    /// Messages of the page that later entries changed, as they are now.
    pub states: Vec<MessageState>,
    /// Entries up to here are gone for good.
    pub purged_up_to: Sequence,
}

/// A conversation as it stands.
#[derive(Clone, Debug)]
pub struct ConversationDetails {
    pub conversation: ConversationRecord,
    /// Current members, by user id.
    pub members: Vec<Membership>,
    /// Who may not be a member, by user id; empty to all but owners and admins.
    pub bans: Vec<Ban>,
    /// The reader's own place; `None` for a reader of a channel who is no member.
    pub membership: Option<Membership>,
    /// The last number that this reader may see.
    pub head: Sequence,
}

/// The running node. Cheap to clone; callable from any thread. Every call has a deadline.
#[derive(Clone)]
pub struct Node {
    tree: Arc<Tree>,
}

/// A call unanswered for longer fails with `retry_later`.
const DEADLINE: Duration = Duration::from_secs(12);
/// Members named in one frame to other nodes.
const MEMBERS_PER_FRAME: usize = 1_000;
/// Lives of a conversation tried for one call.
const TRIES: usize = 3;

impl Node {
    #[must_use]
    pub const fn new(tree: Arc<Tree>) -> Self {
        Self { tree }
    }

    #[must_use]
    pub const fn tree(&self) -> &Arc<Tree> {
        &self.tree
    }

    /// Numbers and stores an entry after checking what its sender may do.
    ///
    /// # Errors
    /// `not_found` (also: not a member), `forbidden`, `invalid_field`, `invalid_content`,
    /// `message_id_reused`, `overloaded`, `retry_later`.
    pub async fn submit(&self, draft: Draft) -> Result<Submitted, Refusal> {
        let (sender, conversation) = (draft.sender_id, draft.conversation_id);
        let is_said = matches!(draft.event, Event::Message(_));
        let submitted = self.submit_unread(draft).await?;
        if is_said {
            // Who writes has read what stands above.
            self.note_read(sender, conversation, submitted.seq).await?;
        }
        Ok(submitted)
    }

    /// The same of a message whose sender may be away, and has read nothing.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub async fn submit_unread(&self, draft: Draft) -> Result<Submitted, Refusal> {
        let conversation = draft.conversation_id;
        let is_said = matches!(draft.event, Event::Message(_));
        let shows_in_tables = !is_said && draft.event.target().is_none();
        let is_asked_again = Cell::new(false);
        let submitted = self
            .ask(conversation, |reply| {
                // A life that died may have stored it.
                let retry = draft.retry || is_asked_again.replace(true);
                let draft = Draft { retry, ..draft.clone() };
                Submit { draft, reply: SubmitReply::Call(reply) }
            })
            .await??;
        if shows_in_tables {
            // Lists read from tables must show the change to who made it.
            let _ = self.ask(conversation, |reply| Settle { reply }).await;
        }
        Ok(submitted)
    }

    /// Reads a page of at most `limit` (≤ [`HISTORY_PAGE_MAX`]) entries that `reader` may see.
    ///
    /// # Errors
    /// `not_found`, `retry_later`.
    pub async fn history(
        &self,
        reader: UserId,
        conversation: ConversationId,
        page: Page,
        limit: u64,
    ) -> Result<HistoryRead, Refusal> {
        let read = self
            .ask(conversation, |reply| Read { reader, page, limit, with_states: true, reply })
            .await??;
        let entries = read.entries.iter().map(|log| log.entry.clone()).collect();
        let (head, states, purged_up_to) = (read.head, read.states, read.purged_up_to);
        let mut read = HistoryRead { entries, head, states, purged_up_to };
        self.conceal(reader, conversation, &mut read).await?;
        Ok(read)
    }

    /// Every change of one message in any order. Whether
    /// the asker may see them is the caller's to check.
    ///
    /// # Errors
    /// `retry_later`.
    pub async fn changes(
        &self,
        conversation: ConversationId,
        target: Sequence,
    ) -> Result<Vec<Entry>, Refusal> {
        // What memory alone has is stored and shown in a moment.
        self.ask(conversation, |reply| Settle { reply }).await?;
        let range = SequenceRange::new(target, target);
        let changes = self.tree.ports.messages.changes(conversation, range).await;
        changes.map_err(|error| unavailable(&error))
    }

    /// A conversation, its members and head, for one who may see it.
    ///
    /// # Errors
    /// `not_found`, `retry_later`.
    pub async fn describe(
        &self,
        reader: UserId,
        conversation: ConversationId,
    ) -> Result<ConversationDetails, Refusal> {
        let described = self.ask(conversation, |reply| Describe { reader, reply }).await??;
        Ok(ConversationDetails {
            conversation: described.record,
            members: described.members,
            bans: described.bans,
            membership: described.membership,
            head: described.head,
        })
    }

    /// What a conversation shows no more.
    pub(crate) fn gone(&self, conversation: &ConversationRecord) -> Gone {
        let context = self.tree.conversations.context();
        Gone::at(context.clock.now_ms(), conversation, context.retention_default_days)
    }

    /// Takes away what entries from the store said whose time is over.
    async fn leave_out_what_is_gone(
        &self,
        conversation: ConversationId,
        read: &mut HistoryRead,
    ) -> Result<(), Refusal> {
        let record = self.tree.ports.roster.conversation(conversation).await;
        let record = record.map_err(|error| unavailable(&error))?.ok_or_else(Refusal::not_found)?;
        let gone = self.gone(&record);
        let over: BTreeSet<Sequence> =
            read.entries.iter().filter(|entry| gone.has(entry)).map(|entry| entry.seq).collect();
        for entry in &mut read.entries {
            if let Some(shown) = gone.shown(entry) {
                *entry = shown;
            }
        }
        read.states.retain(|state| state.deleted.is_some() || !over.contains(&state.seq));
        Ok(())
    }

    /// The user has read up to `seq` (never beyond the head; never backwards).
    ///
    /// # Errors
    /// `not_found`, `retry_later`.
    pub async fn read_up_to(
        &self,
        user: UserId,
        conversation: ConversationId,
        seq: Sequence,
    ) -> Result<(), Refusal> {
        let described = self.ask(conversation, |reply| Describe { reader: user, reply }).await??;
        if described.membership.is_none() {
            return Err(Refusal::not_found());
        }
        self.note_read(user, conversation, seq.min(described.head)).await
    }

    async fn note_read(
        &self,
        user_id: UserId,
        conversation_id: ConversationId,
        seq: Sequence,
    ) -> Result<(), Refusal> {
        if let Some(session) = self.tree.sessions.online().get(user_id) {
            let _ = session.try_send(ReadUpTo { conversation: conversation_id, seq });
        }
        let read = Some(seq);
        let privacy = self.tree.personal.privacy(user_id).await;
        let privacy = privacy.map_err(|error| unavailable(&error))?;
        let is_private = !privacy.settings.read_receipts;
        if let Ok(running) = self.tree.conversations.get_or_start(conversation_id) {
            let signal = Signal::Position { user_id, delivered: None, read, is_private };
            let _ = running.try_send(Heed { signals: vec![signal], is_from_elsewhere: false });
        }
        let advance =
            PositionAdvance { user_id, conversation_id, delivered: None, read, is_private };
        let written = self.tree.ports.roster.advance_positions(vec![advance]).await;
        written.map_err(|error| unavailable(&error))
    }

    /// Tells members who are online that a conversation now exists for them.
    pub fn conversation_created(
        &self,
        conversation: ConversationId,
        generation: u32,
        members: &[UserId],
    ) {
        for user in members {
            if let Some(session) = self.tree.sessions.online().get(*user) {
                let _ = session.try_send(ToMember::Created { conversation, generation });
            }
        }
        for members in members.chunks(MEMBERS_PER_FRAME) {
            let (conversation_id, members) = (conversation, members.to_vec());
            let created = NodeFrame::Created { conversation_id, generation, members };
            self.tree.peers.tell_all(&created);
        }
    }

    /// Closes a device's socket, if it has one, on whichever node.
    pub fn disconnect_device(&self, user: UserId, device: DeviceId, code: CloseCode) {
        let (device_id, code_number) = (Some(device), code.code());
        let close = NodeFrame::CloseDevice { user_id: user, device_id, code: code_number };
        self.tree.peers.tell_all(&close);
        if let Some(session) = self.tree.sessions.online().get(user) {
            let _ = session.try_send(CloseDevice { device: Some(device), code });
        }
    }

    /// Users with a socket here, in no order.
    #[must_use]
    pub fn users_online(&self) -> Vec<UserId> {
        self.tree.sessions.online().all().into_iter().map(|(user, _)| user).collect()
    }

    /// Closes every socket that a user has at this node.
    pub fn disconnect_here(&self, user: UserId, code: CloseCode) {
        if let Some(session) = self.tree.sessions.online().get(user) {
            let _ = session.try_send(CloseDevice { device: None, code });
        }
    }

    /// Closes every socket of this node with `code`.
    pub fn disconnect_all(&self, code: CloseCode) {
        for (_, session) in self.tree.sessions.online().all() {
            let _ = session.try_send(CloseDevice { device: None, code });
        }
    }

    /// Asks a conversation, started when needed; a life that dies meanwhile is asked again.
    async fn ask<M, T>(
        &self,
        conversation: ConversationId,
        question: impl Fn(oneshot::Sender<T>) -> M,
    ) -> Result<T, Refusal>
    where
        M: Message<Result = ()> + Send + 'static,
        Conversation: Handler<M>,
        <Conversation as Actor>::Context: ToEnvelope<Conversation, M>,
    {
        for _ in 0..TRIES {
            let address =
                self.tree.conversations.get_or_start(conversation).map_err(|quarantined| {
                    Refusal::retry_later("the conversation restarts")
                        .retry_after_ms(quarantined.retry_after_ms)
                })?;
            let (reply, answer) = oneshot::channel();
            match address.try_send(question(reply)) {
                Ok(()) => {}
                Err(SendError::Full(_)) => {
                    let text = "the conversation is busy";
                    return Err(Refusal::new(ErrorCode::Overloaded, text).retry_after_ms(200));
                }
                Err(SendError::Closed(_)) => continue,
            }
            match timeout(DEADLINE, answer).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(_)) => {}
                Err(_) => break,
            }
        }
        Err(Refusal::retry_later("no answer in time; repeat under the same id"))
    }
}

fn unavailable(error: &StoreError) -> Refusal {
    tracing::warn!(%error, "the store did not answer");
    Refusal::retry_later("the store did not answer")
}
