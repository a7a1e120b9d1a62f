//! The port: accepts connections, ends TLS, and hands what is HTTP to the router and what is TURN to the relay. Which it
//! is, ALPN says (RFC 7443) or the first byte.
//!
//! Every connection is a task of its own from its first byte, so that a peer that never finishes its handshake or its
//! headers keeps nobody waiting; both have a time limit. `axum::serve` is not used because it has none for headers. How
//! many connections there are is bounded; beyond it the system's queue holds the newcomers back.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use bytes::{Bytes, BytesMut};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use tracing::{debug, warn};

use crate::metrics::{Kind, Metrics};
use crate::tls::ACME_TLS;
use crate::turn::{Relay, speaks_turn};
use crate::web::PeerAddress;

/// ALPN of TURN (RFC 7443).
const STUN_TURN: &[u8] = b"stun.turn";

/// Most connections at a time.
pub const MAX_CONNECTIONS: usize = 20_000;
/// How long a TLS handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// How long the headers of a request may take, and a connection may lie idle before the next.
const HEADERS_WITHIN: Duration = Duration::from_secs(15);
/// Longest head of a request, in bytes.
const MAX_HEAD: usize = 32 * 1024;

/// What the system takes of a connection beyond what it can send, in bytes.
const UNSENT: u32 = 64 * 1024;
/// Most that is read to see what a connection is, in bytes.
const PEEK: usize = 1024;

/// The port, open.
pub struct Listener {
    tcp: TcpListener,
    tls: Option<TlsAcceptor>,
    relay: Option<Arc<Relay>>,
    metrics: Metrics,
    space: Arc<Semaphore>,
}

impl Listener {
    /// Serves what comes to this port, with TLS if there is a configuration for it.
    pub fn new(
        tcp: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        relay: Option<Arc<Relay>>,
        metrics: Metrics,
    ) -> Self {
        let tls = tls.map(|mut tls| {
            if relay.is_some() {
                Arc::make_mut(&mut tls).alpn_protocols.push(STUN_TURN.to_vec());
            }
            TlsAcceptor::from(tls)
        });
        Self { tcp, tls, relay, metrics, space: Arc::new(Semaphore::new(MAX_CONNECTIONS)) }
    }

    /// Accepts until `stop`, each connection as one of `tasks`; those finish what they are at when `stop` comes.
    pub async fn run(self, router: Router, stop: CancellationToken, tasks: &TaskTracker) {
        let Self { tcp, tls, relay, metrics, space } = self;
        let house = Arc::new(House { tls, relay, router, metrics, stop: stop.clone() });
        accept(&tcp, &space, &stop, tasks, |stream, peer, place| {
            greet(stream, peer, place, Arc::clone(&house))
        })
        .await;
    }
}

/// Serves TURN and nothing else on this port, until `stop`.
pub async fn run_relay(tcp: TcpListener, relay: Arc<Relay>, stop: CancellationToken, tasks: TaskTracker) {
    let space = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    accept(&tcp, &space, &stop, &tasks, |stream, peer, place| {
        let relay = Arc::clone(&relay);
        async move {
            relay.serve(stream, peer).await;
            drop(place);
        }
    })
    .await;
}

async fn accept<F: Future<Output = ()> + Send + 'static>(
    tcp: &TcpListener,
    space: &Arc<Semaphore>,
    stop: &CancellationToken,
    tasks: &TaskTracker,
    greet: impl Fn(TcpStream, SocketAddr, OwnedSemaphorePermit) -> F,
) {
    let accepting = async {
        // The semaphore is never closed, so this ends with `stop` only.
        while let Ok(place) = Arc::clone(space).acquire_owned().await {
            match tcp.accept().await {
                Ok((stream, peer)) => {
                    // A signal, and a relayed frame, is one small packet that somebody waits for.
                    let _only_slower = stream.set_nodelay(true);
                    // And it should not wait behind megabytes that the system would take from us for a slow line.
                    let _only_slower = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT);
                    tasks.spawn(greet(stream, peer, place));
                }
                Err(error) => {
                    // Out of file descriptors, or the peer was gone already: neither gets better by hurrying.
                    warn!(%error, "can't accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        () = stop.cancelled() => {}
    }
}

/// What all connections of the port have in common.
struct House {
    tls: Option<TlsAcceptor>,
    relay: Option<Arc<Relay>>,
    router: Router,
    metrics: Metrics,
    stop: CancellationToken,
}

/// One connection from its first byte to its last, or to its upgrade to a WebSocket.
async fn greet(stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit, house: Arc<House>) {
    let House { tls, relay, router, metrics, stop } = &*house;
    let (stream, protocol) = match tls {
        None => (Stream::Plain(stream), None),
        Some(tls) => tokio::select! {
            shaken = timeout(HANDSHAKE_WITHIN, tls.accept(stream)) => match shaken {
                Ok(Ok(stream)) => {
                    let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
                    (Stream::Tls(Box::new(stream)), protocol)
                }
                Ok(Err(error)) => {
                    debug!(%error, "TLS handshake failed");
                    return;
                }
                Err(_) => {
                    debug!("TLS handshake took too long");
                    return;
                }
            },
            () = stop.cancelled() => return,
        },
    };
    if protocol.as_deref() == Some(ACME_TLS) {
        // Whoever looks has seen what it came for (RFC 8737, 3): nothing is served behind that certificate.
        return;
    }
    let mut connection = Connection { early: Bytes::new(), stream, _place: place };
    if let Some(relay) = relay {
        let turn = if let Some(protocol) = protocol {
            protocol == STUN_TURN
        } else {
            tokio::select! {
                peeked = timeout(HEADERS_WITHIN, connection.peek()) => match peeked {
                    Ok(Ok(Some(first))) => speaks_turn(first),
                    // It said nothing, or is gone.
                    Ok(Ok(None) | Err(_)) | Err(_) => return,
                },
                () = stop.cancelled() => return,
            }
        };
        if turn {
            relay.serve(connection, peer).await;
            return;
        }
    }
    let _counted = metrics.connection(Kind::Http);
    serve(connection, peer, router.clone(), stop.clone()).await;
}

async fn serve(connection: Connection, peer: SocketAddr, router: Router, stop: CancellationToken) {
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(PeerAddress(peer));
        router.clone().oneshot(request)
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(connection), service)
        .with_upgrades();
    let mut serving = pin!(serving);
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = stop.cancelled() => {
            // The request that is being answered is finished, the next one is not waited for.
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        debug!(%error, "a connection failed");
    }
}

/// One connection, which counts until it is dropped.
pub struct Connection {
    /// What was read of it to see what it is.
    early: Bytes,
    stream: Stream,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    /// The first byte, which stays to be read; `None` if there will be none.
    async fn peek(&mut self) -> io::Result<Option<u8>> {
        let mut early = BytesMut::with_capacity(PEEK);
        self.read_buf(&mut early).await?;
        self.early = early.freeze();
        Ok(self.early.first().copied())
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let connection = self.get_mut();
        if !connection.early.is_empty() {
            let len = connection.early.len().min(buf.remaining());
            buf.put_slice(&connection.early.split_to(len));
            return Poll::Ready(Ok(()));
        }
        match &mut connection.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
