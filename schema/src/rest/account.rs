//! Signing in and profiles.

use garde::Validate;
use serde::{Deserialize, Serialize};

use crate::wire::PresenceStatus;
use crate::{DeviceId, UserId};

/// `POST /v1/register`.
#[derive(Clone, Serialize, Deserialize, Validate)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegisterRequest {
    /// 2 to 32 of `a-z 0-9 . _ -`; upper case is folded.
    #[garde(length(chars, min = 2, max = 32))]
    pub username: String,
    /// 8 to 256 characters, and not one of the easily guessed.
    #[garde(length(chars, min = 8, max = 256))]
    pub password: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, min = 1, max = 64)))]
    pub display_name: Option<String>,
    /// What to call this installation, such as `Firefox on Linux`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, min = 1, max = 64)))]
    pub device: Option<String>,
}

/// `POST /v1/login`.
#[derive(Clone, Serialize, Deserialize, Validate)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LoginRequest {
    #[garde(length(chars, min = 1, max = 64))]
    pub username: String,
    #[garde(length(chars, min = 1, max = 256))]
    pub password: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, min = 1, max = 64)))]
    pub device: Option<String>,
}

/// `POST /v1/token/refresh`. Each refresh token works once.
#[derive(Clone, Serialize, Deserialize, Validate)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RefreshRequest {
    #[garde(length(bytes, min = 1, max = 512))]
    pub refresh_token: String,
}

/// Answer to register, login and refresh.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignedIn {
    pub user_id: UserId,
    pub device_id: DeviceId,
    /// A JWT for `Authorization: Bearer` and for `hello`.
    pub access_token: String,
    pub refresh_token: String,
    /// Seconds until the access token expires.
    pub expires_in: u64,
}

/// What anyone signed in may know of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserView {
    pub user_id: UserId,
    pub username: String,
    pub display_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_text: Option<String>,
}

/// `GET /v1/users/me`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MyProfile {
    pub user_id: UserId,
    pub username: String,
    pub display_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_text: Option<String>,
    /// Milliseconds since 1970 UTC.
    pub created_at: i64,
    pub device_id: DeviceId,
}

/// `PATCH /v1/users/me`: absent fields stay as they are.
#[derive(Clone, Debug, Serialize, Deserialize, Validate)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProfileChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, min = 1, max = 64)))]
    pub display_name: Option<String>,
    /// An empty text removes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, max = 140)))]
    pub status_text: Option<String>,
}

/// One signed-in installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceView {
    pub device_id: DeviceId,
    pub name: String,
    pub created_at: i64,
    pub last_seen_at: i64,
    /// The one that asks.
    pub current: bool,
}

/// `GET /v1/devices`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceList {
    pub devices: Vec<DeviceView>,
}

/// `GET /v1/presence/{id}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PresenceView {
    pub user_id: UserId,
    pub status: PresenceStatus,
    /// When the user was there last, milliseconds since 1970 UTC; absent while they are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<i64>,
}
