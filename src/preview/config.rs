//! Settings of link previews.

use serde::{Deserialize, Serialize};

use crate::config::{AddressRange, TextDuration};

/// Previews of links in messages. The server fetches pages that users name: off unless wanted.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct LinkPreviewConfig {
    /// Whether the server fetches them. Only pages on the public internet, ports 80 and 443.
    pub enabled: bool,
    /// Addresses or networks of one's own whose pages may be fetched too. Whoever may sign in can
    /// make the server ask them. An address in the URL itself may then have any port.
    #[schema(value_type = Vec<String>)]
    pub allowed_networks: Vec<AddressRange>,
    /// How long one is remembered.
    #[schema(value_type = String)]
    pub cache_ttl: TextDuration,
}

impl Default for LinkPreviewConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            allowed_networks: Vec::new(),
            cache_ttl: TextDuration::from_secs(3_600),
        }
    }
}
