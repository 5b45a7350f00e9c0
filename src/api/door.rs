//! What REST asks of the running node: the methods of [`Node`], behind a trait so that handlers
//! are tested without actors.

use actors::Node;
use actors::node::{
    ChatRow, ConversationDetails, Counts, HistoryRead, Page, Submitted, ThreadRead, ThreadSummary,
};
use actors::ports::Identity;
use futures_util::future::LocalBoxFuture;
use schema::record::{Draft, Entry};
use schema::wire::{CloseCode, Refusal, UserOnline};
use schema::{ConversationId, DeviceId, Sequence, UserId};

/// An answer of the node; errors are those that [`Node`]'s method of the same name lists.
pub type Answer<'a, T> = LocalBoxFuture<'a, Result<T, Refusal>>;

/// See [`Node`].
pub trait Door: Send + Sync + 'static {
    fn submit(&self, draft: Draft) -> Answer<'_, Submitted>;

    fn history(
        &self,
        reader: UserId,
        conversation: ConversationId,
        page: Page,
        limit: u64,
    ) -> Answer<'_, HistoryRead>;

    fn changes(&self, conversation: ConversationId, target: Sequence) -> Answer<'_, Vec<Entry>>;

    fn describe(
        &self,
        reader: UserId,
        conversation: ConversationId,
    ) -> Answer<'_, ConversationDetails>;

    fn chat_list(&self, user: UserId) -> Answer<'_, Vec<ChatRow>>;

    fn chat_counts<'a>(&'a self, user: UserId, rows: &'a [ChatRow]) -> Answer<'a, Vec<Counts>>;

    fn threads(
        &self,
        reader: UserId,
        conversation: ConversationId,
        below: Sequence,
        limit: usize,
    ) -> Answer<'_, Vec<ThreadSummary>>;

    fn thread_page(
        &self,
        reader: UserId,
        conversation: ConversationId,
        root: Sequence,
        page: Page,
        limit: u64,
    ) -> Answer<'_, ThreadRead>;

    fn read_thread(
        &self,
        by: Identity,
        conversation: ConversationId,
        root: Sequence,
        seq: Sequence,
    ) -> Answer<'_, ()>;

    fn follow_thread(
        &self,
        by: Identity,
        conversation: ConversationId,
        root: Sequence,
        on: bool,
    ) -> Answer<'_, ()>;

    fn hide(&self, by: Identity, conversation: ConversationId, target: Sequence) -> Answer<'_, ()>;

    fn read_up_to(
        &self,
        user: UserId,
        conversation: ConversationId,
        seq: Sequence,
    ) -> Answer<'_, ()>;

    fn presence(&self, viewer: UserId, user: UserId) -> Answer<'_, UserOnline>;

    fn conversation_created(
        &self,
        conversation: ConversationId,
        generation: u32,
        members: &[UserId],
    );

    fn disconnect_device(&self, user: UserId, device: DeviceId, code: CloseCode);
}

impl Door for Node {
    fn submit(&self, draft: Draft) -> Answer<'_, Submitted> {
        Box::pin(Self::submit(self, draft))
    }

    fn history(
        &self,
        reader: UserId,
        conversation: ConversationId,
        page: Page,
        limit: u64,
    ) -> Answer<'_, HistoryRead> {
        Box::pin(Self::history(self, reader, conversation, page, limit))
    }

    fn changes(&self, conversation: ConversationId, target: Sequence) -> Answer<'_, Vec<Entry>> {
        Box::pin(Self::changes(self, conversation, target))
    }

    fn describe(
        &self,
        reader: UserId,
        conversation: ConversationId,
    ) -> Answer<'_, ConversationDetails> {
        Box::pin(Self::describe(self, reader, conversation))
    }

    fn chat_list(&self, user: UserId) -> Answer<'_, Vec<ChatRow>> {
        Box::pin(Self::chat_list(self, user))
    }

    fn read_up_to(
        &self,
        user: UserId,
        conversation: ConversationId,
        seq: Sequence,
    ) -> Answer<'_, ()> {
        Box::pin(Self::read_up_to(self, user, conversation, seq))
    }

    fn presence(&self, viewer: UserId, user: UserId) -> Answer<'_, UserOnline> {
        Box::pin(Self::presence(self, viewer, user))
    }

    fn chat_counts<'a>(&'a self, user: UserId, rows: &'a [ChatRow]) -> Answer<'a, Vec<Counts>> {
        Box::pin(Self::chat_counts(self, user, rows))
    }

    fn threads(
        &self,
        reader: UserId,
        conversation: ConversationId,
        below: Sequence,
        limit: usize,
    ) -> Answer<'_, Vec<ThreadSummary>> {
        Box::pin(Self::threads(self, reader, conversation, below, limit))
    }

    fn thread_page(
        &self,
        reader: UserId,
        conversation: ConversationId,
        root: Sequence,
        page: Page,
        limit: u64,
    ) -> Answer<'_, ThreadRead> {
        Box::pin(Self::thread_page(self, reader, conversation, root, page, limit))
    }

    fn read_thread(
        &self,
        by: Identity,
        conversation: ConversationId,
        root: Sequence,
        seq: Sequence,
    ) -> Answer<'_, ()> {
        Box::pin(Self::read_thread(self, by.user_id, by.device_id, conversation, root, seq))
    }

    fn follow_thread(
        &self,
        by: Identity,
        conversation: ConversationId,
        root: Sequence,
        on: bool,
    ) -> Answer<'_, ()> {
        Box::pin(Self::follow_thread(self, by.user_id, by.device_id, conversation, root, on))
    }

    fn hide(&self, by: Identity, conversation: ConversationId, target: Sequence) -> Answer<'_, ()> {
        Box::pin(Self::hide(self, by.user_id, by.device_id, conversation, target))
    }

    fn conversation_created(
        &self,
        conversation: ConversationId,
        generation: u32,
        members: &[UserId],
    ) {
        Self::conversation_created(self, conversation, generation, members);
    }

    fn disconnect_device(&self, user: UserId, device: DeviceId, code: CloseCode) {
        Self::disconnect_device(self, user, device, code);
    }
}
