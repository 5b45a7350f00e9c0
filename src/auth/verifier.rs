//! Checks access tokens: our signature first, then whether the device still is signed in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actors::ports::{Authenticator, Identity, PortFuture, TokenRefused, UserStore, WallClock};
use schema::{DeviceId, UserId};
use tokio::time::Instant;

use super::jwt::SigningKey;

/// How long a device's state is believed; the bound of a revocation made on another node.
pub const BELIEVED_FOR: Duration = Duration::from_secs(60);
/// Devices remembered at most.
const REMEMBERED_MAX: usize = 65_536;

/// The one [`Authenticator`]. Cheap to clone; clones share what they remember.
#[derive(Clone)]
pub struct Verifier(Arc<Shared>);

struct Shared {
    key: Arc<SigningKey>,
    users: Arc<dyn UserStore>,
    clock: Arc<dyn WallClock>,
    remembered: Mutex<Remembered>,
}

#[derive(Default)]
struct Remembered {
    devices: HashMap<DeviceId, Seen>,
    /// Counts [`Verifier::forget`]: an answer asked for before one is not remembered after it.
    generation: u64,
}

#[derive(Clone, Copy)]
struct Seen {
    owner: Option<UserId>,
    revoked: bool,
    at: Instant,
}

impl Verifier {
    #[must_use]
    pub fn new(key: Arc<SigningKey>, users: Arc<dyn UserStore>, clock: Arc<dyn WallClock>) -> Self {
        Self(Arc::new(Shared { key, users, clock, remembered: Mutex::default() }))
    }

    /// The next check of this device asks the store. Call it before and after revoking.
    pub fn forget(&self, device: DeviceId) {
        let mut remembered = self.0.remembered();
        remembered.generation += 1;
        remembered.devices.remove(&device);
    }
}

impl Authenticator for Verifier {
    fn verify(&self, token: String) -> PortFuture<Identity, TokenRefused> {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let identity = shared.key.verify(&token, shared.clock.now_ms())?;
            let seen = shared.look_up(identity.device_id).await?;
            match seen.owner {
                Some(owner) if owner == identity.user_id && !seen.revoked => Ok(identity),
                // No such device: signed by us, but gone with a restored store.
                _ => Err(TokenRefused::Revoked),
            }
        })
    }
}

impl Shared {
    fn remembered(&self) -> std::sync::MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look_up(&self, device: DeviceId) -> Result<Seen, TokenRefused> {
        let generation = {
            let remembered = self.remembered();
            if let Some(seen) = remembered.devices.get(&device)
                && seen.at.elapsed() < BELIEVED_FOR
            {
                return Ok(*seen);
            }
            remembered.generation
        };
        let row = self.users.device(device).await.map_err(|error| {
            tracing::warn!(%error, "a device could not be looked up");
            TokenRefused::Unavailable
        })?;
        let seen = Seen {
            owner: row.as_ref().map(|row| row.user_id),
            revoked: row.is_some_and(|row| row.revoked_at.is_some()),
            at: Instant::now(),
        };
        let mut remembered = self.remembered();
        if remembered.generation == generation {
            remembered.make_room();
            remembered.devices.insert(device, seen);
        }
        Ok(seen)
    }
}

impl Remembered {
    fn make_room(&mut self) {
        if self.devices.len() < REMEMBERED_MAX {
            return;
        }
        self.devices.retain(|_, seen| seen.at.elapsed() < BELIEVED_FOR);
        if self.devices.len() >= REMEMBERED_MAX {
            self.devices.clear();
        }
    }
}
