//! Positions for which nobody waits: those of all sessions of a tenth of a second are one call, in
//! which a conversation's rows share their statements.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actors::ports::{PortFuture, RosterStore as _, StoreError};
use schema::record::PositionAdvance;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::store::{Store, answer};

const GATHER: Duration = Duration::from_millis(100);
/// Advances of one call; those beyond are written at once.
const ADVANCES_MAX: usize = 8_192;

type Reply = oneshot::Sender<Result<(), StoreError>>;

/// What is gathered just now.
pub(super) struct Leisure {
    waiting: Mutex<Waiting>,
    /// On which it is written, whoever came first and is gone since.
    runtime: Handle,
}

#[derive(Default)]
struct Waiting {
    advances: Vec<PositionAdvance>,
    replies: Vec<Reply>,
}

impl Leisure {
    /// Writes on the runtime of the caller.
    pub fn here() -> Self {
        Self { waiting: Mutex::default(), runtime: Handle::current() }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Gathers advances, and writes them with those of others.
    pub(super) fn write_at_leisure(&self, advances: Vec<PositionAdvance>) -> PortFuture<()> {
        let (reply, written) = oneshot::channel();
        let is_first = {
            let mut waiting = self.leisure().waiting();
            if waiting.advances.len() + advances.len() > ADVANCES_MAX {
                drop(waiting);
                return self.advance_positions(advances);
            }
            waiting.advances.extend(advances);
            waiting.replies.push(reply);
            waiting.replies.len() == 1
        };
        if is_first {
            let store = self.clone();
            self.leisure().runtime.spawn(async move {
                tokio::time::sleep(GATHER).await;
                let Waiting { advances, replies } = std::mem::take(&mut *store.leisure().waiting());
                let written = answer("advance_positions", store.write_positions(&advances)).await;
                for reply in replies {
                    // Who has gone needs no answer.
                    let _ = reply.send(written.clone());
                }
            });
        }
        Box::pin(async move {
            let ended = || Err(StoreError::Unavailable("the store has ended".to_owned()));
            written.await.unwrap_or_else(|_| ended())
        })
    }
}
