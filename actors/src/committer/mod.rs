//! One committer per shard this node owns: group commit, resolve, materialise, replay.
//!
//! `core` decides and knows nothing of actix; `actor` carries out its effects. The rules are
//! those of the commit ring: one conditional statement in flight, a commit in doubt is frozen,
//! nothing is acknowledged before it is stored, a slot is reused only after it is materialised.

mod actor;
mod batch;
pub mod core;
mod messages;
mod ownership;
pub mod payload;
mod registry;
#[cfg(test)]
pub(crate) mod tests;
mod unmaterialised;

pub(crate) use actor::event_size;
pub use actor::{Committer, CommitterContext};
pub use batch::{BatchLimits, PackedEntry};
pub use messages::{
    Budget, Budgets, Enqueue, FromCommitter, Register, Registered, Retire, Room, StoredEntries,
    Unregister, WhenMaterialised,
};
pub use ownership::Ownership;
pub use registry::Committers;
