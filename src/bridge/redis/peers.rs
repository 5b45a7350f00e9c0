//! Who the other nodes are, as the bridge needs to know it.

use std::sync::Arc;

use schema::NodeId;

/// Told by the membership.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    /// All other nodes that live. `None`: nobody knows yet.
    pub others: Option<Arc<[NodeId]>>,
    /// Goes up when the others have had time to learn of this node, which they did not know, or no
    /// longer: what they sent to all until then did not come here.
    pub introduced: u64,
}

impl Peers {
    /// These, unchanging: for tests and tools.
    #[must_use]
    pub fn fixed(others: impl IntoIterator<Item = NodeId>) -> Self {
        Self { others: Some(others.into_iter().collect()), introduced: 0 }
    }
}
