//! Who is behind a token.

use schema::wire::ErrorCode;
use schema::{DeviceId, UserId};

use super::PortFuture;

/// A signed-in device of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub user_id: UserId,
    pub device_id: DeviceId,
}

/// Why a token was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    #[error("the token is not valid")]
    Bad,
    #[error("the token has expired")]
    Expired,
    #[error("the device was signed out")]
    Revoked,
    #[error("tokens cannot be checked just now")]
    Unavailable,
}

impl TokenRefused {
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Bad => ErrorCode::BadToken,
            Self::Expired => ErrorCode::TokenExpired,
            Self::Revoked => ErrorCode::TokenRevoked,
            Self::Unavailable => ErrorCode::RetryLater,
        }
    }
}

/// Checks access tokens.
///
/// Guarantees: an `Ok` names a device that was not revoked when the check began.
pub trait Authenticator: Send + Sync + 'static {
    fn verify(&self, token: String) -> PortFuture<Identity, TokenRefused>;
}
