//! Cuts an XMPP stream into stanzas. Pure, and no XML parser: it counts tags, which suffices for
//! what servers send (no comments, no CDATA).

use std::ops::Range;

/// Bytes that came, and how far they were looked at.
#[derive(Debug, Default)]
pub struct Splitter {
    bytes: Vec<u8>,
    scanned: usize,
    /// Where the stanza begins that is being looked at.
    begin: usize,
    depth: usize,
}

/// What was found next.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// One whole element below the stream's.
    Stanza(Range<usize>),
    /// The server ended the stream.
    End,
}

impl Splitter {
    /// Room for more bytes: what was handed out before is forgotten.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        let keep = if self.depth > 0 { self.begin } else { self.scanned };
        if keep > 0 {
            self.bytes.drain(..keep);
            self.scanned -= keep;
            self.begin = 0;
        }
        &mut self.bytes
    }

    /// The bytes of a piece.
    #[must_use]
    pub fn text(&self, piece: Range<usize>) -> &str {
        std::str::from_utf8(&self.bytes[piece]).unwrap_or_default()
    }

    /// The next whole piece, if it has come.
    pub fn take(&mut self) -> Option<Piece> {
        loop {
            let Some(open) = find(&self.bytes, self.scanned, b'<') else {
                self.scanned = self.bytes.len();
                return None;
            };
            let Some(close) = end_of_tag(&self.bytes, open) else {
                self.scanned = open;
                return None;
            };
            self.scanned = close + 1;
            let tag = &self.bytes[open..=close];
            if tag.starts_with(b"<?") || tag.starts_with(b"<stream:stream") {
                continue;
            }
            if tag.starts_with(b"</stream:stream") {
                return Some(Piece::End);
            }
            if self.depth == 0 {
                self.begin = open;
            }
            if tag.starts_with(b"</") {
                self.depth = self.depth.saturating_sub(1);
            } else if !tag.ends_with(b"/>") {
                self.depth += 1;
            }
            if self.depth == 0 {
                return Some(Piece::Stanza(self.begin..self.scanned));
            }
        }
    }
}

fn find(bytes: &[u8], from: usize, wanted: u8) -> Option<usize> {
    bytes[from..].iter().position(|byte| *byte == wanted).map(|at| from + at)
}

/// Values of attributes may hold the sign that ends a tag.
fn end_of_tag(bytes: &[u8], open: usize) -> Option<usize> {
    let mut quote = None;
    for (index, byte) in bytes[open..].iter().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(open + index),
            (None, b'"' | b'\'') => quote = Some(*byte),
            (Some(until), _) if until == *byte => quote = None,
            _ => {}
        }
    }
    None
}

/// What stands between `<name>` and `</name>`, the first time.
#[must_use]
pub fn inner<'a>(stanza: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = stanza.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}

/// Whether the outermost tag is `name` and says `attribute='value'`.
#[must_use]
pub fn says(stanza: &str, name: &str, attribute: &str, value: &str) -> bool {
    let Some(tag) = stanza.strip_prefix('<').and_then(|rest| rest.strip_prefix(name)) else {
        return false;
    };
    let tag = tag.split('>').next().unwrap_or_default();
    tag.contains(&format!("{attribute}='{value}'"))
        || tag.contains(&format!("{attribute}=\"{value}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(chunks: &[&str]) -> Vec<String> {
        let (mut splitter, mut found) = (Splitter::default(), Vec::new());
        for chunk in chunks {
            splitter.buffer().extend_from_slice(chunk.as_bytes());
            while let Some(piece) = splitter.take() {
                found.push(match piece {
                    Piece::Stanza(range) => splitter.text(range).to_owned(),
                    Piece::End => "END".to_owned(),
                });
            }
        }
        found
    }

    #[test]
    fn stanzas_are_found_however_the_stream_is_cut() {
        let stream = "<?xml version='1.0'?><stream:stream id='1' from='a'>\
                      <stream:features><bind xmlns='b'/></stream:features> \
                      <message to='a>b'><body>1 &lt; 2</body><x/></message><presence/>\
                      </stream:stream>";
        let wanted = [
            "<stream:features><bind xmlns='b'/></stream:features>",
            "<message to='a>b'><body>1 &lt; 2</body><x/></message>",
            "<presence/>",
            "END",
        ];
        assert_eq!(pieces(&[stream]), wanted);
        for cut in 1..stream.len() {
            assert_eq!(pieces(&[&stream[..cut], &stream[cut..]]), wanted, "cut at {cut}");
        }
        let each: Vec<&str> = stream.split_inclusive(|_: char| true).collect();
        assert_eq!(pieces(&each), wanted);
    }

    #[test]
    fn what_matters_of_a_stanza_is_found() {
        let stanza = "<iq id=\"7\" type='result'><fin><count>12</count></fin></iq>";
        assert_eq!(inner(stanza, "count"), Some("12"));
        assert_eq!(inner(stanza, "body"), None);
        assert!(says(stanza, "iq", "type", "result") && says(stanza, "iq", "id", "7"));
        assert!(!says(stanza, "iq", "type", "error") && !says(stanza, "message", "id", "7"));
    }
}
