//! A peer that stops reading is let go; the others notice nothing, and it misses nothing.

use std::time::Duration;

use schema::Sequence;
use schema::record::ConversationKind;
use tokio::time::Instant;

use crate::memory::resident_kib;
use crate::support::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stops_reading_is_closed_and_catches_up_on_return() {
    let server = Server::start().await;
    let people = server.people(3).await;
    let group =
        server.conversation(ConversationKind::Group, &people[0], &[&people[1], &people[2]]).await;
    let mut sender = server.online(&people[0]).await;
    let mut reader = server.online(&people[1]).await;
    let mut sleeper = server.online(&people[2]).await;
    let before_kib = resident_kib(server.process.pid().unwrap());
    let (text, count) = ("z".repeat(16 * 1024), 1_500_u64);
    let mut slowest = Duration::ZERO;
    for number in 1..=count {
        let begun = Instant::now();
        assert_eq!(sender.send(group, &text).await, Sequence(number));
        assert_eq!(reader.entry().await.0, Sequence(number));
        slowest = slowest.max(begun.elapsed());
    }
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    let grown_kib = resident_kib(server.process.pid().unwrap()).saturating_sub(before_kib);
    assert!(grown_kib < 60 * 1024, "{grown_kib} KiB for 24 MiB of messages");
    // What the kernel still held comes out, in order; then the connection is over.
    let mut last = 0;
    while let Ok(Ok(frame)) =
        tokio::time::timeout(Duration::from_secs(15), sleeper.socket.receive()).await
    {
        if let schema::wire::ServerFrame::NewMessage(message) = frame {
            assert_eq!(message.seq, Sequence(last + 1));
            last = message.seq.0;
        }
    }
    assert!(last < count, "the sleeper was never let go");
    let (mut back, _) =
        server.online_from(&people[2], schema::wire::Encoding::MessagePack, &[(group, last)]).await;
    for number in last + 1..=count {
        assert_eq!(back.entry().await.0, Sequence(number));
    }
}
