//! Knowing who is alive: death notices (Erlang's monitor), registries of running actors, and how
//! often one may be started again; how long messages wait for them.

mod death_notice;
mod mailboxes;
mod meter;
mod probe;
mod registry;
mod restart_budget;
pub mod trace;
mod workers;

pub use death_notice::{Child, DeathNotice, Down, DownReason, Incarnation, Watcher};
pub use mailboxes::{Found, Mailboxes, MailboxesOfKind};
pub use probe::{Mark, Probe, handled};
pub use registry::{Quarantined, Registry};
pub use restart_budget::RestartBudget;
pub use workers::Workers;
