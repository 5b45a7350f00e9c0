//! "Did you mean …?"

/// The known name closest to `given`, when it is close at all.
#[must_use]
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let last_word = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    known
        .into_iter()
        .map(|name| {
            let whole = strsim::damerau_levenshtein(given, name);
            // A right word in the wrong section is one step away.
            let moved = 1 + strsim::damerau_levenshtein(&last_word(given), &last_word(name));
            (whole.min(moved), name)
        })
        .min()
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(2))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn typing_errors_and_wrong_sections_are_recognised() {
        let known = ["listen", "internal_listen", "limits.sends_per_second", "log.level"];
        assert_eq!(nearest("lisen", known), Some("listen"));
        assert_eq!(nearest("limits.send_per_seconds", known), Some("limits.sends_per_second"));
        assert_eq!(nearest("sends_per_second", known), Some("limits.sends_per_second"));
        assert_eq!(nearest("redis_url", known), None);
    }
}
