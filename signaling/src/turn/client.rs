//! One client of the relay: the machine behind one 5-tuple (RFC 8656). Messages and time in, answers out; sockets,
//! sessions and rules are behind [`House`].
//!
//! A client that has not proved who it is leaves nothing behind: there is no state before an allocation.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::{Duration, Instant};

use stun_types::attribute::{
    ErrorCode, MessageIntegrity, MessageIntegritySha256, Nonce, PasswordAlgorithm, PasswordAlgorithms, Realm,
    Username,
};
use stun_types::message::{BINDING, IntegrityAlgorithm, IntegrityKey, Message, MessageClass};
use stun_types::prelude::AttributeStaticType as _;
use turn_types::AddressFamily;
use turn_types::attribute::RequestedTransport;
use turn_types::message::{ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, REFRESH, SEND};

use super::framing::{MAX_REQUEST, is_stun};
use super::message::{self, Answer, REALM, Transaction, Wishes};
use super::nonce::Nonces;

#[cfg(test)]
mod tests;

/// RFC 8656, 3.2 and 7.2.
const DEFAULT_LIFETIME: u32 = 600;
/// RFC 8656, 7.2.
const MAX_LIFETIME: u32 = 3600;
/// RFC 8656, 9.
const PERMISSION: Duration = Duration::from_mins(5);
/// RFC 8656, 12.
const CHANNEL: Duration = Duration::from_mins(10);
/// For how long an Allocate request may be the repetition of one whose answer was lost (RFC 8489, 6.3.1).
const REPEATED_WITHIN: Duration = Duration::from_secs(40);
/// Most permissions and most channels of an allocation. A session has two ends with a few addresses each.
pub(super) const MAX_PEERS: usize = 32;

/// The time, on both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// For what lasts.
    pub(super) now: Instant,
    /// For what is written down: seconds since 1970.
    pub(super) unix: u64,
}

/// Why something is refused, for the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The name is none of ours, its session is not here, or it is too late.
    Login,
    /// The password does not fit.
    Password,
    /// The nonce is old.
    Nonce,
    /// It breaks the protocol.
    Malformed,
    /// The peer is forbidden.
    Peer,
    /// The client's own share is used up.
    Quota,
    /// The server's share is used up.
    Capacity,
    /// What is not offered: TCP to peers, an address family, reserved ports.
    Unsupported,
    /// There is no such allocation, or there is one already.
    Mismatch,
}

impl Refusal {
    /// The reason behind an error code.
    const fn of(code: u16) -> Self {
        match code {
            ErrorCode::FORBIDDEN => Self::Peer,
            ErrorCode::ALLOCATION_QUOTA_REACHED => Self::Quota,
            ErrorCode::INSUFFICIENT_CAPACITY => Self::Capacity,
            ErrorCode::ALLOCATION_MISMATCH | ErrorCode::WRONG_CREDENTIALS => Self::Mismatch,
            ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED
            | ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH
            | ErrorCode::UNSUPPORTED_TRANSPORT_PROTOCOL
            | ErrorCode::UNKNOWN_ATTRIBUTE => Self::Unsupported,
            _ => Self::Malformed,
        }
    }
}

/// No socket for an allocation; each has its error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoSocket {
    /// 440.
    Family,
    /// 486.
    Quota,
    /// 508.
    Capacity,
}

impl NoSocket {
    const fn code(self) -> u16 {
        match self {
            Self::Family => ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED,
            Self::Quota => ErrorCode::ALLOCATION_QUOTA_REACHED,
            Self::Capacity => ErrorCode::INSUFFICIENT_CAPACITY,
        }
    }
}

/// What a client's machine needs to know and to do beyond its own messages.
pub(super) trait House {
    /// Whoever stands behind a name.
    type Guest;
    /// A socket, held as long as the allocation.
    type Lease;

    /// The nonces of this server.
    fn nonces(&self) -> &Nonces;
    /// Who this is, and the password, if the name is good at this time (in seconds since 1970).
    fn login(&self, username: &str, from: SocketAddr, unix: u64) -> Option<(Self::Guest, String)>;
    /// A socket, and the address under which the world reaches it.
    fn open(
        &self,
        guest: &Self::Guest,
        family: AddressFamily,
        even_port: bool,
    ) -> Result<(SocketAddr, Self::Lease), NoSocket>;
    /// Whether this guest may send to this address, or to any port of it. `own` are the guest's relayed addresses.
    fn may_reach(
        &self,
        guest: &Self::Guest,
        own: &[Relayed<Self::Lease>],
        peer: SocketAddr,
        any_port: bool,
    ) -> bool;
    /// Takes note of a refusal.
    fn refused(&self, refusal: Refusal);
}

/// What the driver does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Nothing,
    /// Answer; to somebody who proved nothing only within limits.
    Answer {
        /// With these bytes.
        bytes: Vec<u8>,
        /// Whether the client proved who it is.
        proven: bool,
    },
    /// Send this part of the message to a peer for which there is a permission.
    Send {
        /// To whom.
        peer: SocketAddr,
        /// What.
        payload: Range<usize>,
    },
}

/// One 5-tuple.
pub(super) struct Client<H: House> {
    allocation: Option<Allocation<H>>,
}

/// What a client holds.
pub(super) struct Allocation<H: House> {
    username: String,
    guest: H::Guest,
    /// Of the Allocate request, and the answer to it.
    transaction: (Transaction, Vec<u8>, Instant),
    relayed: Vec<Relayed<H::Lease>>,
    until: Instant,
    permissions: Vec<(IpAddr, Instant)>,
    channels: Vec<Channel>,
}

/// A relayed transport address.
pub(super) struct Relayed<L> {
    /// As the world sees it.
    pub(super) address: SocketAddr,
    /// Its socket.
    pub(super) lease: L,
}

struct Channel {
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

/// Who a request is from, proved.
struct Proven<G> {
    guest: G,
    username: String,
    key: IntegrityKey,
    algorithm: IntegrityAlgorithm,
}

impl<H: House> Client<H> {
    /// Somebody new.
    pub(super) const fn new() -> Self {
        Self { allocation: None }
    }

    /// What it holds.
    pub(super) const fn allocation(&self) -> Option<&Allocation<H>> {
        self.allocation.as_ref()
    }

    /// Gives up what it holds.
    pub(super) fn end(&mut self) {
        self.allocation = None;
    }

    /// Takes one STUN message that came from this address.
    pub(super) fn handle(&mut self, bytes: &[u8], from: SocketAddr, clock: Clock, house: &H) -> Step {
        if !is_stun(bytes) {
            return Step::Nothing;
        }
        let Ok(message) = Message::from_bytes(bytes) else { return Step::Nothing };
        match message.class() {
            MessageClass::Request if bytes.len() <= MAX_REQUEST => self.request(&message, from, clock, house),
            MessageClass::Indication if message.method() == SEND => self.indication(&message, clock.now),
            _ => Step::Nothing,
        }
    }

    fn request(&mut self, message: &Message<'_>, from: SocketAddr, clock: Clock, house: &H) -> Step {
        let wishes = Wishes::read(message);
        if message.method() == BINDING {
            let answer = if wishes.unknown.is_empty() {
                Answer::success(message).mapped(from)
            } else {
                Answer::unknown(message, &wishes.unknown)
            };
            return Step::Answer { bytes: answer.plain(), proven: false };
        }
        let proven = match Self::prove(message, from, clock, house) {
            Ok(proven) => proven,
            Err(bytes) => return Step::Answer { bytes, proven: false },
        };
        let (key, algorithm) = (proven.key.clone(), proven.algorithm);
        let answer = if wishes.unknown.is_empty() && !wishes.broken {
            self.obey(message, &wishes, from, proven, clock.now, house)
        } else if wishes.unknown.is_empty() {
            Err(ErrorCode::BAD_REQUEST)
        } else {
            house.refused(Refusal::Unsupported);
            Ok(Done::Answer(Answer::unknown(message, &wishes.unknown)))
        };
        let bytes = match answer {
            Ok(Done::Again(bytes)) => bytes,
            Ok(Done::Answer(answer)) => answer.signed(&key, algorithm),
            Ok(Done::Allocated(answer)) => {
                let bytes = answer.signed(&key, algorithm);
                if let Some(allocation) = &mut self.allocation {
                    allocation.transaction.1.clone_from(&bytes);
                }
                bytes
            }
            Err(code) => {
                house.refused(Refusal::of(code));
                Answer::error(message, code).signed(&key, algorithm)
            }
        };
        Step::Answer { bytes, proven: true }
    }

    /// The long-term credential mechanism (RFC 8489, 9.2.4); the answer to send if it fails.
    fn prove(
        message: &Message<'_>,
        from: SocketAddr,
        clock: Clock,
        house: &H,
    ) -> Result<Proven<H::Guest>, Vec<u8>> {
        let challenge = |code| {
            Answer::error(message, code).challenge(&house.nonces().give(from.ip(), clock.unix)).plain()
        };
        let malformed = || {
            house.refused(Refusal::Malformed);
            Answer::error(message, ErrorCode::BAD_REQUEST).plain()
        };
        let refuse = |refusal, code| {
            house.refused(refusal);
            challenge(code)
        };
        if !message.has_attribute(MessageIntegrity::TYPE)
            && !message.has_attribute(MessageIntegritySha256::TYPE)
        {
            // The first request of every client is like that; it is no refusal.
            return Err(challenge(ErrorCode::UNAUTHORIZED));
        }
        let username = message.attribute::<Username>().map_err(|_| malformed())?;
        let nonce = message.attribute::<Nonce>().map_err(|_| malformed())?;
        let realm = message.attribute::<Realm>().map_err(|_| malformed())?;
        let algorithm = match (
            message.attribute::<PasswordAlgorithms>().ok(),
            message.attribute::<PasswordAlgorithm>().ok(),
            message.has_attribute(PasswordAlgorithms::TYPE) || message.has_attribute(PasswordAlgorithm::TYPE),
        ) {
            (None, None, false) => IntegrityAlgorithm::Sha1,
            // What was offered comes back unchanged, else somebody between took the better ones out.
            (Some(offered), Some(chosen), _) if offered.algorithms() == message::offered().algorithms() => {
                chosen.algorithm().as_integrity()
            }
            _ => return Err(malformed()),
        };
        let username = username.username();
        let login = if realm.realm() == REALM { house.login(username, from, clock.unix) } else { None };
        let Some((guest, password)) = login else {
            return Err(refuse(Refusal::Login, ErrorCode::UNAUTHORIZED));
        };
        let key = message::key(username, password, algorithm);
        if message.validate_integrity_with_key(&key).ok() != Some(algorithm) {
            return Err(refuse(Refusal::Password, ErrorCode::UNAUTHORIZED));
        }
        if !house.nonces().check(nonce.nonce(), from.ip(), clock.unix) {
            return Err(refuse(Refusal::Nonce, ErrorCode::STALE_NONCE));
        }
        Ok(Proven { guest, username: username.to_owned(), key, algorithm })
    }

    fn obey(
        &mut self,
        message: &Message<'_>,
        wishes: &Wishes,
        from: SocketAddr,
        proven: Proven<H::Guest>,
        now: Instant,
        house: &H,
    ) -> Result<Done, u16> {
        self.expire(now);
        if message.method() == ALLOCATE {
            return self.allocate(message, wishes, from, proven, now, house);
        }
        let Some(allocation) = &mut self.allocation else {
            return Err(ErrorCode::ALLOCATION_MISMATCH);
        };
        if allocation.username != proven.username {
            return Err(ErrorCode::WRONG_CREDENTIALS);
        }
        match message.method() {
            REFRESH => {
                let lifetime = allocation.refresh(wishes, now)?;
                if allocation.relayed.is_empty() {
                    self.allocation = None;
                }
                Ok(Done::Answer(Answer::success(message).lifetime(lifetime)))
            }
            CREATE_PERMISSION => {
                allocation.permit(&wishes.peers, now, house)?;
                Ok(Done::Answer(Answer::success(message)))
            }
            CHANNEL_BIND => {
                allocation.bind(wishes, now, house)?;
                Ok(Done::Answer(Answer::success(message)))
            }
            // Connect and ConnectionBind (RFC 6062) among them: nothing here opens TCP connections for others.
            _ => Err(ErrorCode::FORBIDDEN),
        }
    }

    fn allocate(
        &mut self,
        message: &Message<'_>,
        wishes: &Wishes,
        from: SocketAddr,
        proven: Proven<H::Guest>,
        now: Instant,
        house: &H,
    ) -> Result<Done, u16> {
        if let Some(allocation) = &self.allocation {
            let (transaction, answer, at) = &allocation.transaction;
            let repeated = *transaction == message.transaction_id() && now < *at + REPEATED_WITHIN;
            return if repeated {
                Ok(Done::Again(answer.clone()))
            } else {
                Err(ErrorCode::ALLOCATION_MISMATCH)
            };
        }
        match wishes.transport {
            None => return Err(ErrorCode::BAD_REQUEST),
            Some(RequestedTransport::UDP) => {}
            Some(_) => return Err(ErrorCode::UNSUPPORTED_TRANSPORT_PROTOCOL),
        }
        let reserves = wishes.even_port == Some(true);
        if (wishes.reservation && (wishes.even_port.is_some() || wishes.family.is_some()))
            || (wishes.additional.is_some() && (wishes.family.is_some() || wishes.reservation || reserves))
            || matches!(wishes.additional, Some(Ok(AddressFamily::IPV4)))
        {
            return Err(ErrorCode::BAD_REQUEST);
        }
        // Ports are not kept for later: RTP and RTCP share one since RFC 5761.
        if wishes.reservation || reserves {
            return Err(ErrorCode::INSUFFICIENT_CAPACITY);
        }
        let family = match wishes.family {
            None => AddressFamily::IPV4,
            Some(Ok(family)) => family,
            Some(Err(())) => return Err(ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED),
        };
        let open = |family| house.open(&proven.guest, family, wishes.even_port.is_some());
        let mut relayed = Vec::with_capacity(1);
        let mut answer = Answer::success(message);
        let mut failed = None;
        let families = [Some(family), wishes.additional.map(|_| AddressFamily::IPV6)];
        for family in families.into_iter().flatten() {
            match open(family) {
                Ok((address, lease)) => {
                    answer = answer.relayed(address);
                    relayed.push(Relayed { address, lease });
                }
                Err(error) if wishes.additional.is_some() => {
                    answer = answer.family_error(family, error.code());
                    failed = Some(error);
                }
                Err(error) => return Err(error.code()),
            }
        }
        if relayed.is_empty() {
            return Err(failed.map_or(ErrorCode::INSUFFICIENT_CAPACITY, NoSocket::code));
        }
        let lifetime = wishes.lifetime.unwrap_or(DEFAULT_LIFETIME).clamp(DEFAULT_LIFETIME, MAX_LIFETIME);
        self.allocation = Some(Allocation {
            username: proven.username,
            guest: proven.guest,
            transaction: (message.transaction_id(), Vec::new(), now),
            relayed,
            until: now + Duration::from_secs(lifetime.into()),
            permissions: Vec::new(),
            channels: Vec::new(),
        });
        Ok(Done::Allocated(answer.lifetime(lifetime).mapped(from)))
    }

    fn indication(&mut self, message: &Message<'_>, now: Instant) -> Step {
        let Some((peer, payload)) = message::send_indication(message) else { return Step::Nothing };
        match &self.allocation {
            Some(allocation) if allocation.permits(peer.ip(), now) => Step::Send { peer, payload },
            _ => Step::Nothing,
        }
    }

    /// Forgets an allocation whose time is over; true if there is none any more.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        if self.allocation.as_ref().is_some_and(|allocation| allocation.until <= now) {
            self.allocation = None;
        }
        self.allocation.is_none()
    }
}

/// What an obeyed request is answered with.
enum Done {
    Answer(Answer),
    /// The same, kept in case that it is lost.
    Allocated(Answer),
    /// What was kept.
    Again(Vec<u8>),
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

    fn permits(&self, peer: IpAddr, now: Instant) -> bool {
        self.until > now && self.permissions.iter().any(|(address, until)| *address == peer && *until > now)
    }

    fn refresh(&mut self, wishes: &Wishes, now: Instant) -> Result<u32, u16> {
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
            other => other.unwrap_or(DEFAULT_LIFETIME).clamp(DEFAULT_LIFETIME, MAX_LIFETIME),
        };
        self.until = now + Duration::from_secs(lifetime.into());
        Ok(lifetime)
    }

    /// All of them, or none (RFC 8656, 10.2). A permission is for all ports of an address.
    fn permit(&mut self, peers: &[SocketAddr], now: Instant, house: &H) -> Result<(), u16> {
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

    fn bind(&mut self, wishes: &Wishes, now: Instant, house: &H) -> Result<(), u16> {
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
