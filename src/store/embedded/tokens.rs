//! Refresh tokens: each is spent once.

use actors::ports::Rotation;
use rusqlite::{Connection, OptionalExtension, params};
use schema::DeviceId;

use super::devices;
use super::failure::Failure;
use super::rows::id;

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
    next_hash: Option<[u8; 32]>,
}

fn token(connection: &Connection, hash: &[u8; 32]) -> Result<Option<Token>, Failure> {
    let sql = "SELECT device_id, expires_at, spent, next_hash FROM refresh_tokens WHERE hash = ?1";
    let found = connection.prepare_cached(sql)?.query_row([hash], |row| {
        Ok(Token {
            device_id: id(row, 0, DeviceId::from_bytes)?,
            expires_at: row.get(1)?,
            spent: row.get(2)?,
            next_hash: row.get(3)?,
        })
    });
    Ok(found.optional()?)
}

/// Adds a token; one that is there already stays as it is.
pub(super) fn add(
    connection: &Connection,
    hash: &[u8; 32],
    device: DeviceId,
    expires_at_ms: i64,
) -> Result<(), Failure> {
    let sql = "INSERT INTO refresh_tokens (hash, device_id, expires_at) VALUES (?1, ?2, ?3)
               ON CONFLICT DO NOTHING";
    connection.prepare_cached(sql)?.execute(params![hash, device.as_bytes(), expires_at_ms])?;
    Ok(())
}

/// Spends every token of a device.
pub(super) fn spend_all(connection: &Connection, device: DeviceId) -> Result<(), Failure> {
    let sql = "UPDATE refresh_tokens SET spent = 1 WHERE device_id = ?1 AND spent = 0";
    connection.prepare_cached(sql)?.execute([device.as_bytes()])?;
    Ok(())
}

/// Spends a token for the next one, or finds out why not.
pub(super) fn rotate(
    connection: &Connection,
    rotation: &TokenRotation,
) -> Result<Rotation, Failure> {
    let Some(token) = token(connection, &rotation.hash)? else { return Ok(Rotation::Refused) };
    let device_id = token.device_id;
    let device = devices::device(connection, device_id)?.filter(|it| it.revoked_at.is_none());
    let Some(device) = device else { return Ok(Rotation::Refused) };
    let user_id = device.user_id;
    if token.spent {
        if is_repeated(connection, &token, rotation)? {
            return Ok(Rotation::Rotated { user_id, device_id });
        }
        devices::revoke(connection, user_id, device_id, rotation.now_ms)?;
        return Ok(Rotation::Reused { user_id, device_id });
    }
    if token.expires_at <= rotation.now_ms {
        return Ok(Rotation::Refused);
    }
    let sql = "UPDATE refresh_tokens SET spent = 1, next_hash = ?2 WHERE hash = ?1";
    connection.prepare_cached(sql)?.execute([&rotation.hash, &rotation.next_hash])?;
    add(connection, &rotation.next_hash, device_id, rotation.next_expires_at_ms)?;
    devices::seen(connection, device_id, rotation.now_ms)?;
    Ok(Rotation::Rotated { user_id, device_id })
}

/// Whether this very rotation was done before and its answer was lost: nobody has the next token
/// but this caller, who made it.
fn is_repeated(
    connection: &Connection,
    spent: &Token,
    rotation: &TokenRotation,
) -> Result<bool, Failure> {
    if spent.next_hash != Some(rotation.next_hash) {
        return Ok(false);
    }
    Ok(token(connection, &rotation.next_hash)?.is_some_and(|next| !next.spent))
}
