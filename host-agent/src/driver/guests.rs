//! The driver's dealings with tabs of technicians who were invited: who they are, the company knows.

use nearhand_protocol::signal::ServerToHost;
use tokio::time::Instant;

use super::ending::part;
use super::{Driver, Seat};
use crate::session::ViewerId;

impl Driver {
    /// What the server says of guests. Of those whom the company did not let in, nothing is heard.
    pub(super) async fn guest(&mut self, message: ServerToHost) {
        let now = Instant::now().into_std();
        let wanted = match message {
            ServerToHost::GuestArrived { guest, invitation, technician } => {
                let wanted = self.company.guest_arrived(guest, invitation, &technician, now);
                if let Some(viewer) = self.company.viewer(guest) {
                    tracing::info!(viewer = viewer.0, "a technician who was invited is at the server");
                    self.seats.entry(viewer).or_default().guest = Some(guest);
                }
                wanted
            }
            ServerToHost::GuestDropped { guest, .. } => self.company.guest_dropped(guest, now),
            ServerToHost::GuestLeft { guest, reason } => self.company.guest_left(guest, reason, now),
            ServerToHost::GuestNegotiate { guest, message } => {
                if let Some(viewer) = self.company.viewer(guest) {
                    self.negotiate(viewer, message).await;
                }
                return;
            }
            _ => return,
        };
        self.carry_out(wanted);
    }

    /// A guest has no part in the session any more. Its last word may still be on its way.
    pub(super) fn leave(&mut self, viewer: ViewerId) {
        let seat = self.seats.remove(&viewer);
        if let Some(Seat { peer: Some(peer), .. }) = seat {
            self.closing.spawn(part(peer.transport));
        }
    }
}
