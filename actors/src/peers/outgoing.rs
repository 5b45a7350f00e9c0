//! Cutting what is to be announced into frames of a bounded size. Pure.

use std::sync::Arc;

use schema::cluster::envelope::{Announce, Announced, Head, NodeFrame};
use schema::record::Entry;
use schema::{ConversationId, Epoch};

/// Frames are about this large at most, bytes.
const FRAME_BYTES_MAX: usize = 64 * 1024;

/// About what an entry takes in a frame, bytes.
fn size(entry: &Entry) -> usize {
    200 + entry.event.size()
}

/// Who gives the numbers of a shard says so.
pub const fn says(shard: u32, epoch: Epoch) -> NodeFrame {
    NodeFrame::Announce(Announce {
        shard,
        epoch,
        news: Vec::new(),
        heads: Vec::new(),
        traces: Vec::new(),
    })
}

/// The frames that tell one follower of stored entries. What is too large to travel is named by
/// its number; the follower reads it from the store.
pub fn announce<'a>(
    shard: u32,
    epoch: Epoch,
    groups: impl Iterator<Item = &'a (ConversationId, Arc<[Entry]>)>,
) -> Vec<NodeFrame> {
    let empty =
        || Announce { shard, epoch, news: Vec::new(), heads: Vec::new(), traces: Vec::new() };
    let (mut frames, mut frame, mut bytes) = (Vec::new(), empty(), 0);
    for (conversation_id, entries) in groups {
        let group: usize = entries.iter().map(size).sum();
        if group > FRAME_BYTES_MAX {
            if let Some(last) = entries.last() {
                frame.heads.push(Head { conversation_id: *conversation_id, seq: last.seq });
            }
            continue;
        }
        if bytes + group > FRAME_BYTES_MAX {
            frames.push(NodeFrame::Announce(std::mem::replace(&mut frame, empty())));
            bytes = 0;
        }
        bytes += group;
        let announced = Announced { conversation_id: *conversation_id, entries: entries.to_vec() };
        frame.news.push(announced);
    }
    if !frame.news.is_empty() || !frame.heads.is_empty() {
        frames.push(NodeFrame::Announce(frame));
    }
    frames
}

#[cfg(test)]
mod tests {
    use schema::Sequence;

    use super::*;
    use crate::committer::tests::entry;

    #[test]
    fn large_commits_travel_in_pieces_and_giants_by_number() {
        let group = |first: u64, text: &str| {
            let entries: Arc<[Entry]> = (first..first + 4).map(|seq| entry(1, seq, text)).collect();
            (entries[0].conversation_id, entries)
        };
        let (small, large) = ("x".repeat(4_000), "x".repeat(30_000));
        let groups: Vec<_> = (0..6).map(|at| group(at * 4 + 1, &small)).collect();
        let frames = announce(1, Epoch(2), groups.iter());
        assert_eq!(frames.len(), 2);
        let frames = announce(1, Epoch(2), [group(5, &large)].iter());
        let [NodeFrame::Announce(only)] = &frames[..] else { panic!("{frames:?}") };
        assert_eq!(only.heads[0].seq, Sequence(8));
        assert!(only.news.is_empty());
    }
}
