//! Why a session, or a connection to the server, ended: stable machine codes; each end has its own words for them.

use serde::{Deserialize, Serialize};

/// Why something ended. The serialised name is stable and may be shown to a support person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// The customer ended the session.
    CustomerEnded,
    /// The technician ended the session.
    TechnicianEnded,
    /// The customer said no to the first question.
    CustomerRefused,
    /// No such code: never given, used, or too late. One reason for all three, so that a guesser learns nothing.
    UnknownCode,
    /// Nobody used the code in time.
    CodeExpired,
    /// The customer's program did not come back in time.
    HostLost,
    /// The technician's tab did not come back in time.
    ViewerLost,
    /// The same seat was taken by a newer connection (a reloaded or second tab).
    Replaced,
    /// A resume token that is forged, too old, or of a session that has ended.
    BadResume,
    /// The technician is not signed in, or the session is another's.
    NotSignedIn,
    /// Too many attempts from this address, or too many at all; try again later.
    TooManyAttempts,
    /// The two sides speak different versions of the protocol.
    VersionMismatch,
    /// A message that could not be understood, or was not allowed at that point.
    BadMessage,
    /// A message over the size limit.
    TooLarge,
    /// The peer took its messages too slowly.
    TooSlow,
    /// The longest duration of a session is over.
    TooLong,
    /// The server is shutting down; reconnecting will work as soon as it, or its successor, is there again.
    ServerShutdown,
    /// The server failed. What happened is in its log.
    ServerError,
    /// The other end could not prove that it knows the code, over this very connection: a wrong code, or somebody who
    /// stands between the two ends. The code is void.
    NotProven,
}

impl CloseReason {
    /// Every reason, in the order of their WebSocket codes.
    pub const ALL: [Self; 19] = [
        Self::CustomerEnded,
        Self::TechnicianEnded,
        Self::CustomerRefused,
        Self::UnknownCode,
        Self::CodeExpired,
        Self::HostLost,
        Self::ViewerLost,
        Self::Replaced,
        Self::BadResume,
        Self::NotSignedIn,
        Self::TooManyAttempts,
        Self::VersionMismatch,
        Self::BadMessage,
        Self::TooLarge,
        Self::TooSlow,
        Self::TooLong,
        Self::ServerShutdown,
        Self::ServerError,
        Self::NotProven,
    ];

    /// The WebSocket close code, of the private range 4000–4999 (RFC 6455, 7.4.2).
    pub fn websocket_code(self) -> u16 {
        let index = Self::ALL.iter().position(|reason| *reason == self).unwrap_or(Self::ALL.len() - 1);
        4000 + index as u16
    }

    /// The reason behind a WebSocket close code, where it is one of ours.
    pub fn from_websocket_code(code: u16) -> Option<Self> {
        Self::ALL.get(usize::from(code.checked_sub(4000)?)).copied()
    }

    /// The stable machine code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CustomerEnded => "customer_ended",
            Self::TechnicianEnded => "technician_ended",
            Self::CustomerRefused => "customer_refused",
            Self::UnknownCode => "unknown_code",
            Self::CodeExpired => "code_expired",
            Self::HostLost => "host_lost",
            Self::ViewerLost => "viewer_lost",
            Self::Replaced => "replaced",
            Self::BadResume => "bad_resume",
            Self::NotSignedIn => "not_signed_in",
            Self::TooManyAttempts => "too_many_attempts",
            Self::VersionMismatch => "version_mismatch",
            Self::BadMessage => "bad_message",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::TooLong => "too_long",
            Self::ServerShutdown => "server_shutdown",
            Self::ServerError => "server_error",
            Self::NotProven => "not_proven",
        }
    }

    /// Whether connecting again, with the resume token, can help.
    pub const fn worth_retrying(self) -> bool {
        matches!(self, Self::ServerShutdown | Self::ServerError | Self::TooSlow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_one_code_and_one_name() {
        for (index, reason) in CloseReason::ALL.into_iter().enumerate() {
            assert_eq!(reason.websocket_code(), 4000 + index as u16);
            assert_eq!(CloseReason::from_websocket_code(reason.websocket_code()), Some(reason));
            assert_eq!(serde_json::to_string(&reason).unwrap(), format!("\"{}\"", reason.as_str()));
        }
        assert_eq!(CloseReason::from_websocket_code(3999), None);
        assert_eq!(CloseReason::from_websocket_code(4019), None);
        assert_eq!(CloseReason::from_websocket_code(1000), None);
    }
}
