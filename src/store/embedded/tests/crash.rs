//! Kills a process that writes, and looks at what it had been told was stored.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use actors::ports::{
    Applied, Commit, CommitRing, MaterialisedCommit, MessageStore, NewUser, UserStore,
};
use bytes::Bytes;
use schema::record::Entry;
use schema::{ConversationId, MessageId, OwnerToken, Sequence, SequenceRange, UserId};

use super::{TempDir, message};
use crate::store::embedded::{EmbeddedConfig, Store};

const DIRECTORY: &str = "SWITCHBOARD_CRASH_TEST_DIRECTORY";
const OWNER: OwnerToken = OwnerToken::from_bytes([7; 16]);
const CONVERSATION: ConversationId = ConversationId::from_bytes([8; 16]);

fn entry(seq: u64) -> Entry {
    Entry {
        message_id: MessageId::from_bytes(u128::from(seq).to_be_bytes()),
        sender_id: UserId::from_bytes([9; 16]),
        ..message(CONVERSATION, seq)
    }
}

fn payload(n: u64) -> Bytes {
    Bytes::from(vec![u8::try_from(n % 251).unwrap(); 3_000])
}

fn account(n: u64) -> NewUser {
    NewUser {
        user_id: UserId::generate(),
        username: format!("user-{n}"),
        display_name: "User".to_owned(),
        password_hash: None,
        created_at: 0,
    }
}

/// Writes until it is killed, printing a number whenever everything up to it was answered.
#[tokio::test]
#[ignore = "the process that the test below kills"]
async fn writes_until_killed() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let store = Store::open(EmbeddedConfig::new(PathBuf::from(directory))).expect("opens");
    let guard = store.guard(0).await.expect("answers");
    if guard.is_none() {
        assert_eq!(store.create(0, OWNER).await, Ok(Applied::Yes));
    }
    let head = guard.map_or(0, |guard| guard.head);
    if head > 0 {
        // The last commit may not have been materialised: whoever goes on does it first.
        let commit = MaterialisedCommit { shard: 0, n: head, entries: [entry(head)].into() };
        store.materialise(vec![commit]).await.expect("materialises");
    }
    for n in head + 1.. {
        let commit = Commit { shard: 0, owner: OWNER, n, done: n - 1, payload: payload(n) };
        assert_eq!(store.commit(commit).await, Ok(Applied::Yes));
        let commit = MaterialisedCommit { shard: 0, n, entries: [entry(n)].into() };
        store.materialise(vec![commit]).await.expect("materialises");
        if n % 10 == 0 {
            store.create_users(vec![account(n)]).await.expect("answers").expect("is new");
        }
        println!("stored {n}");
    }
}

fn start(dir: &TempDir) -> Child {
    let test = concat!(module_path!(), "::writes_until_killed");
    let test = test.split_once("::").expect("a path").1;
    Command::new(std::env::current_exe().expect("this test's program"))
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(DIRECTORY, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts")
}

/// Lets the child store some more, kills it and returns the last number that it printed.
fn kill_after(mut child: Child, count: usize) -> u64 {
    let output = BufReader::new(child.stdout.take().expect("its output"));
    let mut lines = output.lines().map_while(Result::ok);
    let number = |line: String| line.split_once("stored ")?.1.trim().parse::<u64>().ok();
    let mut last = lines.by_ref().filter_map(number).take(count).last().expect("it stores");
    child.kill().expect("dies");
    child.wait().expect("died");
    for later in lines.filter_map(number) {
        last = later;
    }
    last
}

#[tokio::test]
async fn what_was_answered_survives_a_kill() {
    let dir = TempDir::new();
    for round in 0..3 {
        let stored = kill_after(start(&dir), 40 + round * 7);
        let store = Store::open(EmbeddedConfig::new(dir.path())).expect("opens after a kill");
        let guard = store.guard(0).await.unwrap().expect("it was created");
        assert!(guard.head >= stored, "commit {stored} was answered, the head is {}", guard.head);
        assert!(guard.done + 1 >= guard.head, "`done` goes with the commits");
        for n in 1..=guard.head {
            let slot = store.slot(0, n).await.unwrap().expect("it was written");
            assert_eq!((slot.n, slot.payload), (n, payload(n)), "every slot is whole");
        }
        let everything = SequenceRange::new(Sequence(1), Sequence(guard.head));
        let entries = store.range(CONVERSATION, everything).await.unwrap();
        assert!(entries.len() as u64 >= guard.done, "what `done` covers is materialised");
        for (entry_, seq) in entries.iter().zip(1..) {
            assert_eq!(*entry_, entry(seq), "every row is whole");
        }
        let name = format!("user-{}", stored / 10 * 10);
        assert!(store.user_by_name(name).await.unwrap().is_some(), "accounts are durable");
    }
}
