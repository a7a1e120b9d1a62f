//! STUN and TURN messages: what a request holds, and how answers are written. The bytes themselves are the work of
//! `stun-types` and `turn-types`.

use std::net::SocketAddr;
use std::ops::Range;

use stun_types::attribute::{
    AttributeType, ErrorCode, Fingerprint, MessageIntegrity, MessageIntegritySha256, Nonce,
    PasswordAlgorithm, PasswordAlgorithmValue, PasswordAlgorithms, Realm, UnknownAttributes, Userhash,
    Username, XorMappedAddress,
};
use stun_types::message::{
    IntegrityAlgorithm, IntegrityKey, LongTermKeyCredentials, Message, MessageWriteVec, TransactionId,
};
use stun_types::prelude::{
    Attribute as _, AttributeFromRaw as _, AttributeStaticType as _, AttributeWrite, MessageWrite as _,
    MessageWriteExt as _,
};
use turn_types::AddressFamily;
use turn_types::attribute::{
    AdditionalAddressFamily, AddressErrorCode, ChannelNumber, Data, DontFragment, EvenPort, Lifetime,
    RequestedAddressFamily, RequestedTransport, ReservationToken, XorPeerAddress, XorRelayedAddress,
};
use turn_types::message::DATA;

/// The realm of all credentials. Its name is part of each key, so it never changes.
pub(super) const REALM: &str = "nearhand";

/// What a request asks for, each attribute at most once but the peers; `Err` for one that can't be read.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    pub(super) transport: Option<u8>,
    pub(super) lifetime: Option<u32>,
    pub(super) family: Option<Result<AddressFamily, ()>>,
    pub(super) additional: Option<Result<AddressFamily, ()>>,
    pub(super) even_port: Option<bool>,
    pub(super) reservation: bool,
    pub(super) channel: Option<u16>,
    pub(super) peers: Vec<SocketAddr>,
    /// An attribute that must be understood and can't be read.
    pub(super) broken: bool,
    /// Attributes that must be understood, and are not (RFC 8489, 6.3.1).
    pub(super) unknown: Vec<AttributeType>,
}

impl Wishes {
    /// Most peers in one request; more are as good as broken.
    const MAX_PEERS: usize = 16;

    pub(super) fn read(message: &Message<'_>) -> Self {
        let mut wishes = Self::default();
        for (_, attribute) in message.iter_attributes() {
            let attribute = &attribute;
            match attribute.get_type() {
                Username::TYPE
                | Userhash::TYPE
                | Realm::TYPE
                | Nonce::TYPE
                | PasswordAlgorithm::TYPE
                | MessageIntegrity::TYPE
                | MessageIntegritySha256::TYPE
                | Fingerprint::TYPE
                | DontFragment::TYPE => {}
                RequestedTransport::TYPE => match RequestedTransport::from_raw_ref(attribute) {
                    Ok(transport) => wishes.transport = Some(transport.protocol()),
                    Err(_) => wishes.broken = true,
                },
                Lifetime::TYPE => match Lifetime::from_raw_ref(attribute) {
                    Ok(lifetime) => wishes.lifetime = Some(lifetime.seconds()),
                    Err(_) => wishes.broken = true,
                },
                RequestedAddressFamily::TYPE => {
                    let family = RequestedAddressFamily::from_raw_ref(attribute);
                    wishes.family = Some(family.map(|family| family.family()).map_err(|_| ()));
                }
                AdditionalAddressFamily::TYPE => {
                    let family = AdditionalAddressFamily::from_raw_ref(attribute);
                    wishes.additional = Some(family.map(|family| family.family()).map_err(|_| ()));
                }
                EvenPort::TYPE => match EvenPort::from_raw_ref(attribute) {
                    Ok(even) => wishes.even_port = Some(even.requested()),
                    Err(_) => wishes.broken = true,
                },
                ReservationToken::TYPE => wishes.reservation = true,
                ChannelNumber::TYPE => match ChannelNumber::from_raw_ref(attribute) {
                    Ok(number) => wishes.channel = Some(number.channel()),
                    Err(_) => wishes.broken = true,
                },
                XorPeerAddress::TYPE => match XorPeerAddress::from_raw_ref(attribute) {
                    Ok(peer) if wishes.peers.len() < Self::MAX_PEERS => {
                        wishes.peers.push(peer.addr(message.transaction_id()));
                    }
                    _ => wishes.broken = true,
                },
                other if other.comprehension_required() => wishes.unknown.push(other),
                _ => {}
            }
        }
        // There is room in an answer for a few, and a stranger is told no more than it asked.
        wishes.unknown.truncate(4);
        wishes
    }
}

/// What a Send indication holds: for whom, and where in the message the payload lies. One with an attribute that must be
/// understood and is not, is no such indication (RFC 8489, 6.3.2).
pub(super) fn send_indication(message: &Message<'_>) -> Option<(SocketAddr, Range<usize>)> {
    let (mut peer, mut data) = (None, None);
    for (offset, attribute) in message.iter_attributes() {
        match attribute.get_type() {
            XorPeerAddress::TYPE => {
                peer = Some(XorPeerAddress::from_raw_ref(&attribute).ok()?.addr(message.transaction_id()));
            }
            Data::TYPE => data = Some(offset + 4..offset + 4 + usize::from(attribute.length())),
            Fingerprint::TYPE | DontFragment::TYPE => {}
            other if other.comprehension_required() => return None,
            _ => {}
        }
    }
    peer.zip(data)
}

/// A Data indication; `None` if the payload is longer than any datagram.
pub(super) fn data_indication(peer: SocketAddr, payload: &[u8]) -> Option<Vec<u8>> {
    let mut message = Message::builder_indication(DATA, MessageWriteVec::with_capacity(payload.len() + 64));
    message.add_attribute(&XorPeerAddress::new(peer, message.transaction_id())).ok()?;
    // Its constructor takes no more than this.
    if payload.len() > usize::from(u16::MAX) - 64 {
        return None;
    }
    message.add_attribute(&Data::new(payload)).ok()?;
    Some(message.finish())
}

/// The key of a name and its password, for one of the two ways to protect a message.
pub(super) fn key(username: &str, password: String, algorithm: IntegrityAlgorithm) -> IntegrityKey {
    LongTermKeyCredentials::new(username.to_owned(), password, REALM.to_owned()).make_key(algorithm)
}

/// What is offered, the better first. Who knows nothing of it uses the other, as before RFC 8489.
pub(super) fn offered() -> PasswordAlgorithms {
    PasswordAlgorithms::new(&[PasswordAlgorithmValue::SHA256, PasswordAlgorithmValue::MD5])
}

/// An answer in the making. What is added always fits: answers have a few dozen bytes, and a message has 65,535.
pub(super) struct Answer {
    message: MessageWriteVec,
    fingerprint: bool,
}

impl Answer {
    pub(super) fn success(to: &Message<'_>) -> Self {
        Self::to(to, Message::builder_success(to, MessageWriteVec::with_capacity(128)))
    }

    /// Without words: the number says it, and a stranger's answer stays small.
    pub(super) fn error(to: &Message<'_>, code: u16) -> Self {
        let message = Message::builder_error(to, MessageWriteVec::with_capacity(128));
        Self::to(to, message).with(ErrorCode::new(code, "").ok())
    }

    /// 420, with what was not understood.
    pub(super) fn unknown(to: &Message<'_>, attributes: &[AttributeType]) -> Self {
        Self::error(to, ErrorCode::UNKNOWN_ATTRIBUTE).with(Some(UnknownAttributes::new(attributes)))
    }

    fn to(to: &Message<'_>, message: MessageWriteVec) -> Self {
        Self { message, fingerprint: to.has_attribute(Fingerprint::TYPE) }
    }

    /// What the client needs to prove who it is.
    pub(super) fn challenge(self, nonce: &str) -> Self {
        self.with(Realm::new(REALM).ok()).with(Nonce::new(nonce).ok()).with(Some(offered()))
    }

    pub(super) fn mapped(self, address: SocketAddr) -> Self {
        let id = self.message.transaction_id();
        self.with(Some(XorMappedAddress::new(address, id)))
    }

    pub(super) fn relayed(self, address: SocketAddr) -> Self {
        let id = self.message.transaction_id();
        self.with(Some(XorRelayedAddress::new(address, id)))
    }

    pub(super) fn lifetime(self, seconds: u32) -> Self {
        self.with(Some(Lifetime::new(seconds)))
    }

    pub(super) fn family_error(self, family: AddressFamily, code: u16) -> Self {
        self.with(ErrorCode::new(code, "").ok().map(|error| AddressErrorCode::new(family, error)))
    }

    fn with(mut self, attribute: Option<impl AttributeWrite>) -> Self {
        if let Some(attribute) = attribute {
            let _fits = self.message.add_attribute(&attribute);
        }
        self
    }

    /// As it is, for who has proved nothing.
    pub(super) fn plain(mut self) -> Vec<u8> {
        if self.fingerprint {
            let _fits = self.message.add_fingerprint();
        }
        self.message.finish()
    }

    /// Protected in the way in which the request was.
    pub(super) fn signed(mut self, key: &IntegrityKey, algorithm: IntegrityAlgorithm) -> Vec<u8> {
        let _fits = self.message.add_message_integrity_with_key(key, algorithm);
        self.plain()
    }
}

/// Names a transaction.
pub(super) type Transaction = TransactionId;
