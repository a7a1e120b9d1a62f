//! Two technicians and a customer; strangers who would be one of them; and what holds for every order of events.

use std::sync::LazyLock;

use nearhand_protocol::chat::ChatMessage;
use nearhand_protocol::control::{Hello, InputProblem, ToHost, ToViewer};
use nearhand_protocol::file::TransferId;
use nearhand_protocol::grant::{Brake, Rights, Scope};
use nearhand_protocol::id::{Epoch, Seat};
use nearhand_protocol::input::{InputEvent, PointerMove};
use nearhand_protocol::invitation::{InvitationSecret, SECRET_LEN};
use nearhand_protocol::machine::handshake::{Binding, Exchange, Fingerprint, Key};
use nearhand_protocol::proof::Share;
use nearhand_protocol::signal::HostToServer;
use nearhand_protocol::version::{Capabilities, Version};
use proptest::prelude::*;

use super::super::{Colleague, FileOffer, Whom};
use super::*;

mod switches;

const BO: GuestId = GuestId(4_000_000_000);
const CY: GuestId = GuestId(5);
const FIRST: ViewerId = ViewerId(1);
const SECOND: ViewerId = ViewerId(2);

fn session_id() -> SessionId {
    SessionId::new(uuid::Uuid::from_u128(7))
}

fn code() -> Code {
    "482 913 705".parse().unwrap()
}

fn technician(name: &str) -> Technician {
    Technician { name: name.into(), organisation: "Help Ltd".into() }
}

fn invitation(number: u32) -> Invitation {
    let secret = InvitationSecret::from_random([number as u8; SECRET_LEN]);
    Invitation { id: InvitationId(number), secret }
}

fn invited(number: u32) -> Key {
    Key::invited(&invitation(number), session_id(), Seat::Viewer)
}

fn binding(epoch: u32) -> Binding {
    Binding { epoch: Epoch(epoch), host: Fingerprint([3; 32]), viewer: Fingerprint([4; 32]) }
}

fn proof(key: &Key) -> Event {
    Event::Prove { proof: key.prove(&binding(1)), binding: Some(binding(1)) }
}

fn ask(right: Right) -> Event {
    Event::Control(ToHost::Ask(Rights::only(right)))
}

fn hello() -> Event {
    Event::Control(ToHost::Hello(Hello { version: Version::CURRENT, capabilities: Capabilities::NONE }))
}

fn wheel() -> Event {
    Event::Input(InputEvent::Wheel { dx: 0, dy: 120 })
}

/// The share of the tab that knows the code, and the key that it comes to.
static OWNERS: LazyLock<(Share, Key)> = LazyLock::new(|| {
    let (exchange, share) = Exchange::begin(Seat::Viewer, session_id(), code(), [1; SEED_LEN]);
    let (_, ours) = Exchange::begin(Seat::Host, session_id(), code(), [2; SEED_LEN]);
    (share, exchange.finish(&ours).unwrap())
});

/// A company and its clock.
struct Run {
    company: Company,
    now: Instant,
    owner: Key,
}

impl Run {
    /// With the technician who gave the code, proven.
    fn new() -> Self {
        let company = Company::new(Consent::Customer, code(), [2; SEED_LEN], Brake::default());
        let (share, owner) = OWNERS.clone();
        let mut run = Self { company, now: Instant::now(), owner };
        let technician = technician("Ada");
        run.of(OWNER, Event::Welcome { session: session_id(), technician, viewer_present: true });
        run.of(OWNER, Event::Share(share));
        let key = run.owner.clone();
        run.joins(OWNER, &key);
        run
    }

    /// And with a second one, proven too.
    fn two() -> Self {
        let mut run = Self::new();
        run.invites(1);
        run.arrives(BO, 1);
        let joined = run.joins(FIRST, &invited(1));
        assert!(has(&joined, FIRST, |e| matches!(e, Effect::Send(ToViewer::Prove(_)))), "{joined:?}");
        run
    }

    fn of(&mut self, viewer: ViewerId, event: Event) -> Vec<Wanted> {
        self.company.of(viewer, event, self.now)
    }

    fn all(&mut self, event: &Event) -> Vec<Wanted> {
        self.company.all(event, self.now)
    }

    fn invites(&mut self, number: u32) -> Vec<Wanted> {
        self.of(OWNER, Event::Control(ToHost::Invite(invitation(number))))
    }

    fn arrives(&mut self, guest: GuestId, number: u32) -> Vec<Wanted> {
        self.company.guest_arrived(guest, InvitationId(number), &technician("Ada"), self.now)
    }

    /// A connection with everything open, and this proof over it.
    fn joins(&mut self, viewer: ViewerId, key: &Key) -> Vec<Wanted> {
        for event in [Event::NewPeer, Event::PeerConnected, Event::ControlOpen, Event::ChatOpen, hello()] {
            self.of(viewer, event);
        }
        self.of(viewer, proof(key))
    }

    fn answer(&mut self, wanted: &[Wanted], yes: bool) -> Vec<Wanted> {
        let (_, question) = question(wanted).expect("a question");
        self.company.answer(question.id, yes, None, self.now)
    }

    fn gives(&mut self, viewer: ViewerId, right: Right) -> Vec<Wanted> {
        let asked = self.of(viewer, ask(right));
        let given = self.answer(&asked, true);
        assert!(self.rights(viewer).has(right), "{given:?}");
        given
    }

    fn rights(&self, viewer: ViewerId) -> Rights {
        self.company.session(viewer).map(Session::rights).unwrap_or_default()
    }

    /// The two who began it go on as ever.
    fn goes_on(&mut self) {
        assert_eq!(self.company.owner.ended(), None);
        let answered = self.of(OWNER, Event::Control(ToHost::Ping { nonce: 7 }));
        assert!(has(&answered, OWNER, |e| matches!(e, Effect::Send(ToViewer::Pong { nonce: 7 }))));
    }
}

fn has(wanted: &[Wanted], viewer: ViewerId, what: impl Fn(&Effect) -> bool) -> bool {
    wanted.iter().any(|(of, effect)| *of == viewer && what(effect))
}

fn question(wanted: &[Wanted]) -> Option<(ViewerId, &Question)> {
    wanted.iter().find_map(|(viewer, effect)| match effect {
        Effect::Ask(question) => Some((*viewer, question)),
        _ => None,
    })
}

fn colleague(wanted: &[Wanted], what: &Colleague) -> bool {
    wanted.iter().any(|(_, e)| matches!(e, Effect::Tell(News::Colleague { what: told, .. }) if told == what))
}

/// What the server is told of guests.
fn sent_away(wanted: &[Wanted]) -> Vec<(GuestId, CloseReason)> {
    let told = wanted.iter().filter_map(|(_, effect)| match effect {
        Effect::Signal(HostToServer::GuestEnd { guest, reason }) => Some((*guest, *reason)),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_second_technician_comes_by_invitation_and_the_customer_is_asked_by_name() {
    let mut run = Run::new();
    assert!(has(&run.invites(1), OWNER, |e| matches!(e, Effect::Tell(News::Invited))));
    assert_eq!(sent_away(&run.arrives(BO, 1)), []);
    assert_eq!(run.company.viewer(BO), Some(FIRST));
    let joined = run.joins(FIRST, &invited(1));
    assert!(colleague(&joined, &Colleague::Words(invited(1).words())), "{joined:?}");
    assert!(colleague(&joined, &Colleague::Up), "{joined:?}");
    let theirs = |e: &Effect| matches!(e, Effect::Send(ToViewer::Prove(proof)) if invited(1).verify(&binding(1), proof).is_ok());
    assert!(has(&joined, FIRST, theirs));
    assert!(!joined.iter().any(|(_, e)| matches!(e, Effect::StartVideo(_) | Effect::Ask(_))));

    let asked = run.of(FIRST, ask(Right::View));
    let (_, question) = question(&asked).unwrap();
    assert_eq!((question.right, question.technician.name.as_str()), (Right::View, "Ada 2"));
    let given = run.answer(&asked, true);
    assert!(has(&given, FIRST, |e| matches!(e, Effect::StartVideo(_))));
    assert_eq!((run.rights(FIRST), run.rights(OWNER)), (Rights::only(Right::View), Rights::NONE));
    assert!(
        !given.iter().any(|(_, e)| matches!(e, Effect::Signal(_))),
        "the record of rights is that of the two who began: {given:?}"
    );
    run.goes_on();
}

#[test]
fn a_wrong_secret_uses_the_invitation_up_and_ends_nobody_else() {
    let mut run = Run::new();
    run.gives(OWNER, Right::View);
    run.invites(1);
    run.arrives(BO, 1);
    let joined = run.joins(FIRST, &invited(2));
    assert_eq!(sent_away(&joined), [(BO, CloseReason::NotProven)]);
    assert!(has(&joined, FIRST, |e| matches!(e, Effect::Send(ToViewer::End(CloseReason::NotProven)))));
    assert!(matches!(joined.last(), Some((FIRST, Effect::Leave))));
    assert!(colleague(&joined, &Colleague::Gone(CloseReason::NotProven)));
    assert_eq!(run.company.viewer(BO), None);
    // With the right secret it is too late.
    assert_eq!(sent_away(&run.arrives(CY, 1)), [(CY, CloseReason::UnknownCode)]);
    assert_eq!(run.rights(OWNER), Rights::only(Right::View));
    run.goes_on();
}

#[test]
fn an_invitation_is_good_once_for_whoever_proves_it_first() {
    let mut run = Run::new();
    run.invites(1);
    run.arrives(BO, 1);
    run.arrives(CY, 1);
    let joined = run.joins(SECOND, &invited(1));
    assert!(has(&joined, SECOND, |e| matches!(e, Effect::Send(ToViewer::Prove(_)))));
    assert_eq!(sent_away(&joined), [(BO, CloseReason::UnknownCode)]);
    assert!(run.joins(FIRST, &invited(1)).is_empty(), "nobody sits there any more");
    assert_eq!(sent_away(&run.arrives(GuestId(9), 1)), [(GuestId(9), CloseReason::UnknownCode)]);
    // Who is in proves it again on every connection.
    let again = run.joins(SECOND, &invited(1));
    assert!(has(&again, SECOND, |e| matches!(e, Effect::Send(ToViewer::Prove(_)))));
}

#[test]
fn a_server_that_invents_guests_gets_nothing() {
    let mut run = Run::new();
    for number in 0..20 {
        let guest = GuestId(number);
        assert_eq!(sent_away(&run.arrives(guest, number)), [(guest, CloseReason::UnknownCode)]);
        assert_eq!(run.company.viewer(guest), None, "no connection is ever made with them");
    }
    // With an invitation that is out it has a connection, and no proof.
    run.invites(1);
    for number in 0..20 {
        run.arrives(GuestId(number), 1);
    }
    assert_eq!(run.company.guests.len(), usize::from(GUESTS));
    for event in [Event::NewPeer, Event::PeerConnected, Event::ControlOpen, hello()] {
        run.of(FIRST, event);
    }
    for event in [
        ask(Right::View),
        wheel(),
        Event::Pointer(PointerMove { sequence: 1, x: 1, y: 1 }),
        Event::Chat(ChatMessage::Line { number: 1, written_at_ms: 1, text: "let me in".into() }),
        Event::Control(ToHost::Invite(invitation(8))),
    ] {
        assert_eq!(run.of(FIRST, event).len(), 0);
    }
    let said = run.all(&Event::Say { text: "hello".into(), written_at_ms: 1 });
    assert!(said.iter().all(|(viewer, _)| *viewer == OWNER), "{said:?}");
    run.now += Duration::from_secs(30);
    assert_eq!(sent_away(&run.all(&Event::Tick)), [(GuestId(0), CloseReason::NotProven)]);
    run.goes_on();
}

#[test]
fn a_server_that_swaps_the_two_is_noticed() {
    // The guest's seat leads to the owner's tab: its proof is another's.
    let mut run = Run::new();
    run.invites(1);
    run.arrives(BO, 1);
    let key = run.owner.clone();
    assert_eq!(sent_away(&run.joins(FIRST, &key)), [(BO, CloseReason::NotProven)]);
    run.goes_on();
    // The owner's seat leads to the guest's tab: both have to end.
    let mut run = Run::two();
    let swapped = run.joins(OWNER, &invited(1));
    assert!(has(&swapped, OWNER, |e| matches!(e, Effect::End(CloseReason::NotProven))));
    assert!(has(&swapped, FIRST, |e| matches!(e, Effect::Leave)));
}

#[test]
fn invitations_are_few_and_end_with_time() {
    let mut run = Run::new();
    for number in 0..=INVITATIONS as u32 {
        run.invites(number);
    }
    assert_eq!(sent_away(&run.arrives(BO, 0)).len(), 1, "the oldest is void");
    run.arrives(BO, 1);
    run.now += INVITED_FOR;
    let expired = run.all(&Event::Tick);
    assert_eq!(sent_away(&expired), [(BO, CloseReason::UnknownCode)]);
    assert!(run.company.invitations.is_empty() && run.company.guests.is_empty());

    // Only of the tab that proved the code, and after the proof.
    let mut run = Run::two();
    run.of(FIRST, Event::Control(ToHost::Invite(invitation(5))));
    assert_eq!(sent_away(&run.arrives(CY, 5)).len(), 1, "a guest invites nobody");
    run.of(OWNER, Event::NewPeer);
    run.of(OWNER, Event::Control(ToHost::Invite(invitation(5))));
    assert_eq!(sent_away(&run.arrives(CY, 5)).len(), 1, "nor who has proven nothing on this connection");
}

#[test]
fn the_customer_is_asked_one_thing_at_a_time() {
    let mut run = Run::two();
    let first = run.of(OWNER, ask(Right::View));
    let second = run.of(FIRST, ask(Right::View));
    assert_eq!(question(&first).unwrap().0, OWNER);
    assert!(question(&second).is_none());
    let stale = question(&first).unwrap().1.id;
    let next = run.answer(&first, true);
    assert!(has(&next, OWNER, |e| matches!(e, Effect::StartVideo(_))));
    assert_eq!(question(&next).unwrap().0, FIRST);
    assert!(run.company.answer(stale, true, None, run.now).is_empty(), "a late yes is none for the next");
    assert_eq!(run.rights(FIRST), Rights::NONE);
    // Withdrawn by the one, it makes room for the other's.
    run.of(OWNER, ask(Right::Control));
    let withdrawn = run.of(FIRST, Event::Control(ToHost::GiveBack(Rights::only(Right::View))));
    assert!(has(&withdrawn, FIRST, |e| matches!(e, Effect::Unask(_))));
    assert_eq!(question(&withdrawn).unwrap().0, OWNER);
    // Whoever goes takes their questions along.
    let mut run = Run::two();
    let asked = run.of(FIRST, ask(Right::View));
    let gone = run.company.guest_left(BO, CloseReason::TechnicianEnded, run.now);
    assert!(has(&gone, FIRST, |e| matches!(e, Effect::Unask(_))));
    assert!(run.answer(&asked, true).is_empty());
}

#[test]
fn one_holds_the_pointer_and_a_yes_hands_it_over() {
    let mut run = Run::two();
    for viewer in [OWNER, FIRST] {
        run.gives(viewer, Right::View);
    }
    run.gives(OWNER, Right::Control);
    assert!(has(&run.of(OWNER, wheel()), OWNER, |e| matches!(e, Effect::Inject(..))));
    let ignored = run.of(FIRST, wheel());
    let told = |e: &Effect| matches!(e, Effect::Send(ToViewer::InputIgnored(InputProblem::NoControl)));
    assert!(ignored.len() == 1 && has(&ignored, FIRST, told));
    // Who holds nothing lets go of nothing, however often they say so.
    assert!(run.of(FIRST, Event::Input(InputEvent::ReleaseAll)).is_empty());
    assert!(!run.of(FIRST, Event::PeerLost).iter().any(|(_, e)| matches!(e, Effect::ReleaseAll)));
    run.of(FIRST, Event::PeerConnected);

    let old = run.company.owner.grants.control().unwrap();
    let asked = run.of(FIRST, ask(Right::Control));
    assert_eq!(question(&asked).unwrap().1.instead_of, Some(technician("Ada")));
    assert!(old.check().is_ok(), "the question alone changes nothing");
    let given = run.answer(&asked, true);
    assert!(old.check().is_err() && has(&given, OWNER, |e| matches!(e, Effect::ReleaseAll)));
    let taken =
        |e: &Effect| matches!(e, Effect::Send(ToViewer::Rights { held, .. }) if !held.has(Right::Control));
    assert!(has(&given, OWNER, taken), "{given:?}");
    assert_eq!(run.company.holders().collect::<Vec<_>>(), [FIRST]);
    let injected = run.of(FIRST, wheel());
    assert!(matches!(injected[..], [(FIRST, Effect::OtherHand), (FIRST, Effect::Inject(..))]));
    // A no changes nothing.
    let asked = run.of(OWNER, ask(Right::Control));
    run.answer(&asked, false);
    assert_eq!(run.company.holders().collect::<Vec<_>>(), [FIRST]);
}

#[test]
fn a_guest_ends_alone_and_the_customer_and_the_owner_end_all() {
    let mut run = Run::two();
    run.gives(OWNER, Right::View);
    run.gives(FIRST, Right::View);
    let view = run.company.guests[&FIRST].session.grants.view().unwrap();
    let left = run.of(FIRST, Event::Control(ToHost::End));
    assert!(has(&left, FIRST, |e| matches!(e, Effect::StopVideo)) && view.check().is_err());
    let last = left.iter().rev().find(|(_, e)| !matches!(e, Effect::Tell(News::Who(_))));
    assert!(matches!(last, Some((FIRST, Effect::Leave))));
    assert!(!left.iter().any(|(_, e)| matches!(e, Effect::End(_) | Effect::StopFiles(_))));
    assert_eq!(run.rights(OWNER), Rights::only(Right::View));
    run.goes_on();

    // Garbage, and a no to their first question, are theirs alone too.
    let mut run = Run::two();
    let mut last = Vec::new();
    for _ in 0..100 {
        last = run.of(FIRST, Event::Garbage);
    }
    assert_eq!(sent_away(&last), [(BO, CloseReason::CustomerEnded)]);
    run.goes_on();
    let mut run = Run::two();
    let asked = run.of(FIRST, ask(Right::View));
    assert_eq!(sent_away(&run.answer(&asked, false)), [(BO, CloseReason::CustomerRefused)]);
    run.goes_on();

    for (of, event, reason) in [
        (None, Event::End, CloseReason::CustomerEnded),
        (Some(OWNER), Event::Control(ToHost::End), CloseReason::TechnicianEnded),
        (Some(OWNER), Event::ServerEnded(CloseReason::TooLong), CloseReason::TooLong),
    ] {
        let mut run = Run::two();
        let ended = match of {
            Some(viewer) => run.of(viewer, event),
            None => run.all(&event),
        };
        let told = |e: &Effect| matches!(e, Effect::Send(ToViewer::End(told)) if *told == reason);
        assert!(has(&ended, OWNER, told) && has(&ended, FIRST, told), "{ended:?}");
        assert!(matches!(ended.last(), Some((OWNER, Effect::End(told))) if *told == reason));
        let last_news = ended.iter().rev().find(|(_, e)| matches!(e, Effect::Tell(_)));
        assert!(matches!(last_news, Some((_, Effect::Tell(News::Ended(_))))), "nothing is said after it");
    }
}

#[test]
fn what_the_customer_says_and_takes_back_goes_to_all() {
    let mut run = Run::two();
    for viewer in [OWNER, FIRST] {
        run.gives(viewer, Right::View);
    }
    let said = run.all(&Event::Say { text: "hello".into(), written_at_ms: 1 });
    for viewer in [OWNER, FIRST] {
        assert!(has(&said, viewer, |e| matches!(e, Effect::SendChat(ChatMessage::Line { .. }))));
    }
    let line = ChatMessage::Line { number: 1, written_at_ms: 1, text: "hi".into() };
    let heard = run.of(FIRST, Event::Chat(line));
    let shown = News::Colleague { technician: technician("Ada 2"), what: Colleague::Chat("hi".into()) };
    assert!(heard.iter().any(|(_, e)| matches!(e, Effect::Tell(news) if *news == shown)));
    let taken = run.all(&Event::TakeBack(Right::View));
    for viewer in [OWNER, FIRST] {
        assert!(has(&taken, viewer, |e| matches!(e, Effect::StopVideo)));
        assert_eq!(run.rights(viewer), Rights::NONE);
    }
}

#[test]
fn guests_get_no_files() {
    let mut run = Run::two();
    let id = TransferId { sender: Seat::Viewer, number: 1 };
    let offered = run.of(FIRST, Event::FileOffered(FileOffer { id, name: "a".into(), size: 3 }));
    assert!(matches!(offered[..], [(FIRST, Effect::SendFile(_))]));
    assert!(run.of(FIRST, Event::FileWanted).is_empty());
    for right in [Right::FilesIn, Right::FilesOut] {
        let asked = run.of(FIRST, ask(right));
        assert!(has(&asked, FIRST, |e| matches!(e, Effect::Send(ToViewer::Refused(_)))));
        assert!(question(&asked).is_none());
    }
    let lost = run.of(FIRST, Event::NewPeer);
    assert!(!lost.iter().any(|(_, e)| matches!(e, Effect::LoseFiles)), "the owner's go on");
}

#[test]
fn noes_to_guests_count_so_that_nobody_is_asked_for_ever() {
    let mut run = Run::new();
    for number in 1..=3 {
        run.invites(number);
        assert_eq!(sent_away(&run.arrives(GuestId(number), number)), []);
        run.joins(FIRST, &invited(number));
        let asked = run.of(FIRST, ask(Right::View));
        run.answer(&asked, false);
    }
    run.invites(4);
    assert_eq!(sent_away(&run.arrives(BO, 4)), [(BO, CloseReason::CustomerRefused)]);
    run.all(&Event::AskAgain);
    assert_eq!(sent_away(&run.arrives(BO, 4)), []);
}

#[test]
fn who_is_not_named_after_a_return_to_the_server_is_gone_in_a_minute() {
    let mut run = Run::two();
    run.invites(2);
    run.arrives(CY, 2);
    run.joins(SECOND, &invited(2));
    let technician = technician("Ada");
    run.of(OWNER, Event::Welcome { session: session_id(), technician, viewer_present: true });
    run.arrives(CY, 2);
    run.now += Duration::from_secs(59);
    assert!(!run.all(&Event::Tick).iter().any(|(_, e)| matches!(e, Effect::Leave)));
    run.now += Duration::from_secs(1);
    let late = run.all(&Event::Tick);
    assert!(has(&late, FIRST, |e| matches!(e, Effect::Leave)) && run.company.viewer(CY).is_some());
}

/// What may happen, by number; each step is of one of three viewers.
fn step(run: &mut Run, kind: u8, viewer: ViewerId, yes: bool) -> Vec<Wanted> {
    let guest = GuestId(u32::from(viewer.0));
    let key = match viewer {
        OWNER => run.owner.clone(),
        ViewerId(number) => invited(if yes { number.into() } else { 99 }),
    };
    match kind {
        0 => run.invites(viewer.0.into()),
        1 => run.arrives(guest, viewer.0.into()),
        2 => run.of(viewer, Event::NewPeer),
        3 => run.of(viewer, Event::ControlOpen),
        4 => run.of(viewer, hello()),
        5 => run.of(viewer, proof(&key)),
        6 | 7 => run.of(viewer, ask(Right::View)),
        8 => run.of(viewer, ask(Right::Control)),
        9..=12 => {
            let open = run.company.put.unwrap_or(QuestionId(0));
            run.company.answer(open, yes, None, run.now)
        }
        13 => run.of(viewer, wheel()),
        14 => run.of(viewer, Event::PeerLost),
        15 => run.of(viewer, Event::PeerConnected),
        16 => run.company.guest_left(guest, CloseReason::ViewerLost, run.now),
        17 => run.all(&Event::TakeBack(if yes { Right::View } else { Right::Control })),
        18 => run.of(
            viewer,
            Event::FileOffered(FileOffer {
                id: TransferId { sender: Seat::Viewer, number: 1 },
                name: "a".into(),
                size: 1,
            }),
        ),
        19 => {
            run.now += Duration::from_secs(if yes { 1 } else { 20 });
            run.all(&Event::Tick)
        }
        20 | 21 => run.company.give(
            if yes { Whom::One(viewer) } else { Whom::All },
            if kind == 20 { Right::View } else { Right::Control },
            run.now,
        ),
        22 => run.company.take_back(Whom::One(viewer), Right::Control, run.now),
        23 => run.company.control_key(run.now),
        24 => run.all(if yes { &Event::Resume } else { &Event::Touched }),
        25 => {
            let scope = if yes { Scope::Everything } else { Scope::Monitor(viewer.0) };
            run.all(&Event::Narrow(Choice { scope, name: String::new() }))
        }
        26 if !yes => run.all(&Event::ScopeClosed),
        _ => run.of(viewer, Event::Input(InputEvent::ReleaseAll)),
    }
}

proptest! {
    /// Whatever the order: one at most holds the pointer; no picture and no input of a guest without a proof and without a
    /// yes to a question of theirs or a switch for them; never more than one question; nothing of the owner's is done in a
    /// guest's name; all who see see the same; and the customer knows of everybody who may do something.
    #[test]
    fn any_order_keeps_the_promise(steps in prop::collection::vec((0..28_u8, 0..3_u8, prop::bool::weighted(0.8)), 0..250)) {
        let mut run = Run::new();
        let mut open: Option<QuestionId> = None;
        let mut proven = std::collections::BTreeSet::from([OWNER]);
        let mut seen = std::collections::BTreeSet::new();
        let mut asking: Option<(ViewerId, Right)> = None;
        let mut lookers = Vec::new();
        for (kind, viewer, yes) in steps {
            let viewer = ViewerId(viewer);
            let answered = asking.filter(|_| (9..=12).contains(&kind) && yes);
            if let Some((viewer, Right::View)) = answered {
                seen.insert(viewer);
            }
            if kind == 20 {
                seen.extend(proven.iter().filter(|of| !yes || **of == viewer));
            }
            if (9..=12).contains(&kind) {
                (open, asking) = (None, None);
            }
            let mut started = Vec::new();
            for (of, effect) in step(&mut run, kind, viewer, yes) {
                match effect {
                    Effect::Ask(question) => {
                        prop_assert!(open.replace(question.id).is_none() && proven.contains(&of));
                        asking = Some((of, question.right));
                    }
                    Effect::Unask(id) => {
                        prop_assert_eq!(open.take(), Some(id));
                        asking = None;
                    }
                    Effect::Send(ToViewer::Prove(_)) => { proven.insert(of); }
                    Effect::StartVideo(grant) => {
                        prop_assert!(proven.contains(&of) && seen.contains(&of));
                        started.push(grant);
                    }
                    Effect::Tell(News::Who(told)) => lookers = told,
                    Effect::Inject(_, grant) => {
                        prop_assert!(grant.check().is_ok() && run.rights(of).has(Right::Control));
                        prop_assert_eq!(run.company.hand, Some(of));
                    }
                    Effect::Leave => {
                        prop_assert!(of != OWNER);
                        proven.remove(&of);
                        seen.remove(&of);
                    }
                    Effect::Receive(_) | Effect::Offer(_) | Effect::StopFiles(_) | Effect::LoseFiles
                    | Effect::Redial | Effect::End(_) => prop_assert_eq!(of, OWNER),
                    Effect::Tell(News::RightsExpired) => { seen.remove(&OWNER); }
                    _ => {}
                }
            }
            // By the end of a step, that is: one that changes what is shared starts and stops.
            let shared = run.company.choice.as_ref().map(|choice| choice.scope);
            prop_assert!(started.iter().all(|grant| grant.check().is_err() || Some(grant.scope()) == shared));
            let live = run.company.owner.ended().is_none();
            for viewer in run.company.everybody().into_iter().filter(|_| live) {
                let session = run.company.session(viewer).unwrap();
                prop_assert!(session.grants.scope() == shared, "{viewer:?}");
                let told = lookers.iter().find(|looker| looker.viewer == viewer);
                let told = told.map(|looker| looker.held).unwrap_or_default();
                prop_assert_eq!(told, session.rights());
            }
            prop_assert!(run.company.holders().count() <= 1);
            prop_assert!(run.company.invitations.len() <= INVITATIONS);
            prop_assert!(run.company.guests.len() <= usize::from(GUESTS));
        }
    }
}
