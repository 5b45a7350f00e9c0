//! Accounts and profiles, and the port that devices and tokens share with them.

use std::collections::BTreeSet;

use actors::ports::{
    Credentials, NewDevice, NewUser, PortFuture, Rotation, StoreError, UserStore, UsernameTaken,
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use schema::record::{Device, NewRefreshToken, User};
use schema::{DeviceId, UserId};

use super::devices;
use super::failure::Failure;
use super::rows::id;
use super::store::Store;
use super::tokens::{self, TokenRotation};

fn user_row(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        user_id: id(row, 0, UserId::from_bytes)?,
        username: row.get(1)?,
        display_name: row.get(2)?,
        status_text: row.get(3)?,
        created_at: row.get(4)?,
    })
}

fn user(connection: &Connection, user: UserId) -> Result<Option<User>, Failure> {
    let sql = "SELECT user_id, username, display_name, status_text, created_at FROM users
               WHERE user_id = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([user.as_bytes()], user_row).optional()?)
}

fn user_by_name(connection: &Connection, username: &str) -> Result<Option<User>, Failure> {
    let sql = "SELECT user_id, username, display_name, status_text, created_at FROM users
               WHERE username = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([username], user_row).optional()?)
}

fn credentials(connection: &Connection, username: &str) -> Result<Option<Credentials>, Failure> {
    let sql = "SELECT user_id, password_hash FROM users WHERE username = ?1";
    let found = connection.prepare_cached(sql)?.query_row([username], |row| {
        Ok(Credentials { user_id: id(row, 0, UserId::from_bytes)?, password_hash: row.get(1)? })
    });
    Ok(found.optional()?)
}

/// Whether someone else has one of the names, or the list has one twice.
fn any_name_is_taken(connection: &Connection, users: &[NewUser]) -> Result<bool, Failure> {
    let mut seen = BTreeSet::new();
    for new in users {
        let holder = user_by_name(connection, &new.username)?.map(|user| user.user_id);
        if !seen.insert(&new.username) || holder.is_some_and(|holder| holder != new.user_id) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn create_users(
    connection: &Connection,
    users: &[NewUser],
) -> Result<Result<(), UsernameTaken>, Failure> {
    if any_name_is_taken(connection, users)? {
        return Ok(Err(UsernameTaken));
    }
    let sql = "INSERT INTO users (user_id, username, display_name, password_hash, created_at)
               VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut insert = connection.prepare_cached(sql)?;
    for new in users {
        // An account that is there already was made by the same call before.
        if user_by_name(connection, &new.username)?.is_some() {
            continue;
        }
        insert.execute(params![
            new.user_id.as_bytes(),
            new.username,
            new.display_name,
            new.password_hash,
            new.created_at
        ])?;
    }
    Ok(Ok(()))
}

fn update_profile(
    connection: &Connection,
    id: UserId,
    display_name: Option<&str>,
    status_text: Option<&str>,
) -> Result<Option<User>, Failure> {
    let sql = "UPDATE users SET display_name = coalesce(?2, display_name),
                   status_text = CASE WHEN ?3 IS NULL THEN status_text ELSE nullif(?3, '') END
               WHERE user_id = ?1";
    let row = params![id.as_bytes(), display_name, status_text];
    connection.prepare_cached(sql)?.execute(row)?;
    user(connection, id)
}

fn set_password_hash(connection: &Connection, user: UserId, hash: &str) -> Result<(), Failure> {
    let sql = "UPDATE users SET password_hash = ?2 WHERE user_id = ?1";
    connection.prepare_cached(sql)?.execute(params![user.as_bytes(), hash])?;
    Ok(())
}

fn users(connection: &Connection, ids: Vec<UserId>) -> Result<Vec<User>, Failure> {
    let ids: BTreeSet<_> = ids.into_iter().collect();
    ids.into_iter().filter_map(|id| user(connection, id).transpose()).collect()
}

impl UserStore for Store {
    fn create_users(&self, new: Vec<NewUser>) -> PortFuture<Result<(), UsernameTaken>, StoreError> {
        Box::pin(self.write("create_users", move |connection| create_users(connection, &new)))
    }

    fn credentials(&self, username: String) -> PortFuture<Option<Credentials>> {
        Box::pin(self.read("credentials", move |connection| credentials(connection, &username)))
    }

    fn set_password_hash(&self, user: UserId, password_hash: String) -> PortFuture<()> {
        Box::pin(self.write("set_password_hash", move |connection| {
            set_password_hash(connection, user, &password_hash)
        }))
    }

    fn user_by_name(&self, username: String) -> PortFuture<Option<User>> {
        Box::pin(self.read("user_by_name", move |connection| user_by_name(connection, &username)))
    }

    fn users(&self, ids: Vec<UserId>) -> PortFuture<Vec<User>> {
        Box::pin(self.read("users", move |connection| users(connection, ids)))
    }

    fn update_profile(
        &self,
        user: UserId,
        display_name: Option<String>,
        status_text: Option<String>,
    ) -> PortFuture<Option<User>> {
        Box::pin(self.write("update_profile", move |connection| {
            update_profile(connection, user, display_name.as_deref(), status_text.as_deref())
        }))
    }

    fn add_devices(&self, new: Vec<NewDevice>) -> PortFuture<()> {
        Box::pin(self.write("add_devices", move |connection| devices::add(connection, &new)))
    }

    fn devices(&self, user: UserId) -> PortFuture<Vec<Device>> {
        Box::pin(self.read("devices", move |connection| devices::current(connection, user)))
    }

    fn device(&self, device: DeviceId) -> PortFuture<Option<Device>> {
        Box::pin(self.read("device", move |connection| devices::device(connection, device)))
    }

    fn revoke_device(&self, user: UserId, device: DeviceId, at_ms: i64) -> PortFuture<bool> {
        Box::pin(self.write("revoke_device", move |connection| {
            devices::revoke(connection, user, device, at_ms)
        }))
    }

    fn add_refresh_token(&self, token: NewRefreshToken) -> PortFuture<()> {
        Box::pin(self.write("add_refresh_token", move |connection| {
            tokens::add(connection, &token.hash, token.device_id, token.expires_at)
        }))
    }

    fn rotate_refresh_token(
        &self,
        hash: [u8; 32],
        next_hash: [u8; 32],
        next_expires_at_ms: i64,
        now_ms: i64,
    ) -> PortFuture<Rotation> {
        let rotation = TokenRotation { hash, next_hash, next_expires_at_ms, now_ms };
        Box::pin(
            self.write("rotate_refresh_token", move |connection| {
                tokens::rotate(connection, &rotation)
            }),
        )
    }
}
