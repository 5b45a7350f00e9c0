//! Who is who: passwords, access tokens, refresh tokens, devices.
//!
//! ```text
//! accounts.rs     what REST and the command line call: register, login, refresh, revoke
//! password.rs     argon2id on a bounded blocking pool; strength
//! jwt.rs          access tokens: Ed25519, one algorithm, every claim required
//! opaque_token.rs refresh tokens, tokens of invites: random, only their hash is stored
//! verifier.rs     signature first, then whether the device still is signed in
//! secret_file.rs  secrets made on first run
//! ```

pub mod accounts;
pub mod config;
pub mod jwt;
pub mod opaque_token;
pub mod password;
pub mod secret_file;
pub mod verifier;

#[cfg(test)]
mod tests;

pub use accounts::{Account, Auth, AuthError, AuthSetupError, NewAccount};
pub use config::{AuthConfig, Registration};
pub use jwt::SigningKey;
pub use verifier::Verifier;
