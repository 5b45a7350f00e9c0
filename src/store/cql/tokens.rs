//! Refresh tokens: each is spent once.

use actors::ports::wall_clock::{SystemClock, WallClock as _};
use actors::ports::{Applied, Rotation};
use schema::DeviceId;
use schema::record::Device;
use uuid::Uuid;

use super::failure::Failure;
use super::store::Store;

/// What presenting a token asks for. Hashes are SHA-256, times milliseconds since 1970 UTC.
pub(super) struct TokenRotation {
    pub hash: [u8; 32],
    pub next_hash: [u8; 32],
    pub next_expires_at_ms: i64,
    pub now_ms: i64,
}

struct Token {
    device_id: DeviceId,
    expires_at: i64,
    spent: bool,
    next_hash: Option<Vec<u8>>,
}

/// How often a spending without an answer is looked up and tried again.
const SPENDING_ATTEMPTS: u32 = 2;
/// How long a row outlives its token, so that clocks need not agree.
const TTL_MARGIN_S: i64 = 7 * 86_400;
/// The longest that the database takes: twenty years.
const TTL_MAX_S: i64 = 630_720_000;

/// Seconds for which the row of a token is kept from now on.
pub(super) fn ttl_s(expires_at_ms: i64) -> i32 {
    let left_s = expires_at_ms.saturating_sub(SystemClock.now_ms()) / 1_000;
    let kept_s = left_s.max(0).saturating_add(TTL_MARGIN_S).min(TTL_MAX_S);
    i32::try_from(kept_s).unwrap_or(i32::MAX)
}

impl Store {
    async fn read_token(&self, hash: &[u8; 32]) -> Result<Option<Token>, Failure> {
        type Columns = (Option<Uuid>, Option<i64>, Option<bool>, Option<Vec<u8>>);
        let row = self.row::<Columns>(&self.statements().token, (&hash[..],)).await?;
        let Some((Some(device), Some(expires_at), Some(spent), next_hash)) = row else {
            return Ok(None);
        };
        Ok(Some(Token { device_id: DeviceId(device), expires_at, spent, next_hash }))
    }

    /// Adds a token; one that is there already stays as it is.
    pub(super) async fn write_token(
        &self,
        hash: &[u8; 32],
        device: DeviceId,
        expires_at_ms: i64,
    ) -> Result<(), Failure> {
        let row = (&hash[..], device.0, expires_at_ms, ttl_s(expires_at_ms));
        self.conditional(&self.statements().insert_token, row).await?;
        Ok(())
    }

    /// Spends a token for the next one, or finds out why not.
    ///
    /// A spending whose answer was lost is looked up: reported as failed, the repeat with another
    /// next token would be taken for theft.
    pub(super) async fn rotate(&self, rotation: &TokenRotation) -> Result<Rotation, Failure> {
        let mut attempts = 0..SPENDING_ATTEMPTS;
        loop {
            let Some(token) = self.read_token(&rotation.hash).await? else {
                return Ok(Rotation::Refused);
            };
            let Some(device) = self.trusted_device(token.device_id).await? else {
                return Ok(Rotation::Refused);
            };
            if token.spent {
                return self.on_spent(&token, &device, rotation).await;
            }
            if token.expires_at <= rotation.now_ms {
                return Ok(Rotation::Refused);
            }
            let spending = (ttl_s(token.expires_at), &rotation.next_hash[..], &rotation.hash[..]);
            match self.conditional(&self.statements().spend_token, spending).await {
                Ok(Applied::Yes) => return self.finish_rotation(&device, rotation).await,
                // Somebody spent it a moment ago, which the next look shows.
                Ok(Applied::No) => {}
                Err(failure) if attempts.next().is_none() => return Err(failure),
                Err(_) => {}
            }
        }
    }

    async fn trusted_device(&self, device: DeviceId) -> Result<Option<Device>, Failure> {
        let device = self.read_device_serially(device).await?;
        Ok(device.filter(|device| device.revoked_at.is_none()))
    }

    /// Stores the next token of one that this rotation spent. The device may be signed out by now,
    /// perhaps for the reuse of this very token: the rotation came first, and the next token is
    /// worth nothing.
    async fn finish_rotation(
        &self,
        device: &Device,
        rotation: &TokenRotation,
    ) -> Result<Rotation, Failure> {
        let (user_id, device_id) = (device.user_id, device.device_id);
        self.write_token(&rotation.next_hash, device_id, rotation.next_expires_at_ms).await?;
        self.note_seen(device_id, rotation.now_ms).await?;
        Ok(Rotation::Rotated { user_id, device_id })
    }

    /// A token that was spent before: by this very rotation, whose answer was lost, or by someone
    /// else. In the first case nobody has the next token but this caller, who made it.
    async fn on_spent(
        &self,
        token: &Token,
        device: &Device,
        rotation: &TokenRotation,
    ) -> Result<Rotation, Failure> {
        if token.next_hash.as_deref() == Some(&rotation.next_hash[..]) {
            let next = self.read_token(&rotation.next_hash).await?;
            if next.is_none_or(|next| !next.spent) {
                return self.finish_rotation(device, rotation).await;
            }
        }
        let (user_id, device_id) = (device.user_id, device.device_id);
        match self.revoke(user_id, device_id, rotation.now_ms).await? {
            Applied::Yes => Ok(Rotation::Reused { user_id, device_id }),
            // Revoked a moment ago.
            Applied::No => Ok(Rotation::Refused),
        }
    }
}
