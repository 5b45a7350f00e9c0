//! Accounts, devices, refresh tokens.

use schema::record::{Device, NewRefreshToken, User};
use schema::{DeviceId, UserId};

use super::{PortFuture, StoreError};

/// An account to be made.
#[derive(Clone)]
pub struct NewUser {
    pub user_id: UserId,
    /// Lower-case already.
    pub username: String,
    pub display_name: String,
    /// PHC string; `None` for accounts that cannot sign in by password.
    pub password_hash: Option<String>,
    /// Milliseconds since 1970 UTC.
    pub created_at: i64,
}

/// Another account has the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the user name is taken")]
pub struct UsernameTaken;

/// A device to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDevice {
    pub device_id: DeviceId,
    pub user_id: UserId,
    pub name: String,
    /// Milliseconds since 1970 UTC.
    pub created_at: i64,
}

/// What signing in needs.
#[derive(Clone)]
pub struct Credentials {
    pub user_id: UserId,
    /// PHC string.
    pub password_hash: Option<String>,
}

/// What presenting a refresh token did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The old one is spent, the new one stored.
    Rotated { user_id: UserId, device_id: DeviceId },
    /// The token had been spent before: its device is now revoked (reuse detection, RFC 9700 4.14).
    Reused { user_id: UserId, device_id: DeviceId },
    /// Unknown, expired, or of a revoked device.
    Refused,
}

/// Accounts and how they sign in.
///
/// Guarantees: user names are unique; a refresh token is rotated at most once, however many
/// present it at once; a revoked device stays revoked. Writes are durable when they return.
pub trait UserStore: Send + Sync + 'static {
    /// Makes accounts, all or none.
    fn create_users(
        &self,
        users: Vec<NewUser>,
    ) -> PortFuture<Result<(), UsernameTaken>, StoreError>;

    fn credentials(&self, username: String) -> PortFuture<Option<Credentials>>;

    /// Replaces the password hash.
    fn set_password_hash(&self, user: UserId, password_hash: String) -> PortFuture<()>;

    fn user_by_name(&self, username: String) -> PortFuture<Option<User>>;

    /// Those of `ids` that exist, in any order.
    fn users(&self, ids: Vec<UserId>) -> PortFuture<Vec<User>>;

    /// Changes what is `Some`; an empty status text removes it. `None` when there is no such user.
    fn update_profile(
        &self,
        user: UserId,
        display_name: Option<String>,
        status_text: Option<String>,
    ) -> PortFuture<Option<User>>;

    fn add_devices(&self, devices: Vec<NewDevice>) -> PortFuture<()>;

    /// A user's devices that are not revoked, oldest first.
    fn devices(&self, user: UserId) -> PortFuture<Vec<Device>>;

    /// One device, revoked or not.
    fn device(&self, device: DeviceId) -> PortFuture<Option<Device>>;

    /// Signs a device out and spends its refresh tokens. False when the user has no such device.
    fn revoke_device(&self, user: UserId, device: DeviceId, at_ms: i64) -> PortFuture<bool>;

    fn add_refresh_token(&self, token: NewRefreshToken) -> PortFuture<()>;

    /// Spends the token with `hash` and stores `next_hash` for the same device.
    fn rotate_refresh_token(
        &self,
        hash: [u8; 32],
        next_hash: [u8; 32],
        next_expires_at_ms: i64,
        now_ms: i64,
    ) -> PortFuture<Rotation>;
}
