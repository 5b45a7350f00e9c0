//! What [`Bridge`] promises.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use schema::NodeId;

use crate::ports::{Bridge, Inbox};

/// Keeps what reaches a node.
#[derive(Default)]
pub struct Recorder {
    frames: Mutex<Vec<Bytes>>,
}

impl Inbox for Recorder {
    fn receive(&self, frame: Bytes) {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner).push(frame);
    }

    fn unsure(&self) {}
}

/// One node of a bridge, opened with its recorder.
#[derive(Clone)]
pub struct BridgeNode {
    pub node: NodeId,
    pub bridge: Arc<dyn Bridge>,
    pub received: Arc<Recorder>,
}

/// How long a frame may take on a healthy bridge, milliseconds.
const ARRIVAL_MS_MAX: u64 = 5_000;
/// How long the suite waits for what must not come, milliseconds.
const SILENCE_MS: u64 = 50;

/// Runs every check, each on fresh nodes of one healthy bridge that see each other: one node for a
/// bridge inside one process, more for any other.
pub async fn run(make: impl AsyncFn() -> Vec<BridgeNode>) {
    a_healthy_bridge_is_connected(&make().await);
    never_echoes_to_the_sending_node(make().await).await;
    the_others_receive_each_once_in_order(make().await).await;
    a_frame_for_one_reaches_only_that_one(make().await).await;
    frames_arrive_as_they_were(make().await).await;
    nodes_send_at_the_same_time(make().await).await;
    a_frame_for_nobody_is_lost_in_silence(make().await).await;
}

impl BridgeNode {
    #[must_use]
    pub fn open(node: NodeId, bridge: Arc<dyn Bridge>) -> Self {
        let received = Arc::new(Recorder::default());
        bridge.open(received.clone());
        Self { node, bridge, received }
    }

    fn received(&self) -> Vec<Bytes> {
        self.received.frames.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn send_all(&self, frame: Bytes) {
        self.bridge.send_all(frame).expect("a healthy bridge sends");
    }

    fn send(&self, to: NodeId, frame: Bytes) {
        self.bridge.send(to, frame).expect("a healthy bridge sends");
    }

    async fn wait_for(&self, count: usize) -> Vec<Bytes> {
        let mut waited_ms = 0;
        while self.received().len() < count && waited_ms < ARRIVAL_MS_MAX {
            tokio::time::sleep(Duration::from_millis(5)).await;
            waited_ms += 5;
        }
        let received = self.received();
        assert!(
            received.len() >= count,
            "{} of {count} frames arrived on a healthy bridge",
            received.len()
        );
        received
    }
}

async fn silence() {
    tokio::time::sleep(Duration::from_millis(SILENCE_MS)).await;
}

fn frame(number: u32) -> Bytes {
    Bytes::from(number.to_be_bytes().to_vec())
}

pub fn a_healthy_bridge_is_connected(nodes: &[BridgeNode]) {
    assert!(nodes.iter().all(|node| node.bridge.is_connected()), "a healthy bridge is connected");
}

pub async fn never_echoes_to_the_sending_node(nodes: Vec<BridgeNode>) {
    for number in 0..10 {
        nodes[0].send_all(frame(number));
        nodes[0].send(nodes[0].node, frame(number));
    }
    for other in &nodes[1..] {
        other.wait_for(10).await;
    }
    silence().await;
    assert!(nodes[0].received().is_empty(), "a node must not receive what it sent");
}

pub async fn the_others_receive_each_once_in_order(nodes: Vec<BridgeNode>) {
    let sent: Vec<Bytes> = (0..500).map(frame).collect();
    for frame in &sent {
        nodes[0].send_all(frame.clone());
    }
    for other in &nodes[1..] {
        other.wait_for(sent.len()).await;
        silence().await;
        assert_eq!(other.received(), sent, "each frame once, in the order of sending");
    }
}

pub async fn a_frame_for_one_reaches_only_that_one(nodes: Vec<BridgeNode>) {
    let Some(to) = nodes.get(1) else { return };
    let sent: Vec<Bytes> = (0..100).map(frame).collect();
    for frame in &sent {
        nodes[0].send(to.node, frame.clone());
    }
    to.wait_for(sent.len()).await;
    silence().await;
    for node in &nodes {
        let expected = if node.node == to.node { sent.len() } else { 0 };
        assert_eq!(node.received().len(), expected, "only the node that was named");
    }
}

pub async fn frames_arrive_as_they_were(nodes: Vec<BridgeNode>) {
    let all_bytes: Vec<u8> = (0..=255).collect();
    for sent in [Bytes::new(), Bytes::from(all_bytes), Bytes::from(vec![0xc1; 300 * 1024])] {
        let before = nodes.last().map_or(0, |it| it.received().len());
        nodes[0].send_all(sent.clone());
        for other in &nodes[1..] {
            let received = other.wait_for(before + 1).await;
            assert_eq!(received.last(), Some(&sent), "bytes must arrive unchanged");
        }
    }
}

pub async fn nodes_send_at_the_same_time(nodes: Vec<BridgeNode>) {
    for (number, node) in (0..).zip(&nodes) {
        node.send_all(frame(number));
    }
    for node in &nodes {
        node.wait_for(nodes.len() - 1).await;
    }
    silence().await;
    for node in &nodes {
        let senders: BTreeSet<Bytes> = node.received().into_iter().collect();
        assert_eq!(senders.len(), nodes.len() - 1, "one from each other node");
    }
}

pub async fn a_frame_for_nobody_is_lost_in_silence(nodes: Vec<BridgeNode>) {
    nodes[0].send(NodeId::generate(), frame(1));
    silence().await;
    assert!(nodes.iter().all(|node| node.received().is_empty()), "it was for none of them");
}
