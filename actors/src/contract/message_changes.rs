//! What [`MessageStore`] promises of edits, deletions, reactions and pins, and of roles.

use schema::record::{Content, Entry, Event, Member, MessageState, Role, message_state};
use schema::{ConversationId, Sequence, SequenceRange, UserId};

use super::message_store::Stores;
use super::sample::{commit, deleted, edited, entry, group, reacted, shuffled, text, users};

/// Runs every check, each on a fresh pair.
pub async fn run(make: &impl AsyncFn() -> Stores) {
    changes_are_found_by_what_they_change(make().await).await;
    what_was_deleted_is_gone(make().await).await;
    changes_may_come_in_any_order(make().await).await;
    roles_change(make().await).await;
}

impl Stores {
    async fn changes(&self, conversation: ConversationId, first: u64, last: u64) -> Vec<Entry> {
        let range = SequenceRange::new(Sequence(first), Sequence(last));
        self.messages.changes(conversation, range).await.expect("changes answers")
    }

    async fn states(&self, conversation: ConversationId) -> Vec<MessageState> {
        message_state::states(&self.changes(conversation, 1, 1_000).await)
    }
}

/// Three messages and what is done to them.
fn story(conversation: ConversationId, anna: UserId, bert: UserId) -> Vec<Entry> {
    let events = [
        (anna, text("one")),
        (bert, text("two")),
        (anna, text("three")),
        (anna, edited(1, "uno")),
        (bert, reacted(1, "+1", true)),
        (anna, reacted(1, "+1", true)),
        (bert, reacted(1, "+1", false)),
        (anna, edited(1, "eins")),
        (bert, Event::PinChanged { target: Sequence(2), on: true }),
        (anna, edited(3, "tres")),
        (anna, deleted(3)),
    ];
    (1..)
        .zip(events)
        .map(|(seq, (sender, event))| entry(conversation, seq, sender, event))
        .collect()
}

pub async fn changes_are_found_by_what_they_change(stores: Stores) {
    let conversation = ConversationId::generate();
    let [anna, bert] = users();
    let story = story(conversation, anna, bert);
    stores.materialise(vec![commit(1, story.clone())]).await;
    let states = stores.states(conversation).await;
    assert_eq!(states, message_state::states(&story), "as the whole log tells it");
    let of_second: Vec<Sequence> =
        stores.changes(conversation, 2, 2).await.iter().map(|it| it.seq).collect();
    assert_eq!(of_second, [Sequence(9)], "of the range alone");
    assert!(stores.changes(conversation, 4, 100).await.is_empty(), "changes have no changes");
    assert!(stores.changes(ConversationId::generate(), 1, 9).await.is_empty());
}

fn says(entry: &Entry) -> Option<&Content> {
    match &entry.event {
        Event::Message(body) => Some(&body.content),
        Event::MessageEdited { content, .. } => Some(content),
        _ => None,
    }
}

pub async fn what_was_deleted_is_gone(stores: Stores) {
    let conversation = ConversationId::generate();
    let [anna, bert] = users();
    let story = story(conversation, anna, bert);
    let (before, after) = story.split_at(10);
    stores.materialise(vec![commit(1, before.to_vec())]).await;
    assert_ne!(says(&stores.everything(conversation).await[2]), Some(&Content::Deleted {}));
    stores.materialise(vec![commit(2, after.to_vec())]).await;
    // Once more, as after a crash.
    stores.materialise(vec![commit(1, before.to_vec()), commit(2, after.to_vec())]).await;
    let stored = stores.everything(conversation).await;
    assert_eq!(stored.len(), story.len(), "every number stays");
    for seq in [3, 10] {
        let entry = &stored[seq - 1];
        assert_eq!(says(entry), Some(&Content::Deleted {}), "entry {seq} still says something");
        assert_eq!(entry.message_id, story[seq - 1].message_id);
    }
    assert_eq!(stored[0], story[0], "others stay as they were");
    let leaked = stores.changes(conversation, 3, 3).await;
    assert!(
        leaked.iter().filter_map(says).all(|content| *content == Content::Deleted {}),
        "changes tell what was deleted: {leaked:?}"
    );
}

pub async fn changes_may_come_in_any_order(stores: Stores) {
    let [anna, bert] = users();
    for seed in 0..5 {
        let conversation = ConversationId::generate();
        let story = story(conversation, anna, bert);
        let commits: Vec<_> =
            (1..).zip(&story).map(|(n, entry)| commit(n, vec![entry.clone()])).collect();
        for commit in shuffled(&commits, seed) {
            stores.materialise(vec![commit]).await;
        }
        let states = stores.states(conversation).await;
        assert_eq!(states, message_state::states(&story), "seed {seed}");
        let stored = stores.everything(conversation).await;
        assert_eq!(says(&stored[2]), Some(&Content::Deleted {}), "seed {seed}");
    }
}

pub async fn roles_change(stores: Stores) {
    let [anna, bert] = users();
    let conversation = stores.create(group(&[anna, bert])).await;
    let role = |user_id, role| Event::RolesChanged { members: vec![Member { user_id, role }] };
    let first = entry(conversation, 1, anna, role(bert, Role::Admin));
    let second = entry(conversation, 2, anna, role(bert, Role::Owner));
    // The later one first.
    stores.materialise(vec![commit(2, vec![second])]).await;
    stores.materialise(vec![commit(1, vec![first])]).await;
    let place = stores.membership(conversation, bert).await.expect("a member");
    assert_eq!((place.role, place.joined_after), (Role::Owner, Sequence::START));
    // Who comes back comes as what the return says.
    let back = Event::MembersChanged {
        added: vec![Member { user_id: bert, role: Role::Member }],
        removed: Vec::new(),
    };
    let removal = Event::MembersChanged { added: Vec::new(), removed: vec![bert] };
    let entries = vec![entry(conversation, 3, anna, removal), entry(conversation, 4, anna, back)];
    stores.materialise(vec![commit(3, entries)]).await;
    let place = stores.membership(conversation, bert).await.expect("a member");
    assert_eq!((place.role, place.left_at), (Role::Member, None));
    let list = stores.roster.conversations_of(bert, None).await.expect("answers");
    assert_eq!(list.first().map(|it| it.membership.role), Some(Role::Member));
}
