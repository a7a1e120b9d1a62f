//! The server stops, and its successor takes over.

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::signal::{Entry, HostToServer, ServerToViewer};

use crate::support::{TestServer, negotiate};

#[tokio::test]
async fn both_ends_come_back_to_a_new_server() {
    let state = tempfile::tempdir().unwrap();
    let server = TestServer::with_state(state.path()).await;
    let cookie = server.sign_in().await;
    let mut pair = server.pair().await;
    pair.negotiate().await;
    server.shut_down();
    assert_eq!(pair.host.end().await, CloseReason::ServerShutdown);
    assert_eq!(pair.viewer.end().await, CloseReason::ServerShutdown);
    server.stop().await;

    let server = TestServer::with_state(state.path()).await;
    assert_eq!(server.request("GET", "/desk", &[("cookie", &cookie)], "").await.status, 200);
    let (mut viewer, _, epoch) = server.viewer(Entry::Resume { token: pair.viewer_token.clone() }).await;
    assert!(epoch >= pair.epoch);
    let (mut host, _) = server.host(Entry::Resume { token: pair.host_token.clone() }).await;
    let ServerToViewer::HostArrived { .. } = viewer.receive().await else { panic!() };
    negotiate(&mut viewer, &mut host, epoch).await;
    assert_eq!(server.sessions().await[0]["session"], pair.session.to_string());

    // The code was used before the restart, and stays so.
    assert_eq!(
        server.host_refused(Entry::Nameplate { nameplate: pair.nameplate }).await,
        CloseReason::UnknownCode
    );

    // Ended is ended, for tokens of the predecessor too.
    host.send(&HostToServer::End { reason: CloseReason::CustomerEnded }).await;
    assert_eq!(viewer.end().await, CloseReason::CustomerEnded);
    assert_eq!(
        server.viewer_refused(Entry::Resume { token: pair.viewer_token }).await,
        CloseReason::BadResume
    );
    assert_eq!(server.host_refused(Entry::Resume { token: pair.host_token }).await, CloseReason::BadResume);
    server.stop().await;
}

#[tokio::test]
async fn the_host_may_come_back_first_and_alone() {
    let state = tempfile::tempdir().unwrap();
    let server = TestServer::with_state(state.path()).await;
    let pair = server.pair().await;
    server.stop().await;

    let server = TestServer::with(&["--state", state.path().to_str().unwrap(), "--grace", "1"]).await;
    let (host, _) = server.host(Entry::Resume { token: pair.host_token }).await;
    assert_eq!(host.end().await, CloseReason::ViewerLost);
    server.stop().await;
}

#[tokio::test]
async fn without_the_key_nothing_is_believed() {
    let server = TestServer::start().await;
    let cookie = server.sign_in().await;
    let pair = server.pair().await;
    server.stop().await;

    let server = TestServer::start().await;
    assert_eq!(server.request("GET", "/desk", &[("cookie", &cookie)], "").await.status, 303);
    assert_eq!(server.host_refused(Entry::Resume { token: pair.host_token }).await, CloseReason::BadResume);
    server.stop().await;
}

#[tokio::test]
async fn who_has_not_said_hello_is_told_too() {
    let server = TestServer::start().await;
    let host = server.host_socket().await;
    let (session, _) = server.create().await;
    let (waiting, ..) = server.viewer(Entry::SignedIn { session }).await;
    server.shut_down();
    assert_eq!(host.end().await, CloseReason::ServerShutdown);
    assert_eq!(waiting.end().await, CloseReason::ServerShutdown);
    server.stop().await;
}
