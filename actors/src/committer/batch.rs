//! Which waiting entries make the next commit. Pure.

use std::collections::{BTreeMap, VecDeque};

use schema::ConversationId;
use schema::record::Entry;

use super::payload;

/// How much one commit may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BatchLimits {
    pub entries_max: usize,
    /// An entry larger than this travels alone.
    pub bytes_max: usize,
    /// Entries of one conversation while others wait.
    pub per_conversation: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { entries_max: 256, bytes_max: 64 * 1024, per_conversation: 32 }
    }
}

/// A numbered entry with its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PackedEntry {
    pub entry: Entry,
    pub bytes: Vec<u8>,
}

impl PackedEntry {
    #[must_use]
    pub fn new(entry: Entry) -> Self {
        let bytes = payload::encode_entry(&entry);
        Self { entry, bytes }
    }
}

/// Takes the next commit's entries from `waiting`, keeping each conversation's order.
///
/// A conversation gets at most its share in the first pass; what room is left goes to whoever
/// waited longest.
pub fn take(waiting: &mut VecDeque<PackedEntry>, limits: &BatchLimits) -> Vec<PackedEntry> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    let mut shares: BTreeMap<ConversationId, usize> = BTreeMap::new();
    let mut left = VecDeque::new();
    while batch.len() < limits.entries_max
        && let Some(next) = waiting.pop_front()
    {
        let share = shares.entry(next.entry.conversation_id).or_default();
        if *share >= limits.per_conversation {
            left.push_back(next);
        } else if fits(bytes, &next, &batch, limits) {
            *share += 1;
            bytes += next.bytes.len();
            batch.push(next);
        } else {
            waiting.push_front(next);
            break;
        }
    }
    while batch.len() < limits.entries_max
        && left.front().is_some_and(|next| fits(bytes, next, &batch, limits))
        && let Some(next) = left.pop_front()
    {
        bytes += next.bytes.len();
        batch.push(next);
    }
    while let Some(late) = left.pop_back() {
        waiting.push_front(late);
    }
    batch
}

fn fits(bytes: usize, next: &PackedEntry, batch: &[PackedEntry], limits: &BatchLimits) -> bool {
    batch.is_empty() || bytes + next.bytes.len() <= limits.bytes_max
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::committer::tests::entry;

    fn waiting(conversations: &[(u8, u64)]) -> VecDeque<PackedEntry> {
        conversations.iter().map(|(id, seq)| PackedEntry::new(entry(*id, *seq, "x"))).collect()
    }

    fn keys(batch: &[PackedEntry]) -> Vec<(u8, u64)> {
        batch.iter().map(|it| (it.entry.conversation_id.as_bytes()[0], it.entry.seq.0)).collect()
    }

    #[test]
    fn a_busy_conversation_leaves_room_for_the_others() {
        let limits = BatchLimits { entries_max: 4, bytes_max: 100_000, per_conversation: 2 };
        let mut queue = waiting(&[(1, 1), (1, 2), (1, 3), (1, 4), (2, 1)]);
        assert_eq!(keys(&take(&mut queue, &limits)), [(1, 1), (1, 2), (2, 1), (1, 3)]);
        assert_eq!(keys(&take(&mut queue, &limits)), [(1, 4)]);
    }

    #[test]
    fn what_does_not_fit_waits_in_order() {
        let one = PackedEntry::new(entry(1, 1, "x")).bytes.len();
        let limits = BatchLimits { entries_max: 10, bytes_max: one * 2, per_conversation: 1 };
        let mut queue = waiting(&[(1, 1), (1, 2), (2, 1), (3, 1)]);
        assert_eq!(keys(&take(&mut queue, &limits)), [(1, 1), (2, 1)]);
        assert_eq!(keys(&take(&mut queue, &limits)), [(1, 2), (3, 1)]);
    }

    #[test]
    fn an_entry_above_the_limit_travels_alone() {
        let limits = BatchLimits { entries_max: 10, bytes_max: 1, per_conversation: 10 };
        let mut queue = waiting(&[(1, 1), (1, 2)]);
        assert_eq!(keys(&take(&mut queue, &limits)), [(1, 1)]);
        assert_eq!(keys(&take(&mut queue, &limits)), [(1, 2)]);
        assert!(take(&mut queue, &limits).is_empty());
    }

    proptest::proptest! {
        #[test]
        fn nothing_is_lost_and_each_conversation_stays_in_order(
            ids in proptest::collection::vec(0_u8..5, 0..200),
            entries_max in 1_usize..40, per_conversation in 1_usize..10,
        ) {
            let mut seqs = [0_u64; 5];
            let input: Vec<(u8, u64)> = ids.iter().map(|id| {
                seqs[usize::from(*id)] += 1;
                (*id, seqs[usize::from(*id)])
            }).collect();
            let mut queue = waiting(&input);
            let limits = BatchLimits { entries_max, bytes_max: 2_000, per_conversation };
            let mut next = [1_u64; 5];
            let mut total = 0;
            while !queue.is_empty() {
                let batch = take(&mut queue, &limits);
                proptest::prop_assert!(!batch.is_empty() && batch.len() <= entries_max);
                for (id, seq) in keys(&batch) {
                    proptest::prop_assert_eq!(seq, next[usize::from(id)]);
                    next[usize::from(id)] += 1;
                    total += 1;
                }
            }
            proptest::prop_assert_eq!(total, input.len());
        }
    }
}
