//! Accounts as REST and the command line use them.

use std::path::Path;
use std::sync::Arc;

use actors::ports::{
    Identity, NewDevice, NewUser, Rotation, StoreError, TokenRefused, UserStore, UsernameTaken,
    WallClock,
};
use schema::record::NewRefreshToken;
use schema::rest::SignedIn;
use schema::{DeviceId, UserId};
use secrecy::{ExposeSecret as _, SecretString};

use super::config::{AuthConfig, Registration};
use super::jwt::{BadSigningKey, SigningKey};
use super::password::{PasswordError, Passwords, WeakPassword, check_strength};
use super::secret_file::{SecretFileError, random_text, read_or_create, same_secret};
use super::verifier::Verifier;
use super::{opaque_token, password};
use crate::config::TextDuration;

/// File of the private signing key in the data directory.
pub const SIGNING_KEY_FILE: &str = "signing_key";
/// File of the internal listener's token in the data directory.
pub const ADMIN_TOKEN_FILE: &str = "admin_token";
/// What a device is called that has not said.
const UNNAMED_DEVICE: &str = "unnamed device";

/// Signing in cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum AuthSetupError {
    #[error(transparent)]
    File(#[from] SecretFileError),
    #[error(transparent)]
    Key(#[from] BadSigningKey),
    #[error(transparent)]
    Password(#[from] PasswordError),
}

/// Why signing in or an account change was refused.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error("wrong user name or password")]
    BadCredentials,
    #[error("this server does not take registrations")]
    RegistrationClosed,
    #[error(transparent)]
    UsernameTaken(#[from] UsernameTaken),
    #[error(transparent)]
    WeakPassword(#[from] WeakPassword),
    #[error(transparent)]
    Token(#[from] TokenRefused),
    /// The refresh token had been used before: its device is signed out now.
    #[error("the refresh token was used before; the device was signed out")]
    RefreshTokenReused { user_id: UserId, device_id: DeviceId },
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An account to be made. The name is folded already.
pub struct NewAccount {
    pub username: String,
    /// `None`: cannot sign in by password.
    pub password: Option<SecretString>,
    pub display_name: Option<String>,
}

/// An account that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub user_id: UserId,
    pub username: String,
}

/// Signs users in and out. One a process, shared.
pub struct Auth {
    users: Arc<dyn UserStore>,
    clock: Arc<dyn WallClock>,
    key: Arc<SigningKey>,
    verifier: Verifier,
    passwords: Passwords,
    admin_token: SecretString,
    access_token_ttl: TextDuration,
    refresh_token_ttl: TextDuration,
    registration: Registration,
}

impl Auth {
    /// Reads the secrets, or makes them on the first run. Takes the time of one password hash.
    ///
    /// # Errors
    /// [`AuthSetupError`].
    pub fn open(
        config: &AuthConfig,
        data_dir: &Path,
        users: Arc<dyn UserStore>,
        clock: Arc<dyn WallClock>,
    ) -> Result<Self, AuthSetupError> {
        let key = match &config.signing_key {
            Some(key) => SigningKey::from_base64(key.expose())?,
            None => {
                let path = data_dir.join(SIGNING_KEY_FILE);
                let text = read_or_create(&path, SigningKey::generate_base64)?;
                SigningKey::from_base64(text.expose_secret())?
            }
        };
        let admin_token = match &config.admin_token {
            Some(token) => token.expose().to_owned().into(),
            None => read_or_create(&data_dir.join(ADMIN_TOKEN_FILE), || random_text().into())?,
        };
        let key = Arc::new(key);
        let verifier = Verifier::new(Arc::clone(&key), Arc::clone(&users), Arc::clone(&clock));
        Ok(Self {
            users,
            clock,
            key,
            verifier,
            passwords: Passwords::try_new()?,
            admin_token,
            access_token_ttl: config.access_token_ttl,
            refresh_token_ttl: config.refresh_token_ttl,
            registration: config.registration,
        })
    }

    /// Checks access tokens; for the gateway and for REST.
    #[must_use]
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Whether this is the internal listener's token.
    #[must_use]
    pub fn is_admin_token(&self, given: &str) -> bool {
        same_secret(given.as_bytes(), self.admin_token.expose_secret().as_bytes())
    }

    /// Makes an account for whoever asks, and signs it in.
    ///
    /// # Errors
    /// `RegistrationClosed`, `WeakPassword`, `UsernameTaken`, and failures.
    pub async fn register(
        &self,
        account: NewAccount,
        device: Option<String>,
    ) -> Result<SignedIn, AuthError> {
        if self.registration == Registration::Closed {
            return Err(AuthError::RegistrationClosed);
        }
        let account = self.create_account(account).await?;
        self.sign_in(account.user_id, device).await
    }

    /// Makes an account, whether or not registration is open.
    ///
    /// # Errors
    /// `WeakPassword`, `UsernameTaken`, and failures.
    pub async fn create_account(&self, account: NewAccount) -> Result<Account, AuthError> {
        let NewAccount { username, password, display_name } = account;
        let display_name = display_name.unwrap_or_else(|| username.clone());
        let password_hash = match password {
            None => None,
            Some(password) => {
                check_strength(password.expose_secret(), &[&username, &display_name])?;
                Some(self.passwords.hash(password).await?)
            }
        };
        let user = NewUser {
            user_id: UserId::generate(),
            username: username.clone(),
            display_name,
            password_hash,
            created_at: self.clock.now_ms(),
        };
        let user_id = user.user_id;
        self.users.create_users(vec![user]).await??;
        Ok(Account { user_id, username })
    }

    /// Replaces a password; devices stay signed in.
    ///
    /// # Errors
    /// `WeakPassword` and failures.
    pub async fn set_password(
        &self,
        user: UserId,
        username: &str,
        password: SecretString,
    ) -> Result<(), AuthError> {
        password::check_strength(password.expose_secret(), &[username])?;
        let hash = self.passwords.hash(password).await?;
        Ok(self.users.set_password_hash(user, hash).await?)
    }

    /// Signs a new device in by password. The name is folded already.
    ///
    /// # Errors
    /// `BadCredentials`, for unknown names too and after the same time; failures.
    pub async fn login(
        &self,
        username: String,
        password: SecretString,
        device: Option<String>,
    ) -> Result<SignedIn, AuthError> {
        let credentials = self.users.credentials(username).await?;
        let user_id = credentials.as_ref().map(|credentials| credentials.user_id);
        let hash = credentials.and_then(|credentials| credentials.password_hash);
        let matches = self.passwords.verify(password, hash).await?;
        match user_id {
            Some(user_id) if matches => self.sign_in(user_id, device).await,
            _ => Err(AuthError::BadCredentials),
        }
    }

    /// Exchanges a refresh token. Each works once.
    ///
    /// # Errors
    /// `Token(Bad)` for what is unknown, expired or of a revoked device. `RefreshTokenReused`:
    /// the device was signed out; its socket is the caller's to close.
    pub async fn refresh(&self, token: &str) -> Result<SignedIn, AuthError> {
        let (next, now_ms) = (opaque_token::generate(opaque_token::REFRESH), self.clock.now_ms());
        let expires_at_ms = now_ms.saturating_add(self.refresh_token_ttl.as_ms());
        let rotation = self
            .users
            .rotate_refresh_token(
                opaque_token::hash(token),
                opaque_token::hash(&next),
                expires_at_ms,
                now_ms,
            )
            .await?;
        match rotation {
            Rotation::Rotated { user_id, device_id } => {
                Ok(self.signed_in(Identity { user_id, device_id }, next))
            }
            Rotation::Reused { user_id, device_id } => {
                self.verifier.forget(device_id);
                tracing::warn!(%user_id, %device_id, "a refresh token was used twice");
                Err(AuthError::RefreshTokenReused { user_id, device_id })
            }
            Rotation::Refused => Err(TokenRefused::Bad.into()),
        }
    }

    /// Signs a device out: its tokens stop working. False when the user has no such device. Its
    /// socket is the caller's to close.
    ///
    /// # Errors
    /// Of the store.
    pub async fn revoke_device(&self, user: UserId, device: DeviceId) -> Result<bool, AuthError> {
        self.verifier.forget(device);
        let revoked = self.users.revoke_device(user, device, self.clock.now_ms()).await?;
        self.verifier.forget(device);
        Ok(revoked)
    }

    /// An access token for a device that exists, good for `ttl`.
    #[must_use]
    pub fn mint(&self, identity: Identity, ttl: TextDuration) -> String {
        self.key.mint(identity, self.clock.now_ms(), ttl)
    }

    async fn sign_in(
        &self,
        user_id: UserId,
        device: Option<String>,
    ) -> Result<SignedIn, AuthError> {
        let (device_id, now_ms) = (DeviceId::generate(), self.clock.now_ms());
        let name = device.unwrap_or_else(|| UNNAMED_DEVICE.to_owned());
        let device = NewDevice { device_id, user_id, name, created_at: now_ms };
        self.users.add_devices(vec![device]).await?;
        let token = opaque_token::generate(opaque_token::REFRESH);
        let stored = NewRefreshToken {
            hash: opaque_token::hash(&token),
            user_id,
            device_id,
            expires_at: now_ms.saturating_add(self.refresh_token_ttl.as_ms()),
        };
        self.users.add_refresh_token(stored).await?;
        Ok(self.signed_in(Identity { user_id, device_id }, token))
    }

    fn signed_in(&self, identity: Identity, refresh_token: String) -> SignedIn {
        SignedIn {
            user_id: identity.user_id,
            device_id: identity.device_id,
            access_token: self.mint(identity, self.access_token_ttl),
            refresh_token,
            expires_in: self.access_token_ttl.0.as_secs(),
        }
    }
}
