//! The connection to the server: comes in by code once, then keeps coming back by resume token until the session ends.

mod connect;
mod error;

use std::sync::Arc;
use std::time::Duration;

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::code::Nameplate;
use nearhand_protocol::id::ResumeToken;
use nearhand_protocol::signal::{Entry, HostInfo, HostToServer, ServerToHost};
use nearhand_protocol::version::Version;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::session::CAPABILITIES;
pub use connect::Connector;
use connect::Socket;
pub use error::SignalError;

/// The server sends a ping every 5 s: silence for this long means that it, or the way to it, is gone.
const SILENCE: Duration = Duration::from_secs(20);
/// For the connection and for the answer to the hello.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a message may take to be handed to the network.
const SEND: Duration = Duration::from_secs(10);
/// The first wait before another attempt; it doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// A connection that lasted this long starts the waits anew.
const STABLE: Duration = Duration::from_secs(30);
/// Messages each way that wait for the other task. Ours wait while the server is away; candidates are few.
const QUEUE: usize = 256;

/// What the driver learns.
#[derive(Debug)]
pub enum Event {
    /// A message of the server; [`ServerToHost::End`] only where it is final.
    Message(ServerToHost),
    /// The connection broke after it had stood, and is being made again.
    Lost(SignalError),
    /// It can't be made; nothing follows.
    Failed(SignalError),
}

/// How to come in for the first time.
#[derive(Debug)]
pub struct Introduction {
    /// The server's part of the code.
    pub nameplate: Nameplate,
    /// About this machine.
    pub info: HostInfo,
}

/// The running connection. [`Signal::finish`] ends it; so does dropping it and the receiver of its events.
#[derive(Debug)]
pub struct Signal {
    outgoing: mpsc::Sender<HostToServer>,
    redial: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Signal {
    /// Starts the connection.
    pub fn start(connector: Connector, introduction: Introduction) -> (Self, mpsc::Receiver<Event>) {
        let (outgoing, from_driver) = mpsc::channel(QUEUE);
        let (events, to_driver) = mpsc::channel(QUEUE);
        let redial = Arc::new(Notify::new());
        let task = tokio::spawn(run(connector, introduction, from_driver, events, redial.clone()));
        (Self { outgoing, redial, task }, to_driver)
    }

    /// Sends a message, at once or as soon as the server is there again. False: so many wait that this one was dropped.
    pub fn send(&self, message: HostToServer) -> bool {
        self.outgoing.try_send(message).is_ok()
    }

    /// Connects anew, at once, by the token of the last time: the connection that is there may be dead and not know it.
    /// Nothing is said of it unless that fails.
    pub fn redial(&self) {
        self.redial.notify_one();
    }

    /// A connection that a test plays; the last is rung at every [`Signal::redial`].
    #[cfg(test)]
    pub(crate) fn fake() -> (Self, mpsc::Receiver<HostToServer>, Arc<Notify>) {
        let (outgoing, receiver) = mpsc::channel(QUEUE);
        let redial = Arc::new(Notify::new());
        (Self { outgoing, redial: redial.clone(), task: tokio::spawn(async {}) }, receiver, redial)
    }

    /// Sends what waits, closes, and ends within `patience`.
    pub async fn finish(self, patience: Duration) {
        let Self { outgoing, redial: _, mut task } = self;
        drop(outgoing);
        if timeout(patience, &mut task).await.is_err() {
            task.abort();
            let _ = task.await;
        }
    }
}

/// How one connection ended.
enum Outcome {
    /// The driver wants no more.
    Finished,
    /// The session is over.
    Ended(CloseReason),
    /// It broke, and another may be better.
    Broke(SignalError),
}

/// Keeps the connection until the session or the driver ends.
async fn run(
    connector: Connector,
    introduction: Introduction,
    mut outgoing: mpsc::Receiver<HostToServer>,
    events: mpsc::Sender<Event>,
    redial: Arc<Notify>,
) {
    let mut resume: Option<ResumeToken> = None;
    let mut wait = FIRST_WAIT;
    loop {
        let started = Instant::now();
        let known = resume.is_some();
        let tried = tokio::select! {
            tried = try_once(&connector, &introduction, &mut resume, &mut outgoing, &events) => tried,
            // Also an attempt that hangs is given up: it may go out by a network that is no more.
            () = redial.notified() => {
                tracing::info!("the connection to the server is made anew");
                wait = FIRST_WAIT;
                continue;
            }
        };
        let event = match tried {
            Ok(Outcome::Finished) => return,
            Ok(Outcome::Ended(reason)) => {
                let _ = events.send(Event::Message(ServerToHost::End { reason })).await;
                return;
            }
            Ok(Outcome::Broke(error)) => Event::Lost(error),
            // Only who was in before comes back by itself; at the start the person decides what to do.
            Err(error) if known && !error.is_final() => Event::Lost(error),
            Err(error) => {
                let _ = events.send(Event::Failed(error)).await;
                return;
            }
        };
        if let Event::Lost(error) = &event {
            tracing::info!(%error, "the connection to the server is being made again");
        }
        if events.send(event).await.is_err() {
            return;
        }
        if started.elapsed() > STABLE {
            wait = FIRST_WAIT;
        }
        // Many hosts lose the same server at the same moment: each comes back at another.
        let jittered = wait.mul_f64(rand::random_range(0.5..1.5));
        wait = (wait * 2).min(LONGEST_WAIT);
        tokio::select! {
            () = sleep(jittered) => {}
            () = redial.notified() => wait = FIRST_WAIT,
            () = events.closed() => return,
        }
    }
}

/// One connection, from the first byte to the last.
async fn try_once(
    connector: &Connector,
    introduction: &Introduction,
    resume: &mut Option<ResumeToken>,
    outgoing: &mut mpsc::Receiver<HostToServer>,
    events: &mpsc::Sender<Event>,
) -> Result<Outcome, SignalError> {
    let slow = || SignalError::NoAnswer(connector.server().to_string());
    let mut socket = timeout(PATIENCE, connector.connect()).await.map_err(|_| slow())??;
    let entry = match resume.as_ref() {
        Some(token) => Entry::Resume { token: token.clone() },
        None => Entry::Nameplate { nameplate: introduction.nameplate },
    };
    let hello = HostToServer::Hello {
        version: Version::CURRENT,
        capabilities: CAPABILITIES,
        entry,
        info: introduction.info.clone(),
    };
    socket.send(&hello).await?;
    let welcome = timeout(PATIENCE, first(&mut socket)).await.map_err(|_| slow())??;
    match &welcome {
        ServerToHost::Welcome { version, .. } if !version.speaks_with(Version::CURRENT) => {
            return Err(SignalError::Refused(CloseReason::VersionMismatch));
        }
        ServerToHost::Welcome { resume: token, .. } => *resume = Some(token.clone()),
        ServerToHost::End { reason } if resume.is_some() && !reason.worth_retrying() => {
            return Ok(Outcome::Ended(*reason));
        }
        ServerToHost::End { reason } => return Err(SignalError::Refused(*reason)),
        _ => return Err(SignalError::Refused(CloseReason::BadMessage)),
    }
    if events.send(Event::Message(welcome)).await.is_err() {
        return Ok(Outcome::Finished);
    }
    Ok(relay(&mut socket, outgoing, events).await.unwrap_or_else(Outcome::Broke))
}

/// The first message.
async fn first(socket: &mut Socket) -> Result<ServerToHost, SignalError> {
    loop {
        if let Some(message) = socket.receive().await? {
            return Ok(message);
        }
    }
}

/// Moves messages both ways until something ends.
async fn relay(
    socket: &mut Socket,
    outgoing: &mut mpsc::Receiver<HostToServer>,
    events: &mpsc::Sender<Event>,
) -> Result<Outcome, SignalError> {
    loop {
        tokio::select! {
            message = outgoing.recv() => {
                let Some(message) = message else {
                    socket.close().await;
                    return Ok(Outcome::Finished);
                };
                timeout(SEND, socket.send(&message)).await.map_err(|_| SignalError::Silent)??;
            }
            received = timeout(SILENCE, socket.receive()) => match received.map_err(|_| SignalError::Silent)?? {
                // A ping: it lives.
                None => {}
                Some(ServerToHost::End { reason }) if reason.worth_retrying() => {
                    return Ok(Outcome::Broke(SignalError::Refused(reason)));
                }
                Some(ServerToHost::End { reason }) => return Ok(Outcome::Ended(reason)),
                Some(message) => {
                    let told = events.send(Event::Message(message)).await;
                    if told.is_err() {
                        return Ok(Outcome::Finished);
                    }
                }
            },
        }
    }
}
