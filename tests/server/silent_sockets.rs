//! 5,000 sockets that say nothing: bounded memory, all closed in time, others unaffected.

use std::time::Duration;

use loadtest::client::{LeanSocket, SocketError};
use schema::record::ConversationKind;
use schema::wire::Encoding;
use tokio::time::{Instant, timeout};

use crate::memory::resident_kib;
use crate::support::{PATIENCE, Server};

const SILENT: usize = 5_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_silent_sockets_are_closed_and_cost_little() {
    let server = Server::start().await;
    let person = server.people(1).await.remove(0);
    let chat = server.conversation(ConversationKind::Group, &person, &[]).await;
    let mut online = server.online(&person).await;
    online.send(chat, "before").await;
    let pid = server.process.pid().unwrap();
    let before_kib = resident_kib(pid);
    let mut sockets = Vec::with_capacity(SILENT);
    for _ in 0..SILENT {
        let encoding = Encoding::MessagePack;
        sockets.push(LeanSocket::connect(server.address(), encoding).await.unwrap());
    }
    let each = (resident_kib(pid).saturating_sub(before_kib)) * 1024 / SILENT;
    println!("a silent socket costs {each} resident bytes");
    assert!(each < 8 * 1024, "{each} bytes a silent socket");
    // Someone who talks is served as ever.
    let mut slowest = Duration::ZERO;
    for number in 0..50 {
        let begun = Instant::now();
        online.send(chat, &format!("during {number}")).await;
        slowest = slowest.max(begun.elapsed());
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    for mut socket in sockets {
        match timeout(PATIENCE, socket.receive(|_| ())).await.expect("closed in time") {
            Err(SocketError::Closed { code: 4503, .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    online.send(chat, "after").await;
}

#[tokio::test]
async fn one_address_may_not_hold_many_silent_sockets() {
    let server = Server::with(&[("SWITCHBOARD_LIMITS__SILENT_CONNECTIONS_PER_ADDRESS", "3")]).await;
    let person = server.people(1).await.remove(0);
    let mut held = Vec::new();
    for _ in 0..3 {
        let encoding = Encoding::MessagePack;
        held.push(LeanSocket::connect(server.address(), encoding).await.unwrap());
    }
    let refused = LeanSocket::connect(server.address(), Encoding::MessagePack).await;
    assert!(
        matches!(&refused, Err(SocketError::Handshake(status)) if status.contains("429")),
        "{refused:?}"
    );
    drop(held.pop());
    tokio::time::sleep(Duration::from_millis(200)).await;
    // Greeted sockets do not count as silent.
    let first = server.online(&person).await;
    drop(first);
}
