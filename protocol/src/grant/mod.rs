//! The rights of a session and the consent that gave them.
//!
//! [`Grants`] is the only place where a right comes into being, and it takes a [`Consent`] for each. What captures
//! pixels takes a [`ViewGrant`], what injects input a [`ControlGrant`]; both die the moment the right is taken back,
//! on whatever thread they are by then.

mod proof;
mod right;

pub use proof::{ControlGrant, Revoked, ViewGrant};
pub use right::{Right, Rights, UnknownRight};

use proof::Live;

/// Who said yes. A right without one of these can't be expressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// The person in front of the shared screen answered a question on it.
    Customer,
    /// The program was started with `--grant`, for tests only; announced to the server and in the viewer.
    CommandLine,
}

/// The rights that hold now, each with the consent that gave it.
///
/// Dropping it takes everything back: ending a session ends its consent.
#[derive(Debug, Default)]
pub struct Grants {
    given: [Option<(Consent, Live)>; Right::ALL.len()],
}

impl Grants {
    /// A session starts with nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives one right. Control without the right to see makes no sense and is not given: the answer is then false.
    #[must_use = "control is not given to someone who may not see"]
    pub fn give(&mut self, right: Right, consent: Consent) -> bool {
        if right == Right::Control && !self.has(Right::View) {
            return false;
        }
        let slot = &mut self.given[right as usize];
        if slot.is_none() {
            *slot = Some((consent, Live::new()));
        }
        true
    }

    /// Takes one right back, at once and everywhere. Who loses sight loses control with it.
    pub fn take(&mut self, right: Right) {
        if right == Right::View {
            self.take(Right::Control);
        }
        if let Some((_, live)) = self.given[right as usize].take() {
            live.end();
        }
    }

    /// Takes everything back.
    pub fn take_all(&mut self) {
        for right in Right::ALL {
            self.take(right);
        }
    }

    /// Whether the right holds.
    pub fn has(&self, right: Right) -> bool {
        self.given[right as usize].is_some()
    }

    /// Who gave the right, where it holds.
    pub fn consent(&self, right: Right) -> Option<Consent> {
        self.given[right as usize].as_ref().map(|(consent, _)| *consent)
    }

    /// All rights that hold.
    pub fn rights(&self) -> Rights {
        Right::ALL.into_iter().filter(|right| self.has(*right)).collect()
    }

    /// The proof that capture asks for.
    pub fn view(&self) -> Option<ViewGrant> {
        self.live(Right::View).map(ViewGrant)
    }

    /// The proof that injection asks for.
    pub fn control(&self) -> Option<ControlGrant> {
        self.live(Right::Control).map(ControlGrant)
    }

    fn live(&self, right: Right) -> Option<Live> {
        self.given[right as usize].as_ref().map(|(_, live)| live.clone())
    }
}

impl Drop for Grants {
    fn drop(&mut self) {
        self.take_all();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
    fn control_needs_sight() {
        let mut grants = Grants::new();
        assert!(!grants.give(Right::Control, Consent::Customer));
        assert!(grants.give(Right::View, Consent::Customer));
        assert!(grants.give(Right::Control, Consent::Customer));
        let control = grants.control().unwrap();
        grants.take(Right::View);
        assert_eq!(control.check(), Err(Revoked));
        assert!(grants.rights().is_empty());
    }

    #[test]
    fn a_right_given_again_does_not_revive_an_old_proof() {
        let mut grants = Grants::new();
        assert!(grants.give(Right::View, Consent::Customer));
        let old = grants.view().unwrap();
        grants.take(Right::View);
        assert!(grants.give(Right::View, Consent::Customer));
        assert_eq!(old.check(), Err(Revoked));
        assert_eq!(grants.view().unwrap().check(), Ok(()));
    }

    #[test]
    fn unknown_bits_are_no_rights() {
        assert_eq!(Rights::from(0xfff0), Rights::NONE);
        assert_eq!(Rights::from(0xffff).iter().count(), Right::ALL.len());
    }

    proptest! {
        /// Whatever the order of giving and taking: what holds is what was given and not taken since.
        #[test]
        fn rights_are_what_was_given(steps in prop::collection::vec((any::<bool>(), 0..Right::ALL.len()), 0..64)) {
            let mut grants = Grants::new();
            let mut model = Rights::NONE;
            for (give, index) in steps {
                let right = Right::ALL[index];
                if give {
                    let given = grants.give(right, Consent::Customer);
                    prop_assert_eq!(given, right != Right::Control || model.has(Right::View));
                    if given { model = model.with(right); }
                } else {
                    grants.take(right);
                    model = model.without(right);
                    if right == Right::View { model = model.without(Right::Control); }
                }
                prop_assert_eq!(grants.rights(), model);
                prop_assert_eq!(grants.control().is_some(), model.has(Right::Control));
            }
        }
    }
}
