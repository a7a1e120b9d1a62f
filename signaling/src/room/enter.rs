//! An end takes its seat.

use std::time::Instant;

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::id::{Epoch, ResumeToken};
use nearhand_protocol::signal::{HostInfo, IceServer, ServerToHost, ServerToViewer};
use nearhand_protocol::version::Version;

use super::{Arrival, Effect, Place, Room, Ticket};

impl Room {
    pub(super) fn host_enters(
        &mut self,
        Arrival { connection, resume, ice_servers }: Arrival,
        ticket: Ticket,
        info: HostInfo,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        if ticket == Ticket::Code {
            let Some(until) = self.code_until.take() else {
                effects.push(Effect::Close(connection, CloseReason::UnknownCode));
                return;
            };
            effects.push(Effect::CodeSpent);
            if let Place::Away(back_by) = &mut self.viewer {
                // From here on somebody waits for the technician, who may be looking at another page of the desk.
                *back_by = Some(until.max(now + self.terms.grace));
            }
        }
        replace(self.host, effects);
        self.host = Place::Here(connection);
        self.info = Some(info.clone());
        effects.push(Effect::ToHost(
            connection,
            ServerToHost::Welcome {
                version: Version::CURRENT,
                session: self.subject.session,
                resume,
                technician: self.subject.technician.clone(),
                ice_servers,
                viewer_present: self.viewer.connection().is_some(),
            },
        ));
        if let Place::Here(viewer) = self.viewer {
            effects.push(Effect::ToViewer(viewer, ServerToViewer::HostArrived { host: info.clone() }));
        }
        let arrivals = self.guests.arrivals();
        effects.extend(arrivals.map(|arrived| Effect::ToHost(connection, arrived)));
        self.tell_guests(&ServerToViewer::HostArrived { host: info }, effects);
        effects.push(Effect::Changed);
    }

    pub(super) fn viewer_enters(
        &mut self,
        Arrival { connection, resume, ice_servers }: Arrival,
        clock: u32,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        replace(self.viewer, effects);
        self.viewer = Place::Here(connection);
        self.epoch = self.epoch.saturating_add(1).max(clock);
        effects.push(Effect::ToViewer(
            connection,
            self.welcome(resume, self.code_valid_s(now), self.epoch, ice_servers),
        ));
        if let Place::Here(host) = self.host {
            effects.push(Effect::ToHost(host, ServerToHost::ViewerArrived));
        }
        effects.push(Effect::Changed);
    }

    /// What a tab is told that has taken its seat: the technician's or a guest's.
    pub(super) fn welcome(
        &self,
        resume: ResumeToken,
        code_valid_s: u32,
        epoch: u32,
        ice_servers: Vec<IceServer>,
    ) -> ServerToViewer {
        ServerToViewer::Welcome {
            version: Version::CURRENT,
            session: self.subject.session,
            resume,
            nameplate: self.subject.nameplate,
            code_valid_s,
            epoch: Epoch(epoch),
            ice_servers,
            host: self.host.connection().and(self.info.clone()),
        }
    }
}

/// The newer connection has the seat: a reloaded tab must not wait until the server notices that the old one died.
pub(super) fn replace(before: Place, effects: &mut Vec<Effect>) {
    if let Place::Here(old) = before {
        effects.push(Effect::Close(old, CloseReason::Replaced));
    }
}
