//! The customer's hand comes first: control rests while they use mouse or keyboard, and goes on when they say so.
//!
//! The brake has stopped everything by then, on the thread that saw the touch. What is done here is the rest: to let go of
//! what is pressed, to tell both, and to wait.

use std::time::{Duration, Instant};

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::control::{InputProblem, Rest, ToViewer};
use nearhand_protocol::grant::{Deed, Ruling};
use nearhand_protocol::version::Capabilities;

use super::{Effect, Session};

impl Session {
    /// The customer's own hand was on mouse or keyboard, or they let the technician go on.
    pub(super) fn yields(&mut self, deed: &Deed, out: &mut Vec<Effect>) {
        let rulings = self.rule(deed);
        self.follow(&rulings, out);
        if !rulings.is_empty() {
            self.input_problem = None;
            self.tell_rights(out);
            self.send_rights(out);
        }
    }

    /// After how long without a touch resting control goes on by itself.
    pub(super) fn comes_back(&mut self, after: Option<Duration>, out: &mut Vec<Effect>) {
        self.yields(&Deed::ComesBack(after), out);
        self.send_rests(out);
    }

    /// Time passed.
    pub(super) fn wait(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let since = self.waited_until.replace(now).unwrap_or(now);
        if self.grants.is_resting() {
            self.yields(&Deed::Waited(now.saturating_duration_since(since)), out);
        }
    }

    /// When control goes on by itself.
    pub(super) fn goes_on_at(&self) -> Option<Instant> {
        Some(self.waited_until? + self.grants.goes_on_in()?)
    }

    /// Everything ends at once.
    pub(super) fn panic(&mut self, out: &mut Vec<Effect>) {
        self.rule(&Deed::Panicked);
        self.end(CloseReason::CustomerEnded, out);
    }

    /// Says to the technician whether their control rests, where they were told otherwise.
    pub(super) fn send_rests(&mut self, out: &mut Vec<Effect>) {
        if !self.trusts() || !self.theirs.has(Capabilities::SCOPE) {
            return;
        }
        let back_after_s = self.grants.comes_back().map_or(0, |after| after.as_secs().clamp(1, 255) as u8);
        let rest = self.grants.is_resting().then_some(Rest::CustomerActs { back_after_s });
        // A new connection takes it that nothing rests.
        if std::mem::replace(&mut self.rest_told, rest) != rest {
            out.push(Effect::Send(ToViewer::Rests(rest)));
        }
    }

    /// A problem in words that this technician's end knows.
    pub(super) const fn known(&self, problem: InputProblem) -> InputProblem {
        match problem {
            _ if self.theirs.has(Capabilities::SCOPE) => problem,
            InputProblem::Outside | InputProblem::Ours => InputProblem::Failed,
            InputProblem::CustomerActs => InputProblem::NoControl,
            known => known,
        }
    }

    /// What the machine of rights makes of a deed.
    pub(super) fn rule(&mut self, deed: &Deed) -> Vec<Ruling> {
        self.grants.rule(deed, self.consent)
    }
}
