//! Loopback addresses of one's own, so that services of several programs at once never meet.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};

use anyhow::Context as _;

/// The addresses `127.77.BLOCK.*`. All of 127/8 is this machine.
const LOOPBACK: [u8; 2] = [127, 77];
/// Blocks `10.77.BLOCK.*` are on a bridge of network namespaces.
const BRIDGED: [u8; 2] = [10, 77];
const BLOCKS: u8 = 199;
/// Whoever listens here has the block.
const LOCK: (u8, u16) = (254, 1_077);
/// Below the ports that the system gives away. The first is left only when somebody listens there
/// on all addresses.
const PORT_BASES: [u16; 5] = [20_000, 20_500, 21_000, 21_500, 23_000];

/// A block of addresses, held until dropped; the operating system frees it when the program dies.
#[derive(Debug)]
pub struct AddressBlock {
    network: [u8; 2],
    number: u8,
    port_base: u16,
    _lock: TcpListener,
}

impl AddressBlock {
    /// Takes a block where all of `needed` are free, each the last part of an address and a port,
    /// counted from the block's first.
    ///
    /// # Errors
    /// When there is none.
    pub fn take(needed: &[(u8, u16)]) -> anyhow::Result<Self> {
        // Somewhere in the middle: programs that start together need not try the same ones.
        let first = (std::process::id() % u32::from(BLOCKS)) as u8;
        let numbers = (0..BLOCKS).map(|step| (u16::from(first) + u16::from(step)) as u8);
        let mut numbers = numbers.map(|number| number % BLOCKS + 1);
        numbers
            .find_map(|number| Self::try_take(number, needed))
            .with_context(|| format!("no free block in 127.77.*: {needed:?} are all in use"))
    }

    fn try_take(number: u8, needed: &[(u8, u16)]) -> Option<Self> {
        let lock = lock(number)?;
        let is_free = |base: &u16| {
            let bind = |host, port| TcpListener::bind(address(LOOPBACK, number, host, port));
            needed.iter().all(|(host, offset)| bind(*host, base + offset).is_ok())
        };
        let port_base = PORT_BASES.into_iter().find(is_free)?;
        Some(Self { network: LOOPBACK, number, port_base, _lock: lock })
    }

    /// Whether nobody has the block of this number.
    pub(crate) fn is_unused(number: u8) -> bool {
        lock(number).is_some()
    }

    /// The same numbers on a bridge's addresses, which are nobody else's at all.
    pub(crate) fn bridged(mut self) -> Self {
        self.network = BRIDGED;
        self
    }

    #[must_use]
    pub const fn number(&self) -> u8 {
        self.number
    }

    /// Such as `127.77.BLOCK`.
    #[must_use]
    pub fn base(&self) -> String {
        let [first, second] = self.network;
        format!("{first}.{second}.{}", self.number)
    }

    /// A port of the block, the same on all its addresses.
    #[must_use]
    pub const fn port(&self, offset: u16) -> u16 {
        self.port_base + offset
    }

    #[must_use]
    pub const fn address(&self, host: u8, port_offset: u16) -> SocketAddrV4 {
        address(self.network, self.number, host, self.port(port_offset))
    }
}

fn lock(number: u8) -> Option<TcpListener> {
    TcpListener::bind(address(LOOPBACK, number, LOCK.0, LOCK.1)).ok()
}

const fn address(network: [u8; 2], block: u8, host: u8, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(network[0], network[1], block, host), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_differ_and_come_back() {
        let first = AddressBlock::take(&[]).unwrap();
        let second = AddressBlock::take(&[(1, 78)]).unwrap();
        assert_ne!(first.base(), second.base());
        let (number, taken) = (second.number, second.address(1, 78));
        drop(second);
        let occupied = TcpListener::bind(taken).unwrap();
        let elsewhere = AddressBlock::try_take(number, &[(1, 78)]).unwrap();
        assert_ne!(elsewhere.port(0), taken.port() - 78);
        drop((occupied, elsewhere));
        assert!(AddressBlock::try_take(number, &[(1, 78)]).is_some());
    }
}
