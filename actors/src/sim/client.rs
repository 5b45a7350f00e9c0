//! Clients that send, repeat, leave and come back; what they see goes into the history.

use std::collections::BTreeMap;

use schema::checker::{ClientKey, Digest, History};
use schema::record::{ConversationPatch, Draft, Event as EntryEvent};
use schema::{ConversationId, MessageId, Sequence};

use super::event::Event;
use super::faults::FaultClass;
use super::message::{Frame, text};
use super::node::NodeState;
use super::schedule::ClientPlan;
use super::world::World;

const HELLO_DEADLINE_MS: u64 = 2_000;

/// A message that is not acknowledged yet.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) draft: Draft,
    pub(super) transmissions: u32,
}

/// What an answer answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Message(u64),
    /// A stored message's id with another content: this number must come back.
    Reused(Sequence),
    /// A copy of a message whose answer does not matter.
    Copy,
}

#[derive(Debug)]
pub struct Client {
    pub(super) key: ClientKey,
    pub socket: Option<u64>,
    /// Where it was last.
    node: Option<usize>,
    pub(super) is_greeted: bool,
    pub(super) outgoing: BTreeMap<u64, Outgoing>,
    messages: u64,
    pub(super) asked: BTreeMap<u64, Asked>,
    references: u64,
    pub(super) acked: Vec<(Draft, Sequence)>,
}

impl Client {
    #[must_use]
    pub fn new(index: usize, plan: &ClientPlan, history: &mut History) -> Self {
        Self {
            key: history.add_client(format!("client {index}"), plan.user),
            socket: None,
            node: None,
            is_greeted: false,
            outgoing: BTreeMap::new(),
            messages: 0,
            asked: BTreeMap::new(),
            references: 0,
            acked: Vec::new(),
        }
    }

    /// It has a socket and nothing that waits.
    #[must_use]
    pub fn is_content(&self) -> bool {
        self.is_greeted && self.outgoing.is_empty()
    }

    #[must_use]
    pub const fn key(&self) -> ClientKey {
        self.key
    }
}

impl World {
    pub(super) fn client_connects(&mut self, index: usize) {
        if self.clients[index].socket.is_some() {
            return;
        }
        let node = self.random.below(self.nodes.len());
        if matches!(self.nodes[node].state, NodeState::Down { .. }) {
            return self.queue.push(200, Event::ClientConnects(index));
        }
        if self.clients[index].node.replace(node).is_some_and(|before| before != node) {
            self.strikes.strike(FaultClass::DeviceMoved);
        }
        let socket = self.open_socket(index, node);
        let key = self.clients[index].key;
        let is_forgetful = self.chance(FaultClass::OldPosition);
        let mut positions = Vec::new();
        for &id in &self.schedule.conversations {
            let mut position = self.history.position(key, id);
            if is_forgetful && position > Sequence::START {
                position = position.back(self.random.between(1, 5));
                self.strikes.strike(FaultClass::OldPosition);
            }
            positions.push((id, position));
        }
        self.trace.line(self.queue.now_ms(), || {
            format!("client {index} opens socket {socket} to node {node}")
        });
        self.history.record_socket_open(key);
        for (id, position) in &positions {
            self.history.record_start(key, *id, *position);
        }
        let client = &mut self.clients[index];
        (client.socket, client.is_greeted) = (Some(socket), false);
        client.asked.clear();
        self.send_to_node(socket, Frame::Hello { positions });
        let deadline = Event::HelloDeadline { client: index, socket };
        self.queue.push(HELLO_DEADLINE_MS, deadline);
    }

    pub(super) fn on_hello_deadline(&mut self, index: usize, socket: u64) {
        let client = &self.clients[index];
        if client.socket == Some(socket) && !client.is_greeted {
            self.client_leaves(index);
        }
    }

    fn client_leaves(&mut self, index: usize) {
        if let Some(socket) = self.clients[index].socket.take() {
            self.clients[index].is_greeted = false;
            self.close_by_client(socket);
        }
        let delay_ms = self.random.between(5, 800);
        self.queue.push(delay_ms, Event::ClientConnects(index));
    }

    pub(super) fn on_lost(&mut self, socket: u64, index: usize) {
        if self.clients[index].socket == Some(socket) {
            self.client_leaves(index);
        }
    }

    /// Says something, perhaps; comes again.
    pub(super) fn client_acts(&mut self, index: usize) {
        if !self.is_active {
            return;
        }
        let delay_ms = self.random.between(20, 1_200);
        self.queue.push(delay_ms, Event::ClientActs(index));
        if !self.clients[index].is_greeted {
            return;
        }
        if self.strikes(FaultClass::Reconnect) {
            return self.client_leaves(index);
        }
        if self.strikes(FaultClass::IdReused) {
            self.reuse_an_id(index);
        }
        let plan = &self.schedule.clients[index];
        let (window, messages) = (plan.window, u64::from(plan.messages));
        // Some say several things in a row, all in one place.
        let burst = self.random.between(1, 4);
        let is_in_one_place = self.random.chance(500);
        let mut conversation = *self.random.pick(&self.schedule.conversations);
        for _ in 0..burst {
            if !is_in_one_place {
                conversation = *self.random.pick(&self.schedule.conversations);
            }
            let client = &self.clients[index];
            if client.outgoing.len() < window && client.messages < messages {
                self.say_something(index, conversation);
            }
        }
    }

    fn say_something(&mut self, index: usize, conversation_id: ConversationId) {
        let number = self.clients[index].messages + 1;
        let words = format!("{number} of {index}");
        let event = if self.random.chance(100) {
            EntryEvent::ConversationChanged(Box::new(ConversationPatch::named(words)))
        } else {
            text(words)
        };
        let plan = &self.schedule.clients[index];
        let made_ms = self.calendar_ms(plan.skew_ms).unsigned_abs();
        let id = uuid::Builder::from_unix_timestamp_millis(made_ms, &self.random.bytes());
        let draft = Draft {
            conversation_id,
            message_id: MessageId(id.into_uuid()),
            sender_id: plan.user,
            event,
            retry: false,
        };
        let client = &mut self.clients[index];
        client.messages = number;
        client.outgoing.insert(number, Outgoing { draft: draft.clone(), transmissions: 0 });
        self.transmit(index, number);
        if self.schedule.has_mild_clocks() && self.strikes(FaultClass::SendTwice) {
            self.send_copy(index, draft);
        }
    }

    /// Sends a message for the first time or again.
    pub(super) fn transmit(&mut self, index: usize, number: u64) {
        let client = &mut self.clients[index];
        let Some(outgoing) = client.outgoing.get_mut(&number) else { return };
        outgoing.transmissions += 1;
        let transmission = outgoing.transmissions;
        let draft = Draft { retry: transmission > 1, ..outgoing.draft.clone() };
        if transmission > 1 {
            self.strikes.strike(FaultClass::ClientRetry);
        }
        self.send(index, draft, Asked::Message(number));
        let patience_ms = self.schedule.clients[index].patience_ms;
        let retries = Event::ClientRetries { client: index, message: number, transmission };
        self.queue.push(patience_ms, retries);
    }

    fn send_copy(&mut self, index: usize, draft: Draft) {
        self.send(index, draft, Asked::Copy);
    }

    fn send(&mut self, index: usize, draft: Draft, asked: Asked) {
        let client = &mut self.clients[index];
        let Some(socket) = client.socket else { return };
        client.references += 1;
        let reference = client.references;
        client.asked.insert(reference, asked);
        if !matches!(asked, Asked::Reused(_)) {
            let digest = Digest::of_event(&draft.event);
            let (id, message_id) = (draft.conversation_id, draft.message_id);
            self.history.record_send(client.key, id, message_id, digest);
        }
        self.trace.line(self.queue.now_ms(), || {
            let Draft { conversation_id, message_id, retry, .. } = &draft;
            format!(
                "client {index} sends #{reference} {asked:?} {message_id} to {conversation_id}{}",
                if *retry { " again" } else { "" }
            )
        });
        self.send_to_node(socket, Frame::Send { reference, draft });
    }

    /// Uses the id of a stored message for another content.
    fn reuse_an_id(&mut self, index: usize) {
        let at = self.random.below(self.clients[index].acked.len());
        let Some((draft, seq)) = self.clients[index].acked.get(at).cloned() else { return };
        let words = format!("not {:?}", draft.event);
        // An unmarked repeat is recognised only by clocks that are right.
        let retry = !self.schedule.has_mild_clocks() || self.random.chance(500);
        let other = Draft { event: text(words), retry, ..draft };
        self.send(index, other, Asked::Reused(seq));
    }

    pub(super) fn client_retries(&mut self, index: usize, number: u64, transmission: u32) {
        let client = &self.clients[index];
        let is_waiting =
            client.outgoing.get(&number).is_some_and(|it| it.transmissions == transmission);
        if !is_waiting || !client.is_greeted {
            return;
        }
        if self.random.chance(300) {
            return self.client_leaves(index);
        }
        self.transmit(index, number);
    }
}
