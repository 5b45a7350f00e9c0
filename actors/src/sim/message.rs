//! What simulated actors and clients say to each other.

use std::sync::Arc;

use bytes::Bytes;
use schema::cluster::envelope::{self, DraftResult};
use schema::record::{Draft, Entry, Event};
use schema::wire::Refusal;
use schema::{ConversationId, MessageId, Sequence, UserId};

use super::actor::{Address, Child};
use super::store_model::{Answer, Ticket};
use crate::committer::FromCommitter;
use crate::node::Submitted;
use crate::sequencer::{FromOwner, FromSequencer, Opened};

/// Anything in a mailbox.
#[derive(Clone, Debug)]
pub enum Message {
    /// The store answers a call.
    Answer(Ticket, Answer),
    Inbox(ToInbox),
    Keeper(ToKeeper),
    Committer(ToCommitter),
    /// Also to one that stands in for it.
    Sequencer(ToSequencer),
    StandIn(ToStandIn),
    Conversation(ToConversation),
    Session(ToSession),
}

#[derive(Clone, Debug)]
pub enum ToInbox {
    /// Of another node.
    Frame(Bytes),
    /// Frames may have been lost.
    Unsure,
    KeepUp,
    /// What became of a draft that another node handed over.
    Answered {
        job: u64,
        at: usize,
        result: DraftResult,
    },
    JobLate {
        job: u64,
    },
}

#[derive(Clone, Copy, Debug)]
pub enum ToKeeper {
    Look,
    /// The view changed.
    Settle,
    WaitOn(u32),
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
    Gathered,
    MaterialiseDue,
}

#[derive(Clone, Debug)]
pub enum ToSequencer {
    Open {
        conversation: Address,
        life: u64,
    },
    Append {
        draft: Arc<Draft>,
        token: u64,
    },
    StopIdle,
    /// It runs for long enough.
    TrustClocks,
    Abandoned,
    News(FromCommitter),
}

#[derive(Clone, Debug)]
pub enum ToStandIn {
    FromOwner(FromOwner),
    Wake { at_ms: u64 },
    LookForMaterialised,
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
    /// A missing range was read, or was not.
    Repaired(Option<Vec<Entry>>),
    /// A session heard that the log reaches to here.
    Heard(Sequence),
    CheckSequencer,
    Settle,
    Settled {
        up_to: Sequence,
    },
    Tick,
    Unload,
    Failed,
}

impl ToConversation {
    #[must_use]
    pub const fn is_from_session(&self) -> bool {
        matches!(
            self,
            Self::Join { .. }
                | Self::Leave { .. }
                | Self::Read { .. }
                | Self::Heard(_)
                | Self::Submit { reply: Reply::Session { .. }, .. }
        )
    }
}

/// Where a submit is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Session {
        session: Address,
        socket: u64,
        reference: u64,
    },
    /// Draft `at` of what another node handed over.
    Job {
        inbox: Address,
        job: u64,
        at: usize,
    },
}

impl Reply {
    /// The answer of a life that is over: to a call it says that there is none.
    #[must_use]
    pub fn dropped(&self) -> Option<(Address, Message)> {
        match self {
            Self::Session { .. } => None,
            Self::Job { inbox, job, at } => {
                let open = ToInbox::Answered { job: *job, at: *at, result: DraftResult::Open };
                Some((*inbox, Message::Inbox(open)))
            }
        }
    }
}

#[derive(Clone, Debug)]
pub enum ToSession {
    Attach { socket: u64, client: usize, positions: Vec<(ConversationId, Sequence)> },
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
    /// What a sender learns when the receiver is gone: a page that was asked for fails, and a call
    /// is not answered.
    #[must_use]
    pub fn bounced(&self, from: Address) -> Option<(Address, Self)> {
        let Child::Conversation(conversation) = from.child else { return None };
        match self {
            Self::Conversation(ToConversation::Read { session, socket, .. }) => {
                Some((*session, Self::no_page(*socket, conversation)))
            }
            Self::Conversation(ToConversation::Submit { reply, .. }) => reply.dropped(),
            _ => None,
        }
    }

    /// For the trace.
    #[must_use]
    pub fn brief(&self) -> String {
        match self {
            Self::Inbox(ToInbox::Frame(bytes)) => format!("{:?}", envelope::decode(bytes)),
            other => format!("{other:?}"),
        }
    }

    /// Comes again and again whatever happens: not worth a line of a trace.
    #[must_use]
    pub const fn is_clockwork(&self) -> bool {
        matches!(
            self,
            Self::Inbox(ToInbox::KeepUp)
                | Self::Keeper(ToKeeper::Look)
                | Self::Committer(ToCommitter::Look)
                | Self::Conversation(ToConversation::Tick)
        )
    }

    #[must_use]
    pub const fn no_page(socket: u64, conversation: ConversationId) -> Self {
        Self::Session(ToSession::Page { socket, conversation, page: None })
    }
}

/// What a message says.
#[must_use]
pub const fn text(text: String) -> Event {
    Event::Message(schema::record::MessageBody::new(schema::record::Content::Text { text }))
}
