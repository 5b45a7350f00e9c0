//! What [`RosterStore`] promises of conversations, pairs, positions and chat lists.

use futures_util::future::join_all;
use schema::record::{
    Conversation, ConversationKind, ConversationOverview, MemberPosition, Membership,
    PositionAdvance, Role,
};
use schema::{ConversationId, DeviceId, Sequence, UserId};

pub use super::message_store::Stores;
use super::sample::{
    NOW_MS, commit, delivered_up_to, direct, entry, group, read_up_to, removed, texts, users,
};
use crate::ports::{Created, NewConversation};

/// Runs every check, each on a fresh pair of stores.
pub async fn run(make: impl AsyncFn() -> Stores) {
    a_created_conversation_is_read_back(make().await).await;
    an_unknown_conversation_has_nobody(make().await).await;
    repeating_a_creation_changes_nothing(make().await).await;
    first_members_see_from_the_start(make().await).await;
    a_pair_has_one_direct_conversation(make().await).await;
    concurrent_pairs_meet_in_one_conversation(make().await).await;
    groups_of_the_same_people_are_apart(make().await).await;
    positions_only_grow(make().await).await;
    private_positions_are_ones_own(make().await).await;
    concurrent_positions_keep_the_largest(make().await).await;
    positions_belong_to_one_user_device_and_conversation(make().await).await;
    many_positions_are_written_at_once(make().await).await;
    positions_of_a_conversation_are_those_of_its_furthest_devices(make().await).await;
    an_empty_conversation_has_no_last_entry(make().await).await;
    an_overview_tells_where_the_log_stands(make().await).await;
    the_peer_is_the_other_one(make().await).await;
    a_chat_list_leaves_out_what_was_left(make().await).await;
    a_long_chat_list_is_whole_and_in_order(make().await).await;
}

impl Stores {
    async fn made(&self, conversation: NewConversation) -> Created {
        self.roster.create(conversation).await.expect("create answers")
    }

    async fn row(&self, id: ConversationId) -> Option<Conversation> {
        self.roster.conversation(id).await.expect("conversation answers")
    }

    async fn members(&self, id: ConversationId) -> Vec<Membership> {
        self.roster.members(id).await.expect("members answers")
    }

    async fn list(&self, user: UserId, device: Option<DeviceId>) -> Vec<ConversationOverview> {
        self.roster.conversations_of(user, device).await.expect("conversations_of answers")
    }

    async fn advance(&self, advances: Vec<PositionAdvance>) {
        self.roster.advance_positions(advances).await.expect("advance_positions answers");
    }
}

pub async fn positions_of_a_conversation_are_those_of_its_furthest_devices(stores: Stores) {
    let [anna, bert] = users();
    let [here, elsewhere] = [ConversationId::generate(), ConversationId::generate()];
    let [phone, laptop] = [DeviceId::generate(), DeviceId::generate()];
    assert!(stores.roster.positions_of(here).await.expect("answers").is_empty());
    stores.advance(vec![delivered_up_to(anna, phone, here, 5), read_up_to(bert, here, 3)]).await;
    stores.advance(vec![delivered_up_to(anna, laptop, here, 4), read_up_to(anna, here, 2)]).await;
    stores.advance(vec![read_up_to(anna, here, 1), read_up_to(anna, elsewhere, 9)]).await;
    let position = |user_id, delivered, read| MemberPosition {
        user_id,
        delivered: Sequence(delivered),
        read: Sequence(read),
    };
    let mut expected = vec![position(anna, 5, 2), position(bert, 0, 3)];
    expected.sort_by_key(|it| it.user_id);
    assert_eq!(stores.roster.positions_of(here).await.expect("answers"), expected);
}

fn id_of(created: &Created) -> ConversationId {
    match created {
        Created::New(row) | Created::Existing(row) => row.conversation_id,
    }
}

pub async fn a_created_conversation_is_read_back(stores: Stores) {
    let [creator, friend] = users();
    for new in [group(&[creator, friend]), direct(creator, friend)] {
        let Created::New(row) = stores.made(new.clone()).await else {
            panic!("a conversation with a new id and a new pair must be new");
        };
        let facts = (row.conversation_id, row.kind, row.created_by, row.created_at, &row.name);
        let given = (new.conversation_id, new.kind, new.created_by, new.created_at, &new.name);
        assert_eq!(facts, given, "the row must hold what was given");
        assert_eq!(stores.row(new.conversation_id).await, Some(row), "reads see the creation");
    }
    let channel = NewConversation { kind: ConversationKind::Channel, ..group(&[creator]) };
    let id = channel.conversation_id;
    stores.made(channel).await;
    assert_eq!(stores.row(id).await.map(|row| row.kind), Some(ConversationKind::Channel));
}

pub async fn an_unknown_conversation_has_nobody(stores: Stores) {
    let (unknown, user) = (ConversationId::generate(), UserId::generate());
    assert_eq!(stores.row(unknown).await, None);
    assert_eq!(stores.members(unknown).await, Vec::new());
    assert_eq!(stores.roster.membership(unknown, user).await, Ok(None));
    assert_eq!(stores.list(user, None).await, Vec::new());
}

pub async fn repeating_a_creation_changes_nothing(stores: Stores) {
    let [creator, friend] = users();
    for new in [group(&[creator, friend]), direct(creator, friend)] {
        let id = new.conversation_id;
        let first = stores.made(new.clone()).await;
        let gone = entry(id, 1, creator, removed(&[friend]));
        stores.messages.materialise(vec![commit(1, vec![gone])]).await.expect("answers");
        let members = stores.members(id).await;
        let Created::Existing(row) = stores.made(new).await else {
            panic!("a conversation that exists must not be made anew");
        };
        assert_eq!(row.conversation_id, id_of(&first), "a repeat answers with the same row");
        assert_eq!(stores.members(id).await, members, "a repeat must not bring anyone back");
    }
}

pub async fn first_members_see_from_the_start(stores: Stores) {
    let people = users::<5>();
    let new = group(&people);
    let id = new.conversation_id;
    stores.made(new).await;
    let mut expected: Vec<_> = people
        .iter()
        .map(|&user_id| Membership {
            user_id,
            role: if user_id == people[0] { Role::Owner } else { Role::Member },
            joined_after: Sequence::START,
            left_at: None,
        })
        .collect();
    expected.sort_by_key(|membership| membership.user_id);
    assert_eq!(stores.members(id).await, expected, "everyone, by user id, from number 1 on");
    for membership in expected {
        let found = stores.roster.membership(id, membership.user_id).await;
        assert_eq!(found, Ok(Some(membership)), "one place is the same as in the list");
    }
    let stranger = stores.roster.membership(id, UserId::generate()).await;
    assert_eq!(stranger, Ok(None), "a stranger has no place");
}

pub async fn a_pair_has_one_direct_conversation(stores: Stores) {
    let [anna, ben, carl] = users();
    let first = stores.made(direct(anna, ben)).await;
    for again in [direct(anna, ben), direct(ben, anna)] {
        let refused = again.conversation_id;
        let Created::Existing(row) = stores.made(again).await else {
            panic!("a pair must not get a second direct conversation");
        };
        assert_eq!(row.conversation_id, id_of(&first), "the pair's one conversation");
        assert_eq!(stores.row(refused).await, None, "the other id must not exist");
        assert_eq!(stores.members(refused).await, Vec::new(), "nor have members");
    }
    for pair in [direct(anna, carl), direct(carl, ben)] {
        assert!(matches!(stores.made(pair).await, Created::New(_)), "other pairs are apart");
    }
    assert_eq!(stores.list(anna, None).await.len(), 2);
}

pub async fn concurrent_pairs_meet_in_one_conversation(stores: Stores) {
    for _ in 0..4 {
        let [anna, ben] = users();
        let attempts: Vec<_> = (0..16)
            .map(|i| if i % 2 == 0 { direct(anna, ben) } else { direct(ben, anna) })
            .collect();
        let answers =
            join_all(attempts.iter().map(|attempt| stores.roster.create(attempt.clone()))).await;
        let created: Vec<_> =
            answers.into_iter().map(|answer| answer.expect("create answers")).collect();
        let winners = created.iter().filter(|created| matches!(created, Created::New(_))).count();
        assert_eq!(winners, 1, "exactly one of the concurrent creations is new");
        let id = id_of(&created[0]);
        assert!(created.iter().all(|c| id_of(c) == id), "all are told the same conversation");
        for user in [anna, ben] {
            let list = stores.list(user, None).await;
            assert_eq!(list.len(), 1, "each sees one conversation");
            assert_eq!(list[0].conversation.conversation_id, id);
        }
        for attempt in attempts.iter().filter(|attempt| attempt.conversation_id != id) {
            assert_eq!(stores.row(attempt.conversation_id).await, None, "losers leave nothing");
        }
    }
}

pub async fn groups_of_the_same_people_are_apart(stores: Stores) {
    let people = users::<2>();
    for _ in 0..2 {
        assert!(matches!(stores.made(group(&people)).await, Created::New(_)));
    }
    stores.made(direct(people[0], people[1])).await;
    assert_eq!(stores.list(people[0], None).await.len(), 3, "a pair may share many groups");
}

/// What the user has read and the device was delivered in the only conversation of the list.
async fn positions(stores: &Stores, user: UserId, device: DeviceId) -> (u64, u64) {
    let list = stores.list(user, Some(device)).await;
    (list[0].read.0, list[0].delivered.0)
}

pub async fn positions_only_grow(stores: Stores) {
    let user = UserId::generate();
    let device = DeviceId::generate();
    let new = group(&[user]);
    let id = new.conversation_id;
    stores.made(new).await;
    assert_eq!(positions(&stores, user, device).await, (0, 0), "nothing read, nothing delivered");
    let steps = [
        (vec![read_up_to(user, id, 5)], (5, 0)),
        (vec![delivered_up_to(user, device, id, 7)], (5, 7)),
        (vec![read_up_to(user, id, 3), delivered_up_to(user, device, id, 6)], (5, 7)),
        (vec![read_up_to(user, id, 5), delivered_up_to(user, device, id, 7)], (5, 7)),
        (vec![read_up_to(user, id, 9), read_up_to(user, id, 8)], (9, 7)),
        (
            vec![PositionAdvance {
                read: Some(Sequence(10)),
                ..delivered_up_to(user, device, id, 11)
            }],
            (10, 11),
        ),
        (Vec::new(), (10, 11)),
    ];
    for (advances, expected) in steps {
        stores.advance(advances.clone()).await;
        let found = positions(&stores, user, device).await;
        assert_eq!(found, expected, "read and delivered after {advances:?}");
    }
}

pub async fn private_positions_are_ones_own(stores: Stores) {
    let [user, other] = users();
    let device = DeviceId::generate();
    let new = group(&[user, other]);
    let id = new.conversation_id;
    stores.made(new).await;
    let private = |advance| PositionAdvance { is_private: true, ..advance };
    stores
        .advance(vec![
            read_up_to(user, id, 3),
            private(read_up_to(user, id, 9)),
            private(delivered_up_to(user, device, id, 10)),
            private(read_up_to(other, id, 2)),
        ])
        .await;
    assert_eq!(positions(&stores, user, device).await, (9, 10), "one's own devices agree");
    let told = stores.roster.positions_of(id).await.expect("positions_of answers");
    let told: Vec<_> = told.iter().map(|it| (it.user_id, it.delivered.0, it.read.0)).collect();
    assert_eq!(told, [(user, 0, 3)], "others see what was public");
}

pub async fn concurrent_positions_keep_the_largest(stores: Stores) {
    let user = UserId::generate();
    let device = DeviceId::generate();
    let new = group(&[user]);
    let id = new.conversation_id;
    stores.made(new).await;
    let advances = (1..=32).map(|i| {
        let seq = i * 7 % 33;
        let both = vec![read_up_to(user, id, seq), delivered_up_to(user, device, id, seq)];
        if i % 2 == 0 {
            stores.roster.advance_positions(both)
        } else {
            stores.roster.advance_positions_at_leisure(both)
        }
    });
    for answer in join_all(advances).await {
        answer.expect("advance_positions answers");
    }
    assert_eq!(positions(&stores, user, device).await, (32, 32), "the largest wins");
}

pub async fn positions_belong_to_one_user_device_and_conversation(stores: Stores) {
    let [user, friend] = users();
    let [phone, desk] = [DeviceId::generate(), DeviceId::generate()];
    let [first, second] = [group(&[user, friend]), group(&[user, friend])];
    let (first_id, second_id) = (first.conversation_id, second.conversation_id);
    stores.made(first).await;
    stores.made(second).await;
    stores
        .advance(vec![
            read_up_to(user, first_id, 4),
            delivered_up_to(user, phone, first_id, 6),
            delivered_up_to(user, desk, second_id, 8),
        ])
        .await;
    let positions = async |user, device| -> Vec<_> {
        let mut list = stores.list(user, device).await;
        list.sort_by_key(|row| row.conversation.conversation_id != first_id);
        list.iter().map(|row| (row.read.0, row.delivered.0)).collect()
    };
    assert_eq!(positions(user, Some(phone)).await, [(4, 6), (0, 0)]);
    assert_eq!(positions(user, Some(desk)).await, [(4, 0), (0, 8)]);
    assert_eq!(positions(user, None).await, [(4, 0), (0, 0)], "no device, nothing delivered");
    assert_eq!(positions(friend, None).await, [(0, 0), (0, 0)], "others have read nothing");
}

pub async fn many_positions_are_written_at_once(stores: Stores) {
    let people = users::<40>();
    let device = DeviceId::generate();
    let mut ids = Vec::new();
    for _ in 0..20 {
        let new = group(&people);
        ids.push(new.conversation_id);
        stores.made(new).await;
    }
    let advances: Vec<_> = people
        .iter()
        .flat_map(|&user| {
            ids.iter().map(move |&id| PositionAdvance {
                read: Some(Sequence(3)),
                ..delivered_up_to(user, device, id, 4)
            })
        })
        .collect();
    stores.advance(advances).await;
    for user in people {
        for row in stores.list(user, Some(device)).await {
            assert_eq!((row.read.0, row.delivered.0), (3, 4), "every position is written");
        }
    }
}

pub async fn an_empty_conversation_has_no_last_entry(stores: Stores) {
    let [creator, friend] = users();
    let Created::New(row) = stores.made(group(&[creator, friend])).await else {
        panic!("a conversation with a new id must be new");
    };
    let expected = ConversationOverview {
        conversation: row,
        membership: Membership {
            user_id: friend,
            role: Role::Member,
            joined_after: Sequence::START,
            left_at: None,
        },
        head: Sequence::START,
        last_sent_at: None,
        read: Sequence::START,
        delivered: Sequence::START,
        peer: None,
    };
    assert_eq!(stores.list(friend, None).await, [expected]);
}

pub async fn an_overview_tells_where_the_log_stands(stores: Stores) {
    let [creator, friend] = users();
    let new = direct(creator, friend);
    let id = new.conversation_id;
    stores.made(new).await;
    for last in 1..=3_u64 {
        let new_entries = texts(id, creator, last..=last);
        stores.messages.materialise(vec![commit(last, new_entries)]).await.expect("answers");
        let list = stores.list(friend, None).await;
        assert_eq!(list[0].head, Sequence(last), "the head is the last materialised number");
        let sent_at = NOW_MS + i64::try_from(last).expect("small");
        assert_eq!(list[0].last_sent_at, Some(sent_at), "the time of the head entry");
    }
    let older = texts(id, creator, 2..=2);
    stores.messages.materialise(vec![commit(2, older)]).await.expect("answers");
    let list = stores.list(friend, None).await;
    assert_eq!((list[0].head, list[0].last_sent_at), (Sequence(3), Some(NOW_MS + 3)));
}

pub async fn the_peer_is_the_other_one(stores: Stores) {
    let [anna, ben] = users();
    stores.made(direct(anna, ben)).await;
    assert_eq!(stores.list(anna, None).await[0].peer, Some(ben));
    assert_eq!(stores.list(ben, None).await[0].peer, Some(anna));
    let [carl, dora] = users();
    stores.made(group(&[carl, dora])).await;
    assert_eq!(stores.list(carl, None).await[0].peer, None, "a group of two has no peer");
}

pub async fn a_chat_list_leaves_out_what_was_left(stores: Stores) {
    let [creator, friend] = users();
    let [kept, left] = [group(&[creator, friend]), group(&[creator, friend])];
    let (kept_id, left_id) = (kept.conversation_id, left.conversation_id);
    stores.made(kept).await;
    stores.made(left).await;
    let gone = entry(left_id, 1, creator, removed(&[friend]));
    stores.messages.materialise(vec![commit(1, vec![gone])]).await.expect("answers");
    let ids: Vec<_> = stores
        .list(friend, None)
        .await
        .iter()
        .map(|row| row.conversation.conversation_id)
        .collect();
    assert_eq!(ids, [kept_id], "only where the user is now");
    assert_eq!(stores.list(creator, None).await.len(), 2, "others still are in both");
    assert!(stores.row(left_id).await.is_some(), "the conversation itself remains");
}

pub async fn a_long_chat_list_is_whole_and_in_order(stores: Stores) {
    let user = UserId::generate();
    let mut ids = Vec::new();
    for i in 0..150 {
        let new = if i % 3 == 0 {
            direct(UserId::generate(), user)
        } else {
            group(&[UserId::generate(), user])
        };
        ids.push(new.conversation_id);
        stores.made(new).await;
    }
    ids.sort_unstable();
    let listed: Vec<_> =
        stores.list(user, None).await.iter().map(|row| row.conversation.conversation_id).collect();
    assert_eq!(listed, ids, "every conversation once, by conversation id");
}
