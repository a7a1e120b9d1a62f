//! What breaks, and how it is mended.

use super::*;

/// Lets time pass in ticks, as the page does; says what followed, and when.
fn pass(state: &mut State, from_ms: u64, to_ms: u64) -> Vec<(u64, Effect)> {
    let mut followed = Vec::new();
    for now_ms in (from_ms..=to_ms).step_by(250) {
        let effects = state.handle(now_ms, Event::Tick);
        followed.extend(effects.into_iter().map(|effect| (now_ms, effect)));
    }
    followed
}

/// When this followed first.
fn when(followed: &[(u64, Effect)], wanted: &Effect) -> Option<u64> {
    followed.iter().find(|(_, effect)| effect == wanted).map(|(at_ms, _)| *at_ms)
}

/// How often this followed.
fn count(followed: &[(u64, Effect)], wanted: &Effect) -> usize {
    followed.iter().filter(|(_, effect)| effect == wanted).count()
}

#[test]
fn silence_is_noticed_before_the_browser_notices_it() {
    let mut state = controlling();
    let followed = pass(&mut state, 1250, 4000);
    let restart_ms = when(&followed, &Effect::RestartIce).unwrap();
    assert!((1000 + SUSPECT_MS..=1000 + SUSPECT_MS + 250).contains(&restart_ms), "{restart_ms}");
    assert_eq!(count(&followed, &Effect::RestartIce), 1, "{followed:?}");
    let let_go_ms = when(&followed, &Effect::ReleaseInput).unwrap();
    assert!((1000 + SILENT_MS..=1000 + SILENT_MS + 250).contains(&let_go_ms), "{let_go_ms}");
    assert_eq!(state.phase(), Phase::Reconnecting);
    assert!(state.may_see(), "the last picture stays");
}

#[test]
fn whatever_comes_is_a_sign_of_life() {
    let mut state = controlling();
    for now_ms in (1250..60_000).step_by(250) {
        let sign = if now_ms % 1000 == 0 { Event::Traffic(Epoch(7)) } else { Event::Tick };
        let effects = state.handle(now_ms, sign);
        assert!(!effects.contains(&Effect::RestartIce), "{now_ms}: {effects:?}");
        assert_eq!(state.phase(), Phase::Controlling);
    }
    state.handle(60_000, Event::Traffic(Epoch(6)));
    let followed = pass(&mut state, 60_000, 62_000);
    assert_eq!(count(&followed, &Effect::RestartIce), 1, "another connection's bytes say nothing");
}

#[test]
fn a_restart_that_brings_something_is_all_that_it_takes() {
    let mut state = controlling();
    assert!(when(&pass(&mut state, 1250, 2500), &Effect::RestartIce).is_some());
    assert_eq!(state.handle(2600, described(7)), [our_proof(7)]);
    assert_eq!(state.handle(2700, proof(7)), []);
    state.handle(2800, Event::Traffic(Epoch(7)));
    assert_eq!(state.phase(), Phase::Controlling);
    for now_ms in (3000..20_000).step_by(250) {
        state.handle(now_ms, Event::Traffic(Epoch(7)));
        assert_eq!(
            state.handle(now_ms, Event::Tick).iter().filter(|e| !matches!(e, Effect::Tell(_))).count(),
            0
        );
    }
    let followed = pass(&mut state, 20_000, 22_000);
    assert_eq!(count(&followed, &Effect::RestartIce), 1, "the next time it is restarted again");
}

#[test]
fn a_restart_in_vain_is_followed_by_a_new_connection_over_the_last_picture() {
    let mut state = controlling();
    pass(&mut state, 1250, 2500);
    state.handle(2600, described(7));
    let patience_ms = *RESTART_MS.start();
    let followed = pass(&mut state, 2750, 2600 + patience_ms + 250);
    let anew_ms = when(&followed, &Effect::StartPeer(Epoch(8))).unwrap();
    assert!(anew_ms >= 2600 + patience_ms && count(&followed, &Effect::Redial) == 0, "{followed:?}");
    assert_eq!(state.phase(), Phase::Reconnecting);
    assert_eq!(state.held(), Rights::NONE, "rights are the new connection's to tell");
    assert!(state.keeps_last());
    assert_eq!(state.handle(8000, Event::LinkUp(Epoch(7))), [], "the past is ignored");
    // It does not come about either, and the host's patience ends.
    pass(&mut state, 8250, anew_ms + KEPT_MS);
    assert!(!state.keeps_last());
}

/// Away for six seconds, then packets flow again; says when a new connection was made, if the host says nothing until `until_ms`.
fn dumb(busy: bool, until_ms: u64, then: Event) -> Option<u64> {
    let mut state = controlling();
    state.handle(1001, Event::Travels { epoch: Epoch(7), relayed: false, sure: false, busy });
    pass(&mut state, 1250, 2500);
    state.handle(2600, Event::SignalLost);
    pass(&mut state, 2750, 6750);
    state.handle(6800, welcome(true, 9));
    state.handle(6900, described(7));
    state.handle(7000, Event::Traffic(Epoch(7)));
    let mut followed = Vec::new();
    for now_ms in (7010..until_ms).step_by(100) {
        let effects = state.handle(now_ms, Event::Traffic(Epoch(7)));
        followed.extend(effects.into_iter().map(|effect| (now_ms, effect)));
    }
    state.handle(until_ms, then);
    followed.extend(pass(&mut state, until_ms + 50, until_ms + 1000));
    when(&followed, &Effect::StartPeer(Epoch(9)))
}

#[test]
fn a_host_that_says_nothing_after_a_long_silence_gets_a_new_connection() {
    let soon_ms = 7000 + *DUMB_MS.start();
    let made_ms = dumb(false, 9000, Event::Tick).unwrap();
    assert!((soon_ms..=soon_ms + 110).contains(&made_ms), "{made_ms}");
    assert_eq!(dumb(false, 7300, proof(7)), None, "it said something");
    assert_eq!(dumb(true, 9000, Event::Tick), None, "a file would begin anew");
}

#[test]
fn a_short_silence_or_a_slow_beginning_is_no_reason_for_a_new_connection() {
    let mut state = controlling();
    pass(&mut state, 1250, 2500);
    state.handle(2600, described(7));
    for now_ms in (1000 + DUMB_AFTER_MS - 1..20_000).step_by(100) {
        assert!(!state.handle(now_ms, Event::Traffic(Epoch(7))).contains(&Effect::StartPeer(Epoch(8))));
    }
    let mut state = tab();
    state.handle(0, welcome(true, 7));
    pass(&mut state, 250, 5000);
    for event in [described(7), Event::LinkUp(Epoch(7)), Event::ControlOpen(Epoch(7))] {
        state.handle(5100, event);
    }
    for now_ms in (5200..9000).step_by(100) {
        assert!(!state.handle(now_ms, Event::Traffic(Epoch(7))).contains(&Effect::StartPeer(Epoch(8))));
    }
}

#[test]
fn a_slow_network_gets_more_time_for_a_restart() {
    let mut state = tab();
    state.handle(0, welcome(true, 7));
    for event in [described(7), Event::LinkUp(Epoch(7)), Event::ControlOpen(Epoch(7)), proof(7)] {
        state.handle(1400, event);
    }
    assert!(state.handle(1500, Event::LinkFailed(Epoch(7))).contains(&Effect::RestartIce));
    state.handle(1600, described(7));
    assert_eq!(count(&pass(&mut state, 1750, 1600 + 2790), &Effect::StartPeer(Epoch(8))), 0);
    assert_eq!(count(&pass(&mut state, 1600 + 2800, 1600 + 2800), &Effect::StartPeer(Epoch(8))), 1);
}

#[test]
fn an_offer_without_an_answer_is_sent_again_over_a_new_connection_to_the_server() {
    let mut state = controlling();
    let followed = pass(&mut state, 1250, 5000);
    let (restart_ms, redial_ms) =
        (when(&followed, &Effect::RestartIce).unwrap(), when(&followed, &Effect::Redial).unwrap());
    assert!((ANSWER_MS..=ANSWER_MS + 250).contains(&(redial_ms - restart_ms)), "{followed:?}");
    assert_eq!(count(&followed, &Effect::Redial), 1);
    state.handle(5100, Event::SignalLost);
    assert_eq!(state.handle(5200, welcome(true, 9)), [Effect::OfferAgain], "nothing else");
    state.handle(5250, described(7));
    state.handle(5300, Event::Traffic(Epoch(7)));
    assert_eq!(state.phase(), Phase::Controlling);
    // The host never answers at all.
    let mut state = controlling();
    let followed = pass(&mut state, 1250, 2500 + UNANSWERED_MS);
    assert_eq!(count(&followed, &Effect::Redial), 1, "not again and again");
    assert!(when(&followed, &Effect::StartPeer(Epoch(8))).is_some());
}

#[test]
fn without_the_server_nothing_is_restarted_and_with_it_at_once() {
    let mut state = controlling();
    state.handle(1001, Event::SignalLost);
    let followed = pass(&mut state, 1250, 45_000);
    assert_eq!(count(&followed, &Effect::RestartIce) + count(&followed, &Effect::StartPeer(Epoch(8))), 0);
    assert_eq!(state.phase(), Phase::Reconnecting);
    // The host is not back yet.
    assert_eq!(state.handle(45_100, welcome(false, 9)), []);
    assert_eq!(state.phase(), Phase::Interrupted);
    assert_eq!(state.handle(45_200, Event::HostArrived(HostInfo::default())), [Effect::RestartIce]);
}

#[test]
fn a_lost_host_is_noticed_and_taken_up_again() {
    let mut state = controlling();
    let effects = state.handle(1001, Event::HostDropped { grace_s: 60 });
    assert_eq!(effects, [tell(ToHost::Ping { nonce: 1 })]);
    assert_eq!(state.phase(), Phase::Controlling, "perhaps it lost the server only");
    let followed = pass(&mut state, 1250, 1000 + SILENT_MS);
    assert_eq!(state.phase(), Phase::Interrupted);
    assert!(when(&followed, &Effect::ReleaseInput).is_some());
    assert_eq!(count(&followed, &Effect::RestartIce), 0, "nobody would answer");
    assert_eq!(state.host_gone_until_ms(), Some(61_001));
    assert_eq!(state.handle(4000, Event::HostArrived(HostInfo::default())), [Effect::RestartIce]);
    assert_eq!(state.phase(), Phase::Reconnecting);
}

#[test]
fn what_the_browser_calls_broken_gets_a_moment() {
    let mut state = controlling();
    assert_eq!(state.handle(1500, Event::LinkBroken(Epoch(7))), [Effect::ReleaseInput]);
    assert_eq!(state.phase(), Phase::Reconnecting);
    assert!(!state.handle(1600, Event::Tick).contains(&Effect::RestartIce));
    assert!(state.handle(1500 + MEND_MS, Event::Tick).contains(&Effect::RestartIce));
    let mut state = controlling();
    assert!(
        state.handle(1500, Event::LinkFailed(Epoch(7))).contains(&Effect::RestartIce),
        "that is no moment's matter"
    );
    let mut state = controlling();
    state.handle(1500, Event::LinkBroken(Epoch(7)));
    state.handle(1600, Event::LinkUp(Epoch(7)));
    assert_eq!(state.phase(), Phase::Controlling);
    assert!(!state.handle(2000, Event::Tick).contains(&Effect::RestartIce), "it mended itself");
}

#[test]
fn a_hint_of_the_browser_is_looked_into() {
    let mut state = controlling();
    assert_eq!(state.handle(1100, Event::NetworkHint), [tell(ToHost::Ping { nonce: 1 })]);
    let followed = pass(&mut state, 1350, 1100 + HINTED_MS + 250);
    assert_eq!(count(&followed, &Effect::RestartIce), 1);
    let mut state = controlling();
    state.handle(1100, Event::NetworkHint);
    state.handle(1150, Event::Heard(ToViewer::Pong { nonce: 1 }));
    let followed = pass(&mut state, 1350, 1100 + HINTED_MS + 250);
    assert_eq!(count(&followed, &Effect::RestartIce), 0, "the path holds");
}

#[test]
fn the_host_may_ask_and_two_restarts_never_cross() {
    let wanted = || Event::RestartWanted { epoch: Epoch(7), anew: false };
    let mut state = controlling();
    assert_eq!(state.handle(1100, Event::RestartWanted { epoch: Epoch(6), anew: true }), []);
    assert_eq!(state.handle(1100, wanted()), [Effect::RestartIce]);
    assert_eq!(state.handle(1200, wanted()), [], "it is under way");
    state.handle(1300, described(7));
    assert_eq!(state.handle(1400, wanted()), [], "it has just been answered");
    let mut now_ms = 1400;
    while now_ms < 1300 + ANSWER_MS {
        state.handle(now_ms, Event::Traffic(Epoch(7)));
        now_ms += 250;
    }
    assert!(state.handle(now_ms, wanted()).contains(&Effect::RestartIce), "its network has changed again");
}

#[test]
fn a_host_without_its_addresses_gets_a_new_connection_but_not_again_and_again() {
    let wanted = |epoch| Event::RestartWanted { epoch: Epoch(epoch), anew: true };
    let mut state = controlling();
    let now_ms = 1_500;
    assert!(state.handle(now_ms, wanted(7)).contains(&Effect::StartPeer(Epoch(8))));
    assert_eq!(state.handle(now_ms + 100, wanted(7)), [], "that one is gone");
    // Whoever is between the two can say so as often as they like.
    state.handle(now_ms + 100, Event::ControlOpen(Epoch(8)));
    assert!(!state.handle(now_ms + 200, wanted(8)).contains(&Effect::StartPeer(Epoch(9))));
    assert!(state.handle(now_ms + RETRY_MS, wanted(8)).contains(&Effect::StartPeer(Epoch(9))));
}

#[test]
fn a_sleeping_tab_does_not_blame_the_host() {
    let mut state = controlling();
    let effects = state.handle(600_000, Event::Tick);
    assert_eq!(state.phase(), Phase::Controlling);
    assert!(!effects.contains(&Effect::RestartIce));
}

#[test]
fn a_hidden_tab_has_slower_timers_and_blames_nobody() {
    let mut state = controlling();
    for second in 2..60_u64 {
        assert!(!state.handle(second * 1000 + 100 * (second % 2), Event::Tick).contains(&Effect::RestartIce));
        state.handle(second * 1000 + 100 * (second % 2) + 20, Event::Heard(ToViewer::Pong { nonce: 1 }));
    }
    assert_eq!(state.phase(), Phase::Controlling);
}

/// Ten minutes on this path; when a restart was tried. Each finds the same path again.
fn tries(was_direct: bool, relayed: bool, busy: impl Fn(u64) -> bool) -> Vec<u64> {
    let mut state = controlling();
    if was_direct {
        state.handle(1000, Event::Travels { epoch: Epoch(7), relayed: false, sure: false, busy: false });
    }
    let mut tried = Vec::new();
    for now_ms in (1500..=601_000).step_by(500) {
        state.handle(now_ms, Event::Traffic(Epoch(7)));
        let effects = state
            .handle(now_ms, Event::Travels { epoch: Epoch(7), relayed, sure: false, busy: busy(now_ms) });
        if effects.contains(&Effect::RestartIce) {
            tried.push(now_ms - 1500);
            state.handle(now_ms + 10, described(7));
            state.handle(now_ms + 10, proof(7));
        }
        assert_eq!(state.phase(), Phase::Controlling, "the picture goes on");
    }
    tried
}

#[test]
fn a_relayed_connection_is_tried_for_a_better_path_with_growing_pauses() {
    assert_eq!(tries(true, true, |_| false), [30_000, 90_000, 210_000, 510_000]);
    assert_eq!(tries(false, true, |_| false), [60_000], "it stops the picture, and there is little hope");
    assert_eq!(tries(true, false, |_| false), [0; 0]);
    let file = |now_ms| (20_000..100_000).contains(&now_ms);
    assert_eq!(tries(true, true, file)[..2], [98_500, 158_500], "not while a file is on its way");
}

#[test]
fn a_better_path_that_is_known_for_sure_is_taken_soon() {
    let mut state = controlling();
    let mut tried = Vec::new();
    for now_ms in (1500..40_000).step_by(500) {
        state.handle(now_ms, Event::Traffic(Epoch(7)));
        let travels = Event::Travels { epoch: Epoch(7), relayed: true, sure: true, busy: false };
        if state.handle(now_ms, travels).contains(&Effect::RestartIce) {
            tried.push(now_ms - 1500);
            state.handle(now_ms + 10, described(7));
            state.handle(now_ms + 10, proof(7));
        }
    }
    assert_eq!(tried, [1_000, 6_500, 37_000], "thrice, and then as seldom as ever");
}

#[test]
fn a_better_path_is_not_looked_for_where_it_can_not_be_agreed() {
    let mut state = controlling();
    state.handle(1001, Event::SignalLost);
    for now_ms in (1500..200_000).step_by(500) {
        state.handle(now_ms, Event::Traffic(Epoch(7)));
        let travels = Event::Travels { epoch: Epoch(7), relayed: true, sure: false, busy: false };
        assert!(!state.handle(now_ms, travels).contains(&Effect::RestartIce));
    }
}
