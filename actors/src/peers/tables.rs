//! What a node knows of the others, and what of it is due. Pure; times are milliseconds on any
//! monotonic clock. Driven by [`super::Peers`] and by the simulator.

use std::collections::BTreeMap;
use std::sync::Arc;

use schema::cluster::envelope::Head;
use schema::record::Entry;
use schema::{ConversationId, NodeId};

use super::batches::Batches;
use super::followers::Followers;
use super::following::Following;
use super::recent_heads::RecentHeads;

/// Heads with traffic lately are said this often.
const HEADS_MS: u64 = 5_000;
/// While the bridge is down, heads are read from the store this often.
const CUT_OFF_MS: u64 = 5_000;
const EXPIRE_MS: u64 = 10_000;

/// Entries of one conversation from one commit.
pub type Stored = (ConversationId, Arc<[Entry]>);

#[derive(Default)]
pub struct Tables {
    pub followers: Followers,
    pub following: Following,
    pub recent: RecentHeads,
    pub batches: Batches,
    heads_at_ms: u64,
    expire_at_ms: u64,
    cut_off_at_ms: u64,
}

impl Tables {
    /// A node wants news: the heads of those that had traffic lately.
    pub fn on_follow(
        &mut self,
        from: NodeId,
        conversations: &[ConversationId],
        now_ms: u64,
    ) -> Vec<Head> {
        let mut heads = Vec::new();
        for &conversation_id in conversations {
            self.followers.follow(from, conversation_id, now_ms);
            let head = self.recent.of(conversation_id);
            heads.extend(head.map(|seq| Head { conversation_id, seq }));
        }
        heads
    }

    /// Who is to hear of what was stored.
    #[must_use]
    pub fn by_follower<'a>(&self, groups: &'a [Stored]) -> BTreeMap<NodeId, Vec<&'a Stored>> {
        let mut by_node: BTreeMap<NodeId, Vec<&Stored>> = BTreeMap::new();
        for group in groups {
            for node in self.followers.of(group.0) {
                by_node.entry(node).or_default().push(group);
            }
        }
        by_node
    }

    /// Whether all is to be doubted again, as this node cannot hear the others.
    pub fn is_doubt_due(&mut self, is_connected: bool, now_ms: u64) -> bool {
        let is_due = !is_connected && now_ms >= self.cut_off_at_ms;
        if is_due {
            self.cut_off_at_ms = now_ms + CUT_OFF_MS;
        }
        is_due
    }

    /// Where logs end that had traffic lately, for each node that follows them.
    pub fn heads_due(&mut self, now_ms: u64) -> BTreeMap<NodeId, Vec<Head>> {
        let mut by_node: BTreeMap<NodeId, Vec<Head>> = BTreeMap::new();
        if now_ms < self.heads_at_ms {
            return by_node;
        }
        self.heads_at_ms = now_ms + HEADS_MS;
        for (conversation_id, seq) in self.recent.iter() {
            for node in self.followers.of(conversation_id) {
                by_node.entry(node).or_default().push(Head { conversation_id, seq });
            }
        }
        by_node
    }

    /// Forgets what was not said again.
    pub fn expire_due(&mut self, now_ms: u64) {
        if now_ms >= self.expire_at_ms {
            self.expire_at_ms = now_ms + EXPIRE_MS;
            self.followers.expire(now_ms);
            self.recent.expire(now_ms);
            self.batches.expire(now_ms);
        }
    }
}
