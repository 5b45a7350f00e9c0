//! What a device does about each frame of the server.

use std::time::Duration;

use schema::checker::Row;
use schema::wire::{Accepted, ErrorFrame, History, LogFrame, ServerFrame};
use schema::{ConversationId, Sequence, SequenceRange};
use tokio::time::{Instant, sleep};

use super::{DeviceTask, Following};
use crate::client::socket::Socket;
use crate::client::socket_error::SocketError;

impl DeviceTask {
    pub(super) async fn on_frame(
        &mut self,
        socket: &mut Socket,
        frame: ServerFrame,
    ) -> Result<(), SocketError> {
        match frame {
            ServerFrame::Accepted(accepted) => self.on_accepted(socket, accepted).await,
            ServerFrame::NewMessage(message) => {
                if let Some(observer) = &self.options.habits.observer {
                    observer.delivered(&message.content);
                }
                self.on_entry(socket, &LogFrame::NewMessage(message)).await
            }
            ServerFrame::MembersChanged(change) => {
                self.on_entry(socket, &LogFrame::MembersChanged(change)).await
            }
            ServerFrame::ConversationChanged(change) => {
                self.on_entry(socket, &LogFrame::ConversationChanged(change)).await
            }
            ServerFrame::History(history) => self.on_history(socket, &history).await,
            ServerFrame::MoreConversations(more) => {
                self.note_states(&more.conversations);
                Ok(())
            }
            ServerFrame::Joined(joined) => {
                self.joining.remove(&joined.reference);
                Ok(())
            }
            ServerFrame::Error(error) => self.on_error(socket, error).await,
            ServerFrame::Resync(resync) => {
                let problem = format!("{} was told to resync: {resync:?}", self.options.label);
                self.recorder.problem(problem);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn on_accepted(
        &mut self,
        socket: &mut Socket,
        accepted: Accepted,
    ) -> Result<(), SocketError> {
        let Accepted { reference, message_id, conversation_id, seq, duplicate, .. } = accepted;
        let Some(pending) = self.outbox.take(reference) else {
            self.recorder.problem(format!("{}: nobody asked {accepted:?}", self.options.label));
            return Ok(());
        };
        let asked = (pending.frame.message_id, pending.frame.conversation_id);
        if asked != (message_id, conversation_id) {
            self.recorder.problem(format!("{asked:?} was answered by {accepted:?}"));
        }
        self.recorder.record(|history| {
            history.record_ack(self.client, conversation_id, message_id, seq, duplicate);
        });
        if let Some(observer) = &self.options.habits.observer {
            observer.accepted(&pending.frame.content);
        }
        // The sender may have stopped waiting.
        let _ = pending.answer.send(Ok(accepted));
        self.arrived(socket, conversation_id, seq).await
    }

    async fn on_entry(&mut self, socket: &mut Socket, entry: &LogFrame) -> Result<(), SocketError> {
        self.recorder.record(|history| history.record_delivery(self.client, Row::from(entry)));
        self.arrived(socket, entry.conversation_id(), entry.seq()).await
    }

    async fn on_history(&mut self, socket: &mut Socket, page: &History) -> Result<(), SocketError> {
        let id = page.conversation_id;
        let asked = self.following.get_mut(&id).and_then(|each| each.asked.take());
        let Some(asked) = asked else { return Ok(()) };
        // A node may lag behind what the device was told by another way; it says so by its head.
        let asked = SequenceRange::new(asked.first, asked.last.min(page.head));
        self.recorder.record(|history| {
            let rows = page.entries.iter().map(Row::from);
            history.record_history_page(self.client, id, asked, rows);
        });
        for entry in &page.entries {
            self.arrived(socket, id, entry.seq()).await?;
        }
        Ok(())
    }

    /// Refusals: temporary ones are repeated under the same id, others are the sender's to know.
    async fn on_error(
        &mut self,
        socket: &mut Socket,
        error: ErrorFrame,
    ) -> Result<(), SocketError> {
        if let Some(observer) = &self.options.habits.observer {
            observer.refused(&error);
        }
        let label = &self.options.label;
        let Some(reference) = error.reference else {
            self.recorder.problem(format!("{label}: {error:?}"));
            return Ok(());
        };
        let joining = self.joining.remove(&reference);
        if !error.temporary {
            if let Some(pending) = self.outbox.take(reference) {
                let _ = pending.answer.send(Err(format!("refused: {error:?}")));
            }
            self.recorder.problem(format!("{label}: {error:?}"));
            return Ok(());
        }
        let wait = Duration::from_millis(error.retry_after_ms.unwrap_or(100));
        if let Some(channel) = joining {
            sleep(wait).await;
            return self.join(socket, channel).await;
        }
        if let Some(pending) = self.outbox.get_mut(reference) {
            pending.retry_at = Some(Instant::now() + wait);
            return Ok(());
        }
        // No message, so a page of history: whatever is missing is asked for again at the next tick.
        for each in self.following.values_mut() {
            each.asked = None;
        }
        Ok(())
    }

    /// Number `seq` is here: shows what can be shown now.
    async fn arrived(
        &mut self,
        socket: &mut Socket,
        id: ConversationId,
        seq: Sequence,
    ) -> Result<(), SocketError> {
        let each = self.following.entry(id).or_insert_with(Following::new);
        each.buffer.offer(seq, ());
        let position = each.buffer.position();
        self.progress.set_position(id, position);
        if each.acked.distance_to(position) >= self.options.habits.ack_every {
            socket.send(&each.acknowledge(id)).await?;
        }
        Ok(())
    }
}
