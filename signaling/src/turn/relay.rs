//! The relay behind all its sockets: the house that [`client`](super::client) asks, with its rules and quotas.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use turn_types::AddressFamily;

use super::addresses::{OwnAddresses, outward};
use super::credentials::{Claim, Secret};
use super::departures::Port;
use super::house::{House, NoSocket, Relayed};
use super::nonce::Nonces;
use super::peers::forbidden;
use super::quotas::{Answers, Full, Place, Places};
use super::sessions::{Session, Sessions, Share};
use crate::chair::Chair;
use crate::config::RelayConfig;
use crate::key::KeyError;
use crate::metrics::{Metrics, Refusal};

/// Most allocations at a time, and as many sockets.
const MAX_ALLOCATIONS: usize = 4096;
/// Most allocations of one address, or /64.
const MAX_EACH: usize = 256;
/// Most connections that have no allocation yet, of one address and in total.
const MAX_STRANGERS: (usize, usize) = (128, 4096);
/// Most answers each second to one address that has proved nothing.
const MAX_ANSWERS: u16 = 200;
/// How many ports are tried for an allocation before there are none.
const PORT_TRIES: u32 = 64;

/// The relay.
pub struct Relay {
    config: RelayConfig,
    addresses: Vec<IpAddr>,
    /// Where the world reaches what is bound to those.
    announced: Vec<IpAddr>,
    own: OwnAddresses,
    secret: Secret,
    nonces: Nonces,
    sessions: Sessions,
    places: Places,
    strangers: Places,
    answers: Mutex<Answers>,
    began: Instant,
    metrics: Metrics,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Relay {
    /// A relay without sockets. `listen` is where its clients come to; where nothing else is said it relays from there.
    pub fn new(
        config: RelayConfig,
        listen: IpAddr,
        secret: Secret,
        sessions: Sessions,
        metrics: Metrics,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) -> Result<Arc<Self>, KeyError> {
        let addresses = match (config.addresses.as_slice(), listen.to_canonical()) {
            ([], listen) if listen.is_unspecified() => outward(),
            ([], listen) => vec![listen],
            (given, _) => given.to_vec(),
        };
        let outside = |address: &IpAddr| {
            let external = config.external.iter().find(|external| external.is_ipv4() == address.is_ipv4());
            *external.unwrap_or(address)
        };
        let announced: Vec<_> = addresses.iter().map(outside).collect();
        let own = OwnAddresses::new(announced.iter().chain(&addresses).copied().collect());
        Ok(Arc::new(Self {
            config,
            addresses,
            announced,
            own,
            secret,
            nonces: Nonces::new()?,
            sessions,
            places: Places::default(),
            strangers: Places::default(),
            answers: Mutex::new(Answers::new(MAX_ANSWERS)),
            began: Instant::now(),
            metrics,
            stop,
            tasks,
        }))
    }

    /// Whether somebody who proved nothing gets one more answer by datagram.
    pub(super) fn may_answer(&self, address: IpAddr, now: Instant) -> bool {
        let second = now.saturating_duration_since(self.began).as_secs() as u32;
        let may = self.answers.lock().unwrap_or_else(PoisonError::into_inner).take(address, second);
        if !may {
            self.metrics.refused(Refusal::Flood);
        }
        may
    }

    /// A place for a connection that has proved nothing yet.
    pub(super) fn stranger(&self, address: IpAddr) -> Option<Place> {
        let (each, all) = MAX_STRANGERS;
        let place = self.strangers.take(address, self.most_for(address, each, all), all).ok();
        if place.is_none() {
            self.metrics.refused(Refusal::Flood);
        }
        place
    }

    pub(super) const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Runs a task that ends before the server has.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Whether this is an address of ours behind which only relayed addresses of the same session are reached.
    pub(super) fn keeps_to_itself(&self, address: IpAddr) -> bool {
        self.announced.contains(&address) && !self.opened(address)
    }

    pub(super) const fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Most of something for one address. A proxy of ours, which brings everybody, counts as everybody.
    fn most_for(&self, address: IpAddr, each: usize, all: usize) -> usize {
        if address.to_canonical().is_loopback() || self.opened(address) { all } else { each }
    }

    /// Whether the operator has opened this address on purpose.
    fn opened(&self, address: IpAddr) -> bool {
        self.config.allow.iter().any(|range| range.contains(&address))
    }

    fn bind(&self, address: IpAddr, even: bool) -> Option<std::net::UdpSocket> {
        let (first, last) = (u32::from(*self.config.ports.start()), u32::from(*self.config.ports.end()));
        // Drawn at random, so that nobody can tell the next one (RFC 8656, 7.2).
        (0..PORT_TRIES).find_map(|_| {
            let port = first + getrandom::u32().ok()? % (last - first + 1);
            let port = if even { port & !1 } else { port };
            std::net::UdpSocket::bind(SocketAddr::new(address, port.max(first) as u16)).ok()
        })
    }
}

/// Whoever stands behind a name.
pub(super) struct Guest {
    pub(super) session: Arc<Session>,
    chair: Chair,
    address: SocketAddr,
}

/// A socket of an allocation, and the places that it takes.
pub(super) struct Lease {
    pub(super) port: Arc<Port>,
    _place: Place,
    _share: Share,
}

impl House for Relay {
    type Guest = Guest;
    type Lease = Lease;

    fn nonces(&self) -> &Nonces {
        &self.nonces
    }

    fn login(&self, username: &str, from: SocketAddr, unix: u64) -> Option<(Guest, String)> {
        let claim = Claim::parse(username).filter(|claim| claim.until > unix)?;
        let session = self.sessions.get(claim.session)?;
        Some((Guest { session, chair: claim.chair, address: from }, self.secret.password(username)))
    }

    fn open(
        &self,
        guest: &Guest,
        family: AddressFamily,
        even_port: bool,
    ) -> Result<(SocketAddr, Lease), NoSocket> {
        let ipv4 = family == AddressFamily::IPV4;
        let ours = self.addresses.iter().zip(&self.announced);
        let (address, announced) =
            ours.into_iter().find(|(address, _)| address.is_ipv4() == ipv4).ok_or(NoSocket::Family)?;
        let share = guest.session.share(guest.chair, self.config.allocations).ok_or(NoSocket::Quota)?;
        let client = guest.address.ip();
        let each = self.most_for(client, MAX_EACH, MAX_ALLOCATIONS);
        let place = self.places.take(client, each, MAX_ALLOCATIONS).map_err(|full| match full {
            Full::Quota => NoSocket::Quota,
            Full::Capacity => NoSocket::Capacity,
        })?;
        let port = self.bind(*address, even_port).and_then(|socket| Port::new(socket).ok());
        let port = port.ok_or(NoSocket::Capacity)?;
        let local = port.local_addr().map_err(|_| NoSocket::Capacity)?;
        guest.session.seen(guest.chair, guest.address.ip());
        let relayed = SocketAddr::new(*announced, local.port());
        Ok((relayed, Lease { port: Arc::new(port), _place: place, _share: share }))
    }

    fn may_reach(&self, guest: &Guest, own: &[Relayed<Lease>], peer: SocketAddr, any_port: bool) -> bool {
        // Other relayed addresses of the session first: they are reached inside, whatever their numbers are, and nothing
        // else at their address is (`Flow::forward`).
        let others = |known: SocketAddr| {
            (known == peer || any_port && known.ip() == peer.ip())
                && own.iter().all(|own| own.address != known)
        };
        if guest.session.relays_at(others) {
            return true;
        }
        let peer = peer.ip();
        forbidden(peer, &self.config.allow).is_none()
            && (self.opened(peer) || !self.own.contain(peer, Instant::now()))
            && guest.session.has_end_at(peer)
    }

    fn refused(&self, refusal: Refusal) {
        self.metrics.refused(refusal);
    }
}
