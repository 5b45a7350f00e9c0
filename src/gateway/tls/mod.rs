//! Encryption of the public listener.
//!
//! ```text
//! config.rs       which files
//! certificate.rs  reads them
//! validity.rs     until when a certificate is good (pure)
//! current.rs      the one in force, read again when it changes
//! socket.rs       one encrypted socket
//! ```

mod certificate;
mod config;
mod current;
mod socket;
mod validity;

#[cfg(test)]
mod tests;

pub use config::TlsConfig;
pub use current::CurrentTls;
pub use socket::TlsSocket;
