//! What a peer connection is made from.

use super::interfaces::{self, Interfaces};
use crate::dial::Dialer;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Addresses of this computer that are offered; each means a path for the browser to try.
const MOST_ADDRESSES: usize = 16;

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
    /// Every interface that is up, at any moment, IPv4 and IPv6 without link-local ones, and 127.0.0.1 if `loopback`:
    /// a browser on the same machine (demo, tests) may have no other address.
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
}

impl Default for PeerConfig {
    fn default() -> Self {
        Self {
            ice_servers: Vec::new(),
            bind: Bind::Interfaces { loopback: true },
            relay_only: false,
            dialer: None,
            interfaces: None,
        }
    }
}

impl PeerConfig {
    /// What the stack binds.
    pub(super) fn socket_addrs(&self) -> Vec<SocketAddr> {
        let loopback = |ip: IpAddr| SocketAddr::new(ip, 0);
        match &self.bind {
            // The stack wants a socket. Through this one nobody is reached, and nobody is told of it.
            _ if self.relay_only => vec![loopback(Ipv4Addr::LOCALHOST.into())],
            Bind::Addresses(addresses) => addresses.clone(),
            Bind::Interfaces { .. } => {
                vec![loopback(Ipv4Addr::LOCALHOST.into()), loopback(Ipv6Addr::LOCALHOST.into())]
            }
        }
    }

    /// Whether what the stack binds are anchors.
    pub(super) fn is_anchored(&self) -> bool {
        !self.relay_only && matches!(self.bind, Bind::Interfaces { .. })
    }
}

impl Bind {
    /// The addresses that the browser is told of in place of an anchor, the best one first.
    pub(super) fn offered(&self) -> Vec<IpAddr> {
        let Self::Interfaces { loopback } = self else { return Vec::new() };
        let mut offered: Vec<IpAddr> = interfaces::read().into_iter().take(MOST_ADDRESSES).collect();
        if *loopback {
            offered.push(Ipv4Addr::LOCALHOST.into());
        }
        offered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_offered_where_wanted() {
        let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
        assert_eq!(Bind::Interfaces { loopback: true }.offered().last(), Some(&loopback));
        assert!(!Bind::Interfaces { loopback: false }.offered().contains(&loopback));
    }

    #[test]
    fn a_relay_alone_needs_no_socket_that_somebody_could_reach() {
        let config = PeerConfig { relay_only: true, ..PeerConfig::default() };
        assert!(
            config.socket_addrs().iter().all(|address| address.ip().is_loopback()) && !config.is_anchored()
        );
        assert!(PeerConfig::default().is_anchored());
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
