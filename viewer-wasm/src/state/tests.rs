//! Tables of the ordinary ways through a session, and the properties that hold on every other way.

use nearhand_protocol::code::Secret;
use nearhand_protocol::control::{Hello, Notice, ToViewer};
use nearhand_protocol::id::{Seat, SessionId};
use nearhand_protocol::machine::handshake::{Exchange, Fingerprint, Key};
use nearhand_protocol::picture::{Area, View};
use nearhand_protocol::proof::Share;
use proptest::prelude::*;

use super::*;

mod mending;

/// What follows for a host that could not prove itself.
const NOT_PROVEN: [Effect; 2] = [Effect::TellServerEnd(CloseReason::NotProven), Effect::Close];
const VIEW: Rights = Rights::only(Right::View);

fn both() -> Rights {
    VIEW.with(Right::Control)
}

fn welcome(host: bool, epoch: u32) -> Event {
    Event::Welcomed {
        version: Version::CURRENT,
        nameplate: Nameplate::from_number(482_913).unwrap(),
        code_valid_s: if host { 0 } else { 600 },
        epoch: Epoch(epoch),
        host: host.then(HostInfo::default),
    }
}

/// A tab that has the session's key already, as after a reload.
fn tab() -> State {
    State::new(Capabilities::NONE, Known { key: Some(key(Seat::Viewer)), ..stranger() })
}

/// What a tab knows that knows nothing.
fn stranger() -> Known {
    Known { session: session(), secret: None, key: None, begun: None, fresh: Seed([1; 64]) }
}

fn session() -> SessionId {
    "6ba7b8109dad41d180b400c04fd430c8".parse().unwrap()
}

fn key(seat: Seat) -> Key {
    Key::restore([9; 32], session(), seat)
}

fn binding(epoch: u32) -> Binding {
    Binding { epoch: Epoch(epoch), host: Fingerprint([3; 32]), viewer: Fingerprint([4; 32]) }
}

fn described(epoch: u32) -> Event {
    Event::Described(Epoch(epoch), Some(binding(epoch)))
}

/// The proof of a host that knows the code and has this very connection.
fn proof(epoch: u32) -> Event {
    Event::Heard(ToViewer::Prove(key(Seat::Host).prove(&binding(epoch))))
}

fn our_proof(epoch: u32) -> Effect {
    tell(ToHost::Prove(key(Seat::Viewer).prove(&binding(epoch))))
}

fn rights(held: Rights, asked: Rights) -> Event {
    Event::Heard(ToViewer::Rights { held, asked })
}

/// A session in which the customer lets the technician see and act; the clock stands at 1000.
fn controlling() -> State {
    let mut state = tab();
    for event in [
        welcome(false, 7),
        Event::HostArrived(HostInfo::default()),
        described(7),
        Event::LinkUp(Epoch(7)),
        Event::ControlOpen(Epoch(7)),
        proof(7),
        rights(both(), Rights::NONE),
    ] {
        state.handle(1000, event);
    }
    assert_eq!(state.phase(), Phase::Controlling);
    state
}

fn tell(message: ToHost) -> Effect {
    Effect::Tell(message)
}

#[test]
fn from_the_code_to_control() {
    let known = Known { key: Some(key(Seat::Viewer)), ..stranger() };
    let mut state = State::new(Capabilities::H264_TRACK, known);
    assert_eq!(state.phase(), Phase::Opening);
    assert_eq!(state.handle(0, welcome(false, 7)), []);
    assert_eq!(state.phase(), Phase::Waiting);
    assert_eq!(state.handle(1, Event::HostArrived(HostInfo::default())), [Effect::StartPeer(Epoch(7))]);
    assert_eq!(state.phase(), Phase::Connecting);
    assert!(!state.pairing().unwrap().open);
    assert_eq!(state.handle(2, described(7)), []);
    state.handle(2, Event::LinkUp(Epoch(7)));
    let hello = Hello { version: Version::CURRENT, capabilities: Capabilities::H264_TRACK };
    let introduced = [tell(ToHost::Hello(hello)), our_proof(7), tell(ToHost::Ask(VIEW))];
    assert_eq!(state.handle(3, Event::ControlOpen(Epoch(7))), introduced);
    assert_eq!(state.phase(), Phase::Proving);
    assert_eq!(state.words(), None);
    assert_eq!(state.handle(3, proof(7)), [Effect::Proven]);
    assert_eq!(state.words(), Some(key(Seat::Host).words()));
    assert_eq!(state.phase(), Phase::Asking);
    assert!(!state.may_see());
    state.handle(4, rights(VIEW, Rights::NONE));
    assert_eq!(state.phase(), Phase::Viewing);
    assert!(state.may_see() && !state.may_control());
    let asks = [tell(ToHost::Ask(Rights::only(Right::Control)))];
    assert_eq!(state.handle(5, Event::AskControl), asks);
    assert_eq!(state.handle(5, Event::AskControl), [], "the customer is asked once");
    let given = [Effect::Announce(Announcement::Given(Right::Control))];
    assert_eq!(state.handle(6, rights(both(), Rights::NONE)), given);
    assert!(state.may_control());
}

#[test]
fn a_no_is_said_and_can_be_asked_again() {
    let mut state = tab();
    for event in [welcome(true, 1), described(1), Event::ControlOpen(Epoch(1)), proof(1)] {
        state.handle(0, event);
    }
    let refused = [Effect::Announce(Announcement::Refused(Right::View))];
    assert_eq!(state.handle(1, Event::Heard(ToViewer::Refused(Right::View))), refused);
    assert_eq!(state.phase(), Phase::Declined);
    assert_eq!(state.handle(2, Event::AskView), [tell(ToHost::Ask(VIEW))]);
    assert_eq!(state.phase(), Phase::Asking);
    assert_eq!(state.handle(2, Event::AskControl), [], "not before the technician may see");
}

#[test]
fn who_loses_control_lets_go_and_who_loses_sight_sees_nothing() {
    let mut state = controlling();
    let effects = state.handle(1001, rights(VIEW, Rights::NONE));
    assert!(effects.contains(&Effect::ReleaseInput) && !effects.contains(&Effect::Darken));
    let mut state = controlling();
    let effects = state.handle(1001, rights(Rights::NONE, Rights::NONE));
    assert!(effects.contains(&Effect::ReleaseInput) && effects.contains(&Effect::Darken));
    assert_eq!(state.phase(), Phase::Declined);
    let mut state = controlling();
    let effects = state.handle(1001, Event::GiveBackControl);
    assert_eq!(effects, [tell(ToHost::GiveBack(Rights::only(Right::Control))), Effect::ReleaseInput]);
}

#[test]
fn a_lost_server_leaves_the_session_running() {
    let mut state = controlling();
    assert_eq!(state.handle(1001, Event::SignalLost), []);
    assert_eq!(state.phase(), Phase::Controlling);
    assert!(state.is_server_lost());
    assert_eq!(state.handle(1002, welcome(true, 9)), [], "what runs is left alone");
    assert_eq!(state.phase(), Phase::Controlling);
}

#[test]
fn a_connection_that_never_comes_up_is_replaced() {
    let mut state = tab();
    state.handle(0, welcome(true, 3));
    for now_ms in (0..CONNECT_MS).step_by(500) {
        assert_eq!(state.handle(now_ms, Event::Tick), []);
    }
    assert_eq!(state.phase(), Phase::Connecting);
    assert_eq!(state.handle(CONNECT_MS, Event::Tick), [Effect::StartPeer(Epoch(4))]);
    assert_eq!(state.phase(), Phase::Unreached, "the first attempt was in vain");
}

#[test]
fn the_end_is_the_end() {
    for (event, reason) in [
        (Event::End, CloseReason::TechnicianEnded),
        (Event::Heard(ToViewer::End(CloseReason::CustomerEnded)), CloseReason::CustomerEnded),
        (Event::SignalEnded(CloseReason::HostLost), CloseReason::HostLost),
    ] {
        let mut state = controlling();
        let effects = state.handle(1001, event);
        for effect in [Effect::Close, Effect::ReleaseInput, Effect::Darken] {
            assert!(effects.contains(&effect), "{effect:?}");
        }
        assert_eq!(state.phase(), Phase::Ended(reason));
        assert_eq!(state.handle(1002, welcome(true, 99)), []);
        assert_eq!(state.phase(), Phase::Ended(reason));
    }
}

#[test]
fn another_version_ends_it() {
    let mut state = controlling();
    let hello = Hello { version: Version(2), capabilities: Capabilities::NONE };
    state.handle(1001, Event::Heard(ToViewer::Hello(hello)));
    assert_eq!(state.phase(), Phase::Ended(CloseReason::VersionMismatch));
}

#[test]
fn what_is_shown_is_that_of_the_current_peer_connection() {
    let mut state = controlling();
    let hello =
        |capabilities| Event::Heard(ToViewer::Hello(Hello { version: Version::CURRENT, capabilities }));
    assert_eq!(state.host_paints(), None, "it has not said so far");
    state.handle(1001, hello(Capabilities::H264_TRACK));
    assert_eq!(state.host_paints(), Some(false));
    state.handle(1001, hello(Capabilities::H264_TRACK.with(Capabilities::PICTURE)));
    assert_eq!((state.host_paints(), state.view()), (Some(true), None));
    let view = View { number: 3, monitor: None, area: Area::new(0, 0, 800, 600) };
    state.handle(1002, Event::Heard(ToViewer::View(view)));
    assert_eq!(state.view(), Some(view));
}

#[test]
fn a_host_that_misleads_ends_the_session() {
    let mut state = controlling();
    let effects = state.handle(1001, Event::Misled);
    assert_eq!(state.phase(), Phase::Ended(CloseReason::BadMessage));
    assert!(effects.contains(&tell(ToHost::End)) && effects.contains(&Effect::Close));
    assert!(effects.contains(&Effect::ReleaseInput), "what is held is let go");
}

/// A host that knows the code, as far as the key: its share, and its key.
fn agree(code: &str, share: Share) -> (Share, Key) {
    let (exchange, own) = Exchange::begin(Seat::Host, session(), code.parse().unwrap(), [2; 64]);
    (own, exchange.finish(&share).unwrap())
}

fn shares(effects: &[Effect]) -> Vec<Share> {
    effects
        .iter()
        .filter_map(|effect| if let Effect::Share(share) = effect { Some(*share) } else { None })
        .collect()
}

fn knowing(secret: &str) -> Known {
    Known { secret: Some(secret.parse().unwrap()), ..stranger() }
}

#[test]
fn the_code_becomes_a_key_and_the_key_a_proof() {
    let mut state = State::new(Capabilities::NONE, knowing("705"));
    assert_eq!(state.handle(0, welcome(false, 7)), [], "nobody is there to agree with");
    let effects = state.handle(0, Event::HostArrived(HostInfo::default()));
    let [Effect::KeepSeed { .. }, Effect::Share(share), Effect::StartPeer(Epoch(7))] = effects[..] else {
        panic!("{effects:?}")
    };
    for event in [described(7), Event::LinkUp(Epoch(7)), Event::ControlOpen(Epoch(7))] {
        assert!(
            !state.handle(0, event).iter().any(|effect| matches!(effect, Effect::Tell(ToHost::Prove(_))))
        );
    }
    let (theirs, host) = agree("482913705", share);
    let effects = state.handle(0, Event::Shared(theirs));
    let [Effect::KeepKey, Effect::Tell(ToHost::Prove(ours)), Effect::Tell(ToHost::Ask(VIEW))] = effects[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!(host.verify(&binding(7), &ours), Ok(()));
    state.handle(0, Event::Heard(ToViewer::Prove(host.prove(&binding(7)))));
    assert_eq!(state.phase(), Phase::Asking);
    assert_eq!(state.handle(1, Event::Shared(theirs)), [], "one exchange");
    assert_eq!(shares(&state.handle(1, Event::HostArrived(HostInfo::default()))), []);
}

#[test]
fn another_code_leads_to_another_key_and_to_the_end() {
    let mut state = State::new(Capabilities::NONE, knowing("705"));
    let share = shares(&state.handle(0, welcome(true, 7)))[0];
    let (theirs, guesser) = agree("482913706", share);
    for event in [described(7), Event::ControlOpen(Epoch(7)), Event::Shared(theirs)] {
        state.handle(0, event);
    }
    state.handle(0, Event::Heard(ToViewer::Prove(guesser.prove(&binding(7)))));
    assert_eq!(state.phase(), Phase::Ended(CloseReason::NotProven));
}

#[test]
fn there_is_one_share_for_a_tab_whatever_the_server_says() {
    let mut state = State::new(Capabilities::NONE, knowing("705"));
    let effects = state.handle(0, welcome(true, 7));
    let first = shares(&effects);
    let Some(Effect::KeepSeed { code, seed }) = effects.first().cloned() else { panic!("{effects:?}") };
    assert_eq!(shares(&state.handle(1, Event::HostArrived(HostInfo::default()))), first);
    let mut other = welcome(true, 9);
    if let Event::Welcomed { nameplate, .. } = &mut other {
        *nameplate = Nameplate::from_number(1).unwrap();
    }
    assert_eq!(shares(&state.handle(2, other.clone())), first, "another code would give this one away");
    // The page is reloaded.
    let known = || Known { begun: Some((code, seed.clone())), fresh: Seed([7; 64]), ..knowing("705") };
    let mut state = State::new(Capabilities::NONE, known());
    assert_eq!(shares(&state.handle(0, welcome(true, 9))), first);
    let mut state = State::new(Capabilities::NONE, known());
    let afresh = state.handle(0, other);
    assert!(matches!(&afresh[0], Effect::KeepSeed { seed, .. } if *seed == Seed([7; 64])), "{afresh:?}");
}

#[test]
fn a_tab_without_the_digits_says_so_and_takes_them_once() {
    let mut state = State::new(Capabilities::NONE, stranger());
    state.handle(0, welcome(false, 7));
    assert_eq!((state.phase(), state.lacks_secret()), (Phase::Waiting, true));
    state.handle(0, Event::HostArrived(HostInfo::default()));
    for event in [described(7), Event::ControlOpen(Epoch(7))] {
        state.handle(0, event);
        assert_eq!(state.phase(), Phase::Locked);
    }
    assert_eq!(shares(&state.handle(0, Event::SecretTyped("705".parse().unwrap()))).len(), 1);
    assert_eq!(state.phase(), Phase::Proving);
    assert_eq!(state.handle(0, Event::SecretTyped("706".parse().unwrap())), []);
}

#[test]
fn a_tab_that_came_too_late_for_the_exchange_says_so() {
    let mut state = State::new(Capabilities::NONE, knowing("705"));
    let share = shares(&state.handle(0, welcome(true, 7)))[0];
    state.handle(0, described(7));
    state.handle(500, Event::ControlOpen(Epoch(7)));
    for now_ms in (1000..500 + PROVE_MS).step_by(500) {
        assert_eq!(state.handle(now_ms, Event::Tick), []);
        assert_eq!(state.phase(), Phase::Proving);
    }
    assert_eq!(state.handle(500 + PROVE_MS, Event::Tick), []);
    assert_eq!(state.phase(), Phase::Stranded);
    state.handle(20_000, Event::Shared(agree("482913705", share).0));
    assert_eq!(state.phase(), Phase::Proving, "better late than never");
}

#[test]
fn before_the_proof_nothing_is_believed_and_nothing_said() {
    let layout = Layout { width: 64, height: 48, monitors: Vec::new() };
    for event in [
        rights(both(), Rights::NONE),
        Event::Heard(ToViewer::Refused(Right::View)),
        Event::Heard(ToViewer::Layout(layout)),
        Event::Heard(ToViewer::Notice(Notice::Headless)),
        Event::Heard(ToViewer::Pong { nonce: 1 }),
        Event::Heard(ToViewer::InputIgnored(nearhand_protocol::control::InputProblem::Failed)),
        Event::AskView,
        Event::AskControl,
        Event::GiveBackControl,
        Event::HostDropped { grace_s: 60 },
        Event::Tick,
    ] {
        let mut state = tab();
        for event in [welcome(true, 7), described(7), Event::ControlOpen(Epoch(7))] {
            state.handle(0, event);
        }
        let heard = matches!(event, Event::Heard(_));
        assert_eq!(state.handle(PING_MS, event.clone()), [], "{event:?}");
        assert_eq!(state.disbelieved(), u32::from(heard), "{event:?}");
        assert!(!state.may_see() && !state.is_headless() && state.layout().is_none());
        assert_eq!(state.phase(), Phase::Proving, "{event:?}");
        state.handle(PING_MS, proof(7));
        assert!(!state.may_see(), "nor is it remembered for later: {event:?}");
    }
}

#[test]
fn a_proof_for_something_else_ends_it() {
    let host = key(Seat::Host);
    let stolen = Binding { viewer: Fingerprint([5; 32]), ..binding(7) };
    for (proof, what) in [
        (host.prove(&stolen), "somebody stands between"),
        (host.prove(&Binding { host: Fingerprint([5; 32]), ..binding(7) }), "or there"),
        (host.prove(&binding(6)), "an earlier connection's"),
        (key(Seat::Viewer).prove(&binding(7)), "our own"),
        (Key::restore([8; 32], session(), Seat::Host).prove(&binding(7)), "another code's"),
    ] {
        let mut state = tab();
        for event in [welcome(true, 7), described(7), Event::ControlOpen(Epoch(7))] {
            state.handle(0, event);
        }
        let effects = state.handle(1, Event::Heard(ToViewer::Prove(proof)));
        assert_eq!(effects, NOT_PROVEN, "{what}");
        assert_eq!(state.phase(), Phase::Ended(CloseReason::NotProven), "{what}");
        // And while the session runs it is no better.
        let mut state = controlling();
        let effects = state.handle(1001, Event::Heard(ToViewer::Prove(proof)));
        assert!(effects.contains(&Effect::Close) && effects.contains(&Effect::Darken), "{what}");
    }
}

#[test]
fn descriptions_without_a_certificate_and_shares_that_are_none_end_it() {
    let mut state = tab();
    state.handle(0, welcome(true, 7));
    state.handle(0, Event::Described(Epoch(7), None));
    assert_eq!(state.phase(), Phase::Ended(CloseReason::NotProven));
    let mut state = State::new(Capabilities::NONE, knowing("705"));
    let own = shares(&state.handle(0, welcome(true, 7)))[0];
    state.handle(0, Event::Shared(own));
    assert_eq!(state.phase(), Phase::Ended(CloseReason::NotProven), "reflected");
}

#[test]
fn a_host_that_does_not_answer_a_proof_can_not() {
    let begin = || {
        let mut state = tab();
        for event in [welcome(true, 7), described(7), Event::LinkUp(Epoch(7)), Event::ControlOpen(Epoch(7))] {
            state.handle(0, event);
        }
        state
    };
    let wait = |state: &mut State, from_ms: u64| {
        for now_ms in (from_ms..from_ms + PROVE_MS).step_by(500) {
            state.handle(now_ms, Event::Tick);
            assert!(!matches!(state.phase(), Phase::Ended(_)), "{now_ms}");
        }
        state.handle(from_ms + PROVE_MS, Event::Tick)
    };
    let mut state = begin();
    assert_eq!(wait(&mut state, 0), NOT_PROVEN);
    assert_eq!(state.phase(), Phase::Ended(CloseReason::NotProven));
    // It is gone, and not unable.
    let mut state = begin();
    state.handle(0, Event::HostDropped { grace_s: 60 });
    assert_eq!(wait(&mut state, 0), []);
    // The packets do not arrive: the connection is mended.
    let mut state = begin();
    state.handle(0, Event::LinkBroken(Epoch(7)));
    wait(&mut state, 0);
    assert!(!matches!(state.phase(), Phase::Ended(_)));
    // The lid was closed.
    let mut state = begin();
    assert_eq!(state.handle(600_000, Event::Tick), []);
    assert_eq!(state.phase(), Phase::Proving);
}

#[test]
fn a_renegotiated_connection_is_proven_again() {
    let mut state = controlling();
    assert_eq!(state.handle(1001, described(7)), [our_proof(7)]);
    assert_eq!(state.phase(), Phase::Controlling, "the certificates are those that were proven");
    assert_eq!(state.handle(1002, proof(7)), []);
    // Nobody answers the second time.
    state.handle(1500, described(7));
    for now_ms in (2000..1500 + PROVE_MS).step_by(500) {
        state.handle(now_ms, Event::Heard(ToViewer::Pong { nonce: 1 }));
        assert_eq!(state.phase(), Phase::Controlling);
    }
    state.handle(1500 + PROVE_MS, Event::Heard(ToViewer::Pong { nonce: 1 }));
    assert_eq!(state.phase(), Phase::Ended(CloseReason::NotProven));
    // Somebody else answers.
    let mut state = controlling();
    let other = Binding { host: Fingerprint([5; 32]), ..binding(7) };
    let effects = state.handle(1001, Event::Described(Epoch(7), Some(other)));
    assert!(effects.contains(&Effect::Close) && effects.contains(&Effect::Darken));
    assert_eq!(state.phase(), Phase::Ended(CloseReason::NotProven));
}

#[test]
fn a_new_connection_starts_unproven() {
    let mut state = controlling();
    state.handle(1001, Event::ControlClosed(Epoch(7)));
    let now_ms = 1001 + RETRY_MS;
    assert!(state.handle(now_ms, Event::Tick).contains(&Effect::StartPeer(Epoch(8))));
    assert_eq!(state.handle(now_ms, described(8)), []);
    state.handle(now_ms, Event::ControlOpen(Epoch(8)));
    state.handle(now_ms, rights(both(), Rights::NONE));
    assert_eq!(state.phase(), Phase::Reconnecting, "over the last picture");
    assert!(!state.may_see() && state.keeps_last() && state.words().is_none());
    state.handle(now_ms + 1, proof(8));
    assert_eq!(state.phase(), Phase::Reconnecting, "which rights hold comes next");
    state.handle(now_ms + 1, rights(both(), Rights::NONE));
    assert_eq!(state.phase(), Phase::Controlling);
    assert!(state.may_see() && !state.keeps_last());
}

/// One of the things that happen, mostly to the peer connection that is current: else few ways would lead far.
fn event(kind: u8, value: u32, current: Option<Epoch>) -> Event {
    let epoch = current.filter(|_| !value.is_multiple_of(16)).unwrap_or(Epoch(value % 6));
    match kind {
        0 => welcome(value.is_multiple_of(2), value % 5),
        1 => Event::HostArrived(HostInfo::default()),
        2 => Event::HostDropped { grace_s: value },
        3 => Event::SignalLost,
        4 => Event::LinkUp(epoch),
        5 => Event::LinkBroken(epoch),
        6 => Event::LinkFailed(epoch),
        7 => Event::ControlOpen(epoch),
        8 => Event::ControlClosed(epoch),
        9 => rights(Rights::from(value as u16), Rights::from((value >> 4) as u16)),
        10 => Event::Heard(ToViewer::Refused(Right::ALL[value as usize % 4])),
        11 => Event::Heard(ToViewer::Pong { nonce: value }),
        12 => Event::AskView,
        13 => Event::AskControl,
        14 => Event::GiveBackControl,
        15 if value.is_multiple_of(16) => Event::End,
        16 if value.is_multiple_of(16) => {
            Event::SignalEnded(CloseReason::ALL[value as usize % CloseReason::ALL.len()])
        }
        17 if value.is_multiple_of(16) => Event::Heard(ToViewer::End(CloseReason::CustomerEnded)),
        30 => Event::Travels {
            epoch,
            relayed: !value.is_multiple_of(4),
            sure: value.is_multiple_of(3),
            busy: value.is_multiple_of(8),
        },
        31 => Event::RestartWanted { epoch, anew: value.is_multiple_of(3) },
        32 => Event::NetworkHint,
        33 => Event::Traffic(epoch),
        18 => Event::Heard(ToViewer::Notice(Notice::ScreenUnavailable)),
        // What a host that knows the code does is likelier than what one does that does not: most ways lead further.
        19..=21 => described(epoch.0),
        22..=24 => proof(epoch.0),
        25 if value.is_multiple_of(8) => {
            Event::Heard(ToViewer::Prove(key(Seat::Viewer).prove(&binding(epoch.0))))
        }
        26 if value.is_multiple_of(16) => Event::Described(epoch, None),
        27 if value.is_multiple_of(4) => {
            Event::Described(epoch, Some(Binding { host: Fingerprint([5; 32]), ..binding(epoch.0) }))
        }
        28 => Event::SecretTyped(Secret::from_random(value.into())),
        29 if value.is_multiple_of(4) => Event::Shared(Share::from_bytes([value as u8; 33])),
        _ => Event::Tick,
    }
}

proptest! {
    /// Whatever happens in whatever order: no panic; epochs rise; nobody acts without the right that the host of this
    /// very connection gave; before it proved itself nothing of it is shown, and nothing said to it but what this end is, its
    /// proof and behind that the question for sight; who stops being allowed lets go; and after the end nothing happens.
    #[test]
    fn any_order_is_survived(steps in prop::collection::vec((0..40_u8, any::<u32>(), 0..1500_u64), 0..200), has_key in prop::bool::weighted(0.8)) {
        let mut state = if has_key { tab() } else { State::new(Capabilities::NONE, stranger()) };
        let mut now_ms = 0;
        let mut highest = None;
        // What the host of the current connection said last.
        let mut said = Rights::NONE;
        let mut open = false;
        let mut proved = false;
        for (kind, value, passed_ms) in steps {
            now_ms += passed_ms;
            let event = event(kind, value, state.epoch());
            let (controlled, over) = (state.may_control(), matches!(state.phase(), Phase::Ended(_)));
            let before = state.is_proven();
            match &event {
                Event::Heard(ToViewer::Prove(proof)) if open => {
                    let right = state.epoch().map(|epoch| key(Seat::Host).prove(&binding(epoch.0)));
                    proved |= has_key && right == Some(*proof);
                }
                Event::ControlOpen(epoch) if state.epoch() == Some(*epoch) => open = true,
                Event::ControlClosed(epoch) if state.epoch() == Some(*epoch) => open = false,
                Event::Heard(ToViewer::Rights { held, .. }) if open && before => said = *held,
                _ => {}
            }
            let was_open = open;
            let effects = state.handle(now_ms, event);
            if over {
                prop_assert!(effects.is_empty());
            }
            for (at, effect) in effects.iter().enumerate() {
                if let Effect::StartPeer(epoch) = effect {
                    prop_assert!(highest.is_none_or(|before| *epoch > before));
                    highest = Some(*epoch);
                    said = Rights::NONE;
                    open = false;
                    proved = false;
                }
                let behind_proof =
                    at > 0 && matches!(effects[at - 1], Effect::Tell(ToHost::Prove(_)));
                let introduces = matches!(effect, Effect::Tell(ToHost::Hello(_) | ToHost::Prove(_) | ToHost::End))
                    || (behind_proof && *effect == tell(ToHost::Ask(VIEW)));
                if !introduces && matches!(effect, Effect::Tell(_) | Effect::Announce(_) | Effect::Proven) {
                    prop_assert!(before || state.is_proven(), "{effect:?}");
                }
            }
            if state.may_control() {
                prop_assert!(open && said.has(Right::Control) && said.has(Right::View));
            }
            if controlled && !state.may_control() {
                prop_assert!(effects.contains(&Effect::ReleaseInput));
            }
            if state.is_proven() {
                prop_assert!(open && proved);
            }
            if state.may_see() {
                prop_assert!(proved && said.has(Right::View));
            }
            prop_assert!(effects.iter().filter(|effect| matches!(effect, Effect::RestartIce)).count() <= 1);
            let offers = effects.iter().any(|effect| matches!(effect, Effect::RestartIce | Effect::OfferAgain));
            prop_assert!(!offers || was_open, "what never carried anything is not restarted: {effects:?}");
        }
    }
}
