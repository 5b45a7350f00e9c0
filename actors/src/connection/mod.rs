//! One socket: what is legal now, what goes out, and when it must end.
//!
//! Pure: `phase` (is this frame legal now), `assembler` (fragments to messages). `link` is what
//! the actor shares with its transport and the watchdog, all on one thread; `flush` writes what sessions
//! of that thread put there. `actor` is the one
//! file that names `actix_web_actors`.

mod actor;
mod assembler;
mod flush;
mod latency;
mod link;
pub mod phase;
mod received;

pub use actor::{ConnectionContext, open};
pub use assembler::Piece;
pub use flush::{Outlet, Written, flush_all};
pub use link::{Link, OUTBOX_BYTES_MAX};
pub use received::Received;
