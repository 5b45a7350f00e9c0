//! What travels between clients and the server: frames, their bytes, error and close codes.

pub mod binary;
pub mod client_frame;
pub mod close_code;
pub mod codec;
pub mod error_code;
pub mod framing;
#[cfg(test)]
mod golden_tests;
pub mod log_frame;
pub mod personal_frame;
pub mod position;
pub mod refusal;
pub mod scan;
pub mod server_frame;
pub mod validate;

pub use client_frame::{
    Ack, ClientFrame, DeleteMessage, DeleteScope, EditMessage, FetchHistory, FollowThread, Hello,
    JoinConversation, LeaveConversation, PinMessage, Ping, PresenceStatus, React, ReadReceipt,
    SendMessage, SetPresence, SubscribePresence, TypingIndicator, TypingState,
};
pub use close_code::CloseCode;
pub use codec::{DecodeError, Encoding, decode_client, decode_server, encode};
pub use error_code::ErrorCode;
pub use log_frame::{LogFrame, NewMessage};
pub use personal_frame::{
    BlockChanged, ConversationSettingsChanged, DraftChanged, MessageHidden, ScheduledChanged,
    ThreadFollowed, ThreadRead,
};
pub use position::Position;
pub use refusal::Refusal;
pub use server_frame::{
    Accepted, ConversationState, ErrorFrame, History, Joined, Left, Limits, MessageStatus,
    MessageStatuses, Pong, Resync, ServerFrame, TypingUpdate, UserOnline, UserStatus, Welcome,
};
