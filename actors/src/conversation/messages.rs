//! What a conversation's mailbox takes, and what it tells its members' sessions.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use actix::{Message, Recipient};
use bytes::Bytes;
use schema::cluster::envelope::Signal;
use schema::record::{
    Ban, Conversation as ConversationRecord, Draft, Entry, Membership, MessageState,
};
use schema::wire::{
    Encoding, LogFrame, Refusal, ServerFrame, TypingUpdate, UserOnline, UserStatus, framing,
};
use schema::{ConnectionId, ConversationId, DeviceId, Sequence, UserId};
use tokio::sync::oneshot;

use super::delivery::Delivery;
use super::page::{Page, Submitted};

/// A stored entry and its WebSocket frames, each made at most once however many receive it.
#[derive(Debug)]
pub struct LogEntry {
    pub entry: Entry,
    message_pack: OnceLock<Bytes>,
    json: OnceLock<Bytes>,
}

impl LogEntry {
    #[must_use]
    pub const fn new(entry: Entry) -> Self {
        Self { entry, message_pack: OnceLock::new(), json: OnceLock::new() }
    }

    /// The complete WebSocket frame.
    pub fn frame(&self, encoding: Encoding) -> Bytes {
        let made = match encoding {
            Encoding::MessagePack => &self.message_pack,
            Encoding::Json => &self.json,
        };
        let make = || {
            let frame = ServerFrame::from(LogFrame::from(&self.entry));
            framing::encoded(encoding, &frame)
        };
        made.get_or_init(make).clone()
    }
}

/// Everything that a conversation tells a session.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub enum ToMember {
    Deliver(Delivery),
    /// The session's user takes part: deliveries follow.
    Joined(Joined),
    /// The head, after deliveries that the session's mailbox refused.
    Head {
        conversation: ConversationId,
        head: Sequence,
    },
    /// The user was removed, or the channel left: nothing more comes.
    Left {
        conversation: ConversationId,
    },
    /// A conversation was made and the user is in it.
    Created {
        conversation: ConversationId,
        generation: u32,
    },
    /// The answer to a [`Submit`].
    Answered(Answered),
    /// Another member types, or stopped.
    Typing(TypingUpdate),
    /// How far others are with what the user sent, or the user on another node.
    Statuses {
        conversation: ConversationId,
        statuses: Arc<[UserStatus]>,
    },
    /// How users are whom this one watches.
    Presence(Arc<[UserOnline]>),
    /// Something changed that is the user's own.
    Own {
        /// The device that did it knows.
        by: Option<DeviceId>,
        frame: Arc<ServerFrame>,
    },
    /// What the user may see of this one may have changed.
    LookAgain(UserId),
}

/// The answer to a session's [`Submit`].
#[derive(Clone, Debug)]
pub struct Answered {
    pub connection: ConnectionId,
    pub reference: u64,
    pub conversation: ConversationId,
    pub message_id: schema::MessageId,
    pub result: Result<Submitted, Refusal>,
}

/// A user's part in a conversation.
#[derive(Clone, Copy, Debug)]
pub struct Joined {
    pub conversation: ConversationId,
    pub generation: u32,
    pub head: Sequence,
    /// The last number that the user may not see.
    pub visible_after: Sequence,
    /// The other user of a direct conversation.
    pub peer: Option<UserId>,
}

/// Asks that an entry be stored.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Submit {
    pub draft: Draft,
    pub reply: SubmitReply,
}

/// Where a submit is answered.
pub enum SubmitReply {
    /// To a session, for the socket and `ref` that asked.
    Session {
        to: Recipient<ToMember>,
        connection: ConnectionId,
        reference: u64,
    },
    Call(oneshot::Sender<Result<Submitted, Refusal>>),
}

/// A session comes online, or reads a channel. Answered by [`Joined`] both ways.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Join {
    pub user: UserId,
    pub listener: Recipient<ToMember>,
    /// Members join by being members; others only a channel, by asking.
    pub as_reader: bool,
    pub reply: Option<oneshot::Sender<Result<Joined, Refusal>>>,
}

/// A session went, or stops to read a channel.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub struct Leave {
    pub user: UserId,
    /// Only this one goes: a newer session of the user stays.
    pub listener: Recipient<ToMember>,
}

/// Asks for a page of the log.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Read {
    pub reader: UserId,
    pub page: Page,
    pub limit: u64,
    /// Also what later entries did to the messages of the page.
    pub with_states: bool,
    pub reply: oneshot::Sender<Result<PageRead, Refusal>>,
}

/// A page of the log.
#[derive(Clone, Debug)]
pub struct PageRead {
    /// Ascending, consecutive.
    pub entries: Vec<Arc<LogEntry>>,
    /// The last number that the reader may see.
    pub head: Sequence,
    /// Messages of the page that later entries changed.
    pub states: Vec<MessageState>,
    /// Entries up to here are gone for good.
    pub purged_up_to: Sequence,
}

/// Asks for the conversation as it stands.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Describe {
    pub reader: UserId,
    pub reply: oneshot::Sender<Result<Described, Refusal>>,
}

/// A conversation as it stands.
#[derive(Clone, Debug)]
pub struct Described {
    pub record: ConversationRecord,
    /// The reader's own place; `None` for a reader of a channel who is no member.
    pub membership: Option<Membership>,
    /// Current members by user id; empty to those who are none.
    pub members: Vec<Membership>,
    /// Who may not be a member, by user id; empty to all but owners and admins.
    pub bans: Vec<Ban>,
    pub head: Sequence,
}

/// Asks for the newest entry that a user may see and what is not in the readers' tables yet,
/// without loading anything.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Peek {
    pub reader: UserId,
    /// The reader has read up to here.
    pub seen: Sequence,
    /// Messages that the reader was there for.
    pub here: BTreeSet<Sequence>,
    pub reply: oneshot::Sender<Option<Peeked>>,
}

/// What memory says of a conversation's end.
#[derive(Clone, Debug)]
pub struct Peeked {
    /// The last number that the reader may see.
    pub head: Sequence,
    pub last: Option<Arc<LogEntry>>,
    /// Messages above what was read, if memory reaches so far.
    pub unread: Option<u64>,
    /// What the readers' tables show.
    pub materialised: Sequence,
    /// Mentions of the reader above that and above what was read.
    pub mentions: u64,
}

/// Another member blocks a user, or does no more.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Block {
    pub user: UserId,
    pub on: bool,
}

/// Entries up to here were removed from the store for good.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Purged {
    pub up_to: Sequence,
}

impl Purged {
    /// What the store says of a conversation; `None`: nothing was removed. Only the node that
    /// removes entries hears of it otherwise.
    #[must_use]
    pub fn of(record: &schema::record::Conversation) -> Option<Self> {
        let up_to = record.purged_up_to;
        (up_to > Sequence::START).then_some(Self { up_to })
    }
}

/// Answers once everything stored so far is in the readers' tables.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Settle {
    pub reply: oneshot::Sender<()>,
}

/// Signals of members, from here or another node.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Heed {
    pub signals: Vec<Signal>,
    pub is_from_elsewhere: bool,
}

/// Someone heard that the log reaches to here.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Heard {
    pub head: Sequence,
}

/// The sequencer may have died without a word: look, and find the next one.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct CheckSequencer;
