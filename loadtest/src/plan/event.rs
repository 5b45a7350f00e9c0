//! What happens while people talk.

use serde::{Deserialize, Serialize};

use crate::faults::{Fault, Trouble, Way};

/// Something that happens at a time, or again and again.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Since the measured part began.
    pub at_s: f64,
    pub action: Action,
    /// How long it lasts.
    #[serde(default)]
    pub for_s: f64,
    /// Again after this long, `times` times in all.
    #[serde(default)]
    pub every_s: Option<f64>,
    #[serde(default = "once")]
    pub times: u32,
    /// Whose sockets: of `reconnect` and `stop_reading`.
    #[serde(default)]
    pub who: Who,
    /// Of these, how many: 0 to 1.
    #[serde(default = "everyone")]
    pub share: f64,
    /// Spreads `reconnect` over so long.
    #[serde(default)]
    pub over_s: f64,
    /// Which node or replica; in turn when left out.
    #[serde(default)]
    pub node: Option<usize>,
    /// Milliseconds of latency, or frames of 1,000 to drop.
    #[serde(default)]
    pub severity: u16,
    /// Of `hook`: which of the plan's hooks.
    #[serde(default)]
    pub hook: Option<String>,
}

const fn once() -> u32 {
    1
}

const fn everyone() -> f64 {
    1.0
}

/// Whose sockets are meant.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// Who does not send.
    #[default]
    Readers,
    Senders,
    /// Connections that say nothing.
    Silent,
    Everyone,
}

/// What happens.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Sockets are reset, stay away for `for_s` and come back.
    Reconnect,
    /// Sockets stay open and nothing is read.
    StopReading,
    /// kill -9; started again after `for_s`.
    KillNode,
    /// kill -9 of the node that numbers the messages just now.
    KillSequencer,
    /// SIGSTOP.
    PauseNode,
    /// SIGTERM, and started again when it has ended.
    RestartNode,
    /// [`Action::RestartNode`] of one node after the other, each when the one before is ready.
    RollingRestart,
    /// All keys of Redis are gone.
    FlushRedis,
    /// Redis cuts off all its clients.
    CutRedisClients,
    KillRedis,
    PauseRedis,
    KillDatabase,
    PauseDatabase,
    /// Requests reach the database and its answers are lost: nobody knows what was done.
    DatabaseTimeout,
    /// The database answers `severity` milliseconds later.
    DatabaseLatency,
    /// Of 1,000 frames from Redis, `severity` are lost.
    DropRedisFrames,
    /// The node is cut from database and Redis.
    Partition,
    /// A command of one's own.
    Hook,
}

impl Action {
    /// As it is written, and as hooks are called.
    #[must_use]
    pub fn name(self) -> String {
        let name = serde_json::to_value(self).unwrap_or_default();
        name.as_str().unwrap_or_default().to_owned()
    }

    /// Whether it strikes servers, not clients: with `--target` it needs a hook.
    #[must_use]
    pub const fn strikes_servers(self) -> bool {
        !matches!(self, Self::Reconnect | Self::StopReading)
    }

    /// Whether there must be Cassandra and Redis to strike.
    #[must_use]
    pub const fn needs_cluster(self) -> bool {
        !matches!(
            self,
            Self::Reconnect
                | Self::StopReading
                | Self::KillNode
                | Self::KillSequencer
                | Self::PauseNode
                | Self::RestartNode
                | Self::RollingRestart
                | Self::Hook
        )
    }
}

impl Event {
    /// When it happens, seconds since the measured part began.
    pub fn times_s(&self) -> impl Iterator<Item = f64> + '_ {
        let every_s = self.every_s.unwrap_or_default();
        (0..self.times).map(move |number| f64::from(number).mul_add(every_s, self.at_s))
    }

    /// The nemesis' word for it, on node or replica `victim`; `None` for what is not its business.
    #[must_use]
    pub fn fault(&self, victim: usize) -> Option<Fault> {
        let for_ms = (self.for_s * 1_000.0) as u64;
        let (node, replica, severity) = (victim, victim, self.severity);
        let on = |way, trouble, severity| Fault::On { node, way, trouble, severity, for_ms };
        Some(match self.action {
            Action::KillNode | Action::KillSequencer => Fault::NodeKill { node, down_ms: for_ms },
            Action::PauseNode => Fault::NodePause { node, for_ms },
            Action::FlushRedis => Fault::RedisFlush,
            Action::CutRedisClients => Fault::RedisClientKill,
            Action::KillRedis => Fault::RedisRestart { down_ms: for_ms },
            Action::PauseRedis => Fault::RedisPause { for_ms },
            Action::KillDatabase => Fault::DatabaseKill { replica, down_ms: for_ms },
            Action::PauseDatabase => Fault::DatabasePause { replica, for_ms },
            Action::DatabaseTimeout => on(Way::Store, Trouble::AnswersLost, severity.max(50)),
            Action::DatabaseLatency => on(Way::Store, Trouble::Latency, severity.max(1)),
            Action::DropRedisFrames => on(Way::Bridge, Trouble::FramesDropped, severity.max(1)),
            Action::Partition => Fault::Partition { node, for_ms },
            Action::Reconnect
            | Action::StopReading
            | Action::RestartNode
            | Action::RollingRestart
            | Action::Hook => return None,
        })
    }
}
