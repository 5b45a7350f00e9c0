//! What a user's devices tell others and nobody stores, and what they hear of others.

use std::collections::BTreeMap;
use std::time::Duration;

use actix::{AsyncContext as _, Context};
use schema::cluster::envelope::Signal;
use schema::wire::{
    ErrorCode, ErrorFrame, MessageStatus, MessageStatuses, PresenceStatus, ServerFrame,
    TypingIndicator, TypingState, UserOnline, UserStatus,
};
use schema::{ConnectionId, ConversationId, Sequence, UserId};
use tokio::time::Instant;

use super::actor::Session;
use super::subscription::Part;
use crate::conversation::Heed;
use crate::presence::WATCHED_MAX;

/// Positions are gathered for so long before others are told.
const GATHER: Duration = Duration::from_millis(300);
/// Typing is told at most this often a conversation.
const TYPING_EVERY: Duration = Duration::from_secs(1);
/// Conversations in which one types.
const TYPING_MAX: usize = 32;

/// What is to be told to other members.
#[derive(Default)]
pub(super) struct News {
    positions: BTreeMap<ConversationId, (Option<Sequence>, Option<Sequence>)>,
    is_armed: bool,
    typed: BTreeMap<ConversationId, Instant>,
}

impl Session {
    pub(super) fn frame_to_all(&mut self, frame: &ServerFrame) {
        let connections: Vec<ConnectionId> = self.links.iter().map(|it| it.connection).collect();
        for connection in connections {
            self.frame(connection, frame.clone());
        }
    }

    /// Other members hear of it soon.
    pub(super) fn note_news(
        &mut self,
        conversation: ConversationId,
        delivered: Option<Sequence>,
        read: Option<Sequence>,
        ctx: &mut Context<Self>,
    ) {
        let news = self.news.make();
        let position = news.positions.entry(conversation).or_default();
        *position = (position.0.max(delivered), position.1.max(read));
        if !news.is_armed {
            news.is_armed = true;
            ctx.run_later(GATHER, |session, _| {
                session.news.make().is_armed = false;
                session.tell_news();
            });
        }
    }

    pub(super) fn tell_news(&mut self) {
        let user_id = self.user;
        let Some(news) = self.news.get_mut() else { return };
        for (conversation, (delivered, read)) in std::mem::take(&mut news.positions) {
            let (hides_delivered, hides_read) = self.is_private(conversation);
            let public = (delivered.filter(|_| !hides_delivered), read.filter(|_| !hides_read));
            if let (delivered, read) = public
                && (delivered.is_some() || read.is_some())
            {
                let is_private = false;
                let position = Signal::Position { user_id, delivered, read, is_private };
                self.signal(conversation, position);
            }
            if hides_read && read.is_some() {
                let (delivered, is_private) = (None, true);
                let position = Signal::Position { user_id, delivered, read, is_private };
                self.signal(conversation, position);
            }
        }
    }

    fn signal(&mut self, conversation: ConversationId, signal: Signal) {
        if let Some(address) = self.conversation(conversation) {
            let heed = Heed { signals: vec![signal], is_from_elsewhere: false };
            let _ = address.try_send(heed);
        }
    }

    /// The user's other devices count what is unread anew.
    pub(super) fn show_own_read(
        &mut self,
        conversation_id: ConversationId,
        seq: Sequence,
        by: Option<ConnectionId>,
    ) {
        let status =
            MessageStatus { conversation_id, user_id: self.user, delivered: None, read: Some(seq) };
        let others: Vec<ConnectionId> =
            self.links.iter().map(|it| it.connection).filter(|it| Some(*it) != by).collect();
        for connection in others {
            self.frame(connection, ServerFrame::MessageStatus(status));
        }
    }

    /// Others moved on, or this user did on another node.
    pub(super) fn on_statuses(&mut self, conversation_id: ConversationId, statuses: &[UserStatus]) {
        if let Some(subscription) = self.conversations.get_mut(&conversation_id) {
            let own = statuses.iter().filter(|it| it.user_id == self.user);
            let read = own.filter_map(|it| it.read).max().unwrap_or_default();
            subscription.read = subscription.read.max(read);
        }
        // Who tells nobody what they have read is told of nobody.
        let hears_read = self.mine.privacy.settings.read_receipts;
        let statuses = statuses.iter().filter_map(|status| {
            let is_heard = hears_read || status.user_id == self.user;
            let status = UserStatus { read: status.read.filter(|_| is_heard), ..*status };
            (status.delivered.is_some() || status.read.is_some()).then_some(status)
        });
        let statuses: Vec<UserStatus> = statuses.collect();
        if statuses.is_empty() {
            return;
        }
        let frame = match statuses[..] {
            [UserStatus { user_id, delivered, read }] => {
                ServerFrame::MessageStatus(MessageStatus {
                    conversation_id,
                    user_id,
                    delivered,
                    read,
                })
            }
            _ => ServerFrame::MessageStatuses(MessageStatuses { conversation_id, statuses }),
        };
        self.frame_to_all(&frame);
    }

    /// Told to the other members, unless it was a moment ago.
    pub(super) fn typing(&mut self, typing: TypingIndicator) {
        let TypingIndicator { conversation_id, state } = typing;
        let part = self.conversations.get(&conversation_id).map(|it| it.part);
        if part != Some(Part::Member) || self.is_private(conversation_id).0 {
            return;
        }
        let now = Instant::now();
        let typed = &mut self.news.make().typed;
        match state {
            TypingState::Typing => {
                let is_fresh =
                    typed.get(&conversation_id).is_some_and(|at| now < *at + TYPING_EVERY);
                if is_fresh || typed.len() >= TYPING_MAX {
                    typed.retain(|_, at| now < *at + TYPING_EVERY);
                    return;
                }
                typed.insert(conversation_id, now);
            }
            TypingState::Stopped => {
                if typed.remove(&conversation_id).is_none() {
                    return;
                }
            }
        }
        self.signal(conversation_id, Signal::Typing { user_id: self.user, state });
    }

    /// The most present of the user's devices here.
    pub(super) fn show_presence(&self) {
        let of_link = |away: bool| if away { PresenceStatus::Away } else { PresenceStatus::Online };
        let status = self.links.iter().map(|link| of_link(link.is_away)).max();
        self.context.presence.set_here(self.user, status.unwrap_or_default());
    }

    pub(super) fn set_presence(&mut self, connection: ConnectionId, status: PresenceStatus) {
        if status == PresenceStatus::Offline {
            let text = "status: online or away; who is offline says nothing";
            return self.complain(connection, text);
        }
        if let Some(link) = self.link(connection) {
            link.is_away = status == PresenceStatus::Away;
            self.show_presence();
        }
    }

    pub(super) fn subscribe_presence(
        &mut self,
        connection: ConnectionId,
        users: Vec<UserId>,
        ctx: &mut Context<Self>,
    ) {
        if users.len() > WATCHED_MAX {
            return self.complain(connection, "user_ids: at most 500");
        }
        let Some(link) = self.link(connection) else { return };
        let mut targets = users.clone();
        link.watched = users.into_boxed_slice();
        targets.sort_unstable();
        targets.dedup();
        self.watch_presence();
        self.look_at(targets, Some(connection), ctx);
    }

    /// Watches what any of the devices wants to hear of.
    pub(super) fn watch_presence(&mut self) -> Vec<UserOnline> {
        let wanted: std::collections::BTreeSet<UserId> =
            self.links.iter().flat_map(|link| link.watched.iter().copied()).collect();
        self.forget_sights(&wanted);
        self.context.personal.watch(self.user, wanted.clone());
        let seen = wanted.into_iter().filter(|user| self.mine.may_see_presence(*user)).collect();
        self.context.presence.watch(self.user, seen)
    }

    pub(super) fn on_presence(&mut self, statuses: &[UserOnline]) {
        for status in statuses {
            let wants = |watched: &[UserId]| watched.contains(&status.user_id);
            let connections: Vec<ConnectionId> = self
                .links
                .iter()
                .filter(|link| wants(&link.watched))
                .map(|link| link.connection)
                .collect();
            for connection in connections {
                self.frame(connection, ServerFrame::UserOnline(self.mine.shown(*status)));
            }
        }
    }

    /// An error of a frame that has no answer.
    fn complain(&mut self, connection: ConnectionId, text: &'static str) {
        let error = ErrorFrame::new(None, ErrorCode::InvalidField, text);
        self.frame(connection, ServerFrame::Error(error));
    }
}
