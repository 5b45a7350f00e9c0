//! User names: 2 to 32 of `a-z 0-9 . _ -`, upper case folded.

use super::problem::ApiError;

/// The name as it is stored, or why it cannot be one.
///
/// # Errors
/// `invalid_field`.
pub fn fold(given: &str) -> Result<String, ApiError> {
    let name = given.trim().to_ascii_lowercase();
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    if !(2..=32).contains(&name.len()) || !name.chars().all(is_allowed) {
        let message = "must be 2 to 32 of the characters a-z 0-9 . _ -";
        return Err(ApiError::field("username", message));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn names_fold_to_one_form() {
        assert_eq!(fold("Alice.W").unwrap(), "alice.w");
        for bad in ["a", "has space", "ünïcode", "a/b", "", &"x".repeat(33), "al\u{200b}ice"] {
            assert!(fold(bad).is_err(), "{bad:?}");
        }
    }
}
