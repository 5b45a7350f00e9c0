//! `switchboard admin` and the routes behind it, on a running node.

use schema::record::ConversationKind;
use serde_json::Value;

use crate::support::{PATIENCE, Server, binary, get};

async fn admin(server: &Server, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = tokio::process::Command::new(binary());
    command.arg("admin").args(arguments).arg("--data-dir").arg(server.process.data_dir());
    let output = command.output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), text + &String::from_utf8_lossy(&output.stderr))
}

async fn json(server: &Server, arguments: &[&str]) -> Value {
    let (code, text) = admin(server, &[arguments, &["--json"]].concat()).await;
    assert_eq!(code, Some(0), "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_see_the_node_act_on_it_and_are_written_down() {
    let mut server = Server::start().await;
    let people = server.people(2).await;
    let chat = server.conversation(ConversationKind::Direct, &people[0], &[&people[1]]).await;
    let (mut alice, mut bob) = (server.online(&people[0]).await, server.online(&people[1]).await);
    alice.send(chat, "hello").await;
    bob.entry().await;

    let nodes = json(&server, &["nodes"]).await;
    assert_eq!(nodes["nodes"].as_array().unwrap().len(), 1);
    assert_eq!(nodes["nodes"][0]["is_this"], true);
    let shards = json(&server, &["shards"]).await;
    let shards = shards["shards"].as_array().unwrap();
    assert!(shards.len() == 2 && shards.iter().all(|shard| shard["is_ready"] == true));
    let actors = json(&server, &["actors"]).await;
    assert_eq!((&actors["sessions"], &actors["conversations"]), (&2.into(), &1.into()));
    let all = json(&server, &["connections"]).await;
    assert_eq!(
        (all["connections"].as_array().unwrap().len(), &all["users_online"]),
        (2, &2.into())
    );
    let name = people[0].username.as_str();
    let one = json(&server, &["connections", "--user", name]).await;
    assert_eq!(one["connections"][0]["user_id"], people[0].user_id.to_string());
    let (code, table) = admin(&server, &["connections"]).await;
    assert!(code == Some(0) && table.starts_with("user_id"), "{table}");

    let busiest = json(&server, &["busiest"]).await;
    let first = &busiest["conversations"][0];
    assert_eq!(first["conversation_id"], chat.to_string());
    assert_eq!((&first["entries"], &first["deliveries"]), (&1.into(), &2.into()), "{first}");
    let (code, text) = admin(&server, &["move-shard", "0", "--back"]).await;
    assert!(code == Some(1) && text.contains("alone"), "{text}");
    let (code, text) = admin(&server, &["move-shard", "0"]).await;
    assert!(code == Some(2) && text.contains("--to"), "{text}");
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while json(&server, &["mailboxes"]).await["mailboxes"].as_array().unwrap().len() < 5 {
        assert!(tokio::time::Instant::now() < deadline, "some kinds are not probed");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }

    // Closed: may come back. Signed out: may not.
    assert_eq!(json(&server, &["close", "--user", name]).await["closed"], 1);
    assert_eq!(alice.closed().await.1, 4003);
    drop(server.online(&people[0]).await);
    let device = people[1].device_id.to_string();
    let out =
        json(&server, &["sign-out", "--user", &people[1].username, "--device", &device]).await;
    assert_eq!(out["devices"], 1);
    assert_eq!(bob.closed().await.1, 4502);
    let (status, _) = get(&server, "/v1/users/me", &people[1].access_token).await;
    assert_eq!(status, 401);

    let (code, text) = admin(&server, &["sign-out"]).await;
    assert!(code == Some(1) && text.contains("user_id"), "{text}");
    let (code, text) = admin(&server, &["close", "--user", "nobody-there"]).await;
    assert!(code == Some(1) && text.contains("no such user"), "{text}");

    let log = json(&server, &["log"]).await;
    let said: Vec<&str> = log["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["action"].as_str().unwrap())
        .collect();
    assert_eq!(said, ["sign_out", "close_connections", "move_shard"]);
    let target = log["records"][0]["target"].as_str().unwrap();
    assert!(target.contains(&people[1].user_id.to_string()) && target.contains(&device));
    assert_eq!(log["records"][0]["from"], "127.0.0.1");

    // Nobody without the token, and the page holds none.
    let internal = server.rest.target().internal.clone().unwrap();
    let paths = ["nodes", "shards", "actors", "connections", "audit-log", "mailboxes"];
    for path in paths.into_iter().chain(["conversations/busiest"]) {
        let answer = reqwest::get(format!("http://{internal}/v1/{path}")).await.unwrap();
        assert_eq!(answer.status(), 401, "{path}");
    }
    let page = reqwest::get(format!("http://{internal}/admin/")).await.unwrap();
    assert!(
        page.headers()["content-security-policy"].to_str().unwrap().contains("script-src 'self'")
    );
    assert!(page.text().await.unwrap().contains("Admin token"));
    let public = reqwest::get(server.url("/admin/")).await.unwrap();
    assert_eq!(public.status(), 404, "never on the public listener");

    assert_eq!(json(&server, &["drain"]).await["draining"], true);
    server.process.ended(PATIENCE).await.unwrap();
    server.process.restart().await.unwrap();
    let log = json(&server, &["log", "--limit", "1"]).await;
    assert_eq!(log["records"][0]["action"], "drain");
    let next = log["next"].as_str().unwrap().to_owned();
    let older = json(&server, &["log", "--before", &next]).await;
    assert_eq!(older["records"].as_array().unwrap().len(), 3);
}
