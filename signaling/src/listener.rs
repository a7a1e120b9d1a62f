//! The port: accepts connections, ends TLS, and hands what is HTTP to the router.
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
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use tracing::{debug, warn};

use crate::web::PeerAddress;

/// Most connections at a time.
pub const MAX_CONNECTIONS: usize = 20_000;
/// How long a TLS handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// How long the headers of a request may take, and a connection may lie idle before the next.
const HEADERS_WITHIN: Duration = Duration::from_secs(15);
/// Longest head of a request, in bytes.
const MAX_HEAD: usize = 32 * 1024;

/// The port, open.
pub struct Listener {
    tcp: TcpListener,
    tls: Option<TlsAcceptor>,
    space: Arc<Semaphore>,
}

impl Listener {
    /// Serves what comes to this port, with TLS if there is a configuration for it.
    pub fn new(tcp: TcpListener, tls: Option<Arc<ServerConfig>>) -> Self {
        Self { tcp, tls: tls.map(TlsAcceptor::from), space: Arc::new(Semaphore::new(MAX_CONNECTIONS)) }
    }

    /// Accepts until `stop`, each connection as one of `tasks`; those finish what they are at when `stop` comes.
    pub async fn run(self, router: Router, stop: CancellationToken, tasks: &TaskTracker) {
        let accepting = async {
            // The semaphore is never closed, so this ends with `stop` only.
            while let Ok(place) = Arc::clone(&self.space).acquire_owned().await {
                match self.tcp.accept().await {
                    Ok((stream, peer)) => {
                        let greeting =
                            greet(stream, peer, self.tls.clone(), place, router.clone(), stop.clone());
                        tasks.spawn(greeting);
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
}

/// One connection from its first byte to its last, or to its upgrade to a WebSocket.
async fn greet(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    place: OwnedSemaphorePermit,
    router: Router,
    stop: CancellationToken,
) {
    // A signal is one small packet that somebody waits for.
    let _only_slower = stream.set_nodelay(true);
    let stream = match tls {
        None => Stream::Plain(stream),
        Some(tls) => tokio::select! {
            shaken = timeout(HANDSHAKE_WITHIN, tls.accept(stream)) => match shaken {
                Ok(Ok(stream)) => Stream::Tls(Box::new(stream)),
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
    serve(Connection { stream, _place: place }, peer, router, stop).await;
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
    stream: Stream,
    _place: OwnedSemaphorePermit,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
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
