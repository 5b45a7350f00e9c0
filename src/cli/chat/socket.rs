//! One socket of the chat client.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use schema::wire::{
    ClientFrame, CloseCode, Encoding, Hello, Position, ServerFrame, Welcome, decode_server, encode,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Uri};
use tokio_tungstenite::{WebSocketStream, client_async};

const ENCODING: Encoding = Encoding::MessagePack;
const CONNECT_MAX: Duration = Duration::from_secs(15);
/// The server pings more often than this; silence means that it is gone.
const SILENCE_MAX: Duration = Duration::from_secs(75);

/// Why a socket ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// Come back later.
    Lost(String),
    /// A new access token may help.
    BadToken,
    /// Coming back is of no use.
    ForGood(String),
}

/// Bytes to and from the server, plain or encrypted.
trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// Connects to the host of a `ws://` or `wss://` address.
async fn connect(uri: &Uri, tls: Option<&Arc<ClientConfig>>) -> io::Result<Box<dyn Stream>> {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_encrypted = uri.scheme_str() == Some("wss");
    let port = uri.port_u16().unwrap_or(if is_encrypted { 443 } else { 80 });
    let tcp = TcpStream::connect((host, port)).await?;
    tcp.set_nodelay(true)?;
    match tls {
        Some(tls) if is_encrypted => {
            let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
            Ok(Box::new(TlsConnector::from(tls.clone()).connect(name, tcp).await?))
        }
        _ if is_encrypted => Err(io::Error::other("no certificate authority is trusted")),
        _ => Ok(Box::new(tcp)),
    }
}

/// Greeted and open.
pub(super) struct Socket {
    stream: WebSocketStream<Box<dyn Stream>>,
}

impl Socket {
    /// Connects and says hello.
    pub(super) async fn open(
        url: &str,
        tls: Option<&Arc<ClientConfig>>,
        token: String,
        positions: Vec<Position>,
    ) -> anyhow::Result<Result<(Self, Welcome), Closed>> {
        let mut request = url.into_client_request().context("the address is not usable")?;
        request
            .headers_mut()
            .insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(ENCODING.sub_protocol()));
        let uri = request.uri().clone();
        let connecting = async {
            let stream = connect(&uri, tls).await?;
            client_async(request, stream).await
        };
        let (stream, _) = match timeout(CONNECT_MAX, connecting).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(error)) => return Ok(Err(Closed::Lost(error.to_string()))),
            Err(_) => return Ok(Err(Closed::Lost("no answer".to_owned()))),
        };
        let mut socket = Self { stream };
        let hello = Hello {
            token,
            device_id: None,
            client: Some(concat!("switchboard-chat/", env!("CARGO_PKG_VERSION")).to_owned()),
            positions: Some(positions),
        };
        if let Err(closed) = socket.send(ClientFrame::Hello(hello)).await {
            return Ok(Err(closed));
        }
        match timeout(CONNECT_MAX, socket.next()).await {
            Ok(Ok(ServerFrame::Welcome(welcome))) => Ok(Ok((socket, welcome))),
            Ok(Ok(ServerFrame::Error(error))) => Ok(Err(refused(&error.code, error.message))),
            Ok(Ok(_)) => bail!("the server did not welcome us"),
            Ok(Err(closed)) => Ok(Err(closed)),
            Err(_) => Ok(Err(Closed::Lost("no welcome".to_owned()))),
        }
    }

    pub(super) async fn send(&mut self, frame: ClientFrame) -> Result<(), Closed> {
        let message = Message::Binary(encode(ENCODING, &frame));
        self.stream.send(message).await.map_err(|error| Closed::Lost(error.to_string()))
    }

    /// The next frame. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Result<ServerFrame, Closed> {
        loop {
            let message = match timeout(SILENCE_MAX, self.stream.next()).await {
                Err(_) => return Err(Closed::Lost("the server fell silent".to_owned())),
                Ok(None) => return Err(Closed::Lost("the connection broke off".to_owned())),
                Ok(Some(Err(error))) => return Err(Closed::Lost(error.to_string())),
                Ok(Some(Ok(message))) => message,
            };
            match message {
                Message::Binary(bytes) => {
                    return decode_server(ENCODING, &bytes)
                        .map_err(|error| Closed::ForGood(error.to_string()));
                }
                Message::Close(frame) => {
                    let frame =
                        frame.map(|frame| (u16::from(frame.code), frame.reason.to_string()));
                    return Err(closed_with(frame));
                }
                _ => {}
            }
        }
    }

    pub(super) async fn close(mut self) {
        let _ = timeout(Duration::from_secs(1), self.stream.close(None)).await;
    }
}

fn refused(code: &schema::wire::ErrorCode, message: String) -> Closed {
    match code {
        schema::wire::ErrorCode::TokenExpired => Closed::BadToken,
        code if code.is_temporary() => Closed::Lost(message),
        _ => Closed::ForGood(message),
    }
}

fn closed_with(frame: Option<(u16, String)>) -> Closed {
    match frame {
        None => Closed::Lost("closed".to_owned()),
        Some((code, _)) if code == CloseCode::BadToken.code() => Closed::BadToken,
        Some((code @ 4500..=4999, reason)) => Closed::ForGood(format!("{reason} ({code})")),
        Some((code, reason)) if code == CloseCode::Replaced.code() => {
            Closed::ForGood(format!("{reason} ({code}): this device is connected elsewhere"))
        }
        Some((code, reason)) => Closed::Lost(format!("{reason} ({code})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_codes_say_whether_to_return() {
        let closed = |code: CloseCode| closed_with(Some((code.code(), code.name().to_owned())));
        assert!(matches!(closed(CloseCode::Draining), Closed::Lost(_)));
        assert!(matches!(closed(CloseCode::SlowConsumer), Closed::Lost(_)));
        assert_eq!(closed(CloseCode::BadToken), Closed::BadToken);
        assert!(matches!(closed(CloseCode::TokenRevoked), Closed::ForGood(_)));
        assert!(matches!(closed(CloseCode::Replaced), Closed::ForGood(_)));
        assert!(matches!(closed_with(None), Closed::Lost(_)));
    }
}
