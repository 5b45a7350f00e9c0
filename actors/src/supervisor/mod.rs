//! The node's tree of actors: built once, watched, restarted within a budget, drained.
//!
//! actix's own `Supervisor` revives the same value after a stop and nothing after a panic; here a
//! dead actor's state is gone, and the next life starts from the store.

mod actor;
#[cfg(test)]
mod cluster_heads_tests;
#[cfg(test)]
mod cluster_kit_tests;
#[cfg(test)]
mod cluster_own_tests;
#[cfg(test)]
mod cluster_tests;
mod ownership;
mod prober;
#[cfg(test)]
mod tests;
mod tree;

pub use actor::Supervisor;
pub use prober::probe_mailboxes;
pub use tree::{Ports, Tree, TreeConfig, start};
