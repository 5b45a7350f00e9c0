//! Changes of messages that attached sockets ask for.

use actix::Context;
use schema::ConnectionId;
use schema::record::{Draft, Event};
use schema::wire::{ClientFrame, DeleteScope, ErrorCode, Refusal};

use super::actor::Session;

impl Session {
    pub(super) fn change(
        &mut self,
        connection: ConnectionId,
        frame: ClientFrame,
        ctx: &mut Context<Self>,
    ) {
        let Some(reference) = frame.reference() else { return };
        if let ClientFrame::DeleteMessage(delete) = frame
            && delete.scope == DeleteScope::Me
        {
            return self.hide(connection, delete, ctx);
        }
        let proposed =
            self.draft(frame).and_then(|draft| self.propose(connection, reference, draft, ctx));
        if let Err(refusal) = proposed {
            self.refuse(connection, reference, refusal);
        }
    }

    fn draft(&self, frame: ClientFrame) -> Result<Draft, Refusal> {
        let (conversation_id, message_id, retry, event) = match frame {
            ClientFrame::EditMessage(it) => {
                let mentions = it.mentions.unwrap_or_default();
                let event = Event::MessageEdited {
                    target: it.target,
                    content: it.content,
                    mentions,
                    expires_at: None,
                };
                (it.conversation_id, it.message_id, it.retry, event)
            }
            ClientFrame::DeleteMessage(it) => {
                let event = Event::MessageDeleted { target: it.target };
                (it.conversation_id, it.message_id, it.retry, event)
            }
            ClientFrame::React(it) => {
                let event =
                    Event::ReactionChanged { target: it.target, emoji: it.emoji, on: it.on };
                (it.conversation_id, it.message_id, it.retry, event)
            }
            ClientFrame::PinMessage(it) => {
                let event = Event::PinChanged { target: it.target, on: it.on };
                (it.conversation_id, it.message_id, it.retry, event)
            }
            _ => return Err(Refusal::new(ErrorCode::UnknownFrame, "not a change")),
        };
        let retry = retry.unwrap_or(false);
        Ok(Draft { conversation_id, message_id, sender_id: self.user, event, retry })
    }
}
