//! Rules broken on purpose: the checker must find a counterexample to each.

/// Which rule is broken: in the database, in the tables, or round a committer's core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mutant {
    #[default]
    None,
    /// Database: a commit does not ask for the head that it expects.
    DropHead,
    /// Database: a commit does not ask who owns the shard.
    DropOwner,
    /// Database: it was created with fewer slots than its owners think.
    SmallerRing,
    /// A commit in doubt is sent again with what came meanwhile.
    RetryWithOtherBytes,
    /// A commit of unknown outcome counts as stored.
    AckBeforeResolve,
    /// `done` moves when materialising begins.
    DoneBeforeMaterialised,
    /// Rows are ordered by their writers' clocks, which differ.
    WallClockTimestamps,
    /// Drafts are numbered while the ring is still being replayed.
    ServeBeforeReplayed,
    /// An id that memory does not know counts as new.
    NoSentIndex,
}
