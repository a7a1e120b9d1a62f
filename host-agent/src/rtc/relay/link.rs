//! One TURN server: the way to it over UDP, TCP or TLS, made when it is first wanted and made anew when it breaks.

use super::frame::{self, Deframer};
use super::hold::Hold;
use super::queue::{Inbox, Outgoing};
use super::silence::{self, PROBE, Watch};
use super::udp;
use super::url::Transport;
use crate::dial::Dialer;
use bytes::{Bytes, BytesMut};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// For a TCP connection, a proxy and TLS together.
const CONNECT: Duration = Duration::from_secs(10);
/// The pause after the first failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// Written at once: one TLS record, and no more than can be taken back.
const BATCH: usize = 16 * 1024;
/// For the releases of allocations at the end.
const FAREWELL: Duration = Duration::from_millis(300);
/// A link that carried something so recently is in use.
const IN_USE: Duration = Duration::from_secs(3);

/// The way to one server.
#[derive(Debug)]
pub(in crate::rtc) struct Link {
    transport: Transport,
    host: String,
    port: u16,
    outgoing: Outgoing,
    owner: Mutex<Option<Owner>>,
    /// What peers send to, once the server gave it.
    relayed: Mutex<Option<SocketAddr>>,
    /// The allocation went down with the way to it.
    lost: AtomicBool,
    /// Rung when that happens.
    on_loss: Arc<Notify>,
    hold: Arc<Hold>,
    /// When something was last carried, in milliseconds since `born`; 0: never.
    carried: AtomicU64,
    born: Instant,
    /// Rung to have a standing way tested.
    pub(super) probe: Notify,
    /// Rung to end after what is queued was sent.
    pub(super) close: Notify,
}

/// The socket of the stack that this link belongs to. One is enough: which interface is used, the system decides.
#[derive(Debug)]
struct Owner {
    inbox: Weak<Inbox>,
    /// The server's address as that socket knows it.
    address: SocketAddr,
}

/// How a way ended.
#[derive(Debug, thiserror::Error)]
enum Broken {
    /// It was not made.
    #[error("it can't be reached ({0})")]
    Connect(String),
    /// It was, and is gone.
    #[error("the connection broke ({0})")]
    Io(#[from] io::Error),
    /// The server says nothing any more, or a proxy on the way.
    #[error("it does not answer")]
    Silent,
    /// The server was started anew, or let the allocation expire.
    #[error("it knows nothing of the allocation")]
    Forgotten,
    /// What is heard is no TURN.
    #[error(transparent)]
    OutOfStep(#[from] frame::OutOfStep),
}

impl Link {
    pub(super) fn new(
        transport: Transport,
        host: String,
        port: u16,
        on_loss: Arc<Notify>,
        hold: Arc<Hold>,
    ) -> Self {
        Self {
            transport,
            host,
            port,
            outgoing: Outgoing::default(),
            owner: Mutex::default(),
            relayed: Mutex::default(),
            lost: AtomicBool::new(false),
            on_loss,
            hold,
            carried: AtomicU64::new(0),
            born: Instant::now(),
            probe: Notify::new(),
            close: Notify::new(),
        }
    }

    /// Queues a datagram of the socket that `inbox` belongs to; never waits. Refused for every socket but the first,
    /// and for all once the allocation is lost, whereupon the stack gives up on this server for that socket.
    pub(super) fn send(&self, inbox: &Arc<Inbox>, address: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        if self.is_lost() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        {
            let mut owner = self.owner();
            let current = owner.as_ref().and_then(|owner| owner.inbox.upgrade());
            match current {
                Some(current) if Arc::ptr_eq(&current, inbox) => {}
                Some(_) => {
                    return Err(io::Error::new(io::ErrorKind::AddrInUse, "another socket uses this relay"));
                }
                None => *owner = Some(Owner { inbox: Arc::downgrade(inbox), address }),
            }
        }
        let now = Instant::now();
        self.note_carried(now);
        self.outgoing.push(Bytes::copy_from_slice(datagram), now);
        Ok(())
    }

    /// Whether something was carried in the last seconds.
    pub(super) fn is_in_use(&self, now: Instant) -> bool {
        let carried = self.carried.load(Relaxed);
        carried > 0 && now.saturating_duration_since(self.born + Duration::from_millis(carried)) < IN_USE
    }

    /// Whether what was allocated through this link is gone.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Relaxed)
    }

    /// Whether a new attempt is due: an allocation was lost, or there is none and the network is another one.
    pub(super) fn is_stale(&self, network_changed: bool) -> bool {
        self.is_lost() || (network_changed && self.relayed().is_none())
    }

    /// What peers send to, once the server gave it.
    pub(super) fn relayed(&self) -> Option<SocketAddr> {
        *self.relayed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn owner(&self) -> MutexGuard<'_, Option<Owner>> {
        self.owner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_carried(&self, now: Instant) {
        let since = now.saturating_duration_since(self.born).as_millis();
        self.carried.store(u64::try_from(since).unwrap_or(u64::MAX).max(1), Relaxed);
    }

    async fn deliver(&self, datagram: Bytes) -> Result<(), Broken> {
        if silence::is_probe_answer(&datagram) {
            return Ok(());
        }
        if frame::is_mismatch(&datagram) && self.relayed().is_some() {
            return Err(Broken::Forgotten);
        }
        if let Some(relayed) = frame::allocated(&datagram) {
            *self.relayed.lock().unwrap_or_else(PoisonError::into_inner) = Some(relayed);
        }
        let owner = self.owner().as_ref().and_then(|owner| Some((owner.inbox.upgrade()?, owner.address)));
        if let Some((inbox, address)) = owner {
            let now = Instant::now();
            self.note_carried(now);
            if !self.hold.drops_relayed(&datagram, now) {
                inbox.deliver(address, datagram).await;
            }
        }
        Ok(())
    }

    /// Runs until [`close`](Self::close) is rung, or an allocation was lost: another one needs another link, as the
    /// server may still hold the lost one against this one's address.
    pub(super) async fn run(self: Arc<Self>, dialer: Option<Dialer>) {
        let mut pause = FIRST_PAUSE;
        loop {
            tokio::select! {
                () = self.close.notified() => return,
                () = self.outgoing.filled() => {}
            }
            // Ends by itself when it is told to close.
            let Err(broken) = self.carry(dialer.as_ref()).await else { return };
            let transport = self.transport.name();
            if self.relayed().is_some() {
                tracing::info!(transport, error = %broken, "the way to a relay broke, and with it what was allocated");
                self.lost.store(true, Relaxed);
                self.on_loss.notify_one();
                return;
            }
            tracing::info!(transport, error = %broken, "a relay is not reached so far");
            tokio::select! {
                () = self.close.notified() => return,
                () = sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            // Requests are repeated, and anything else is too late.
            self.outgoing.clear();
        }
    }

    /// Makes the way and carries until it breaks (an error) or nothing more is wanted.
    async fn carry(&self, dialer: Option<&Dialer>) -> Result<(), Broken> {
        if self.transport == Transport::Udp {
            return self.carry_datagrams().await;
        }
        let dialer = dialer.ok_or_else(|| Broken::Connect("connections out are not set up".into()))?;
        let connecting = async {
            match self.transport {
                Transport::Tls => dialer.tls(&self.host, self.port, &[b"stun.turn"]).await,
                Transport::Tcp | Transport::Udp => dialer.tcp(&self.host, self.port).await,
            }
        };
        let stream = tokio::select! {
            () = self.close.notified() => return Ok(()),
            stream = timeout(CONNECT, connecting) => stream
                .map_err(|_| Broken::Connect("it took too long".into()))?
                .map_err(|error| Broken::Connect(error.to_string()))?,
        };
        let (mut reader, mut writer) = tokio::io::split(stream);
        let watch = Watch::default();
        let reading = async {
            let (mut deframer, mut chunk) = (Deframer::default(), BytesMut::with_capacity(BATCH));
            let mut complete = Vec::new();
            loop {
                chunk.clear();
                if reader.read_buf(&mut chunk).await? == 0 {
                    return Err(Broken::Io(io::ErrorKind::UnexpectedEof.into()));
                }
                watch.heard();
                deframer.push(&chunk, |datagram| complete.push(datagram))?;
                for datagram in complete.drain(..) {
                    self.deliver(datagram).await?;
                }
            }
        };
        let writing = async {
            let mut batch = BytesMut::with_capacity(BATCH);
            let mut closing = false;
            loop {
                batch.clear();
                let first = tokio::select! {
                    biased;
                    datagram = self.outgoing.pop() => Some(datagram),
                    () = self.probe.notified() => {
                        watch.probed();
                        Some(Bytes::from_static(&PROBE))
                    }
                    () = self.close.notified(), if !closing => None,
                };
                let mut next = first;
                closing |= next.is_none();
                while let Some(datagram) = next {
                    if frame::frame(&datagram, &mut batch) && frame::is_request(&datagram) {
                        watch.asked();
                    }
                    next = (batch.len() < BATCH).then(|| self.outgoing.try_pop(Instant::now())).flatten();
                }
                writer.write_all(&batch).await?;
                // Nothing stays in TLS's own buffer, where it could neither be counted nor dropped.
                writer.flush().await?;
                if closing {
                    // The other end learns of the end at once.
                    let _ = timeout(FAREWELL, writer.shutdown()).await;
                    return Ok(());
                }
            }
        };
        tokio::select! {
            ended = reading => ended,
            ended = writing => ended,
            () = watch.silent() => Err(Broken::Silent),
        }
    }

    /// The same over UDP. The first datagrams go to every address of the server, of both families: the first request
    /// of an allocation carries no proof and is refused by all (RFC 8656, 7.2), so whoever refuses first is taken.
    async fn carry_datagrams(&self) -> Result<(), Broken> {
        let sockets = tokio::select! {
            () = self.close.notified() => return Ok(()),
            sockets = udp::sockets(&self.host, self.port) => sockets.map_err(Broken::Connect)?,
        };
        let taken = Mutex::new(None::<usize>);
        let taken = || taken.lock().unwrap_or_else(PoisonError::into_inner);
        let watch = Watch::default();
        let send = |datagram: &[u8]| {
            let taken = *taken();
            for (_, socket) in
                sockets.iter().enumerate().filter(|(index, _)| taken.is_none_or(|one| one == *index))
            {
                // A full buffer of the system loses the datagram, as any line may.
                let _ = socket.try_send(datagram);
            }
        };
        let reading = async {
            let mut buffer = vec![0; frame::MAX_MESSAGE];
            loop {
                let (index, received) = udp::receive(&sockets, &mut buffer).await;
                let length = match received {
                    Ok(length) => length,
                    // Nobody listens there. Others may.
                    Err(error) if taken().is_some_and(|one| one == index) || sockets.len() == 1 => {
                        return Err(Broken::Io(error));
                    }
                    Err(_) => {
                        tokio::task::yield_now().await;
                        continue;
                    }
                };
                watch.heard();
                if *taken().get_or_insert(index) == index {
                    self.deliver(Bytes::copy_from_slice(&buffer[..length])).await?;
                }
            }
        };
        let writing = async {
            loop {
                tokio::select! {
                    biased;
                    datagram = self.outgoing.pop() => {
                        if frame::is_request(&datagram) {
                            watch.asked();
                        }
                        send(&datagram);
                    }
                    () = self.probe.notified() => {
                        watch.probed();
                        send(&PROBE);
                    }
                    () = self.close.notified() => return Ok(()),
                }
            }
        };
        tokio::select! {
            ended = reading => ended,
            ended = writing => ended,
            () = watch.silent() => Err(Broken::Silent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_socket_is_refused_while_the_first_lives() {
        let link = Link::new(Transport::Udp, "127.0.0.1".into(), 1, Arc::default(), Arc::default());
        let (first, second) = (Arc::new(Inbox::default()), Arc::new(Inbox::default()));
        let address = SocketAddr::from(([240, 0, 0, 1], 3478));
        assert!(!link.is_in_use(Instant::now()));
        assert!(link.send(&first, address, &PROBE).is_ok());
        assert!(link.send(&second, address, &PROBE).is_err());
        assert!(link.send(&first, address, &PROBE).is_ok());
        drop(first);
        assert!(link.send(&second, address, &PROBE).is_ok());
        assert!(link.is_in_use(Instant::now()) && !link.is_in_use(Instant::now() + IN_USE * 2));
    }
}
