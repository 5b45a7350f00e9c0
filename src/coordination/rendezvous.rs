//! Which of some nodes a shard belongs to: highest random weight.
//!
//! Every node computes it alone and gets the same answer. When a node comes or goes, only the
//! shards that it wins or had won move.

use schema::NodeId;

/// The node among `nodes` with the highest weight for `shard`; `None` of none.
#[must_use]
pub fn winner(shard: u32, nodes: impl IntoIterator<Item = NodeId>) -> Option<NodeId> {
    nodes.into_iter().max_by_key(|node| (weight(shard, *node), *node))
}

/// Never to change: nodes of different versions must agree.
fn weight(shard: u32, node: NodeId) -> u64 {
    let (high, low) = node.0.as_u64_pair();
    mix(high ^ mix(low ^ mix(u64::from(shard))))
}

/// The finaliser of `SplitMix64`: every bit of the input moves every bit of the output.
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn node(byte: u8) -> NodeId {
        NodeId::from_bytes([byte; 16])
    }

    #[test]
    fn weights_stay_what_they_are_forever() {
        let weights = [(0, 1), (1, 1), (0, 2), (63, 255)]
            .map(|(shard, byte)| format!("{:016x}", weight(shard, node(byte))));
        assert_eq!(
            weights,
            ["73e83c4d397fb7d1", "bb21737b09b31192", "7fd9ae89eb41d84f", "72515709c3dda1d8"]
        );
        let nodes = [node(1), node(2), node(3)];
        let winners = (0..16).map(|shard| winner(shard, nodes).unwrap().as_bytes()[0]);
        let expected = [3, 1, 1, 3, 3, 1, 1, 1, 3, 2, 2, 2, 1, 2, 2, 1];
        assert_eq!(winners.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn nobody_wins_among_none_and_the_only_one_wins_all() {
        assert_eq!(winner(1, []), None);
        assert!((0..100).all(|shard| winner(shard, [node(9)]) == Some(node(9))));
    }

    fn some_nodes() -> impl Strategy<Value = BTreeSet<NodeId>> {
        prop::collection::btree_set(any::<[u8; 16]>().prop_map(NodeId::from_bytes), 1..12)
    }

    proptest! {
        #[test]
        fn the_order_of_the_nodes_does_not_matter(nodes in some_nodes(), shard: u32) {
            let forwards = winner(shard, nodes.iter().copied());
            prop_assert_eq!(forwards, winner(shard, nodes.iter().rev().copied()));
        }

        #[test]
        fn who_comes_takes_its_share_and_moves_nothing_else(
            nodes in some_nodes(),
            bytes: [u8; 16],
        ) {
            const SHARDS: u32 = 4096;
            let newcomer = NodeId::from_bytes(bytes);
            prop_assume!(!nodes.contains(&newcomer));
            let mut moved = 0_usize;
            for shard in 0..SHARDS {
                let before = winner(shard, nodes.iter().copied());
                let after = winner(shard, nodes.iter().copied().chain([newcomer]));
                if before != after {
                    prop_assert_eq!(after, Some(newcomer));
                    moved += 1;
                }
            }
            let share = SHARDS as usize / (nodes.len() + 1);
            prop_assert!(moved > share / 2 && moved < share * 2, "{} of {}", moved, share);
        }
    }
}
