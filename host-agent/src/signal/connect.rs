//! One WebSocket: the upgrade of a dialed connection, and messages.

use futures_util::{SinkExt, StreamExt};
use nearhand_protocol::close::CloseReason;
use nearhand_protocol::signal::{HostToServer, MAX_MESSAGE, ServerToHost, parse, to_text};
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WebSocketError, error::CapacityError};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::SignalError;
use crate::config::Server;
use crate::dial::{Dialer, Stream};

/// Makes connections to one server.
pub struct Connector {
    server: Server,
    dialer: Dialer,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connector({})", self.server)
    }
}

impl Connector {
    /// For this server; fails where it wants TLS and this system has nothing to check certificates with.
    pub fn new(server: Server, dialer: Dialer) -> Result<Self, SignalError> {
        if server.is_encrypted() {
            dialer.prepare_tls()?;
        }
        Ok(Self { server, dialer })
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// A new connection, upgraded to a WebSocket.
    pub(super) async fn connect(&self) -> Result<Socket, SignalError> {
        let server = self.server.to_string();
        let (host, port) = (self.server.host(), self.server.port());
        let stream = if self.server.is_encrypted() {
            self.dialer.tls(&host, port, &[b"http/1.1"]).await?
        } else {
            self.dialer.tcp(&host, port).await?
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
            Err(error) => Err(SignalError::NoUpgrade { server, reason: error.to_string() }),
        }
    }
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
