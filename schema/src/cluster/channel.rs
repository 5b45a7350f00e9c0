//! Every channel and key name that nodes share: one place to see what a shared server may hold.
//!
//! ```text
//! sb:inbox:<node>               channel   frames for one node
//! sb:{membership}:nodes         set       ids of nodes that live, or lately did
//! sb:{membership}:node:<node>   text      what a living node tells of itself; expires
//! sb:{membership}:pins          hash      node by shard, of shards that operators moved by hand
//! ```
//!
//! `sb` is the prefix: clusters that share a server differ in it. What stands in braces is the hash
//! tag: names with the same tag lie in one slot, so that one script may touch them all. Inboxes
//! have none, so that a cluster spreads them.

use crate::NodeId;

/// Used where none is configured.
pub const PREFIX_DEFAULT: &str = "sb";
/// Bytes of the longest prefix.
pub const PREFIX_SIZE_MAX: usize = 32;

/// The prefix is empty, too long, or holds something other than letters, digits, `-`, `_`, `.`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a prefix has 1 to {PREFIX_SIZE_MAX} characters: letters, digits, '-', '_', '.'")]
pub struct BadPrefix;

/// The names of one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    prefix: String,
}

impl Default for Names {
    fn default() -> Self {
        Self { prefix: PREFIX_DEFAULT.to_owned() }
    }
}

impl Names {
    /// # Errors
    /// [`BadPrefix`]; braces, for one, would move keys to other slots.
    pub fn try_new(prefix: &str) -> Result<Self, BadPrefix> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let has_good_size = (1..=PREFIX_SIZE_MAX).contains(&prefix.len());
        if has_good_size && prefix.bytes().all(is_allowed) {
            Ok(Self { prefix: prefix.to_owned() })
        } else {
            Err(BadPrefix)
        }
    }

    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Channel of the frames for `node`.
    #[must_use]
    pub fn inbox(&self, node: NodeId) -> String {
        format!("{}:inbox:{node}", self.prefix)
    }

    /// Set of the ids of nodes.
    #[must_use]
    pub fn nodes(&self) -> String {
        format!("{}:{{membership}}:nodes", self.prefix)
    }

    /// Hash of the nodes that operators gave shards to.
    #[must_use]
    pub fn pins(&self) -> String {
        format!("{}:{{membership}}:pins", self.prefix)
    }

    /// What stands before the id in [`Self::node`].
    #[must_use]
    pub fn node_stem(&self) -> String {
        format!("{}:{{membership}}:node:", self.prefix)
    }

    /// What `node` tells of itself.
    #[must_use]
    pub fn node(&self, node: NodeId) -> String {
        format!("{}{node}", self.node_stem())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_nodes_of_other_versions_expect() {
        let (names, node) = (Names::default(), NodeId::from_bytes([7; 16]));
        assert_eq!(names.inbox(node), "sb:inbox:07070707-0707-0707-0707-070707070707");
        assert_eq!(names.nodes(), "sb:{membership}:nodes");
        assert_eq!(names.pins(), "sb:{membership}:pins");
        assert_eq!(names.node(node), "sb:{membership}:node:07070707-0707-0707-0707-070707070707");
    }

    #[test]
    fn a_prefix_cannot_change_the_slot_or_the_shape() {
        assert_eq!(Names::try_new("shop-1.eu_b").map(|it| it.prefix().len()), Ok(11));
        for bad in ["", "a{b}", "a:b", "a b", "ä", &"x".repeat(PREFIX_SIZE_MAX + 1)] {
            assert_eq!(Names::try_new(bad), Err(BadPrefix), "{bad:?}");
        }
    }
}
