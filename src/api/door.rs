//! What REST asks of the running node: the methods of [`Node`], behind a trait so that handlers
//! are tested without actors.

use actors::Node;
use actors::node::{ChatRow, ConversationDetails, HistoryRead, Page, Submitted};
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

    fn read_up_to(
        &self,
        user: UserId,
        conversation: ConversationId,
        seq: Sequence,
    ) -> Answer<'_, ()>;

    fn presence(&self, user: UserId) -> LocalBoxFuture<'_, UserOnline>;

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

    fn presence(&self, user: UserId) -> LocalBoxFuture<'_, UserOnline> {
        Box::pin(Self::presence(self, user))
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
