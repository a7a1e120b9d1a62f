//! What the operator asks for: options and environment variables become one typed [`Config`], or a list of everything
//! that is wrong with them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use nearhand_protocol::signal::{IceServer, MAX_NAME, Technician};
use tracing_subscriber::EnvFilter;
use url::{Host, Url};

use crate::account::OperatorToken;

mod certificates;
mod options;
mod relay;
#[cfg(test)]
mod tests;

pub use certificates::{AcmeOptions, TlsFiles, TlsSource};
pub use options::Options;
pub use relay::{RelayConfig, RelayListen, RelayOptions, SharedSecret, Switch, TurnConfig};

/// How long a session may last.
pub const LONGEST_SESSION: Duration = Duration::from_hours(24);

/// Everything that the server needs to know. Unsafe combinations can't be expressed: [`Config::from_options`] refuses
/// them.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// What browsers call this server; `None`: what it listens on.
    pub public_url: Option<Url>,
    /// What the technician signs in with.
    pub token: OperatorToken,
    /// Who helps, as the customer is told.
    pub technician: Technician,
    /// Another origin that serves the session tab; `None`: this server does.
    pub viewer_origin: Option<Url>,
    /// Where certificate and key come from; `None`: plain HTTP.
    pub tls: Option<TlsSource>,
    /// A proxy in front of the server ends TLS, and says in `X-Forwarded-For` who is asking.
    pub behind_proxy: bool,
    /// Where the server's key lies; `None`: it is forgotten at the end.
    pub state: Option<PathBuf>,
    /// Where the host programs lie.
    pub downloads: Option<PathBuf>,
    /// How long a code can be used.
    pub code_lifetime: Duration,
    /// How long an end that dropped out may stay away.
    pub grace: Duration,
    /// What both ends are told for their way around firewalls.
    pub ice_servers: Vec<IceServer>,
    /// The built-in relay; `None`: there is none.
    pub relay: Option<RelayConfig>,
    /// The secret of all relays, and the other ones that share it.
    pub turn: TurnConfig,
    /// Where numbers about the server can be read; `None`: nowhere.
    pub metrics: Option<SocketAddr>,
}

/// Everything that is wrong with the options.
#[derive(Debug, thiserror::Error)]
pub struct Problems(pub Vec<String>);

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the server can't start like this:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

impl Config {
    /// Reads all options and reports all problems at once.
    pub fn from_options(options: Options) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let url_was_given = options.public_url.is_some();
        let tls = certificates::source(&options, &mut problems);
        let listen = address("--listen", &options.listen, &mut problems);
        let config = Self {
            relay: relay::relay(&options.relay, listen, &mut problems),
            turn: relay::turn(&options.relay, &mut problems),
            metrics: options.metrics.map(|text| address("--metrics", &text, &mut problems)),
            listen,
            public_url: match (options.public_url, &tls) {
                (Some(url), _) => origin("--public-url", &url, &mut problems),
                // Reached under the first name, by the port that the authority looks at.
                (None, Some(TlsSource::Acme(acme))) => {
                    Url::parse(&format!("https://{}", acme.domains[0])).ok()
                }
                (None, _) => None,
            },
            viewer_origin: options
                .viewer_origin
                .and_then(|url| origin("--viewer-origin", &url, &mut problems)),
            token: token(options.technician_token.as_deref(), &mut problems),
            technician: Technician {
                name: name("--technician-name", options.technician_name, &mut problems),
                organisation: name("--organisation", options.organisation, &mut problems),
            },
            tls,
            behind_proxy: options.behind_proxy,
            state: options.state,
            downloads: options.downloads,
            code_lifetime: seconds("--code-lifetime", &options.code_lifetime, 30..=86_400, &mut problems),
            grace: seconds("--grace", &options.grace, 1..=3_600, &mut problems),
            ice_servers: ice_servers(options.ice_servers, &mut problems),
        };
        config.check_together(url_was_given, &mut problems);
        if let Err(error) = EnvFilter::try_new(&options.log) {
            problems
                .push(format!("NEARHAND_LOG: {error}; write for example info, or nearhand_signaling=debug"));
        }
        if problems.is_empty() { Ok(config) } else { Err(Problems(problems)) }
    }

    /// Whether what browsers call this server is https.
    pub fn is_https(&self) -> bool {
        self.public_url.as_ref().map_or(self.tls.is_some(), |url| url.scheme() == "https")
    }

    fn check_together(&self, url_was_given: bool, problems: &mut Vec<String>) {
        self.check_names(problems);
        let loopback = self.listen.ip().is_loopback();
        if !loopback && self.tls.is_none() && !self.behind_proxy {
            problems.push(format!(
                "--listen {}: plain HTTP would let anybody on the way read codes and take sessions over; set --tls-acme, or \
                 --tls-cert and --tls-key, or for a trial --tls-self-signed, or listen on 127.0.0.1, or set --behind-proxy if \
                 a proxy in front of it ends TLS",
                self.listen
            ));
        }
        if self.tls.is_some() && self.behind_proxy {
            problems.push(
                "--tls-… and --behind-proxy: either this server ends TLS or the proxy does; drop one of them"
                    .into(),
            );
        }
        match &self.public_url {
            // What was given and could not be read has been reported.
            None if url_was_given => {}
            None if self.behind_proxy => {
                problems.push("--behind-proxy: set --public-url to the address that browsers use".into());
            }
            None if self.listen.ip().is_unspecified() => problems.push(format!(
                "--listen {}: set --public-url to the address that browsers use, for example https://help.example.com",
                self.listen
            )),
            Some(url) if url.scheme() == "http" && !is_loopback(url) => problems.push(format!(
                "--public-url {url}: browsers share no screen over plain HTTP, and it would be read on the way; \
                 make it https"
            )),
            Some(url) if url.scheme() == "http" && self.tls.is_some() => {
                problems.push(format!("--public-url {url}: this server speaks TLS, so it must be https"));
            }
            Some(url) if url.scheme() == "https" && self.tls.is_none() && !self.behind_proxy => {
                problems.push(format!(
                    "--public-url {url}: nobody ends TLS; set --tls-acme, or --tls-cert and --tls-key, or --behind-proxy"
                ));
            }
            _ => {}
        }
    }
}

impl Config {
    /// Names that must fit to each other.
    fn check_names(&self, problems: &mut Vec<String>) {
        if let (Some(TlsSource::Acme(acme)), Some(host)) =
            (&self.tls, self.public_url.as_ref().and_then(Url::host_str))
            && !acme.domains.iter().any(|domain| domain == host)
        {
            problems.push(format!(
                "--public-url has the name {host}, for which no certificate would be got; add --tls-acme {host}"
            ));
        }
        if let Some(viewer) = &self.viewer_origin {
            if viewer.scheme() == "http" && !is_loopback(viewer) {
                problems.push(format!(
                    "--viewer-origin {viewer}: what comes over plain HTTP can be changed on the way; make it https"
                ));
            }
            let scheme = if self.tls.is_some() { "https" } else { "http" };
            let listening = || Url::parse(&format!("{scheme}://{}", self.listen)).ok();
            let own = self.public_url.clone().or_else(listening);
            if own.is_some_and(|own| own.origin() == viewer.origin()) {
                problems.push(format!(
                    "--viewer-origin {viewer} is this server's own: name another one, or drop the option"
                ));
            }
        }
    }
}

fn address(option: &str, text: &str, problems: &mut Vec<String>) -> SocketAddr {
    text.parse().unwrap_or_else(|_| {
        problems.push(format!(
            "{option} {text:?} is no address and port; write for example 127.0.0.1:8080 or [::]:443"
        ));
        ([127, 0, 0, 1], 8080).into()
    })
}

/// A scheme, a name and perhaps a port.
fn origin(option: &str, text: &str, problems: &mut Vec<String>) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.path() == "/"
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    if url.is_none() {
        problems.push(format!(
            "{option} {text:?}: write a scheme, a name and perhaps a port, without a path: https://help.example.com"
        ));
    }
    url
}

/// The token itself is not repeated: what is printed ends up in logs.
fn token(text: Option<&str>, problems: &mut Vec<String>) -> OperatorToken {
    let parsed = match text {
        None | Some("") => {
            problems.push(
                "--technician-token is missing: technicians sign in with it; openssl rand -hex 16 makes a good one, \
                 and NEARHAND_TECHNICIAN_TOKEN keeps it out of the list of processes"
                    .into(),
            );
            None
        }
        Some(text) => match text.parse() {
            Ok(token) => Some(token),
            Err(error) => {
                problems.push(format!("--technician-token: {error}"));
                None
            }
        },
    };
    // Never used: with a problem there is no configuration.
    parsed.unwrap_or_else(OperatorToken::placeholder)
}

fn name(option: &str, text: Option<String>, problems: &mut Vec<String>) -> String {
    let text = text.unwrap_or_default().trim().to_owned();
    if text.len() > MAX_NAME {
        problems.push(format!("{option} is longer than {MAX_NAME} bytes"));
    }
    if text.chars().any(char::is_control) {
        problems.push(format!("{option} has a line break or another control character in it"));
    }
    text
}

fn seconds(
    option: &str,
    text: &str,
    range: std::ops::RangeInclusive<u64>,
    problems: &mut Vec<String>,
) -> Duration {
    let seconds = text.parse().ok().filter(|seconds| range.contains(seconds));
    if seconds.is_none() {
        let (least, most) = range.into_inner();
        problems.push(format!("{option} {text:?}: write a number of seconds from {least} to {most}"));
    }
    Duration::from_secs(seconds.unwrap_or_default())
}

fn ice_servers(urls: Vec<String>, problems: &mut Vec<String>) -> Vec<IceServer> {
    let urls = urls.into_iter().map(|url| url.trim().to_owned()).filter(|url| !url.is_empty());
    urls.filter_map(|url| {
        let server = ice_server(&url);
        if server.is_none() {
            problems.push(format!(
                "--ice-server {url:?}: write stun:HOST[:PORT], or turn:USER:PASSWORD@HOST[:PORT][?transport=tcp]"
            ));
        }
        server
    })
    .collect()
}

/// `stun:host:port`, or `turn:user:password@host:port`: browsers want the user apart.
fn ice_server(text: &str) -> Option<IceServer> {
    let (scheme, rest) = text.split_once(':')?;
    let sound = |text: &str| {
        !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/')
    };
    match (scheme, rest.rsplit_once('@')) {
        ("stun" | "stuns", None) if sound(rest) => {
            Some(IceServer { urls: vec![text.to_owned()], username: None, credential: None })
        }
        ("turn" | "turns", Some((user, host))) if sound(host) => {
            let (username, credential) = user.split_once(':')?;
            Some(IceServer {
                urls: vec![format!("{scheme}:{host}")],
                username: Some(username.to_owned()),
                credential: Some(credential.to_owned()),
            })
        }
        _ => None,
    }
}

/// Whether the host of this address is this machine, as browsers see it.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
