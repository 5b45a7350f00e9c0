//! Positions that are not stored yet: merged here, written in groups. Pure.

use std::collections::BTreeMap;

use schema::record::PositionAdvance;
use schema::{ConversationId, DeviceId, Sequence, UserId};

/// Merged advances by conversation and device.
#[derive(Debug, Default)]
pub struct Positions {
    delivered: BTreeMap<(ConversationId, DeviceId), Sequence>,
    read: BTreeMap<ConversationId, Sequence>,
}

/// Positions that the store was given and has not answered yet.
#[derive(Debug, Default)]
pub struct OnTheirWay {
    advances: Vec<PositionAdvance>,
    writes: usize,
}

impl OnTheirWay {
    /// One more write, of these and of all that are on their way.
    pub fn with(&mut self, fresh: Vec<PositionAdvance>) -> Vec<PositionAdvance> {
        self.advances.extend(fresh);
        self.writes += 1;
        self.advances.clone()
    }

    /// A write was answered; true when no other is under way.
    pub const fn is_last_answer(&mut self) -> bool {
        self.writes = self.writes.saturating_sub(1);
        self.writes == 0
    }
}

impl Positions {
    pub fn delivered(&mut self, conversation: ConversationId, device: DeviceId, seq: Sequence) {
        let position = self.delivered.entry((conversation, device)).or_default();
        *position = seq.max(*position);
    }

    pub fn read(&mut self, conversation: ConversationId, seq: Sequence) {
        let position = self.read.entry(conversation).or_default();
        *position = seq.max(*position);
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.delivered.is_empty() && self.read.is_empty()
    }

    /// Takes everything, to be written. `is_private` tells of a conversation whether others are to
    /// see nothing of what was delivered, and of what was read.
    pub fn take(
        &mut self,
        user_id: UserId,
        is_private: impl Fn(ConversationId) -> (bool, bool),
    ) -> Vec<PositionAdvance> {
        let delivered = std::mem::take(&mut self.delivered).into_iter().map(
            |((conversation_id, device), seq)| PositionAdvance {
                user_id,
                conversation_id,
                delivered: Some((device, seq)),
                read: None,
                is_private: is_private(conversation_id).0,
            },
        );
        let read = std::mem::take(&mut self.read).into_iter().map(|(conversation_id, seq)| {
            let (read, is_private) = (Some(seq), is_private(conversation_id).1);
            PositionAdvance { user_id, conversation_id, delivered: None, read, is_private }
        });
        delivered.chain(read).collect()
    }
}
