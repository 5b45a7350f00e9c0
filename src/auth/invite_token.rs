//! Tokens of invites: 256 random bits, stored only as their SHA-256.

use sha2::{Digest as _, Sha256};

use super::secret_file::random_text;

/// Makes tokens recognisable, so that scanners find leaked ones.
const PREFIX: &str = "swi_";

/// A fresh token.
#[must_use]
pub fn generate() -> String {
    format!("{PREFIX}{}", random_text())
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
        let (one, two) = (generate(), generate());
        assert_eq!(one.len(), PREFIX.len() + 43);
        assert_ne!(one, two);
        assert_ne!(hash(&one), hash(&two));
    }
}
