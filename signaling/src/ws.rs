//! Drives one WebSocket: moves bytes between the peer and its room, and decides nothing.
//!
//! A connection is [`Unidentified`] until its first message; that turns it into a [`Seated`] one or ends it. The inputs
//! of a seated connection are: frames of the peer, messages of its room, the room's word that it is to close, and the
//! clock of the pings.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use nearhand_protocol::close::CloseReason;
use nearhand_protocol::id::SessionId;
use nearhand_protocol::signal::{self, MAX_MESSAGE};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{Instrument as _, debug, info, info_span};

use crate::account::PersonId;
use crate::app::App;
use crate::attendant::{Command, Inbox, Outbox};
use crate::chair::Chair;
use crate::room::{ConnectionId, Event};

mod admission;
mod side;

use admission::Admitted;
pub use side::{Given, Host, Side, Viewer};

/// The stack reads no message beyond this. It lies above the protocol's limit, so that what is a little too long is
/// still answered in the protocol's own words.
pub const MAX_FRAME: usize = 2 * MAX_MESSAGE;

/// How long a peer has for its first message.
const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// How often the peer is asked for a sign of life.
const PING_EVERY: Duration = Duration::from_secs(5);
/// A peer that was silent for so long is gone.
const SILENT_FOR: Duration = Duration::from_secs(15);
/// How long the peer's TCP window may keep one message from being written.
const WRITE_WITHIN: Duration = Duration::from_secs(10);
/// How long a peer has to answer a close frame.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// How long a peer whose bytes are not read any more has to read why.
const LINGER: Duration = Duration::from_millis(500);

/// Who opened the connection, as far as its HTTP request says.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// From where.
    pub address: IpAddr,
    /// Who is signed in.
    pub person: Option<PersonId>,
}

/// Serves one connection to its end.
pub async fn serve<S: Side>(socket: WebSocket, app: Arc<App>, peer: Peer) {
    let (sink, stream) = socket.split();
    Unidentified::<S> {
        wire: Wire { sink, stream, unreadable: false },
        app,
        peer,
        side: std::marker::PhantomData,
    }
    .run()
    .await;
}

/// Both directions of the socket.
struct Wire {
    sink: SplitSink<WebSocket, Message>,
    stream: SplitStream<WebSocket>,
    /// The transport gave up in the middle of a message: what the peer still sends stays unread.
    unreadable: bool,
}

/// What a peer sent.
enum Incoming {
    Text(axum::extract::ws::Utf8Bytes),
    /// A ping, a pong: it lives.
    Life,
    /// It broke the rules of the transport.
    Bad(CloseReason),
    /// It closed, or the network did.
    Gone,
}

/// The peer does not take what is written.
struct Stuck;

impl Wire {
    async fn receive(&mut self) -> Incoming {
        match self.stream.next().await {
            Some(Ok(Message::Text(text))) => Incoming::Text(text),
            Some(Ok(Message::Binary(_))) => Incoming::Bad(CloseReason::BadMessage),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Incoming::Life,
            Some(Ok(Message::Close(_))) | None => Incoming::Gone,
            Some(Err(error)) => {
                self.unreadable = true;
                broken(error)
            }
        }
    }

    async fn write(&mut self, message: Message) -> Result<(), Stuck> {
        match timeout(WRITE_WITHIN, self.sink.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Stuck),
        }
    }

    /// Says why, closes, and waits a moment for the peer's own close: a socket that is dropped with unread bytes in it
    /// resets the connection, and the peer never reads the reason.
    async fn close<S: Side>(mut self, reason: CloseReason) {
        debug!(reason = reason.as_str(), "connection is closed");
        let farewell = async {
            let end = signal::to_text(&S::end(reason));
            if let Ok(text) = end {
                self.sink.send(Message::Text(text.into())).await?;
            }
            let frame = CloseFrame { code: reason.websocket_code(), reason: reason.as_str().into() };
            self.sink.send(Message::Close(Some(frame))).await?;
            while let Some(Ok(_)) = self.stream.next().await {}
            if self.unreadable {
                tokio::time::sleep(LINGER).await;
            }
            Ok::<_, axum::Error>(())
        };
        let _gone_anyway = timeout(CLOSE_WITHIN, farewell).await;
    }
}

/// What became of a read that failed. An I/O error is the network's; anything else the peer did.
fn broken(error: axum::Error) -> Incoming {
    let words = error.to_string();
    let error = error.into_inner();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error.as_ref());
    while let Some(error) = cause {
        if error.is::<std::io::Error>() {
            return Incoming::Gone;
        }
        cause = error.source();
    }
    // The transport's own error type is private to axum; a test holds these words.
    if words.contains("too long") {
        Incoming::Bad(CloseReason::TooLarge)
    } else if words.contains("without closing handshake") || words.contains("closed") {
        Incoming::Gone
    } else {
        Incoming::Bad(CloseReason::BadMessage)
    }
}

/// A connection that has not said who it is.
struct Unidentified<S> {
    wire: Wire,
    app: Arc<App>,
    peer: Peer,
    side: std::marker::PhantomData<S>,
}

impl<S: Side> Unidentified<S> {
    async fn run(mut self) {
        let stop = self.app.stop.clone();
        let hello = tokio::select! {
            hello = timeout(HELLO_WITHIN, self.hello()) => hello.unwrap_or(Err(Some(CloseReason::BadMessage))),
            () = stop.cancelled() => Err(Some(CloseReason::ServerShutdown)),
        };
        match hello {
            Ok(seated) => {
                let span = info_span!("session", id = %seated.session, seat = ?S::SEAT);
                seated.run(self.wire).instrument(span).await;
            }
            Err(Some(reason)) => {
                info!(seat = ?S::SEAT, reason = reason.as_str(), "a connection is turned away");
                self.wire.close::<S>(reason).await;
            }
            Err(None) => {}
        }
    }

    /// Reads the first message and takes the seat; on failure the reason, if there is anybody to tell.
    async fn hello(&mut self) -> Result<Seated<S>, Option<CloseReason>> {
        let text = loop {
            match self.wire.receive().await {
                Incoming::Text(text) => break text,
                Incoming::Life => {}
                Incoming::Bad(reason) => return Err(Some(reason)),
                Incoming::Gone => return Err(None),
            }
        };
        let message = signal::parse::<S::In>(&text).map_err(|error| Some(error.close_reason()))?;
        let hello = S::hello(message).ok_or(Some(CloseReason::BadMessage))?;
        let Admitted { handle, ticket, invited } = admission::admit(&self.app, S::SEAT, self.peer, &hello)?;
        let connection = self.app.registry.connection();
        let (outbox, inbox) = Outbox::new(connection);
        let (session, now) = (handle.session(), SystemTime::now());
        let chair = Chair::of(S::SEAT, invited);
        self.app.relayed.seen(session, chair, self.peer.address);
        let given = Given {
            resume: self.app.resumption.issue(handle.seating(S::SEAT, invited)),
            ice_servers: self.app.ice_servers.of(session, chair, now),
            invited: invited.map(|invited| (invited, self.app.registry.technician().clone())),
        };
        let enters = S::enters(connection, ticket, hello, given, now);
        // A room that ends at this very moment takes nobody in any more.
        if handle.commands.send(Command::Enter(Box::new((outbox, enters)))).await.is_err() {
            return Err(Some(admission::too_late(ticket, &self.app)));
        }
        let commands = handle.commands;
        Ok(Seated { session, connection, commands, inbox, side: std::marker::PhantomData })
    }
}

/// A connection that is in a room.
struct Seated<S> {
    session: SessionId,
    connection: ConnectionId,
    commands: tokio::sync::mpsc::Sender<Command>,
    inbox: Inbox,
    side: std::marker::PhantomData<S>,
}

impl<S: Side> Seated<S> {
    async fn run(mut self, mut wire: Wire) {
        info!("connected");
        let reason = self.exchange(&mut wire).await;
        // First the room, so that the other end knows at once; then the farewell, which may take its time.
        let left = Command::Event(Box::new(Event::Left { connection: self.connection }));
        let _over_already = self.commands.send(left).await;
        info!(reason = reason.map_or("gone", CloseReason::as_str), "disconnected");
        if let Some(reason) = reason {
            if reason != CloseReason::TooSlow {
                self.flush(&mut wire).await;
            }
            wire.close::<S>(reason).await;
        }
    }

    /// Moves messages until one side has enough; the reason, if there is anybody to tell.
    async fn exchange(&mut self, wire: &mut Wire) -> Option<CloseReason> {
        let mut cut = self.inbox.closed.clone();
        let mut ping = interval(PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                incoming = wire.receive() => {
                    heard = Instant::now();
                    match incoming {
                        Incoming::Text(text) => match signal::parse::<S::In>(&text) {
                            Ok(message) => {
                                let event = Command::Event(Box::new(S::says(self.connection, message)));
                                if self.commands.send(event).await.is_err() {
                                    return self.closed();
                                }
                            }
                            Err(error) => return Some(error.close_reason()),
                        },
                        Incoming::Life => {}
                        Incoming::Bad(reason) => return Some(reason),
                        Incoming::Gone => return None,
                    }
                }
                message = self.inbox.waiting.recv() => match message {
                    Some(text) => {
                        tokio::select! {
                            written = wire.write(Message::Text(text.into())) => {
                                if written.is_err() {
                                    return Some(CloseReason::TooSlow);
                                }
                            }
                            // While this one can't be written its queue has filled up.
                            _ = cut.wait_for(|reason| *reason == Some(CloseReason::TooSlow)) => {
                                return Some(CloseReason::TooSlow);
                            }
                        }
                    }
                    // The room dropped its end, so it has said why.
                    None => return self.closed(),
                },
                changed = self.inbox.closed.changed() => {
                    if changed.is_err() || self.closed().is_some() {
                        return self.closed();
                    }
                }
                _ = ping.tick() => {
                    if heard.elapsed() > SILENT_FOR {
                        return None;
                    }
                    if wire.write(Message::Ping(bytes::Bytes::new())).await.is_err() {
                        return Some(CloseReason::TooSlow);
                    }
                }
            }
        }
    }

    fn closed(&self) -> Option<CloseReason> {
        *self.inbox.closed.borrow()
    }

    /// What the room said before it closed the connection.
    async fn flush(&mut self, wire: &mut Wire) {
        while let Ok(text) = self.inbox.waiting.try_recv() {
            if wire.write(Message::Text(text.into())).await.is_err() {
                return;
            }
        }
    }
}
