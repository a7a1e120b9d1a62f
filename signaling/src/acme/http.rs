//! HTTPS to the authority: one connection for each of its few requests, with limits on time and size.

use std::net::IpAddr;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, Request, Response, Uri, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::AcmeError;
use crate::tls::{TlsError, provider, read_certificates};

/// How long a request may take, from the connection to the last byte of the answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Longest answer that is read, in bytes: a chain of certificates has a few thousand.
const MAX_ANSWER: usize = 256 * 1024;

/// Makes requests, and remembers when the authority wants the next one. Cheap to clone.
#[derive(Clone)]
pub(super) struct Https {
    tls: TlsConnector,
    retry_at: Arc<Mutex<Option<SystemTime>>>,
}

impl Https {
    /// Believes these certificates, or what the system believes.
    pub(super) fn new(ca: Option<&Path>) -> Result<Self, TlsError> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unusable)?;
        let config = match ca {
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in read_certificates(path)? {
                    roots.add(certificate).map_err(TlsError::Unusable)?;
                }
                config.with_root_certificates(roots)
            }
            None => config.with_platform_verifier().map_err(TlsError::NoRoots)?,
        };
        let config = Arc::new(config.with_no_client_auth());
        Ok(Self { tls: config.into(), retry_at: Arc::default() })
    }

    /// What the last answer asked for (RFC 9110, 10.2.3).
    pub(super) fn retry_at(&self) -> Option<SystemTime> {
        *self.retry_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn exchange(
        self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Result<Response<Full<Bytes>>, AcmeError> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let unreached = |error: String| AcmeError::Unreached { host: host.clone(), error };
        let answered = timeout(ANSWER_WITHIN, self.try_exchange(request)).await;
        let response = match answered {
            Ok(answered) => answered.map_err(|error| match unbelieved(error.as_ref()) {
                Some(error) => AcmeError::Unproven { host: host.clone(), error },
                None => unreached(error.to_string()),
            })?,
            Err(_) => return Err(unreached(format!("no answer within {} s", ANSWER_WITHIN.as_secs()))),
        };
        *self.retry_at.lock().unwrap_or_else(PoisonError::into_inner) = retry_after(&response);
        Ok(response)
    }

    async fn try_exchange(
        &self,
        mut request: Request<BodyWrapper<Bytes>>,
    ) -> Result<Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
        let uri = request.uri().clone();
        if uri.scheme_str() != Some("https") {
            return Err(format!("{uri} is not https").into());
        }
        let authority = uri.authority().ok_or("an address without a host")?;
        let host = authority.host().trim_matches(['[', ']']);
        let tcp = TcpStream::connect((host, authority.port_u16().unwrap_or(443))).await?;
        let name = match host.parse::<IpAddr>() {
            Ok(address) => ServerName::from(address),
            Err(_) => ServerName::try_from(host.to_owned())?,
        };
        let stream = self.tls.connect(name, tcp).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;

        let value = HeaderValue::from_str(authority.as_str())?;
        request.headers_mut().insert(header::HOST, value);
        let path = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        *request.uri_mut() = Uri::from(path);
        let mut exchange = pin!(async {
            let (parts, body) = sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
            Ok(Response::from_parts(parts, Full::new(body)))
        });
        tokio::select! {
            answered = exchange.as_mut() => return answered,
            // It moves the bytes of the exchange; that it has ended is seen there.
            _ = connection => {}
        }
        exchange.await
    }
}

impl HttpClient for Https {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let exchange = self.clone().exchange(request);
        Box::pin(async move {
            exchange.await.map(BytesResponse::from).map_err(|error| Error::Other(Box::new(error)))
        })
    }
}

/// The reason of TLS, if that is what failed: it comes within an I/O error.
fn unbelieved(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Option<rustls::Error> {
    let io = error.downcast_ref::<std::io::Error>()?;
    io.get_ref()?.downcast_ref::<rustls::Error>().cloned()
}

/// A number of seconds; authorities of today send no dates.
fn retry_after<B>(response: &Response<B>) -> Option<SystemTime> {
    let value = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    SystemTime::now().checked_add(Duration::from_secs(value.trim().parse().ok()?))
}
