//! Signed-in devices.

use actors::ports::{Applied, NewDevice};
use schema::record::Device;
use schema::{DeviceId, UserId};
use scylla::statement::prepared::PreparedStatement;
use uuid::Uuid;

use super::failure::Failure;
use super::store::{Store, all};

type DeviceColumns = (Option<Uuid>, Option<String>, Option<i64>, Option<i64>, Option<i64>);

impl Store {
    pub(super) async fn read_device(&self, device: DeviceId) -> Result<Option<Device>, Failure> {
        self.device_by(&self.statements().device, device).await
    }

    /// The device as every conditional statement left it, also one whose answer was lost.
    pub(super) async fn read_device_serially(
        &self,
        device: DeviceId,
    ) -> Result<Option<Device>, Failure> {
        self.device_by(&self.statements().device_serially, device).await
    }

    async fn device_by(
        &self,
        statement: &PreparedStatement,
        device_id: DeviceId,
    ) -> Result<Option<Device>, Failure> {
        let row = self.row::<DeviceColumns>(statement, (device_id.0,)).await?;
        let Some((Some(user_id), name, created_at, last_seen_at, revoked_at)) = row else {
            return Ok(None);
        };
        let created_at = created_at.unwrap_or(0);
        Ok(Some(Device {
            device_id,
            user_id: UserId(user_id),
            name: name.unwrap_or_default(),
            created_at,
            last_seen_at: last_seen_at.map_or(created_at, |at| at.max(created_at)),
            revoked_at,
        }))
    }

    /// A user's devices that are not revoked, oldest first.
    pub(super) async fn current_devices(&self, user: UserId) -> Result<Vec<Device>, Failure> {
        let ids = self.rows::<(Uuid,)>(&self.statements().devices_of_user, (user.0,)).await?;
        let reads = ids.into_iter().map(|(id,)| self.read_device(DeviceId(id)));
        let devices = all(reads.collect()).await?;
        let is_current = |it: &Device| it.user_id == user && it.revoked_at.is_none();
        let mut devices: Vec<_> = devices.into_iter().flatten().filter(is_current).collect();
        devices.sort_unstable_by_key(|device| (device.created_at, device.device_id));
        Ok(devices)
    }

    /// Adds devices; one that is there already stays as it is.
    pub(super) async fn write_devices(&self, devices: &[NewDevice]) -> Result<(), Failure> {
        all(devices.iter().map(|device| self.write_device(device)).collect()).await?;
        Ok(())
    }

    async fn write_device(&self, new: &NewDevice) -> Result<(), Failure> {
        let statements = self.statements();
        // First where it is looked for: a device that is found nowhere could not be signed out.
        let of_user = (new.user_id.0, new.device_id.0);
        self.write(&statements.insert_device_of_user, of_user).await?;
        let row = (new.device_id.0, new.user_id.0, new.name.as_str(), new.created_at);
        if self.conditional(&statements.insert_device, row).await? == Applied::Yes {
            return Ok(());
        }
        let there = self.read_device_serially(new.device_id).await?;
        if there.is_some_and(|it| it.user_id != new.user_id) {
            return Err(Failure::damaged("the device belongs to another user"));
        }
        Ok(())
    }

    /// Signs a device out; the first time counts. False when the user has no such device.
    pub(super) async fn sign_device_out(
        &self,
        user: UserId,
        device: DeviceId,
        at_ms: i64,
    ) -> Result<bool, Failure> {
        if self.revoke(user, device, at_ms).await? == Applied::Yes {
            return Ok(true);
        }
        let there = self.read_device_serially(device).await?;
        Ok(there.is_some_and(|it| it.user_id == user))
    }

    /// Revokes a device unless it is revoked. Its tokens are worth nothing from then on.
    pub(super) async fn revoke(
        &self,
        user: UserId,
        device: DeviceId,
        at_ms: i64,
    ) -> Result<Applied, Failure> {
        let values = (at_ms, device.0, user.0);
        self.conditional(&self.statements().revoke_device, values).await
    }

    /// Notes that a device was here. The time is its own timestamp: the latest wins.
    pub(super) async fn note_seen(&self, device: DeviceId, at_ms: i64) -> Result<(), Failure> {
        self.write(&self.statements().set_last_seen, (at_ms, at_ms, device.0)).await
    }
}
