//! A node that numbers what it is given and remembers what it was asked.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use actors::memory::MemoryStore;
use actors::node::{
    ChatRow, ConversationDetails, Counts, HistoryRead, Page, Submitted, ThreadRead, ThreadSummary,
};
use actors::ports::{Identity, RosterStore as _};
use schema::record::{Draft, Entry};
use schema::wire::{CloseCode, PresenceStatus, Refusal, UserOnline};
use schema::{ConversationId, DeviceId, Sequence, UserId};
use tokio::sync::Notify;

use crate::api::door::{Answer, Door};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    History(Page, u64),
    ReadUpTo(UserId, Sequence),
    Created(ConversationId, Vec<UserId>),
    Disconnected(DeviceId, CloseCode),
}

pub(crate) struct RecordingNode {
    store: MemoryStore,
    entries: Mutex<Vec<Entry>>,
    asked: Mutex<Vec<Asked>>,
    /// Given instead of the next number, once.
    next_refusal: Mutex<Option<Refusal>>,
    /// While it is there, submits wait for it.
    gate: Mutex<Option<Arc<Notify>>>,
}

impl RecordingNode {
    pub(crate) fn new(store: MemoryStore) -> Arc<Self> {
        Arc::new(Self {
            store,
            entries: Mutex::default(),
            asked: Mutex::default(),
            next_refusal: Mutex::default(),
            gate: Mutex::default(),
        })
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap().clone()
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn refuse_next(&self, refusal: Refusal) {
        *self.next_refusal.lock().unwrap() = Some(refusal);
    }

    /// Submits wait from now on until the gate is notified, each once.
    pub(crate) fn hold(&self) -> Arc<Notify> {
        let gate = Arc::new(Notify::new());
        *self.gate.lock().unwrap() = Some(Arc::clone(&gate));
        gate
    }

    fn note(&self, asked: Asked) {
        self.asked.lock().unwrap().push(asked);
    }

    async fn check_member(
        &self,
        conversation: ConversationId,
        user: UserId,
    ) -> Result<(), Refusal> {
        let membership = self.store.membership(conversation, user).await.unwrap();
        membership.map(drop).ok_or_else(Refusal::not_found)
    }

    fn number(&self, draft: Draft) -> Submitted {
        let mut entries = self.entries.lock().unwrap();
        if let Some(known) = entries.iter().find(|entry| entry.message_id == draft.message_id) {
            return Submitted { seq: known.seq, sent_at: known.sent_at, duplicate: true };
        }
        let seq = Sequence(entries.len() as u64 + 1);
        entries.push(Entry {
            conversation_id: draft.conversation_id,
            seq,
            message_id: draft.message_id,
            sender_id: draft.sender_id,
            sent_at: 7,
            ordinal: seq.0,
            event: draft.event,
        });
        Submitted { seq, sent_at: 7, duplicate: false }
    }
}

impl Door for RecordingNode {
    fn submit(&self, draft: Draft) -> Answer<'_, Submitted> {
        Box::pin(async move {
            let gate = self.gate.lock().unwrap().clone();
            if let Some(gate) = gate {
                gate.notified().await;
            }
            if let Some(refusal) = self.next_refusal.lock().unwrap().take() {
                return Err(refusal);
            }
            self.check_member(draft.conversation_id, draft.sender_id).await?;
            Ok(self.number(draft))
        })
    }

    fn history(
        &self,
        reader: UserId,
        conversation: ConversationId,
        page: Page,
        limit: u64,
    ) -> Answer<'_, HistoryRead> {
        Box::pin(async move {
            self.check_member(conversation, reader).await?;
            self.note(Asked::History(page, limit));
            let entries = self.entries();
            let head = Sequence(entries.len() as u64);
            let purged_up_to = Sequence::START;
            Ok(HistoryRead { entries, head, states: Vec::new(), purged_up_to })
        })
    }

    fn changes(&self, _: ConversationId, target: Sequence) -> Answer<'_, Vec<Entry>> {
        let entries = self.entries().into_iter();
        let changes = entries.filter(|entry| entry.event.target() == Some(target)).collect();
        Box::pin(async move { Ok(changes) })
    }

    fn describe(
        &self,
        reader: UserId,
        conversation: ConversationId,
    ) -> Answer<'_, ConversationDetails> {
        Box::pin(async move {
            self.check_member(conversation, reader).await?;
            let row = self.store.conversation(conversation).await.unwrap().unwrap();
            let members = self.store.members(conversation).await.unwrap();
            let head = Sequence(self.entries().len() as u64);
            let bans = self.store.bans(conversation).await.unwrap();
            let membership = members.iter().find(|it| it.user_id == reader).copied();
            Ok(ConversationDetails { conversation: row, members, bans, membership, head })
        })
    }

    fn chat_list(&self, user: UserId) -> Answer<'_, Vec<ChatRow>> {
        Box::pin(async move {
            let overviews = self.store.conversations_of(user, None).await.unwrap();
            let row =
                |overview| ChatRow { overview, last: None, memory: None, here: BTreeSet::new() };
            Ok(overviews.into_iter().map(row).collect())
        })
    }

    fn read_up_to(
        &self,
        user: UserId,
        conversation: ConversationId,
        seq: Sequence,
    ) -> Answer<'_, ()> {
        Box::pin(async move {
            self.check_member(conversation, user).await?;
            self.note(Asked::ReadUpTo(user, seq));
            Ok(())
        })
    }

    fn chat_counts<'a>(&'a self, _: UserId, rows: &'a [ChatRow]) -> Answer<'a, Vec<Counts>> {
        let count = |row: &ChatRow| Counts {
            unread: row.seen().distance_to(row.overview.head),
            ..Counts::default()
        };
        Box::pin(async move { Ok(rows.iter().map(count).collect()) })
    }

    fn threads(
        &self,
        reader: UserId,
        conversation: ConversationId,
        _: Sequence,
        _: usize,
    ) -> Answer<'_, Vec<ThreadSummary>> {
        Box::pin(async move {
            self.check_member(conversation, reader).await?;
            Ok(Vec::new())
        })
    }

    fn thread_page(
        &self,
        reader: UserId,
        conversation: ConversationId,
        _: Sequence,
        _: Page,
        _: u64,
    ) -> Answer<'_, ThreadRead> {
        Box::pin(async move {
            self.check_member(conversation, reader).await?;
            let read = Sequence::START;
            Ok(ThreadRead { entries: self.entries(), states: Vec::new(), read })
        })
    }

    fn read_thread(
        &self,
        by: Identity,
        conversation: ConversationId,
        _: Sequence,
        seq: Sequence,
    ) -> Answer<'_, ()> {
        self.read_up_to(by.user_id, conversation, seq)
    }

    fn follow_thread(
        &self,
        by: Identity,
        conversation: ConversationId,
        _: Sequence,
        _: bool,
    ) -> Answer<'_, ()> {
        Box::pin(async move { self.check_member(conversation, by.user_id).await })
    }

    fn hide(&self, by: Identity, conversation: ConversationId, _: Sequence) -> Answer<'_, ()> {
        Box::pin(async move { self.check_member(conversation, by.user_id).await })
    }

    fn presence(&self, _: UserId, user_id: UserId) -> Answer<'_, UserOnline> {
        let status = PresenceStatus::Offline;
        Box::pin(async move { Ok(UserOnline { user_id, status, last_seen: None }) })
    }

    fn conversation_created(&self, conversation: ConversationId, _: u32, members: &[UserId]) {
        self.note(Asked::Created(conversation, members.to_vec()));
    }

    fn disconnect_device(&self, _: UserId, device: DeviceId, code: CloseCode) {
        self.note(Asked::Disconnected(device, code));
    }
}
