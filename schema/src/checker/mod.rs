//! Judges what clients saw against what the log holds: the proof of "one gapless order, once".
//!
//! A pure function over recorded facts: no I/O, no clock, and the same facts in the same order
//! give the same verdict. The simulator, the load tester, the integration tests and the audit
//! command all feed a [`History`] and ask it for a [`Verdict`].
//!
//! ```
//! use schema::checker::{History, Row};
//! # use schema::{ConversationId, MessageId, Sequence, UserId};
//! # use schema::checker::{Digest, RowKind};
//! # let (conversation_id, sender_id) = (ConversationId::generate(), UserId::generate());
//! # let message_id = MessageId::generate();
//! # let row = Row { conversation_id, seq: Sequence(1), message_id, sender_id,
//! #     kind: RowKind::Message, digest: Digest(7) };
//! let mut history = History::new();
//! let alice = history.add_client("alice's phone", sender_id);
//! history.record_socket_open(alice);
//! history.record_start(alice, conversation_id, Sequence::START);
//! history.record_send(alice, conversation_id, message_id, Digest(7));
//! history.record_ack(alice, conversation_id, message_id, Sequence(1), false);
//! history.record_log_row(row);
//! assert!(history.check().passed());
//! ```
//!
//! What is held:
//! - **Log**: numbers `1..=head` without holes; an id at most once per sender and conversation; no
//!   head was ever reported that the log does not reach.
//! - **Acknowledgements**: each acknowledged `(message_id, seq)` is row `seq`, with the content and
//!   the sender that were sent.
//! - **Sender's order**, per device and conversation. *Sequential*: a message first sent after the
//!   acknowledgement of another has the larger number, always. *Pipelined*: two messages first sent
//!   on one socket are numbered in the order sent, unless either was transmitted more than once: a
//!   retry, after an error or on a later socket, may overtake or be overtaken.
//! - **Delivery**, per socket lifetime: from the position given, every number in order, no hole and
//!   no repeat. One's own accepted message stands for its delivery and may come early. Only where
//!   the acknowledgement says `duplicate`, because an earlier socket sent it, may it be delivered
//!   as well, once and in order; that is counted as an echo. A client may not claim a start that
//!   it never reached.
//! - **Agreement**: every delivery and every page of history shows the row of the log; readers
//!   expected to be caught up end at the head; delivered and read positions never go back.
//!
//! Memory is proportional to log rows, sends and sockets, not to deliveries: a delivery that shows
//! what another reader saw is compared and counted, not kept. [`History::settle`] lets all go that
//! nobody waits for any more, but for nine bytes a row.

mod history;
mod judge;
mod reader;
mod row;
mod send_book;
mod settle;
mod verdict;
mod violation;

pub use history::{ClientKey, History, PositionKind};
pub use row::{Digest, Row, RowKind};
pub use verdict::{Counts, VIOLATIONS_KEPT_MAX, Verdict};
pub use violation::{OrderRule, Violation};

#[cfg(test)]
mod tests;
