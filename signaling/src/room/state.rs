//! What the desk shows of a room.

use std::time::Instant;

use nearhand_protocol::code::Nameplate;
use nearhand_protocol::grant::Rights;
use nearhand_protocol::id::SessionId;
use nearhand_protocol::signal::HostInfo;
use serde::Serialize;

use super::{Place, Room};

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomState {
    /// Nobody has used the code yet.
    Waiting,
    /// The customer's program is there, but nothing was allowed yet.
    Connecting,
    /// The customer has given at least one right.
    Active,
    /// One of the ends has dropped out.
    Interrupted,
}

/// What the desk shows of a room, without the times that run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The session.
    pub session: SessionId,
    /// The server's part of its code.
    pub nameplate: Nameplate,
    /// Until when the code works; `None` once it was used.
    pub code_until: Option<Instant>,
    /// How far it is.
    pub state: RoomState,
    /// The customer's program, once it was there.
    pub host: Option<HostInfo>,
    /// The rights that the customer's program says it gave.
    pub held: Rights,
    /// Since when it is.
    pub began: Instant,
}

impl Room {
    /// What the desk shows now.
    pub fn summary(&self) -> Summary {
        Summary {
            session: self.subject.session,
            nameplate: self.subject.nameplate,
            code_until: self.code_until,
            state: self.state(),
            host: self.info.clone(),
            held: self.held,
            began: self.began,
        }
    }

    fn state(&self) -> RoomState {
        match (self.code_until, self.host, self.viewer) {
            (Some(_), _, _) => RoomState::Waiting,
            (None, Place::Here(_), Place::Here(_)) if self.held.is_empty() => RoomState::Connecting,
            (None, Place::Here(_), Place::Here(_)) => RoomState::Active,
            // No epoch was ever promised: the technician's tab has not been here yet.
            (None, Place::Here(_), Place::Away(_)) if self.epoch == 0 => RoomState::Connecting,
            (None, _, _) => RoomState::Interrupted,
        }
    }

    pub(super) fn code_valid_s(&self, now: Instant) -> u32 {
        seconds_until(self.code_until, now)
    }
}

/// Whole seconds from now to then, zero if it is past or there is none.
pub fn seconds_until(then: Option<Instant>, now: Instant) -> u32 {
    then.map_or(0, |then| then.saturating_duration_since(now).as_secs_f64().ceil() as u32)
}
