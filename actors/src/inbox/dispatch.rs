//! One frame in, messages to actors out.

use std::sync::Arc;

use bytes::Bytes;
use schema::cluster::envelope::{
    self, Announce, Follow, Followed, Head, NodeFrame, Signal, Submit, Submitted,
};
use schema::wire::{CloseCode, ServerFrame};
use schema::{ConversationId, NodeId, Sequence, UserId, metric};

use super::answer;
use crate::conversation::{Block, Conversations, Heed, ToMember};
use crate::monitor::{Workers, trace};
use crate::peers::{Arrived, Peers, Wake};
use crate::personal::{News, Outlet, Personal};
use crate::ports::{Inbox, Owner};
use crate::presence::Presence;
use crate::sequencer::{FromOwner, Sequencers};
use crate::session::{CloseDevice, Sessions};

/// Where frames of the other nodes arrive.
pub struct NodeInbox {
    pub(super) peers: Arc<Peers>,
    pub(super) sequencers: Arc<Sequencers>,
    pub(super) conversations: Arc<Conversations>,
    sessions: Arc<Sessions>,
    presence: Arc<Presence>,
    personal: Arc<Personal>,
    workers: Workers,
}

impl NodeInbox {
    #[must_use]
    pub const fn new(
        peers: Arc<Peers>,
        sequencers: Arc<Sequencers>,
        conversations: Arc<Conversations>,
        sessions: Arc<Sessions>,
        presence: Arc<Presence>,
        personal: Arc<Personal>,
        workers: Workers,
    ) -> Self {
        Self { peers, sequencers, conversations, sessions, presence, personal, workers }
    }

    fn on_frame(&self, from: NodeId, frame: NodeFrame) {
        match frame {
            NodeFrame::Announce(announce) => self.on_announce(announce),
            NodeFrame::Heads { heads } => self.on_heads(&heads),
            NodeFrame::Follow(follow) => self.on_follow(from, &follow),
            NodeFrame::Unfollow { conversations } => self.peers.on_unfollow(from, &conversations),
            NodeFrame::Followed(Followed { request, heads }) => {
                // First what it says, then that it has said it: readers wait for both.
                self.on_heads(&heads);
                self.peers.followed(request);
            }
            NodeFrame::Submit(submit) => self.on_submit(from, submit),
            NodeFrame::Submitted(submitted) => {
                let asker = self.sequencers.running_elsewhere(submitted.conversation_id);
                if let Some(asker) = asker {
                    // One too busy to hear it asks again.
                    let _ = asker.try_send(FromOwner::Submitted(submitted));
                }
            }
            NodeFrame::Created { conversation_id, generation, members } => {
                self.on_created(conversation_id, generation, &members);
            }
            NodeFrame::Added { conversation_id, users } => {
                if users.iter().any(|user| self.is_online(*user)) {
                    let _ = self.conversations.get_or_start(conversation_id);
                }
            }
            NodeFrame::Signals { conversation_id, signals } => {
                self.on_signals(from, conversation_id, signals);
            }
            NodeFrame::WatchPresence { users } => self.presence.on_watch(from, &users),
            NodeFrame::Presence { statuses } => self.presence.on_presence(from, &statuses),
            NodeFrame::Personal { user_id, by, conversation, frame } => {
                let news = News { user_id, by, frame: *frame, conversation };
                self.personal.heard(&news);
            }
            NodeFrame::CloseDevice { user_id, device_id, code } => {
                let session = self.sessions.online().get(user_id);
                if let (Some(session), Some(code)) = (session, CloseCode::from_code(code)) {
                    let _ = session.try_send(CloseDevice { device: device_id, code });
                }
            }
        }
    }

    /// For the members who are online here, and, on the owner of the shard, for other nodes.
    fn on_signals(&self, from: NodeId, conversation_id: ConversationId, signals: Vec<Signal>) {
        if self.sequencers.owner(conversation_id) == Owner::Here {
            let others = self.peers.followers(conversation_id);
            let frame = NodeFrame::Signals { conversation_id, signals: signals.clone() };
            for node in others.into_iter().filter(|node| *node != from) {
                self.peers.tell(node, &frame);
            }
        }
        if let Some(conversation) = self.conversations.get(conversation_id) {
            let _ = conversation.try_send(Heed { signals, is_from_elsewhere: true });
        }
    }

    fn is_online(&self, user: UserId) -> bool {
        self.sessions.online().get(user).is_some()
    }

    fn on_announce(&self, announce: Announce) {
        trace::received(&announce.traces);
        self.peers.serves(announce.shard, announce.epoch);
        for news in announce.news {
            let Some(last) = news.entries.last().map(|it| it.seq) else { continue };
            let id = news.conversation_id;
            if !self.peers.is_followed(id) || self.sequencers.owner(id) == Owner::Here {
                continue;
            }
            self.peers.heard([(id, last)]);
            if let Ok(stand_in) = self.sequencers.elsewhere(id) {
                // One too busy to hear it learns where the log ends by its heads.
                let _ = stand_in.try_send(FromOwner::Announced(news.entries.into()));
            }
            if self.conversations.get(id).is_none() {
                let _ = self.conversations.get_or_start(id);
            }
        }
        self.on_heads(&announce.heads);
    }

    fn on_heads(&self, heads: &[Head]) {
        let heads = heads.iter().map(|head| (head.conversation_id, head.seq));
        for (conversation, head) in self.peers.heard(heads) {
            metrics::counter!(metric::NEWS_MISSED).increment(1);
            self.wake(conversation, head);
        }
    }

    fn on_follow(&self, from: NodeId, follow: &Follow) {
        // Who does not own the shard does not answer: whoever does is asked next.
        if let Some(epoch) = self.sequencers.committers().ownership().epoch(follow.shard) {
            self.peers.on_follow(from, follow, epoch);
        }
    }

    fn on_created(&self, conversation: ConversationId, generation: u32, members: &[UserId]) {
        for user in members {
            if let Some(session) = self.sessions.online().get(*user) {
                let _ = session.try_send(ToMember::Created { conversation, generation });
            }
        }
    }

    /// Drafts for a shard of this node; the work goes on where the shard lives.
    fn on_submit(&self, from: NodeId, mut submit: Submit) {
        let id = submit.conversation_id;
        let shard = self.sequencers.shard_of(id);
        let activation = self.sequencers.committers().activation(shard);
        let is_here = self.sequencers.owner(id) == Owner::Here;
        let Some(serving) = activation.filter(|_| is_here) else {
            // Not here, not any more or not yet: no results.
            return self.peers.tell(from, &answered(&submit, activation, Vec::new()));
        };
        trace::received(&submit.traces);
        let (arrived, follows) = self.peers.batch_arrived(from, &submit, serving);
        let results = match arrived {
            Arrived::Known => return,
            Arrived::Done(results) => results,
            Arrived::New => {
                // Others may have stored these before.
                if submit.activation != activation || !follows {
                    submit.drafts.iter_mut().for_each(|draft| draft.retry = true);
                }
                let (peers, conversations) = (self.peers.clone(), self.conversations.clone());
                self.workers.of_shard(shard).spawn(async move {
                    let results = answer::work_on(&conversations, &submit.drafts).await;
                    peers.batch_done(from, &submit, &results);
                    let frame = answered(&submit, activation, results);
                    peers.tell(from, &frame);
                });
                return;
            }
        };
        self.peers.tell(from, &answered(&submit, activation, results));
    }
}

fn answered(
    submit: &Submit,
    activation: Option<schema::OwnerToken>,
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

impl Inbox for NodeInbox {
    fn receive(&self, frame: Bytes) {
        match envelope::decode(&frame) {
            Ok((from, frame)) => self.on_frame(from, frame),
            Err(error) => {
                metrics::counter!(metric::FRAMES_MALFORMED).increment(1);
                tracing::warn!(%error, "a frame of another node could not be read");
            }
        }
    }

    fn unsure(&self) {
        self.peers.doubt_all();
    }
}

impl Outlet for NodeInbox {
    fn tell(&self, news: &News) {
        if let Some(session) = self.sessions.online().get(news.user_id) {
            let frame = Arc::new(news.frame.clone());
            // One too busy to hear it reads it anew with the next socket.
            let _ = session.try_send(ToMember::Own { by: news.by, frame });
        }
        if let (ServerFrame::BlockChanged(changed), Some(id)) = (&news.frame, news.conversation)
            && let Some(conversation) = self.conversations.get(id)
        {
            let block = Block { user: changed.user_id, on: changed.blocked };
            let _ = conversation.try_send(block);
        }
    }

    fn look_again(&self, viewer: UserId, target: UserId) {
        if let Some(session) = self.sessions.online().get(viewer) {
            let _ = session.try_send(ToMember::LookAgain(target));
        }
    }
}

impl Wake for NodeInbox {
    fn wake(&self, conversation: ConversationId, head: Sequence) {
        if self.sequencers.owner(conversation) != Owner::Here
            && let Some(stand_in) = self.sequencers.running_elsewhere(conversation)
        {
            let _ = stand_in.try_send(FromOwner::Head(head));
        }
        // Those that come later ask by themselves.
        if !self.sessions.online().is_empty() && self.conversations.get(conversation).is_none() {
            let _ = self.conversations.get_or_start(conversation);
        }
    }
}
