//! Numbers, times and texts as a page shows them.

/// Text that may stand anywhere in a page.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// With groups of three digits, and decimals only where they tell something.
pub fn number(value: f64) -> String {
    let size = value.abs();
    let text = match size {
        _ if value == 0.0 => "0".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => trim(&format!("{value:.1}")),
        size if size >= 0.1 => trim(&format!("{value:.2}")),
        _ => trim(&format!("{value:.4}")),
    };
    if size < 10_000.0 {
        return text;
    }
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("−", digits));
    let mut grouped = String::from(sign);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

fn trim(text: &str) -> String {
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// For axes: 1.5k, 20M.
pub fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1e6 => format!("{}M", trim(&format!("{:.2}", value / 1e6))),
        size if size >= 1e4 => format!("{}k", trim(&format!("{:.1}", value / 1e3))),
        _ => number(value),
    }
}

/// Milliseconds, or seconds when there are many.
pub fn latency(us: u64) -> String {
    let ms = us as f64 / 1_000.0;
    if ms >= 10_000.0 {
        format!("{} s", number(ms / 1_000.0))
    } else {
        format!("{} ms", number(ms))
    }
}

/// `2026-11-22 14:05 UTC`.
pub fn date(unix_ms: u64) -> String {
    let minutes = unix_ms / 60_000;
    let (day_minutes, days) = (minutes % 1_440, minutes / 1_440);
    // Days of 400 years, counted from March: Howard Hinnant's civil_from_days.
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", day_minutes / 60, day_minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(number(0.0), "0");
        assert_eq!(number(0.0125), "0.0125");
        assert_eq!(number(1.5), "1.5");
        assert_eq!(number(12.34), "12.3");
        assert_eq!(number(1_234.5), "1234");
        assert_eq!(number(1_234_567.0), "1\u{202f}234\u{202f}567");
        assert_eq!((short(1_500.0), short(25_000.0)), ("1500".to_owned(), "25k".to_owned()));
        assert_eq!(latency(12_340), "12.3 ms");
        assert_eq!(latency(12_000_000), "12 s");
    }

    #[test]
    fn dates_are_right() {
        assert_eq!(date(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(1_709_210_040_000), "2024-02-29 12:34 UTC");
        assert_eq!(date(1_795_356_300_000), "2026-11-22 14:05 UTC");
    }

    #[test]
    fn nothing_breaks_out_of_a_page() {
        assert_eq!(escape("<a href='\"&"), "&lt;a href=&#39;&quot;&amp;");
    }
}
