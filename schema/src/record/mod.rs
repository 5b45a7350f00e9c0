//! Stored rows, as the ports speak of them.

pub mod conversation;
pub mod entry;
pub mod invite;
pub mod message_state;
pub mod personal;
pub mod profile;
pub mod user;

pub use conversation::{
    Conversation, ConversationKind, ConversationOverview, Member, MemberPosition, Membership,
    PositionAdvance, Role,
};
pub use entry::{Content, Draft, Entry, Event, MentionAll, MessageBody, MessageRef};
pub use invite::{Ban, Invite, InviteUse, NewInvite};
pub use message_state::{Edited, MessageState, Reaction, Removed};
pub use personal::{
    ConversationSettings, Due, Fact, FactKey, FactKind, FactRange, FactWrite, ScheduledMessage,
    ScheduledState, Settings, UnsentDraft, Visibility,
};
pub use profile::{ConversationPatch, ConversationProfile, Posting, ProfileLog};
pub use user::{Device, NewRefreshToken, User};
