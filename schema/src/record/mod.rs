//! Stored rows, as the ports speak of them.

pub mod conversation;
pub mod entry;
pub mod message_state;
pub mod user;

pub use conversation::{
    Conversation, ConversationKind, ConversationOverview, Member, MemberPosition, Membership,
    PositionAdvance, Role,
};
pub use entry::{Content, Draft, Entry, Event, MessageBody};
pub use message_state::{Edited, MessageState, Reaction, Removed};
pub use user::{Device, NewRefreshToken, User};
