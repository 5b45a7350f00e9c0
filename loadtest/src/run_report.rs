//! What a run of a scenario found: the verdict, the figures, and the curves. Written as JSON, drawn
//! as a page, compared with another.

use std::collections::BTreeMap;

use schema::checker::Verdict;
use serde::{Deserialize, Serialize};

use crate::engine::{Hist, Role};
use crate::plan::Plan;

/// Raised when fields change their meaning.
pub const FORMAT: u32 = 1;

/// Everything about one run. `passed` is the word; all else says why.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunReport {
    pub format: u32,
    pub scenario: String,
    pub passed: bool,
    pub seed: u64,
    pub version: String,
    /// Milliseconds since 1970.
    pub started_at: u64,
    pub server: String,
    /// Cores of the machine that the load tester ran on.
    pub cores: usize,
    /// As it was run, with all settings put in.
    pub plan: Plan,
    /// What went wrong that is no violation of the checker and no threshold.
    pub problems: Vec<String>,
    /// Worth knowing, and nobody's fault.
    pub notes: Vec<String>,
    pub checks: Vec<Check>,
    /// The checker's, where messages were exchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    pub figures: RunFigures,
    pub stages: Vec<StageFigures>,
    /// Names of what is measured in each slice, in order.
    pub processes: Vec<ProcessName>,
    pub slices: Vec<Slice>,
    pub marks: Vec<Mark>,
    /// Of delivery, over the whole measured part: microseconds up to which, and how many.
    pub distribution: Vec<(u64, u64)>,
}

/// One of the plan's thresholds, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    pub name: String,
    pub limit: String,
    /// Absent where it could not be measured: then it is not held against anybody.
    pub measured: Option<String>,
    pub passed: bool,
}

/// Percentiles, microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    pub count: u64,
    pub p50_us: u64,
    pub p90_us: u64,
    pub p99_us: u64,
    pub p999_us: u64,
    pub max_us: u64,
}

impl Latency {
    #[must_use]
    pub fn of(hist: &Hist) -> Self {
        let at = |quantile| hist.value_at_quantile(quantile);
        if hist.is_empty() {
            return Self::default();
        }
        Self {
            count: hist.len(),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: hist.max(),
        }
    }
}

/// Of the whole measured part. What could not be measured is absent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RunFigures {
    pub measured_s: f64,
    pub connections: usize,
    /// Messages due, acknowledged at all, acknowledged in time, and deliveries of them.
    pub due: u64,
    pub accepted: u64,
    pub accepted_in_time: u64,
    pub delivered: u64,
    pub accepted_per_s: f64,
    pub delivered_per_s: f64,
    pub accepted_latency: Latency,
    pub delivered_latency: Latency,
    pub refusals: u64,
    pub sockets_lost: u64,
    pub longest_silence_s: f64,
    pub server_cpu_us_per_message: Option<f64>,
    pub server_cpu_us_per_delivery: Option<f64>,
    pub store_cpu_us_per_message: Option<f64>,
    pub load_tester_cpu_us_per_message: Option<f64>,
    pub server_cpu_percent: Option<f64>,
    pub memory_start_bytes: Option<u64>,
    pub memory_end_bytes: Option<u64>,
    pub memory_peak_bytes: Option<u64>,
    /// Heap and stacks alone: pages of the store's files come and go as the system likes.
    #[serde(default)]
    pub own_memory_start_bytes: Option<u64>,
    #[serde(default)]
    pub own_memory_end_bytes: Option<u64>,
    /// Of the servers' own memory, in the last two thirds of a long run.
    #[serde(default)]
    pub memory_slope_mib_per_hour: Option<f64>,
    /// Growth of the servers' resident memory from before the users of the silent connections were
    /// made: at most so much.
    pub bytes_per_connection: Option<f64>,
    /// The same from when the users were made, whose memory sockets use again: at least so much.
    pub bytes_per_connection_at_least: Option<f64>,
    pub kernel_bytes_per_connection: Option<f64>,
    /// Write calls on sockets for each entry or acknowledgement handed to one.
    #[serde(default)]
    pub writes_per_frame: Option<f64>,
    #[serde(default)]
    pub entries_per_commit: Option<f64>,
    pub caught_up_s: Option<f64>,
    pub p99_ratio_while_some_sleep: Option<f64>,
    /// The slowest later stage's median of delivery, against that of the first.
    #[serde(default)]
    pub stage_p50_ratio: Option<f64>,
    /// Times that silent connections were told how somebody is.
    #[serde(default)]
    pub presence_told: u64,
    /// The last stage that was sustained, all before it too.
    pub sustained: Option<String>,
    /// Faults that struck, by name.
    pub struck: BTreeMap<String, u64>,
    /// Until all readers had everything.
    pub read_back_s: f64,
}

/// One stage's share.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StageFigures {
    pub name: String,
    pub seconds: f64,
    /// In an open loop.
    pub offered_per_s: Option<f64>,
    pub accepted_per_s: f64,
    pub delivered_per_s: f64,
    pub accepted: Latency,
    pub delivered: Latency,
    pub is_sustained: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessName {
    pub name: String,
    pub role: Role,
}

/// One point of the curves. Seconds count from the beginning of the measured part.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Slice {
    pub at_s: f64,
    pub seconds: f64,
    pub due: u64,
    pub accepted: u64,
    pub delivered: u64,
    pub refused: u64,
    pub opened: u64,
    pub lost: u64,
    pub accepted_us: Latency,
    pub delivered_us: Latency,
    /// By process; absent while it does not run.
    pub cpu_percent: Vec<Option<f32>>,
    pub resident_bytes: Vec<Option<u64>>,
    /// Heap and stacks of each process.
    #[serde(default)]
    pub own_bytes: Vec<Option<u64>>,
}

/// Something that happened, for the time axis.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mark {
    pub at_s: f64,
    pub until_s: f64,
    pub what: String,
}

impl RunReport {
    /// Whether all is well: sets [`RunReport::passed`].
    pub fn conclude(&mut self) {
        self.passed = self.problems.is_empty()
            && self.verdict.as_ref().is_none_or(Verdict::passed)
            && self.checks.iter().all(|check| check.passed);
    }
}
