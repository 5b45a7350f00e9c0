//! Which nodes want the news of which conversations of this node's shards. Pure.
//!
//! Kept in memory only: followers say again what they want, on a timer and to each new owner.

use std::collections::HashMap;

use schema::{ConversationId, NodeId};

/// A node that does not say again what it follows is forgotten after this time.
pub const FOLLOW_MS: u64 = 90_000;

struct Follower {
    node: NodeId,
    until_ms: u64,
}

/// Followers by conversation. Times are milliseconds on any monotonic clock.
#[derive(Default)]
pub struct Followers {
    by_conversation: HashMap<ConversationId, Vec<Follower>>,
}

impl Followers {
    pub fn follow(&mut self, node: NodeId, conversation: ConversationId, now_ms: u64) {
        let until_ms = now_ms + FOLLOW_MS;
        let followers = self.by_conversation.entry(conversation).or_default();
        match followers.iter_mut().find(|it| it.node == node) {
            Some(known) => known.until_ms = until_ms,
            None => {
                followers.reserve_exact(1);
                followers.push(Follower { node, until_ms });
            }
        }
    }

    pub fn unfollow(&mut self, node: NodeId, conversation: ConversationId) {
        if let Some(followers) = self.by_conversation.get_mut(&conversation) {
            followers.retain(|it| it.node != node);
            if followers.is_empty() {
                self.by_conversation.remove(&conversation);
            }
        }
    }

    /// The nodes that want this conversation's news.
    pub fn of(&self, conversation: ConversationId) -> impl Iterator<Item = NodeId> {
        self.by_conversation.get(&conversation).into_iter().flatten().map(|it| it.node)
    }

    /// Forgets those who have not said again what they want.
    pub fn expire(&mut self, now_ms: u64) {
        self.by_conversation.retain(|_, followers| {
            followers.retain(|it| it.until_ms > now_ms);
            !followers.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_is_kept_as_long_as_it_says_so() {
        let (mut followers, conversation) = (Followers::default(), ConversationId::generate());
        let (first, second) = (NodeId::generate(), NodeId::generate());
        followers.follow(first, conversation, 0);
        followers.follow(second, conversation, 0);
        followers.follow(first, conversation, 60_000);
        assert_eq!(followers.of(conversation).collect::<Vec<_>>(), [first, second]);
        followers.expire(FOLLOW_MS);
        assert_eq!(followers.of(conversation).collect::<Vec<_>>(), [first]);
        followers.unfollow(first, conversation);
        assert!(followers.by_conversation.is_empty());
    }
}
