//! The server as a whole: made from a [`Config`], run, shut down.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::account::Accounts;
use crate::app::App;
use crate::assets;
use crate::config::{Config, LONGEST_SESSION, RelayConfig, RelayListen, SharedSecret};
use crate::downloads::Downloads;
use crate::keeper::Keeper;
use crate::key::{KeyError, ServerKey};
use crate::listener::{Listener, run_relay};
use crate::metrics::Metrics;
use crate::origin::Origins;
use crate::registry::{House, Registry};
use crate::resume::Resumption;
use crate::room::Terms;
use crate::throttle::{CodeThrottle, SignInThrottle};
use crate::tls::TlsError;
use crate::turn::credentials::Secret;
use crate::turn::ice::{IceServers, Places};
use crate::turn::{Ports, Relay, Sessions};
use crate::web::{numbers_router, router};

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
    /// The relay, and its own ports.
    relay: Option<(Arc<Relay>, Ports)>,
    /// Where the metrics are read.
    numbers: Option<TcpListener>,
    metrics: Metrics,
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
        let origins = origins.with_viewer(config.viewer_origin.as_ref());
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let house = House {
            terms: Terms {
                code_lifetime: config.code_lifetime,
                grace: config.grace,
                longest: LONGEST_SESSION,
            },
            technician: config.technician.clone(),
        };
        let is_tls = tls.is_some();
        let metrics = Metrics::new();
        let secret = match &config.turn.secret {
            Some(SharedSecret(text)) => Secret::shared(text),
            None => Secret::derived(&key),
        };
        let bandwidth = config.relay.as_ref().and_then(|relay| relay.bandwidth);
        let relayed = Sessions::new(bandwidth, metrics.clone());
        let ports = relay_ports(&config).await?;
        let places = config.relay.as_ref().map(|relay| places(&config, relay, address, ports.as_ref()));
        let ice_servers = IceServers::new(
            places.as_ref(),
            &config.turn.servers,
            config.ice_servers.clone(),
            secret.clone(),
            LONGEST_SESSION,
        );
        let relay = match config.relay.clone() {
            Some(relay) => {
                let at = ports.as_ref().map_or(address, |ports| ports.address);
                let (stop, tasks) = (stop.clone(), tasks.clone());
                Some(Relay::new(relay, at.ip(), secret, relayed.clone(), metrics.clone(), stop, tasks)?)
            }
            None => None,
        };
        let numbers = match config.metrics {
            Some(address) => {
                let tcp = TcpListener::bind(address).await;
                Some(tcp.map_err(|error| ServerError::Listen { address, error })?)
            }
            None => None,
        };
        let listener = Listener::new(tcp, tls, relay.clone(), metrics.clone());
        let app = App {
            accounts: Accounts::new(&config.token, &key),
            registry: Registry::new(house, relayed.clone(), stop.clone(), tasks.clone()),
            resumption: Resumption::new(&key, LONGEST_SESSION, SystemTime::now())?,
            tickets: Mutex::default(),
            code_throttle: CodeThrottle::default(),
            sign_in_throttle: SignInThrottle::default(),
            downloads,
            origins,
            https: config.is_https(),
            behind_proxy: config.behind_proxy,
            code_lifetime_s: config.code_lifetime.as_secs(),
            ice_servers,
            relayed,
            stop,
            tasks,
        };
        if !assets::has_viewer() {
            warn!(
                "the viewer is not built into this server: cargo xtask viewer, then build the server again"
            );
        }
        let relay = relay.zip(ports);
        Ok(Self { listener, relay, numbers, metrics, address, tls: is_tls, keeper, app: Arc::new(app) })
    }

    /// Where it listens, with the port that the system chose.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Where its relay listens for UDP and TCP, if it does.
    pub fn relay_addr(&self) -> Option<SocketAddr> {
        self.relay.as_ref().map(|(_, ports)| ports.address)
    }

    /// Where its metrics are read, if they are.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.numbers.as_ref().and_then(|tcp| tcp.local_addr().ok())
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
        let Self { listener, relay, numbers, metrics, address, app, keeper, .. } = self;
        info!(%address, "serving");
        if let Some((relay, ports)) = relay {
            info!(address = %ports.address, "relaying");
            let (udp, tcp) = ports.split();
            if let Err(error) = relay.listen(udp) {
                error!(%error, "the relay can't use its UDP ports");
            }
            app.tasks.spawn(run_relay(tcp, relay, app.stop.clone(), app.tasks.clone()));
        }
        if let Some(tcp) = numbers {
            let listener = Listener::new(tcp, None, None, metrics.clone());
            let (stop, tasks) = (app.stop.clone(), app.tasks.clone());
            app.tasks.spawn(async move { listener.run(numbers_router(metrics), stop, &tasks).await });
        }
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

/// Opens the relay's own ports. Those that the operator asked for must be free; for those that are only usual, another
/// relay may be there already.
async fn relay_ports(config: &Config) -> Result<Option<Ports>, ServerError> {
    for address in config.relay.iter().flat_map(|relay| &relay.addresses) {
        // Better said now than by each allocation.
        let address = SocketAddr::new(*address, 0);
        std::net::UdpSocket::bind(address).map_err(|error| ServerError::Listen { address, error })?;
    }
    let (address, needed) = match config.relay.as_ref().map(|relay| relay.listen) {
        None | Some(RelayListen::Off) => return Ok(None),
        Some(RelayListen::At(address)) => (address, true),
        Some(RelayListen::Perhaps(address)) => (address, false),
    };
    match Ports::bind(address).await {
        Ok(ports) => Ok(Some(ports)),
        Err(error) if needed => Err(ServerError::Listen { address, error }),
        Err(error) => {
            warn!(%address, %error, "the relay is on the server's own port only; --relay-listen names another one");
            Ok(None)
        }
    }
}

/// How the ends reach the relay.
fn places(config: &Config, relay: &RelayConfig, main: SocketAddr, ports: Option<&Ports>) -> Places {
    let named = config.public_url.as_ref().and_then(|url| url.host_str());
    let named = relay.host.as_deref().or(named);
    let port = config.public_url.as_ref().and_then(url::Url::port_or_known_default).unwrap_or(main.port());
    let host = |at: SocketAddr| named.map_or_else(|| at.ip().to_string(), str::to_owned);
    Places {
        relay: ports.map(|ports| (host(ports.address), ports.address.port())),
        // A proxy that ends TLS for HTTP passes no TURN on.
        main: (!config.behind_proxy).then(|| (host(main), port, config.tls.is_some())),
    }
}
