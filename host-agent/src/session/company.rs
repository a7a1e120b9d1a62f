//! The technicians of one session together: the one who gave the code, and those whom they invited. Pure, as the machine of
//! one of them is.
//!
//! Each has a [`Session`] of their own, with its own proof, its own questions and its own rights, and nothing of one is
//! ever looked at for another. What is decided here is what they share: the customer, who is asked one question at a time;
//! the pointer, which one of them holds; and which invitations are still good.

mod guest;
mod switches;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::code::Code;
use nearhand_protocol::grant::{Brake, Consent, Right};
use nearhand_protocol::id::{GuestId, SessionId};
use nearhand_protocol::invitation::{Invitation, InvitationId};
use nearhand_protocol::machine::handshake::SEED_LEN;
use nearhand_protocol::signal::Technician;

use super::{Choice, Effect, Event, Looker, News, Phase, Question, QuestionId, Session, ViewerId};
use guest::Guest;

/// The tab of the technician who gave the code.
pub const OWNER: ViewerId = ViewerId(0);
/// Most guests at a time.
pub const GUESTS: u8 = 7;
/// Most invitations that are out; beyond it the oldest is void.
pub const INVITATIONS: usize = 8;
/// How long an invitation is good.
pub const INVITED_FOR: Duration = Duration::from_mins(10);

/// Something to be done, and for whom. What is nobody's own is said as the owner's.
pub type Wanted = (ViewerId, Effect);

/// An invitation that nobody has used.
#[derive(Debug)]
struct Out {
    invitation: Invitation,
    until: Instant,
}

/// All technicians of one session.
#[derive(Debug)]
pub struct Company {
    consent: Consent,
    owner: Session,
    guests: BTreeMap<ViewerId, Guest>,
    session: Option<SessionId>,
    invitations: VecDeque<Out>,
    /// Whose questions wait; the first one is put to the customer, under the number of `put`.
    asked: VecDeque<(ViewerId, Question)>,
    put: Option<QuestionId>,
    numbers: u32,
    /// Who used pointer or keyboard last: everything that is pressed was pressed by them.
    hand: Option<ViewerId>,
    /// Who was given control last; they may have lost it since.
    controlled: Option<ViewerId>,
    brake: Brake,
    /// What is shared with all who may see; `None` after it was closed.
    choice: Option<Choice>,
    /// After how long without a touch resting control goes on by itself.
    comes_back: Option<Duration>,
    /// As the customer was told.
    lookers: Vec<Looker>,
}

impl Company {
    /// The technician who gave the code, alone; as [`Session::new`].
    pub fn new(consent: Consent, code: Code, seed: [u8; SEED_LEN], brake: Brake) -> Self {
        Self {
            consent,
            owner: Session::new(consent, code, seed, brake.clone()),
            guests: BTreeMap::new(),
            session: None,
            invitations: VecDeque::new(),
            asked: VecDeque::new(),
            put: None,
            numbers: 0,
            hand: None,
            controlled: None,
            brake,
            choice: Some(Choice::default()),
            comes_back: None,
            lookers: Vec::new(),
        }
    }

    /// Where the session of the one who gave the code stands.
    pub fn phase(&self) -> Phase {
        self.owner.phase()
    }

    /// Whether any technician has proven themselves and is there, or may be back with the same rights in a moment: then the
    /// customer's hand has somebody to stop.
    pub fn has_company(&self) -> bool {
        let here = |of: &Session| (of.connected && of.trusts()) || !of.kept().is_empty();
        self.everybody().into_iter().filter_map(|viewer| self.session(viewer)).any(here)
    }

    /// Whether the other end of this connection is who it should be.
    pub fn trusts(&self, viewer: ViewerId) -> bool {
        self.session(viewer).is_some_and(Session::trusts)
    }

    /// The guest of this name, while there is one.
    pub fn viewer(&self, guest: GuestId) -> Option<ViewerId> {
        self.guests.iter().find(|(_, known)| known.id == guest).map(|(viewer, _)| *viewer)
    }

    /// When [`Event::Tick`] is due at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        let guests = self.guests.values().flat_map(|guest| [guest.session.deadline(), guest.gone_at()]);
        let invitations = self.invitations.iter().map(|out| Some(out.until));
        guests.chain(invitations).chain([self.owner.deadline()]).flatten().min()
    }

    /// Something happened to one technician's tab or connection.
    pub fn of(&mut self, viewer: ViewerId, event: Event, now: Instant) -> Vec<Wanted> {
        let mut out = Vec::new();
        self.expire(now, &mut out);
        match &event {
            Event::Welcome { session, .. } if viewer == OWNER => {
                self.session = Some(*session);
                // Those who are still there are named next.
                for guest in self.guests.values_mut() {
                    guest.away_since.get_or_insert(now);
                }
            }
            Event::Prove { .. } => self.spend(viewer, now, &mut out),
            _ => {}
        }
        self.run(viewer, event, now, &mut out);
        self.tell_who(&mut out);
        out
    }

    /// Something happened to everybody: the customer said it, or the desktop, the network or the clock.
    pub fn all(&mut self, event: &Event, now: Instant) -> Vec<Wanted> {
        let mut out = Vec::new();
        self.expire(now, &mut out);
        match event {
            Event::ScopeClosed => self.choice = None,
            Event::ComesBack(after) => self.comes_back = *after,
            _ => {}
        }
        for viewer in self.everybody() {
            // A guest who is not known to be one reads nothing of what the customer writes, also not later.
            let unread = matches!(event, Event::Say { .. }) && viewer != OWNER && !self.trusts(viewer);
            if !unread {
                self.run(viewer, event.clone(), now, &mut out);
            }
        }
        self.tell_who(&mut out);
        out
    }

    /// The customer answered the question with this number, and chose what is to be seen where it is about that; a late
    /// answer counts for nothing.
    pub fn answer(
        &mut self,
        question: QuestionId,
        yes: bool,
        choice: Option<Choice>,
        now: Instant,
    ) -> Vec<Wanted> {
        let mut out = Vec::new();
        self.expire(now, &mut out);
        if self.put == Some(question)
            && let Some((viewer, Question { id, right, .. })) = self.asked.pop_front()
        {
            self.put = None;
            if yes && right == Right::Control {
                self.hand_over(viewer, now, &mut out);
            }
            self.run(viewer, Event::Answer { question: id, yes, choice }, now, &mut out);
            self.put_next(&mut out);
        }
        self.tell_who(&mut out);
        out
    }

    /// The server says that somebody came who was invited, or came back.
    pub fn guest_arrived(
        &mut self,
        guest: GuestId,
        invitation: InvitationId,
        technician: &Technician,
        now: Instant,
    ) -> Vec<Wanted> {
        let mut out = Vec::new();
        self.expire(now, &mut out);
        let viewer = match self.viewer(guest) {
            Some(viewer) => viewer,
            None => match self.seat(guest, invitation, technician, now) {
                Ok(viewer) => viewer,
                Err(reason) => {
                    out.push(guest::sent_away(OWNER, guest, reason));
                    return out;
                }
            },
        };
        if let (Some(guest), Some(session)) = (self.guests.get_mut(&viewer), self.session) {
            guest.away_since = None;
            let technician = guest.technician.clone();
            let welcome = Event::Welcome { session, technician, viewer_present: true };
            self.run(viewer, welcome, now, &mut out);
        }
        self.tell_who(&mut out);
        out
    }

    /// The server lost a guest's tab.
    pub fn guest_dropped(&mut self, guest: GuestId, now: Instant) -> Vec<Wanted> {
        self.viewer(guest).map(|viewer| self.of(viewer, Event::ViewerDropped, now)).unwrap_or_default()
    }

    /// The server says that a guest is gone for good.
    pub fn guest_left(&mut self, guest: GuestId, reason: CloseReason, now: Instant) -> Vec<Wanted> {
        self.viewer(guest).map(|viewer| self.of(viewer, Event::ServerEnded(reason), now)).unwrap_or_default()
    }

    fn session(&self, viewer: ViewerId) -> Option<&Session> {
        if viewer == OWNER { Some(&self.owner) } else { self.guests.get(&viewer).map(|guest| &guest.session) }
    }

    /// The one who gave the code, then the guests.
    fn everybody(&self) -> Vec<ViewerId> {
        [OWNER].into_iter().chain(self.guests.keys().copied()).collect()
    }

    /// Who was given pointer and keyboard, also where they rest; never more than one.
    fn holders(&self) -> impl Iterator<Item = ViewerId> {
        let all = [OWNER].into_iter().chain(self.guests.keys().copied());
        all.filter(|viewer| self.session(*viewer).is_some_and(|session| session.kept().has(Right::Control)))
    }

    fn run(&mut self, viewer: ViewerId, event: Event, now: Instant, out: &mut Vec<Wanted>) {
        let replaced = matches!(event, Event::NewPeer);
        let session = if viewer == OWNER {
            &mut self.owner
        } else if let Some(guest) = self.guests.get_mut(&viewer) {
            &mut guest.session
        } else {
            return;
        };
        for effect in session.handle(event, now) {
            self.take(viewer, effect, now, out);
        }
        if replaced && self.hand == Some(viewer) {
            // Its moves are counted from the start.
            self.hand = None;
        }
    }

    /// What the machine of one of them wants: what concerns all is decided, the rest is passed on.
    fn take(&mut self, viewer: ViewerId, effect: Effect, now: Instant, out: &mut Vec<Wanted>) {
        match effect {
            Effect::Ask(question) => {
                self.asked.push_back((viewer, question));
                self.put_next(out);
            }
            Effect::Unask(id) => self.unask(viewer, id, out),
            Effect::Inject(..) | Effect::Move(..) | Effect::Press(..) => {
                if self.hand != Some(viewer) {
                    self.hand = Some(viewer);
                    out.push((viewer, Effect::OtherHand));
                }
                out.push((viewer, effect));
            }
            // Who has pressed nothing lets go of nothing.
            Effect::ReleaseAll if self.hand.is_some_and(|hand| hand != viewer) => {}
            Effect::Invite(invitation) => self.invite(invitation, now, out),
            // There is one desktop: what one of them is shown all of them are.
            Effect::Aim(choice) => self.aim(viewer, choice, now, out),
            Effect::Controlled(true) => {
                self.controlled = Some(viewer);
                out.push((viewer, effect));
            }
            Effect::Tell(News::Ended(reason)) if viewer == OWNER => {
                for guest in self.guests.keys().copied().collect::<Vec<_>>() {
                    self.run(guest, Event::ServerEnded(reason), now, out);
                }
                // Nothing is said after it.
                out.push((viewer, effect));
            }
            Effect::End(_) if viewer != OWNER => self.leave(viewer, now, out),
            effect if viewer == OWNER => out.push((viewer, effect)),
            effect => {
                let guest = self.guests.get(&viewer);
                out.extend(guest.and_then(|guest| guest.filtered(viewer, effect)));
            }
        }
    }

    /// Puts the first question to the customer, where none stands.
    fn put_next(&mut self, out: &mut Vec<Wanted>) {
        if self.put.is_some() {
            return;
        }
        let Some((viewer, question)) = self.asked.front() else { return };
        self.numbers += 1;
        let id = QuestionId(self.numbers);
        let holder = self.holders().find(|holder| holder != viewer && question.right == Right::Control);
        let instead_of = holder.and_then(|holder| self.session(holder)?.technician.clone());
        out.push((*viewer, Effect::Ask(Question { id, instead_of, ..question.clone() })));
        self.put = Some(id);
    }

    fn unask(&mut self, viewer: ViewerId, id: QuestionId, out: &mut Vec<Wanted>) {
        let mine = |(of, question): &(ViewerId, Question)| *of == viewer && question.id == id;
        let Some(at) = self.asked.iter().position(mine) else { return };
        self.asked.remove(at);
        if at == 0
            && let Some(put) = self.put.take()
        {
            out.push((viewer, Effect::Unask(put)));
            self.put_next(out);
        }
    }

    /// The owner's tab invites somebody. The customer hears of it, and is asked when they come.
    fn invite(&mut self, invitation: Invitation, now: Instant, out: &mut Vec<Wanted>) {
        self.invitations.retain(|out| out.invitation.id != invitation.id);
        if self.invitations.len() == INVITATIONS {
            self.invitations.pop_front();
        }
        self.invitations.push_back(Out { invitation, until: now + INVITED_FOR });
        out.push((OWNER, Effect::Tell(News::Invited)));
    }

    /// What time alone brings.
    fn expire(&mut self, now: Instant, out: &mut Vec<Wanted>) {
        self.invitations.retain(|out| out.until > now);
        self.void(now, out);
        let gone = |guest: &Guest| guest.gone_at().is_some_and(|at| at <= now);
        let gone: Vec<_> = self.guests.iter().filter(|(_, guest)| gone(guest)).map(|(id, _)| *id).collect();
        for viewer in gone {
            self.run(viewer, Event::ServerEnded(CloseReason::ViewerLost), now, out);
        }
    }
}
