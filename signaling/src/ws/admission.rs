//! Whether a connection may come in, and to which room.

use std::sync::PoisonError;
use std::time::{Instant, SystemTime};

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::id::{GuestId, Seat};
use nearhand_protocol::signal::Entry;
use nearhand_protocol::version::Version;

use super::Peer;
use super::side::Hello;
use crate::app::App;
use crate::chair::Invited;
use crate::registry::Handle;
use crate::room::Ticket;

/// A connection that may come in.
pub(super) struct Admitted {
    pub(super) handle: Handle,
    pub(super) ticket: Ticket,
    /// Of a guest.
    pub(super) invited: Option<Invited>,
}

pub(super) fn admit(app: &App, seat: Seat, peer: Peer, hello: &Hello) -> Result<Admitted, CloseReason> {
    if !Version::CURRENT.speaks_with(hello.version) {
        return Err(CloseReason::VersionMismatch);
    }
    match (&hello.entry, seat) {
        (Entry::Nameplate { nameplate }, Seat::Host) => {
            let room = || app.registry.by_nameplate(*nameplate);
            let found = app.code_throttle.attempt(peer.address, *nameplate, Instant::now(), room);
            let handle = found.map_err(|_| CloseReason::TooManyAttempts)?;
            let handle = handle.ok_or(CloseReason::UnknownCode)?;
            Ok(Admitted { handle, ticket: Ticket::Code, invited: None })
        }
        (Entry::SignedIn { session }, Seat::Viewer) => {
            let person = peer.person.ok_or(CloseReason::NotSignedIn)?;
            let handle = app.registry.by_session(*session).ok_or(CloseReason::BadResume)?;
            if handle.owner() != person {
                return Err(CloseReason::NotSignedIn);
            }
            Ok(Admitted { handle, ticket: Ticket::Resume, invited: None })
        }
        (Entry::Ticket { session, ticket }, Seat::Viewer) => {
            let mut tickets = app.tickets.lock().unwrap_or_else(PoisonError::into_inner);
            let person = tickets.redeem(ticket, *session, Instant::now()).ok_or(CloseReason::NotSignedIn)?;
            drop(tickets);
            let handle = app.registry.by_session(*session).ok_or(CloseReason::BadResume)?;
            if handle.owner() != person {
                return Err(CloseReason::NotSignedIn);
            }
            Ok(Admitted { handle, ticket: Ticket::Resume, invited: None })
        }
        // Anybody who may sign in here may knock; whether they were invited, the host finds out.
        (Entry::Invited { session, invitation }, Seat::Viewer) => {
            peer.person.ok_or(CloseReason::NotSignedIn)?;
            let handle = app.registry.by_session(*session).ok_or(CloseReason::BadResume)?;
            let guest = GuestId(getrandom::u32().map_err(|_| CloseReason::ServerError)?);
            let invited = Some(Invited { guest, invitation: *invitation });
            Ok(Admitted { handle, ticket: Ticket::Resume, invited })
        }
        (Entry::Resume { token }, _) => {
            let claim = app.resumption.check(token, seat, SystemTime::now()).ok_or(CloseReason::BadResume)?;
            let handle = app.registry.resume(claim).ok_or(CloseReason::BadResume)?;
            Ok(Admitted { handle, ticket: Ticket::Resume, invited: claim.seating().invited })
        }
        (Entry::Nameplate { .. }, Seat::Viewer)
        | (Entry::SignedIn { .. } | Entry::Ticket { .. } | Entry::Invited { .. }, Seat::Host) => {
            Err(CloseReason::BadMessage)
        }
    }
}

/// What is said to a connection whose room ended between its admission and its entry.
pub(super) fn too_late(ticket: Ticket, app: &App) -> CloseReason {
    match ticket {
        _ if app.stop.is_cancelled() => CloseReason::ServerShutdown,
        Ticket::Code => CloseReason::UnknownCode,
        Ticket::Resume => CloseReason::BadResume,
    }
}
