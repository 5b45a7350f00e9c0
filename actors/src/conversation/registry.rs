//! The conversations that run on this node.

use std::sync::Arc;

use actix::{Actor as _, Addr, Recipient};
use schema::{ConversationId, Sequence, UserId};

use super::actor::{Conversation, ConversationContext};
use super::messages::ToMember;
use crate::monitor::{Child, DeathNotice, Incarnation, Quarantined, Registry, Watcher, Workers};
use crate::peers::Follow;

/// Who is online on this node: implemented by the room of sessions.
pub trait Audience: Send + Sync + 'static {
    /// The mailbox of the user's session, if the user has a socket here.
    fn listener(&self, user: UserId) -> Option<Recipient<ToMember>>;
}

/// Finds a conversation's actor, or starts it beside its shard's committer.
pub struct Conversations {
    registry: Registry<ConversationId, Conversation>,
    context: Arc<ConversationContext>,
    workers: Workers,
    watcher: Arc<dyn Watcher>,
}

impl Conversations {
    #[must_use]
    pub fn new(
        context: Arc<ConversationContext>,
        workers: Workers,
        watcher: Arc<dyn Watcher>,
    ) -> Self {
        Self { registry: Registry::default(), context, workers, watcher }
    }

    #[must_use]
    pub fn context(&self) -> &Arc<ConversationContext> {
        &self.context
    }

    /// Keeps this node interested in a conversation that is known up to `head`.
    #[must_use]
    pub fn follow(&self, conversation: ConversationId, head: Sequence) -> Option<Follow> {
        let sequencers = &self.context.sequencers;
        let shard = sequencers.shard_of(conversation);
        sequencers.committers().peers().follow(conversation, shard, head)
    }

    /// Conversations that run here.
    #[must_use]
    pub fn count(&self) -> usize {
        self.registry.len()
    }

    #[must_use]
    pub fn get(&self, conversation: ConversationId) -> Option<Addr<Conversation>> {
        self.registry.get(&conversation)
    }

    /// # Errors
    /// [`Quarantined`] after too many panics.
    pub fn get_or_start(
        &self,
        conversation: ConversationId,
    ) -> Result<Addr<Conversation>, Quarantined> {
        let shard = self.context.sequencers.shard_of(conversation);
        self.registry.get_or_start(conversation, |incarnation| {
            let (context, watcher) = (self.context.clone(), self.watcher.clone());
            Conversation::start_in_arbiter(self.workers.of_shard(shard), move |_| {
                let child = Child::Conversation(conversation);
                let notice = DeathNotice::new(child, incarnation, watcher);
                Conversation::new(conversation, context, notice)
            })
        })
    }

    /// Some that run here.
    #[must_use]
    pub fn sample(&self, count: usize) -> Vec<Addr<Conversation>> {
        self.registry.sample(count)
    }

    pub fn forget(&self, conversation: ConversationId, incarnation: Incarnation) {
        self.registry.forget(&conversation, incarnation);
    }

    /// Notes a panic; returns how long the conversation stays down.
    pub fn panicked(&self, conversation: ConversationId) -> std::time::Duration {
        self.registry.panicked(conversation, tokio::time::Instant::now())
    }
}
