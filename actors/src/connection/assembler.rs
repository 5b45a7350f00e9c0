//! Fragments to whole messages, within a limit on the whole (RFC 6455 section 5.4). Pure.

use bytes::{Bytes, BytesMut};

/// A piece of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Whole { text: bool, bytes: Bytes },
    First { text: bool, bytes: Bytes },
    Middle(Bytes),
    Last(Bytes),
}

/// Why pieces make no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssembleError {
    TooLarge,
    /// A continuation of nothing, or a new message inside another.
    OutOfOrder,
}

/// A whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assembled {
    pub text: bool,
    pub bytes: Bytes,
}

/// Holds the fragments of one unfinished message; empty, it costs a pointer.
#[derive(Debug, Default)]
pub struct Assembler {
    unfinished: Option<Box<(bool, BytesMut)>>,
}

impl Assembler {
    /// Takes a piece; gives the message that it completes.
    ///
    /// # Errors
    /// [`AssembleError`]; the socket cannot go on after it.
    pub fn take(
        &mut self,
        piece: Piece,
        bytes_max: usize,
    ) -> Result<Option<Assembled>, AssembleError> {
        match piece {
            Piece::Whole { .. } | Piece::First { .. } if self.unfinished.is_some() => {
                Err(AssembleError::OutOfOrder)
            }
            Piece::Whole { bytes, .. } | Piece::First { bytes, .. } if bytes.len() > bytes_max => {
                Err(AssembleError::TooLarge)
            }
            Piece::Whole { text, bytes } => Ok(Some(Assembled { text, bytes })),
            Piece::First { text, bytes } => {
                self.unfinished = Some(Box::new((text, BytesMut::from(&bytes[..]))));
                Ok(None)
            }
            Piece::Middle(bytes) => self.append(&bytes, bytes_max).map(|()| None),
            Piece::Last(bytes) => {
                self.append(&bytes, bytes_max)?;
                let whole = self.unfinished.take().ok_or(AssembleError::OutOfOrder)?;
                Ok(Some(Assembled { text: whole.0, bytes: whole.1.freeze() }))
            }
        }
    }

    fn append(&mut self, bytes: &[u8], bytes_max: usize) -> Result<(), AssembleError> {
        let (_, so_far) = &mut **self.unfinished.as_mut().ok_or(AssembleError::OutOfOrder)?;
        if so_far.len() + bytes.len() > bytes_max {
            return Err(AssembleError::TooLarge);
        }
        so_far.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[test]
    fn joins_fragments_and_lets_whole_messages_through() {
        let mut assembler = Assembler::default();
        let whole = Piece::Whole { text: true, bytes: bytes("abc") };
        assert_eq!(assembler.take(whole, 3).unwrap().unwrap().bytes, "abc");
        assert_eq!(assembler.take(Piece::First { text: false, bytes: bytes("a") }, 9), Ok(None));
        assert_eq!(assembler.take(Piece::Middle(bytes("b")), 9), Ok(None));
        let joined = assembler.take(Piece::Last(bytes("c")), 9).unwrap().unwrap();
        assert_eq!(joined, Assembled { text: false, bytes: bytes("abc") });
    }

    #[test]
    fn refuses_what_grows_too_large_piece_by_piece() {
        let mut assembler = Assembler::default();
        let first = Piece::First { text: true, bytes: bytes("ab") };
        assert_eq!(assembler.take(first, 3), Ok(None));
        assert_eq!(assembler.take(Piece::Middle(bytes("cd")), 3), Err(AssembleError::TooLarge));
    }

    #[test]
    fn refuses_pieces_out_of_order() {
        let mut assembler = Assembler::default();
        assert_eq!(assembler.take(Piece::Last(bytes("x")), 9), Err(AssembleError::OutOfOrder));
        assert_eq!(assembler.take(Piece::First { text: true, bytes: bytes("x") }, 9), Ok(None));
        let again = Piece::Whole { text: true, bytes: bytes("x") };
        assert_eq!(assembler.take(again, 9), Err(AssembleError::OutOfOrder));
    }
}
