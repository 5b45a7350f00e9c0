//! The bytes of a server's WebSocket frames (RFC 6455 section 5.2): unmasked, never fragmented.
//!
//! A frame is built once and handed to every recipient.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::close_code::CloseCode;
use super::codec::{Encoding, with_encoded};
use super::server_frame::ServerFrame;

const FINAL: u8 = 0x80;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
/// Longest payload of a control frame.
const CONTROL_MAX: usize = 125;

/// A whole message in one frame.
#[must_use]
pub fn message(encoding: Encoding, payload: &[u8]) -> Bytes {
    let opcode = match encoding {
        Encoding::MessagePack => BINARY,
        Encoding::Json => TEXT,
    };
    frame(opcode, payload)
}

/// A server's frame, encoded, in one WebSocket frame.
#[must_use]
pub fn encoded(encoding: Encoding, content: &ServerFrame) -> Bytes {
    with_encoded(encoding, content, |payload| message(encoding, payload))
}

/// Asks the peer for a pong.
#[must_use]
pub fn ping() -> Bytes {
    frame(PING, &[])
}

/// Answers a ping with its own payload.
#[must_use]
pub fn pong(payload: &[u8]) -> Bytes {
    frame(PONG, &payload[..payload.len().min(CONTROL_MAX)])
}

/// Ends the connection; the reason is the code's name.
#[must_use]
pub fn close(code: CloseCode) -> Bytes {
    close_with(code.code(), code.name())
}

/// Ends the connection with any code.
#[must_use]
pub fn close_with(code: u16, reason: &str) -> Bytes {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(reason.as_bytes());
    payload.truncate(CONTROL_MAX);
    frame(CLOSE, &payload)
}

fn frame(opcode: u8, payload: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(payload.len() + 10);
    bytes.put_u8(FINAL | opcode);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length), _) if length < 126 => bytes.put_u8(length),
        (_, Ok(length)) => {
            bytes.put_u8(126);
            bytes.put_u16(length);
        }
        _ => {
            bytes.put_u8(127);
            bytes.put_u64(payload.len() as u64);
        }
    }
    bytes.put_slice(payload);
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_one_three_or_nine_bytes() {
        assert_eq!(message(Encoding::MessagePack, &[7; 3])[..], [0x82, 3, 7, 7, 7]);
        assert_eq!(message(Encoding::Json, &[b'x'; 126])[..4], [0x81, 126, 0, 126]);
        let long = message(Encoding::MessagePack, &vec![0; 70_000]);
        assert_eq!(long[..10], [0x82, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70]);
        assert_eq!(long.len(), 70_010);
    }

    #[test]
    fn a_close_carries_its_code_and_name() {
        let bytes = close(CloseCode::SlowConsumer);
        assert_eq!(bytes[..4], [0x88, 15, 0x0f, 0xa1]);
        assert_eq!(&bytes[4..], b"slow_consumer");
    }
}
