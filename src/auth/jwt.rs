//! Access tokens: JWTs signed with Ed25519, and nothing else accepted.

use actors::ports::{Identity, TokenRefused};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use schema::{DeviceId, UserId};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::config::TextDuration;

/// `iss` and `aud` of every token.
pub const ISSUER: &str = "switchboard";
/// Clocks of nodes may differ by this much.
pub const LEEWAY_S: i64 = 60;
/// Longer tokens are not looked at.
const TOKEN_BYTES_MAX: usize = 4096;

/// Not a usable private key.
#[derive(Debug, thiserror::Error)]
#[error("the signing key must be an Ed25519 private key, PKCS#8 in base64")]
pub struct BadSigningKey;

/// What a token says. Times are seconds since 1970 UTC.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    did: DeviceId,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// Signs and checks tokens. Never printed.
pub struct SigningKey {
    private: EncodingKey,
    public: DecodingKey,
    validation: Validation,
}

impl SigningKey {
    /// A fresh private key in the form that [`SigningKey::from_base64`] reads.
    ///
    /// # Panics
    /// When the operating system has no randomness to give.
    #[must_use]
    pub fn generate_base64() -> SecretString {
        let pkcs8 = Ed25519KeyPair::generate()
            .and_then(|pair| pair.to_pkcs8())
            .expect("the operating system gives randomness");
        STANDARD.encode(pkcs8.as_ref()).into()
    }

    /// Reads a private key: PKCS#8 in base64.
    ///
    /// # Errors
    /// When it is none.
    pub fn from_base64(text: &str) -> Result<Self, BadSigningKey> {
        let pkcs8 = STANDARD.decode(text.trim()).map_err(|_| BadSigningKey)?;
        let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(|_| BadSigningKey)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[ISSUER]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "nbf", "exp"]);
        // Times are checked here, against the clock that the rest of the server uses.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Ok(Self {
            private: EncodingKey::from_ed_der(&pkcs8),
            public: DecodingKey::from_ed_der(pair.public_key().as_ref()),
            validation,
        })
    }

    /// A token for `identity`, good from now for `ttl`.
    ///
    /// # Panics
    /// Never: the key was checked when it was read.
    #[must_use]
    pub fn mint(&self, identity: Identity, now_ms: i64, ttl: TextDuration) -> String {
        let now = now_ms.div_euclid(1000);
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: ISSUER.to_owned(),
            sub: identity.user_id,
            did: identity.device_id,
            iat: now,
            nbf: now,
            exp: now.saturating_add(ttl.as_ms() / 1000),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &self.private)
            .expect("claims are plain JSON and the key was checked")
    }

    /// Who the token names, if we signed it and it is good now.
    ///
    /// # Errors
    /// [`TokenRefused::Bad`] and [`TokenRefused::Expired`].
    pub fn verify(&self, token: &str, now_ms: i64) -> Result<Identity, TokenRefused> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenRefused::Bad);
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.public, &self.validation)
            .map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => TokenRefused::Expired,
                _ => TokenRefused::Bad,
            })?
            .claims;
        let now = now_ms.div_euclid(1000);
        if claims.nbf.max(claims.iat) > now.saturating_add(LEEWAY_S) {
            return Err(TokenRefused::Bad);
        }
        if claims.exp.saturating_add(LEEWAY_S) <= now {
            return Err(TokenRefused::Expired);
        }
        Ok(Identity { user_id: claims.sub, device_id: claims.did })
    }
}

#[cfg(test)]
mod tests;
