//! What is reported of a run.

use std::collections::BTreeMap;

use serde::Serialize;

use super::crowd::Crowd;
use super::sender::Answers;
use super::{Options, Schedule};
use crate::cluster::{Cluster, Told};
use crate::faults::{Struck, Tally};

/// What was broken, and what the clients noticed of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    pub nodes: usize,
    pub database_nodes: u8,
    pub conversations: usize,
    pub devices: usize,
    /// Faults asked for, by class.
    pub wanted: BTreeMap<&'static str, u64>,
    pub tally: Tally,
    /// What the proxies of all nodes did.
    pub store_proxies: Struck,
    pub bridge_proxies: Struck,
    pub accepted: u64,
    /// From handing a message over to being told its number, through all retries.
    pub accepted_p50_us: u64,
    pub accepted_p99_us: u64,
    pub accepted_max_us: u64,
    /// The longest time in which nobody was told anything.
    pub longest_silence_ms: u64,
    /// Until all nodes were ready after the last fault.
    pub heal_ms: u64,
    /// Until every reader had everything.
    pub catch_up_ms: u64,
    pub elapsed_ms: u64,
    /// What the servers' output tells of.
    pub told: Told,
    /// What `switchboard audit` says of the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<serde_json::Value>,
}

impl Figures {
    pub(super) fn new(options: &Options, crowd: &Crowd, schedule: &Schedule) -> Self {
        let mut wanted = BTreeMap::new();
        for step in &schedule.steps {
            *wanted.entry(step.fault.class().name()).or_default() += 1;
        }
        Self {
            nodes: options.nodes,
            database_nodes: options.database.nodes,
            conversations: crowd.conversations(),
            devices: crowd.members().count(),
            wanted,
            ..Self::default()
        }
    }

    pub(super) fn note_load(&mut self, answers: Answers) {
        let latency = answers.latency_us;
        self.accepted = latency.len();
        self.accepted_p50_us = latency.value_at_quantile(0.5);
        self.accepted_p99_us = latency.value_at_quantile(0.99);
        self.accepted_max_us = latency.max();
        self.longest_silence_ms = answers.longest_silence.as_millis() as u64;
    }

    pub(super) fn note_tally(&mut self, tally: Tally) {
        self.tally = tally;
    }

    pub(super) fn note_nodes(&mut self, cluster: &Cluster) {
        for node in cluster.nodes() {
            self.store_proxies += node.store().struck();
            self.bridge_proxies += node.bridge().struck();
            self.told += node.told();
        }
    }

    /// What is wrong with the run that no client noticed.
    pub(super) fn problems(&self, schedule: &Schedule) -> Vec<String> {
        let mut problems = self.tally.problems.clone();
        for class in schedule.classes() {
            let name = class.name();
            if self.tally.struck.get(name).copied().unwrap_or_default() == 0 {
                problems.push(format!("{name} was asked for and struck nobody"));
            }
        }
        let Told { panics, broken, .. } = self.told;
        if panics + broken > 0 {
            problems
                .push(format!("the servers tell of {panics} panics and {broken} broken shards"));
        }
        problems
    }
}
