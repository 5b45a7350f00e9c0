//! How many sockets may be open, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

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

#[derive(Default)]
struct Counts {
    total: u32,
    by_address: HashMap<IpAddr, (u32, u32)>,
}

/// Counts the open sockets of the node.
pub struct Admission {
    limits: AdmissionLimits,
    counts: Mutex<Counts>,
}

impl Admission {
    #[must_use]
    pub fn new(limits: AdmissionLimits) -> Arc<Self> {
        metrics::gauge!(metric::CONNECTIONS_MAX).set(limits.connections_max);
        Arc::new(Self { limits, counts: Mutex::default() })
    }

    /// # Errors
    /// [`Turned`] at a limit.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Permit, Turned> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let (open, silent) = counts.by_address.get(&address).copied().unwrap_or_default();
        let turned = if counts.total >= self.limits.connections_max {
            Some(Turned::NodeFull)
        } else if open >= self.limits.per_address {
            Some(Turned::AddressFull)
        } else if silent >= self.limits.silent_per_address {
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
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).total
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
            let mut counts = self.admission.counts.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, silent)) = counts.by_address.get_mut(&self.address) {
                *silent = silent.saturating_sub(1);
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.admission.counts.lock().unwrap_or_else(PoisonError::into_inner);
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
