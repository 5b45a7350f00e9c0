//! What simulated actors and clients say to each other.

use std::sync::Arc;

use schema::record::{Draft, Entry, Event};
use schema::wire::Refusal;
use schema::{ConversationId, MessageId, Sequence, UserId};

use super::actor::Address;
use super::store_model::{Answer, Ticket};
use crate::committer::FromCommitter;
use crate::node::Submitted;
use crate::sequencer::{FromSequencer, Opened};

/// Anything in a mailbox.
#[derive(Clone, Debug)]
pub enum Message {
    /// The store answers a call.
    Answer(Ticket, Answer),
    Committer(ToCommitter),
    Sequencer(ToSequencer),
    Conversation(ToConversation),
    Session(ToSession),
}

#[derive(Clone, Debug)]
pub enum ToCommitter {
    Enqueue(Entry),
    Register { conversation: ConversationId, sequencer: Address },
    Unregister { conversation: ConversationId, sequencer: Address },
    WhenMaterialised { asker: Address, up_to: Sequence },
    Retire,
    Wake,
    Look,
    MaterialiseDue,
}

#[derive(Clone, Debug)]
pub enum ToSequencer {
    Open { conversation: Address, life: u64 },
    Append { draft: Arc<Draft>, token: u64 },
    StopIdle,
    Abandoned,
    News(FromCommitter),
}

#[derive(Clone, Debug)]
pub enum ToConversation {
    Submit {
        draft: Draft,
        reply: Reply,
    },
    News(FromSequencer),
    Opened {
        life: u64,
        opened: Opened,
    },
    /// Looks whether the sequencer that was asked to open still lives.
    OpenCheck {
        life: u64,
    },
    Join {
        user: UserId,
        session: Address,
    },
    Leave {
        user: UserId,
        session: Address,
    },
    Read {
        session: Address,
        socket: u64,
        after: Sequence,
    },
    ReadAgain {
        first: Sequence,
        last: Sequence,
    },
    CheckSequencer,
    Settle,
    Settled {
        up_to: Sequence,
    },
    Announced(Arc<[Entry]>),
    Head(Sequence),
    RouteChanged,
    /// Another node answers a forwarded draft.
    Forwarded {
        token: u64,
        result: Result<Submitted, Refusal>,
    },
    /// The node that a batch was forwarded to does not own the shard.
    Moved {
        batch: u64,
    },
    ForwardAgain {
        batch: u64,
    },
    Tick,
    Beat,
    Unload,
    Failed,
}

impl ToConversation {
    /// What one that could not be loaded still answers, until it goes.
    #[must_use]
    pub const fn is_for_unloaded(&self) -> bool {
        matches!(
            self,
            Self::Submit { .. }
                | Self::Read { .. }
                | Self::Opened { .. }
                | Self::OpenCheck { .. }
                | Self::Failed
        )
    }

    #[must_use]
    pub const fn is_from_session(&self) -> bool {
        matches!(
            self,
            Self::Join { .. }
                | Self::Leave { .. }
                | Self::Read { .. }
                | Self::Submit { reply: Reply::Session { .. }, .. }
        )
    }
}

/// Where a device stands in a conversation, and up to where the readers' tables show it.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub conversation: ConversationId,
    pub position: Sequence,
    pub shown: Sequence,
}

/// Where a submit is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Session { session: Address, socket: u64, reference: u64 },
    Node { node: usize, asker: Address, token: u64 },
}

#[derive(Clone, Debug)]
pub enum ToSession {
    Attach { socket: u64, places: Vec<Place> },
    Detach { socket: u64 },
    Send { socket: u64, reference: u64, draft: Draft },
    Deliver { conversation: ConversationId, entries: Arc<[Entry]> },
    Joined { conversation: ConversationId, head: Sequence },
    Answered(Answered),
    Page { socket: u64, conversation: ConversationId, page: Option<(Vec<Entry>, Sequence)> },
    Drained { socket: u64, conversation: ConversationId },
    ReadPage { socket: u64, conversation: ConversationId },
    Deadlines,
}

#[derive(Clone, Debug)]
pub struct Answered {
    pub socket: u64,
    pub reference: u64,
    pub conversation: ConversationId,
    pub message_id: MessageId,
    pub result: Result<Submitted, Refusal>,
}

/// What travels on a socket.
#[derive(Clone, Debug)]
pub enum Frame {
    Hello { positions: Vec<(ConversationId, Sequence)> },
    Send { reference: u64, draft: Draft },
    Welcome { heads: Vec<(ConversationId, Sequence)> },
    Entry(Entry),
    Accepted(Answered),
    Error { reference: u64, refusal: Refusal },
    Resync { conversation: ConversationId, head: Sequence },
}

impl Message {
    /// What a sender learns when the receiver is gone: a page that was asked for fails.
    #[must_use]
    pub fn bounced(&self, from: Address) -> Option<(Address, Self)> {
        let super::actor::Child::Conversation(conversation) = from.child else { return None };
        match self {
            Self::Conversation(ToConversation::Read { session, socket, .. }) => {
                Some((*session, Self::no_page(*socket, conversation)))
            }
            _ => None,
        }
    }

    #[must_use]
    pub const fn no_page(socket: u64, conversation: ConversationId) -> Self {
        Self::Session(ToSession::Page { socket, conversation, page: None })
    }
}

/// What a message says.
#[must_use]
pub const fn text(text: String) -> Event {
    Event::Message(schema::record::MessageBody {
        content: schema::record::Content::Text { text },
        reply_to: None,
        thread: None,
        mentions: Vec::new(),
    })
}
