//! Sockets between clients and nodes: in order, until one of the two is gone.

use schema::{ConversationId, UserId};

use super::actor::Child;
use super::event::Event;
use super::faults::FaultClass;
use super::message::{Frame, Message, ToSession};
use super::world::World;

/// One live socket.
pub struct Socket {
    pub client: usize,
    pub node: usize,
    pub user: UserId,
    /// When the last frame of each direction arrives.
    to_node_at_ms: u64,
    to_client_at_ms: u64,
    /// Frames on their way to the client.
    outbox: u32,
}

impl World {
    pub(super) fn open_socket(&mut self, client: usize, node: usize) -> u64 {
        self.sockets_opened += 1;
        let user = self.schedule.clients[client].user;
        let socket = Socket { client, node, user, to_node_at_ms: 0, to_client_at_ms: 0, outbox: 0 };
        self.sockets.insert(self.sockets_opened, socket);
        self.sockets_opened
    }

    pub(super) fn send_to_node(&mut self, id: u64, frame: Frame) {
        let now_ms = self.queue.now_ms();
        let way_ms = self.random.between(1, 5);
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        socket.to_node_at_ms = socket.to_node_at_ms.max(now_ms + way_ms);
        let delay_ms = socket.to_node_at_ms - now_ms;
        self.queue.push(delay_ms, Event::ToNode { socket: id, node: socket.node, frame });
    }

    pub(super) fn send_to_client(&mut self, id: u64, frame: Frame) {
        let now_ms = self.queue.now_ms();
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        let is_slow = self.is_active && self.schedule.clients[socket.client].is_slow;
        let arrival_ms = if is_slow {
            self.strikes.strike(FaultClass::SlowReader);
            socket.to_client_at_ms.max(now_ms) + self.random.between(20, 250)
        } else {
            socket.to_client_at_ms.max(now_ms + self.random.between(1, 5))
        };
        socket.to_client_at_ms = arrival_ms;
        socket.outbox += 1;
        if is_slow && socket.outbox > self.schedule.outbox {
            self.strikes.strike(FaultClass::OutboxFull);
            let (node, user) = (socket.node, socket.user);
            self.close_by_node(id);
            let detach = Message::Session(ToSession::Detach { socket: id });
            return self.tell_child(node, Child::Session(user), detach);
        }
        self.queue.push(arrival_ms - now_ms, Event::ToClient { socket: id, frame });
    }

    /// Tells the session when everything sent so far has left.
    pub(super) fn when_drained(&mut self, id: u64, conversation: ConversationId) {
        let now_ms = self.queue.now_ms();
        let Some(socket) = self.sockets.get(&id) else { return };
        let delay_ms = socket.to_client_at_ms.saturating_sub(now_ms);
        let drained = Event::Drained { socket: id, node: socket.node, conversation };
        self.queue.push(delay_ms, drained);
    }

    pub(super) fn on_drained(&mut self, id: u64, node: usize, conversation: ConversationId) {
        if let Some(socket) = self.sockets.get(&id) {
            let drained = ToSession::Drained { socket: id, conversation };
            self.tell_child(node, Child::Session(socket.user), Message::Session(drained));
        }
    }

    /// The node lets go of a socket; its client notices a little later.
    pub(super) fn close_by_node(&mut self, id: u64) {
        if let Some(socket) = self.sockets.remove(&id) {
            let delay_ms = self.random.between(1, 100);
            self.queue.push(delay_ms, Event::Lost { socket: id, client: socket.client });
        }
    }

    pub(super) fn close_all_of(&mut self, node: usize) {
        let of_node = self.sockets.iter().filter(|(_, socket)| socket.node == node);
        let ids: Vec<u64> = of_node.map(|(id, _)| *id).collect();
        for id in ids {
            self.close_by_node(id);
        }
    }

    /// The client lets go of a socket; its node notices a little later.
    pub(super) fn close_by_client(&mut self, id: u64) {
        if let Some(socket) = self.sockets.get(&id) {
            let delay_ms = self.random.between(1, 50);
            self.queue.push(delay_ms, Event::Left { socket: id, node: socket.node });
        }
    }

    pub(super) fn on_left(&mut self, id: u64, node: usize) {
        if let Some(socket) = self.sockets.remove(&id) {
            let detach = Message::Session(ToSession::Detach { socket: id });
            self.tell_child(node, Child::Session(socket.user), detach);
        }
    }

    /// A frame of a client arrives at its node.
    pub(super) fn on_client_frame(&mut self, id: u64, node: usize, frame: Frame) {
        let Some(socket) = self.sockets.get(&id) else { return };
        if !self.nodes[node].is_up() {
            return;
        }
        let (user, client) = (socket.user, socket.client);
        match frame {
            Frame::Hello { positions } => {
                let session = self.get_or_start(node, Child::Session(user));
                let attach = ToSession::Attach { socket: id, client, positions };
                self.tell(node, session, Message::Session(attach));
            }
            Frame::Send { reference, draft } => {
                let send = ToSession::Send { socket: id, reference, draft };
                self.tell_child(node, Child::Session(user), Message::Session(send));
            }
            _ => {}
        }
    }

    pub(super) fn on_server_frame(&mut self, id: u64, frame: Frame) {
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        socket.outbox -= 1;
        let client = socket.client;
        if self.clients[client].socket == Some(id) {
            self.client_hears(client, frame);
        }
    }
}
