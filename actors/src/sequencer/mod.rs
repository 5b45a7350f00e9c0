//! One sequencer per conversation, on its shard's owner: the only maker of numbers.
//!
//! `core` decides (allocate, repeat, refuse), `dedupe` remembers; `actor` carries out.

mod actor;
pub mod core;
mod dedupe;
mod messages;
mod registry;
pub(crate) mod turns;

pub use actor::{Sequencer, SequencerContext};
pub use dedupe::{Dedupe, Known};
pub use messages::{Answer, Append, FromSequencer, News, Open, Opened, Stop};
pub use registry::{Sequencers, shard_of};
