//! A real OpenSearch beside a real Cassandra: what is read twice is there once, what comes late
//! changes nothing, what the index lags behind in is not shown.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actors::memory::ManualClock;
use actors::ports::{MaterialisedCommit, MessageStore, NewConversation, RosterStore as _};
use actors::sequencer::shard_of;
use loadtest::services::{cassandra_for_tests, opensearch_for_tests};
use schema::record::{Content, ConversationKind, Entry, Event, Member, MessageBody, Role};
use schema::{ConversationId, MessageId, Sequence, UserId};
use tokio::runtime::Handle;

use super::indexer::Indexer;
use super::opensearch::{Failure, operation, position};
use super::{ClusterSearch, OpenSearchConfig, SearchIndex as _, SearchQuery};
use crate::store::cql::{CqlConfig, Store, migrate};
use crate::trust::terminator;

struct Place {
    search: ClusterSearch,
    noted: std::sync::Arc<dyn MessageStore>,
    indexer: Indexer,
    clock: Arc<ManualClock>,
    shards: BTreeSet<u32>,
    chat: ConversationId,
    shard: u32,
    owner: UserId,
    commits: u64,
}

impl Place {
    async fn new(name: &str) -> Self {
        let cassandra = cassandra_for_tests().await.expect("Cassandra runs");
        let opensearch = opensearch_for_tests().await.expect("OpenSearch runs");
        let url = format!("cql://{}/{name}?replication_factor=1&shards=4", cassandra.address());
        let config = CqlConfig::from_url(&url).unwrap();
        migrate(&config).await.unwrap();
        let store = Store::connect(&config).await.unwrap();
        let config = OpenSearchConfig::from_url(&opensearch.url(name)).unwrap();
        let search = ClusterSearch::new(config, store.clone(), Handle::current()).unwrap();
        let noted = search.noting(std::sync::Arc::new(store.clone()));
        let (chat, owner) = (ConversationId::generate(), UserId::generate());
        let new = NewConversation {
            conversation_id: chat,
            kind: ConversationKind::Group,
            name: None,
            created_by: owner,
            created_at: 1,
            members: vec![Member { user_id: owner, role: Role::Owner }],
        };
        store.create(new).await.unwrap();
        let shards: BTreeSet<u32> = (0..4).collect();
        let clock = Arc::new(ManualClock::at(0));
        let indexer = Indexer::new(search.clone(), Box::new(|| (0..4).collect()), clock.clone());
        let shard = shard_of(chat, 4);
        Self { search, noted, indexer, clock, shards, chat, shard, owner, commits: 0 }
    }

    fn entry(&self, seq: u64, event: Event) -> Entry {
        Entry {
            conversation_id: self.chat,
            seq: Sequence(seq),
            message_id: MessageId::generate(),
            sender_id: self.owner,
            sent_at: i64::try_from(seq).unwrap() * 1_000,
            ordinal: seq,
            event,
        }
    }

    fn says(&self, seq: u64, text: &str) -> Entry {
        let body = MessageBody::new(Content::Text { text: text.to_owned() });
        self.entry(seq, Event::Message(body))
    }

    fn vanishes(&self, seq: u64, text: &str, after_ms: u64) -> Entry {
        let content = Content::Text { text: text.to_owned() };
        let body = MessageBody { expires_after_ms: Some(after_ms), ..MessageBody::new(content) };
        self.entry(seq, Event::Message(body))
    }

    /// A node that starts.
    fn another(&self) -> Indexer {
        let owned = Box::new(|| (0..4).collect());
        Indexer::new(self.search.clone(), owned, self.clock.clone())
    }

    fn edits(&self, seq: u64, target: u64, text: &str) -> Entry {
        let content = Content::Text { text: text.to_owned() };
        let target = Sequence(target);
        let mentions = Vec::new();
        self.entry(seq, Event::MessageEdited { target, content, mentions, expires_at: None })
    }

    fn commit(&mut self, entries: Vec<Entry>) -> Vec<MaterialisedCommit> {
        self.commits += 1;
        vec![MaterialisedCommit { shard: self.shard, n: self.commits, entries: entries.into() }]
    }

    async fn store(&mut self, entries: Vec<Entry>) {
        let commit = self.commit(entries);
        self.noted.materialise(commit).await.unwrap();
    }

    /// Twice: the first time may only have found out where a shard is.
    async fn bring_up(&mut self) {
        for _ in 0..2 {
            self.indexer.bring_up(&self.shards).await.unwrap();
        }
        assert!(self.search.news.waiting().is_empty());
    }

    async fn found(&self, text: &str) -> Vec<u64> {
        let query = SearchQuery {
            reader: self.owner,
            text: text.to_owned(),
            conversation: None,
            from: None,
            since: None,
            until: None,
            now_ms: 0,
            offset: 0,
            limit: 20,
        };
        let page = self.search.search(query).await.unwrap();
        let mut numbers: Vec<u64> = page.hits.iter().map(|hit| hit.entry.seq.0).collect();
        numbers.sort_unstable();
        numbers
    }

    async fn until_found(&self, text: &str, expected: &[u64]) {
        let mut last = Vec::new();
        for _ in 0..100 {
            last = self.found(text).await;
            if last == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{text}: found {last:?}, expected {expected:?}");
    }

    /// Everything in the index that has words.
    async fn documents(&self) -> u64 {
        self.counted("_exists_:text").await
    }

    /// Documents in the index itself, whatever the store says.
    async fn counted(&self, query: &str) -> u64 {
        let opensearch = opensearch_for_tests().await.unwrap();
        let index = self.search.client.current_index().await.unwrap();
        let ask = |path: String| opensearch.ask(reqwest::Method::GET, path.leak(), None);
        ask(format!("{index}/_refresh")).await.unwrap();
        let (_, answer) = ask(format!("{index}/_count?q={query}")).await.unwrap();
        answer["count"].as_u64().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_in_the_index_once_and_late_writers_change_nothing() {
    let mut place = Place::new("search_once").await;
    let first = place.says(1, "the kernel does not boot");
    let deleted = place.says(2, "a secret kernel");
    place.store(vec![first.clone(), deleted.clone(), place.says(3, "Grüße")]).await;
    place.bring_up().await;
    place.until_found("kernel", &[1, 2]).await;
    place.until_found("gruss", &[3]).await;
    // What the index lags behind in is not shown: neither old words nor deleted ones.
    let changes = vec![
        place.edits(4, 1, "the kernel boots again"),
        place.entry(5, Event::MessageDeleted { target: Sequence(2) }),
    ];
    place.store(changes).await;
    assert_eq!(place.found("kernel").await, Vec::<u64>::new());
    place.bring_up().await;
    place.until_found("kernel", &[1]).await;
    place.until_found("again", &[1]).await;
    assert_eq!(place.found("does").await, Vec::<u64>::new());

    // A node that stood still writes what it once read, and an old position.
    let client = &place.search.client;
    let index = client.current_index().await.unwrap();
    let late = [operation(&first, None).unwrap(), operation(&deleted, None).unwrap()];
    client.write(&index, &late).await.unwrap();
    client.write(&index, &[position(place.shard, 0)]).await.unwrap();
    let positions = client.positions(&index, std::iter::once(place.shard)).await.unwrap();
    assert_eq!(positions.get(&place.shard), Some(&2));
    // Another reads all of it again.
    let shards = place.shards.clone();
    place.search.index_shards(&index, &shards, &super::rebuild::silent).await.unwrap();
    assert_eq!(place.documents().await, 2, "the edited one and the greeting");
    assert_eq!(place.found("secret").await, Vec::<u64>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hole_in_the_feed_is_read_anew_and_a_fresh_index_takes_over() {
    let mut place = Place::new("search_anew").await;
    place.store(vec![place.says(1, "apple")]).await;
    place.bring_up().await;
    // Materialised by a node that does not know of the index.
    let unnoted = vec![place.says(2, "apple pie")];
    let unnoted = place.commit(unnoted);
    place.search.store.materialise(unnoted).await.unwrap();
    place.store(vec![place.says(3, "apple juice")]).await;
    for _ in 0..3 {
        place.indexer.bring_up(&place.shards.clone()).await.unwrap();
    }
    place.until_found("apple", &[1, 2, 3]).await;

    let before = place.search.client.current_index().await.unwrap();
    let rebuilt = place.search.reindex(1_700_000_000_000, &super::rebuild::silent).await.unwrap();
    assert_eq!((rebuilt.entries, rebuilt.documents), (3, 3));
    let after = place.search.client.current_index().await.unwrap();
    assert_ne!(before, after);
    place.until_found("apple", &[1, 2, 3]).await;
    // Who still writes to the one before does not make it again.
    let late = [operation(&place.says(9, "apple"), None).unwrap()];
    assert_eq!(place.search.client.write(&before, &late).await, Err(Failure::Moved));
    // The follower goes on in the new one.
    place.store(vec![place.says(4, "apple tree")]).await;
    place.indexer.bring_up(&place.shards.clone()).await.unwrap();
    place.indexer.bring_up(&place.shards.clone()).await.unwrap();
    place.until_found("apple", &[1, 2, 3, 4]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_expired_leaves_the_index_whoever_wrote_it_last() {
    let mut place = Place::new("search_expired").await;
    let vanishing = place.vanishes(1, "a fleeting word", 60_000);
    let mut edit = place.edits(3, 1, "a fleeting edit");
    if let Event::MessageEdited { expires_at, .. } = &mut edit.event {
        *expires_at = vanishing.expires_at();
    }
    place.store(vec![vanishing.clone(), place.says(2, "a lasting word"), edit]).await;
    place.bring_up().await;
    place.clock.set(60_999);
    place.another().clear().await.unwrap();
    assert_eq!((place.documents().await, place.counted("text:fleeting").await), (2, 1));
    place.clock.set(61_000);
    place.another().clear().await.unwrap();
    assert_eq!((place.documents().await, place.counted("text:fleeting").await), (1, 0));
    // A node that stood still writes what it once read: it goes again.
    let client = &place.search.client;
    let index = client.current_index().await.unwrap();
    client.write(&index, &[operation(&vanishing, None).unwrap()]).await.unwrap();
    place.counted("text:fleeting").await;
    place.another().clear().await.unwrap();
    assert_eq!(place.counted("text:fleeting").await, 0);
    place.until_found("lasting", &[2]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_no_longer_leaves_the_index_also_when_that_was_cut_short() {
    let mut place = Place::new("search_kept").await;
    let first = ["one pear", "two pears", "three pears", "four pears", "five pears"];
    let entries = (1..).zip(first).map(|(seq, text)| place.says(seq, text)).collect();
    place.store(entries).await;
    place.bring_up().await;
    place.indexer.clear().await.unwrap();
    assert_eq!(place.documents().await, 5);
    // As the owner of the shard does it.
    while place.noted.purge_below(place.chat, Sequence(2), 100).await.unwrap() {}
    place.indexer.clear().await.unwrap();
    assert_eq!(place.documents().await, 3);
    // The node died before the index heard of it: whoever comes next finds out.
    while place.search.store.purge_below(place.chat, Sequence(3), 100).await.unwrap() {}
    place.indexer.clear().await.unwrap();
    assert_eq!(place.documents().await, 3, "nobody told");
    place.another().clear().await.unwrap();
    assert_eq!(place.documents().await, 2);
    let mark = format!("removed:{}", place.chat);
    let one = std::slice::from_ref::<String>;
    let index = place.search.client.current_index().await.unwrap();
    let marks = place.search.client.numbers(&index, one(&mark)).await.unwrap();
    assert_eq!(marks, [Some(3)], "once is enough");
    // A fresh index is compared anew.
    place.search.reindex(1_700_000_000_000, &super::rebuild::silent).await.unwrap();
    let index = place.search.client.current_index().await.unwrap();
    assert_eq!(place.search.client.numbers(&index, one(&mark)).await.unwrap(), [None]);
    let mut another = place.another();
    another.clear().await.unwrap();
    assert_eq!(place.search.client.numbers(&index, one(&mark)).await.unwrap(), [Some(3)]);
    assert_eq!(place.documents().await, 2);
    place.until_found("pears", &[4, 5]).await;
}

/// An index that an earlier version made lacks a field, and what is in it tells no expiry.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_of_an_earlier_version_is_brought_up_in_place() {
    let mut place = Place::new("search_older").await;
    let opensearch = opensearch_for_tests().await.unwrap();
    let older = serde_json::json!({
        "mappings": {"dynamic": "strict", "properties": {
            "conversation": {"type": "keyword"}, "sender": {"type": "keyword"},
            "seq": {"type": "long"}, "sent_at": {"type": "long"}, "text": {"type": "text"},
            "shard": {"type": "integer"}, "n": {"type": "long"},
        }},
        "aliases": {"search_older": {}, "search_older-1-write": {}},
    });
    let put = reqwest::Method::PUT;
    let (status, answer) =
        opensearch.ask(put.clone(), "search_older-1", Some(&older)).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    let vanishing = place.vanishes(1, "a fleeting word", 60_000);
    place.store(vec![vanishing, place.says(2, "a lasting word")]).await;
    for (id, version, document) in [
        (
            format!("{}:1", place.chat),
            1,
            serde_json::json!({"conversation": place.chat, "seq": 1, "sender": place.owner,
                "sent_at": 1_000, "text": "a fleeting word"}),
        ),
        ("position:0".to_owned(), 9, serde_json::json!({"shard": place.shard, "n": 8})),
    ] {
        let path = format!("search_older-1/_doc/{id}?version={version}&version_type=external_gte");
        let (status, answer) =
            opensearch.ask(put.clone(), path.leak(), Some(&document)).await.unwrap();
        assert!(status < 300, "{answer}");
    }
    place.bring_up().await;
    place.until_found("word", &[1, 2]).await;
    place.clock.set(61_000);
    place.another().clear().await.unwrap();
    assert_eq!(place.counted("text:fleeting").await, 0);
}

/// TLS and a password, as a managed OpenSearch asks for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encrypted_opensearch_with_a_password_is_asked_and_only_the_named_authority_is_believed()
{
    let place = Place::new("search_tls").await;
    let opensearch = opensearch_for_tests().await.unwrap();
    let plain = opensearch.url("search_tls");
    let address = plain.trim_start_matches("http://").split('/').next().unwrap().to_owned();
    let heads = password::in_front_of(address, "ann", "p@ss").await;
    let tls = terminator::in_front_of(heads).await;
    let client = |credentials: &str, ca_file: &str| {
        let url = format!("https://{credentials}{}/search_tls?ca_file={ca_file}", tls.address);
        let config = OpenSearchConfig::from_url(&url).unwrap();
        ClusterSearch::new(config, place.search.store.clone(), Handle::current()).unwrap().client
    };
    let trusted = client("ann:p%40ss@", &tls.right);
    assert_eq!(trusted.current_index().await.unwrap(), "search_tls-1");
    let written = [operation(&place.says(1, "behind a lock"), None).unwrap()];
    trusted.write("search_tls-1", &written).await.unwrap();
    assert_eq!(place.counted("text:lock").await, 1);
    for wrong in ["", "ann:other@"] {
        let refused = client(wrong, &tls.right).current_index().await;
        assert!(
            matches!(&refused, Err(Failure::Refused(why)) if why.starts_with("401")),
            "{refused:?}"
        );
    }
    let refused = client("ann:p%40ss@", &tls.wrong).current_index().await;
    assert!(matches!(refused, Err(Failure::Unavailable(_))), "{refused:?}");
}

/// Lets those through who know a password, as OpenSearch's security does: the one that runs in
/// tests has none.
mod password {
    use base64::Engine as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    /// Returns where it listens: on the host of `service`.
    pub async fn in_front_of(service: String, user: &str, password: &str) -> String {
        let secret = base64::prelude::BASE64_STANDARD.encode(format!("{user}:{password}"));
        let expected = format!("authorization: Basic {secret}\r\n").to_lowercase();
        let host = service.rsplit_once(':').unwrap().0.to_owned();
        let listener = TcpListener::bind(format!("{host}:0")).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (service, expected) = (service.clone(), expected.clone());
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.windows(4).any(|it| it == b"\r\n\r\n") {
                        let mut part = [0; 4_096];
                        match client.read(&mut part).await? {
                            0 => return Ok(()),
                            count => head.extend_from_slice(&part[..count]),
                        }
                    }
                    if !String::from_utf8_lossy(&head).to_lowercase().contains(&expected) {
                        let answer = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
                        return client.write_all(answer.as_bytes()).await;
                    }
                    let mut service = TcpStream::connect(service).await?;
                    service.write_all(&head).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut service).await.map(drop)
                });
            }
        });
        address
    }
}
