//! A million orders of deeds, of two technicians under one brake, against a model of what ought to hold.

use std::fmt::Write as _;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use proptest::prelude::*;

use super::super::*;
use super::WINDOW;

/// A step of an order: of one of two technicians, or of the customer's hand at the brake.
#[derive(Clone, Copy, Debug)]
enum Step {
    Deed(usize, Deed),
    Brake { pull: bool },
    Prove(usize),
    Send(usize),
}

/// A number that looks like chance, and the next state (`SplitMix64`).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Step {
    /// The step that a random number stands for.
    fn of(bits: u64) -> Self {
        let part = |from: u32, of: u64| (bits >> from) % of;
        // Half of all are about sight and control, which hang together.
        let right = match part(8, 16) {
            index @ 0..8 => Right::ALL[index as usize],
            8..12 => Right::View,
            _ => Right::Control,
        };
        let scope = [Scope::Everything, Scope::Monitor(1), WINDOW][part(16, 3) as usize];
        let rights = Rights::from((bits >> 24) as u16 & (bits >> 40) as u16);
        let seconds = Duration::from_secs(part(20, 4));
        let yes = part(23, 4) != 0;
        let deed = match part(0, 64) {
            0..12 => Deed::Answered { right, yes, scope: (part(18, 4) == 0).then_some(scope) },
            12..24 => Deed::Switched { right, on: yes },
            24 => Deed::Narrowed(scope),
            25 => Deed::ScopeClosed,
            26..28 => Deed::Asked(rights),
            28..30 => Deed::GivenBack(rights),
            30..34 => Deed::Touched,
            34..37 => Deed::Resumed,
            37..39 => Deed::ComesBack((part(26, 2) == 0).then_some(seconds)),
            39..43 => Deed::Waited(seconds),
            43 => Deed::Interrupted,
            44..47 => Deed::Proven,
            47 => Deed::Expired,
            48 if yes => Deed::Touched,
            48 if part(28, 2) == 0 => Deed::Panicked,
            48 => Deed::Ended,
            49..52 => return Self::Brake { pull: part(8, 16) == 0 },
            52..55 => return Self::Send(part(30, 2) as usize),
            _ => return Self::Prove(part(30, 2) as usize),
        };
        Self::Deed(part(30, 2) as usize, deed)
    }
}

/// What ought to hold, kept as simply as it can be said: for each right whether the customer's last word on it was a yes.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
struct Model {
    kept: u16,
    resting: bool,
    away: bool,
    closed: bool,
    scope: Scope,
    after: Option<u64>,
    waited: u64,
    over: bool,
    /// What the rulings said so far.
    told: Rights,
}

impl Model {
    fn has(&self, right: Right) -> bool {
        self.kept & (1 << right as u16) != 0
    }

    fn take(&mut self, rights: Rights) {
        let rights = if rights.has(Right::View) { rights.with(Right::Control) } else { rights };
        self.kept &= !u16::from(rights);
        self.resting &= self.has(Right::Control);
    }

    fn give(&mut self, right: Right) {
        let allowed = match right {
            Right::Control => self.has(Right::View),
            Right::View => !self.closed,
            _ => true,
        };
        if allowed {
            self.kept |= 1 << right as u16;
            self.resting &= right != Right::Control;
        }
    }

    fn share(&mut self, scope: Scope) {
        (self.scope, self.closed) = (scope, false);
    }

    /// True: there was a hand that nobody had told of, and the wait begins anew.
    fn happens(&mut self, deed: &Deed, unheard: bool) -> bool {
        match *deed {
            Deed::Answered { right, yes: true, scope } => {
                if let (Right::View, Some(scope)) = (right, scope) {
                    self.share(scope);
                }
                self.give(right);
            }
            Deed::Switched { right, on: true } => self.give(right),
            Deed::Answered { right, .. } | Deed::Switched { right, .. } => self.take(Rights::only(right)),
            Deed::Narrowed(scope) => self.share(scope),
            Deed::GivenBack(rights) => self.take(rights),
            Deed::Touched => {
                self.resting = self.has(Right::Control);
                self.waited = 0;
            }
            Deed::Resumed => self.resting = false,
            Deed::ComesBack(after) => self.after = after.map(|after| after.as_secs()),
            Deed::Waited(passed) if self.resting => {
                self.waited += passed.as_secs();
                if self.after.is_some_and(|after| self.waited >= after) {
                    (self.resting, self.waited) = (unheard, 0);
                    return unheard;
                }
            }
            Deed::Asked(_) | Deed::Waited(_) => {}
            Deed::Interrupted => self.away = true,
            Deed::Proven => self.away = false,
            Deed::Expired => self.take(Rights::from(u16::MAX)),
            Deed::ScopeClosed => {
                self.closed = true;
                self.take(Rights::only(Right::View));
            }
            Deed::Panicked | Deed::Ended => {
                self.over = true;
                self.take(Rights::from(u16::MAX));
            }
        }
        false
    }

    fn rights(&self) -> Rights {
        let kept = Rights::from(self.kept);
        if self.resting { kept.without(Right::Control) } else { kept }
    }

    fn hears(&mut self, rulings: &[Ruling]) {
        for ruling in rulings {
            match *ruling {
                Ruling::Gave(right) => self.told = self.told.with(right),
                Ruling::Took(right, _) => self.told = self.told.without(right),
                Ruling::Suspended => self.told = self.told.without(Right::Control),
                Ruling::Resumed => self.told = self.told.with(Right::Control),
                Ruling::Refused(..) | Ruling::ScopeChanged(_) => {}
            }
        }
    }
}

#[derive(Debug)]
enum Proof {
    View(ViewGrant),
    Control(ControlGrant),
    In(ClipboardInGrant),
    Out(ClipboardOutGrant),
    Facts(FactsGrant),
}

impl Proof {
    fn right(&self) -> Right {
        match self {
            Self::View(_) => Right::View,
            Self::Control(_) => Right::Control,
            Self::In(_) => Right::ClipboardIn,
            Self::Out(_) => Right::ClipboardOut,
            Self::Facts(_) => Right::Facts,
        }
    }

    fn holds(&self) -> bool {
        match self {
            Self::View(proof) => proof.check().is_ok(),
            Self::Control(proof) => proof.check().is_ok(),
            Self::In(proof) => proof.check().is_ok(),
            Self::Out(proof) => proof.check().is_ok(),
            Self::Facts(proof) => proof.check().is_ok(),
        }
    }
}

/// Two technicians, their models and the proofs that were made for them.
struct Pair {
    brake: Brake,
    pulled: bool,
    touches: u64,
    grants: [Grants; 2],
    models: [Model; 2],
    /// How often the brake was touched when control began, and when the last touch was told.
    marks: [(u64, u64); 2],
    /// Of whom, what, whether it ought to hold, and whether it failed before.
    proofs: Vec<(usize, Proof, bool, bool)>,
}

/// Proofs that are kept; beyond it the oldest is forgotten.
const PROOFS: usize = 8;

impl Pair {
    fn new() -> Self {
        let brake = Brake::default();
        let grants = [Grants::under(brake.clone()), Grants::under(brake.clone())];
        let models = [Model::default(), Model::default()];
        let (marks, proofs) = ([(0, 0); 2], Vec::with_capacity(PROOFS));
        Self { brake, pulled: false, touches: 0, grants, models, marks, proofs }
    }

    fn step(&mut self, step: Step) -> Result<(), &'static str> {
        match step {
            Step::Deed(who, deed) => self.deed(who, deed)?,
            Step::Brake { pull: true } => {
                self.brake.pull();
                self.pulled = true;
            }
            Step::Brake { pull: false } => {
                self.brake.suspend();
                self.touches += 1;
            }
            Step::Prove(who) => self.prove(who)?,
            Step::Send(who) => {
                let wanted = self.can_prove(who, Right::Facts);
                let proof = self.grants[who].use_facts();
                if proof.is_some() != wanted {
                    return Err("facts can be sent after a yes, and only then");
                }
                if let Some(proof) = proof {
                    self.models[who].take(Rights::only(Right::Facts));
                    self.models[who].told = self.models[who].told.without(Right::Facts);
                    self.forget(who, |proof| matches!(proof, Proof::Facts(_)));
                    self.keep(who, Proof::Facts(proof));
                }
            }
        }
        self.look()
    }

    fn deed(&mut self, who: usize, deed: Deed) -> Result<(), &'static str> {
        let (grants, model) = (&mut self.grants[who], &mut self.models[who]);
        let deed = if self.pulled { Deed::Panicked } else { deed };
        let before = (model.kept, model.rights(), (!model.closed).then_some(model.scope));
        let was_over = model.over;
        let told_late = !was_over && model.happens(&deed, self.touches != self.marks[who].1);
        self.pulled |= !was_over && deed == Deed::Panicked;
        let rulings = grants.rule(&deed, Consent::Customer);
        model.hears(&rulings);
        if model.told != model.rights() {
            return Err("what the rulings say is not what holds");
        }
        if was_over {
            return if rulings.is_empty() { Ok(()) } else { Err("after the end something follows") };
        }
        let gave = |right: Right| rulings.contains(&Ruling::Gave(right));
        let customers = matches!(deed, Deed::Answered { yes: true, .. } | Deed::Switched { on: true, .. });
        if Right::ALL.into_iter().any(gave) && !customers {
            return Err("a right without a yes");
        }
        let (kept, held, scope) = before;
        let resumed = !held.has(Right::Control) && model.rights().has(Right::Control);
        if resumed && kept & 2 != 0 && deed == Deed::Touched {
            return Err("a hand gives control");
        }
        // What the proofs hang on.
        let (away, has) = (model.away, model.kept);
        let aimed = (!model.closed).then_some(model.scope) != scope;
        let again = model.has(Right::Control) && !model.resting;
        let goes_on = match deed {
            Deed::Resumed => true,
            Deed::Switched { right: Right::Control, on: true }
            | Deed::Answered { right: Right::Control, yes: true, .. } => has & 2 != 0,
            Deed::Waited(_) => resumed,
            _ => false,
        };
        if goes_on {
            self.marks[who].0 = self.touches;
        }
        if deed == Deed::Touched || told_late {
            self.marks[who].1 = self.touches;
        }
        let stops_facts = match deed {
            Deed::Answered { right, yes: false, .. } | Deed::Switched { right, on: false } => {
                right == Right::Facts
            }
            Deed::GivenBack(rights) => rights.has(Right::Facts),
            Deed::Interrupted | Deed::Expired | Deed::Panicked | Deed::Ended => true,
            _ => false,
        };
        self.forget(who, |proof| match proof {
            Proof::Facts(_) => stops_facts,
            _ if away || has & (1 << proof.right() as u16) == 0 => true,
            Proof::View(_) => aimed,
            Proof::Control(_) => aimed || goes_on || !again,
            Proof::In(_) | Proof::Out(_) => false,
        });
        Ok(())
    }

    /// These proofs ought to fail from here on.
    fn forget(&mut self, who: usize, which: impl Fn(&Proof) -> bool) {
        for (of, proof, holds, _) in &mut self.proofs {
            *holds &= *of != who || !which(proof);
        }
    }

    fn keep(&mut self, who: usize, proof: Proof) {
        if self.proofs.len() == PROOFS {
            self.proofs.remove(0);
        }
        self.proofs.push((who, proof, true, false));
    }

    fn can_prove(&self, who: usize, right: Right) -> bool {
        let model = &self.models[who];
        model.has(right) && !model.away && !self.pulled && (right != Right::Control || !model.resting)
    }

    fn prove(&mut self, who: usize) -> Result<(), &'static str> {
        let grants = &self.grants[who];
        let scope = self.models[who].scope;
        let (view, control) = (grants.view(), grants.control());
        if view.iter().any(|view| view.scope() != scope) || control.iter().any(|act| act.scope() != scope) {
            return Err("a proof of another scope");
        }
        let made = [
            (Right::View, view.map(Proof::View)),
            (Right::Control, control.map(Proof::Control)),
            (Right::ClipboardIn, grants.clipboard_in().map(Proof::In)),
            (Right::ClipboardOut, grants.clipboard_out().map(Proof::Out)),
        ];
        for (right, proof) in made {
            if proof.is_some() != self.can_prove(who, right) {
                return Err("a proof without a right, or a right without a proof");
            }
            if let Some(proof) = proof {
                self.keep(who, proof);
            }
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), &'static str> {
        for (grants, model) in self.grants.iter().zip(&self.models) {
            let (held, kept) = (grants.rights(), grants.kept());
            if held.has(Right::Control) && !held.has(Right::View) {
                return Err("control without sight");
            }
            let wanted = if self.pulled { 0 } else { model.kept };
            if u16::from(kept) != wanted || (!self.pulled && held != model.rights()) {
                return Err("what holds is not what the customer gave");
            }
        }
        for (who, proof, holds, failed) in &mut self.proofs {
            let touched = proof.right() == Right::Control && self.marks[*who].0 != self.touches;
            let found = proof.holds();
            if found != (*holds && !touched && !self.pulled) {
                return Err("a proof holds that should not, or fails that should hold");
            }
            if found && *failed {
                return Err("an old proof revives");
            }
            *failed |= !found;
        }
        Ok(())
    }
}

/// Tries one order; the error says what went wrong, and after which steps.
fn try_order(steps: impl Iterator<Item = Step>) -> Result<(), String> {
    let mut pair = Pair::new();
    let mut done = Vec::new();
    for step in steps {
        done.push(step);
        if let Err(why) = pair.step(step) {
            let mut text = format!("{why}, after:\n");
            for step in done {
                let _ = writeln!(text, "  {step:?}");
            }
            return Err(text);
        }
    }
    Ok(())
}

/// A million orders of up to 24 steps. The seed is random and printed; `NEARHAND_SEED` gives one.
#[test]
fn a_million_orders() {
    const ORDERS: u64 = 1_000_000;
    let given = std::env::var("NEARHAND_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 =
        given.unwrap_or_else(|| std::collections::hash_map::RandomState::new().build_hasher().finish());
    println!("NEARHAND_SEED={seed}");
    std::thread::scope(|scope| {
        for part in 0..2 {
            scope.spawn(move || {
                let mut state = seed ^ part;
                for order in 0..ORDERS / 2 {
                    let steps = 1 + next(&mut state) % 24;
                    let tried = try_order((0..steps).map(|_| Step::of(next(&mut state))));
                    assert!(tried.is_ok(), "NEARHAND_SEED={seed}, order {order}: {}", tried.unwrap_err());
                }
            });
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// The same orders, fewer and shorter ones where one fails.
    #[test]
    fn any_order(steps in prop::collection::vec(any::<u64>().prop_map(Step::of), 0..48)) {
        try_order(steps.into_iter()).map_err(TestCaseError::fail)?;
    }
}
