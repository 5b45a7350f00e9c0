//! A socket by tokio-tungstenite: the ordinary client, for scenarios that prove rather than load.

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use schema::wire::Encoding;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};

use super::socket_error::SocketError;
use super::target::Address;
use super::transport::Transport;

/// tungstenite's own default is 128 KiB for each socket.
const READ_BYTES: usize = 8 * 1024;

/// One open socket.
#[derive(Debug)]
pub struct StandardSocket {
    stream: WebSocketStream<Transport>,
    encoding: Encoding,
}

impl StandardSocket {
    /// Connects to `host:port` and upgrades `/ws` with the encoding's sub-protocol.
    ///
    /// # Errors
    /// [`SocketError::Io`] or [`SocketError::Handshake`].
    pub async fn connect(address: &str, encoding: Encoding) -> Result<Self, SocketError> {
        let address = Address::read(address);
        let stream = Transport::connect(address).await?;
        // The scheme only fills in a port that is always given.
        let mut request =
            format!("ws://{}/ws", address.host_port).into_client_request().map_err(error_of)?;
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", HeaderValue::from_static(encoding.sub_protocol()));
        let config = WebSocketConfig::default().read_buffer_size(READ_BYTES).write_buffer_size(0);
        let (stream, _) =
            tokio_tungstenite::client_async_with_config(request, stream, Some(config))
                .await
                .map_err(error_of)?;
        Ok(Self { stream, encoding })
    }

    #[must_use]
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Sends one whole message.
    ///
    /// # Errors
    /// When the socket is not open any more.
    pub async fn send(&mut self, payload: Bytes) -> Result<(), SocketError> {
        let message = match self.encoding {
            Encoding::MessagePack => Message::Binary(payload),
            Encoding::Json => Message::Text(
                Utf8Bytes::try_from(payload)
                    .map_err(|error| SocketError::Protocol(error.to_string()))?,
            ),
        };
        self.stream.send(message).await.map_err(error_of)
    }

    /// Waits for the next whole message. May be dropped half-way and called again.
    ///
    /// # Errors
    /// [`SocketError::Closed`] with the server's code, or how else it ended.
    pub async fn receive(&mut self) -> Result<Bytes, SocketError> {
        loop {
            let message = self.stream.next().await.ok_or(SocketError::Ended)?.map_err(error_of)?;
            match message {
                Message::Binary(bytes) => return Ok(bytes),
                Message::Text(text) => return Ok(text.into()),
                Message::Close(close) => {
                    let (code, reason) = close.map_or((1005, String::new()), |close| {
                        (close.code.into(), close.reason.as_str().to_owned())
                    });
                    return Err(SocketError::Closed { code, reason });
                }
                // tungstenite answers pings by itself.
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    /// Ends the connection by a TCP reset, without a word.
    pub fn reset(self) {
        // A failure to set the option only makes the end polite.
        let _ = self.stream.get_ref().tcp().set_zero_linger();
    }
}

fn error_of(error: tungstenite::Error) -> SocketError {
    use tungstenite::error::ProtocolError;
    match error {
        tungstenite::Error::Io(error) => SocketError::Io(error),
        tungstenite::Error::Http(response) => {
            SocketError::Handshake(format!("status {}", response.status()))
        }
        tungstenite::Error::ConnectionClosed
        | tungstenite::Error::AlreadyClosed
        | tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            SocketError::Ended
        }
        tungstenite::Error::Protocol(ProtocolError::HandshakeIncomplete) => {
            SocketError::Handshake("incomplete".to_owned())
        }
        other => SocketError::Protocol(other.to_string()),
    }
}
