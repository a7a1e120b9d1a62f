//! The connection through a real relay, over every transport.

mod browser;
mod relay_server;

use browser::{Browser, Seen};
use bytes::Bytes;
use nearhand_host::rtc::{
    Bind, Candidate, EncodedFrame, Event, Events, Path, Peer, PeerConfig, PeerState, Transport,
};
use nearhand_protocol::channel::Channel;
use relay_server::Coturn;
use std::sync::Arc;
use std::time::{Duration, Instant};
use webrtc::peer_connection::{RTCConfigurationBuilder, RTCIceServer, RTCIceTransportPolicy};

const TRANSPORTS: [&str; 3] = ["udp", "tcp", "tls"];

fn config(coturn: &Coturn, transports: &[&str]) -> PeerConfig {
    PeerConfig {
        ice_servers: vec![coturn.server(transports)],
        bind: Bind::Addresses(vec!["127.0.0.1:0".parse().expect("address")]),
        relay_only: true,
        dialer: Some(coturn.dialer()),
        ..PeerConfig::default()
    }
}

/// Connects, and gives back the host's candidates too.
async fn connected(config: &PeerConfig) -> (Arc<Peer>, Events, Browser, Vec<Candidate>) {
    let (host, mut events) = Peer::new(config).await.expect("peer");
    let host = Arc::new(host);
    let mut browser = Browser::new(true).await;
    browser.negotiate(host.as_ref(), false).await;
    let (mut candidates, mut path, mut open) = (Vec::new(), None, false);
    browser
        .carry_until(host.as_ref(), &mut events, |event| {
            match event {
                Ok(Event::LocalCandidate(candidate)) => candidates.push(candidate),
                Ok(Event::State(PeerState::Connected(by))) => path = Some(by),
                Ok(Event::ChannelOpen(Channel::Chat)) => open = true,
                _ => {}
            }
            (path.is_some() && open).then_some(())
        })
        .await;
    assert_eq!(path, Some(if config.relay_only { Path::Relayed } else { Path::Host }));
    assert_eq!(host.stats().path, path);
    (host, events, browser, candidates)
}

/// Round trips of chat messages: the host's events are read by this very task.
async fn round_trips(host: &Peer, events: &mut Events, browser: &mut Browser, count: usize) -> Vec<Duration> {
    let mut took = Vec::new();
    for number in 0..count {
        let text = number.to_string();
        let started = Instant::now();
        host.send(Channel::Chat, Bytes::from(text.clone())).expect("sent");
        browser
            .carry_until(host, events, |event| {
                matches!(event, Err(Seen::Message(Channel::Chat, data)) if data == text.as_bytes())
                    .then_some(())
            })
            .await;
        browser.channels[&Channel::Chat].send_text(&text).await.expect("sent");
        browser
            .carry_until(host, events, |event| {
                matches!(event, Ok(Event::Message(Channel::Chat, data)) if data == text.as_bytes())
                    .then_some(())
            })
            .await;
        took.push(started.elapsed());
        // Not in step with any timer of the stack.
        tokio::time::sleep(Duration::from_millis(7 + number as u64 % 13)).await;
    }
    took.sort();
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_udp_tcp_and_tls_and_nobody_learns_an_address() {
    let Some(coturn) = Coturn::start() else { return };
    for transport in TRANSPORTS.into_iter().chain(["udp6", "tcp6"]) {
        let started = Instant::now();
        let (host, mut events, mut browser, candidates) = connected(&config(&coturn, &[transport])).await;
        let connected_after = started.elapsed();
        assert!(!candidates.is_empty());
        for candidate in candidates.iter().filter(|candidate| !candidate.candidate.is_empty()) {
            let words: Vec<&str> = candidate.candidate.split(' ').collect();
            let address = format!("{}:{}", words[4], words[5]).parse().expect("an address");
            assert!(coturn.relays_from(address) && candidate.candidate.contains("typ relay"), "{words:?}");
            assert!(candidate.candidate.contains("raddr 0.0.0.0 rport 9"), "{words:?}");
        }
        let took = round_trips(&host, &mut events, &mut browser, 40).await;
        println!(
            "{transport}: connected after {connected_after:?}, round trip p50 {:?} p95 {:?}",
            took[took.len() / 2],
            took[took.len() * 95 / 100]
        );
        host.close().await;
    }
}

/// A small picture every 10 ms, until it is dropped.
struct Pictures(tokio::task::JoinHandle<()>);

impl Drop for Pictures {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Pictures {
    fn of(host: Arc<Peer>) -> Self {
        Self(tokio::spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_millis(10));
            for number in 0_u32.. {
                tick.tick().await;
                let annex_b = Bytes::from([&[0, 0, 0, 1, 0x65][..], &[0xab; 400]].concat());
                let frame = EncodedFrame { annex_b, timestamp: number * 900, keyframe: true };
                let _ = host.send_frame(frame);
            }
        }))
    }
}

/// Carries until pictures have come for `calm` without a gap of 100 ms, and gives the longest gap on the way.
async fn longest_gap(host: &Peer, events: &mut Events, browser: &mut Browser, calm: Duration) -> Duration {
    let (mut last, mut longest, mut since) = (Instant::now(), Duration::ZERO, None::<Instant>);
    browser
        .carry_until(host, events, |event| {
            if let Err(Seen::Rtp(_)) = event {
                let gap = last.elapsed();
                longest = longest.max(gap);
                last = Instant::now();
                if gap > Duration::from_millis(100) {
                    since = None;
                }
                return (since.get_or_insert(last).elapsed() > calm).then_some(());
            }
            None
        })
        .await;
    longest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_while_relayed_and_while_direct() {
    let Some(coturn) = Coturn::start() else { return };
    for (relay_only, transport) in [(false, "udp"), (true, "udp"), (true, "tcp"), (true, "tls")] {
        let config = PeerConfig { relay_only, ..config(&coturn, &[transport]) };
        let (host, mut events, mut browser, _) = connected(&config).await;
        let _pictures = Pictures::of(host.clone());
        let calm = longest_gap(&host, &mut events, &mut browser, Duration::from_secs(1)).await;
        browser.negotiate(host.as_ref(), true).await;
        let gap = longest_gap(&host, &mut events, &mut browser, Duration::from_secs(2)).await;
        println!("{transport}, relay only {relay_only}: longest gap {calm:?}, at a restart {gap:?}");
        assert!(gap < Duration::from_secs(3), "{gap:?}");
        host.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_forgot_everything_is_noticed_at_once_and_a_restart_mends_it() {
    let Some(mut coturn) = Coturn::start() else { return };
    for transport in TRANSPORTS {
        let (host, mut events, mut browser, _) = connected(&config(&coturn, &[transport])).await;
        let started = Instant::now();
        coturn.restart();
        browser
            .carry_until(host.as_ref(), &mut events, |event| {
                matches!(event, Ok(Event::State(PeerState::Disconnected))).then_some(())
            })
            .await;
        let noticed = started.elapsed();
        let started = Instant::now();
        host.set_ice_servers(vec![coturn.server(&[transport])]).await.expect("set");
        browser.negotiate(host.as_ref(), true).await;
        browser
            .carry_until(host.as_ref(), &mut events, |event| {
                matches!(event, Ok(Event::State(PeerState::Connected(Path::Relayed)))).then_some(())
            })
            .await;
        let mended = started.elapsed();
        round_trips(&host, &mut events, &mut browser, 1).await;
        println!("{transport}: noticed after {noticed:?}, mended after {mended:?}");
        host.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_direct_path_is_taken_where_there_is_one_and_dead_relays_hold_nothing_up() {
    let Some(coturn) = Coturn::start() else { return };
    let mut servers = vec![coturn.server(&TRANSPORTS)];
    servers[0].urls.insert(0, "turns:no-such-relay.invalid:443".into());
    servers[0].urls.insert(0, "turn:127.0.0.1:9?transport=tcp".into());
    let config = PeerConfig { relay_only: false, ice_servers: servers, ..config(&coturn, &[]) };
    let (host, mut events, mut browser, _) = connected(&config).await;
    round_trips(&host, &mut events, &mut browser, 3).await;
    host.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ends_through_the_relay() {
    let Some(coturn) = Coturn::start() else { return };
    let server = coturn.server(&["udp"]);
    let configuration = RTCConfigurationBuilder::new()
        .with_ice_servers(vec![RTCIceServer {
            urls: server.urls,
            username: server.username,
            credential: server.credential,
        }])
        .with_ice_transport_policy(RTCIceTransportPolicy::Relay)
        .build();
    let (host, mut events) = Peer::new(&config(&coturn, &["tls"])).await.expect("peer");
    let mut browser = Browser::with(true, configuration, &["127.0.0.1:0"]).await;
    browser.negotiate(&host, false).await;
    // As Chromium does: its own name first, which a relay can't reach, and then its relayed address.
    let hidden = "candidate:1 1 udp 2113937151 0a1b2c3d-0000-4000-8000-000000000001.local 50000 typ host";
    let hidden = Candidate { candidate: hidden.into(), ..Candidate::default() };
    host.add_remote_candidate(hidden).await.expect("taken");
    browser
        .carry_until(&host, &mut events, |event| {
            matches!(event, Ok(Event::State(PeerState::Connected(Path::Relayed)))).then_some(())
        })
        .await;
    host.close().await;
}
