//! Who is who in a session: the customer's program, the tab that began it, and the tabs that were invited.

use core::fmt;
use core::str::FromStr;

use nearhand_protocol::id::{GuestId, Seat};
use nearhand_protocol::invitation::InvitationId;
use serde::{Deserialize, Serialize};

/// One place in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Chair {
    /// The customer's program.
    Host,
    /// The tab of the technician whose session it is.
    Viewer,
    /// The tab of an invited one.
    Guest(GuestId),
}

/// The place of somebody who was invited, and what they say they were invited by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invited {
    /// Which guest it is.
    pub guest: GuestId,
    /// For the host, who alone can tell whether it is true.
    pub invitation: InvitationId,
}

impl Chair {
    /// On which side of the table it stands.
    pub const fn seat(self) -> Seat {
        match self {
            Self::Host => Seat::Host,
            Self::Viewer | Self::Guest(_) => Seat::Viewer,
        }
    }

    /// The chair of whoever comes in at this side.
    pub fn of(seat: Seat, invited: Option<Invited>) -> Self {
        match (seat, invited) {
            (Seat::Host, _) => Self::Host,
            (Seat::Viewer, None) => Self::Viewer,
            (Seat::Viewer, Some(invited)) => Self::Guest(invited.guest),
        }
    }
}

impl fmt::Display for Chair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::Viewer => f.write_str("viewer"),
            Self::Guest(guest) => write!(f, "guest-{}", guest.0),
        }
    }
}

/// It is no chair's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoChair;

impl FromStr for Chair {
    type Err = NoChair;

    fn from_str(text: &str) -> Result<Self, NoChair> {
        match text {
            "host" => Ok(Self::Host),
            "viewer" => Ok(Self::Viewer),
            _ => {
                let number = text.strip_prefix("guest-").and_then(|number| number.parse().ok());
                number.map(|number| Self::Guest(GuestId(number))).ok_or(NoChair)
            }
        }
    }
}
