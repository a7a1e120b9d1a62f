//! What a client of the relay holds: addresses, permissions, channels, each with its time (RFC 8656, 5).

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use stun_types::attribute::ErrorCode;
use turn_types::AddressFamily;

use super::house::{House, Relayed};
use super::message::{Transaction, Wishes};

/// RFC 8656, 3.2 and 7.2.
const DEFAULT_LIFETIME: u32 = 600;
/// RFC 8656, 7.2.
const MAX_LIFETIME: u32 = 3600;
/// RFC 8656, 9.
const PERMISSION: Duration = Duration::from_mins(5);
/// RFC 8656, 12.
const CHANNEL: Duration = Duration::from_mins(10);
/// Most permissions and most channels of an allocation. A session has two ends with a few addresses each.
pub(super) const MAX_PEERS: usize = 32;

/// For how long what is asked is given, in seconds.
pub(super) fn lifetime(asked: Option<u32>) -> u32 {
    asked.unwrap_or(DEFAULT_LIFETIME).clamp(DEFAULT_LIFETIME, MAX_LIFETIME)
}

/// What a client holds.
pub(super) struct Allocation<H: House> {
    pub(super) username: String,
    pub(super) guest: H::Guest,
    /// Of the Allocate request, and the answer to it.
    pub(super) transaction: (Transaction, Vec<u8>, Instant),
    pub(super) relayed: Vec<Relayed<H::Lease>>,
    pub(super) until: Instant,
    pub(super) permissions: Vec<(IpAddr, Instant)>,
    pub(super) channels: Vec<Channel>,
}

/// A number that stands for a peer.
pub(super) struct Channel {
    number: u16,
    peer: SocketAddr,
    until: Instant,
}

/// How the client wants to be told what a peer sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrap {
    /// As ChannelData.
    Channel(u16),
    /// As Data indication.
    Indication,
}

impl<H: House> Allocation<H> {
    /// Whose it is.
    pub(super) const fn guest(&self) -> &H::Guest {
        &self.guest
    }

    /// Its addresses.
    pub(super) fn relayed(&self) -> &[Relayed<H::Lease>] {
        &self.relayed
    }

    /// When it ends unless it is refreshed.
    pub(super) const fn until(&self) -> Instant {
        self.until
    }

    /// The peer of a channel.
    pub(super) fn peer_of(&self, number: u16, now: Instant) -> Option<SocketAddr> {
        let channel = self.channels.iter().find(|channel| channel.number == number)?;
        (channel.until > now && self.until > now).then_some(channel.peer)
    }

    /// How to pass on what this peer sent; `None` if it has no permission.
    pub(super) fn wrap(&self, peer: SocketAddr, now: Instant) -> Option<Wrap> {
        if !self.permits(peer.ip(), now) {
            return None;
        }
        let channel = self.channels.iter().find(|channel| channel.peer == peer && channel.until > now);
        Some(channel.map_or(Wrap::Indication, |channel| Wrap::Channel(channel.number)))
    }

    pub(super) fn permits(&self, peer: IpAddr, now: Instant) -> bool {
        self.until > now && self.permissions.iter().any(|(address, until)| *address == peer && *until > now)
    }

    pub(super) fn refresh(&mut self, wishes: &Wishes, now: Instant) -> Result<u32, u16> {
        let family = match wishes.family {
            None => None,
            Some(Ok(family)) => Some(family == AddressFamily::IPV4),
            Some(Err(())) => return Err(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH),
        };
        let meant = |relayed: &Relayed<_>| family.is_none_or(|ipv4| relayed.address.is_ipv4() == ipv4);
        if !self.relayed.iter().any(meant) {
            return Err(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH);
        }
        let lifetime = match wishes.lifetime {
            Some(0) => {
                self.relayed.retain(|relayed| !meant(relayed));
                return Ok(0);
            }
            other => lifetime(other),
        };
        self.until = now + Duration::from_secs(lifetime.into());
        Ok(lifetime)
    }

    /// All of them, or none (RFC 8656, 10.2). A permission is for all ports of an address.
    pub(super) fn permit(&mut self, peers: &[SocketAddr], now: Instant, house: &H) -> Result<(), u16> {
        if peers.is_empty() {
            return Err(ErrorCode::BAD_REQUEST);
        }
        for peer in peers {
            self.check(*peer, true, house)?;
        }
        self.permissions.retain(|(_, until)| *until > now);
        for peer in peers {
            self.permit_one(peer.ip(), now)?;
        }
        Ok(())
    }

    fn permit_one(&mut self, peer: IpAddr, now: Instant) -> Result<(), u16> {
        if let Some((_, until)) = self.permissions.iter_mut().find(|(address, _)| *address == peer) {
            *until = now + PERMISSION;
        } else if self.permissions.len() < MAX_PEERS {
            self.permissions.push((peer, now + PERMISSION));
        } else {
            return Err(ErrorCode::INSUFFICIENT_CAPACITY);
        }
        Ok(())
    }

    pub(super) fn bind(&mut self, wishes: &Wishes, now: Instant, house: &H) -> Result<(), u16> {
        let (Some(number @ 0x4000..=0x7ffe), [peer]) = (wishes.channel, wishes.peers.as_slice()) else {
            return Err(ErrorCode::BAD_REQUEST);
        };
        let peer = *peer;
        self.check(peer, false, house)?;
        self.channels.retain(|channel| channel.until > now);
        let until = now + CHANNEL;
        let full = self.channels.len() >= MAX_PEERS;
        // Neither the number nor the peer may be another's (RFC 8656, 12.2).
        match self.channels.iter_mut().find(|channel| channel.number == number || channel.peer == peer) {
            Some(channel) if channel.number == number && channel.peer == peer => channel.until = until,
            Some(_) => return Err(ErrorCode::BAD_REQUEST),
            None if full => return Err(ErrorCode::INSUFFICIENT_CAPACITY),
            None => self.channels.push(Channel { number, peer, until }),
        }
        self.permissions.retain(|(_, until)| *until > now);
        self.permit_one(peer.ip(), now)
    }

    fn check(&self, peer: SocketAddr, any_port: bool, house: &H) -> Result<(), u16> {
        if !house.may_reach(&self.guest, &self.relayed, peer, any_port) {
            return Err(ErrorCode::FORBIDDEN);
        }
        if !self.relayed.iter().any(|relayed| relayed.address.is_ipv4() == peer.is_ipv4()) {
            return Err(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH);
        }
        Ok(())
    }
}
