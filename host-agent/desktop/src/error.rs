//! What can go wrong between this program and the desktop.

use nearhand_protocol::grant::Revoked;

/// Why the desktop could not be opened, seen or acted on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// This system has no implementation yet.
    #[error("this system's desktop can't be shared yet: run the program in an X11 session on Linux")]
    NoBackend,
    /// `$DISPLAY` is not set and no display was named.
    #[error(
        "no X server is named: start this program from a terminal inside the graphical session, or set DISPLAY (for example DISPLAY=:0)"
    )]
    NoDisplay,
    /// Nobody answers at the display, or it refuses us.
    #[error(
        "no X server can be used at {display} ({reason}): start this program as the user who is logged in there, or set DISPLAY to the right one"
    )]
    NoServer {
        /// The name that was tried.
        display: String,
        /// What the attempt ended with.
        reason: String,
    },
    /// The X server lacks something without which nothing works.
    #[error(
        "the X server at {display} lacks the extension {extension}: enable it in the server's configuration"
    )]
    NoExtension {
        /// The server's name.
        display: String,
        /// The extension's name.
        extension: &'static str,
    },
    /// The screen's pixels have a form that is not understood here.
    #[error("a screen with {0} can't be captured: set it to 16 or 24 bits of depth")]
    PixelFormat(String),
    /// The customer took the right back.
    #[error(transparent)]
    Revoked(#[from] Revoked),
    /// What shall be shared is not there, or can't be shown alone.
    #[error("this can't be shared: {0}")]
    Scope(&'static str),
    /// Input would have landed outside of what is shared, or another window covers the place.
    #[error("that is outside of what is shared")]
    Outside,
    /// Input would have landed on a window of ours.
    #[error("the customer's own window is not the technician's to use")]
    Ours,
    /// The connection to the desktop broke; a new one must be opened.
    #[error("the desktop can't be reached any more: {0}")]
    Lost(String),
    /// The desktop refused one request; the next may work.
    #[error("the desktop refused to {what}: {reason}")]
    Refused {
        /// What was tried.
        what: &'static str,
        /// What it answered.
        reason: String,
    },
}
