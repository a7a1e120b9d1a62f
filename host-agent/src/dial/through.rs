//! A stream through one proxy: to it, by TLS where it wants that, and on by what it speaks.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nearhand_desktop::proxy::{Kind, Proxy};
use tokio::time::timeout;
use tokio_socks::Error as SocksError;

use super::connect::{self, Failure};
use super::login::{Known, Login, Refusal};
use super::tls::Trust;
use super::{DialError, Stream, direct, error, socks};

/// A proxy is near: who does not answer by then is not there.
const REACH: Duration = Duration::from_secs(4);
/// Sign-in and the proxy's own way to the target. Together with [`REACH`] less than signaling waits, so that the sentence
/// names the proxy.
const PASS: Duration = Duration::from_secs(5);
/// Proxies whose sign-in is remembered; there are one or two.
const MOST: usize = 16;

/// What proxies wanted the last time. Never a password: those stay with their proxy.
#[derive(Debug, Default)]
pub(super) struct Logins(Mutex<HashMap<Proxy, Known>>);

impl Logins {
    /// Taken out: two attempts at once must not use the same count of the same nonce.
    fn take(&self, proxy: &Proxy) -> Option<Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(proxy)
    }

    fn put(&self, proxy: &Proxy, known: Option<Known>) {
        let mut logins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if logins.len() >= MOST {
            logins.clear();
        }
        if let Some(known) = known {
            logins.insert(proxy.clone(), known);
        }
    }
}

/// A stream to `host` through `proxy`, which looks the name up.
pub(super) async fn through(
    proxy: &Proxy,
    trust: &Trust,
    logins: &Logins,
    host: &str,
    port: u16,
) -> Result<Box<dyn Stream>, DialError> {
    let silent =
        || DialError::ProxyUnreachable { proxy: proxy.to_string(), reason: "it does not answer".into() };
    let target = error::target(host, port);
    match proxy.kind {
        Kind::Http | Kind::Https => {
            let mut login = Login::new(proxy.credentials.as_ref(), logins.take(proxy));
            // The first connection has a limit of its own, so that a dead proxy is known early.
            let first = Mutex::new(Some(reach(proxy, trust).await?));
            let open = async || {
                let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
                match first {
                    Some(stream) => Ok(stream),
                    None => {
                        reach(proxy, trust).await.map_err(|error| Failure::Broken(io::Error::other(error)))
                    }
                }
            };
            let passing = timeout(PASS, connect::connect(open, &target, &mut login)).await;
            let stream = passing.map_err(|_| silent())?.map_err(|failure| said(proxy, target, failure))?;
            logins.put(proxy, login.into_known());
            Ok(stream)
        }
        Kind::Socks5 | Kind::Socks4 => {
            let stream = reach(proxy, trust).await?;
            let credentials = proxy.credentials.as_ref();
            let passing = timeout(PASS, async {
                match proxy.kind {
                    Kind::Socks4 => socks::connect4(stream, host, port, credentials).await,
                    _ => socks::connect5(stream, host, port, credentials).await,
                }
            });
            passing.await.map_err(|_| silent())?.map_err(|error| said_socks(proxy, target, error))
        }
    }
}

/// A connection to the proxy itself.
async fn reach(proxy: &Proxy, trust: &Trust) -> Result<Box<dyn Stream>, DialError> {
    let unreachable = |reason: String| DialError::ProxyUnreachable { proxy: proxy.to_string(), reason };
    let reaching = async {
        let tcp =
            direct::connect(&proxy.host, proxy.port).await.map_err(|error| unreachable(error.to_string()))?;
        if proxy.kind != Kind::Https {
            return Ok(Box::new(tcp) as Box<dyn Stream>);
        }
        let tls =
            trust.connect(&proxy.host, proxy.port, &[b"http/1.1"], tcp).await.map_err(
                |error| match error {
                    DialError::Unreachable { reason, .. } => unreachable(reason),
                    error => error,
                },
            )?;
        Ok(Box::new(tls) as Box<dyn Stream>)
    };
    timeout(REACH, reaching).await.map_err(|_| unreachable("it does not answer".into()))?
}

fn said(proxy: &Proxy, target: String, failure: Failure) -> DialError {
    let proxy_name = proxy.to_string();
    match failure {
        Failure::Broken(error) => {
            DialError::ProxyUnreachable { proxy: proxy_name, reason: error.to_string() }
        }
        Failure::Closed => DialError::NotProxy {
            proxy: proxy_name,
            reason: "it closed the connection without an answer".into(),
        },
        Failure::NotHttp(reason) => DialError::NotProxy { proxy: proxy_name, reason: reason.into() },
        // Its own way failed: RFC 9110, section 15.6.
        Failure::Status(status @ (500 | 502..=504)) => {
            DialError::ProxyFailed { proxy: proxy_name, target, reason: format!("it answered {status}") }
        }
        // A web server: it has the method not, the target not, or takes it for a path.
        Failure::Status(status @ (400 | 404 | 405 | 501)) => {
            DialError::NotProxy { proxy: proxy_name, reason: format!("it answered {status}") }
        }
        Failure::Status(status) => {
            DialError::ProxyRefused { proxy: proxy_name, target, reason: format!("it answered {status}") }
        }
        Failure::Login(refusal) => refused(proxy, refusal),
    }
}

fn refused(proxy: &Proxy, refusal: Refusal) -> DialError {
    let name = proxy.to_string();
    match refusal {
        Refusal::NoCredentials => {
            DialError::NoCredentials { example: name.replacen("://", "://NAME:PASSWORD@", 1), proxy: name }
        }
        Refusal::WrongCredentials => DialError::WrongCredentials { proxy: name },
        Refusal::NoCommonScheme(offered) if offered.is_empty() => {
            DialError::NoCommonLogin { proxy: name, offered: "it does not say which".into() }
        }
        Refusal::NoCommonScheme(offered) => DialError::NoCommonLogin { proxy: name, offered },
        Refusal::BadChallenge => {
            DialError::NotProxy { proxy: name, reason: "its sign-in can't be followed".into() }
        }
    }
}

fn said_socks(proxy: &Proxy, target: String, error: SocksError) -> DialError {
    use SocksError as E;
    let name = proxy.to_string();
    // The library's words, but as part of a sentence.
    let reason = error.to_string().to_lowercase();
    match error {
        E::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            DialError::ProxyUnreachable { proxy: name, reason: error.to_string() }
        }
        E::NoAcceptableAuthMethods | E::AuthorizationRequired if proxy.credentials.is_none() => {
            refused(proxy, Refusal::NoCredentials)
        }
        E::NoAcceptableAuthMethods => refused(proxy, Refusal::NoCommonScheme(String::new())),
        E::PasswordAuthFailure(_)
        | E::InvalidAuthValues(_)
        | E::AuthorizationRequired
        | E::IdentdAuthFailure
        | E::InvalidUserIdAuthFailure => refused(proxy, Refusal::WrongCredentials),
        E::ConnectionNotAllowedByRuleset => DialError::ProxyRefused { proxy: name, target, reason },
        E::GeneralSocksServerFailure
        | E::NetworkUnreachable
        | E::HostUnreachable
        | E::ConnectionRefused
        | E::TtlExpired
        | E::CommandNotSupported
        | E::AddressTypeNotSupported
        | E::InvalidTargetAddress(_) => DialError::ProxyFailed { proxy: name, target, reason },
        _ => DialError::NotProxy { proxy: name, reason: "its answer is not SOCKS".into() },
    }
}
