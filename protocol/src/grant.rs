//! The rights of a session and the consent that gave them.
//!
//! [`Grants`] is the only place where a right comes into being, and it takes a [`Consent`] for each. What captures
//! pixels takes a [`ViewGrant`], what injects input a [`ControlGrant`]; both die the moment the right is taken back,
//! on whatever thread they are by then.

use core::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

/// One thing that a technician may be allowed to do. Each is its own yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// See the screen.
    View,
    /// Move the pointer, click and type.
    Control,
    /// Send files to the customer.
    FilesIn,
    /// Receive files from the customer.
    FilesOut,
}

impl Right {
    /// Every right.
    pub const ALL: [Self; 4] = [Self::View, Self::Control, Self::FilesIn, Self::FilesOut];

    const fn bit(self) -> u16 {
        1 << self as u16
    }

    /// The stable name, as on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Control => "control",
            Self::FilesIn => "files-in",
            Self::FilesOut => "files-out",
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl core::str::FromStr for Right {
    type Err = UnknownRight;

    fn from_str(text: &str) -> Result<Self, UnknownRight> {
        Self::ALL.into_iter().find(|right| right.as_str() == text).ok_or(UnknownRight)
    }
}

/// A name that is no right's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such right; there are view, control, files-in and files-out")]
pub struct UnknownRight;

/// A set of rights. Bits that this version does not know are dropped on receipt: an unknown right is no right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "u16", into = "u16")]
pub struct Rights(u16);

impl Rights {
    /// No right at all.
    pub const NONE: Self = Self(0);

    /// The set with this one right.
    pub const fn only(right: Right) -> Self {
        Self(right.bit())
    }

    /// This set and `right`.
    #[must_use]
    pub const fn with(self, right: Right) -> Self {
        Self(self.0 | right.bit())
    }

    /// This set but `right`.
    #[must_use]
    pub const fn without(self, right: Right) -> Self {
        Self(self.0 & !right.bit())
    }

    /// Whether `right` is in the set.
    pub const fn has(self, right: Right) -> bool {
        self.0 & right.bit() != 0
    }

    /// Whether nothing is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The rights in the set.
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |right| self.has(*right))
    }
}

impl From<u16> for Rights {
    fn from(bits: u16) -> Self {
        Self(Right::ALL.into_iter().fold(0, |known, right| known | (bits & right.bit())))
    }
}

impl From<Rights> for u16 {
    fn from(rights: Rights) -> Self {
        rights.0
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        rights.into_iter().fold(Self::NONE, Self::with)
    }
}

/// Who said yes. A right without one of these can't be expressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// The person in front of the shared screen answered a question on it.
    Customer,
    /// The program was started with `--grant`, for tests only; announced to the server and in the viewer.
    CommandLine,
}

/// The right that a [`ViewGrant`] or [`ControlGrant`] stood for has been taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the customer has taken this right back")]
pub struct Revoked;

/// A flag shared by everybody who acts on one right; it only ever goes from live to dead.
#[derive(Clone, Debug)]
struct Live(Arc<AtomicBool>);

impl Live {
    fn new() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    fn check(&self) -> Result<(), Revoked> {
        // Acquire pairs with the Release in `end`: who still sees it live acted before the revocation.
        if self.0.load(Ordering::Acquire) { Ok(()) } else { Err(Revoked) }
    }

    fn end(&self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Leave to see the screen. Every capture of pixels takes one and checks it.
#[derive(Clone, Debug)]
pub struct ViewGrant(Live);

impl ViewGrant {
    /// Whether the leave still holds, at this moment.
    pub fn check(&self) -> Result<(), Revoked> {
        self.0.check()
    }
}

/// Leave to act with pointer and keyboard. Every injection of input takes one and checks it.
#[derive(Clone, Debug)]
pub struct ControlGrant(Live);

impl ControlGrant {
    /// Whether the leave still holds, at this moment.
    pub fn check(&self) -> Result<(), Revoked> {
        self.0.check()
    }
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
