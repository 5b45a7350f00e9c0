//! What is still good enough.

use serde::{Deserialize, Serialize};

/// Limits on measured figures; whatever is left out is not judged. All of the whole measured part.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// From when a message was due to its being acknowledged, milliseconds.
    pub accepted_p50_ms: Option<f64>,
    pub accepted_p99_ms: Option<f64>,
    pub accepted_max_ms: Option<f64>,
    /// From when a message was due to its arriving at a reader, milliseconds.
    pub delivered_p50_ms: Option<f64>,
    pub delivered_p99_ms: Option<f64>,
    pub delivered_max_ms: Option<f64>,
    pub min_messages_per_s: Option<f64>,
    pub min_deliveries_per_s: Option<f64>,
    /// Of the messages that were due, the part that was acknowledged within the measured time.
    pub min_rate_share: Option<f64>,
    /// The stage that must be sustained: at least 95 % of its rate acknowledged within its time,
    /// and its p99 of delivery at most `sustained_p99_ms`.
    pub sustained_stage: Option<String>,
    pub sustained_p99_ms: Option<f64>,
    /// Resident memory of the server for each silent connection.
    pub max_bytes_per_connection: Option<f64>,
    /// The servers' own memory, heap and stacks, at the end, against the start of the measured part.
    pub max_memory_growth_percent: Option<f64>,
    /// How fast the servers' own memory rises at the end: the straight line through the
    /// last two thirds of the measured part. Of runs of five minutes and more.
    pub max_memory_slope_mib_per_hour: Option<f64>,
    /// The largest resident memory of the servers, against the start of the measured part.
    pub max_memory_peak_ratio: Option<f64>,
    pub max_server_cpu_us_per_message: Option<f64>,
    pub max_server_cpu_us_per_delivery: Option<f64>,
    /// CPU of the servers with nothing but silent connections, percent of a core.
    pub max_idle_cpu_percent: Option<f64>,
    /// Refusals that clients were told, temporary ones too.
    pub max_refusals: Option<f64>,
    /// Sockets that ended though nobody had asked for it.
    pub max_sockets_lost: Option<f64>,
    /// From coming back to having everything, the slowest device of a `reconnect`.
    pub max_caught_up_s: Option<f64>,
    /// The longest time in which no message was acknowledged.
    pub max_silence_s: Option<f64>,
    /// p99 of delivery to the others while some do not read, against before.
    pub max_p99_ratio_while_some_sleep: Option<f64>,
    /// The slowest later stage's median of delivery, against that of the first stage.
    pub max_stage_p50_ratio: Option<f64>,
}
