//! What members tell each other and nobody stores: typing, and how far each is. Messages come
//! first: whoever is too busy to hear a signal does without.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actix::{AsyncContext as _, Context, Handler};
use schema::cluster::envelope::{NodeFrame, Signal};
use schema::record::Event;
use schema::wire::{TypingState, TypingUpdate, UserStatus};
use schema::{Sequence, SequenceRange, UserId, metric};

use super::actor::Conversation;
use super::messages::{Heed, ToMember};
use super::serving::Serving;
use crate::ports::Owner;

/// Above this many members nobody is told who types.
const TYPING_MEMBERS_MAX: usize = 256;
/// Positions are gathered for so long before they are told: in small conversations, in larger
/// ones, and where very many move at once.
const GATHER: Duration = Duration::from_millis(100);
const GATHER_LARGE: Duration = Duration::from_secs(1);
const GATHER_BUSY: Duration = Duration::from_secs(5);
const LARGE_MEMBERS: usize = 64;
const BUSY_MOVED: usize = 100;
/// Positions of one frame.
const STATUSES_MAX: usize = 1_000;

impl Handler<Heed> for Conversation {
    type Result = ();

    fn handle(&mut self, message: Heed, ctx: &mut Self::Context) {
        let Ok(serving) = &mut self.serving else { return };
        let is_elsewhere = message.is_from_elsewhere;
        let mut kept = Vec::with_capacity(message.signals.len());
        let mut has_news = false;
        for signal in message.signals {
            match signal {
                Signal::Typing { user_id, state } => {
                    if serving.tell_typing(self.id, user_id, state) {
                        kept.push(signal);
                    }
                }
                Signal::Position { user_id, read, is_private: true, .. } => {
                    if is_elsewhere && serving.roster.is_member(user_id) {
                        serving.tell_own_read(self.id, user_id, read);
                    }
                    kept.push(signal);
                }
                Signal::Position { user_id, delivered, read, is_private: false } => {
                    if serving.roster.is_member(user_id)
                        && serving.statuses.note(user_id, delivered, read, is_elsewhere)
                    {
                        has_news = true;
                        kept.push(signal);
                    }
                }
            }
        }
        if has_news {
            self.arm_statuses(ctx);
        }
        if !is_elsewhere && !kept.is_empty() {
            self.tell_nodes(kept);
        }
    }
}

impl Conversation {
    /// Other members may be online on other nodes.
    fn tell_nodes(&self, signals: Vec<Signal>) {
        let sequencers = &self.context.sequencers;
        let peers = sequencers.committers().peers();
        if !peers.is_clustered() {
            return;
        }
        let frame = NodeFrame::Signals { conversation_id: self.id, signals };
        match sequencers.owner(self.id) {
            Owner::Here => {
                for node in peers.followers(self.id) {
                    peers.tell(node, &frame);
                }
            }
            Owner::Elsewhere(owner) => peers.tell(owner, &frame),
            Owner::Unknown => {}
        }
    }

    fn arm_statuses(&mut self, ctx: &mut Context<Self>) {
        let Ok(serving) = &mut self.serving else { return };
        if serving.statuses_armed {
            return;
        }
        serving.statuses_armed = true;
        let gather = if serving.statuses.waiting() > BUSY_MOVED {
            GATHER_BUSY
        } else if serving.listeners.count() > LARGE_MEMBERS {
            GATHER_LARGE
        } else {
            GATHER
        };
        ctx.run_later(gather, |actor, _| {
            let Ok(serving) = &mut actor.serving else { return };
            serving.statuses_armed = false;
            serving.tell_statuses(actor.id);
        });
    }
}

impl Serving {
    fn tell_typing(
        &mut self,
        conversation_id: schema::ConversationId,
        user_id: UserId,
        state: TypingState,
    ) -> bool {
        let is_small = self.roster.current().take(TYPING_MEMBERS_MAX + 1).count();
        if is_small > TYPING_MEMBERS_MAX || !self.roster.is_member(user_id) {
            return false;
        }
        let update = TypingUpdate { conversation_id, user_id, state };
        let told = self.listeners.signal_others(user_id, &ToMember::Typing(update));
        metrics::counter!(metric::TYPING_RELAYED).increment(told);
        true
    }

    /// The user's devices here hear what one elsewhere has read, and nobody else does.
    fn tell_own_read(
        &self,
        conversation: schema::ConversationId,
        user_id: UserId,
        read: Option<Sequence>,
    ) {
        let statuses = Arc::from([UserStatus { user_id, delivered: None, read }]);
        self.listeners.signal(user_id, ToMember::Statuses { conversation, statuses });
    }

    fn tell_statuses(&mut self, conversation: schema::ConversationId) {
        let recent = &self.recent;
        let authors_in = |after: Sequence, up_to: Sequence| -> BTreeSet<UserId> {
            let (_, held) = recent.split(SequenceRange::new(after.next(), up_to));
            let messages = held.iter().filter(|it| matches!(it.entry.event, Event::Message(_)));
            messages.map(|it| it.entry.sender_id).collect()
        };
        let told = self.statuses.take(self.head, authors_in);
        for (user, statuses) in told {
            for statuses in statuses.chunks(STATUSES_MAX) {
                let statuses: Arc<[UserStatus]> = statuses.into();
                let count = statuses.len() as u64;
                if self.listeners.signal(user, ToMember::Statuses { conversation, statuses }) {
                    metrics::counter!(metric::STATUSES_TOLD).increment(count);
                }
            }
        }
    }
}
