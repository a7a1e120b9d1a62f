//! Two technicians' tabs at one host, each with a connection of its own.

use nearhand_protocol::id::GuestId;
use nearhand_protocol::invitation::{Invitation, InvitationId, InvitationSecret, SECRET_LEN};

use super::*;
use crate::session::Colleague;

const BO: GuestId = GuestId(77);

fn invitation() -> Invitation {
    Invitation { id: InvitationId(3), secret: InvitationSecret::from_random([5; SECRET_LEN]) }
}

impl Stage {
    /// The technician's tab invites, and another one comes to the server.
    pub(super) async fn invited(&mut self) {
        self.says(0, Channel::Control, &ToHost::Invite(invitation())).await;
        self.sees(|seen| matches!(seen, Seen::Told(News::Invited))).await;
        self.guest_arrives().await;
    }

    async fn guest_arrives(&self) {
        let technician = Technician { name: "Bo".into(), organisation: String::new() };
        self.server(ServerToHost::GuestArrived { guest: BO, invitation: invitation().id, technician }).await;
    }

    /// The guest's tab offers its n-th connection of all, and says hello.
    async fn guest_opens(&mut self, n: usize) {
        let message = Negotiate::Offer { epoch: Epoch(n as u32 + 1), sdp: Sdp("guest".into()) };
        self.server(ServerToHost::GuestNegotiate { guest: BO, message }).await;
        loop {
            let message = timeout(PATIENCE, self.to_server.recv()).await.expect("an answer").expect("one");
            assert!(
                !matches!(message, HostToServer::Negotiate(Negotiate::Answer { .. })),
                "the other's seat"
            );
            if let HostToServer::GuestNegotiate { guest, message: Negotiate::Answer { .. } } = message {
                assert_eq!(guest, BO);
                break;
            }
        }
        self.greets(n).await;
    }

    async fn guest_proves(&self, n: usize, invitation: &Invitation) {
        let key = Key::invited(invitation, SessionId::new(uuid::Uuid::nil()), Seat::Viewer);
        let proof = key.prove(&Self::binding(n, FINGERPRINTS[1]));
        self.says(n, Channel::Control, &ToHost::Prove(proof)).await;
    }

    /// Both technicians' tabs are there; the first one sees the screen and has the pointer.
    async fn two() -> Self {
        let mut stage = Self::connected().await;
        stage.gives(Right::View).await;
        stage.gives(Right::Control).await;
        stage.invited().await;
        stage.guest_opens(1).await;
        stage.guest_proves(1, &invitation()).await;
        stage.hears::<ToViewer>(1, Channel::Control, |m| matches!(m, ToViewer::Prove(_))).await;
        stage
    }
}

#[tokio::test]
async fn the_second_sees_chats_and_leaves_and_the_first_goes_on() {
    let mut stage = Stage::two().await;
    stage.says(1, Channel::Control, &ToHost::Ask(Rights::only(Right::View))).await;
    let seen = stage.sees(|seen| matches!(seen, Seen::Asked(_))).await;
    let Seen::Asked(question) = seen else { unreachable!() };
    assert_eq!((question.technician.name.as_str(), question.right), ("Bo", Right::View));
    assert!(!stage.transports[1].recorded().iter().any(is_frame), "nothing is shown before the yes");
    stage.commands.send(Command::Answer { question: question.id, yes: true, choice: None }).await.unwrap();
    timeout(PATIENCE, stage.transports[1].wait_for(is_frame)).await.expect("a frame to the second");

    // Their input is not carried out, the first one's is.
    stage.says(1, Channel::Input, &key(KeyCode::KeyB, true)).await;
    stage.hears::<ToViewer>(1, Channel::Control, |m| matches!(m, ToViewer::InputIgnored(_))).await;
    stage.says(0, Channel::Input, &key(KeyCode::KeyA, true)).await;
    stage.injects(|done| !done.is_empty()).await;
    let done = stage.desktop.take_injected();
    assert!(matches!(done[..], [Injected::Press { code: KeyCode::KeyA, .. }]), "{done:?}");

    let line = ChatMessage::Line { number: 1, written_at_ms: 1, text: "I am Bo".into() };
    stage.says(1, Channel::Chat, &line).await;
    let theirs = |seen: &Seen| match seen {
        Seen::Told(News::Colleague { technician, what: Colleague::Chat(text) }) => {
            technician.name == "Bo" && text == "I am Bo"
        }
        _ => false,
    };
    stage.sees(theirs).await;
    stage.commands.send(Command::Say("hello both".into())).await.unwrap();
    for n in [0, 1] {
        stage.hears::<ChatMessage>(n, Channel::Chat, |m| matches!(m, ChatMessage::Line { .. })).await;
    }
    // Files are the first one's.
    let id = TransferId { sender: Seat::Viewer, number: 1 };
    stage.says(1, Channel::Files, &FileMessage::Offer { id, name: "a".into(), size: 3 }).await;
    let refused = FileMessage::Stop { id, problem: FileProblem::Refused };
    stage.hears::<FileMessage>(1, Channel::Files, |m| *m == refused).await;

    stage.says(1, Channel::Control, &ToHost::End).await;
    let gone = |seen: &Seen| matches!(seen, Seen::Told(News::Colleague { what: Colleague::Gone(_), .. }));
    stage.sees(gone).await;
    timeout(PATIENCE, stage.transports[1].wait_for(|r| *r == Recorded::Close)).await.expect("closed");
    stage.server(ServerToHost::GuestLeft { guest: BO, reason: CloseReason::TechnicianEnded }).await;
    assert!(
        !stage.desktop.take_injected().iter().any(|what| matches!(what, Injected::Release(_))),
        "A is held"
    );
    stage.goes_on(0).await;
    stage.says(0, Channel::Control, &ToHost::Ping { nonce: 9 }).await;
    stage.hears::<ToViewer>(0, Channel::Control, |m| *m == ToViewer::Pong { nonce: 9 }).await;
    stage.interrupt.send(()).await.unwrap();
    assert_eq!(stage.ends().await.unwrap(), CloseReason::CustomerEnded);
}

#[tokio::test]
async fn a_guest_without_the_secret_gets_a_greeting_and_the_door() {
    let mut stage = Stage::connected().await;
    stage.gives(Right::View).await;
    stage.invited().await;
    stage.guest_opens(1).await;
    stage.says(1, Channel::Control, &ToHost::Ask(Rights::only(Right::View))).await;
    let wrong = Invitation { secret: InvitationSecret::from_random([6; SECRET_LEN]), ..invitation() };
    stage.guest_proves(1, &wrong).await;
    let end = ToViewer::End(CloseReason::NotProven);
    stage.hears::<ToViewer>(1, Channel::Control, |message| *message == end).await;
    timeout(PATIENCE, stage.transports[1].wait_for(|r| *r == Recorded::Close)).await.expect("closed");
    let said = stage.transports[1].recorded();
    assert_eq!(said.iter().filter(|what| matches!(what, Recorded::Message(..))).count(), 2, "hello, end");
    loop {
        let message = timeout(PATIENCE, stage.to_server.recv()).await.expect("a word").expect("one");
        assert!(!matches!(message, HostToServer::End { .. }), "the session goes on");
        if let HostToServer::GuestEnd { guest, reason } = message {
            assert_eq!((guest, reason), (BO, CloseReason::NotProven));
            break;
        }
    }
    // Who comes again with it finds it spent: there is no connection for them any more.
    stage.guest_arrives().await;
    let message = Negotiate::Offer { epoch: Epoch(9), sdp: Sdp("again".into()) };
    stage.server(ServerToHost::GuestNegotiate { guest: BO, message }).await;
    stage.says(0, Channel::Control, &ToHost::Ping { nonce: 9 }).await;
    stage.hears::<ToViewer>(0, Channel::Control, |m| *m == ToViewer::Pong { nonce: 9 }).await;
    assert!(stage.transports[2].recorded().is_empty());
    stage.interrupt.send(()).await.unwrap();
    stage.ends().await.unwrap();
}

#[tokio::test]
async fn the_end_is_told_to_both() {
    let stage = Stage::two().await;
    stage.commands.send(Command::End).await.unwrap();
    let end = ToViewer::End(CloseReason::CustomerEnded);
    for n in [0, 1] {
        stage.hears::<ToViewer>(n, Channel::Control, |message| *message == end).await;
        timeout(PATIENCE, stage.transports[n].wait_for(|r| *r == Recorded::Close)).await.expect("closed");
    }
    assert_eq!(stage.ends().await.unwrap(), CloseReason::CustomerEnded);
}
