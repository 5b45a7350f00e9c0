//! What seeds have found in the cores, each as the shortest way to it.

use std::sync::Arc;

use schema::record::{Content, Draft, Entry, Event, MessageBody};
use schema::{ConversationId, Epoch, MessageId, OwnerToken, Sequence, UserId};

use crate::committer::core::{CommitterCore, Effect, EndReason};
use crate::committer::{BatchLimits, payload};
use crate::ports::{Applied, Commit, Guard, RingError, RingShape, Slot};
use crate::sequencer::core::{Decision, Found, Recovered, SequencerCore};

const ME: OwnerToken = OwnerToken::from_bytes([1; 16]);
const OTHER: OwnerToken = OwnerToken::from_bytes([2; 16]);
const SHAPE: RingShape = RingShape { shards: 1, slots: 4 };
const NOW_MS: i64 = 1_800_000_000_000;

const fn guard(owner: OwnerToken, head: u64, done: u64) -> Guard {
    Guard { owner, epoch: Epoch(1), head, done }
}

fn draft(text: &str) -> Draft {
    let content = Content::Text { text: text.to_owned() };
    Draft {
        conversation_id: ConversationId::from_bytes([3; 16]),
        message_id: MessageId::generate(),
        sender_id: UserId::from_bytes([4; 16]),
        event: Event::Message(MessageBody::new(content)),
        retry: false,
    }
}

fn entry(draft: &Draft, seq: u64) -> Entry {
    Entry {
        conversation_id: draft.conversation_id,
        seq: Sequence(seq),
        message_id: draft.message_id,
        sender_id: draft.sender_id,
        sent_at: NOW_MS,
        ordinal: 0,
        event: draft.event.clone(),
    }
}

fn slot(n: u64, writer: OwnerToken) -> Slot {
    let bytes = payload::encode_entry(&entry(&draft("stored"), n));
    Slot { n, writer, payload: payload::join([bytes.as_slice()].into_iter()) }
}

/// A core that owns the shard and has replayed it.
fn ready(head: u64) -> CommitterCore {
    let mut core = CommitterCore::new(0, ME, SHAPE, BatchLimits::default());
    core.start();
    let effects = core.on_guard(Ok(Some(guard(ME, head, head))), 0);
    assert!(matches!(effects[..], [Effect::Ready(_)]), "{effects:?}");
    core
}

/// The same with a commit whose outcome is not known.
fn in_doubt(head: u64) -> (CommitterCore, Commit) {
    let mut core = ready(head);
    let effects = core.enqueue(entry(&draft("in doubt"), 1));
    assert!(matches!(effects[..], [Effect::Gather]), "{effects:?}");
    let effects = core.on_gathered();
    let [Effect::Commit(commit)] = &effects[..] else { panic!("{effects:?}") };
    let commit = commit.clone();
    let effects = core.on_committed(&Err(RingError("no answer".to_owned())), 0);
    assert!(matches!(effects[..], [Effect::ReadGuard]), "{effects:?}");
    (core, commit)
}

/// Whoever waits for the tables, or wants the shard back, asks at any time.
#[test]
fn asking_a_replay_to_materialise_does_not_make_it_read_a_slot_twice() {
    let mut core = CommitterCore::new(0, ME, SHAPE, BatchLimits::default());
    core.start();
    core.on_guard(Ok(Some(guard(ME, 3, 1))), 0);
    let effects = core.on_slot(Ok(Some(slot(2, OTHER))), 0);
    assert!(matches!(effects[..], [Effect::ReadSlot(3)]), "{effects:?}");
    assert!(core.on_materialise_due().is_empty());
    let effects = core.on_slot(Ok(Some(slot(3, OTHER))), 0);
    assert!(matches!(&effects[..], [Effect::Materialise(commits)] if commits.len() == 2));
    let effects = core.on_materialised(true);
    assert!(matches!(effects[..], [Effect::Materialised { done: 3 }, Effect::Ready(_)]));
}

/// The node stood still between the two reads that resolve a commit; another owner used its slot.
#[test]
fn a_commit_that_the_guard_shows_is_applied_though_its_slot_was_used_again() {
    let (mut core, commit) = in_doubt(0);
    core.on_guard(Ok(Some(guard(ME, commit.n, 0))), 0);
    let effects = core.on_slot(Ok(Some(slot(commit.n + 4, OTHER))), 0);
    assert!(matches!(effects[0], Effect::Stored { n: 1, .. }), "{effects:?}");
    assert!(!core.is_ended());
}

/// The ring is broken all the same when the slot of a commit that was applied holds none of ours.
#[test]
fn a_guard_and_a_slot_that_contradict_each_other_raise_the_alarm() {
    let (mut core, commit) = in_doubt(0);
    core.on_guard(Ok(Some(guard(ME, commit.n, 0))), 0);
    let effects = core.on_slot(Ok(Some(slot(commit.n, OTHER))), 0);
    assert!(matches!(effects[..], [Effect::Ended(EndReason::Broken)]), "{effects:?}");
}

/// Another owner came, stored, acknowledged, died: only the one believed to own the shard is left.
#[test]
fn an_idle_owner_that_looks_notices_that_it_is_none() {
    let mut core = ready(5);
    assert!(core.on_look(Some(guard(ME, 5, 5))).is_empty());
    let effects = core.on_look(Some(guard(OTHER, 6, 5)));
    assert!(matches!(effects[..], [Effect::Ended(EndReason::Fenced)]), "{effects:?}");
}

#[test]
fn a_look_never_decides_about_a_commit_in_doubt() {
    let (mut core, commit) = in_doubt(0);
    assert!(core.on_look(Some(guard(OTHER, 1, 0))).is_empty());
    core.on_guard(Ok(Some(guard(OTHER, 1, 0))), 0);
    let effects = core.on_slot(Ok(Some(slot(commit.n, ME))), 0);
    assert!(matches!(effects[..], [Effect::Stored { .. }, Effect::Ended(EndReason::Fenced)]));
}

/// A sequencer starts again on a node that lost the shard and does not know it yet: the number of
/// the draft in doubt is another owner's entry by now.
#[test]
fn a_draft_that_was_never_stored_is_not_acknowledged_by_a_foreign_number() {
    let (never_stored, foreign) = (draft("never stored"), draft("foreign"));
    let recovered = Recovered {
        head: Sequence(1),
        recent: vec![entry(&foreign, 1)],
        pending: vec![(entry(&never_stored, 1), false)],
    };
    let mut core = SequencerCore::recover(foreign.conversation_id, &recovered);
    let again = Draft { retry: true, ..never_stored };
    let decision = core.submit(&again, NOW_MS);
    assert!(!matches!(decision, Decision::Duplicate(_) | Decision::Pending(_)), "{decision:?}");
    assert!(
        matches!(core.submit(&foreign, NOW_MS), Decision::Duplicate(known) if known.seq.0 == 1)
    );
}

/// On such a node nothing is ever stored again: who waited for that would wait for ever.
#[test]
fn what_the_index_shows_is_stored_however_far_this_activation_came() {
    let recovered = Recovered { head: Sequence::START, recent: Vec::new(), pending: Vec::new() };
    let stored = draft("stored by another owner");
    let mut core = SequencerCore::recover(stored.conversation_id, &recovered);
    let found = Found::Stored(Box::new(entry(&stored, 7)));
    let decision = core.after_lookup(&stored, &found, NOW_MS);
    assert!(matches!(decision, Decision::Duplicate(known) if known.seq.0 == 7), "{decision:?}");
    let other = Draft { event: draft("other content").event, ..stored };
    let decision = core.after_lookup(&other, &found, NOW_MS);
    assert!(matches!(decision, Decision::Reused(known) if known.seq.0 == 7), "{decision:?}");
}

/// Until it is stored, its number may come to nothing.
#[test]
fn an_id_has_no_number_to_tell_before_it_is_stored() {
    let recovered = Recovered { head: Sequence::START, recent: Vec::new(), pending: Vec::new() };
    let first = draft("first");
    let mut core = SequencerCore::recover(first.conversation_id, &recovered);
    assert!(matches!(core.submit(&first, NOW_MS), Decision::Append(_)));
    let other = Draft { event: draft("other content").event, ..first };
    assert_eq!(core.submit(&other, NOW_MS), Decision::LookUp);
    core.on_stored(Sequence(1));
    assert!(matches!(core.submit(&other, NOW_MS), Decision::Reused(_)));
}

/// Two reads, guard first: without the guard the slot says nothing.
#[test]
fn a_commit_not_applied_is_sent_again_byte_for_byte() {
    let (mut core, commit) = in_doubt(0);
    core.on_guard(Ok(Some(guard(ME, 0, 0))), 0);
    let effects = core.on_slot(Ok(None), 0);
    assert!(matches!(&effects[..], [Effect::Commit(again)] if *again == commit), "{effects:?}");
    let effects = core.on_committed(&Ok(Applied::Yes), 0);
    let [Effect::Stored { entries, .. }, ..] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(payload::split(&commit.payload).unwrap(), Arc::as_ref(entries));
}
