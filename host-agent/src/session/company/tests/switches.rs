//! The customer's switches and keys where there are several technicians, and what the customer sees of all of them.

use nearhand_protocol::grant::Scope;

use super::super::super::{Choice, INTERRUPTION};
use super::*;

fn lookers(wanted: &[Wanted]) -> Option<&[Looker]> {
    wanted.iter().rev().find_map(|(_, effect)| match effect {
        Effect::Tell(News::Who(lookers)) => Some(lookers.as_slice()),
        _ => None,
    })
}

#[test]
fn a_switch_is_for_one_technician_or_for_all() {
    let mut run = Run::two();
    let given = run.company.give(Whom::One(FIRST), Right::View, run.now);
    assert!(has(&given, FIRST, |e| matches!(e, Effect::StartVideo(_))) && question(&given).is_none());
    assert_eq!((run.rights(OWNER), run.rights(FIRST)), (Rights::NONE, Rights::only(Right::View)));
    run.company.give(Whom::All, Right::View, run.now);
    assert_eq!(run.rights(OWNER), Rights::only(Right::View));
    run.company.take_back(Whom::One(FIRST), Right::View, run.now);
    assert_eq!((run.rights(OWNER), run.rights(FIRST)), (Rights::only(Right::View), Rights::NONE));
    // A guest gets no files, also not by a switch.
    let refused = run.company.give(Whom::One(FIRST), Right::FilesIn, run.now);
    assert!(matches!(refused[..], [(FIRST, Effect::Tell(News::Problem(_)))]), "{refused:?}");
    // Nobody of this name is there.
    assert!(run.company.give(Whom::One(ViewerId(7)), Right::View, run.now).is_empty());
}

#[test]
fn control_by_switch_goes_from_one_to_the_other() {
    let mut run = Run::two();
    run.company.give(Whom::All, Right::View, run.now);
    let asked = run.company.give(Whom::All, Right::Control, run.now);
    assert!(matches!(asked[..], [(OWNER, Effect::Tell(News::Choose(Right::Control)))]), "{asked:?}");
    run.company.give(Whom::One(OWNER), Right::Control, run.now);
    let old = run.company.owner.grants.control().unwrap();
    let given = run.company.give(Whom::One(FIRST), Right::Control, run.now);
    assert!(old.check().is_err() && has(&given, OWNER, |e| matches!(e, Effect::ReleaseAll)));
    assert_eq!(run.company.holders().collect::<Vec<_>>(), [FIRST]);
    // Given to somebody who may not see, it stays where it is.
    run.company.take_back(Whom::One(OWNER), Right::View, run.now);
    let refused = run.company.give(Whom::One(OWNER), Right::Control, run.now);
    assert!(matches!(refused[..], [(OWNER, Effect::Tell(News::Problem(_)))]), "{refused:?}");
    assert_eq!(run.company.holders().collect::<Vec<_>>(), [FIRST]);
}

#[test]
fn the_key_for_control_takes_lets_go_on_and_gives_back() {
    let mut run = Run::two();
    run.company.give(Whom::All, Right::View, run.now);
    run.company.give(Whom::One(FIRST), Right::Control, run.now);
    run.company.control_key(run.now);
    assert_eq!(run.company.holders().count(), 0);
    run.company.control_key(run.now);
    assert_eq!(run.company.holders().collect::<Vec<_>>(), [FIRST], "who had it last");
    run.all(&Event::Touched);
    assert!(!run.rights(FIRST).has(Right::Control));
    run.company.control_key(run.now);
    assert!(run.rights(FIRST).has(Right::Control));

    // It answers no question.
    let mut run = Run::new();
    run.gives(OWNER, Right::View);
    let asked = run.of(OWNER, ask(Right::Control));
    assert!(question(&asked).is_some());
    assert!(run.company.control_key(run.now).is_empty());
    assert!(!run.rights(OWNER).has(Right::Control));
    run.answer(&asked, false);
    run.company.control_key(run.now);
    assert!(run.rights(OWNER).has(Right::Control), "the only one who sees");
}

#[test]
fn the_key_for_files_gives_and_takes_both_ways() {
    let mut run = Run::new();
    run.company.files_key(run.now);
    assert_eq!(run.rights(OWNER), Rights::NONE, "nobody had files to do with");
    let both = Rights::only(Right::FilesIn).with(Right::FilesOut);
    run.gives(OWNER, Right::FilesIn);
    run.company.files_key(run.now);
    assert_eq!(run.rights(OWNER), both);
    let taken = run.company.files_key(run.now);
    assert_eq!(run.rights(OWNER), Rights::NONE);
    assert_eq!(taken.iter().filter(|(_, e)| matches!(e, Effect::StopFiles(_))).count(), 2);
    run.company.files_key(run.now);
    assert_eq!(run.rights(OWNER), both);
}

#[test]
fn the_customers_hand_is_before_everybodys() {
    let mut run = Run::two();
    run.company.give(Whom::All, Right::View, run.now);
    run.company.give(Whom::One(FIRST), Right::Control, run.now);
    run.of(FIRST, wheel());
    let touched = run.all(&Event::Touched);
    assert!(has(&touched, FIRST, |e| matches!(e, Effect::ReleaseAll)));
    assert!(colleague(&touched, &Colleague::Yielded(true)));
    assert_eq!(run.company.holders().collect::<Vec<_>>(), [FIRST], "kept, and resting");
    // A question of another one's still says whose it is.
    let asked = run.of(OWNER, ask(Right::Control));
    assert!(question(&asked).unwrap().1.instead_of.is_some());
    let given = run.answer(&asked, true);
    assert!(has(&given, OWNER, |e| matches!(e, Effect::Controlled(true))));
    assert_eq!(run.company.holders().collect::<Vec<_>>(), [OWNER]);
    assert!(has(
        &run.of(OWNER, wheel()),
        OWNER,
        |e| matches!(e, Effect::Inject(_, grant) if grant.check().is_ok())
    ));
    assert!(!has(&run.all(&Event::Resume), FIRST, |e| matches!(e, Effect::Controlled(_))));
}

#[test]
fn there_is_somebody_to_stop_as_long_as_any_of_them_is_there() {
    let mut run = Run::two();
    run.company.give(Whom::All, Right::View, run.now);
    run.of(OWNER, Event::PeerLost);
    assert!(run.company.has_company());
    run.now += INTERRUPTION * 2;
    run.all(&Event::Tick);
    assert_eq!(run.rights(OWNER), Rights::NONE);
    assert!(run.rights(FIRST).has(Right::View) && run.company.has_company());
    run.of(FIRST, Event::PeerLost);
    run.now += INTERRUPTION * 2;
    run.all(&Event::Tick);
    assert!(!run.company.has_company());
    // A tab that is reloaded has not proven itself yet, and keeps what it was given.
    let mut alone = Run::new();
    alone.gives(OWNER, Right::View);
    alone.of(OWNER, Event::NewPeer);
    assert!(!alone.company.trusts(OWNER) && alone.company.has_company());
    let waiting = Company::new(Consent::Customer, code(), [2; SEED_LEN], Brake::default());
    assert!(!waiting.has_company());
}

#[test]
fn all_see_the_same() {
    let mut run = Run::two();
    run.company.give(Whom::All, Right::View, run.now);
    let view = run.company.guests[&FIRST].session.grants.view().unwrap();
    let choice = Choice { scope: Scope::Monitor(1), name: "HDMI-1".into() };
    let narrowed = run.all(&Event::Narrow(choice.clone()));
    assert!(view.check().is_err());
    let aims = narrowed.iter().filter(|(_, e)| matches!(e, Effect::Aim(_))).count();
    assert_eq!(aims, 1, "there is one desktop: {narrowed:?}");
    let aimed =
        narrowed.iter().position(|(_, e)| matches!(e, Effect::Aim(aimed) if *aimed == choice)).unwrap();
    let started = |viewer| {
        let is = |(of, e): &Wanted| {
            *of == viewer && matches!(e, Effect::StartVideo(grant) if grant.scope() == Scope::Monitor(1))
        };
        narrowed.iter().position(is).expect("it goes on")
    };
    assert!(started(OWNER) > aimed && started(FIRST) > aimed);
    // Who comes later sees that too.
    run.invites(2);
    run.arrives(CY, 2);
    run.joins(SECOND, &invited(2));
    let given = run.gives(SECOND, Right::View);
    let seen = |e: &Effect| matches!(e, Effect::StartVideo(grant) if grant.scope() == Scope::Monitor(1));
    assert!(has(&given, SECOND, seen), "{given:?}");
    // A yes that says what is to be seen says it for all.
    run.company.take_back(Whom::One(OWNER), Right::View, run.now);
    let asked = run.of(OWNER, ask(Right::View));
    let id = question(&asked).unwrap().1.id;
    let answered = run.company.answer(id, true, Some(Choice::default()), run.now);
    let all = |e: &Effect| matches!(e, Effect::StartVideo(grant) if grant.scope() == Scope::Everything);
    for viewer in [OWNER, FIRST, SECOND] {
        assert!(has(&answered, viewer, all), "{viewer:?}");
    }
    let closed = run.all(&Event::ScopeClosed);
    for viewer in [OWNER, FIRST, SECOND] {
        assert!(has(&closed, viewer, |e| matches!(e, Effect::StopVideo)));
        assert_eq!(run.rights(viewer), Rights::NONE);
    }
}

#[test]
fn the_customer_knows_who_is_there_and_what_they_may_do() {
    let mut run = Run::new();
    let joined = {
        run.invites(1);
        run.arrives(BO, 1);
        run.joins(FIRST, &invited(1))
    };
    let told = lookers(&joined).unwrap();
    assert_eq!(told.len(), 2);
    assert_eq!((told[0].viewer, told[0].invited_by.as_deref()), (OWNER, None));
    assert_eq!(told[0].words, run.owner.words());
    let first = &told[1];
    assert_eq!((first.technician.name.as_str(), first.invited_by.as_deref()), ("Ada 2", Some("Ada")));
    assert!(first.connected && first.held.is_empty() && first.words == invited(1).words());
    assert_eq!(first.offered, Rights::only(Right::View).with(Right::Control));
    run.gives(FIRST, Right::View);
    let given = run.gives(FIRST, Right::Control);
    assert!(lookers(&given).unwrap()[1].held.has(Right::Control));
    let touched = run.all(&Event::Touched);
    assert!(lookers(&touched).unwrap()[1].rests);
    assert!(lookers(&run.all(&Event::Touched)).is_none(), "told at changes only");
    assert!(!lookers(&run.of(FIRST, Event::PeerLost)).unwrap()[1].connected);
    let left = run.company.guest_left(BO, CloseReason::TechnicianEnded, run.now);
    assert_eq!(lookers(&left).unwrap().len(), 1);
    assert!(lookers(&run.all(&Event::End)).is_none());
}

#[test]
fn panic_ends_all_of_them_also_where_only_the_brake_was_heard() {
    for event in [Event::Panic, Event::Tick] {
        let mut run = Run::two();
        run.company.give(Whom::All, Right::View, run.now);
        let views =
            [&run.company.owner, &run.company.guests[&FIRST].session].map(|of| of.grants.view().unwrap());
        run.company.brake.pull();
        assert!(views.iter().all(|view| view.check().is_err()));
        let ended = run.all(&event);
        let told = |e: &Effect| matches!(e, Effect::Send(ToViewer::End(CloseReason::CustomerEnded)));
        assert!(has(&ended, OWNER, told) && has(&ended, FIRST, told), "{ended:?}");
        assert!(matches!(ended.last(), Some((OWNER, Effect::End(CloseReason::CustomerEnded)))));
        assert!(run.company.give(Whom::All, Right::View, run.now).is_empty());
    }
}
