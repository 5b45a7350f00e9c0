//! The whole cluster in one thread: real cores, a virtual clock, chance from a seed.
//!
//! What is real: the committer's and the sequencer's cores, the payload and batch rules, the memory
//! of ids, the judgement of gaps, the recent cache and the sockets' cursors. What is modelled: the
//! database with statements that get lost, late and doubled (`store_model`, `ring_model`,
//! `table_model`), the bridge (`bus_model`), nodes that crash, stand still and are misled
//! (`node`, `nemesis`), sockets and clients (`socket`, `client`). `committer`, `sequencer`,
//! `conversation` and `session` do here what the actors of these names do: they carry out what the
//! cores decide.
//!
//! A seed makes a [`Schedule`]; a schedule and a [`Mutant`] make a [`World`]; a world runs until
//! everyone has everything and is judged by [`schema::checker`]. The same seed gives the same run
//! to the last event.

mod actor;
mod bus_model;
mod client;
mod committer;
mod conversation;
mod conversation_log;
mod conversation_route;
mod event;
mod faults;
mod message;
mod mutants;
mod nemesis;
mod node;
mod queue;
mod random;
mod range_reads;
mod reader;
mod regressions;
mod report;
mod ring_model;
mod schedule;
mod sequencer;
mod sequencer_turns;
mod session;
mod session_catch_up;
mod socket;
mod store_model;
mod supervisor;
mod table_model;
mod tests;
mod trace;
mod world;

pub use faults::{FaultClass, Strikes};
pub use mutants::Mutant;
pub use report::{Finding, Report, Tally};
pub use schedule::Schedule;
pub use world::World;

/// Runs one seed.
#[must_use]
pub fn run(seed: u64, mutant: Mutant, with_text: bool) -> Report {
    World::new(Schedule::chatter(seed), mutant, with_text).run()
}
