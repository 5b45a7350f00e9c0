//! The exact bytes of every frame, one file a frame in `schema/golden/`. A changed byte is a
//! protocol change. `UPDATE_GOLDEN=1 cargo test -p switchboard-schema golden` writes them anew.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use super::client_frame as client;
use super::log_frame as log;
use super::personal_frame::{
    BlockChanged, ConversationSettingsChanged, DraftChanged, MessageHidden, ScheduledChanged,
    ThreadFollowed, ThreadRead,
};
use super::server_frame as server;
use super::server_frame::{ConversationState, MoreConversations, ServerFrame};
use super::{
    ClientFrame, DeleteScope, Encoding, ErrorCode, ErrorFrame, Limits, LogFrame, Position,
    PresenceStatus, TypingState, UserStatus, decode_client, decode_server, encode,
};
use crate::record::{
    Content, ConversationSettings, Edited, Member, MentionAll, MessageRef, MessageState, Posting,
    Reaction, Removed, Role, ScheduledState, Settings, Visibility,
};
use crate::{
    ConnectionId, ConversationId, DeviceId, InviteId, MessageId, NodeId, ScheduledId, Sequence,
    UserId,
};

const CONVERSATION: ConversationId = ConversationId::from_bytes([0xc0; 16]);
const ALICE: UserId = UserId::from_bytes([0xa1; 16]);
const BOB: UserId = UserId::from_bytes([0xb0; 16]);
const MESSAGE: MessageId = MessageId(uuid::uuid!("01930000-0000-7000-8000-000000000001"));
const DEVICE: DeviceId = DeviceId::from_bytes([0xde; 16]);
const SENT_AT: i64 = 1_735_689_600_000;

fn text(text: &str) -> Content {
    Content::Text { text: text.into() }
}

fn position(seq: u64) -> Position {
    Position::new(CONVERSATION, Sequence(seq))
}

fn client_frames() -> Vec<ClientFrame> {
    let send = client::SendMessage {
        reply_to: Some(Sequence(3)),
        mentions: Some(vec![BOB]),
        retry: Some(true),
        ..client::SendMessage::new(7, MESSAGE, CONVERSATION, text("Grüße, 世界"))
    };
    let encrypted = Content::Encrypted { scheme: "olm.v1".into(), body: vec![0, 255, 1] };
    let custom = Content::Custom { kind: "poll".into(), body: "{\"q\":1}".into() };
    let plain = client::SendMessage {
        reply_to: None,
        mentions: None,
        retry: None,
        content: encrypted,
        ..send.clone()
    };
    vec![
        ClientFrame::Hello(client::Hello {
            token: "eyJhbGciOiJFZERTQSJ9.e30.c2ln".into(),
            device_id: Some(DEVICE),
            client: Some("example/1.0".into()),
            positions: Some(vec![position(41)]),
        }),
        ClientFrame::Hello(client::Hello {
            token: "eyJhbGciOiJFZERTQSJ9.e30.c2ln".into(),
            device_id: None,
            client: None,
            positions: Some(vec![Position { generation: Some(2), ..position(41) }]),
        }),
        ClientFrame::SendMessage(send.clone()),
        ClientFrame::SendMessage(plain.clone()),
        ClientFrame::SendMessage(client::SendMessage {
            content: custom,
            clear_draft: Some(true),
            ..plain.clone()
        }),
        ClientFrame::SendMessage(client::SendMessage {
            content: text("look at this"),
            mention_all: Some(MentionAll::Here),
            forwarded_from: Some(MessageRef {
                conversation_id: ConversationId::from_bytes([0xc1; 16]),
                seq: Sequence(17),
            }),
            expires_after_ms: Some(60_000),
            ..plain
        }),
        ClientFrame::EditMessage(client::EditMessage {
            reference: 11,
            message_id: MESSAGE,
            conversation_id: CONVERSATION,
            target: Sequence(41),
            content: text("better"),
            mentions: None,
            retry: None,
        }),
        ClientFrame::DeleteMessage(client::DeleteMessage {
            reference: 12,
            message_id: MESSAGE,
            conversation_id: CONVERSATION,
            target: Sequence(41),
            scope: DeleteScope::Everyone,
            retry: None,
        }),
        ClientFrame::DeleteMessage(client::DeleteMessage {
            reference: 15,
            message_id: MESSAGE,
            conversation_id: CONVERSATION,
            target: Sequence(41),
            scope: DeleteScope::Me,
            retry: None,
        }),
        ClientFrame::React(client::React {
            reference: 13,
            message_id: MESSAGE,
            conversation_id: CONVERSATION,
            target: Sequence(41),
            emoji: "👍".into(),
            on: true,
            retry: None,
        }),
        ClientFrame::PinMessage(client::PinMessage {
            reference: 14,
            message_id: MESSAGE,
            conversation_id: CONVERSATION,
            target: Sequence(41),
            on: true,
            retry: None,
        }),
        ClientFrame::FollowThread(client::FollowThread {
            reference: 16,
            conversation_id: CONVERSATION,
            thread: Sequence(3),
            on: true,
        }),
        ClientFrame::TypingIndicator(client::TypingIndicator {
            conversation_id: CONVERSATION,
            state: TypingState::Typing,
        }),
        ClientFrame::SetPresence(client::SetPresence { status: PresenceStatus::Away }),
        ClientFrame::SubscribePresence(client::SubscribePresence { user_ids: vec![ALICE, BOB] }),
        ClientFrame::Ack(client::Ack { conversation_id: CONVERSATION, seq: Sequence(42) }),
        ClientFrame::ReadReceipt(client::ReadReceipt {
            conversation_id: CONVERSATION,
            seq: Sequence(42),
            thread: None,
        }),
        ClientFrame::ReadReceipt(client::ReadReceipt {
            conversation_id: CONVERSATION,
            seq: Sequence(42),
            thread: Some(Sequence(3)),
        }),
        ClientFrame::JoinConversation(client::JoinConversation {
            reference: 8,
            conversation_id: CONVERSATION,
            after: Some(Sequence(40)),
            generation: None,
        }),
        ClientFrame::JoinConversation(client::JoinConversation {
            reference: 8,
            conversation_id: CONVERSATION,
            after: Some(Sequence(40)),
            generation: Some(2),
        }),
        ClientFrame::LeaveConversation(client::LeaveConversation {
            reference: 9,
            conversation_id: CONVERSATION,
        }),
        ClientFrame::FetchHistory(client::FetchHistory {
            reference: 10,
            conversation_id: CONVERSATION,
            before: Some(Sequence(42)),
            after: None,
            at: None,
            limit: Some(50),
        }),
        ClientFrame::FetchHistory(client::FetchHistory {
            reference: 15,
            conversation_id: CONVERSATION,
            before: None,
            after: None,
            at: Some(SENT_AT),
            limit: Some(50),
        }),
        ClientFrame::Ping(client::Ping { positions: Some(vec![position(42)]) }),
    ]
}

fn new_message() -> log::NewMessage {
    log::NewMessage {
        conversation_id: CONVERSATION,
        seq: Sequence(42),
        message_id: MESSAGE,
        sender_id: ALICE,
        sent_at: SENT_AT,
        content: text("Grüße, 世界"),
        reply_to: Some(Sequence(3)),
        thread: None,
        mentions: vec![BOB],
        mention_all: None,
        forwarded: false,
        expires_at: None,
    }
}

fn server_frames() -> Vec<ServerFrame> {
    let (seq, message_id) = (Sequence(43), MESSAGE);
    let state = ConversationState {
        conversation_id: CONVERSATION,
        generation: 1,
        head: Sequence(42),
        delivered: Sequence(41),
        read: Sequence(40),
        muted_until: None,
        archived: false,
        pinned: false,
    };
    let settings =
        ConversationSettings { muted_until: Some(SENT_AT), archived: false, pinned: true };
    let scheduled = ScheduledChanged {
        scheduled_id: ScheduledId::from_bytes([0x5c; 16]),
        conversation_id: CONVERSATION,
        state: ScheduledState::Sent,
        send_at: SENT_AT,
        seq: Some(Sequence(42)),
        failure: None,
    };
    let members_changed = log::MembersChanged {
        conversation_id: CONVERSATION,
        seq,
        message_id,
        sender_id: ALICE,
        sent_at: SENT_AT,
        added: vec![Member { user_id: BOB, role: Role::Member }],
        removed: vec![ALICE],
        changed: Vec::new(),
        banned: Vec::new(),
        unbanned: Vec::new(),
        invite_id: None,
    };
    let conversation_changed = log::ConversationChanged {
        conversation_id: CONVERSATION,
        seq,
        message_id,
        sender_id: ALICE,
        sent_at: SENT_AT,
        name: Some("Release".into()),
        description: None,
        photo: None,
        disappear_after_ms: None,
        retention_days: None,
        posting: None,
    };
    let target = Sequence(41);
    vec![
        ServerFrame::Welcome(server::Welcome {
            user_id: ALICE,
            device_id: DEVICE,
            connection_id: ConnectionId::from_bytes([0xcc; 16]),
            node: NodeId::from_bytes([0x0d; 16]),
            server_time: SENT_AT,
            heartbeat_ms: 25_000,
            limits: Limits {
                frame_bytes_max: 131_072,
                text_bytes_max: 65_536,
                history_page_max: 200,
                sends_per_second: 20,
                sends_burst: 100,
            },
            conversations: vec![state],
        }),
        ServerFrame::MoreConversations(MoreConversations {
            conversations: vec![ConversationState {
                muted_until: Some(SENT_AT),
                archived: true,
                pinned: true,
                ..state
            }],
        }),
        ServerFrame::Accepted(server::Accepted {
            reference: 7,
            message_id,
            conversation_id: CONVERSATION,
            seq: Sequence(42),
            sent_at: SENT_AT,
            duplicate: false,
        }),
        ServerFrame::NewMessage(new_message()),
        ServerFrame::MembersChanged(members_changed.clone()),
        ServerFrame::ConversationChanged(conversation_changed.clone()),
        ServerFrame::ConversationChanged(log::ConversationChanged {
            name: None,
            description: Some(Some("All about tea".into())),
            photo: Some(None),
            disappear_after_ms: Some(Some(86_400_000)),
            retention_days: Some(Some(30)),
            posting: Some(Posting::Admins),
            ..conversation_changed
        }),
        ServerFrame::NewMessage(log::NewMessage {
            mention_all: Some(MentionAll::Everyone),
            forwarded: true,
            expires_at: Some(SENT_AT + 60_000),
            ..new_message()
        }),
        ServerFrame::MembersChanged(log::MembersChanged {
            added: Vec::new(),
            removed: vec![BOB],
            banned: vec![BOB],
            ..members_changed.clone()
        }),
        ServerFrame::MembersChanged(log::MembersChanged {
            added: vec![Member { user_id: ALICE, role: Role::Member }],
            removed: Vec::new(),
            invite_id: Some(InviteId::from_bytes([0x1d; 16])),
            ..members_changed.clone()
        }),
        ServerFrame::MessageEdited(log::MessageEdited {
            conversation_id: CONVERSATION,
            seq,
            message_id,
            sender_id: ALICE,
            sent_at: SENT_AT,
            target,
            content: text("better"),
            mentions: Vec::new(),
        }),
        ServerFrame::MessageDeleted(log::MessageDeleted {
            conversation_id: CONVERSATION,
            seq,
            message_id,
            sender_id: ALICE,
            sent_at: SENT_AT,
            target,
        }),
        ServerFrame::ReactionChanged(log::ReactionChanged {
            conversation_id: CONVERSATION,
            seq,
            message_id,
            sender_id: ALICE,
            sent_at: SENT_AT,
            target,
            emoji: "👍".into(),
            on: true,
        }),
        ServerFrame::PinChanged(log::PinChanged {
            conversation_id: CONVERSATION,
            seq,
            message_id,
            sender_id: ALICE,
            sent_at: SENT_AT,
            target,
            on: true,
        }),
        ServerFrame::MessageStatus(server::MessageStatus {
            conversation_id: CONVERSATION,
            user_id: BOB,
            delivered: Some(seq),
            read: Some(target),
        }),
        ServerFrame::MessageStatuses(server::MessageStatuses {
            conversation_id: CONVERSATION,
            statuses: vec![UserStatus { user_id: BOB, delivered: None, read: Some(target) }],
        }),
        ServerFrame::TypingUpdate(server::TypingUpdate {
            conversation_id: CONVERSATION,
            user_id: BOB,
            state: TypingState::Stopped,
        }),
        ServerFrame::UserOnline(server::UserOnline {
            user_id: BOB,
            status: PresenceStatus::Offline,
            last_seen: Some(SENT_AT),
        }),
        ServerFrame::SettingsChanged(Settings {
            read_receipts: false,
            presence: Visibility::Contacts,
            last_seen: Visibility::Nobody,
        }),
        ServerFrame::ConversationSettings(ConversationSettingsChanged::new(CONVERSATION, settings)),
        ServerFrame::DraftChanged(DraftChanged {
            conversation_id: CONVERSATION,
            text: "see you".into(),
            reply_to: Some(Sequence(41)),
            updated_at: SENT_AT,
        }),
        ServerFrame::MessageHidden(MessageHidden {
            reference: None,
            conversation_id: CONVERSATION,
            seq: Sequence(41),
        }),
        ServerFrame::MessageHidden(MessageHidden {
            reference: Some(15),
            conversation_id: CONVERSATION,
            seq: Sequence(41),
        }),
        ServerFrame::ThreadRead(ThreadRead {
            conversation_id: CONVERSATION,
            thread: Sequence(3),
            seq: Sequence(42),
        }),
        ServerFrame::ThreadFollowed(ThreadFollowed {
            reference: None,
            conversation_id: CONVERSATION,
            thread: Sequence(3),
            on: false,
        }),
        ServerFrame::ThreadFollowed(ThreadFollowed {
            reference: Some(16),
            conversation_id: CONVERSATION,
            thread: Sequence(3),
            on: true,
        }),
        ServerFrame::BlockChanged(BlockChanged { user_id: BOB, blocked: true }),
        ServerFrame::ScheduledChanged(scheduled),
        ServerFrame::ScheduledChanged(ScheduledChanged {
            state: ScheduledState::Failed,
            seq: None,
            failure: Some(ErrorCode::NotFound),
            ..scheduled
        }),
        ServerFrame::History(server::History {
            reference: 10,
            conversation_id: CONVERSATION,
            entries: vec![
                LogFrame::NewMessage(new_message()),
                LogFrame::MembersChanged(members_changed),
            ],
            head: seq,
            purged_up_to: Sequence::START,
            states: vec![
                MessageState {
                    seq: target,
                    edited: Some(Edited {
                        seq,
                        at: SENT_AT,
                        content: text("better"),
                        mentions: Vec::new(),
                    }),
                    deleted: None,
                    reactions: vec![Reaction {
                        emoji: "👍".into(), count: 1, user_ids: vec![BOB]
                    }],
                    pinned: true,
                },
                MessageState {
                    seq: Sequence(40),
                    deleted: Some(Removed { seq, at: SENT_AT, by: ALICE }),
                    ..MessageState::default()
                },
            ],
        }),
        ServerFrame::Joined(server::Joined {
            reference: 8,
            conversation_id: CONVERSATION,
            generation: 1,
            head: Sequence(42),
            after: Sequence(40),
        }),
        ServerFrame::Left(server::Left { reference: 9, conversation_id: CONVERSATION }),
        ServerFrame::Resync(server::Resync {
            conversation_id: CONVERSATION,
            generation: 2,
            head: Sequence(42),
            reason: "too_far_behind".into(),
        }),
        ServerFrame::Draining(server::Draining { reconnect_after_ms: 1_500 }),
        ServerFrame::Error(ErrorFrame {
            retry_after_ms: Some(500),
            ..ErrorFrame::new(Some(7), ErrorCode::RetryLater, "repeat under the same id")
        }),
        ServerFrame::Pong(server::Pong { server_time: SENT_AT, heads: Some(vec![position(42)]) }),
    ]
}

fn name_of(json: &str) -> String {
    json.trim_start_matches("{\"").split('"').next().unwrap_or("").to_owned()
}

/// JSON on the first line, MessagePack as hexadecimal below.
fn rendered<T: Serialize>(frame: &T) -> (String, String) {
    let json = String::from_utf8(encode(Encoding::Json, frame).to_vec()).unwrap();
    let mut text = json.clone();
    for (index, byte) in encode(Encoding::MessagePack, frame).iter().enumerate() {
        let separator = if index % 32 == 0 { "\n" } else { " " };
        write!(text, "{separator}{byte:02x}").unwrap();
    }
    text.push('\n');
    (name_of(&json), text)
}

fn hold_golden<T: Serialize>(side: &str, frames: &[T]) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(side);
    let mut files: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    for frame in frames {
        let (name, text) = rendered(frame);
        files.entry(name).or_default().push_str(&text);
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in &files {
            std::fs::write(folder.join(format!("{name}.txt")), text).unwrap();
        }
    }
    for (name, text) in &files {
        let path = folder.join(format!("{name}.txt"));
        let held = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(&held, text, "{} changed: a protocol change", path.display());
    }
    let on_disk = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(on_disk, files.len(), "a golden file without a frame in {}", folder.display());
}

#[test]
fn golden_client_frames() {
    hold_golden("client", &client_frames());
}

#[test]
fn golden_server_frames() {
    hold_golden("server", &server_frames());
}

#[test]
fn every_frame_survives_both_encodings() {
    for encoding in Encoding::ALL {
        for frame in client_frames() {
            assert_eq!(decode_client(encoding, &encode(encoding, &frame)), Ok(frame));
        }
        for frame in server_frames() {
            assert_eq!(decode_server(encoding, &encode(encoding, &frame)), Ok(frame));
        }
    }
}

#[test]
fn unknown_fields_are_ignored_and_optional_ones_may_be_nil() {
    let id = CONVERSATION.to_string();
    let json = format!(
        r#"{{"fetch_history":{{"ref":1,"conversation_id":"{id}","before":null,"later":[1]}}}}"#
    );
    let frame = decode_client(Encoding::Json, json.as_bytes()).unwrap();
    assert!(matches!(frame, ClientFrame::FetchHistory(fetch) if fetch.before.is_none()));
}

#[test]
fn frames_that_are_not_known_or_of_another_shape_keep_their_ref() {
    for (json, code) in [
        (r#"{"nonsense":{"ref":8,"x":1}}"#, ErrorCode::UnknownFrame),
        (r#"{"send_message":{"ref":8}}"#, ErrorCode::BadFrame),
    ] {
        let error = decode_client(Encoding::Json, json.as_bytes()).unwrap_err();
        assert_eq!((error.code(), error.reference()), (code, Some(8)), "{error:?}");
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        let packed = rmp_serde::to_vec_named(&value).unwrap();
        let error = decode_client(Encoding::MessagePack, &packed).unwrap_err();
        assert_eq!((error.code(), error.reference()), (code, Some(8)), "{error:?}");
    }
}

#[test]
fn what_is_no_frame_is_malformed() {
    let deep = format!("{{\"ping\":{}}}", "[".repeat(1000));
    for text in ["", "[]", "{}", "garbage", r#"{"ping":{},"ack":{}}"#, "1", &deep] {
        let error = decode_client(Encoding::Json, text.as_bytes()).unwrap_err();
        assert!(matches!(error, super::DecodeError::Malformed(_)), "{text}: {error:?}");
    }
    for bytes in [&[][..], &[0x80], &[0x81, 0x01, 0xc0], &[0x82], &[0xdf, 255, 255, 255, 255]] {
        let error = decode_client(Encoding::MessagePack, bytes).unwrap_err();
        assert!(matches!(error, super::DecodeError::Malformed(_)), "{bytes:?}: {error:?}");
    }
}

/// Mutations of good frames and plain noise: judged, never a panic, never much memory.
#[test]
fn two_hundred_thousand_mutated_frames_are_judged() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let good: Vec<(Encoding, Vec<u8>)> = Encoding::ALL
        .into_iter()
        .flat_map(|it| {
            client_frames().into_iter().map(move |frame| (it, encode(it, &frame).to_vec()))
        })
        .collect();
    let pick = |random: u64, length: usize| usize::try_from(random).unwrap_or(0) % length.max(1);
    for _ in 0..200_000 {
        let (encoding, mut bytes) = good[pick(next() >> 1, good.len())].clone();
        for _ in 0..=pick(next() >> 1, 4) {
            let at = pick(next() >> 1, bytes.len());
            match next() % 4 {
                0 if !bytes.is_empty() => bytes[at] = next().to_le_bytes()[0],
                1 => bytes.truncate(at),
                2 => bytes.insert(at.min(bytes.len()), next().to_le_bytes()[0]),
                _ => {
                    let copy = bytes[at.min(bytes.len())..].to_vec();
                    bytes.extend(copy);
                }
            }
        }
        let _ = decode_client(encoding, &bytes);
    }
}
