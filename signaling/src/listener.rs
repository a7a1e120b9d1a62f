//! The port: accepts connections, ends TLS, and hands what is HTTP to the web server.
//!
//! TLS handshakes run beside each other, each with a time limit, so that a peer that never finishes its own keeps
//! nobody waiting. How many connections there are is bounded; beyond it the system's queue holds the newcomers back.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::config::TlsFiles;
use crate::key::is_exposed;
use crate::web::PeerAddress;

/// Most connections at a time.
pub const MAX_CONNECTIONS: usize = 20_000;
/// How long a TLS handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// Connections that may wait for the web server to take them.
const ACCEPTED: usize = 64;

/// Why TLS can't be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read, or is no PEM.
    #[error("can't read {what} {path}: {error}", path = path.display())]
    Read {
        /// Which of the two.
        what: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// Why not.
        error: rustls::pki_types::pem::Error,
    },
    /// There is no certificate in the file.
    #[error("there is no certificate in {path}; it should be PEM, with lines BEGIN CERTIFICATE", path = path.display())]
    Empty {
        /// The file.
        path: std::path::PathBuf,
    },
    /// Others on this machine can read the key.
    #[error("{path} can be read by other users of this machine: chmod 600 {path}", path = path.display())]
    Exposed {
        /// The file.
        path: std::path::PathBuf,
    },
    /// The two don't go together, or TLS can't use them.
    #[error("the certificate and the key don't work together: {0}")]
    Unusable(rustls::Error),
}

/// Reads certificate and key.
pub fn tls_config(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let read = |what, path: &Path, error| TlsError::Read { what, path: path.to_owned(), error };
    let path = &files.certificates;
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| read("the certificate", path, error))?;
    if certificates.is_empty() {
        return Err(TlsError::Empty { path: path.clone() });
    }
    let path = &files.key;
    // A file that can't be opened is reported by the next step, with its reason.
    if std::fs::File::open(path).and_then(|file| is_exposed(&file)).unwrap_or(false) {
        return Err(TlsError::Exposed { path: path.clone() });
    }
    let key = PrivateKeyDer::from_pem_file(path).map_err(|error| read("the key", path, error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key))
        .map_err(TlsError::Unusable)?;
    // WebSockets need HTTP/1.1 (RFC 6455); nothing here gains by HTTP/2.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The port, open.
pub struct Listener {
    accepted: mpsc::Receiver<(Connection, SocketAddr)>,
    local: SocketAddr,
}

impl Listener {
    /// Accepts as a task of `tasks` until `stop`.
    pub fn start(
        tcp: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        stop: CancellationToken,
        tasks: &TaskTracker,
    ) -> io::Result<Self> {
        let local = tcp.local_addr()?;
        let (sender, accepted) = mpsc::channel(ACCEPTED);
        let acceptor = Acceptor {
            tls: tls.map(TlsAcceptor::from),
            sender,
            space: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            stop,
            tasks: tasks.clone(),
        };
        tasks.spawn(acceptor.run(tcp));
        Ok(Self { accepted, local })
    }
}

struct Acceptor {
    tls: Option<TlsAcceptor>,
    sender: mpsc::Sender<(Connection, SocketAddr)>,
    space: Arc<Semaphore>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Acceptor {
    async fn run(self, tcp: TcpListener) {
        let stop = self.stop.clone();
        let accepting = async {
            loop {
                let Ok(place) = Arc::clone(&self.space).acquire_owned().await else {
                    return;
                };
                match tcp.accept().await {
                    Ok((stream, peer)) => self.greet(stream, peer, place),
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

    fn greet(&self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        // A signal is one small packet that somebody waits for.
        let _only_slower = stream.set_nodelay(true);
        let (tls, sender, stop) = (self.tls.clone(), self.sender.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            let greeting = async {
                let stream = match tls {
                    None => Stream::Plain(stream),
                    Some(tls) => match timeout(HANDSHAKE_WITHIN, tls.accept(stream)).await {
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
                };
                // The web server is gone only when everything is.
                let _stopping = sender.send((Connection { stream, _place: place }, peer)).await;
            };
            tokio::select! {
                () = greeting => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

impl axum::serve::Listener for Listener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        match self.accepted.recv().await {
            Some(accepted) => accepted,
            // The server stops: it drops this future.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }
}

impl Connected<IncomingStream<'_, Listener>> for PeerAddress {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        Self(*stream.remote_addr())
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
