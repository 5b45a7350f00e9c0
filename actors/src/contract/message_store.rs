//! What [`MessageStore`] promises, and what its entries do to a [`RosterStore`].

use std::sync::Arc;

use futures_util::future::join_all;
use schema::record::{
    Content, ConversationOverview, Entry, Event, Membership, MentionAll, MessageBody, MessageRef,
    Role,
};
use schema::{ConversationId, MessageId, Sequence, SequenceRange, UserId};

use super::sample::{
    NOW_MS, added, commit, edited, entry, group, member, reacted, removed, renamed, shuffled, text,
    texts, users,
};
use super::{conversation_care, message_changes, message_expiry};
use crate::ports::{MaterialisedCommit, MessageStore, NewConversation, RosterStore};

/// Both sides of one store: entries go in on one, memberships show on the other.
#[derive(Clone)]
pub struct Stores {
    pub messages: Arc<dyn MessageStore>,
    pub roster: Arc<dyn RosterStore>,
}

/// Runs every check, each on a fresh pair.
pub async fn run(make: impl AsyncFn() -> Stores) {
    an_unknown_conversation_is_empty(make().await).await;
    entries_come_back_as_they_were(make().await).await;
    a_range_is_exact(make().await).await;
    heads_are_per_conversation(make().await).await;
    a_large_backlog_is_written_whole(make().await).await;
    repeating_changes_nothing(make().await).await;
    the_later_commit_wins_a_row(make().await).await;
    commits_may_come_in_any_order(make().await).await;
    concurrent_copies_agree(make().await).await;
    sent_ids_are_found(make().await).await;
    an_added_member_sees_the_entry_that_added_them(make().await).await;
    a_removed_member_sees_up_to_their_removal(make().await).await;
    a_member_may_come_back(make().await).await;
    membership_does_not_depend_on_arrival(make().await).await;
    a_removed_stranger_is_no_past_member(make().await).await;
    a_conversation_changes_its_name(make().await).await;
    message_changes::run(&make).await;
    message_expiry::run(&make).await;
    conversation_care::run(&make).await;
}

impl Stores {
    pub(super) async fn materialise(&self, commits: Vec<MaterialisedCommit>) {
        self.messages.materialise(commits).await.expect("materialise answers");
    }

    async fn range(&self, conversation: ConversationId, first: u64, last: u64) -> Vec<Entry> {
        let range = SequenceRange::new(Sequence(first), Sequence(last));
        self.messages.range(conversation, range).await.expect("range answers")
    }

    pub(super) async fn everything(&self, conversation: ConversationId) -> Vec<Entry> {
        self.range(conversation, 1, u64::MAX).await
    }

    async fn head(&self, conversation: ConversationId) -> Sequence {
        self.messages.head(conversation).await.expect("head answers")
    }

    async fn sent(
        &self,
        conversation: ConversationId,
        sender: UserId,
        message: MessageId,
    ) -> Option<Sequence> {
        self.messages.sent(conversation, sender, message).await.expect("sent answers")
    }

    pub(super) async fn create(&self, conversation: NewConversation) -> ConversationId {
        let id = conversation.conversation_id;
        self.roster.create(conversation).await.expect("create answers");
        id
    }

    pub(super) async fn membership(
        &self,
        conversation: ConversationId,
        user: UserId,
    ) -> Option<Membership> {
        self.roster.membership(conversation, user).await.expect("membership answers")
    }

    async fn chat_list(&self, user: UserId) -> Vec<ConversationOverview> {
        self.roster.conversations_of(user, None).await.expect("conversations_of answers")
    }

    async fn name(&self, conversation: ConversationId) -> Option<String> {
        let row = self.roster.conversation(conversation).await.expect("conversation answers");
        row.expect("the conversation was created").name
    }
}

const fn place(
    user_id: UserId,
    role: Role,
    joined_after: u64,
    left_at: Option<u64>,
) -> Option<Membership> {
    let left_at = match left_at {
        Some(seq) => Some(Sequence(seq)),
        None => None,
    };
    Some(Membership { user_id, role, joined_after: Sequence(joined_after), left_at })
}

pub async fn an_unknown_conversation_is_empty(stores: Stores) {
    let unknown = ConversationId::generate();
    assert_eq!(stores.head(unknown).await, Sequence::START, "no entries, no head");
    assert_eq!(stores.everything(unknown).await, Vec::new());
    assert_eq!(stores.sent(unknown, UserId::generate(), MessageId::generate()).await, None);
    stores.materialise(Vec::new()).await;
}

pub async fn entries_come_back_as_they_were(stores: Stores) {
    let conversation = ConversationId::generate();
    let [sender, friend] = users();
    let message = |content| Event::Message(MessageBody::new(content));
    let events = [
        text("plain"),
        text("ünïcödé 🦀 \0 \u{202e}reversed"),
        text(&"x".repeat(Content::SIZE_MAX)),
        Event::Message(MessageBody {
            reply_to: Some(Sequence(1)),
            thread: Some(Sequence(2)),
            mentions: vec![sender, friend],
            mention_all: Some(MentionAll::Here),
            forwarded_from: Some(Box::new(MessageRef {
                conversation_id: conversation,
                seq: Sequence(3),
            })),
            expires_after_ms: Some(1_000),
            ..MessageBody::new(Content::Media { media_id: uuid::Uuid::new_v4(), caption: None })
        }),
        message(Content::Media { media_id: uuid::Uuid::nil(), caption: Some("a cat".to_owned()) }),
        message(Content::Encrypted { scheme: "mls".to_owned(), body: (0..=u8::MAX).collect() }),
        message(Content::Custom { kind: "poll".to_owned(), body: "{\"a\":1}".to_owned() }),
        Event::MembersChanged { added: vec![member(friend)], removed: vec![sender] },
        Event::MembersChanged { added: Vec::new(), removed: Vec::new() },
        renamed("New name"),
        edited(1, "better"),
        reacted(1, "👍", true),
        Event::PinChanged { target: Sequence(1), on: false },
        Event::RolesChanged { members: vec![member(friend)] },
    ];
    let entries: Vec<_> =
        (1..).zip(events).map(|(seq, event)| entry(conversation, seq, sender, event)).collect();
    stores.materialise(vec![commit(1, entries.clone())]).await;
    let stored = stores.everything(conversation).await;
    assert_eq!(stored.len(), entries.len(), "every entry comes back");
    for (stored, given) in stored.iter().zip(&entries) {
        assert!(stored == given, "entry {} changed: {:.300}", given.seq, format!("{stored:?}"));
    }
}

pub async fn a_range_is_exact(stores: Stores) {
    let [conversation, neighbour] = [ConversationId::generate(), ConversationId::generate()];
    let sender = UserId::generate();
    let entries = texts(conversation, sender, 1..=20);
    let other = texts(neighbour, sender, 1..=20);
    stores.materialise(vec![commit(1, entries.clone()), commit(2, other)]).await;
    let cases = [
        (1, 20, &entries[..]),
        (1, 1, &entries[..1]),
        (5, 9, &entries[4..9]),
        (20, 20, &entries[19..]),
        (18, 40, &entries[17..]),
        (1, u64::MAX, &entries[..]),
        (0, 2, &entries[..2]),
        (21, 40, &[]),
        (9, 5, &[]),
        (u64::MAX, 1, &[]),
    ];
    for (first, last, expected) in cases {
        let read = stores.range(conversation, first, last).await;
        assert_eq!(read, expected, "the range {first}..={last}, ascending and nothing else");
    }
}

pub async fn heads_are_per_conversation(stores: Stores) {
    let sender = UserId::generate();
    let [short, long] = [ConversationId::generate(), ConversationId::generate()];
    let mut mixed = texts(short, sender, 1..=2);
    mixed.extend(texts(long, sender, 1..=7));
    stores.materialise(vec![commit(1, mixed)]).await;
    assert_eq!(stores.head(short).await, Sequence(2));
    assert_eq!(stores.head(long).await, Sequence(7));
    stores.materialise(vec![commit(2, texts(short, sender, 3..=3))]).await;
    assert_eq!(stores.head(short).await, Sequence(3), "the head follows what is materialised");
    assert_eq!(stores.head(long).await, Sequence(7));
}

pub async fn a_large_backlog_is_written_whole(stores: Stores) {
    let conversation = ConversationId::generate();
    let sender = UserId::generate();
    let commits: Vec<_> = (0..16)
        .map(|i| commit(i + 1, texts(conversation, sender, i * 200 + 1..=(i + 1) * 200)))
        .collect();
    stores.materialise(commits).await;
    assert_eq!(stores.head(conversation).await, Sequence(3200), "all of it when it answers");
    let numbers: Vec<_> = stores.everything(conversation).await.iter().map(|e| e.seq.0).collect();
    assert_eq!(numbers, (1..=3200).collect::<Vec<_>>(), "no holes");
}

pub async fn repeating_changes_nothing(stores: Stores) {
    let [creator, friend] = users();
    let conversation = stores.create(group(&[creator])).await;
    let mut entries = texts(conversation, creator, 1..=5);
    entries.push(entry(conversation, 6, creator, added(&[friend])));
    let commits = vec![commit(1, entries.clone())];
    for _ in 0..3 {
        stores.materialise(commits.clone()).await;
        assert_eq!(stores.everything(conversation).await, entries);
        assert_eq!(stores.head(conversation).await, Sequence(6));
        let joined = stores.membership(conversation, friend).await;
        assert_eq!(joined, place(friend, Role::Member, 5, None));
        let found = stores.sent(conversation, creator, entries[2].message_id).await;
        assert_eq!(found, Some(Sequence(3)));
    }
    stores.materialise(vec![commits[0].clone(), commits[0].clone()]).await;
    assert_eq!(stores.everything(conversation).await, entries, "twice in one call");
}

pub async fn the_later_commit_wins_a_row(stores: Stores) {
    let conversation = ConversationId::generate();
    let sender = UserId::generate();
    let older = entry(conversation, 1, sender, text("older"));
    let newer = Entry { event: text("newer"), ..older.clone() };
    stores.materialise(vec![commit(2, vec![newer.clone()])]).await;
    stores.materialise(vec![commit(1, vec![older.clone()])]).await;
    let kept = stores.everything(conversation).await;
    assert_eq!(kept, std::slice::from_ref(&newer), "a late older commit must not hide a newer one");
    let last = Entry { event: text("last"), ..older.clone() };
    stores.materialise(vec![commit(3, vec![last.clone()]), commit(2, vec![newer])]).await;
    assert_eq!(stores.everything(conversation).await, [last], "the later commit wins");

    let second = Entry { event: text("second of one commit"), ..older.clone() };
    stores.materialise(vec![commit(4, vec![older, second.clone()])]).await;
    let kept = stores.everything(conversation).await;
    assert_eq!(kept, [second], "inside a commit the later entry wins");
}

/// Commits whose effect reaches every table.
fn eventful_commits(conversation: ConversationId, people: &[UserId; 3]) -> Vec<MaterialisedCommit> {
    let [creator, friend, guest] = *people;
    let at = |seq, event| entry(conversation, seq, creator, event);
    vec![
        commit(1, vec![at(1, text("hello")), at(2, added(&[friend, guest]))]),
        commit(2, vec![at(3, renamed("First"))]),
        commit(3, vec![at(4, removed(&[guest])), at(5, text("bye"))]),
        commit(4, vec![at(6, renamed("Second")), at(7, added(&[guest]))]),
        commit(5, vec![at(8, removed(&[friend]))]),
        commit(6, vec![at(9, text("last")), at(10, renamed("Third"))]),
    ]
}

pub async fn commits_may_come_in_any_order(stores: Stores) {
    for seed in 1..=12 {
        let people = users::<3>();
        let [creator, friend, guest] = people;
        let conversation = stores.create(group(&[creator])).await;
        let commits = eventful_commits(conversation, &people);
        let mut arriving = shuffled(&commits, seed);
        arriving.extend(shuffled(&commits, seed + 100).into_iter().take(3));
        for commit in arriving {
            stores.materialise(vec![commit]).await;
        }
        let entries: Vec<_> = commits.iter().flat_map(|c| c.entries.iter().cloned()).collect();
        assert_eq!(stores.everything(conversation).await, entries, "seed {seed}");
        assert_eq!(stores.head(conversation).await, Sequence(10), "seed {seed}");
        let places = [
            (creator, place(creator, Role::Owner, 0, None)),
            (friend, place(friend, Role::Member, 1, Some(8))),
            (guest, place(guest, Role::Member, 6, None)),
        ];
        for (user, expected) in places {
            assert_eq!(stores.membership(conversation, user).await, expected, "seed {seed}");
        }
        let name = stores.name(conversation).await;
        assert_eq!(name.as_deref(), Some("Third"), "seed {seed}: the last name");
        let list = stores.chat_list(creator).await;
        assert_eq!(list[0].last_sent_at, Some(NOW_MS + 10), "seed {seed}: time of the head entry");
    }
}

pub async fn concurrent_copies_agree(stores: Stores) {
    let people = users::<3>();
    let conversation = stores.create(group(&people[..1])).await;
    let commits = eventful_commits(conversation, &people);
    let copies = (1..=8).map(|seed| stores.messages.materialise(shuffled(&commits, seed)));
    for answer in join_all(copies).await {
        answer.expect("materialise answers");
    }
    let entries: Vec<_> = commits.iter().flat_map(|c| c.entries.iter().cloned()).collect();
    assert_eq!(stores.everything(conversation).await, entries);
    let guest = stores.membership(conversation, people[2]).await;
    assert_eq!(guest, place(people[2], Role::Member, 6, None));
}

pub async fn sent_ids_are_found(stores: Stores) {
    let [sender, other] = users();
    let [conversation, neighbour] = [ConversationId::generate(), ConversationId::generate()];
    let entries = texts(conversation, sender, 1..=3);
    let same_id = Entry { conversation_id: neighbour, ..entries[2].clone() };
    let same_id = Entry { seq: Sequence(1), ..same_id };
    let by_other = Entry { seq: Sequence(4), sender_id: other, ..entries[0].clone() };
    stores.materialise(vec![commit(1, entries.clone()), commit(2, vec![same_id, by_other])]).await;
    let id = |index: usize| entries[index].message_id;
    let cases = [
        (conversation, sender, id(0), Some(1), "its own number"),
        (conversation, sender, id(2), Some(3), "its own number"),
        (neighbour, sender, id(2), Some(1), "numbers are per conversation"),
        (conversation, other, id(0), Some(4), "ids are per sender"),
        (neighbour, sender, id(0), None, "not sent there"),
        (conversation, other, id(1), None, "not sent by them"),
        (conversation, sender, MessageId::generate(), None, "never sent"),
    ];
    for (conversation, sender, message, expected, why) in cases {
        let found = stores.sent(conversation, sender, message).await;
        assert_eq!(found, expected.map(Sequence), "{why}");
    }
}

pub async fn an_added_member_sees_the_entry_that_added_them(stores: Stores) {
    let [creator, friend, guest] = users();
    let conversation = stores.create(group(&[creator])).await;
    let mut entries = texts(conversation, creator, 1..=3);
    let admin = schema::record::Member { user_id: guest, role: Role::Admin };
    let both = Event::MembersChanged { added: vec![member(friend), admin], removed: Vec::new() };
    entries.push(entry(conversation, 4, creator, both));
    stores.materialise(vec![commit(1, entries)]).await;
    let joined = stores.membership(conversation, friend).await;
    assert_eq!(joined, place(friend, Role::Member, 3, None), "sees what is above 3: entry 4");
    let joined = stores.membership(conversation, guest).await;
    assert_eq!(joined, place(guest, Role::Admin, 3, None), "the role that the entry names");
    let first = stores.membership(conversation, creator).await;
    assert_eq!(first, place(creator, Role::Owner, 0, None), "others are untouched");
    let list = stores.chat_list(friend).await;
    assert_eq!(list.len(), 1, "the conversation is in the new member's list");
    assert_eq!(list[0].membership.joined_after, Sequence(3));
    assert_eq!(list[0].head, Sequence(4));
}

pub async fn a_removed_member_sees_up_to_their_removal(stores: Stores) {
    let [creator, friend] = users();
    let conversation = stores.create(group(&[creator, friend])).await;
    let gone = entry(conversation, 3, creator, removed(&[friend]));
    stores.materialise(vec![commit(1, texts(conversation, creator, 1..=2))]).await;
    stores.materialise(vec![commit(2, vec![gone])]).await;
    let left = stores.membership(conversation, friend).await;
    assert_eq!(left, place(friend, Role::Member, 0, Some(3)), "sees the entry that removed them");
    assert_eq!(stores.chat_list(friend).await, Vec::new(), "gone from the list");
    assert_eq!(stores.chat_list(creator).await.len(), 1, "others are untouched");
    let members = stores.roster.members(conversation).await.expect("members answers");
    assert_eq!(members.len(), 2, "past members are told too");
}

pub async fn a_member_may_come_back(stores: Stores) {
    let [creator, friend] = users();
    let conversation = stores.create(group(&[creator, friend])).await;
    let at = |seq, event| entry(conversation, seq, creator, event);
    stores.materialise(vec![commit(1, vec![at(1, text("one")), at(2, removed(&[friend]))])]).await;
    stores.materialise(vec![commit(2, vec![at(3, text("away")), at(4, added(&[friend]))])]).await;
    let back = stores.membership(conversation, friend).await;
    assert_eq!(back, place(friend, Role::Member, 3, None), "a member again, from entry 4 on");
    assert_eq!(stores.chat_list(friend).await.len(), 1, "back in the list");
    stores.materialise(vec![commit(3, vec![at(5, removed(&[friend]))])]).await;
    let gone = stores.membership(conversation, friend).await;
    assert_eq!(gone, place(friend, Role::Member, 3, Some(5)), "and gone again");
}

pub async fn membership_does_not_depend_on_arrival(stores: Stores) {
    for seed in 1..=20 {
        let [creator, friend] = users();
        let conversation = stores.create(group(&[creator, friend])).await;
        let at = |seq, event| entry(conversation, seq, creator, event);
        let commits = [
            commit(1, vec![at(1, removed(&[friend]))]),
            commit(2, vec![at(2, added(&[friend]))]),
            commit(3, vec![at(3, removed(&[friend]))]),
            commit(4, vec![at(4, added(&[friend]))]),
            commit(5, vec![at(5, removed(&[friend]))]),
        ];
        let upto = usize::try_from(seed % 5 + 1).expect("small");
        for commit in shuffled(&commits[..upto], seed) {
            stores.materialise(vec![commit]).await;
        }
        let expected = match upto {
            1 => place(friend, Role::Member, 0, Some(1)),
            2 => place(friend, Role::Member, 1, None),
            3 => place(friend, Role::Member, 1, Some(3)),
            4 => place(friend, Role::Member, 3, None),
            _ => place(friend, Role::Member, 3, Some(5)),
        };
        let found = stores.membership(conversation, friend).await;
        assert_eq!(found, expected, "entries 1..={upto} in the order of seed {seed}");
    }
}

pub async fn a_removed_stranger_is_no_past_member(stores: Stores) {
    let [creator, stranger] = users();
    let conversation = stores.create(group(&[creator])).await;
    let gone = entry(conversation, 1, creator, removed(&[stranger]));
    stores.materialise(vec![commit(1, vec![gone])]).await;
    assert_eq!(stores.membership(conversation, stranger).await, None, "was never in");
    let members = stores.roster.members(conversation).await.expect("members answers");
    assert_eq!(members.len(), 1, "a removal alone makes no past member");
    assert_eq!(stores.chat_list(stranger).await, Vec::new());
}

pub async fn a_conversation_changes_its_name(stores: Stores) {
    let creator = UserId::generate();
    let conversation = stores.create(group(&[creator])).await;
    assert_eq!(stores.name(conversation).await.as_deref(), Some("Weather"));
    let at = |seq, name| entry(conversation, seq, creator, renamed(name));
    stores.materialise(vec![commit(1, vec![at(1, "Sun"), at(2, "Rain")])]).await;
    assert_eq!(stores.name(conversation).await.as_deref(), Some("Rain"), "the later entry wins");
    stores.materialise(vec![commit(1, vec![at(1, "Sun")])]).await;
    assert_eq!(stores.name(conversation).await.as_deref(), Some("Rain"), "a late copy is ignored");
    stores.materialise(vec![commit(2, vec![at(3, "Snow")])]).await;
    let listed = stores.chat_list(creator).await.remove(0).conversation.name;
    assert_eq!(listed.as_deref(), Some("Snow"), "in the list too");
}
