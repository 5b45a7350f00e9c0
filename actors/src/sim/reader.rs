//! What clients hear: into the history, and back to what they still wait for.

use schema::ConversationId;
use schema::checker::Row;
use schema::wire::{ErrorCode, Refusal};

use super::client::Asked;
use super::event::Event;
use super::message::{Answered, Frame};
use super::report::Finding;
use super::world::World;

impl World {
    /// A frame arrives at a client.
    pub(super) fn client_hears(&mut self, index: usize, frame: Frame) {
        let key = self.clients[index].key;
        match frame {
            Frame::Welcome { heads } => {
                for (id, head) in heads {
                    self.history.record_head(id, head);
                }
                self.clients[index].is_greeted = true;
                let again: Vec<u64> = self.clients[index].outgoing.keys().copied().collect();
                for number in again {
                    self.transmit(index, number);
                }
            }
            Frame::Entry(entry) => {
                self.trace.fold(entry.seq.0);
                self.trace.line(self.queue.now_ms(), || {
                    format!("client {index} gets {} of {}", entry.seq, entry.conversation_id)
                });
                self.history.record_delivery(key, Row::from(&entry));
            }
            Frame::Accepted(answered) => self.on_accepted(index, answered),
            Frame::Error { reference, refusal } => self.on_refused(index, reference, &refusal),
            Frame::Resync { conversation, head } => {
                self.history.record_start(key, conversation, head);
            }
            Frame::Hello { .. } | Frame::Send { .. } => {}
        }
    }

    fn on_accepted(&mut self, index: usize, answered: Answered) {
        let Answered { reference, conversation, message_id, result, .. } = answered;
        let Ok(submitted) = result else { return };
        self.trace.fold(submitted.seq.0);
        self.trace.line(self.queue.now_ms(), || {
            format!("client {index}: #{reference} accepted as {submitted:?}")
        });
        let client = &mut self.clients[index];
        let asked = client.asked.remove(&reference);
        if matches!(asked, Some(Asked::Reused(_))) {
            return self.findings.push(Finding::ReuseAccepted { message_id });
        }
        let (seq, duplicate) = (submitted.seq, submitted.duplicate);
        self.history.record_ack(client.key, conversation, message_id, seq, duplicate);
        if let Some(Asked::Message(number)) = asked
            && let Some(outgoing) = client.outgoing.remove(&number)
        {
            client.acked.push((outgoing.draft, seq));
        }
    }

    fn on_refused(&mut self, index: usize, reference: u64, refusal: &Refusal) {
        self.trace.line(self.queue.now_ms(), || {
            format!("client {index}: #{reference} refused: {refusal}")
        });
        let asked = self.clients[index].asked.remove(&reference);
        match asked {
            Some(Asked::Reused(seq)) if refusal.code == ErrorCode::MessageIdReused => {
                if refusal.seq != Some(seq) {
                    self.findings.push(Finding::ReuseMisnumbered { seq, told: refusal.seq });
                }
            }
            Some(Asked::Message(number)) if refusal.code.is_temporary() => {
                let outgoing = self.clients[index].outgoing.get(&number);
                if let Some(transmission) = outgoing.map(|it| it.transmissions) {
                    let delay_ms = self.random.between(50, 600);
                    let retries =
                        Event::ClientRetries { client: index, message: number, transmission };
                    self.queue.push(delay_ms, retries);
                }
            }
            _ if refusal.code.is_temporary() => {}
            _ => self.findings.push(Finding::WronglyRefused { code: refusal.code }),
        }
    }

    /// Up to where the client has everything.
    pub(super) fn has_everything(&self, index: usize, id: ConversationId) -> bool {
        self.history.position(self.clients[index].key, id) >= self.store.ring.last(id)
    }
}
