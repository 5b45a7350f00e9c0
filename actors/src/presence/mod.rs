//! Who is there: online, away or offline, told to those who asked, here and on other nodes.
//!
//! Nothing of it is stored, and nothing depends on it: it is told within a budget, merged while it
//! waits, and heals by itself, as nodes say again what they watch and forget what is not said again.
//!
//! Pure: `table`. `hub` carries out.

mod hub;
mod table;

pub use hub::Presence;
pub use table::WATCHED_MAX;
