//! Identifiers: each is a type of its own, so that one can't be passed for another.

use core::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroize;

/// Names one session in logs, addresses of pages and messages. It is no secret and opens nothing by itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(#[serde(with = "uuid::serde::simple")] Uuid);

impl SessionId {
    /// Wraps a random (version 4) UUID that the caller drew.
    pub const fn new(random: Uuid) -> Self {
        Self(random)
    }

    /// The UUID inside.
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

impl core::str::FromStr for SessionId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(Self)
    }
}

/// One of the two places in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seat {
    /// The customer's program.
    Host,
    /// The technician's tab.
    Viewer,
}

impl Seat {
    /// The seat across the table.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Host => Self::Viewer,
            Self::Viewer => Self::Host,
        }
    }
}

/// Names a technician's tab that came by an invitation, among those of its session. Drawn at random by the server, kept
/// over its tab's returns; no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GuestId(pub u32);

/// The server's word that its bearer held a seat in a room and may take it again; opaque to the two ends.
///
/// It never prints itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResumeToken(String);

impl ResumeToken {
    /// Longest token that is looked at, in bytes.
    pub const MAX_LEN: usize = 512;

    /// Wraps what the server issued.
    pub const fn new(token: String) -> Self {
        Self(token)
    }

    /// The token as it goes over the wire.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResumeToken(…)")
    }
}

impl Drop for ResumeToken {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The server's word that its bearer is signed in and may take the viewer's seat of one session: good once, for a short
/// time. With it a tab of another origin comes in, which has none of the server's cookies. Opaque to the tab.
///
/// It never prints itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ticket(String);

impl Ticket {
    /// Longest ticket that is looked at, in bytes.
    pub const MAX_LEN: usize = 64;

    /// Wraps what the server issued.
    pub const fn new(ticket: String) -> Self {
        Self(ticket)
    }

    /// The ticket as it goes over the wire.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(…)")
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Counts the peer connections of a session: a reloaded tab starts a new one, and what was under way for an earlier
/// one is recognised as stale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u32);
