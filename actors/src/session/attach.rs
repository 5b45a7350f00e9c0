//! A socket comes: load the user's conversations, greet, and hand over what it missed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use actix::{ActorFutureExt as _, AsyncContext as _, Context, Handler, Recipient, WrapFuture as _};
use futures_util::future::join;
use schema::record::{Conversation, ConversationOverview};
use schema::wire::server_frame::MoreConversations;
use schema::wire::{
    CloseCode, ConversationState, ErrorCode, ErrorFrame, Position, ServerFrame, Welcome,
};
use schema::{ConnectionId, ConversationId, DeviceId};

use super::actor::Session;
use super::link::Link;
use super::local;
use super::messages::{Attach, ToSocket};
use super::subscription::Subscription;
use crate::conversation::{Join, Purged};
use crate::monitor::{Child, DeathNotice, Incarnation};
use crate::personal::Own;
use crate::ports::StoreError;

/// Conversations told in one frame.
const LIST_MAX: usize = 500;

/// A socket whose user's conversations are being loaded.
struct Attaching {
    connection: ConnectionId,
    device: DeviceId,
    socket: Recipient<ToSocket>,
    abandoned: Arc<AtomicBool>,
    positions: Vec<Position>,
}

impl Handler<Attach> for Session {
    type Result = ();

    fn handle(&mut self, message: Attach, ctx: &mut Self::Context) {
        let Attach { connection, device, socket, abandoned, positions, taken } = message;
        let _ = taken.send(());
        self.attaching += 1;
        let attaching = Attaching { connection, device, socket, abandoned, positions };
        let (roster, user) = (self.context.roster.clone(), self.user);
        // Written before they are shown: what a client was told never goes back.
        let advances = self.take_positions();
        let has_written = !advances.is_empty();
        let (personal, version) = (self.context.personal.clone(), self.mine.version);
        let loaded = async move {
            if has_written {
                roster.advance_positions(advances).await?;
            }
            let overviews = roster.conversations_of(user, Some(device));
            let (overviews, own) = join(overviews, personal.own(user)).await;
            Ok((overviews?, own?))
        };
        ctx.spawn(loaded.into_actor(self).map(move |loaded, session, ctx| {
            session.attaching -= 1;
            if has_written {
                session.positions_answered();
            }
            session.on_loaded(attaching, loaded, version, ctx);
            session.end_if_alone(ctx);
        }));
    }
}

impl Session {
    fn on_loaded(
        &mut self,
        attaching: Attaching,
        loaded: Result<(Vec<ConversationOverview>, Own), StoreError>,
        version: u64,
        ctx: &mut Context<Self>,
    ) {
        let Attaching { connection, device, socket, abandoned, positions } = attaching;
        let (overviews, own) = match loaded {
            Ok(loaded) => loaded,
            Err(error) => {
                tracing::warn!(%error, "a user's conversations could not be loaded");
                let error =
                    ErrorFrame::new(None, ErrorCode::RetryLater, "the store did not answer");
                let code = CloseCode::Overloaded;
                let _ = socket.try_send(ToSocket::Close { code, error: Some(error) });
                return;
            }
        };
        let replaced = self.links.iter().find(|link| link.device == device);
        if let Some(replaced) = replaced.map(|link| link.connection) {
            self.close(replaced, CloseCode::Replaced);
        }
        // Most users have one device online: no room for more is kept.
        self.links.reserve_exact(1);
        self.links.push(Link {
            connection,
            device,
            socket,
            local: local::take(connection),
            abandoned,
            is_away: false,
            watched: Box::default(),
            behind: std::collections::VecDeque::new(),
            catching_up: 0,
        });
        self.mine.read(&own, version);
        self.show_presence();
        let states = self.follow_all(connection, &positions, &overviews, &own, ctx);
        self.greet(connection, device, states, ctx);
        self.resync_restored(connection, &positions);
        let behind: Vec<ConversationId> = self.behind(connection);
        for conversation in behind {
            self.fall_behind(connection, conversation, ctx);
        }
    }

    /// Follows every conversation from the device's position in it.
    fn follow_all(
        &mut self,
        connection: ConnectionId,
        positions: &[Position],
        overviews: &[ConversationOverview],
        own: &Own,
        ctx: &Context<Self>,
    ) -> Vec<ConversationState> {
        let said: BTreeMap<ConversationId, Position> =
            positions.iter().map(|position| (position.conversation_id, *position)).collect();
        let mut states = Vec::with_capacity(overviews.len());
        for overview in overviews {
            let id = overview.conversation.conversation_id;
            let (acknowledged, generation) = (overview.delivered, overview.conversation.generation);
            let conversations = &self.context.conversations;
            let subscription = self.conversations.entry(id).or_insert_with(|| {
                let follow = conversations.follow(id, overview.head);
                Subscription { follow, ..Subscription::member(overview) }
            });
            subscription.head = subscription.head.max(overview.head);
            subscription.read = subscription.read.max(overview.read);
            // What is of the log before a restore says nothing of this one.
            let said = said.get(&id).filter(|position| !position.is_of_another(generation));
            let position = said.map_or(acknowledged, |position| position.seq);
            subscription.follow(connection, position);
            let held = own.conversations.get(&id).copied().unwrap_or_default();
            states.push(ConversationState {
                conversation_id: id,
                generation,
                head: subscription.head,
                // What a device has, it has: the store's head may trail what it was handed.
                delivered: acknowledged.max(position),
                read: overview.read,
                muted_until: held.muted_until,
                archived: held.archived,
                pinned: held.pinned,
            });
            self.join_if_running(&overview.conversation, ctx);
        }
        states
    }

    /// A conversation that runs here may be ahead of the store; one that starts later finds this
    /// session by itself.
    fn join_if_running(&mut self, record: &Conversation, ctx: &Context<Self>) {
        let id = record.conversation_id;
        let Some(conversation) = self.context.conversations.get(id) else { return };
        if let Some(purged) = Purged::of(record) {
            let _ = conversation.try_send(purged);
        }
        let join = Join {
            user: self.user,
            listener: ctx.address().recipient(),
            as_reader: false,
            reply: None,
        };
        let _ = conversation.try_send(join);
        if let Some(subscription) = self.conversations.get_mut(&id) {
            subscription.conversation = Some(conversation);
        }
    }

    fn greet(
        &mut self,
        connection: ConnectionId,
        device: DeviceId,
        states: Vec<ConversationState>,
        ctx: &Context<Self>,
    ) {
        let mut chunks = states.chunks(LIST_MAX);
        let welcome = ServerFrame::Welcome(Welcome {
            user_id: self.user,
            device_id: device,
            connection_id: connection,
            node: self.context.node,
            server_time: self.context.clock.now_ms(),
            heartbeat_ms: self.context.heartbeat_ms,
            limits: self.context.limits(),
            conversations: chunks.next().unwrap_or_default().to_vec(),
        });
        let more = chunks.map(|chunk| {
            ServerFrame::MoreConversations(MoreConversations { conversations: chunk.to_vec() })
        });
        let frames = std::iter::once(welcome).chain(more).collect();
        let session = Arc::new(ctx.address());
        let (child, watcher) = (Child::Connection(connection), session.clone());
        let notice = DeathNotice::new(child, Incarnation(0), watcher);
        self.hand(connection, ToSocket::Welcome { frames, session, notice });
    }

    fn behind(&self, connection: ConnectionId) -> Vec<ConversationId> {
        let is_behind = |subscription: &Subscription| {
            let mine = subscription.cursors.iter().find(|it| it.connection == connection);
            mine.is_some_and(|cursor| cursor.sent != subscription.head)
        };
        self.conversations.iter().filter(|(_, it)| is_behind(it)).map(|(id, _)| *id).collect()
    }
}
