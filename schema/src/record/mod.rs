//! Stored rows, as the ports speak of them.

pub mod conversation;
pub mod entry;
pub mod user;

pub use conversation::{
    Conversation, ConversationKind, ConversationOverview, Member, Membership, PositionAdvance, Role,
};
pub use entry::{Content, Draft, Entry, Event, MessageBody};
pub use user::{Device, NewRefreshToken, User};
