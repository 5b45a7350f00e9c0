//! Where a simulated node hears the others: takes frames apart, and reads heads that may have been
//! missed, as the real inbox does.

use std::collections::BTreeMap;

use bytes::Bytes;
use schema::cluster::envelope::{
    self, Announce, Follow, Followed, Head, NodeFrame, Submit, Submitted,
};
use schema::{ConversationId, NodeId, OwnerToken, Sequence};

use super::actor::{Child, Context, Observation};
use super::inbox_jobs::Jobs;
use super::message::{Message, ToInbox, ToStandIn};
use super::mutants::Mutant;
use super::store_model::{Answer, Call, Ticket};
use crate::peers::batches::Arrived;
use crate::peers::outgoing::says;
use crate::ports::Owner;
use crate::sequencer::FromOwner;

const TICK_MS: u64 = 100;
const PAUSE_MS: u64 = 1_000;
const AT_ONCE: usize = 128;

#[derive(Default)]
pub struct Inbox {
    /// Conversations whose heads are being read, and what came of it.
    comparing: BTreeMap<ConversationId, Option<Option<Sequence>>>,
    pub(super) jobs: Jobs,
}

impl Inbox {
    pub fn started(&mut self, ctx: &mut Context<'_>) {
        if !ctx.schedule.is_embedded {
            self.keep_up(ctx);
        }
    }

    pub fn handle(&mut self, message: Message, ctx: &mut Context<'_>) {
        match message {
            Message::Inbox(ToInbox::Frame(bytes)) => self.receive(&bytes, ctx),
            Message::Inbox(ToInbox::Unsure) => {
                let mutant = ctx.mutant;
                ctx.shared.peers.doubt_all(mutant);
            }
            Message::Inbox(ToInbox::KeepUp) => self.keep_up(ctx),
            Message::Inbox(ToInbox::Answered { job, at, result }) => {
                self.jobs.answered(job, at, result, ctx);
            }
            Message::Inbox(ToInbox::JobLate { job }) => self.jobs.late(job, ctx),
            Message::Answer(Ticket::Compare(id), Answer::Head(head)) => {
                self.compared(id, head.ok(), ctx);
            }
            _ => {}
        }
    }

    /// Says what is due, compares what is unsure, comes again.
    fn keep_up(&mut self, ctx: &mut Context<'_>) {
        ctx.tick_peers();
        let unsure = ctx.shared.peers.tables.following.take_unsure(AT_ONCE);
        if unsure.is_empty() {
            return ctx.later(TICK_MS, Message::Inbox(ToInbox::KeepUp));
        }
        for id in unsure {
            self.comparing.insert(id, None);
            ctx.call(Ticket::Compare(id), Call::Head(id));
        }
    }

    fn compared(&mut self, id: ConversationId, head: Option<Sequence>, ctx: &mut Context<'_>) {
        self.comparing.insert(id, Some(head));
        if self.comparing.values().any(Option::is_none) {
            return;
        }
        let mut all = true;
        for (id, head) in std::mem::take(&mut self.comparing) {
            match head.flatten() {
                Some(head) => on_news([(id, head)], ctx),
                None => {
                    all = false;
                    ctx.shared.peers.tables.following.still_unsure(id);
                }
            }
        }
        ctx.later(if all { TICK_MS } else { PAUSE_MS }, Message::Inbox(ToInbox::KeepUp));
    }

    fn receive(&mut self, bytes: &Bytes, ctx: &mut Context<'_>) {
        let (from, frame) = envelope::decode(bytes).expect("frames come as they were sent");
        match frame {
            NodeFrame::Announce(announce) => on_announce(announce, ctx),
            NodeFrame::Heads { heads } => on_heads(&heads, ctx),
            NodeFrame::Follow(follow) => on_follow(from, &follow, ctx),
            NodeFrame::Unfollow { conversations } => {
                let followers = &mut ctx.shared.peers.tables.followers;
                conversations.iter().for_each(|id| followers.unfollow(from, *id));
            }
            NodeFrame::Followed(Followed { request, heads }) => {
                ctx.shared.peers.asked_once.answered(request);
                ctx.shared.peers.tables.following.answered(request);
                on_heads(&heads, ctx);
            }
            NodeFrame::Submit(submit) => self.on_submit(from, submit, ctx),
            NodeFrame::Submitted(submitted) => {
                let stand_in = ctx.registry.get(Child::StandIn(submitted.conversation_id));
                if let Some(stand_in) = stand_in {
                    ctx.tell(stand_in, from_owner(FromOwner::Submitted(submitted)));
                }
            }
            // Members do not change here, and devices are not signed out.
            NodeFrame::Signals { .. }
            | NodeFrame::WatchPresence { .. }
            | NodeFrame::Presence { .. }
            | NodeFrame::Personal { .. }
            | NodeFrame::Created { .. }
            | NodeFrame::Added { .. }
            | NodeFrame::CloseDevice { .. } => {}
        }
    }

    /// Drafts for a shard of this node.
    fn on_submit(&mut self, from: NodeId, mut submit: Submit, ctx: &mut Context<'_>) {
        let shard = ctx.shard_of(submit.conversation_id);
        let activation = ctx.shared.ownership.activation(shard);
        if ctx.owner(shard) != Owner::Here || activation.is_none() {
            // Not here, not any more or not yet: no results.
            return ctx.tell_node(from, &submitted(&submit, activation, Vec::new()));
        }
        let (batches, now_ms) = (&mut ctx.shared.peers.tables.batches, ctx.now_ms);
        let follows = batches.follows(from, &submit);
        let arrived = batches.arrived(from, &submit, activation, now_ms);
        match arrived {
            Arrived::Known if ctx.mutant != Mutant::NoBatchGuard => {
                ctx.observe(Observation::BatchAgain);
            }
            Arrived::Done(results) if ctx.mutant != Mutant::NoBatchGuard => {
                ctx.observe(Observation::BatchAgain);
                ctx.tell_node(from, &submitted(&submit, activation, results));
            }
            _ => {
                // Others may have stored these before.
                let is_surely_new = submit.activation == activation && follows;
                if !is_surely_new && ctx.mutant != Mutant::RepeatsUnmarked {
                    submit.drafts.iter_mut().for_each(|draft| draft.retry = true);
                }
                self.jobs.work_on(from, submit, activation, ctx);
            }
        }
    }
}

pub(super) fn submitted(
    submit: &Submit,
    activation: Option<OwnerToken>,
    results: Vec<envelope::DraftResult>,
) -> NodeFrame {
    NodeFrame::Submitted(Submitted {
        conversation_id: submit.conversation_id,
        asker: submit.asker,
        batch: submit.batch,
        activation,
        results,
    })
}

const fn from_owner(news: FromOwner) -> Message {
    Message::StandIn(ToStandIn::FromOwner(news))
}

fn on_announce(announce: Announce, ctx: &mut Context<'_>) {
    ctx.serves(announce.shard, announce.epoch);
    for news in announce.news {
        let Some(last) = news.entries.last().map(|it| it.seq) else { continue };
        let id = news.conversation_id;
        let is_here = ctx.owner(ctx.shard_of(id)) == Owner::Here;
        if !ctx.shared.peers.tables.following.contains(id) || is_here {
            continue;
        }
        ctx.heard([(id, last)]);
        let stand_in = ctx.registry.get_or_start(Child::StandIn(id));
        ctx.tell(stand_in, from_owner(FromOwner::Announced(news.entries.into())));
        ctx.registry.get_or_start(Child::Conversation(id));
    }
    on_heads(&announce.heads, ctx);
}

fn on_heads(heads: &[Head], ctx: &mut Context<'_>) {
    on_news(heads.iter().map(|head| (head.conversation_id, head.seq)), ctx);
}

fn on_news(heads: impl IntoIterator<Item = (ConversationId, Sequence)>, ctx: &mut Context<'_>) {
    for (conversation, head) in ctx.heard(heads) {
        ctx.observe(Observation::NewsMissed);
        wake(conversation, head, ctx);
    }
}

fn on_follow(from: NodeId, follow: &Follow, ctx: &mut Context<'_>) {
    // Who does not own the shard does not answer: whoever does is asked next.
    if let Some(epoch) = ctx.shared.ownership.epoch(follow.shard) {
        let now_ms = ctx.now_ms;
        let heads = ctx.shared.peers.tables.on_follow(from, &follow.conversations, now_ms);
        let followed = Followed { request: follow.request, heads };
        ctx.tell_node(from, &NodeFrame::Followed(followed));
        ctx.tell_node(from, &says(follow.shard, epoch));
    }
}

/// The conversation's log reaches to `head`.
pub(super) fn wake(conversation: ConversationId, head: Sequence, ctx: &mut Context<'_>) {
    if ctx.owner(ctx.shard_of(conversation)) != Owner::Here
        && let Some(stand_in) = ctx.registry.get(Child::StandIn(conversation))
    {
        ctx.tell(stand_in, from_owner(FromOwner::Head(head)));
    }
    // Those that come later ask by themselves.
    if ctx.registry.all().any(|it| matches!(it.child, Child::Session(_))) {
        ctx.registry.get_or_start(Child::Conversation(conversation));
    }
}
