//! Resume tokens: the server's signed word that its bearer held a seat, good over a restart of the server.

use std::time::{Duration, SystemTime};

use nearhand_protocol::code::Nameplate;
use nearhand_protocol::id::{ResumeToken, Seat, SessionId};
use serde::{Deserialize, Serialize};

use crate::account::{PersonId, unix_seconds};
use crate::chair::Invited;
use crate::key::{KeyError, ServerKey, Signer};

/// How long after its start a server takes in sessions of its predecessor. Whoever is still there by then has come; and
/// a token of a session that ended long ago is worth nothing any more.
pub const RECOVERY: Duration = Duration::from_mins(10);

/// What a token vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seating {
    /// The room.
    pub session: SessionId,
    /// The place in it.
    pub seat: Seat,
    /// The server's part of the session's code.
    pub nameplate: Nameplate,
    /// Whose session it is.
    pub owner: PersonId,
    /// When the session began, in seconds since 1970.
    pub began: u64,
    /// Of a guest's seat: whose, and by what they came.
    pub invited: Option<Invited>,
}

#[derive(Serialize, Deserialize)]
struct Payload {
    seating: Seating,
    /// Which process gave it.
    process: u64,
}

/// What a good token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A seat in a room of this process; if there is no such room it has ended.
    Running(Seating),
    /// A seat in a room of an earlier process, which may be made again if it has not ended in this one.
    Earlier(Seating),
}

impl Claim {
    /// The seat.
    pub const fn seating(&self) -> &Seating {
        let (Self::Running(seating) | Self::Earlier(seating)) = self;
        seating
    }
}

/// Gives and checks tokens.
pub struct Resumption {
    signer: Signer,
    process: u64,
    started: SystemTime,
    /// How long a session may last, and so its tokens.
    longest: Duration,
}

impl Resumption {
    /// For the process that started at this time.
    pub fn new(key: &ServerKey, longest: Duration, started: SystemTime) -> Result<Self, KeyError> {
        let process = getrandom::u64().map_err(KeyError::Random)?;
        Ok(Self { signer: key.signer("resume", b""), process, started, longest })
    }

    /// A token for this seat.
    pub fn issue(&self, seating: Seating) -> ResumeToken {
        let payload = Payload { seating, process: self.process };
        ResumeToken::new(self.signer.seal(&postcard::to_stdvec(&payload).unwrap_or_default()))
    }

    /// What a token that somebody showed at this seat is good for; `None` if it is forged, of the other seat or too old.
    pub fn check(&self, token: &ResumeToken, seat: Seat, now: SystemTime) -> Option<Claim> {
        if token.expose().len() > ResumeToken::MAX_LEN {
            return None;
        }
        let payload: Payload = postcard::from_bytes(&self.signer.open(token.expose())?).ok()?;
        let seating = payload.seating;
        let age = unix_seconds(now).saturating_sub(seating.began);
        if seating.seat != seat || age >= self.longest.as_secs() {
            return None;
        }
        if payload.process == self.process {
            return Some(Claim::Running(seating));
        }
        // A clock that was set back must not shut out everybody: counted as no time at all.
        let running = now.duration_since(self.started).unwrap_or_default();
        Some(if running < RECOVERY { Claim::Earlier(seating) } else { Claim::Running(seating) })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const LONGEST: Duration = Duration::from_hours(1);

    fn seating(now: SystemTime) -> Seating {
        Seating {
            session: SessionId::new(Uuid::from_u128(7)),
            seat: Seat::Host,
            nameplate: Nameplate::from_number(999_999).unwrap(),
            owner: PersonId::OPERATOR,
            began: unix_seconds(now),
            invited: None,
        }
    }

    #[test]
    fn a_token_opens_its_own_seat_for_its_own_time() {
        let now = SystemTime::now();
        let resumption = Resumption::new(&ServerKey::generate().unwrap(), LONGEST, now).unwrap();
        let seating = seating(now);
        let token = resumption.issue(seating);
        assert!(token.expose().len() <= ResumeToken::MAX_LEN / 2, "{}", token.expose().len());
        assert_eq!(resumption.check(&token, Seat::Host, now), Some(Claim::Running(seating)));
        assert_eq!(resumption.check(&token, Seat::Viewer, now), None);
        assert_eq!(resumption.check(&token, Seat::Host, now + LONGEST), None);
        for forged in ["", "x", &token.expose()[1..], &"A".repeat(ResumeToken::MAX_LEN + 1)] {
            assert_eq!(resumption.check(&ResumeToken::new(forged.into()), Seat::Host, now), None);
        }
    }

    #[test]
    fn a_successor_knows_it_for_a_while() {
        let now = SystemTime::now();
        let key = ServerKey::generate().unwrap();
        let token = Resumption::new(&key, LONGEST, now).unwrap().issue(seating(now));
        let started = now + Duration::from_secs(5);
        let successor = Resumption::new(&key, LONGEST, started).unwrap();
        assert_eq!(successor.check(&token, Seat::Host, started), Some(Claim::Earlier(seating(now))));
        let late = started + RECOVERY;
        assert_eq!(successor.check(&token, Seat::Host, late), Some(Claim::Running(seating(now))));
        let stranger = Resumption::new(&ServerKey::generate().unwrap(), LONGEST, started).unwrap();
        assert_eq!(stranger.check(&token, Seat::Host, started), None);
    }
}
