//! The rights of a session and the consent that gave them.
//!
//! [`Grants`] is the only place where a right comes into being, and it takes a [`Consent`] for each: what bears on rights
//! goes in as a [`Deed`], what follows comes out as a [`Ruling`], and nothing is given but by a yes or a switch of the
//! customer's. What captures pixels takes a [`ViewGrant`], what injects input a [`ControlGrant`]; both die the moment the
//! right is taken back, on whatever thread they are by then. A [`Brake`] ends them without asking anybody.
//!
//! What always holds, whatever the order of deeds; the tests try a million of them:
//!
//! 1. Who may not see may not act.
//! 2. Nothing holds without a yes or a switch of the customer for it that is newer than the last no, taking or end.
//! 3. A proof that failed once never holds again; for a right that is given anew there are new proofs.
//! 4. Nothing that the technician does adds a right.
//! 5. The customer's own hand on mouse or keyboard always suspends control, and never gives anything.
//! 6. What resumes is what was suspended and not taken since.
//! 7. After panic or the end nothing holds ever again.
//! 8. Another scope makes every proof of seeing and acting void.
//! 9. A yes to facts is good for one sending.
//! 10. A right that this version does not know is no right.
//! 11. While nobody who has proven who they are is at the other end, there are no proofs.

mod machine;
mod proof;
mod right;
mod scope;
#[cfg(test)]
mod tests;

pub use machine::{Consent, Deed, Grants, Ruling, Why};
pub use proof::{Brake, ClipboardInGrant, ClipboardOutGrant, ControlGrant, FactsGrant, Revoked, ViewGrant};
pub use right::{Right, Rights, UnknownRight};
pub use scope::{Scope, WindowId};
