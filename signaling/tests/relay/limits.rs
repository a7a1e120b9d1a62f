//! How much one session gets, and how little a stranger.

use std::time::{Duration, Instant};

use nearhand_protocol::signal::Entry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use crate::Meeting;
use crate::support::turn::Turn;
use crate::support::{TestServer, soon};

#[tokio::test]
async fn a_flood_of_allocations_stops_at_the_quota() {
    let server = TestServer::with(&["--relay-allocations", "5"]).await;
    let (meeting, other) = (Meeting::of(&server).await, Meeting::of(&server).await);
    let relay = server.relay.unwrap();
    let mut held = Vec::new();
    let mut refused = 0;
    for number in 0..20 {
        // Both ends of a session share its quota, whichever way they come.
        let credentials = if number % 2 == 0 { meeting.host() } else { meeting.viewer() };
        let mut turn = match number % 3 {
            0 => Turn::udp(relay, Some(credentials)).await,
            1 => Turn::tcp(relay, Some(credentials)).await,
            _ => Turn::tcp(server.address, Some(credentials)).await,
        };
        match turn.allocate().await.code {
            0 => held.push(turn),
            code => {
                assert_eq!(code, 486);
                refused += 1;
            }
        }
    }
    assert_eq!((held.len(), refused), (5, 15));
    // Nobody else is the worse for it, and what is given back can be had again.
    assert_eq!(Turn::udp(relay, Some(other.host())).await.allocate().await.code, 0);
    assert_eq!(held.swap_remove(0).refresh(0).await, 0);
    assert_eq!(Turn::udp(relay, Some(meeting.host())).await.allocate().await.code, 0);
    // A connection that is gone gives back what it held.
    let stream = held.iter().position(Turn::is_stream).unwrap();
    drop(held.swap_remove(stream));
    let again = async || {
        let mut turn = Turn::udp(relay, Some(meeting.host())).await;
        (turn.allocate().await.code == 0).then_some(turn)
    };
    let _held = crate::support::eventually(again).await;
    server.stop().await;
}

#[tokio::test]
async fn a_session_gets_its_bandwidth_and_no_more() {
    const RATE: usize = 200_000;
    let server = TestServer::with(&["--relay-bandwidth", &RATE.to_string()]).await;
    let meeting = Meeting::of(&server).await;
    let relay = server.relay.unwrap();
    let mut a = Turn::udp(relay, Some(meeting.host())).await;
    let mut b = Turn::udp(relay, Some(meeting.viewer())).await;
    let (a_at, b_at) = (a.allocate().await.relayed(), b.allocate().await.relayed());
    assert_eq!((a.bind(0x4000, b_at).await, b.bind(0x4000, a_at).await), (0, 0));
    let began = Instant::now();
    let mut received = 0;
    // Three times what may pass, spread over a second.
    for _ in 0..60 {
        for _ in 0..10 {
            a.send_channel(0x4000, &[7; 1000]).await;
        }
        tokio::time::sleep(Duration::from_millis(16)).await;
        while let Ok(Some(frame)) = tokio::time::timeout(Duration::from_millis(1), b.receive_raw()).await {
            received += frame.len() - 4;
        }
    }
    let may = RATE + (began.elapsed().as_secs_f64() * RATE as f64) as usize;
    assert!(received <= may, "{received} of {may}");
    assert!(received >= RATE, "{received} of {may}");
    server.stop().await;
}

#[tokio::test]
async fn strangers_get_little_and_not_often() {
    let server = TestServer::start().await;
    let relay = server.relay.unwrap();
    let mut turn = Turn::udp(relay, None).await;
    let request = turn.request(
        turn_types::message::ALLOCATE,
        &[&turn_types::attribute::RequestedTransport::new(17)],
        stun_types::message::TransactionId::generate(),
    );
    let reply = turn.exchange(&request).await;
    assert_eq!(reply.code, 401);
    // With the headers of IP and UDP, twice of what was sent.
    assert!(
        reply.bytes.len() + 28 <= 2 * (request.len() + 28),
        "{} for {}",
        reply.bytes.len(),
        request.len()
    );

    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(relay).await.unwrap();
    let began = Instant::now();
    for _ in 0..5000 {
        socket.send(&request).await.unwrap();
        if began.elapsed().as_millis().is_multiple_of(8) {
            tokio::task::yield_now().await;
        }
    }
    let mut answers = 0;
    let mut buffer = [0; 2048];
    while let Ok(Ok(_)) = tokio::time::timeout(Duration::from_millis(300), socket.recv(&mut buffer)).await {
        answers += 1;
    }
    let most = 200 * (began.elapsed().as_secs() + 2);
    assert!(answers > 0 && answers <= most, "{answers} of at most {most}");
    // Who has proved who it is, is not held up by who has not, even from the same address: its second will come.
    let meeting = Meeting::of(&server).await;
    let allocated = async || {
        let mut turn = Turn::udp(relay, Some(meeting.host())).await;
        turn.send_raw(&request).await;
        let answered = tokio::time::timeout(Duration::from_millis(300), turn.receive_raw()).await.is_ok();
        if answered { (turn.allocate().await.code == 0).then_some(()) } else { None }
    };
    crate::support::eventually(allocated).await;
    server.stop().await;
}

#[tokio::test]
async fn garbage_gets_nothing() {
    let server = TestServer::start().await;
    let relay = server.relay.unwrap();
    let mut udp = Turn::udp(relay, None).await;
    for bytes in [
        &b""[..],
        b"x",
        &[0; 20],
        &[0x40, 0, 0, 1, 7],
        &[0xff; 1400],
        b"\x00\x03\x00\x04\x21\x12\xa4\x42aaaaaaaaaaaa",
    ] {
        udp.send_raw(bytes).await;
    }
    assert!(udp.hears_nothing().await);
    assert!(udp.binding().await.ip().is_loopback());
    // On a stream it ends the connection.
    for bytes in [&[0xff; 64][..], b"GET / HTTP/1.1\r\n\r\n", &[0, 1, 0, 3, 0x21, 0x12, 0xa4, 0x42]] {
        let mut tcp = Turn::tcp(relay, None).await;
        tcp.send_raw(bytes).await;
        assert!(tcp.is_closed().await);
    }
    server.stop().await;
}

/// In real time, as everything with sockets; these are the seconds that it takes.
#[tokio::test]
async fn connections_that_come_to_nothing_are_cut() {
    let server = TestServer::start().await;
    let relay = server.relay.unwrap();
    let mut idle = vec![TcpStream::connect(relay).await.unwrap()];
    // Half a message, and a whole one that leads to nothing.
    for begin in [&b"\x00\x03\x00\x08\x21"[..], b"\x00\x01\x00\x00\x21\x12\xa4\x42aaaaaaaaaaaa"] {
        for address in [relay, server.address] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(begin).await.unwrap();
            idle.push(stream);
        }
    }
    for mut stream in idle {
        let mut answer = Vec::new();
        soon(stream.read_to_end(&mut answer)).await.unwrap();
        assert!(answer.len() <= 40);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_relay_that_is_off() {
    let server = TestServer::with(&["--relay", "off"]).await;
    assert_eq!(server.relay, None);
    let (session, _) = server.create().await;
    let (_viewer, ..) = server.viewer(Entry::SignedIn { session }).await;
    let meeting = Meeting::of(&server).await;
    assert_eq!((meeting.host_servers.as_slice(), meeting.viewer_servers.as_slice()), (&[][..], &[][..]));
    // What looks like TURN is bad HTTP here.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"\x00\x01\x00\x00\x21\x12\xa4\x42aaaaaaaaaaaa\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"));
    server.stop().await;

    let server = TestServer::with(&[
        "--relay",
        "off",
        "--turn-server",
        "turns:turn.example:443?transport=tcp",
        "--turn-secret",
        "0123456789abcdef",
    ])
    .await;
    let meeting = Meeting::of(&server).await;
    assert_eq!(meeting.host_servers.len(), 1);
    assert_eq!(meeting.host_servers[0].urls, ["turns:turn.example:443?transport=tcp"]);
    assert!(meeting.host().username.ends_with(":host"));
    server.stop().await;
}

#[tokio::test]
async fn ports_that_can_not_be_had() {
    let refused = async |arguments: &[&str]| {
        TestServer::try_with(arguments).await.err().expect("must be refused").to_string()
    };
    let taken = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = taken.local_addr().unwrap().to_string();
    assert!(refused(&["--relay-listen", &at]).await.contains(&format!("can't listen on {at}")));
    assert!(refused(&["--relay-address", "203.0.113.7"]).await.contains("203.0.113.7"));
    // Only the server's own port.
    let server = TestServer::with(&["--relay-listen", "off"]).await;
    assert_eq!(server.relay, None);
    let meeting = Meeting::of(&server).await;
    assert_eq!(meeting.host_servers.len(), 1);
    assert_eq!(meeting.host_servers[0].urls, [format!("turn:{}?transport=tcp", server.address)]);
    assert_eq!(Turn::tcp(server.address, Some(meeting.host())).await.allocate().await.code, 0);
    server.stop().await;
}
