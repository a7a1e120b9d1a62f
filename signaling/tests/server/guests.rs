//! More technicians come into a session, talk with the host, come back and go; the two who began it are undisturbed.

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::id::{Epoch, GuestId};
use nearhand_protocol::invitation::InvitationId;
use nearhand_protocol::proof::{SHARE_LEN, Share};
use nearhand_protocol::signal::{
    Entry, HostToServer, Negotiate, Sdp, ServerToHost, ServerToViewer, ViewerToServer,
};

use crate::support::{HostPeer, Pair, TestServer, ViewerPeer, viewer_hello};

fn entry(pair: &Pair) -> Entry {
    Entry::Invited { session: pair.session, invitation: InvitationId(7) }
}

/// As whom the host sees the next one who comes.
async fn arrives(host: &mut HostPeer) -> GuestId {
    match host.receive().await {
        ServerToHost::GuestArrived { guest, invitation: InvitationId(7), technician } => {
            assert_eq!(technician.name, "Ada", "the server says who, not the guest");
            guest
        }
        other => panic!("{other:?}"),
    }
}

async fn talk(guest: &mut ViewerPeer, host: &mut HostPeer, id: GuestId, epoch: Epoch) {
    let offer = Negotiate::Offer { epoch, sdp: Sdp("v=0".into()) };
    guest.send(&ViewerToServer::Negotiate(offer.clone())).await;
    assert_eq!(host.receive().await, ServerToHost::GuestNegotiate { guest: id, message: offer });
    let answer = Negotiate::Answer { epoch, sdp: Sdp("v=0".into()) };
    host.send(&HostToServer::GuestNegotiate { guest: id, message: answer.clone() }).await;
    assert_eq!(guest.receive().await, ServerToViewer::Negotiate(answer));
}

#[tokio::test]
async fn two_guests_talk_with_the_host_and_end_for_themselves() {
    let server = TestServer::start().await;
    let mut pair = server.pair().await;
    let (mut one, one_token, one_epoch) = server.viewer(entry(&pair)).await;
    let first = arrives(&mut pair.host).await;
    let (mut other, _, other_epoch) = server.viewer(entry(&pair)).await;
    let second = arrives(&mut pair.host).await;
    assert_ne!(first, second);
    talk(&mut one, &mut pair.host, first, one_epoch).await;
    talk(&mut other, &mut pair.host, second, other_epoch).await;
    pair.negotiate().await;

    // The one ends, and is gone for good.
    one.send(&ViewerToServer::End { reason: CloseReason::TechnicianEnded }).await;
    let left = ServerToHost::GuestLeft { guest: first, reason: CloseReason::TechnicianEnded };
    assert_eq!(pair.host.receive().await, left);
    assert_eq!(one.end().await, CloseReason::TechnicianEnded);
    drop(one_token);
    // The other is sent away.
    pair.host.send(&HostToServer::GuestEnd { guest: second, reason: CloseReason::NotProven }).await;
    assert_eq!(other.end().await, CloseReason::NotProven);
    pair.negotiate().await;

    // A third one hears the end of the session.
    let (third, ..) = server.viewer(entry(&pair)).await;
    arrives(&mut pair.host).await;
    pair.viewer.send(&ViewerToServer::End { reason: CloseReason::TechnicianEnded }).await;
    assert_eq!(third.end().await, CloseReason::TechnicianEnded);
    assert_eq!(pair.host.end().await, CloseReason::TechnicianEnded);
    server.stop().await;
}

#[tokio::test]
async fn a_guest_comes_back_as_the_same_also_to_a_new_server() {
    let state = tempfile::tempdir().unwrap();
    let server = TestServer::with_state(state.path()).await;
    let mut pair = server.pair().await;
    let (guest, token, epoch) = server.viewer(entry(&pair)).await;
    let id = arrives(&mut pair.host).await;
    drop(guest);
    assert!(matches!(pair.host.receive().await, ServerToHost::GuestDropped { guest, .. } if guest == id));
    let (mut guest, token, next) = server.viewer(Entry::Resume { token }).await;
    assert_eq!(arrives(&mut pair.host).await, id);
    assert!(next > epoch);
    talk(&mut guest, &mut pair.host, id, next).await;
    server.stop().await;

    let server = TestServer::with_state(state.path()).await;
    let (mut guest, _, next) = server.viewer(Entry::Resume { token }).await;
    let (mut host, _) = server.host(Entry::Resume { token: pair.host_token }).await;
    assert!(matches!(guest.receive().await, ServerToViewer::HostArrived { .. }));
    assert_eq!(arrives(&mut host).await, id, "said of those who are there");
    talk(&mut guest, &mut host, id, next).await;
    server.stop().await;
}

#[tokio::test]
async fn who_is_not_signed_in_or_says_what_is_not_a_guests_to_say_is_turned_away() {
    let server = TestServer::start().await;
    let mut pair = server.pair().await;
    let origin = server.origin();
    let mut stranger: ViewerPeer = server.open("/ws/viewer", &[("origin", &origin)]).await.unwrap();
    stranger.send(&viewer_hello(entry(&pair))).await;
    assert_eq!(stranger.end().await, CloseReason::NotSignedIn);

    let unknown = "00000000000000000000000000000001".parse().unwrap();
    assert_eq!(
        server.viewer_refused(Entry::Invited { session: unknown, invitation: InvitationId(7) }).await,
        CloseReason::BadResume
    );

    let (session, _) = server.create().await;
    assert_eq!(
        server.viewer_refused(Entry::Invited { session, invitation: InvitationId(7) }).await,
        CloseReason::UnknownCode,
        "nobody is there who could have invited"
    );

    // The key exchange is the first technician's alone.
    let (mut guest, ..) = server.viewer(entry(&pair)).await;
    let id = arrives(&mut pair.host).await;
    guest.send(&ViewerToServer::Share { share: Share::from_bytes([7; SHARE_LEN]) }).await;
    assert_eq!(guest.end().await, CloseReason::BadMessage);
    assert!(matches!(pair.host.receive().await, ServerToHost::GuestDropped { guest, .. } if guest == id));
    pair.negotiate().await;
    server.stop().await;
}

#[tokio::test]
async fn there_are_never_too_many_and_each_has_credentials_of_its_own() {
    let server = TestServer::start().await;
    let mut pair = server.pair().await;
    let mut guests = Vec::new();
    for _ in 0..nearhand_signaling::room::MAX_GUESTS {
        let mut guest = server.viewer_socket().await;
        guest.send(&viewer_hello(entry(&pair))).await;
        let ServerToViewer::Welcome { ice_servers, .. } = guest.receive().await else { panic!() };
        let id = arrives(&mut pair.host).await;
        let name = format!(":guest-{}", id.0);
        let named = |username: &Option<String>| username.as_ref().is_some_and(|found| found.ends_with(&name));
        assert!(ice_servers.iter().any(|server| named(&server.username)), "{name}");
        guests.push(guest);
    }
    assert_eq!(server.viewer_refused(entry(&pair)).await, CloseReason::TooManyAttempts);
    pair.negotiate().await;
    server.stop().await;
}
