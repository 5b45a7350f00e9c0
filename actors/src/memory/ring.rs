//! Guards and slots of the commit ring.

use std::collections::BTreeMap;

use schema::{Epoch, OwnerToken};

use super::store::{MemoryStore, answer};
use crate::ports::{Applied, Commit, CommitRing, Guard, PortFuture, RingError, RingShape, Slot};

#[derive(Default)]
pub(super) struct Ring {
    guards: BTreeMap<u32, Guard>,
    /// By shard and `n % slots`.
    slots: BTreeMap<(u32, u64), Slot>,
}

impl Ring {
    fn create(&mut self, shard: u32, owner: OwnerToken) -> Applied {
        if self.guards.contains_key(&shard) {
            return Applied::No;
        }
        self.guards.insert(shard, Guard { owner, epoch: Epoch(1), head: 0, done: 0 });
        Applied::Yes
    }

    fn take_over(&mut self, shard: u32, seen: Guard, owner: OwnerToken) -> Applied {
        match self.guards.get_mut(&shard) {
            Some(guard)
                if (guard.owner, guard.epoch, guard.head)
                    == (seen.owner, seen.epoch, seen.head) =>
            {
                guard.owner = owner;
                guard.epoch = Epoch(seen.epoch.0 + 1);
                Applied::Yes
            }
            _ => Applied::No,
        }
    }

    fn commit(&mut self, commit: Commit, slots: u32) -> Applied {
        let Commit { shard, owner, n, done, payload } = commit;
        match self.guards.get_mut(&shard) {
            Some(guard) if guard.owner == owner && guard.head.checked_add(1) == Some(n) => {
                guard.head = n;
                guard.done = done;
                let slot = Slot { n, writer: owner, payload };
                self.slots.insert((shard, n % u64::from(slots)), slot);
                Applied::Yes
            }
            _ => Applied::No,
        }
    }

    fn release(&mut self, shard: u32, owner: OwnerToken, done: u64) -> Applied {
        match self.guards.get_mut(&shard) {
            Some(guard) if guard.owner == owner => {
                guard.owner = OwnerToken::NOBODY;
                guard.done = done;
                Applied::Yes
            }
            _ => Applied::No,
        }
    }
}

impl CommitRing for MemoryStore {
    fn shape(&self) -> RingShape {
        self.shape
    }

    fn guard(&self, shard: u32) -> PortFuture<Option<Guard>, RingError> {
        answer(Ok(self.tables().ring.guards.get(&shard).copied()))
    }

    fn slot(&self, shard: u32, n: u64) -> PortFuture<Option<Slot>, RingError> {
        let key = (shard, n % u64::from(self.shape.slots));
        answer(Ok(self.tables().ring.slots.get(&key).cloned()))
    }

    fn create(&self, shard: u32, owner: OwnerToken) -> PortFuture<Applied, RingError> {
        answer(Ok(self.tables().ring.create(shard, owner)))
    }

    fn take_over(
        &self,
        shard: u32,
        seen: Guard,
        owner: OwnerToken,
    ) -> PortFuture<Applied, RingError> {
        answer(Ok(self.tables().ring.take_over(shard, seen, owner)))
    }

    fn commit(&self, commit: Commit) -> PortFuture<Applied, RingError> {
        answer(Ok(self.tables().ring.commit(commit, self.shape.slots)))
    }

    fn release(&self, shard: u32, owner: OwnerToken, done: u64) -> PortFuture<Applied, RingError> {
        answer(Ok(self.tables().ring.release(shard, owner, done)))
    }
}
