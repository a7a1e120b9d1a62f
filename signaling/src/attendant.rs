//! Drives one room: the one task that owns the [`Room`], feeds it and does what it says.
//!
//! Its inputs: commands of the connections and of the desk (bounded; a connection that sends faster than the room works
//! waits, and with it its peer), the room's own deadline, the server's shutdown.

use std::collections::HashMap;
use std::time::Instant;

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::signal;
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::room::{ConnectionId, Effect, Event, Room, Summary};

/// Commands that may wait for a room.
pub const COMMANDS: usize = 64;
/// Messages that may wait for one connection; a peer that lets more pile up is cut. A negotiation is two dozen.
pub const OUTBOX: usize = 128;

/// What the room's task is told. Boxed: a channel keeps room for 32 at once, and most rooms only wait.
#[derive(Debug)]
pub enum Command {
    /// A connection wants in: its way back, and the event that says who it is.
    Enter(Box<(Outbox, Event)>),
    /// Anything else.
    Event(Box<Event>),
}

/// The way to one connection.
#[derive(Clone, Debug)]
pub struct Outbox {
    /// The connection.
    pub connection: ConnectionId,
    /// Messages, as JSON.
    pub messages: mpsc::Sender<String>,
    /// Why the connection is to be closed, as soon as there is a reason.
    pub close: watch::Sender<Option<CloseReason>>,
}

impl Outbox {
    /// A way to this connection, and its other end.
    pub fn new(connection: ConnectionId) -> (Self, Inbox) {
        let (messages, waiting) = mpsc::channel(OUTBOX);
        let (close, closed) = watch::channel(None);
        (Self { connection, messages, close }, Inbox { waiting, closed })
    }

    fn close(&self, reason: CloseReason) {
        self.close.send_if_modified(|before| {
            let first = before.is_none();
            before.get_or_insert(reason);
            first
        });
    }
}

/// What the room has for one connection.
#[derive(Debug)]
pub struct Inbox {
    /// Messages, as JSON.
    pub waiting: mpsc::Receiver<String>,
    /// Why to close.
    pub closed: watch::Receiver<Option<CloseReason>>,
}

/// What the registry wants to hear of a room.
pub trait Ledger: Send + 'static {
    /// The code leads here no more.
    fn code_spent(&mut self);
    /// What the desk shows has changed.
    fn changed(&mut self);
    /// The session is over; the task ends next.
    fn over(&mut self, ended: bool);
}

/// The task of one room.
pub struct Attendant<L> {
    room: Room,
    summary: watch::Sender<Summary>,
    connections: HashMap<ConnectionId, Outbox>,
    ledger: L,
}

impl<L: Ledger> Attendant<L> {
    /// Takes over a room.
    pub fn new(room: Room, summary: watch::Sender<Summary>, ledger: L) -> Self {
        Self { room, summary, connections: HashMap::new(), ledger }
    }

    /// Runs until the session is over or the server stops.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>, stop: CancellationToken) {
        loop {
            let deadline = self.room.deadline().map(tokio::time::Instant::from_std);
            let event = tokio::select! {
                // The shutdown first: a room that is never idle must hear of it too.
                biased;
                () = stop.cancelled() => Event::Shutdown,
                command = commands.recv() => match command {
                    Some(Command::Enter(enters)) => {
                        let (outbox, event) = *enters;
                        self.connections.insert(outbox.connection, outbox);
                        event
                    }
                    Some(Command::Event(event)) => *event,
                    None => Event::Shutdown,
                },
                () = tokio::time::sleep_until(deadline.unwrap_or_else(far)), if deadline.is_some() => Event::Tick,
            };
            let stopping = matches!(event, Event::Shutdown);
            let ended = self.step(event);
            if stopping || ended {
                // Closed before it is emptied: who comes now finds it closed, who came before gets an answer.
                commands.close();
                while let Some(command) = commands.recv().await {
                    if let Command::Enter(enters) = command {
                        let (outbox, event) = *enters;
                        self.connections.insert(outbox.connection, outbox);
                        self.step(event);
                    }
                }
                self.ledger.over(ended);
                return;
            }
        }
    }

    /// One event through the room; true when the session is over.
    fn step(&mut self, event: Event) -> bool {
        let mut over = false;
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for effect in self.room.handle(event, Instant::now()) {
                let slow = match effect {
                    Effect::ToHost(connection, message) => self.send(connection, &message),
                    Effect::ToViewer(connection, message) => self.send(connection, &message),
                    Effect::Close(connection, reason) => {
                        self.close(connection, reason);
                        None
                    }
                    Effect::CodeSpent => {
                        self.ledger.code_spent();
                        None
                    }
                    Effect::Changed => {
                        self.summary.send_replace(self.room.summary());
                        self.ledger.changed();
                        None
                    }
                    Effect::Over(reason) => {
                        info!(reason = reason.as_str(), "session is over");
                        over = true;
                        None
                    }
                };
                if let Some(connection) = slow {
                    self.close(connection, CloseReason::TooSlow);
                    events.push(Event::Left { connection });
                }
            }
        }
        over
    }

    /// Queues a message; names the connection if its queue is full.
    fn send<M: Serialize>(&self, connection: ConnectionId, message: &M) -> Option<ConnectionId> {
        let outbox = self.connections.get(&connection)?;
        let Ok(text) = signal::to_text(message) else {
            // Relayed as it came in, and so within the limit, give or take another tag. Nothing to hold on to.
            debug!("dropped a message that grew over the limit on its way");
            return None;
        };
        match outbox.messages.try_send(text) {
            Err(mpsc::error::TrySendError::Full(_)) => Some(connection),
            // A connection that is gone says so itself.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => None,
        }
    }

    fn close(&mut self, connection: ConnectionId, reason: CloseReason) {
        if let Some(outbox) = self.connections.remove(&connection) {
            outbox.close(reason);
        }
    }
}

impl<L> Drop for Attendant<L> {
    fn drop(&mut self) {
        // Only when the task was aborted: nobody may be left waiting.
        for outbox in self.connections.values() {
            outbox.close(CloseReason::ServerError);
        }
    }
}

fn far() -> tokio::time::Instant {
    tokio::time::Instant::now() + std::time::Duration::from_hours(24)
}
