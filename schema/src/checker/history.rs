//! Takes down what happened. Judged in [`super::judge`].

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use serde::{Deserialize, Serialize};

use super::judge::Orders;
use super::reader::{DeliveryFault, Reader};
use super::row::{Digest, Row};
use super::send_book::{SendBook, Speaker};
use super::settle::{Gone, Held, Settled};
use super::verdict::{Findings, Verdict};
use super::violation::Violation;
use crate::{ConversationId, MessageId, Sequence, SequenceRange, UserId};

/// A client of one [`History`]: a device with one socket at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientKey(u32);

/// A position that only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PositionKind {
    /// Of a device.
    Delivered,
    /// Of a user.
    Read,
}

#[derive(Clone, Debug)]
pub(super) struct Client {
    pub label: String,
    pub user_id: UserId,
    pub socket: u32,
}

/// How a row was seen by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Socket,
    HistoryPage,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Sighting {
    pub row: Row,
    pub client: ClientKey,
    pub source: Source,
}

/// What is known of one conversation.
#[derive(Clone, Debug, Default)]
pub(super) struct Conversation {
    pub log: BTreeMap<Sequence, Row>,
    /// The first sighting of each number; those that agree with it are only counted.
    pub sightings: BTreeMap<Sequence, Sighting>,
    /// Sightings that disagree with the first of their number.
    pub deviations: Vec<Sighting>,
    /// The largest head that the server told anyone.
    pub reported_head: Sequence,
    /// Rows up to here were removed for good, as they were to be.
    pub removed_up_to: Sequence,
    pub senders_complete: bool,
    /// The beginning of the log, judged already.
    pub settled: Settled,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub deliveries: u64,
    pub history_pages: u64,
    pub history_rows: u64,
    pub sockets: u64,
}

/// Everything recorded. Facts of one client must be recorded in the order it saw them; how the
/// clients interleave does not matter, so each may also be recorded after the other.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub(super) clients: Vec<Client>,
    pub(super) conversations: BTreeMap<ConversationId, Conversation>,
    pub(super) readers: BTreeMap<(ClientKey, ConversationId), Reader>,
    pub(super) sends: SendBook,
    pub(super) findings: Findings,
    pub(super) tally: Tally,
    /// Of messages that are settled and gone.
    pub(super) gone: Gone,
    pub(super) orders: Orders,
    positions: BTreeMap<(ClientKey, ConversationId, PositionKind), Sequence>,
}

impl History {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a device of `user_id`. `label` is for people and names it in violations.
    ///
    /// # Panics
    /// Beyond 2^32 clients.
    pub fn add_client(&mut self, label: impl Into<String>, user_id: UserId) -> ClientKey {
        #[expect(clippy::expect_used, reason = "no machine holds 2^32 clients")]
        let key = ClientKey(u32::try_from(self.clients.len()).expect("fewer than 2^32 clients"));
        self.clients.push(Client { label: label.into(), user_id, socket: 0 });
        key
    }

    /// The client has a new socket. Follow with [`Self::record_start`] for each conversation.
    pub fn record_socket_open(&mut self, client: ClientKey) {
        self.clients[client.0 as usize].socket += 1;
        self.tally.sockets += 1;
    }

    /// On this socket, `conversation_id` is delivered from above `after`. A reader never started
    /// begins at [`Sequence::START`].
    pub fn record_start(
        &mut self,
        client: ClientKey,
        conversation_id: ConversationId,
        after: Sequence,
    ) {
        let reader = self.readers.entry((client, conversation_id)).or_default();
        let reached = reader.reached();
        let (holes, is_ahead) = reader.start(after);
        for hole in holes {
            let violation = self.delivery_gap(client, conversation_id, hole);
            self.findings.add(violation);
        }
        if is_ahead {
            let client = self.label(client);
            self.findings.add(Violation::StartAhead {
                client,
                conversation_id,
                reached,
                start: after,
            });
        }
    }

    /// The client transmits a message, for the first time or again under the same id.
    pub fn record_send(
        &mut self,
        client: ClientKey,
        conversation_id: ConversationId,
        message_id: MessageId,
        digest: Digest,
    ) {
        self.sends.send(self.speaker(client), conversation_id, message_id, digest);
    }

    /// The client was told that its message is stored as `seq`.
    pub fn record_ack(
        &mut self,
        client: ClientKey,
        conversation_id: ConversationId,
        message_id: MessageId,
        seq: Sequence,
        duplicate: bool,
    ) {
        let speaker = self.speaker(client);
        if let Some(first_seq) =
            self.sends.ack(speaker, conversation_id, message_id, seq, duplicate)
        {
            self.findings.add(Violation::AcksDisagree {
                client: self.clients[client.0 as usize].label.clone(),
                conversation_id,
                message_id,
                first_seq,
                second_seq: seq,
            });
        }
        let reader = self.readers.entry((client, conversation_id)).or_default();
        if let Err(fault) = reader.accept(seq, duplicate) {
            self.delivery_fault(client, conversation_id, seq, fault);
        }
    }

    /// The client was told outside of a socket (such as by REST) that its message is stored: says
    /// nothing about what its socket has been given.
    pub fn record_ack_elsewhere(
        &mut self,
        client: ClientKey,
        conversation_id: ConversationId,
        message_id: MessageId,
        seq: Sequence,
        duplicate: bool,
    ) {
        let speaker = self.speaker(client);
        let before = self.sends.ack(speaker, conversation_id, message_id, seq, duplicate);
        if let Some(first_seq) = before {
            let client = self.label(client);
            self.findings.add(Violation::AcksDisagree {
                client,
                conversation_id,
                message_id,
                first_seq,
                second_seq: seq,
            });
        }
    }

    /// An entry arrived on the client's socket.
    pub fn record_delivery(&mut self, client: ClientKey, row: Row) {
        self.tally.deliveries += 1;
        let reader = self.readers.entry((client, row.conversation_id)).or_default();
        if let Err(fault) = reader.deliver(row.seq) {
            self.delivery_fault(client, row.conversation_id, row.seq, fault);
        }
        self.sight(Sighting { row, client, source: Source::Socket });
    }

    /// The client read `rows` (ascending) where the log was to give exactly `expected`.
    pub fn record_history_page(
        &mut self,
        client: ClientKey,
        conversation_id: ConversationId,
        expected: SequenceRange,
        rows: impl IntoIterator<Item = Row>,
    ) {
        self.tally.history_pages += 1;
        let mut next = expected.first;
        for row in rows {
            self.tally.history_rows += 1;
            if row.seq != next || row.seq > expected.last {
                self.page_broken(client, conversation_id, next, Some(row.seq));
                return;
            }
            next = next.next();
            if let Some(reader) = self.readers.get_mut(&(client, conversation_id)) {
                reader.read(row.seq);
            }
            self.sight(Sighting { row, client, source: Source::HistoryPage });
        }
        if next <= expected.last {
            self.page_broken(client, conversation_id, next, None);
        }
    }

    /// The client was told a delivered or read position.
    pub fn record_position(
        &mut self,
        client: ClientKey,
        conversation_id: ConversationId,
        position: PositionKind,
        seq: Sequence,
    ) {
        let held = self.positions.entry((client, conversation_id, position)).or_default();
        let from = *held;
        *held = seq.max(from);
        if seq < from {
            let client = self.label(client);
            self.findings.add(Violation::PositionWentBack {
                client,
                conversation_id,
                position,
                from,
                to: seq,
            });
        }
    }

    /// Somebody was told that the conversation reaches to `head`.
    pub fn record_head(&mut self, conversation_id: ConversationId, head: Sequence) {
        let conversation = self.conversations.entry(conversation_id).or_default();
        conversation.reported_head = conversation.reported_head.max(head);
    }

    /// Rows of the log up to here were removed for good: their numbers are not missing.
    pub fn record_removed(&mut self, conversation_id: ConversationId, up_to: Sequence) {
        let conversation = self.conversations.entry(conversation_id).or_default();
        conversation.removed_up_to = conversation.removed_up_to.max(up_to);
    }

    /// A row of the log itself, in any order, each number once. A conversation of which no row is
    /// recorded counts as empty: whatever was acknowledged in it is lost.
    pub fn record_log_row(&mut self, row: Row) {
        let conversation = self.conversations.entry(row.conversation_id).or_default();
        match conversation.settled.compare(&row) {
            Held::Later => {}
            Held::Another => {
                let client = "the log".to_owned();
                return self.findings.add(Violation::SettledDiffers { client, seen: row });
            }
            Held::Same => {
                if !conversation.settled.note_read(row.seq) {
                    let (first, second) = (row, row);
                    let conversation_id = row.conversation_id;
                    self.findings.add(Violation::LogNumberTwice { conversation_id, first, second });
                }
                return;
            }
        }
        match conversation.log.entry(row.seq) {
            Slot::Vacant(slot) => {
                slot.insert(row);
            }
            Slot::Occupied(slot) => self.findings.add(Violation::LogNumberTwice {
                conversation_id: row.conversation_id,
                first: *slot.get(),
                second: row,
            }),
        }
    }

    /// The client is to have everything up to the head of the log when it is judged.
    pub fn expect_caught_up(&mut self, client: ClientKey, conversation_id: ConversationId) {
        self.readers.entry((client, conversation_id)).or_default().expected_caught_up = true;
    }

    /// Every sender of the conversation is recorded: any other message in it is a violation.
    pub fn expect_known_senders(&mut self, conversation_id: ConversationId) {
        self.conversations.entry(conversation_id).or_default().senders_complete = true;
    }

    /// Up to where the client has everything on its present socket.
    #[must_use]
    pub fn position(&self, client: ClientKey, conversation_id: ConversationId) -> Sequence {
        self.readers.get(&(client, conversation_id)).map(Reader::position).unwrap_or_default()
    }

    /// Judges what was recorded so far.
    #[must_use]
    pub fn check(&self) -> Verdict {
        super::judge::judge(self)
    }

    pub(super) fn label(&self, client: ClientKey) -> String {
        self.clients[client.0 as usize].label.clone()
    }

    pub(super) fn delivery_gap(
        &self,
        client: ClientKey,
        conversation_id: ConversationId,
        hole: SequenceRange,
    ) -> Violation {
        let client = self.label(client);
        Violation::DeliveryGap { client, conversation_id, first: hole.first, last: hole.last }
    }

    fn speaker(&self, client: ClientKey) -> Speaker {
        let Client { user_id, socket, .. } = self.clients[client.0 as usize];
        Speaker { client, user_id, socket }
    }

    /// Compares with what others saw under the number; agreement leaves no trace.
    fn sight(&mut self, sighting: Sighting) {
        let conversation = self.conversations.entry(sighting.row.conversation_id).or_default();
        match conversation.settled.compare(&sighting.row) {
            Held::Later => {}
            Held::Same => return,
            Held::Another => {
                let (client, seen) = (self.label(sighting.client), sighting.row);
                return self.findings.add(Violation::SettledDiffers { client, seen });
            }
        }
        match conversation.sightings.entry(sighting.row.seq) {
            Slot::Vacant(slot) => {
                slot.insert(sighting);
            }
            Slot::Occupied(slot) if slot.get().row.agrees(&sighting.row) => {}
            Slot::Occupied(_) => conversation.deviations.push(sighting),
        }
    }

    fn delivery_fault(
        &mut self,
        client: ClientKey,
        conversation_id: ConversationId,
        seq: Sequence,
        fault: DeliveryFault,
    ) {
        let client = self.label(client);
        self.findings.add(match fault {
            DeliveryFault::OutOfOrder { after } => {
                Violation::DeliveryOutOfOrder { client, conversation_id, seq, after }
            }
            DeliveryFault::Repeated { position } => {
                Violation::DeliveryRepeated { client, conversation_id, seq, position }
            }
        });
    }

    fn page_broken(
        &mut self,
        client: ClientKey,
        conversation_id: ConversationId,
        expected: Sequence,
        found: Option<Sequence>,
    ) {
        let client = self.label(client);
        self.findings.add(Violation::HistoryPageBroken {
            client,
            conversation_id,
            expected,
            found,
        });
    }
}
