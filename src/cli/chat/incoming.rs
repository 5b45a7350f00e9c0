//! What the server says, and what the chat client does about it.

use std::time::Duration;

use schema::wire::{Ack, ClientFrame, ErrorFrame, LogFrame, NewMessage, ReadReceipt, ServerFrame};
use schema::{ConversationId, Sequence};
use tokio::time::Instant;

use super::client::{BACK_OFF_MAX, Client, SHOWN_ON_OPEN};
use super::screen;
use super::socket::{Closed, Socket};
use super::timeline::Timeline;

impl Client {
    pub(super) async fn on_frame(
        &mut self,
        frame: ServerFrame,
        socket: &mut Socket,
    ) -> anyhow::Result<Result<(), Closed>> {
        match frame {
            ServerFrame::NewMessage(entry) => {
                return self.on_entry(LogFrame::NewMessage(entry), socket).await;
            }
            ServerFrame::MembersChanged(entry) => {
                return self.on_entry(LogFrame::MembersChanged(entry), socket).await;
            }
            ServerFrame::ConversationChanged(entry) => {
                return self.on_entry(LogFrame::ConversationChanged(entry), socket).await;
            }
            ServerFrame::Accepted(accepted) => {
                // The device that sent gets this in place of its own message.
                if let Some(sent) = self.unacknowledged.remove(&accepted.message_id) {
                    let entry = LogFrame::NewMessage(NewMessage {
                        conversation_id: sent.conversation_id,
                        seq: accepted.seq,
                        message_id: accepted.message_id,
                        sender_id: self.rest.me.user_id,
                        sent_at: accepted.sent_at,
                        content: sent.content,
                        reply_to: None,
                        thread: None,
                        mentions: Vec::new(),
                        mention_all: sent.mention_all,
                        forwarded: sent.forwarded_from.is_some(),
                        expires_at: None,
                    });
                    return self.on_entry(entry, socket).await;
                }
            }
            ServerFrame::History(history) => {
                for entry in history.entries {
                    if let Err(closed) = self.on_entry(entry, socket).await? {
                        return Ok(Err(closed));
                    }
                }
            }
            ServerFrame::Resync(resync) => {
                let after = resync.head.back(SHOWN_ON_OPEN);
                self.timelines.insert(resync.conversation_id, Timeline::above(after));
                self.generations.insert(resync.conversation_id, resync.generation);
                return Ok(socket.send(self.history(resync.conversation_id, after)).await);
            }
            ServerFrame::Draining(_) => screen::notice("the server is going away")?,
            ServerFrame::Error(error) => self.on_error(&error)?,
            _ => {}
        }
        Ok(Ok(()))
    }

    /// A message that can never be stored is given up; others are sent again when the server says.
    fn on_error(&mut self, error: &ErrorFrame) -> anyhow::Result<()> {
        screen::notice(&format!("{} ({})", error.message, error.code))?;
        if error.temporary {
            let wait = Duration::from_millis(error.retry_after_ms.unwrap_or(500));
            self.resend_at = Some(Instant::now() + wait.min(BACK_OFF_MAX));
        } else {
            self.unacknowledged.retain(|_, message| Some(message.reference) != error.reference);
        }
        Ok(())
    }

    async fn on_entry(
        &mut self,
        entry: LogFrame,
        socket: &mut Socket,
    ) -> anyhow::Result<Result<(), Closed>> {
        let (conversation_id, seq) = (entry.conversation_id(), entry.seq());
        let timeline = self
            .timelines
            .entry(conversation_id)
            .or_insert_with(|| Timeline::above(Sequence::START));
        let shown = timeline.take(seq, entry);
        let (position, hole) = (timeline.position(), timeline.hole_to_ask_for());
        for entry in &shown {
            self.show(conversation_id, entry).await?;
        }
        if let Some(after) = hole {
            return Ok(socket.send(self.history(conversation_id, after)).await);
        }
        if shown.is_empty() {
            return Ok(Ok(()));
        }
        let ack = ClientFrame::Ack(Ack { conversation_id, seq: position });
        if let Err(closed) = socket.send(ack).await {
            return Ok(Err(closed));
        }
        if self.open != Some(conversation_id) {
            return Ok(Ok(()));
        }
        let read = ReadReceipt { conversation_id, seq: position, thread: None };
        Ok(socket.send(ClientFrame::ReadReceipt(read)).await)
    }

    async fn show(&mut self, id: ConversationId, entry: &LogFrame) -> anyhow::Result<()> {
        let who = self.rest.name_of(entry.sender_id()).await;
        if self.open == Some(id) {
            return screen::entry(None, entry, &who);
        }
        let place = self.titles.entry(id).or_insert_with(|| who.clone());
        screen::entry(Some(place), entry, &who)
    }
}
