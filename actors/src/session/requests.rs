//! What attached sockets ask for.

use std::time::Duration;

use actix::{ActorFutureExt as _, AsyncContext as _, Context, Handler, WrapFuture as _};
use schema::record::{Draft, Event, MessageBody};
use schema::wire::{
    Accepted, ClientFrame, ErrorCode, FetchHistory, History, JoinConversation, Joined,
    LeaveConversation, Left, LogFrame, Ping, Pong, Position, Refusal, SendMessage, ServerFrame,
};
use schema::{ConnectionId, ConversationId, Sequence};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::actor::{Session, Unanswered};
use super::messages::FromSocket;
use super::subscription::{Part, Subscription};
use crate::conversation::Page;
use crate::conversation::{self, Answered, Join, Leave, PageRead, Read, Submit, SubmitReply};
use crate::monitor::handled;
use crate::monitor::trace::{self, Station};

/// A send unanswered for longer is answered `retry_later`. A little above the conversation's own.
const SEND_DEADLINE: Duration = Duration::from_secs(12);
/// Sends of one user that may wait at once.
const UNANSWERED_MAX: usize = 1_000;
/// Pages of history read at once for one user.
const FETCHING_MAX: usize = 16;
/// Entries of a page when the client names no limit.
const HISTORY_DEFAULT: u64 = 50;

impl Handler<FromSocket> for Session {
    type Result = ();

    fn handle(&mut self, message: FromSocket, ctx: &mut Self::Context) {
        handled();
        let FromSocket { connection, frame } = message;
        if self.link(connection).is_none() {
            return;
        }
        match frame {
            ClientFrame::SendMessage(send) => self.send(connection, send, ctx),
            ClientFrame::EditMessage(_)
            | ClientFrame::DeleteMessage(_)
            | ClientFrame::React(_)
            | ClientFrame::PinMessage(_) => self.change(connection, frame, ctx),
            ClientFrame::FollowThread(follow) => self.follow_thread(connection, follow, ctx),
            ClientFrame::TypingIndicator(typing) => self.typing(typing),
            ClientFrame::SetPresence(set) => self.set_presence(connection, set.status),
            ClientFrame::SubscribePresence(subscribe) => {
                self.subscribe_presence(connection, subscribe.user_ids, ctx);
            }
            ClientFrame::Ack(ack) => {
                self.acknowledge(connection, ack.conversation_id, ack.seq, ctx)
            }
            ClientFrame::ReadReceipt(read) if read.thread.is_some() => {
                let root = read.thread.unwrap_or_default();
                self.read_thread(connection, read, root, ctx);
            }
            ClientFrame::ReadReceipt(read) => {
                let head = self.conversations.get(&read.conversation_id).map(|it| it.head);
                let seq = read.seq.min(head.unwrap_or_default());
                self.read_up_to(connection, read.conversation_id, seq, ctx);
            }
            ClientFrame::JoinConversation(join) => self.join(connection, join, ctx),
            ClientFrame::LeaveConversation(leave) => self.leave(connection, leave, ctx),
            ClientFrame::FetchHistory(fetch) => self.fetch(connection, fetch, ctx),
            ClientFrame::Ping(ping) => self.pong(connection, &ping),
            // The socket's phase answers a second greeting itself.
            ClientFrame::Hello(_) => {}
        }
    }
}

impl Session {
    pub(super) fn refuse(&mut self, connection: ConnectionId, reference: u64, refusal: Refusal) {
        metrics::counter!(schema::metric::FRAME_ERRORS, "code" => refusal.code.as_str())
            .increment(1);
        self.frame(connection, ServerFrame::Error(refusal.into_frame(Some(reference))));
    }

    fn send(&mut self, connection: ConnectionId, send: SendMessage, ctx: &mut Context<Self>) {
        let reference = send.reference;
        if let Err(refusal) = self.submit(connection, send, ctx) {
            self.refuse(connection, reference, refusal);
        }
    }

    fn submit(
        &mut self,
        connection: ConnectionId,
        send: SendMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), Refusal> {
        let (reference, clears_draft) = (send.reference, send.clear_draft == Some(true));
        let body = MessageBody {
            reply_to: send.reply_to,
            thread: send.thread,
            mentions: send.mentions.unwrap_or_default(),
            forwarded_from: send.forwarded_from.map(Box::new),
            expires_after_ms: send.expires_after_ms,
            ..MessageBody::new(send.content)
        };
        let draft = Draft {
            conversation_id: send.conversation_id,
            message_id: send.message_id,
            sender_id: self.user,
            event: Event::Message(body.mentioning(send.mention_all)),
            retry: send.retry.unwrap_or(false),
        };
        self.propose(connection, reference, draft, ctx)?;
        if let Some(unanswered) = self.unanswered.get_mut(&(connection, reference)) {
            unanswered.clears_draft = clears_draft;
        }
        Ok(())
    }

    /// Asks the conversation to number a draft.
    pub(super) fn propose(
        &mut self,
        connection: ConnectionId,
        reference: u64,
        draft: Draft,
        ctx: &mut Context<Self>,
    ) -> Result<(), Refusal> {
        self.limiter.check()?;
        if self.unanswered.len() >= UNANSWERED_MAX {
            let text = "too many sends wait for their answer";
            return Err(Refusal::new(ErrorCode::Overloaded, text).retry_after_ms(500));
        }
        let (conversation_id, message_id) = (draft.conversation_id, draft.message_id);
        let to = ctx.address().recipient();
        let submit = Submit { draft, reply: SubmitReply::Session { to, connection, reference } };
        let address = self.conversation(conversation_id);
        let address = address.ok_or_else(|| Refusal::retry_later("the conversation restarts"))?;
        trace::begin(message_id);
        address.try_send(submit).map_err(|_| {
            Refusal::new(ErrorCode::Overloaded, "the conversation is busy").retry_after_ms(200)
        })?;
        let unanswered = Unanswered { until: Instant::now() + SEND_DEADLINE, clears_draft: false };
        self.unanswered.insert((connection, reference), unanswered);
        self.arm_deadlines(ctx);
        Ok(())
    }

    fn arm_deadlines(&mut self, ctx: &mut Context<Self>) {
        if self.deadline_armed || self.unanswered.is_empty() {
            return;
        }
        self.deadline_armed = true;
        ctx.run_later(Duration::from_secs(1), |session, ctx| {
            session.deadline_armed = false;
            let now = Instant::now();
            let late = session.unanswered.extract_if(.., |_, it| it.until <= now);
            let late: Vec<(ConnectionId, u64)> = late.map(|(key, _)| key).collect();
            for (connection, reference) in late {
                let refusal = Refusal::retry_later("not stored in time; repeat under the same id");
                session.refuse(connection, reference, refusal);
            }
            session.arm_deadlines(ctx);
        });
    }

    pub(super) fn on_answered(&mut self, answered: Answered, ctx: &mut Context<Self>) {
        let Answered { connection, reference, conversation, message_id, result } = answered;
        trace::leave(message_id, Station::Send);
        let Some(unanswered) = self.unanswered.remove(&(connection, reference)) else { return };
        match result {
            Ok(mut submitted) => {
                let cursor = self.conversations.get_mut(&conversation);
                if let Some(cursor) = cursor.and_then(|it| it.cursor(connection)) {
                    // The entry overtook its answer, or was answered before: the socket has it.
                    submitted.duplicate |= cursor.has(submitted.seq);
                    cursor.accepted.note(submitted.seq, cursor.sent);
                }
                let accepted = Accepted {
                    reference,
                    message_id,
                    conversation_id: conversation,
                    seq: submitted.seq,
                    sent_at: submitted.sent_at,
                    duplicate: submitted.duplicate,
                };
                self.frame(connection, ServerFrame::Accepted(accepted));
                // Who writes has read what stands above.
                self.read_up_to(connection, conversation, submitted.seq, ctx);
                if unanswered.clears_draft {
                    self.clear_draft(connection, conversation, ctx);
                }
            }
            Err(refusal) => self.refuse(connection, reference, refusal),
        }
    }

    /// The device has everything up to `seq`; it cannot have more than it was handed.
    fn acknowledge(
        &mut self,
        connection: ConnectionId,
        conversation: ConversationId,
        seq: Sequence,
        ctx: &mut Context<Self>,
    ) {
        let Some(device) = self.link(connection).map(|link| link.device) else { return };
        let Some(subscription) = self.conversations.get_mut(&conversation) else { return };
        if subscription.part == Part::Reader {
            return;
        }
        let seq = seq.min(subscription.head);
        self.positions.make().delivered(conversation, device, seq);
        self.arm_flush(ctx);
        self.note_news(conversation, Some(seq), None, ctx);
    }

    fn read_up_to(
        &mut self,
        by: ConnectionId,
        conversation: ConversationId,
        seq: Sequence,
        ctx: &mut Context<Self>,
    ) {
        let Some(subscription) = self.conversations.get_mut(&conversation) else { return };
        if subscription.part == Part::Reader || seq <= subscription.read {
            return;
        }
        subscription.read = seq;
        self.positions.make().read(conversation, seq);
        self.arm_flush(ctx);
        self.note_news(conversation, None, Some(seq), ctx);
        self.show_own_read(conversation, seq, Some(by));
    }

    fn join(&mut self, connection: ConnectionId, join: JoinConversation, ctx: &mut Context<Self>) {
        let id = join.conversation_id;
        let (reply, joined) = oneshot::channel();
        let ask = Join {
            user: self.user,
            listener: ctx.address().recipient(),
            as_reader: true,
            reply: Some(reply),
        };
        if let Some(address) = self.conversation(id) {
            let _ = address.try_send(ask);
        }
        ctx.spawn(joined.into_actor(self).map(move |joined, session, ctx| {
            match joined.unwrap_or_else(|_| Err(Refusal::retry_later("no answer"))) {
                Ok(joined) => session.on_channel_joined(connection, &join, &joined, ctx),
                Err(refusal) => session.refuse(connection, join.reference, refusal),
            }
        }));
    }

    fn on_channel_joined(
        &mut self,
        connection: ConnectionId,
        join: &JoinConversation,
        joined: &conversation::Joined,
        ctx: &mut Context<Self>,
    ) {
        let id = join.conversation_id;
        let subscription = self
            .conversations
            .entry(id)
            .or_insert_with(|| Subscription::joined(joined, Part::Reader));
        if subscription.follow.is_none() {
            subscription.follow = self.context.conversations.follow(id, joined.head);
        }
        subscription.head = subscription.head.max(joined.head);
        let head = subscription.head;
        let followed = subscription.cursor(connection).map(|cursor| cursor.sent);
        let stated = join.position().filter(|_| subscription.part == Part::Reader);
        let is_restored = stated.is_some_and(|it| it.is_of_another(subscription.generation));
        let after = match (subscription.part, followed, join.after) {
            // A member's socket follows already: nothing is sent twice.
            (Part::Member, Some(sent), _) => sent,
            _ if is_restored => head,
            (_, _, Some(after)) => after.min(head).max(subscription.visible_after),
            (_, _, None) => head,
        };
        if subscription.part == Part::Reader || followed.is_none() {
            subscription.follow(connection, after);
        }
        let generation = subscription.generation;
        let behind = after < head;
        self.frame(
            connection,
            ServerFrame::Joined(Joined {
                reference: join.reference,
                conversation_id: id,
                generation,
                head,
                after,
            }),
        );
        self.resync_restored(connection, stated.as_slice());
        if behind {
            self.fall_behind(connection, id, ctx);
        }
    }

    fn leave(&mut self, connection: ConnectionId, leave: LeaveConversation, ctx: &Context<Self>) {
        let id = leave.conversation_id;
        if let Some(subscription) = self.conversations.get_mut(&id)
            && subscription.part == Part::Reader
        {
            subscription.unfollow(connection);
            if subscription.cursors.is_empty() {
                let listener = ctx.address().recipient();
                if let Some(address) = &subscription.conversation {
                    let _ = address.try_send(Leave { user: self.user, listener });
                }
                self.conversations.remove(&id);
            }
        }
        let left = Left { reference: leave.reference, conversation_id: id };
        self.frame(connection, ServerFrame::Left(left));
    }

    fn fetch(&mut self, connection: ConnectionId, fetch: FetchHistory, ctx: &mut Context<Self>) {
        let page = match (fetch.before, fetch.after, fetch.at) {
            (Some(before), None, None) => Page::Before(before),
            (None, Some(after), None) => Page::After(after),
            (None, None, Some(at)) => Page::At(at),
            (None, None, None) => Page::Newest,
            _ => {
                let text = "before, after and at: name one of them";
                let refusal = Refusal::new(ErrorCode::InvalidField, text);
                return self.refuse(connection, fetch.reference, refusal);
            }
        };
        if self.fetching >= FETCHING_MAX {
            let text = "too many pages are being read";
            let refusal = Refusal::new(ErrorCode::Overloaded, text).retry_after_ms(200);
            return self.refuse(connection, fetch.reference, refusal);
        }
        self.fetching += 1;
        let limit = fetch.limit.unwrap_or(HISTORY_DEFAULT);
        let (reply, page_read) = oneshot::channel();
        let read = Read { reader: self.user, page, limit, with_states: true, reply };
        if let Some(address) = self.conversation(fetch.conversation_id) {
            let _ = address.try_send(read);
        }
        ctx.spawn(page_read.into_actor(self).map(move |page, session, _| {
            session.fetching -= 1;
            match page.unwrap_or_else(|_| Err(Refusal::retry_later("no answer"))) {
                Ok(mut page) => {
                    let id = fetch.conversation_id;
                    session.mine.conceal(id, &mut page.entries);
                    session.mine.conceal_states(id, &mut page.states);
                    session.frame(connection, history(&fetch, &page));
                }
                Err(refusal) => session.refuse(connection, fetch.reference, refusal),
            }
        }));
    }

    fn pong(&mut self, connection: ConnectionId, ping: &Ping) {
        let heads = ping.positions.as_ref().map(|positions| {
            let head_of = |position: &Position| {
                let subscription = self.conversations.get(&position.conversation_id)?;
                Some(Position::new(position.conversation_id, subscription.head))
            };
            positions.iter().filter_map(head_of).collect()
        });
        let server_time = self.context.clock.now_ms();
        self.frame(connection, ServerFrame::Pong(Pong { server_time, heads }));
    }
}

fn history(fetch: &FetchHistory, page: &PageRead) -> ServerFrame {
    ServerFrame::History(History {
        reference: fetch.reference,
        conversation_id: fetch.conversation_id,
        entries: page.entries.iter().map(|log| LogFrame::from(&log.entry)).collect(),
        head: page.head,
        states: page.states.clone(),
        purged_up_to: page.purged_up_to,
    })
}
