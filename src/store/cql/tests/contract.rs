use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use actors::contract;
use actors::contract::message_store::Stores;
use actors::ports::{
    AdminLog, Applied, Commit, CommitRing, Guard, PersonalStore, PortFuture, RingError, RingShape,
    Slot, UserStore,
};
use schema::OwnerToken;

use super::new_store;
use crate::store::cql::Store;

/// Two shards of a store that nobody used before, as shards 0 and 1.
struct FreshShards {
    store: Store,
    first: u32,
}

impl FreshShards {
    const SHARDS: u32 = 2;
}

impl CommitRing for FreshShards {
    fn shape(&self) -> RingShape {
        RingShape { shards: Self::SHARDS, ..self.store.shape() }
    }

    fn guard(&self, shard: u32) -> PortFuture<Option<Guard>, RingError> {
        self.store.guard(self.first + shard)
    }

    fn slot(&self, shard: u32, n: u64) -> PortFuture<Option<Slot>, RingError> {
        self.store.slot(self.first + shard, n)
    }

    fn create(&self, shard: u32, owner: OwnerToken) -> PortFuture<Applied, RingError> {
        CommitRing::create(&self.store, self.first + shard, owner)
    }

    fn take_over(
        &self,
        shard: u32,
        seen: Guard,
        owner: OwnerToken,
    ) -> PortFuture<Applied, RingError> {
        self.store.take_over(self.first + shard, seen, owner)
    }

    fn commit(&self, commit: Commit) -> PortFuture<Applied, RingError> {
        self.store.commit(Commit { shard: self.first + commit.shard, ..commit })
    }

    fn release(&self, shard: u32, owner: OwnerToken, done: u64) -> PortFuture<Applied, RingError> {
        self.store.release(self.first + shard, owner, done)
    }
}

#[tokio::test]
async fn keeps_the_contract_of_the_commit_ring() {
    let store = new_store().await;
    let next = AtomicU32::new(0);
    contract::commit_ring::run(async || {
        let first = next.fetch_add(FreshShards::SHARDS, Ordering::Relaxed);
        Arc::new(FreshShards { store: store.clone(), first }) as Arc<dyn CommitRing>
    })
    .await;
}

fn stores(store: &Store) -> Stores {
    Stores { messages: Arc::new(store.clone()), roster: Arc::new(store.clone()) }
}

/// These suites make new ids all the time: one keyspace is as good as many.
#[tokio::test]
async fn keeps_the_contracts_of_the_stores_of_messages_rosters_indexes_and_facts() {
    let store = new_store().await;
    contract::message_store::run(async || stores(&store)).await;
    contract::roster_store::run(async || stores(&store)).await;
    contract::log_index::run(stores(&store), Arc::new(store.clone())).await;
    let personal = async || Arc::new(store.clone()) as Arc<dyn PersonalStore>;
    contract::personal_store::run(personal).await;
    contract::invite_store::run(Arc::new(store.clone())).await;
}

async fn emptied(store: &Store) -> Arc<dyn UserStore> {
    for table in ["users", "usernames", "devices", "devices_by_user", "refresh_tokens"] {
        let cql = format!("TRUNCATE {table}");
        store.session().query_unpaged(cql, ()).await.expect("truncates");
    }
    Arc::new(store.clone())
}

#[tokio::test]
async fn keeps_the_contract_of_the_user_store() {
    let store = new_store().await;
    contract::user_store::run(async || emptied(&store).await).await;
    // What meets in these depends on the moment.
    for _ in 0..8 {
        let users = emptied(&store).await;
        contract::user_store::concurrent_rotations_have_one_winner(users).await;
        let users = emptied(&store).await;
        contract::user_store::concurrent_creations_of_a_name_have_one_winner(users).await;
    }
}

#[tokio::test]
async fn keeps_the_contract_of_the_admin_log() {
    let store = new_store().await;
    contract::admin_log::run(async || {
        let emptied = store.session().query_unpaged("TRUNCATE admin_log", ()).await;
        emptied.expect("truncates");
        Arc::new(store.clone()) as Arc<dyn AdminLog>
    })
    .await;
}
