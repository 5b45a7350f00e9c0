//! One socket: what is legal now, what goes out, and when it must end.
//!
//! Pure: `phase` (is this frame legal now), `assembler` (fragments to messages). `link` is what
//! the actor shares with its transport and the watchdog, all on one thread. `actor` is the one
//! file that names `actix_web_actors`.

mod actor;
mod assembler;
mod latency;
mod link;
pub mod phase;
mod received;

pub use actor::{ConnectionContext, open};
pub use assembler::Piece;
pub use link::{Link, OUTBOX_BYTES_MAX};
pub use received::Received;
