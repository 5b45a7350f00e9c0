//! Which trace a message belongs to, as nodes and requests tell each other.

use serde::{Deserialize, Serialize};

use crate::MessageId;

/// A place in a trace: the ids of W3C Trace Context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext {
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
}

/// A message that is traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceOf {
    pub message_id: MessageId,
    pub context: TraceContext,
}

/// A `traceparent` header (version 00): where the caller is, and whether it is sampled.
///
/// Anything that is not one is as good as none, as the standard asks.
#[must_use]
pub fn parse_traceparent(header: &str) -> Option<(TraceContext, bool)> {
    let mut parts = header.trim().split('-');
    let (version, trace_id, span_id, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_known = version == "00" && parts.next().is_none();
    let is_later = version.len() == 2 && version != "ff" && version != "00";
    if !(is_known || is_later) {
        return None;
    }
    hex::<1>(version)?;
    let context = TraceContext { trace_id: hex(trace_id)?, span_id: hex(span_id)? };
    let [flags] = hex::<1>(flags)?;
    let is_valid = context.trace_id != [0; 16] && context.span_id != [0; 8];
    is_valid.then_some((context, flags & 1 == 1))
}

/// Lower-case hex digits, exactly as many as it takes.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let bytes = text.as_bytes();
    if bytes.len() != 2 * N {
        return None;
    }
    let mut result = [0; N];
    for (byte, pair) in result.iter_mut().zip(bytes.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traceparent_is_read_as_the_standard_says() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let (context, sampled) = parse_traceparent(good).unwrap();
        assert!(sampled && context.trace_id[0] == 0x0a && context.span_id[7] == 0x31);
        assert!(!parse_traceparent(&good.replace("-01", "-00")).unwrap().1);
        assert!(parse_traceparent(&good.replacen("00", "cc", 1)).is_some(), "a later version");
        for bad in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
        ] {
            assert_eq!(parse_traceparent(bad), None, "{bad}");
        }
    }
}
