//! Why the server can't be used, each in one sentence that says what to do.

use nearhand_protocol::close::CloseReason;
use tokio_tungstenite::tungstenite::Error as WebSocketError;

use crate::dial::DialError;

/// Why there is no connection to the server.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// No connection to it.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The connection stands, but the upgrade to a WebSocket failed.
    #[error("the server {server} can't be reached ({reason}): check the address and this computer's network")]
    NoUpgrade {
        /// As an origin.
        server: String,
        /// What the WebSocket says.
        reason: String,
    },
    /// It took the connection and says nothing.
    #[error("the server {0} does not answer: check the address, or try again in a minute")]
    NoAnswer(String),
    /// It speaks HTTP, but is no Nearhand.
    #[error("at {server} is no Nearhand server (it answered with {status}): check the address")]
    NotNearhand {
        /// As an origin.
        server: String,
        /// Status of HTTP.
        status: u16,
    },
    /// The server ended the connection with this reason.
    #[error("{}", refusal(*.0))]
    Refused(CloseReason),
    /// The connection broke.
    #[error("the connection to the server broke ({0})")]
    Broken(String),
    /// Nothing came for a long time.
    #[error("the server has fallen silent")]
    Silent,
}

impl SignalError {
    /// Whether trying again by itself is useless.
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Refused(reason) => {
                !reason.worth_retrying() && !matches!(reason, CloseReason::TooManyAttempts)
            }
            Self::Dial(error) => error.is_final(),
            _ => false,
        }
    }
}

impl From<WebSocketError> for SignalError {
    fn from(error: WebSocketError) -> Self {
        Self::Broken(error.to_string())
    }
}

/// The words for a refusal of the server.
fn refusal(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::UnknownCode | CloseReason::CodeExpired => {
            "this code is wrong, was used before, or is too old: ask the technician for a new one"
        }
        CloseReason::TooManyAttempts => "too many attempts from this network: wait a minute, then try again",
        CloseReason::VersionMismatch => {
            "this program and the server are of different versions: download the program again from the technician's page"
        }
        CloseReason::BadResume => "the session is over: ask the technician for a new code",
        CloseReason::ServerShutdown => "the server is just being restarted: try again in a minute",
        CloseReason::ServerError => "the server failed: try again in a minute, then tell whoever runs it",
        CloseReason::TooSlow => "this computer's network is too slow for the server just now",
        CloseReason::CustomerEnded
        | CloseReason::TechnicianEnded
        | CloseReason::CustomerRefused
        | CloseReason::HostLost
        | CloseReason::ViewerLost
        | CloseReason::TooLong => "the session is over",
        CloseReason::NotProven => {
            "the code was wrong, or somebody tried to stand between you and the technician: ask the technician for a new code"
        }
        CloseReason::Replaced => "another program has taken this one's place in the session",
        CloseReason::NotSignedIn | CloseReason::BadMessage | CloseReason::TooLarge => {
            "the server did not understand this program: download it again from the technician's page"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_what_to_do_in_one_sentence() {
        for reason in CloseReason::ALL {
            let words = SignalError::Refused(reason).to_string();
            assert!(!words.ends_with('.') && !words.contains(". ") && !words.contains('\n'), "{words}");
            assert!(!words.contains(reason.as_str()), "{words}");
        }
    }

    #[test]
    fn certificates_and_codes_are_final_and_restarts_are_not() {
        let certificate =
            SignalError::Dial(DialError::Certificate { target: "s".into(), reason: "r".into() });
        assert!(certificate.is_final());
        assert!(SignalError::Refused(CloseReason::UnknownCode).is_final());
        assert!(!SignalError::Refused(CloseReason::ServerShutdown).is_final());
        assert!(!SignalError::Silent.is_final());
    }
}
