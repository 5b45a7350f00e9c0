//! Heads that may have been missed are read from the store, at a bounded pace.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use schema::metric;

use super::dispatch::NodeInbox;
use crate::peers::Wake as _;
use crate::ports::MessageStore;

/// What is due is said this often.
const TICK: Duration = Duration::from_millis(100);
/// Heads read at once: at most 1,280 a second.
const AT_ONCE: usize = 128;
/// A store that does not answer is asked again after this time.
const PAUSE: Duration = Duration::from_secs(1);

/// Keeps this node's interest in conversations known to the others, and finds what was missed.
/// Runs for as long as the node.
pub async fn keep_up(inbox: Arc<NodeInbox>, messages: Arc<dyn MessageStore>) {
    loop {
        inbox.peers.tick();
        let unsure = inbox.peers.take_unsure(AT_ONCE);
        let has_failed = !unsure.is_empty() && !compare(&inbox, &messages, unsure).await;
        tokio::time::sleep(if has_failed { PAUSE } else { TICK }).await;
    }
}

/// True when the store answered for all.
async fn compare(
    inbox: &NodeInbox,
    messages: &Arc<dyn MessageStore>,
    conversations: Vec<schema::ConversationId>,
) -> bool {
    metrics::counter!(metric::HEADS_COMPARED).increment(conversations.len() as u64);
    let heads = join_all(conversations.iter().map(|id| messages.head(*id))).await;
    let mut all = true;
    for (conversation, head) in conversations.into_iter().zip(heads) {
        match head {
            Ok(head) => {
                for (conversation, head) in inbox.peers.heard([(conversation, head)]) {
                    metrics::counter!(metric::NEWS_MISSED).increment(1);
                    inbox.wake(conversation, head);
                }
            }
            Err(_) => {
                all = false;
                inbox.peers.still_unsure(conversation);
            }
        }
    }
    all
}
