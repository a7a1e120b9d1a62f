//! Two ends find each other by a code, talk, come back and end.

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::id::{Epoch, ResumeToken, SessionId};
use nearhand_protocol::signal::{
    Candidate, Entry, HostToServer, Negotiate, ServerToHost, ServerToViewer, ViewerToServer,
};
use nearhand_protocol::version::Version;

use crate::support::{TestServer, host_hello, negotiate, soon, viewer_hello};

#[tokio::test]
async fn two_ends_meet_by_a_code() {
    let server = TestServer::start().await;
    let (session, nameplate) = server.create().await;
    let mut viewer = server.viewer_socket().await;
    viewer.send(&viewer_hello(Entry::SignedIn { session })).await;
    let ServerToViewer::Welcome {
        version, session: named, nameplate: shown, code_valid_s, host: None, ..
    } = viewer.receive().await
    else {
        panic!()
    };
    assert_eq!((version, named, shown, code_valid_s), (Version::CURRENT, session, nameplate, 600));

    let mut host = server.host_socket().await;
    host.send(&host_hello(Entry::Nameplate { nameplate })).await;
    let ServerToHost::Welcome { technician, viewer_present: true, ice_servers, .. } = host.receive().await
    else {
        panic!()
    };
    assert_eq!((technician.name.as_str(), technician.organisation.as_str()), ("Ada", "Example"));
    assert!(!ice_servers.is_empty(), "the relay's, which has tests of its own");
    let ServerToViewer::HostArrived { host: info } = viewer.receive().await else { panic!() };
    assert!(info.headless);

    negotiate(&mut viewer, &mut host, Epoch(7)).await;
    let candidate =
        Candidate { candidate: "candidate:1".into(), sdp_mid: Some("0".into()), sdp_m_line_index: Some(0) };
    let candidate = Negotiate::Candidate { epoch: Epoch(7), candidate };
    viewer.send(&ViewerToServer::Negotiate(candidate.clone())).await;
    assert_eq!(host.receive().await, ServerToHost::Negotiate(candidate));
    server.stop().await;
}

#[tokio::test]
async fn wrong_and_used_codes_are_the_same() {
    let server = TestServer::start().await;
    let mut pair = server.pair().await;
    let (_, other) = server.create().await;
    let wrong = (0..).map(|n| nearhand_protocol::code::Nameplate::from_number(n).unwrap());
    let wrong = wrong.into_iter().find(|n| *n != other && *n != pair.nameplate).unwrap();
    for nameplate in [wrong, pair.nameplate] {
        assert_eq!(server.host_refused(Entry::Nameplate { nameplate }).await, CloseReason::UnknownCode);
    }
    pair.negotiate().await;
    server.stop().await;
}

#[tokio::test]
async fn a_code_ends_with_its_session() {
    let server = TestServer::start().await;
    let (session, nameplate) = server.create().await;
    let (viewer, ..) = server.viewer(Entry::SignedIn { session }).await;
    assert_eq!(server.api("DELETE", &format!("/api/sessions/{session}")).await.status, 204);
    assert_eq!(viewer.end().await, CloseReason::TechnicianEnded);
    assert_eq!(server.host_refused(Entry::Nameplate { nameplate }).await, CloseReason::UnknownCode);
    assert_eq!(server.api("DELETE", &format!("/api/sessions/{session}")).await.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn two_hosts_with_one_code_at_once() {
    let server = TestServer::start().await;
    for _ in 0..8 {
        let (_, nameplate) = server.create().await;
        let join = async || {
            let mut host = server.host_socket().await;
            host.send(&host_hello(Entry::Nameplate { nameplate })).await;
            match host.receive().await {
                ServerToHost::Welcome { .. } => true,
                ServerToHost::End { reason: CloseReason::UnknownCode } => false,
                other => panic!("{other:?}"),
            }
        };
        let (one, other) = tokio::join!(join(), join());
        assert!(one != other, "exactly one gets in");
    }
    server.stop().await;
}

#[tokio::test]
async fn either_end_ends_the_session() {
    let server = TestServer::start().await;
    for reason in [CloseReason::CustomerEnded, CloseReason::CustomerRefused] {
        let mut pair = server.pair().await;
        pair.host.send(&HostToServer::End { reason }).await;
        assert_eq!(pair.viewer.end().await, reason);
        assert_eq!(pair.host.end().await, reason);
        // Its tokens are dead: nobody can make an ended session again.
        for token in [pair.viewer_token, pair.host_token] {
            assert_eq!(turned_away(&server, token).await, [CloseReason::BadResume; 2]);
        }
        assert_eq!(
            server.viewer_refused(Entry::SignedIn { session: pair.session }).await,
            CloseReason::BadResume
        );
    }
    let mut pair = server.pair().await;
    pair.viewer.send(&ViewerToServer::End { reason: CloseReason::TechnicianEnded }).await;
    assert_eq!(pair.host.end().await, CloseReason::TechnicianEnded);
    assert_eq!(pair.viewer.end().await, CloseReason::TechnicianEnded);
    assert!(server.sessions().await.is_empty());
    server.stop().await;
}

/// What a token gets at the host's and at the viewer's door.
async fn turned_away(server: &TestServer, token: ResumeToken) -> [CloseReason; 2] {
    [
        server.host_refused(Entry::Resume { token: token.clone() }).await,
        server.viewer_refused(Entry::Resume { token }).await,
    ]
}

#[tokio::test]
async fn who_drops_out_comes_back() {
    let server = TestServer::start().await;
    let mut pair = server.pair().await;
    drop(pair.host);
    assert_eq!(pair.viewer.receive().await, ServerToViewer::HostDropped { grace_s: 60 });
    let (mut host, _) = server.host(Entry::Resume { token: pair.host_token }).await;
    assert!(matches!(pair.viewer.receive().await, ServerToViewer::HostArrived { .. }));
    negotiate(&mut pair.viewer, &mut host, pair.epoch).await;

    drop(pair.viewer);
    assert_eq!(host.receive().await, ServerToHost::ViewerDropped { grace_s: 60 });
    // Without any sign-in: the token is enough.
    let origin = server.origin();
    let mut viewer = server.open("/ws/viewer", &[("origin", &origin)]).await.unwrap();
    viewer.send(&viewer_hello(Entry::Resume { token: pair.viewer_token })).await;
    let ServerToViewer::Welcome { epoch, code_valid_s: 0, host: Some(_), .. } = viewer.receive().await else {
        panic!()
    };
    assert!(epoch > pair.epoch);
    assert_eq!(host.receive().await, ServerToHost::ViewerArrived);
    negotiate(&mut viewer, &mut host, epoch).await;
    server.stop().await;
}

#[tokio::test]
async fn a_second_tab_takes_over() {
    let server = TestServer::start().await;
    let mut pair = server.pair().await;
    let (mut second, _, epoch) = server.viewer(Entry::SignedIn { session: pair.session }).await;
    assert_eq!(pair.viewer.end().await, CloseReason::Replaced);
    assert_eq!(pair.host.receive().await, ServerToHost::ViewerArrived);
    negotiate(&mut second, &mut pair.host, epoch).await;
    server.stop().await;
}

#[tokio::test]
async fn who_stays_away_ends_the_session() {
    let server = TestServer::with(&["--grace", "1"]).await;
    let pair = server.pair().await;
    drop(pair.host);
    assert_eq!(pair.viewer.end().await, CloseReason::HostLost);
    assert_eq!(turned_away(&server, pair.host_token).await, [CloseReason::BadResume; 2]);

    let pair = server.pair().await;
    drop(pair.viewer);
    assert_eq!(pair.host.end().await, CloseReason::ViewerLost);
    server.stop().await;
}

#[tokio::test]
async fn a_token_opens_its_own_seat_only() {
    let server = TestServer::start().await;
    let mut pair = server.pair().await;
    assert_eq!(
        server.host_refused(Entry::Resume { token: pair.viewer_token.clone() }).await,
        CloseReason::BadResume
    );
    assert_eq!(
        server.viewer_refused(Entry::Resume { token: pair.host_token.clone() }).await,
        CloseReason::BadResume
    );
    for forged in ["", "AAAA", &"A".repeat(513)] {
        assert_eq!(turned_away(&server, ResumeToken::new(forged.into())).await, [CloseReason::BadResume; 2]);
    }
    pair.negotiate().await;
    server.stop().await;
}

#[tokio::test]
async fn the_viewer_needs_a_sign_in() {
    let server = TestServer::start().await;
    let (session, _) = server.create().await;
    let origin = server.origin();
    let mut viewer: crate::support::ViewerPeer =
        server.open("/ws/viewer", &[("origin", &origin)]).await.unwrap();
    viewer.send(&viewer_hello(Entry::SignedIn { session })).await;
    assert_eq!(viewer.end().await, CloseReason::NotSignedIn);

    let cookie = server.sign_in().await;
    let mut viewer: crate::support::ViewerPeer =
        server.open("/ws/viewer", &[("origin", &origin), ("cookie", &cookie)]).await.unwrap();
    viewer.send(&viewer_hello(Entry::SignedIn { session })).await;
    assert!(matches!(viewer.receive().await, ServerToViewer::Welcome { .. }));

    assert_eq!(
        server.viewer_refused(Entry::SignedIn { session: SessionId::new(uuid::Uuid::nil()) }).await,
        CloseReason::BadResume
    );
    soon(server.stop()).await;
}
