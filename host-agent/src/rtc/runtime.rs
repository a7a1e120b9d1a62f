//! What the stack stands on: tokio, with relays put under its sockets and a remedy for its late wake-ups.

use super::anchor::{Anchors, WaysIn};
use super::handshake::{Handshake, Sent};
use super::relay::{self, Inbox, Relays, Route};
use super::stats::Shared;
use std::fmt;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime,
    TokioRuntime, Transmit,
};

/// Longest second sleep in a row while a relay is in use.
const SECOND_SLEEP: Duration = Duration::from_millis(2);
/// Datagrams that the stack gets in one go. It acknowledges what it got in one go once, and a browser sends four packets
/// for each acknowledgement, however many that one is of: with more than so many a transfer to us never gets going.
const AT_ONCE: usize = 3;
/// For names that are no virtual addresses; the stack stands still meanwhile.
const RESOLVE: Duration = Duration::from_secs(1);

/// The runtime of one connection.
pub(super) struct RelayRuntime {
    relays: Arc<Relays>,
    /// `None`: sockets stay where the stack bound them.
    anchors: Option<Arc<Anchors>>,
    shared: Arc<Shared>,
    handshake: Arc<Handshake>,
    /// How often the stack slept since something happened.
    slept: Arc<AtomicU8>,
}

impl fmt::Debug for RelayRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayRuntime").field("relays", &self.relays).finish_non_exhaustive()
    }
}

impl RelayRuntime {
    pub(super) fn new(relays: Arc<Relays>, anchors: Option<Arc<Anchors>>, shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self { relays, anchors, shared, handshake: Arc::default(), slept: Arc::default() })
    }
}

impl Runtime for RelayRuntime {
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) -> Box<dyn JoinHandle> {
        TokioRuntime.spawn(future)
    }

    fn spawn_reactor(
        &self,
        reactor_pool_size: usize,
        future: Pin<Box<dyn Future<Output = ()> + Send>>,
    ) -> Box<dyn JoinHandle> {
        TokioRuntime.spawn_reactor(reactor_pool_size, future)
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let local = socket.local_addr()?;
        let (anchor, real) = match &self.anchors {
            Some(anchors) => (Some(socket), anchors.spread(local)?),
            None => (None, socket),
        };
        Ok(Arc::new(Socket {
            local,
            ways_in: anchor.is_some().then(WaysIn::default),
            _anchor: anchor,
            real: TokioRuntime.wrap_udp_socket(real)?,
            inbox: Arc::default(),
            given: AtomicUsize::new(0),
            relays: self.relays.clone(),
            shared: self.shared.clone(),
            handshake: self.handshake.clone(),
        }))
    }

    fn wrap_tcp_listener(&self, listener: TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        TokioRuntime.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(
        &'a self,
        remote_addr: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = io::Result<Arc<dyn AsyncTcpStream>>> + Send + 'a>> {
        TokioRuntime.connect_tcp(remote_addr)
    }

    fn resolve_host<'a>(
        &'a self,
        host: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        Box::pin(async move {
            if let Some(addresses) = relay::both_families(host) {
                return Ok(addresses);
            }
            match tokio::time::timeout(RESOLVE, TokioRuntime.resolve_host(host)).await {
                Ok(resolved) => resolved,
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            }
        })
    }

    /// The stack hands packets for a relay to its TURN client after it has sent what that client had, so they would
    /// wait for whatever wakes it next: 25 ms on average. Therefore it sleeps not at all the first time after
    /// something happened, which sends them; 2 ms the second time, for what its timers brought meanwhile; and as long
    /// as it wants from then on. Measured through a relay on this machine, round trip of a chat line at the median and
    /// time to connect: 185 ms and 2.5 s without this, 9 ms and 0.4 s with every sleep cut to 2 ms, which is 500
    /// wake-ups a second for nothing, and 3 ms and 0.6 s with this.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        if !self.relays.in_use() {
            return TokioRuntime.sleep(duration);
        }
        let slept = self.slept.load(Relaxed);
        let shortened = match slept {
            0 => Duration::ZERO,
            1 => SECOND_SLEEP.min(duration),
            _ => duration,
        };
        let next = if shortened < duration { slept + 1 } else { 0 };
        // What happens before the end of this sleep drops it, and then it is the first one again.
        self.slept.store(0, Relaxed);
        let slept = Arc::downgrade(&self.slept);
        let sleep = (!shortened.is_zero()).then(|| TokioRuntime.sleep(shortened));
        Box::pin(async move {
            if let Some(sleep) = sleep {
                sleep.await;
            }
            if let Some(slept) = Weak::upgrade(&slept) {
                slept.store(next, Relaxed);
            }
        })
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        TokioRuntime.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        TokioRuntime.block_on(future);
    }

    fn yield_now(&self) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        TokioRuntime.yield_now()
    }

    fn name(&self) -> &'static str {
        "tokio with relays"
    }
}

/// A UDP socket beside which the relays' packets come in.
struct Socket {
    /// What the stack knows it by.
    local: SocketAddr,
    /// Held so that nobody else gets that port.
    _anchor: Option<UdpSocket>,
    real: Arc<dyn AsyncUdpSocket>,
    /// Where `real` is bound to no address.
    ways_in: Option<WaysIn>,
    inbox: Arc<Inbox>,
    /// Datagrams that the stack got since it last waited for some.
    given: AtomicUsize,
    relays: Arc<Relays>,
    shared: Arc<Shared>,
    handshake: Arc<Handshake>,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("real", &self.real).finish_non_exhaustive()
    }
}

impl Socket {
    fn send_to_peer(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let peer = transmit.destination;
        let Some(src_ip) = self.ways_in.as_ref().and_then(|ways_in| ways_in.of(peer)) else {
            return self.real.poll_send(cx, transmit);
        };
        let sent = self.real.poll_send(cx, &Transmit { src_ip: Some(src_ip), ..copy(transmit) });
        if let (Poll::Ready(Err(_)), Some(ways_in)) = (&sent, &self.ways_in) {
            // Most likely that address is no more. Whatever the system picks is better.
            ways_in.forget(peer);
            return self.real.poll_send(cx, transmit);
        }
        sent
    }

    /// Sends it to a peer, a relay or a STUN server.
    fn send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let length = transmit.contents.len();
        match self.relays.route(transmit.destination) {
            None => self.send_to_peer(cx, transmit),
            Some(Route::Relay(link)) => {
                let size = transmit.segment_size.unwrap_or(length).max(1);
                let mut datagrams = transmit.contents.chunks(size);
                let sent = datagrams
                    .try_for_each(|datagram| relay::send(&link, &self.inbox, transmit.destination, datagram));
                Poll::Ready(sent.map(|()| length))
            }
            Some(Route::Stun(Some(destination))) => {
                self.real.poll_send(cx, &Transmit { destination, ..copy(transmit) })
            }
            // Its name is still being looked up; the request is repeated.
            Some(Route::Stun(None)) => Poll::Ready(Ok(length)),
        }
    }

    /// Whether the stack is not to hear of this; see [`Handshake`].
    fn repeats(&self, cx: &mut Context<'_>, datagram: &[u8]) -> bool {
        let Some(answer) = self.handshake.received(Instant::now(), relay::unwrapped(datagram)) else {
            return false;
        };
        for Sent { to, contents, segment_size } in answer {
            let transmit =
                Transmit { destination: to, ecn: None, contents: &contents, segment_size, src_ip: None };
            // What finds no room is lost, and comes with the next repetition.
            let _ = self.send(cx, &transmit);
        }
        true
    }
}

fn copy<'a>(transmit: &Transmit<'a>) -> Transmit<'a> {
    Transmit {
        destination: transmit.destination,
        ecn: transmit.ecn,
        contents: transmit.contents,
        segment_size: transmit.segment_size,
        src_ip: transmit.src_ip,
    }
}

impl AsyncUdpSocket for Socket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let now = Instant::now();
        let sent = self.send(cx, transmit);
        if let Poll::Ready(Ok(_)) = &sent {
            let Transmit { destination, contents, segment_size, .. } = *transmit;
            self.handshake.sent(now, destination, contents, relay::unwrapped(contents), segment_size);
            if segment_size.is_none()
                && self.relays.route(destination).is_none()
                && self.shared.copies(now, contents)
            {
                // A copy that finds no room is one that is lost.
                let _ = self.send_to_peer(cx, transmit);
            }
        }
        sent
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let looks = relay::only_looks(cx);
        if looks && self.given.load(Relaxed) >= AT_ONCE {
            return Poll::Pending;
        }
        let before = if looks { self.given.load(Relaxed) } else { 0 };
        if let (Some(buf), Some(meta)) = (bufs.first_mut(), meta.first_mut())
            && let Poll::Ready((from, datagram)) = self.inbox.poll(cx)
        {
            let length = datagram.len().min(buf.len());
            buf[..length].copy_from_slice(&datagram[..length]);
            *meta = RecvMeta::default();
            meta.addr = from;
            meta.len = length;
            meta.stride = length.max(1);
            if self.repeats(cx, &datagram) {
                meta.len = 0;
            }
            self.given.store(before + 1, Relaxed);
            return Poll::Ready(Ok(1));
        }
        let received = self.real.poll_recv(cx, bufs, meta);
        if let Poll::Ready(Ok(count)) = received {
            let datagrams = meta[..count].iter().map(|meta| meta.len.div_ceil(meta.stride.max(1)));
            self.given.store(before + datagrams.sum::<usize>(), Relaxed);
            for (meta, buf) in meta[..count].iter_mut().zip(bufs) {
                let datagram = &buf[..meta.len.min(buf.len())];
                // Checks come one by one, so what is dropped is one packet and not several in one buffer.
                if self.relays.hold.drops(meta.addr, datagram, Instant::now()) || self.repeats(cx, datagram) {
                    meta.len = 0;
                    continue;
                }
                if let (Some(ways_in), Some(address)) = (&self.ways_in, meta.dst_ip) {
                    ways_in.learn(meta.addr, address);
                }
                if let Some(address) = self.relays.stun_server(meta.addr) {
                    meta.addr = address;
                }
            }
        }
        received
    }

    /// Packets that leave twice leave one by one: with all copies behind all packets, three packets would come behind one
    /// that is lost and before its copy, and SCTP would take it for lost.
    fn max_gso_segments(&self) -> usize {
        if self.shared.is_twice(Instant::now()) { 1 } else { self.real.max_gso_segments() }
    }

    fn max_gro_segments(&self) -> usize {
        self.real.max_gro_segments()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::task::Waker;

    #[tokio::test]
    async fn the_stack_gets_a_few_datagrams_in_one_go_and_all_of_them() {
        const SENT: usize = 10;
        let runtime = RelayRuntime::new(Relays::new(None), None, Arc::new(Shared::new(Instant::now())));
        let receiving = UdpSocket::bind("127.0.0.1:0").unwrap();
        receiving.set_nonblocking(true).unwrap();
        let address = receiving.local_addr().unwrap();
        let socket = runtime.wrap_udp_socket(receiving).unwrap();
        let sending = UdpSocket::bind("127.0.0.1:0").unwrap();
        for number in 0..SENT {
            sending.send_to(&[u8::try_from(number).unwrap(); 8], address).unwrap();
        }

        let receive = |cx: &mut Context<'_>| {
            let (mut bytes, mut meta) = ([0; 2048], [RecvMeta::default()]);
            let received = socket.poll_recv(cx, &mut [IoSliceMut::new(&mut bytes)], &mut meta);
            received.map(|count| {
                assert_eq!(count.unwrap(), 1);
                meta[0].len.div_ceil(meta[0].stride)
            })
        };
        let mut goes = Vec::new();
        while goes.iter().sum::<usize>() < SENT {
            let waited = tokio::time::timeout(Duration::from_secs(5), poll_fn(|cx| receive(cx)));
            let mut go = waited.await.expect("what was sent comes");
            while let Poll::Ready(more) = receive(&mut Context::from_waker(Waker::noop())) {
                go += more;
            }
            goes.push(go);
        }
        assert_eq!(goes.iter().sum::<usize>(), SENT);
        assert_eq!(goes.iter().max(), Some(&AT_ONCE), "{goes:?}");
    }
}
