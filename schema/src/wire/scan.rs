//! Looks over untrusted bytes before anything is allocated for them: nesting depth, lengths that
//! the input cannot hold, trailing bytes. Typed decoding comes after.
//!
//! MessagePack format: <https://github.com/msgpack/msgpack/blob/master/spec.md>.

/// Why bytes were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    #[error("the input ends inside a value")]
    Truncated,
    #[error("nested deeper than {DEPTH_MAX}")]
    TooDeep,
    #[error("a list or map of more than {ITEMS_MAX} items")]
    TooManyItems,
    #[error("bytes follow the value")]
    Trailing,
    #[error("not MessagePack")]
    Malformed,
}

/// Deepest nesting of lists and maps.
pub const DEPTH_MAX: usize = 32;
/// Longest list or map.
pub const ITEMS_MAX: usize = 10_000;

/// Checks that `bytes` are exactly one well-formed MessagePack value within the limits.
///
/// # Errors
/// The first limit broken. Cost is linear in the input, memory constant.
pub fn messagepack(bytes: &[u8]) -> Result<(), ScanError> {
    let end = value(bytes, 0)?;
    if end == bytes.len() { Ok(()) } else { Err(ScanError::Trailing) }
}

/// Skips one value that begins at `start`; returns the index after it.
fn value(bytes: &[u8], start: usize) -> Result<usize, ScanError> {
    // Items still to come in each open list or map, innermost last.
    let mut open = [0_usize; DEPTH_MAX];
    let mut depth = 0;
    let mut at = start;
    loop {
        let (next, items) = header(bytes, at)?;
        at = next;
        if items > 0 {
            if depth == DEPTH_MAX {
                return Err(ScanError::TooDeep);
            }
            // Each item takes a byte at least: a lying length is found before it costs.
            if items > bytes.len() - at {
                return Err(ScanError::Truncated);
            }
            open[depth] = items;
            depth += 1;
            continue;
        }
        while depth > 0 {
            open[depth - 1] -= 1;
            if open[depth - 1] > 0 {
                break;
            }
            depth -= 1;
        }
        if depth == 0 {
            return Ok(at);
        }
    }
}

/// Reads one marker and skips its scalar payload: the next index, and how many items follow.
fn header(bytes: &[u8], at: usize) -> Result<(usize, usize), ScanError> {
    let marker = *bytes.get(at).ok_or(ScanError::Truncated)?;
    let after = at + 1;
    let scalar = |length: usize| skip(bytes, after, length).map(|next| (next, 0));
    match marker {
        0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => Ok((after, 0)),
        0x80..=0x8f => items(after, usize::from(marker & 0x0f) * 2),
        0x90..=0x9f => items(after, usize::from(marker & 0x0f)),
        0xa0..=0xbf => scalar(usize::from(marker & 0x1f)),
        0xc4 | 0xd9 => sized(bytes, after, 1, 0),
        0xc5 | 0xda => sized(bytes, after, 2, 0),
        0xc6 | 0xdb => sized(bytes, after, 4, 0),
        0xc7 => sized(bytes, after, 1, 1),
        0xc8 => sized(bytes, after, 2, 1),
        0xc9 => sized(bytes, after, 4, 1),
        0xca | 0xce | 0xd2 => scalar(4),
        0xcb | 0xcf | 0xd3 => scalar(8),
        0xcc | 0xd0 => scalar(1),
        0xcd | 0xd1 => scalar(2),
        0xd4 => scalar(2),
        0xd5 => scalar(3),
        0xd6 => scalar(5),
        0xd7 => scalar(9),
        0xd8 => scalar(17),
        0xdc => {
            let (next, count) = length(bytes, after, 2)?;
            items(next, count)
        }
        0xdd => {
            let (next, count) = length(bytes, after, 4)?;
            items(next, count)
        }
        0xde | 0xdf => {
            let (next, count) = length(bytes, after, if marker == 0xde { 2 } else { 4 })?;
            items(next, count.saturating_mul(2))
        }
        0xc1 => Err(ScanError::Malformed),
    }
}

const fn items(next: usize, count: usize) -> Result<(usize, usize), ScanError> {
    if count > ITEMS_MAX { Err(ScanError::TooManyItems) } else { Ok((next, count)) }
}

fn sized(bytes: &[u8], at: usize, width: usize, extra: usize) -> Result<(usize, usize), ScanError> {
    let (next, count) = length(bytes, at, width)?;
    skip(bytes, next, count.saturating_add(extra)).map(|next| (next, 0))
}

fn length(bytes: &[u8], at: usize, width: usize) -> Result<(usize, usize), ScanError> {
    let next = skip(bytes, at, width)?;
    let count = bytes[at..next].iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
    Ok((next, count))
}

fn skip(bytes: &[u8], at: usize, count: usize) -> Result<usize, ScanError> {
    let next = at.checked_add(count).ok_or(ScanError::Truncated)?;
    if next <= bytes.len() { Ok(next) } else { Err(ScanError::Truncated) }
}

/// Checks that JSON text nests no deeper than the limit. Says nothing else about it.
///
/// # Errors
/// [`ScanError::TooDeep`].
pub fn json_depth(text: &str) -> Result<(), ScanError> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (true, b'"') => in_string = false,
            (false, b'"') => in_string = true,
            (false, b'[' | b'{') => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(ScanError::TooDeep);
                }
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lying_lengths_are_refused_before_anything_is_allocated() {
        assert_eq!(messagepack(&[0xdd, 0xff, 0xff, 0xff, 0xff]), Err(ScanError::TooManyItems));
        assert_eq!(messagepack(&[0xdc, 0x27, 0x10, 0xc0]), Err(ScanError::Truncated));
        assert_eq!(messagepack(&[0xdf, 0xff, 0xff, 0xff, 0xff]), Err(ScanError::TooManyItems));
        assert_eq!(messagepack(&[0xc6, 0xff, 0xff, 0xff, 0xff, 1]), Err(ScanError::Truncated));
        assert_eq!(messagepack(&[0xdb, 0x7f, 0xff, 0xff, 0xff, 1]), Err(ScanError::Truncated));
    }

    #[test]
    fn a_thousand_deep_is_refused_and_the_limit_itself_is_not() {
        assert_eq!(messagepack(&[0x91; 1000]), Err(ScanError::TooDeep));
        let mut deepest = vec![0x91; DEPTH_MAX];
        deepest.push(0xc0);
        assert_eq!(messagepack(&deepest), Ok(()));
        assert_eq!(json_depth(&"[".repeat(1000)), Err(ScanError::TooDeep));
        assert_eq!(json_depth(r#"{"a":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"["}"#), Ok(()));
    }

    #[test]
    fn trailing_and_reserved_bytes_are_refused() {
        assert_eq!(messagepack(&[0xc0, 0xc0]), Err(ScanError::Trailing));
        assert_eq!(messagepack(&[0xc1]), Err(ScanError::Malformed));
        assert_eq!(messagepack(&[]), Err(ScanError::Truncated));
        assert_eq!(messagepack(&[0x80]), Ok(()));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_judged_without_a_panic(bytes in proptest::collection::vec(0_u8.., 0..600)) {
            let _ = messagepack(&bytes);
        }
    }
}
