//! Against real servers, started for each test.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actors::contract;
use actors::ports::{Directory, Owner};
use loadtest::services::{Redis, RedisCluster, RedisSpec};
use schema::NodeId;
use tokio::time::Instant;

use super::{Advertised, Membership, RedisDirectory, RedisPool};
use crate::bridge::redis::RedisConfig;
use crate::coordination::view::NodeState;

const SHARDS: u32 = 64;
const PATIENCE: Duration = Duration::from_secs(10);

struct TestNode {
    node: NodeId,
    directory: Arc<RedisDirectory>,
    membership: Membership,
}

impl TestNode {
    fn start(url: &str) -> Self {
        Self::start_as(url, NodeId::generate())
    }

    fn start_as(url: &str, node: NodeId) -> Self {
        let pool = RedisPool::open(&RedisConfig::from_url(url).unwrap(), 2).unwrap();
        let advertised = Advertised { address: format!("{node}.internal"), started_at_ms: 7 };
        let (directory, membership) = Membership::start(pool, node, advertised, SHARDS);
        Self { node, directory, membership }
    }

    /// Who owns each shard, as this node sees it.
    fn owners(&self) -> Vec<Option<NodeId>> {
        let owner = |shard| match self.directory.owner(shard) {
            Owner::Here => Some(self.node),
            Owner::Elsewhere(node) => Some(node),
            Owner::Unknown => None,
        };
        (0..SHARDS).map(owner).collect()
    }

    fn sees(&self, count: usize) -> bool {
        self.membership.peers().borrow().others.as_ref().is_some_and(|it| it.len() + 1 == count)
    }
}

async fn own_redis() -> Redis {
    Redis::start(RedisSpec::default()).await.unwrap()
}

async fn until(what: &str, is_so: impl Fn() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "not {what} in {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    begun.elapsed()
}

async fn settled(url: &str, count: usize) -> Vec<TestNode> {
    let nodes: Vec<TestNode> = (0..count).map(|_| TestNode::start(url)).collect();
    for it in &nodes {
        until("complete", || it.sees(count)).await;
    }
    nodes
}

fn assert_agreed(nodes: &[TestNode]) {
    let owners = nodes[0].owners();
    assert!(owners.iter().all(Option::is_some));
    for it in nodes {
        assert_eq!(it.owners(), owners, "nodes disagree");
    }
    let distinct: BTreeSet<_> = owners.iter().flatten().collect();
    assert_eq!(distinct.len(), nodes.len(), "each has some");
}

/// Nobody's answers change while `meanwhile` runs.
async fn assert_steady(nodes: &[TestNode], meanwhile: impl Future<Output = ()>) {
    let mut changes: Vec<_> = nodes.iter().map(|it| it.directory.changes()).collect();
    let before = nodes[0].owners();
    meanwhile.await;
    for (it, changes) in nodes.iter().zip(&mut changes) {
        assert_eq!(it.owners(), before);
        assert!(!changes.has_changed().unwrap(), "an answer changed for a while");
    }
}

/// Past every hand-over that follows a start.
async fn hand_overs_are_over(nodes: &[TestNode]) {
    for it in nodes {
        until("handed over", || (0..SHARDS).all(|shard| !it.directory.is_handed_over(shard))).await;
    }
}

async fn connected(nodes: &[TestNode]) {
    for it in nodes {
        until("connected", || it.membership.is_connected()).await;
    }
}

#[tokio::test]
async fn keeps_the_contract_of_the_directory() {
    let redis = own_redis().await;
    let nodes = settled(&redis.url(), 2).await;
    hand_overs_are_over(&nodes).await;
    let directory: Arc<dyn Directory> = nodes[0].directory.clone();
    contract::directory::run(async || directory.clone(), SHARDS).await;
}

#[tokio::test]
async fn nodes_agree_and_know_each_other() {
    let redis = own_redis().await;
    let nodes = settled(&redis.url(), 3).await;
    assert_agreed(&nodes);
    let members = nodes[0].membership.members();
    assert_eq!(members.len(), 3);
    assert!(members.iter().all(|it| it.state == NodeState::Serving && it.started_at_ms == 7));
    assert!(members.iter().all(|it| it.address == format!("{}.internal", it.node)));
    for it in &nodes {
        until("introduced", || it.membership.peers().borrow().introduced == 1).await;
    }
    assert_agreed(&nodes);
}

#[tokio::test]
async fn nodes_agree_by_way_of_a_redis_cluster() {
    let cluster = RedisCluster::start(3).await.unwrap();
    let hosts: Vec<String> = cluster.addresses().iter().map(ToString::to_string).collect();
    let url = format!("redis+cluster://{}?prefix=shop", hosts.join(","));
    let mut nodes = settled(&url, 3).await;
    assert_agreed(&nodes);
    nodes.pop().unwrap().membership.goodbye().await.unwrap();
    for it in &nodes {
        until("two left", || it.sees(2)).await;
    }
    assert_agreed(&nodes);
}

#[tokio::test]
async fn who_joins_takes_its_share_from_those_who_are_about_to_release() {
    let redis = own_redis().await;
    let mut nodes = settled(&redis.url(), 2).await;
    let before = nodes[0].owners();
    let third = TestNode::start(&redis.url());
    until("a member", || third.sees(3)).await;
    let mine: Vec<u32> =
        (0..SHARDS).filter(|shard| third.directory.owner(*shard) == Owner::Here).collect();
    assert!(!mine.is_empty());
    assert!(mine.iter().all(|shard| third.directory.is_handed_over(*shard)));
    for it in &nodes {
        until("complete", || it.sees(3)).await;
    }
    let id = third.node;
    nodes.push(third);
    assert_agreed(&nodes);
    for (before, after) in before.iter().zip(nodes[0].owners()) {
        assert!(after == *before || after == Some(id), "only what the third wins may move");
    }
}

#[tokio::test]
async fn who_was_killed_is_seen_to_be_gone_in_time() {
    let redis = own_redis().await;
    let mut nodes = settled(&redis.url(), 3).await;
    connected(&nodes).await;
    // The worst moment: right after it renewed.
    drop(nodes.pop().unwrap().membership);
    let begun = Instant::now();
    for it in &nodes {
        until("two left", || it.sees(2)).await;
    }
    assert!(begun.elapsed() <= Duration::from_millis(3600), "{:?}", begun.elapsed());
    assert_agreed(&nodes);
    assert!(nodes.iter().all(|it| (0..SHARDS).all(
        |shard| !it.directory.is_handed_over(shard) || it.directory.owner(shard) == Owner::Here
    )));
}

#[tokio::test]
async fn who_leaves_hands_over_and_then_is_gone() {
    let redis = own_redis().await;
    let mut nodes = settled(&redis.url(), 3).await;
    hand_overs_are_over(&nodes).await;
    let leaver = nodes.pop().unwrap();
    let its: Vec<u32> =
        (0..SHARDS).filter(|shard| leaver.directory.owner(*shard) == Owner::Here).collect();
    leaver.membership.leave().await.unwrap();
    assert!(its.iter().all(|shard| leaver.directory.owner(*shard) != Owner::Here));
    let begun = Instant::now();
    for it in &nodes {
        let has_gone = || its.iter().all(|shard| it.owners()[*shard as usize] != Some(leaver.node));
        until("taken over", has_gone).await;
        for shard in 0..SHARDS {
            let is_awaited = its.contains(&shard) && it.directory.owner(shard) == Owner::Here;
            assert_eq!(it.directory.is_handed_over(shard), is_awaited);
        }
        assert!(it.sees(3), "frames still reach it");
    }
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    leaver.membership.goodbye().await.unwrap();
    for it in &nodes {
        until("gone", || it.sees(2)).await;
    }
    hand_overs_are_over(&nodes).await;
    assert_agreed(&nodes);
}

#[tokio::test]
async fn a_flush_moves_nothing() {
    let redis = own_redis().await;
    let nodes = settled(&redis.url(), 3).await;
    hand_overs_are_over(&nodes).await;
    assert_steady(&nodes, async {
        for _ in 0..5 {
            redis.flush_all().await.unwrap();
            tokio::time::sleep(Duration::from_millis(730)).await;
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
    })
    .await;
    connected(&nodes).await;
    assert!(nodes.iter().all(|it| it.sees(3)));
}

#[tokio::test]
async fn an_outage_moves_nothing() {
    let redis = own_redis().await;
    let nodes = settled(&redis.url(), 3).await;
    hand_overs_are_over(&nodes).await;
    assert_steady(&nodes, async {
        assert!(redis.kill());
        let begun = Instant::now();
        for it in &nodes {
            until("cut off", || !it.membership.is_connected()).await;
        }
        assert!(begun.elapsed() < Duration::from_millis(2300), "{:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_secs(2)).await;
        redis.restart().await.unwrap();
        connected(&nodes).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
    })
    .await;
}

#[tokio::test]
async fn a_stall_of_redis_moves_nothing() {
    let redis = own_redis().await;
    let nodes = settled(&redis.url(), 3).await;
    hand_overs_are_over(&nodes).await;
    assert_steady(&nodes, async {
        redis.pause().unwrap();
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(nodes.iter().all(|it| !it.membership.is_connected()));
        redis.resume().unwrap();
        connected(&nodes).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
    })
    .await;
}

#[tokio::test]
async fn who_dies_in_an_outage_is_gone_after_it() {
    let redis = own_redis().await;
    let mut nodes = settled(&redis.url(), 3).await;
    assert!(redis.kill());
    drop(nodes.pop().unwrap().membership);
    tokio::time::sleep(Duration::from_secs(1)).await;
    redis.restart().await.unwrap();
    connected(&nodes).await;
    for it in &nodes {
        until("two left", || it.sees(2)).await;
    }
    assert_agreed(&nodes);
}

#[tokio::test]
async fn before_redis_was_ever_reached_nobody_owns_anything() {
    let redis = own_redis().await;
    assert!(redis.kill());
    let it = TestNode::start(&redis.url());
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert!(!it.membership.is_connected());
    assert_eq!(it.owners(), vec![None; SHARDS as usize]);
    assert_eq!(it.membership.peers().borrow().others, None);
    assert!(it.membership.leave().await.is_err(), "nobody could be told");
    redis.restart().await.unwrap();
    until("connected", || it.membership.is_connected()).await;
    assert_eq!(it.membership.members()[0].state, NodeState::Leaving);
}

#[tokio::test]
async fn a_server_without_tls_is_an_error_for_who_wants_it() {
    let redis = own_redis().await;
    let url = redis.url().replace("redis://", "rediss://");
    let pool = RedisPool::open(&RedisConfig::from_url(&url).unwrap(), 1).unwrap();
    assert!(pool.connection().await.is_err());
}

#[tokio::test]
async fn a_node_whose_id_another_process_uses_stops_owning() {
    let redis = own_redis().await;
    let first = TestNode::start(&redis.url());
    until("connected", || first.membership.is_connected()).await;
    let second = TestNode::start_as(&redis.url(), first.node);
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(first.membership.is_connected());
    assert!(!second.membership.is_connected());
    assert_eq!(second.owners(), vec![None; SHARDS as usize]);
    // Its goodbye leaves the first alone.
    second.membership.goodbye().await.unwrap();
    let again = TestNode::start(&redis.url());
    until("both there", || again.sees(2)).await;
    first.membership.goodbye().await.unwrap();
    until("alone", || again.sees(1)).await;
}

#[tokio::test]
async fn a_private_authority_vouches_for_redis_and_no_other_does() {
    let redis = Redis::start(RedisSpec::default()).await.unwrap();
    let tls = crate::trust::terminator::in_front_of(redis.address()).await;
    let connect = async |ca_file: &str| {
        let url = format!("rediss://{}?ca_file={ca_file}", tls.address);
        let pool = RedisPool::open(&RedisConfig::from_url(&url).unwrap(), 1).unwrap();
        let mut connection = pool.connection().await?;
        let answer: String = redis::cmd("PING").query_async(&mut connection).await?;
        Ok::<_, super::RedisPoolError>(answer)
    };
    assert_eq!(connect(&tls.right).await.unwrap(), "PONG");
    assert!(connect(&tls.wrong).await.is_err());
}

#[tokio::test]
async fn a_shard_moves_by_hand_and_back_on_every_node() {
    let redis = own_redis().await;
    let nodes = settled(&redis.url(), 3).await;
    hand_overs_are_over(&nodes).await;
    let by_rule = nodes[0].owners();
    let to = nodes.iter().map(|it| it.node).find(|node| Some(*node) != by_rule[5]).unwrap();
    let mut moved = by_rule.clone();
    moved[5] = Some(to);
    nodes[0].membership.watch_members().pin(5, Some(to)).await.unwrap();
    assert_eq!(nodes[0].owners(), moved, "the one that was asked sees it at once");
    for it in &nodes {
        until("moved", || it.owners() == moved).await;
        assert_eq!(it.membership.watch_members().pins(), [(5, to)].into());
    }
    nodes[1].membership.watch_members().pin(5, None).await.unwrap();
    for it in &nodes {
        until("moved back", || it.owners() == by_rule).await;
    }
}
