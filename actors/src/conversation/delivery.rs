//! Entries on their way to sessions: framed once, however many receive them. Pure.

use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use schema::wire::Encoding;
use schema::{ConnectionId, ConversationId, Sequence};

use super::messages::LogEntry;

/// Batches with fewer entries go out frame by frame: joining them is not worth the copy.
const JOINED_MIN: usize = 4;

/// One entry on its way to a session.
#[derive(Clone, Debug)]
pub struct DeliveryItem {
    pub log: Arc<LogEntry>,
    /// The socket that sent it: it gets `accepted` in place of the entry.
    pub origin: Option<ConnectionId>,
}

/// Consecutive entries of one conversation.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub conversation: ConversationId,
    pub batch: Arc<Batch>,
}

/// Consecutive entries, at least one, shared by all who receive them.
#[derive(Debug)]
pub struct Batch {
    items: Box<[DeliveryItem]>,
    message_pack: OnceLock<Joined>,
    json: OnceLock<Joined>,
}

/// The frames of a batch in one piece of memory, and where each begins, with the end of the last.
#[derive(Debug)]
struct Joined {
    bytes: Bytes,
    starts: Box<[usize]>,
}

impl Batch {
    /// `None` without items.
    #[must_use]
    pub fn new(items: Vec<DeliveryItem>) -> Option<Self> {
        let items = items.into_boxed_slice();
        (!items.is_empty()).then_some(Self {
            items,
            message_pack: OnceLock::new(),
            json: OnceLock::new(),
        })
    }

    #[must_use]
    pub fn items(&self) -> &[DeliveryItem] {
        &self.items
    }

    #[must_use]
    pub fn first(&self) -> Sequence {
        self.items[0].log.entry.seq
    }

    #[must_use]
    pub fn last(&self) -> Sequence {
        self.items[self.items.len() - 1].log.entry.seq
    }

    /// Hands over the WebSocket frames after the first `skip`, but for those of entries that
    /// `reader` sent itself, in as few pieces as there are. Returns how many frames.
    pub fn frames(
        &self,
        encoding: Encoding,
        reader: ConnectionId,
        skip: usize,
        mut put: impl FnMut(Bytes),
    ) -> usize {
        let is_own = |item: &DeliveryItem| item.origin == Some(reader);
        if self.items.len() < JOINED_MIN {
            let others = self.items.iter().skip(skip).filter(|item| !is_own(item));
            return others.map(|item| put(item.log.frame(encoding))).count();
        }
        let joined = self.joined(encoding);
        let (mut count, mut from) = (0, skip);
        for at in skip..=self.items.len() {
            if self.items.get(at).is_some_and(|item| !is_own(item)) {
                continue;
            }
            if from < at {
                put(joined.bytes.slice(joined.starts[from]..joined.starts[at]));
                count += at - from;
            }
            from = at + 1;
        }
        count
    }

    fn joined(&self, encoding: Encoding) -> &Joined {
        let made = match encoding {
            Encoding::MessagePack => &self.message_pack,
            Encoding::Json => &self.json,
        };
        made.get_or_init(|| {
            let frames: Vec<Bytes> =
                self.items.iter().map(|item| item.log.frame(encoding)).collect();
            let mut bytes = BytesMut::with_capacity(frames.iter().map(Bytes::len).sum());
            let mut starts = vec![0];
            for frame in frames {
                bytes.extend_from_slice(&frame);
                starts.push(bytes.len());
            }
            Joined { bytes: bytes.freeze(), starts: starts.into() }
        })
    }

    /// The same entries, with those of `known` marked as sent by `reader`; itself when they are.
    #[must_use]
    pub fn marked(self: &Arc<Self>, reader: ConnectionId, known: &[Sequence]) -> Arc<Self> {
        let is_missed = |item: &DeliveryItem| {
            item.origin != Some(reader) && known.contains(&item.log.entry.seq)
        };
        if !self.items.iter().any(is_missed) {
            return self.clone();
        }
        let mark = |item: &DeliveryItem| {
            let origin = if is_missed(item) { Some(reader) } else { item.origin };
            DeliveryItem { log: item.log.clone(), origin }
        };
        let items = self.items.iter().map(mark).collect();
        Arc::new(Self { items, message_pack: OnceLock::new(), json: OnceLock::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::committer::tests::entry;

    fn socket(number: u8) -> ConnectionId {
        ConnectionId::from_bytes([number; 16])
    }

    /// Entries 1, 2, 3 ..., sent by these sockets.
    fn batch(origins: &[Option<u8>]) -> Arc<Batch> {
        let items = origins.iter().zip(1..).map(|(origin, seq)| DeliveryItem {
            log: Arc::new(LogEntry::new(entry(1, seq, "x"))),
            origin: origin.map(socket),
        });
        Arc::new(Batch::new(items.collect()).unwrap())
    }

    /// What `reader` is handed: the pieces, and the bytes that they should come to.
    fn handed(batch: &Batch, reader: u8, skip: usize, expected: &[u64]) -> (usize, usize) {
        let mut pieces: Vec<Bytes> = Vec::new();
        let count =
            batch.frames(Encoding::MessagePack, socket(reader), skip, |piece| pieces.push(piece));
        let frames = batch.items().iter().filter(|it| expected.contains(&it.log.entry.seq.0));
        let frames: Vec<Bytes> = frames.map(|it| it.log.frame(Encoding::MessagePack)).collect();
        assert_eq!(pieces.concat(), frames.concat());
        (count, pieces.len())
    }

    #[test]
    fn a_reader_is_handed_all_but_what_it_has_in_few_pieces() {
        let short = batch(&[None, Some(7)]);
        assert_eq!(handed(&short, 9, 0, &[1, 2]), (2, 2));
        assert_eq!(handed(&short, 7, 0, &[1]), (1, 1));
        let long = batch(&[None, Some(7), None, None, Some(7), Some(8)]);
        assert_eq!(handed(&long, 9, 0, &[1, 2, 3, 4, 5, 6]), (6, 1));
        assert_eq!(handed(&long, 9, 4, &[5, 6]), (2, 1));
        assert_eq!(handed(&long, 7, 0, &[1, 3, 4, 6]), (4, 3));
        assert_eq!(handed(&long, 7, 3, &[4, 6]), (2, 2));
        assert_eq!(handed(&long, 8, 5, &[]), (0, 0));
    }

    #[test]
    fn what_a_socket_was_told_of_is_its_own_with_or_without_a_mark() {
        let plain = batch(&[None, Some(7), None, None]);
        assert!(Arc::ptr_eq(&plain, &plain.marked(socket(7), &[Sequence(2)])));
        let marked = plain.marked(socket(7), &[Sequence(2), Sequence(3)]);
        assert_eq!(handed(&marked, 7, 0, &[1, 4]), (2, 2));
        assert_eq!((marked.first(), marked.last()), (Sequence(1), Sequence(4)));
    }
}
