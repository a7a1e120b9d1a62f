//! Staying connected, and the limits of patience: restarts, proofs that never come, questions without end.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn wants(effects: &[Effect]) -> bool {
    has(effects, |e| matches!(e, Effect::WantRestart))
}

fn redials(effects: &[Effect]) -> bool {
    has(effects, |e| matches!(e, Effect::Redial))
}

#[test]
fn a_changed_network_brings_a_new_seat_and_then_a_restart() {
    let mut run = Run::with(&[Right::View]);
    let changed = run.does(Event::NetworkChanged);
    assert!(redials(&changed) && !wants(&changed), "over the old connection nobody would hear it");
    assert!(!has(&changed, |e| matches!(e, Effect::StopVideo)), "perhaps the path holds");
    assert!(wants(&run.does(welcome())));
    assert!(!wants(&run.does(Event::PeerLost)) && !wants(&run.does(Event::RestartDue)), "it is asked for");
    run.does(Event::Offered);
    run.does(Event::PeerConnected);
    assert_eq!(run.session.deadline(), None);
    assert!(!wants(&run.does(welcome())), "there is nothing left to mend");
}

#[test]
fn before_the_server_let_us_in_a_changed_network_changes_nothing() {
    assert!(Run::new().does(Event::NetworkChanged).is_empty());
}

#[test]
fn of_a_stranger_no_restart_is_wanted() {
    let mut run = Run::open();
    assert!(run.does(Event::RestartDue).is_empty());
    assert!(redials(&run.does(Event::NetworkChanged)));
    assert!(!wants(&run.does(welcome())));
}

#[test]
fn a_broken_connection_is_asked_for_until_an_offer_comes() {
    let mut run = Run::with(&[Right::View]);
    run.does(Event::PeerLost);
    assert!(wants(&run.does(Event::RestartDue)));
    let mut waits = Vec::new();
    for _ in 0..4 {
        let since = run.now;
        run.now = run.session.deadline().unwrap();
        waits.push((run.now - since).as_secs());
        assert!(redials(&run.does(Event::Tick)), "perhaps the server does not hear us");
        assert!(!redials(&run.does(Event::Tick)), "once");
        assert!(wants(&run.does(welcome())));
    }
    assert_eq!(waits, [2, 4, 8, 16]);
    run.does(Event::Offered);
    assert_eq!(run.session.deadline(), Some(run.session.interrupted.unwrap() + INTERRUPTION));
}

#[test]
fn nobody_is_asked_who_is_not_there() {
    let mut run = Run::with(&[Right::View]);
    run.does(Event::ViewerDropped);
    run.does(Event::PeerLost);
    assert!(!wants(&run.does(Event::RestartDue)));
    assert!(wants(&run.does(Event::ViewerArrived)));
    let mut run = Run::with(&[Right::View]);
    run.does(Event::ServerLost("x".into()));
    run.does(Event::PeerLost);
    assert!(!wants(&run.does(Event::RestartDue)));
    run.now += 30 * SECOND;
    assert!(!redials(&run.does(Event::Tick)), "it is being tried already");
    assert!(wants(&run.does(welcome())));
}

#[test]
fn a_lost_server_is_told_once_and_whether_the_session_goes_on() {
    let lost = |e: &Effect| matches!(e, Effect::Tell(News::ServerLost { goes_on: true, .. }));
    let mut run = Run::with(&[Right::View]);
    assert!(has(&run.does(Event::ServerLost("x".into())), lost));
    assert!(run.does(Event::ServerLost("x".into())).is_empty(), "an attempt in vain");
    assert_eq!(run.session.phase(), Phase::Active);
    assert!(has(&run.does(welcome()), |e| matches!(e, Effect::Tell(News::ServerBack))));
    assert!(!has(&run.does(welcome()), |e| matches!(e, Effect::Tell(_))), "nobody missed it");
    run.does(Event::PeerLost);
    assert!(!has(&run.does(Event::ServerLost("x".into())), lost));
}

#[test]
fn a_proof_that_never_comes_ends_it() {
    let mut run = Run::open();
    run.does(hello());
    assert_eq!(run.session.deadline(), Some(run.now + PROOF_WAIT));
    run.now += PROOF_WAIT;
    assert!(ends_not_proven(&run.does(Event::Tick)));
    // Nor does one come too late.
    let mut run = Run::open();
    run.does(hello());
    run.now += PROOF_WAIT;
    assert!(ends_not_proven(&run.does(proof())));
}

#[test]
fn only_who_could_prove_itself_is_hurried() {
    // The technician has yet to type the last digits: there is no key.
    let mut run = Run::new();
    for event in [welcome(), Event::NewPeer, Event::PeerConnected, Event::ControlOpen, hello()] {
        run.does(event);
    }
    assert_eq!(run.session.deadline(), None);
    run.now += 300 * SECOND;
    run.does(share());
    assert_eq!(run.session.deadline(), Some(run.now + PROOF_WAIT), "from here on it could");
    // While the connection is broken nothing can come.
    run.does(Event::PeerLost);
    assert_eq!(run.session.deadline(), None);
    run.now += 20 * SECOND;
    run.does(Event::PeerConnected);
    assert_eq!(run.session.deadline(), Some(run.now + PROOF_WAIT));
    run.does(proof());
    assert_eq!(run.session.deadline(), None);
}

#[test]
fn after_three_noes_the_technician_asks_in_vain() {
    let not_asked = |e: &Effect| matches!(e, Effect::Send(ToViewer::Notice(Notice::NotAsked)));
    let mut run = Run::with(&[Right::View]);
    for no in 1..=NOS {
        let asked = run.does(ask(&[Right::Control]));
        let refused = run.answer(&asked, false);
        assert_eq!(has(&refused, |e| matches!(e, Effect::Tell(News::Silenced))), no == NOS, "{no}");
        run.now += 60 * SECOND;
    }
    let asked = run.does(ask(&[Right::Control]));
    assert!(question(&asked).is_none() && has(&asked, not_asked));
    assert!(has(&asked, |e| matches!(e, Effect::Send(ToViewer::Refused(Right::Control)))));
    let offered = run.does(Event::FileOffered(offer(1)));
    assert!(question(&offered).is_none());
    let refused =
        |e: &Effect| matches!(e, Effect::SendFile(FileMessage::Stop { problem: FileProblem::Refused, .. }));
    assert!(has(&offered, refused));
    // What the customer does themselves is not concerned, and what holds holds.
    let file = LocalFile { path: "/x/b".into(), name: "b".into(), size: 1 };
    assert!(question(&run.does(Event::SendFile(file))).is_some());
    assert!(run.session.rights().has(Right::View));
    // Each no counts for its time only.
    run.does(Event::Control(ToHost::GiveBack(Rights::only(Right::FilesOut))));
    run.now += NO_SPAN.saturating_sub(3 * 60 * SECOND);
    assert!(question(&run.does(ask(&[Right::Control]))).is_some());
}

#[test]
fn the_customer_can_ask_to_be_asked() {
    let mut run = Run::with(&[Right::View]);
    for _ in 0..NOS {
        let asked = run.does(ask(&[Right::Control]));
        run.answer(&asked, false);
    }
    assert!(question(&run.does(ask(&[Right::Control]))).is_none());
    run.does(Event::AskAgain);
    let asked = run.does(ask(&[Right::Control]));
    assert!(has(
        &run.yes(&asked),
        |e| matches!(e, Effect::Send(ToViewer::Rights { held, .. }) if held.has(Right::Control))
    ));
}

#[test]
fn what_the_command_line_refuses_bothers_nobody() {
    let mut run = Run { session: session(Consent::CommandLine), now: Instant::now() };
    for event in [welcome(), share(), Event::NewPeer, Event::ControlOpen, hello(), proof()] {
        run.does(event);
    }
    let asked = run.does(ask(&[Right::View]));
    run.yes(&asked);
    for _ in 0..2 * NOS {
        let asked = run.does(ask(&[Right::Control]));
        run.answer(&asked, false);
    }
}
