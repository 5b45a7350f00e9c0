//! Settings of link previews.

use serde::{Deserialize, Serialize};

use crate::config::TextDuration;

/// Previews of links in messages. The server fetches pages that users name: off unless wanted.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct LinkPreviewConfig {
    /// Whether the server fetches them. Only pages on the public internet, ports 80 and 443.
    pub enabled: bool,
    /// How long one is remembered.
    #[schema(value_type = String)]
    pub cache_ttl: TextDuration,
}

impl Default for LinkPreviewConfig {
    fn default() -> Self {
        Self { enabled: false, cache_ttl: TextDuration::from_secs(3_600) }
    }
}
