//! How many threads serve.

use schema::Sequence;
use schema::record::ConversationKind;

use crate::support::{Server, spec, workers_of};

/// One thread is enough to serve, and three are three; without the setting it is one a core.
#[tokio::test]
async fn as_many_threads_serve_as_the_settings_say() {
    let cores = std::thread::available_parallelism().unwrap().get();
    for (setting, expected) in [("1", 1), ("3", 3), ("0", cores)] {
        let server = Server::with(&[("SWITCHBOARD_WORKERS", setting)]).await;
        let process = server.process.pid().unwrap();
        assert_eq!(workers_of(process).len(), expected, "workers = {setting}");
        let people = server.people(3).await;
        let others = [&people[1], &people[2]];
        let chat = server.conversation(ConversationKind::Group, &people[0], &others).await;
        let mut sender = server.online(&people[0]).await;
        let mut readers = [server.online(&people[1]).await, server.online(&people[2]).await];
        for number in 1..=20 {
            sender.post(chat, &format!("line {number}")).await;
            assert_eq!(sender.answer().await.unwrap(), (Sequence(number), false));
            for reader in &mut readers {
                assert_eq!(reader.entry().await.0, Sequence(number));
            }
        }
    }
}

#[tokio::test]
async fn too_many_threads_are_refused() {
    let environment = vec![("SWITCHBOARD_WORKERS".to_owned(), "257".to_owned())];
    let refused = loadtest::ServerProcess::start(loadtest::ServerSpec { environment, ..spec() });
    match refused.await {
        Ok(_) => panic!("it must not start"),
        Err(error) => assert!(error.to_string().contains("workers"), "{error}"),
    }
}
