//! What every request can reach.

use std::sync::Mutex;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::account::{Accounts, Tickets};
use crate::downloads::Downloads;
use crate::origin::Origins;
use crate::registry::Registry;
use crate::resume::Resumption;
use crate::throttle::{CodeThrottle, SignInThrottle};
use crate::turn::Sessions;
use crate::turn::ice::IceServers;

/// The parts of a running server.
pub struct App {
    /// Who may sign in.
    pub accounts: Accounts,
    /// The sessions.
    pub registry: Registry,
    /// Tokens for coming back.
    pub resumption: Resumption,
    /// What lets a tab of another origin in.
    pub tickets: Mutex<Tickets>,
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
    /// What both ends are told for their way to each other.
    pub ice_servers: IceServers,
    /// What the relay knows of the sessions.
    pub relayed: Sessions,
    /// The server is about to stop.
    pub stop: CancellationToken,
    /// Every task that has to end before the server has.
    pub tasks: TaskTracker,
}
