//! Hears of every death and decides what starts again.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use actix::{Actor, AsyncContext as _, Context, Handler};
use schema::{ConversationId, metric};

use super::tree::Tree;
use crate::conversation::CheckSequencer;
use crate::monitor::{Child, Down, DownReason};

/// A shard that could not be claimed is tried again after this time at the least.
const RECLAIM: Duration = Duration::from_millis(500);

/// The watcher of all supervised actors.
pub struct Supervisor {
    tree: Arc<OnceLock<Weak<Tree>>>,
}

impl Supervisor {
    #[must_use]
    pub const fn new(tree: Arc<OnceLock<Weak<Tree>>>) -> Self {
        Self { tree }
    }

    fn tree(&self) -> Option<Arc<Tree>> {
        self.tree.get().and_then(Weak::upgrade)
    }

    fn on_session_down(tree: &Tree, down: Down, user: schema::UserId) {
        let online = tree.sessions.online();
        online.forget(user, down.incarnation);
        if down.reason == DownReason::Panicked {
            // Its sockets notice and come back; the next session loads from the store.
            online.panicked(user);
        }
    }

    /// A conversation that panicked starts again at once: its members are waiting.
    fn on_conversation_down(tree: &Tree, down: Down, id: ConversationId, ctx: &mut Context<Self>) {
        tree.conversations.forget(id, down.incarnation);
        if down.reason == DownReason::Panicked {
            let delay = tree.conversations.panicked(id);
            Self::later(ctx, delay, move |tree| {
                metrics::counter!(metric::ACTOR_RESTARTS, "kind" => "conversation").increment(1);
                tree.mailboxes.restarted("conversation");
                let _ = tree.conversations.get_or_start(id);
            });
        }
    }

    /// The next sequencer starts when its conversation asks for it.
    fn on_sequencer_down(tree: &Tree, down: Down, id: ConversationId) {
        tree.sequencers.forget(id, down.incarnation);
        if down.reason == DownReason::Panicked {
            tree.sequencers.panicked(id);
            if let Some(conversation) = tree.conversations.get(id) {
                let _ = conversation.try_send(CheckSequencer);
            }
        }
    }

    /// The next stand-in starts when its conversation asks for it.
    fn on_remote_sequencer_down(tree: &Tree, down: Down, id: ConversationId) {
        tree.sequencers.forget_elsewhere(id, down.incarnation);
        if down.reason == DownReason::Panicked {
            tree.sequencers.panicked_elsewhere(id);
            if let Some(conversation) = tree.conversations.get(id) {
                let _ = conversation.try_send(CheckSequencer);
            }
        }
    }

    /// Without its committer a shard stands still: its sequencers end, and it is claimed anew.
    fn on_committer_down(tree: &Tree, down: Down, shard: u32, ctx: &mut Context<Self>) {
        tree.committers.forget(shard, down.incarnation);
        tree.sequencers.abandon(shard);
        let ownership = tree.committers.ownership();
        if ownership.was_fenced(shard) && !tree.ports.bridge.is_connected() {
            // Cut off, this node cannot tell who is meant to own it: it does not fight.
            ownership.unassign(shard);
            tree.sequencers.owner_changed(shard);
        }
        if tree.committers.is_retired() || !ownership.is_assigned(shard) {
            return;
        }
        let delay = match down.reason {
            DownReason::Panicked => tree.committers.panicked(shard),
            DownReason::Stopped => RECLAIM,
        };
        Self::later(ctx, delay, move |tree| {
            metrics::counter!(metric::ACTOR_RESTARTS, "kind" => "committer").increment(1);
            tree.mailboxes.restarted("committer");
            let _ = tree.committers.get_or_start(shard);
        });
    }

    fn later(ctx: &mut Context<Self>, delay: Duration, act: impl FnOnce(&Tree) + 'static) {
        ctx.run_later(delay, move |supervisor, _| {
            if let Some(tree) = supervisor.tree() {
                act(&tree);
            }
        });
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;
}

impl Handler<Down> for Supervisor {
    type Result = ();

    fn handle(&mut self, down: Down, ctx: &mut Self::Context) {
        if down.reason == DownReason::Panicked {
            tracing::error!(child = ?down.child, "an actor panicked");
            metrics::counter!(metric::ACTOR_PANICS, "kind" => down.child.kind()).increment(1);
        }
        let Some(tree) = self.tree() else { return };
        if down.reason == DownReason::Panicked {
            tree.mailboxes.panicked(down.child.kind());
        }
        match down.child {
            Child::Connection(_) => {}
            Child::Session(user) => Self::on_session_down(&tree, down, user),
            Child::Conversation(id) => Self::on_conversation_down(&tree, down, id, ctx),
            Child::Sequencer(id) => Self::on_sequencer_down(&tree, down, id),
            Child::RemoteSequencer(id) => Self::on_remote_sequencer_down(&tree, down, id),
            Child::Committer(shard) => Self::on_committer_down(&tree, down, shard, ctx),
        }
    }
}
