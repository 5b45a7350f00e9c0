//! A real OpenSearch beside a real Cassandra: what is read twice is there once, what comes late
//! changes nothing, what the index lags behind in is not shown.

use std::collections::BTreeSet;
use std::time::Duration;

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

struct Place {
    search: ClusterSearch,
    noted: std::sync::Arc<dyn MessageStore>,
    indexer: Indexer,
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
        let indexer = Indexer::new(search.clone(), Box::new(|| (0..4).collect()));
        let shard = shard_of(chat, 4);
        Self { search, noted, indexer, shards, chat, shard, owner, commits: 0 }
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

    /// Everything in the index that has words, by ids.
    async fn documents(&self) -> u64 {
        let opensearch = opensearch_for_tests().await.unwrap();
        let index = self.search.client.current_index().await.unwrap();
        let ask = |path: String| opensearch.ask(reqwest::Method::GET, path.leak(), None);
        ask(format!("{index}/_refresh")).await.unwrap();
        let (_, answer) = ask(format!("{index}/_count?q=_exists_:text")).await.unwrap();
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
