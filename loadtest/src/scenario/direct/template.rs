//! A `send_message` frame encoded once; each send only fills in what differs.

use schema::record::Content;
use schema::wire::{ClientFrame, Encoding, SendMessage, codec};
use schema::{ConversationId, MessageId};

/// References begin here, so that each takes the same nine bytes.
const REFERENCE_BASE: u64 = 1 << 40;
/// Hexadecimal digits of the number that a text begins with.
const NUMBER_DIGITS: usize = 16;

/// The bytes of a frame, and where its three changing parts lie.
#[derive(Clone, Debug)]
pub struct Template {
    bytes: Vec<u8>,
    reference_at: usize,
    message_id_at: usize,
    text_at: usize,
    text_bytes: usize,
}

impl Template {
    /// Texts will be `text_bytes` long, 16 at least: their number, then padding.
    #[must_use]
    pub fn new(conversation_id: ConversationId, text_bytes: usize) -> Self {
        let (number, message_id) = (0x5a5a_a5a5_5a5a_a5a5, MessageId::from_bytes([0xa7; 16]));
        let text = Self::text_of(number, text_bytes);
        let frame = ClientFrame::SendMessage(SendMessage::new(
            REFERENCE_BASE,
            message_id,
            conversation_id,
            Content::Text { text: text.clone() },
        ));
        let bytes = codec::encode(Encoding::MessagePack, &frame).to_vec();
        Self {
            reference_at: place(&bytes, &REFERENCE_BASE.to_be_bytes()),
            message_id_at: place(&bytes, message_id.as_bytes()),
            text_at: place(&bytes, text.as_bytes()),
            text_bytes,
            bytes,
        }
    }

    /// The frame of message `number`.
    pub fn fill(&mut self, message_id: MessageId, number: u64) -> &[u8] {
        let reference = Self::reference_of(number).to_be_bytes();
        self.bytes[self.reference_at..][..8].copy_from_slice(&reference);
        self.bytes[self.message_id_at..][..16].copy_from_slice(message_id.as_bytes());
        for (index, digit) in self.bytes[self.text_at..][..NUMBER_DIGITS].iter_mut().enumerate() {
            let nibble = (number >> (4 * (NUMBER_DIGITS - 1 - index))) & 0xf;
            *digit = b"0123456789abcdef"[nibble as usize];
        }
        &self.bytes
    }

    /// The text of message `number`.
    #[must_use]
    pub fn text(&self, number: u64) -> String {
        Self::text_of(number, self.text_bytes)
    }

    /// The `ref` of message `number`.
    #[must_use]
    pub const fn reference_of(number: u64) -> u64 {
        REFERENCE_BASE + number
    }

    fn text_of(number: u64, text_bytes: usize) -> String {
        let padding = text_bytes.saturating_sub(NUMBER_DIGITS);
        format!("{number:016x}{}", ".".repeat(padding))
    }
}

/// Where `part` lies in `whole`; the parts looked for are made to occur once.
fn place(whole: &[u8], part: &[u8]) -> usize {
    whole.windows(part.len()).position(|window| window == part).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filled_frames_decode_to_what_was_meant() {
        let conversation_id = ConversationId::generate();
        for text_bytes in [16, 100, 5_000] {
            let mut template = Template::new(conversation_id, text_bytes);
            for number in [0, 1, 0xfedc_ba98_7654] {
                let message_id = MessageId::generate();
                let text = template.text(number);
                assert_eq!(text.len(), text_bytes);
                let bytes = template.fill(message_id, number);
                let ClientFrame::SendMessage(frame) =
                    codec::decode_client(Encoding::MessagePack, bytes).unwrap()
                else {
                    panic!("another frame");
                };
                assert_eq!(frame.reference, Template::reference_of(number));
                assert_eq!(frame.message_id, message_id);
                assert_eq!(frame.conversation_id, conversation_id);
                assert_eq!(frame.content, Content::Text { text });
            }
        }
    }
}
