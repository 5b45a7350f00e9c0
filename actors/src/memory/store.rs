//! The handle that implements the store ports.

use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::invites::Invites;
use super::messages::Messages;
use super::personal::Personal;
use super::ring::Ring;
use super::roster::Roster;
use super::users::Users;
use crate::ports::{PortFuture, RingShape, StoreError};

/// A store that lives as long as its last clone.
#[derive(Clone)]
pub struct MemoryStore {
    pub(super) shape: RingShape,
    tables: Arc<Mutex<Tables>>,
}

#[derive(Default)]
pub(super) struct Tables {
    pub ring: Ring,
    pub messages: Messages,
    pub roster: Roster,
    pub users: Users,
    pub personal: Personal,
    pub invites: Invites,
}

impl MemoryStore {
    #[must_use]
    pub fn new(shape: RingShape) -> Self {
        Self { shape, tables: Arc::default() }
    }

    /// The tables as they are, also after a panic elsewhere: no method leaves them half written.
    pub(super) fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(RingShape { shards: 4, slots: 16 })
    }
}

/// A future that has its answer.
pub(super) fn answer<T: Send + 'static, E: Send + 'static>(
    answer: Result<T, E>,
) -> PortFuture<T, E> {
    Box::pin(ready(answer))
}

/// A future that has its answer, which is good.
pub(super) fn found<T: Send + 'static>(value: T) -> PortFuture<T, StoreError> {
    answer(Ok(value))
}
