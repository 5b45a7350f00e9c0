//! Frames of the protocol over either kind of socket.

use std::time::Duration;

use schema::wire::{ClientFrame, Encoding, Hello, Position, ServerFrame, Welcome, codec};

use super::lean_socket::LeanSocket;
use super::provision::Credentials;
use super::socket_error::SocketError;
use super::standard_socket::StandardSocket;

/// Which implementation carries the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketStyle {
    /// tokio-tungstenite.
    Standard,
    /// [`LeanSocket`].
    Lean,
}

/// Connecting, upgrading and being welcomed take at most this long each.
const STEP_DEADLINE: Duration = Duration::from_secs(10);

/// An open socket that speaks frames.
#[derive(Debug)]
pub enum Socket {
    Standard(Box<StandardSocket>),
    Lean(Box<LeanSocket>),
}

impl Socket {
    /// Connects to `host:port` and upgrades.
    ///
    /// # Errors
    /// [`SocketError`]; [`SocketError::Timeout`] after ten seconds.
    pub async fn connect(
        address: &str,
        encoding: Encoding,
        style: SocketStyle,
    ) -> Result<Self, SocketError> {
        within("upgrade", STEP_DEADLINE, async {
            Ok(match style {
                SocketStyle::Standard => {
                    Self::Standard(Box::new(StandardSocket::connect(address, encoding).await?))
                }
                SocketStyle::Lean => {
                    Self::Lean(Box::new(LeanSocket::connect(address, encoding).await?))
                }
            })
        })
        .await
    }

    /// Says `hello` and waits for `welcome` with the whole list of conversations.
    ///
    /// # Errors
    /// [`SocketError::Frame`] when the answer is another; also how the socket ended.
    pub async fn greet(
        &mut self,
        credentials: &Credentials,
        positions: Vec<Position>,
    ) -> Result<Welcome, SocketError> {
        let hello = ClientFrame::Hello(Hello {
            token: credentials.access_token.clone(),
            device_id: Some(credentials.device_id),
            client: Some(concat!("loadtest/", env!("CARGO_PKG_VERSION")).to_owned()),
            positions: Some(positions),
        });
        self.send(&hello).await?;
        match within("welcome", STEP_DEADLINE, self.receive()).await? {
            ServerFrame::Welcome(welcome) => Ok(welcome),
            ServerFrame::Error(error) => Err(SocketError::Refused(error)),
            other => Err(SocketError::Frame(format!("in place of welcome: {other:?}"))),
        }
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// When the socket is not open any more.
    pub async fn send(&mut self, frame: &ClientFrame) -> Result<(), SocketError> {
        match self {
            Self::Standard(socket) => {
                let payload = codec::encode(socket.encoding(), frame);
                socket.send(payload).await
            }
            Self::Lean(socket) => {
                let payload = codec::encode(socket.encoding(), frame);
                socket.send(&payload).await
            }
        }
    }

    /// Waits for the next frame. May be dropped half-way and called again.
    ///
    /// # Errors
    /// [`SocketError::Frame`] when it does not decode; also how the socket ended.
    pub async fn receive(&mut self) -> Result<ServerFrame, SocketError> {
        let decoded = match self {
            Self::Standard(socket) => {
                let encoding = socket.encoding();
                codec::decode_server(encoding, &socket.receive().await?)
            }
            Self::Lean(socket) => {
                let encoding = socket.encoding();
                socket.receive(|payload| codec::decode_server(encoding, payload)).await?
            }
        };
        decoded.map_err(|error| SocketError::Frame(error.to_string()))
    }

    /// The next frame if it has come already; `None` tells nothing: wait for it.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn received(&mut self) -> Result<Option<ServerFrame>, SocketError> {
        let Self::Lean(socket) = self else { return Ok(None) };
        let encoding = socket.encoding();
        let decoded = socket.received(|payload| codec::decode_server(encoding, payload))?;
        decoded.transpose().map_err(|error| SocketError::Frame(error.to_string()))
    }

    /// Ends the connection by a TCP reset, without a word.
    pub fn reset(self) {
        match self {
            Self::Standard(socket) => socket.reset(),
            Self::Lean(socket) => socket.reset(),
        }
    }
}

/// Gives `work` a deadline.
///
/// # Errors
/// [`SocketError::Timeout`], or what `work` says.
pub async fn within<T>(
    what: &'static str,
    deadline: Duration,
    work: impl Future<Output = Result<T, SocketError>>,
) -> Result<T, SocketError> {
    tokio::time::timeout(deadline, work).await.unwrap_or_else(|_| {
        let waited_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        Err(SocketError::Timeout { what, waited_ms })
    })
}
