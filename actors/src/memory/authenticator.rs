//! Tokens that a test hands out itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::store::answer;
use crate::ports::{Authenticator, Identity, PortFuture, TokenRefused};

/// Knows exactly the tokens it was told; any other is [`TokenRefused::Bad`].
#[derive(Clone, Default)]
pub struct MemoryAuthenticator {
    tokens: Arc<Mutex<BTreeMap<String, Result<Identity, TokenRefused>>>>,
}

impl MemoryAuthenticator {
    /// Sets what a token answers from now on.
    pub fn set(&self, token: impl Into<String>, answer: Result<Identity, TokenRefused>) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(token.into(), answer);
    }
}

impl Authenticator for MemoryAuthenticator {
    fn verify(&self, token: String) -> PortFuture<Identity, TokenRefused> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        answer(tokens.get(&token).copied().unwrap_or(Err(TokenRefused::Bad)))
    }
}
