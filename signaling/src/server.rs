//! The server as a whole: made from a [`Config`], run, shut down.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::account::Accounts;
use crate::app::App;
use crate::assets;
use crate::config::{Config, LONGEST_SESSION};
use crate::downloads::Downloads;
use crate::keeper::Keeper;
use crate::key::{KeyError, ServerKey};
use crate::listener::Listener;
use crate::origin::Origins;
use crate::registry::{House, Registry};
use crate::resume::Resumption;
use crate::room::Terms;
use crate::throttle::{CodeThrottle, SignInThrottle};
use crate::tls::TlsError;
use crate::web::router;

/// How long connections may take to end, once they were told to.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);

/// Why the server does not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Its own key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Certificate or key of TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The folder of downloads.
    #[error("can't read the folder of downloads {path}: {error}", path = path.display())]
    Downloads {
        /// The folder.
        path: std::path::PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// The port.
    #[error("can't listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
}

/// A server that listens already, so that nobody is turned away between [`Server::new`] and [`Server::run`].
pub struct Server {
    listener: Listener,
    address: SocketAddr,
    tls: bool,
    keeper: Option<Keeper>,
    app: Arc<App>,
}

/// Ends a running server from elsewhere.
#[derive(Clone, Debug)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// Tells both ends of every session, and lets [`Server::run`] return when they are gone.
    pub fn shut_down(&self) {
        self.0.cancel();
    }
}

impl Server {
    /// Reads keys and opens the port.
    pub async fn new(config: Config) -> Result<Self, ServerError> {
        let key = if let Some(folder) = &config.state {
            ServerKey::load_or_create(folder)?
        } else {
            warn!("no --state: after a restart technicians sign in again, and sessions are lost");
            ServerKey::generate()?
        };
        let (tls, keeper) = Keeper::open(&config)?.unzip();
        let downloads = Downloads::new(config.downloads.clone());
        if let Some(path) = config.downloads.clone() {
            downloads.list().map_err(|error| ServerError::Downloads { path, error })?;
        }
        let tcp = TcpListener::bind(config.listen).await;
        let listen = |error| ServerError::Listen { address: config.listen, error };
        let tcp = tcp.map_err(listen)?;
        let address = tcp.local_addr().map_err(listen)?;

        let scheme = if tls.is_some() { "https" } else { "http" };
        let origins = match &config.public_url {
            Some(url) => Origins::public(url),
            None => Origins::listening(address, scheme),
        };
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let house = House {
            terms: Terms {
                code_lifetime: config.code_lifetime,
                grace: config.grace,
                longest: LONGEST_SESSION,
            },
            technician: config.technician.clone(),
            ice_servers: config.ice_servers.clone(),
        };
        let is_tls = tls.is_some();
        let listener = Listener::new(tcp, tls);
        let app = App {
            accounts: Accounts::new(&config.token, &key),
            registry: Registry::new(house, stop.clone(), tasks.clone()),
            resumption: Resumption::new(&key, LONGEST_SESSION, SystemTime::now())?,
            code_throttle: CodeThrottle::default(),
            sign_in_throttle: SignInThrottle::default(),
            downloads,
            origins,
            https: config.is_https(),
            behind_proxy: config.behind_proxy,
            code_lifetime_s: config.code_lifetime.as_secs(),
            stop,
            tasks,
        };
        if !assets::has_viewer() {
            warn!(
                "the viewer is not built into this server: cargo xtask viewer, then build the server again"
            );
        }
        Ok(Self { listener, address, tls: is_tls, keeper, app: Arc::new(app) })
    }

    /// Where it listens, with the port that the system chose.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as an address for browsers on this machine.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The way to end it while it runs.
    pub fn shutdown(&self) -> Shutdown {
        Shutdown(self.app.stop.clone())
    }

    /// Serves until it is told to stop: then it accepts nobody any more, tells the ends of every session to come back
    /// later, and waits a while for them to go.
    pub async fn run(self) {
        let Self { listener, address, app, keeper, .. } = self;
        info!(%address, "serving");
        if let Some(keeper) = keeper {
            app.tasks.spawn(app.stop.clone().run_until_cancelled_owned(keeper.keep()));
        }
        listener.run(router(Arc::clone(&app)), app.stop.clone(), &app.tasks).await;
        app.tasks.close();
        if tokio::time::timeout(DRAIN_WITHIN, app.tasks.wait()).await.is_err() {
            warn!(left = app.tasks.len(), "connections that did not end in time are dropped");
        }
        info!("stopped");
    }
}
