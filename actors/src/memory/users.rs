//! Accounts, devices, refresh tokens.

use std::collections::{BTreeMap, BTreeSet};

use schema::record::{Device, NewRefreshToken, User};
use schema::{DeviceId, UserId};

use super::store::{MemoryStore, answer, found};
use crate::ports::{
    Credentials, NewDevice, NewUser, PortFuture, Rotation, StoreError, UserStore, UsernameTaken,
};

#[derive(Default)]
pub(super) struct Users {
    accounts: BTreeMap<UserId, Account>,
    names: BTreeMap<String, UserId>,
    devices: BTreeMap<DeviceId, Device>,
    tokens: BTreeMap<[u8; 32], Token>,
}

struct Account {
    user: User,
    password_hash: Option<String>,
}

struct Token {
    device_id: DeviceId,
    /// Milliseconds since 1970 UTC.
    expires_at: i64,
    spent: bool,
    /// The token that this one was spent for.
    next: Option<[u8; 32]>,
}

impl Users {
    fn create_users(&mut self, users: Vec<NewUser>) -> Result<(), UsernameTaken> {
        let mut inside = BTreeSet::new();
        for user in &users {
            let taken = self.names.get(&user.username).is_some_and(|id| *id != user.user_id);
            if taken || !inside.insert(&user.username) {
                return Err(UsernameTaken);
            }
        }
        for new in users {
            self.names.insert(new.username.clone(), new.user_id);
            self.accounts.entry(new.user_id).or_insert_with(|| Account {
                user: User {
                    user_id: new.user_id,
                    username: new.username,
                    display_name: new.display_name,
                    status_text: None,
                    created_at: new.created_at,
                },
                password_hash: new.password_hash,
            });
        }
        Ok(())
    }

    fn add_device(&mut self, new: NewDevice) -> Result<(), StoreError> {
        let device = self.devices.entry(new.device_id).or_insert(Device {
            device_id: new.device_id,
            user_id: new.user_id,
            name: new.name,
            created_at: new.created_at,
            last_seen_at: new.created_at,
            revoked_at: None,
        });
        if device.user_id == new.user_id {
            Ok(())
        } else {
            Err(StoreError::Damaged("the device belongs to another user".to_owned()))
        }
    }

    fn devices(&self, user: UserId) -> Vec<Device> {
        let current = |device: &&Device| device.user_id == user && device.revoked_at.is_none();
        let mut devices: Vec<_> = self.devices.values().filter(current).cloned().collect();
        devices.sort_by_key(|device| (device.created_at, device.device_id));
        devices
    }

    fn revoke_device(&mut self, user: UserId, id: DeviceId, at_ms: i64) -> bool {
        let Some(device) = self.devices.get_mut(&id).filter(|device| device.user_id == user) else {
            return false;
        };
        device.revoked_at.get_or_insert(at_ms);
        for token in self.tokens.values_mut().filter(|token| token.device_id == id) {
            token.spent = true;
        }
        true
    }

    fn add_token(&mut self, hash: [u8; 32], device_id: DeviceId, expires_at: i64) {
        let token = Token { device_id, expires_at, spent: false, next: None };
        self.tokens.entry(hash).or_insert(token);
    }

    fn rotate(
        &mut self,
        hash: [u8; 32],
        next_hash: [u8; 32],
        next_expires_at_ms: i64,
        now_ms: i64,
    ) -> Rotation {
        let unspent = |token: &Token| !token.spent;
        let next_is_unspent = self.tokens.get(&next_hash).is_some_and(unspent);
        let Some(token) = self.tokens.get_mut(&hash) else { return Rotation::Refused };
        let device_id = token.device_id;
        let Some(device) = self.devices.get_mut(&device_id) else { return Rotation::Refused };
        let user_id = device.user_id;
        if device.revoked_at.is_some() {
            return Rotation::Refused;
        }
        if token.spent {
            if token.next == Some(next_hash) && next_is_unspent {
                return Rotation::Rotated { user_id, device_id };
            }
            self.revoke_device(user_id, device_id, now_ms);
            return Rotation::Reused { user_id, device_id };
        }
        if token.expires_at <= now_ms {
            return Rotation::Refused;
        }
        token.spent = true;
        token.next = Some(next_hash);
        device.last_seen_at = device.last_seen_at.max(now_ms);
        self.add_token(next_hash, device_id, next_expires_at_ms);
        Rotation::Rotated { user_id, device_id }
    }
}

impl UserStore for MemoryStore {
    fn create_users(
        &self,
        users: Vec<NewUser>,
    ) -> PortFuture<Result<(), UsernameTaken>, StoreError> {
        found(self.tables().users.create_users(users))
    }

    fn credentials(&self, username: String) -> PortFuture<Option<Credentials>> {
        let users = &self.tables().users;
        found(users.names.get(&username).map(|id| Credentials {
            user_id: *id,
            password_hash: users.accounts[id].password_hash.clone(),
        }))
    }

    fn set_password_hash(&self, user: UserId, password_hash: String) -> PortFuture<()> {
        if let Some(account) = self.tables().users.accounts.get_mut(&user) {
            account.password_hash = Some(password_hash);
        }
        found(())
    }

    fn user_by_name(&self, username: String) -> PortFuture<Option<User>> {
        let users = &self.tables().users;
        found(users.names.get(&username).map(|id| users.accounts[id].user.clone()))
    }

    fn users(&self, ids: Vec<UserId>) -> PortFuture<Vec<User>> {
        let accounts = &self.tables().users.accounts;
        let ids = ids.into_iter().collect::<BTreeSet<_>>();
        found(ids.iter().filter_map(|id| Some(accounts.get(id)?.user.clone())).collect())
    }

    fn update_profile(
        &self,
        user: UserId,
        display_name: Option<String>,
        status_text: Option<String>,
    ) -> PortFuture<Option<User>> {
        found(self.tables().users.accounts.get_mut(&user).map(|account| {
            if let Some(display_name) = display_name {
                account.user.display_name = display_name;
            }
            if let Some(status_text) = status_text {
                account.user.status_text = Some(status_text).filter(|text| !text.is_empty());
            }
            account.user.clone()
        }))
    }

    fn add_devices(&self, devices: Vec<NewDevice>) -> PortFuture<()> {
        let users = &mut self.tables().users;
        answer(devices.into_iter().try_for_each(|device| users.add_device(device)))
    }

    fn devices(&self, user: UserId) -> PortFuture<Vec<Device>> {
        found(self.tables().users.devices(user))
    }

    fn device(&self, device: DeviceId) -> PortFuture<Option<Device>> {
        found(self.tables().users.devices.get(&device).cloned())
    }

    fn revoke_device(&self, user: UserId, device: DeviceId, at_ms: i64) -> PortFuture<bool> {
        found(self.tables().users.revoke_device(user, device, at_ms))
    }

    fn add_refresh_token(&self, token: NewRefreshToken) -> PortFuture<()> {
        self.tables().users.add_token(token.hash, token.device_id, token.expires_at);
        found(())
    }

    fn rotate_refresh_token(
        &self,
        hash: [u8; 32],
        next_hash: [u8; 32],
        next_expires_at_ms: i64,
        now_ms: i64,
    ) -> PortFuture<Rotation> {
        found(self.tables().users.rotate(hash, next_hash, next_expires_at_ms, now_ms))
    }
}
