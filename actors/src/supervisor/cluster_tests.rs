//! Logs of several nodes: one order for all, also where frames are lost and shards move.

use std::sync::atomic::Ordering;
use std::time::Duration;

use schema::record::{Draft, Event, Member, Role};
use schema::{Sequence, UserId};
use tokio::time::timeout;

use super::cluster_kit_tests::{Cluster, sees_all_once_in_order, sends_from_every_node};
use super::tests::{PATIENCE, Recorder, all_stored_once, draft, send};
use crate::contract::sample;
use crate::ports::RosterStore as _;

#[actix::test]
async fn members_on_every_node_see_one_order_once() {
    let cluster = Cluster::start(3, 0);
    let (id, users, mut numbers) = cluster.group().await;
    sends_from_every_node(&cluster, id, &users, 30).await;
    for numbers in &mut numbers {
        sees_all_once_in_order(numbers, 90).await;
    }
    for (at, user) in users.iter().enumerate() {
        all_stored_once(&cluster.node(at), *user, id, 90).await;
    }
}

#[actix::test]
async fn a_bridge_that_loses_frames_delays_and_loses_nothing() {
    let cluster = Cluster::start(3, 4);
    let (id, users, mut numbers) = cluster.group().await;
    sends_from_every_node(&cluster, id, &users, 8).await;
    for numbers in &mut numbers {
        sees_all_once_in_order(numbers, 24).await;
    }
    all_stored_once(&cluster.node(0), users[0], id, 24).await;
}

#[actix::test]
async fn a_shard_moves_under_load_and_back() {
    let cluster = Cluster::start(3, 0);
    let (id, users, mut numbers) = cluster.group().await;
    let (owners, ids, shard) = (cluster.owners.clone(), cluster.ids.clone(), cluster.shard_of(id));
    let moving = actix::spawn(async move {
        for round in 0..12_usize {
            tokio::time::sleep(Duration::from_millis(60)).await;
            let to = ids[round % ids.len()];
            if round % 2 == 0 {
                owners.hand_over(shard, to);
            } else {
                owners.set(shard, Some(to));
            }
        }
    });
    sends_from_every_node(&cluster, id, &users, 150).await;
    moving.await.unwrap();
    for numbers in &mut numbers {
        sees_all_once_in_order(numbers, 450).await;
    }
    all_stored_once(&cluster.node(1), users[1], id, 450).await;
}

#[actix::test]
async fn without_a_bridge_the_owner_goes_on_and_the_others_follow_the_store() {
    let cluster = Cluster::start(2, 0);
    let (id, users, mut numbers) = cluster.group().await;
    let owner = usize::from(cluster.shard_of(id) % 2 == 1);
    send(cluster.node(owner), draft(id, users[owner], "before")).await;
    for numbers in &mut numbers {
        sees_all_once_in_order(numbers, 1).await;
    }
    for bridge in &cluster.bridges {
        bridge.is_cut.store(true, Ordering::Relaxed);
    }
    send(cluster.node(owner), draft(id, users[owner], "during")).await;
    let other = 1 - owner;
    let number = timeout(PATIENCE, numbers[other].recv()).await.expect("read from the store");
    assert_eq!(number, Some(Sequence(2)));
    let held = actix::spawn(send(cluster.node(other), draft(id, users[other], "held")));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!held.is_finished(), "nobody can be asked for a number");
    for bridge in &cluster.bridges {
        bridge.is_cut.store(false, Ordering::Relaxed);
    }
    assert_eq!(held.await.unwrap(), Sequence(3));
}

#[actix::test]
async fn a_member_added_from_another_node_hears_of_it() {
    let cluster = Cluster::start(3, 0);
    let (owner, added) = (UserId::generate(), UserId::generate());
    let made = sample::group(&[owner]);
    let id = made.conversation_id;
    cluster.store.create(made).await.unwrap();
    let mut numbers = Recorder::attach(&cluster.trees[2], added).await;
    let member = Member { user_id: added, role: Role::Member };
    let event = Event::MembersChanged { added: vec![member], removed: Vec::new() };
    send(cluster.node(0), Draft { event, ..draft(id, owner, "") }).await;
    send(cluster.node(1), draft(id, owner, "welcome")).await;
    sees_all_once_in_order(&mut numbers, 2).await;
}
