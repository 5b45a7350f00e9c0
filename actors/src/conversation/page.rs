//! Numbers that are given, and pages that are asked for.

use schema::Sequence;

/// A stored entry's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submitted {
    pub seq: Sequence,
    /// Milliseconds since 1970 UTC.
    pub sent_at: i64,
    /// The id was stored before.
    pub duplicate: bool,
}

/// Which page of a log is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// Directly below this number.
    Before(Sequence),
    /// Directly above this number.
    After(Sequence),
    /// Round the first entry that was sent at this time or later, milliseconds since 1970 UTC.
    At(i64),
    /// The newest entries.
    Newest,
}

/// Largest page of a log, entries.
pub const HISTORY_PAGE_MAX: u64 = 200;
