//! The answer: what was looked at, and what was wrong with it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::violation::Violation;

/// How many violations a verdict keeps. All are counted in [`Counts::violations`].
pub const VIOLATIONS_KEPT_MAX: usize = 1_000;

/// How much was compared. A pass over nothing is no proof: callers look here too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub conversations: u64,
    /// Rows of the logs, messages and changes.
    pub log_rows: u64,
    /// Of these, messages.
    pub messages: u64,
    pub clients: u64,
    /// Sockets opened.
    pub sockets: u64,
    /// (client, conversation) pairs that were delivered something or caught up.
    pub readers: u64,
    /// Different messages sent.
    pub sent: u64,
    /// Transmissions beyond the first of a message.
    pub retries: u64,
    /// Different messages acknowledged.
    pub acked: u64,
    /// Acknowledgements that said `duplicate`.
    pub duplicate_acks: u64,
    /// Never acknowledged, yet in the log: allowed, and worth knowing.
    pub stored_unacked: u64,
    pub deliveries: u64,
    /// Own messages that were both acknowledged and delivered on one socket.
    pub echoes: u64,
    pub history_pages: u64,
    pub history_rows: u64,
    pub violations: u64,
}

/// What [`History::check`](super::History::check) found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The first [`VIOLATIONS_KEPT_MAX`]: those seen while recording, then those of the logs.
    pub violations: Vec<Violation>,
    /// All violations by [`Violation::name`], the kept ones and the others.
    pub kinds: BTreeMap<String, u64>,
    pub counts: Counts,
}

impl Verdict {
    #[must_use]
    pub const fn passed(&self) -> bool {
        self.counts.violations == 0
    }

    /// Whether there is a violation of this kind, as [`Violation::name`].
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.kinds.contains_key(name)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { conversations, messages, log_rows, acked, sent, retries, .. } = self.counts;
        let Counts { clients, sockets, readers, deliveries, history_rows, violations, .. } =
            self.counts;
        writeln!(
            formatter,
            "{}: {violations} violations",
            if self.passed() { "PASS" } else { "FAIL" }
        )?;
        writeln!(
            formatter,
            "  {conversations} conversations, {log_rows} log rows, {messages} messages; \
             {sent} sent, {retries} retries, {acked} acknowledged"
        )?;
        write!(
            formatter,
            "  {clients} clients, {sockets} sockets, {readers} readers, {deliveries} deliveries, \
             {history_rows} rows of history"
        )?;
        for (name, count) in &self.kinds {
            write!(formatter, "\n  {count} x {name}")?;
        }
        for violation in self.violations.iter().take(20) {
            write!(formatter, "\n  - {violation}")?;
        }
        if violations > 20 {
            write!(formatter, "\n  - and {} more", violations - 20)?;
        }
        Ok(())
    }
}

/// Keeps the first violations and counts all.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    pub kept: Vec<Violation>,
    pub kinds: BTreeMap<String, u64>,
    pub total: u64,
}

impl Findings {
    pub fn add(&mut self, violation: Violation) {
        self.total += 1;
        *self.kinds.entry(violation.name().to_owned()).or_default() += 1;
        if self.kept.len() < VIOLATIONS_KEPT_MAX {
            self.kept.push(violation);
        }
    }
}
