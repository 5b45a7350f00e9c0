//! Accounts and profiles, and the port that devices and tokens share with them.

use std::collections::BTreeSet;

use actors::ports::{
    Applied, Credentials, NewDevice, NewUser, PortFuture, Rotation, StoreError, UserStore,
    UsernameTaken,
};
use schema::record::{Device, NewRefreshToken, User};
use schema::{DeviceId, UserId};
use scylla::statement::batch::{Batch, BatchType};
use scylla::value::MaybeUnset;
use uuid::Uuid;

use super::failure::Failure;
use super::materialise::split;
use super::store::{Store, all, answer};
use super::tokens::TokenRotation;

type UserColumns = (Option<String>, Option<String>, Option<String>, Option<i64>);

/// Key, times and headers of a user's row.
const ROW_BYTES: usize = 128;

impl Store {
    pub(super) async fn read_user(&self, user_id: UserId) -> Result<Option<User>, Failure> {
        let row = self.row::<UserColumns>(&self.statements().user, (user_id.0,)).await?;
        let Some((Some(username), display_name, status_text, created_at)) = row else {
            return Ok(None);
        };
        let display_name = display_name.unwrap_or_default();
        let created_at = created_at.unwrap_or(0);
        Ok(Some(User { user_id, username, display_name, status_text, created_at }))
    }

    /// Whose name it is, or is about to be.
    async fn holder_of_name(&self, username: &str) -> Result<Option<UserId>, Failure> {
        let row = self.row::<(Option<Uuid>,)>(&self.statements().holder_of_name, (username,));
        Ok(row.await?.and_then(|(holder,)| holder).map(UserId))
    }

    async fn read_user_by_name(&self, username: &str) -> Result<Option<User>, Failure> {
        let Some(holder) = self.holder_of_name(username).await? else { return Ok(None) };
        let user = self.read_user(holder).await?;
        Ok(user.filter(|user| user.username == username))
    }

    async fn read_credentials(&self, username: &str) -> Result<Option<Credentials>, Failure> {
        type Columns = (Option<String>, Option<String>);
        let Some(user_id) = self.holder_of_name(username).await? else { return Ok(None) };
        let row = self.row::<Columns>(&self.statements().password_hash, (user_id.0,)).await?;
        let row = row.filter(|(name, _)| name.as_deref() == Some(username));
        Ok(row.map(|(_, password_hash)| Credentials { user_id, password_hash }))
    }

    async fn create_users_(&self, new: &[NewUser]) -> Result<Result<(), UsernameTaken>, Failure> {
        let names: BTreeSet<_> = new.iter().map(|user| &user.username).collect();
        if names.len() < new.len() {
            return Ok(Err(UsernameTaken));
        }
        let Some(reservations) = self.reserve_all(new).await? else {
            return Ok(Err(UsernameTaken));
        };
        self.write_users(reservations.accounts()?.collect()).await?;
        Ok(Ok(()))
    }

    /// Writes user rows in logged batches: each appears wholly or not at all, whatever fails.
    async fn write_users(&self, users: Vec<&NewUser>) -> Result<(), Failure> {
        let size = |user: &&NewUser| {
            let hash = user.password_hash.as_ref().map_or(0, String::len);
            ROW_BYTES + user.username.len() + user.display_name.len() + hash
        };
        for users in split(users, size) {
            let rows: Vec<_> = users
                .iter()
                .map(|user| {
                    let (username, display_name) = (&user.username, &user.display_name);
                    (user.user_id.0, username, display_name, &user.password_hash, user.created_at)
                })
                .collect();
            let statement = &self.statements().insert_user;
            let statements = rows.iter().map(|_| statement.clone().into()).collect();
            let mut batch = Batch::new_with_statements(BatchType::Logged, statements);
            batch.set_is_idempotent(true);
            self.session().batch(&batch, &rows).await?;
        }
        Ok(())
    }

    async fn change_profile(
        &self,
        user: UserId,
        display_name: Option<String>,
        status_text: Option<String>,
    ) -> Result<Option<User>, Failure> {
        if display_name.is_some() || status_text.is_some() {
            let status_text = match status_text {
                Some(text) => MaybeUnset::Set(Some(text).filter(|text| !text.is_empty())),
                None => MaybeUnset::Unset,
            };
            let display_name = MaybeUnset::from_option(display_name);
            let values = (display_name, status_text, user.0);
            if self.conditional(&self.statements().set_profile, values).await? == Applied::No {
                return Ok(None);
            }
        }
        self.read_user(user).await
    }

    async fn read_users(&self, ids: Vec<UserId>) -> Result<Vec<User>, Failure> {
        let ids: BTreeSet<_> = ids.into_iter().collect();
        let users = all(ids.into_iter().map(|id| self.read_user(id)).collect()).await?;
        Ok(users.into_iter().flatten().collect())
    }
}

impl UserStore for Store {
    fn create_users(&self, new: Vec<NewUser>) -> PortFuture<Result<(), UsernameTaken>, StoreError> {
        let store = self.clone();
        Box::pin(async move { answer("create_users", store.create_users_(&new)).await })
    }

    fn credentials(&self, username: String) -> PortFuture<Option<Credentials>> {
        let store = self.clone();
        Box::pin(async move { answer("credentials", store.read_credentials(&username)).await })
    }

    fn set_password_hash(&self, user: UserId, password_hash: String) -> PortFuture<()> {
        let store = self.clone();
        Box::pin(async move {
            let values = (password_hash, user.0);
            let set = store.conditional(&store.statements().set_password_hash, values);
            answer("set_password_hash", set).await.map(|_| ())
        })
    }

    fn user_by_name(&self, username: String) -> PortFuture<Option<User>> {
        let store = self.clone();
        Box::pin(async move { answer("user_by_name", store.read_user_by_name(&username)).await })
    }

    fn users(&self, ids: Vec<UserId>) -> PortFuture<Vec<User>> {
        let store = self.clone();
        Box::pin(async move { answer("users", store.read_users(ids)).await })
    }

    fn update_profile(
        &self,
        user: UserId,
        display_name: Option<String>,
        status_text: Option<String>,
    ) -> PortFuture<Option<User>> {
        let store = self.clone();
        Box::pin(async move {
            let change = store.change_profile(user, display_name, status_text);
            answer("update_profile", change).await
        })
    }

    fn add_devices(&self, new: Vec<NewDevice>) -> PortFuture<()> {
        let store = self.clone();
        Box::pin(async move { answer("add_devices", store.write_devices(&new)).await })
    }

    fn devices(&self, user: UserId) -> PortFuture<Vec<Device>> {
        let store = self.clone();
        Box::pin(async move { answer("devices", store.current_devices(user)).await })
    }

    fn device(&self, device: DeviceId) -> PortFuture<Option<Device>> {
        let store = self.clone();
        Box::pin(async move { answer("device", store.read_device(device)).await })
    }

    fn revoke_device(&self, user: UserId, device: DeviceId, at_ms: i64) -> PortFuture<bool> {
        let store = self.clone();
        Box::pin(async move {
            answer("revoke_device", store.sign_device_out(user, device, at_ms)).await
        })
    }

    fn add_refresh_token(&self, token: NewRefreshToken) -> PortFuture<()> {
        let store = self.clone();
        Box::pin(async move {
            let add = store.write_token(&token.hash, token.device_id, token.expires_at);
            answer("add_refresh_token", add).await
        })
    }

    fn rotate_refresh_token(
        &self,
        hash: [u8; 32],
        next_hash: [u8; 32],
        next_expires_at_ms: i64,
        now_ms: i64,
    ) -> PortFuture<Rotation> {
        let rotation = TokenRotation { hash, next_hash, next_expires_at_ms, now_ms };
        let store = self.clone();
        Box::pin(async move { answer("rotate_refresh_token", store.rotate(&rotation)).await })
    }
}
