//! Proofs of a right: what capture, injection and clipboard take and check, on whatever thread they are; and the brake,
//! which ends all of them at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::Scope;

/// The right that a proof stood for has been taken back, or rests.
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

/// The bit of a [`Brake`] that says that it was pulled; the others count touches.
const PULLED: u64 = 1 << 63;

/// What stops a session from outside of it, without a lock and without waiting for anybody: the customer's own hand, and
/// the panic key. One for all technicians; every proof knows it.
///
/// It counts the touches of the customer's hand instead of keeping a flag, and a proof of control is good for the count at
/// which control was given or resumed. So nobody ever has to reset it, and what is reset can't be reset too late or for
/// somebody else.
#[derive(Clone, Debug, Default)]
pub struct Brake(Arc<AtomicU64>);

/// How often a brake had been touched at some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark(u64);

impl Brake {
    /// The customer's own hand is on mouse or keyboard: from here on every proof of control fails, until the customer says
    /// that the technician may go on. [`super::Grants::rule`] is told of it by [`super::Deed::Touched`], when its turn comes.
    pub fn suspend(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    /// Panic: from here on every proof of this session fails, for good.
    pub fn pull(&self) {
        self.0.fetch_or(PULLED, Ordering::AcqRel);
    }

    /// Whether it was pulled.
    pub fn is_pulled(&self) -> bool {
        self.0.load(Ordering::Acquire) & PULLED != 0
    }

    pub(super) fn mark(&self) -> Mark {
        Mark(self.0.load(Ordering::Acquire) & !PULLED)
    }

    fn check(&self) -> Result<(), Revoked> {
        if self.is_pulled() { Err(Revoked) } else { Ok(()) }
    }

    /// Neither pulled nor touched since.
    fn untouched(&self, since: Mark) -> Result<(), Revoked> {
        // The bit of a pulled brake makes it unequal to every mark.
        if self.0.load(Ordering::Acquire) == since.0 { Ok(()) } else { Err(Revoked) }
    }
}

/// Leave to see what the customer shows. Every capture of pixels takes one and checks it.
#[derive(Clone, Debug)]
pub struct ViewGrant {
    pub(super) live: Live,
    pub(super) brake: Brake,
    pub(super) scope: Scope,
}

impl ViewGrant {
    /// Whether the leave still holds, at this moment.
    pub fn check(&self) -> Result<(), Revoked> {
        self.brake.check()?;
        self.live.check()
    }

    /// What may be seen. For another part of the desktop there is another leave.
    pub const fn scope(&self) -> Scope {
        self.scope
    }
}

/// Leave to act with pointer and keyboard. Every injection of input takes one and checks it.
#[derive(Clone, Debug)]
pub struct ControlGrant {
    pub(super) live: Live,
    pub(super) brake: Brake,
    pub(super) since: Mark,
    pub(super) scope: Scope,
}

impl ControlGrant {
    /// Whether the leave still holds, at this moment: not taken back, and the customer has not touched mouse or keyboard.
    pub fn check(&self) -> Result<(), Revoked> {
        self.brake.untouched(self.since)?;
        self.live.check()
    }

    /// On what may be acted.
    pub const fn scope(&self) -> Scope {
        self.scope
    }
}

/// Leave to put something into the customer's clipboard.
#[derive(Clone, Debug)]
pub struct ClipboardInGrant {
    pub(super) live: Live,
    pub(super) brake: Brake,
}

impl ClipboardInGrant {
    /// Whether the leave still holds, at this moment.
    pub fn check(&self) -> Result<(), Revoked> {
        self.brake.check()?;
        self.live.check()
    }
}

/// Leave to read the customer's clipboard, and to be told that it changed.
#[derive(Clone, Debug)]
pub struct ClipboardOutGrant {
    pub(super) live: Live,
    pub(super) brake: Brake,
}

impl ClipboardOutGrant {
    /// Whether the leave still holds, at this moment.
    pub fn check(&self) -> Result<(), Revoked> {
        self.brake.check()?;
        self.live.check()
    }
}

/// Leave to send what the customer saw of their computer's facts, once: it can't be copied, and there is no second one
/// without a second yes.
#[derive(Debug)]
pub struct FactsGrant {
    pub(super) live: Live,
    pub(super) brake: Brake,
}

impl FactsGrant {
    /// Whether the leave still holds, at this moment.
    pub fn check(&self) -> Result<(), Revoked> {
        self.brake.check()?;
        self.live.check()
    }
}
