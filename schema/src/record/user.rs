//! Accounts, devices and refresh tokens.

use crate::{DeviceId, UserId};

/// An account's public and private facts, less the password hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub user_id: UserId,
    /// Lower-case, unique.
    pub username: String,
    pub display_name: String,
    pub status_text: Option<String>,
    /// Milliseconds since 1970 UTC.
    pub created_at: i64,
}

/// A signed-in installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub device_id: DeviceId,
    pub user_id: UserId,
    pub name: String,
    pub created_at: i64,
    pub last_seen_at: i64,
    /// Set when the device was signed out or its refresh token was reused.
    pub revoked_at: Option<i64>,
}

/// A refresh token about to be stored: only its hash is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRefreshToken {
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    pub user_id: UserId,
    pub device_id: DeviceId,
    /// Milliseconds since 1970 UTC.
    pub expires_at: i64,
}
