//! A session ends: by a person, by the clock, or (for this process only) by the server's shutdown.

use std::time::Instant;

use nearhand_protocol::close::CloseReason;

use super::{Effect, Room};

impl Room {
    /// When [`super::Event::Tick`] is due at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        if self.over.is_some() {
            return None;
        }
        let longest = Some(self.began + self.terms.longest);
        [self.code_until, self.host.until(), self.viewer.until(), self.guests.until(), longest]
            .into_iter()
            .flatten()
            .min()
    }

    /// Ends what the clock has ended.
    pub(super) fn expire(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.over.is_some() {
            return;
        }
        let past = |until: Option<Instant>| until.filter(|until| *until <= now);
        let reason = [
            (past(self.code_until), CloseReason::CodeExpired),
            (past(self.host.until()), CloseReason::HostLost),
            (past(self.viewer.until()), CloseReason::ViewerLost),
            (past(Some(self.began + self.terms.longest)), CloseReason::TooLong),
        ]
        .into_iter()
        .filter_map(|(until, reason)| until.map(|until| (until, reason)))
        .min_by_key(|(until, _)| *until);
        if let Some((_, reason)) = reason {
            self.end(reason, effects);
        } else {
            self.expire_guests(now, effects);
        }
    }

    pub(super) fn end(&mut self, reason: CloseReason, effects: &mut Vec<Effect>) {
        self.over = Some(reason);
        if self.code_until.take().is_some() {
            effects.push(Effect::CodeSpent);
        }
        self.close_all(reason, effects);
        effects.push(Effect::Over(reason));
    }

    /// The session is not over: all ends take it to the server's successor.
    pub(super) fn shutdown(&mut self, effects: &mut Vec<Effect>) {
        self.over = Some(CloseReason::ServerShutdown);
        self.close_all(CloseReason::ServerShutdown, effects);
    }

    fn close_all(&self, reason: CloseReason, effects: &mut Vec<Effect>) {
        let connections = [self.host.connection(), self.viewer.connection()];
        let all = connections.into_iter().flatten().chain(self.guests.connections());
        effects.extend(all.map(|connection| Effect::Close(connection, reason)));
    }
}
