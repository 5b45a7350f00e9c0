//! A backup taken under load, restored: proven, and clients know that they must fetch again.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use loadtest::client::{Credentials, RestClient, Socket, SocketStyle};
use loadtest::{ServerProcess, ServerSpec};
use schema::record::{Content, ConversationKind};
use schema::wire::{
    ClientFrame, Encoding, FetchHistory, LogFrame, NewMessage, Position, ServerFrame,
};
use schema::{ConversationId, Sequence};

use crate::support::{Online, Server, binary, spec};

async fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = tokio::process::Command::new(binary()).args(arguments).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), text + &String::from_utf8_lossy(&output.stderr))
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

async fn serve(data_dir: &Path) -> Server {
    let spec = ServerSpec { data_dir: Some(data_dir.to_owned()), ..spec() };
    let process = ServerProcess::start(spec).await.unwrap();
    let rest = RestClient::new(process.target()).unwrap();
    Server { process, rest }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_is_whole_and_its_restore_makes_clients_fetch_again() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let server = serve(&at("old")).await;
    let people = server.people(3).await;
    let chat =
        server.conversation(ConversationKind::Group, &people[0], &[&people[1], &people[2]]).await;
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut senders = Vec::new();
    for person in &people[..2] {
        let mut online = server.online(person).await;
        let (stop, sent) = (stop.clone(), sent.clone());
        senders.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let seq = online.send(chat, &"text ".repeat(40)).await;
                sent.fetch_max(seq.0, Ordering::Relaxed);
            }
            online
        }));
    }
    while sent.load(Ordering::Relaxed) < 300 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let acknowledged = sent.load(Ordering::Relaxed);
    let (old, copy) = (at("old"), at("copy"));
    let (code, said) =
        run(&["backup", "--data-dir", path(&old), "--to", path(&copy), "--json"]).await;
    assert_eq!(code, Some(0), "{said}");
    let during = sent.load(Ordering::Relaxed);
    stop.store(true, Ordering::Relaxed);
    for sender in senders {
        let _online = sender.await.unwrap();
    }
    assert!(during > acknowledged, "nothing was written meanwhile");
    let manifest: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(manifest["audit_passed"], true);
    let kept = manifest["messages"].as_u64().unwrap();
    assert!(kept >= acknowledged, "{kept} kept, {acknowledged} were acknowledged before");
    assert_eq!(manifest["files"].as_array().unwrap().len(), 3, "{said}");

    // Into the same place: no.
    let (code, said) = run(&["backup", "--data-dir", path(&old), "--to", path(&copy)]).await;
    assert!(code == Some(1) && said.contains("not empty"), "{said}");
    let (code, said) = run(&["restore", "--from", path(&copy), "--data-dir", path(&old)]).await;
    assert!(code == Some(1) && said.contains("not empty"), "{said}");

    let generation = server.online_from(&people[2], Encoding::Json, &[]).await.1;
    let generation = generation.conversations[0].generation;
    drop(server);
    let new = at("new");
    let (code, said) =
        run(&["restore", "--from", path(&copy), "--data-dir", path(&new), "--json"]).await;
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = run(&["audit", "--data-dir", path(&new)]).await;
    assert_eq!(code, Some(0), "{said}");

    // The same people with the tokens that they had; what they know lies beyond.
    let server = serve(&new).await;
    let (mut ahead, welcome) =
        server.online_from(&people[2], Encoding::Json, &[(chat, during + 1_000)]).await;
    let state = &welcome.conversations[0];
    assert!(state.generation > generation, "{} after {generation}", state.generation);
    assert_eq!(state.head.0, kept);
    loop {
        if let ServerFrame::Resync(resync) = ahead.receive().await {
            assert_eq!(resync.generation, state.generation);
            assert_eq!((resync.head.0, &*resync.reason), (kept, "position_beyond_head"));
            break;
        }
    }
    assert_eq!(ahead.send(chat, "after").await.0, kept + 1);
    drop(server);

    // The same backup once more: yet another generation.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let again = at("again");
    let (_, said_again) =
        run(&["restore", "--from", path(&copy), "--data-dir", path(&again), "--json"]).await;
    let generation_of = |said: &str| -> u64 {
        serde_json::from_str::<serde_json::Value>(said).unwrap()["generation"].as_u64().unwrap()
    };
    assert!(generation_of(&said_again) > u64::from(state.generation));
}

/// A device that keeps what it is shown of one conversation, and forgets it when it is told to.
struct Device {
    chat: ConversationId,
    log: BTreeMap<u64, String>,
    generation: Option<u32>,
    /// Why it was told to forget.
    resyncs: Vec<String>,
}

impl Device {
    /// Comes with what it has.
    async fn come(&mut self, server: &Server, who: &Credentials) -> Online {
        let seq = Sequence(self.log.keys().last().copied().unwrap_or_default());
        let position = Position { generation: self.generation, ..Position::new(self.chat, seq) };
        let socket = Socket::connect(server.address(), Encoding::Json, SocketStyle::Lean);
        let mut socket = socket.await.unwrap();
        let welcome = socket.greet(who, vec![position]).await.unwrap();
        self.generation = Some(welcome.conversations[0].generation);
        Online::new(socket)
    }

    /// Hears until it has all numbers up to here.
    async fn hear(&mut self, online: &mut Online, up_to: u64) {
        while self.log.len() as u64 != up_to {
            match online.receive().await {
                ServerFrame::NewMessage(message) => self.note(message),
                ServerFrame::Resync(resync) => {
                    self.log.clear();
                    self.resyncs.push(resync.reason);
                    let fetch = FetchHistory {
                        reference: online.next_reference(),
                        conversation_id: self.chat,
                        before: None,
                        after: Some(Sequence::START),
                        at: None,
                        limit: Some(100),
                    };
                    online.say(ClientFrame::FetchHistory(fetch)).await;
                }
                ServerFrame::History(page) => {
                    for entry in page.entries {
                        let LogFrame::NewMessage(message) = entry else { panic!("{entry:?}") };
                        self.note(message);
                    }
                }
                _ => {}
            }
        }
    }

    /// As clients do: what it has under a number stays.
    fn note(&mut self, message: NewMessage) {
        let Content::Text { text } = message.content else { panic!("not a text") };
        self.log.entry(message.seq.0).or_insert(text);
    }
}

/// Numbers of the old log were given again, and more of them than the device has.
#[tokio::test]
async fn a_device_below_the_head_with_a_log_from_before_the_restore_ends_with_the_restored_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let server = serve(&at("old")).await;
    let people = server.people(3).await;
    let others = [&people[1], &people[2]];
    let chat = server.conversation(ConversationKind::Group, &people[0], &others).await;
    let mut expected = BTreeMap::new();
    let mut alice = server.online(&people[0]).await;
    for seq in 1..=5 {
        let said = format!("backed up {seq}");
        assert_eq!(alice.send(chat, &said).await.0, seq);
        expected.insert(seq, said);
    }
    let (old, copy, new) = (at("old"), at("copy"), at("new"));
    let (code, said) = run(&["backup", "--data-dir", path(&old), "--to", path(&copy)]).await;
    assert_eq!(code, Some(0), "{said}");
    for seq in 6..=9 {
        assert_eq!(alice.send(chat, &format!("lost {seq}")).await.0, seq);
    }
    let (log, generation, resyncs) = (BTreeMap::new(), None, Vec::new());
    let mut device = Device { chat, log, generation, resyncs };
    let mut online = device.come(&server, &people[1]).await;
    device.hear(&mut online, 9).await;
    drop((online, server));

    let (code, said) = run(&["restore", "--from", path(&copy), "--data-dir", path(&new)]).await;
    assert_eq!(code, Some(0), "{said}");
    let server = serve(&new).await;
    let mut alice = server.online(&people[0]).await;
    for seq in 6..=12 {
        let said = format!("said anew {seq}");
        assert_eq!(alice.send(chat, &said).await.0, seq);
        expected.insert(seq, said);
    }
    let known = device.generation;
    let mut online = device.come(&server, &people[1]).await;
    assert!(device.generation > known, "{:?} after {known:?}", device.generation);
    let live = "said while it is there".to_owned();
    assert_eq!(alice.send(chat, &live).await.0, 13);
    expected.insert(13, live);
    device.hear(&mut online, 13).await;
    assert_eq!((&device.log, &device.resyncs[..]), (&expected, &["restored".to_owned()][..]));

    // What it has now is of this log: it goes on from there.
    drop(online);
    let later = "said while it was away".to_owned();
    assert_eq!(alice.send(chat, &later).await.0, 14);
    expected.insert(14, later);
    let mut online = device.come(&server, &people[1]).await;
    device.hear(&mut online, 14).await;
    assert_eq!((device.log, device.resyncs.len()), (expected, 1));
    // One that does not say of which log its position is sees it by `welcome` alone.
    let (mut silent, welcome) = server.online_from(&people[2], Encoding::Json, &[(chat, 9)]).await;
    assert_eq!(Some(welcome.conversations[0].generation), device.generation);
    assert_eq!(silent.entry().await, (Sequence(10), "said anew 10".to_owned()));
}

#[tokio::test]
async fn a_damaged_backup_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    drop(serve(&at("old")).await);
    let (old, copy, new) = (at("old"), at("copy"), at("new"));
    let (code, said) = run(&["backup", "--data-dir", path(&old), "--to", path(&copy)]).await;
    assert_eq!(code, Some(0), "{said}");
    let database = copy.join("switchboard.sqlite3");
    let mut bytes = std::fs::read(&database).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&database, bytes).unwrap();
    let restore = ["restore", "--from", path(&copy), "--data-dir", path(&new)];
    let (code, said) = run(&restore).await;
    assert!(code == Some(1) && said.contains("not what was backed up"), "{said}");
    std::fs::remove_file(copy.join("manifest.json")).unwrap();
    let (code, said) = run(&restore).await;
    assert!(code == Some(1) && said.contains("no whole backup"), "{said}");
    assert!(!new.exists() && !at("new.restoring").exists());
    let (code, said) = run(&["backup", "--data-dir", path(&new), "--to", path(&at("x"))]).await;
    assert!(code == Some(1) && said.contains("no store"), "{said}");
}
