//! The server's own certificates: reading them, looking into them, and showing the right one to each connection.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::key::is_exposed;

pub mod facts;
pub mod files;
pub mod self_signed;
pub mod shown;

pub use facts::Facts;
pub use shown::Shown;

/// The protocol of the challenge by which an authority looks whether a name leads here (RFC 8737, 6.2).
pub const ACME_TLS: &[u8] = b"acme-tls/1";

/// Why TLS can't be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read, or is no PEM.
    #[error("can't read {what} {path}: {error}", path = path.display())]
    Read {
        /// What should be in it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        error: pem::Error,
    },
    /// A file or a folder of the server's own can't be written or read.
    #[error("can't {action} {path}: {error}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What came of it.
        error: std::io::Error,
    },
    /// There is no certificate in the file.
    #[error("there is no certificate in {path}; it should be PEM, with lines BEGIN CERTIFICATE", path = path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Others on this machine can read the key.
    #[error("{path} can be read by other users of this machine: chmod 600 {path}", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The two don't go together, or TLS can't use them.
    #[error("the certificate and the key don't work together: {0}")]
    Unusable(rustls::Error),
    /// No certificate could be made.
    #[error("can't make a certificate: {0}")]
    Making(#[from] rcgen::Error),
    /// What came from elsewhere is no certificate.
    #[error("this is no certificate: {0}")]
    Malformed(String),
    /// There is nothing to check an authority's own certificate with.
    #[error(
        "can't use the system's certificates, which the authority is checked with: {0}; name a file with --tls-acme-ca"
    )]
    NoRoots(rustls::Error),
}

/// What all connections have in common; `shown` says which certificate each of them gets, also later.
pub fn server_config(shown: Arc<Shown>) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?
        .with_no_client_auth()
        .with_cert_resolver(shown);
    // WebSockets need HTTP/1.1 (RFC 6455); nothing here gains by HTTP/2. The challenge's protocol gets a certificate only
    // while there is a challenge.
    config.alpn_protocols = vec![b"http/1.1".to_vec(), ACME_TLS.to_vec()];
    Ok(Arc::new(config))
}

/// The cryptography of every connection that the server takes or makes.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A chain and its key, once they were found to go together.
pub(crate) fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<CertifiedKey>, TlsError> {
    CertifiedKey::from_der(chain, key, &provider()).map(Arc::new).map_err(TlsError::Unusable)
}

/// The certificates of a file, at least one.
pub(crate) fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates =
        CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| TlsError::Read { what: "the certificate", path: path.to_owned(), error })?;
    if certificates.is_empty() {
        return Err(TlsError::Empty { path: path.to_owned() });
    }
    Ok(certificates)
}

/// The key of a file that nobody else can read.
pub(crate) fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    // A file that can't be opened is reported by the next step, with its reason.
    if std::fs::File::open(path).and_then(|file| is_exposed(&file)).unwrap_or(false) {
        return Err(TlsError::Exposed { path: path.to_owned() });
    }
    PrivateKeyDer::from_pem_file(path).map_err(|error| TlsError::Read {
        what: "the key",
        path: path.to_owned(),
        error,
    })
}

/// The key and the chain that were kept together in one file, so that they can't be of two different days; `None` if there
/// is no such file.
pub(crate) fn read_kept(path: &Path) -> Result<Option<Arc<CertifiedKey>>, TlsError> {
    if !path.exists() {
        return Ok(None);
    }
    certified(read_certificates(path)?, read_key(path)?).map(Some)
}
