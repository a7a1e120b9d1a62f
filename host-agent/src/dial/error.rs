//! Why there is no connection, each in one sentence that says what to do.

/// Why a connection can't be made.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name does not resolve, nobody listens, no network.
    #[error("{target} can't be reached ({reason}): check the address and this computer's network")]
    Unreachable {
        /// Name and port.
        target: String,
        /// What the system says.
        reason: String,
    },
    /// The same where a script that is not run would have named a proxy.
    #[error(
        "{target} can't be reached ({reason}), and this computer's settings choose a proxy by a script (PAC), which this program does not run here: ask whoever runs the network for the proxy's address, and give it with --proxy http://HOST:PORT"
    )]
    Script {
        /// Name and port.
        target: String,
        /// What the system says.
        reason: String,
    },
    /// The certificate, or TLS altogether.
    #[error(
        "the certificate of {target} is not trusted ({reason}): check the address; if the server uses a private authority, give its certificate with --ca-cert"
    )]
    Certificate {
        /// Name and port.
        target: String,
        /// What TLS says.
        reason: String,
    },
    /// Something else than TLS answered.
    #[error("at {0} nothing speaks TLS: check the address and its port")]
    NotTls(String),
    /// The file of `--ca-cert`.
    #[error("the certificates in {file} can't be used ({reason}): give a file in PEM form with --ca-cert")]
    CaCert {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// No trust store at all.
    #[error(
        "this system trusts no certificate authority ({0}): install its certificates (on Debian: apt install ca-certificates), or give one with --ca-cert"
    )]
    NoRoots(String),
    /// Environment or system name a proxy that makes no sense.
    #[error(
        "the proxy that this computer's settings name can't be used ({0}): correct them, or give the proxy with --proxy http://HOST:PORT, or go without with --proxy none"
    )]
    Settings(String),
    /// Nobody at the proxy's address, or nobody who answers.
    #[error(
        "the proxy {proxy} can't be reached ({reason}): check its address and this computer's network, or go without it with --proxy none"
    )]
    ProxyUnreachable {
        /// Without credentials.
        proxy: String,
        /// What the system says, or that it does not answer.
        reason: String,
    },
    /// Neither through the proxy nor without it.
    #[error(
        "neither the proxy {proxy} ({proxy_reason}) nor, without it, {target} ({reason}) can be reached: check this computer's network and its settings for proxies"
    )]
    Neither {
        /// Without credentials.
        proxy: String,
        /// What is wrong with it.
        proxy_reason: String,
        /// Name and port.
        target: String,
        /// What the system says.
        reason: String,
    },
    /// Something else than such a proxy is there.
    #[error("at {proxy} answers no proxy of this kind ({reason}): check the address given with --proxy")]
    NotProxy {
        /// Without credentials.
        proxy: String,
        /// What it did.
        reason: String,
    },
    /// The proxy does not let us through to the target.
    #[error(
        "the proxy {proxy} lets nobody through to {target} ({reason}): ask whoever runs the network to allow it"
    )]
    ProxyRefused {
        /// Without credentials.
        proxy: String,
        /// Name and port.
        target: String,
        /// What it answered.
        reason: String,
    },
    /// The proxy did not get through to the target itself.
    #[error("the proxy {proxy} does not reach {target} ({reason}): check the address")]
    ProxyFailed {
        /// Without credentials.
        proxy: String,
        /// Name and port.
        target: String,
        /// What it answered.
        reason: String,
    },
    /// It asks for credentials, and we have none.
    #[error(
        "the proxy {proxy} wants a name and a password: give them with --proxy {example}, or in NEARHAND_PROXY"
    )]
    NoCredentials {
        /// Without credentials.
        proxy: String,
        /// Where name and password go.
        example: String,
    },
    /// It does not take ours.
    #[error(
        "the proxy {proxy} does not take this name and password: check what was given with --proxy or NEARHAND_PROXY"
    )]
    WrongCredentials {
        /// Without credentials.
        proxy: String,
    },
    /// It wants a way to sign in that we do not know.
    #[error(
        "the proxy {proxy} wants a sign-in that this program does not know ({offered}): ask whoever runs the network for a way without it, or with Basic, Digest or NTLM"
    )]
    NoCommonLogin {
        /// Without credentials.
        proxy: String,
        /// What it offers.
        offered: String,
    },
}

impl DialError {
    /// Whether trying again by itself is useless.
    pub const fn is_final(&self) -> bool {
        match self {
            // A failing certificate, or none, may be somebody in the middle: nothing is tried again behind the person's back.
            Self::Certificate { .. } | Self::NotTls(_) | Self::CaCert { .. } | Self::NoRoots(_) => true,
            // A laptop may be carried to where its proxy is.
            _ => false,
        }
    }

    /// Whether somebody said no, so that no other way may be tried: going around a proxy that refuses would break the rules
    /// of the network, and going on after a bad certificate would be worse.
    pub(super) const fn is_verdict(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Script { .. }
            | Self::ProxyUnreachable { .. }
            | Self::Neither { .. }
            | Self::NotProxy { .. }
            | Self::ProxyFailed { .. } => false,
            Self::Certificate { .. }
            | Self::NotTls(_)
            | Self::CaCert { .. }
            | Self::NoRoots(_)
            | Self::Settings(_)
            | Self::ProxyRefused { .. }
            | Self::NoCredentials { .. }
            | Self::WrongCredentials { .. }
            | Self::NoCommonLogin { .. } => true,
        }
    }
}

/// Name and port as people write them: IPv6 addresses in brackets.
pub(super) fn target(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
