//! What the program was started with: arguments, environment and its own file name, parsed once into types.

// The comments of the options are the text of `--help`, not Markdown.
#![allow(rustdoc::bare_urls, rustdoc::broken_intra_doc_links)]

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use nearhand_protocol::code::{Code, NamedDownload};
use nearhand_protocol::grant::{Right, Rights};
use url::{Host, Url};

use crate::dial::{Proxy, Way};

/// Shows this computer's screen to the technician who gave you a code, after asking you.
#[derive(Debug, Parser)]
#[command(name = "nearhand-host", version, max_term_width = 110)]
struct Arguments {
    /// Address of the server, as in your technician's link: https://help.example.com. Plain http:// is for this computer alone.
    #[arg(long, env = "NEARHAND_SERVER", value_name = "URL")]
    server: Option<String>,
    /// The nine digits that the technician gave you. Without them the program looks into its own file name, then asks.
    #[arg(long, env = "NEARHAND_CODE", value_name = "DIGITS", hide_env_values = true)]
    code: Option<String>,
    /// How you are asked: in this terminal, or not at all (headless, for tests only; the technician is told).
    #[arg(long, value_enum, default_value_t = UiKind::Terminal)]
    ui: UiKind,
    /// What is allowed without asking, with --ui headless only: view, control, files-in, files-out.
    #[arg(long, value_name = "RIGHTS", value_delimiter = ',')]
    grant: Vec<String>,
    /// The X server whose screen is shown.
    #[arg(long, value_name = ":N")]
    display: Option<String>,
    /// Folder for received files; default: Nearhand in your downloads.
    #[arg(long, env = "NEARHAND_DOWNLOADS", value_name = "DIR")]
    downloads: Option<PathBuf>,
    /// A file with certificates (PEM) that are trusted besides those of this system.
    #[arg(long, env = "NEARHAND_CA_CERT", value_name = "FILE")]
    ca_cert: Option<PathBuf>,
    /// Reach the technician through a relay alone, so that neither of you learns the other's address.
    #[arg(long, env = "NEARHAND_RELAY_ONLY", value_parser = clap::builder::BoolishValueParser::new())]
    relay_only: bool,
    /// The proxy: http://NAME:PASSWORD@HOST:PORT (or https://, socks5://), or none, or system: the one that HTTPS_PROXY,
    /// ALL_PROXY and NO_PROXY name, else this computer's settings. A password is safer in the variable than on this line.
    #[arg(
        long,
        env = "NEARHAND_PROXY",
        value_name = "URL",
        default_value = "system",
        hide_env_values = true
    )]
    proxy: String,
}

/// Who answers questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UiKind {
    /// The person at the terminal.
    Terminal,
    /// Nobody: the rights of `--grant` are given, for tests only.
    Headless,
}

/// What the program does.
#[derive(Debug)]
pub struct Config {
    /// Where it connects to.
    pub server: Server,
    /// The code; `None`: it is asked for.
    pub code: Option<Code>,
    /// Who answers questions.
    pub ui: UiKind,
    /// What [`UiKind::Headless`] gives.
    pub grant: Rights,
    /// The X server; `None`: `$DISPLAY`.
    pub display: Option<String>,
    /// Where received files go.
    pub downloads: PathBuf,
    /// Additional trusted certificates, PEM.
    pub ca_cert: Option<PathBuf>,
    /// Whether only relays are used.
    pub relay_only: bool,
    /// The way out of this network.
    pub way: Way,
}

/// Why the program can't start as asked: everything that is wrong, together.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Problems(pub Vec<String>);

/// Why the program does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Unknown options, or help and version, which are wanted.
    #[error(transparent)]
    Arguments(#[from] clap::Error),
    /// Options that make no sense together, or values that are no such thing.
    #[error(transparent)]
    Problems(#[from] Problems),
}

impl Config {
    /// Reads the arguments (the first is the program's own name, which may carry code and server) and the environment.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, StartError> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let own_name = arguments.first().map(Path::new).and_then(Path::file_name).map(|name| {
            // A name that is no UTF-8 carries no code either.
            name.to_string_lossy().into_owned()
        });
        let named = own_name.as_deref().and_then(NamedDownload::from_file_name);
        Ok(Self::from(Arguments::try_parse_from(arguments)?, named)?)
    }

    fn from(arguments: Arguments, named: Option<NamedDownload>) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let mut note = |problem: String| problems.push(problem);

        let named_server =
            named.as_ref().and_then(|named| named.server.clone()).map(|(host, port)| match port {
                // Only https: what a file's name says is no reason to go without it.
                Some(port) => format!("https://{host}:{port}"),
                None => format!("https://{host}"),
            });
        let server = match arguments.server.or(named_server).as_deref().map(Server::parse) {
            Some(Ok(server)) => Some(server),
            Some(Err(error)) => {
                note(format!("--server: {error}"));
                None
            }
            None => {
                note("--server (or NEARHAND_SERVER) is missing: give the address from your technician's link, for example --server https://help.example.com".into());
                None
            }
        };
        let code = match arguments.code.as_deref().map(str::parse::<Code>) {
            Some(Ok(code)) => Some(code),
            Some(Err(error)) => {
                note(format!(
                    "--code (or NEARHAND_CODE): {error}; type the nine digits that your technician gave you"
                ));
                None
            }
            None => named.map(|named| named.code),
        };
        let headless = arguments.ui == UiKind::Headless;
        let mut grant = Rights::NONE;
        for name in &arguments.grant {
            match name.trim().parse::<Right>() {
                Ok(right) => grant = grant.with(right),
                Err(error) => note(format!("--grant {name}: {error}")),
            }
        }
        if !headless && !arguments.grant.is_empty() {
            note("--grant works with --ui headless only, which is for tests: at a terminal the person there is asked".into());
        }
        if grant.has(Right::Control) && !grant.has(Right::View) {
            note("--grant control needs view as well: nobody controls what they can't see".into());
        }
        if headless && code.is_none() && arguments.code.is_none() {
            note("--ui headless needs --code (or NEARHAND_CODE): there is nobody to ask for it".into());
        }
        let downloads = arguments.downloads.or_else(default_downloads);
        if downloads.is_none() {
            note("--downloads (or NEARHAND_DOWNLOADS) is missing: this user has no home folder, so say where received files go".into());
        }
        if let Some(file) = arguments.ca_cert.as_ref().filter(|file| !file.is_file()) {
            note(format!("--ca-cert: there is no file {}", file.display()));
        }
        let way = match arguments.proxy.trim() {
            "none" => Some(Way::Direct),
            "system" => Some(Way::Settings { environment: proxy_variables(std::env::vars_os()) }),
            typed => match Proxy::parse(typed) {
                Ok(proxy) => Some(Way::Proxy(proxy)),
                // The text stays out of it: a password may be in it.
                Err(problem) => {
                    note(format!("--proxy (or NEARHAND_PROXY): {problem}, or none, or system"));
                    None
                }
            },
        };
        match (server, downloads, way) {
            (Some(server), Some(downloads), Some(way)) if problems.is_empty() => Ok(Self {
                server,
                code,
                ui: arguments.ui,
                grant,
                display: arguments.display,
                downloads,
                ca_cert: arguments.ca_cert,
                relay_only: arguments.relay_only,
                way,
            }),
            _ => Err(Problems(problems)),
        }
    }
}

/// The variables that tell about proxies.
fn proxy_variables(all: impl Iterator<Item = (OsString, OsString)>) -> Vec<(String, String)> {
    all.filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        // Under CGI a request can set HTTP_PROXY, so the one who reads them must know.
        let tells = name.to_ascii_lowercase().ends_with("_proxy") || name == "REQUEST_METHOD";
        tells.then(|| (name, value.to_string_lossy().into_owned()))
    })
    .collect()
}

fn default_downloads() -> Option<PathBuf> {
    dirs::download_dir().or_else(|| Some(dirs::home_dir()?.join("Downloads"))).map(|dir| dir.join("Nearhand"))
}

/// The address of a server: https, or http on this machine alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server(Url);

/// Why a text is no server's address.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// Not an address at all.
    #[error("{0:?} is no address of a server; it looks like https://help.example.com")]
    NoAddress(String),
    /// Neither https nor http.
    #[error("{0}:// is not understood; the address begins with https://")]
    Scheme(String),
    /// http over the network.
    #[error("http:// to {0} would let everybody on the way listen and change the connection; use https://")]
    NotPrivate(String),
}

impl Server {
    /// Reads what a person typed; without a scheme it is https.
    pub fn parse(text: &str) -> Result<Self, ServerError> {
        let text = text.trim();
        let no_address = || ServerError::NoAddress(text.chars().take(100).collect());
        let with_scheme = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let mut url = Url::parse(&with_scheme).map_err(|_| no_address())?;
        let Some(host) = url.host() else { return Err(no_address()) };
        let here = match host {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        match url.scheme() {
            "https" => {}
            "http" if here => {}
            "http" => return Err(ServerError::NotPrivate(host.to_string())),
            other => return Err(ServerError::Scheme(other.to_owned())),
        }
        // People paste the whole link; its fragment is the code, which must not travel.
        url.set_fragment(None);
        url.set_query(None);
        url.set_path("/");
        let _ = url.set_username("");
        let _ = url.set_password(None);
        Ok(Self(url))
    }

    /// Whether TLS is used.
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The host's name or address, without brackets.
    pub fn host(&self) -> String {
        match self.0.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
            None => String::new(),
        }
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(443)
    }

    /// Where the WebSocket of a host is.
    pub fn websocket(&self) -> String {
        let mut url = self.0.clone();
        // Allowed by the URL standard: both are special schemes.
        let _ = url.set_scheme(if self.is_encrypted() { "wss" } else { "ws" });
        url.set_path("/ws/host");
        url.to_string()
    }
}

impl fmt::Display for Server {
    /// As an origin: `https://help.example.com`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Config, StartError> {
        Config::parse(line.split_whitespace().map(OsString::from))
    }

    fn problems(line: &str) -> Vec<String> {
        match parse(line) {
            Err(StartError::Problems(problems)) => problems.0,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_usual_lines() {
        let config =
            parse("nearhand-host --server https://h.example --code 482913705 --downloads /d").unwrap();
        assert_eq!(config.server.to_string(), "https://h.example");
        assert_eq!(config.server.websocket(), "wss://h.example/ws/host");
        assert_eq!(config.code, Some("482913705".parse().unwrap()));
        assert_eq!((config.ui, config.grant), (UiKind::Terminal, Rights::NONE));
        let config = parse(
            "x --server http://127.0.0.1:8080 --code 1-2-3-4-5-6-7-8-9 --ui headless --grant view,control",
        )
        .unwrap();
        assert_eq!(config.grant, Rights::only(Right::View).with(Right::Control));
        assert_eq!(config.server.websocket(), "ws://127.0.0.1:8080/ws/host");
        assert_eq!(config.server.port(), 8080);
    }

    #[test]
    fn the_programs_own_name_carries_code_and_server() {
        let config = parse("/d/nearhand-host-482913705@help.example.com_8443 --downloads /d").unwrap();
        assert_eq!(config.server.to_string(), "https://help.example.com:8443");
        assert_eq!(config.code, Some("482913705".parse().unwrap()));
        let config = parse(
            "nearhand-host-482913705@evil.example --server https://h.example --code 111222333 --downloads /d",
        )
        .unwrap();
        assert_eq!(config.server.to_string(), "https://h.example", "what was typed counts");
        assert_eq!(config.code, Some("111222333".parse().unwrap()));
        assert!(parse("nearhand-host --server h.example --downloads /d").unwrap().code.is_none());
    }

    #[test]
    fn all_problems_are_said_together() {
        let all =
            problems("x --server http://h.example --code 12 --grant view,fly --ca-cert /none --downloads /d");
        assert_eq!(all.len(), 5, "{all:?}");
        for (line, word) in [
            ("x --code 482913705 --downloads /d", "--server"),
            ("x --server https://h --ui headless --downloads /d", "--code"),
            ("x --server https://h --code 482913705 --ui headless --grant control --downloads /d", "view"),
        ] {
            let all = problems(line);
            assert!(all.len() == 1 && all[0].contains(word), "{line}: {all:?}");
        }
        assert!(matches!(parse("x --nonsense"), Err(StartError::Arguments(_))));
    }

    #[test]
    fn the_proxy() {
        let way =
            |proxy: &str| parse(&format!("x --server https://h --downloads /d --proxy {proxy}")).unwrap().way;
        assert!(matches!(way("none"), Way::Direct));
        assert!(matches!(way("system"), Way::Settings { .. }));
        assert!(matches!(parse("x --server https://h --downloads /d").unwrap().way, Way::Settings { .. }));
        let Way::Proxy(proxy) = way("http://me:geheim@proxy:3128") else { panic!("no proxy") };
        assert_eq!(proxy.to_string(), "http://proxy:3128");
        for wrong in ["ftp://me:geheim@h", "http://me:geheim@", "http://me:geheim@h:99999"] {
            let all = problems(&format!("x --server https://h --downloads /d --proxy {wrong}"));
            assert!(all.len() == 1 && all[0].contains("--proxy") && !all[0].contains("geheim"), "{all:?}");
        }
        let config = parse("x --server https://h --downloads /d --proxy http://me:geheim@proxy").unwrap();
        assert!(!format!("{config:?}").contains("geheim"));
        let variables = [("HTTPS_PROXY", "a"), ("no_proxy", "b"), ("PATH", "c"), ("REQUEST_METHOD", "d")];
        let kept = proxy_variables(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        assert_eq!(kept.iter().map(|(_, value)| value.as_str()).collect::<String>(), "abd");
    }

    #[test]
    fn addresses() {
        for (text, origin) in [
            ("help.example.com", "https://help.example.com"),
            (" https://Help.Example.com/#482913705 ", "https://help.example.com"),
            ("https://u:p@h.example:8443/x?y", "https://h.example:8443"),
            ("http://localhost:1", "http://localhost:1"),
            ("http://[::1]:8080/", "http://[::1]:8080"),
        ] {
            assert_eq!(Server::parse(text).unwrap().to_string(), origin, "{text}");
        }
        for text in [
            "",
            "https://",
            "ftp://h",
            "http://h.example",
            "http://localhost.evil.example",
            "http://10.0.0.1",
            "a b",
        ] {
            assert!(Server::parse(text).is_err(), "{text}");
        }
        assert_eq!(Server::parse("http://[::1]:8080/").unwrap().host(), "::1");
    }
}
