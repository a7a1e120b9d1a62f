//! The relay behind all its sockets: the house that [`client`](super::client) asks, and the way of every packet from one
//! socket to the next.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Instant, SystemTime};

use nearhand_protocol::id::Seat;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use turn_types::AddressFamily;

use super::addresses::{OwnAddresses, outward};
use super::client::{Client, Clock, House, NoSocket, Refusal, Relayed, Step, Wrap};
use super::credentials::{Claim, Secret};
use super::departures::{Departures, Port, Way, with_desk};
use super::framing::{channel_data, channel_header, is_channel};
use super::nonce::Nonces;
use super::peers::forbidden;
use super::quotas::{Answers, Full, Place, Places};
use super::sessions::{Inlet, Session, Sessions, Share};
use super::{message, metrics_of};
use crate::account::unix_seconds;
use crate::config::RelayConfig;
use crate::key::KeyError;
use crate::metrics::{self, Counted, Direction, Loss, Metrics};

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
/// Most system calls in a row for one socket before others have their turn.
const TURNS: usize = 16;

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
            self.metrics.refused(metrics::Refusal::Flood);
        }
        may
    }

    /// A place for a connection that has proved nothing yet.
    pub(super) fn stranger(&self, address: IpAddr) -> Option<Place> {
        let place = self.strangers.take(address, MAX_STRANGERS.0, MAX_STRANGERS.1).ok();
        if place.is_none() {
            self.metrics.refused(metrics::Refusal::Flood);
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

    pub(super) const fn stop(&self) -> &CancellationToken {
        &self.stop
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
    session: Arc<Session>,
    seat: Seat,
    address: SocketAddr,
}

/// A socket of an allocation, and the places that it takes.
pub(super) struct Lease {
    port: Arc<Port>,
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
        Some((Guest { session, seat: claim.seat, address: from }, self.secret.password(username)))
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
        let share = guest.session.share(self.config.allocations).ok_or(NoSocket::Quota)?;
        let place =
            self.places.take(guest.address.ip(), MAX_EACH, MAX_ALLOCATIONS).map_err(|full| match full {
                Full::Quota => NoSocket::Quota,
                Full::Capacity => NoSocket::Capacity,
            })?;
        let port = self.bind(*address, even_port).and_then(|socket| Port::new(socket).ok());
        let port = port.ok_or(NoSocket::Capacity)?;
        let local = port.local_addr().map_err(|_| NoSocket::Capacity)?;
        guest.session.seen(guest.seat, guest.address.ip());
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
        self.metrics.refused(metrics_of(refusal));
    }
}

/// One client with its way back.
pub(super) struct Flow {
    relay: Arc<Relay>,
    client: Mutex<Client<Relay>>,
    address: SocketAddr,
    way: Way,
    seated: OnceLock<Seated>,
}

/// What a client has from its allocation on.
struct Seated {
    session: Arc<Session>,
    /// Its addresses, as the world sees them.
    relayed: Vec<SocketAddr>,
    /// The allocation is over.
    ended: CancellationToken,
}

impl Flow {
    /// Of a client at this address.
    pub(super) fn new(relay: &Arc<Relay>, address: SocketAddr, way: Way) -> Arc<Self> {
        Arc::new(Self {
            relay: Arc::clone(relay),
            client: Mutex::new(Client::new()),
            address,
            way,
            seated: OnceLock::new(),
        })
    }

    /// Whether it has, or had, an allocation.
    pub(super) fn is_seated(&self) -> bool {
        self.seated.get().is_some()
    }

    /// Its connection is gone, and with it its allocation (RFC 8656, 5).
    pub(super) fn abandon(&self) {
        if let Some(seated) = self.seated.get() {
            seated.ended.cancel();
        }
    }

    /// Waits until its allocation is over; for ever if it has none yet.
    pub(super) async fn ended(&self) {
        match self.seated.get() {
            Some(seated) => seated.ended.cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// Whether its allocation is over.
    pub(super) fn has_ended(&self) -> bool {
        self.seated.get().is_some_and(|seated| seated.ended.is_cancelled())
    }

    fn lock(&self) -> MutexGuard<'_, Client<Relay>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one frame of the client. True if it has got its allocation by this.
    pub(super) fn take(self: &Arc<Self>, frame: &[u8], now: Instant, departures: &mut Departures) -> bool {
        match frame.first() {
            Some(first) if is_channel(*first) => {
                if let Some((number, payload)) = channel_data(frame) {
                    let peer =
                        self.lock().allocation().and_then(|allocation| allocation.peer_of(number, now));
                    if let Some(peer) = peer {
                        self.forward(peer, payload, now, departures);
                    }
                }
                false
            }
            Some(_) => self.take_message(frame, now, departures),
            None => false,
        }
    }

    fn take_message(self: &Arc<Self>, message: &[u8], now: Instant, departures: &mut Departures) -> bool {
        let clock = Clock { now, unix: unix_seconds(SystemTime::now()) };
        let step = self.lock().handle(message, self.address, clock, &self.relay);
        match step {
            Step::Nothing => false,
            Step::Send { peer, payload } => {
                self.forward(peer, &message[payload], now, departures);
                false
            }
            Step::Answer { bytes, proven } => {
                let datagram = matches!(self.way, Way::Datagram { .. });
                if proven || !datagram || self.relay.may_answer(self.address.ip(), now) {
                    departures.push(&self.way, [&bytes, &[]]);
                }
                proven && self.follow(datagram)
            }
        }
    }

    /// Keeps up with what the client's machine has become; true if there is an allocation now that was not there before.
    fn follow(self: &Arc<Self>, datagram: bool) -> bool {
        let client = self.lock();
        match (self.seated.get(), client.allocation()) {
            (Some(seated), None) => {
                seated.ended.cancel();
                false
            }
            (None, Some(allocation)) => {
                let session = Arc::clone(&allocation.guest().session);
                let relayed = allocation.relayed().iter();
                let (relayed, ports): (Vec<_>, Vec<_>) =
                    relayed.map(|relayed| (relayed.address, Arc::clone(&relayed.lease.port))).unzip();
                drop(client);
                for address in &relayed {
                    let inlet: std::sync::Weak<Self> = Arc::downgrade(self);
                    session.add(*address, inlet);
                }
                let transport = if datagram { metrics::Transport::Udp } else { metrics::Transport::Stream };
                let seated = Seated { ended: session.over.child_token(), session, relayed };
                let first = self.seated.set(seated).is_ok();
                if first {
                    let counted = self.relay.metrics.allocation(transport);
                    self.relay.spawn(Attendance { flow: Arc::clone(self), ports, _counted: counted }.run());
                }
                first
            }
            _ => false,
        }
    }

    /// Sends what the client has for a peer.
    fn forward(&self, peer: SocketAddr, payload: &[u8], now: Instant, departures: &mut Departures) {
        let Some(seated) = self.seated.get() else { return };
        let facing = seated.relayed.iter().find(|address| address.is_ipv4() == peer.is_ipv4());
        let Some(address) = facing else { return };
        if !seated.session.admits(payload.len(), now) {
            self.relay.metrics.dropped(Loss::Bandwidth, 1);
        } else if let Some(inlet) = seated.session.inlet(peer).filter(|_| peer != *address) {
            inlet.deliver(*address, payload, now, departures);
        } else if self.relay.announced.contains(&peer.ip()) && !self.relay.opened(peer.ip()) {
            // A relayed address that was the session's when it was permitted and is not any more, or another port there.
            self.relay.metrics.dropped(Loss::Peer, 1);
        } else if let Some(port) = self.port(*address) {
            self.relay.metrics.relayed(Direction::ToPeer, payload.len());
            departures.push_datagram(&port, peer, None, [payload, &[]]);
        }
    }

    /// The socket behind one of its addresses.
    fn port(&self, address: SocketAddr) -> Option<Arc<Port>> {
        let client = self.lock();
        let relayed = client.allocation()?.relayed().iter().find(|relayed| relayed.address == address)?;
        Some(Arc::clone(&relayed.lease.port))
    }

    /// Passes on what a peer sent, if it may; false if it may not.
    fn pass_on(&self, peer: SocketAddr, payload: &[u8], now: Instant, departures: &mut Departures) -> bool {
        let wrap = self.lock().allocation().and_then(|allocation| allocation.wrap(peer, now));
        match wrap {
            Some(Wrap::Channel(number)) if u16::try_from(payload.len()).is_ok() => {
                departures.push(&self.way, [&channel_header(number, payload.len()), payload]);
            }
            Some(Wrap::Indication) => {
                if let Some(message) = message::data_indication(peer, payload) {
                    departures.push(&self.way, [&message, &[]]);
                }
            }
            _ => {
                self.relay.metrics.dropped(Loss::Peer, 1);
                return false;
            }
        }
        true
    }
}

impl Inlet for Flow {
    fn deliver(&self, from: SocketAddr, payload: &[u8], now: Instant, departures: &mut Departures) {
        if self.pass_on(from, payload, now, departures) {
            self.relay.metrics.relayed(Direction::Inside, payload.len());
        }
    }
}

/// The task of one allocation: receives for it, and takes it down when its time is over.
struct Attendance {
    flow: Arc<Flow>,
    ports: Vec<Arc<Port>>,
    _counted: Counted,
}

impl Attendance {
    async fn run(self) {
        let flow = &self.flow;
        let Some(seated) = flow.seated.get() else { return };
        loop {
            let Some(until) = flow.lock().allocation().map(super::client::Allocation::until) else { return };
            tokio::select! {
                () = seated.ended.cancelled() => return,
                () = flow.relay.stop.cancelled() => return,
                () = tokio::time::sleep_until(until.into()) => {
                    if flow.lock().expire(Instant::now()) {
                        return;
                    }
                }
                port = readable(&self.ports) => flow.receive(port),
            }
        }
    }
}

impl Drop for Attendance {
    /// Also when the task panicked: nothing may be left of an allocation that nobody attends.
    fn drop(&mut self) {
        let Some(seated) = self.flow.seated.get() else { return };
        for address in &seated.relayed {
            seated.session.remove(*address);
        }
        self.flow.lock().end();
        seated.ended.cancel();
    }
}

/// One of the ports that has something, or may have.
async fn readable(ports: &[Arc<Port>]) -> &Arc<Port> {
    let readable = async |at: usize| match ports.get(at) {
        // An error is found again by receiving.
        Some(port) => {
            let _or_failed = port.readable().await;
            port
        }
        None => std::future::pending().await,
    };
    tokio::select! {
        port = readable(0) => port,
        port = readable(1) => port,
    }
}

impl Flow {
    fn receive(&self, port: &Port) {
        let Some(seated) = self.seated.get() else { return };
        with_desk(|desk| {
            for _ in 0..TURNS {
                let Ok(filled) = port.receive(&mut desk.batch) else { break };
                let now = Instant::now();
                for (peer, _, payload) in desk.batch.datagrams(filled) {
                    if !seated.session.admits(payload.len(), now) {
                        self.relay.metrics.dropped(Loss::Bandwidth, 1);
                    } else if self.pass_on(peer, payload, now, &mut desk.departures) {
                        self.relay.metrics.relayed(Direction::ToClient, payload.len());
                    }
                }
                desk.departures.flush();
            }
            self.relay.metrics.dropped(Loss::Full, desk.departures.take_lost());
        });
    }
}
