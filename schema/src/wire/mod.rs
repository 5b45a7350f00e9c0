//! What travels between clients and the server: frames, their bytes, error and close codes.

pub mod binary;
pub mod client_frame;
pub mod close_code;
pub mod codec;
pub mod error_code;
pub mod framing;
#[cfg(test)]
mod golden_tests;
pub mod refusal;
pub mod scan;
pub mod server_frame;
pub mod validate;

pub use client_frame::{
    Ack, ClientFrame, FetchHistory, Hello, JoinConversation, LeaveConversation, Ping, Position,
    ReadReceipt, SendMessage,
};
pub use close_code::CloseCode;
pub use codec::{DecodeError, Encoding, decode_client, decode_server, encode};
pub use error_code::ErrorCode;
pub use refusal::Refusal;
pub use server_frame::{
    Accepted, ConversationState, ErrorFrame, History, Joined, Left, Limits, LogFrame, NewMessage,
    Pong, Resync, ServerFrame, Welcome,
};
