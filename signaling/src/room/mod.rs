//! The rules of one session, as a pure machine: events in, effects out, time as an argument.
//!
//! A room has two seats, and some for guests. The technician's tab and the customer's program enter, leave, come back and
//! talk to each other through it. It opens with a code that works once and for a limited time; an end that drops out has a time of grace.
//! Nothing here waits or touches a socket: [`crate::attendant`] drives it.

use std::time::{Duration, Instant};

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::code::Nameplate;
use nearhand_protocol::grant::Rights;
use nearhand_protocol::id::{ResumeToken, Seat, SessionId};
use nearhand_protocol::signal::{
    HostInfo, HostToServer, IceServer, ServerToHost, ServerToViewer, Technician, ViewerToServer,
};

use crate::chair::Invited;

mod end;
mod enter;
mod guests;
mod leave;
mod relay;
mod state;
#[cfg(test)]
mod tests;

use guests::Guests;
pub use guests::MAX_GUESTS;
pub use state::{RoomState, Summary, seconds_until};

/// Names one connection for as long as the process lives, so that a late word of a replaced one is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId(pub u64);

/// The times that the rules go by.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How long a code can be used.
    pub code_lifetime: Duration,
    /// How long an end that dropped out may stay away.
    pub grace: Duration,
    /// How long a session may last at most.
    pub longest: Duration,
}

/// What a room is about.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The session.
    pub session: SessionId,
    /// The server's part of its code.
    pub nameplate: Nameplate,
    /// Who helps.
    pub technician: Technician,
}

/// By what right the customer's program comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ticket {
    /// The code, which works once.
    Code,
    /// A resume token of the host's seat in this room; the caller has checked it.
    Resume,
}

/// What can happen to a room.
#[derive(Clone, Debug)]
pub enum Event {
    /// The customer's program wants its seat.
    HostEnters {
        /// Its connection.
        connection: ConnectionId,
        /// Why it may.
        ticket: Ticket,
        /// What it says about itself.
        info: HostInfo,
        /// What it will come back with.
        resume: ResumeToken,
        /// What it is told for its way around firewalls.
        ice_servers: Vec<IceServer>,
    },
    /// The technician's tab wants its seat; the caller has checked that it may.
    ViewerEnters {
        /// Its connection.
        connection: ConnectionId,
        /// What it will come back with.
        resume: ResumeToken,
        /// The server's clock, in seconds since 1970: the floor of the epochs, so that they rise over a restart too.
        clock: u32,
        /// What it is told for its way around firewalls.
        ice_servers: Vec<IceServer>,
    },
    /// The tab of an invited technician wants a seat; the caller has checked that they are signed in.
    GuestEnters {
        /// Its connection.
        connection: ConnectionId,
        /// Which guest it is, and by what it comes.
        invited: Invited,
        /// Whose tab it is.
        technician: Technician,
        /// What it will come back with.
        resume: ResumeToken,
        /// As for the viewer.
        clock: u32,
        /// What it is told for its way around firewalls.
        ice_servers: Vec<IceServer>,
    },
    /// The customer's program said something.
    HostSays {
        /// On this connection.
        connection: ConnectionId,
        /// What.
        message: HostToServer,
    },
    /// A technician's tab said something.
    ViewerSays {
        /// On this connection.
        connection: ConnectionId,
        /// What.
        message: ViewerToServer,
    },
    /// A connection is gone, whoever cut it.
    Left {
        /// Which.
        connection: ConnectionId,
    },
    /// The technician ended the session from the desk.
    Deleted,
    /// The server stops; whoever is here comes back to its successor.
    Shutdown,
    /// [`Room::deadline`] has passed.
    Tick,
}

/// What the driver does next, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Tell the customer's program.
    ToHost(ConnectionId, ServerToHost),
    /// Tell a technician's tab.
    ToViewer(ConnectionId, ServerToViewer),
    /// Say `End` to this connection and close it; nothing more will come for it.
    Close(ConnectionId, CloseReason),
    /// The code leads here no more.
    CodeSpent,
    /// What the desk shows has changed.
    Changed,
    /// The session is over for good.
    Over(CloseReason),
}

/// A connection that takes a seat, and what it is given.
struct Arrival {
    connection: ConnectionId,
    resume: ResumeToken,
    ice_servers: Vec<IceServer>,
}

/// Where one end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Connected.
    Here(ConnectionId),
    /// Never been here, or dropped out; the session ends at the time, where there is one.
    Away(Option<Instant>),
}

impl Place {
    const fn connection(self) -> Option<ConnectionId> {
        match self {
            Self::Here(connection) => Some(connection),
            Self::Away(_) => None,
        }
    }

    const fn until(self) -> Option<Instant> {
        match self {
            Self::Here(_) => None,
            Self::Away(until) => until,
        }
    }
}

/// One session.
#[derive(Debug)]
pub struct Room {
    subject: Subject,
    terms: Terms,
    began: Instant,
    /// Until when the code opens this room; `None` once it was used.
    code_until: Option<Instant>,
    host: Place,
    viewer: Place,
    guests: Guests,
    info: Option<HostInfo>,
    held: Rights,
    /// The highest epoch that was promised or seen.
    epoch: u32,
    over: Option<CloseReason>,
}

impl Room {
    /// A new session, open to its code.
    pub fn open(subject: Subject, terms: Terms, now: Instant) -> Self {
        Self {
            subject,
            terms,
            began: now,
            code_until: Some(now + terms.code_lifetime),
            host: Place::Away(None),
            viewer: Place::Away(None),
            guests: Guests::default(),
            info: None,
            held: Rights::NONE,
            epoch: 0,
            over: None,
        }
    }

    /// A session of an earlier process, of which one end came back. Its code counts as used: whether it was, only that
    /// process knew.
    pub fn recovered(subject: Subject, terms: Terms, age: Duration, now: Instant) -> Self {
        let back_by = Place::Away(Some(now + terms.grace));
        Self {
            code_until: None,
            host: back_by,
            viewer: back_by,
            began: now.checked_sub(age).unwrap_or(now),
            ..Self::open(subject, terms, now)
        }
    }

    /// Takes one event and says what follows. After [`Effect::Over`] nothing follows any more.
    pub fn handle(&mut self, event: Event, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.expire(now, &mut effects);
        if let Some(reason) = self.over {
            // Whoever still knocks is sent away; there is nobody else to tell.
            match event {
                Event::HostEnters { connection, ticket: Ticket::Code, .. } => {
                    effects.push(Effect::Close(connection, CloseReason::UnknownCode));
                }
                Event::HostEnters { connection, .. }
                | Event::ViewerEnters { connection, .. }
                | Event::GuestEnters { connection, .. } => {
                    effects.push(Effect::Close(connection, reason));
                }
                _ => {}
            }
            return effects;
        }
        match event {
            Event::HostEnters { connection, ticket, info, resume, ice_servers } => {
                let arrival = Arrival { connection, resume, ice_servers };
                self.host_enters(arrival, ticket, info, now, &mut effects);
            }
            Event::ViewerEnters { connection, resume, clock, ice_servers } => {
                let arrival = Arrival { connection, resume, ice_servers };
                self.viewer_enters(arrival, clock, now, &mut effects);
            }
            Event::GuestEnters { connection, invited, technician, resume, clock, ice_servers } => {
                let arrival = Arrival { connection, resume, ice_servers };
                self.guest_enters(arrival, invited, technician, clock, &mut effects);
            }
            Event::HostSays { connection, message } => {
                if self.host == Place::Here(connection) {
                    self.host_says(connection, message, now, &mut effects);
                }
            }
            Event::ViewerSays { connection, message } => {
                if self.viewer == Place::Here(connection) {
                    self.viewer_says(connection, message, now, &mut effects);
                } else if let Some(guest) = self.guests.at(connection) {
                    self.guest_says(guest, connection, message, now, &mut effects);
                }
            }
            Event::Left { connection } => self.left(connection, now, &mut effects),
            Event::Deleted => self.end(CloseReason::TechnicianEnded, &mut effects),
            Event::Shutdown => self.shutdown(&mut effects),
            Event::Tick => {}
        }
        effects
    }

    fn place(&mut self, seat: Seat) -> &mut Place {
        match seat {
            Seat::Host => &mut self.host,
            Seat::Viewer => &mut self.viewer,
        }
    }
}
