//! One WebSocket: TCP, TLS by the system's trust, the upgrade, and messages.

use std::io;
use std::path::Path;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use nearhand_protocol::close::CloseReason;
use nearhand_protocol::signal::{HostToServer, MAX_MESSAGE, ServerToHost, parse, to_text};
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WebSocketError, error::CapacityError};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::SignalError;
use crate::config::Server;

/// Makes connections to one server.
pub struct Connector {
    server: Server,
    tls: Option<TlsConnector>,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connector({})", self.server)
    }
}

/// Either a TLS or a plain TCP stream.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Connector {
    /// For this server, trusting what the system trusts and the certificates of `ca_cert`.
    pub fn new(server: Server, ca_cert: Option<&Path>) -> Result<Self, SignalError> {
        let tls = if server.is_encrypted() { Some(tls(ca_cert)?) } else { None };
        Ok(Self { server, tls })
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// A new connection, upgraded to a WebSocket.
    pub(super) async fn connect(&self) -> Result<Socket, SignalError> {
        let server = self.server.to_string();
        let unreachable =
            |error: io::Error| SignalError::Unreachable { server: server.clone(), reason: error.to_string() };
        let tcp = TcpStream::connect((self.server.host(), self.server.port())).await.map_err(unreachable)?;
        // Small messages that somebody waits for.
        tcp.set_nodelay(true).map_err(unreachable)?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(tcp),
            Some(tls) => {
                let name = ServerName::try_from(self.server.host()).map_err(|error| {
                    SignalError::Unreachable { server: server.clone(), reason: error.to_string() }
                })?;
                let stream = tls.connect(name, tcp).await.map_err(|error| {
                    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                        Some(rustls::Error::InvalidMessage(_)) => SignalError::NotTls(server.clone()),
                        Some(_) => {
                            SignalError::Certificate { server: server.clone(), reason: error.to_string() }
                        }
                        None => unreachable(error),
                    }
                })?;
                Box::new(stream)
            }
        };
        let limits =
            WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
        match client_async_with_config(self.server.websocket(), stream, Some(limits)).await {
            Ok((socket, _)) => Ok(Socket(socket)),
            Err(WebSocketError::Http(response)) => Err(match response.status().as_u16() {
                429 => SignalError::Refused(CloseReason::TooManyAttempts),
                // A proxy whose server is being restarted.
                502..=504 => SignalError::Refused(CloseReason::ServerShutdown),
                status => SignalError::NotNearhand { server, status },
            }),
            Err(error) => Err(SignalError::Unreachable { server, reason: error.to_string() }),
        }
    }
}

fn tls(ca_cert: Option<&Path>) -> Result<TlsConnector, SignalError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut extra = Vec::new();
    if let Some(file) = ca_cert {
        let unusable = |reason: String| SignalError::CaCert { file: file.display().to_string(), reason };
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unusable(error.to_string()))? {
            extra.push(certificate.map_err(|error| unusable(error.to_string()))?);
        }
        if extra.is_empty() {
            return Err(unusable("no certificate is in it".into()));
        }
    }
    let verifier = Verifier::new_with_extra_roots(extra, provider.clone())
        .map_err(|error| SignalError::NoRoots(error.to_string()))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SignalError::NoRoots(error.to_string()))?
        .dangerous()
        // Not dangerous: it is the system's own verification.
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// One WebSocket to the server.
pub(super) struct Socket(WebSocketStream<Box<dyn Stream>>);

impl Socket {
    pub(super) async fn send(&mut self, message: &HostToServer) -> Result<(), SignalError> {
        let text = to_text(message).map_err(|error| SignalError::Broken(error.to_string()))?;
        Ok(self.0.send(Message::text(text)).await?)
    }

    /// The next message, or `None` for a sign of life without one; a close frame with one of our codes counts as
    /// [`ServerToHost::End`]. Cancel-safe.
    pub(super) async fn receive(&mut self) -> Result<Option<ServerToHost>, SignalError> {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => match parse(&text) {
                Ok(message) => Ok(Some(message)),
                Err(error) => Err(SignalError::Refused(error.close_reason())),
            },
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map_or(1005, |frame| u16::from(frame.code));
                match CloseReason::from_websocket_code(code) {
                    Some(reason) => Ok(Some(ServerToHost::End { reason })),
                    None => Err(SignalError::Broken(format!("it was closed with code {code}"))),
                }
            }
            Some(Ok(Message::Binary(_))) => Err(SignalError::Refused(CloseReason::BadMessage)),
            // Pings are answered below us.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
            Some(Err(WebSocketError::Capacity(CapacityError::MessageTooLong { .. }))) => {
                Err(SignalError::Refused(CloseReason::TooLarge))
            }
            Some(Err(error)) => Err(error.into()),
            None => Err(SignalError::Broken("it was closed".into())),
        }
    }

    pub(super) async fn close(&mut self) {
        // Who does not take the farewell is gone anyway.
        let _ = self.0.close(None).await;
    }
}
