//! The PROXY protocol, versions 1 and 2: who a proxy speaks for, said before the first byte of the
//! client. Pure: the caller reads exactly as many bytes as are asked for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Shorter than any whole header: so much may be read before anything is known.
const FIRST_BYTES: usize = 12;
const SIGNATURE_V2: &[u8; FIRST_BYTES] = b"\r\n\r\n\0\r\nQUIT\n";
/// Longest line of version 1, its end included.
const LINE_BYTES_MAX: usize = 107;
const HEAD_V2_BYTES: usize = 16;
/// Addresses and whatever else a proxy tells (TLVs): more than this is no proxy that is known.
const BODY_V2_BYTES_MAX: usize = 2048;
const IPV4_BYTES: usize = 12;
const IPV6_BYTES: usize = 36;

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read exactly so many bytes more; at least one.
    Read(usize),
    /// The header is whole. `None`: the proxy speaks for itself, or will not say.
    Done(Option<SocketAddr>),
}

/// Not a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    #[error("no PROXY header came first")]
    Signature,
    #[error("the PROXY header is longer than any that is known")]
    TooLong,
    #[error("the PROXY header cannot be read")]
    Malformed,
}

/// Judges the bytes so far.
///
/// # Errors
/// [`BadHeader`]: the connection is not to be served.
pub fn read(bytes: &[u8]) -> Result<Step, BadHeader> {
    if bytes.len() < FIRST_BYTES {
        return Ok(Step::Read(FIRST_BYTES - bytes.len()));
    }
    if bytes.starts_with(b"PROXY ") {
        return read_line(bytes);
    }
    if bytes.starts_with(SIGNATURE_V2) {
        return read_binary(bytes);
    }
    Err(BadHeader::Signature)
}

fn read_line(bytes: &[u8]) -> Result<Step, BadHeader> {
    let Some(line) = bytes.strip_suffix(b"\r\n") else {
        let is_over = bytes.len() >= LINE_BYTES_MAX;
        return if is_over { Err(BadHeader::TooLong) } else { Ok(Step::Read(1)) };
    };
    let line = std::str::from_utf8(line).map_err(|_| BadHeader::Malformed)?;
    let mut words = line.split(' ').skip(1);
    let family = words.next();
    if family == Some("UNKNOWN") {
        return Ok(Step::Done(None));
    }
    let mut address = || -> Option<IpAddr> { words.next()?.parse().ok() };
    let (source, target) = (address(), address());
    let mut port = || -> Option<u16> { words.next()?.parse().ok() };
    let (source_port, target_port) = (port(), port());
    let (Some(source), Some(target), Some(port), Some(_), None) =
        (source, target, source_port, target_port, words.next())
    else {
        return Err(BadHeader::Malformed);
    };
    match (family, source, target) {
        (Some("TCP4"), IpAddr::V4(_), IpAddr::V4(_))
        | (Some("TCP6"), IpAddr::V6(_), IpAddr::V6(_)) => {
            Ok(Step::Done(Some(SocketAddr::new(source, port))))
        }
        _ => Err(BadHeader::Malformed),
    }
}

fn read_binary(bytes: &[u8]) -> Result<Step, BadHeader> {
    if bytes.len() < HEAD_V2_BYTES {
        return Ok(Step::Read(HEAD_V2_BYTES - bytes.len()));
    }
    let (version_command, family) = (bytes[12], bytes[13]);
    let length = usize::from(u16::from_be_bytes([bytes[14], bytes[15]]));
    let is_for_itself = match version_command {
        0x20 => true,
        0x21 => false,
        _ => return Err(BadHeader::Malformed),
    };
    if length > BODY_V2_BYTES_MAX {
        return Err(BadHeader::TooLong);
    }
    let body = &bytes[HEAD_V2_BYTES..];
    if body.len() < length {
        return Ok(Step::Read(length - body.len()));
    }
    if is_for_itself {
        return Ok(Step::Done(None));
    }
    let port_at = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    match family {
        // AF_UNSPEC, AF_UNIX: no address of the internet.
        0x00 | 0x31 | 0x32 => Ok(Step::Done(None)),
        0x11 if length >= IPV4_BYTES => {
            let source: [u8; 4] = body[..4].try_into().map_err(|_| BadHeader::Malformed)?;
            Ok(Step::Done(Some(SocketAddr::new(Ipv4Addr::from(source).into(), port_at(8)))))
        }
        0x21 if length >= IPV6_BYTES => {
            let source: [u8; 16] = body[..16].try_into().map_err(|_| BadHeader::Malformed)?;
            Ok(Step::Done(Some(SocketAddr::new(Ipv6Addr::from(source).into(), port_at(32)))))
        }
        _ => Err(BadHeader::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng as _, RngExt as _, SeedableRng as _};

    use super::*;

    /// Reads as the gateway does: what was read of `input`, and the verdict.
    fn run(input: &[u8]) -> (usize, Result<Option<SocketAddr>, Option<BadHeader>>) {
        let mut taken = 0;
        loop {
            match read(&input[..taken]) {
                Ok(Step::Done(address)) => return (taken, Ok(address)),
                Ok(Step::Read(count)) if taken + count <= input.len() => {
                    assert!(count > 0);
                    taken += count;
                }
                Ok(Step::Read(_)) => return (taken, Err(None)),
                Err(bad) => return (taken, Err(Some(bad))),
            }
        }
    }

    fn v2(version_command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&SIGNATURE_V2[..], &[version_command, family], &length, body].concat()
    }

    #[test]
    fn headers_of_both_versions_are_read_to_their_last_byte_and_no_further() {
        let ipv4 = [203, 0, 113, 7, 10, 0, 0, 1, 0x1f, 0x90, 0, 80];
        let ipv6 = [&[0x20, 0x01][..], &[0; 13], &[9], &[0; 16], &[0, 7, 0, 80]].concat();
        let address = |text: &str| Some(text.parse().unwrap());
        for (header, expected) in [
            (b"PROXY TCP4 203.0.113.7 10.0.0.1 8080 80\r\n".to_vec(), address("203.0.113.7:8080")),
            (b"PROXY TCP6 2001::9 ::1 7 80\r\n".to_vec(), address("[2001::9]:7")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 whatever\r\n".to_vec(), None),
            (v2(0x21, 0x11, &ipv4), address("203.0.113.7:8080")),
            (v2(0x21, 0x11, &[&ipv4[..], &[4, 0, 1, 0]].concat()), address("203.0.113.7:8080")),
            (v2(0x21, 0x21, &ipv6), address("[2001::9]:7")),
            (v2(0x20, 0x00, &[]), None),
            (v2(0x20, 0x11, &ipv4), None),
            (v2(0x21, 0x00, &[1, 2, 3]), None),
        ] {
            let input = [&header[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
            assert_eq!(run(&input), (header.len(), Ok(expected)), "{header:?}");
            for end in 0..header.len() {
                assert_eq!(run(&header[..end]).1, Err(None), "cut off at {end}: {header:?}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let long = [b"PROXY TCP4 ".to_vec(), vec![b'1'; 200]].concat();
        for (input, expected) in [
            (b"GET / HTTP/1.1\r\n\r\n".to_vec(), BadHeader::Signature),
            (b"proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n".to_vec(), BadHeader::Signature),
            (b"PROXY TCP4 203.0.113.7 10.0.0.1 8080\r\n".to_vec(), BadHeader::Malformed),
            (b"PROXY TCP4 203.0.113.7 10.0.0.1 8080 80 1\r\n".to_vec(), BadHeader::Malformed),
            (b"PROXY TCP4 203.0.113.7 10.0.0.1 80800 80\r\n".to_vec(), BadHeader::Malformed),
            (b"PROXY TCP4 ::1 ::1 8080 80\r\n".to_vec(), BadHeader::Malformed),
            (b"PROXY TCP6 1.1.1.1 1.1.1.1 8080 80\r\n".to_vec(), BadHeader::Malformed),
            (b"PROXY TCP4  203.0.113.7 10.0.0.1 1 1\r\n".to_vec(), BadHeader::Malformed),
            (b"PROXY \xff\xff\xff\xff\xff\xff\xff\r\n".to_vec(), BadHeader::Malformed),
            (long, BadHeader::TooLong),
            (v2(0x11, 0x11, &[0; 12]), BadHeader::Malformed),
            (v2(0x22, 0x11, &[0; 12]), BadHeader::Malformed),
            (v2(0x21, 0x11, &[0; 11]), BadHeader::Malformed),
            (v2(0x21, 0x21, &[0; 35]), BadHeader::Malformed),
            (v2(0x21, 0x44, &[0; 40]), BadHeader::Malformed),
            (v2(0x21, 0x11, &[0; 2049]), BadHeader::TooLong),
        ] {
            assert_eq!(run(&input).1, Err(Some(expected)), "{input:?}");
        }
    }

    #[test]
    fn no_bytes_make_it_read_on_for_ever_or_panic() {
        let mut random = StdRng::seed_from_u64(7);
        let seeds = [v2(0x21, 0x11, &[7; 40]), b"PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\n".to_vec()];
        for turn in 0..20_000 {
            let mut input = seeds[turn % 2].clone();
            input.resize(random.random_range(0..2_200), 0);
            for _ in 0..random.random_range(0..4) {
                let at = random.random_range(0..input.len().max(1));
                if let Some(byte) = input.get_mut(at) {
                    *byte = random.random();
                }
            }
            if turn % 7 == 0 {
                random.fill_bytes(&mut input);
            }
            let (taken, _) = run(&input);
            assert!(taken <= HEAD_V2_BYTES + BODY_V2_BYTES_MAX);
        }
    }
}
