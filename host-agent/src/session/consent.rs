//! Questions to the customer: one at a time, sight before control; and what follows when a right is given, or ends.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::control::{Notice, ToViewer};
use nearhand_protocol::grant::{Consent, Deed, Right, Rights, Ruling, Why};
use nearhand_protocol::signal::HostToServer;

use super::{Choice, Effect, News, Question, QuestionId, Session};

/// After so many noes within [`NO_SPAN`] the technician asks in vain: a question that comes again and again until it is
/// answered by mistake is no question.
pub const NOS: usize = 3;
/// How long a no counts.
pub const NO_SPAN: Duration = Duration::from_mins(10);

/// The rights that this program can do something with; the customer is not asked about others.
const OFFERED: Rights =
    Rights::only(Right::View).with(Right::Control).with(Right::FilesIn).with(Right::FilesOut);

/// What the customer is being asked, and will be.
#[derive(Debug, Default)]
pub(super) struct Questions {
    last: u32,
    open: Option<Question>,
    /// Each right once, in the order of [`Right::ALL`].
    later: VecDeque<(Right, Option<(String, u64)>)>,
    /// When the customer said no, the last [`NOS`] times.
    nos: VecDeque<Instant>,
}

impl Questions {
    pub(super) fn any(&self) -> bool {
        self.open.is_some()
    }

    /// The rights that are asked for, now or later.
    pub(super) fn rights(&self) -> Rights {
        self.open.iter().map(|open| open.right).chain(self.later.iter().map(|(right, _)| *right)).collect()
    }

    /// Forgets everything; returns the question that stood open.
    pub(super) fn clear(&mut self) -> impl Iterator<Item = QuestionId> + use<> {
        self.later.clear();
        self.open.take().map(|question| question.id).into_iter()
    }

    fn put(&mut self, right: Right, file: Option<(String, u64)>) {
        let at = self.later.iter().position(|(other, _)| *other as usize > right as usize);
        self.later.insert(at.unwrap_or(self.later.len()), (right, file));
    }

    /// Forgets one right; returns the question if it stood open.
    fn drop_right(&mut self, right: Right) -> Option<QuestionId> {
        self.later.retain(|(other, _)| *other != right);
        self.open.take_if(|open| open.right == right).map(|question| question.id)
    }
}

impl Session {
    /// The technician asks for rights.
    pub(super) fn ask(&mut self, rights: Rights, now: Instant, out: &mut Vec<Effect>) {
        let silenced = self.is_silenced(now);
        for right in rights.iter().filter(|right| OFFERED.has(*right)) {
            if silenced && !self.grants.kept().has(right) && !self.questions.rights().has(right) {
                self.send_refused(right, out);
                out.push(Effect::Send(ToViewer::Notice(Notice::NotAsked)));
                continue;
            }
            let sight = self.grants.has(Right::View) || self.questions.rights().has(Right::View);
            if !self.offers().has(right) {
                self.send_refused(right, out);
            } else if right == Right::Control && !sight {
                // Control without sight is given to nobody, so nobody is asked.
                self.send_refused(right, out);
            } else {
                self.question(right, None);
            }
        }
        self.ask_next(out);
        self.send_rights(out);
    }

    /// Whether the customer said no so often that the technician's questions do not reach them.
    pub(super) fn is_silenced(&self, now: Instant) -> bool {
        // What the command line gives and refuses bothers nobody.
        self.consent == Consent::Customer
            && self.questions.nos.iter().filter(|at| now < **at + NO_SPAN).count() >= NOS
    }

    /// The customer wants to be asked again.
    pub(super) fn ask_again(&mut self) {
        self.questions.nos.clear();
    }

    /// Puts a question in the line, unless the right holds or is in the line.
    pub(super) fn question(&mut self, right: Right, file: Option<(String, u64)>) {
        // Control that rests comes back by the customer's click, not by another question.
        if !self.grants.kept().has(right) && !self.questions.rights().has(right) {
            self.questions.put(right, file);
        }
    }

    pub(super) fn ask_next(&mut self, out: &mut Vec<Effect>) {
        if self.questions.open.is_some() || !self.trusts() {
            return;
        }
        let Some((right, file)) = self.questions.later.pop_front() else { return };
        self.questions.last += 1;
        let technician = self.technician.clone().unwrap_or_default();
        let question =
            Question { id: QuestionId(self.questions.last), right, technician, file, instead_of: None };
        self.questions.open = Some(question.clone());
        out.push(Effect::Ask(question));
    }

    /// The customer answered; an answer to another question than the open one is late and counts for nothing.
    pub(super) fn answer(
        &mut self,
        id: QuestionId,
        yes: bool,
        choice: Option<Choice>,
        now: Instant,
        out: &mut Vec<Effect>,
    ) {
        let Some(question) = self.questions.open.take_if(|open| open.id == id) else { return };
        let right = question.right;
        // What was shared is closed, and the question says "your screen": then that is it.
        let all = || (yes && self.grants.scope().is_none()).then(Choice::default);
        let choice = choice.or_else(all).filter(|_| right == Right::View && yes);
        let scope = choice.map(|choice| {
            self.shared_name = choice.name;
            choice.scope
        });
        let rulings = self.rule(&Deed::Answered { right, yes, scope });
        self.follow(&rulings, out);
        if rulings.contains(&Ruling::Gave(right)) {
            self.tell_rights(out);
        } else {
            self.send_refused(right, out);
            self.not_given(right, out);
            self.said_no(right, now, out);
            if right == Right::View && !self.ever_seen {
                self.end(CloseReason::CustomerRefused, out);
                return;
            }
        }
        self.ask_next(out);
        self.send_rights(out);
    }

    /// The customer gives a right that nobody asks for just now, by a switch or a key. It can't be given to somebody who is
    /// not there.
    pub(super) fn give(&mut self, right: Right, out: &mut Vec<Effect>) {
        if !self.connected || !self.trusts() {
            let why = "the technician is not connected; try again when they are".into();
            return out.push(Effect::Tell(News::Problem(why)));
        }
        if !self.offers().has(right) {
            let why = "this technician's end can't do that".into();
            return out.push(Effect::Tell(News::Problem(why)));
        }
        let rulings = self.rule(&Deed::Switched { right, on: true });
        match rulings[..] {
            [] => return,
            [Ruling::Refused(_, Why::NothingShared)] => {
                let why = "what was shared is closed; choose first what is to be seen".into();
                return out.push(Effect::Tell(News::Problem(why)));
            }
            [Ruling::Refused(..)] => {
                let why = "nobody can control what they may not see; allow that first".into();
                return out.push(Effect::Tell(News::Problem(why)));
            }
            _ => {}
        }
        out.extend(self.questions.drop_right(right).map(Effect::Unask));
        self.follow(&rulings, out);
        self.tell_rights(out);
        self.ask_next(out);
        self.send_rights(out);
    }

    /// The rights that this technician could have: those that this program can do something with, and their end too.
    pub(super) fn offers(&self) -> Rights {
        // Files are between the customer and the technician who gave the code.
        if self.guest { Rights::only(Right::View).with(Right::Control) } else { OFFERED }
    }

    pub(super) fn said_no(&mut self, right: Right, now: Instant, out: &mut Vec<Effect>) {
        // Their own files are no question of the technician's.
        if right == Right::FilesOut {
            return;
        }
        self.questions.nos.push_back(now);
        if self.questions.nos.len() > NOS {
            self.questions.nos.pop_front();
        }
        if self.is_silenced(now) {
            out.push(Effect::Tell(News::Silenced));
        }
    }

    fn send_refused(&self, right: Right, out: &mut Vec<Effect>) {
        if self.trusts() {
            out.push(Effect::Send(ToViewer::Refused(right)));
        }
    }

    /// Does what follows from rulings, but for telling what holds now.
    pub(super) fn follow(&mut self, rulings: &[Ruling], out: &mut Vec<Effect>) {
        for ruling in rulings {
            match *ruling {
                Ruling::Gave(right) => self.given(right, out),
                Ruling::Took(right, _) => self.taken(right, out),
                Ruling::Refused(..) => {}
                Ruling::Suspended => {
                    out.push(Effect::ReleaseAll);
                    out.push(Effect::Controlled(false));
                    out.push(Effect::Tell(News::Yielded(true)));
                }
                Ruling::Resumed => {
                    out.push(Effect::Controlled(true));
                    out.push(Effect::Tell(News::Yielded(false)));
                }
                Ruling::ScopeChanged(scope) => self.aim(scope, out),
            }
        }
    }

    fn given(&mut self, right: Right, out: &mut Vec<Effect>) {
        match right {
            Right::View => {
                self.ever_seen = true;
                self.send_shared(out);
                self.start_video(out);
            }
            Right::Control => {
                self.input_problem = None;
                out.push(Effect::Controlled(true));
            }
            Right::FilesIn | Right::FilesOut => {
                self.had_files = true;
                self.release_files(right, out);
            }
            Right::ClipboardIn | Right::ClipboardOut | Right::Facts | Right::Record => {}
        }
    }

    fn taken(&mut self, right: Right, out: &mut Vec<Effect>) {
        match right {
            Right::View => self.stop_video(out),
            Right::Control => {
                out.push(Effect::ReleaseAll);
                out.push(Effect::Controlled(false));
            }
            Right::FilesIn | Right::FilesOut => out.push(Effect::StopFiles(super::files::sender(right))),
            Right::ClipboardIn | Right::ClipboardOut | Right::Facts | Right::Record => {}
        }
    }

    fn not_given(&mut self, right: Right, out: &mut Vec<Effect>) {
        match right {
            Right::View => {
                if self.questions.rights().has(Right::Control) {
                    out.extend(self.questions.drop_right(Right::Control).map(Effect::Unask));
                    self.send_refused(Right::Control, out);
                }
            }
            Right::FilesIn | Right::FilesOut => self.refuse_files(right, out),
            Right::Control | Right::ClipboardIn | Right::ClipboardOut | Right::Facts | Right::Record => {}
        }
    }

    /// These rights end by this deed: given back by the technician, taken back by the customer or by time. Questions about
    /// them end with them.
    pub(super) fn take(&mut self, deed: &Deed, rights: Rights, out: &mut Vec<Effect>) {
        let asked = self.questions.rights();
        for right in rights.iter() {
            out.extend(self.questions.drop_right(right).map(Effect::Unask));
            if right == Right::View {
                out.extend(self.questions.drop_right(Right::Control).map(Effect::Unask));
            }
            if matches!(right, Right::FilesIn | Right::FilesOut) {
                self.refuse_files(right, out);
            }
        }
        let rulings = self.rule(deed);
        self.follow(&rulings, out);
        self.ask_next(out);
        if !rulings.is_empty() {
            self.input_problem = None;
            self.tell_rights(out);
        }
        if !rulings.is_empty() || self.questions.rights() != asked {
            self.send_rights(out);
        }
    }

    /// Withdraws the question about one right.
    pub(super) fn unask(&mut self, right: Right, out: &mut Vec<Effect>) {
        out.extend(self.questions.drop_right(right).map(Effect::Unask));
        self.ask_next(out);
        self.send_rights(out);
    }

    /// Says to the customer and the server what holds now.
    pub(super) fn tell_rights(&self, out: &mut Vec<Effect>) {
        let held = self.grants.rights();
        out.push(Effect::Signal(HostToServer::Rights { held }));
        out.push(Effect::Tell(News::Rights(held)));
    }
}
