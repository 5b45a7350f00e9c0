//! What comes from a peer, one WebSocket frame at a time.

use bytes::Bytes;

use super::assembler::Piece;

/// A frame, or the end of all frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    Piece(Piece),
    Ping(Bytes),
    Pong,
    /// The peer closes with this code (1005: without one).
    Goodbye(u16),
    /// A frame larger than the limit began.
    TooLarge,
    /// The bytes are no WebSocket frames.
    Broken,
}
