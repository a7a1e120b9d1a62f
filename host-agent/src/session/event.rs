//! What happens to a session, and what it wants done: the two vocabularies of the machine.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use nearhand_protocol::chat::ChatMessage;
use nearhand_protocol::close::CloseReason;
use nearhand_protocol::control::{Arrival, Figures, InputProblem, SpecialKeys, ToHost, ToViewer, Watch};
use nearhand_protocol::display::Layout;
use nearhand_protocol::file::{FileMessage, TransferId};
use nearhand_protocol::grant::{ControlGrant, Right, Rights, Scope, ViewGrant};
use nearhand_protocol::id::{Seat, SessionId};
use nearhand_protocol::input::{InputEvent, PointerMove};
use nearhand_protocol::invitation::Invitation;
use nearhand_protocol::machine::handshake::Binding;
use nearhand_protocol::picture::{Painted, View};
use nearhand_protocol::proof::{Proof, Share};
use nearhand_protocol::signal::{HostToServer, Technician};

/// Names one technician's tab among those of a session; none is as the first one's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ViewerId(pub u8);

/// Which technicians the customer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// All who have proven who they are.
    All,
    /// This one.
    One(ViewerId),
}

/// What the customer chose to share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// What.
    pub scope: Scope,
    /// The window's title, or the program's or monitor's name; empty for everything. Whoever made the window wrote it.
    pub name: String,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The server let us in, the first time or again.
    Welcome {
        /// Which session it is.
        session: SessionId,
        /// Who helps.
        technician: Technician,
        /// Whether the technician's tab is there.
        viewer_present: bool,
    },
    /// The connection to the server broke; it is being made again. Why, in words.
    ServerLost(String),
    /// The addresses of this computer are others than before.
    NetworkChanged,
    /// The technician's tab came to the server.
    ViewerArrived,
    /// The technician's tab lost the server.
    ViewerDropped,
    /// The technician's part of the key exchange came by way of the server.
    Share(Share),
    /// The server ended the session.
    ServerEnded(CloseReason),

    /// A new peer connection is being made; the one before, if any, is gone.
    NewPeer,
    /// The viewer offered on the peer connection, the first time or again.
    Offered,
    /// The peer connection stopped carrying data; an ICE restart may mend it.
    RestartDue,
    /// The peer connection carries data, the first time or again.
    PeerConnected,
    /// The peer connection broke; it may recover.
    PeerLost,
    /// The control channel is open.
    ControlOpen,
    /// A message on it; [`ToHost::Prove`] comes as [`Event::Prove`].
    Control(ToHost),
    /// The peer's proof on it.
    Prove {
        /// What the peer said.
        proof: Proof,
        /// What our end of the connection really uses; `None` where it is not known.
        binding: Option<Binding>,
    },
    /// The chat channel is open.
    ChatOpen,
    /// A message on it.
    Chat(ChatMessage),
    /// A key, button, wheel or text of the technician.
    Input(InputEvent),
    /// The technician's pointer moved.
    Pointer(PointerMove),
    /// The technician's tab tells what it painted.
    Painted(Painted),
    /// The technician offers a file.
    FileOffered(FileOffer),
    /// The technician took an offer back.
    FileWithdrawn(TransferId),
    /// The technician would like the customer to send a file.
    FileWanted,
    /// A message of the technician that could not be understood.
    Garbage,

    /// The customer answered a question.
    Answer {
        /// Which.
        question: QuestionId,
        /// What.
        yes: bool,
        /// What is to be seen, where that is asked; `None`: what was shared before.
        choice: Option<Choice>,
    },
    /// The customer wrote a line.
    Say {
        /// The line.
        text: String,
        /// Milliseconds since the Unix epoch.
        written_at_ms: u64,
    },
    /// The customer wants to send a file.
    SendFile(LocalFile),
    /// The customer wants to be asked again, after having said no so often that nobody asked any more.
    AskAgain,
    /// The customer gives a right, by a switch or a key of their own.
    Give(Right),
    /// The customer takes a right back.
    TakeBack(Right),
    /// The customer shares something else from now on.
    Narrow(Choice),
    /// The customer's own hand was on mouse or keyboard.
    Touched,
    /// The customer lets the technician go on.
    Resume,
    /// The customer chose after how long without a touch the technician goes on by themselves; `None`: never.
    ComesBack(Option<Duration>),
    /// The customer ends the session.
    End,
    /// The customer ends everything at once.
    Panic,

    /// The capture told the picture's layout; only ever under a grant.
    Layout(Layout),
    /// What is shown from now on.
    View(View),
    /// What there is to tell about the last second of the picture.
    Figures(Figures),
    /// The screen can, or can't, be captured just now.
    Screen {
        /// Whether it can.
        available: bool,
    },
    /// What was shared is closed.
    ScopeClosed,
    /// What is shared is minimised, or on another desktop; or is there again.
    ScopeHidden(bool),
    /// Input was not carried out.
    InputProblem(InputProblem),
    /// Something that the session can't go on without has failed.
    Broken(String),
    /// Time passed.
    Tick,
}

/// Something to be done, in the order given.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Put this question to the customer; there is one at a time.
    Ask(Question),
    /// The question needs no answer any more.
    Unask(QuestionId),
    /// Send on the control channel.
    Send(ToViewer),
    /// Send on the chat channel.
    SendChat(ChatMessage),
    /// Send on the files channel.
    SendFile(FileMessage),
    /// Show the screen.
    StartVideo(ViewGrant),
    /// Show nothing any more, at once.
    StopVideo,
    /// How the picture arrives, for the encoder.
    Arrival(Arrival),
    /// What the technician looks at, and how.
    Watch(Watch),
    /// The technician needs the whole picture anew.
    Refresh,
    /// What was painted of the picture.
    Painted(Painted),
    /// Do what the technician did.
    Inject(InputEvent, ControlGrant),
    /// Move the pointer.
    Move(PointerMove, ControlGrant),
    /// Press a special combination.
    Press(SpecialKeys, ControlGrant),
    /// Let go of every key and button, and forget input that waits.
    ReleaseAll,
    /// A technician acts from here on, or goes on; or nobody does any more. Whoever listens to the customer's own hand
    /// forgives it the motion that the yes itself took.
    Controlled(bool),
    /// Only this may be captured and acted on from here on. What can't be aimed at counts as closed.
    Aim(Choice),
    /// Take the offered file.
    Receive(FileOffer),
    /// Offer a file.
    Offer(LocalFile),
    /// Stop the transfers that this end sends.
    StopFiles(Seat),
    /// The connection that transfers ran over is gone: stop them all.
    LoseFiles,
    /// Somebody else uses pointer and keyboard from here on: let go of everything, and count their moves from the start.
    OtherHand,
    /// Another technician may come in, by this.
    Invite(Invitation),
    /// This tab has no part in the session any more: close its connection, once the last word is out.
    Leave,
    /// Tell the customer.
    Tell(News),
    /// Ask the viewer, by way of the server, for an ICE restart.
    WantRestart,
    /// Connect to the server anew, at once: the connection that is there may be dead.
    Redial,
    /// Tell the server.
    Signal(HostToServer),
    /// It is over: say the rest, and leave. Always the last.
    End(CloseReason),
}

/// Names one question, so that a late answer is not taken for that to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuestionId(pub u32);

/// A question to the customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Comes back with the answer.
    pub id: QuestionId,
    /// The right that a yes gives.
    pub right: Right,
    /// Who asks.
    pub technician: Technician,
    /// Who holds pointer and keyboard now, and would not after a yes.
    pub instead_of: Option<Technician>,
    /// The file that made the question come up, where one did: its name as the sender wrote it, and its size in bytes.
    pub file: Option<(String, u64)>,
}

/// A file that the technician offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOffer {
    /// The transfer.
    pub id: TransferId,
    /// As the sender wrote it: not safe yet.
    pub name: String,
    /// In bytes.
    pub size: u64,
}

/// A file that the customer wants to send; it exists and can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Its name without the folder.
    pub name: String,
    /// In bytes.
    pub size: u64,
}

/// What the customer is told of a technician who was invited.
#[derive(Clone, Debug, PartialEq)]
pub enum Colleague {
    /// Their end proved that they were; for whoever wants to compare, as [`News::Words`].
    Words([&'static str; 4]),
    /// They are connected.
    Up,
    /// Their connection broke; it may come back.
    Interrupted,
    /// These rights of theirs hold now.
    Rights(Rights),
    /// Their control rests, because the customer acts; or it goes on.
    Yielded(bool),
    /// They wrote.
    Chat(String),
    /// They wrote so many more lines that nobody could read them.
    ChatMerged(u32),
    /// They have no part in the session any more.
    Gone(CloseReason),
}

/// One technician, as the customer sees them while they are in the session.
#[derive(Clone, Debug, PartialEq)]
pub struct Looker {
    /// Which tab.
    pub viewer: ViewerId,
    /// Who.
    pub technician: Technician,
    /// Who invited them, by name; `None`: they gave the code.
    pub invited_by: Option<String>,
    /// The words to compare, as [`News::Words`].
    pub words: [&'static str; 4],
    /// Since when.
    pub since: Instant,
    /// Whether they are connected just now.
    pub connected: bool,
    /// The rights that hold.
    pub held: Rights,
    /// Control was given, and rests because the customer acts.
    pub rests: bool,
    /// The rights that they could have.
    pub offered: Rights,
}

/// What the customer is told.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// The server let us in for the first time.
    Connected {
        /// Who helps.
        technician: Technician,
        /// Whether the technician is there.
        viewer_present: bool,
    },
    /// The connection to the server broke; it is being made again.
    ServerLost {
        /// Why, in words.
        why: String,
        /// The two ends are connected all the same.
        goes_on: bool,
    },
    /// The connection to the server is there again.
    ServerBack,
    /// The technician came.
    TechnicianArrived,
    /// The technician lost the server; what runs between the two goes on.
    TechnicianDropped,
    /// The technician's end proved the code. Whoever wants to compares these words with the technician.
    Words([&'static str; 4]),
    /// The two ends are connected, and know that they are.
    PeerConnected,
    /// The connection broke; for a minute everything is kept.
    PeerLost,
    /// Connection after connection was begun, and none came about.
    Unreached,
    /// The minute is over: every right was taken back.
    RightsExpired,
    /// How the packets between the two ends travel; told at every change.
    Path {
        /// By way of a relay.
        relayed: bool,
    },
    /// The customer said no so often that they are not asked any more for a while.
    Silenced,
    /// These rights hold now.
    Rights(Rights),
    /// Who is in the session, and what they may do; told whole at every change of it.
    Who(Vec<Looker>),
    /// Control rests, because the customer acts; or it goes on.
    Yielded(bool),
    /// What is shared from here on.
    Shares(Choice),
    /// What was shared is closed: nobody sees anything.
    ScopeClosed,
    /// Several technicians could be given this right, and the customer has to say who.
    Choose(Right),
    /// The technician wrote.
    Chat(String),
    /// The technician wrote so many more lines that nobody could read them: they are not shown.
    ChatMerged(u32),
    /// The technician invites another one.
    Invited,
    /// Something about a technician who was invited.
    Colleague {
        /// Who.
        technician: Technician,
        /// What.
        what: Colleague,
    },
    /// The technician asks for a file.
    FileWanted,
    /// A file arrived whole, under this name.
    FileSaved {
        /// Where it lies.
        path: PathBuf,
    },
    /// A file was sent, and arrived whole.
    FileSent {
        /// Its name.
        name: String,
    },
    /// A transfer ended without success.
    FileFailed {
        /// The file's name.
        name: String,
        /// Why, in words.
        why: String,
    },
    /// What the customer tried can't be done, or something failed; in words.
    Problem(String),
    /// The session is over.
    Ended(CloseReason),
}
