//! TLS by the system's trust, and what is trusted besides.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::target;
use super::{DialError, Stream};

/// Whose certificates are believed.
#[derive(Debug)]
pub(super) struct Trust {
    extra: Vec<CertificateDer<'static>>,
    /// Made when TLS is first wanted: a trial on this computer alone needs no system with certificates.
    config: OnceLock<Result<Arc<ClientConfig>, String>>,
}

impl Trust {
    /// What the system trusts, and the certificates of `ca_cert`.
    pub(super) fn new(ca_cert: Option<&Path>) -> Result<Self, DialError> {
        let mut extra = Vec::new();
        if let Some(file) = ca_cert {
            let unusable = |reason: String| DialError::CaCert { file: file.display().to_string(), reason };
            let certificates =
                CertificateDer::pem_file_iter(file).map_err(|error| unusable(error.to_string()))?;
            for certificate in certificates {
                extra.push(certificate.map_err(|error| unusable(error.to_string()))?);
            }
            if extra.is_empty() {
                return Err(unusable("no certificate is in it".into()));
            }
        }
        Ok(Self { extra, config: OnceLock::new() })
    }

    /// For connections that offer these protocols.
    pub(super) fn config(&self, alpn: &[&[u8]]) -> Result<Arc<ClientConfig>, DialError> {
        let made = self.config.get_or_init(|| make(&self.extra).map(Arc::new));
        let config = made.as_ref().map_err(|reason| DialError::NoRoots(reason.clone()))?;
        if alpn.is_empty() {
            return Ok(config.clone());
        }
        let mut config = ClientConfig::clone(config);
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Arc::new(config))
    }

    /// TLS to `host` over a connection that stands.
    pub(super) async fn connect<S: Stream>(
        &self,
        host: &str,
        port: u16,
        alpn: &[&[u8]],
        stream: S,
    ) -> Result<TlsStream<S>, DialError> {
        let config = self.config(alpn)?;
        let target = target(host, port);
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| DialError::Unreachable { target: target.clone(), reason: error.to_string() })?;
        TlsConnector::from(config).connect(name, stream).await.map_err(|error| {
            match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(rustls::Error::InvalidMessage(_)) => DialError::NotTls(target),
                Some(_) => DialError::Certificate { target, reason: error.to_string() },
                None => DialError::Unreachable { target, reason: error.to_string() },
            }
        })
    }
}

/// The error is the reason in the words of TLS.
fn make(extra: &[CertificateDer<'static>]) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new_with_extra_roots(extra.iter().cloned(), provider.clone())
        .map_err(|error| error.to_string())?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        // Not dangerous: it is the system's own verification.
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}
