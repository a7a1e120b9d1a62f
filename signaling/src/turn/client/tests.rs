//! The machine of one client against a house of cards: time passes as it is told to.

use std::cell::RefCell;
use std::net::IpAddr;

use proptest::prelude::*;
use stun_types::attribute::{Fingerprint, XorMappedAddress};
use stun_types::message::{MessageType, MessageWriteVec, Method};
use stun_types::prelude::{AttributeWrite, MessageWrite as _, MessageWriteExt as _};
use turn_types::attribute::{ChannelNumber, Data, Lifetime, XorPeerAddress, XorRelayedAddress};

use super::super::allocation::{MAX_PEERS, Wrap};
use super::super::message::Transaction;
use super::super::nonce::Nonces;
use super::*;

const FROM: &str = "203.0.113.1:5000";
const PEER: &str = "198.51.100.1:6000";
const UNIX: u64 = 1_900_000_000;

struct Cards {
    nonces: Nonces,
    opened: RefCell<u16>,
    refused: RefCell<Vec<Refusal>>,
}

impl House for Cards {
    type Guest = String;
    type Lease = ();

    fn nonces(&self) -> &Nonces {
        &self.nonces
    }

    fn login(&self, username: &str, _from: SocketAddr, _unix: u64) -> Option<(String, String)> {
        (username != "nobody").then(|| (username.to_owned(), format!("{username}'s password")))
    }

    fn open(&self, _: &String, family: AddressFamily, _even: bool) -> Result<(SocketAddr, ()), NoSocket> {
        if family == AddressFamily::IPV6 {
            return Err(NoSocket::Family);
        }
        *self.opened.borrow_mut() += 1;
        Ok((SocketAddr::from(([203, 0, 113, 99], 50_000 + *self.opened.borrow())), ()))
    }

    fn may_reach(&self, _: &String, _: &[Relayed<()>], peer: SocketAddr, _any_port: bool) -> bool {
        matches!(peer.ip(), IpAddr::V4(address) if address.octets()[0] == 198)
    }

    fn refused(&self, refusal: Refusal) {
        self.refused.borrow_mut().push(refusal);
    }
}

/// One client, and the clock.
struct Table {
    house: Cards,
    client: Client<Cards>,
    began: Instant,
    passed: Duration,
}

impl Table {
    fn new() -> Self {
        let house =
            Cards { nonces: Nonces::new().unwrap(), opened: RefCell::default(), refused: RefCell::default() };
        Self { house, client: Client::new(), began: Instant::now(), passed: Duration::ZERO }
    }

    fn clock(&self) -> Clock {
        Clock { now: self.began + self.passed, unix: UNIX + self.passed.as_secs() }
    }

    fn request(&self, method: Method, attributes: &[&dyn AttributeWrite], id: Transaction) -> Vec<u8> {
        self.request_of("ada", method, attributes, id)
    }

    fn request_of(
        &self,
        user: &str,
        method: Method,
        attributes: &[&dyn AttributeWrite],
        id: Transaction,
    ) -> Vec<u8> {
        let kind = MessageType::from_class_method(MessageClass::Request, method);
        let mut message = Message::builder(kind, id, MessageWriteVec::new());
        for attribute in attributes {
            message.add_attribute(*attribute).unwrap();
        }
        let from: SocketAddr = FROM.parse().unwrap();
        message.add_attribute(&Username::new(user).unwrap()).unwrap();
        message.add_attribute(&Realm::new(REALM).unwrap()).unwrap();
        let nonce = self.house.nonces.give(from.ip(), self.clock().unix);
        message.add_attribute(&Nonce::new(&nonce).unwrap()).unwrap();
        let key = message::key(user, format!("{user}'s password"), IntegrityAlgorithm::Sha1);
        message.add_message_integrity_with_key(&key, IntegrityAlgorithm::Sha1).unwrap();
        message.add_fingerprint().unwrap();
        message.finish()
    }

    fn handle(&mut self, bytes: &[u8]) -> Step {
        self.client.handle(bytes, FROM.parse().unwrap(), self.clock(), &self.house)
    }

    /// The code of the answer to a request, zero for success, and the answer.
    fn ask(&mut self, method: Method, attributes: &[&dyn AttributeWrite]) -> (u16, Vec<u8>) {
        let request = self.request(method, attributes, Transaction::generate());
        self.answer(&request)
    }

    fn answer(&mut self, request: &[u8]) -> (u16, Vec<u8>) {
        let Step::Answer { bytes, .. } = self.handle(request) else { panic!("no answer") };
        let code =
            Message::from_bytes(&bytes).unwrap().attribute::<ErrorCode>().map_or(0, |error| error.code());
        (code, bytes)
    }

    fn allocate(&mut self) -> u16 {
        self.ask(ALLOCATE, &[&RequestedTransport::new(RequestedTransport::UDP)]).0
    }

    fn bind(&mut self, number: u16, peer: &str) -> u16 {
        let id = Transaction::generate();
        let attributes: [&dyn AttributeWrite; 2] =
            [&ChannelNumber::new(number), &XorPeerAddress::new(peer.parse().unwrap(), id)];
        let request = self.request(CHANNEL_BIND, &attributes, id);
        self.answer(&request).0
    }

    fn permit(&mut self, peers: &[&str]) -> u16 {
        let id = Transaction::generate();
        let peers: Vec<_> = peers.iter().map(|peer| XorPeerAddress::new(peer.parse().unwrap(), id)).collect();
        let attributes: Vec<_> = peers.iter().map(|peer| -> &dyn AttributeWrite { peer }).collect();
        let request = self.request(CREATE_PERMISSION, &attributes, id);
        self.answer(&request).0
    }

    fn wrap(&self, peer: &str) -> Option<Wrap> {
        self.client.allocation()?.wrap(peer.parse().unwrap(), self.clock().now)
    }

    fn peer_of(&self, number: u16) -> Option<SocketAddr> {
        self.client.allocation()?.peer_of(number, self.clock().now)
    }

    fn pass(&mut self, seconds: u64) {
        self.passed += Duration::from_secs(seconds);
    }
}

#[test]
fn an_allocation_and_what_it_says() {
    let mut table = Table::new();
    let (code, bytes) = table.ask(ALLOCATE, &[&RequestedTransport::new(17), &Lifetime::new(1200)]);
    assert_eq!(code, 0);
    let answer = Message::from_bytes(&bytes).unwrap();
    let relayed = answer.attribute::<XorRelayedAddress>().unwrap().addr(answer.transaction_id());
    assert_eq!(relayed, "203.0.113.99:50001".parse().unwrap());
    assert_eq!(answer.attribute::<Lifetime>().unwrap().seconds(), 1200);
    let mapped = answer.attribute::<XorMappedAddress>().unwrap().addr(answer.transaction_id());
    assert_eq!(mapped, FROM.parse().unwrap());
    assert!(answer.has_attribute(Fingerprint::TYPE), "as the request has one");
    let key = message::key("ada", "ada's password".into(), IntegrityAlgorithm::Sha1);
    assert!(answer.validate_integrity_with_key(&key).is_ok());
}

#[test]
fn everything_ends_in_its_time() {
    let mut table = Table::new();
    assert_eq!(table.allocate(), 0);
    assert_eq!(table.bind(0x4000, PEER), 0);
    assert_eq!(table.wrap(PEER), Some(Wrap::Channel(0x4000)));
    assert_eq!(table.wrap("198.51.100.1:6001"), Some(Wrap::Indication));
    assert_eq!(table.wrap("198.51.100.2:6000"), None);
    // The permission first, after five minutes; the channel lasts ten, and so does the allocation.
    table.pass(300);
    assert_eq!(table.wrap(PEER), None);
    assert_eq!(table.peer_of(0x4000), Some(PEER.parse().unwrap()));
    assert_eq!(table.permit(&[PEER]), 0);
    assert_eq!(table.wrap(PEER), Some(Wrap::Channel(0x4000)));
    assert_eq!(table.ask(REFRESH, &[]).0, 0);
    table.pass(299);
    assert_eq!(table.wrap(PEER), Some(Wrap::Channel(0x4000)));
    table.pass(1);
    assert_eq!((table.wrap(PEER), table.peer_of(0x4000)), (None, None));
    table.pass(300);
    assert!(table.client.expire(table.clock().now));
    assert_eq!(table.ask(REFRESH, &[]).0, 437);
    assert_eq!(table.allocate(), 0, "and it may begin anew");
}

#[test]
fn lifetimes_are_kept_within_bounds() {
    for (asked, given) in [(None, 600), (Some(1), 600), (Some(900), 900), (Some(u32::MAX), 3600)] {
        let mut table = Table::new();
        assert_eq!(table.allocate(), 0);
        let lifetime = asked.map(Lifetime::new);
        let attributes: Vec<_> =
            lifetime.iter().map(|lifetime| -> &dyn AttributeWrite { lifetime }).collect();
        let (code, bytes) = table.ask(REFRESH, &attributes);
        let answer = Message::from_bytes(&bytes).unwrap();
        assert_eq!((code, answer.attribute::<Lifetime>().unwrap().seconds()), (0, given));
        let until = table.client.allocation().unwrap().until();
        assert_eq!(until, table.clock().now + Duration::from_secs(given.into()));
    }
}

#[test]
fn permissions_are_given_all_or_none_and_not_without_end() {
    let mut table = Table::new();
    assert_eq!(table.allocate(), 0);
    assert_eq!(table.permit(&[PEER, "10.0.0.1:1"]), 403);
    assert_eq!(table.wrap(PEER), None);
    assert_eq!(table.permit(&[]), 400);
    let many: Vec<_> = (0..17).map(|host| format!("198.51.100.{host}:1")).collect();
    assert_eq!(table.permit(&many.iter().map(String::as_str).collect::<Vec<_>>()), 400);
    for host in 0..MAX_PEERS {
        assert_eq!(table.permit(&[&format!("198.51.100.{host}:1")]), 0);
    }
    assert_eq!(table.permit(&["198.51.100.200:1"]), 508);
    assert_eq!(table.permit(&["198.51.100.7:2"]), 0, "an old one is renewed");
    table.pass(300);
    assert_eq!(table.permit(&["198.51.100.200:1"]), 0);
}

#[test]
fn a_channel_has_one_peer_and_a_peer_one_channel() {
    let mut table = Table::new();
    assert_eq!(table.allocate(), 0);
    assert_eq!(table.bind(0x4000, PEER), 0);
    assert_eq!(table.bind(0x4000, PEER), 0);
    assert_eq!(table.bind(0x4000, "198.51.100.1:6001"), 400);
    assert_eq!(table.bind(0x4001, PEER), 400);
    assert_eq!(table.bind(0x4001, "198.51.100.1:6001"), 0);
    assert_eq!(table.bind(0x4002, "10.0.0.1:1"), 403);
    for number in 2..MAX_PEERS as u16 {
        assert_eq!(table.bind(0x4000 + number, &format!("198.51.100.1:{number}")), 0);
    }
    assert_eq!(table.bind(0x4fff, "198.51.100.1:7000"), 508);
}

#[test]
fn only_its_owner_commands_an_allocation() {
    let mut table = Table::new();
    assert_eq!(table.allocate(), 0);
    for (user, code) in [("eve", 441), ("nobody", 401), ("ada", 0)] {
        let request = table.request_of(user, REFRESH, &[], Transaction::generate());
        assert_eq!(table.answer(&request).0, code, "{user}");
    }
    assert_eq!(*table.house.refused.borrow(), [Refusal::Mismatch, Refusal::Login]);
    // An unprotected request ends nothing.
    let mut message = Message::builder_request(REFRESH, MessageWriteVec::new());
    message.add_attribute(&Lifetime::new(0)).unwrap();
    assert_eq!(table.answer(&message.finish()).0, 401);
    assert!(table.client.allocation().is_some());
    assert_eq!(table.ask(REFRESH, &[&Lifetime::new(0)]).0, 0);
    assert!(table.client.allocation().is_none());
}

#[test]
fn an_old_nonce_is_stale_and_a_foreign_one_too() {
    let mut table = Table::new();
    let early = table.request(REFRESH, &[], Transaction::generate());
    table.pass(3600);
    assert_eq!(table.answer(&early).0, 438);
    let request = table.request(REFRESH, &[], Transaction::generate());
    let Step::Answer { bytes, proven: false } =
        table.client.handle(&request, "203.0.113.2:5000".parse().unwrap(), table.clock(), &table.house)
    else {
        panic!()
    };
    let answer = Message::from_bytes(&bytes).unwrap();
    assert_eq!(answer.attribute::<ErrorCode>().unwrap().code(), 438);
}

#[test]
fn indications_go_where_a_permission_is() {
    let mut table = Table::new();
    let send = |peer: &str| {
        let mut message = Message::builder_indication(SEND, MessageWriteVec::new());
        let id = message.transaction_id();
        message.add_attribute(&XorPeerAddress::new(peer.parse().unwrap(), id)).unwrap();
        message.add_attribute(&Data::new(b"payload")).unwrap();
        message.finish()
    };
    let bytes = send(PEER);
    assert_eq!(table.handle(&bytes), Step::Nothing);
    assert_eq!(table.allocate(), 0);
    assert_eq!(table.handle(&bytes), Step::Nothing);
    assert_eq!(table.permit(&[PEER]), 0);
    let Step::Send { peer, payload } = table.handle(&bytes) else { panic!() };
    assert_eq!((peer, &bytes[payload]), (PEER.parse().unwrap(), &b"payload"[..]));
    assert_eq!(table.handle(&send("198.51.100.2:1")), Step::Nothing);
    table.pass(300);
    assert_eq!(table.handle(&bytes), Step::Nothing);
}

/// A message with a bit turned here and there, or cut, or with other bytes in it.
fn damaged() -> impl Strategy<Value = (usize, Vec<(prop::sample::Index, u8)>, prop::sample::Index)> {
    (
        0..6_usize,
        proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        any::<prop::sample::Index>(),
    )
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut table = Table::new();
        table.allocate();
        table.handle(&bytes);
        // The same behind a header that makes a message of them.
        let mut message = vec![0, (bytes.len() % 16) as u8];
        let body = bytes.len() & !3;
        message.extend_from_slice(&(body as u16).to_be_bytes());
        message.extend_from_slice(&[0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        message.extend_from_slice(&bytes[..body]);
        table.handle(&message);
    }

    /// Nobody gets anything by damage: an allocation, a permission, a channel.
    #[test]
    fn damaged_requests_do_nothing((which, changes, cut) in damaged()) {
        let mut table = Table::new();
        table.allocate();
        let id = Transaction::generate();
        let peer = XorPeerAddress::new(PEER.parse().unwrap(), id);
        let (lifetime, channel) = (Lifetime::new(0), ChannelNumber::new(0x4000));
        let request = match which {
            0 => table.request(REFRESH, &[&lifetime], id),
            1 => table.request(CREATE_PERMISSION, &[&peer], id),
            2 => table.request(CHANNEL_BIND, &[&channel, &peer], id),
            3 => table.request(ALLOCATE, &[&RequestedTransport::new(17)], id),
            4 => table.request(BINDING, &[], id),
            _ => table.request(SEND, &[&peer], id),
        };
        let mut bytes = request.clone();
        for (at, byte) in changes {
            // What integrity covers: all but itself and the fingerprint behind it.
            let at = at.index(request.len() - 32);
            bytes[at] ^= byte;
        }
        if bytes == request {
            bytes.truncate(cut.index(request.len()));
        }
        // A fingerprint that fits, so that more than the fingerprint is tested.
        if bytes.len() == request.len() {
            let sum = Fingerprint::compute(&[&bytes[..bytes.len() - 8]]);
            let at = bytes.len() - 4;
            let fingerprint: Vec<u8> =
                sum.iter().zip(0x5354_554e_u32.to_be_bytes()).map(|(sum, mask)| sum ^ mask).collect();
            bytes[at..].copy_from_slice(&fingerprint);
        }
        let step = table.handle(&bytes);
        let proven = matches!(step, Step::Answer { proven: true, .. });
        prop_assert!(!proven, "{step:?}");
        prop_assert!(table.client.allocation().is_some());
        prop_assert_eq!(table.wrap(PEER), None);
    }

    /// Whatever is asked in whatever order: nothing is sent without a permission that a rule gave.
    #[test]
    fn any_order_keeps_the_rules(steps in proptest::collection::vec((0..7_u8, 0..4_u8, 0..700_u64), 1..40)) {
        let mut table = Table::new();
        for (what, which, seconds) in steps {
            let peer = ["198.51.100.1:1", "198.51.100.2:2", "10.0.0.1:3", "127.0.0.1:4"][usize::from(which)];
            match what {
                0 => { table.allocate(); }
                1 => { table.ask(REFRESH, &[&Lifetime::new(seconds as u32)]); }
                2 => { table.permit(&[peer]); }
                3 => { table.bind(0x4000 + u16::from(which), peer); }
                4 => { table.ask(REFRESH, &[&Lifetime::new(0)]); }
                5 => table.pass(seconds),
                _ => { table.client.expire(table.clock().now); }
            }
            prop_assert_eq!(table.wrap("10.0.0.1:3"), None);
            prop_assert_eq!(table.wrap("127.0.0.1:4"), None);
            for number in 0x4000..0x4004 {
                let peer = table.peer_of(number);
                prop_assert!(peer.is_none_or(|peer| peer.to_string().starts_with("198.")), "{:?}", peer);
            }
            if let Some(allocation) = table.client.allocation() {
                prop_assert!(allocation.permissions.len() <= MAX_PEERS && allocation.channels.len() <= MAX_PEERS);
            }
        }
    }
}
