//! What can go wrong, how often in a run, and how often it did.

use super::random::Random;

macro_rules! fault_classes {
    ($($(#[$doc:meta])+ $name:ident: $rates:expr;)+) => {
        /// A kind of fault. A run of many seeds in which one never struck proves nothing about it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum FaultClass { $($(#[$doc])+ $name,)+ }

        impl FaultClass {
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The rates that a schedule chooses from: per thousand of what the fault can strike,
            /// or a weight among the blows that strike a whole node.
            const fn rates(self) -> &'static [u32] {
                match self { $(Self::$name => &$rates,)+ }
            }
        }
    };
}

fault_classes! {
    /// A statement never arrived; its sender does not know.
    StatementLost: [10, 40, 120];
    /// A statement was applied; its sender does not know.
    AnswerLost: [10, 40, 120];
    /// A statement was applied long after its sender was told that it failed.
    AppliedLate: [10, 40, 120];
    /// A statement was applied in time, and a copy of it again later.
    StatementTwice: [20, 80, 200];
    /// A statement took long.
    StatementSlow: [20, 100];
    /// A read failed.
    ReadFailed: [10, 40, 100];
    /// Commits were written to the readers' tables in part only.
    MaterialiseFailed: [30, 100, 300];
    /// A copy of old commits reached the readers' tables late.
    MaterialiseLate: [30, 200];
    /// Commits were slow to reach the readers' tables.
    MaterialiseSlow: [50, 200, 500];
    /// The store answered nothing for a while.
    StoreDown: [1];
    /// A commit waited because the ring was full. Not made to happen: it follows from others.
    RingFull: [0];
    /// A draft was turned away because too much was under way.
    NoRoom: [10, 100, 300];
    /// A node lost all its memory at once.
    NodeCrash: [1, 3];
    /// A node stood still and went on as if nothing had happened.
    NodePause: [1, 3];
    /// A node stood still for longer than a commit may be in doubt.
    NodePauseLong: [1];
    /// A committer panicked: its shard is claimed again.
    CommitterPanic: [1, 3];
    /// A sequencer panicked while its entries were under way.
    SequencerPanic: [2, 5];
    /// A stand-in for a sequencer elsewhere panicked.
    StandInPanic: [2, 5];
    /// A conversation panicked.
    ConversationPanic: [1, 3];
    /// A session panicked: its sockets close.
    SessionPanic: [1];
    /// A conversation and its sequencer were unloaded and loaded again.
    IdleUnload: [1, 3];
    /// A conversation that follows another node was unloaded while its members listened.
    FollowerUnload: [2, 5];
    /// A shard was given to another node in an orderly way.
    HandOver: [1, 3];
    /// A node believed that it should own a shard, and another did own it.
    WrongHint: [1, 3];
    /// A node did not learn for a while who owns what.
    StaleView: [1, 3];
    /// Clocks of nodes and clients were wrong by up to an hour.
    ClockWrong: [200];
    /// A frame between nodes vanished.
    BridgeDrop: [10, 50, 200];
    /// A frame between nodes arrived twice.
    BridgeTwice: [20, 100];
    /// A frame between nodes came late, after others.
    BridgeDelay: [50, 200];
    /// A frame between nodes, or a copy of it, came up to minutes late.
    BridgeLate: [2, 10];
    /// No frame between nodes arrived for a while, and they noticed.
    BridgeDown: [1];
    /// No frame between nodes arrived for a while, and nobody noticed.
    BridgeSilent: [1];
    /// One node was cut off from the others for a while, and noticed.
    NodeCutOff: [1, 3];
    /// One node was cut off from the others for a while, and did not notice.
    NodeCutOffSilent: [1, 3];
    /// A frame went out while it could not arrive. It follows from others.
    FrameCutOff: [0];
    /// Drafts handed to another node were not answered in time. It follows from others.
    BatchRepeated: [0];
    /// A client's send was repeated under its id because no answer came.
    ClientRetry: [1000];
    /// A client sent the same message twice in a row without need.
    SendTwice: [30, 100];
    /// A client used an id again for another content.
    IdReused: [20, 60];
    /// A client left and came back, perhaps elsewhere.
    Reconnect: [20, 80];
    /// A device came back on another node. It follows from others.
    DeviceMoved: [0];
    /// A device had more than the store showed when it came. It follows from others.
    AheadOfStore: [0];
    /// A device came to a session that served its user already. It follows from others.
    Reattach: [0];
    /// A client came back with an older position than it had.
    OldPosition: [100];
    /// A client took its frames slowly.
    SlowReader: [300];
    /// A client fell so far behind that it was disconnected.
    OutboxFull: [0];
}

/// How often each class strikes in one run.
#[derive(Clone, Debug)]
pub struct Faults {
    rates: [u32; FaultClass::ALL.len()],
}

impl Faults {
    /// A random subset of all faults, each at a random rate (swarm testing, Groce and others 2012):
    /// a run with few kinds reaches states that a run with all of them never does.
    pub fn swarm(random: &mut Random) -> Self {
        let share = *random.pick(&[0, 150, 350, 350, 600, 900]);
        let mut rates = [0; FaultClass::ALL.len()];
        for (class, rate) in FaultClass::ALL.iter().zip(&mut rates) {
            let chosen = *random.pick(class.rates());
            if random.chance(share) {
                *rate = chosen;
            }
        }
        Self { rates }
    }

    /// Makes a class strike, at its highest rate.
    pub fn insist_on(&mut self, class: FaultClass) {
        self.rates[class as usize] = class.rates().iter().copied().max().unwrap_or(0);
    }

    #[must_use]
    pub const fn none() -> Self {
        Self { rates: [0; FaultClass::ALL.len()] }
    }

    #[must_use]
    pub const fn rate(&self, class: FaultClass) -> u32 {
        self.rates[class as usize]
    }

    #[must_use]
    pub const fn has(&self, class: FaultClass) -> bool {
        self.rate(class) > 0
    }
}

/// How often each class struck.
#[derive(Clone, Debug)]
pub struct Strikes {
    counts: [u64; FaultClass::ALL.len()],
}

impl Default for Strikes {
    fn default() -> Self {
        Self { counts: [0; FaultClass::ALL.len()] }
    }
}

impl Strikes {
    pub const fn strike(&mut self, class: FaultClass) {
        self.counts[class as usize] += 1;
    }

    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (FaultClass, u64)> {
        FaultClass::ALL.iter().copied().zip(self.counts)
    }
}
