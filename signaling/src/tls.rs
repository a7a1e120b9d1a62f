//! The server's own certificate and key.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::TlsFiles;
use crate::key::is_exposed;

/// Why TLS can't be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read, or is no PEM.
    #[error("can't read {what} {path}: {error}", path = path.display())]
    Read {
        /// Which of the two.
        what: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// Why not.
        error: rustls::pki_types::pem::Error,
    },
    /// There is no certificate in the file.
    #[error("there is no certificate in {path}; it should be PEM, with lines BEGIN CERTIFICATE", path = path.display())]
    Empty {
        /// The file.
        path: std::path::PathBuf,
    },
    /// Others on this machine can read the key.
    #[error("{path} can be read by other users of this machine: chmod 600 {path}", path = path.display())]
    Exposed {
        /// The file.
        path: std::path::PathBuf,
    },
    /// The two don't go together, or TLS can't use them.
    #[error("the certificate and the key don't work together: {0}")]
    Unusable(rustls::Error),
}

/// Reads certificate and key.
pub fn tls_config(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let read = |what, path: &Path, error| TlsError::Read { what, path: path.to_owned(), error };
    let path = &files.certificates;
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| read("the certificate", path, error))?;
    if certificates.is_empty() {
        return Err(TlsError::Empty { path: path.clone() });
    }
    let path = &files.key;
    // A file that can't be opened is reported by the next step, with its reason.
    if std::fs::File::open(path).and_then(|file| is_exposed(&file)).unwrap_or(false) {
        return Err(TlsError::Exposed { path: path.clone() });
    }
    let key = PrivateKeyDer::from_pem_file(path).map_err(|error| read("the key", path, error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key))
        .map_err(TlsError::Unusable)?;
    // WebSockets need HTTP/1.1 (RFC 6455); nothing here gains by HTTP/2.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
