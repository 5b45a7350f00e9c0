//! Signed-in devices.

use actors::ports::NewDevice;
use rusqlite::{Connection, OptionalExtension, Row, params};
use schema::record::Device;
use schema::{DeviceId, UserId};

use super::failure::Failure;
use super::rows::id;
use super::tokens;

fn device_row(row: &Row<'_>) -> rusqlite::Result<Device> {
    Ok(Device {
        device_id: id(row, 0, DeviceId::from_bytes)?,
        user_id: id(row, 1, UserId::from_bytes)?,
        name: row.get(2)?,
        created_at: row.get(3)?,
        last_seen_at: row.get(4)?,
        revoked_at: row.get(5)?,
    })
}

pub(super) fn device(connection: &Connection, device: DeviceId) -> Result<Option<Device>, Failure> {
    let sql = "SELECT device_id, user_id, name, created_at, last_seen_at, revoked_at FROM devices
               WHERE device_id = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([device.as_bytes()], device_row).optional()?)
}

/// A user's devices that are not revoked, oldest first.
pub(super) fn current(connection: &Connection, user: UserId) -> Result<Vec<Device>, Failure> {
    let sql = "SELECT device_id, user_id, name, created_at, last_seen_at, revoked_at FROM devices
               WHERE user_id = ?1 AND revoked_at IS NULL ORDER BY created_at, device_id";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([user.as_bytes()], device_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Adds devices; one that is there already stays as it is.
pub(super) fn add(connection: &Connection, devices: &[NewDevice]) -> Result<(), Failure> {
    let sql = "INSERT INTO devices (device_id, user_id, name, created_at, last_seen_at)
               VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT DO NOTHING";
    let mut insert = connection.prepare_cached(sql)?;
    for new in devices {
        let row =
            params![new.device_id.as_bytes(), new.user_id.as_bytes(), new.name, new.created_at];
        if insert.execute(row)? == 0
            && device(connection, new.device_id)?.is_some_and(|it| it.user_id != new.user_id)
        {
            return Err(Failure::damaged("the device belongs to another user"));
        }
    }
    Ok(())
}

/// Signs a device out; the first time counts. False when the user has no such device.
pub(super) fn revoke(
    connection: &Connection,
    user: UserId,
    device: DeviceId,
    at_ms: i64,
) -> Result<bool, Failure> {
    let sql = "UPDATE devices SET revoked_at = coalesce(revoked_at, ?3)
               WHERE device_id = ?1 AND user_id = ?2";
    let row = params![device.as_bytes(), user.as_bytes(), at_ms];
    if connection.prepare_cached(sql)?.execute(row)? == 0 {
        return Ok(false);
    }
    tokens::spend_all(connection, device)?;
    Ok(true)
}

/// Notes that a device was here.
pub(super) fn seen(connection: &Connection, device: DeviceId, at_ms: i64) -> Result<(), Failure> {
    let sql = "UPDATE devices SET last_seen_at = max(last_seen_at, ?2) WHERE device_id = ?1";
    connection.prepare_cached(sql)?.execute(params![device.as_bytes(), at_ms])?;
    Ok(())
}
