//! Questions to the customer: one at a time, sight before control, and the only place where a right is given.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::control::{Notice, ToViewer};
use nearhand_protocol::grant::{Consent, Right, Rights};
use nearhand_protocol::signal::HostToServer;

use super::{Effect, News, Question, QuestionId, Session};

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
            if silenced && !self.grants.has(right) && !self.questions.rights().has(right) {
                self.send_refused(right, out);
                out.push(Effect::Send(ToViewer::Notice(Notice::NotAsked)));
                continue;
            }
            let sight = self.grants.rights().has(Right::View) || self.questions.rights().has(Right::View);
            if self.guest && matches!(right, Right::FilesIn | Right::FilesOut) {
                // Files are between the customer and the technician who gave the code.
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
        if !self.grants.has(right) && !self.questions.rights().has(right) {
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
    pub(super) fn answer(&mut self, id: QuestionId, yes: bool, now: Instant, out: &mut Vec<Effect>) {
        let Some(question) = self.questions.open.take_if(|open| open.id == id) else { return };
        let right = question.right;
        if yes && self.grants.give(right, self.consent) {
            self.given(right, out);
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

    fn given(&mut self, right: Right, out: &mut Vec<Effect>) {
        self.tell_rights(out);
        match right {
            Right::View => {
                self.ever_seen = true;
                self.start_video(out);
            }
            Right::Control => self.input_problem = None,
            Right::FilesIn | Right::FilesOut => self.release_files(right, out),
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

    /// Rights end: given back by the technician, taken back by the customer or by time.
    pub(super) fn take(&mut self, rights: Rights, out: &mut Vec<Effect>) {
        let (before, asked) = (self.grants.rights(), self.questions.rights());
        for right in rights.iter() {
            self.grants.take(right);
            out.extend(self.questions.drop_right(right).map(Effect::Unask));
            if right == Right::View {
                out.extend(self.questions.drop_right(Right::Control).map(Effect::Unask));
            }
            if matches!(right, Right::FilesIn | Right::FilesOut) {
                self.refuse_files(right, out);
            }
        }
        let held = self.grants.rights();
        if before.has(Right::View) && !held.has(Right::View) {
            self.stop_video(out);
        }
        if before.has(Right::Control) && !held.has(Right::Control) {
            out.push(Effect::ReleaseAll);
        }
        for right in [Right::FilesIn, Right::FilesOut] {
            if before.has(right) && !held.has(right) {
                out.push(Effect::StopFiles(super::files::sender(right)));
            }
        }
        self.ask_next(out);
        if held != before {
            self.input_problem = None;
            self.tell_rights(out);
        }
        if held != before || self.questions.rights() != asked {
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
    fn tell_rights(&self, out: &mut Vec<Effect>) {
        let held = self.grants.rights();
        out.push(Effect::Signal(HostToServer::Rights { held }));
        out.push(Effect::Tell(News::Rights(held)));
    }
}
