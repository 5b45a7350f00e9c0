//! Full text: what one may see is found, edited and deleted messages behave, the index catches up.

use std::time::Duration;

use reqwest::Method;
use schema::ConversationId;
use schema::record::ConversationKind;
use serde_json::{Value, json};

use crate::support::{Server, call, get};

/// Numbers of the messages found, best first.
async fn found(server: &Server, token: &str, query: &str) -> Vec<u64> {
    let (status, body) = get(server, &format!("/v1/search?{query}"), token).await;
    assert_eq!(status, 200, "{body}");
    let seq = |hit: &Value| hit["entry"]["new_message"]["seq"].as_u64().unwrap();
    body["hits"].as_array().unwrap().iter().map(seq).collect()
}

/// The index follows the log: what is there is found in a moment.
async fn until_found(server: &Server, token: &str, query: &str, expected: &[u64]) {
    let mut last = Vec::new();
    for _ in 0..100 {
        last = found(server, token, query).await;
        last.sort_unstable();
        if last == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{query}: found {last:?}, expected {expected:?}");
}

async fn remove(server: &Server, chat: ConversationId, token: &str, user: schema::UserId) {
    let path = format!("/v1/conversations/{chat}/members");
    let body = json!({"members": [user.to_string()]});
    assert_eq!(call(server, Method::DELETE, &path, token, &body).await.0, 200);
}

#[tokio::test]
async fn one_finds_what_one_may_see_and_nothing_else() {
    let server = Server::start().await;
    let people = server.people(4).await;
    let kind = ConversationKind::Group;
    let chat = server.conversation(kind, &people[0], &[&people[1]]).await;
    let token = |index: usize| people[index].access_token.as_str();
    let mut alice = server.online(&people[0]).await;
    let mut bob = server.online(&people[1]).await;
    alice.send(chat, "the kernel does not boot").await;
    bob.send(chat, "which kernel is it? Grüße").await;
    // Bob goes at 3, Carol comes at 4.
    remove(&server, chat, token(0), people[1].user_id).await;
    let added = json!({"members": [{"user_id": people[2].user_id.to_string(), "role": "member"}]});
    let path = format!("/v1/conversations/{chat}/members");
    assert_eq!(call(&server, Method::POST, &path, token(0), &added).await.0, 200);
    alice.send(chat, "a new kernel came out").await;
    until_found(&server, token(0), "q=kernel", &[1, 2, 5]).await;
    until_found(&server, token(1), "q=kernel", &[1, 2]).await;
    until_found(&server, token(2), "q=kernel", &[5]).await;
    until_found(&server, token(3), "q=kernel", &[]).await;

    // Words in any order and without their accents; the last may be a beginning.
    assert_eq!(found(&server, token(0), "q=boot+kernel").await, [1]);
    assert_eq!(found(&server, token(0), "q=ker").await.len(), 3);
    assert_eq!(found(&server, token(0), "q=grusse").await, Vec::<u64>::new());
    assert_eq!(found(&server, token(0), "q=gruße").await, [2]);
    assert_eq!(found(&server, token(0), "q=%22%20OR%20*").await, Vec::<u64>::new());
    // Filters.
    let from = format!("q=kernel&from={}", people[1].user_id);
    assert_eq!(found(&server, token(0), &from).await, [2]);
    assert_eq!(found(&server, token(0), "q=kernel&until=1000").await, Vec::<u64>::new());
    assert_eq!(found(&server, token(0), "q=kernel&since=1000").await.len(), 3);
    let elsewhere = format!("q=kernel&conversation_id={}", ConversationId::generate());
    assert_eq!(found(&server, token(0), &elsewhere).await, Vec::<u64>::new());
    let here = format!("q=kernel&conversation_id={chat}");
    assert_eq!(found(&server, token(0), &here).await.len(), 3);
    // Pages and highlights.
    let (_, first) = get(&server, "/v1/search?q=kernel&limit=2", token(0)).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let (_, rest) =
        get(&server, &format!("/v1/search?q=kernel&limit=2&cursor={cursor}"), token(0)).await;
    assert_eq!(first["hits"].as_array().unwrap().len(), 2);
    assert_eq!(rest["hits"].as_array().unwrap().len(), 1);
    assert!(rest["next_cursor"].is_null());
    let (_, marked) = get(&server, "/v1/search?q=boot", token(0)).await;
    assert_eq!(marked["hits"][0]["highlights"], json!([[20, 24]]));
    for bad in ["q=a&limit=0", "q=a&limit=101", "q=a&cursor=x", "limit=5"] {
        let (status, body) = get(&server, &format!("/v1/search?{bad}"), token(0)).await;
        assert!([400, 422].contains(&status), "{bad}: {body}");
    }
}

#[tokio::test]
async fn what_was_edited_and_deleted_is_found_as_it_is_now_also_after_a_kill() {
    let mut server = Server::start().await;
    let people = server.people(2).await;
    let chat = server.conversation(ConversationKind::Direct, &people[0], &[&people[1]]).await;
    let token = people[1].access_token.clone();
    let mut alice = server.online(&people[0]).await;
    alice.send(chat, "pineapple pizza").await;
    alice.send(chat, "plain pizza").await;
    alice.send(chat, "secret pizza").await;
    until_found(&server, &token, "q=pizza", &[1, 2, 3]).await;
    let path = |seq: u64| format!("/v1/conversations/{chat}/messages/{seq}");
    let nothing = json!({});
    let mine = people[0].access_token.clone();
    let edit = json!({"content": {"text": {"text": "anchovy salad"}}});
    assert_eq!(call(&server, Method::PATCH, &path(1), &mine, &edit).await.0, 200);
    assert_eq!(call(&server, Method::DELETE, &path(3), &mine, &nothing).await.0, 200);
    until_found(&server, &token, "q=pizza", &[2]).await;
    until_found(&server, &token, "q=salad", &[1]).await;
    let (_, body) = get(&server, "/v1/search?q=salad", &token).await;
    let text = &body["hits"][0]["entry"]["new_message"]["content"]["text"]["text"];
    assert_eq!(text, "anchovy salad");
    server.process.kill_9().await.unwrap();
    // The index is made again from the logs.
    for file in ["search.sqlite3", "search.sqlite3-wal", "search.sqlite3-shm"] {
        let _ = std::fs::remove_file(server.process.data_dir().join(file));
    }
    server.process.restart().await.unwrap();
    until_found(&server, &token, "q=pizza", &[2]).await;
    until_found(&server, &token, "q=salad", &[1]).await;
    until_found(&server, &token, "q=secret", &[]).await;
    let mut alice = server.online(&people[0]).await;
    alice.send(chat, "cold pizza").await;
    until_found(&server, &token, "q=pizza", &[2, 6]).await;
}

#[tokio::test]
async fn a_fresh_index_takes_the_place_of_the_one_before_while_the_server_runs_or_not() {
    let mut server = Server::start().await;
    let people = server.people(2).await;
    let chat = server.conversation(ConversationKind::Direct, &people[0], &[&people[1]]).await;
    let token = people[1].access_token.clone();
    let mut alice = server.online(&people[0]).await;
    alice.send(chat, "pineapple pizza").await;
    until_found(&server, &token, "q=pizza", &[1]).await;
    let reindex = async |data_dir: &std::path::Path| {
        let mut command = tokio::process::Command::new(crate::support::binary());
        command.args(["search", "reindex", "--json", "--data-dir"]).arg(data_dir);
        let output = command.stdin(std::process::Stdio::null()).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["entries"].as_u64().unwrap()
    };
    let data_dir = server.process.data_dir().to_owned();
    assert_eq!(reindex(&data_dir).await, 1);
    assert_eq!(found(&server, &token, "q=pizza").await, [1], "it is there at once");
    alice.send(chat, "plain pizza").await;
    until_found(&server, &token, "q=pizza", &[1, 2]).await;
    server.process.kill_9().await.unwrap();
    assert_eq!(reindex(&data_dir).await, 2);
    server.process.restart().await.unwrap();
    until_found(&server, &token, "q=pizza", &[1, 2]).await;
}

#[tokio::test]
async fn who_has_left_does_not_find_what_was_edited_since() {
    let server = Server::start().await;
    let people = server.people(2).await;
    let chat = server.conversation(ConversationKind::Group, &people[0], &[&people[1]]).await;
    let (mine, theirs) = (people[0].access_token.as_str(), people[1].access_token.as_str());
    server.online(&people[0]).await.send(chat, "meet at noon").await;
    until_found(&server, theirs, "q=noon", &[1]).await;
    remove(&server, chat, mine, people[1].user_id).await;
    let path = format!("/v1/conversations/{chat}/messages/1");
    let edit = json!({"content": {"text": {"text": "meet at dusk"}}});
    assert_eq!(call(&server, Method::PATCH, &path, mine, &edit).await.0, 200);
    until_found(&server, mine, "q=dusk", &[1]).await;
    assert_eq!(found(&server, theirs, "q=dusk").await, Vec::<u64>::new());
    assert_eq!(found(&server, theirs, "q=meet").await, Vec::<u64>::new());
}
