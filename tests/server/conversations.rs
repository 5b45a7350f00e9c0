//! Conversations over REST, as their members' sockets see them.

use reqwest::Method;
use schema::Sequence;
use schema::record::ConversationKind;
use schema::wire::ServerFrame;
use serde_json::json;

use crate::support::{Server, call, get};

#[tokio::test]
async fn one_direct_conversation_a_pair_however_often_it_is_opened() {
    let server = Server::start().await;
    let people = server.people(2).await;
    let (alice, bob) = (&people[0], &people[1]);
    let open = |from: &str, to: String| {
        let body = json!({"kind": "direct", "members": [to]});
        let (server, from) = (&server, from.to_owned());
        async move { call(server, Method::POST, "/v1/conversations", &from, &body).await }
    };
    let (first, made) = open(&alice.access_token, bob.user_id.to_string()).await;
    assert_eq!(first, 201);
    let (again, same) = open(&bob.access_token, alice.user_id.to_string()).await;
    assert_eq!((again, &same["conversation_id"]), (200, &made["conversation_id"]));
    let at_once = futures_util::future::join_all(
        (0..20).map(|_| open(&alice.access_token, bob.user_id.to_string())),
    )
    .await;
    assert!(at_once.iter().all(|(_, it)| it["conversation_id"] == made["conversation_id"]));
    let (status, _) = open(&alice.access_token, alice.user_id.to_string()).await;
    assert_eq!(status, 422);
}

#[tokio::test]
async fn members_come_and_go_as_numbered_entries_and_see_what_is_theirs() {
    let server = Server::start().await;
    let people = server.people(3).await;
    let (alice, bob, carol) = (&people[0], &people[1], &people[2]);
    let mut bob_online = server.online(bob).await;
    let mut carol_online = server.online(carol).await;
    let group = server.conversation(ConversationKind::Group, alice, &[bob]).await;
    let frame = bob_online.receive().await;
    let ServerFrame::Resync(resync) = frame else { panic!("{frame:?}") };
    assert_eq!((resync.conversation_id, resync.reason.as_str()), (group, "created"));
    let mut alice_online = server.online(alice).await;
    alice_online.send(group, "before carol").await;
    let members = format!("/v1/conversations/{group}/members");
    let add = json!({"members": [{"user_id": carol.user_id, "role": "member"}]});
    let (status, _) = call(&server, Method::POST, &members, &bob.access_token, &add).await;
    assert_eq!(status, 403, "only owners and admins add");
    let (status, _) = call(&server, Method::POST, &members, &carol.access_token, &add).await;
    assert_eq!(status, 404, "a stranger sees nothing");
    let (status, added) = call(&server, Method::POST, &members, &alice.access_token, &add).await;
    assert_eq!((status, &added["seq"]), (200, &json!(2)));
    let frame = carol_online.receive().await;
    let ServerFrame::MembersChanged(changed) = frame else { panic!("{frame:?}") };
    assert_eq!((changed.seq, changed.added[0].user_id), (Sequence(2), carol.user_id));
    alice_online.send(group, "hello carol").await;
    assert_eq!(carol_online.entry().await, (Sequence(3), "hello carol".into()));
    let messages = format!("/v1/conversations/{group}/messages?after=0");
    let (_, page) = get(&server, &messages, &carol.access_token).await;
    assert_eq!(page["entries"].as_array().unwrap().len(), 2, "not what was said before");

    let remove = json!({"members": [carol.user_id]});
    let (status, _) = call(&server, Method::DELETE, &members, &alice.access_token, &remove).await;
    assert_eq!(status, 200);
    assert!(matches!(carol_online.receive().await, ServerFrame::MembersChanged(_)));
    alice_online.send(group, "without carol").await;
    carol_online.silence().await;
    carol_online.post(group, "still here?").await;
    assert!(carol_online.answer().await.is_err());
    let (_, list) = get(&server, "/v1/users/me/conversations", &carol.access_token).await;
    assert_eq!(list["conversations"].as_array().unwrap().len(), 0);
    let mut seqs = Vec::new();
    for _ in 0..5 {
        match bob_online.receive().await {
            ServerFrame::NewMessage(message) => seqs.push(message.seq.0),
            ServerFrame::MembersChanged(changed) => seqs.push(changed.seq.0),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seqs, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn the_chat_list_counts_what_is_unread() {
    let server = Server::start().await;
    let people = server.people(2).await;
    let (alice, bob) = (&people[0], &people[1]);
    let chat = server.conversation(ConversationKind::Direct, alice, &[bob]).await;
    let mut online = server.online(alice).await;
    for text in ["one", "two", "three"] {
        online.send(chat, text).await;
    }
    let list = || get(&server, "/v1/users/me/conversations", &bob.access_token);
    let (status, before) = list().await;
    assert_eq!(status, 200);
    let row = &before["conversations"][0];
    assert_eq!((&row["unread"], &row["head"]), (&json!(3), &json!(3)));
    assert_eq!(row["last"]["new_message"]["content"]["text"]["text"], "three");
    assert_eq!(row["peer"]["user_id"], json!(alice.user_id));
    let read = json!({"conversation_id": chat, "seq": 2});
    let (status, _) =
        call(&server, Method::POST, "/v1/read-receipt", &bob.access_token, &read).await;
    assert_eq!(status, 204);
    assert_eq!(list().await.1["conversations"][0]["unread"], 1);
    let back = json!({"conversation_id": chat, "seq": 1});
    call(&server, Method::POST, "/v1/read-receipt", &bob.access_token, &back).await;
    assert_eq!(list().await.1["conversations"][0]["unread"], 1, "positions never go back");
    let body = json!({"conversation_id": chat, "content": {"text": {"text": "answer"}}});
    let (status, sent) =
        call(&server, Method::POST, "/v1/messages", &bob.access_token, &body).await;
    assert_eq!((status, &sent["seq"]), (201, &json!(4)));
    assert_eq!(list().await.1["conversations"][0]["unread"], 0, "who writes has read");
}
