//! What differs between the two kinds of connections: their messages.

use std::time::SystemTime;

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::id::{ResumeToken, Seat};
use nearhand_protocol::signal::{
    Entry, HostInfo, HostToServer, IceServer, MAX_NAME, ServerToHost, ServerToViewer, Technician,
    ViewerToServer,
};
use nearhand_protocol::version::Version;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::account::unix_seconds;
use crate::chair::Invited;
use crate::room::{ConnectionId, Event, Ticket};

/// The first message of either end.
pub struct Hello {
    pub(super) version: Version,
    pub(super) entry: Entry,
    /// Of the host only.
    info: HostInfo,
}

/// What an end gets with its seat.
pub struct Given {
    pub(super) resume: ResumeToken,
    pub(super) ice_servers: Vec<IceServer>,
    /// Of a guest: which one, and whose tab it is.
    pub(super) invited: Option<(Invited, Technician)>,
}

/// One of the two kinds of connections.
pub trait Side: Send + Sync + 'static {
    /// Its place in a room.
    const SEAT: Seat;
    /// What the peer says.
    type In: DeserializeOwned + Send;
    /// What the peer is told.
    type Out: Serialize;

    /// The hello in a message, if it is one.
    fn hello(message: Self::In) -> Option<Hello>;
    /// For the room: it wants its seat.
    fn enters(connection: ConnectionId, ticket: Ticket, hello: Hello, given: Given, now: SystemTime)
    -> Event;
    /// For the room: it said something.
    fn says(connection: ConnectionId, message: Self::In) -> Event;
    /// For the peer: it is over.
    fn end(reason: CloseReason) -> Self::Out;
}

/// The customer's program.
pub struct Host;

impl Side for Host {
    const SEAT: Seat = Seat::Host;
    type In = HostToServer;
    type Out = ServerToHost;

    fn hello(message: HostToServer) -> Option<Hello> {
        match message {
            HostToServer::Hello { version, entry, info, .. } => {
                let info = HostInfo { system: name(&info.system), machine: name(&info.machine), ..info };
                Some(Hello { version, entry, info })
            }
            _ => None,
        }
    }

    fn enters(
        connection: ConnectionId,
        ticket: Ticket,
        hello: Hello,
        Given { resume, ice_servers, .. }: Given,
        _now: SystemTime,
    ) -> Event {
        Event::HostEnters { connection, ticket, info: hello.info, resume, ice_servers }
    }

    fn says(connection: ConnectionId, message: HostToServer) -> Event {
        Event::HostSays { connection, message }
    }

    fn end(reason: CloseReason) -> ServerToHost {
        ServerToHost::End { reason }
    }
}

/// The technician's tab.
pub struct Viewer;

impl Side for Viewer {
    const SEAT: Seat = Seat::Viewer;
    type In = ViewerToServer;
    type Out = ServerToViewer;

    fn hello(message: ViewerToServer) -> Option<Hello> {
        match message {
            ViewerToServer::Hello { version, entry, .. } => {
                Some(Hello { version, entry, info: HostInfo::default() })
            }
            _ => None,
        }
    }

    fn enters(
        connection: ConnectionId,
        _ticket: Ticket,
        _hello: Hello,
        Given { resume, ice_servers, invited }: Given,
        now: SystemTime,
    ) -> Event {
        let clock = unix_seconds(now) as u32;
        match invited {
            None => Event::ViewerEnters { connection, resume, clock, ice_servers },
            Some((invited, technician)) => {
                Event::GuestEnters { connection, invited, technician, resume, clock, ice_servers }
            }
        }
    }

    fn says(connection: ConnectionId, message: ViewerToServer) -> Event {
        Event::ViewerSays { connection, message }
    }

    fn end(reason: CloseReason) -> ServerToViewer {
        ServerToViewer::End { reason }
    }
}

/// A name as a person may see it: no control characters, and no longer than the protocol allows.
fn name(text: &str) -> String {
    let mut name: String = text.chars().filter(|character| !character.is_control()).collect();
    let mut end = name.len().min(MAX_NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.truncate(end);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_fit_to_show() {
        assert_eq!(name("Ada's PC"), "Ada's PC");
        assert_eq!(name("a\u{1b}[31m\nb\0"), "a[31mb");
        let long = name(&"é".repeat(MAX_NAME));
        assert_eq!(long.len(), MAX_NAME);
        assert_eq!(name(&format!("a{}", "é".repeat(MAX_NAME))).len(), MAX_NAME - 1);
    }
}
