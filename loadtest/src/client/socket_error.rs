//! Why a socket cannot be used.

use schema::wire::{CloseCode, ErrorFrame};

/// Everything that ends a client's socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("network: {0}")]
    Io(#[from] std::io::Error),
    #[error("the upgrade was refused: {0}")]
    Handshake(String),
    #[error("closed by the server: {code} {reason}")]
    Closed { code: u16, reason: String },
    #[error("the connection ended without a close frame")]
    Ended,
    #[error("the server broke the WebSocket protocol: {0}")]
    Protocol(String),
    #[error("the server sent what is no frame of the protocol: {0}")]
    Frame(String),
    #[error("refused by the server: {0:?}")]
    Refused(ErrorFrame),
    #[error("no {what} within {waited_ms} ms")]
    Timeout { what: &'static str, waited_ms: u64 },
}

impl SocketError {
    /// False when coming again would end the same way.
    #[must_use]
    pub fn should_reconnect(&self) -> bool {
        match self {
            Self::Closed { code, .. } => {
                let is_final = CloseCode::ALL
                    .iter()
                    .any(|known| known.code() == *code && !known.client_should_reconnect());
                !is_final && !(4500..5000).contains(code)
            }
            Self::Refused(error) => error.temporary,
            Self::Protocol(_) | Self::Frame(_) => false,
            Self::Io(_) | Self::Handshake(_) | Self::Ended | Self::Timeout { .. } => true,
        }
    }
}
