//! What this end does to keep the connection: it can't offer, so it asks the viewer to, and sees to it that the way by
//! which it asks is not dead itself.
//!
//! A connection to the server over an address that is gone says nothing about it for minutes. So after every change of
//! the network it is made anew, and also when a restart was asked for and none came.

use std::time::{Duration, Instant};

use super::{Effect, Session};

/// How long an offer may take after it was asked for. Each time in vain it may take twice as long, up to
/// [`LONGEST_WAIT`].
pub const OFFER_WAIT: Duration = Duration::from_secs(2);
/// The longest wait for an offer.
pub const LONGEST_WAIT: Duration = Duration::from_secs(16);

/// Whether a restart is wanted, and who is there to make it.
#[derive(Debug)]
pub(super) struct Mending {
    /// We are in our seat.
    seated: bool,
    /// The viewer is in its seat.
    viewer: bool,
    /// A restart of ICE is due, and no offer has come since.
    wanted: bool,
    /// It was asked for: until when it should have come.
    due: Option<Instant>,
    wait: Duration,
}

impl Mending {
    pub(super) const fn new() -> Self {
        Self { seated: false, viewer: false, wanted: false, due: None, wait: OFFER_WAIT }
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// In our seat, or in it again.
    pub(super) fn seated(&mut self, viewer: bool, now: Instant, out: &mut Vec<Effect>) {
        self.seated = true;
        self.viewer = viewer;
        self.ask(now, out);
    }

    /// The server is away: nobody could be asked.
    pub(super) const fn unseated(&mut self) {
        self.seated = false;
        self.due = None;
    }

    /// The viewer came to its seat, or left it.
    pub(super) fn viewer(&mut self, here: bool, now: Instant, out: &mut Vec<Effect>) {
        self.viewer = here;
        self.due = None;
        self.ask(now, out);
    }

    /// An offer has come, or what was broken works again.
    pub(super) const fn over(&mut self) {
        self.wanted = false;
        self.due = None;
        self.wait = OFFER_WAIT;
    }

    /// A restart is due.
    fn want(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.wanted = true;
        self.ask(now, out);
    }

    fn ask(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.wanted && self.seated && self.viewer && self.due.is_none() {
            self.due = Some(now + self.wait);
            self.wait = (self.wait * 2).min(LONGEST_WAIT);
            out.push(Effect::WantRestart);
        }
    }

    /// Nothing came in time: perhaps we only believe that we are in our seat.
    pub(super) fn tick(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.due.is_some_and(|due| due <= now) {
            self.unseated();
            out.push(Effect::Redial);
        }
    }
}

impl Session {
    /// The peer connection stopped carrying data; an ICE restart may mend it.
    pub(super) fn restart_due(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.trusts() {
            self.mending.want(now, out);
        }
    }

    /// The addresses of this computer are others than before.
    pub(super) fn network_changed(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if !self.mending.seated && self.technician.is_none() {
            // Not let in for the first time: whoever gave the code wants to see that fail.
            return;
        }
        self.mending.unseated();
        out.push(Effect::Redial);
        self.restart_due(now, out);
    }
}
