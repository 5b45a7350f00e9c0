//! The commit ring: conditional statements on one partition a shard.

use std::future::Future;

use actors::ports::{Applied, Commit, CommitRing, Guard, PortFuture, RingError, RingShape, Slot};
use bytes::Bytes;
use schema::{Epoch, OwnerToken};
use uuid::Uuid;

use super::failure::Failure;
use super::rows::{number, small, to_column};
use super::store::{Store, measured};

type GuardColumns = (Option<Uuid>, Option<i64>, Option<i64>, Option<i64>, Option<i32>);

impl Store {
    pub(super) async fn ring_guard(&self, shard: u32) -> Result<Option<Guard>, Failure> {
        let row = self.row::<GuardColumns>(&self.statements().ring_guard, (small(shard.into()),));
        let Some((Some(owner), epoch, head, done, ring)) = row.await? else { return Ok(None) };
        let (Some(epoch), Some(head), Some(done)) = (epoch, head, done) else {
            return Err(Failure::damaged("a shard's guard is not whole"));
        };
        let slots = self.facts().shape.slots;
        if ring != Some(small(slots.into())) {
            let why =
                format!("shard {shard} has a ring of {ring:?} slots, this node knows {slots}");
            return Err(Failure::Damaged(why));
        }
        Ok(Some(Guard {
            owner: OwnerToken(owner),
            epoch: Epoch(number(epoch)?),
            head: number(head)?,
            done: number(done)?,
        }))
    }

    pub(super) async fn ring_slot(&self, shard: u32, n: u64) -> Result<Option<Slot>, Failure> {
        let key = (small(shard.into()), self.cell(n));
        let row = self
            .row::<(Option<i64>, Option<Uuid>, Option<Bytes>)>(&self.statements().ring_slot, key);
        let Some((Some(n), Some(writer), payload)) = row.await? else { return Ok(None) };
        let payload = payload.unwrap_or_default();
        Ok(Some(Slot { n: number(n)?, writer: OwnerToken(writer), payload }))
    }

    /// Where commit `n` lies in its shard.
    fn cell(&self, n: u64) -> i32 {
        small(n % u64::from(self.facts().shape.slots.max(1)))
    }

    async fn ring_create(&self, shard: u32, owner: OwnerToken) -> Result<Applied, Failure> {
        let ring = small(self.facts().shape.slots.into());
        let values = (owner.0, ring, small(shard.into()));
        self.conditional(&self.statements().ring_create, values).await
    }

    async fn ring_take_over(
        &self,
        shard: u32,
        seen: Guard,
        owner: OwnerToken,
    ) -> Result<Applied, Failure> {
        let values = (
            owner.0,
            to_column(seen.epoch.0.saturating_add(1)),
            small(shard.into()),
            seen.owner.0,
            to_column(seen.head),
            to_column(seen.epoch.0),
        );
        self.conditional(&self.statements().ring_take_over, values).await
    }

    async fn ring_commit(&self, commit: Commit) -> Result<Applied, Failure> {
        let Some(expected_head) = commit.n.checked_sub(1) else { return Ok(Applied::No) };
        let values = (
            to_column(commit.n),
            to_column(commit.done),
            to_column(commit.n),
            commit.owner.0,
            &commit.payload,
            small(commit.shard.into()),
            self.cell(commit.n),
            commit.owner.0,
            to_column(expected_head),
        );
        self.conditional(&self.statements().ring_commit, values).await
    }

    async fn ring_release(
        &self,
        shard: u32,
        owner: OwnerToken,
        done: u64,
    ) -> Result<Applied, Failure> {
        let values = (OwnerToken::NOBODY.0, to_column(done), small(shard.into()), owner.0);
        self.conditional(&self.statements().ring_release, values).await
    }
}

/// The driver gives each statement five seconds; after that its outcome is unknown.
fn ring_answer<T: Send + 'static>(
    operation: &'static str,
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> PortFuture<T, RingError> {
    Box::pin(async move { Ok(measured(operation, work).await?) })
}

impl CommitRing for Store {
    fn shape(&self) -> RingShape {
        self.facts().shape
    }

    fn guard(&self, shard: u32) -> PortFuture<Option<Guard>, RingError> {
        let store = self.clone();
        ring_answer("ring_guard", async move { store.ring_guard(shard).await })
    }

    fn slot(&self, shard: u32, n: u64) -> PortFuture<Option<Slot>, RingError> {
        let store = self.clone();
        ring_answer("ring_slot", async move { store.ring_slot(shard, n).await })
    }

    fn create(&self, shard: u32, owner: OwnerToken) -> PortFuture<Applied, RingError> {
        let store = self.clone();
        ring_answer("ring_create", async move { store.ring_create(shard, owner).await })
    }

    fn take_over(
        &self,
        shard: u32,
        seen: Guard,
        owner: OwnerToken,
    ) -> PortFuture<Applied, RingError> {
        let store = self.clone();
        ring_answer("ring_take_over", async move { store.ring_take_over(shard, seen, owner).await })
    }

    fn commit(&self, commit: Commit) -> PortFuture<Applied, RingError> {
        let store = self.clone();
        ring_answer("ring_commit", async move { store.ring_commit(commit).await })
    }

    fn release(&self, shard: u32, owner: OwnerToken, done: u64) -> PortFuture<Applied, RingError> {
        let store = self.clone();
        ring_answer("ring_release", async move { store.ring_release(shard, owner, done).await })
    }
}
