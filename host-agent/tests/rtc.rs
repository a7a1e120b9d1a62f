//! The connection against a real second end of it, over loopback.

mod browser;

use browser::{Browser, PLAYOUT_DELAY_URI, Seen};
use bytes::{Bytes, BytesMut};
use nearhand_host::rtc::{
    Bind, Candidate, EncodedFrame, Event, Events, FrameError, Path, Peer, PeerConfig, PeerState, RtcError,
    SendError, Transport, Way,
};
use nearhand_protocol::channel::Channel;
use nearhand_protocol::frame::FrameChunk;
use nearhand_protocol::wire::decode_borrowed;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use webrtc::data_channel::DataChannelEvent;
use webrtc::peer_connection::{RTCConfigurationBuilder, RTCIceCandidateInit};

fn config() -> PeerConfig {
    PeerConfig {
        bind: Bind::Addresses(vec!["127.0.0.1:0".parse().expect("address")]),
        ..PeerConfig::default()
    }
}

/// Connects and waits until every channel is open on both ends.
async fn connected(h264: bool) -> (Peer, Events, Browser) {
    let (host, mut events) = Peer::new(&config()).await.expect("peer");
    let mut browser = Browser::new(h264).await;
    browser.negotiate(&host, false).await;
    let mut missing: HashSet<Channel> = Channel::ALL.into();
    let mut path = None;
    browser
        .carry_until(&host, &mut events, |event| {
            match event {
                Ok(Event::State(PeerState::Connected(by))) => path = Some(by),
                Ok(Event::ChannelOpen(channel)) => drop(missing.remove(&channel)),
                _ => {}
            }
            (path.is_some() && missing.is_empty()).then_some(())
        })
        .await;
    assert!(path.is_some_and(Path::is_direct), "{path:?}");
    (host, events, browser)
}

/// An access unit of one slice with this many bytes.
fn frame(keyframe: bool, bytes: usize, timestamp: u32) -> EncodedFrame {
    let mut annex_b = BytesMut::new();
    if keyframe {
        annex_b.extend_from_slice(&[0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0, 0, 0, 1, 0x68, 0xce, 0x3c]);
    }
    annex_b.extend_from_slice(&[0, 0, 0, 1, if keyframe { 0x65 } else { 0x41 }]);
    annex_b.resize(annex_b.len() + bytes, 0xab);
    EncodedFrame { annex_b: annex_b.freeze(), timestamp, keyframe }
}

async fn until_can_send(host: &Peer) {
    let waited = async {
        while !host.can_send_frame() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(browser::PATIENCE, waited).await.expect("the frame is sent in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_arrive_marked_with_capture_times_and_a_keyframe_is_asked_for() {
    let (host, mut events, mut browser) = connected(true).await;
    assert_eq!(
        host.send(Channel::Chat, Bytes::from(vec![0; Channel::MAX_MESSAGE + 1])),
        Err(SendError::TooLong)
    );

    for number in 0..10u32 {
        until_can_send(&host).await;
        // The first frame leaves slowly, so that the line is surely still busy with it when the next is tried; the others no faster
        // than a stand-in on a busy machine reads them, for nothing repeats what its socket drops.
        host.set_pacing(Some(if number == 0 { 1_000_000 } else { 20_000_000 }));
        let timestamp = 4_294_960_000_u32.wrapping_add(1800 * number);
        host.send_frame(frame(number == 0, 50_000, timestamp)).expect("frame");
        if number == 0 {
            assert_eq!(host.send_frame(frame(false, 10, timestamp)), Err(FrameError::Busy));
        }
    }
    let (mut ends, mut packets) = (Vec::new(), 0);
    browser
        .carry_until(&host, &mut events, |event| {
            if let Err(Seen::Rtp(packet)) = event {
                packets += 1;
                assert!(
                    packet.header.extensions.iter().any(|extension| extension.payload[..] == [0, 0, 0]),
                    "playout delay 0/0 on every packet"
                );
                if packet.header.marker {
                    ends.push(packet.header.timestamp);
                }
            }
            (ends.len() == 10).then_some(())
        })
        .await;
    let steps: Vec<u32> = ends.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    assert_eq!(steps, [1800; 9], "20 ms in ticks of 90 kHz");
    assert_eq!(packets, host.stats().packets_sent, "{packets}");
    assert_eq!(host.stats().frames_sent, 10);

    browser.pli().await;
    browser
        .carry_until(&host, &mut events, |event| matches!(event, Ok(Event::KeyframeWanted)).then_some(()))
        .await;
    assert_eq!(host.stats().keyframe_requests, 1);
    host.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feedback_tells_what_the_line_carries() {
    let (host, mut events, mut browser) = connected(true).await;
    host.set_pacing(Some(20_000_000));
    let measured = async {
        for number in 0.. {
            until_can_send(&host).await;
            host.send_frame(frame(number == 0, 15_000, number * 3000)).expect("frame");
            // Read what comes, so that nothing piles up.
            let due = tokio::time::sleep(Duration::from_millis(33));
            tokio::pin!(due);
            loop {
                tokio::select! {
                    () = &mut due => break,
                    _ = browser.seen.recv() => {}
                    _ = events.next() => {}
                }
            }
            let stats = host.stats();
            let told =
                stats.delivered_bitrate.is_some_and(|bits| bits > 500_000) && stats.queue_delay.is_some();
            if let (true, Some(capacity)) = (told, stats.capacity) {
                return (capacity, stats);
            }
        }
        unreachable!("frames without end")
    };
    let (capacity, stats) =
        tokio::time::timeout(browser::PATIENCE, measured).await.expect("feedback in time");
    assert!(capacity.bits > 100_000, "{stats:?}");
    assert!(stats.loss.is_some() && stats.round_trip.is_some(), "{stats:?}");
    host.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_part_of_the_handshake_is_repeated_when_the_browser_repeats_its_own() {
    let (host, mut events) = Peer::new(&config()).await.expect("peer");
    let browser = Browser::new(true).await;
    browser.negotiate(&host, false).await;
    let mut line = None;
    let open = async {
        loop {
            match events.next().await.expect("the host's connection ended") {
                Event::ChannelOpen(Channel::Control) => return,
                Event::LocalCandidate(candidate) if line.is_none() => {
                    let words: Vec<&str> = candidate.candidate.split(' ').collect();
                    let (ip, port) = (words[4].parse().expect("address"), words[5].parse().expect("port"));
                    let (through, _) = line.insert(losing_line(SocketAddr::new(ip, port)).await);
                    let init = RTCIceCandidateInit {
                        candidate: candidate.candidate.replacen(words[5], &through.port().to_string(), 1),
                        sdp_mid: candidate.sdp_mid.clone(),
                        sdp_mline_index: candidate.sdp_m_line_index,
                        ..Default::default()
                    };
                    browser.connection.add_ice_candidate(init).await.expect("the line's candidate");
                }
                _ => {}
            }
        }
    };
    tokio::time::timeout(browser::PATIENCE, open).await.expect("in time");
    host.close().await;
    line.expect("a candidate").1.abort();
}

/// A line to the host that loses its certificate and what is with it, twice: the first time each end repeats its part by
/// its own clock, in whatever order. The browser reaches it at this address.
async fn losing_line(host: SocketAddr) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    /// Content type of a record, and message type behind the headers (RFC 6347, 4.1 and 4.2.2).
    const HANDSHAKE: u8 = 22;
    const CERTIFICATE: u8 = 11;
    let near = UdpSocket::bind("127.0.0.1:0").await.expect("socket");
    let far = UdpSocket::bind("127.0.0.1:0").await.expect("socket");
    let through = near.local_addr().expect("address");
    let carried = tokio::spawn(async move {
        let (mut browser, mut lost) = (None, 0);
        let (mut there, mut back) = ([0; 2048], [0; 2048]);
        loop {
            tokio::select! {
                Ok((length, from)) = near.recv_from(&mut there) => {
                    browser = Some(from);
                    let _ = far.send_to(&there[..length], host).await;
                }
                Ok((length, _)) = far.recv_from(&mut back) => {
                    if lost < 2 && back[0] == HANDSHAKE && back[13] == CERTIFICATE {
                        lost += 1;
                    } else if let Some(browser) = browser {
                        let _ = near.send_to(&back[..length], browser).await;
                    }
                }
            }
        }
    });
    (through, carried)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ends_agree_on_the_fingerprints() {
    let (host, mut events) = Peer::new(&config()).await.expect("peer");
    assert_eq!((host.local_fingerprint(), host.remote_fingerprint()), (None, None));
    let mut browser = Browser::new(true).await;
    let (offer, answer) = browser.negotiate(&host, false).await;
    assert!(answer.contains(PLAYOUT_DELAY_URI));
    assert_eq!(host.remote_fingerprint(), None, "a claim is not a handshake");
    browser
        .carry_until(&host, &mut events, |event| {
            matches!(event, Ok(Event::State(PeerState::Connected(_)))).then_some(())
        })
        .await;
    let line = |fingerprint: Option<_>| {
        format!(
            "a=fingerprint:sha-256 {}",
            fingerprint.map_or(String::new(), |f: nearhand_host::rtc::Fingerprint| f.to_string())
        )
    };
    assert!(answer.contains(&line(host.local_fingerprint())));
    assert!(offer.to_uppercase().contains(&line(host.remote_fingerprint()).to_uppercase()));
    host.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_megabytes_each_way_and_other_channels_meanwhile() {
    const MESSAGES: usize = 320;
    let content = |number: usize| vec![number as u8; Channel::MAX_MESSAGE];
    let wanted: [u8; 32] = (0..MESSAGES)
        .fold(Sha256::new(), |hash, number| hash.chain_update(content(number)))
        .finalize()
        .into();

    let (host, mut events, mut browser) = connected(true).await;
    // From the host: refused when full, told when low, never more than the limit in memory.
    let started = Instant::now();
    let (mut next, mut received, mut hash, mut refused) = (0, 0, Sha256::new(), 0);
    let mut fill = || {
        while next < MESSAGES {
            match host.send(Channel::FileData, content(next).into()) {
                Ok(()) => next += 1,
                Err(error) => {
                    assert_eq!(error, SendError::Full);
                    refused += 1;
                    break;
                }
            }
        }
        assert!(host.buffered(Channel::FileData) <= Channel::FileData.buffer_limit() + Channel::MAX_MESSAGE);
    };
    fill();
    browser
        .carry_until(&host, &mut events, |event| {
            match event {
                Ok(Event::BufferedLow(Channel::FileData)) => fill(),
                Err(Seen::Message(Channel::FileData, data)) => {
                    received += 1;
                    hash.update(&data);
                }
                _ => {}
            }
            (received == MESSAGES).then_some(())
        })
        .await;
    assert_eq!(<[u8; 32]>::from(hash.finalize()), wanted);
    assert!(refused > 0, "20 MB do not fit into the buffer");
    println!("to the browser: {:.1} MB/s", 21.0 / started.elapsed().as_secs_f64());

    // To the host, with chat between.
    let started = Instant::now();
    let (data, chat) =
        (browser.channels[&Channel::FileData].clone(), browser.channels[&Channel::Chat].clone());
    let sender = tokio::spawn(async move {
        for number in 0..MESSAGES {
            data.send(BytesMut::from(&content(number)[..])).await.expect("sent");
            if number == 10 {
                chat.send_text("hello").await.expect("sent");
            }
        }
    });
    let (mut received, mut hash, mut greeted_at) = (0, Sha256::new(), None);
    browser
        .carry_until(&host, &mut events, |event| {
            match event {
                Ok(Event::Message(Channel::FileData, data)) => {
                    received += 1;
                    hash.update(&data);
                }
                Ok(Event::Message(Channel::Chat, data)) => {
                    assert_eq!(&data[..], b"hello");
                    greeted_at = Some(received);
                }
                _ => {}
            }
            (received == MESSAGES && greeted_at.is_some()).then_some(())
        })
        .await;
    assert_eq!(<[u8; 32]>::from(hash.finalize()), wanted);
    println!("to the host: {:.1} MB/s", 21.0 / started.elapsed().as_secs_f64());
    sender.await.expect("sender");
    host.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ice_restart_keeps_channels_and_video() {
    let (host, mut events, mut browser) = connected(true).await;
    let before = host.remote_fingerprint();
    let (_, answer) = browser.negotiate(&host, true).await;
    assert!(answer.contains("a=ice-ufrag:"));
    host.send(Channel::Chat, Bytes::from_static(b"after the restart")).expect("sent");
    let started = Instant::now();
    browser
        .carry_until(&host, &mut events, |event| {
            matches!(event, Err(Seen::Message(Channel::Chat, data)) if &data[..] == b"after the restart")
                .then_some(())
        })
        .await;
    println!("message after an ICE restart: {:?}", started.elapsed());
    until_can_send(&host).await;
    host.send_frame(frame(true, 1000, 0)).expect("frame");
    browser.carry_until(&host, &mut events, |event| matches!(event, Err(Seen::Rtp(_))).then_some(())).await;
    assert_eq!(host.remote_fingerprint(), before);
    host.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_socket_serves_every_interface_and_a_restart() {
    let (host, mut events) = Peer::new(&PeerConfig::default()).await.expect("peer");
    let configuration = RTCConfigurationBuilder::new().build();
    let mut browser = Browser::with(true, configuration, &["0.0.0.0:0", "[::]:0", "127.0.0.1:0"]).await;
    let (_, answer) = browser.negotiate(&host, false).await;
    assert!(!answer.contains("typ host"), "nothing is gathered before");
    let (mut told, mut state, mut open) = (HashSet::new(), None, false);
    browser
        .carry_until(&host, &mut events, |event| {
            match event {
                Ok(Event::LocalCandidate(candidate)) => {
                    told.extend(candidate.candidate.split(' ').nth(5).map(str::to_owned));
                }
                Ok(Event::State(new)) => state = Some(new),
                Ok(Event::ChannelOpen(Channel::Control)) => open = true,
                _ => {}
            }
            (open
                && matches!(state, Some(PeerState::Connected(path)) if path.is_direct())
                && !told.is_empty())
            .then_some(())
        })
        .await;
    assert!(told.len() <= 2, "one port for each family: {told:?}");
    let (_, answer) = browser.negotiate(&host, true).await;
    let again: HashSet<String> = answer
        .lines()
        .filter(|line| line.starts_with("a=candidate:"))
        .filter_map(|line| line.split(' ').nth(5).map(str::to_owned))
        .collect();
    assert!(!again.is_empty() && again.is_subset(&told), "the same sockets: {again:?} of {told:?}");
    host.send(Channel::Control, Bytes::from_static(b"after")).expect("sent");
    browser
        .carry_until(&host, &mut events, |event| {
            matches!(event, Err(Seen::Message(Channel::Control, _))).then_some(())
        })
        .await;
    host.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_without_h264_gets_frames_over_a_channel() {
    let (host, mut events, mut browser) = connected(false).await;
    assert_eq!(host.stats().way, Some(Way::Channel));
    // A large keyframe, as many small frames as there is room for, and one that no channel can carry.
    let sent: Vec<EncodedFrame> = (0..20)
        .map(|number| frame(number == 0, if number == 0 { 1_500_000 } else { 20_000 }, number))
        .collect();
    let mut whole: Vec<(u32, bool, Vec<u8>)> = Vec::new();
    let mut parts = 0;
    for frame in &sent {
        until_can_send(&host).await;
        host.send_frame(frame.clone()).expect("frame");
        if frame.keyframe {
            assert!(!host.can_send_frame());
            assert_eq!(host.send_frame(frame.clone()), Err(FrameError::Busy));
        }
        browser
            .carry_until(&host, &mut events, |event| {
                let Err(Seen::Message(Channel::Frames, message)) = event else { return None };
                let chunk: FrameChunk<'_> = decode_borrowed(&message).expect("a part of a frame");
                if chunk.index == 0 {
                    whole.push((chunk.timestamp, chunk.keyframe, Vec::new()));
                }
                parts += 1;
                whole.last_mut().expect("a first part").2.extend_from_slice(chunk.bytes);
                (chunk.index + 1 == chunk.count).then_some(())
            })
            .await;
    }
    assert!(parts > 40, "{parts} parts");
    for (sent, (timestamp, keyframe, bytes)) in sent.iter().zip(&whole) {
        assert_eq!((sent.timestamp, sent.keyframe), (*timestamp, *keyframe));
        assert!(bytes[..] == sent.annex_b[..]);
    }
    assert_eq!((host.stats().frames_sent, whole.len()), (20, 20));

    until_can_send(&host).await;
    host.send_frame(frame(true, 9_000_000, 0)).expect("taken");
    browser
        .carry_until(&host, &mut events, |event| matches!(event, Ok(Event::KeyframeWanted)).then_some(()))
        .await;
    host.close().await;
    assert_eq!(host.send_frame(frame(true, 10, 0)), Err(FrameError::NotNegotiated));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_is_told_and_every_task_is_joined() {
    let (host, mut events, mut browser) = connected(true).await;
    browser.channels[&Channel::Chat].send_text("last words").await.expect("sent");
    let words = browser
        .carry_until(&host, &mut events, |event| match event {
            Ok(Event::Message(Channel::Chat, data)) => Some(data),
            _ => None,
        })
        .await;
    assert_eq!(&words[..], b"last words");
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    host.close().await;
    host.close().await;
    let mut last = None;
    while let Some(event) = events.next().await {
        last = Some(event);
    }
    assert_eq!(last, Some(Event::State(PeerState::Closed)));
    assert_eq!(events.next().await, None);
    assert_eq!(host.send(Channel::Chat, Bytes::new()), Err(SendError::Closed));
    assert!(matches!(host.accept_offer("v=0\r\n").await, Err(RtcError::Closed | RtcError::Offer(_))));
    // Supervisor, the stack's driver, video, one per channel. The runtime may count the driver a moment longer than
    // its future lives.
    let gone = || before - tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let joined = async {
        while gone() < 3 + Channel::ALL.len() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1), joined).await.expect("every task is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_ends_the_connection_too() {
    let (host, mut events, browser) = connected(true).await;
    drop(host);
    let ended = async { while events.next().await.is_some() {} };
    tokio::time::timeout(browser::PATIENCE, ended).await.expect("the events end");
    drop(browser);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_is_refused_and_the_next_offer_is_answered() {
    let (host, mut events) = Peer::new(&config()).await.expect("peer");
    let early =
        Candidate { candidate: "candidate:1 1 udp 1 127.0.0.1 9 typ host".into(), ..Candidate::default() };
    assert!(matches!(host.add_remote_candidate(early).await, Err(RtcError::Candidate(_))));
    for offer in ["", "v=0", "garbage", "m=video\r\n", &"x".repeat(200_000)] {
        assert!(matches!(host.accept_offer(offer).await, Err(RtcError::Offer(_))), "{}", offer.len());
    }
    let mut browser = Browser::new(true).await;
    browser.negotiate(&host, false).await;
    for line in ["nonsense", "candidate:1 1 udp", &"x".repeat(2000)] {
        let candidate = Candidate { candidate: line.into(), ..Candidate::default() };
        assert!(matches!(host.add_remote_candidate(candidate).await, Err(RtcError::Candidate(_))), "{line}");
    }
    let mdns = "candidate:1 1 udp 2113937151 0a1b2c3d-0000-4000-8000-000000000000.local 50000 typ host";
    for line in [mdns, ""] {
        let candidate = Candidate { candidate: line.into(), ..Candidate::default() };
        host.add_remote_candidate(candidate).await.expect("tolerated");
    }
    browser
        .carry_until(&host, &mut events, |event| {
            matches!(event, Ok(Event::State(PeerState::Connected(_)))).then_some(())
        })
        .await;
    host.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_of_unknown_or_taken_labels_are_closed() {
    let (host, mut events, browser) = connected(true).await;
    for label in ["evil", "chat"] {
        let extra = browser.connection.create_data_channel(label, None).await.expect("channel");
        let closed = async {
            while let Some(event) = extra.poll().await {
                if matches!(event, DataChannelEvent::OnClose) {
                    break;
                }
            }
        };
        tokio::time::timeout(browser::PATIENCE, closed).await.expect("closed in time");
    }
    host.send(Channel::Chat, Bytes::from_static(b"the first one lives")).expect("sent");
    host.close().await;
    let told = |event: &Event| matches!(event, Event::ChannelOpen(Channel::Chat));
    while let Some(event) = events.next().await {
        assert!(!told(&event), "a second channel was announced");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_ice_server_is_an_error_without_its_credential() {
    let server = nearhand_host::rtc::IceServer {
        urls: vec!["turn:127.0.0.1:3478".into()],
        username: "name".into(),
        credential: String::new(),
    };
    let config = PeerConfig { ice_servers: vec![server], ..config() };
    let error = Peer::new(&config).await.err().expect("no credential");
    assert!(matches!(error, RtcError::Setup(_)), "{error}");
}
