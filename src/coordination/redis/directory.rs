//! The directory as the membership last saw it.

use std::sync::{Arc, PoisonError, RwLock};

use actors::ports::{Directory, Owner};
use tokio::sync::watch;

use crate::coordination::view::Ownership;

/// Answers from memory; [`Membership`](super::Membership) keeps it true.
#[derive(Debug, Default)]
pub struct RedisDirectory {
    ownership: RwLock<Arc<Ownership>>,
    version: watch::Sender<u64>,
}

impl RedisDirectory {
    /// Takes over what is believed now. Tells who waits for changes only if there are any.
    pub(super) fn set(&self, ownership: &Ownership) {
        {
            let mut current = self.ownership.write().unwrap_or_else(PoisonError::into_inner);
            if current.as_ref() == ownership {
                return;
            }
            *current = Arc::new(ownership.clone());
        }
        self.version.send_modify(|version| *version += 1);
    }

    fn ownership(&self) -> Arc<Ownership> {
        self.ownership.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Directory for RedisDirectory {
    fn owner(&self, shard: u32) -> Owner {
        self.ownership().owner(shard)
    }

    fn is_handed_over(&self, shard: u32) -> bool {
        self.ownership().is_handed_over(shard)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }
}
