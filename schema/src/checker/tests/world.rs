//! A small messaging system that keeps every promise: clients that pipeline, lose their sockets at
//! any moment and retry; a server that stores, acknowledges and delivers in any legal interleaving.

use std::collections::VecDeque;

use super::script::Step;
use crate::checker::{Digest, PositionKind, Row, RowKind};
use crate::{ConversationId, MessageId, Sequence, SequenceRange, UserId};

/// SplitMix64: enough for tests, and the same everywhere.
pub struct Random(u64);

impl Random {
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`, which is not zero.
    pub const fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub const fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    pub fn id(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next().to_be_bytes());
        bytes[8..].copy_from_slice(&self.next().to_be_bytes());
        bytes
    }
}

#[derive(Clone, Copy)]
struct Draft {
    message_id: MessageId,
    digest: Digest,
}

/// One device in one conversation.
struct Device {
    user_id: UserId,
    /// Not acknowledged yet, oldest first.
    pending: VecDeque<Draft>,
    /// Transmitted on the present socket and not looked at by the server yet.
    in_flight: VecDeque<Draft>,
    /// Own numbers accepted on the present socket.
    accepted: Vec<Sequence>,
    /// The server has delivered up to here on the present socket.
    sent_up_to: Sequence,
}

struct World {
    random: Random,
    steps: Vec<Step>,
    conversation_id: ConversationId,
    log: Vec<Row>,
    devices: Vec<Device>,
}

/// The steps of a random good history of two conversations of four devices each.
pub fn good_history(seed: u64) -> Vec<Step> {
    let mut random = Random::new(seed);
    let mut steps = Vec::new();
    for conversation in 0..2 {
        let conversation_id = ConversationId::from_bytes(random.id());
        let world = World {
            random: Random::new(random.next()),
            steps: Vec::new(),
            conversation_id,
            log: Vec::new(),
            devices: Vec::new(),
        };
        steps.extend(world.run(conversation * 4));
    }
    steps
}

impl World {
    fn run(mut self, first_client: usize) -> Vec<Step> {
        for index in 0..4 {
            self.join(first_client + index);
        }
        for _ in 0..250 {
            let index = self.random.below(4);
            self.act(first_client, index);
        }
        for index in 0..4 {
            self.settle(first_client, index);
        }
        for index in 0..4 {
            self.catch_up(first_client, index);
        }
        self.read_back(first_client);
        self.steps
    }

    fn join(&mut self, client: usize) {
        let user_id = UserId::from_bytes(self.random.id());
        let conversation_id = self.conversation_id;
        self.steps.push(Step::Client { user_id });
        self.steps.push(Step::SocketOpen { client });
        self.steps.push(Step::Start { client, conversation_id, after: Sequence::START });
        self.devices.push(Device {
            user_id,
            pending: VecDeque::new(),
            in_flight: VecDeque::new(),
            accepted: Vec::new(),
            sent_up_to: Sequence::START,
        });
    }

    fn act(&mut self, first_client: usize, index: usize) {
        let client = first_client + index;
        match self.random.below(20) {
            0..7 if self.devices[index].pending.len() < 3 => self.send(client, index),
            7..12 => self.serve(client, index),
            12..18 => self.deliver(client, index),
            18 => self.tell_position(client, index),
            19 if self.random.chance(60) => self.cut(client, index),
            _ => {}
        }
    }

    fn send(&mut self, client: usize, index: usize) {
        let message_id = MessageId::from_bytes(self.random.id());
        let digest = Digest(self.random.next());
        let draft = Draft { message_id, digest };
        self.devices[index].pending.push_back(draft);
        self.transmit(client, index, draft);
    }

    fn transmit(&mut self, client: usize, index: usize, draft: Draft) {
        let Draft { message_id, digest } = draft;
        let conversation_id = self.conversation_id;
        self.steps.push(Step::Send { client, conversation_id, message_id, digest });
        self.devices[index].in_flight.push_back(draft);
    }

    /// The server takes the oldest frame of the socket: stores it or finds it stored.
    fn serve(&mut self, client: usize, index: usize) {
        let Some(draft) = self.devices[index].in_flight.pop_front() else { return };
        let (seq, duplicate) = self.store(index, draft);
        let Draft { message_id, .. } = draft;
        let conversation_id = self.conversation_id;
        self.steps.push(Step::Ack { client, conversation_id, message_id, seq, duplicate });
        self.devices[index].pending.retain(|other| other.message_id != message_id);
        if !duplicate {
            self.devices[index].accepted.push(seq);
        }
    }

    fn store(&mut self, index: usize, draft: Draft) -> (Sequence, bool) {
        let Draft { message_id, digest } = draft;
        if let Some(row) = self.log.iter().find(|row| row.message_id == message_id) {
            return (row.seq, true);
        }
        let seq = Sequence(self.log.len() as u64 + 1);
        self.log.push(Row {
            conversation_id: self.conversation_id,
            seq,
            message_id,
            sender_id: self.devices[index].user_id,
            kind: RowKind::Message,
            digest,
        });
        (seq, false)
    }

    /// The server sends the next entry to the socket, unless its own acknowledgement stood for it.
    fn deliver(&mut self, client: usize, index: usize) {
        let device = &mut self.devices[index];
        let next = device.sent_up_to.next();
        let Some(row) = self.log.get(device.sent_up_to.0 as usize).copied() else { return };
        device.sent_up_to = next;
        if !device.accepted.contains(&next) {
            self.steps.push(Step::Deliver { client, row });
        }
    }

    fn tell_position(&mut self, client: usize, index: usize) {
        let (conversation_id, seq) = (self.conversation_id, self.devices[index].sent_up_to);
        let kind =
            if self.random.chance(50) { PositionKind::Read } else { PositionKind::Delivered };
        // Told by welcomes; a device that goes back on purpose is not told a smaller one.
        if self.devices[index].accepted.is_empty() && kind == PositionKind::Read {
            return;
        }
        let held = self.steps.iter().rev().find_map(|step| match step {
            Step::Position { client: other, kind: of, seq, .. }
                if *other == client && *of == kind =>
            {
                Some(*seq)
            }
            _ => None,
        });
        let seq = seq.max(held.unwrap_or_default());
        self.steps.push(Step::Position { client, conversation_id, kind, seq });
    }

    /// The socket is reset. What the server had not looked at is stored unseen, or gone.
    fn cut(&mut self, client: usize, index: usize) {
        while let Some(draft) = self.devices[index].in_flight.pop_front() {
            if self.random.chance(40) {
                self.devices[index].in_flight.clear();
                break;
            }
            self.store(index, draft);
        }
        let conversation_id = self.conversation_id;
        let device = &mut self.devices[index];
        // A device may have stored less than it was sent.
        let after = device.sent_up_to.back(self.random.next() % 3);
        device.sent_up_to = after;
        device.accepted.clear();
        let pending: Vec<Draft> = device.pending.iter().copied().collect();
        self.steps.push(Step::SocketOpen { client });
        self.steps.push(Step::Start { client, conversation_id, after });
        for draft in pending {
            self.transmit(client, index, draft);
        }
        if self.random.chance(10) {
            // The user gives up: stored or not, nobody asks again.
            self.devices[index].pending.clear();
            if self.random.chance(50) {
                self.devices[index].in_flight.clear();
            }
        }
    }

    fn settle(&mut self, first_client: usize, index: usize) {
        while !self.devices[index].in_flight.is_empty() {
            self.serve(first_client + index, index);
        }
    }

    fn catch_up(&mut self, first_client: usize, index: usize) {
        let client = first_client + index;
        while (self.devices[index].sent_up_to.0 as usize) < self.log.len() {
            self.deliver(client, index);
        }
        self.steps.push(Step::CaughtUp { client, conversation_id: self.conversation_id });
    }

    /// The log itself, and two readings of it in pages.
    fn read_back(&mut self, client: usize) {
        let conversation_id = self.conversation_id;
        let head = Sequence(self.log.len() as u64);
        self.steps.push(Step::Head { conversation_id, head });
        self.steps.push(Step::KnownSenders { conversation_id });
        for row in self.log.clone() {
            self.steps.push(Step::Log { row });
        }
        let mut after = Sequence::START;
        while after < head {
            let expected = SequenceRange::above(after, 7, head);
            let rows = self.log[expected.first.0 as usize - 1..expected.last.0 as usize].to_vec();
            self.steps.push(Step::Page { client, conversation_id, expected, rows });
            after = expected.last;
        }
    }
}
