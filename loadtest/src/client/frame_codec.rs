//! RFC 6455 frames as a client needs them: masked out, plain in. Pure.

use std::ops::Range;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }

    const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            _ => return None,
        })
    }

    const fn is_control(self) -> bool {
        self.bits() >= 0x8
    }
}

/// One whole frame found in a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The last frame of its message.
    pub is_final: bool,
    pub opcode: Opcode,
    /// Where the payload lies; its end is the frame's.
    pub payload: Range<usize>,
}

/// Why bytes from the server are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("reserved bits are set")]
    ReservedBits,
    #[error("unknown opcode {0:#x}")]
    UnknownOpcode(u8),
    #[error("a server must not mask")]
    Masked,
    #[error("a control frame is cut in pieces or longer than 125 bytes")]
    BadControl,
    #[error("a frame of {0} bytes")]
    TooLarge(u64),
}

/// Largest frame taken from a server: a full page of the largest messages, and some.
const FRAME_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Finds the first frame of `bytes`; `None` while it is not whole yet.
///
/// # Errors
/// When no continuation could make it a frame of a server.
pub fn parse(bytes: &[u8]) -> Result<Option<FrameHeader>, FrameError> {
    let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
    if first & 0x70 != 0 {
        return Err(FrameError::ReservedBits);
    }
    let opcode = Opcode::from_bits(first & 0x0f).ok_or(FrameError::UnknownOpcode(first & 0x0f))?;
    if second & 0x80 != 0 {
        return Err(FrameError::Masked);
    }
    let is_final = first & 0x80 != 0;
    let short = second & 0x7f;
    if opcode.is_control() && (!is_final || short > 125) {
        return Err(FrameError::BadControl);
    }
    let width = match short {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let Some(extended) = rest.get(..width) else { return Ok(None) };
    let length = match width {
        0 => u64::from(short),
        _ => extended.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)),
    };
    if length > FRAME_BYTES_MAX {
        return Err(FrameError::TooLarge(length));
    }
    let start = 2 + width;
    let end = start + usize::try_from(length).unwrap_or(usize::MAX);
    if bytes.len() < end {
        return Ok(None);
    }
    Ok(Some(FrameHeader { is_final, opcode, payload: start..end }))
}

/// Appends one final frame to `out`, its payload masked.
pub fn encode(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], mask: [u8; 4]) {
    out.push(0x80 | opcode.bits());
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    for (index, byte) in out[start..].iter_mut().enumerate() {
        *byte ^= mask[index & 3];
    }
}

/// Code and reason of a close frame's payload; 1005 when it has none.
#[must_use]
pub fn close_reason(payload: &[u8]) -> (u16, String) {
    match payload {
        [high, low, reason @ ..] => {
            (u16::from_be_bytes([*high, *low]), String::from_utf8_lossy(reason).into_owned())
        }
        _ => (1005, String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unmasked(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(&mut out, opcode, payload, [0; 4]);
        // With a zero mask, dropping the key and the bit gives the server's form.
        let key = out.len() - payload.len() - 4;
        out.drain(key..key + 4);
        out[1] &= 0x7f;
        out
    }

    #[test]
    fn the_examples_of_the_rfc_hold() {
        let mut out = Vec::new();
        encode(&mut out, Opcode::Text, b"Hello", [0x37, 0xfa, 0x21, 0x3d]);
        assert_eq!(out, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
        let header = parse(&[0x81, 0x05, b'H', b'e', b'l', b'l', b'o']).unwrap().unwrap();
        assert_eq!(header, FrameHeader { is_final: true, opcode: Opcode::Text, payload: 2..7 });
        let part = parse(&[0x01, 0x03, b'H', b'e', b'l']).unwrap().unwrap();
        assert!(!part.is_final);
    }

    #[test]
    fn every_length_form_is_found_whole_and_never_early() {
        for length in [0_usize, 1, 125, 126, 127, 65_535, 65_536, 200_000] {
            let payload = vec![7; length];
            let bytes = unmasked(Opcode::Binary, &payload);
            let header = parse(&bytes).unwrap().unwrap();
            assert_eq!(header.payload.len(), length);
            assert_eq!(header.payload.end, bytes.len());
            assert_eq!(parse(&bytes[..bytes.len() - 1]).unwrap(), None);
            assert_eq!(parse(&bytes[..1]).unwrap(), None);
        }
    }

    #[test]
    fn what_a_server_must_not_send_is_refused() {
        assert_eq!(parse(&[0xc1, 0]), Err(FrameError::ReservedBits));
        assert_eq!(parse(&[0x83, 0]), Err(FrameError::UnknownOpcode(3)));
        assert_eq!(parse(&[0x81, 0x80]), Err(FrameError::Masked));
        assert_eq!(parse(&[0x09, 0]), Err(FrameError::BadControl));
        assert_eq!(parse(&[0x89, 126, 0, 126]), Err(FrameError::BadControl));
        let huge = [0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0];
        assert!(matches!(parse(&huge), Err(FrameError::TooLarge(_))));
    }

    #[test]
    fn close_reasons_are_read() {
        assert_eq!(close_reason(&[0x0f, 0xa4, b'x']), (4004, "x".to_owned()));
        assert_eq!(close_reason(&[]), (1005, String::new()));
    }
}
