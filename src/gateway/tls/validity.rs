//! Until when a certificate is good: the one field of X.509 (RFC 5280) that is needed here. Pure.

/// Seconds since 1970 UTC of `notAfter`; `None` when the bytes are no certificate.
#[must_use]
pub fn not_after(certificate: &[u8]) -> Option<i64> {
    let (outer, _) = element(certificate, SEQUENCE)?;
    let (mut fields, _) = element(outer, SEQUENCE)?;
    if fields.first() == Some(&VERSION) {
        (_, fields) = element(fields, VERSION)?;
    }
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        // Serial number, algorithm, issuer.
        (_, fields) = element(fields, tag)?;
    }
    let (validity, _) = element(fields, SEQUENCE)?;
    let (_, after) = any_element(validity)?;
    let ((tag, text), _) = any_element(after)?;
    time(tag, std::str::from_utf8(text).ok()?)
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

type Element<'a> = ((u8, &'a [u8]), &'a [u8]);

/// The first element of DER: its tag and content, and what follows.
fn any_element(bytes: &[u8]) -> Option<Element<'_>> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x0f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some(((*tag, content), rest))
}

fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let ((found, content), rest) = any_element(bytes)?;
    (found == tag).then_some((content, rest))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn time(tag: u8, text: &str) -> Option<i64> {
    let digits = text.strip_suffix('Z')?;
    let is_number = digits.bytes().all(|digit| digit.is_ascii_digit());
    let (year, rest) = match (tag, digits.len()) {
        (UTC_TIME, 12) if is_number => {
            let short: i64 = digits[..2].parse().ok()?;
            (if short < 50 { 2000 + short } else { 1900 + short }, &digits[2..])
        }
        (GENERALIZED_TIME, 14) if is_number => (digits[..4].parse().ok()?, &digits[4..]),
        _ => return None,
    };
    let part = |at: usize| rest[at..at + 2].parse::<i64>().ok();
    let days = days_from_1970(year, part(0)?, part(2)?);
    Some(days * 86_400 + part(4)? * 3_600 + part(6)? * 60 + part(8)?)
}

/// Days of the proleptic Gregorian calendar, the year beginning in March.
fn days_from_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (tag, text, seconds) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", Some(-631_152_000)),
            (GENERALIZED_TIME, "20240229120000Z", Some(1_709_208_000)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "2050010100000", None),
            (UTC_TIME, "7001010000+0Z", None),
            (0x04, "700101000000Z", None),
        ] {
            assert_eq!(time(tag, text), seconds, "{text}");
        }
    }

    #[test]
    fn a_certificate_tells_its_end_and_other_bytes_tell_nothing() {
        let mut parameters = rcgen::CertificateParams::new(vec!["chat.example".into()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(2031, 5, 17);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let bytes: &[u8] = certificate.der();
        assert_eq!(not_after(bytes), Some(1_936_742_400));
        for end in 0..bytes.len() {
            // Cut off anywhere, or with a byte changed: no panic.
            let _ = not_after(&bytes[..end]);
            let mut changed = bytes.to_vec();
            changed[end] ^= 0xff;
            let _ = not_after(&changed);
        }
        assert_eq!(not_after(b""), None);
        assert_eq!(not_after(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
