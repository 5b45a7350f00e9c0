//! How many sockets may be open, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schema::metric;

/// Upper bounds.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionLimits {
    pub connections_max: u32,
    pub per_address: u32,
    /// Of one address, not greeted yet.
    pub silent_per_address: u32,
}

/// Why a socket is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    NodeFull,
    AddressFull,
    TooManySilent,
}

impl Turned {
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NodeFull => "node_full",
            Self::AddressFull => "address_full",
            Self::TooManySilent => "too_many_silent",
        }
    }
}

/// Sockets of the node whose beginning (TLS, PROXY header) is not over.
const HANDSHAKES_MAX: u32 = 2_048;

struct Counts {
    limits: AdmissionLimits,
    total: u32,
    by_address: HashMap<IpAddr, (u32, u32)>,
    handshakes: u32,
    handshakes_by_address: HashMap<IpAddr, u32>,
}

/// Counts the open sockets of the node.
pub struct Admission {
    counts: Mutex<Counts>,
}

impl Admission {
    #[must_use]
    pub fn new(limits: AdmissionLimits) -> Arc<Self> {
        metrics::gauge!(metric::CONNECTIONS_MAX).set(limits.connections_max);
        let counts = Counts {
            limits,
            total: 0,
            by_address: HashMap::new(),
            handshakes: 0,
            handshakes_by_address: HashMap::new(),
        };
        Arc::new(Self { counts: Mutex::new(counts) })
    }

    /// For sockets that come from now on.
    pub fn set_limits(&self, limits: AdmissionLimits) {
        metrics::gauge!(metric::CONNECTIONS_MAX).set(limits.connections_max);
        self.counts().limits = limits;
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a socket begin, unless too many do: as many of one address as may be silent. `None`
    /// for the address of one that stands for many.
    pub fn begin_handshake(self: &Arc<Self>, address: Option<IpAddr>) -> Option<HandshakePermit> {
        let mut counts = self.counts();
        if counts.handshakes >= HANDSHAKES_MAX || counts.total >= counts.limits.connections_max {
            return None;
        }
        if let Some(address) = address {
            let max = counts.limits.silent_per_address;
            let under_way = counts.handshakes_by_address.entry(address).or_default();
            if *under_way >= max {
                return None;
            }
            *under_way += 1;
        }
        counts.handshakes += 1;
        Some(HandshakePermit { admission: self.clone(), address })
    }

    /// # Errors
    /// [`Turned`] at a limit.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Permit, Turned> {
        let mut counts = self.counts();
        let limits = counts.limits;
        let (open, silent) = counts.by_address.get(&address).copied().unwrap_or_default();
        let turned = if counts.total >= limits.connections_max {
            Some(Turned::NodeFull)
        } else if open >= limits.per_address {
            Some(Turned::AddressFull)
        } else if silent >= limits.silent_per_address {
            Some(Turned::TooManySilent)
        } else {
            None
        };
        if let Some(turned) = turned {
            metrics::counter!(metric::CONNECTIONS_REFUSED, "reason" => turned.reason())
                .increment(1);
            return Err(turned);
        }
        counts.total += 1;
        counts.by_address.insert(address, (open + 1, silent + 1));
        metrics::counter!(metric::CONNECTIONS_OPENED).increment(1);
        metrics::gauge!(metric::CONNECTIONS_OPEN).increment(1.0);
        Ok(Permit { admission: self.clone(), address, silent: true })
    }

    /// Sockets open now.
    #[must_use]
    pub fn open(&self) -> u32 {
        self.counts().total
    }
}

/// One open socket; dropping it makes room.
pub struct Permit {
    admission: Arc<Admission>,
    address: IpAddr,
    silent: bool,
}

impl Permit {
    /// The socket is greeted: it no longer counts as silent.
    pub fn greeted(&mut self) {
        if std::mem::take(&mut self.silent) {
            let mut counts = self.admission.counts();
            if let Some((_, silent)) = counts.by_address.get_mut(&self.address) {
                *silent = silent.saturating_sub(1);
            }
        }
    }
}

/// One socket that begins; dropping it makes room.
pub struct HandshakePermit {
    admission: Arc<Admission>,
    address: Option<IpAddr>,
}

impl Drop for HandshakePermit {
    fn drop(&mut self) {
        let mut counts = self.admission.counts();
        counts.handshakes = counts.handshakes.saturating_sub(1);
        let Some(address) = self.address else { return };
        if let Some(under_way) = counts.handshakes_by_address.get_mut(&address) {
            *under_way = under_way.saturating_sub(1);
            if *under_way == 0 {
                counts.handshakes_by_address.remove(&address);
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.admission.counts();
        counts.total = counts.total.saturating_sub(1);
        metrics::gauge!(metric::CONNECTIONS_OPEN).decrement(1.0);
        let Some((open, silent)) = counts.by_address.get_mut(&self.address) else { return };
        *open = open.saturating_sub(1);
        if self.silent {
            *silent = silent.saturating_sub(1);
        }
        if *open == 0 {
            counts.by_address.remove(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(total: u32, per_address: u32, silent: u32) -> Arc<Admission> {
        Admission::new(AdmissionLimits {
            connections_max: total,
            per_address,
            silent_per_address: silent,
        })
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn room_is_counted_and_given_back() {
        let door = admission(3, 2, 2);
        let first = door.admit(address(1)).unwrap();
        let _second = door.admit(address(1)).unwrap();
        assert_eq!(door.admit(address(1)).err(), Some(Turned::AddressFull));
        let _third = door.admit(address(2)).unwrap();
        assert_eq!(door.admit(address(3)).err(), Some(Turned::NodeFull));
        drop(first);
        assert!(door.admit(address(1)).is_ok());
        assert_eq!(door.open(), 2);
    }

    #[test]
    fn beginnings_are_few_of_one_address_and_bounded_in_all() {
        let door = admission(10_000, 100, 2);
        let first = door.begin_handshake(Some(address(1)));
        let _second = door.begin_handshake(Some(address(1)));
        assert!(first.is_some() && door.begin_handshake(Some(address(1))).is_none());
        assert!(door.begin_handshake(Some(address(2))).is_some());
        drop(first);
        assert!(door.begin_handshake(Some(address(1))).is_some());
        let all: Vec<_> = std::iter::from_fn(|| door.begin_handshake(None)).take(5_000).collect();
        assert_eq!(u32::try_from(all.len()).unwrap(), HANDSHAKES_MAX - 1);
        drop(all);
        door.set_limits(AdmissionLimits {
            connections_max: 0,
            per_address: 1,
            silent_per_address: 1,
        });
        assert!(door.begin_handshake(None).is_none());
        assert_eq!(door.counts().handshakes, 1);
    }

    #[test]
    fn silent_sockets_are_few_until_they_say_hello() {
        let door = admission(100, 100, 1);
        let mut first = door.admit(address(1)).unwrap();
        assert_eq!(door.admit(address(1)).err(), Some(Turned::TooManySilent));
        assert!(door.admit(address(2)).is_ok());
        first.greeted();
        first.greeted();
        let second = door.admit(address(1)).unwrap();
        drop(first);
        assert_eq!(door.admit(address(1)).err(), Some(Turned::TooManySilent));
        drop(second);
        assert!(door.counts.lock().unwrap().by_address.is_empty());
    }
}
