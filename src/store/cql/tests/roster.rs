use actors::ports::{Created, MaterialisedCommit, MessageStore, NewConversation, RosterStore};
use schema::record::{ConversationKind, ConversationPatch, Entry, Event, Member, Role};
use schema::{ConversationId, Sequence, SequenceRange, UserId};

use super::{message, new_store};
use crate::store::cql::Store;

fn direct(one: UserId, other: UserId) -> NewConversation {
    let members = [one, other].map(|user_id| Member { user_id, role: Role::Member });
    NewConversation {
        conversation_id: ConversationId::generate(),
        kind: ConversationKind::Direct,
        name: None,
        created_by: one,
        created_at: 1_700_000_000_000,
        members: members.into(),
    }
}

#[tokio::test]
async fn rows_survive_what_may_go_wrong() {
    let store = new_store().await;
    an_abandoned_pair_is_finished_by_the_next(&store).await;
    a_repeated_creation_does_not_undo_entries(&store).await;
    a_range_spans_partitions(&store).await;
    large_entries_and_large_changes_are_written(&store).await;
}

async fn an_abandoned_pair_is_finished_by_the_next(store: &Store) {
    let [anna, ben] = [UserId::generate(), UserId::generate()];
    let abandoned = direct(anna, ben);
    let (low, high) = (abandoned.members[0], abandoned.members[1]);
    store.reserve_pair(&abandoned, low, high).await.expect("answers");
    assert_eq!(store.conversations_of(anna, None).await, Ok(Vec::new()), "not there yet");
    let Ok(Created::Existing(row)) = RosterStore::create(store, direct(ben, anna)).await else {
        panic!("the pair is reserved");
    };
    assert_eq!(row.conversation_id, abandoned.conversation_id, "the one that was begun");
    assert_eq!(row.created_by, anna, "as its creator wanted it");
    for (user, peer) in [(anna, ben), (ben, anna)] {
        let list = store.conversations_of(user, None).await.expect("answers");
        assert_eq!((list.len(), list[0].peer), (1, Some(peer)));
    }
}

async fn a_repeated_creation_does_not_undo_entries(store: &Store) {
    let [anna, ben] = [UserId::generate(), UserId::generate()];
    let mut group = direct(anna, ben);
    (group.kind, group.name) = (ConversationKind::Group, Some("Old".to_owned()));
    let id = group.conversation_id;
    RosterStore::create(store, group.clone()).await.expect("answers");
    let change = |seq, event| Entry { event, ..message(id, seq) };
    let entries = vec![
        change(1, Event::ConversationChanged(Box::new(ConversationPatch::named("New")))),
        change(2, Event::MembersChanged { added: Vec::new(), removed: vec![ben] }),
    ];
    let commit = MaterialisedCommit { shard: 0, n: 1, entries: entries.into() };
    store.materialise(vec![commit]).await.expect("answers");
    // As if its first answer had been lost.
    store.write_conversation(&group).await.expect("answers");
    let row = store.conversation(id).await.expect("answers").expect("it exists");
    assert_eq!(row.name.as_deref(), Some("New"));
    let left = store.membership(id, ben).await.expect("answers").expect("was there");
    assert_eq!(left.left_at, Some(Sequence(2)));
}

async fn a_range_spans_partitions(store: &Store) {
    let id = ConversationId::generate();
    let entries: Vec<_> = (1..=9_000).map(|seq| message(id, seq)).collect();
    let commits = (1..).zip(entries.chunks(256)).map(|(n, entries)| MaterialisedCommit {
        shard: 0,
        n,
        entries: entries.into(),
    });
    store.materialise(commits.collect()).await.expect("answers");
    for (first, last) in
        [(1, u64::MAX), (4_096, 4_097), (4_000, 8_300), (8_193, 8_193), (9_000, 9_100)]
    {
        let range = SequenceRange::new(Sequence(first), Sequence(last));
        let read = store.range(id, range).await.expect("answers");
        let expected: Vec<_> =
            entries.iter().filter(|entry| range.contains(entry.seq)).cloned().collect();
        assert!(read == expected, "{first}..={last}: {} of {}", read.len(), expected.len());
    }
}

async fn large_entries_and_large_changes_are_written(store: &Store) {
    let id = ConversationId::generate();
    let added: Vec<_> =
        (0..1_000).map(|_| Member { user_id: UserId::generate(), role: Role::Member }).collect();
    let mut entries = vec![Entry {
        event: Event::MembersChanged { added: added.clone(), removed: Vec::new() },
        ..message(id, 1)
    }];
    for seq in 2..=5 {
        let mut entry = message(id, seq);
        if let Event::Message(body) = &mut entry.event {
            body.content = schema::record::Content::Text { text: "x".repeat(64 * 1_024) };
        }
        entries.push(entry);
    }
    let commit = MaterialisedCommit { shard: 0, n: 1, entries: entries.clone().into() };
    store.materialise(vec![commit]).await.expect("answers");
    let all = SequenceRange::new(Sequence(1), Sequence(5));
    assert!(store.range(id, all).await.expect("answers") == entries);
    assert_eq!(store.members(id).await.expect("answers").len(), 1_000);
}
