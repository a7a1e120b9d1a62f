//! The addresses of this machine: which are its own, and which one the world would see.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Interfaces come and go, but nobody waits for that.
const FRESH_FOR: Duration = Duration::from_secs(10);

/// What the interfaces say, asked now and then.
#[derive(Debug)]
pub(super) struct OwnAddresses {
    /// Those that no interface knows: outside of a NAT.
    beyond: Vec<IpAddr>,
    known: Mutex<Option<(Instant, Vec<IpAddr>)>>,
}

impl OwnAddresses {
    pub(super) const fn new(beyond: Vec<IpAddr>) -> Self {
        Self { beyond, known: Mutex::new(None) }
    }

    /// Whether packets to this address stay on this machine, or come back to it.
    pub(super) fn contain(&self, address: IpAddr, now: Instant) -> bool {
        let address = address.to_canonical();
        if self.beyond.contains(&address) {
            return true;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, addresses) = match &mut *known {
            Some(fresh) if now.saturating_duration_since(fresh.0) < FRESH_FOR => fresh,
            old => old.insert((now, interfaces())),
        };
        addresses.contains(&address)
    }
}

/// The addresses of all interfaces.
fn interfaces() -> Vec<IpAddr> {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    let addresses = interfaces.filter_map(|interface| interface.address);
    addresses
        .filter_map(|address| {
            let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
        })
        .collect()
}

/// The address from which the default route leaves, of each family that has one.
pub(super) fn outward() -> Vec<IpAddr> {
    // Connecting a UDP socket sends nothing: it only asks the routing table. Nobody has these addresses (RFC 5737,
    // RFC 3849), so nothing but the default route leads there.
    let towards: [(IpAddr, IpAddr); 2] = [
        (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
        (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()),
    ];
    towards
        .into_iter()
        .filter_map(|(any, target)| {
            let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
            socket.connect(SocketAddr::new(target, 9)).ok()?;
            socket.local_addr().ok().map(|address| address.ip())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_ours_and_so_is_what_lies_beyond_a_nat() {
        let beyond = "203.0.113.7".parse().unwrap();
        let own = OwnAddresses::new(vec![beyond]);
        for (address, expected) in
            [("127.0.0.1", true), ("::ffff:127.0.0.1", true), ("203.0.113.7", true), ("203.0.113.8", false)]
        {
            assert_eq!(own.contain(address.parse().unwrap(), Instant::now()), expected, "{address}");
        }
    }

    #[test]
    fn what_leads_outward_is_ours() {
        let own = OwnAddresses::new(Vec::new());
        for address in outward() {
            assert!(own.contain(address, Instant::now()), "{address}");
        }
    }
}
