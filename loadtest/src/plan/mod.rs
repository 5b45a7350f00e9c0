//! Scenarios as data: who talks, how much, what breaks, and what is still good enough.
//!
//! A [`Plan`] is one TOML file. `docs/load-testing.md` tells of every setting; the bundled ones in
//! `loadtest/scenarios/` are examples. Reading is strict: an unknown name, a value that cannot be,
//! or settings that contradict each other are told before anything is started.

mod builtin;
mod check;
mod event;
mod reading;
mod thresholds;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schema::record::ConversationKind;
use serde::{Deserialize, Serialize};

pub use builtin::{BUILTIN, find};
pub use event::{Action, Event, Who};
pub use reading::{PlanError, read, read_file_or_builtin};
pub use thresholds::Thresholds;

/// One scenario.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub name: String,
    /// What it shows, in a sentence.
    pub summary: String,
    /// What it does not show.
    #[serde(default)]
    pub does_not_cover: Option<String>,
    /// Of all random choices; without it each run has its own.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Of a channel: those beyond get processes of their own, so many in each.
    #[serde(default = "readers_per_process")]
    pub readers_per_process: usize,
    #[serde(default)]
    pub server: ServerPlan,
    #[serde(default)]
    pub silent: Silent,
    #[serde(default)]
    pub conversations: Vec<Conversations>,
    #[serde(default)]
    pub traffic: Traffic,
    #[serde(default)]
    pub timing: Timing,
    #[serde(default)]
    pub stages: Vec<Stage>,
    #[serde(default)]
    pub events: Vec<Event>,
    #[serde(default)]
    pub thresholds: Thresholds,
    #[serde(default)]
    pub hooks: BTreeMap<String, String>,
    /// Instead of made-up traffic: logs of real chat.
    #[serde(default)]
    pub replay: Option<Replay>,
}

const fn readers_per_process() -> usize {
    15_000
}

/// The server that is started where none is given.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct ServerPlan {
    /// 1: one process with the embedded store. More: as many over a Cassandra and a Redis of their
    /// own.
    pub nodes: usize,
    /// Starts Cassandra and Redis also for one node.
    pub services: bool,
    /// Processes of Cassandra: 1 or 3.
    pub database_nodes: u8,
    /// Parts of the commit ring, and its length: short ones are full sooner.
    pub shards: u32,
    pub ring_slots: u32,
    /// Added to the servers' environment.
    pub environment: BTreeMap<String, String>,
}

impl Default for ServerPlan {
    fn default() -> Self {
        let (shards, ring_slots) = (8, 1_024);
        let environment = BTreeMap::new();
        Self { nodes: 1, services: false, database_nodes: 1, shards, ring_slots, environment }
    }
}

impl ServerPlan {
    /// Whether Cassandra and Redis are needed.
    #[must_use]
    pub const fn is_cluster(&self) -> bool {
        self.nodes > 1 || self.services
    }
}

/// Connections that say nothing after one greeting.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Silent {
    pub connections: usize,
    /// Of the others, so many each subscribes to the presence of.
    pub watches: usize,
    /// Between opening the last one and weighing.
    pub settle_s: f64,
}

impl Default for Silent {
    fn default() -> Self {
        Self { connections: 0, watches: 0, settle_s: 3.0 }
    }
}

/// A number of conversations of the same shape.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Conversations {
    pub kind: ConversationKind,
    #[serde(default = "one")]
    pub count: usize,
    /// People in each, one device each, connected. In a channel all but the senders read along.
    #[serde(default = "two")]
    pub members: usize,
    /// Of these, how many send. 1 when left out.
    #[serde(default = "one")]
    pub senders: usize,
    /// Further members who connect only when all is over, and must then get everything.
    #[serde(default)]
    pub late_readers: usize,
    /// Whether `--scale` changes how many there are.
    #[serde(default = "yes")]
    pub scales: bool,
}

const fn yes() -> bool {
    true
}

const fn one() -> usize {
    1
}

const fn two() -> usize {
    2
}

/// Whether a message waits for the one before.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Loop {
    /// Messages are due at fixed times, whatever became of the ones before; latency counts from
    /// when they were due.
    Open,
    /// A sender has so many messages on their way; latency counts from the send.
    Closed,
}

/// How due times follow one another.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    Even,
    Poisson,
}

/// What is sent, and how often.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Traffic {
    #[serde(rename = "loop")]
    pub kind: Loop,
    /// Open loop: messages a second of all senders together, where a stage says nothing else.
    pub rate: f64,
    pub arrivals: Arrivals,
    /// Closed loop: messages that a sender has on their way at once.
    pub in_flight: usize,
    /// Closed loop: a sender's pause after each message, from and to.
    pub pause_ms: (u64, u64),
    /// Of each text, 16 at least.
    pub text_bytes: usize,
    /// Readers acknowledge their position after so many messages, or once a second.
    pub ack_every: u64,
    /// What the system keeps for a device that does not read; 0 leaves it to the system, which
    /// takes megabytes before a server notices anything.
    pub receive_buffer_bytes: u32,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            kind: Loop::Open,
            rate: 100.0,
            arrivals: Arrivals::Even,
            in_flight: 1,
            pause_ms: (0, 0),
            text_bytes: 100,
            ack_every: 1_000,
            receive_buffer_bytes: 0,
        }
    }
}

/// How long.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Timing {
    /// Before anything is measured, at the first stage's rate.
    pub warm_up_s: f64,
    /// Of the measured part, where there are no stages.
    pub duration_s: f64,
    /// Between two points of the curves.
    pub sample_ms: u64,
    /// How long all readers have at the end to get everything. One that has not fails.
    pub catch_up_s: f64,
}

impl Default for Timing {
    fn default() -> Self {
        Self { warm_up_s: 3.0, duration_s: 20.0, sample_ms: 1_000, catch_up_s: 60.0 }
    }
}

/// A part of the measured time with figures of its own.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    pub name: String,
    pub seconds: f64,
    /// Messages a second, in an open loop.
    #[serde(default)]
    pub rate: Option<f64>,
}

/// Logs of real chat, one JSON object a line; made-up chat when none is named.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Replay {
    pub files: Vec<PathBuf>,
    /// Lines of each made-up log.
    pub made_up_lines: usize,
    /// Of 1,000 lines, so many have a socket reset round the send.
    pub cut_sockets_per_mille: u32,
    /// kill -9 of an own server while the line after this many is on its way.
    pub kill_server_after: Option<usize>,
}

impl Plan {
    /// The measured parts in order; one, where the plan names none.
    #[must_use]
    pub fn stages(&self) -> Vec<Stage> {
        if !self.stages.is_empty() {
            return self.stages.clone();
        }
        let seconds = self.timing.duration_s;
        vec![Stage { name: "steady".to_owned(), seconds, rate: None }]
    }

    /// Of all stages together.
    #[must_use]
    pub fn measured_s(&self) -> f64 {
        self.stages().iter().map(|stage| stage.seconds).sum()
    }

    /// Devices that will be connected at once, silent ones too.
    #[must_use]
    pub fn connections(&self) -> usize {
        let talking = self.conversations.iter().map(|each| each.count * each.members);
        self.silent.connections + talking.sum::<usize>()
    }

    /// Of these, the ones that this process holds itself.
    #[must_use]
    pub fn connections_here(&self) -> usize {
        let beyond = self.conversations.iter().map(|each| {
            let readers = each.members.saturating_sub(1 + self.readers_per_process);
            if each.kind == ConversationKind::Channel { each.count * readers } else { 0 }
        });
        self.connections() - beyond.sum::<usize>()
    }

    /// Multiplies people: silent connections, members beyond the senders, and conversations where
    /// there are several. Rates stay.
    pub fn scale(&mut self, factor: f64) {
        let scaled = |count: usize| (count as f64 * factor).round().max(1.0) as usize;
        if self.silent.connections > 0 {
            self.silent.connections = scaled(self.silent.connections);
        }
        for each in self.conversations.iter_mut().filter(|each| each.scales) {
            if each.count > 1 {
                each.count = scaled(each.count);
            } else if each.kind != ConversationKind::Direct {
                each.members =
                    each.senders + scaled(each.members.saturating_sub(each.senders).max(1));
            }
        }
    }
}

#[cfg(test)]
mod tests;
