use std::collections::BTreeMap;

use actors::committer::payload;
use actors::ports::wall_clock::{SystemClock, WallClock as _};
use actors::ports::{Applied, Commit, CommitRing, MaterialisedCommit, MessageStore};
use actors::sequencer::shard_of;
use schema::checker::Violation;
use schema::record::Entry;
use schema::{ConversationId, OwnerToken, Sequence, SequenceRange};

use super::{message, new_store, ring};
use crate::store::cql::rows::day;
use crate::store::cql::{AuditOptions, AuditReport, Store, audit};

/// Owns every shard that it needs.
struct Writer {
    store: Store,
    owner: OwnerToken,
    heads: BTreeMap<u32, u64>,
}

impl Writer {
    fn new(store: &Store) -> Self {
        let owner = OwnerToken::generate();
        Self { store: store.clone(), owner, heads: BTreeMap::new() }
    }

    /// Commits entries of one conversation, with everything before as done.
    async fn commit(&mut self, entries: &[Entry]) -> MaterialisedCommit {
        let shard = shard_of(entries[0].conversation_id, self.store.shape().shards);
        let head = self.heads.entry(shard).or_default();
        if *head == 0 {
            ring(&self.store).create(shard, self.owner).await.expect("answers");
        }
        *head += 1;
        let packed: Vec<_> = entries.iter().map(payload::encode_entry).collect();
        let payload = payload::join(packed.iter().map(Vec::as_slice));
        let (n, done) = (*head, *head - 1);
        let commit = Commit { shard, owner: self.owner, n, done, payload };
        assert_eq!(self.store.commit(commit).await, Ok(Applied::Yes));
        MaterialisedCommit { shard, n, entries: entries.into() }
    }
}

async fn audited(store: &Store) -> AuditReport {
    let options = AuditOptions { sent_index: true, now_ms: SystemClock.now_ms() };
    audit(store, options).await.expect("answers")
}

#[tokio::test]
async fn what_is_kept_no_longer_is_not_missed() {
    let store = new_store().await;
    let mut writer = Writer::new(&store);
    let id = ConversationId::generate();
    let entries: Vec<_> = (1..=300).map(|seq| message(id, seq)).collect();
    let commit = writer.commit(&entries).await;
    store.materialise(vec![commit]).await.expect("answers");
    // With it the first one is done, and not owed by the ring any more.
    let commit = writer.commit(&[message(id, 301)]).await;
    store.materialise(vec![commit]).await.expect("answers");
    // Cut short: some are gone, all are kept no longer.
    assert_eq!(store.purge_below(id, Sequence(200), 50).await, Ok(true));
    let report = audited(&store).await;
    assert!(report.passed, "{report:?}");
    while store.purge_below(id, Sequence(200), 50).await.expect("answers") {}
    let report = audited(&store).await;
    assert!(report.passed && report.rows == 101, "{report:?}");
}

#[tokio::test]
async fn an_audit_sees_what_is_there_and_what_is_not() {
    let store = new_store().await;
    let mut writer = Writer::new(&store);
    let ids: Vec<_> = (0..5).map(|_| ConversationId::generate()).collect();
    for id in &ids {
        let entries: Vec<_> = (1..=700).map(|seq| message(*id, seq)).collect();
        for entries in entries.chunks(200) {
            let commit = writer.commit(entries).await;
            store.materialise(vec![commit]).await.expect("answers");
        }
    }
    let report = audited(&store).await;
    assert!(report.passed, "{report:?}");
    assert_eq!((report.conversations, report.rows, report.messages), (5, 3_500, 3_500));
    assert_eq!(report.rows_indexed, 3_500);

    // Committed, not materialised: one conversation goes on, one begins.
    let begun = ConversationId::generate();
    let pending = writer.commit(&[message(ids[0], 701)]).await;
    writer.commit(&[message(begun, 1)]).await;
    let report = audited(&store).await;
    assert!(report.passed, "{report:?}");
    assert_eq!((report.conversations, report.rows, report.rows_only_in_ring), (6, 3_502, 2));
    store.materialise(vec![pending]).await.expect("answers");
    assert_eq!(audited(&store).await.rows_only_in_ring, 1);

    let run = async |cql: String| {
        store.session().query_unpaged(cql, ()).await.expect("runs");
    };
    let (id, bucket) = (ids[1], 0);
    run(format!(
        "DELETE FROM messages WHERE conversation_id = {id} AND bucket = {bucket} AND seq = 33"
    ))
    .await;
    let Entry { conversation_id, sender_id, message_id, .. } = seventh(&store, ids[2]).await;
    let day = day(message_id);
    run(format!(
        "DELETE FROM sent_index
         WHERE conversation_id = {conversation_id} AND sender_id = {sender_id} AND day = {day}"
    ))
    .await;
    let report = audited(&store).await;
    assert!(!report.passed);
    assert!(
        matches!(&report.violations[..], [Violation::LogGap { conversation_id, .. }]
            if *conversation_id == ids[1]),
        "{:?}",
        report.violations
    );
    assert_eq!(report.index_faults.len(), 1, "{:?}", report.index_faults);
    assert_eq!(report.ring_faults, Vec::<String>::new());
}

async fn seventh(store: &Store, id: ConversationId) -> Entry {
    let range = SequenceRange::new(Sequence(7), Sequence(7));
    store.range(id, range).await.expect("answers").remove(0)
}

/// Writers go on while the audit reads: nothing that comes meanwhile is a violation.
#[tokio::test]
async fn an_audit_passes_beside_writers() {
    let store = new_store().await;
    let writing = async {
        let mut writer = Writer::new(&store);
        let ids: Vec<_> = (0..20).map(|_| ConversationId::generate()).collect();
        for round in 0..15 {
            for id in &ids {
                let entries: Vec<_> = (1..=8).map(|seq| message(*id, round * 8 + seq)).collect();
                let commit = writer.commit(&entries).await;
                store.materialise(vec![commit]).await.expect("answers");
            }
        }
    };
    let reading = async {
        let mut reports = Vec::new();
        for _ in 0..8 {
            reports.push(audited(&store).await);
        }
        reports
    };
    let ((), reports) = tokio::join!(writing, reading);
    for report in reports {
        assert!(report.passed, "{report:?}");
    }
    assert_eq!(audited(&store).await.rows, 20 * 15 * 8);
}
