//! What a search came across. Counted outside of the state, so that it does not multiply states.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! sights {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// Something that a search must have seen, or it proves little.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Sight { $($(#[$doc])+ $name,)+ }

        impl Sight {
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
        }
    };
}

sights! {
    /// An activation took a shard over that had commits.
    TakeOver,
    /// An activation claimed a shard that its owner had given up.
    TakeOverOfReleased,
    /// A new owner found commits that were not materialised.
    Replay,
    /// A commit was sent again.
    Resend,
    /// A commit of unknown outcome was stored all the same, and acknowledged after reading it.
    AcknowledgedAfterResolve,
    /// The same by an owner that was fenced already.
    AcknowledgedThoughFenced,
    /// The same, though the slot had been used again: the guard that was still mine told it.
    AcknowledgedThoughOverwritten,
    /// A statement took effect after its sender had been told that it failed.
    LateStatement,
    /// The same, in the name of an owner that was over.
    LateStatementOfTheDead,
    /// An older owner's rows arrived after a newer owner had committed.
    LateRows,
    /// An owner found another one in its place.
    Fenced,
    /// An idle owner noticed by looking.
    FencedByLook,
    /// A commit was in doubt for too long.
    GaveUp,
    /// Entries waited because every slot was taken.
    RingFull,
    /// A slot was used again.
    SlotReused,
    /// One commit held several entries.
    Batch,
    /// A client that sent again was told the first number.
    Duplicate,
    /// A client sent again what had never been stored.
    RetryStored,
}

/// How often each was seen; repeats of a state count again.
#[derive(Default)]
pub struct Coverage([AtomicU64; Sight::ALL.len()]);

impl Coverage {
    pub fn saw(&self, sight: Sight) {
        self.0[sight as usize].fetch_add(1, Ordering::Relaxed);
    }

    #[must_use]
    pub fn count(&self, sight: Sight) -> u64 {
        self.0[sight as usize].load(Ordering::Relaxed)
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        Sight::ALL
            .iter()
            .try_for_each(|sight| writeln!(formatter, "  {sight:?}: {}", self.count(*sight)))
    }
}
