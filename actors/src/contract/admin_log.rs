//! What [`AdminLog`] promises.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::{NoContext, Timestamp, Uuid};

use crate::ports::{AdminLog, AdminRecord};

type Log = Arc<dyn AdminLog>;

/// The real time: a log may look back from it.
fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(0)
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Runs every check, each on a fresh log.
pub async fn run(make: impl AsyncFn() -> Log) {
    an_empty_log_has_nothing(make().await).await;
    records_are_read_newest_first_in_pages(make().await).await;
    appending_again_changes_nothing(make().await).await;
}

fn record(at_ms: i64, number: u64) -> AdminRecord {
    let at_ms = at_ms + i64::try_from(number).unwrap_or(0);
    let (seconds, nanos) = (at_ms / 1000, (at_ms % 1000) * 1_000_000);
    let timestamp = Timestamp::from_unix(
        NoContext,
        u64::try_from(seconds).unwrap_or(0),
        u32::try_from(nanos).unwrap_or(0),
    );
    AdminRecord {
        id: Uuid::new_v7(timestamp),
        at_ms,
        action: "sign_out".to_owned(),
        target: format!("user {number}"),
        from: "10.0.0.1".to_owned(),
    }
}

pub async fn an_empty_log_has_nothing(log: Log) {
    assert_eq!(log.recent(None, 10).await, Ok(Vec::new()), "an empty log");
}

pub async fn records_are_read_newest_first_in_pages(log: Log) {
    // Over months, so that whatever the log is divided in is crossed.
    let (now, mut all) = (now_ms(), Vec::new());
    for month in 0..4 {
        for number in 0..3 {
            all.push(record(now - (3 - month) * 45 * DAY_MS, number));
        }
    }
    for record in &all {
        log.append(record.clone()).await.expect("appended");
    }
    all.reverse();
    assert_eq!(log.recent(None, 100).await.as_ref(), Ok(&all), "all, newest first");
    let (mut read, mut before) = (Vec::new(), None);
    loop {
        let page = log.recent(before, 5).await.expect("a page");
        assert!(page.len() <= 5, "a page of at most five");
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        read.extend(page);
    }
    assert_eq!(read, all, "the same in pages");
}

pub async fn appending_again_changes_nothing(log: Log) {
    let first = record(now_ms(), 1);
    for _ in 0..2 {
        log.append(first.clone()).await.expect("appended");
    }
    assert_eq!(log.recent(None, 10).await, Ok(vec![first]), "once");
}
