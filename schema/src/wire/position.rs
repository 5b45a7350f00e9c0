//! What a device has of a conversation.

use serde::{Deserialize, Serialize};

use crate::{ConversationId, Sequence};

/// "I have everything of this conversation up to `seq`."
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub conversation_id: ConversationId,
    pub seq: Sequence,
    /// Of the log that `seq` is a number of, where that is known: numbers given before a restore
    /// may have been given again.
    #[serde(rename = "gen", default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u32>,
}

impl Position {
    /// Without a generation.
    #[must_use]
    pub const fn new(conversation_id: ConversationId, seq: Sequence) -> Self {
        Self { conversation_id, seq, generation: None }
    }

    /// Whether it names another generation than this. Zero is none: generations count from 1.
    #[must_use]
    pub fn is_of_another(&self, generation: u32) -> bool {
        self.generation.is_some_and(|named| named != 0 && named != generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_of_another_log_only_where_it_says_so() {
        let id = ConversationId::from_bytes([1; 16]);
        let named = |generation| Position { generation, ..Position::new(id, Sequence(9)) };
        let is_of_another = [None, Some(0), Some(2), Some(1), Some(3)].map(named);
        let is_of_another = is_of_another.map(|position| position.is_of_another(2));
        assert_eq!(is_of_another, [false, false, false, true, true]);
    }
}
