//! What is the user's own: what they hid, whom they block, what they want others to know.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actix::{ActorFutureExt as _, AsyncContext as _, Context, WrapFuture as _};
use schema::record::{Entry, Event, MessageState};
use schema::wire::{
    DeleteMessage, ErrorCode, FollowThread, MessageHidden, PresenceStatus, ReadReceipt, Refusal,
    ServerFrame, ThreadFollowed, UserOnline,
};
use schema::{ConnectionId, ConversationId, DeviceId, Sequence, UserId};
use tokio::sync::oneshot;

use super::actor::Session;
use super::seldom::Seldom;
use super::subscription::Part;
use crate::conversation::{Batch, DeliveryItem, LogEntry, Page, Read, concealed};
use crate::personal::{Followed, Own, Privacy, Sight};

/// What a session holds of its user.
#[derive(Default)]
pub(super) struct Mine {
    pub privacy: Privacy,
    hidden: Seldom<BTreeMap<ConversationId, BTreeSet<Sequence>>>,
    /// What the user may see of those whom the devices watch.
    sights: Seldom<BTreeMap<UserId, Sight>>,
    /// Counts news: what was read before them is older than they are.
    pub version: u64,
}

impl Mine {
    /// What was read of the store, while this was at `version`.
    pub fn read(&mut self, own: &Own, version: u64) {
        if self.version == version {
            self.privacy = own.privacy.clone();
        }
        for (id, hidden) in &own.hidden {
            self.hidden.make().entry(*id).or_default().extend(hidden);
        }
    }

    fn hear(&mut self, frame: &ServerFrame) {
        self.version += 1;
        match frame {
            ServerFrame::SettingsChanged(settings) => self.privacy.settings = *settings,
            ServerFrame::BlockChanged(it) if it.blocked => {
                self.privacy.blocked.insert(it.user_id);
            }
            ServerFrame::BlockChanged(it) => drop(self.privacy.blocked.remove(&it.user_id)),
            ServerFrame::MessageHidden(it) => {
                self.hidden.make().entry(it.conversation_id).or_default().insert(it.seq);
            }
            _ => {}
        }
    }

    fn hidden_of(&self, id: ConversationId) -> Option<&BTreeSet<Sequence>> {
        self.hidden.get()?.get(&id)
    }

    fn sight_of(&self, user: UserId) -> Option<Sight> {
        self.sights.get()?.get(&user).copied()
    }

    /// Takes away what hidden messages and their edits say.
    pub fn conceal(&self, id: ConversationId, entries: &mut [Arc<LogEntry>]) {
        let Some(hidden) = self.hidden_of(id) else { return };
        for log in entries {
            if let Some(without) = concealed(log, hidden) {
                *log = without;
            }
        }
    }

    /// The same of live entries; `None` when there is nothing to take away.
    pub fn conceal_live(&self, id: ConversationId, batch: &Batch) -> Option<Arc<Batch>> {
        let hidden = self.hidden_of(id)?;
        let is_meant = |item: &DeliveryItem| concealed(&item.log, hidden).is_some();
        if !batch.items().iter().any(is_meant) {
            return None;
        }
        let conceal = |item: &DeliveryItem| DeliveryItem {
            log: concealed(&item.log, hidden).unwrap_or_else(|| item.log.clone()),
            origin: item.origin,
        };
        Batch::new(batch.items().iter().map(conceal).collect()).map(Arc::new)
    }

    /// What became of hidden messages is nobody's business.
    pub fn conceal_states(&self, id: ConversationId, states: &mut Vec<MessageState>) {
        if let Some(hidden) = self.hidden_of(id) {
            states.retain(|state| !hidden.contains(&state.seq));
        }
    }

    /// How a user is, as far as this one may know.
    pub fn shown(&self, status: UserOnline) -> UserOnline {
        let sight = self.sight_of(status.user_id).unwrap_or(Sight::NOTHING);
        let offline = UserOnline { status: PresenceStatus::Offline, last_seen: None, ..status };
        let mut shown = if sight.presence { status } else { offline };
        if shown.status == PresenceStatus::Offline {
            shown.last_seen = shown.last_seen.max(sight.seen_at);
        }
        shown.last_seen = shown.last_seen.filter(|_| sight.last_seen);
        shown
    }

    pub fn may_see_presence(&self, user: UserId) -> bool {
        self.sight_of(user).is_some_and(|sight| sight.presence)
    }
}

impl Session {
    /// Whether others are to hear nothing of what was delivered, and of what was read.
    pub(super) fn is_private(&self, id: ConversationId) -> (bool, bool) {
        let peer = self.conversations.get(&id).and_then(|it| it.peer);
        let is_blocked = peer.is_some_and(|peer| self.mine.privacy.blocked.contains(&peer));
        (is_blocked, is_blocked || !self.mine.privacy.settings.read_receipts)
    }

    /// One of the user's devices, or a request, changed something.
    pub(super) fn on_own(&mut self, by: Option<DeviceId>, frame: &ServerFrame) {
        self.mine.hear(frame);
        let others: Vec<ConnectionId> = self
            .links
            .iter()
            .filter(|link| by.is_none_or(|by| link.device != by))
            .map(|link| link.connection)
            .collect();
        for connection in others {
            self.frame(connection, frame.clone());
        }
    }

    /// Learns what the user may see of these, then tells the sockets that watch them.
    pub(super) fn look_at(
        &mut self,
        targets: Vec<UserId>,
        to: Option<ConnectionId>,
        ctx: &mut Context<Self>,
    ) {
        let (personal, viewer) = (self.context.personal.clone(), self.user);
        let looked = targets.clone();
        let sights = async move { personal.sights(viewer, looked).await };
        ctx.spawn(sights.into_actor(self).map(move |sights, session, _| match sights {
            Ok(sights) => {
                session.mine.sights.make().extend(sights);
                session.show_all(&targets, to);
            }
            Err(error) => {
                tracing::warn!(%error, "who may see whom could not be read");
                // As if nobody were there: the client subscribes again, or hears of a change.
                session.show_all(&targets, to);
            }
        }));
    }

    fn show_all(&mut self, targets: &[UserId], to: Option<ConnectionId>) {
        let known = self.watch_presence();
        for target in targets {
            let status = known.iter().find(|it| it.user_id == *target).copied();
            let status = status.unwrap_or(UserOnline {
                user_id: *target,
                status: PresenceStatus::Offline,
                last_seen: None,
            });
            let frame = ServerFrame::UserOnline(self.mine.shown(status));
            let watching = self.links.iter().filter(|link| link.watched.contains(target));
            let watching: Vec<ConnectionId> = watching
                .map(|link| link.connection)
                .filter(|connection| to.is_none_or(|to| to == *connection))
                .collect();
            for connection in watching {
                self.frame(connection, frame.clone());
            }
        }
    }

    /// Forgets what the user may see of those whom nobody watches any more.
    pub(super) fn forget_sights(&mut self, wanted: &BTreeSet<UserId>) {
        if let Some(sights) = self.mine.sights.get_mut() {
            sights.retain(|user, _| wanted.contains(user));
        }
    }

    /// Of these entries, those that mention whoever is there mention this user, who is.
    pub(super) fn note_here<'a>(
        &self,
        id: ConversationId,
        entries: impl Iterator<Item = &'a Entry>,
    ) {
        if self.links.iter().all(|link| link.is_away) {
            return;
        }
        let meant: Vec<Sequence> = entries
            .filter(|entry| entry.sender_id != self.user)
            .filter_map(|entry| match &entry.event {
                Event::Message(body) => body.mentions.contains(&UserId::HERE).then_some(entry.seq),
                Event::MessageEdited { target, mentions, .. } => {
                    mentions.contains(&UserId::HERE).then_some(*target)
                }
                _ => None,
            })
            .collect();
        if !meant.is_empty() {
            self.context.personal.note_here(self.user, id, &meant);
        }
    }

    /// Takes a message away from this user alone, if it is there and may be seen.
    pub(super) fn hide(
        &mut self,
        connection: ConnectionId,
        delete: DeleteMessage,
        ctx: &mut Context<Self>,
    ) {
        let DeleteMessage { reference, conversation_id: id, target, .. } = delete;
        let device = self.link(connection).map(|link| link.device);
        let (reply, page) = oneshot::channel();
        let (user, personal) = (self.user, self.context.personal.clone());
        let read = Read {
            reader: user,
            page: Page::Before(target.forward(1)),
            limit: 1,
            with_states: false,
            reply,
        };
        if let Err(refusal) = self.limiter.check() {
            return self.refuse(connection, reference, refusal);
        }
        if let Some(address) = self.conversation(id) {
            let _ = address.try_send(read);
        }
        let hidden = async move {
            let page = page.await.unwrap_or_else(|_| Err(Refusal::retry_later("no answer")))?;
            let found = page.entries.iter().find(|log| log.entry.seq == target);
            match found.map(|log| &log.entry.event) {
                Some(Event::Message(_)) => personal.hide(user, device, id, target).await,
                Some(_) => {
                    let text = "target: the entry is not a message";
                    Err(Refusal::new(ErrorCode::InvalidField, text))
                }
                None => Err(Refusal::not_found()),
            }
        };
        ctx.spawn(hidden.into_actor(self).map(move |hidden, session, _| match hidden {
            Ok(()) => {
                let reference = Some(reference);
                let frame = MessageHidden { reference, conversation_id: id, seq: target };
                session.frame(connection, ServerFrame::MessageHidden(frame));
            }
            Err(refusal) => session.refuse(connection, reference, refusal),
        }));
    }

    /// The user has read a thread, of a conversation that they are in.
    pub(super) fn read_thread(
        &mut self,
        by: ConnectionId,
        receipt: ReadReceipt,
        root: Sequence,
        ctx: &mut Context<Self>,
    ) {
        let id = receipt.conversation_id;
        let device = self.link(by).map(|link| link.device);
        let Some(subscription) = self.conversations.get(&id) else { return };
        let is_there = subscription.part == Part::Member && root <= subscription.head;
        if !is_there || self.limiter.check().is_err() {
            return;
        }
        let (personal, user) = (self.context.personal.clone(), self.user);
        let read = receipt.seq.min(subscription.head);
        let written = async move { personal.read_thread(user, device, id, root, read).await };
        ctx.spawn(written.into_actor(self).map(|written, _, _| {
            if let Err(refusal) = written {
                tracing::debug!(%refusal, "a read position was lost; the device says it again");
            }
        }));
    }

    /// The user follows a thread of a conversation that they are in, or does no more.
    pub(super) fn follow_thread(
        &mut self,
        by: ConnectionId,
        follow: FollowThread,
        ctx: &mut Context<Self>,
    ) {
        let FollowThread { reference, conversation_id: id, thread, on } = follow;
        if let Err(refusal) = self.limiter.check() {
            return self.refuse(by, reference, refusal);
        }
        let device = self.link(by).map(|link| link.device);
        let known = self.conversations.get(&id).filter(|it| it.part == Part::Member);
        let known = known.filter(|it| it.visible_after < thread && thread <= it.head);
        let Some(since) = known.map(|it| it.head) else {
            return self.refuse(by, reference, Refusal::not_found());
        };
        let (personal, user, followed) =
            (self.context.personal.clone(), self.user, Followed { on, since });
        let kept = async move { personal.follow_thread(user, device, id, thread, followed).await };
        ctx.spawn(kept.into_actor(self).map(move |kept, session, _| match kept {
            Ok(()) => {
                let reference = Some(reference);
                let frame = ThreadFollowed { reference, conversation_id: id, thread, on };
                session.frame(by, ServerFrame::ThreadFollowed(frame));
            }
            Err(refusal) => session.refuse(by, reference, refusal),
        }));
    }

    /// What was written here was sent.
    pub(super) fn clear_draft(
        &mut self,
        by: ConnectionId,
        id: ConversationId,
        ctx: &mut Context<Self>,
    ) {
        let device = self.link(by).map(|link| link.device);
        let (personal, user) = (self.context.personal.clone(), self.user);
        let cleared =
            async move { personal.set_draft(user, device, id, String::new(), None).await };
        ctx.spawn(cleared.into_actor(self).map(|cleared, _, _| {
            if let Err(refusal) = cleared {
                tracing::warn!(%refusal, "a draft was not cleared");
            }
        }));
    }
}
