//! Every message once, in order, to every device; whatever happens to the sockets.

use schema::record::ConversationKind;
use schema::wire::{
    Ack, ClientFrame, Encoding, ErrorCode, FetchHistory, JoinConversation, Joined,
    LeaveConversation, Ping, Position, ServerFrame,
};
use schema::{MessageId, Sequence};

use crate::support::{Online, Server, get};

#[tokio::test]
async fn both_sides_see_one_order_and_the_sender_gets_accepted_in_its_place() {
    let server = Server::start().await;
    let people = server.people(2).await;
    let chat = server.conversation(ConversationKind::Direct, &people[0], &[&people[1]]).await;
    let mut alice = server.online(&people[0]).await;
    let (mut bob, welcome) = server.online_from(&people[1], Encoding::Json, &[]).await;
    assert_eq!(welcome.conversations.len(), 1);
    assert_eq!(welcome.heartbeat_ms, 25_000);
    for number in 1..=40 {
        alice.post(chat, &format!("line {number}")).await;
    }
    for number in 1..=40 {
        assert_eq!(alice.answer().await.unwrap(), (Sequence(number), false));
        assert_eq!(bob.entry().await, (Sequence(number), format!("line {number}")));
    }
    alice.silence().await;
    bob.silence().await;
}

#[tokio::test]
async fn a_device_catches_up_from_its_own_position_and_a_newer_socket_replaces_it() {
    let server = Server::start().await;
    let people = server.people(2).await;
    let chat = server.conversation(ConversationKind::Direct, &people[0], &[&people[1]]).await;
    let mut alice = server.online(&people[0]).await;
    for number in 1..=300 {
        alice.post(chat, &format!("line {number}")).await;
    }
    for _ in 1..=300 {
        alice.answer().await.unwrap();
    }
    // Never seen before: everything.
    let mut first = server.online(&people[1]).await;
    for number in 1..=300 {
        assert_eq!(first.entry().await.0, Sequence(number));
    }
    first.say(ClientFrame::Ack(Ack { conversation_id: chat, seq: Sequence(120) })).await;
    first.say(ClientFrame::Ping(Ping::default())).await;
    while !matches!(first.receive().await, ServerFrame::Pong(_)) {}
    // Without a position: from what it acknowledged. The older socket is replaced.
    let (mut second, welcome) = server.online_from(&people[1], Encoding::MessagePack, &[]).await;
    assert_eq!(welcome.conversations[0].delivered, Sequence(120));
    assert_eq!(first.closed().await.1, 4004);
    for number in 121..=300 {
        assert_eq!(second.entry().await.0, Sequence(number));
    }
    // With a position: from there, then live.
    let (mut third, _) =
        server.online_from(&people[1], Encoding::MessagePack, &[(chat, 298)]).await;
    assert_eq!(third.entry().await.0, Sequence(299));
    assert_eq!(third.entry().await.0, Sequence(300));
    alice.send(chat, "live").await;
    assert_eq!(third.entry().await, (Sequence(301), "live".into()));
    third.silence().await;
}

#[tokio::test]
async fn a_position_of_another_log_is_told_to_start_over() {
    let server = Server::start().await;
    let people = server.people(2).await;
    let chat = server.conversation(ConversationKind::Direct, &people[0], &[&people[1]]).await;
    let mut alice = server.online(&people[0]).await;
    alice.send(chat, "one").await;
    let (mut bob, _) = server.online_from(&people[1], Encoding::MessagePack, &[(chat, 99)]).await;
    let frame = bob.receive().await;
    let ServerFrame::Resync(resync) = frame else { panic!("{frame:?}") };
    assert_eq!((resync.head, resync.reason.as_str()), (Sequence(1), "position_beyond_head"));
    alice.send(chat, "two").await;
    assert_eq!(bob.entry().await, (Sequence(2), "two".into()));
}

#[tokio::test]
async fn the_same_id_is_stored_once_also_over_a_kill_and_a_restart() {
    let mut server = Server::start().await;
    let people = server.people(2).await;
    let chat = server.conversation(ConversationKind::Group, &people[0], &[&people[1]]).await;
    let (id, other) = (MessageId::generate(), MessageId::generate());
    let mut alice = server.online(&people[0]).await;
    alice.post_as(chat, id, "once", false).await;
    assert_eq!(alice.answer().await.unwrap(), (Sequence(1), false));
    alice.post_as(chat, id, "once", true).await;
    assert_eq!(alice.answer().await.unwrap(), (Sequence(1), true));
    alice.post_as(chat, id, "something else", true).await;
    let error = alice.answer().await.unwrap_err();
    assert_eq!((error.code, error.seq), (ErrorCode::MessageIdReused, Some(Sequence(1))));
    alice.post_as(chat, other, "twice at once", false).await;
    alice.post_as(chat, other, "twice at once", false).await;
    let mut answers = [alice.answer().await.unwrap(), alice.answer().await.unwrap()];
    answers.sort_unstable();
    assert_eq!(answers, [(Sequence(2), false), (Sequence(2), true)]);

    server.process.kill_9().await.unwrap();
    server.process.restart().await.unwrap();
    let (mut alice, _) = server.online_from(&people[0], Encoding::MessagePack, &[(chat, 2)]).await;
    alice.post_as(chat, id, "once", true).await;
    assert_eq!(alice.answer().await.unwrap(), (Sequence(1), true));
    alice.post_as(chat, id, "something else", true).await;
    assert_eq!(alice.answer().await.unwrap_err().code, ErrorCode::MessageIdReused);
    assert_eq!(alice.send(chat, "goes on").await, Sequence(3));
    let (status, page) =
        get(&server, &format!("/v1/conversations/{chat}/messages"), &people[1].access_token).await;
    assert_eq!((status, page["entries"].as_array().unwrap().len()), (200, 3));
}

#[tokio::test]
async fn history_pages_both_ways_over_the_socket() {
    let server = Server::start().await;
    let people = server.people(1).await;
    let chat = server.conversation(ConversationKind::Group, &people[0], &[]).await;
    let mut alice = server.online(&people[0]).await;
    for number in 1..=450 {
        alice.post(chat, &number.to_string()).await;
    }
    for _ in 0..450 {
        alice.answer().await.unwrap();
    }
    for (before, after, limit, first, last) in [
        (None, None, Some(10), 441, 450),
        (Some(441), None, Some(200), 241, 440),
        (Some(3), None, None, 1, 2),
        (None, Some(0), Some(200), 1, 200),
        (None, Some(400), Some(9999), 401, 450),
    ] {
        let reference = alice.next_reference();
        let fetch = FetchHistory {
            reference,
            conversation_id: chat,
            before: before.map(Sequence),
            after: after.map(Sequence),
            at: None,
            limit,
        };
        alice.say(ClientFrame::FetchHistory(fetch)).await;
        let frame = alice.receive().await;
        let ServerFrame::History(history) = frame else { panic!("{frame:?}") };
        let seqs: Vec<u64> = history.entries.iter().map(|entry| entry.seq().0).collect();
        assert_eq!(seqs, (first..=last).collect::<Vec<u64>>());
        assert_eq!((history.reference, history.head), (reference, Sequence(450)));
    }
}

async fn join_channel(reader: &mut Online, join: JoinConversation) -> Joined {
    reader.say(ClientFrame::JoinConversation(join)).await;
    let frame = reader.receive().await;
    let ServerFrame::Joined(joined) = frame else { panic!("{frame:?}") };
    joined
}

#[tokio::test]
async fn a_channel_is_read_by_joining_and_left_again() {
    let server = Server::start().await;
    let people = server.people(3).await;
    let channel = server.conversation(ConversationKind::Channel, &people[0], &[]).await;
    let group = server.conversation(ConversationKind::Group, &people[0], &[&people[1]]).await;
    let mut owner = server.online(&people[0]).await;
    owner.send(channel, "one").await;
    owner.send(channel, "two").await;
    let mut reader = server.online(&people[2]).await;
    let join = |reference, conversation_id, after: Option<u64>| {
        let (after, generation) = (after.map(Sequence), None);
        JoinConversation { reference, conversation_id, after, generation }
    };
    reader.say(ClientFrame::JoinConversation(join(1, group, None))).await;
    assert_eq!(reader.error().await.code, ErrorCode::NotFound);
    let joined = join_channel(&mut reader, join(2, channel, Some(1))).await;
    assert_eq!((joined.head, joined.after), (Sequence(2), Sequence(1)));
    assert_eq!(reader.entry().await, (Sequence(2), "two".into()));
    owner.send(channel, "three").await;
    assert_eq!(reader.entry().await, (Sequence(3), "three".into()));
    reader.post(channel, "readers do not write").await;
    assert_eq!(reader.answer().await.unwrap_err().code, ErrorCode::NotFound);
    reader
        .say(ClientFrame::LeaveConversation(LeaveConversation {
            reference: 3,
            conversation_id: channel,
        }))
        .await;
    assert!(matches!(reader.receive().await, ServerFrame::Left(_)));
    owner.send(channel, "four").await;
    reader.silence().await;
    // What it has is of a log before a restore: it is not taken for what has the same numbers now.
    let generation = Some(joined.generation + 1);
    let again = JoinConversation { generation, ..join(4, channel, Some(1)) };
    let again = join_channel(&mut reader, again).await;
    assert_eq!((again.head, again.after), (Sequence(4), Sequence(4)));
    let frame = reader.receive().await;
    let ServerFrame::Resync(resync) = frame else { panic!("{frame:?}") };
    assert_eq!((resync.head, &*resync.reason), (Sequence(4), "restored"));
    owner.send(channel, "five").await;
    assert_eq!(reader.entry().await, (Sequence(5), "five".into()));
}

/// Positions are written a second after the first acknowledgement, together with those of others.
#[tokio::test]
async fn what_a_device_acknowledged_is_known_whenever_it_comes_back() {
    let server = Server::start().await;
    let people = server.people(2).await;
    let chat = server.conversation(ConversationKind::Direct, &people[0], &[&people[1]]).await;
    let mut alice = server.online(&people[0]).await;
    let mut bob = server.online(&people[1]).await;
    for (seq, away_after_ms) in (1..).zip([0, 500, 980, 1_000, 1_020, 1_040, 1_060, 1_080, 1_200]) {
        alice.send(chat, "x").await;
        assert_eq!(bob.entry().await.0, Sequence(seq));
        let ack = Ack { conversation_id: chat, seq: Sequence(seq) };
        bob.say(ClientFrame::Ack(ack)).await;
        tokio::time::sleep(std::time::Duration::from_millis(away_after_ms)).await;
        let (again, welcome) = server.online_from(&people[1], Encoding::Json, &[]).await;
        let delivered = welcome.conversations[0].delivered;
        assert_eq!(delivered, Sequence(seq), "came back after {away_after_ms} ms");
        bob = again;
    }
}

/// A session that starts anew reads heads that trail what its devices were handed before.
#[tokio::test]
async fn what_a_device_says_it_has_is_told_back_to_it() {
    let server = Server::start().await;
    let people = server.people(2).await;
    let chat = server.conversation(ConversationKind::Direct, &people[0], &[&people[1]]).await;
    let mut alice = server.online(&people[0]).await;
    for seq in 1..=30 {
        let (mut bob, _) = server.online_from(&people[1], Encoding::Json, &[(chat, seq - 1)]).await;
        alice.send(chat, "x").await;
        assert_eq!(bob.entry().await.0, Sequence(seq));
        drop(bob);
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        let said = [(chat, seq)];
        let (bob, welcome) = server.online_from(&people[1], Encoding::Json, &said).await;
        assert_eq!(welcome.conversations[0].delivered, Sequence(seq));
        drop(bob);
    }
}

#[tokio::test]
async fn a_ping_with_positions_tells_the_heads() {
    let server = Server::start().await;
    let people = server.people(1).await;
    let chat = server.conversation(ConversationKind::Group, &people[0], &[]).await;
    let mut alice = server.online(&people[0]).await;
    alice.send(chat, "x").await;
    let position = Position::new(chat, Sequence(0));
    alice.say(ClientFrame::Ping(Ping { positions: Some(vec![position]) })).await;
    let frame = alice.receive().await;
    let ServerFrame::Pong(pong) = frame else { panic!("{frame:?}") };
    assert_eq!(pong.heads.unwrap()[0].seq, Sequence(1));
}
