//! The connection while this computer moves to another network, in a network namespace of its own (as root on Linux).

#![cfg(target_os = "linux")]

mod browser;

use browser::{Browser, Seen};
use bytes::Bytes;
use nearhand_host::rtc::{Bind, EncodedFrame, Event, Interfaces, Peer, PeerConfig, PeerState, Transport};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use webrtc::peer_connection::RTCConfigurationBuilder;

#[test]
fn a_computer_that_moves_to_another_network_keeps_the_picture() {
    inside_of_a_namespace("moves_inside_of_a_namespace");
}

#[test]
fn a_network_with_ipv6_alone_is_enough() {
    inside_of_a_namespace("ipv6_inside_of_a_namespace");
}

/// Runs one of the ignored tests.
fn inside_of_a_namespace(test: &str) {
    let may = Command::new("unshare").args(["-n", "true"]).status().is_ok_and(|status| status.success());
    if !may {
        eprintln!("not tested: needs root and unshare");
        return;
    }
    let this = std::env::current_exe().expect("this program");
    let status = Command::new("unshare")
        .arg("-n")
        .arg(this)
        .args(["--exact", test, "--ignored", "--nocapture"])
        .status()
        .expect("unshare");
    assert!(status.success());
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().expect("ip");
    assert!(status.success(), "ip {arguments}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "changes the network: run by a test above, in a namespace"]
async fn moves_inside_of_a_namespace() {
    for command in [
        "link set lo up",
        "link add office type veth peer name office-end",
        "link add home type veth peer name home-end",
        "link add browser type veth peer name browser-end",
        "addr add 10.0.0.1/24 dev office",
        "addr add 10.9.9.9/24 dev browser",
        "link set office up",
        "link set office-end up",
        "link set home up",
        "link set home-end up",
        "link set browser up",
        "link set browser-end up",
    ] {
        ip(command);
    }
    let mut interfaces = Interfaces::watch();
    let config = PeerConfig {
        bind: Bind::Interfaces { loopback: false },
        interfaces: Some(interfaces.clone()),
        ..PeerConfig::default()
    };
    let (host, mut events) = Peer::new(&config).await.expect("peer");
    let host = Arc::new(host);
    let mut browser = Browser::with(true, RTCConfigurationBuilder::new().build(), &["10.9.9.9:0"]).await;
    browser.negotiate(host.as_ref(), false).await;
    browser
        .carry_until(host.as_ref(), &mut events, |event| {
            matches!(event, Ok(Event::State(PeerState::Connected(_)))).then_some(())
        })
        .await;
    let pictures = tokio::spawn({
        let host = host.clone();
        async move {
            for number in 0_u32.. {
                tokio::time::sleep(Duration::from_millis(10)).await;
                let annex_b = Bytes::from([&[0, 0, 0, 1, 0x65][..], &[0xab; 400]].concat());
                let _ = host.send_frame(EncodedFrame { annex_b, timestamp: number * 900, keyframe: true });
            }
        }
    });

    let mut last = Instant::now();
    for (number, commands) in [
        ["addr del 10.0.0.1/24 dev office", "addr add 10.1.0.1/24 dev home"],
        ["addr del 10.1.0.1/24 dev home", "addr add 10.0.0.7/24 dev office"],
    ]
    .iter()
    .enumerate()
    {
        let moved = Instant::now();
        for command in commands {
            ip(command);
        }
        interfaces.changed().await;
        let told = moved.elapsed();
        assert!(told < Duration::from_secs(2), "{told:?}");
        let (_, answer) = browser.negotiate(host.as_ref(), true).await;
        let address = if number == 0 { " 10.1.0.1 " } else { " 10.0.0.7 " };
        assert!(answer.contains(address), "the new address is offered: {answer}");
        let (mut longest, mut after) = (Duration::ZERO, 0);
        browser
            .carry_until(host.as_ref(), &mut events, |event| {
                if let Err(Seen::Rtp(_)) = event {
                    longest = longest.max(last.elapsed());
                    last = Instant::now();
                    after += u32::from(moved.elapsed() > told + Duration::from_secs(1));
                }
                (after > 50).then_some(())
            })
            .await;
        println!("the change was told after {told:?}; longest gap of the picture {longest:?}");
        assert!(longest < Duration::from_secs(3), "{longest:?}");
    }
    pictures.abort();
    host.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "changes the network: run by a test above, in a namespace"]
async fn ipv6_inside_of_a_namespace() {
    for command in [
        "link set lo up",
        "link add office type veth peer name office-end",
        "-6 addr add 2001:db8::1/64 dev office nodad",
        "-6 addr add 2001:db8::9/64 dev office nodad",
        "link set office up",
        "link set office-end up",
    ] {
        ip(command);
    }
    let config = PeerConfig { bind: Bind::Interfaces { loopback: false }, ..PeerConfig::default() };
    let (host, mut events) = Peer::new(&config).await.expect("peer");
    let mut browser = Browser::with(true, RTCConfigurationBuilder::new().build(), &["[2001:db8::9]:0"]).await;
    browser.negotiate(&host, false).await;
    browser
        .carry_until(&host, &mut events, |event| {
            if let Ok(Event::LocalCandidate(candidate)) = &event {
                assert!(!candidate.candidate.contains("fe80"), "link-local addresses are not offered");
            }
            // The browser's first check may come before its candidate, and then its address is a reflexive one.
            matches!(event, Ok(Event::State(PeerState::Connected(path))) if path.is_direct()).then_some(())
        })
        .await;
    host.close().await;
}
