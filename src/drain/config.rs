//! Settings of going away.

use serde::{Deserialize, Serialize};

use crate::config::TextDuration;

/// How a node goes away on SIGTERM.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct DrainConfig {
    /// After readiness turned off, so long nothing else happens: a load balancer notices and sends
    /// nobody any more.
    #[schema(value_type = String)]
    pub notice: TextDuration,
    /// Sockets are closed in waves over this time at most, so that other nodes do not get all
    /// clients at once.
    #[schema(value_type = String)]
    pub duration: TextDuration,
    /// The process ends within this time, whatever is left to do. Longer than notice and duration.
    #[schema(value_type = String)]
    pub deadline: TextDuration,
}

impl Default for DrainConfig {
    fn default() -> Self {
        Self {
            notice: TextDuration::from_secs(0),
            duration: TextDuration::from_secs(5),
            deadline: TextDuration::from_secs(25),
        }
    }
}

/// What sessions and shards need at the end, milliseconds.
const LAST_STEPS_MS: i64 = 2_000;
const DEADLINE_MS_MAX: i64 = 3_600_000;

impl DrainConfig {
    pub(crate) fn check(&self, refuse: &mut impl FnMut(&str, String)) {
        let before_ms = self.notice.as_ms().saturating_add(self.duration.as_ms());
        let deadline_ms = self.deadline.as_ms();
        if deadline_ms < before_ms.saturating_add(LAST_STEPS_MS) || deadline_ms > DEADLINE_MS_MAX {
            let reason = "must be at least 2s longer than drain.notice and drain.duration \
                          together, and 1h at the most";
            refuse("drain.deadline", reason.to_owned());
        }
    }
}
