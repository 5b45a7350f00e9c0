//! Settings of signing in.

use serde::{Deserialize, Serialize};

pub use crate::config::choice::Registration;
use crate::config::{SecretText, TextDuration};

/// Tokens and who may make accounts.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct AuthConfig {
    /// How long an access token is good for.
    #[schema(value_type = String)]
    pub access_token_ttl: TextDuration,
    /// How long a refresh token is good for; each use gives a new one.
    #[schema(value_type = String)]
    pub refresh_token_ttl: TextDuration,
    /// "open": anyone may register. "closed": only operators make accounts.
    #[schema(value_type = String)]
    pub registration: Registration,
    /// Ed25519 private key, PKCS#8 in base64. Nodes of one cluster share it.
    /// Not set: a random one in the data directory, made on first run.
    #[schema(value_type = String)]
    pub signing_key: Option<SecretText>,
    /// Bearer token of the internal listener's administrative routes.
    /// Not set: a random one in the data directory, made on first run.
    #[schema(value_type = String)]
    pub admin_token: Option<SecretText>,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            access_token_ttl: TextDuration::from_secs(600),
            refresh_token_ttl: TextDuration::from_secs(30 * 86_400),
            registration: Registration::Open,
            signing_key: None,
            admin_token: None,
        }
    }
}

/// Shorter admin tokens can be guessed.
const ADMIN_TOKEN_CHARACTERS_MIN: usize = 24;

impl AuthConfig {
    pub(crate) fn check(&self, refuse: &mut impl FnMut(&str, String)) {
        let (access, refresh) = (self.access_token_ttl.as_ms(), self.refresh_token_ttl.as_ms());
        if !(10_000..=86_400_000).contains(&access) {
            refuse("auth.access_token_ttl", "must be between 10s and 1d".to_owned());
        }
        if refresh <= access {
            refuse("auth.refresh_token_ttl", "must be longer than the access token's".to_owned());
        }
        if let Some(token) = &self.admin_token
            && token.expose().len() < ADMIN_TOKEN_CHARACTERS_MIN
        {
            let reason = format!("must have at least {ADMIN_TOKEN_CHARACTERS_MIN} characters");
            refuse("auth.admin_token", reason);
        }
        if let Some(key) = &self.signing_key
            && let Err(error) = super::jwt::SigningKey::from_base64(key.expose())
        {
            refuse("auth.signing_key", error.to_string());
        }
    }
}
