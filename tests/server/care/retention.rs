//! What is kept no longer goes: its words and its rows, and no number of what stays. On a server
//! alone and in a cluster that runs.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::{Duration, SystemTime};

use loadtest::client::{Credentials, RestClient, provision};
use loadtest::cluster::{Cluster, ClusterSpec, Node};
use loadtest::services::{
    Cassandra, Consistency, CqlProbe, OpenSearch, cassandra_for_tests, opensearch_for_tests,
    redis_for_tests,
};
use reqwest::Method;
use schema::record::ConversationKind;
use schema::wire::{Encoding, SendMessage, ServerFrame};
use schema::{ConversationId, MessageId, Sequence};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{message, stored_events, text};
use crate::caller::Caller;
use crate::support::{Online, PATIENCE, Server, binary};

const DAY_MS: i64 = 86_400_000;
/// For conversations that do not say it themselves.
const DEFAULT_DAYS: (&str, &str) = ("SWITCHBOARD_RETENTION__DEFAULT_DAYS", "60");
/// Old entries are looked for 15 s after a start; a busy machine needs more.
const REMOVED: Duration = Duration::from_secs(90);

/// One word, said again and again in two conversations.
struct Stage {
    /// Who says it, and who reads it.
    people: Vec<Credentials>,
    /// Keeps 30 days, by its own setting. Its entries: the setting, the first message, an edit of
    /// it, and four more messages.
    own: ConversationId,
    /// Keeps as long as all do. Its entries are five messages.
    usual: ConversationId,
    /// The first message of `own`.
    first: MessageId,
}

impl Stage {
    /// Everything is said through these servers, by turns.
    async fn set(rest: &RestClient, addresses: &[String]) -> Self {
        let people = provision(rest, "kept", 2).await.unwrap();
        let first = MessageId::generate();
        let token = &people[0].access_token;
        let group = async || {
            let (kind, others) = (ConversationKind::Group, vec![people[1].user_id]);
            rest.create_conversation(token, kind, others, None).await.unwrap()
        };
        let (own, usual) = (group().await, group().await);
        let at = |turn: usize| Caller {
            address: addresses[turn % addresses.len()].clone(),
            who: &people[0],
        };
        let path = format!("/v1/conversations/{own}");
        let set = json!({"retention_days": 30});
        assert_eq!(at(0).call_owner(Method::PATCH, &path, set).await.0, 200);
        assert_eq!(at(0).send_as(own, first, "walrus 2").await, 2);
        let edit = json!({"content": {"text": {"text": "walrus edited"}}});
        let edited = format!("{path}/messages/2");
        assert_eq!(at(0).call_owner(Method::PATCH, &edited, edit).await.0, 200);
        for (turn, number) in (4..=7).enumerate() {
            assert_eq!(at(turn).send(own, &format!("walrus {number}")).await, number);
        }
        for (turn, number) in (1..=5).enumerate() {
            assert_eq!(at(turn).send(usual, &format!("walrus {number}")).await, number);
        }
        Self { people, own, usual, first }
    }

    /// What is made to seem so many days old, while no server runs.
    const fn ages(&self) -> [(ConversationId, RangeInclusive<u64>, i64); 3] {
        [(self.own, 1..=4, 40), (self.usual, 1..=2, 90), (self.usual, 3..=4, 40)]
    }

    fn reader(&self, address: &str) -> Caller<'_> {
        Caller { address: address.to_owned(), who: &self.people[1] }
    }

    /// What is left of both, to who has not read any of it.
    fn left(&self) -> [(ConversationId, Shown); 2] {
        let shown = |begins_after, head| Shown { said: 3, found: 3, begins_after, head, unread: 3 };
        [(self.own, shown(4, 7)), (self.usual, shown(2, 5))]
    }
}

/// What somebody is shown of a conversation.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    /// How often its page has the word.
    said: usize,
    /// How many messages with the word are found.
    found: usize,
    begins_after: u64,
    head: u64,
    unread: u64,
}

impl Shown {
    async fn to(caller: &Caller<'_>, chat: ConversationId) -> Self {
        let page = caller.get(&format!("/v1/conversations/{chat}/messages")).await;
        let found = caller.get(&format!("/v1/search?q=walrus&conversation_id={chat}")).await;
        let list = caller.get("/v1/users/me/conversations").await;
        let mut rows = list["conversations"].as_array().unwrap().iter();
        let row = rows.find(|it| it["conversation_id"] == json!(chat)).unwrap();
        Self {
            said: says(&page),
            found: found["hits"].as_array().unwrap().len(),
            begins_after: page["purged_up_to"].as_u64().unwrap_or_default(),
            head: page["head"].as_u64().unwrap(),
            unread: row["unread"].as_u64().unwrap(),
        }
    }

    /// Waits until that is so.
    async fn until(self, caller: &Caller<'_>, chat: ConversationId) {
        let deadline = Instant::now() + REMOVED;
        loop {
            let shown = Self::to(caller, chat).await;
            if shown == self {
                return;
            }
            assert!(Instant::now() < deadline, "{}: {shown:?}, not {self:?}", caller.address);
            sleep(Duration::from_millis(300)).await;
        }
    }
}

fn says(page: &Value) -> usize {
    page.to_string().matches("walrus").count()
}

/// A device that has nothing is told that there is nothing below.
async fn is_told_that_the_log_was_cut(device: &mut Online, chat: ConversationId) {
    let resync = device.until(|frame| match frame {
        ServerFrame::Resync(it) if it.conversation_id == chat => Some(it.clone()),
        _ => None,
    });
    assert_eq!(resync.await.reason, "purged");
}

#[tokio::test]
async fn what_is_kept_no_longer_is_removed_and_numbers_go_on() {
    let mut server = Server::with(&[DEFAULT_DAYS]).await;
    let stage = Stage::set(&server.rest, &[server.address().to_owned()]).await;
    server.process.stop(PATIENCE).await.unwrap();
    let database = server.process.data_dir().join("switchboard.sqlite3");
    age_rows(&database, &stage);
    server.process.restart().await.unwrap();
    let bob = stage.reader(server.address());
    // Shown no more from then on.
    for chat in [stage.own, stage.usual] {
        assert_eq!(says(&bob.get(&format!("/v1/conversations/{chat}/messages")).await), 3);
    }
    let (mut left, deadline) = (Vec::new(), Instant::now() + REMOVED);
    while Instant::now() < deadline {
        left = stored_events(&database, "walrus");
        if left.len() == 3 + 3 {
            break;
        }
        sleep(Duration::from_millis(300)).await;
    }
    left.sort_unstable();
    assert_eq!(left, [3, 4, 5, 5, 6, 7], "rows are gone, with the edit of one of them");
    for (chat, shown) in stage.left() {
        shown.until(&bob, chat).await;
    }
    let below = format!("/v1/conversations/{}/messages?before=5", stage.own);
    assert_eq!(bob.get(&below).await["entries"], json!([]));

    // Nobody answers to what is gone, and the log goes on from where it was.
    let mut online = server.online(&stage.people[1]).await;
    let said = message(stage.own, text("and on"));
    let reply = SendMessage { reply_to: Some(Sequence(5)), ..said };
    assert_eq!(online.ask(reply).await, Ok(Sequence(8)));
    server.process.kill_9().await.unwrap();
    server.process.restart().await.unwrap();
    let mut online = server.online(&stage.people[1]).await;
    let page = online.newest(stage.own).await;
    assert_eq!((page.purged_up_to, page.head), (Sequence(4), Sequence(8)));
    let audited = server.process.audit().await.unwrap();
    assert!(audited.is_ok(), "and the log holds: {audited:?}");
    // What was removed was stored once, and is not stored again.
    let mut alice = server.online(&stage.people[0]).await;
    let again = SendMessage { retry: Some(true), ..message(stage.own, text("walrus 2")) };
    let again = SendMessage { message_id: stage.first, ..again };
    assert_eq!(alice.repeat(again).await, Ok((Sequence(2), true)));
    let from_nothing = [(stage.own, 0)];
    let (mut late, _) = server.online_from(&stage.people[1], Encoding::Json, &from_nothing).await;
    is_told_that_the_log_was_cut(&mut late, stage.own).await;
}

/// Days go by in the embedded store.
fn age_rows(database: &Path, stage: &Stage) {
    let connection = rusqlite::Connection::open(database).unwrap();
    let sql = "UPDATE messages SET sent_at = sent_at - ?1
               WHERE entry_id & 4294967295 BETWEEN ?2 AND ?3 AND entry_id >> 32 =
                   (SELECT number FROM conversation_heads WHERE conversation_id = ?4)";
    for (chat, seqs, days) in stage.ages() {
        let [first, last] = [*seqs.start(), *seqs.end()].map(|it| i64::try_from(it).unwrap());
        let values = (days * DAY_MS, first, last, chat.0.as_bytes().as_slice());
        assert_eq!(connection.execute(sql, values).unwrap(), seqs.count(), "rows");
    }
}

const KEYSPACE: &str = "kept_no_longer";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_cluster_it_is_gone_from_every_node_the_search_and_the_store() {
    let (cassandra, redis, opensearch) =
        tokio::try_join!(cassandra_for_tests(), redis_for_tests(), opensearch_for_tests()).unwrap();
    let store_url = format!("{}&shards=8", cassandra.url(KEYSPACE));
    let mut spec =
        ClusterSpec::new(binary(), store_url, format!("{}?prefix={KEYSPACE}", redis.url()));
    (spec.nodes, spec.proxied) = (2, false);
    let search = opensearch.url(KEYSPACE);
    let settings = [DEFAULT_DAYS, ("SWITCHBOARD_SEARCH", search.as_str())];
    spec.environment.extend(settings.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let cluster = Cluster::start(spec).await.unwrap();
    let addresses: Vec<String> = cluster.targets().into_iter().map(|it| it.public).collect();
    let rest = RestClient::new(cluster.node(0).target()).unwrap();
    let stage = Stage::set(&rest, &addresses).await;
    let readers: Vec<Caller<'_>> = addresses.iter().map(|it| stage.reader(it)).collect();
    let of = |chat: ConversationId| format!("q=walrus&conversation_id={chat}");
    for reader in &readers {
        reader.until_found(&of(stage.own), &[2, 4, 5, 6, 7]).await;
        reader.until_found(&of(stage.usual), &[1, 2, 3, 4, 5]).await;
    }
    assert_eq!(indexed(opensearch).await, 10);

    for node in cluster.nodes() {
        stop(node).await;
    }
    assert_eq!(stored(cassandra, "messages", stage.own).await, 7);
    assert_eq!(stored(cassandra, "message_changes", stage.own).await, 1);
    age_cells(cassandra, &stage).await;
    let started = tokio::try_join!(
        cluster.node(0).restart(Duration::from_secs(60)),
        cluster.node(1).restart(Duration::from_secs(60)),
    );
    started.unwrap();

    // Shown no more from then on. Both nodes have the conversations at hand when entries go, and
    // one of them is told of it by the store alone.
    for reader in &readers {
        for chat in [stage.own, stage.usual] {
            let page = reader.get(&format!("/v1/conversations/{chat}/messages")).await;
            assert_eq!(says(&page), 3, "{}", reader.address);
        }
    }
    for reader in &readers {
        for (chat, shown) in stage.left() {
            shown.until(reader, chat).await;
        }
    }
    let rows = [("messages", stage.own, 3), ("message_changes", stage.own, 0)];
    for (table, chat, expected) in rows.into_iter().chain([("messages", stage.usual, 3)]) {
        assert_eq!(stored(cassandra, table, chat).await, expected, "{table} of {chat}");
    }
    let deadline = Instant::now() + PATIENCE;
    while indexed(opensearch).await != 6 {
        assert!(Instant::now() < deadline, "documents of {} messages", indexed(opensearch).await);
        sleep(Duration::from_millis(100)).await;
    }

    // The log goes on, through either node, and over the death of one.
    let alice = |node: usize| Caller { address: addresses[node].clone(), who: &stage.people[0] };
    assert_eq!(alice(0).send(stage.own, "walrus 8").await, 8);
    assert_eq!(alice(1).send(stage.own, "walrus 9").await, 9);
    assert!(cluster.node(0).process().kill_9());
    assert_eq!(alice(1).send(stage.own, "walrus 10").await, 10);
    let with_new = || Shown { said: 6, found: 6, begins_after: 4, head: 10, unread: 6 };
    with_new().until(&readers[1], stage.own).await;
    cluster.node(0).restart(Duration::from_secs(60)).await.unwrap();
    for reader in &readers {
        with_new().until(reader, stage.own).await;
        let [_, (usual, shown)] = stage.left();
        shown.until(reader, usual).await;
        let from_nothing = [(stage.own, 0)];
        let late = Online::connect(&reader.address, reader.who, Encoding::Json, &from_nothing);
        is_told_that_the_log_was_cut(&mut late.await.0, stage.own).await;
    }
    // What was removed was stored once, and is not stored again.
    let mut repeating =
        Online::connect(&addresses[0], &stage.people[0], Encoding::Json, &[]).await.0;
    let again = SendMessage { retry: Some(true), ..message(stage.own, text("walrus 2")) };
    let again = SendMessage { message_id: stage.first, ..again };
    assert_eq!(repeating.repeat(again).await, Ok((Sequence(2), true)));
    let audited = cluster.audit().await.unwrap();
    assert!(audited.is_ok(), "and the log holds: {audited:?}");
}

/// In good order: everything is in the tables then.
async fn stop(node: &Node) {
    node.process().terminate().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while node.process().ended().is_none() {
        assert!(Instant::now() < deadline, "it goes on; {}", node.process().last_output());
        sleep(Duration::from_millis(50)).await;
    }
}

/// Days go by in a cluster's store.
async fn age_cells(cassandra: &Cassandra, stage: &Stage) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let now_ms = i64::try_from(now.as_millis()).unwrap();
    // Later than the order of any commit, earlier than the end of all, at which entries go.
    let order = 1_i64 << 61;
    for (chat, seqs, days) in stage.ages() {
        for seq in seqs {
            let statement = format!(
                "UPDATE {KEYSPACE}.messages USING TIMESTAMP {order} SET sent_at = {}
                 WHERE conversation_id = {chat} AND bucket = 0 AND seq = {seq}",
                now_ms - days * DAY_MS
            );
            cassandra.run(&statement).await.unwrap();
        }
    }
}

/// Rows of a conversation in one table.
async fn stored(cassandra: &Cassandra, table: &str, chat: ConversationId) -> i64 {
    let statement = format!(
        "SELECT count(*) FROM {KEYSPACE}.{table} WHERE conversation_id = {chat} AND bucket = 0"
    );
    let mut probe = CqlProbe::connect(&cassandra.address()).await.unwrap();
    let answer = probe.run(&statement, Consistency::One).await.unwrap();
    // The one value of the one row comes last.
    i64::from_be_bytes(*answer.last_chunk().unwrap())
}

/// Documents that the search has of the word.
async fn indexed(opensearch: &OpenSearch) -> u64 {
    let path = format!("{KEYSPACE}/_count?q=text:walrus");
    let (_, answer) = opensearch.ask(Method::GET, &path, None).await.unwrap();
    answer["count"].as_u64().unwrap_or_default()
}
