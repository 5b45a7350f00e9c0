//! What a node that does not own a shard learns of where its logs end, and what its pages show.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use schema::cluster::envelope::{self, Announce, NodeFrame};
use schema::{ConversationId, Epoch, NodeId, Sequence, UserId};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::cluster_kit_tests::{Cluster, sees_all_once_in_order};
use super::tests::{Explode, PATIENCE, conversation, draft, send};
use crate::conversation::{HELD_MAX, Heard, Page};
use crate::ports::{Bridge as _, Inbox};

/// A node that writes down what it is told.
struct Stranger(mpsc::UnboundedSender<NodeFrame>);

impl Inbox for Stranger {
    fn receive(&self, frame: Bytes) {
        let (_, frame) = envelope::decode(&frame).unwrap();
        let _ = self.0.send(frame);
    }

    fn unsure(&self) {}
}

/// The announcement is lost without a trace, and whoever said it says nothing any more.
#[actix::test]
async fn the_last_news_of_an_activation_are_found_by_the_next() {
    let cluster = Cluster::start(2, 0);
    let (id, users, mut numbers) = cluster.group().await;
    let (owner, shard) = (cluster.owner_of(id), cluster.shard_of(id));
    send(cluster.node(owner), draft(id, users[owner], "heard")).await;
    for numbers in &mut numbers {
        sees_all_once_in_order(numbers, 1).await;
    }
    cluster.bridges[owner].is_silent.store(true, Ordering::Relaxed);
    send(cluster.node(owner), draft(id, users[owner], "not heard")).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let next = NodeId::generate();
    let (news, heads) = (Vec::new(), Vec::new());
    let serves =
        NodeFrame::Announce(Announce { shard, epoch: Epoch(99), news, heads, traces: Vec::new() });
    let bridge = cluster.hub.node(next);
    bridge.send(cluster.ids[1 - owner], envelope::encode(next, &serves)).unwrap();
    let number = timeout(PATIENCE, numbers[1 - owner].recv()).await.expect("compared in time");
    assert_eq!(number, Some(Sequence(2)));
}

#[actix::test]
async fn an_activation_says_that_it_serves_and_says_it_to_each_that_follows() {
    let cluster = Cluster::start(1, 0);
    let stranger = NodeId::generate();
    let (heard, mut frames) = mpsc::unbounded_channel();
    let bridge = cluster.hub.node(stranger);
    bridge.open(Arc::new(Stranger(heard)));
    let mut epoch_said = async || {
        loop {
            let frame = timeout(PATIENCE, frames.recv()).await.expect("said in time").unwrap();
            if let NodeFrame::Announce(Announce { shard: 0, epoch, .. }) = frame {
                return epoch;
            }
        }
    };
    while cluster.trees[0].committers.activation(0).is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let committer = cluster.trees[0].committers.get_or_start(0).unwrap();
    committer.try_send(Explode).unwrap();
    let mut epoch = epoch_said().await;
    if epoch == Epoch(1) {
        // Of the activation before.
        epoch = epoch_said().await;
    }
    assert_eq!(epoch, Epoch(2));
    let follow = envelope::Follow { request: 1, shard: 0, conversations: Vec::new() };
    let follow = envelope::encode(stranger, &NodeFrame::Follow(follow));
    bridge.send(cluster.ids[0], follow).unwrap();
    assert_eq!(epoch_said().await, Epoch(2));
}

/// Two nodes that both run a conversation of two users, one of whom is on each. The first entry came
/// to both, the second was stored by the owner, returned last, whose bridge is silent since then.
async fn one_that_was_not_heard() -> (Cluster, ConversationId, Vec<UserId>, usize) {
    let cluster = Cluster::start(2, 0);
    let users = vec![UserId::generate(), UserId::generate()];
    let id = conversation(&cluster.store, &users).await;
    let owner = cluster.owner_of(id);
    let other = 1 - owner;
    send(cluster.node(other), draft(id, users[other], "starts both")).await;
    cluster.bridges[owner].is_silent.store(true, Ordering::Relaxed);
    send(cluster.node(owner), draft(id, users[owner], "not heard")).await;
    (cluster, id, users, owner)
}

/// Heads find a stand-in also where nobody has a socket: REST callers read there.
#[actix::test]
async fn a_head_reaches_a_conversation_that_nobody_listens_to() {
    let (cluster, id, users, owner) = one_that_was_not_heard().await;
    let other = 1 - owner;
    cluster.bridges[owner].is_silent.store(false, Ordering::Relaxed);
    let reads_both = async {
        loop {
            let page = cluster.node(other).history(users[other], id, Page::Newest, 9).await;
            if page.is_ok_and(|page| page.head == Sequence(2)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, reads_both).await.expect("the owner says where its logs end");
}

/// It may own the shard no more and not know it: the device comes from the node that does.
#[actix::test]
async fn an_owner_too_waits_for_what_a_device_claims_to_have() {
    let cluster = Cluster::start(2, 0);
    let (id, users, _numbers) = cluster.group().await;
    let owner = cluster.owner_of(id);
    let (node, user) = (cluster.node(owner), users[owner]);
    send(node.clone(), draft(id, user, "first")).await;
    let claim = || node.history(user, id, Page::After(Sequence(2)), 9);
    let refusal = claim().await.expect_err("nobody knows better yet");
    assert!(refusal.code.is_temporary(), "{refusal:?}");
    send(node.clone(), draft(id, user, "second")).await;
    assert!(claim().await.expect("it has come").entries.is_empty());
}

/// As after a drain: the device moved to a node that hears of the newest entries a moment later.
#[actix::test]
async fn a_page_waits_for_what_is_still_on_its_way_here() {
    let cluster = Cluster::start(2, 0);
    let (id, users, _numbers) = cluster.group().await;
    let owner = cluster.owner_of(id);
    let (node, user) = (cluster.node(owner), users[owner]);
    send(node.clone(), draft(id, user, "first")).await;
    let (reader, other) = (users[1 - owner], cluster.node(1 - owner));
    cluster.bridges[owner].is_silent.store(true, Ordering::Relaxed);
    let after = || other.history(reader, id, Page::After(Sequence(2)), 9);
    let (page, ()) = tokio::join!(after(), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        send(node, draft(id, user, "second")).await;
    });
    let page = page.expect("held until the second was there");
    assert!(page.entries.is_empty() && page.head == Sequence(2), "{page:?}");
    let begun = tokio::time::Instant::now();
    let beyond = other.history(reader, id, Page::After(Sequence(9)), 9).await;
    assert!(beyond.expect_err("there is no such thing").code.is_temporary());
    assert!(begun.elapsed() < Duration::from_secs(5), "never longer than a moment");
}

/// Whoever was told of an entry, on whatever node, finds it on one that has heard of it as well.
#[actix::test]
async fn a_page_shows_all_that_its_node_has_heard_of() {
    let (cluster, id, users, owner) = one_that_was_not_heard().await;
    let other = 1 - owner;
    let running = cluster.trees[other].conversations.get_or_start(id).unwrap();
    let node = cluster.node(other);
    let newest = || node.history(users[other], id, Page::Newest, 9);
    running.send(Heard { head: Sequence(2) }).await.unwrap();
    let page = newest().await.expect("held until it is in the tables");
    assert_eq!((page.head, page.entries.len()), (Sequence(2), 2));
    running.send(Heard { head: Sequence(9) }).await.unwrap();
    let begun = tokio::time::Instant::now();
    let page = newest().await.expect("what never comes is waited for for a moment only");
    assert_eq!(page.head, Sequence(2));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

/// Nobody read there before, and the tables do not show it yet: its owner is asked.
#[actix::test]
async fn a_page_shows_what_was_stored_elsewhere_a_moment_ago() {
    let cluster = Cluster::start(2, 0);
    let users = vec![UserId::generate(), UserId::generate()];
    let (stored, other_one) = (conversation(&cluster.store, &users).await, users[1]);
    let owner = cluster.owner_of(stored);
    let other = cluster.node(1 - owner);
    for number in 1..=3 {
        send(cluster.node(owner), draft(stored, users[0], &number.to_string())).await;
    }
    let page = other.history(other_one, stored, Page::Newest, 9).await.expect("the owner says it");
    assert_eq!((page.head, page.entries.len()), (Sequence(3), 3));

    // An owner that says nothing is waited for for a moment, and one that is cut off not at all.
    for is_silent in [true, false] {
        let id = conversation(&cluster.store, &users).await;
        let owner = cluster.owner_of(id);
        for bridge in &cluster.bridges {
            bridge.is_silent.store(is_silent, Ordering::Relaxed);
            bridge.is_cut.store(!is_silent, Ordering::Relaxed);
        }
        let begun = tokio::time::Instant::now();
        let page = cluster.node(1 - owner).history(other_one, id, Page::Newest, 9).await;
        let waited = begun.elapsed();
        assert!(page.expect("shows what it knows").entries.is_empty());
        let is_right = if is_silent { waited > HELD_MAX } else { waited < HELD_MAX };
        assert!(is_right && waited < HELD_MAX * 2, "silent {is_silent}: {waited:?}");
    }
}
