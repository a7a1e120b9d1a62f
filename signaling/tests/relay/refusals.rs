//! What the relay does not do, and for whom it does nothing.

use std::time::SystemTime;

use nearhand_protocol::close::CloseReason;

use nearhand_protocol::signal::ViewerToServer;
use nearhand_signaling::account::unix_seconds;
use nearhand_signaling::chair::Chair;
use nearhand_signaling::turn::credentials::{Claim, Secret};
use stun_types::message::{Method, TransactionId};
use turn_types::AddressFamily;
use turn_types::attribute::{EvenPort, RequestedTransport, ReservationToken, XorPeerAddress};
use turn_types::message::{ALLOCATE, CONNECT, CONNECTION_BIND};

use crate::Meeting;
use crate::support::TestServer;
use crate::support::turn::{Credentials, Turn};

const SECRET: &str = "a secret for the tests of refusals";

/// Every class of addresses that SECURITY.md lists, in every dress; and a stranger's.
const FORBIDDEN_V4: &[&str] = &[
    "0.0.0.0",
    "0.1.2.3",
    "127.0.0.1",
    "127.9.9.9",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.254",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "192.0.0.170",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "198.51.100.1",
];
const FORBIDDEN_V6: &[&str] = &[
    "::",
    "::1",
    "fe80::1",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:198.51.100.1",
    "::127.0.0.1",
    "::10.0.0.1",
    "::ffff:0:10.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::10.0.0.1",
    "2002:7f00:1::1",
    "2002:a00:1::1",
    "2001:0:cb00:7101::80ff:fffe",
    "2001:0:a00:1::3433:8efe",
    "2001:db8::5efe:10.0.0.1",
    "2001:db8::1",
];

#[tokio::test]
async fn forbidden_peers() {
    let server = TestServer::with(&["--relay-address", "127.0.0.1,::1"]).await;
    let meeting = Meeting::of(&server).await;
    let relay = server.relay.unwrap();
    for (family, addresses) in [(AddressFamily::IPV4, FORBIDDEN_V4), (AddressFamily::IPV6, FORBIDDEN_V6)] {
        let mut turn = Turn::udp(relay, Some(meeting.host())).await;
        let reply = turn.allocate_family(family).await;
        assert_eq!(reply.code, 0);
        for address in addresses {
            let ip: std::net::IpAddr = address.parse().unwrap();
            for port in [0, 80, relay.port(), server.address.port(), reply.relayed().port()] {
                assert_eq!(turn.permit((ip, port).into()).await, 403, "permission for {address}:{port}");
                assert_eq!(turn.bind(0x4000, (ip, port).into()).await, 403, "channel to {address}:{port}");
            }
        }
    }
    let text = crate::numbers::read(&server).await;
    assert!(text.is_none(), "metrics are off unless asked for");
    server.stop().await;
}

/// What was permitted for the other end's relayed address opens nothing else of the server's.
#[tokio::test]
async fn the_servers_own_ports_are_not_behind_a_relayed_address() {
    let server = TestServer::start().await;
    let (one, other) = (Meeting::of(&server).await, Meeting::of(&server).await);
    let relay = server.relay.unwrap();
    let mut a = Turn::udp(relay, Some(one.host())).await;
    let mut b = Turn::udp(relay, Some(one.viewer())).await;
    let mut foreign = Turn::udp(relay, Some(other.host())).await;
    let a_at = a.allocate().await.relayed();
    let b_at = b.allocate().await.relayed();
    let foreign_at = foreign.allocate().await.relayed();
    assert_eq!((a.permit(b_at).await, b.permit(a_at).await), (0, 0));
    // By channel: exactly the other end, nothing else at that address.
    assert_eq!(a.bind(0x4000, foreign_at).await, 403);
    assert_eq!(a.bind(0x4000, relay).await, 403);
    assert_eq!(a.bind(0x4000, a_at).await, 403);
    // By indication: it has a permission for the address, and nothing arrives.
    let bait = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for to in [bait.local_addr().unwrap(), relay, foreign_at, a_at] {
        a.send_indication(to, b"let me in").await;
    }
    a.send_indication(b_at, b"as it should be").await;
    assert_eq!(b.receive().await, (Err(a_at), b"as it should be".to_vec()));
    assert!(bait.try_recv(&mut [0; 64]).is_err());
    assert!(foreign.hears_nothing().await && a.hears_nothing().await);
    // And what others send to a relayed address has no permission.
    bait.send_to(b"x", foreign_at).await.unwrap();
    assert!(foreign.hears_nothing().await);
    server.stop().await;
}

#[tokio::test]
async fn credentials_that_are_not_good() {
    let server = TestServer::with(&["--turn-secret", SECRET]).await;
    let meeting = Meeting::of(&server).await;
    let relay = server.relay.unwrap();
    let now = unix_seconds(SystemTime::now());
    let made = |secret: &str, until, session| {
        let username = Claim { until, session, chair: Chair::Host }.to_string();
        Credentials { password: Secret::shared(secret).password(&username), username }
    };
    let unknown = "00000000000000000000000000000001".parse().unwrap();
    let good = meeting.host();
    for (why, credentials, code) in [
        ("as given", good.clone(), 0),
        ("made by who has the secret", made(SECRET, now + 60, meeting.session), 0),
        ("expired", made(SECRET, now - 1, meeting.session), 401),
        ("of a session that is not here", made(SECRET, now + 60, unknown), 401),
        ("of another secret", made("some other secret of others", now + 60, meeting.session), 401),
        (
            "for longer",
            Credentials { username: made(SECRET, now + 99, meeting.session).username, ..good.clone() },
            401,
        ),
        (
            "of the other end",
            Credentials { username: good.username.replace("host", "viewer"), ..good.clone() },
            401,
        ),
        ("no name of ours", Credentials { username: "admin".into(), ..good.clone() }, 401),
        ("no name", Credentials { username: String::new(), ..good.clone() }, 401),
        ("no password", Credentials { password: String::new(), ..good.clone() }, 401),
    ] {
        for sha256 in [false, true] {
            let turn = Turn::udp(relay, Some(credentials.clone())).await;
            let mut turn = if sha256 { turn.with_sha256() } else { turn };
            assert_eq!(turn.allocate().await.code, code, "{why}");
        }
    }
    server.stop().await;
}

/// One session's credentials are worth nothing on another one's allocation.
#[tokio::test]
async fn an_allocation_is_its_owners() {
    let server = TestServer::start().await;
    let (one, other) = (Meeting::of(&server).await, Meeting::of(&server).await);
    let mut turn = Turn::udp(server.relay.unwrap(), Some(one.host())).await;
    assert_eq!(turn.allocate().await.code, 0);
    turn.set_credentials(other.host());
    assert_eq!(turn.refresh(0).await, 441);
    turn.set_credentials(one.viewer());
    assert_eq!(turn.refresh(0).await, 441);
    turn.set_credentials(one.host());
    assert_eq!(turn.refresh(600).await, 0);
    server.stop().await;
}

#[tokio::test]
async fn a_session_that_ends_takes_its_allocations_with_it() {
    let server = TestServer::start().await;
    let mut meeting = Meeting::of(&server).await;
    let relay = server.relay.unwrap();
    let mut a = Turn::udp(relay, Some(meeting.host())).await;
    let mut b = Turn::tcp(relay, Some(meeting.viewer())).await;
    let (a_at, b_at) = (a.allocate().await.relayed(), b.allocate().await.relayed());
    assert_eq!((a.bind(0x4000, b_at).await, b.bind(0x4000, a_at).await), (0, 0));
    a.send_channel(0x4000, b"still").await;
    assert_eq!(b.receive().await, (Ok(0x4000), b"still".to_vec()));

    let (host, viewer) = (meeting.host(), meeting.viewer());
    meeting.viewer.send(&ViewerToServer::End { reason: CloseReason::TechnicianEnded }).await;
    assert_eq!(meeting.host.end().await, CloseReason::TechnicianEnded);
    assert!(b.is_closed().await, "the connection goes with its allocation");
    // Its port is free again, its credentials are worth nothing, from wherever they are replayed.
    let address = crate::support::eventually(async || std::net::UdpSocket::bind(a_at).ok()).await;
    drop(address);
    assert_eq!(a.refresh(600).await, 401);
    for mut turn in [Turn::udp(relay, Some(host)).await, Turn::tcp(relay, Some(viewer)).await] {
        assert_eq!(turn.allocate().await.code, 401);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_nonce_that_is_not_good_is_replaced() {
    let server = TestServer::start().await;
    let meeting = Meeting::of(&server).await;
    let relay = server.relay.unwrap();
    let mut turn = Turn::udp(relay, Some(meeting.host())).await;
    assert_eq!(turn.allocate().await.code, 0);
    turn.set_nonce("obMatJos2gAAAAAAAAAAAAAAA");
    assert_eq!(turn.refresh(600).await, 438);
    assert_eq!(turn.refresh(600).await, 0, "with the fresh one that came with it");
    turn.set_nonce("from before");
    assert_eq!(turn.refresh(600).await, 438);
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_offered() {
    let server = TestServer::start().await;
    let meeting = Meeting::of(&server).await;
    let relay = server.relay.unwrap();
    let turn = async || Turn::udp(relay, Some(meeting.host())).await;
    let udp = RequestedTransport::new(RequestedTransport::UDP);
    let allocate = async |attributes: &[&dyn stun_types::prelude::AttributeWrite]| {
        turn().await.allocate_with(attributes).await.code
    };
    assert_eq!(allocate(&[]).await, 400);
    assert_eq!(allocate(&[&RequestedTransport::new(RequestedTransport::TCP)]).await, 442);
    assert_eq!(allocate(&[&udp, &EvenPort::new(true)]).await, 508);
    assert_eq!(allocate(&[&udp, &EvenPort::new(false), &ReservationToken::new(7)]).await, 400);
    assert_eq!(allocate(&[&udp, &ReservationToken::new(7)]).await, 508);
    assert_eq!(
        allocate(&[&udp, &stun_types::attribute::RawAttribute::new(0x7777.into(), &[0; 4])]).await,
        420
    );
    let even = turn().await.allocate_with(&[&udp, &EvenPort::new(false)]).await;
    assert_eq!((even.code, even.relayed().port() % 2), (0, 0));

    let mut turn = turn().await;
    assert_eq!(turn.refresh(600).await, 401);
    assert_eq!(turn.refresh(600).await, 437);
    assert_eq!(turn.permit("203.0.113.1:1".parse().unwrap()).await, 437);
    assert_eq!(turn.allocate().await.code, 0);
    let peer = "203.0.113.1:1".parse().unwrap();
    for method in [CONNECT, CONNECTION_BIND, Method::new(0x777)] {
        let id = TransactionId::generate();
        let request = turn.request(method, &[&XorPeerAddress::new(peer, id)], id);
        assert_eq!(turn.exchange(&request).await.code, 403, "{method}");
    }
    assert_eq!(turn.ask(ALLOCATE, &[&udp]).await.code, 437);
    for number in [0, 0x3fff, 0x7fff, 0x8000, 0xffff] {
        assert_eq!(turn.bind(number, peer).await, 400, "{number:x}");
    }
    server.stop().await;
}
