//! An end drops out: the other is told, and the time of grace runs.

use std::time::Instant;

use nearhand_protocol::id::Seat;
use nearhand_protocol::signal::{ServerToHost, ServerToViewer};

use super::{ConnectionId, Effect, Place, Room};

impl Room {
    /// A connection is gone. One that was replaced or closed before means nothing any more.
    pub(super) fn left(&mut self, connection: ConnectionId, now: Instant, effects: &mut Vec<Effect>) {
        let (left, connection) = (connection, Place::Here(connection));
        if self.host == connection {
            self.drop_out(Seat::Host, now, effects);
        } else if self.viewer == connection {
            self.drop_out(Seat::Viewer, now, effects);
        } else if let Some(guest) = self.guests.at(left) {
            self.guest_drops_out(guest, now, effects);
        }
    }

    pub(super) fn drop_out(&mut self, seat: Seat, now: Instant, effects: &mut Vec<Effect>) {
        // As long as the customer has not come, the code's own time is the only one that runs.
        let grace = if self.code_until.is_some() { None } else { Some(now + self.terms.grace) };
        *self.place(seat) = Place::Away(grace);
        let grace_s = self.terms.grace.as_secs() as u32;
        match seat {
            Seat::Host => {
                if let Some(viewer) = self.viewer.connection() {
                    effects.push(Effect::ToViewer(viewer, ServerToViewer::HostDropped { grace_s }));
                }
                self.tell_guests(&ServerToViewer::HostDropped { grace_s }, effects);
            }
            Seat::Viewer => {
                if let Some(host) = self.host.connection() {
                    effects.push(Effect::ToHost(host, ServerToHost::ViewerDropped { grace_s }));
                }
            }
        }
        effects.push(Effect::Changed);
    }
}
