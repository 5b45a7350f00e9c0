//! What travels through an inbox channel: one byte that tells what follows, then that.

use std::io::Write as _;

use bytes::Bytes;
use redis::{RedisWrite, ToRedisArgs};

const FRAME: u8 = 0;
const HEARTBEAT: u8 = 1;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// Of another node.
    Frame(Bytes),
    /// Of this node to itself: its number, big-endian.
    Heartbeat(u64),
}

impl Packet {
    /// `None` for what no node of this version sends.
    pub fn parse(mut payload: Bytes) -> Option<Self> {
        if payload.is_empty() {
            return None;
        }
        let body = payload.split_off(1);
        match payload[0] {
            FRAME => Some(Self::Frame(body)),
            HEARTBEAT => {
                let number = <[u8; 8]>::try_from(body.as_ref()).ok()?;
                Some(Self::Heartbeat(u64::from_be_bytes(number)))
            }
            _ => None,
        }
    }
}

/// Written straight into the command: a frame is not copied for the byte before it.
impl ToRedisArgs for Packet {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        let mut writer = out.writer_for_next_arg();
        // Writing to memory does not fail.
        let _ = match self {
            Self::Frame(frame) => writer.write_all(&[FRAME]).and_then(|()| writer.write_all(frame)),
            Self::Heartbeat(number) => writer
                .write_all(&[HEARTBEAT])
                .and_then(|()| writer.write_all(&number.to_be_bytes())),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_back_as_they_were() {
        for packet in [
            Packet::Frame(Bytes::new()),
            Packet::Frame(Bytes::from_static(&[0, 1, 255])),
            Packet::Heartbeat(0),
            Packet::Heartbeat(u64::MAX),
        ] {
            let args = packet.to_redis_args();
            assert_eq!(args.len(), 1);
            assert_eq!(Packet::parse(Bytes::from(args[0].clone())), Some(packet));
        }
    }

    #[test]
    fn strange_bytes_are_nothing() {
        for bytes in [&[][..], &[1], &[1, 2, 3], &[9, 1, 2], &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(Packet::parse(Bytes::copy_from_slice(bytes)), None, "{bytes:?}");
        }
    }
}
