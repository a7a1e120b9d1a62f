//! Tables of what follows what, and the promise that holds for every order of events.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use nearhand_protocol::control::SpecialKeys;
use nearhand_protocol::file::{FileMessage, FileProblem, TransferId};
use nearhand_protocol::grant::{Scope, WindowId};
use nearhand_protocol::id::{Epoch, SessionId};
use nearhand_protocol::input::{InputEvent, PointerMove};
use nearhand_protocol::machine::handshake::{Binding, Exchange, Fingerprint, Key};
use nearhand_protocol::proof::{Proof, SHARE_LEN, Share};
use proptest::prelude::*;

use super::*;

mod staying;
mod switches;

fn technician() -> Technician {
    Technician { name: "Ada".into(), organisation: "Help Ltd".into() }
}

fn hello() -> Event {
    Event::Control(ToHost::Hello(Hello { version: Version::CURRENT, capabilities: Capabilities::NONE }))
}

fn ask(rights: &[Right]) -> Event {
    Event::Control(ToHost::Ask(rights.iter().copied().collect()))
}

fn offer(number: u32) -> FileOffer {
    FileOffer { id: TransferId { sender: Seat::Viewer, number }, name: "a.txt".into(), size: 3 }
}

fn code() -> Code {
    "482 913 705".parse().unwrap()
}

fn session(consent: Consent) -> Session {
    Session::new(consent, code(), [2; SEED_LEN], Brake::default())
}

fn session_id() -> SessionId {
    SessionId::new(uuid::Uuid::from_u128(7))
}

fn welcome() -> Event {
    Event::Welcome { session: session_id(), technician: technician(), viewer_present: true }
}

/// The viewer's share, the host's, and the key of the viewer's end.
fn exchanged(code: Code, seed: u8) -> (Share, Share, Key) {
    let (exchange, theirs) = Exchange::begin(Seat::Viewer, session_id(), code, [seed; SEED_LEN]);
    let (_, ours) = Exchange::begin(Seat::Host, session_id(), self::code(), [2; SEED_LEN]);
    let key = exchange.finish(&ours).unwrap();
    (theirs, ours, key)
}

/// Those of the true viewer.
static VIEWER: LazyLock<(Share, Share, Key)> = LazyLock::new(|| exchanged(code(), 1));
/// Those of somebody who guesses.
static GUESSER: LazyLock<(Share, Share, Key)> =
    LazyLock::new(|| exchanged("482 913 706".parse().unwrap(), 3));

fn share() -> Event {
    Event::Share(VIEWER.0)
}

/// What the host's end of the connection with this number uses.
fn binding(epoch: u32) -> Binding {
    Binding { epoch: Epoch(epoch), host: Fingerprint([3; 32]), viewer: Fingerprint([4; 32]) }
}

/// The viewer's proof over what it believes to use, on a connection that uses `binding(1)`.
fn proof_by(key: &Key, over: &Binding) -> Event {
    Event::Prove { proof: key.prove(over), binding: Some(binding(1)) }
}

fn proof() -> Event {
    proof_by(&VIEWER.2, &binding(1))
}

/// A session and its clock.
struct Run {
    session: Session,
    now: Instant,
}

impl Run {
    fn new() -> Self {
        Self { session: session(Consent::Customer), now: Instant::now() }
    }

    /// With everything open, and nothing said or proven.
    fn open() -> Self {
        let mut run = Self::new();
        for event in [welcome(), share(), Event::NewPeer, Event::PeerConnected] {
            run.does(event);
        }
        run.does(Event::ControlOpen);
        run.does(Event::ChatOpen);
        run
    }

    /// The technician's end is who it should be.
    fn proven() -> Self {
        let mut run = Self::open();
        run.does(hello());
        run.does(proof());
        run
    }

    /// With these rights.
    fn with(rights: &[Right]) -> Self {
        let mut run = Self::proven();
        for right in rights {
            let asked = run.does(ask(&[*right]));
            run.yes(&asked);
        }
        run
    }

    fn does(&mut self, event: Event) -> Vec<Effect> {
        self.session.handle(event, self.now)
    }

    fn answer(&mut self, asked: &[Effect], yes: bool) -> Vec<Effect> {
        let question = question(asked).expect("a question").id;
        self.does(Event::Answer { question, yes, choice: None })
    }

    fn yes(&mut self, asked: &[Effect]) -> Vec<Effect> {
        self.answer(asked, true)
    }
}

fn question(effects: &[Effect]) -> Option<&Question> {
    effects.iter().find_map(|effect| if let Effect::Ask(question) = effect { Some(question) } else { None })
}

fn has(effects: &[Effect], wanted: impl Fn(&Effect) -> bool) -> bool {
    effects.iter().any(wanted)
}

fn rights(effects: &[Effect]) -> Option<(Rights, Rights)> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::Send(ToViewer::Rights { held, asked }) => Some((*held, *asked)),
        _ => None,
    })
}

#[test]
fn connections_that_never_come_about_are_told_once() {
    let (mut session, now) = (session(Consent::Customer), Instant::now());
    let mut told = Vec::new();
    for attempt in 0..5 {
        let effects = session.handle(Event::NewPeer, now);
        if effects.iter().any(|effect| matches!(effect, Effect::Tell(News::Unreached))) {
            told.push(attempt);
        }
        let _ = session.handle(Event::PeerLost, now);
    }
    assert_eq!(told, [2]);
    let _ = session.handle(Event::ControlOpen, now);
    assert!(
        !session
            .handle(Event::NewPeer, now)
            .iter()
            .any(|effect| matches!(effect, Effect::Tell(News::Unreached)))
    );
}

#[test]
fn sight_is_asked_first_and_control_is_its_own_yes() {
    let mut run = Run::proven();
    let asked = run.does(ask(&[Right::Control, Right::View]));
    assert_eq!(question(&asked).unwrap().right, Right::View);
    assert_eq!(question(&asked).unwrap().technician, technician());
    assert_eq!(run.session.phase(), Phase::AwaitingConsent);
    let both = Rights::only(Right::View).with(Right::Control);
    assert_eq!(rights(&asked), Some((Rights::NONE, both)));
    assert!(!has(&run.does(Event::Input(InputEvent::Text("x".into()))), |e| matches!(e, Effect::Inject(..))));

    let seen = run.yes(&asked);
    assert!(has(&seen, |e| matches!(e, Effect::StartVideo(_))));
    assert_eq!(question(&seen).unwrap().right, Right::Control);
    assert_eq!(run.session.rights(), Rights::only(Right::View));
    assert_eq!(run.session.phase(), Phase::Active);
    let controlled = run.yes(&seen);
    assert_eq!(rights(&controlled), Some((both, Rights::NONE)));
    let injected = run.does(Event::Input(InputEvent::Wheel { dx: 0, dy: 120 }));
    assert!(has(&injected, |e| matches!(e, Effect::Inject(_, grant) if grant.check().is_ok())));
}

#[test]
fn a_no_to_the_first_question_ends_and_a_later_one_does_not() {
    let mut run = Run::proven();
    let asked = run.does(ask(&[Right::View, Right::Control]));
    let refused = run.answer(&asked, false);
    assert!(has(&refused, |e| matches!(e, Effect::Send(ToViewer::Refused(Right::View)))));
    assert!(has(&refused, |e| matches!(
        e,
        Effect::Signal(HostToServer::End { reason: CloseReason::CustomerRefused })
    )));
    assert!(matches!(refused.last(), Some(Effect::End(CloseReason::CustomerRefused))));

    let mut run = Run::with(&[Right::View]);
    let asked = run.does(ask(&[Right::Control]));
    let refused = run.answer(&asked, false);
    assert!(has(&refused, |e| matches!(e, Effect::Send(ToViewer::Refused(Right::Control)))));
    assert_eq!(run.session.phase(), Phase::Active);
    run.does(Event::TakeBack(Right::View));
    let asked = run.does(ask(&[Right::View]));
    run.answer(&asked, false);
    assert_eq!(run.session.ended(), None, "it was no first question");
}

#[test]
fn control_without_sight_is_refused_without_a_question() {
    let mut run = Run::proven();
    let asked = run.does(ask(&[Right::Control]));
    assert!(question(&asked).is_none());
    assert!(has(&asked, |e| matches!(e, Effect::Send(ToViewer::Refused(Right::Control)))));
}

#[test]
fn a_late_or_repeated_answer_counts_for_nothing() {
    let mut run = Run::proven();
    let asked = run.does(ask(&[Right::View]));
    let id = question(&asked).unwrap().id;
    run.does(Event::Control(ToHost::GiveBack(Rights::only(Right::View))));
    assert!(run.does(Event::Answer { question: id, yes: true, choice: None }).is_empty());
    let asked = run.does(ask(&[Right::View]));
    assert!(run.does(Event::Answer { question: id, yes: true, choice: None }).is_empty());
    run.yes(&asked);
    assert!(run.yes(&asked).is_empty());
}

#[test]
fn taking_sight_takes_control_and_stops_everything() {
    for event in [Event::TakeBack(Right::View), Event::Control(ToHost::GiveBack(Rights::only(Right::View)))] {
        let mut run = Run::with(&[Right::View, Right::Control]);
        let view = run.session.grants.view().unwrap();
        let control = run.session.grants.control().unwrap();
        let taken = run.does(event);
        assert!(view.check().is_err() && control.check().is_err());
        assert!(
            has(&taken, |e| matches!(e, Effect::StopVideo))
                && has(&taken, |e| matches!(e, Effect::ReleaseAll))
        );
        assert_eq!(rights(&taken), Some((Rights::NONE, Rights::NONE)));
    }
}

#[test]
fn a_short_interruption_keeps_rights_and_a_long_one_takes_them() {
    for (seconds, kept) in [(0, true), (59, true), (60, false), (3600, false)] {
        let mut run = Run::with(&[Right::View, Right::Control, Right::FilesIn]);
        let lost = run.does(Event::PeerLost);
        assert!(
            has(&lost, |e| matches!(e, Effect::StopVideo)) && has(&lost, |e| matches!(e, Effect::ReleaseAll))
        );
        assert!(!has(&lost, |e| matches!(e, Effect::LoseFiles)), "it may recover");
        assert_eq!(run.session.phase(), Phase::Interrupted);
        assert_eq!(run.session.deadline(), Some(run.now + INTERRUPTION));
        run.now += Duration::from_secs(seconds);
        // Nobody may have ticked meanwhile.
        assert!(has(&run.does(Event::NewPeer), |e| matches!(e, Effect::LoseFiles)));
        run.does(Event::PeerConnected);
        run.does(Event::ControlOpen);
        let greeted = run.does(hello());
        assert!(!has(&greeted, |e| matches!(e, Effect::StartVideo(_))), "not before the proof");
        let back = run.does(proof());
        assert_eq!(has(&back, |e| matches!(e, Effect::StartVideo(_))), kept, "{seconds} s");
        assert_eq!(run.session.rights().is_empty(), !kept, "{seconds} s");
        assert_eq!(run.session.deadline(), None);
    }
}

#[test]
fn the_same_peer_that_recovers_goes_on_by_itself() {
    let mut run = Run::with(&[Right::View]);
    run.does(Event::PeerLost);
    assert!(has(&run.does(Event::PeerConnected), |e| matches!(e, Effect::StartVideo(_))));
    assert!(!has(&run.does(Event::PeerConnected), |e| matches!(e, Effect::StartVideo(_))), "not twice");
}

#[test]
fn a_tick_takes_rights_back_by_itself() {
    let mut run = Run::with(&[Right::View, Right::Control]);
    let view = run.session.grants.view().unwrap();
    run.does(Event::PeerLost);
    run.now += Duration::from_millis(59_999);
    assert!(run.does(Event::Tick).is_empty());
    run.now += Duration::from_millis(1);
    let ticked = run.does(Event::Tick);
    assert!(has(&ticked, |e| matches!(e, Effect::Tell(News::RightsExpired))));
    assert!(has(&ticked, |e| matches!(e, Effect::Signal(HostToServer::Rights { held }) if held.is_empty())));
    assert!(view.check().is_err());
}

#[test]
fn a_reloaded_tab_finds_its_rights_and_layout() {
    let mut run = Run::with(&[Right::View]);
    run.does(Event::Layout(Layout { width: 100, height: 50, monitors: Vec::new() }));
    assert!(has(&run.does(Event::NewPeer), |e| matches!(e, Effect::StopVideo)));
    run.does(Event::ControlOpen);
    assert_eq!(rights(&run.does(hello())), None, "not before the proof");
    let back = run.does(proof());
    assert_eq!(rights(&back), Some((Rights::only(Right::View), Rights::NONE)));
    assert!(has(&back, |e| matches!(e, Effect::Send(ToViewer::Layout(_)))));
    assert!(has(&back, |e| matches!(e, Effect::StartVideo(_))));
}

#[test]
fn nothing_counts_before_the_hello_and_another_version_ends() {
    let mut run = Run::new();
    run.does(Event::NewPeer);
    run.does(Event::ControlOpen);
    assert!(run.does(ask(&[Right::View])).is_empty());
    let other = Hello { version: Version(99), capabilities: Capabilities::NONE };
    let ended = run.does(Event::Control(ToHost::Hello(other)));
    assert!(has(&ended, |e| matches!(e, Effect::Send(ToViewer::End(CloseReason::VersionMismatch)))));
    assert!(matches!(ended.last(), Some(Effect::End(CloseReason::VersionMismatch))));
}

#[test]
fn every_way_of_ending_takes_everything() {
    let endings = [
        (Event::End, CloseReason::CustomerEnded),
        (Event::Control(ToHost::End), CloseReason::TechnicianEnded),
        (Event::ServerEnded(CloseReason::ViewerLost), CloseReason::ViewerLost),
        (Event::Broken("x".into()), CloseReason::CustomerEnded),
    ];
    for (event, reason) in endings {
        let mut run = Run::with(&[Right::View, Right::Control]);
        let (view, control) = (run.session.grants.view().unwrap(), run.session.grants.control().unwrap());
        let ended = run.does(event);
        assert!(view.check().is_err() && control.check().is_err());
        assert!(
            has(&ended, |e| matches!(e, Effect::ReleaseAll))
                && has(&ended, |e| matches!(e, Effect::StopVideo))
        );
        assert!(has(&ended, |e| matches!(e, Effect::Tell(News::Ended(r)) if *r == reason)));
        assert!(matches!(ended.last(), Some(Effect::End(r)) if *r == reason));
        assert!(run.does(hello()).is_empty() && run.does(ask(&[Right::View])).is_empty());
    }
}

#[test]
fn garbage_is_borne_for_a_while() {
    let mut run = Run::proven();
    for _ in 1..GARBAGE {
        assert!(run.does(Event::Garbage).is_empty());
    }
    assert!(matches!(run.does(Event::Garbage).last(), Some(Effect::End(CloseReason::BadMessage))));
}

#[test]
fn files_wait_for_the_first_yes_of_their_direction() {
    let mut run = Run::proven();
    let asked = run.does(Event::FileOffered(offer(1)));
    assert_eq!(question(&asked).unwrap().file, Some(("a.txt".into(), 3)));
    run.does(Event::FileOffered(offer(2)));
    let given = run.yes(&asked);
    assert_eq!(given.iter().filter(|e| matches!(e, Effect::Receive(_))).count(), 2);
    assert!(has(&run.does(Event::FileOffered(offer(3))), |e| matches!(e, Effect::Receive(_))));

    let file = LocalFile { path: "/x/b".into(), name: "b".into(), size: 1 };
    let asked = run.does(Event::SendFile(file.clone()));
    assert_eq!(question(&asked).unwrap().right, Right::FilesOut);
    assert!(has(&run.yes(&asked), |e| matches!(e, Effect::Offer(_))));
    assert!(has(&run.does(Event::SendFile(file)), |e| matches!(e, Effect::Offer(_))));
    let stopped = run.does(Event::TakeBack(Right::FilesIn));
    assert!(has(&stopped, |e| matches!(e, Effect::StopFiles(Seat::Viewer))));
}

#[test]
fn refused_withdrawn_and_too_many_offers() {
    let mut run = Run::proven();
    let asked = run.does(Event::FileOffered(offer(1)));
    let refused = run.answer(&asked, false);
    let refusal =
        |e: &Effect| matches!(e, Effect::SendFile(FileMessage::Stop { problem: FileProblem::Refused, .. }));
    assert!(has(&refused, refusal));
    assert_eq!(run.session.ended(), None);

    run.does(Event::FileOffered(offer(2)));
    let withdrawn = run.does(Event::FileWithdrawn(offer(2).id));
    assert!(has(&withdrawn, |e| matches!(e, Effect::Unask(_))));

    for number in 10..18 {
        run.does(Event::FileOffered(offer(number)));
    }
    let too_many =
        |e: &Effect| matches!(e, Effect::SendFile(FileMessage::Stop { problem: FileProblem::TooMany, .. }));
    assert!(has(&run.does(Event::FileOffered(offer(18))), too_many));
    let forged = FileOffer { id: TransferId { sender: Seat::Host, number: 1 }, ..offer(1) };
    let breach =
        |e: &Effect| matches!(e, Effect::SendFile(FileMessage::Stop { problem: FileProblem::Protocol, .. }));
    assert!(has(&run.does(Event::FileOffered(forged)), breach));
}

#[test]
fn chat_needs_no_consent_and_is_repeated_on_a_new_channel() {
    let mut run = Run::proven();
    let heard = run.does(Event::Chat(ChatMessage::Line { number: 1, written_at_ms: 1, text: "hi".into() }));
    assert!(has(&heard, |e| matches!(e, Effect::Tell(News::Chat(text)) if text == "hi")));
    assert!(has(&heard, |e| matches!(e, Effect::SendChat(ChatMessage::Seen { number: 1 }))));
    run.does(Event::Say { text: "you too".into(), written_at_ms: 2 });
    run.does(Event::NewPeer);
    let line = |e: &Effect| matches!(e, Effect::SendChat(ChatMessage::Line { .. }));
    assert!(!has(&run.does(Event::ChatOpen), line), "not before the proof");
    run.does(hello());
    assert!(has(&run.does(proof()), line));
    run.does(Event::NewPeer);
    run.does(hello());
    assert!(!has(&run.does(proof()), line), "not before there is a channel");
    assert!(has(&run.does(Event::ChatOpen), line));
}

#[test]
fn a_command_line_consent_is_announced() {
    let mut run = Run { session: session(Consent::CommandLine), now: Instant::now() };
    for event in [welcome(), share(), Event::NewPeer, Event::ControlOpen, hello()] {
        run.does(event);
    }
    assert!(has(&run.does(proof()), |e| matches!(e, Effect::Send(ToViewer::Notice(Notice::Headless)))));
}

fn ends_not_proven(effects: &[Effect]) -> bool {
    let signal =
        |e: &Effect| matches!(e, Effect::Signal(HostToServer::End { reason: CloseReason::NotProven }));
    has(effects, |e| matches!(e, Effect::Send(ToViewer::End(CloseReason::NotProven))))
        && has(effects, signal)
        && matches!(effects.last(), Some(Effect::End(CloseReason::NotProven)))
}

fn answered_share(effects: &[Effect]) -> Option<Share> {
    effects.iter().find_map(|effect| match effect {
        Effect::Signal(HostToServer::Share { share }) => Some(*share),
        _ => None,
    })
}

#[test]
fn a_right_proof_is_answered_and_the_words_are_told_once() {
    let mut run = Run::open();
    assert!(run.does(hello()).is_empty());
    assert_eq!(run.session.phase(), Phase::Offered);
    let proven = run.does(proof());
    let Some(Effect::Send(ToViewer::Prove(answer))) = proven.first() else { panic!("{proven:?}") };
    assert_eq!(VIEWER.2.verify(&binding(1), answer), Ok(()));
    let words = |e: &Effect| matches!(e, Effect::Tell(News::Words(words)) if *words == VIEWER.2.words());
    assert!(has(&proven, words) && has(&proven, |e| matches!(e, Effect::Tell(News::PeerConnected))));
    assert_eq!(run.session.phase(), Phase::Active);

    // After a renegotiation.
    assert!(matches!(run.does(proof())[..], [Effect::Send(ToViewer::Prove(_))]));
    run.does(Event::NewPeer);
    run.does(hello());
    assert!(!has(&run.does(proof()), words));
}

#[test]
fn a_proof_in_front_of_the_hello_counts_with_it() {
    let mut run = Run::open();
    assert!(!has(&run.does(proof()), |e| matches!(e, Effect::Tell(News::PeerConnected))));
    assert!(run.does(ask(&[Right::View])).is_empty());
    assert!(has(&run.does(hello()), |e| matches!(e, Effect::Tell(News::PeerConnected))));
    assert!(question(&run.does(ask(&[Right::View]))).is_some());
}

#[test]
fn what_is_no_proof_ends_the_session() {
    let other = Binding { viewer: Fingerprint([9; 32]), ..binding(1) };
    let swapped = Binding { host: binding(1).viewer, viewer: binding(1).host, ..binding(1) };
    let host_key = {
        let (exchange, _) = Exchange::begin(Seat::Host, session_id(), code(), [2; SEED_LEN]);
        exchange.finish(&VIEWER.0).unwrap()
    };
    let wrong = [
        ("a guess", proof_by(&GUESSER.2, &binding(1))),
        ("another certificate", proof_by(&VIEWER.2, &other)),
        ("an earlier connection", proof_by(&VIEWER.2, &binding(0))),
        ("swapped ends", proof_by(&VIEWER.2, &swapped)),
        ("our own proof, reflected", proof_by(&host_key, &binding(1))),
        ("anything", Event::Prove { proof: Proof([0; 32]), binding: Some(binding(1)) }),
        ("no certificate", Event::Prove { proof: VIEWER.2.prove(&binding(1)), binding: None }),
        ("no binding", Event::Control(ToHost::Prove(VIEWER.2.prove(&binding(1))))),
    ];
    for (name, event) in wrong {
        for greeted in [true, false] {
            let mut run = Run::open();
            if greeted {
                run.does(hello());
            }
            assert!(ends_not_proven(&run.does(event.clone())), "{name}");
        }
        // After a renegotiation of a connection that was proven.
        let mut run = Run::with(&[Right::View, Right::Control]);
        let control = run.session.grants.control().unwrap();
        assert!(ends_not_proven(&run.does(event)), "{name}");
        assert!(control.check().is_err());
    }
}

#[test]
fn a_proof_without_an_exchange_ends_the_session() {
    let mut run = Run::new();
    for event in [welcome(), Event::NewPeer, Event::ControlOpen, hello()] {
        run.does(event);
    }
    assert!(ends_not_proven(&run.does(proof())));
}

#[test]
fn there_is_one_exchange() {
    let mut run = Run::new();
    assert_eq!(answered_share(&run.does(share())), None, "no session yet");
    run.does(welcome());
    let (_, ours, _) = &*VIEWER;
    for _ in 0..2 {
        assert_eq!(answered_share(&run.does(share())), Some(*ours));
        assert!(run.does(Event::Share(GUESSER.0)).is_empty(), "a second guess");
        // The server was restarted, or is another one, which may name another session.
        run.does(welcome());
        let other = SessionId::new(uuid::Uuid::from_u128(8));
        run.does(Event::Welcome { session: other, technician: technician(), viewer_present: true });
    }
    for event in [Event::NewPeer, Event::ControlOpen, hello()] {
        run.does(event);
    }
    assert!(has(&run.does(proof()), |e| matches!(e, Effect::Tell(News::PeerConnected))), "the key is kept");

    let mut guessed = Run::new();
    guessed.does(welcome());
    assert!(answered_share(&guessed.does(Event::Share(GUESSER.0))).is_some());
    assert!(guessed.does(share()).is_empty());
}

#[test]
fn what_is_no_share_ends_the_session() {
    // Our own, reflected, is of the wrong side.
    for bytes in [[0; SHARE_LEN], [0xff; SHARE_LEN], *VIEWER.1.as_bytes()] {
        let mut run = Run::new();
        run.does(welcome());
        assert!(ends_not_proven(&run.does(Event::Share(Share::from_bytes(bytes)))));
        assert!(run.does(share()).is_empty());
    }
}

#[test]
fn nothing_counts_before_the_proof_and_too_much_of_it_ends() {
    let line = ChatMessage::Line { number: 1, written_at_ms: 1, text: "hi".into() };
    let early = [
        ask(&[Right::View]),
        Event::Control(ToHost::Ping { nonce: 1 }),
        Event::Control(ToHost::Press(SpecialKeys::CtrlAltDel)),
        Event::Chat(line),
        Event::Input(InputEvent::Text("x".into())),
        Event::Pointer(PointerMove { sequence: 1, x: 2, y: 3 }),
        Event::FileOffered(offer(1)),
        Event::FileWithdrawn(offer(1).id),
        Event::FileWanted,
    ];
    let mut run = Run::open();
    run.does(hello());
    for event in &early {
        assert!(run.does(event.clone()).is_empty(), "{event:?}");
    }
    let file = LocalFile { path: "/x/b".into(), name: "b".into(), size: 1 };
    for event in [Event::SendFile(file), Event::Say { text: "x".into(), written_at_ms: 0 }] {
        assert!(matches!(run.does(event)[..], [Effect::Tell(News::Problem(_))]));
    }
    let asked = run.does(proof());
    assert!(question(&asked).is_none(), "what came before is forgotten");

    let mut run = Run::open();
    run.does(hello());
    let last = (0..GARBAGE).map(|_| run.does(early[3].clone())).last().unwrap();
    assert!(matches!(last.last(), Some(Effect::End(CloseReason::BadMessage))));
}

#[test]
fn rights_and_questions_wait_for_the_proof_of_a_new_connection() {
    let mut run = Run::with(&[Right::View]);
    let asked = run.does(ask(&[Right::Control, Right::FilesIn]));
    run.does(Event::NewPeer);
    run.does(Event::PeerConnected);
    run.does(Event::ControlOpen);
    run.does(hello());
    // The question about control stood before; the one about files waits.
    let given = run.yes(&asked);
    assert!(!has(&given, |e| matches!(e, Effect::Ask(_) | Effect::Send(_))));
    assert!(run.does(Event::Input(InputEvent::Text("x".into()))).is_empty());
    let back = run.does(proof());
    assert_eq!(question(&back).unwrap().right, Right::FilesIn);
    assert!(has(&back, |e| matches!(e, Effect::StartVideo(_))));
    assert!(has(&run.does(Event::Input(InputEvent::Text("x".into()))), |e| matches!(e, Effect::Inject(..))));
}

#[test]
fn a_late_yes_to_sight_shows_nothing_before_the_proof() {
    let mut run = Run::proven();
    let asked = run.does(ask(&[Right::View]));
    for event in [Event::NewPeer, Event::PeerConnected, Event::ControlOpen, hello()] {
        run.does(event);
    }
    let shown = |e: &Effect| matches!(e, Effect::StartVideo(_) | Effect::Send(_));
    assert!(!has(&run.yes(&asked), shown));
    assert!(!has(&run.does(Event::Screen { available: true }), shown));
    let layout = Layout { width: 100, height: 50, monitors: Vec::new() };
    assert!(!has(&run.does(Event::Layout(layout)), shown));
    assert!(has(&run.does(proof()), |e| matches!(e, Effect::StartVideo(_))));
}

#[test]
fn an_unproven_connection_does_not_stop_the_minute() {
    let mut run = Run::with(&[Right::View]);
    run.does(Event::NewPeer);
    run.now += INTERRUPTION.saturating_sub(PROOF_WAIT / 2);
    for event in [Event::PeerConnected, Event::ControlOpen, hello()] {
        run.does(event);
    }
    run.now += PROOF_WAIT / 2;
    assert!(has(&run.does(proof()), |e| matches!(e, Effect::Tell(News::RightsExpired))));
    assert!(run.session.rights().is_empty());
}

#[test]
fn neither_code_nor_seed_nor_key_prints() {
    let run = Run::proven();
    let text = format!("{:?} {:?}", run.session, session(Consent::Customer));
    assert!(text.contains("Agreed") && text.contains("Waiting") && !text.contains("705"), "{text}");
    assert!(!text.contains("[2, 2") && !text.contains("482"), "{text}");
}

/// What a customer may share.
fn choice() -> impl Strategy<Value = Choice> {
    let scopes = [Scope::Everything, Scope::Monitor(1), Scope::Window(WindowId(7))];
    prop::sample::select(scopes.to_vec()).prop_map(|scope| Choice { scope, name: "a window".into() })
}

fn any_event() -> impl Strategy<Value = Event> {
    let right = || (0..Right::ALL.len()).prop_map(|index| Right::ALL[index]);
    let rights = || any::<u16>().prop_map(Rights::from);
    prop_oneof![
        4 => Just(welcome()),
        5 => Just(share()),
        1 => Just(Event::Share(GUESSER.0)),
        1 => Just(Event::NewPeer),
        16 => Just(proof()),
        1 => Just(proof_by(&GUESSER.2, &binding(1))),
        1 => Just(proof_by(&VIEWER.2, &binding(0))),
        2 => Just(Event::Chat(ChatMessage::Line { number: 1, written_at_ms: 1, text: "x".into() })),
        1 => Just(Event::FileWanted),
        1 => Just(Event::Control(ToHost::Ping { nonce: 1 })),
        4 => Just(Event::PeerConnected),
        2 => Just(Event::PeerLost),
        1 => Just(Event::ControlOpen),
        1 => Just(Event::ChatOpen),
        6 => Just(hello()),
        8 => rights().prop_map(|rights| Event::Control(ToHost::Ask(rights))),
        2 => rights().prop_map(|rights| Event::Control(ToHost::GiveBack(rights))),
        1 => Just(Event::Control(ToHost::Press(SpecialKeys::CtrlAltDel))),
        4 => Just(Event::Input(InputEvent::Text("x".into()))),
        4 => Just(Event::Pointer(PointerMove { sequence: 1, x: 2, y: 3 })),
        2 => (0..4_u32).prop_map(|number| Event::FileOffered(offer(number))),
        1 => (0..4_u32).prop_map(|number| Event::FileWithdrawn(offer(number).id)),
        2 => Just(Event::Control(ToHost::Hello(Hello { version: Version::CURRENT, capabilities: Capabilities::SCOPE }))),
        12 => (0..12_u32, any::<bool>(), prop::option::weighted(0.2, choice()))
            .prop_map(|(id, yes, choice)| Event::Answer { question: QuestionId(id), yes, choice }),
        3 => right().prop_map(Event::Give),
        2 => choice().prop_map(Event::Narrow),
        1 => Just(Event::ScopeClosed),
        1 => any::<bool>().prop_map(Event::ScopeHidden),
        2 => Just(Event::Touched),
        2 => Just(Event::Resume),
        1 => Just(Event::InputProblem(InputProblem::Outside)),
        1 => Just(Event::Say { text: "x".into(), written_at_ms: 0 }),
        1 => Just(Event::SendFile(LocalFile { path: "/x".into(), name: "x".into(), size: 1 })),
        2 => right().prop_map(Event::TakeBack),
        1 => Just(Event::Layout(Layout { width: 8, height: 8, monitors: Vec::new() })),
        1 => Just(Event::InputProblem(InputProblem::Failed)),
        1 => Just(Event::Garbage),
        1 => Just(Event::Tick),
        1 => Just(Event::ServerLost("x".into())),
        1 => Just(Event::NetworkChanged),
        1 => Just(Event::RestartDue),
        1 => Just(Event::Offered),
        1 => Just(Event::ViewerDropped),
        1 => Just(Event::ViewerArrived),
        1 => Just(Event::AskAgain),
        1 => Just(Event::ServerEnded(CloseReason::ViewerLost)),
    ]
}

/// The model's own account of who the peer is.
#[derive(Default)]
struct Peer {
    welcomed: bool,
    /// Whether the first share was the true viewer's.
    key: Option<bool>,
    greeted: bool,
    proven: bool,
}

impl Peer {
    fn trusted(&self) -> bool {
        self.greeted && self.proven
    }

    /// Takes note; true if it is a wrong proof.
    fn happens(&mut self, event: &Event) -> bool {
        match event {
            Event::Welcome { .. } => self.welcomed = true,
            Event::Share(share) if self.welcomed => {
                self.key.get_or_insert(*share == VIEWER.0);
            }
            Event::NewPeer => (self.greeted, self.proven) = (false, false),
            Event::Control(ToHost::Hello(_)) => self.greeted = true,
            Event::Prove { proof, .. } => {
                let right = match self.key {
                    Some(true) => *proof == VIEWER.2.prove(&binding(1)),
                    // Then the guesser's key, of a wrong code, is not ours.
                    Some(false) | None => false,
                };
                self.proven |= right;
                return !right;
            }
            _ => {}
        }
        false
    }
}

/// Whether it tells the peer something or believes something of it.
fn needs_a_proof(effect: &Effect) -> bool {
    match effect {
        Effect::Send(message) => {
            !matches!(message, ToViewer::Hello(_) | ToViewer::Prove(_) | ToViewer::End(_))
        }
        Effect::Ask(_)
        | Effect::SendChat(_)
        | Effect::SendFile(_)
        | Effect::StartVideo(_)
        | Effect::Arrival(_)
        | Effect::Inject(..)
        | Effect::Move(..)
        | Effect::Press(..)
        | Effect::Receive(_)
        | Effect::Offer(_)
        | Effect::Tell(News::PeerConnected | News::Chat(_) | News::FileWanted) => true,
        _ => false,
    }
}

/// Whether tabs that are older than shared parts and resting control know the message.
fn is_known_to_all(message: &ToViewer) -> bool {
    use InputProblem::{Failed, NoControl, Unsupported};
    use Notice::{Headless, NotAsked, ScreenAvailable, ScreenUnavailable};
    match message {
        ToViewer::Shared(_) | ToViewer::Rests(_) => false,
        ToViewer::Notice(notice) => {
            matches!(notice, Headless | NotAsked | ScreenAvailable | ScreenUnavailable)
        }
        ToViewer::InputIgnored(problem) => matches!(problem, Failed | NoControl | Unsupported),
        ToViewer::Refused(right) => (*right as usize) < 4,
        _ => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    /// Whatever happens in whatever order: what is shown, injected or received was allowed by a yes to the question
    /// that stood open, or by a switch of the customer's, since the last time it was taken back; what is shown is what
    /// the customer shares; nothing is injected while their own hand is on mouse or keyboard; and it, the question, and
    /// whatever else is said to the peer or believed of it, came after the proof of this connection.
    #[test]
    fn nothing_without_a_yes_and_a_proof(start in 0..4_usize, steps in prop::collection::vec((any_event(), 0..40_u64), 0..80)) {
        let mut session = session(Consent::Customer);
        let mut now = Instant::now();
        let mut peer = Peer::default();
        // Most orders stay unproven: some start further on.
        let steps = [welcome(), share(), hello(), proof()]
            .into_iter()
            .take(if start == 3 { 4 } else { start })
            .map(|event| (event, 0))
            .chain(steps);
        let mut open: Option<Question> = None;
        let mut allowed = Rights::NONE;
        let mut shared = Some(Scope::Everything);
        let mut rests = false;
        let mut lost: Option<Instant> = None;
        for (event, seconds) in steps {
            let mut expired: Option<Question> = None;
            now += Duration::from_secs(seconds);
            if lost.is_some_and(|since| now >= since + INTERRUPTION) {
                // The questions go with the rights.
                (allowed, lost) = (Rights::NONE, None);
                expired = open.take();
            }
            match &event {
                Event::Answer { question, yes, choice } => {
                    // An answered question is closed, whatever the answer.
                    if let Some(closed) = open.take_if(|open| open.id == *question)
                        && *yes
                        && lost.is_none_or(|since| now < since + INTERRUPTION)
                    {
                        allowed = allowed.with(closed.right);
                        rests &= closed.right != Right::Control;
                        if closed.right == Right::View {
                            let chosen = choice.as_ref().map(|choice| choice.scope);
                            shared = chosen.or(shared).or(Some(Scope::Everything));
                        }
                    }
                }
                Event::Give(right) => {
                    let there = session.connected && peer.trusted() && session.offers().has(*right);
                    if there && (*right != Right::View || shared.is_some()) {
                        allowed = allowed.with(*right);
                        rests &= *right != Right::Control || !allowed.has(Right::View);
                    }
                }
                Event::Narrow(choice) => shared = Some(choice.scope),
                Event::ScopeClosed => (shared, allowed) = (None, allowed.without(Right::View)),
                Event::Touched => rests = true,
                Event::Resume => rests = false,
                Event::TakeBack(right) => allowed = allowed.without(*right),
                Event::Control(ToHost::GiveBack(rights)) if peer.trusted() => {
                    for right in rights.iter() {
                        allowed = allowed.without(right);
                    }
                }
                _ => {}
            }
            if !allowed.has(Right::View) {
                allowed = allowed.without(Right::Control);
            }
            let before = peer.trusted();
            let late = session.proof_until().is_some_and(|until| until <= now);
            let wrong = peer.happens(&event) || late;
            let effects = session.handle(event, now);
            prop_assert_eq!(has(&effects, |e| matches!(e, Effect::End(CloseReason::NotProven))), wrong);
            for effect in &effects {
                // What expires just as a new connection begins is still said to the one before.
                let to_former = before && matches!(effect, Effect::Send(_) | Effect::SendFile(_));
                let right = peer.trusted() || to_former || !needs_a_proof(effect);
                prop_assert!(right, "{:?} before the proof", effect);
                match effect {
                    Effect::Ask(question) => {
                        prop_assert!(open.is_none(), "one question at a time");
                        open = Some(question.clone());
                    }
                    Effect::Unask(id) => {
                        let closed = open.take().or_else(|| expired.take());
                        prop_assert_eq!(closed.map(|closed| closed.id), Some(*id));
                    }
                    Effect::StartVideo(grant) => {
                        prop_assert!(allowed.has(Right::View) && grant.check().is_ok());
                        prop_assert_eq!(Some(grant.scope()), shared);
                    }
                    Effect::Inject(_, grant) | Effect::Move(_, grant) | Effect::Press(_, grant) => {
                        prop_assert!(allowed.has(Right::Control) && grant.check().is_ok() && !rests);
                        prop_assert_eq!(Some(grant.scope()), shared);
                    }
                    Effect::Send(message) if session.theirs == Capabilities::NONE => {
                        prop_assert!(is_known_to_all(message), "{:?} to a tab that does not know it", message);
                    }
                    Effect::Receive(_) => prop_assert!(allowed.has(Right::FilesIn)),
                    Effect::Offer(_) => prop_assert!(allowed.has(Right::FilesOut)),
                    _ => {}
                }
            }
            for right in session.kept().iter() {
                prop_assert!(allowed.has(right), "{right} holds without a yes");
            }
            prop_assert!(!rests || !session.rights().has(Right::Control));
            if session.interrupted.is_none() {
                lost = None;
            } else {
                lost = lost.or(Some(now));
            }
            if session.ended().is_some() {
                prop_assert!(session.rights().is_empty());
                let released = |e: &Effect| matches!(e, Effect::ReleaseAll);
                prop_assert!(effects.is_empty() || has(&effects, released));
                break;
            }
        }
    }
}
