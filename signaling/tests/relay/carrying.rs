//! What the relay is for: bytes go from one end to the other, over every way in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nearhand_protocol::id::SessionId;
use nearhand_signaling::account::unix_seconds;
use nearhand_signaling::chair::Chair;
use nearhand_signaling::turn::credentials::{Claim, Secret};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use stun_types::message::TransactionId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use turn_client_proto::api::{TurnConfig, TurnRecvRet};
use turn_client_proto::prelude::*;
use turn_client_proto::udp::TurnClientUdp;
use turn_types::attribute::RequestedTransport;
use turn_types::message::ALLOCATE;
use turn_types::{AddressFamily, TransportType, TurnCredentials};

use crate::Meeting;
use crate::support::certificate::Certificate;
use crate::support::turn::{Credentials, Turn};
use crate::support::{Answer, TOKEN, TestServer, soon};

#[tokio::test]
async fn both_ends_are_told_the_way() {
    let server = TestServer::with(&["--ice-server", "stun:c.example:3478"]).await;
    let meeting = Meeting::of(&server).await;
    let relay = server.relay.unwrap();
    let urls: Vec<_> = meeting.host_servers.iter().flat_map(|server| server.urls.clone()).collect();
    assert_eq!(
        urls,
        [
            format!("stun:{relay}"),
            format!("turn:{relay}?transport=udp"),
            format!("turn:{relay}?transport=tcp"),
            format!("turn:{}?transport=tcp", server.address),
            "stun:c.example:3478".to_owned(),
        ]
    );
    let (host, viewer) = (meeting.host(), meeting.viewer());
    assert!(host.username.ends_with(&format!(":{}:host", meeting.session)), "{}", host.username);
    assert!(viewer.username.ends_with(&format!(":{}:viewer", meeting.session)), "{}", viewer.username);
    assert_ne!(host.password, viewer.password);
    server.stop().await;
}

/// Two clients, each on one of the ways in, send to each other by channel and by indication.
async fn exchange(mut a: Turn, mut b: Turn) {
    let (first, second) = (a.allocate().await, b.allocate().await);
    assert_eq!((first.code, second.code), (0, 0));
    let (a_at, b_at) = (first.relayed(), second.relayed());
    assert_eq!(a.permit(b_at).await, 0);
    assert_eq!(b.permit(a_at).await, 0);
    a.send_indication(b_at, b"by indication").await;
    assert_eq!(b.receive().await, (Err(a_at), b"by indication".to_vec()));
    assert_eq!(b.bind(0x4001, a_at).await, 0);
    b.send_channel(0x4001, b"abc").await;
    assert_eq!(a.receive().await, (Err(b_at), b"abc".to_vec()));
    assert_eq!(a.bind(0x4fff, b_at).await, 0);
    for len in [0, 1, 2, 3, 4, 1200, 8000] {
        let payload: Vec<_> = (0..len).map(|byte| byte as u8).collect();
        a.send_channel(0x4fff, &payload).await;
        assert_eq!(b.receive().await, (Ok(0x4001), payload.clone()), "{len} bytes");
        b.send_channel(0x4001, &payload).await;
        assert_eq!(a.receive().await, (Ok(0x4fff), payload));
    }
    // Bursts keep their order and their borders.
    for number in 0..200_u16 {
        a.send_channel(0x4fff, &[number as u8].repeat(usize::from(number) % 7 * 100 + 1)).await;
        if number % 20 == 19 {
            for number in number - 19..=number {
                let expected = [number as u8].repeat(usize::from(number) % 7 * 100 + 1);
                assert_eq!(b.receive().await, (Ok(0x4001), expected));
            }
        }
    }
    assert_eq!(a.refresh(600).await, 0);
    assert_eq!(a.refresh(0).await, 0);
}

#[tokio::test]
async fn over_udp_and_tcp_and_the_servers_own_port() {
    let server = TestServer::start().await;
    let relay = server.relay.unwrap();
    for (a, b) in [(0, 0), (0, 1), (1, 2), (2, 2)] {
        let meeting = Meeting::of(&server).await;
        let open = async |way, credentials| match way {
            0 => Turn::udp(relay, Some(credentials)).await,
            1 => Turn::tcp(relay, Some(credentials)).await,
            _ => Turn::tcp(server.address, Some(credentials)).await,
        };
        exchange(open(a, meeting.host()).await, open(b, meeting.viewer()).await).await;
    }
    // The port is still what it was.
    assert_eq!(server.get("/healthz").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn over_tls_beside_https_on_one_port() {
    let certificate = Certificate::new();
    let server = TestServer::with(&[
        "--tls-cert",
        &certificate.path("cert.pem"),
        "--tls-key",
        &certificate.path("key.pem"),
        "--turn-secret",
        SECRET,
    ])
    .await;
    let answer = certificate.request(server.address, "POST", "/api/sessions").await;
    let session = answer.json()["session"].as_str().unwrap().parse().unwrap();
    for alpn in [None, Some(&b"stun.turn"[..])] {
        let stream = certificate.connect(server.address, alpn).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), alpn);
        let mut a = Turn::over(stream, Some(credentials(session, Chair::Host)));
        assert!(a.binding().await.ip().is_loopback());
        let b = Turn::udp(server.relay.unwrap(), Some(credentials(session, Chair::Viewer))).await;
        exchange(a, b).await;
    }
    // HTTP as before, whether it says so or not.
    for alpn in [None, Some(&b"http/1.1"[..])] {
        let stream = certificate.connect(server.address, alpn).await;
        assert_eq!(Certificate::ask(stream, "GET", "/healthz").await.status, 200);
    }
    // Who says that it speaks the one and speaks the other is not heard.
    let mut stream = certificate.connect(server.address, Some(b"stun.turn")).await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _reset = soon(stream.read_to_end(&mut rest)).await;
    assert!(rest.is_empty());
    server.stop().await;
}

const SECRET: &str = "a secret for the tests of TLS";

/// As the server would give them, and as anybody can who has the secret.
fn credentials(session: SessionId, chair: Chair) -> Credentials {
    let username = Claim { until: unix_seconds(SystemTime::now()) + 60, session, chair }.to_string();
    let password = Secret::shared(SECRET).password(&username);
    Credentials { username, password }
}

impl Certificate {
    async fn connect(&self, server: SocketAddr, alpn: Option<&[u8]>) -> TlsStream<TcpStream> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_root_certificates(self.roots.clone()).with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|alpn| alpn.to_vec()).collect();
        let tcp = TcpStream::connect(server).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        soon(TlsConnector::from(Arc::new(config)).connect(name, tcp)).await.unwrap()
    }

    async fn request(&self, server: SocketAddr, method: &str, path: &str) -> Answer {
        Self::ask(self.connect(server, None).await, method, path).await
    }

    async fn ask(mut stream: TlsStream<TcpStream>, method: &str, path: &str) -> Answer {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        let _unclean_end = soon(stream.read_to_end(&mut bytes)).await;
        Answer::parse(&bytes)
    }
}

#[tokio::test]
async fn message_integrity_by_sha_256() {
    let server = TestServer::start().await;
    let meeting = Meeting::of(&server).await;
    let relay = server.relay.unwrap();
    let a = Turn::udp(relay, Some(meeting.host())).await.with_sha256();
    let b = Turn::tcp(relay, Some(meeting.viewer())).await.with_sha256();
    exchange(a, b).await;
    server.stop().await;
}

#[tokio::test]
async fn an_ipv6_allocation_beside_an_ipv4_one() {
    let server =
        TestServer::with(&["--relay-address", "127.0.0.1,::1", "--relay-external", "203.0.113.7"]).await;
    let meeting = Meeting::of(&server).await;
    let relay = server.relay.unwrap();
    let mut six = Turn::udp(relay, Some(meeting.host())).await;
    let reply = six.allocate_family(AddressFamily::IPV6).await;
    assert_eq!((reply.code, reply.relayed().ip()), (0, "::1".parse().unwrap()));
    let six_at = reply.relayed();
    // Families don't mix within an allocation.
    assert_eq!(six.permit("203.0.113.1:1".parse().unwrap()).await, 403);
    let mut peer = Turn::udp(relay, Some(meeting.viewer())).await;
    let reply = peer.allocate_family(AddressFamily::IPV6).await;
    let peer_at = reply.relayed();
    assert_eq!((peer.bind(0x4000, six_at).await, six.bind(0x4000, peer_at).await), (0, 0));
    six.send_channel(0x4000, b"six").await;
    assert_eq!(peer.receive().await, (Ok(0x4000), b"six".to_vec()));

    // The world sees another address than the socket has.
    let mut four = Turn::udp(relay, Some(meeting.host())).await;
    let reply = four.allocate().await;
    assert_eq!(reply.relayed().ip(), "203.0.113.7".parse::<std::net::IpAddr>().unwrap());
    assert_eq!(four.permit(peer_at).await, 443);
    server.stop().await;

    let server = TestServer::start().await;
    let meeting = Meeting::of(&server).await;
    let mut turn = Turn::udp(server.relay.unwrap(), Some(meeting.host())).await;
    assert_eq!(turn.allocate_family(AddressFamily::IPV6).await.code, 440);
    server.stop().await;
}

/// An end that has no relay of its own is reached at the address where it was seen, if the operator lets that be.
#[tokio::test]
async fn a_peer_outside() {
    let server = TestServer::with(&["--relay-allow", "127.0.0.0/8"]).await;
    let meeting = Meeting::of(&server).await;
    let mut turn = Turn::udp(server.relay.unwrap(), Some(meeting.host())).await;
    let relayed = turn.allocate().await.relayed();
    let outside = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = outside.local_addr().unwrap();
    outside.send_to(b"too early", relayed).await.unwrap();
    assert!(turn.hears_nothing().await);
    assert_eq!(turn.bind(0x4000, at).await, 0);
    let mut buffer = [0; 2048];
    for len in [0, 1, 1200, 1200, 1200, 700, 1200] {
        turn.send_channel(0x4000, &vec![len as u8; len]).await;
        let (received, from) = soon(outside.recv_from(&mut buffer)).await.unwrap();
        assert_eq!((received, from), (len, relayed));
        outside.send_to(&buffer[..len], relayed).await.unwrap();
        assert_eq!(turn.receive().await, (Ok(0x4000), vec![len as u8; len]));
    }
    // Another port of the same address has the permission, but not the channel.
    let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    other.send_to(b"other", relayed).await.unwrap();
    assert_eq!(turn.receive().await, (Err(other.local_addr().unwrap()), b"other".to_vec()));
    server.stop().await;
}

#[tokio::test]
async fn a_request_whose_answer_was_lost_is_answered_again() {
    let server = TestServer::start().await;
    let meeting = Meeting::of(&server).await;
    let mut turn = Turn::udp(server.relay.unwrap(), Some(meeting.host())).await;
    let transport = RequestedTransport::new(RequestedTransport::UDP);
    assert_eq!(turn.ask(ALLOCATE, &[&transport]).await.code, 401);
    let request = turn.request(ALLOCATE, &[&transport], TransactionId::generate());
    let (first, again) = (turn.exchange(&request).await, turn.exchange(&request).await);
    assert_eq!((first.code, &first.bytes), (0, &again.bytes));
    // Another one is not the same one.
    assert_eq!(turn.ask(ALLOCATE, &[&transport]).await.code, 437);
    server.stop().await;
}

/// A client that others wrote.
#[tokio::test]
async fn a_client_of_the_field() {
    let server = TestServer::start().await;
    let relay = server.relay.unwrap();
    let meeting = Meeting::of(&server).await;
    let mut other = Turn::udp(relay, Some(meeting.viewer())).await;
    let other_at = other.allocate().await.relayed();

    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let credentials = meeting.host();
    let config = TurnConfig::new(TurnCredentials::new(&credentials.username, &credentials.password));
    let mut client = TurnClientUdp::allocate(socket.local_addr().unwrap(), relay, config);
    let began = std::time::Instant::now();
    let mut bound = false;
    let mut heard = None;
    soon(async {
        while heard.is_none() {
            let now = turn_types::Instant::from_std(began);
            let _wait = client.poll(now);
            while let Some(transmit) = client.poll_transmit(now) {
                socket.send_to(&transmit.data, transmit.to).await.unwrap();
            }
            if !bound && client.relayed_addresses().next().is_some() {
                bound = true;
                let (_, relayed): (_, SocketAddr) = client.relayed_addresses().next().unwrap();
                client.bind_channel(TransportType::Udp, other_at, now).unwrap();
                assert_eq!(other.bind(0x4abc, relayed).await, 0);
                continue;
            }
            if client.have_permission(TransportType::Udp, other_at.ip()) {
                other.send_channel(0x4abc, b"hello").await;
            }
            let mut buffer = vec![0; 2048];
            // Now and then it wants to be asked again.
            let received =
                tokio::time::timeout(Duration::from_millis(50), socket.recv_from(&mut buffer)).await;
            let Ok(received) = received else { continue };
            let (len, from) = received.unwrap();
            buffer.truncate(len);
            let transmit = turn_client_proto::api::Transmit::new(
                buffer,
                TransportType::Udp,
                from,
                socket.local_addr().unwrap(),
            );
            if let TurnRecvRet::PeerData(data) = client.recv(transmit, turn_types::Instant::from_std(began)) {
                assert_eq!(data.peer, other_at);
                heard = Some(data.data().to_vec());
            }
        }
    })
    .await;
    assert_eq!(heard.unwrap(), b"hello");
    server.stop().await;
}
