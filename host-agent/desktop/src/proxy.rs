//! Proxies: how people and systems write them, and which one this computer's settings name for a target.
//!
//! Reading is `proxy-watch`'s: GNOME's settings through GLib opened at run time, KDE's files, `WinHTTP` and the registry of
//! Windows, `SystemConfiguration` of macOS, and the rules for what goes without a proxy, which each of them writes in its
//! own way. Speaking to a proxy is not done here.

#[cfg(test)]
mod tests;

use std::fmt;

use proxy_watch::pac::{PacPolicy, PacResolver};
use proxy_watch::{Error, ProxyConfig, ProxyEndpoint, ProxyEnv, ProxyScheme, ProxyStep, Url};

/// Port of a proxy where none is written and its scheme has none of its own: the one of HTTP.
const DEFAULT_PORT: u16 = 80;

/// What is spoken to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// HTTP's CONNECT.
    Http,
    /// The same over TLS.
    Https,
    /// SOCKS4, names as in SOCKS4a.
    Socks4,
    /// SOCKS5, RFC 1928.
    Socks5,
}

/// Name and password for a proxy. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// May carry a Windows domain: `DOMAIN\name`.
    pub name: String,
    /// As it is, not percent-encoded.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// A proxy. `Debug` and `Display` show how it is reached, and no credentials.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Proxy {
    /// What is spoken to it.
    pub kind: Kind,
    /// Name or address, IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// `None` also where a name is known and its password is not.
    pub credentials: Option<Credentials>,
}

impl Proxy {
    /// Reads what a person typed: `http://NAME:PASSWORD@HOST:PORT`, `https://…` or `socks5://…`; without a scheme it is http.
    /// Name and password may be percent-encoded. The error never repeats the text: a password may be in it.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let endpoint = match ProxyEndpoint::parse(text, DEFAULT_PORT) {
            Ok(endpoint) => endpoint,
            Err(Error::UnsupportedProxyScheme(_)) => return Err(Problem::Scheme),
            Err(_) => return Err(Problem::NoProxy),
        };
        let kind = match endpoint.scheme_hint {
            None | Some(ProxyScheme::Http) => Kind::Http,
            Some(ProxyScheme::Https) => Kind::Https,
            Some(ProxyScheme::Socks4 | ProxyScheme::Socks4a) => Kind::Socks4,
            Some(ProxyScheme::Socks5 | ProxyScheme::Socks5h) => Kind::Socks5,
            Some(_) => return Err(Problem::Scheme),
        };
        Ok(Self::at(kind, &endpoint))
    }

    fn at(kind: Kind, endpoint: &ProxyEndpoint) -> Self {
        let host = match &endpoint.host {
            proxy_watch::Host::Ipv6(address) => address.to_string(),
            host => host.to_string(),
        };
        let credentials = endpoint.auth.as_ref().and_then(|auth| {
            let password = auth.password()?;
            Some(Credentials { name: auth.username().to_owned(), password: password.to_owned() })
        });
        Self { kind, host, port: endpoint.port, credentials }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, host, port, .. } = self;
        let scheme = match kind {
            Kind::Http => "http",
            Kind::Https => "https",
            Kind::Socks4 => "socks4",
            Kind::Socks5 => "socks5",
        };
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let credentials = if self.credentials.is_some() { " with credentials" } else { "" };
        write!(f, "Proxy({self}{credentials})")
    }
}

/// One way to a target; several are tried in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Without a proxy.
    Direct,
    /// Through this one.
    Proxy(Proxy),
}

/// Why settings or a text name no proxy that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A typed text.
    #[error("this is no address of a proxy; it looks like http://proxy.example:3128")]
    NoProxy,
    /// A typed text.
    #[error("a proxy begins with http://, https:// or socks5://")]
    Scheme,
    /// The settings name a script, and this system brings nothing to run it with, as Linux does not. An engine of our own is not
    /// worth it there: it would run what a network hands out, in the program that may see the screen, and weigh as much as
    /// all the rest of dialing.
    #[error("the settings name a script (PAC), which this program does not run on this system")]
    Script,
    /// Some other failure of the settings.
    #[error("{0}")]
    Settings(String),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::PacNotSupported { .. } | Error::PacFetchRequired { .. } => Self::Script,
            // The library masks credentials in its errors.
            error => Self::Settings(error.to_string()),
        }
    }
}

/// What environment or system say about proxies.
#[derive(Clone, Debug)]
pub struct Settings(ProxyConfig);

impl Settings {
    /// Of variables as `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in capitals or not; `None`: they say nothing. Saying that
    /// there is none (an empty value, or `NO_PROXY` alone) is something.
    pub fn of_environment(variables: &[(String, String)]) -> Result<Option<Self>, Problem> {
        let variables = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let environment = ProxyEnv::from_vars(variables)?;
        // A value that is no address counts too, and is complained about when it is needed: whoever set it wanted a proxy.
        let says_something = environment.is_configured() || !environment.rejected().is_empty();
        Ok(says_something.then(|| Self(environment.to_config())))
    }

    /// Of this computer, for the person at it; `None`: it has no such settings.
    ///
    /// Blocks, for seconds where a service of the system hangs.
    pub fn of_system() -> Result<Option<Self>, Problem> {
        match proxy_watch::read() {
            Ok(config) => Ok(Some(Self(config))),
            Err(Error::Unsupported) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The ways to a host (IPv6 without brackets), best first, never none.
    ///
    /// Blocks where the system runs a script for it.
    pub fn steps(&self, host: &str, port: u16) -> Result<Vec<Step>, Problem> {
        let authority =
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        // Whatever is spoken to the target, the proxy sees a stream that it can't look into, as it is for https.
        let url = Url::parse(&format!("https://{authority}/"))
            .map_err(|_| Problem::Settings("the target has no name that they could be asked for".into()))?;
        let resolver = PacResolver::new(PacPolicy::new()).with_system_native()?;
        let steps = resolver.resolve_config(&self.0, &url, None)?;
        steps
            .iter()
            .map(|step| {
                let Some(endpoint) = step.endpoint() else { return Ok(Step::Direct) };
                let kind = match step {
                    ProxyStep::Http(_) => Kind::Http,
                    ProxyStep::Https(_) => Kind::Https,
                    ProxyStep::Socks4(_) => Kind::Socks4,
                    ProxyStep::Socks5(_) => Kind::Socks5,
                    _ => return Err(Problem::Scheme),
                };
                Ok(Step::Proxy(Proxy::at(kind, endpoint)))
            })
            .collect()
    }
}
