//! The command line, which is the manual.

// The comments of the options are the text of `--help`, not Markdown.
#![allow(rustdoc::bare_urls, rustdoc::broken_intra_doc_links)]

use std::path::PathBuf;

use clap::Parser;

use super::RelayOptions;

/// The Nearhand server: pages, pairing by code, and the relay of what two ends need to find each other.
///
/// It never sees a screen, a key press, a file or a chat line: those go from browser to host directly, encrypted.
#[derive(Clone, Debug, Parser)]
#[command(name = "nearhand", version, after_long_help = EXAMPLES)]
pub struct Options {
    /// Address and port to listen on; port 0 takes any free one, and the line on stdout says which.
    #[arg(long, env = "NEARHAND_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub listen: String,

    /// The origin that browsers use, for example https://help.example.com. Requests from pages of any other origin are
    /// refused. Default: what the server listens on.
    #[arg(long, env = "NEARHAND_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,

    /// What technicians sign in with: at least 16 characters. Required. Better set by its environment variable, since
    /// everybody on the machine can read the command lines of processes. A new token signs everybody out.
    #[arg(long, env = "NEARHAND_TECHNICIAN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub technician_token: Option<String>,

    /// The technician's name, as the customer is told it.
    #[arg(long, env = "NEARHAND_TECHNICIAN_NAME", value_name = "NAME", default_value = "Technician")]
    pub technician_name: Option<String>,

    /// Whom the technician works for, as the customer is told it.
    #[arg(long, env = "NEARHAND_ORGANISATION", value_name = "NAME")]
    pub organisation: Option<String>,

    /// Another origin that serves the technician's session tab, for example https://viewer.example.com, from the files that
    /// each release has for it: then this server's word is not needed for what runs in that tab (SECURITY.md). The desk
    /// opens sessions there, and signs it in by a ticket that works once, within a minute.
    #[arg(long, env = "NEARHAND_VIEWER_ORIGIN", value_name = "URL")]
    pub viewer_origin: Option<String>,

    /// Certificate chain in PEM form, the server's own first. Read again whenever it or its key changes.
    #[arg(long, env = "NEARHAND_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's private key in PEM form, readable by the server's user only (chmod 600).
    #[arg(long, env = "NEARHAND_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Get a certificate for this name, and renew it in time, from a certificate authority that speaks ACME; its terms of
    /// service are agreed to. Can be given several times, or as a list with commas. Port 443 of the name must lead here,
    /// and --state keeps what was got. Until the first certificate is there no connection is taken.
    #[arg(long = "tls-acme", env = "NEARHAND_TLS_ACME", value_name = "DOMAIN", value_delimiter = ',')]
    pub tls_acme: Vec<String>,

    /// A mail address that the authority may write to about the certificate. Can be given several times.
    #[arg(
        long = "tls-acme-contact",
        env = "NEARHAND_TLS_ACME_CONTACT",
        value_name = "MAIL",
        value_delimiter = ','
    )]
    pub tls_acme_contacts: Vec<String>,

    /// The authority's directory. Default: Let's Encrypt, https://acme-v02.api.letsencrypt.org/directory. For trials, where
    /// it may be asked often: https://acme-staging-v02.api.letsencrypt.org/directory
    #[arg(long, env = "NEARHAND_TLS_ACME_DIRECTORY", value_name = "URL")]
    pub tls_acme_directory: Option<String>,

    /// Certificates in PEM form that the authority's own HTTPS is checked with, for one inside of a company. Default: the
    /// system's store.
    #[arg(long, env = "NEARHAND_TLS_ACME_CA", value_name = "FILE")]
    pub tls_acme_ca: Option<PathBuf>,

    /// For trial: a certificate that the server makes for itself, for this name or address (several with commas) and those
    /// that it has anyway. No browser and no host believes it by itself: its SHA-256 is logged, to compare. With --state it
    /// stays the same, and lies there as self-signed.crt, to import (nearhand-host --ca-cert).
    #[arg(
        long,
        env = "NEARHAND_TLS_SELF_SIGNED",
        value_name = "NAME",
        num_args = 0..=1,
        default_missing_value = ""
    )]
    pub tls_self_signed: Option<String>,

    /// A proxy in front of this server ends TLS: plain HTTP is accepted on any address, and the last address in
    /// X-Forwarded-For is believed to be who asks. Nobody but the proxy may reach the port.
    #[arg(long, env = "NEARHAND_BEHIND_PROXY", value_parser = clap::builder::FalseyValueParser::new())]
    pub behind_proxy: bool,

    /// Folder for the server's key and the certificates that it gets (made if missing). With it sign-ins and sessions
    /// survive a restart.
    #[arg(long, env = "NEARHAND_STATE", value_name = "DIR")]
    pub state: Option<PathBuf>,

    /// Folder with the host programs that customers download, named nearhand-host-SYSTEM-ARCH[.exe].
    #[arg(long, env = "NEARHAND_DOWNLOADS", value_name = "DIR")]
    pub downloads: Option<PathBuf>,

    /// Seconds for which a code can be used, once.
    #[arg(long, env = "NEARHAND_CODE_LIFETIME", value_name = "SECONDS", default_value = "600")]
    pub code_lifetime: String,

    /// Seconds for which an end that dropped out can come back before the session ends.
    #[arg(long, env = "NEARHAND_GRACE", value_name = "SECONDS", default_value = "60")]
    pub grace: String,

    /// A STUN or TURN server for both ends: stun:HOST[:PORT] or turn:USER:PASSWORD@HOST[:PORT][?transport=tcp]. Can be
    /// given several times, or as a list with commas. Both ends get them besides the built-in relay.
    #[arg(
        long = "ice-server",
        env = "NEARHAND_ICE_SERVERS",
        value_name = "URL",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub ice_servers: Vec<String>,

    #[allow(missing_docs, reason = "a comment here would become the program's description")]
    #[command(flatten)]
    pub relay: RelayOptions,

    /// Address and port where Prometheus can read numbers about the server, at /metrics, by plain HTTP: who reaches the port
    /// may read them. Default: nowhere.
    #[arg(long, env = "NEARHAND_METRICS", value_name = "ADDRESS:PORT")]
    pub metrics: Option<String>,

    /// What is logged to stderr: error, warn, info, debug, trace, or target=level with commas. Codes, keys, tokens and
    /// descriptions of connections are never logged, on no level.
    #[arg(long, env = "NEARHAND_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,
}

const EXAMPLES: &str = "\
Examples:
  Try it on this machine:
    NEARHAND_TECHNICIAN_TOKEN=$(openssl rand -hex 16) nearhand --downloads dist

  On the internet, with a certificate that it gets and renews by itself:
    nearhand --listen 0.0.0.0:443 --tls-acme help.example.com --state /var/lib/nearhand

  For a company, with its own certificate:
    nearhand --listen 0.0.0.0:443 --public-url https://help.example.com \\
      --tls-cert /etc/nearhand/chain.pem --tls-key /etc/nearhand/key.pem \\
      --state /var/lib/nearhand --organisation 'Example Ltd' --technician-name 'Ada'

  Behind a proxy that ends TLS and passes WebSockets on:
    nearhand --listen 127.0.0.1:8080 --behind-proxy --public-url https://help.example.com \\
      --state /var/lib/nearhand

When it is ready it prints to stdout: listening on http://127.0.0.1:8080
and, where the relay listens for UDP and TCP: relay on 127.0.0.1:3478
SIGTERM or Ctrl+C ends it: both ends of every session are told, and come back to the next start.

Exit status:
  0  it was told to stop, and did
  1  it failed; the reason is on stderr
  2  the options are wrong; all of the problems are on stderr";
