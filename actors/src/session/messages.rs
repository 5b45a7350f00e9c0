//! What a session's mailbox takes, and what it tells sockets.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use actix::{Addr, Message, Recipient};
use schema::wire::{ClientFrame, CloseCode, ErrorFrame, Position, ServerFrame};
use schema::{ConnectionId, ConversationId, DeviceId, Sequence};
use tokio::sync::oneshot;

use super::actor::Session;
use crate::conversation::{Batch, LogEntry};
use crate::monitor::{DeathNotice, Probe};

/// A socket of this user is authenticated. Answered by a `welcome` frame through `socket`.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Attach {
    pub connection: ConnectionId,
    pub device: DeviceId,
    pub socket: Recipient<ToSocket>,
    /// Set when the session lets the socket go and its mailbox is too full to say so.
    pub abandoned: Arc<AtomicBool>,
    /// What the device says it has.
    pub positions: Vec<Position>,
    /// Dropped unanswered when the session ended before it took this up.
    pub taken: oneshot::Sender<()>,
}

/// A frame of an attached socket.
#[derive(Message)]
#[rtype(result = "()")]
pub struct FromSocket {
    pub connection: ConnectionId,
    pub frame: ClientFrame,
}

/// A page was written to the peer: the next may come.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Drained {
    pub connection: ConnectionId,
    pub conversation: ConversationId,
}

/// Close this device's socket, if it has one here.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct CloseDevice {
    /// `None`: all devices.
    pub device: Option<DeviceId>,
    pub code: CloseCode,
}

/// A probe for a socket of this session.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ProbeSocket(pub Probe);

/// Which sockets has this user here?
#[derive(Message)]
#[rtype(result = "()")]
pub struct DescribeSockets {
    pub reply: oneshot::Sender<Vec<SocketFacts>>,
}

/// One socket, for operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketFacts {
    pub connection: ConnectionId,
    pub device: DeviceId,
    /// The device said that its user is away.
    pub is_away: bool,
}

/// The user has read up to here, said without a socket.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct ReadUpTo {
    pub conversation: ConversationId,
    pub seq: Sequence,
}

/// What a session tells a socket, in order.
#[derive(Message)]
#[rtype(result = "()")]
pub enum ToSocket {
    /// The first one: from now on the socket is greeted, and `session` serves it. The notice tells
    /// the session when the socket ends, also before it took this up.
    Welcome {
        frames: Vec<ServerFrame>,
        session: Arc<Addr<Session>>,
        notice: DeathNotice,
    },
    /// Live entries, less the first `skip`.
    Deliver {
        batch: Arc<Batch>,
        skip: usize,
    },
    /// Entries that the device missed. Answered by [`Drained`] once written.
    Page {
        conversation: ConversationId,
        entries: Vec<Arc<LogEntry>>,
    },
    Frame(ServerFrame),
    Probe(Probe),
    Close {
        code: CloseCode,
        error: Option<ErrorFrame>,
    },
}
