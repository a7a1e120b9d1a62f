//! What a peer connection is made from.

use super::interfaces::{self, Interfaces};
use crate::dial::Dialer;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// One STUN or TURN server, in the words of the WebRTC specification.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:host:port`, `turn:host:port?transport=udp`, …
    pub urls: Vec<String>,
    /// Empty for STUN.
    pub username: String,
    /// Empty for STUN.
    pub credential: String,
}

/// The credential stays out of every log.
impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer").field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// Which local addresses are offered to the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// Every interface that is up, IPv4 and IPv6 without link-local ones, and 127.0.0.1 if `loopback`: a browser on
    /// the same machine (demo, tests) may have no other address.
    Interfaces {
        /// Whether 127.0.0.1 is offered too.
        loopback: bool,
    },
    /// Exactly these; port 0 picks a free one.
    Addresses(Vec<SocketAddr>),
}

/// What a [`Peer`](super::Peer) is made from.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// Servers for reflexive and relayed candidates.
    pub ice_servers: Vec<IceServer>,
    /// Local addresses.
    pub bind: Bind,
    /// Only relayed candidates, and no socket that a peer could reach: the two ends do not learn each other's address.
    pub relay_only: bool,
    /// How relays are reached over TCP and TLS; `None`: only over UDP.
    pub dialer: Option<Dialer>,
    /// Tells when ways to relays may have been cut; `None`: nobody looks.
    pub interfaces: Option<Interfaces>,
    /// Where the bandwidth estimate starts, in bits per second. It climbs by 8 % a second only, so too low a start
    /// costs more than too high a one, which loss and delay correct within a second.
    pub initial_bitrate: u32,
}

impl Default for PeerConfig {
    fn default() -> Self {
        Self {
            ice_servers: Vec::new(),
            bind: Bind::Interfaces { loopback: true },
            relay_only: false,
            dialer: None,
            interfaces: None,
            initial_bitrate: 5_000_000,
        }
    }
}

impl PeerConfig {
    /// The addresses to bind.
    pub(super) fn socket_addrs(&self) -> Vec<SocketAddr> {
        if self.relay_only {
            // The stack wants a socket. Through this one nobody is reached, and nobody is told of it.
            return vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
        }
        self.bind.socket_addrs()
    }
}

impl Bind {
    /// The addresses to bind. Wildcards stay wildcards: the crate expands them at every bind, so that an ICE restart
    /// sees the interfaces of that moment.
    pub(super) fn socket_addrs(&self) -> Vec<SocketAddr> {
        match self {
            Self::Addresses(addresses) => addresses.clone(),
            Self::Interfaces { loopback } => {
                let local = interfaces::read();
                let mut addresses = Vec::new();
                // A wildcard of a family without any interface would be bound as it stands and offer `0.0.0.0`.
                if local.iter().any(IpAddr::is_ipv4) {
                    addresses.push(SocketAddr::from(([0, 0, 0, 0], 0)));
                }
                if local.iter().any(IpAddr::is_ipv6) {
                    addresses.push(SocketAddr::from(([0u16; 8], 0)));
                }
                if *loopback || addresses.is_empty() {
                    addresses.push(SocketAddr::from(([127, 0, 0, 1], 0)));
                }
                addresses
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_always_there_when_wanted() {
        let addresses = Bind::Interfaces { loopback: true }.socket_addrs();
        assert!(addresses.contains(&SocketAddr::from(([127, 0, 0, 1], 0))));
        assert!(!Bind::Interfaces { loopback: false }.socket_addrs().is_empty());
    }

    #[test]
    fn credentials_are_not_printed() {
        let server = IceServer {
            urls: vec!["turn:t".into()],
            username: "hidden-name".into(),
            credential: "hidden-key".into(),
        };
        assert!(!format!("{server:?}").contains("hidden"));
    }
}
