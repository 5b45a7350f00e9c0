//! How long what was said is kept.

use serde::{Deserialize, Serialize};

/// How long what was said is kept. What has expired is not shown from then on, and is removed from
/// the store within the hour.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct RetentionConfig {
    /// Days that messages are kept in conversations that do not say so themselves. 0: for ever.
    /// Every node of a cluster needs the same.
    pub default_days: u32,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self { default_days: 1_825 }
    }
}

impl RetentionConfig {
    pub(super) fn check(&self, refuse: &mut impl FnMut(&str, String)) {
        let most = schema::record::profile::RETENTION_DAYS_MAX;
        if self.default_days > most {
            refuse("retention.default_days", format!("must be at most {most}"));
        }
    }
}
