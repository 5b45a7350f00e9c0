//! A WebSocket client for load: one system call a frame, no buffer while nothing is under way.
//!
//! All sockets of a thread read through one scratch buffer; a socket keeps bytes of its own only
//! while a frame is cut. So ten thousand sockets and a busy server fit on one small machine.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};

use bytes::Bytes;
use schema::wire::Encoding;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};

use super::frame_codec::{self, Opcode};
use super::socket_error::SocketError;
use super::target::Address;
use super::transport::Transport;

/// Reads at once at most this many bytes.
const READ_BYTES: usize = 64 * 1024;
/// A socket's own buffer is given back when it is empty and larger than this.
const KEPT_BYTES_MAX: usize = 4 * 1024;
/// The example key of RFC 6455 and its answer: a fixed key is enough to see that the peer is a
/// WebSocket server, and spares a hash.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const KEY_ANSWER: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

thread_local! {
    static READ_SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
    static WRITE_SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// One open socket. Methods may be dropped half-way and called again: no byte is lost.
#[derive(Debug)]
pub struct LeanSocket {
    stream: Transport,
    encoding: Encoding,
    /// Bytes that came and are not taken yet.
    incoming: Vec<u8>,
    /// Of `incoming`, what is taken already.
    taken: usize,
    /// Bytes that the kernel would not take yet.
    outgoing: Vec<u8>,
    /// The pieces so far of a message that came in several frames.
    pieces: Vec<u8>,
    mask: u32,
}

/// What a look into the buffer found.
enum Found<T> {
    Message(T),
    /// A control frame was dealt with, or a piece put aside: look again.
    Again,
    Nothing,
}

impl LeanSocket {
    /// Connects to `host:port`, or `https://host:port`, and upgrades `/ws` with the encoding's sub-protocol.
    ///
    /// # Errors
    /// [`SocketError::Io`], or [`SocketError::Handshake`] with the server's status line.
    pub async fn connect(address: &str, encoding: Encoding) -> Result<Self, SocketError> {
        let address = Address::read(address);
        let mut stream = Transport::connect(address).await?;
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: {}\r\n\r\n",
            encoding.sub_protocol(),
            address = address.host_port,
        );
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        let incoming = read_upgrade(&mut stream, encoding).await?;
        // Any odd number starts a good enough sequence of masks.
        let mask = u32::from(stream.tcp().local_addr()?.port()) << 8 | 1;
        let (outgoing, pieces) = (Vec::new(), Vec::new());
        Ok(Self { stream, encoding, incoming, taken: 0, outgoing, pieces, mask })
    }

    #[must_use]
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Sends one whole message.
    ///
    /// # Errors
    /// [`SocketError::Io`].
    pub async fn send(&mut self, payload: &[u8]) -> Result<(), SocketError> {
        self.write(self.opcode(), payload)?;
        self.flush().await
    }

    /// Sends several whole messages with as few calls as the kernel takes.
    ///
    /// # Errors
    /// [`SocketError::Io`].
    pub async fn send_together(
        &mut self,
        payloads: &[impl AsRef<[u8]>],
    ) -> Result<(), SocketError> {
        let opcode = self.opcode();
        for payload in payloads {
            self.mask = next_mask(self.mask);
            let mask = self.mask.to_be_bytes();
            frame_codec::encode(&mut self.outgoing, opcode, payload.as_ref(), mask);
        }
        self.flush().await
    }

    const fn opcode(&self) -> Opcode {
        match self.encoding {
            Encoding::MessagePack => Opcode::Binary,
            Encoding::Json => Opcode::Text,
        }
    }

    /// Waits for the next whole message and hands it to `take`. Answers pings meanwhile.
    ///
    /// # Errors
    /// [`SocketError::Closed`] with the server's code, [`SocketError::Ended`],
    /// [`SocketError::Io`] or [`SocketError::Protocol`].
    pub async fn receive<T>(&mut self, mut take: impl FnMut(&[u8]) -> T) -> Result<T, SocketError> {
        loop {
            match self.look(&mut take)? {
                Found::Message(value) => return Ok(value),
                Found::Again => self.flush().await?,
                Found::Nothing => {
                    // An answer to a ping may wait that [`received`](Self::received) has found.
                    self.flush().await?;
                    self.fill().await?;
                }
            }
        }
    }

    /// Takes the next whole message if it has come already; `None` tells nothing: wait for it.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn received<T>(
        &mut self,
        mut take: impl FnMut(&[u8]) -> T,
    ) -> Result<Option<T>, SocketError> {
        match self.look(&mut take)? {
            Found::Message(value) => Ok(Some(value)),
            Found::Again | Found::Nothing => Ok(None),
        }
    }

    /// Ends the connection by a TCP reset, without a word.
    pub fn reset(self) {
        // A failure to set the option only makes the end polite.
        let _ = self.stream.tcp().set_zero_linger();
    }

    /// Takes the first frame of the buffer, if it is whole.
    fn look<T>(&mut self, take: &mut impl FnMut(&[u8]) -> T) -> Result<Found<T>, SocketError> {
        let bytes = &self.incoming[self.taken..];
        let Some(header) =
            frame_codec::parse(bytes).map_err(|error| SocketError::Protocol(error.to_string()))?
        else {
            return Ok(Found::Nothing);
        };
        let payload = self.taken + header.payload.start..self.taken + header.payload.end;
        let end = payload.end;
        let found = match header.opcode {
            Opcode::Text | Opcode::Binary if header.is_final => {
                Found::Message(take(&self.incoming[payload]))
            }
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                self.pieces.extend_from_slice(&self.incoming[payload]);
                if header.is_final {
                    Found::Message(take(&std::mem::take(&mut self.pieces)))
                } else {
                    Found::Again
                }
            }
            Opcode::Ping => {
                let echo = Bytes::copy_from_slice(&self.incoming[payload]);
                self.write(Opcode::Pong, &echo)?;
                Found::Again
            }
            Opcode::Pong => Found::Again,
            Opcode::Close => {
                let (code, reason) = frame_codec::close_reason(&self.incoming[payload]);
                return Err(SocketError::Closed { code, reason });
            }
        };
        self.advance(end);
        Ok(found)
    }

    fn advance(&mut self, taken: usize) {
        self.taken = taken;
        if self.taken == self.incoming.len() {
            self.taken = 0;
            self.incoming.clear();
            if self.incoming.capacity() > KEPT_BYTES_MAX {
                self.incoming = Vec::new();
            }
        }
    }

    /// Waits for bytes and takes them.
    async fn fill(&mut self) -> Result<(), SocketError> {
        let Self { stream, incoming, taken, .. } = self;
        poll_fn(|context| {
            READ_SCRATCH.with_borrow_mut(|scratch| {
                let mut buffer = ReadBuf::new(scratch);
                ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
                if buffer.filled().is_empty() {
                    return Poll::Ready(Err(SocketError::Ended));
                }
                incoming.drain(..std::mem::take(taken));
                incoming.extend_from_slice(buffer.filled());
                Poll::Ready(Ok(()))
            })
        })
        .await
    }

    /// Writes one frame; what the kernel does not take at once waits in `outgoing`.
    fn write(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), SocketError> {
        self.mask = next_mask(self.mask);
        let mask = self.mask.to_be_bytes();
        let Transport::Plain(stream) = &self.stream else {
            frame_codec::encode(&mut self.outgoing, opcode, payload, mask);
            return Ok(());
        };
        if !self.outgoing.is_empty() {
            frame_codec::encode(&mut self.outgoing, opcode, payload, mask);
            return Ok(());
        }
        WRITE_SCRATCH.with_borrow_mut(|scratch| {
            scratch.clear();
            frame_codec::encode(scratch, opcode, payload, mask);
            let written = match stream.try_write(scratch) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error.into()),
            };
            self.outgoing.extend_from_slice(&scratch[written..]);
            Ok(())
        })
    }

    async fn flush(&mut self) -> Result<(), SocketError> {
        if self.outgoing.is_empty() {
            return Ok(());
        }
        while !self.outgoing.is_empty() {
            let written = self.stream.write(&self.outgoing).await?;
            self.outgoing.drain(..written);
        }
        Ok(self.stream.flush().await?)
    }
}

const fn next_mask(mask: u32) -> u32 {
    mask.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35f)
}

/// Reads the answer to the upgrade; returns what came after it.
async fn read_upgrade(stream: &mut Transport, encoding: Encoding) -> Result<Vec<u8>, SocketError> {
    let mut bytes = Vec::with_capacity(512);
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if bytes.len() > 16 * 1024 {
            return Err(SocketError::Handshake("an endless answer".to_owned()));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(SocketError::Ended);
        }
    };
    let rest = bytes.split_off(end);
    check_upgrade(&String::from_utf8_lossy(&bytes), encoding).map_err(SocketError::Handshake)?;
    Ok(rest)
}

fn check_upgrade(head: &str, encoding: Encoding) -> Result<(), String> {
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("101") {
        return Err(status.to_owned());
    }
    let headers: Vec<(String, &str)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim()))
        .collect();
    let header = |wanted: &str| {
        headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value).unwrap_or_default()
    };
    if header("sec-websocket-accept") != KEY_ANSWER {
        return Err("sec-websocket-accept is wrong".to_owned());
    }
    if header("sec-websocket-protocol") != encoding.sub_protocol() {
        return Err(format!("sub-protocol {:?}", header("sec-websocket-protocol")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(protocol: &str) -> String {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {KEY_ANSWER}\r\nSEC-WEBSOCKET-PROTOCOL: {protocol}\r\n\r\n"
        )
    }

    #[tokio::test]
    async fn an_answer_to_a_ping_that_came_with_others_leaves_before_it_waits() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (mut peer, _) = listener.accept().await.unwrap();
        // As over TLS, or after a full buffer: what is written waits for a flush.
        let mut outgoing = Vec::new();
        frame_codec::encode(&mut outgoing, Opcode::Binary, b"first", [1; 4]);
        let mut expected = outgoing.clone();
        frame_codec::encode(&mut expected, Opcode::Pong, b"x", next_mask(1).to_be_bytes());
        let mut socket = LeanSocket {
            stream: Transport::Plain(stream),
            encoding: Encoding::MessagePack,
            incoming: vec![0x89, 1, b'x'],
            taken: 0,
            outgoing,
            pieces: Vec::new(),
            mask: 1,
        };
        assert!(socket.received(<[u8]>::len).unwrap().is_none(), "a ping is no message");
        let mut heard = vec![0; expected.len()];
        let heard_all = async {
            tokio::select! {
                received = socket.receive(<[u8]>::len) => panic!("{received:?}"),
                heard_all = peer.read_exact(&mut heard) => heard_all.map(drop),
            }
        };
        let patience = std::time::Duration::from_secs(20);
        tokio::time::timeout(patience, heard_all).await.expect("it leaves").unwrap();
        assert_eq!(heard, expected);
    }

    #[test]
    fn an_upgrade_is_checked() {
        assert_eq!(check_upgrade(&head("switchboard.v1.json"), Encoding::Json), Ok(()));
        assert!(check_upgrade(&head("switchboard.v1.json"), Encoding::MessagePack).is_err());
        assert!(check_upgrade("HTTP/1.1 400 Bad Request\r\n\r\n", Encoding::Json).is_err());
        let wrong = head("switchboard.v1.json").replace(KEY_ANSWER, "AAAA");
        assert!(check_upgrade(&wrong, Encoding::Json).is_err());
    }
}
