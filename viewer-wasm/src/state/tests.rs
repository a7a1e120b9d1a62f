//! Tables of the ordinary ways through a session, and the properties that hold on every other way.

use nearhand_protocol::control::Hello;
use proptest::prelude::*;

use super::*;

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

fn rights(held: Rights, asked: Rights) -> Event {
    Event::Heard(ToViewer::Rights { held, asked })
}

/// A session in which the customer lets the technician see and act; the clock stands at 1000.
fn controlling() -> State {
    let mut state = State::new(Capabilities::NONE);
    for event in [
        welcome(false, 7),
        Event::HostArrived(HostInfo::default()),
        Event::LinkUp(Epoch(7)),
        Event::ControlOpen(Epoch(7)),
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
    let mut state = State::new(Capabilities::H264_TRACK);
    assert_eq!(state.phase(), Phase::Opening);
    assert_eq!(state.handle(0, welcome(false, 7)), []);
    assert_eq!(state.phase(), Phase::Waiting);
    assert_eq!(state.handle(1, Event::HostArrived(HostInfo::default())), [Effect::StartPeer(Epoch(7))]);
    assert_eq!(state.phase(), Phase::Connecting);
    assert!(!state.pairing().unwrap().open);
    state.handle(2, Event::LinkUp(Epoch(7)));
    let hello = Hello { version: Version::CURRENT, capabilities: Capabilities::H264_TRACK };
    assert_eq!(
        state.handle(3, Event::ControlOpen(Epoch(7))),
        [tell(ToHost::Hello(hello)), tell(ToHost::Ask(VIEW))]
    );
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
    let mut state = State::new(Capabilities::NONE);
    state.handle(0, welcome(true, 1));
    state.handle(0, Event::ControlOpen(Epoch(1)));
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
fn a_lost_host_is_noticed_and_taken_up_again() {
    let mut state = controlling();
    let effects = state.handle(1001, Event::HostDropped { grace_s: 60 });
    assert_eq!(effects, [tell(ToHost::Ping { nonce: 1 })]);
    assert_eq!(state.phase(), Phase::Controlling, "perhaps it lost the server only");
    let effects = state.handle(1001 + SILENT_AFTER_DROP_MS, Event::Tick);
    assert_eq!(state.phase(), Phase::Interrupted);
    assert!(effects.contains(&Effect::ReleaseInput));
    assert_eq!(state.host_gone_until_ms(), Some(61_001));
    let effects = state.handle(4000, Event::HostArrived(HostInfo::default()));
    assert!(effects.contains(&Effect::StartPeer(Epoch(8))));
    assert_eq!(state.phase(), Phase::Reconnecting);
    assert_eq!(state.held(), Rights::NONE, "rights are the new connection's to tell");
}

#[test]
fn a_broken_link_is_mended_in_steps() {
    let mut state = controlling();
    assert_eq!(state.handle(1500, Event::LinkBroken(Epoch(7))), [Effect::ReleaseInput]);
    assert_eq!(state.phase(), Phase::Reconnecting);
    assert!(state.may_see(), "the last picture stays");
    assert!(!state.handle(1600, Event::Tick).contains(&Effect::RestartIce));
    assert!(state.handle(1500 + MEND_MS, Event::Tick).contains(&Effect::RestartIce));
    assert!(!state.handle(2600, Event::Tick).contains(&Effect::RestartIce), "once");
    state.handle(5000, Event::Tick);
    let effects = state.handle(2500 + RESTART_MS, Event::Tick);
    assert!(effects.contains(&Effect::StartPeer(Epoch(8))), "{effects:?}");
    assert_eq!(state.handle(8000, Event::LinkUp(Epoch(7))), [], "the past is ignored");
    assert_eq!(state.phase(), Phase::Reconnecting);
}

#[test]
fn a_link_that_mends_itself_is_left_alone() {
    let mut state = controlling();
    state.handle(1500, Event::LinkBroken(Epoch(7)));
    state.handle(1700, Event::LinkUp(Epoch(7)));
    assert_eq!(state.phase(), Phase::Controlling);
    assert!(!state.handle(2600, Event::Tick).contains(&Effect::RestartIce));
}

#[test]
fn a_sleeping_tab_does_not_blame_the_host() {
    let mut state = controlling();
    let effects = state.handle(600_000, Event::Tick);
    assert_eq!(state.phase(), Phase::Controlling);
    assert!(!effects.contains(&Effect::RestartIce));
}

#[test]
fn a_connection_that_never_comes_up_is_replaced() {
    let mut state = State::new(Capabilities::NONE);
    state.handle(0, welcome(true, 3));
    for now_ms in (0..CONNECT_MS).step_by(500) {
        assert_eq!(state.handle(now_ms, Event::Tick), []);
    }
    assert_eq!(state.handle(CONNECT_MS, Event::Tick), [Effect::StartPeer(Epoch(4))]);
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

fn event(kind: u8, value: u32) -> Event {
    let epoch = Epoch(value % 6);
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
        16 if value.is_multiple_of(16) => Event::SignalEnded(CloseReason::ALL[value as usize % 18]),
        17 if value.is_multiple_of(16) => Event::Heard(ToViewer::End(CloseReason::CustomerEnded)),
        18 => Event::Heard(ToViewer::Notice(Notice::ScreenUnavailable)),
        _ => Event::Tick,
    }
}

proptest! {
    /// Whatever happens in whatever order: no panic; epochs rise; nobody acts without the right that the host of this
    /// very connection gave; who stops being allowed lets go; and after the end nothing happens.
    #[test]
    fn any_order_is_survived(steps in prop::collection::vec((0..22_u8, any::<u32>(), 0..3000_u64), 0..200)) {
        let mut state = State::new(Capabilities::NONE);
        let mut now_ms = 0;
        let mut highest = None;
        // What the host of the current connection said last.
        let mut said = Rights::NONE;
        let mut open = false;
        for (kind, value, passed_ms) in steps {
            now_ms += passed_ms;
            let event = event(kind, value);
            let (controlled, over) = (state.may_control(), matches!(state.phase(), Phase::Ended(_)));
            match &event {
                Event::ControlOpen(epoch) if state.epoch() == Some(*epoch) => open = true,
                Event::ControlClosed(epoch) if state.epoch() == Some(*epoch) => open = false,
                Event::Heard(ToViewer::Rights { held, .. }) if open => said = *held,
                _ => {}
            }
            let effects = state.handle(now_ms, event);
            if over {
                prop_assert!(effects.is_empty());
            }
            for effect in &effects {
                if let Effect::StartPeer(epoch) = effect {
                    prop_assert!(highest.is_none_or(|before| *epoch > before));
                    highest = Some(*epoch);
                    said = Rights::NONE;
                    open = false;
                }
            }
            if state.may_control() {
                prop_assert!(open && said.has(Right::Control) && said.has(Right::View));
            }
            if controlled && !state.may_control() {
                prop_assert!(effects.contains(&Effect::ReleaseInput));
            }
            if state.may_see() {
                prop_assert!(said.has(Right::View));
            }
        }
    }
}
