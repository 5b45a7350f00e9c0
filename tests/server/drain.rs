//! SIGTERM: readiness off, sockets told and closed, nothing lost, an end in time.

use std::time::Duration;

use loadtest::server_process::Signal;
use schema::record::ConversationKind;
use schema::wire::ServerFrame;
use tokio::time::Instant;

use crate::support::{PATIENCE, Server};

async fn readiness(server: &Server) -> u16 {
    let internal = server.rest.target().internal.clone().unwrap();
    let answer = reqwest::get(format!("http://{internal}/readyz")).await;
    answer.map_or(0, |answer| answer.status().as_u16())
}

#[tokio::test]
async fn a_draining_node_says_so_finishes_and_ends() {
    let mut server = Server::with(&[("SWITCHBOARD_DRAIN__NOTICE", "2s")]).await;
    let people = server.people(2).await;
    let chat = server.conversation(ConversationKind::Group, &people[0], &[&people[1]]).await;
    let mut alice = server.online(&people[0]).await;
    let mut bob = server.online(&people[1]).await;
    assert_eq!(readiness(&server).await, 200);
    server.process.signal(Signal::TERM).unwrap();
    while readiness(&server).await != 503 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // During the notice everything goes on for those who are here.
    let seq = alice.send(chat, "still here").await;
    assert_eq!(bob.entry().await.0, seq);
    let me = reqwest::Client::new().get(server.url("/v1/users/me"));
    let answer = me.bearer_auth(&people[0].access_token).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["connection"], "close");
    // New ones are sent on.
    let refused = loadtest::client::LeanSocket::connect(
        server.address(),
        schema::wire::Encoding::MessagePack,
    );
    let refused = format!("{:?}", refused.await.err().unwrap());
    assert!(refused.contains("503"), "{refused}");
    for person in [&mut alice, &mut bob] {
        let (frames, code) = person.closed().await;
        assert_eq!(code, 4000);
        let told = frames.iter().find_map(|frame| match frame {
            ServerFrame::Draining(draining) => Some(draining.reconnect_after_ms),
            _ => None,
        });
        assert!((500..3_000).contains(&told.expect("told when to come back")));
    }
    server.process.ended(PATIENCE).await.unwrap();
    let output = server.process.output();
    assert!(output.contains("drained") && !output.contains("not drained"), "{output}");
    server.process.restart().await.unwrap();
    let (mut alice, _) =
        server.online_from(&people[0], schema::wire::Encoding::Json, &[(chat, 0)]).await;
    assert_eq!(alice.entry().await, (seq, "still here".to_owned()));
}

#[tokio::test]
async fn a_second_signal_hurries_and_the_deadline_holds() {
    let settings = [("SWITCHBOARD_DRAIN__NOTICE", "5m"), ("SWITCHBOARD_DRAIN__DEADLINE", "6m")];
    let mut server = Server::with(&settings).await;
    let person = server.people(1).await.remove(0);
    let mut online = server.online(&person).await;
    server.process.signal(Signal::TERM).unwrap();
    while readiness(&server).await != 503 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let begun = Instant::now();
    server.process.signal(Signal::TERM).unwrap();
    assert_eq!(online.closed().await.1, 4000);
    server.process.ended(PATIENCE).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(server.process.output().contains("asked again"));
}

#[tokio::test]
async fn many_leave_in_waves() {
    let mut server = Server::with(&[("SWITCHBOARD_DRAIN__DURATION", "2s")]).await;
    let people = server.people(200).await;
    let mut sockets = Vec::new();
    for person in &people {
        sockets.push(server.online(person).await);
    }
    server.process.signal(Signal::TERM).unwrap();
    let begun = Instant::now();
    let mut closed_after = Vec::new();
    let mut waiting = tokio::task::JoinSet::new();
    for mut socket in sockets {
        waiting.spawn(async move {
            let (_, code) = socket.closed().await;
            (code, begun.elapsed())
        });
    }
    while let Some(closed) = waiting.join_next().await {
        let (code, after) = closed.unwrap();
        assert_eq!(code, 4000);
        closed_after.push(after);
    }
    closed_after.sort();
    // Four waves of 50, a jittered quarter of a second apart.
    let (first, last) = (closed_after[10], closed_after[190]);
    assert!(last - first >= Duration::from_millis(300), "{first:?} to {last:?}");
    server.process.ended(PATIENCE).await.unwrap();
}
