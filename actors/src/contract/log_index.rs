//! What [`LogIndex`] promises of what a [`MessageStore`](crate::ports::MessageStore) was given.

use std::sync::Arc;

use schema::record::{Content, Entry, Event, MessageBody};
use schema::{ConversationId, Sequence, SequenceRange, UserId};

use super::message_store::Stores;
use super::sample::{commit, deleted, entry, reacted, text, users};
use crate::ports::{LogIndex, MentionsWithin, ThreadReply};

/// Runs every check on one store: each makes conversations of its own.
pub async fn run(stores: Stores, index: Arc<dyn LogIndex>) {
    messages_are_counted_by_ordinals(&stores, &index).await;
    mentions_are_counted(&stores, &index).await;
    a_mention_may_be_gone_at_once(&stores, &index).await;
    threads_are_found(&stores, &index).await;
    a_pair_finds_its_conversation(&stores).await;
}

fn said(thread: Option<u64>, mentions: &[UserId]) -> Event {
    Event::Message(MessageBody {
        thread: thread.map(Sequence),
        mentions: mentions.to_vec(),
        ..MessageBody::new(Content::Text { text: "x".into() })
    })
}

fn within(conversation: ConversationId, first: u64, last: u64, here: &[u64]) -> MentionsWithin {
    let range = SequenceRange::new(Sequence(first), Sequence(last));
    MentionsWithin { conversation, range, here: here.iter().copied().map(Sequence).collect() }
}

fn entries(id: ConversationId, sender: UserId, events: Vec<Event>) -> Vec<Entry> {
    let mut ordinal = 0;
    let numbered = (1..).zip(events);
    let entries = numbered.map(|(seq, event)| {
        ordinal += u64::from(matches!(event, Event::Message(_)));
        Entry { ordinal, ..entry(id, seq, sender, event) }
    });
    entries.collect()
}

pub async fn messages_are_counted_by_ordinals(stores: &Stores, index: &Arc<dyn LogIndex>) {
    let (id, [anna]) = (ConversationId::generate(), users());
    let events = vec![text("one"), reacted(1, "+1", true), text("two"), deleted(3), text("three")];
    let log = entries(id, anna, events);
    stores.materialise(vec![commit(1, log.clone())]).await;
    stores.materialise(vec![commit(1, log.clone())]).await;
    let at = |seq| (id, Sequence(seq));
    let nowhere = (ConversationId::generate(), Sequence(1));
    let question = vec![at(5), at(0), at(2), nowhere, at(3), at(6)];
    let ordinals = index.ordinals(question).await.expect("ordinals answers");
    assert_eq!(ordinals, [Some(3), Some(0), Some(1), None, Some(2), None]);
    let stored = stores.everything(id).await;
    assert_eq!(stored[4], log[4], "an entry keeps its ordinal");
}

pub async fn mentions_are_counted(stores: &Stores, index: &Arc<dyn LogIndex>) {
    let (id, [anna, bert, cleo]) = (ConversationId::generate(), users());
    let edit = Event::MessageEdited {
        target: Sequence(4),
        content: Content::Text { text: "y".into() },
        mentions: vec![bert],
        expires_at: None,
    };
    let events = vec![
        said(None, &[bert]),
        said(None, &[bert, UserId::EVERYONE, cleo]),
        said(None, &[UserId::HERE]),
        said(None, &[]),
        edit,
        said(None, &[bert]),
    ];
    let mut log = entries(id, anna, events);
    stores.materialise(vec![commit(1, log.clone())]).await;
    let count = async |user, first, last| {
        let within = vec![within(id, first, last, &[])];
        index.mentions(user, within).await.expect("mentions answers")[0]
    };
    let count_here = async |user, here: &[u64]| {
        let within = vec![within(id, 1, 9, here)];
        index.mentions(user, within).await.expect("mentions answers")[0]
    };
    assert_eq!(count_here(bert, &[3]).await, 5);
    assert_eq!(count_here(cleo, &[3, 4]).await, 2, "of those who are there, who was");
    assert_eq!(count_here(cleo, &[4, 9]).await, 1, "it asks for those who are there");
    assert_eq!(count(bert, 1, 9).await, 4);
    assert_eq!(count(bert, 2, 4).await, 2, "of the range alone");
    assert_eq!(count(cleo, 1, 9).await, 1, "everyone counts, twice named is once");
    log.push(entry(id, 7, anna, deleted(6)));
    log.push(entry(id, 8, anna, deleted(4)));
    log.push(entry(id, 9, anna, deleted(2)));
    stores.materialise(vec![commit(2, log[6..].to_vec())]).await;
    assert_eq!(count(bert, 1, 9).await, 1, "what was deleted mentions nobody");
    assert_eq!(count(cleo, 1, 9).await, 0);
    // Once more, as after a crash.
    stores.materialise(vec![commit(1, log[..6].to_vec()), commit(2, log[6..].to_vec())]).await;
    assert_eq!(count(bert, 1, 9).await, 1);
    assert_eq!(count_here(bert, &[3]).await, 2);
    log.push(entry(id, 10, anna, deleted(3)));
    stores.materialise(vec![commit(3, log[9..].to_vec())]).await;
    assert_eq!(count_here(bert, &[3]).await, 1, "nor those who were there");
}

/// Sent and deleted within the same moment.
pub async fn a_mention_may_be_gone_at_once(stores: &Stores, index: &Arc<dyn LogIndex>) {
    let (id, [anna, bert]) = (ConversationId::generate(), users());
    let log = entries(id, anna, vec![said(None, &[bert]), said(None, &[bert]), deleted(1)]);
    stores.materialise(vec![commit(1, log)]).await;
    let within = vec![within(id, 1, 9, &[])];
    assert_eq!(index.mentions(bert, within).await, Ok(vec![1]));
}

pub async fn threads_are_found(stores: &Stores, index: &Arc<dyn LogIndex>) {
    let (id, [anna, bert]) = (ConversationId::generate(), users());
    let events = vec![said(None, &[]), said(None, &[]), said(Some(1), &[]), said(Some(2), &[])];
    let mut log = entries(id, anna, events);
    log.push(entry(id, 5, bert, said(Some(1), &[])));
    stores.materialise(vec![commit(2, log[2..].to_vec()), commit(1, log[..2].to_vec())]).await;
    stores.materialise(vec![commit(2, log[2..].to_vec())]).await;
    let threads = async |below, limit| {
        index.threads(id, Sequence(below), limit).await.expect("threads answers")
    };
    assert_eq!(threads(100, 10).await, [(Sequence(2), Sequence(4)), (Sequence(1), Sequence(5))]);
    assert_eq!(threads(100, 1).await, [(Sequence(2), Sequence(4))]);
    assert_eq!(threads(2, 10).await, [(Sequence(1), Sequence(5))]);
    let replies = async |range: (u64, u64), limit, newest| {
        let range = SequenceRange::new(Sequence(range.0), Sequence(range.1));
        let found = index.thread_replies(id, Sequence(1), range, limit, newest).await;
        found.expect("thread_replies answers")
    };
    let reply = |seq, sender_id| ThreadReply { seq: Sequence(seq), sender_id };
    assert_eq!(replies((1, 100), 10, false).await, [reply(3, anna), reply(5, bert)]);
    assert_eq!(replies((1, 100), 1, false).await, [reply(3, anna)]);
    assert_eq!(replies((1, 100), 1, true).await, [reply(5, bert)]);
    assert_eq!(replies((4, 100), 10, true).await, [reply(5, bert)]);
    assert!(replies((6, 100), 10, true).await.is_empty());
}

pub async fn a_pair_finds_its_conversation(stores: &Stores) {
    let [anna, bert, cleo] = users();
    let id = stores.create(super::sample::direct(anna, bert)).await;
    for (one, other) in [(anna, bert), (bert, anna)] {
        assert_eq!(stores.roster.direct_between(one, other).await, Ok(Some(id)));
    }
    assert_eq!(stores.roster.direct_between(anna, cleo).await, Ok(None));
}
