//! The way out of this computer's network: TCP and TLS streams to a name and a port, for signaling and relays alike,
//! directly or through the proxy that was given or that this computer's settings name.

mod connect;
mod direct;
mod error;
mod login;
mod ntlm;
mod race;
mod route;
mod socks;
mod through;
mod tls;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nearhand_desktop::proxy::Step;
use tokio::io::{AsyncRead, AsyncWrite};

pub use error::DialError;
pub use nearhand_desktop::proxy::{Problem, Proxy};
pub use route::Way;
use route::{Finder, Routes};
use through::{Logins, through};
use tls::Trust;

/// What a connection is to those who use it.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// How connections are made.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A file with certificates (PEM) that are trusted besides those of the system.
    pub ca_cert: Option<PathBuf>,
    /// Which proxy is used, if any.
    pub way: Way,
}

/// A way that has not succeeded by then gets company from the next one. Longer than a proxy takes that works, since nobody
/// shall be seen without it who need not be; shorter than a person waits.
const NEXT_WAY: Duration = Duration::from_secs(3);

/// Makes connections. Its clones share what they learn.
#[derive(Clone, Debug)]
pub struct Dialer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    trust: Trust,
    way: Way,
    finder: Finder,
    logins: Logins,
}

impl Dialer {
    /// Fails where the file of certificates is no such file.
    pub fn new(options: &Options) -> Result<Self, DialError> {
        Ok(Self(Arc::new(Inner {
            trust: Trust::new(options.ca_cert.as_deref())?,
            way: options.way.clone(),
            finder: Finder::default(),
            logins: Logins::default(),
        })))
    }

    /// Fails where this system has nothing to check certificates with, so that it is said before anything is tried.
    pub fn prepare_tls(&self) -> Result<(), DialError> {
        self.0.trust.config(&[]).map(drop)
    }

    /// A TCP connection, or what is as good as one, to this name or address (IPv6 without brackets).
    ///
    /// Through a proxy it takes nine seconds at most for each way; without one there is no limit but the system's: the
    /// caller knows how long somebody waits.
    pub async fn tcp(&self, host: &str, port: u16) -> Result<Box<dyn Stream>, DialError> {
        if !is_host(host) {
            let reason = "that is no name of a computer".into();
            return Err(DialError::Unreachable { target: error::target("…", port), reason });
        }
        let Routes { steps, script } = self.0.finder.routes(&self.0.way, host, port).await?;
        // In the order of the settings. A second way is there only where the settings name one, or where a proxy that nobody
        // typed turns out to be of another network. Without a proxy in the settings no other is guessed.
        let attempts: Vec<_> = steps.iter().map(|step| self.step(step, host, port)).collect();
        match race::staggered(attempts, NEXT_WAY, DialError::is_verdict).await {
            Ok(stream) => Ok(stream),
            Err(errors) => Err(summary(errors, script)),
        }
    }

    /// A TLS connection, its certificate checked for `host` by the system's own rules; `alpn` may be empty.
    pub async fn tls(&self, host: &str, port: u16, alpn: &[&[u8]]) -> Result<Box<dyn Stream>, DialError> {
        let plain = self.tcp(host, port).await?;
        Ok(Box::new(self.0.trust.connect(host, port, alpn, plain).await?))
    }

    async fn step(&self, step: &Step, host: &str, port: u16) -> Result<Box<dyn Stream>, DialError> {
        match step {
            Step::Direct => match direct::connect(host, port).await {
                Ok(stream) => Ok(Box::new(stream)),
                Err(error) => {
                    let target = error::target(host, port);
                    Err(DialError::Unreachable { target, reason: error.to_string() })
                }
            },
            Step::Proxy(proxy) => {
                let result = through(proxy, &self.0.trust, &self.0.logins, host, port).await;
                match &result {
                    Ok(_) => {
                        self.0.finder.lives(proxy);
                        tracing::debug!(%proxy, "a connection goes through the proxy");
                    }
                    Err(DialError::ProxyUnreachable { reason, .. } | DialError::NotProxy { reason, .. }) => {
                        self.0.finder.is_dead(proxy);
                        tracing::info!(%proxy, reason, "the proxy is of no use");
                    }
                    Err(_) => {}
                }
                result
            }
        }
    }
}

/// One error for all ways.
fn summary(mut errors: Vec<DialError>, script: bool) -> DialError {
    // What ended the attempts is what counts.
    if errors.last().is_some_and(DialError::is_verdict) {
        return errors.remove(errors.len() - 1);
    }
    let direct = errors.iter().position(|error| matches!(error, DialError::Unreachable { .. }));
    let direct = direct.map(|at| errors.remove(at));
    match (direct, errors.into_iter().next()) {
        (Some(DialError::Unreachable { target, reason }), None) if script => {
            DialError::Script { target, reason }
        }
        (
            Some(DialError::Unreachable { target, reason }),
            Some(
                DialError::ProxyUnreachable { proxy, reason: proxy_reason }
                | DialError::NotProxy { proxy, reason: proxy_reason }
                | DialError::ProxyFailed { proxy, reason: proxy_reason, .. },
            ),
        ) => DialError::Neither { proxy, proxy_reason, target, reason },
        (_, Some(error)) | (Some(error), None) => error,
        (None, None) => DialError::Settings("they lead nowhere".into()),
    }
}

/// Whether this is a name or an address and nothing more: it goes into a proxy's request, and may come from a server.
fn is_host(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
        || (1..=253).contains(&host.len())
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

#[cfg(test)]
mod tests;
