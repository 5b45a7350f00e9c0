//! What the actors need of the world: one trait a file, its guarantee in its doc.
//!
//! Every implementation passes the suite of the same name in [`crate::contract`].

pub mod admin_log;
pub mod authenticator;
pub mod bridge;
pub mod commit_ring;
pub mod directory;
pub mod invite_store;
pub mod log_index;
pub mod message_store;
pub mod personal_store;
pub mod roster_store;
pub mod user_store;
pub mod wall_clock;

pub use admin_log::{ADMIN_RECORDS_MAX, AdminLog, AdminRecord};
pub use authenticator::{Authenticator, Identity, TokenRefused};
pub use bridge::{Bridge, BridgeError, Inbox};
pub use commit_ring::{Applied, Commit, CommitRing, Guard, RingError, RingShape, Slot};
pub use directory::{Directory, Owner};
pub use invite_store::{INVITES_MAX, InviteStore};
pub use log_index::{COUNTED_MAX, LogIndex, MentionsWithin, ThreadReply};
pub use message_store::{ExpiredPurge, MaterialisedCommit, MessageStore};
pub use personal_store::PersonalStore;
pub use roster_store::{Created, NewConversation, RosterStore};
pub use user_store::{Credentials, NewDevice, NewUser, Rotation, UserStore, UsernameTaken};
pub use wall_clock::WallClock;

use std::future::Future;
use std::pin::Pin;

/// What an asynchronous port method returns.
pub type PortFuture<T, E = StoreError> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// A store could not answer. Reads may be repeated; writes of these ports are idempotent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Busy or unreachable: the same call may succeed later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The store answered with something that cannot be: not worth repeating.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}
