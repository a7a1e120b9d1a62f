//! The one select loop. It moves things between the parts and decides nothing: that is [`crate::session`]'s.
//!
//! Its inputs:
//! - the interrupt (Ctrl+C, SIGTERM), the customer's commands ([`crate::ui::Command`]) and their own hand ([`Hand`])
//! - the server ([`crate::signal::Event`])
//! - the peer connections of the moment, one for each technician's tab ([`crate::rtc::Event`])
//! - the addresses of this computer, when they change ([`crate::rtc::Interfaces`])
//! - the threads of picture, input and files ([`crate::video::Event`], [`crate::input::Event`], [`crate::files::Event`])
//! - files that the customer wants to send and that were looked at
//! - the session's deadline, when an interruption has lasted too long

mod ending;
mod guests;
mod hand;
mod peer;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::select_all;
use nearhand_desktop::{Desktop, Hotkey, Listening};
use nearhand_protocol::channel::Channel;
use nearhand_protocol::close::CloseReason;
use nearhand_protocol::code::Code;
use nearhand_protocol::control::InputProblem;
use nearhand_protocol::file::FileProblem;
use nearhand_protocol::grant::{Brake, Consent, Scope};
use nearhand_protocol::id::{Epoch, GuestId};
use nearhand_protocol::machine::handshake::SEED_LEN;
use nearhand_protocol::machine::negotiation::Negotiation;
use nearhand_protocol::signal::{IceServer, ServerToHost};
use nearhand_protocol::wire::{Message, encode};
use rand::TryRng as _;
use rand::rngs::SysRng;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::files::{self, Files, Outcome};
use crate::input::{self, Input};
use crate::rtc::{Events, Interfaces, RtcError, SendError, Transport};
use crate::session::{Company, Effect, Event, LocalFile, News, OWNER, Phase, ViewerId, Wanted};
use crate::signal::{self, Signal, SignalError};
use crate::ui::{Command, Ui};
use crate::video::{self, Video};
use hand::Own;
pub use hand::{GRACE, Hand, Listen, devices};

/// Makes peer connections: the real ones, or those of a test.
#[async_trait]
pub trait Connect: Send + Sync {
    /// A new connection that waits for the browser's offer.
    async fn connect(&self, ice_servers: &[IceServer]) -> Result<(Arc<dyn Transport>, Events), RtcError>;
}

/// What a session is run with.
pub struct Parts {
    /// What a yes counts as.
    pub consent: Consent,
    /// What the technician's end has to prove that it knows.
    pub code: Code,
    /// The customer.
    pub ui: Box<dyn Ui>,
    /// What the customer wants.
    pub commands: mpsc::Receiver<Command>,
    /// Ctrl+C and the like.
    pub interrupt: mpsc::Receiver<()>,
    /// The server.
    pub signal: Signal,
    /// What the server says.
    pub server: mpsc::Receiver<signal::Event>,
    /// Makes peer connections.
    pub connect: Box<dyn Connect>,
    /// Tells when this computer's addresses change.
    pub interfaces: Interfaces,
    /// The shared screen.
    pub desktop: Desktop,
    /// The folder for received files.
    pub downloads: PathBuf,
    /// Ends every proof of the session at once, whoever holds it.
    pub brake: Brake,
    /// Begins to listen to the customer's own hand; `None` where the system can't tell it from the technician's.
    pub listen: Option<Listen>,
}

/// Why a session did not end in an ordinary way; one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The server.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// A thread could not be started.
    #[error("the program could not start its threads ({0}): close other programs and try again")]
    Threads(#[from] std::io::Error),
    /// The system gives no random bytes.
    #[error("this system gives no random numbers ({0}), without which nothing is safe: restart the computer")]
    Random(rand::rngs::SysError),
    /// Something failed on the way.
    #[error("{0}")]
    Broken(String),
}

/// What there is of one technician's tab.
#[derive(Default)]
struct Seat {
    negotiation: Negotiation,
    /// The peer connection of the moment.
    peer: Option<Peer>,
    events: Option<Events>,
    /// How the packets travel, as the customer was told last.
    relayed: Option<bool>,
    /// How the server calls it, where it is not the owner's.
    guest: Option<GuestId>,
}

/// A peer connection.
struct Peer {
    epoch: Epoch,
    transport: Arc<dyn Transport>,
    /// This computer's addresses when it was made, to which its sockets are bound.
    addresses: Vec<IpAddr>,
}

/// What the threads say.
struct Threads {
    video: mpsc::Receiver<video::Event>,
    input: mpsc::Receiver<input::Event>,
    files: mpsc::Receiver<files::Event>,
}

struct Driver {
    company: Company,
    ui: Box<dyn Ui>,
    signal: Signal,
    connect: Box<dyn Connect>,
    interfaces: Interfaces,
    video: Video,
    input: Input,
    files: Files,
    seats: BTreeMap<ViewerId, Seat>,
    /// Who used pointer and keyboard last.
    hand: ViewerId,
    /// The customer's own.
    own: Hand,
    /// Whoever listens to it.
    listening: Option<Listening>,
    /// It was told to hear: see [`Self::listen_while_it_matters`].
    listens: bool,
    ice_servers: Vec<IceServer>,
    /// Connections of earlier epochs that are closing.
    closing: JoinSet<()>,
    looking: JoinSet<Result<LocalFile, String>>,
    finished: Option<CloseReason>,
    broken: Option<DriverError>,
    /// The server said that it is over, or gave up: it needs no word of ours.
    server_done: bool,
}

/// Runs one session to its end.
pub async fn run(parts: Parts) -> Result<CloseReason, DriverError> {
    let Parts {
        consent,
        code,
        ui,
        mut commands,
        mut interrupt,
        signal,
        mut server,
        connect,
        mut interfaces,
        desktop,
        downloads,
        brake,
        listen,
    } = parts;
    let mut seed = [0; SEED_LEN];
    SysRng.try_fill_bytes(&mut seed).map_err(DriverError::Random)?;
    let (input, input_events) = Input::start(desktop.injector)?;
    let (video, video_events) = Video::start(desktop.capture, input.placed())?;
    let (files, file_events) = Files::new(downloads);
    let mut threads = Threads { video: video_events, input: input_events, files: file_events };
    let (own, mut heard) = Hand::new(brake.clone(), input.releaser());
    let mut driver = Driver {
        company: Company::new(consent, code, seed, brake),
        ui,
        signal,
        connect,
        interfaces: interfaces.clone(),
        video,
        input,
        files,
        seats: BTreeMap::from([(OWNER, Seat::default())]),
        hand: OWNER,
        listening: None,
        listens: false,
        own,
        ice_servers: Vec::new(),
        closing: JoinSet::new(),
        looking: JoinSet::new(),
        finished: None,
        broken: None,
        server_done: false,
    };
    driver.listen(listen);
    let reason = loop {
        // First: what was touched before a click counts before it.
        driver.hear_hand(&mut heard);
        if let Some(reason) = driver.finished {
            break reason;
        }
        driver.listen_while_it_matters();
        let deadline = driver.company.deadline().map(Instant::from_std);
        tokio::select! {
            Some(()) = interrupt.recv() => driver.handle(&Event::End),
            Some(own) = heard.recv() => driver.own(own),
            Some(command) = commands.recv() => {
                driver.hear_hand(&mut heard);
                driver.command(command);
            }
            event = server.recv() => driver.server(event).await,
            () = interfaces.changed() => driver.handle(&Event::NetworkChanged),
            (viewer, event) = next(&mut driver.seats) => driver.peer_event(viewer, event),
            event = threads.video.recv() => match event {
                Some(video::Event::Layout(layout)) => driver.handle(&Event::Layout(layout)),
                Some(video::Event::View { viewer, view }) => driver.of(viewer, Event::View(view)),
                Some(video::Event::Figures { viewer, figures }) => {
                    driver.of(viewer, Event::Figures(figures));
                }
                Some(video::Event::Screen { available }) => driver.handle(&Event::Screen { available }),
                Some(video::Event::Broken(why)) => driver.broke(why),
                None => driver.broke("showing the screen failed".into()),
            },
            event = threads.input.recv() => match event {
                Some(input::Event::Problem(problem)) => driver.of(driver.hand, Event::InputProblem(problem)),
                Some(input::Event::Broken(why)) => driver.broke(why),
                None => driver.broke("the input failed".into()),
            },
            // Never `None`: the driver's own `Files` holds a sender.
            Some(event) = threads.files.recv() => driver.file(event),
            Some(looked) = driver.looking.join_next() => match looked {
                Ok(Ok(file)) => driver.of(OWNER, Event::SendFile(file)),
                Ok(Err(why)) => driver.ui.show(&News::Problem(why)),
                Err(_) => driver.ui.show(&News::Problem("the file can't be sent".into())),
            },
            () = at(deadline) => driver.handle(&Event::Tick),
        }
        while driver.closing.try_join_next().is_some() {}
    };
    drop(threads);
    driver.end(reason, server).await
}

/// The next event of any connection, and whose it is; waits without end where there is none. The first technician's come
/// first, so that nobody who was invited holds them up.
async fn next(seats: &mut BTreeMap<ViewerId, Seat>) -> (ViewerId, Option<crate::rtc::Event>) {
    let connected = seats.iter_mut().filter_map(|(viewer, seat)| Some((*viewer, seat.events.as_mut()?)));
    let waiting: Vec<_> =
        connected.map(|(viewer, events)| Box::pin(async move { (viewer, events.next().await) })).collect();
    if waiting.is_empty() {
        return std::future::pending().await;
    }
    select_all(waiting).await.0
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

impl Driver {
    /// The connection of the moment to this tab.
    fn peer(&self, viewer: ViewerId) -> Option<&Peer> {
        self.seats.get(&viewer)?.peer.as_ref()
    }

    /// Something happened to everybody.
    fn handle(&mut self, event: &Event) {
        let wanted = self.company.all(event, Instant::now().into_std());
        self.carry_out(wanted);
    }

    /// Something happened to one technician's tab.
    fn of(&mut self, viewer: ViewerId, event: Event) {
        let wanted = self.company.of(viewer, event, Instant::now().into_std());
        self.carry_out(wanted);
    }

    fn carry_out(&mut self, wanted: Vec<Wanted>) {
        for (viewer, effect) in wanted {
            self.apply(viewer, effect);
        }
    }

    /// A part failed, without which nothing goes on; remembered for the exit status.
    fn broke(&mut self, why: String) {
        self.broken.get_or_insert(DriverError::Broken(why.clone()));
        self.handle(&Event::Broken(why));
    }

    fn listen(&mut self, listen: Option<Listen>) {
        match listen.map(|listen| listen(self.own.clone())) {
            None => {}
            Some(Ok(listening)) => self.listening = Some(listening),
            Some(Err(error)) => self.deaf(&error.to_string()),
        }
    }

    /// Keys are held back from other programs, and the mouse wakes us, only while somebody is there to be stopped.
    fn listen_while_it_matters(&mut self) {
        let listens = self.company.has_company();
        if std::mem::replace(&mut self.listens, listens) != listens
            && let Some(listening) = &self.listening
        {
            listening.set_active(listens);
        }
    }

    /// The customer's hand is not heard: what else stops the technician goes on to.
    fn deaf(&mut self, why: &str) {
        self.listening = None;
        let what = "your own mouse and keyboard do not take control back by themselves";
        self.ui.show(&News::Problem(format!("{what} ({why}); you can still take it back yourself")));
    }

    /// What the customer's own hand did meanwhile.
    fn hear_hand(&mut self, heard: &mut mpsc::Receiver<Own>) {
        while let Ok(own) = heard.try_recv() {
            self.own(own);
        }
    }

    fn own(&mut self, own: Own) {
        let now = Instant::now().into_std();
        let wanted = match own {
            Own::Touched => self.company.all(&Event::Touched, now),
            Own::Key(Hotkey::Files) => self.company.files_key(now),
            Own::Key(Hotkey::Control) => self.company.control_key(now),
            Own::Key(Hotkey::Panic) => self.company.all(&Event::Panic, now),
            Own::Lost(why) => return self.deaf(&why),
        };
        self.carry_out(wanted);
    }

    fn command(&mut self, command: Command) {
        let now = Instant::now().into_std();
        match command {
            Command::Answer { question, yes, choice } => {
                let wanted = self.company.answer(question, yes, choice, now);
                self.carry_out(wanted);
            }
            Command::Give { whom, right } => {
                let wanted = self.company.give(whom, right, now);
                self.carry_out(wanted);
            }
            Command::TakeBack { whom, right } => {
                let wanted = self.company.take_back(whom, right, now);
                self.carry_out(wanted);
            }
            Command::Say(text) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
                self.handle(&Event::Say { text, written_at_ms: now.as_millis() as u64 });
            }
            // A folder of the network may take its time.
            Command::SendFile(path) => drop(self.looking.spawn_blocking(move || files::look(&path))),
            Command::AskAgain => self.handle(&Event::AskAgain),
            Command::Narrow(choice) => self.handle(&Event::Narrow(choice)),
            Command::Resume => self.handle(&Event::Resume),
            Command::ComesBack(after) => self.handle(&Event::ComesBack(after)),
            Command::End => self.handle(&Event::End),
            Command::Panic => self.own.pressed(Hotkey::Panic),
        }
    }

    async fn server(&mut self, event: Option<signal::Event>) {
        match event {
            Some(signal::Event::Message(message)) => match message {
                ServerToHost::Welcome { technician, ice_servers, viewer_present, session, .. } => {
                    tracing::info!(%session, "the server let us in");
                    self.know_ways(ice_servers).await;
                    self.of(OWNER, Event::Welcome { session, technician, viewer_present });
                }
                ServerToHost::ViewerArrived => self.of(OWNER, Event::ViewerArrived),
                ServerToHost::ViewerDropped { .. } => self.of(OWNER, Event::ViewerDropped),
                ServerToHost::Share { share } => self.of(OWNER, Event::Share(share)),
                ServerToHost::Negotiate(message) => self.negotiate(OWNER, message).await,
                message @ (ServerToHost::GuestArrived { .. }
                | ServerToHost::GuestDropped { .. }
                | ServerToHost::GuestLeft { .. }
                | ServerToHost::GuestNegotiate { .. }) => self.guest(message).await,
                ServerToHost::End { reason } => {
                    self.server_done = true;
                    self.of(OWNER, Event::ServerEnded(reason));
                }
            },
            Some(signal::Event::Lost(error)) => self.handle(&Event::ServerLost(error.to_string())),
            Some(signal::Event::Failed(error)) => {
                self.server_done = true;
                if self.company.phase() == Phase::Idle {
                    // Nothing has begun: the sentence alone says it.
                    self.finished = Some(CloseReason::ServerError);
                } else {
                    self.handle(&Event::Broken(error.to_string()));
                }
                self.broken = Some(error.into());
            }
            None => {
                self.server_done = true;
                self.broke("the connection to the server failed".into());
            }
        }
    }

    fn file(&mut self, event: files::Event) {
        match event {
            files::Event::Send(message) => self.send(OWNER, Channel::Files, &message),
            files::Event::Over(id, outcome) => {
                self.files.over(id);
                self.ui.show(&match outcome {
                    Outcome::Saved(path) => News::FileSaved { path },
                    Outcome::Sent(name) => News::FileSent { name },
                    Outcome::Failed { name, problem } => {
                        News::FileFailed { name, why: files::words(problem).into() }
                    }
                });
            }
        }
    }

    fn apply(&mut self, viewer: ViewerId, effect: Effect) {
        match effect {
            Effect::Ask(question) => self.ui.ask(&question),
            Effect::Unask(id) => self.ui.withdraw(id),
            Effect::Send(message) => self.send(viewer, Channel::Control, &message),
            Effect::SendChat(message) => self.send(viewer, Channel::Chat, &message),
            Effect::SendFile(message) => self.send(viewer, Channel::Files, &message),
            Effect::StartVideo(grant) => {
                if let Some(peer) = self.peer(viewer) {
                    self.video.show(viewer, grant, peer.transport.clone());
                }
            }
            Effect::StopVideo => self.video.stop(viewer),
            Effect::Arrival(arrival) => self.video.arrival(viewer, arrival),
            Effect::Watch(watch) => self.video.watch(viewer, watch),
            Effect::Refresh => self.video.refresh(viewer),
            Effect::Painted(painted) => self.video.painted(viewer, painted),
            Effect::Inject(event, grant) => {
                if !self.input.inject(event, grant) {
                    self.of(viewer, Event::InputProblem(InputProblem::Failed));
                }
            }
            Effect::Move(to, grant) => self.input.move_to(to, grant),
            Effect::Press(keys, grant) => {
                if !self.input.press(keys, &grant) {
                    self.of(viewer, Event::InputProblem(InputProblem::Failed));
                }
            }
            Effect::ReleaseAll => self.input.release_all(),
            Effect::Controlled(acts) => {
                if acts {
                    self.own.forgive(Instant::now().into_std());
                }
            }
            // Capture and input are not aimed at a part yet, and nobody is shown more than the customer chose.
            Effect::Aim(choice) => {
                if choice.scope != Scope::Everything {
                    self.handle(&Event::ScopeClosed);
                }
            }
            Effect::OtherHand => {
                self.hand = viewer;
                self.input.release_all();
                self.input.new_peer();
            }
            // Kept by the company itself.
            Effect::Invite(_) => {}
            Effect::Leave => self.leave(viewer),
            Effect::Receive(offer) => {
                if let Some(refusal) = self.files.receive(&offer) {
                    self.send(viewer, Channel::Files, &refusal);
                }
            }
            Effect::Offer(file) => {
                let transport = self.peer(viewer).map(|peer| peer.transport.clone());
                if let Some(transport) = transport
                    && !self.files.offer(file, transport)
                {
                    self.ui.show(&News::Problem(files::words(FileProblem::TooMany).into()));
                }
            }
            Effect::StopFiles(sender) => self.files.stop(Some(sender), FileProblem::Cancelled),
            Effect::LoseFiles => self.files.stop(None, FileProblem::ConnectionLost),
            Effect::Tell(news) => self.ui.show(&news),
            Effect::WantRestart => self.want_restart(viewer),
            Effect::Redial => self.signal.redial(),
            Effect::Signal(message) => {
                if !self.signal.send(message) {
                    // The queue holds minutes of talk: the server is away, and learns the rest when we are back.
                    tracing::debug!("a message to the server was dropped");
                }
            }
            Effect::End(reason) => self.finished = Some(reason),
        }
    }

    /// Sends on a reliable channel. A peer that lets a megabyte of words pile up is gone.
    fn send<M: Message>(&mut self, viewer: ViewerId, channel: Channel, message: &M) {
        let Some(peer) = self.peer(viewer) else { return };
        let bytes = match encode(message) {
            Ok(bytes) => Bytes::from(bytes),
            Err(error) => {
                tracing::warn!(channel = channel.label(), %error, "a message of ours breaks its limits");
                return;
            }
        };
        match peer.transport.send(channel, bytes) {
            Ok(()) => {}
            Err(SendError::Full) => {
                tracing::info!(channel = channel.label(), "the technician's end takes nothing any more");
                self.lose_peer(viewer);
            }
            Err(error) => tracing::debug!(channel = channel.label(), %error, "a message was not sent"),
        }
    }
}
