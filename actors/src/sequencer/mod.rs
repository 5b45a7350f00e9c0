//! One sequencer per conversation, on its shard's owner: the only maker of numbers.
//!
//! `core` decides (allocate, repeat, refuse), `dedupe` remembers; `actor` carries out.
//! On the other nodes `remote` stands in for it: `forwarding` decides what is asked of the owner.

mod actor;
pub mod core;
mod dedupe;
mod faded;
pub mod forwarding;
mod handle;
mod messages;
mod registry;
mod remote;
pub(crate) mod turned_away;
pub(crate) mod turns;

pub use actor::{Sequencer, SequencerContext};
pub use dedupe::{Dedupe, Known};
pub use handle::SequencerHandle;
pub use messages::{Answer, Append, FromSequencer, News, Open, Opened, Stop};
pub use registry::{Sequencers, shard_of};
pub use remote::{FromOwner, RemoteSequencer};
