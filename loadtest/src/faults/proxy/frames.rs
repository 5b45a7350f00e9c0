//! Where a service's frames begin and end, so that single ones can be left out.

use bytes::{Bytes, BytesMut};

/// The protocol that goes through a proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// Unknown: nothing can be left out of it without breaking it.
    #[default]
    Opaque,
    /// Redis: what subscribers are sent can be missed.
    Redis,
    /// CQL up to version 4: answers to statements can be missed.
    Cql,
}

/// One frame of a service, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub bytes: Bytes,
    /// It can be left out, and the rest still makes sense.
    pub can_be_missed: bool,
}

const CQL_HEADER_BYTES: usize = 9;
const CQL_RESULT: u8 = 0x08;
const CQL_ERROR: u8 = 0x00;

/// Takes bytes as they come and gives frames.
#[derive(Debug)]
pub(super) struct Frames {
    framing: Framing,
    buffer: BytesMut,
}

impl Frames {
    pub fn new(framing: Framing) -> Self {
        Self { framing, buffer: BytesMut::new() }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame.
    pub fn next(&mut self) -> Option<Frame> {
        if self.buffer.is_empty() {
            return None;
        }
        let (length, can_be_missed) = match self.framing {
            Framing::Opaque => (self.buffer.len(), false),
            Framing::Redis => redis(&self.buffer)?,
            Framing::Cql => cql(&self.buffer)?,
        };
        Some(Frame { bytes: self.buffer.split_to(length).freeze(), can_be_missed })
    }

    /// What is left of a frame whose end has not come.
    pub fn rest(&mut self) -> Bytes {
        self.buffer.split().freeze()
    }
}

fn cql(bytes: &[u8]) -> Option<(usize, bool)> {
    let header = bytes.get(..CQL_HEADER_BYTES)?;
    let length = u32::from_be_bytes([header[5], header[6], header[7], header[8]]) as usize;
    let whole = CQL_HEADER_BYTES + length;
    let can_be_missed = matches!(header[4], CQL_RESULT | CQL_ERROR);
    (bytes.len() >= whole).then_some((whole, can_be_missed))
}

fn redis(bytes: &[u8]) -> Option<(usize, bool)> {
    let length = redis_value(bytes, 0)?;
    // A message is a list (RESP 2) or a push (RESP 3) that begins with the word.
    let is_message = [&b"message"[..], b"smessage", b"pmessage"].iter().any(|word| {
        let head = format!("\r\n${}\r\n{}\r\n", word.len(), String::from_utf8_lossy(word));
        matches!(bytes[0], b'*' | b'>')
            && bytes
                .iter()
                .position(|byte| *byte == b'\r')
                .is_some_and(|at| bytes[at..length].starts_with(head.as_bytes()))
    });
    Some((length, is_message))
}

/// The end of the RESP value that begins at `from`.
fn redis_value(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let line_length = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let after = from + line_length + 2;
    let count = || std::str::from_utf8(&rest[1..line_length]).ok()?.parse::<i64>().ok();
    match rest.first()? {
        b'$' | b'=' | b'!' => match count() {
            Some(length) if length >= 0 => {
                let end = after + length as usize + 2;
                (bytes.len() >= end).then_some(end)
            }
            _ => Some(after),
        },
        kind @ (b'*' | b'>' | b'~' | b'%' | b'|') => {
            // A map has two values for each.
            let values =
                count().unwrap_or(0).max(0) * if matches!(kind, b'%' | b'|') { 2 } else { 1 };
            (0..values).try_fold(after, |at, _| redis_value(bytes, at))
        }
        _ => Some(after),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However the bytes are cut into portions, the same frames come out.
    fn frames(framing: Framing, bytes: &[u8], portion: usize) -> Vec<(Vec<u8>, bool)> {
        let mut frames = Frames::new(framing);
        let mut found = Vec::new();
        for part in bytes.chunks(portion) {
            frames.push(part);
            while let Some(frame) = frames.next() {
                found.push((frame.bytes.to_vec(), frame.can_be_missed));
            }
        }
        assert!(frames.rest().is_empty());
        found
    }

    #[test]
    fn redis_messages_are_told_from_answers() {
        let stream: [(&str, bool); 7] = [
            ("+OK\r\n", false),
            ("*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$4\r\n\r\n\r\n\r\n", true),
            ("*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n", false),
            (">3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$0\r\n\r\n", true),
            ("%1\r\n+a\r\n*2\r\n:1\r\n_\r\n", false),
            ("$-1\r\n", false),
            ("*2\r\n$3\r\nyes\r\n*1\r\n$7\r\nmessage\r\n", false),
        ];
        let bytes: String = stream.iter().map(|(text, _)| *text).collect();
        for portion in [1, 2, 3, 7, 1_000] {
            let found = frames(Framing::Redis, bytes.as_bytes(), portion);
            let wanted = stream.map(|(text, missable)| (text.as_bytes().to_vec(), missable));
            assert_eq!(found, wanted, "portions of {portion}");
        }
    }

    #[test]
    fn cql_answers_are_found() {
        let result = [0x84, 0, 0, 1, 8, 0, 0, 0, 2, 7, 7];
        let ready = [0x84, 0, 0, 1, 2, 0, 0, 0, 0];
        let bytes = [&result[..], &ready[..], &result[..]].concat();
        for portion in [1, 5, 100] {
            let found = frames(Framing::Cql, &bytes, portion);
            let wanted =
                [(result.to_vec(), true), (ready.to_vec(), false), (result.to_vec(), true)];
            assert_eq!(found, wanted);
        }
    }
}
