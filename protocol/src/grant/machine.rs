//! The machine of rights: deeds in, rulings out.

use std::time::Duration;

use super::proof::{Live, Mark};
use super::{
    Brake, ClipboardInGrant, ClipboardOutGrant, ControlGrant, FactsGrant, Right, Rights, Scope, ViewGrant,
};

/// Who said yes. A right without one of these can't be expressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// The person in front of the shared screen answered a question on it, or used a switch of theirs.
    Customer,
    /// The program was started with `--grant`, for tests only; announced to the server and in the viewer.
    CommandLine,
}

/// Something that bears on rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// The technician would like to have these. It changes nothing.
    Asked(Rights),
    /// The customer answered the question about this right, which stood open.
    Answered {
        /// The right.
        right: Right,
        /// What.
        yes: bool,
        /// What is to be shared from now on; `None`: as before.
        scope: Option<Scope>,
    },
    /// The customer used a switch or a key of their own.
    Switched {
        /// The right.
        right: Right,
        /// Given, or taken back. Switching resting control on lets it go on.
        on: bool,
    },
    /// The customer shares something else from now on: less, more or another thing.
    Narrowed(Scope),
    /// The technician gives rights back.
    GivenBack(Rights),
    /// The customer's own hand was on mouse or keyboard.
    Touched,
    /// The customer lets the technician go on.
    Resumed,
    /// The customer chose that resting control goes on by itself after so long without a touch; `None`: never.
    ComesBack(Option<Duration>),
    /// So much time passed since this was said last.
    Waited(Duration),
    /// Nobody who has proven who they are is at the other end: at the beginning, and while a connection is away or new.
    Interrupted,
    /// The technician is at the other end, and has proven it.
    Proven,
    /// An interruption lasted too long: everything is asked anew.
    Expired,
    /// What was shared is not there any more.
    ScopeClosed,
    /// The customer ended everything at once, for all technicians.
    Panicked,
    /// The session is over.
    Ended,
}

/// What follows from a deed, in this order. Nothing is given but by [`Self::Gave`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// This right holds from here on.
    Gave(Right),
    /// This one does not any more.
    Took(Right, Why),
    /// This one was not given.
    Refused(Right, Why),
    /// Control rests: nobody acts, and the customer can let it go on.
    Suspended,
    /// Resting control goes on.
    Resumed,
    /// Something else is shared; who sees or acts needs new proofs.
    ScopeChanged(Scope),
}

/// Why a right was taken, or not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The customer said so.
    Customer,
    /// The technician gave it back.
    Technician,
    /// Who may not see may not act.
    NoSight,
    /// What was shared is closed, and the customer has not said what instead.
    NothingShared,
    /// An interruption lasted too long.
    Expired,
    /// The session is over.
    Ended,
    /// The customer ended everything at once.
    Panic,
}

/// A right that was given.
#[derive(Debug)]
struct Given {
    consent: Consent,
    live: Live,
}

/// Control that was given and rests.
#[derive(Clone, Copy, Debug)]
struct Resting {
    /// Without a touch, so far.
    waited: Duration,
    /// As often the brake had been touched when the last touch was told.
    touched: Mark,
}

/// The rights of one technician that hold now, each with the consent that gave it.
///
/// Dropping it takes everything back: ending a session ends its consent.
#[derive(Debug)]
pub struct Grants {
    brake: Brake,
    given: [Option<Given>; Right::ALL.len()],
    /// As often the brake had been touched when control was given or resumed.
    acting: Mark,
    resting: Option<Resting>,
    comes_back: Option<Duration>,
    /// What is shared with who may see; `None` once it was closed.
    scope: Option<Scope>,
    /// The facts that are being sent.
    sending: Option<Live>,
    /// The technician is there, and has proven it.
    present: bool,
    over: bool,
}

impl Default for Grants {
    fn default() -> Self {
        Self::new()
    }
}

impl Grants {
    /// A session starts with nothing.
    pub fn new() -> Self {
        Self::under(Brake::default())
    }

    /// As [`Self::new`]; whoever holds the brake can end every proof that is made here.
    pub fn under(brake: Brake) -> Self {
        Self {
            brake,
            given: [const { None }; Right::ALL.len()],
            acting: Mark::default(),
            resting: None,
            comes_back: None,
            scope: Some(Scope::Everything),
            sending: None,
            present: true,
            over: false,
        }
    }

    /// Something happened that bears on rights; `consent` is what a yes counts as. After the end nothing follows.
    pub fn rule(&mut self, deed: &Deed, consent: Consent) -> Vec<Ruling> {
        let mut out = Vec::new();
        if self.over {
            return out;
        }
        if self.brake.is_pulled() {
            // Whoever pulled it was faster than the word of it.
            self.finish(Why::Panic, &mut out);
            return out;
        }
        match *deed {
            // A wish is no right.
            Deed::Asked(_) => {}
            Deed::Answered { right, yes: true, scope } => {
                if let Some(scope) = scope.filter(|_| right == Right::View) {
                    self.share(scope, &mut out);
                }
                self.put(right, consent, &mut out);
            }
            Deed::Answered { right, yes: false, .. } => {
                self.end(right, Why::Customer, &mut out);
                out.push(Ruling::Refused(right, Why::Customer));
            }
            Deed::Switched { right, on: true } => self.put(right, consent, &mut out),
            Deed::Switched { right, on: false } => self.end(right, Why::Customer, &mut out),
            Deed::Narrowed(scope) => self.share(scope, &mut out),
            Deed::GivenBack(rights) => {
                for right in rights.iter() {
                    self.end(right, Why::Technician, &mut out);
                }
            }
            Deed::Touched => self.suspend(&mut out),
            Deed::Resumed => self.resume(&mut out),
            Deed::ComesBack(after) => self.comes_back = after,
            Deed::Waited(passed) => self.wait(passed, &mut out),
            Deed::Interrupted => {
                self.present = false;
                self.given.iter().flatten().for_each(|given| given.live.end());
                self.stop_sending();
            }
            Deed::Proven => {
                if !std::mem::replace(&mut self.present, true) {
                    for right in Right::ALL {
                        self.renew(right);
                    }
                }
            }
            Deed::Expired => self.end_all(Why::Expired, &mut out),
            Deed::ScopeClosed => {
                self.scope = None;
                self.end(Right::View, Why::NothingShared, &mut out);
            }
            Deed::Panicked => {
                self.brake.pull();
                self.finish(Why::Panic, &mut out);
            }
            Deed::Ended => self.finish(Why::Ended, &mut out),
        }
        out
    }

    /// Gives one right, as a switch of the customer's does. Control without the right to see makes no sense and is not given:
    /// the answer is then false.
    #[must_use = "control is not given to someone who may not see"]
    pub fn give(&mut self, right: Right, consent: Consent) -> bool {
        self.rule(&Deed::Switched { right, on: true }, consent);
        self.has(right)
    }

    /// Takes one right back, as a switch of the customer's does. Who loses sight loses control with it.
    pub fn take(&mut self, right: Right) {
        self.rule(&Deed::Switched { right, on: false }, Consent::Customer);
    }

    /// Whether the right holds.
    pub fn has(&self, right: Right) -> bool {
        self.rights().has(right)
    }

    /// Who gave the right, where it is kept.
    pub fn consent(&self, right: Right) -> Option<Consent> {
        self.given[right as usize].as_ref().map(|given| given.consent)
    }

    /// All rights that hold now: control that rests is not among them.
    pub fn rights(&self) -> Rights {
        let kept = self.kept();
        if self.resting.is_some() { kept.without(Right::Control) } else { kept }
    }

    /// All rights that were given and not taken since, also control that rests.
    pub fn kept(&self) -> Rights {
        if self.brake.is_pulled() {
            return Rights::NONE;
        }
        Right::ALL.into_iter().filter(|right| self.given[*right as usize].is_some()).collect()
    }

    /// Whether control was given, and rests because the customer's own hand is on mouse or keyboard.
    pub fn is_resting(&self) -> bool {
        self.resting.is_some() && self.kept().has(Right::Control)
    }

    /// How long resting control has to wait until it goes on by itself; `None`: it does not.
    pub fn goes_on_in(&self) -> Option<Duration> {
        Some(self.comes_back?.saturating_sub(self.resting?.waited))
    }

    /// After how long without a touch resting control goes on by itself, if the customer chose so.
    pub const fn comes_back(&self) -> Option<Duration> {
        self.comes_back
    }

    /// What is shared with who may see; `None` after it was closed.
    pub const fn scope(&self) -> Option<Scope> {
        self.scope
    }

    /// The proof that capture asks for.
    pub fn view(&self) -> Option<ViewGrant> {
        let live = self.live(Right::View)?;
        Some(ViewGrant { live, brake: self.brake.clone(), scope: self.scope? })
    }

    /// The proof that injection asks for.
    pub fn control(&self) -> Option<ControlGrant> {
        let live = self.live(Right::Control).filter(|_| self.resting.is_none())?;
        Some(ControlGrant { live, brake: self.brake.clone(), since: self.acting, scope: self.scope? })
    }

    /// The proof that putting something into the clipboard asks for.
    pub fn clipboard_in(&self) -> Option<ClipboardInGrant> {
        self.live(Right::ClipboardIn).map(|live| ClipboardInGrant { live, brake: self.brake.clone() })
    }

    /// The proof that watching and reading the clipboard ask for.
    pub fn clipboard_out(&self) -> Option<ClipboardOutGrant> {
        self.live(Right::ClipboardOut).map(|live| ClipboardOutGrant { live, brake: self.brake.clone() })
    }

    /// The proof that sending facts asks for. With it the right is used up, and does not hold any more; what still ends the
    /// sending is what would have ended the right.
    pub fn use_facts(&mut self) -> Option<FactsGrant> {
        let live = self.live(Right::Facts)?;
        self.given[Right::Facts as usize] = None;
        self.stop_sending();
        self.sending = Some(live.clone());
        Some(FactsGrant { live, brake: self.brake.clone() })
    }

    fn live(&self, right: Right) -> Option<Live> {
        let given = self.given[right as usize].as_ref().filter(|_| self.present)?;
        (!self.brake.is_pulled()).then(|| given.live.clone())
    }

    fn put(&mut self, right: Right, consent: Consent, out: &mut Vec<Ruling>) {
        let holds = |right: Right| self.given[right as usize].is_some();
        if holds(right) {
            if right == Right::Control {
                self.resume(out);
            }
        } else if right == Right::Control && !holds(Right::View) {
            out.push(Ruling::Refused(right, Why::NoSight));
        } else if right == Right::View && self.scope.is_none() {
            out.push(Ruling::Refused(right, Why::NothingShared));
        } else {
            self.given[right as usize] = Some(Given { consent, live: Live::new() });
            if !self.present {
                self.end_proofs(right);
            }
            if right == Right::Control {
                self.acting = self.brake.mark();
            }
            out.push(Ruling::Gave(right));
        }
    }

    /// One right ends, and control with sight.
    fn end(&mut self, right: Right, why: Why, out: &mut Vec<Ruling>) {
        if right == Right::View {
            let why = if why == Why::Customer || why == Why::Technician { Why::NoSight } else { why };
            self.end(Right::Control, why, out);
        }
        if right == Right::Control {
            self.resting = None;
        }
        if right == Right::Facts {
            self.stop_sending();
        }
        self.end_proofs(right);
        if self.given[right as usize].take().is_some() {
            out.push(Ruling::Took(right, why));
        }
    }

    fn end_all(&mut self, why: Why, out: &mut Vec<Ruling>) {
        for right in Right::ALL {
            self.end(right, why, out);
        }
    }

    fn finish(&mut self, why: Why, out: &mut Vec<Ruling>) {
        self.over = true;
        self.end_all(why, out);
    }

    fn share(&mut self, scope: Scope, out: &mut Vec<Ruling>) {
        if self.scope.replace(scope) != Some(scope) {
            self.renew(Right::View);
            self.renew(Right::Control);
            out.push(Ruling::ScopeChanged(scope));
        }
    }

    fn suspend(&mut self, out: &mut Vec<Ruling>) {
        if self.given[Right::Control as usize].is_none() {
            return;
        }
        let resting = Resting { waited: Duration::ZERO, touched: self.brake.mark() };
        if self.resting.replace(resting).is_none() {
            self.end_proofs(Right::Control);
            out.push(Ruling::Suspended);
        }
    }

    fn resume(&mut self, out: &mut Vec<Ruling>) {
        // Also where it does not rest yet: then the brake was touched, and the word of it is still on its way.
        self.acting = self.brake.mark();
        let rested = self.resting.take().is_some();
        self.renew(Right::Control);
        if rested {
            out.push(Ruling::Resumed);
        }
    }

    fn wait(&mut self, passed: Duration, out: &mut Vec<Ruling>) {
        let Some(resting) = &mut self.resting else { return };
        resting.waited = resting.waited.saturating_add(passed);
        if self.comes_back.is_none_or(|after| resting.waited < after) {
            return;
        }
        let touched = self.brake.mark();
        if touched == resting.touched {
            self.resume(out);
        } else {
            // There is a hand that we have not been told of: nobody takes it from there by themselves.
            *resting = Resting { waited: Duration::ZERO, touched };
        }
    }

    /// What was proven of this right is void; where it holds, and somebody is there for it, it can be proven anew.
    fn renew(&mut self, right: Right) {
        self.end_proofs(right);
        let rests = right == Right::Control && self.resting.is_some();
        if let Some(given) = &mut self.given[right as usize]
            && self.present
            && !rests
        {
            given.live = Live::new();
        }
    }

    fn end_proofs(&self, right: Right) {
        if let Some(given) = &self.given[right as usize] {
            given.live.end();
        }
    }

    fn stop_sending(&mut self) {
        if let Some(sending) = self.sending.take() {
            sending.end();
        }
    }
}

impl Drop for Grants {
    fn drop(&mut self) {
        self.given.iter().flatten().for_each(|given| given.live.end());
        self.stop_sending();
    }
}
