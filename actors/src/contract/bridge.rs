//! What [`Bridge`] promises.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schema::{ConversationId, Epoch, UserId};

use super::sample::texts;
use crate::ports::{Announcement, Bridge};

/// One node of a bridge that serves every conversation, and what has reached it so far.
#[derive(Clone)]
pub struct BridgeNode {
    pub bridge: Arc<dyn Bridge>,
    pub received: Arc<Mutex<Vec<Announcement>>>,
}

/// How long an announcement may take on a healthy bridge, milliseconds.
const ARRIVAL_MS_MAX: u64 = 5_000;
/// How long the suite waits for what must not come, milliseconds.
const SILENCE_MS: u64 = 50;

/// Runs every check, each on fresh nodes of one healthy bridge: one node for a bridge inside one
/// process, more for any other.
pub async fn run(make: impl AsyncFn() -> Vec<BridgeNode>) {
    nothing_to_announce_is_fine(make().await).await;
    never_echoes_to_the_announcing_node(make().await).await;
    the_others_receive_each_once(make().await).await;
    announcements_arrive_as_they_were(make().await).await;
    nodes_announce_at_the_same_time(make().await).await;
}

impl BridgeNode {
    fn received(&self) -> Vec<Announcement> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn announce(&self, announcements: Vec<Announcement>) {
        self.bridge.announce(announcements).await.expect("a healthy bridge announces");
    }

    async fn wait_for(&self, count: usize) -> Vec<Announcement> {
        let mut waited_ms = 0;
        while self.received().len() < count && waited_ms < ARRIVAL_MS_MAX {
            tokio::time::sleep(Duration::from_millis(5)).await;
            waited_ms += 5;
        }
        let received = self.received();
        assert!(
            received.len() >= count,
            "{} of {count} announcements arrived on a healthy bridge",
            received.len()
        );
        received
    }
}

async fn silence() {
    tokio::time::sleep(Duration::from_millis(SILENCE_MS)).await;
}

fn announcement(first: u64) -> Announcement {
    let conversation = ConversationId::generate();
    Announcement {
        shard: 3,
        epoch: Epoch(7),
        conversation,
        entries: texts(conversation, UserId::generate(), first..=first + 2).into(),
    }
}

pub async fn nothing_to_announce_is_fine(nodes: Vec<BridgeNode>) {
    nodes[0].announce(Vec::new()).await;
    silence().await;
    assert!(nodes.iter().all(|node| node.received().is_empty()), "nothing was announced");
}

pub async fn never_echoes_to_the_announcing_node(nodes: Vec<BridgeNode>) {
    for first in 1..=10 {
        nodes[0].announce(vec![announcement(first)]).await;
    }
    for other in &nodes[1..] {
        other.wait_for(10).await;
    }
    silence().await;
    assert!(nodes[0].received().is_empty(), "a node must not receive what it announced");
}

pub async fn the_others_receive_each_once(nodes: Vec<BridgeNode>) {
    let announcements: Vec<_> = (1..=20).map(announcement).collect();
    for pair in announcements.chunks(2) {
        nodes[0].announce(pair.to_vec()).await;
    }
    let expected: BTreeSet<_> = announcements.iter().map(|a| a.conversation).collect();
    for other in &nodes[1..] {
        other.wait_for(announcements.len()).await;
        silence().await;
        let received = other.received();
        assert_eq!(received.len(), announcements.len(), "each announcement at most once");
        let conversations: BTreeSet<_> = received.iter().map(|a| a.conversation).collect();
        assert_eq!(conversations, expected, "what arrives is what was announced");
    }
}

pub async fn announcements_arrive_as_they_were(nodes: Vec<BridgeNode>) {
    let sent = announcement(41);
    nodes[0].announce(vec![sent.clone()]).await;
    for other in &nodes[1..] {
        let received = other.wait_for(1).await.remove(0);
        let facts = (received.shard, received.epoch, received.conversation);
        assert_eq!(facts, (sent.shard, sent.epoch, sent.conversation));
        assert_eq!(received.entries, sent.entries, "entries must arrive unchanged, in order");
    }
}

pub async fn nodes_announce_at_the_same_time(nodes: Vec<BridgeNode>) {
    for node in &nodes {
        node.announce(vec![announcement(1)]).await;
    }
    for node in &nodes {
        node.wait_for(nodes.len() - 1).await;
    }
    silence().await;
    for node in &nodes {
        assert_eq!(node.received().len(), nodes.len() - 1, "one from each other node");
    }
}
