//! What happens at a point of virtual time.

use bytes::Bytes;
use schema::{ConversationId, NodeId};

use super::actor::{Address, Child};
use super::message::{Frame, Message};
use super::store_model::{Caller, Step};

/// What happens at a point of virtual time.
pub enum Event {
    Store(Caller, Step),
    Message {
        node: usize,
        life: u64,
        to: Address,
        message: Message,
    },
    Down {
        node: usize,
        life: u64,
        address: Address,
        has_panicked: bool,
    },
    Restart {
        node: usize,
        life: u64,
        child: Child,
    },
    Bus {
        node: usize,
        life: u64,
        frame: Bytes,
    },
    /// The bridge is back, and tells the node what it may have lost.
    BridgeBack {
        node: usize,
        life: u64,
    },
    /// The node learns who owns a shard.
    Hint {
        node: usize,
        life: u64,
        shard: u32,
        owner: NodeId,
    },
    ToNode {
        socket: u64,
        node: usize,
        frame: Frame,
    },
    /// The client has gone.
    Left {
        socket: u64,
        node: usize,
    },
    Drained {
        socket: u64,
        node: usize,
        conversation: ConversationId,
    },
    ToClient {
        socket: u64,
        frame: Frame,
    },
    /// The client notices that its socket is dead.
    Lost {
        socket: u64,
        client: usize,
    },
    ClientActs(usize),
    ClientConnects(usize),
    ClientRetries {
        client: usize,
        message: u64,
        transmission: u32,
    },
    HelloDeadline {
        client: usize,
        socket: u64,
    },
    Coordinate,
    Nemesis,
    Boot(usize),
    Resume {
        node: usize,
        life: u64,
    },
    Look,
}

impl Event {
    /// The node that a pause keeps from handling it.
    pub const fn handled_by(&self) -> Option<usize> {
        match self {
            Self::Store(caller, Step::Fail(_)) => Some(caller.node),
            Self::Message { node, .. }
            | Self::Down { node, .. }
            | Self::Restart { node, .. }
            | Self::Bus { node, .. }
            | Self::BridgeBack { node, .. }
            | Self::Hint { node, .. }
            | Self::ToNode { node, .. }
            | Self::Left { node, .. }
            | Self::Drained { node, .. } => Some(*node),
            _ => None,
        }
    }

    /// For the trace: what kind of event, and a little of where.
    pub const fn fingerprint(&self) -> u64 {
        match self {
            Self::Store(caller, Step::Apply { .. }) => 0x100 + caller.node as u64,
            Self::Store(caller, Step::Fail(_)) => 0x200 + caller.node as u64,
            Self::Message { node, to, .. } => 0x300 + *node as u64 + (to.incarnation << 16),
            Self::Down { address, .. } => 0x400 + (address.incarnation << 16),
            Self::Restart { node, .. } => 0x500 + *node as u64,
            Self::Bus { node, .. } => 0x600 + *node as u64,
            Self::BridgeBack { node, .. } => 0x1600 + *node as u64,
            Self::Hint { node, shard, .. } => 0x700 + *node as u64 + ((*shard as u64) << 16),
            Self::ToNode { socket, .. } => 0x800 + (*socket << 16),
            Self::Left { socket, .. } => 0x900 + (*socket << 16),
            Self::Drained { socket, .. } => 0xa00 + (*socket << 16),
            Self::ToClient { socket, .. } => 0xb00 + (*socket << 16),
            Self::Lost { socket, .. } => 0xc00 + (*socket << 16),
            Self::ClientActs(client) => 0xd00 + *client as u64,
            Self::ClientConnects(client) => 0xe00 + *client as u64,
            Self::ClientRetries { message, .. } => 0xf00 + (*message << 16),
            Self::HelloDeadline { socket, .. } => 0x1000 + (*socket << 16),
            Self::Coordinate => 0x1100,
            Self::Nemesis => 0x1200,
            Self::Boot(node) => 0x1300 + *node as u64,
            Self::Resume { node, .. } => 0x1400 + *node as u64,
            Self::Look => 0x1500,
        }
    }
}
