//! One client on its way through the relay: from its socket to its machine, from there to its peers, and back.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Instant, SystemTime};

use tokio_util::sync::CancellationToken;

use super::allocation::{Allocation, Wrap};
use super::client::{Client, Step};
use super::departures::{Departures, Port, Way, with_desk};
use super::framing::{channel_data, channel_header, is_channel};
use super::house::Clock;
use super::message;
use super::relay::Relay;
use super::sessions::{Inlet, Session};
use crate::account::unix_seconds;
use crate::metrics::{self, Counted, Direction, Loss};

/// Most system calls in a row for one socket before others have their turn.
const TURNS: usize = 16;

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
                    let counted = self.relay.metrics().allocation(transport);
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
            self.relay.metrics().dropped(Loss::Bandwidth, 1);
        } else if let Some(inlet) = seated.session.inlet(peer).filter(|_| peer != *address) {
            inlet.deliver(*address, payload, now, departures);
        } else if self.relay.keeps_to_itself(peer.ip()) {
            // A relayed address that was the session's when it was permitted and is not any more, or another port there.
            self.relay.metrics().dropped(Loss::Peer, 1);
        } else if let Some(port) = self.port(*address) {
            self.relay.metrics().relayed(Direction::ToPeer, payload.len());
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
                self.relay.metrics().dropped(Loss::Peer, 1);
                return false;
            }
        }
        true
    }
}

impl Inlet for Flow {
    fn deliver(&self, from: SocketAddr, payload: &[u8], now: Instant, departures: &mut Departures) {
        if self.pass_on(from, payload, now, departures) {
            self.relay.metrics().relayed(Direction::Inside, payload.len());
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
            let Some(until) = flow.lock().allocation().map(Allocation::until) else { return };
            tokio::select! {
                () = seated.ended.cancelled() => return,
                () = flow.relay.stop().cancelled() => return,
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
                        self.relay.metrics().dropped(Loss::Bandwidth, 1);
                    } else if self.pass_on(peer, payload, now, &mut desk.departures) {
                        self.relay.metrics().relayed(Direction::ToClient, payload.len());
                    }
                }
                desk.departures.flush();
            }
            self.relay.metrics().dropped(Loss::Full, desk.departures.take_lost());
        });
    }
}
