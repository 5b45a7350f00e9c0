//! What [`MessageStore`] promises of entries whose time is over, and of those that are kept no
//! longer.

use schema::record::{Content, Entry, Event, MessageBody, message_state};
use schema::{ConversationId, Sequence, SequenceRange, UserId};

use super::message_store::Stores;
use super::sample::{NOW_MS, commit, deleted, entry, group, text, texts, users};

/// Runs every check, each on a fresh pair.
pub async fn run(make: &impl AsyncFn() -> Stores) {
    what_expired_is_taken_away_and_stays_away(make().await).await;
    expired_entries_are_taken_away_a_step_at_a_time(make().await).await;
    a_deletion_and_an_expiry_agree(make().await).await;
    progress_only_grows(make().await).await;
    old_entries_are_removed_for_good(make().await).await;
    conversations_are_listed_once(make().await).await;
}

const HOUR_MS: i64 = 60 * 60 * 1_000;

/// A time that no other check uses, also in a store that several share.
fn own_time() -> i64 {
    let bytes = *uuid::Uuid::new_v4().as_bytes();
    let hours = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]);
    NOW_MS + i64::from(hours) * HOUR_MS
}

/// A message of `sent_at` that expires after so long.
fn expiring(id: ConversationId, seq: u64, sender: UserId, sent_at: i64, after_ms: u64) -> Entry {
    let content = Content::Text { text: format!("secret {seq}") };
    let body = MessageBody { expires_after_ms: Some(after_ms), ..MessageBody::new(content) };
    Entry { sent_at, ..entry(id, seq, sender, Event::Message(body)) }
}

/// An edit of a message that expires at `at`.
fn expiring_edit(id: ConversationId, seq: u64, sender: UserId, target: u64, at: i64) -> Entry {
    let event = Event::MessageEdited {
        target: Sequence(target),
        content: Content::Text { text: format!("secret edit {seq}") },
        mentions: Vec::new(),
        expires_at: Some(at),
    };
    Entry { sent_at: at - 1, ..entry(id, seq, sender, event) }
}

impl Stores {
    async fn purge_expired(&self, after_ms: i64, up_to_ms: i64, max: u32) -> (u64, i64) {
        let done = self.messages.purge_expired(0, after_ms, up_to_ms, max).await;
        let done = done.expect("purge_expired answers");
        (done.purged, done.reached_ms)
    }

    async fn says(&self, id: ConversationId) -> Vec<bool> {
        self.everything(id).await.iter().map(Entry::says_something).collect()
    }

    async fn purged_up_to(&self, id: ConversationId) -> Sequence {
        self.messages.purged_up_to(id).await.expect("purged_up_to answers")
    }
}

pub async fn what_expired_is_taken_away_and_stays_away(stores: Stores) {
    let id = ConversationId::generate();
    let [anna, _] = users();
    let begin = own_time();
    let entries = vec![
        expiring(id, 1, anna, begin, 5_000),
        Entry { sent_at: begin, ..entry(id, 2, anna, text("stays")) },
        expiring(id, 3, anna, begin, 9_000),
        expiring_edit(id, 4, anna, 1, begin + 5_000),
    ];
    stores.materialise(vec![commit(7, entries.clone())]).await;
    assert_eq!(stores.purge_expired(begin, begin + 4_999, 10).await, (0, begin + 4_999));
    assert_eq!(stores.everything(id).await, entries, "nothing has expired yet");
    assert_eq!(stores.purge_expired(begin, begin + 5_000, 10).await, (2, begin + 5_000));
    assert_eq!(stores.says(id).await, [false, true, true, false], "the message and its edit");
    let changes = stores.messages.changes(id, SequenceRange::new(Sequence(1), Sequence(1))).await;
    let states = message_state::states(&changes.expect("changes answers"));
    let left = states.iter().filter_map(|state| state.edited.as_ref());
    assert!(left.into_iter().all(|edited| edited.content == Content::Deleted {}), "{states:?}");
    let first = &stores.everything(id).await[0];
    assert_eq!((first.message_id, first.sent_at), (entries[0].message_id, begin));
    assert_eq!(first.expires_at(), Some(begin + 5_000), "when it expired is still known");
    // Late copies of the commit, as after a take-over, also by somebody who slept through it.
    stores.materialise(vec![commit(7, entries.clone())]).await;
    assert_eq!(stores.says(id).await, [false, true, true, false], "it came back");
    assert_eq!(stores.purge_expired(begin, begin + 5_000, 10).await.0, 0, "once");
    assert_eq!(stores.purge_expired(begin + 5_000, begin + HOUR_MS * 3, 10).await.0, 1);
    assert_eq!(stores.says(id).await, [false, true, false, false]);
}

pub async fn expired_entries_are_taken_away_a_step_at_a_time(stores: Stores) {
    let id = ConversationId::generate();
    let [anna, _] = users();
    let begin = own_time();
    // Three at a time, and over several hours.
    let entries: Vec<Entry> = (1..=30)
        .map(|seq| expiring(id, seq, anna, begin, (seq - 1) / 3 * 1_200_000 + 1_000))
        .collect();
    stores.materialise(vec![commit(9, entries)]).await;
    let (mut reached, mut purged, mut steps) = (begin, 0, 0);
    let end = begin + 5 * HOUR_MS;
    while reached < end {
        let (some, up_to) = stores.purge_expired(reached, end, 4).await;
        assert!(up_to > reached && some <= 6, "{some} up to {up_to}, from {reached}");
        let due = (u64::try_from(up_to - begin).unwrap() + 1_199_000) / 1_200_000 * 3;
        (reached, purged, steps) = (up_to, purged + some, steps + 1);
        assert_eq!(purged, due.min(30), "all that expired up to {up_to} is gone");
    }
    assert!(steps > 3, "{steps} steps");
    assert!(stores.says(id).await.iter().all(|says| !says));
}

pub async fn a_deletion_and_an_expiry_agree(stores: Stores) {
    let [anna, _] = users();
    let begin = own_time();
    for deletion_first in [false, true] {
        let id = ConversationId::generate();
        let said = expiring(id, 1, anna, begin, 1_000);
        let gone = entry(id, 2, anna, deleted(1));
        stores.materialise(vec![commit(3, vec![said.clone()])]).await;
        if deletion_first {
            stores.materialise(vec![commit(4, vec![gone.clone()])]).await;
        }
        stores.purge_expired(begin, begin + 1_000, 10).await;
        stores.materialise(vec![commit(4, vec![gone]), commit(3, vec![said])]).await;
        assert_eq!(stores.says(id).await, [false, false]);
        let range = SequenceRange::new(Sequence(1), Sequence(1));
        let changes = stores.messages.changes(id, range).await.expect("changes answers");
        let states = message_state::states(&changes);
        assert_eq!(states[0].deleted.map(|it| it.seq), Some(Sequence(2)));
    }
}

pub async fn progress_only_grows(stores: Stores) {
    // A shard that no other check uses.
    const SHARD: u32 = 3;
    let read = async || stores.messages.expired_up_to(SHARD).await.expect("answers");
    let first = read().await.unwrap_or(NOW_MS) + 1_000;
    for (noted, expected) in [(first, first), (first + 5, first + 5), (first + 2, first + 5)] {
        stores.messages.note_expired_up_to(SHARD, noted).await.expect("answers");
        assert_eq!(read().await, Some(expected));
    }
}

pub async fn old_entries_are_removed_for_good(stores: Stores) {
    let [anna, bert] = users();
    let id = stores.create(group(&[anna, bert])).await;
    let mut entries = texts(id, anna, 1..=9_999);
    entries.push(entry(id, 10_000, bert, super::sample::reacted(4_100, "+1", true)));
    let commits = (1..).zip(entries.chunks(250)).map(|(n, some)| commit(n, some.to_vec()));
    let commits: Vec<_> = commits.collect();
    stores.materialise(commits.clone()).await;
    assert_eq!(stores.purged_up_to(id).await, Sequence::START);
    let up_to = Sequence(8_500);
    let mut steps = 0;
    while stores.messages.purge_below(id, up_to, 3_000).await.expect("purge_below answers") {
        steps += 1;
        assert_eq!(stores.purged_up_to(id).await, up_to, "said before it is done");
        assert!(steps < 10, "it never ends");
    }
    assert!(steps >= 2, "{steps} steps");
    let left = async || {
        let some = stores.everything(id).await;
        (some.first().map(|it| it.seq.0), some.len(), some.last().map(|it| it.seq.0))
    };
    assert_eq!(left().await, (Some(8_501), 1_500, Some(10_000)));
    let range = SequenceRange::new(Sequence(1), Sequence(10_000));
    let changes = stores.messages.changes(id, range).await.expect("changes answers");
    assert!(changes.is_empty(), "what was done to what is gone: {changes:?}");
    // Late copies, of one commit wholly gone and of one that is not.
    stores.materialise(vec![commits[0].clone(), commits[33].clone(), commits[34].clone()]).await;
    assert_eq!(left().await, (Some(8_501), 1_500, Some(10_000)), "they came back");
    let row = stores.roster.conversation(id).await.expect("answers").expect("it exists");
    assert_eq!(row.purged_up_to, up_to);
    assert_eq!(stores.messages.head(id).await, Ok(Sequence(10_000)), "numbers go on");
    assert_eq!(stores.messages.purge_below(id, Sequence(8_000), 10).await, Ok(false));
    assert_eq!(stores.purged_up_to(id).await, up_to, "it never goes back");
    let unknown = ConversationId::generate();
    assert_eq!(stores.messages.purge_below(unknown, up_to, 10).await, Ok(false));
}

pub async fn conversations_are_listed_once(stores: Stores) {
    let [anna, _] = users();
    let mut made: Vec<ConversationId> = (0..25).map(|_| ConversationId::generate()).collect();
    for (n, id) in (1..).zip(&made) {
        stores.materialise(vec![commit(n, vec![entry(*id, 1, anna, text("hi"))])]).await;
    }
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let some = stores.messages.conversations_after(after, 7).await.expect("answers");
        listed.extend_from_slice(&some);
        after = some.last().copied();
        if some.len() < 7 {
            break;
        }
    }
    let count = listed.len();
    listed.sort_unstable();
    listed.dedup();
    assert_eq!(listed.len(), count, "twice");
    made.retain(|id| listed.binary_search(id).is_err());
    assert!(made.is_empty(), "not listed: {made:?}");
}
