//! The way out of this computer's network: TCP and TLS streams to a name and a port, for signaling and relays alike.

mod error;
mod tls;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

pub use error::DialError;
use tls::Trust;

/// What a connection is to those who use it.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// How connections are made.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A file with certificates (PEM) that are trusted besides those of the system.
    pub ca_cert: Option<PathBuf>,
}

/// Makes connections. Its clones share what they learn.
#[derive(Clone, Debug)]
pub struct Dialer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    trust: Trust,
}

impl Dialer {
    /// Fails where the file of certificates is no such file.
    pub fn new(options: &Options) -> Result<Self, DialError> {
        Ok(Self(Arc::new(Inner { trust: Trust::new(options.ca_cert.as_deref())? })))
    }

    /// Fails where this system has nothing to check certificates with, so that it is said before anything is tried.
    pub fn prepare_tls(&self) -> Result<(), DialError> {
        self.0.trust.config(&[]).map(drop)
    }

    /// A TCP connection to this name or address (IPv6 without brackets).
    ///
    /// No time limit of its own: the caller knows how long somebody waits.
    pub async fn tcp(&self, host: &str, port: u16) -> Result<Box<dyn Stream>, DialError> {
        Ok(Box::new(direct(host, port).await?))
    }

    /// A TLS connection, its certificate checked for `host` by the system's own rules; `alpn` may be empty.
    pub async fn tls(&self, host: &str, port: u16, alpn: &[&[u8]]) -> Result<Box<dyn Stream>, DialError> {
        let plain = self.tcp(host, port).await?;
        Ok(Box::new(self.0.trust.connect(host, port, alpn, plain).await?))
    }
}

async fn direct(host: &str, port: u16) -> Result<TcpStream, DialError> {
    let unreachable = |error: io::Error| DialError::Unreachable {
        target: error::target(host, port),
        reason: error.to_string(),
    };
    let tcp = TcpStream::connect((host, port)).await.map_err(unreachable)?;
    // Small messages that somebody waits for.
    tcp.set_nodelay(true).map_err(unreachable)?;
    Ok(tcp)
}
