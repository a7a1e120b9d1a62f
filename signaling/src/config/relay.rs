//! The options of the built-in relay, and of others that share its secret.

// The comments of the options are the text of `--help`, not Markdown.
#![allow(rustdoc::bare_urls, rustdoc::broken_intra_doc_links)]

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use clap::{Args, ValueEnum};
use ipnet::IpNet;

/// The port of TURN (RFC 8656, 19).
const TURN_PORT: u16 = 3478;

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "each says its own name")]
pub enum Switch {
    On,
    Off,
}

/// What can be said about the relay on the command line.
#[derive(Clone, Debug, Args)]
pub struct RelayOptions {
    /// The built-in relay (TURN), for ends that can't reach each other directly: on the server's own port, and by UDP and
    /// TCP on --relay-listen.
    #[arg(
        long,
        env = "NEARHAND_RELAY",
        value_name = "on|off",
        default_value = "on",
        hide_possible_values = true
    )]
    pub relay: Switch,

    /// Where the relay listens for UDP and TCP; off: on the server's own port only. Default: port 3478 at the address of
    /// --listen, if it is free, or any port where that has port 0.
    #[arg(long, env = "NEARHAND_RELAY_LISTEN", value_name = "ADDRESS:PORT")]
    pub relay_listen: Option<String>,

    /// Address from which the relay sends to peers, one for each family: several times, or as a list with commas. Default:
    /// where it listens; if that is any address, those of the default routes.
    #[arg(long = "relay-address", env = "NEARHAND_RELAY_ADDRESS", value_name = "IP", value_delimiter = ',')]
    pub relay_addresses: Vec<String>,

    /// The address that the world sees instead of the relay's own, behind a NAT that passes all of --relay-ports on
    /// unchanged; one for each family.
    #[arg(
        long = "relay-external",
        env = "NEARHAND_RELAY_EXTERNAL",
        value_name = "IP",
        value_delimiter = ','
    )]
    pub relay_external: Vec<String>,

    /// UDP ports from which the relay sends to peers.
    #[arg(long, env = "NEARHAND_RELAY_PORTS", value_name = "FIRST-LAST", default_value = "49152-65535")]
    pub relay_ports: String,

    /// Name or address by which both ends reach the relay. Default: that of --public-url, else of --listen.
    #[arg(long, env = "NEARHAND_RELAY_HOST", value_name = "NAME")]
    pub relay_host: Option<String>,

    /// Lets the relay send to ends of a session at these addresses, which it refuses otherwise: private, loopback,
    /// link-local and the like, and the server's own. For a server inside of a company. Can be given several times, or as
    /// a list with commas.
    #[arg(long = "relay-allow", env = "NEARHAND_RELAY_ALLOW", value_name = "CIDR", value_delimiter = ',')]
    pub relay_allow: Vec<String>,

    /// Bytes that the relay carries each second for one session, both directions together; 0: no limit.
    #[arg(long, env = "NEARHAND_RELAY_BANDWIDTH", value_name = "BYTES", default_value = "12500000")]
    pub relay_bandwidth: String,

    /// Most allocations of one session. A browser takes one for each network, relay address and transport.
    #[arg(long, env = "NEARHAND_RELAY_ALLOCATIONS", value_name = "NUMBER", default_value = "32")]
    pub relay_allocations: String,

    /// The secret behind the credentials of each session, as a file or (better by its environment variable) itself: coturn
    /// calls it static-auth-secret. Default: one that follows from the server's key.
    #[arg(long, env = "NEARHAND_TURN_SECRET", value_name = "FILE", hide_env_values = true)]
    pub turn_secret: Option<String>,

    /// A TURN server that has the same --turn-secret, for both ends besides the built-in relay:
    /// turn:HOST[:PORT][?transport=udp|tcp] or turns:HOST[:PORT]. Can be given several times, or as a list with commas.
    #[arg(long = "turn-server", env = "NEARHAND_TURN_SERVERS", value_name = "URL", value_delimiter = ',')]
    pub turn_servers: Vec<String>,
}

/// How the built-in relay works.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// For UDP and TCP.
    pub listen: RelayListen,
    /// From where it sends; empty: from where it listens.
    pub addresses: Vec<IpAddr>,
    /// What the world sees instead.
    pub external: Vec<IpAddr>,
    /// The ports from which it sends.
    pub ports: RangeInclusive<u16>,
    /// What the ends call it.
    pub host: Option<String>,
    /// Ranges that are not forbidden.
    pub allow: Vec<IpNet>,
    /// Bytes each second for one session.
    pub bandwidth: Option<u64>,
    /// Most allocations of one session.
    pub allocations: usize,
}

/// Where the relay listens for UDP and TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayListen {
    /// Nowhere.
    Off,
    /// There, or the server does not start.
    At(SocketAddr),
    /// There if nobody else does.
    Perhaps(SocketAddr),
}

/// The secret and the servers that share it.
#[derive(Clone, Debug, Default)]
pub struct TurnConfig {
    /// Shared with others; `None`: the server's own.
    pub secret: Option<SharedSecret>,
    /// Addresses as `RTCIceServer` has them.
    pub servers: Vec<String>,
}

/// Prints itself as `…`.
#[derive(Clone)]
pub struct SharedSecret(pub zeroize::Zeroizing<String>);

impl std::fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedSecret(…)")
    }
}

/// The built-in relay, if it is on.
pub(super) fn relay(
    options: &RelayOptions,
    server: SocketAddr,
    problems: &mut Vec<String>,
) -> Option<RelayConfig> {
    let config = RelayConfig {
        listen: listen(options.relay_listen.as_deref(), server, problems),
        addresses: one_each("--relay-address", &options.relay_addresses, problems),
        external: one_each("--relay-external", &options.relay_external, problems),
        ports: ports(&options.relay_ports, problems),
        host: host(options.relay_host.as_deref(), problems),
        allow: ranges(&options.relay_allow, problems),
        bandwidth: number("--relay-bandwidth", &options.relay_bandwidth, 0..=u64::MAX, problems)
            .filter(|rate| *rate > 0),
        allocations: number("--relay-allocations", &options.relay_allocations, 1..=1024, problems)
            .unwrap_or_default() as usize,
    };
    (options.relay == Switch::On).then_some(config)
}

/// The secret, and who shares it.
pub(super) fn turn(options: &RelayOptions, problems: &mut Vec<String>) -> TurnConfig {
    let secret = options.turn_secret.as_deref().filter(|text| !text.is_empty()).and_then(|text| {
        let read = if std::path::Path::new(text).is_file() {
            std::fs::read_to_string(text).map_err(|error| format!("--turn-secret {text}: {error}"))
        } else if text.contains('/') {
            Err(format!("--turn-secret {text}: there is no such file"))
        } else {
            Ok(text.to_owned())
        };
        match read.map(|text| text.trim().to_owned()) {
            Ok(text) if text.len() < 16 => {
                problems.push(
                    "--turn-secret: at least 16 characters; openssl rand -hex 32 makes a good one".into(),
                );
                None
            }
            Ok(text) => Some(SharedSecret(text.into())),
            Err(problem) => {
                problems.push(problem);
                None
            }
        }
    });
    let given = options.turn_servers.iter().map(|url| url.trim()).filter(|url| !url.is_empty());
    let servers: Vec<_> = given.map(str::to_owned).collect();
    for url in &servers {
        let sound = url.strip_prefix("turn:").or_else(|| url.strip_prefix("turns:")).is_some_and(|rest| {
            !rest.is_empty()
                && !rest.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '@'))
        });
        if !sound {
            problems.push(format!(
                "--turn-server {url:?}: write turn:HOST[:PORT][?transport=tcp] or turns:HOST[:PORT]; one with a user of its \
                 own is an --ice-server"
            ));
        }
    }
    if !servers.is_empty() && options.turn_secret.is_none() {
        problems.push(
            "--turn-server needs --turn-secret, the secret that the other server has as well (static-auth-secret)".into(),
        );
    }
    TurnConfig { secret, servers }
}

fn listen(text: Option<&str>, server: SocketAddr, problems: &mut Vec<String>) -> RelayListen {
    match text {
        // Whoever takes any port for the server wants to be in nobody's way.
        None if server.port() == 0 => RelayListen::At(server),
        None => RelayListen::Perhaps(SocketAddr::new(server.ip(), TURN_PORT)),
        Some("off") => RelayListen::Off,
        Some(text) => text.parse().map_or_else(
            |_| {
                problems.push(format!(
                    "--relay-listen {text:?} is no address and port; write for example 0.0.0.0:3478, or off"
                ));
                RelayListen::Off
            },
            RelayListen::At,
        ),
    }
}

fn one_each(option: &str, texts: &[String], problems: &mut Vec<String>) -> Vec<IpAddr> {
    let addresses = texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).filter_map(|text| {
        let address = text.parse::<IpAddr>().ok().filter(|address| !address.is_unspecified());
        if address.is_none() {
            problems
                .push(format!("{option} {text:?} is no address of a machine; write for example 203.0.113.7"));
        }
        address
    });
    let addresses: Vec<_> = addresses.collect();
    if [true, false].iter().any(|v4| addresses.iter().filter(|address| address.is_ipv4() == *v4).count() > 1)
    {
        problems.push(format!("{option}: one address for IPv4 and one for IPv6, no more"));
    }
    addresses
}

fn ports(text: &str, problems: &mut Vec<String>) -> RangeInclusive<u16> {
    let parsed = text.split_once('-').and_then(|(first, last)| {
        let (first, last) = (first.trim().parse::<u16>().ok()?, last.trim().parse::<u16>().ok()?);
        (first > 0 && first <= last).then_some(first..=last)
    });
    parsed.unwrap_or_else(|| {
        problems.push(format!("--relay-ports {text:?}: write the first and the last port, like 49152-65535"));
        49152..=65535
    })
}

fn host(text: Option<&str>, problems: &mut Vec<String>) -> Option<String> {
    let text = text?.trim();
    let sound = url::Host::parse(text).is_ok() || text.parse::<IpAddr>().is_ok();
    if !sound {
        problems.push(format!(
            "--relay-host {text:?} is no name and no address; write for example help.example.com"
        ));
    }
    Some(text.to_owned())
}

fn ranges(texts: &[String], problems: &mut Vec<String>) -> Vec<IpNet> {
    let texts = texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty());
    texts
        .filter_map(|text| {
            let range = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
            if range.is_none() {
                problems.push(format!(
                    "--relay-allow {text:?} is no range of addresses; write for example 10.0.0.0/8"
                ));
            }
            range
        })
        .collect()
}

fn number(option: &str, text: &str, range: RangeInclusive<u64>, problems: &mut Vec<String>) -> Option<u64> {
    let number = text.trim().parse().ok().filter(|number| range.contains(number));
    if number.is_none() {
        let (least, most) = range.into_inner();
        let most = if most == u64::MAX { String::new() } else { format!(" to {most}") };
        problems.push(format!("{option} {text:?}: write a number from {least}{most}"));
    }
    number
}
