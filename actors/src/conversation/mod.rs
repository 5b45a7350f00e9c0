//! One conversation on this node: who is in it, who listens, what was said last.
//!
//! Pure: `roster` (who may do what), `bounds` (what one may see), `recent` (the newest entries),
//! `gap` (is this the next one), `gone` (what is shown no more), `delivery` (entries framed once for
//! all), `outgoing` (when they go), `statuses` (who hears how far others are),
//! `busiest` (which make most work). `actor` carries out.

mod actor;
mod blocks;
mod busiest;
mod changes;
mod delivery;
mod fan_out;
mod forward;
pub(crate) mod gap;
mod gone;
mod jump;
mod load;
mod messages;
mod outgoing;
mod page;
pub(crate) mod pending;
mod read;
mod reading;
pub(crate) mod recent;
mod registry;
pub mod roster;
#[cfg(test)]
mod roster_tests;
mod serving;
mod signals;
pub mod statuses;

pub use actor::{Conversation, ConversationContext};
#[cfg(test)]
pub use blocks::KNOWN_FOR as BLOCKS_KNOWN_FOR;
pub use busiest::{Busiest, Busy};
pub use delivery::{Batch, Delivery, DeliveryItem};
pub use gone::Gone;
pub use messages::{
    Answered, Block, CheckSequencer, Describe, Described, Heard, Heed, Join, Joined, Leave,
    LogEntry, PageRead, Peek, Peeked, Purged, Read, Settle, Submit, SubmitReply, ToMember,
};
pub use page::{HISTORY_PAGE_MAX, Page, Submitted};
#[cfg(test)]
pub use reading::HELD_MAX;
pub use recent::concealed;
pub use registry::{Audience, Conversations};
