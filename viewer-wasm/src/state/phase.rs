//! The session in one word, as the page and its tests see it.

use nearhand_protocol::close::CloseReason;

/// The session in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Before the server's first word.
    Opening,
    /// The code can be used; the customer is not there yet.
    Waiting,
    /// The customer's program is there; the peer connection is being made.
    Connecting,
    /// As before, but one attempt after the other failed: the networks, or somebody who changes what the server passes on.
    Unreached,
    /// The last three digits are not known in this tab, and without them nobody can be trusted.
    Locked,
    /// The connection is there; the two ends prove to each other who they are.
    Proving,
    /// The host does not answer this tab’s share: another tab began the session and has the key.
    Stranded,
    /// The customer is being asked.
    Asking,
    /// The customer said no, or took the right to see back.
    Declined,
    /// The picture is here.
    Viewing,
    /// And the technician may act.
    Controlling,
    /// The customer's program is gone; it may come back.
    Interrupted,
    /// The connection is being mended.
    Reconnecting,
    /// It is over.
    Ended(CloseReason),
}

impl Phase {
    /// The stable name, as in the page's `data-phase`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Waiting => "waiting",
            Self::Connecting => "connecting",
            Self::Unreached => "unreached",
            Self::Locked => "locked",
            Self::Proving => "proving",
            Self::Stranded => "stranded",
            Self::Asking => "asking",
            Self::Declined => "declined",
            Self::Viewing => "viewing",
            Self::Controlling => "controlling",
            Self::Interrupted => "interrupted",
            Self::Reconnecting => "reconnecting",
            Self::Ended(_) => "ended",
        }
    }

    /// Whether the two ends talk with each other just now.
    pub const fn is_connected(self) -> bool {
        matches!(self, Self::Asking | Self::Declined | Self::Viewing | Self::Controlling)
    }
}

/// Whether the session itself may live on without this tab, so that opening the page again makes sense.
pub const fn may_live_on(reason: CloseReason) -> bool {
    matches!(
        reason,
        CloseReason::Replaced
            | CloseReason::VersionMismatch
            | CloseReason::TooManyAttempts
            | CloseReason::NotSignedIn
    )
}
