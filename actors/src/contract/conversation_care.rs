//! What stores promise of what a conversation is set to, of bans, and of members by invite.

use schema::record::{Ban, ConversationPatch, ConversationProfile, Entry, Event, Posting};
use schema::{InviteId, Sequence, UserId};

use super::message_store::Stores;
use super::sample::{commit, entry, group, shuffled, users};

/// Runs every check, each on a fresh pair.
pub async fn run(make: &impl AsyncFn() -> Stores) {
    settings_are_kept_in_whatever_order_they_come(make().await).await;
    a_ban_removes_and_its_end_does_not_bring_back(make().await).await;
    who_joins_by_an_invite_is_a_member(make().await).await;
}

pub async fn settings_are_kept_in_whatever_order_they_come(stores: Stores) {
    let [anna, bert] = users();
    let change = |change| Event::ConversationChanged(Box::new(change));
    let none = ConversationPatch::default;
    let events = [
        change(ConversationPatch { description: Some(Some("one".into())), ..none() }),
        change(ConversationPatch {
            photo: Some(Some("https://example.org/1.png".into())),
            disappear_after_ms: Some(Some(60_000)),
            posting: Some(Posting::Admins),
            ..ConversationPatch::named("Tea")
        }),
        change(ConversationPatch {
            description: Some(None),
            retention_days: Some(Some(0)),
            ..none()
        }),
        change(ConversationPatch { disappear_after_ms: Some(None), ..none() }),
        change(ConversationPatch {
            photo: Some(Some("https://example.org/2.png".into())),
            ..none()
        }),
    ];
    for seed in 0..5 {
        let id = stores.create(group(&[anna, bert])).await;
        let entries: Vec<Entry> =
            (1..).zip(&events).map(|(seq, event)| entry(id, seq, anna, event.clone())).collect();
        let commits: Vec<_> =
            (1..).zip(&entries).map(|(n, entry)| commit(n, vec![entry.clone()])).collect();
        for commit in shuffled(&commits, seed) {
            stores.materialise(vec![commit]).await;
        }
        let row = stores.roster.conversation(id).await.expect("answers").expect("it exists");
        let mut expected = row.clone();
        (expected.name, expected.profile) = (None, ConversationProfile::default());
        events.iter().for_each(|event| match event {
            Event::ConversationChanged(change) => expected.apply(change),
            _ => unreachable!(),
        });
        assert_eq!(row, expected, "seed {seed}");
        assert_eq!(row.name.as_deref(), Some("Tea"));
        let list = stores.roster.conversations_of(bert, None).await.expect("answers");
        let listed = list.iter().find(|it| it.conversation.conversation_id == id);
        assert_eq!(listed.map(|it| &it.conversation), Some(&row), "the chat list says the same");
    }
}

pub async fn a_ban_removes_and_its_end_does_not_bring_back(stores: Stores) {
    let [anna, bert] = users();
    let stranger = UserId::generate();
    for seed in 0..4 {
        let id = stores.create(group(&[anna, bert])).await;
        let bans = |banned: &[UserId], unbanned: &[UserId]| Event::BansChanged {
            banned: banned.to_vec(),
            unbanned: unbanned.to_vec(),
        };
        let events = [
            bans(&[bert, stranger], &[]),
            bans(&[], &[bert]),
            bans(&[], &[stranger]),
            bans(&[stranger], &[]),
        ];
        let entries = (1..).zip(events).map(|(seq, event)| entry(id, seq, anna, event));
        let entries: Vec<Entry> = entries.collect();
        let commits: Vec<_> =
            (1..).zip(&entries).map(|(n, entry)| commit(n, vec![entry.clone()])).collect();
        for commit in shuffled(&commits, seed) {
            stores.materialise(vec![commit]).await;
        }
        let left = stores.membership(id, bert).await.expect("was a member");
        assert_eq!(left.left_at, Some(Sequence(1)), "seed {seed}");
        let ban = Ban {
            user_id: stranger,
            seq: Sequence(4),
            banned_by: anna,
            banned_at: entries[3].sent_at,
        };
        assert_eq!(stores.roster.bans(id).await, Ok(vec![ban]), "seed {seed}");
        assert_eq!(stores.membership(id, stranger).await, None, "was never a member");
    }
}

pub async fn who_joins_by_an_invite_is_a_member(stores: Stores) {
    let [anna, bert] = users();
    let id = stores.create(group(&[anna])).await;
    let joined = Event::Joined { invite_id: InviteId::generate() };
    stores.materialise(vec![commit(1, vec![entry(id, 1, bert, joined)])]).await;
    let place = stores.membership(id, bert).await.expect("a member");
    assert_eq!((place.joined_after, place.left_at), (Sequence::START, None));
    let list = stores.roster.conversations_of(bert, None).await.expect("answers");
    assert_eq!(list.len(), 1);
}
