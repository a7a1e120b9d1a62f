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
}

impl DialError {
    /// Whether trying again by itself is useless.
    pub const fn is_final(&self) -> bool {
        match self {
            // A failing certificate, or none, may be somebody in the middle: nothing is tried again behind the person's back.
            Self::Certificate { .. } | Self::NotTls(_) | Self::CaCert { .. } | Self::NoRoots(_) => true,
            Self::Unreachable { .. } => false,
        }
    }
}

/// Name and port as people write them: IPv6 addresses in brackets.
pub(super) fn target(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
