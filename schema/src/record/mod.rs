//! Stored rows, as the ports speak of them.

pub mod conversation;
pub mod entry;
pub mod message_state;
pub mod personal;
pub mod user;

pub use conversation::{
    Conversation, ConversationKind, ConversationOverview, Member, MemberPosition, Membership,
    PositionAdvance, Role,
};
pub use entry::{Content, Draft, Entry, Event, MessageBody};
pub use message_state::{Edited, MessageState, Reaction, Removed};
pub use personal::{
    ConversationSettings, Due, Fact, FactKey, FactKind, FactRange, FactWrite, ScheduledMessage,
    ScheduledState, Settings, UnsentDraft, Visibility,
};
pub use user::{Device, NewRefreshToken, User};
