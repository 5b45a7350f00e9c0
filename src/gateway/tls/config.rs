//! Settings of encryption.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::certificate::Certificate;

/// TLS of the public listener. Without both files it speaks plain HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct TlsConfig {
    /// PEM file with the server's certificate and, after it, those in between up to the authority.
    /// Read again on SIGHUP, and when it or the key changes.
    #[schema(value_type = String)]
    pub certificate_file: Option<PathBuf>,
    /// PEM file with the certificate's private key.
    #[schema(value_type = String)]
    pub key_file: Option<PathBuf>,
}

impl TlsConfig {
    /// Both files, if TLS is on.
    #[must_use]
    pub fn files(&self) -> Option<(&PathBuf, &PathBuf)> {
        self.certificate_file.as_ref().zip(self.key_file.as_ref())
    }

    pub(crate) fn check(&self, refuse: &mut impl FnMut(&str, String)) {
        match (&self.certificate_file, &self.key_file) {
            (None, None) => {}
            (Some(_), None) => refuse("tls.key_file", "must be set too".to_owned()),
            (None, Some(_)) => refuse("tls.certificate_file", "must be set too".to_owned()),
            (Some(certificate), Some(key)) => {
                if let Err(error) = Certificate::read(certificate, key) {
                    refuse("tls.certificate_file", error.to_string());
                }
            }
        }
    }
}
