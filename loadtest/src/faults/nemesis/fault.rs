//! The faults there are.

use std::fmt;
use std::time::Duration;

use crate::faults::{Direction, Mode};

/// From a node to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    Store,
    Bridge,
}

/// What goes wrong on a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    Latency,
    Reset,
    /// Connections stay open and nothing goes through.
    HalfOpen,
    /// Only answers wait: the requests are done meanwhile.
    OneWay,
    /// Requests are done, their answers thrown away, the connection reset.
    AnswersLost,
    /// Some answers or messages are thrown away.
    FramesDropped,
}

impl Trouble {
    pub const ALL: [Self; 6] = [
        Self::Latency,
        Self::Reset,
        Self::HalfOpen,
        Self::OneWay,
        Self::AnswersLost,
        Self::FramesDropped,
    ];
}

/// Kinds of faults, as they are asked for and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    NodePause,
    NodeKill,
    DatabasePause,
    DatabaseKill,
    RedisPause,
    RedisRestart,
    RedisFlush,
    RedisClientKill,
    On(Way, Trouble),
    /// A node cut from both store and bridge; one in a namespace, from its clients too.
    Partition,
}

impl Class {
    /// For reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NodePause => "node_pause",
            Self::NodeKill => "node_kill",
            Self::DatabasePause => "database_pause",
            Self::DatabaseKill => "database_kill",
            Self::RedisPause => "redis_pause",
            Self::RedisRestart => "redis_restart",
            Self::RedisFlush => "redis_flush",
            Self::RedisClientKill => "redis_client_kill",
            Self::On(Way::Store, trouble) => match trouble {
                Trouble::Latency => "store_latency",
                Trouble::Reset => "store_reset",
                Trouble::HalfOpen => "store_half_open",
                Trouble::OneWay => "store_one_way",
                Trouble::AnswersLost => "store_answers_lost",
                Trouble::FramesDropped => "store_frames_dropped",
            },
            Self::On(Way::Bridge, trouble) => match trouble {
                Trouble::Latency => "bridge_latency",
                Trouble::Reset => "bridge_reset",
                Trouble::HalfOpen => "bridge_half_open",
                Trouble::OneWay => "bridge_one_way",
                Trouble::AnswersLost => "bridge_answers_lost",
                Trouble::FramesDropped => "bridge_frames_dropped",
            },
            Self::Partition => "partition",
        }
    }
}

/// One fault, and how long it lasts, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    NodePause {
        node: usize,
        for_ms: u64,
    },
    NodeKill {
        node: usize,
        down_ms: u64,
    },
    DatabasePause {
        replica: usize,
        for_ms: u64,
    },
    DatabaseKill {
        replica: usize,
        down_ms: u64,
    },
    RedisPause {
        for_ms: u64,
    },
    RedisRestart {
        down_ms: u64,
    },
    RedisFlush,
    RedisClientKill,
    /// `severity` is milliseconds of latency, per mille of frames, or nothing.
    On {
        node: usize,
        way: Way,
        trouble: Trouble,
        severity: u16,
        for_ms: u64,
    },
    Partition {
        node: usize,
        for_ms: u64,
    },
}

impl Fault {
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::NodePause { .. } => Class::NodePause,
            Self::NodeKill { .. } => Class::NodeKill,
            Self::DatabasePause { .. } => Class::DatabasePause,
            Self::DatabaseKill { .. } => Class::DatabaseKill,
            Self::RedisPause { .. } => Class::RedisPause,
            Self::RedisRestart { .. } => Class::RedisRestart,
            Self::RedisFlush => Class::RedisFlush,
            Self::RedisClientKill => Class::RedisClientKill,
            Self::On { way, trouble, .. } => Class::On(*way, *trouble),
            Self::Partition { .. } => Class::Partition,
        }
    }

    #[must_use]
    pub const fn lasts_ms(&self) -> u64 {
        match self {
            Self::NodePause { for_ms, .. }
            | Self::DatabasePause { for_ms, .. }
            | Self::RedisPause { for_ms }
            | Self::On { for_ms, .. }
            | Self::Partition { for_ms, .. } => *for_ms,
            Self::NodeKill { down_ms, .. }
            | Self::DatabaseKill { down_ms, .. }
            | Self::RedisRestart { down_ms } => *down_ms,
            Self::RedisFlush | Self::RedisClientKill => 0,
        }
    }
}

/// A proxy's mode for a trouble; `None` is a reset of what is connected.
pub(super) fn mode_of(trouble: Trouble, severity: u16) -> Option<Mode> {
    let milliseconds = Duration::from_millis(u64::from(severity));
    Some(match trouble {
        Trouble::Latency => Mode::Latency { delay: milliseconds, jitter: milliseconds / 2 },
        Trouble::Reset => return None,
        Trouble::HalfOpen => Mode::Blackhole,
        Trouble::OneWay => Mode::Cut(Direction::Answers),
        Trouble::AnswersLost => Mode::SwallowAnswers { reset_after: milliseconds },
        Trouble::FramesDropped => Mode::DropFrames { per_mille: severity },
    })
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.class().name())?;
        match self {
            Self::NodePause { node, .. }
            | Self::NodeKill { node, .. }
            | Self::Partition { node, .. } => write!(formatter, " of node {node}")?,
            Self::On { node, severity: 0, .. } => write!(formatter, " of node {node}")?,
            Self::On { node, severity, .. } => {
                write!(formatter, " ({severity}) of node {node}")?;
            }
            Self::DatabasePause { replica, .. } | Self::DatabaseKill { replica, .. } => {
                write!(formatter, " of replica {replica}")?;
            }
            _ => {}
        }
        match self.lasts_ms() {
            0 => Ok(()),
            lasts_ms => write!(formatter, " for {lasts_ms} ms"),
        }
    }
}
