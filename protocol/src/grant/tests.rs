//! A table for each promise of this module; [`orders`] tries a million orders of deeds.

mod orders;

use std::time::Duration;

use super::*;

const WINDOW: Scope = Scope::Window(WindowId(7));
const SECOND: Duration = Duration::from_secs(1);

fn on(right: Right) -> Deed {
    Deed::Switched { right, on: true }
}

fn off(right: Right) -> Deed {
    Deed::Switched { right, on: false }
}

fn answer(right: Right, yes: bool) -> Deed {
    Deed::Answered { right, yes, scope: None }
}

/// Grants in which these deeds of the customer's happened.
fn after(deeds: &[Deed]) -> Grants {
    let mut grants = Grants::new();
    for deed in deeds {
        grants.rule(deed, Consent::Customer);
    }
    grants
}

/// With sight and control.
fn controlled() -> Grants {
    after(&[on(Right::View), on(Right::Control)])
}

fn rule(grants: &mut Grants, deed: Deed) -> Vec<Ruling> {
    grants.rule(&deed, Consent::Customer)
}

#[test]
fn nothing_holds_at_the_start_and_nothing_after_the_end() {
    let mut grants = Grants::new();
    assert!(grants.rights().is_empty() && grants.view().is_none() && grants.control().is_none());
    assert!(grants.give(Right::View, Consent::Customer));
    let view = grants.view().unwrap();
    assert_eq!(view.check(), Ok(()));
    drop(grants);
    assert_eq!(view.check(), Err(Revoked));
}

#[test]
fn a_right_has_a_name_and_a_bit_that_no_other_has() {
    for (index, right) in Right::ALL.into_iter().enumerate() {
        assert_eq!(right as usize, index);
        assert_eq!(right.as_str().parse(), Ok(right));
        assert_eq!(Rights::from(1 << index), Rights::only(right));
        assert!(UnknownRight.to_string().contains(right.as_str()));
    }
}

#[test]
fn unknown_bits_are_no_rights() {
    assert_eq!(Rights::from(0xff00), Rights::NONE);
    assert_eq!(Rights::from(0xffff).iter().count(), Right::ALL.len());
    assert!(rule(&mut Grants::new(), Deed::Asked(Rights::from(0xffff))).is_empty());
}

#[test]
fn who_may_not_see_may_not_act() {
    for deed in [on(Right::Control), answer(Right::Control, true)] {
        let mut grants = Grants::new();
        assert_eq!(rule(&mut grants, deed), [Ruling::Refused(Right::Control, Why::NoSight)]);
        assert!(!grants.give(Right::Control, Consent::Customer));
    }
    for (deed, why, control) in [
        (off(Right::View), Why::Customer, Why::NoSight),
        (answer(Right::View, false), Why::Customer, Why::NoSight),
        (Deed::GivenBack(Rights::only(Right::View)), Why::Technician, Why::NoSight),
        (Deed::ScopeClosed, Why::NothingShared, Why::NothingShared),
        (Deed::Expired, Why::Expired, Why::Expired),
    ] {
        let mut grants = controlled();
        let proof = grants.control().unwrap();
        let rulings = rule(&mut grants, deed);
        let took = [Ruling::Took(Right::Control, control), Ruling::Took(Right::View, why)];
        assert_eq!(rulings[..2], took, "{deed:?}");
        assert_eq!(proof.check(), Err(Revoked));
        assert!(grants.rights().is_empty() && grants.control().is_none());
    }
}

#[test]
fn a_yes_and_a_switch_give_and_nothing_else_does() {
    for right in [Right::View, Right::FilesIn, Right::ClipboardOut, Right::Facts, Right::Record] {
        for given in [on(right), answer(right, true)] {
            let mut grants = Grants::new();
            assert_eq!(rule(&mut grants, given), [Ruling::Gave(right)]);
            assert_eq!(rule(&mut grants, given), [], "it holds already");
            assert_eq!(grants.consent(right), Some(Consent::Customer));
            assert_eq!(rule(&mut grants, off(right)), [Ruling::Took(right, Why::Customer)]);
            assert_eq!(grants.rights(), Rights::NONE);
        }
        for other in [
            Deed::Asked(Rights::only(right)),
            answer(right, false),
            Deed::GivenBack(Rights::only(right)),
            Deed::Narrowed(WINDOW),
            Deed::Touched,
            Deed::Resumed,
            Deed::ComesBack(Some(Duration::ZERO)),
            Deed::Waited(SECOND),
            Deed::Proven,
            Deed::Interrupted,
        ] {
            let mut grants = Grants::new();
            let gave = |ruling: &Ruling| matches!(ruling, Ruling::Gave(_) | Ruling::Resumed);
            assert!(!rule(&mut grants, other).iter().any(gave), "{other:?}");
            assert_eq!(grants.kept(), Rights::NONE);
        }
    }
}

#[test]
fn a_right_given_again_does_not_revive_an_old_proof() {
    let mut grants = after(&[on(Right::View)]);
    let old = grants.view().unwrap();
    rule(&mut grants, off(Right::View));
    rule(&mut grants, on(Right::View));
    assert_eq!(old.check(), Err(Revoked));
    assert_eq!(grants.view().unwrap().check(), Ok(()));
}

#[test]
fn the_customers_hand_suspends_and_one_click_resumes() {
    let mut grants = controlled();
    let before = grants.control().unwrap();
    assert_eq!(rule(&mut grants, Deed::Touched), [Ruling::Suspended]);
    assert_eq!(rule(&mut grants, Deed::Touched), [], "it rests already");
    assert_eq!(before.check(), Err(Revoked));
    assert!(grants.is_resting() && grants.control().is_none());
    assert_eq!(grants.rights(), Rights::only(Right::View));
    assert!(grants.kept().has(Right::Control) && grants.view().is_some_and(|view| view.check().is_ok()));
    assert_eq!(rule(&mut grants, Deed::Waited(3600 * SECOND)), [], "never by itself");
    assert_eq!(rule(&mut grants, Deed::Resumed), [Ruling::Resumed]);
    assert_eq!(grants.control().unwrap().check(), Ok(()));
    assert_eq!(before.check(), Err(Revoked), "what waited from before the touch is not carried out after it");
    // A switch does the same.
    rule(&mut grants, Deed::Touched);
    assert_eq!(rule(&mut grants, on(Right::Control)), [Ruling::Resumed]);
}

#[test]
fn only_what_was_suspended_resumes() {
    for taken in [
        off(Right::Control),
        off(Right::View),
        Deed::GivenBack(Rights::only(Right::Control)),
        Deed::Expired,
        Deed::ScopeClosed,
        Deed::Panicked,
        Deed::Ended,
    ] {
        let mut grants = controlled();
        rule(&mut grants, Deed::Touched);
        rule(&mut grants, taken);
        assert_eq!(rule(&mut grants, Deed::Resumed), [], "{taken:?}");
        assert!(grants.control().is_none() && !grants.is_resting());
    }
}

#[test]
fn control_comes_back_by_itself_where_the_customer_chose_so() {
    let mut grants = controlled();
    rule(&mut grants, Deed::ComesBack(Some(5 * SECOND)));
    assert_eq!(grants.goes_on_in(), None);
    rule(&mut grants, Deed::Touched);
    assert_eq!(rule(&mut grants, Deed::Waited(4 * SECOND)), []);
    assert_eq!(grants.goes_on_in(), Some(SECOND));
    rule(&mut grants, Deed::Touched);
    assert_eq!(grants.goes_on_in(), Some(5 * SECOND), "counted from the last touch");
    assert_eq!(rule(&mut grants, Deed::Waited(4 * SECOND)), []);
    assert_eq!(rule(&mut grants, Deed::Waited(SECOND)), [Ruling::Resumed]);
    assert_eq!(grants.control().unwrap().check(), Ok(()));
}

#[test]
fn control_does_not_come_back_over_a_hand_that_we_have_not_been_told_of() {
    let brake = Brake::default();
    let mut grants = Grants::under(brake.clone());
    for deed in [on(Right::View), on(Right::Control), Deed::ComesBack(Some(SECOND)), Deed::Touched] {
        rule(&mut grants, deed);
    }
    brake.suspend();
    assert_eq!(rule(&mut grants, Deed::Waited(SECOND)), []);
    assert_eq!(rule(&mut grants, Deed::Waited(SECOND)), [Ruling::Resumed], "a pause after that");
}

#[test]
fn the_brake_needs_nobody() {
    let brake = Brake::default();
    let mut grants = Grants::under(brake.clone());
    rule(&mut grants, on(Right::View));
    rule(&mut grants, on(Right::Control));
    let (view, control) = (grants.view().unwrap(), grants.control().unwrap());
    brake.suspend();
    assert_eq!((view.check(), control.check()), (Ok(()), Err(Revoked)));
    // The word of it is still on its way: what comes meanwhile gets a proof that is void.
    assert_eq!(grants.control().unwrap().check(), Err(Revoked));
    assert_eq!(rule(&mut grants, Deed::Touched), [Ruling::Suspended]);
    rule(&mut grants, Deed::Resumed);
    assert_eq!((grants.control().unwrap().check(), control.check()), (Ok(()), Err(Revoked)));

    let other = Grants::under(brake.clone());
    brake.pull();
    assert!(brake.is_pulled() && view.check().is_err());
    assert!(grants.rights().is_empty() && grants.view().is_none() && grants.control().is_none());
    let took = [Ruling::Took(Right::Control, Why::Panic), Ruling::Took(Right::View, Why::Panic)];
    assert_eq!(rule(&mut grants, answer(Right::FilesIn, true)), took, "before any yes");
    assert!(other.rights().is_empty());
}

#[test]
fn after_panic_and_the_end_nothing_holds_ever_again() {
    for end in [Deed::Panicked, Deed::Ended] {
        let mut grants = controlled();
        let (view, control) = (grants.view().unwrap(), grants.control().unwrap());
        assert_eq!(rule(&mut grants, end).len(), 2);
        assert!(view.check().is_err() && control.check().is_err());
        for deed in [on(Right::View), answer(Right::FilesIn, true), Deed::Proven, Deed::Resumed, end] {
            assert_eq!(rule(&mut grants, deed), [], "{end:?} {deed:?}");
        }
        assert!(grants.kept().is_empty() && !grants.give(Right::View, Consent::CommandLine));
    }
}

#[test]
fn another_scope_makes_every_proof_of_it_void() {
    let mut grants = controlled();
    let (view, control) = (grants.view().unwrap(), grants.control().unwrap());
    assert_eq!(view.scope(), Scope::Everything);
    assert_eq!(rule(&mut grants, Deed::Narrowed(Scope::Everything)), [], "it is the same");
    assert!(view.check().is_ok());
    assert_eq!(rule(&mut grants, Deed::Narrowed(WINDOW)), [Ruling::ScopeChanged(WINDOW)]);
    assert!(view.check().is_err() && control.check().is_err());
    let (view, control) = (grants.view().unwrap(), grants.control().unwrap());
    assert_eq!((view.scope(), control.scope()), (WINDOW, WINDOW));
    assert!(view.check().is_ok() && control.check().is_ok());

    // Closed: a switch alone does not say what else is to be seen.
    rule(&mut grants, Deed::ScopeClosed);
    assert_eq!(rule(&mut grants, on(Right::View)), [Ruling::Refused(Right::View, Why::NothingShared)]);
    assert_eq!(
        rule(&mut grants, answer(Right::View, true)),
        [Ruling::Refused(Right::View, Why::NothingShared)]
    );
    let monitor = Scope::Monitor(1);
    assert_eq!(
        rule(&mut grants, Deed::Answered { right: Right::View, yes: true, scope: Some(monitor) }),
        [Ruling::ScopeChanged(monitor), Ruling::Gave(Right::View)]
    );
    assert_eq!(grants.view().unwrap().scope(), monitor);
    // Only the answer about sight says what is seen.
    rule(&mut grants, Deed::Answered { right: Right::FilesIn, yes: true, scope: Some(Scope::Everything) });
    assert_eq!(grants.scope(), Some(monitor));
}

#[test]
fn a_yes_to_facts_is_good_for_one_sending() {
    let mut grants = after(&[on(Right::Facts)]);
    let sending = grants.use_facts().unwrap();
    assert!(sending.check().is_ok() && grants.use_facts().is_none());
    assert_eq!(grants.rights(), Rights::NONE);
    rule(&mut grants, off(Right::Facts));
    assert_eq!(sending.check(), Err(Revoked), "what is under way is stopped");
    for stop in [Deed::Interrupted, Deed::Expired, Deed::Ended, Deed::Panicked] {
        let mut grants = after(&[on(Right::Facts)]);
        let sending = grants.use_facts().unwrap();
        rule(&mut grants, stop);
        assert!(sending.check().is_err(), "{stop:?}");
    }
    let mut grants = after(&[on(Right::Facts)]);
    let sending = grants.use_facts().unwrap();
    drop(grants);
    assert!(sending.check().is_err());
}

#[test]
fn while_nobody_proven_is_there_nothing_can_be_proven() {
    let mut grants = controlled();
    rule(&mut grants, on(Right::ClipboardIn));
    let (view, clipboard) = (grants.view().unwrap(), grants.clipboard_in().unwrap());
    rule(&mut grants, Deed::Interrupted);
    assert!(view.check().is_err() && clipboard.check().is_err());
    assert!(grants.view().is_none() && grants.clipboard_in().is_none());
    assert!(grants.rights().has(Right::Control), "it is kept for their return");
    rule(&mut grants, on(Right::ClipboardOut));
    assert!(grants.clipboard_out().is_none());
    rule(&mut grants, Deed::Touched);
    rule(&mut grants, Deed::Proven);
    assert!(grants.view().unwrap().check().is_ok() && view.check().is_err());
    assert!(grants.clipboard_out().unwrap().check().is_ok());
    assert!(grants.control().is_none(), "the hand counts meanwhile too");
}
