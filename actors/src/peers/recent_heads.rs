//! Where the logs of this node's shards end that had traffic lately. Pure.
//!
//! Followers compare: an announcement that was lost, the last one too, shows by it.

use std::collections::BTreeMap;

use schema::{ConversationId, Sequence};

/// Traffic this long ago is lately.
pub const RECENT_MS: u64 = 60_000;

struct Recent {
    shard: u32,
    head: Sequence,
    at_ms: u64,
}

/// Heads by conversation. Times are milliseconds on any monotonic clock.
#[derive(Default)]
pub struct RecentHeads {
    by_conversation: BTreeMap<ConversationId, Recent>,
}

impl RecentHeads {
    pub fn stored(
        &mut self,
        shard: u32,
        conversation: ConversationId,
        head: Sequence,
        now_ms: u64,
    ) {
        let recent = self.by_conversation.entry(conversation).or_insert(Recent {
            shard,
            head,
            at_ms: now_ms,
        });
        recent.head = recent.head.max(head);
        recent.at_ms = now_ms;
    }

    #[must_use]
    pub fn of(&self, conversation: ConversationId) -> Option<Sequence> {
        self.by_conversation.get(&conversation).map(|recent| recent.head)
    }

    pub fn iter(&self) -> impl Iterator<Item = (ConversationId, Sequence)> {
        self.by_conversation.iter().map(|(id, recent)| (*id, recent.head))
    }

    /// This node does not own the shard any more.
    pub fn forget_shard(&mut self, shard: u32) {
        self.by_conversation.retain(|_, recent| recent.shard != shard);
    }

    pub fn expire(&mut self, now_ms: u64) {
        self.by_conversation.retain(|_, recent| recent.at_ms + RECENT_MS > now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_grow_and_are_forgotten() {
        let (mut heads, conversation) = (RecentHeads::default(), ConversationId::generate());
        heads.stored(1, conversation, Sequence(5), 0);
        heads.stored(1, conversation, Sequence(4), 10);
        assert_eq!(heads.of(conversation), Some(Sequence(5)));
        heads.expire(RECENT_MS);
        assert_eq!(heads.iter().count(), 1);
        heads.expire(RECENT_MS + 10);
        assert_eq!(heads.of(conversation), None);
        heads.stored(2, conversation, Sequence(6), 0);
        heads.forget_shard(2);
        assert_eq!(heads.of(conversation), None);
    }
}
