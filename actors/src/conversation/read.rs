//! Reading ranges of the log that memory does not hold, each range once however many ask.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use schema::record::Entry;
use schema::{ConversationId, Sequence, SequenceRange};
use tokio::time::Instant;

use super::messages::LogEntry;
use crate::ports::{MessageStore, StoreError};

/// What a range read gives.
pub type RangeRead = Result<Vec<Arc<LogEntry>>, StoreError>;
/// Called with the range.
pub type Waiter = Box<dyn FnOnce(RangeRead)>;

/// A stored range is in the readers' tables within this time.
const DEADLINE: Duration = Duration::from_secs(5);
/// Ranges read at once for one conversation.
pub const READS_MAX: usize = 64;

/// Ranges being read, and who waits for each.
#[derive(Default)]
pub struct Reads {
    waiting: HashMap<SequenceRange, Vec<Waiter>>,
}

impl Reads {
    /// Notes who waits; true when the range is to be read now.
    pub fn wait(&mut self, range: SequenceRange, waiter: Waiter) -> bool {
        let waiters = self.waiting.entry(range).or_default();
        waiters.push(waiter);
        waiters.len() == 1
    }

    #[must_use]
    pub fn is_full(&self) -> bool {
        self.waiting.len() >= READS_MAX
    }

    pub fn done(&mut self, range: SequenceRange, read: &RangeRead) {
        for waiter in self.waiting.remove(&range).unwrap_or_default() {
            waiter(read.clone());
        }
    }
}

/// Reads all of a range that is known to be stored. What is not materialised yet is read again.
pub async fn range(
    messages: Arc<dyn MessageStore>,
    conversation: ConversationId,
    range: SequenceRange,
) -> RangeRead {
    let deadline = Instant::now() + DEADLINE;
    let mut pause = Duration::from_millis(10);
    loop {
        let read = messages.range(conversation, range).await;
        match read {
            Ok(entries) if entries.len() as u64 == range.len() => return Ok(shared(entries)),
            Ok(entries) if is_rest(&*messages, conversation, range, &entries).await => {
                return Ok(shared(entries));
            }
            Ok(_) | Err(StoreError::Unavailable(_)) if Instant::now() + pause < deadline => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(500));
            }
            Ok(entries) => {
                let text = format!("{} of {} entries", entries.len(), range.len());
                return Err(StoreError::Unavailable(text));
            }
            Err(error) => return Err(error),
        }
    }
}

fn shared(entries: Vec<Entry>) -> Vec<Arc<LogEntry>> {
    entries.into_iter().map(LogEntry::new).map(Arc::new).collect()
}

/// Whether these are all entries of the range that were not removed for good.
async fn is_rest(
    messages: &dyn MessageStore,
    conversation: ConversationId,
    range: SequenceRange,
    entries: &[Entry],
) -> bool {
    let purged_up_to = messages.purged_up_to(conversation).await.unwrap_or_default();
    let first = range.first.max(purged_up_to.next());
    let rest = SequenceRange::new(first, range.last);
    purged_up_to >= range.first
        && entries.len() as u64 == rest.len()
        && entries.iter().all(|entry| rest.contains(entry.seq))
}

/// Waits until the readers' tables show the log up to `head`, for a while.
pub async fn shown(messages: Arc<dyn MessageStore>, conversation: ConversationId, head: Sequence) {
    let deadline = Instant::now() + DEADLINE;
    while Instant::now() < deadline {
        if messages.head(conversation).await.is_ok_and(|shown| shown >= head) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
