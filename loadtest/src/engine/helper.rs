//! Readers in processes of their own: one process has descriptors for so many sockets only.
//!
//! ```text
//! this process                       a helper (the hidden subcommand `helper`)
//!   Job on its standard input  ──►   connects its readers
//!                              ◄──   Told::Ready
//!   Order::Stages              ──►
//!                              ◄──   Told::Recent, twice a second: for the curves
//!   Order::End                 ──►   waits until all have everything, reads the log, judges
//!                              ◄──   Told::Verdict
//! ```
//!
//! One JSON object a line. The channel's sender stays here; what the readers of a helper saw is
//! judged there, against the log that the helper reads itself.

mod child;
mod parent;

use std::path::PathBuf;
use std::sync::OnceLock;

use schema::checker::{VIOLATIONS_KEPT_MAX, Verdict};
use schema::{ConversationId, Sequence};
use serde::{Deserialize, Serialize};

use crate::client::tls::Trust;
use crate::client::{Credentials, Target};

pub use child::run as run_helper;
pub(super) use parent::Helper;

/// Values of a histogram, and how often each.
type Counts = Vec<(u64, u64)>;

/// Who reads what, where.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Job {
    targets: Vec<Target>,
    trust: Option<Trust>,
    sources: Vec<std::net::IpAddr>,
    conversation_id: ConversationId,
    readers: Vec<Credentials>,
    first_number: usize,
    ack_every: u64,
    seed: u64,
}

/// What a helper is to do next.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    /// From and until, microseconds since 1970.
    Stages(Vec<(u64, u64)>),
    /// All is over; the log ends with this number.
    End { head: Sequence, catch_up_s: f64 },
}

/// What a helper tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Told {
    Ready { connected: usize },
    Recent { delivered: u64, opened: u64, lost: u64, delivered_us: Counts },
    Verdict { verdict: Box<Verdict>, problems: Vec<String>, stages: Vec<(u64, Counts)> },
}

/// Adds what a helper's readers were judged by. Its log is one that is counted already.
pub(super) fn merge(verdict: &mut Verdict, other: Verdict) {
    let counts = &mut verdict.counts;
    counts.clients += other.counts.clients;
    counts.sockets += other.counts.sockets;
    counts.readers += other.counts.readers;
    counts.deliveries += other.counts.deliveries;
    counts.violations += other.counts.violations;
    for (name, count) in other.kinds {
        *verdict.kinds.entry(name).or_default() += count;
    }
    verdict.violations.extend(other.violations);
    verdict.violations.truncate(VIOLATIONS_KEPT_MAX);
}

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Which program plays the helper; without it, this one.
pub fn set_helper_program(path: PathBuf) {
    let _ = PROGRAM.set(path);
}
