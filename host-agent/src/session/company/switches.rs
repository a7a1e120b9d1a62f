//! What the customer does with switches and keys of their own, and what they see of all technicians: who is there, who may
//! do what.

use std::time::Instant;

use nearhand_protocol::grant::{Right, Rights};

use super::super::{Choice, Effect, Event, Looker, News, Session, ViewerId, Whom};
use super::{Company, OWNER, Wanted};

impl Company {
    /// The customer gives a right, by a switch of theirs. Control goes to one: with [`Whom::All`] to who had it last, or to
    /// the only one who could have it; where that is not clear the customer is asked whom they mean.
    pub fn give(&mut self, whom: Whom, right: Right, now: Instant) -> Vec<Wanted> {
        let mut out = Vec::new();
        self.expire(now, &mut out);
        let meant = match whom {
            Whom::One(viewer) => vec![viewer],
            Whom::All if right == Right::Control => self.who_could_control(),
            Whom::All => self.able(right),
        };
        if meant.len() > 1 && right == Right::Control {
            out.push((OWNER, Effect::Tell(News::Choose(right))));
            return out;
        }
        // Nobody is there: the owner's machine has the words for it.
        for viewer in if meant.is_empty() { vec![OWNER] } else { meant } {
            let sees = self.session(viewer).is_some_and(|session| session.rights().has(Right::View));
            if right == Right::Control && sees && self.trusts(viewer) {
                self.hand_over(viewer, now, &mut out);
            }
            self.run(viewer, Event::Give(right), now, &mut out);
        }
        self.tell_who(&mut out);
        out
    }

    /// The customer takes a right back.
    pub fn take_back(&mut self, whom: Whom, right: Right, now: Instant) -> Vec<Wanted> {
        match whom {
            Whom::All => self.all(&Event::TakeBack(right), now),
            Whom::One(viewer) => self.of(viewer, Event::TakeBack(right), now),
        }
    }

    /// The key for control: takes it, lets it go on, or gives it to who had it. It answers no question that stands open.
    pub fn control_key(&mut self, now: Instant) -> Vec<Wanted> {
        let holder = self.holders().next();
        let rests = holder.and_then(|holder| self.session(holder)).is_some_and(|of| of.grants.is_resting());
        match holder {
            Some(_) if rests => self.all(&Event::Resume, now),
            Some(holder) => self.take_back(Whom::One(holder), Right::Control, now),
            None if self.is_asked(Rights::only(Right::Control)) => Vec::new(),
            None => self.give(Whom::All, Right::Control, now),
        }
    }

    /// The key for files: where both directions are allowed it takes both, else it gives both. It answers no question that
    /// stands open, and gives nothing to a technician who never had files to do with.
    pub fn files_key(&mut self, now: Instant) -> Vec<Wanted> {
        let files = [Right::FilesIn, Right::FilesOut];
        let held = self.owner.rights();
        let mut out = Vec::new();
        if files.iter().all(|right| held.has(*right)) {
            for right in files {
                out.extend(self.take_back(Whom::All, right, now));
            }
        } else if self.owner.had_files && !self.is_asked(files.into_iter().collect()) {
            for right in files {
                out.extend(self.give(Whom::One(OWNER), right, now));
            }
        }
        out
    }

    /// Who had control last, if they could have it now; else all who could.
    fn who_could_control(&self) -> Vec<ViewerId> {
        let sees = |viewer: &ViewerId| self.session(*viewer).is_some_and(|of| of.rights().has(Right::View));
        let able: Vec<_> = self.able(Right::Control).into_iter().filter(sees).collect();
        match self.controlled.filter(|viewer| able.contains(viewer)) {
            Some(viewer) => vec![viewer],
            None => able,
        }
    }

    /// Those who have proven who they are, and can have this right.
    fn able(&self, right: Right) -> Vec<ViewerId> {
        let able = |session: &Session| session.trusts() && session.offers().has(right);
        self.everybody().into_iter().filter(|viewer| self.session(*viewer).is_some_and(able)).collect()
    }

    /// Whether the customer is being asked about one of these.
    fn is_asked(&self, rights: Rights) -> bool {
        self.asked.iter().any(|(_, question)| rights.has(question.right))
    }

    /// One holds the pointer: who held it until now, but for this one, does not any more.
    pub(super) fn hand_over(&mut self, to: ViewerId, now: Instant, out: &mut Vec<Wanted>) {
        for holder in self.holders().filter(|holder| *holder != to).collect::<Vec<_>>() {
            self.run(holder, Event::TakeBack(Right::Control), now, out);
        }
    }

    /// The customer shares something else, as the machine of one of them noticed first.
    pub(super) fn aim(&mut self, first: ViewerId, choice: Choice, now: Instant, out: &mut Vec<Wanted>) {
        if self.choice.as_ref() == Some(&choice) {
            return;
        }
        self.choice = Some(choice.clone());
        out.push((OWNER, Effect::Aim(choice.clone())));
        for viewer in self.everybody().into_iter().filter(|viewer| *viewer != first) {
            self.run(viewer, Event::Narrow(choice.clone()), now, out);
        }
        out.push((OWNER, Effect::Tell(News::Shares(choice))));
    }

    /// Tells the customer who is there and what they may do, where that is not as they were told last.
    pub(super) fn tell_who(&mut self, out: &mut Vec<Wanted>) {
        if self.owner.ended().is_some() {
            // Nothing is said after the end.
            return;
        }
        let lookers: Vec<_> = self.everybody().into_iter().filter_map(|viewer| self.looker(viewer)).collect();
        if lookers != self.lookers {
            self.lookers.clone_from(&lookers);
            out.push((OWNER, Effect::Tell(News::Who(lookers))));
        }
    }

    fn looker(&self, viewer: ViewerId) -> Option<Looker> {
        let session = self.session(viewer)?;
        let owner = self.owner.technician.as_ref();
        Some(Looker {
            viewer,
            technician: session.technician.clone()?,
            invited_by: owner.filter(|_| viewer != OWNER).map(|owner| owner.name.clone()),
            words: session.words?,
            since: session.since?,
            connected: session.connected && session.trusts(),
            held: session.rights(),
            rests: session.grants.is_resting(),
            offered: session.offers(),
        })
    }
}
