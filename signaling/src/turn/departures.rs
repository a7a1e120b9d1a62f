//! The ways out: UDP ports that send several datagrams at once, streams with a bounded queue.
//!
//! A burst arrives from the kernel as one buffer of equal datagrams (UDP GRO) and leaves as one (UDP GSO). Between the
//! two nothing is allocated; what the relay costs is the system calls, and there are few of them.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::Notify;

/// Buffers that are filled by one system call.
const BUFFERS: usize = 8;
/// Each holds a whole burst: no UDP payload is longer.
const BUFFER: usize = 65_536;
/// Longest burst that is sent by one system call, in bytes; with its headers it must fit into an IP packet.
const MAX_TRAIN: usize = 60_000;
/// What the kernel may keep of a port until we come to it, in bytes; it may give less.
const SOCKET_BUFFER: usize = 2 << 20;
/// What may wait for one stream, in bytes. What is more is dropped, as a router would: who sends must notice that the way
/// is narrow.
const MAX_WAITING: usize = 256 * 1024;

/// An open UDP port.
#[derive(Debug)]
pub(super) struct Port {
    socket: UdpSocket,
    state: UdpSocketState,
}

impl Port {
    /// Takes over a bound socket; must be called in a runtime.
    pub(super) fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        for grow in [UdpSocketState::set_recv_buffer_size, UdpSocketState::set_send_buffer_size] {
            let _as_much_as_allowed = grow(&state, UdpSockRef::from(&socket), SOCKET_BUFFER);
        }
        Ok(Self { socket: UdpSocket::from_std(socket)?, state })
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Waits until there is something to receive.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Receives what is there; the number of buffers that were filled.
    pub(super) fn receive(&self, batch: &mut Batch) -> io::Result<usize> {
        let mut buffers = batch.bytes.chunks_exact_mut(BUFFER).map(IoSliceMut::new);
        let mut buffers: [IoSliceMut<'_>; BUFFERS] =
            std::array::from_fn(|_| buffers.next().unwrap_or_else(|| IoSliceMut::new(&mut [])));
        self.socket.try_io(Interest::READABLE, || {
            self.state.recv(UdpSockRef::from(&self.socket), &mut buffers, &mut batch.metas)
        })
    }

    fn send(&self, to: SocketAddr, from: Option<IpAddr>, train: &[u8], segment: usize) -> io::Result<()> {
        let transmit = |contents, segment_size| Transmit {
            destination: to,
            ecn: None,
            contents,
            segment_size,
            src_ip: from,
        };
        let send = |transmit: &Transmit<'_>| {
            self.socket
                .try_io(Interest::WRITABLE, || self.state.try_send(UdpSockRef::from(&self.socket), transmit))
        };
        if train.len() <= segment {
            return send(&transmit(train, None));
        }
        if self.state.max_gso_segments() > 1 {
            match send(&transmit(train, Some(segment))) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {}
                sent => return sent,
            }
        }
        // Not offered here, or not for this length on this way.
        train.chunks(segment).try_for_each(|datagram| send(&transmit(datagram, None)))
    }
}

/// Room for what one system call receives.
pub(super) struct Batch {
    bytes: Box<[u8]>,
    metas: [RecvMeta; BUFFERS],
}

impl Batch {
    fn new() -> Self {
        Self { bytes: vec![0; BUFFERS * BUFFER].into(), metas: [RecvMeta::default(); BUFFERS] }
    }

    /// What was received: from whom, to which of our addresses, and what.
    pub(super) fn datagrams(
        &self,
        filled: usize,
    ) -> impl Iterator<Item = (SocketAddr, Option<IpAddr>, &[u8])> {
        let buffers = self.metas.iter().zip(self.bytes.chunks_exact(BUFFER)).take(filled);
        buffers.flat_map(|(meta, buffer)| {
            let from = super::canonical(meta.addr);
            let bytes = &buffer[..meta.len.min(BUFFER)];
            // An empty datagram is one too.
            let empty = bytes.is_empty().then_some(bytes);
            let datagrams = empty.into_iter().chain(bytes.chunks(meta.stride.max(1)));
            datagrams.map(move |datagram| (from, meta.dst_ip, datagram))
        })
    }
}

/// How a client is reached.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// From this port of ours, and this address if it has several.
    Datagram {
        /// Ours.
        port: Arc<Port>,
        /// Theirs.
        to: SocketAddr,
        /// Ours.
        from: Option<IpAddr>,
    },
    /// Over a connection.
    Stream(Arc<Outbox>),
}

/// What waits to be written to a stream. Full, it drops what comes.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
    ready: Notify,
    idle: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Something was taken and is being written.
    busy: bool,
}

impl Outbox {
    /// Adds a frame, filled up to four bytes; false if there is no room.
    fn push(&self, parts: [&[u8]; 2]) -> bool {
        let len = parts[0].len() + parts[1].len();
        let mut waiting = self.lock();
        let bytes = &mut waiting.bytes;
        if bytes.len() + len > MAX_WAITING {
            return false;
        }
        let first = bytes.is_empty();
        bytes.extend_from_slice(parts[0]);
        bytes.extend_from_slice(parts[1]);
        let filled = bytes.len() + (len.next_multiple_of(4) - len);
        bytes.resize(filled, 0);
        drop(waiting);
        if first {
            self.ready.notify_one();
        }
        true
    }

    /// Waits for something to write, and swaps it with what was written before, whose memory is used again.
    pub(super) async fn take(&self, written: &mut Vec<u8>) {
        written.clear();
        while !self.swap(written) {
            self.idle.notify_one();
            self.ready.notified().await;
        }
    }

    /// Whether there was something.
    fn swap(&self, written: &mut Vec<u8>) -> bool {
        let mut waiting = self.lock();
        std::mem::swap(&mut waiting.bytes, written);
        waiting.busy = !written.is_empty();
        waiting.busy
    }

    /// Waits until everything was taken and written.
    pub(super) async fn drained(&self) {
        while self.is_busy() {
            self.idle.notified().await;
        }
    }

    fn is_busy(&self) -> bool {
        let waiting = self.lock();
        waiting.busy || !waiting.bytes.is_empty()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Datagrams on their way out, coupled into a train as long as they are alike: to one address, of one length, the last
/// one perhaps shorter. [`Self::flush`] sends it off.
#[derive(Default)]
pub(super) struct Departures {
    to: Option<(Arc<Port>, SocketAddr, Option<IpAddr>)>,
    train: Vec<u8>,
    segment: usize,
    cars: usize,
    /// Datagrams that could not be sent, since somebody last asked.
    lost: u64,
}

impl Departures {
    /// Sends two parts as one datagram or frame.
    pub(super) fn push(&mut self, way: &Way, parts: [&[u8]; 2]) {
        match way {
            Way::Datagram { port, to, from } => self.push_datagram(port, *to, *from, parts),
            Way::Stream(outbox) => {
                if !outbox.push(parts) {
                    self.lost += 1;
                }
            }
        }
    }

    /// Sends two parts as one datagram from this port.
    pub(super) fn push_datagram(
        &mut self,
        port: &Arc<Port>,
        to: SocketAddr,
        from: Option<IpAddr>,
        parts: [&[u8]; 2],
    ) {
        let len = parts[0].len() + parts[1].len();
        let coupled = self.to.as_ref().is_some_and(|(before, address, source)| {
            Arc::ptr_eq(before, port) && *address == to && *source == from
        }) && self.cars < port.state.max_gso_segments().min(64)
            && self.train.len() == self.cars * self.segment
            && len <= self.segment
            && len > 0
            && self.train.len() + len <= MAX_TRAIN;
        if !coupled {
            self.flush();
            self.to = Some((Arc::clone(port), to, from));
            self.segment = len;
        }
        self.train.extend_from_slice(parts[0]);
        self.train.extend_from_slice(parts[1]);
        self.cars += 1;
    }

    /// Sends off what is coupled. A full socket loses it: nobody waits here, as nobody waits in a router.
    pub(super) fn flush(&mut self) {
        if let Some((port, to, from)) = self.to.take()
            && port.send(to, from, &self.train, self.segment.max(1)).is_err()
        {
            self.lost += self.cars as u64;
        }
        self.train.clear();
        self.cars = 0;
    }

    /// How many datagrams were lost since this was asked last.
    pub(super) const fn take_lost(&mut self) -> u64 {
        std::mem::replace(&mut self.lost, 0)
    }
}

/// What a thread needs to receive and to send; used from end to end without waiting.
pub(super) struct Desk {
    pub(super) batch: Batch,
    pub(super) departures: Departures,
}

thread_local! {
    static DESK: std::cell::RefCell<Desk> =
        std::cell::RefCell::new(Desk { batch: Batch::new(), departures: Departures::default() });
}

/// Runs with this thread's desk. It is not to be used within.
pub(super) fn with_desk<T>(what: impl FnOnce(&mut Desk) -> T) -> T {
    DESK.with_borrow_mut(what)
}
