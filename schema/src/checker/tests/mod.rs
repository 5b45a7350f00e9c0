//! Good histories pass; each way of breaking one is caught under its own name.

mod controls;
mod script;
mod world;

use super::{Digest, History, Row, RowKind};
use crate::{ConversationId, MessageId, Sequence, UserId};
use script::{play, play_settling};
use world::{Random, good_history};

/// Seeds of each test. A failing one is printed; paste it into [`replay_one_seed`].
const SEEDS: u64 = 200;

#[test]
fn good_histories_pass() {
    for seed in 0..SEEDS {
        let verdict = play(&good_history(seed)).check();
        assert!(verdict.passed(), "seed {seed}: {verdict}");
        assert!(verdict.counts.messages > 20, "seed {seed} is no test: {verdict}");
        assert!(verdict.counts.deliveries > 0 && verdict.counts.readers > 0, "seed {seed}");
    }
}

#[test]
fn settling_early_changes_no_count() {
    let mut settled = 0;
    for seed in 0..SEEDS {
        let steps = good_history(seed);
        let history = play_settling(&steps, 1 + seed as usize % 40);
        let verdict = history.check();
        assert!(verdict.passed(), "seed {seed}: {verdict}");
        assert_eq!(verdict.counts, play(&steps).check().counts, "seed {seed}");
        settled += history.settled();
    }
    assert!(settled > SEEDS * 20, "{settled} rows in {SEEDS} histories prove little");
}

#[test]
fn the_seeds_together_exercise_what_is_hard() {
    let mut total = super::Counts::default();
    for seed in 0..SEEDS {
        let counts = play(&good_history(seed)).check().counts;
        total.retries += counts.retries;
        total.duplicate_acks += counts.duplicate_acks;
        total.stored_unacked += counts.stored_unacked;
        total.sockets += counts.sockets - counts.clients;
    }
    assert!(total.retries > 100, "{total:?}");
    assert!(total.duplicate_acks > 100, "{total:?}");
    assert!(total.stored_unacked > 10, "{total:?}");
    assert!(total.sockets > 100, "{total:?}");
}

#[test]
fn replay_one_seed() {
    let seed = 0;
    let verdict = play(&good_history(seed)).check();
    assert!(verdict.passed(), "seed {seed}: {verdict}");
}

#[test]
fn the_same_facts_give_the_same_verdict_to_the_byte() {
    for seed in 0..20 {
        let mut steps = good_history(seed);
        let mut random = Random::new(seed);
        controls::break_at_random(&mut steps, &mut random);
        let first = serde_json::to_string(&play(&steps).check()).unwrap();
        let second = serde_json::to_string(&play(&steps).check()).unwrap();
        assert_eq!(first, second, "seed {seed}");
    }
}

#[test]
fn a_verdict_survives_json() {
    let mut steps = good_history(3);
    controls::break_at_random(&mut steps, &mut Random::new(3));
    let verdict = play(&steps).check();
    let text = serde_json::to_string(&verdict).unwrap();
    assert_eq!(serde_json::from_str::<super::Verdict>(&text).unwrap(), verdict);
}

#[test]
fn many_violations_are_counted_and_few_kept() {
    let (conversation_id, sender_id) = (ConversationId::generate(), UserId::generate());
    let mut history = History::new();
    for seq in 1..=5_000 {
        history.record_log_row(Row {
            conversation_id,
            seq: Sequence(seq * 2),
            message_id: MessageId::generate(),
            sender_id,
            kind: RowKind::Message,
            digest: Digest(seq),
        });
    }
    let verdict = history.check();
    assert_eq!(verdict.counts.violations, 5_000);
    assert_eq!(verdict.violations.len(), super::VIOLATIONS_KEPT_MAX);
}

/// Hours of traffic take no more memory than what is under way, but for a few bytes a row.
#[test]
fn what_is_settled_is_gone() {
    let (conversation_id, sender_id) = (ConversationId::generate(), UserId::generate());
    let mut history = History::new();
    history.expect_known_senders(conversation_id);
    let sender = history.add_client("sender", sender_id);
    let reader = history.add_client("reader", UserId::generate());
    let row = |seq: u64| Row {
        conversation_id,
        seq: Sequence(seq),
        message_id: MessageId::from_bytes(u128::from(seq).to_be_bytes()),
        sender_id,
        kind: RowKind::Message,
        digest: Digest(seq),
    };
    for seq in 1..=20_000 {
        let Row { seq, message_id, digest, .. } = row(seq);
        history.record_send(sender, conversation_id, message_id, digest);
        history.record_ack(sender, conversation_id, message_id, seq, false);
        history.record_delivery(reader, row(seq.0));
        if seq.0 % 100 == 0 {
            history.settle();
            assert_eq!(history.remembered(), 0);
        }
    }
    assert_eq!(history.settled(), 20_000);
    let mut broken = history.clone();
    (1..=20_000).for_each(|seq| history.record_log_row(row(seq)));
    assert!(history.check().passed(), "{}", history.check());
    // What was settled is still held against the log, and against whoever looks later.
    (1..=20_000).filter(|seq| *seq != 7).for_each(|seq| broken.record_log_row(row(seq)));
    assert!(broken.check().has("log_gap"));
    broken.record_log_row(Row { digest: Digest(1), ..row(7) });
    assert!(broken.check().has("settled_differs"));
    // An id that comes again is one that nobody sent.
    history.record_log_row(Row { seq: Sequence(20_001), ..row(9) });
    assert!(history.check().has("unknown_message"));
}

/// A million messages, each delivered to four readers. Slow in debug builds, so by request:
/// `cargo test --release -p switchboard-schema -- --ignored million`.
#[test]
#[ignore = "a measurement"]
fn a_million_messages_are_no_trouble() {
    let (conversation_id, sender_id) = (ConversationId::generate(), UserId::generate());
    let mut history = History::new();
    let sender = history.add_client("sender", sender_id);
    let readers: Vec<_> =
        (0..4).map(|n| history.add_client(format!("reader {n}"), UserId::generate())).collect();
    for seq in 1..=1_000_000 {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&u64::to_be_bytes(seq));
        let (seq, digest) = (Sequence(seq), Digest(seq));
        let message_id = MessageId::from_bytes(bytes);
        let kind = RowKind::Message;
        let row = Row { conversation_id, seq, message_id, sender_id, kind, digest };
        history.record_send(sender, conversation_id, message_id, digest);
        history.record_ack(sender, conversation_id, message_id, seq, false);
        for reader in &readers {
            history.record_delivery(*reader, row);
        }
        history.record_log_row(row);
    }
    let verdict = history.check();
    assert!(verdict.passed(), "{verdict}");
    assert_eq!(verdict.counts.deliveries, 4_000_000);
}

#[test]
fn a_log_begins_where_it_was_cut_and_not_later() {
    let id = ConversationId::from_bytes([1; 16]);
    let row = |seq: u8| Row {
        conversation_id: id,
        seq: Sequence(seq.into()),
        message_id: MessageId::from_bytes([seq; 16]),
        sender_id: UserId::from_bytes([2; 16]),
        kind: RowKind::Message,
        digest: Digest(7),
    };
    let judged = |rows: &[u8], removed: u64, head: u64| {
        let mut history = History::new();
        rows.iter().for_each(|seq| history.record_log_row(row(*seq)));
        history.record_head(id, Sequence(head));
        history.record_removed(id, Sequence(removed));
        history.check().violations.len()
    };
    assert_eq!(judged(&[4, 5], 3, 5), 0);
    assert_eq!(judged(&[2, 4, 5], 3, 5), 0, "some are still there");
    assert_eq!(judged(&[], 5, 5), 0, "all of it");
    assert_eq!(judged(&[4, 5], 2, 5), 1, "one more is missing");
    assert_eq!(judged(&[4, 6], 3, 6), 1);
    assert_eq!(judged(&[4], 3, 5), 1, "the head is beyond");
}
