//! One socket per family on every interface at once, under a stack that binds each address by itself.
//!
//! The stack binds an *anchor*, a port of loopback, and takes it for the local address of everything; what it sends
//! and receives there goes through a socket that is bound to no address. So the system picks the interface of the
//! moment, a changed network needs no new socket, and an allocation or a path that stands is not given up for a
//! restart. The browser is told of every interface's address instead of the anchor's.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Peers whose way in is remembered.
const PEERS: usize = 64;

/// The anchors of one connection, and the ports that stand for them.
#[derive(Debug, Default)]
pub(super) struct Anchors(Mutex<HashMap<SocketAddr, u16>>);

impl Anchors {
    fn ports(&self) -> MutexGuard<'_, HashMap<SocketAddr, u16>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A socket on every interface, of the family of this anchor.
    pub(super) fn spread(&self, anchor: SocketAddr) -> io::Result<UdpSocket> {
        let any: IpAddr =
            if anchor.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
        self.ports().insert(anchor, socket.local_addr()?.port());
        Ok(socket)
    }

    /// The port that peers reach instead of this anchor.
    pub(super) fn port(&self, anchor: SocketAddr) -> Option<u16> {
        self.ports().get(&anchor).copied()
    }
}

/// To which of our addresses each peer sends: answers must come from there, and the system might pick another.
#[derive(Debug, Default)]
pub(super) struct WaysIn(Mutex<HashMap<SocketAddr, IpAddr>>);

impl WaysIn {
    fn known(&self) -> MutexGuard<'_, HashMap<SocketAddr, IpAddr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When too many are known all are forgotten: they are learnt again with the next packet of each.
    pub(super) fn learn(&self, peer: SocketAddr, address: IpAddr) {
        let mut known = self.known();
        if known.len() >= PEERS && !known.contains_key(&peer) {
            known.clear();
        }
        known.insert(peer, address);
    }

    pub(super) fn of(&self, peer: SocketAddr) -> Option<IpAddr> {
        self.known().get(&peer).copied()
    }

    /// The address is gone, as when a network changes.
    pub(super) fn forget(&self, peer: SocketAddr) {
        self.known().remove(&peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_known_by_the_port_of_its_socket() {
        let anchors = Anchors::default();
        let anchor: SocketAddr = "127.0.0.1:5".parse().unwrap();
        assert_eq!(anchors.port(anchor), None);
        let socket = anchors.spread(anchor).unwrap();
        let bound = socket.local_addr().unwrap();
        assert!(bound.ip().is_unspecified());
        assert_eq!(anchors.port(anchor), Some(bound.port()));
    }

    #[test]
    fn ways_in_are_bounded_and_the_newest_counts() {
        let ways = WaysIn::default();
        let peer: SocketAddr = "192.0.2.1:1".parse().unwrap();
        ways.learn(peer, "10.0.0.1".parse().unwrap());
        ways.learn(peer, "10.0.0.2".parse().unwrap());
        assert_eq!(ways.of(peer), Some("10.0.0.2".parse().unwrap()));
        ways.forget(peer);
        assert_eq!(ways.of(peer), None);
        for port in 0..1000 {
            ways.learn(SocketAddr::new(peer.ip(), port), "10.0.0.1".parse().unwrap());
        }
        assert!(ways.known().len() <= PEERS);
    }
}
