//! Tokens that say nothing by themselves: 256 random bits, stored only as their SHA-256.

use sha2::{Digest as _, Sha256};

use super::secret_file::random_text;

/// How tokens of one purpose begin, so that scanners find leaked ones.
pub const REFRESH: &str = "swr_";
/// See [`REFRESH`].
pub const INVITE: &str = "swi_";

/// A fresh token that begins with `prefix`.
#[must_use]
pub fn generate(prefix: &str) -> String {
    format!("{prefix}{}", random_text())
}

/// What is stored of a token.
#[must_use]
pub fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_never_repeat() {
        for prefix in [REFRESH, INVITE] {
            let (one, two) = (generate(prefix), generate(prefix));
            assert!(one.starts_with(prefix));
            assert_eq!(one.len(), prefix.len() + 43);
            assert_ne!(one, two);
            assert_ne!(hash(&one), hash(&two));
            assert_eq!(hash(&one), hash(&one.clone()));
        }
    }
}
