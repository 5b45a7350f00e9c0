//! What is one user's own, on several nodes: real actors over in-memory ports.

use std::time::Duration;

use schema::record::{Event, Fact, FactWrite};
use schema::wire::ErrorCode;
use schema::{Sequence, UserId};
use tokio::time::timeout;

use super::cluster_tests::{Cluster, Person, direct};
use super::tests::{PATIENCE, conversation, draft, send};
use crate::conversation::Page;
use crate::ports::{MessageStore as _, PersonalStore as _};

/// The frame that tells of a block is lost: it holds a little later nevertheless, also for who
/// writes seldom.
#[actix::test]
async fn a_block_holds_though_the_news_of_it_is_lost() {
    let cluster = Cluster::start(2, 0);
    let [anna, bert] = [UserId::generate(), UserId::generate()];
    let id = direct(&cluster.store, anna, bert).await;
    for node in 0..2 {
        send(cluster.node(node), draft(id, bert, "hello")).await;
    }
    // As another node would write it.
    let fact = Fact::Blocked(bert);
    let write = FactWrite { user_id: anna, stamp: 1, fact, is_gone: false };
    cluster.store.write_facts(vec![write]).await.unwrap();
    tokio::time::sleep(crate::conversation::BLOCKS_KNOWN_FOR).await;
    for node in 0..2 {
        let sent = cluster.node(node).submit(draft(id, bert, "again")).await;
        let sent = sent.map(drop).map_err(|refusal| refusal.code);
        assert_eq!(sent, Err(ErrorCode::Forbidden), "the first one already, at node {node}");
        assert!(cluster.node(node).submit(draft(id, anna, "not to you")).await.is_ok());
    }
}

/// Each node notes who is there on it, whichever owns the shard and whichever took the message.
#[actix::test]
async fn who_is_there_is_noted_on_each_node() {
    let cluster = Cluster::start(3, 0);
    let [anna, bert, cleo, gone] = [(); 4].map(|()| UserId::generate());
    let id = conversation(&cluster.store, &[anna, bert, cleo, gone]).await;
    let mut people = Vec::new();
    for (node, user) in [(0, anna), (1, bert), (2, cleo)] {
        people.push(Person::at(&cluster.trees[node], user).await);
    }
    let mut calls = draft(id, anna, "lunch?");
    let Event::Message(body) = &mut calls.event else { panic!() };
    body.mentions = vec![UserId::HERE];
    let seq = send(cluster.node(2), calls).await;
    let mentions = async |node: usize, user: UserId| {
        let rows = cluster.node(node).chat_list(user).await.unwrap();
        let counts = cluster.node(node).chat_counts(user, &rows).await.unwrap();
        (rows[0].here.contains(&seq), counts[0].mentions)
    };
    for (user, expected) in [(bert, 1), (cleo, 1), (gone, 0)] {
        for node in 0..3 {
            // Written by the node where the user is, and read by all.
            let told = async {
                while mentions(node, user).await != (expected == 1, expected) {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            timeout(PATIENCE, told).await.expect("noted in time");
        }
    }
    assert_eq!(mentions(0, gone).await, (false, 0));
}

/// Entries go from the store, and no node is told: each that has the log at hand finds it out.
#[actix::test]
async fn where_a_log_begins_is_found_out_by_each_node() {
    let cluster = Cluster::start(2, 0);
    let [anna, bert] = [UserId::generate(), UserId::generate()];
    let id = direct(&cluster.store, anna, bert).await;
    for text in ["one", "two", "three", "four", "five"] {
        send(cluster.node(0), draft(id, anna, text)).await;
    }
    let begins = async |node: usize| {
        let page = cluster.node(node).history(bert, id, Page::Newest, 10).await.unwrap();
        (page.purged_up_to.0, page.entries.len())
    };
    let stored = async {
        while cluster.store.head(id).await != Ok(Sequence(5))
            || [begins(0).await, begins(1).await] != [(0, 5); 2]
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, stored).await.expect("in the tables, and at hand on both nodes");
    while cluster.store.purge_below(id, Sequence(3), 10).await.unwrap() {}

    // One lists it for somebody.
    let rows = cluster.node(0).chat_list(bert).await.unwrap();
    let counts = cluster.node(0).chat_counts(bert, &rows).await.unwrap();
    assert_eq!((counts[0].unread, begins(0).await), (2, (3, 2)), "what is gone is not unread");
    // A device comes to the other.
    let _device = Person::at(&cluster.trees[1], bert).await;
    let found_out = async {
        while begins(1).await != (3, 2) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, found_out).await.expect("where the log begins");
}
