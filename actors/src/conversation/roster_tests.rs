//! Who may set what, ban whom, and come.

use schema::record::{
    Ban, Content, Conversation, ConversationKind, ConversationPatch, ConversationProfile, Draft,
    Entry, Event, Member, Membership, MessageBody, Posting, Role,
};
use schema::wire::ErrorCode;
use schema::{ConversationId, InviteId, MessageId, Sequence, UserId};

use super::roster::{Roster, Visible};

const OWNER: UserId = user(1);
const ADMIN: UserId = user(2);
const MEMBER: UserId = user(3);
const BANNED: UserId = user(4);
const STRANGER: UserId = user(5);
const HEAD: Sequence = Sequence(9);

const fn user(number: u8) -> UserId {
    UserId::from_bytes([number; 16])
}

fn roster(kind: ConversationKind) -> Roster {
    let record = Conversation {
        conversation_id: ConversationId::from_bytes([7; 16]),
        kind,
        name: None,
        profile: ConversationProfile::default(),
        purged_up_to: Sequence::START,
        created_by: OWNER,
        created_at: 0,
        generation: 1,
    };
    let member = |(user_id, role)| Membership {
        user_id,
        role,
        joined_after: Sequence::START,
        left_at: None,
    };
    let members = [(OWNER, Role::Owner), (ADMIN, Role::Admin), (MEMBER, Role::Member)].map(member);
    let ban = Ban { user_id: BANNED, seq: Sequence(1), banned_by: OWNER, banned_at: 0 };
    Roster::new(record, members.into(), vec![ban])
}

fn draft(sender_id: UserId, event: Event) -> Draft {
    let conversation_id = ConversationId::from_bytes([7; 16]);
    Draft { conversation_id, message_id: MessageId::generate(), sender_id, event, retry: false }
}

fn check(roster: &Roster, sender: UserId, event: Event) -> Option<ErrorCode> {
    roster.check(&draft(sender, event), HEAD).err().map(|refusal| refusal.code)
}

fn entry(seq: u64, sender_id: UserId, event: Event) -> Entry {
    let Draft { conversation_id, message_id, event, .. } = draft(sender_id, event);
    let seq = Sequence(seq);
    Entry { conversation_id, seq, message_id, sender_id, sent_at: 5, ordinal: 0, event }
}

fn said() -> Event {
    Event::Message(MessageBody::new(Content::Text { text: "hi".into() }))
}

fn change(change: ConversationPatch) -> Event {
    Event::ConversationChanged(Box::new(change))
}

fn bans(banned: &[UserId], unbanned: &[UserId]) -> Event {
    Event::BansChanged { banned: banned.to_vec(), unbanned: unbanned.to_vec() }
}

fn removal(users: &[UserId]) -> Event {
    Event::MembersChanged { added: Vec::new(), removed: users.to_vec() }
}

#[test]
fn who_posts_is_as_the_kind_has_it_or_as_it_is_set() {
    use ConversationKind::{Channel, Group};
    let forbidden = Some(ErrorCode::Forbidden);
    for (kind, posting, expected) in [
        (Group, None, None),
        (Group, Some(Posting::Admins), forbidden),
        (Channel, None, forbidden),
        (Channel, Some(Posting::Everyone), None),
    ] {
        let mut roster = roster(kind);
        let set = ConversationPatch { posting, ..ConversationPatch::default() };
        roster.apply(&entry(2, OWNER, change(set)));
        assert_eq!(check(&roster, MEMBER, said()), expected, "{kind:?} {posting:?}");
        for sender in [OWNER, ADMIN] {
            assert_eq!(check(&roster, sender, said()), None, "{kind:?} {posting:?}");
        }
    }
}

#[test]
fn either_side_of_a_direct_conversation_sets_when_messages_disappear_and_nothing_else() {
    let roster = roster(ConversationKind::Direct);
    let disappear =
        ConversationPatch { disappear_after_ms: Some(Some(5_000)), ..ConversationPatch::default() };
    assert_eq!(check(&roster, MEMBER, change(disappear.clone())), None);
    let more = ConversationPatch { name: Some("Us".into()), ..disappear };
    assert_eq!(check(&roster, OWNER, change(more)), Some(ErrorCode::Forbidden));
    assert_eq!(check(&roster, OWNER, bans(&[MEMBER], &[])), Some(ErrorCode::Forbidden));
}

#[test]
fn bans_reach_as_far_as_removals() {
    let roster = roster(ConversationKind::Group);
    let (forbidden, invalid) = (Some(ErrorCode::Forbidden), Some(ErrorCode::InvalidField));
    for (sender, event, expected) in [
        (OWNER, bans(&[ADMIN], &[]), None),
        (OWNER, bans(&[STRANGER], &[]), None),
        (OWNER, bans(&[OWNER], &[]), invalid),
        (OWNER, bans(&[BANNED], &[]), invalid),
        (OWNER, bans(&[], &[BANNED]), None),
        (OWNER, bans(&[], &[MEMBER]), invalid),
        (ADMIN, bans(&[MEMBER], &[]), None),
        (ADMIN, bans(&[OWNER], &[]), forbidden),
        (MEMBER, bans(&[ADMIN], &[]), forbidden),
        (STRANGER, bans(&[MEMBER], &[]), Some(ErrorCode::NotFound)),
    ] {
        assert_eq!(check(&roster, sender, event.clone()), expected, "{sender} {event:?}");
    }
}

#[test]
fn who_is_banned_neither_comes_nor_reads_along() {
    let joined = Event::Joined { invite_id: InviteId::from_bytes([1; 16]) };
    let add = |user_id| Event::MembersChanged {
        added: vec![Member { user_id, role: Role::Member }],
        removed: Vec::new(),
    };
    let mut roster = roster(ConversationKind::Channel);
    assert_eq!(check(&roster, BANNED, joined.clone()), Some(ErrorCode::NotFound));
    assert_eq!(check(&roster, OWNER, add(BANNED)), Some(ErrorCode::InvalidField));
    assert_eq!(roster.visible(BANNED, HEAD), None);
    assert_eq!(check(&roster, STRANGER, joined.clone()), None);
    assert_eq!(check(&roster, MEMBER, joined.clone()), Some(ErrorCode::InvalidField));
    roster.apply(&entry(2, OWNER, bans(&[MEMBER], &[BANNED])));
    assert!(!roster.is_member(MEMBER));
    assert_eq!(check(&roster, BANNED, joined.clone()), None);
    let bounds = roster.visible(MEMBER, HEAD).map(|it| it.up_to);
    assert_eq!(bounds, Some(Sequence(2)), "up to the entry that says so");
    roster.apply(&entry(3, BANNED, joined));
    assert!(roster.is_member(BANNED));
    // Doing it again, as after a start, changes nothing.
    roster.apply(&entry(2, OWNER, bans(&[MEMBER], &[BANNED])));
    assert!(roster.is_member(BANNED) && !roster.is_member(MEMBER));
}

#[test]
fn an_owner_stays_as_long_as_anybody_does() {
    let mut roster = roster(ConversationKind::Group);
    assert_eq!(check(&roster, OWNER, removal(&[OWNER])), Some(ErrorCode::InvalidField));
    assert_eq!(check(&roster, MEMBER, removal(&[MEMBER])), None);
    let members = vec![Member { user_id: ADMIN, role: Role::Owner }];
    roster.apply(&entry(2, OWNER, Event::RolesChanged { members }));
    assert_eq!(check(&roster, OWNER, removal(&[OWNER])), None, "another owner stays");
    assert_eq!(check(&roster, OWNER, removal(&[OWNER, ADMIN])), Some(ErrorCode::InvalidField));
    roster.apply(&entry(3, OWNER, removal(&[MEMBER, ADMIN])));
    assert_eq!(check(&roster, OWNER, removal(&[OWNER])), None, "nobody stays behind");
}

#[test]
fn the_server_says_when_what_is_said_is_gone() {
    let mut roster = roster(ConversationKind::Group);
    let after = |draft: &Draft| match &draft.event {
        Event::Message(body) => body.expires_after_ms,
        _ => None,
    };
    let mut plain = draft(MEMBER, said());
    roster.complete(&mut plain, None);
    assert_eq!(after(&plain), None);
    let set =
        ConversationPatch { disappear_after_ms: Some(Some(5_000)), ..ConversationPatch::default() };
    roster.apply(&entry(2, OWNER, change(set)));
    roster.complete(&mut plain, None);
    assert_eq!(after(&plain), Some(5_000), "as the conversation has it");
    let mut own = draft(MEMBER, said());
    if let Event::Message(body) = &mut own.event {
        body.expires_after_ms = Some(1_000);
    }
    roster.complete(&mut own, None);
    assert_eq!(after(&own), Some(1_000), "what a message says itself goes first");
    let target = entry(3, MEMBER, own.event);
    let mut edit = draft(
        MEMBER,
        Event::MessageEdited {
            target: Sequence(3),
            content: Content::Text { text: "better".into() },
            mentions: Vec::new(),
            expires_at: None,
        },
    );
    roster.complete(&mut edit, Some(&target));
    let Event::MessageEdited { expires_at, .. } = edit.event else { panic!() };
    assert_eq!(expires_at, Some(1_005), "an edit goes with its message");
}

#[test]
fn a_log_begins_above_what_was_purged() {
    let mut roster = roster(ConversationKind::Channel);
    roster.record.purged_up_to = Sequence(4);
    let expected = Some(Visible { after: Sequence(4), up_to: HEAD });
    assert_eq!(roster.visible(MEMBER, HEAD), expected);
    assert_eq!(roster.visible(STRANGER, HEAD), expected, "who reads along sees no more");
}
