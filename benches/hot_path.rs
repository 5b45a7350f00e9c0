//! What the steps of a message's way cost by themselves.
//!
//! `cargo bench --bench hot_path [-- FILTER]`. Figures depend on the machine: compare two of the
//! same one. `committed to SQLite` is synced to the disk.

use std::hint::black_box;
use std::sync::Arc;

use actors::committer::BatchLimits;
use actors::committer::core::{CommitterCore, Effect};
use actors::committer::payload;
use actors::conversation::{Batch, DeliveryItem, LogEntry};
use actors::ports::{Applied, Commit, CommitRing, Guard, RingShape};
use actors::sequencer::core::{Decision, Recovered, SequencerCore};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use schema::record::{Content, Draft, Entry, Event, MessageBody};
use schema::wire::{ClientFrame, Encoding, LogFrame, SendMessage, ServerFrame, codec, framing};
use schema::{ConnectionId, ConversationId, Epoch, MessageId, OwnerToken, Sequence, UserId};
use switchboard::store::embedded::{EmbeddedConfig, Store};

const TEXT_BYTES: usize = 100;
const SENT_AT_MS: i64 = 1_800_000_000_000;
/// Entries of a commit under load.
const COMMIT_ENTRIES: u64 = 64;
const READERS: usize = 1_000;

fn text() -> Content {
    Content::Text { text: "x".repeat(TEXT_BYTES) }
}

fn entry(conversation_id: ConversationId, seq: u64) -> Entry {
    Entry {
        conversation_id,
        seq: Sequence(seq),
        message_id: MessageId::generate(),
        sender_id: UserId::from_bytes([2; 16]),
        sent_at: SENT_AT_MS,
        ordinal: seq,
        event: Event::Message(MessageBody::new(text())),
    }
}

fn frames(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("frame");
    let send = ClientFrame::SendMessage(SendMessage::new(
        7,
        MessageId::generate(),
        ConversationId::generate(),
        text(),
    ));
    let news = ServerFrame::from(LogFrame::from(&entry(ConversationId::generate(), 1)));
    for encoding in Encoding::ALL {
        let bytes = codec::encode(encoding, &send);
        group.bench_function(format!("send_message decoded, {encoding:?}"), |bench| {
            bench.iter(|| codec::decode_client(encoding, black_box(&bytes)));
        });
        group.bench_function(format!("new_message encoded and framed, {encoding:?}"), |bench| {
            bench.iter(|| framing::encoded(encoding, black_box(&news)));
        });
    }
    group.finish();
}

fn sequencer(bench: &mut Criterion) {
    let conversation_id = ConversationId::generate();
    let nothing = Recovered { head: Sequence::START, recent: Vec::new(), pending: Vec::new() };
    let mut core = SequencerCore::recover(conversation_id, &nothing);
    let draft = || Draft {
        conversation_id,
        message_id: MessageId::generate(),
        sender_id: UserId::from_bytes([2; 16]),
        event: Event::Message(MessageBody::new(text())),
        retry: false,
    };
    bench.bench_function("sequencer/a draft numbered", |bench| {
        bench.iter_batched_ref(
            draft,
            |draft| match core.submit(draft, SENT_AT_MS) {
                Decision::Append(entry) => {
                    core.on_stored(entry.seq);
                    core.on_materialised(entry.seq);
                    entry
                }
                other => panic!("not numbered: {other:?}"),
            },
            BatchSize::SmallInput,
        );
    });
}

/// A core that owns its shard, before its first commit.
fn ready_core() -> CommitterCore {
    let (owner, shape) = (OwnerToken::generate(), RingShape { shards: 1, slots: 256 });
    let mut core = CommitterCore::new(0, owner, shape, BatchLimits::default());
    core.start();
    core.on_guard(Ok(Some(Guard { owner, epoch: Epoch(1), head: 0, done: 0 })), 0);
    assert!(core.is_ready());
    core
}

fn committer(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("committer");
    group.throughput(Throughput::Elements(COMMIT_ENTRIES));
    let conversation_id = ConversationId::generate();
    let entries: Vec<Entry> = (1..=COMMIT_ENTRIES).map(|seq| entry(conversation_id, seq)).collect();
    group.bench_function("64 entries gathered, committed, stored", |bench| {
        bench.iter_batched(
            || (ready_core(), entries.clone()),
            |(mut core, entries)| {
                for entry in entries {
                    core.enqueue(entry);
                }
                let effects = core.on_gathered();
                assert!(matches!(effects[..], [Effect::Commit(_)]));
                core.on_committed(&Ok(Applied::Yes), 0)
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn fan_out(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("fan_out");
    let conversation_id = ConversationId::generate();
    for entries in [1, 10] {
        group.throughput(Throughput::Elements(entries * READERS as u64));
        let logs: Vec<Arc<LogEntry>> =
            (1..=entries).map(|seq| Arc::new(LogEntry::new(entry(conversation_id, seq)))).collect();
        group.bench_function(format!("{entries} entries framed for 1,000 readers"), |bench| {
            bench.iter(|| {
                let items = logs.iter().cloned().map(|log| DeliveryItem { log, origin: None });
                let Some(batch) = Batch::new(items.collect()) else { return 0 };
                let reader = ConnectionId::from_bytes([9; 16]);
                let put = |piece| drop(black_box(piece));
                (0..READERS)
                    .map(|_| batch.frames(Encoding::MessagePack, reader, 0, put))
                    .sum::<usize>()
            });
        });
    }
    group.finish();
}

#[expect(clippy::unwrap_used, reason = "a benchmark has nobody to tell but who runs it")]
fn sqlite(bench: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(EmbeddedConfig::new(folder.path())).unwrap();
    let ring: &dyn CommitRing = &store;
    let owner = OwnerToken::generate();
    runtime.block_on(ring.create(0, owner)).unwrap();
    let conversation_id = ConversationId::generate();
    let mut group = bench.benchmark_group("store");
    let mut n = 0;
    for entries in [1, COMMIT_ENTRIES] {
        group.throughput(Throughput::Elements(entries));
        let packed: Vec<Vec<u8>> =
            (1..=entries).map(|seq| payload::encode_entry(&entry(conversation_id, seq))).collect();
        let payload = payload::join(packed.iter().map(Vec::as_slice));
        group.bench_function(format!("a commit of {entries} committed to SQLite"), |bench| {
            bench.iter(|| {
                n += 1;
                let commit = Commit { shard: 0, owner, n, done: n - 1, payload: payload.clone() };
                let applied = runtime.block_on(ring.commit(commit)).unwrap();
                assert_eq!(applied, Applied::Yes);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, frames, sequencer, committer, fan_out, sqlite);
criterion_main!(benches);
