//! Clients that come by UDP: a few ports of one number, between which the kernel shares them out, each with a task and a
//! table of its own.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use socket2::{Domain, Protocol, Socket, Type};
use tracing::warn;

use super::departures::{Desk, Port, Way, with_desk};
use super::flow::Flow;
use super::framing::{is_channel, is_stun};
use super::relay::Relay;
use crate::metrics::Loss;

/// Most system calls in a row before others have their turn.
const TURNS: usize = 16;
/// After so many new clients the table is searched for those that are gone.
const SWEEP_EVERY: usize = 64;

/// Opens ports of one number, as many as there are processors to serve them.
pub(super) fn bind(address: SocketAddr) -> io::Result<Vec<std::net::UdpSocket>> {
    // Alone at first: ports that are shared can be shared with a stranger by mistake.
    let alone = open(address, false)?;
    let address = alone.local_addr()?;
    drop(alone);
    let many = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(16);
    (0..many).map(|_| open(address, true)).collect()
}

fn open(address: SocketAddr, shared: bool) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // `[::]` serves both families; the addresses of IPv4 clients are made canonical where they come in.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_port(shared)?;
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// One of the ports, with its clients.
pub(super) struct Counter {
    relay: Arc<Relay>,
    port: Arc<Port>,
    /// By their address and ours.
    flows: HashMap<(SocketAddr, Option<IpAddr>), Arc<Flow>>,
    since_sweep: usize,
}

impl Counter {
    pub(super) fn new(relay: &Arc<Relay>, socket: std::net::UdpSocket) -> io::Result<Self> {
        let port = Arc::new(Port::new(socket)?);
        Ok(Self { relay: Arc::clone(relay), port, flows: HashMap::new(), since_sweep: 0 })
    }

    /// Serves until the server stops.
    pub(super) async fn run(mut self) {
        let stop = self.relay.stop().clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                readable = self.port.readable() => if let Err(error) = readable {
                    warn!(%error, "the relay can't receive");
                    return;
                },
            }
            with_desk(|desk| self.receive(desk));
            // Whoever floods this port has no more than its share of the processor.
            tokio::task::yield_now().await;
        }
    }

    fn receive(&mut self, desk: &mut Desk) {
        for _ in 0..TURNS {
            // An error here is an ICMP message about one client, which is none of the others' business.
            let Ok(filled) = self.port.receive(&mut desk.batch) else { break };
            let now = Instant::now();
            for (from, to, datagram) in desk.batch.datagrams(filled) {
                self.take(from, to, datagram, now, &mut desk.departures);
            }
            desk.departures.flush();
        }
        self.relay.metrics().dropped(Loss::Full, desk.departures.take_lost());
    }

    fn take(
        &mut self,
        from: SocketAddr,
        to: Option<IpAddr>,
        datagram: &[u8],
        now: Instant,
        departures: &mut super::departures::Departures,
    ) {
        if let Some(flow) = self.flows.get(&(from, to)) {
            if !flow.has_ended() {
                flow.take(datagram, now, departures);
                return;
            }
            self.flows.remove(&(from, to));
        }
        // A stranger has something to say only in a message.
        if datagram.first().is_none_or(|first| is_channel(*first)) || !is_stun(datagram) {
            return;
        }
        let way = Way::Datagram { port: Arc::clone(&self.port), to: self.reply_to(from), from: to };
        let flow = Flow::new(&self.relay, from, way);
        if flow.take(datagram, now, departures) {
            self.since_sweep += 1;
            if self.since_sweep >= SWEEP_EVERY {
                self.since_sweep = 0;
                self.flows.retain(|_, flow| !flow.has_ended());
            }
            self.flows.insert((from, to), flow);
        }
    }

    /// A socket for both families wants addresses of IPv4 in the clothes of IPv6.
    fn reply_to(&self, client: SocketAddr) -> SocketAddr {
        match (self.port.local_addr(), client) {
            (Ok(SocketAddr::V6(_)), SocketAddr::V4(v4)) => (v4.ip().to_ipv6_mapped(), v4.port()).into(),
            _ => client,
        }
    }
}
