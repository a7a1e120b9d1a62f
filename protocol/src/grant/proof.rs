//! Proofs of a right: what capture and injection take and check, on whatever thread they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The right that a [`ViewGrant`] or [`ControlGrant`] stood for has been taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the customer has taken this right back")]
pub struct Revoked;

/// A flag shared by everybody who acts on one right; it only ever goes from live to dead.
#[derive(Clone, Debug)]
pub(super) struct Live(Arc<AtomicBool>);

impl Live {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    fn check(&self) -> Result<(), Revoked> {
        // Acquire pairs with the Release in `end`: who still sees it live acted before the revocation.
        if self.0.load(Ordering::Acquire) { Ok(()) } else { Err(Revoked) }
    }

    pub(super) fn end(&self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Leave to see the screen. Every capture of pixels takes one and checks it.
#[derive(Clone, Debug)]
pub struct ViewGrant(pub(super) Live);

impl ViewGrant {
    /// Whether the leave still holds, at this moment.
    pub fn check(&self) -> Result<(), Revoked> {
        self.0.check()
    }
}

/// Leave to act with pointer and keyboard. Every injection of input takes one and checks it.
#[derive(Clone, Debug)]
pub struct ControlGrant(pub(super) Live);

impl ControlGrant {
    /// Whether the leave still holds, at this moment.
    pub fn check(&self) -> Result<(), Revoked> {
        self.0.check()
    }
}
