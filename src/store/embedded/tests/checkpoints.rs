use std::time::Duration;

use actors::ports::{MaterialisedCommit, MessageStore};
use schema::{ConversationId, Sequence};

use super::{TempDir, message};
use crate::store::embedded::open::database_path;
use crate::store::embedded::open_read_only;

#[tokio::test]
async fn the_log_starts_over_while_writing_goes_on() {
    let dir = TempDir::new();
    let store = dir.open();
    let log = database_path(dir.path()).with_extension("sqlite3-wal");
    let conversations: Vec<_> = (0..200).map(|_| ConversationId::generate()).collect();
    let mut largest = 0;
    let audit = open_read_only(dir.path()).unwrap();
    for n in 1..=150 {
        let entries = conversations.iter().map(|id| message(*id, n)).collect();
        store.materialise(vec![MaterialisedCommit { shard: 0, n, entries }]).await.unwrap();
        largest = largest.max(std::fs::metadata(&log).unwrap().len());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(largest < 64 << 20, "the log grew to {largest} bytes");
    assert_eq!(audit.head(conversations[7]), Ok(Sequence(150)));
    drop(audit);
    drop(store);
    let store = dir.open();
    for conversation in conversations {
        assert_eq!(store.head(conversation).await, Ok(Sequence(150)));
    }
}
