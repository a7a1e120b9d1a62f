//! Technicians who were invited: by which invitation they came, what is passed on of what their machines want, and how
//! they go.

use std::time::Instant;

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::id::{GuestId, Seat};
use nearhand_protocol::invitation::InvitationId;
use nearhand_protocol::machine::handshake::Key;
use nearhand_protocol::signal::{HostToServer, Technician};

use super::super::{Colleague, Effect, Event, INTERRUPTION, News, Session, ViewerId};
use super::{Company, GUESTS, OWNER, Wanted};

/// One of them.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) id: GuestId,
    pub(super) session: Session,
    /// As the customer knows them; unlike everybody else's name in this session.
    pub(super) technician: Technician,
    /// By what they came; `None` once it was used, by their proof.
    invitation: Option<InvitationId>,
    /// The server has not said since that they are there.
    pub(super) away_since: Option<Instant>,
}

/// What is said to the server of a guest who is not to be there.
pub(super) const fn sent_away(viewer: ViewerId, guest: GuestId, reason: CloseReason) -> Wanted {
    (viewer, Effect::Signal(HostToServer::GuestEnd { guest, reason }))
}

impl Guest {
    /// When one whom the server does not know any more counts as gone.
    pub(super) fn gone_at(&self) -> Option<Instant> {
        self.away_since.map(|since| since + INTERRUPTION)
    }

    /// What of their machine's wishes is carried out, and how: nothing that is the owner's or the session's. The connection to
    /// the server is that too: a guest who never comes back must not keep us from it.
    pub(super) fn filtered(&self, viewer: ViewerId, effect: Effect) -> Option<Wanted> {
        let colleague = |what| {
            let technician = self.technician.clone();
            Some(Effect::Tell(News::Colleague { technician, what }))
        };
        let effect = match effect {
            Effect::Send(_)
            | Effect::SendChat(_)
            | Effect::SendFile(_)
            | Effect::StartVideo(_)
            | Effect::StopVideo
            | Effect::Arrival(_)
            | Effect::Watch(_)
            | Effect::Refresh
            | Effect::Painted(_)
            | Effect::ReleaseAll
            | Effect::Controlled(_)
            | Effect::WantRestart => Some(effect),
            Effect::Signal(HostToServer::End { reason }) => return Some(sent_away(viewer, self.id, reason)),
            Effect::Tell(news) => match news {
                News::Words(words) => colleague(Colleague::Words(words)),
                News::PeerConnected => colleague(Colleague::Up),
                News::PeerLost => colleague(Colleague::Interrupted),
                News::Rights(rights) => colleague(Colleague::Rights(rights)),
                News::Yielded(rests) => colleague(Colleague::Yielded(rests)),
                News::Chat(text) => colleague(Colleague::Chat(text)),
                News::ChatMerged(lines) => colleague(Colleague::ChatMerged(lines)),
                News::Ended(reason) => colleague(Colleague::Gone(reason)),
                News::Silenced | News::Problem(_) => Some(Effect::Tell(news)),
                _ => None,
            },
            _ => None,
        };
        effect.map(|effect| (viewer, effect))
    }
}

impl Company {
    /// A place for somebody who says that they were invited; or why there is none.
    pub(super) fn seat(
        &mut self,
        id: GuestId,
        invitation: InvitationId,
        technician: &Technician,
        now: Instant,
    ) -> Result<ViewerId, CloseReason> {
        let session = self.session.ok_or(CloseReason::UnknownCode)?;
        let out = self.invitations.iter().find(|out| out.invitation.id == invitation);
        let key = out.map(|out| Key::invited(&out.invitation, session, Seat::Host));
        let key = key.ok_or(CloseReason::UnknownCode)?;
        if self.owner.is_silenced(now) {
            return Err(CloseReason::CustomerRefused);
        }
        let free = (1..=GUESTS).map(ViewerId).find(|viewer| !self.guests.contains_key(viewer));
        let viewer = free.ok_or(CloseReason::UnknownCode)?;
        let technician = self.renamed(technician);
        let mut session = Session::guest(self.consent, technician.clone(), key, self.brake.clone());
        // What is shared just now; they have no rights yet, so nothing follows but that they know.
        session.handle(self.choice.clone().map_or(Event::ScopeClosed, Event::Narrow), now);
        session.handle(Event::ComesBack(self.comes_back), now);
        let guest = Guest { id, session, technician, invitation: Some(invitation), away_since: None };
        self.guests.insert(viewer, guest);
        Ok(viewer)
    }

    /// The first proof over an invitation uses it up, right or wrong.
    pub(super) fn spend(&mut self, viewer: ViewerId, now: Instant, out: &mut Vec<Wanted>) {
        let guest = self.guests.get_mut(&viewer);
        if let Some(invitation) = guest.and_then(|guest| guest.invitation.take()) {
            self.invitations.retain(|out| out.invitation.id != invitation);
            self.void(now, out);
        }
    }

    /// Whoever came by an invitation that is not good any more, and has proved nothing, goes.
    pub(super) fn void(&mut self, now: Instant, out: &mut Vec<Wanted>) {
        let good = |id: InvitationId| self.invitations.iter().any(|out| out.invitation.id == id);
        let late = |guest: &Guest| guest.invitation.is_some_and(|id| !good(id));
        let late: Vec<_> =
            self.guests.iter().filter(|(_, guest)| late(guest)).map(|(id, guest)| (*id, guest.id)).collect();
        for (viewer, id) in late {
            out.push(sent_away(viewer, id, CloseReason::UnknownCode));
            self.run(viewer, Event::ServerEnded(CloseReason::UnknownCode), now, out);
        }
    }

    /// The machine of a guest has ended: they are no more. It has let go of everything.
    pub(super) fn leave(&mut self, viewer: ViewerId, now: Instant, out: &mut Vec<Wanted>) {
        let Some(guest) = self.guests.remove(&viewer) else { return };
        if self.hand == Some(viewer) {
            self.hand = None;
        }
        if guest.session.ended() == Some(CloseReason::CustomerRefused) {
            // One who may invite must not be able to ask for ever, by ever new names.
            let mut told = Vec::new();
            self.owner.said_no(nearhand_protocol::grant::Right::View, now, &mut told);
            out.extend(told.into_iter().map(|effect| (OWNER, effect)));
        }
        out.push((viewer, Effect::Leave));
    }

    /// Two who are called the same are told apart: questions and lines of chat come by name.
    fn renamed(&self, technician: &Technician) -> Technician {
        let known = |name: &str| {
            let owner = self.owner.technician.iter();
            let all = owner.chain(self.guests.values().map(|guest| &guest.technician));
            all.into_iter().any(|technician| technician.name == name)
        };
        let names = std::iter::once(technician.name.clone())
            .chain((2..).map(|number| format!("{} {number}", technician.name)));
        let name = names.into_iter().find(|name| !known(name)).unwrap_or_default();
        Technician { name, ..technician.clone() }
    }
}
