//! Peers that break the rules: each is closed with a reason, and nobody else notices.

use futures_util::future::join_all;
use nearhand_protocol::close::CloseReason;
use nearhand_protocol::grant::Rights;
use nearhand_protocol::id::Epoch;
use nearhand_protocol::signal::{
    Entry, HostToServer, MAX_MESSAGE, Negotiate, Sdp, ServerToHost, ServerToViewer, ViewerToServer,
};
use nearhand_protocol::version::{Capabilities, Version};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{TestServer, host_hello, viewer_hello};

/// What no peer may send at any time, and what it gets for it.
fn nonsense() -> Vec<(Message, CloseReason)> {
    let text = |text: &str| Message::text(text.to_owned());
    let bad = CloseReason::BadMessage;
    vec![
        (text(""), bad),
        (text("{"), bad),
        (text("null"), bad),
        (text("[]"), bad),
        (text("{\"type\":\"fly\"}"), bad),
        (text("{\"type\":\"hello\"}"), bad),
        (text("{\"type\":\"negotiate\",\"kind\":\"offer\",\"epoch\":-1,\"sdp\":\"\"}"), bad),
        (text("{\"type\":\"negotiate\",\"kind\":\"offer\",\"epoch\":4294967296,\"sdp\":\"\"}"), bad),
        (text(&"[".repeat(10_000)), bad),
        (text(&"x".repeat(MAX_MESSAGE)), bad),
        (text(&"x".repeat(MAX_MESSAGE + 1)), CloseReason::TooLarge),
        (text(&"x".repeat(4 * MAX_MESSAGE)), CloseReason::TooLarge),
        (Message::binary(vec![1, 2, 3]), bad),
        (Message::binary(vec![0; 4 * MAX_MESSAGE]), CloseReason::TooLarge),
    ]
}

#[tokio::test]
async fn nonsense_instead_of_a_hello() {
    let server = TestServer::start().await;
    let mut bystanders = server.pair().await;
    for (message, reason) in nonsense() {
        let mut host = server.host_socket().await;
        host.send_raw(message.clone()).await;
        assert_eq!(host.end().await, reason, "{message:?}");
        let mut viewer = server.viewer_socket().await;
        viewer.send_raw(message.clone()).await;
        assert_eq!(viewer.end().await, reason, "{message:?}");
    }
    bystanders.negotiate().await;
    server.stop().await;
}

#[tokio::test]
async fn nonsense_in_a_session() {
    let server = TestServer::start().await;
    let mut bystanders = server.pair().await;
    for (message, reason) in nonsense() {
        let mut pair = server.pair().await;
        pair.host.send_raw(message.clone()).await;
        assert_eq!(pair.host.end().await, reason, "{message:?}");
        assert_eq!(pair.viewer.receive().await, ServerToViewer::HostDropped { grace_s: 60 });

        let mut pair = server.pair().await;
        pair.viewer.send_raw(message.clone()).await;
        assert_eq!(pair.viewer.end().await, reason, "{message:?}");
        assert_eq!(pair.host.receive().await, ServerToHost::ViewerDropped { grace_s: 60 });
    }
    bystanders.negotiate().await;
    server.stop().await;
}

#[tokio::test]
async fn right_words_at_the_wrong_time() {
    let server = TestServer::start().await;
    let mut bystanders = server.pair().await;
    let offer = Negotiate::Offer { epoch: Epoch(1), sdp: Sdp(String::new()) };
    let answer = Negotiate::Answer { epoch: Epoch(1), sdp: Sdp(String::new()) };
    let (session, nameplate) = server.create().await;

    // Before the hello.
    for message in [
        HostToServer::Negotiate(answer.clone()),
        HostToServer::Rights { held: Rights::NONE },
        HostToServer::End { reason: CloseReason::CustomerEnded },
        // By the other end's way in.
        host_hello(Entry::SignedIn { session }),
    ] {
        let mut host = server.host_socket().await;
        host.send(&message).await;
        assert_eq!(host.end().await, CloseReason::BadMessage, "{message:?}");
    }
    for message in [
        ViewerToServer::Negotiate(offer.clone()),
        ViewerToServer::End { reason: CloseReason::TechnicianEnded },
        viewer_hello(Entry::Nameplate { nameplate }),
    ] {
        let mut viewer = server.viewer_socket().await;
        viewer.send(&message).await;
        assert_eq!(viewer.end().await, CloseReason::BadMessage, "{message:?}");
    }

    // In a session: a second hello, the other end's part, somebody else's reason.
    for message in [
        host_hello(Entry::Nameplate { nameplate }),
        HostToServer::Negotiate(offer),
        HostToServer::End { reason: CloseReason::TechnicianEnded },
    ] {
        let mut pair = server.pair().await;
        pair.host.send(&message).await;
        assert_eq!(pair.host.end().await, CloseReason::BadMessage, "{message:?}");
    }
    for message in [viewer_hello(Entry::SignedIn { session }), ViewerToServer::Negotiate(answer)] {
        let mut pair = server.pair().await;
        pair.viewer.send(&message).await;
        assert_eq!(pair.viewer.end().await, CloseReason::BadMessage, "{message:?}");
    }

    // None of this used up the code.
    let _host = server.host(Entry::Nameplate { nameplate }).await;
    bystanders.negotiate().await;
    server.stop().await;
}

#[tokio::test]
async fn another_version() {
    let server = TestServer::start().await;
    let (session, nameplate) = server.create().await;
    let version = Version(Version::CURRENT.0 + 1);
    let mut host = server.host_socket().await;
    let HostToServer::Hello { entry, info, capabilities, .. } = host_hello(Entry::Nameplate { nameplate })
    else {
        unreachable!()
    };
    host.send(&HostToServer::Hello { version, capabilities, entry, info }).await;
    assert_eq!(host.end().await, CloseReason::VersionMismatch);
    let mut viewer = server.viewer_socket().await;
    let entry = Entry::SignedIn { session };
    viewer.send(&ViewerToServer::Hello { version, capabilities: Capabilities::NONE, entry }).await;
    assert_eq!(viewer.end().await, CloseReason::VersionMismatch);
    let _host = server.host(Entry::Nameplate { nameplate }).await;
    server.stop().await;
}

/// More than every queue on the way holds, to a host that reads nothing: it is cut, its viewer is told, the rest lives.
#[tokio::test]
async fn a_peer_that_does_not_read() {
    let server = TestServer::start().await;
    let mut bystanders = server.pair().await;
    let mut pair = server.pair().await;
    let sdp = Sdp("x".repeat(60_000));
    // Loopback's buffers take about ten megabytes, the queue less.
    for _ in 0..500 {
        let offer = Negotiate::Offer { epoch: Epoch(1), sdp: sdp.clone() };
        pair.viewer.send(&ViewerToServer::Negotiate(offer)).await;
    }
    assert_eq!(pair.viewer.receive().await, ServerToViewer::HostDropped { grace_s: 60 });
    bystanders.negotiate().await;
    drop(pair);
    server.stop().await;
}

#[tokio::test]
async fn many_sessions_at_once_keep_to_themselves() {
    let server = TestServer::start().await;
    let pairs = join_all((0..20).map(|_| server.pair())).await;
    join_all(pairs.into_iter().map(|mut pair| async move {
        for _ in 0..5 {
            pair.negotiate().await;
        }
    }))
    .await;
    server.stop().await;
}
