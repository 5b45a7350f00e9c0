//! Durations and sizes as people write them: `10m`, `1h30m`, `250ms`, `30d`, `256KiB`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Not a duration or size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a {wanted}")]
pub struct NotAQuantity {
    given: String,
    wanted: &'static str,
}

/// A duration written as text; `Display` gives the shortest form back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TextDuration(pub Duration);

const DURATION_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl TextDuration {
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    #[must_use]
    pub fn as_ms(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }
}

impl FromStr for TextDuration {
    type Err = NotAQuantity;

    fn from_str(text: &str) -> Result<Self, NotAQuantity> {
        let wrong = || NotAQuantity {
            given: text.to_owned(),
            wanted: "duration such as 250ms, 30s, 10m, 1h30m or 30d",
        };
        let mut rest = text.trim();
        let mut total_ms = 0_u64;
        while !rest.is_empty() || total_ms == 0 && text.trim().is_empty() {
            let (number, unit, after) = split_quantity(rest).ok_or_else(wrong)?;
            let unit_ms =
                DURATION_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?.1;
            total_ms = number
                .checked_mul(unit_ms)
                .and_then(|part_ms| total_ms.checked_add(part_ms))
                .ok_or_else(wrong)?;
            rest = after;
        }
        Ok(Self(Duration::from_millis(total_ms)))
    }
}

impl fmt::Display for TextDuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest_ms = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if rest_ms == 0 {
            return formatter.write_str("0s");
        }
        for (unit, unit_ms) in DURATION_UNITS {
            if rest_ms >= unit_ms {
                write!(formatter, "{}{unit}", rest_ms / unit_ms)?;
                rest_ms %= unit_ms;
            }
        }
        Ok(())
    }
}

/// A number of bytes written as text: `512B`, `256KiB`, `64MiB`, `2GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ByteSize(pub u64);

const SIZE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

impl ByteSize {
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for ByteSize {
    type Err = NotAQuantity;

    fn from_str(text: &str) -> Result<Self, NotAQuantity> {
        let wrong =
            || NotAQuantity { given: text.to_owned(), wanted: "size such as 512B, 256KiB or 2GiB" };
        let (number, unit, rest) = split_quantity(text.trim()).ok_or_else(wrong)?;
        let (_, unit_bytes) = SIZE_UNITS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit))
            .filter(|_| rest.is_empty())
            .ok_or_else(wrong)?;
        number.checked_mul(*unit_bytes).map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = SIZE_UNITS.iter().filter(|(name, _)| name.len() != 2);
        for (unit, unit_bytes) in exact {
            if self.0 >= *unit_bytes && self.0.is_multiple_of(*unit_bytes) {
                return write!(formatter, "{}{unit}", self.0 / unit_bytes);
            }
        }
        write!(formatter, "{}B", self.0)
    }
}

/// `"1h30m"` → `(1, "h", "30m")`.
fn split_quantity(text: &str) -> Option<(u64, &str, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number = text[..digits].parse().ok()?;
    let after = &text[digits..];
    let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
    Some((number, after[..unit_end].trim(), &after[unit_end..]))
}

macro_rules! text_forms {
    ($($name:ident),+) => {$(
        impl TryFrom<String> for $name {
            type Error = NotAQuantity;

            fn try_from(text: String) -> Result<Self, NotAQuantity> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(quantity: $name) -> Self {
                quantity.to_string()
            }
        }
    )+};
}

text_forms!(TextDuration, ByteSize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print_as_people_write_them() {
        for (text, ms) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("30d", 2_592_000_000),
            ("0s", 0),
        ] {
            let parsed: TextDuration = text.parse().unwrap();
            assert_eq!(parsed.as_ms(), ms, "{text}");
            assert_eq!(parsed.to_string(), text);
        }
        for text in ["", "10", "ten minutes", "5w", "10m5", "-1s", "1.5h", "99999999999999999d"] {
            assert!(text.parse::<TextDuration>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn sizes_read_and_print_as_people_write_them() {
        for (text, bytes, printed) in [
            ("256KiB", 262_144, "256KiB"),
            ("256 kib", 262_144, "256KiB"),
            ("1MB", 1_000_000, "1000000B"),
            ("7B", 7, "7B"),
            ("2GiB", 2_147_483_648, "2GiB"),
        ] {
            let parsed: ByteSize = text.parse().unwrap();
            assert_eq!(parsed.0, bytes, "{text}");
            assert_eq!(parsed.to_string(), printed);
        }
        for text in ["", "256", "KiB", "1KiB2", "1.5MiB"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text:?}");
        }
    }
}
