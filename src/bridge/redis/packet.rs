//! What travels through an inbox channel: one byte that tells what follows, then that.

use std::io::{self, Write as _};

use bytes::{Buf as _, Bytes};
use redis::{RedisWrite, ToRedisArgs};

const FRAME: u8 = 0;
const HEARTBEAT: u8 = 1;
const FRAMES: u8 = 2;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// Of another node.
    Frame(Bytes),
    /// Of another node, in their order: before each its length in four bytes, big-endian.
    Frames(Vec<Bytes>),
    /// Of this node to itself: its number, big-endian.
    Heartbeat(u64),
}

impl Packet {
    /// How many frames it carries.
    pub fn frames(&self) -> u64 {
        match self {
            Self::Frame(_) => 1,
            Self::Frames(frames) => frames.len() as u64,
            Self::Heartbeat(_) => 0,
        }
    }

    /// Their size.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Frame(frame) => frame.len() as u64,
            Self::Frames(frames) => frames.iter().map(|frame| frame.len() as u64).sum(),
            Self::Heartbeat(_) => 0,
        }
    }

    /// `None` for what no node of this version sends.
    pub fn parse(mut payload: Bytes) -> Option<Self> {
        if payload.is_empty() {
            return None;
        }
        let body = payload.split_off(1);
        match payload[0] {
            FRAME => Some(Self::Frame(body)),
            FRAMES => take_apart(body).map(Self::Frames),
            HEARTBEAT => {
                let number = <[u8; 8]>::try_from(body.as_ref()).ok()?;
                Some(Self::Heartbeat(u64::from_be_bytes(number)))
            }
            _ => None,
        }
    }
}

/// Every frame of a packet; `None` for one that was cut.
fn take_apart(mut body: Bytes) -> Option<Vec<Bytes>> {
    let mut frames = Vec::new();
    while !body.is_empty() {
        let length = usize::try_from(body.try_get_u32().ok()?).ok()?;
        if body.len() < length {
            return None;
        }
        frames.push(body.split_to(length));
    }
    Some(frames)
}

fn put_together(frames: &[Bytes], out: &mut impl io::Write) -> io::Result<()> {
    out.write_all(&[FRAMES])?;
    for frame in frames {
        let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
        out.write_all(&length.to_be_bytes())?;
        out.write_all(frame)?;
    }
    Ok(())
}

/// Written straight into the command: a frame is not copied for the byte before it.
impl ToRedisArgs for Packet {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        let mut writer = out.writer_for_next_arg();
        // Writing to memory does not fail.
        let _ = match self {
            Self::Frame(frame) => writer.write_all(&[FRAME]).and_then(|()| writer.write_all(frame)),
            Self::Frames(frames) => put_together(frames, &mut writer),
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
            Packet::Frames(vec![Bytes::new(), Bytes::from_static(&[7; 300])]),
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
        for bytes in [&[][..], &[1], &[1, 2, 3], &[9, 1, 2], &[1; 10], &[2, 0], &[2, 0, 0, 0, 2, 7]]
        {
            assert_eq!(Packet::parse(Bytes::copy_from_slice(bytes)), None, "{bytes:?}");
        }
    }
}
