//! An end says something: what is relayed, what ends the session, what is not allowed.

use std::time::Instant;

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::id::Seat;
use nearhand_protocol::signal::{HostToServer, Negotiate, ServerToHost, ServerToViewer, ViewerToServer};

use super::{ConnectionId, Effect, Room};

impl Room {
    pub(super) fn host_says(
        &mut self,
        connection: ConnectionId,
        message: HostToServer,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        match message {
            HostToServer::Negotiate(negotiate) if negotiate.allowed_from(Seat::Host) => {
                self.negotiate(Seat::Host, negotiate, effects);
            }
            HostToServer::Share { share } => {
                if let Some(viewer) = self.viewer.connection() {
                    effects.push(Effect::ToViewer(viewer, ServerToViewer::Share { share }));
                }
            }
            HostToServer::Rights { held } => {
                if self.held != held {
                    self.held = held;
                    effects.push(Effect::Changed);
                }
            }
            HostToServer::End {
                reason:
                    reason @ (CloseReason::CustomerEnded | CloseReason::CustomerRefused | CloseReason::NotProven),
            } => {
                self.end(reason, effects);
            }
            HostToServer::GuestNegotiate { guest, message } if message.allowed_from(Seat::Host) => {
                self.to_guest(guest, message, effects);
            }
            HostToServer::GuestEnd {
                guest,
                reason:
                    reason @ (CloseReason::CustomerEnded
                    | CloseReason::CustomerRefused
                    | CloseReason::NotProven
                    | CloseReason::UnknownCode),
            } => {
                self.guest_leaves(guest, reason, effects);
            }
            HostToServer::Hello { .. }
            | HostToServer::Negotiate(_)
            | HostToServer::End { .. }
            | HostToServer::GuestNegotiate { .. }
            | HostToServer::GuestEnd { .. } => {
                self.refuse(Seat::Host, connection, now, effects);
            }
        }
    }

    pub(super) fn viewer_says(
        &mut self,
        connection: ConnectionId,
        message: ViewerToServer,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        match message {
            ViewerToServer::Negotiate(negotiate) if negotiate.allowed_from(Seat::Viewer) => {
                self.negotiate(Seat::Viewer, negotiate, effects);
            }
            ViewerToServer::Share { share } => {
                if let Some(host) = self.host.connection() {
                    effects.push(Effect::ToHost(host, ServerToHost::Share { share }));
                }
            }
            ViewerToServer::End {
                reason: reason @ (CloseReason::TechnicianEnded | CloseReason::NotProven),
            } => {
                self.end(reason, effects);
            }
            ViewerToServer::Hello { .. } | ViewerToServer::Negotiate(_) | ViewerToServer::End { .. } => {
                self.refuse(Seat::Viewer, connection, now, effects);
            }
        }
    }

    /// Passes it across the table. Nothing waits for an end that is away: when it is back, the viewer offers anew.
    fn negotiate(&mut self, from: Seat, negotiate: Negotiate, effects: &mut Vec<Effect>) {
        match from {
            Seat::Host => {
                if let Some(viewer) = self.viewer.connection() {
                    effects.push(Effect::ToViewer(viewer, ServerToViewer::Negotiate(negotiate)));
                }
            }
            Seat::Viewer => {
                // The viewer counts on by itself; a reloaded tab must be told a number above all of its predecessor's.
                self.epoch = self.epoch.max(negotiate.epoch().0);
                if let Some(host) = self.host.connection() {
                    effects.push(Effect::ToHost(host, ServerToHost::Negotiate(negotiate)));
                }
            }
        }
    }

    /// Closes the connection that broke the rules; its end may come back in the time of grace.
    fn refuse(&mut self, seat: Seat, connection: ConnectionId, now: Instant, effects: &mut Vec<Effect>) {
        effects.push(Effect::Close(connection, CloseReason::BadMessage));
        self.drop_out(seat, now, effects);
    }
}
