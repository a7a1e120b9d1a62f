//! What the operator can read about it.

use crate::Meeting;
use crate::support::turn::Turn;
use crate::support::{Client, TestServer};

/// The metrics, if there are any.
pub(crate) async fn read(server: &TestServer) -> Option<String> {
    let answer = Client::new(server.metrics?).get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    Some(answer.text())
}

fn value(text: &str, name: &str) -> f64 {
    let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
    let line = line.unwrap_or_else(|| panic!("no {name} in\n{text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn what_happens_is_counted() {
    let server = TestServer::with(&["--metrics", "127.0.0.1:0"]).await;
    let meeting = Meeting::of(&server).await;
    let relay = server.relay.unwrap();
    let mut a = Turn::udp(relay, Some(meeting.host())).await;
    let mut b = Turn::tcp(relay, Some(meeting.viewer())).await;
    let (a_at, b_at) = (a.allocate().await.relayed(), b.allocate().await.relayed());
    assert_eq!((a.bind(0x4000, b_at).await, b.bind(0x4000, a_at).await), (0, 0));
    a.send_channel(0x4000, &[7; 100]).await;
    assert_eq!(b.receive().await.0, Ok(0x4000));
    assert_eq!(a.permit("10.0.0.1:80".parse().unwrap()).await, 403);
    let text = read(&server).await.unwrap();
    for (name, expected) in [
        ("nearhand_sessions", 1.0),
        ("nearhand_sessions_begun_total", 1.0),
        ("nearhand_relay_allocations{transport=\"udp\"}", 1.0),
        ("nearhand_relay_allocations{transport=\"stream\"}", 1.0),
        ("nearhand_relay_bytes_total{direction=\"inside\"}", 100.0),
        ("nearhand_relay_packets_total{direction=\"inside\"}", 1.0),
        ("nearhand_relay_refusals_total{reason=\"peer\"}", 1.0),
        ("nearhand_connections{kind=\"turn\"}", 1.0),
    ] {
        assert!((value(&text, name) - expected).abs() < 0.5, "{name} should be {expected} in\n{text}");
    }
    // Nothing of a session or a person becomes a label.
    assert!(!text.contains(&meeting.session.to_string()) && !text.contains("127.0.0.1"));
    // Nowhere but there.
    assert_eq!(server.api("GET", "/metrics").await.status, 404);
    server.stop().await;
}
