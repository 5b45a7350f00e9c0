//! What nodes say to each other, and its bytes: a version, the sender, then one frame.
//!
//! ```text
//! byte 0        version
//! bytes 1..17   NodeId of the sender
//! bytes 17..    one `NodeFrame` as MessagePack, maps with named fields
//! ```

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::trace::TraceOf;
use crate::record::{Draft, Entry};
use crate::wire::{ErrorCode, Refusal, ServerFrame, TypingState, UserOnline};
use crate::{ConversationId, DeviceId, Epoch, NodeId, OwnerToken, Sequence, UserId};

/// Nodes of another version ignore each other's frames: heads repair what they miss.
pub const VERSION: u8 = 1;
const HEADER: usize = 17;

/// The bytes are not a frame that this build reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    #[error("envelope version {0:?} is not known")]
    Version(Option<u8>),
    #[error("the envelope is damaged: {0}")]
    Damaged(String),
}

/// A conversation's last stored number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub conversation_id: ConversationId,
    pub seq: Sequence,
}

/// Consecutive stored entries of one conversation, from one commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced {
    pub conversation_id: ConversationId,
    pub entries: Vec<Entry>,
}

/// News of a shard's owner for a node that follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announce {
    pub shard: u32,
    pub epoch: Epoch,
    pub news: Vec<Announced>,
    /// Entries too large to travel: where these logs end now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heads: Vec<Head>,
    /// Of the entries, those that are traced. Nodes that do not know of traces pass over it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub traces: Vec<TraceOf>,
}

/// Asks a shard's owner for the news of these conversations, for a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follow {
    pub request: u64,
    pub shard: u32,
    pub conversations: Vec<ConversationId>,
}

/// Answers a [`Follow`]: of those, the ones that had news lately.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Followed {
    pub request: u64,
    pub heads: Vec<Head>,
}

/// Drafts of one conversation for its shard's owner, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submit {
    pub conversation_id: ConversationId,
    /// Who asks on the sending node; a later one has a larger number.
    pub asker: u64,
    /// Counts up for each asker; the next one goes out when this one is answered.
    pub batch: u64,
    /// Counts up when the same batch is sent again.
    pub attempt: u32,
    /// The activation that answered last: to any other one, these drafts may be known.
    pub activation: Option<OwnerToken>,
    pub drafts: Vec<Draft>,
    /// Of the drafts, those that are traced. Nodes that do not know of traces pass over it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub traces: Vec<TraceOf>,
}

/// Answers a [`Submit`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    pub conversation_id: ConversationId,
    pub asker: u64,
    pub batch: u64,
    pub activation: Option<OwnerToken>,
    /// One a draft, in order. Empty: the shard is not owned here.
    pub results: Vec<DraftResult>,
}

/// What became of one forwarded draft.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DraftResult {
    Stored {
        seq: Sequence,
        /// Milliseconds since 1970 UTC.
        sent_at: i64,
        duplicate: bool,
    },
    Refused {
        code: ErrorCode,
        message: String,
        retry_after_ms: Option<u64>,
        seq: Option<Sequence>,
    },
    /// Nobody knows: to be asked again.
    Open,
}

impl From<Refusal> for DraftResult {
    fn from(refusal: Refusal) -> Self {
        Self::Refused {
            code: refusal.code,
            message: refusal.message.into_owned(),
            retry_after_ms: refusal.retry_after_ms,
            seq: refusal.seq,
        }
    }
}

/// What members tell each other and nobody stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    Typing {
        user_id: UserId,
        state: TypingState,
    },
    /// How far a member is.
    Position {
        user_id: UserId,
        delivered: Option<Sequence>,
        read: Option<Sequence>,
        /// For the user's own devices alone.
        #[serde(default)]
        is_private: bool,
    },
}

/// Everything that one node tells another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeFrame {
    Announce(Announce),
    /// Where logs end that had traffic lately: an announcement that was lost shows by it.
    Heads {
        heads: Vec<Head>,
    },
    Follow(Follow),
    Unfollow {
        conversations: Vec<ConversationId>,
    },
    Followed(Followed),
    Submit(Submit),
    Submitted(Submitted),
    /// A conversation was made.
    Created {
        conversation_id: ConversationId,
        generation: u32,
        members: Vec<UserId>,
    },
    /// Users were added to a conversation that their nodes may not follow yet.
    Added {
        conversation_id: ConversationId,
        users: Vec<UserId>,
    },
    /// From a member's node to the owner of the shard, and from there to all who follow.
    Signals {
        conversation_id: ConversationId,
        signals: Vec<Signal>,
    },
    /// Asks to hear of these users' presence, for a while.
    WatchPresence {
        users: Vec<UserId>,
    },
    /// How users are who have sockets on the sending node, or had.
    Presence {
        statuses: Vec<UserOnline>,
    },
    /// Something changed that belongs to one user.
    Personal {
        user_id: UserId,
        /// The device that did it.
        by: Option<DeviceId>,
        /// Of a block: the direct conversation of the two.
        conversation: Option<ConversationId>,
        frame: Box<ServerFrame>,
    },
    /// A device was signed out, or all of a user's.
    CloseDevice {
        user_id: UserId,
        device_id: Option<DeviceId>,
        /// A [`CloseCode`](crate::wire::CloseCode) as a number.
        code: u16,
    },
}

/// The bytes of a frame from `from`.
///
/// # Panics
/// Never: frames hold no map with keys other than text.
#[must_use]
#[expect(clippy::expect_used, reason = "frames always encode")]
pub fn encode(from: NodeId, frame: &NodeFrame) -> Bytes {
    let mut writer = BytesMut::with_capacity(256).writer();
    let header = writer.get_mut();
    header.put_u8(VERSION);
    header.put_slice(from.as_bytes());
    rmp_serde::encode::write_named(&mut writer, frame).expect("frames always encode");
    writer.into_inner().freeze()
}

/// Reads a frame and who sent it.
///
/// # Errors
/// [`EnvelopeError`] for another version or damaged bytes.
pub fn decode(bytes: &[u8]) -> Result<(NodeId, NodeFrame), EnvelopeError> {
    match bytes.first() {
        Some(&VERSION) => {}
        other => return Err(EnvelopeError::Version(other.copied())),
    }
    let header = bytes.get(1..HEADER).and_then(|it| <[u8; 16]>::try_from(it).ok());
    let from = header.ok_or_else(|| EnvelopeError::Damaged("no sender".into()))?;
    let frame = rmp_serde::from_slice(&bytes[HEADER..])
        .map_err(|error| EnvelopeError::Damaged(error.to_string()))?;
    Ok((NodeId::from_bytes(from), frame))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MessageId;
    use crate::cluster::trace::TraceContext;
    use crate::record::{Content, Event, MessageBody};
    use crate::wire::BlockChanged;

    fn entry() -> Entry {
        Entry {
            conversation_id: ConversationId::from_bytes([1; 16]),
            seq: Sequence(7),
            message_id: MessageId::from_bytes([2; 16]),
            sender_id: UserId::from_bytes([3; 16]),
            sent_at: 1_800_000_000_000,
            ordinal: 0,
            event: Event::Message(MessageBody {
                reply_to: Some(Sequence(3)),
                ..MessageBody::new(Content::Text { text: "hello".into() })
            }),
        }
    }

    #[test]
    fn frames_come_back_as_they_were() {
        let from = NodeId::from_bytes([9; 16]);
        let conversation_id = entry().conversation_id;
        let frames = [
            NodeFrame::Announce(Announce {
                shard: 3,
                epoch: Epoch(4),
                news: vec![Announced { conversation_id, entries: vec![entry()] }],
                heads: vec![Head { conversation_id, seq: Sequence(9) }],
                traces: vec![traced()],
            }),
            NodeFrame::Follow(Follow {
                request: 1,
                shard: 2,
                conversations: vec![conversation_id],
            }),
            NodeFrame::Submitted(Submitted {
                conversation_id,
                asker: 5,
                batch: 6,
                activation: Some(OwnerToken::from_bytes([8; 16])),
                results: vec![
                    DraftResult::Stored { seq: Sequence(1), sent_at: 2, duplicate: true },
                    Refusal::not_found().into(),
                    DraftResult::Open,
                ],
            }),
            NodeFrame::Personal {
                user_id: entry().sender_id,
                by: None,
                conversation: Some(conversation_id),
                frame: Box::new(ServerFrame::BlockChanged(BlockChanged {
                    user_id: entry().sender_id,
                    blocked: true,
                })),
            },
            NodeFrame::CloseDevice { user_id: entry().sender_id, device_id: None, code: 4000 },
            NodeFrame::Signals {
                conversation_id,
                signals: vec![
                    Signal::Typing { user_id: entry().sender_id, state: TypingState::Typing },
                    Signal::Position {
                        user_id: entry().sender_id,
                        delivered: Some(Sequence(3)),
                        read: None,
                        is_private: false,
                    },
                ],
            },
        ];
        for frame in frames {
            assert_eq!(decode(&encode(from, &frame)), Ok((from, frame)));
        }
    }

    fn traced() -> TraceOf {
        let context = TraceContext { trace_id: [5; 16], span_id: [6; 8] };
        TraceOf { message_id: MessageId::from_bytes([2; 16]), context }
    }

    /// What a node of the version before reads and writes.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct UntracedAnnounce {
        shard: u32,
        epoch: Epoch,
        news: Vec<Announced>,
    }

    #[test]
    fn nodes_that_know_no_traces_pass_over_them() {
        let old = UntracedAnnounce { shard: 3, epoch: Epoch(4), news: Vec::new() };
        let (shard, epoch, traces) = (3, Epoch(4), vec![traced()]);
        let new = Announce { shard, epoch, news: Vec::new(), heads: Vec::new(), traces };
        let bytes = rmp_serde::to_vec_named(&new).unwrap();
        assert_eq!(rmp_serde::from_slice::<UntracedAnnounce>(&bytes).unwrap(), old);
        let bytes = rmp_serde::to_vec_named(&old).unwrap();
        let read: Announce = rmp_serde::from_slice(&bytes).unwrap();
        assert!(read.traces.is_empty());
        let untraced = Announce { traces: Vec::new(), ..new };
        assert_eq!(rmp_serde::to_vec_named(&untraced).unwrap(), bytes, "untraced costs nothing");
    }

    #[test]
    fn strange_bytes_are_refused() {
        assert_eq!(decode(&[]), Err(EnvelopeError::Version(None)));
        assert_eq!(decode(&[2, 0]), Err(EnvelopeError::Version(Some(2))));
        assert!(matches!(decode(&[1, 0]), Err(EnvelopeError::Damaged(_))));
        let mut bytes = encode(NodeId::from_bytes([9; 16]), &NodeFrame::Heads { heads: vec![] });
        let cut = bytes.split_to(bytes.len() - 1);
        assert!(matches!(decode(&cut), Err(EnvelopeError::Damaged(_))));
    }
}
