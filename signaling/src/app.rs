//! What every request can reach.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::account::Accounts;
use crate::downloads::Downloads;
use crate::origin::Origins;
use crate::registry::Registry;
use crate::resume::Resumption;
use crate::throttle::{CodeThrottle, SignInThrottle};

/// The parts of a running server.
pub struct App {
    /// Who may sign in.
    pub accounts: Accounts,
    /// The sessions.
    pub registry: Registry,
    /// Tokens for coming back.
    pub resumption: Resumption,
    /// Limits on guesses at codes.
    pub code_throttle: CodeThrottle,
    /// Limits on guesses at tokens.
    pub sign_in_throttle: SignInThrottle,
    /// The host programs.
    pub downloads: Downloads,
    /// The server's own origins.
    pub origins: Origins,
    /// Browsers reach the server by https.
    pub https: bool,
    /// `X-Forwarded-For` is believed.
    pub behind_proxy: bool,
    /// Seconds for which a new code can be used.
    pub code_lifetime_s: u64,
    /// The server is about to stop.
    pub stop: CancellationToken,
    /// Every task that has to end before the server has.
    pub tasks: TaskTracker,
}
