//! One client of the relay: the machine behind one 5-tuple (RFC 8656). Messages and time in, answers out; sockets,
//! sessions and rules are behind [`House`].
//!
//! A client that has not proved who it is leaves nothing behind: there is no state before an allocation.

use std::net::SocketAddr;
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

use super::allocation::{Allocation, lifetime};
use super::framing::{MAX_REQUEST, is_stun};
use super::house::{Clock, House, NoSocket, Relayed, refusal_of};
use super::message::{self, Answer, REALM, Wishes};
use crate::metrics::Refusal;

#[cfg(test)]
mod tests;

/// For how long an Allocate request may be the repetition of one whose answer was lost (RFC 8489, 6.3.1).
const REPEATED_WITHIN: Duration = Duration::from_secs(40);

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
                house.refused(refusal_of(code));
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
        let lifetime = lifetime(wishes.lifetime);
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
