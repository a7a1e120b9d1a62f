//! Technicians whom the first one invited: they come, talk with the host and go, and the session of the two goes on.
//!
//! Whether an invitation is good is nothing that this room could know: the host finds out, over its own connection to the
//! guest's tab.

use std::collections::BTreeMap;
use std::time::Instant;

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::id::{GuestId, Seat};
use nearhand_protocol::invitation::InvitationId;
use nearhand_protocol::signal::{Negotiate, ServerToHost, ServerToViewer, Technician, ViewerToServer};

use super::enter::replace;
use super::{Arrival, ConnectionId, Effect, Place, Room};
use crate::chair::Invited;

/// Most guests of one session at a time, those among them who dropped out a moment ago.
pub const MAX_GUESTS: usize = 7;

/// One of them.
#[derive(Debug)]
struct Guest {
    invitation: InvitationId,
    technician: Technician,
    place: Place,
    /// The highest epoch that was promised to it or seen of it.
    epoch: u32,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Guests(BTreeMap<GuestId, Guest>);

impl Guests {
    /// Who talks on this connection.
    pub(super) fn at(&self, connection: ConnectionId) -> Option<GuestId> {
        let here = Place::Here(connection);
        self.0.iter().find(|(_, guest)| guest.place == here).map(|(id, _)| *id)
    }

    /// The connections of those who are here.
    pub(super) fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.0.values().filter_map(|guest| guest.place.connection())
    }

    /// When the first of those who are away counts as gone.
    pub(super) fn until(&self) -> Option<Instant> {
        self.0.values().filter_map(|guest| guest.place.until()).min()
    }

    /// What a host that has just come in is told of them.
    pub(super) fn arrivals(&self) -> impl Iterator<Item = ServerToHost> {
        self.0.iter().filter(|(_, guest)| guest.place.connection().is_some()).map(|(id, guest)| {
            let technician = guest.technician.clone();
            ServerToHost::GuestArrived { guest: *id, invitation: guest.invitation, technician }
        })
    }
}

impl Room {
    pub(super) fn guest_enters(
        &mut self,
        Arrival { connection, resume, ice_servers }: Arrival,
        Invited { guest: id, invitation }: Invited,
        technician: Technician,
        clock: u32,
        effects: &mut Vec<Effect>,
    ) {
        if self.code_until.is_some() {
            // Nobody is there who could have been asked to invite anybody.
            effects.push(Effect::Close(connection, CloseReason::UnknownCode));
            return;
        }
        if !self.guests.0.contains_key(&id) && self.guests.0.len() >= MAX_GUESTS {
            effects.push(Effect::Close(connection, CloseReason::TooManyAttempts));
            return;
        }
        let away = Guest { invitation, technician: technician.clone(), place: Place::Away(None), epoch: 0 };
        let guest = self.guests.0.entry(id).or_insert(away);
        replace(guest.place, effects);
        guest.place = Place::Here(connection);
        guest.epoch = guest.epoch.saturating_add(1).max(clock);
        let epoch = guest.epoch;
        // Guests come by their invitation: the code is nothing to them.
        let welcome = self.welcome(resume, 0, epoch, ice_servers);
        effects.push(Effect::ToViewer(connection, welcome));
        self.tell_host(ServerToHost::GuestArrived { guest: id, invitation, technician }, effects);
    }

    pub(super) fn guest_says(
        &mut self,
        id: GuestId,
        connection: ConnectionId,
        message: ViewerToServer,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        match message {
            ViewerToServer::Negotiate(message) if message.allowed_from(Seat::Viewer) => {
                if let Some(guest) = self.guests.0.get_mut(&id) {
                    guest.epoch = guest.epoch.max(message.epoch().0);
                }
                self.tell_host(ServerToHost::GuestNegotiate { guest: id, message }, effects);
            }
            ViewerToServer::End {
                reason: reason @ (CloseReason::TechnicianEnded | CloseReason::NotProven),
            } => {
                self.guest_leaves(id, reason, effects);
                self.tell_host(ServerToHost::GuestLeft { guest: id, reason }, effects);
            }
            // A guest has no share to give: its key is the invitation's.
            _ => {
                effects.push(Effect::Close(connection, CloseReason::BadMessage));
                self.guest_drops_out(id, now, effects);
            }
        }
    }

    /// The host talks to one of them; who is away, or gone, hears nothing.
    pub(super) fn to_guest(&self, id: GuestId, message: Negotiate, effects: &mut Vec<Effect>) {
        if let Some(connection) = self.guests.0.get(&id).and_then(|guest| guest.place.connection()) {
            effects.push(Effect::ToViewer(connection, ServerToViewer::Negotiate(message)));
        }
    }

    /// Says something to all that are here.
    pub(super) fn tell_guests(&self, message: &ServerToViewer, effects: &mut Vec<Effect>) {
        let here = self.guests.connections();
        effects.extend(here.map(|connection| Effect::ToViewer(connection, message.clone())));
    }

    pub(super) fn guest_leaves(&mut self, id: GuestId, reason: CloseReason, effects: &mut Vec<Effect>) {
        if let Some(guest) = self.guests.0.remove(&id) {
            let connection = guest.place.connection();
            effects.extend(connection.map(|connection| Effect::Close(connection, reason)));
        }
    }

    pub(super) fn guest_drops_out(&mut self, id: GuestId, now: Instant, effects: &mut Vec<Effect>) {
        if let Some(guest) = self.guests.0.get_mut(&id) {
            guest.place = Place::Away(Some(now + self.terms.grace));
            let grace_s = self.terms.grace.as_secs() as u32;
            self.tell_host(ServerToHost::GuestDropped { guest: id, grace_s }, effects);
        }
    }

    /// Who stayed away for too long is gone; the session goes on without them.
    pub(super) fn expire_guests(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let late = |guest: &Guest| guest.place.until().is_some_and(|until| until <= now);
        let gone: Vec<_> = self.guests.0.iter().filter(|(_, guest)| late(guest)).map(|(id, _)| *id).collect();
        for id in gone {
            self.guests.0.remove(&id);
            self.tell_host(ServerToHost::GuestLeft { guest: id, reason: CloseReason::ViewerLost }, effects);
        }
    }

    fn tell_host(&self, message: ServerToHost, effects: &mut Vec<Effect>) {
        if let Some(host) = self.host.connection() {
            effects.push(Effect::ToHost(host, message));
        }
    }
}
