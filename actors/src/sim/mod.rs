//! The whole cluster in one thread: real cores, a virtual clock, chance from a seed.
//!
//! What is real: the committer's and the sequencer's cores, the payload and batch rules, the memory
//! of ids, the order of turns, what is forwarded to a shard's owner and the batches that come there,
//! who follows what and what may have been missed, frames between nodes to their bytes, which shards
//! are owned, drafts that wait, the judgement of gaps, the recent cache and the sockets' cursors.
//! What is modelled: the database with statements that get lost, late and doubled (`store_model`,
//! `ring_model`, `table_model`), the bridge (`bus_model`), who is to own which shard and what each
//! node believes of it (`coordination`), nodes that crash, stand still and are misled (`node`,
//! `nemesis`), sockets and clients (`socket`, `client`). `committer`, `sequencer`, `stand_in`,
//! `conversation`, `session`, `inbox`, `peers`, `keeper` and `supervisor` do here what the actors and
//! shells of these parts do: they carry out what the real parts decide. Members do not change here.
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
mod conversation_open;
mod coordination;
mod event;
mod faults;
mod inbox;
mod inbox_jobs;
mod keeper;
mod message;
mod mutants;
mod nemesis;
mod node;
mod peers;
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
mod session_attach;
mod session_catch_up;
mod shared;
mod socket;
mod stand_in;
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
