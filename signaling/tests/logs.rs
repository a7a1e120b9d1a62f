//! What must never be logged is not, on the most talkative level: a whole session under a log that keeps everything.

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::signal::{Entry, HostToServer};
use nearhand_signaling::logging;
use support::{TOKEN, TestServer};
use tokio_tungstenite::tungstenite::Message;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_code_key_or_description_is_logged() {
    let captured = Captured::default();
    let writer = captured.clone();
    // The libraries are asked for by name as well: still they may not speak.
    let filter = "trace,tungstenite=trace,tungstenite::protocol=trace,hyper=trace,axum=trace";
    let subscriber = logging::subscriber(filter, move || writer.clone()).unwrap();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let state = tempfile::tempdir().unwrap();
    let server = TestServer::with(&[
        "--state",
        state.path().to_str().unwrap(),
        "--ice-server",
        "turn:me:canary-turn@192.0.2.1",
    ])
    .await;
    let cookie = server.sign_in().await;
    server.submit("canary-wrong-token", "/desk").await;
    let mut pair = server.pair().await;
    pair.negotiate().await;
    server.get(&format!("/api/nameplates/{}", pair.nameplate)).await;
    assert_eq!(
        server.host_refused(Entry::Nameplate { nameplate: pair.nameplate }).await,
        CloseReason::UnknownCode
    );
    let mut stranger = server.host_socket().await;
    stranger.send_raw(Message::text("{\"type\":\"canary-nonsense\"}")).await;
    assert_eq!(stranger.end().await, CloseReason::BadMessage);
    let (host, token) = server.host(Entry::Resume { token: pair.host_token.clone() }).await;
    assert_eq!(pair.host.end().await, CloseReason::Replaced);
    pair.host = host;
    pair.host.send(&HostToServer::End { reason: CloseReason::CustomerEnded }).await;
    assert_eq!(pair.host.end().await, CloseReason::CustomerEnded);
    server.stop().await;

    let log = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains(&format!("session{{id={}", pair.session)), "the session is named:\n{log}");
    assert!(log.contains("customer_ended"), "its end has a reason:\n{log}");
    let nameplate = pair.nameplate.to_string();
    for secret in [
        "canary",
        TOKEN,
        &nameplate,
        cookie.split('=').nth(1).unwrap(),
        pair.host_token.expose(),
        pair.viewer_token.expose(),
        token.expose(),
    ] {
        // Six digits may be part of a time stamp or an id; only as a word of their own are they a code.
        let found = log
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')
            .any(|word| word == secret)
            || (secret.len() > 6 && log.contains(secret))
            || (secret == "canary" && log.contains(secret));
        assert!(!found, "{secret} is in the log:\n{log}");
    }
}
