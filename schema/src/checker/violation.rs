//! What can be wrong with a history, each with the facts to find it again.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::history::PositionKind;
use super::row::{Digest, Row};
use crate::{ConversationId, MessageId, Sequence, UserId};

/// Which promise about a sender's order was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderRule {
    /// The later one was sent after the earlier one's acknowledgement.
    Sequential,
    /// Both were sent on one socket, in this order, once each.
    Pipelined,
}

/// One broken promise. `client` is the label given to `History::add_client`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Violation {
    /// The log misses `first..=last` though it goes on after them.
    LogGap { conversation_id: ConversationId, first: Sequence, last: Sequence },
    /// The log was read with two rows under one number.
    LogNumberTwice { conversation_id: ConversationId, first: Row, second: Row },
    /// One id has two numbers.
    StoredTwice {
        conversation_id: ConversationId,
        sender_id: UserId,
        message_id: MessageId,
        first_seq: Sequence,
        second_seq: Sequence,
    },
    /// Somebody was told of a head that the log does not reach.
    HeadBeyondLog { conversation_id: ConversationId, reported: Sequence, last: Sequence },
    /// A message that no client sent, in a conversation whose senders are all recorded.
    UnknownMessage { row: Row },
    /// Acknowledged, and nothing is stored under its number.
    AckedLost {
        client: String,
        conversation_id: ConversationId,
        message_id: MessageId,
        seq: Sequence,
        /// Where the id is instead, if anywhere.
        stored_at: Option<Sequence>,
    },
    /// Acknowledged, and its number holds another message.
    AckHoldsAnother {
        client: String,
        conversation_id: ConversationId,
        message_id: MessageId,
        seq: Sequence,
        found: MessageId,
        stored_at: Option<Sequence>,
    },
    /// One id was acknowledged under two numbers.
    AcksDisagree {
        client: String,
        conversation_id: ConversationId,
        message_id: MessageId,
        first_seq: Sequence,
        second_seq: Sequence,
    },
    /// Stored with other content, or under another sender.
    StoredDiffers {
        client: String,
        conversation_id: ConversationId,
        message_id: MessageId,
        seq: Sequence,
        sent: Digest,
        stored: Digest,
        sender_id: UserId,
        stored_sender_id: UserId,
    },
    /// A sender's later message has the smaller number.
    SenderOrderBroken {
        client: String,
        conversation_id: ConversationId,
        rule: OrderRule,
        earlier: MessageId,
        earlier_seq: Sequence,
        later: MessageId,
        later_seq: Sequence,
    },
    /// Within one socket, numbers were passed over and never came.
    DeliveryGap { client: String, conversation_id: ConversationId, first: Sequence, last: Sequence },
    /// Within one socket, a number came after a larger one.
    DeliveryOutOfOrder {
        client: String,
        conversation_id: ConversationId,
        seq: Sequence,
        after: Sequence,
    },
    /// Within one socket, a number came that the reader already had.
    DeliveryRepeated {
        client: String,
        conversation_id: ConversationId,
        seq: Sequence,
        position: Sequence,
    },
    /// A reader expected to have everything stopped short of the head.
    DeliveryTailMissing {
        client: String,
        conversation_id: ConversationId,
        position: Sequence,
        head: Sequence,
    },
    /// Delivered on a socket, and not as the log has it.
    DeliveryDiffers { client: String, seen: Row, stored: Row },
    /// Shown to a reader, live or as history, and the log has nothing under that number.
    ShownButNotStored { client: String, seen: Row },
    /// Seen by this client, or read in the log at the end, and not as readers had it when the
    /// beginning of the log was settled.
    SettledDiffers { client: String, seen: Row },
    /// Two readers saw different rows under a number that the log does not have.
    ReadersDisagree { client: String, seen: Row, other_client: String, other_seen: Row },
    /// A page of history skipped, repeated or cut off numbers.
    HistoryPageBroken {
        client: String,
        conversation_id: ConversationId,
        expected: Sequence,
        /// `None`: the page ended early.
        found: Option<Sequence>,
    },
    /// A page of history showed a row that is not as the log has it.
    HistoryDiffers { client: String, seen: Row, stored: Row },
    /// A delivered or read position became smaller.
    PositionWentBack {
        client: String,
        conversation_id: ConversationId,
        position: PositionKind,
        from: Sequence,
        to: Sequence,
    },
    /// A client asked to go on from a number that it had not reached: holes would stay unseen.
    StartAhead {
        client: String,
        conversation_id: ConversationId,
        reached: Sequence,
        start: Sequence,
    },
}

impl Violation {
    /// The kind's name, as in JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::LogGap { .. } => "log_gap",
            Self::LogNumberTwice { .. } => "log_number_twice",
            Self::StoredTwice { .. } => "stored_twice",
            Self::HeadBeyondLog { .. } => "head_beyond_log",
            Self::UnknownMessage { .. } => "unknown_message",
            Self::AckedLost { .. } => "acked_lost",
            Self::AckHoldsAnother { .. } => "ack_holds_another",
            Self::AcksDisagree { .. } => "acks_disagree",
            Self::StoredDiffers { .. } => "stored_differs",
            Self::SenderOrderBroken { .. } => "sender_order_broken",
            Self::DeliveryGap { .. } => "delivery_gap",
            Self::DeliveryOutOfOrder { .. } => "delivery_out_of_order",
            Self::DeliveryRepeated { .. } => "delivery_repeated",
            Self::DeliveryTailMissing { .. } => "delivery_tail_missing",
            Self::DeliveryDiffers { .. } => "delivery_differs",
            Self::ShownButNotStored { .. } => "shown_but_not_stored",
            Self::SettledDiffers { .. } => "settled_differs",
            Self::ReadersDisagree { .. } => "readers_disagree",
            Self::HistoryPageBroken { .. } => "history_page_broken",
            Self::HistoryDiffers { .. } => "history_differs",
            Self::PositionWentBack { .. } => "position_went_back",
            Self::StartAhead { .. } => "start_ahead",
        }
    }
}

/// Where the id is instead, for people.
fn elsewhere(stored_at: Option<Sequence>) -> String {
    stored_at.map_or_else(|| "it is nowhere".to_owned(), |seq| format!("it is at {seq}"))
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.name())?;
        self.describe_stored(formatter).unwrap_or_else(|| self.describe_shown(formatter))
    }
}

impl Violation {
    /// Violations of the log and of acknowledgements; `None` for the others.
    fn describe_stored(&self, out: &mut fmt::Formatter<'_>) -> Option<fmt::Result> {
        Some(match self {
            Self::LogGap { conversation_id, first, last } => {
                write!(out, "{conversation_id} has no {first}..={last}")
            }
            Self::LogNumberTwice { conversation_id, first, second } => {
                write!(out, "{conversation_id} was read with {first} and with {second}")
            }
            Self::StoredTwice { conversation_id, message_id, first_seq, second_seq, .. } => {
                write!(out, "{conversation_id} holds {message_id} at {first_seq} and {second_seq}")
            }
            Self::HeadBeyondLog { conversation_id, reported, last } => {
                write!(out, "{conversation_id} was reported up to {reported}, it ends at {last}")
            }
            Self::UnknownMessage { row } => {
                write!(out, "{}: nobody sent {row}", row.conversation_id)
            }
            Self::AckedLost { client, conversation_id, message_id, seq, stored_at } => write!(
                out,
                "{conversation_id}: {client} was told {message_id} is {seq}, which is empty; {}",
                elsewhere(*stored_at)
            ),
            Self::AckHoldsAnother {
                client,
                conversation_id,
                message_id,
                seq,
                found,
                stored_at,
            } => write!(
                out,
                "{conversation_id}: {client} was told {message_id} is {seq}, which holds {found}; {}",
                elsewhere(*stored_at)
            ),
            Self::AcksDisagree { client, conversation_id, message_id, first_seq, second_seq } => {
                write!(
                    out,
                    "{conversation_id}: {client} was told {message_id} is {first_seq}, then {second_seq}"
                )
            }
            Self::StoredDiffers {
                client,
                conversation_id,
                message_id,
                seq,
                sent,
                stored,
                sender_id,
                stored_sender_id,
            } => write!(
                out,
                "{conversation_id}: {message_id} at {seq} was sent by {client} as {sent} of \
                 {sender_id}, stored as {stored} of {stored_sender_id}"
            ),
            Self::SenderOrderBroken {
                client,
                conversation_id,
                rule,
                earlier,
                earlier_seq,
                later,
                later_seq,
            } => write!(
                out,
                "{conversation_id}: {client} sent {earlier} (now {earlier_seq}) before {later} \
                 (now {later_seq}), {rule:?}"
            ),
            _ => return None,
        })
    }

    /// Violations of what readers saw.
    fn describe_shown(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeliveryGap { client, conversation_id, first, last } => {
                write!(out, "{conversation_id}: {client} never got {first}..={last}")
            }
            Self::DeliveryOutOfOrder { client, conversation_id, seq, after } => {
                write!(out, "{conversation_id}: {client} got {seq} after {after}")
            }
            Self::DeliveryRepeated { client, conversation_id, seq, position } => {
                write!(out, "{conversation_id}: {client} at {position} got {seq} again")
            }
            Self::DeliveryTailMissing { client, conversation_id, position, head } => {
                write!(out, "{conversation_id}: {client} ended at {position}, the head is {head}")
            }
            Self::DeliveryDiffers { client, seen, stored }
            | Self::HistoryDiffers { client, seen, stored } => {
                write!(out, "{}: {client} saw {seen}, the log holds {stored}", seen.conversation_id)
            }
            Self::ShownButNotStored { client, seen } => {
                write!(out, "{}: {client} saw {seen}, the log does not", seen.conversation_id)
            }
            Self::SettledDiffers { client, seen } => {
                write!(
                    out,
                    "{}: {client} saw {seen}, others had seen another",
                    seen.conversation_id
                )
            }
            Self::ReadersDisagree { client, seen, other_client, other_seen } => write!(
                out,
                "{}: {client} saw {seen}, {other_client} saw {other_seen}",
                seen.conversation_id
            ),
            Self::HistoryPageBroken { client, conversation_id, expected, found } => match found {
                Some(found) => write!(
                    out,
                    "{conversation_id}: {client}'s page has {found} in place of {expected}"
                ),
                None => write!(out, "{conversation_id}: {client}'s page ends before {expected}"),
            },
            Self::PositionWentBack { client, conversation_id, position, from, to } => {
                write!(out, "{conversation_id}: {client}'s {position:?} went from {from} to {to}")
            }
            Self::StartAhead { client, conversation_id, reached, start } => {
                write!(out, "{conversation_id}: {client} had {reached} and started from {start}")
            }
            // All others are told by `describe_stored`.
            _ => Ok(()),
        }
    }
}
