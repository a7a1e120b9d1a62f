//! The control channel: rights asked, given and taken, the picture's layout, notices, the end.
//!
//! It goes from end to end. The server can neither read nor forge a consent.

use serde::{Deserialize, Serialize};

use crate::close::CloseReason;
use crate::display::Layout;
use crate::facts::Topics;
use crate::grant::{Right, Rights, Scope};
use crate::invitation::Invitation;
use crate::picture::View;
use crate::proof::Proof;
use crate::version::{Capabilities, Version};
use crate::wire::{Message, WireError, bounds};

/// The first message of each end on the control channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// What it speaks.
    pub version: Version,
    /// What else it can do.
    pub capabilities: Capabilities,
}

/// From the viewer to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToHost {
    /// First of all.
    Hello(Hello),
    /// The technician asks for rights; the customer is asked about those that do not hold yet.
    Ask(Rights),
    /// The technician gives rights back.
    GiveBack(Rights),
    /// Answered at once with [`ToViewer::Pong`]: measures the round trip.
    Ping {
        /// Comes back as it was.
        nonce: u32,
    },
    /// How the picture arrives, about once a second; the host's encoder listens to it.
    Arrival(Arrival),
    /// A combination that the browser or the technician's own system would catch.
    Press(SpecialKeys),
    /// The technician ends the session.
    End,
    /// Proves that this end knows the code, over this peer connection. Before it nothing but [`Self::Hello`] and
    /// [`Self::End`] counts.
    Prove(Proof),
    /// What the technician looks at, and how.
    Watch(Watch),
    /// Another technician may come in, who will prove that they know this secret. Only of the tab that proved the code.
    Invite(Invitation),
    /// This end has nothing any more of what was painted, or can't decode without a keyframe: everything is sent anew.
    Refresh,
    /// The technician would like to see these facts about the computer; the customer sees them first. Only to a host with
    /// [`Capabilities::FACTS`].
    AskFacts(Topics),
}

/// What the technician looks at, and how it should look. Until it comes: everything, [`Quality::Auto`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// One of the layout's monitors; `None`, or one that is not there: all of them.
    pub monitor: Option<u8>,
    /// What matters most.
    pub quality: Quality,
    /// Nobody sees the tab just now: nothing is sent until that changes.
    pub paused: bool,
    /// The panel with the figures is open: [`ToViewer::Figures`] is wanted once a second.
    pub figures: bool,
}

/// What matters most where the line does not carry everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Quality {
    /// As the line and the screen suggest.
    #[default]
    Auto,
    /// Text can be read at every moment, at the cost of frames.
    Sharp,
    /// Motion is smooth, at the cost of sharpness.
    Smooth,
    /// As few bytes as possible.
    SaveData,
}

/// What the host can tell about the last second of the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Frames of the video sent.
    pub frames: u16,
    /// Exact tiles sent.
    pub tiles: u16,
    /// Pixels moved instead of sent, in thousands.
    pub moved_kilopixels: u32,
    /// Bytes of video.
    pub video_bytes: u32,
    /// Bytes of tiles and moves.
    pub tile_bytes: u32,
    /// Mean time to capture a frame or the pixels of tiles, in microseconds.
    pub capture_us: u32,
    /// Mean time to convert and encode a frame, in microseconds.
    pub encode_us: u32,
    /// What the line is thought to carry, in bits per second.
    pub bitrate: u32,
    /// Packets lost, in thousandths.
    pub loss_permille: u16,
    /// Time packets stand in queues on the way, in milliseconds.
    pub queue_ms: u16,
    /// Width of the video's frames: less than the view's where bits are saved.
    pub frame_width: u16,
    /// Their height.
    pub frame_height: u16,
    /// Part of the picture that is exact, in percent.
    pub exact_percent: u8,
}

/// What the viewer sees of the video stream, counted since the last such message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// Frames decoded.
    pub frames_decoded: u16,
    /// Frames that came and were not shown.
    pub frames_dropped: u16,
    /// Packets lost.
    pub packets_lost: u16,
    /// Mean time that a frame waited in the jitter buffer, in milliseconds.
    pub jitter_buffer_ms: u16,
}

/// A combination of keys, sent as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SpecialKeys {
    /// Ctrl+Alt+Del.
    CtrlAltDel,
    /// Alt+Tab.
    AltTab,
    /// Alt+F4.
    AltF4,
    /// The Windows or Super key.
    Meta,
    /// Ctrl+Shift+Escape.
    CtrlShiftEscape,
    /// Print screen.
    PrintScreen,
}

/// From the host to the viewer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToViewer {
    /// First of all.
    Hello(Hello),
    /// The rights that hold now, and those that the customer is being asked about. Sent at every change.
    Rights {
        /// What holds.
        held: Rights,
        /// What the customer has been asked.
        asked: Rights,
    },
    /// The customer said no.
    Refused(Right),
    /// The picture's size and monitors; sent with the first right to see, and at every change.
    Layout(Layout),
    /// Something that the technician should read.
    Notice(Notice),
    /// Answer to [`ToHost::Ping`].
    Pong {
        /// As it came.
        nonce: u32,
    },
    /// The session is over.
    End(CloseReason),
    /// The input was not carried out; said once for each reason until it changes.
    InputIgnored(InputProblem),
    /// The answer to [`ToHost::Prove`], once that was right. Before it the viewer believes nothing but [`Self::Hello`] and
    /// [`Self::End`].
    Prove(Proof),
    /// What is shown from now on; sent after each [`Self::Layout`] and each change by [`ToHost::Watch`].
    View(View),
    /// Once a second while the viewer wants them.
    Figures(Figures),
    /// What is shared; sent with the first right to see, and at every change. Only to a viewer with
    /// [`Capabilities::SCOPE`].
    Shared(Shared),
    /// Control rests, or does not any more. While it rests, [`Self::Rights`] does not name it, and there is no use in asking
    /// for it: the customer's click lets it go on. Only to a viewer with [`Capabilities::SCOPE`].
    Rests(Option<Rest>),
}

/// Longest name of what is shared, in bytes of UTF-8.
pub const MAX_SHARED_NAME: usize = 128;

/// What the customer shares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// How much.
    pub what: What,
    /// The window's title, or the program's or monitor's name, at most [`MAX_SHARED_NAME`] bytes; empty where there is
    /// none. It is text of whoever made the window: plain text, never markup.
    pub name: String,
}

/// How much of a desktop is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// All of it.
    Everything,
    /// One monitor.
    Monitor,
    /// One window, with its menus and dialogs.
    Window,
    /// All windows of one program.
    Application,
}

impl From<Scope> for What {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Everything => Self::Everything,
            Scope::Monitor(_) => Self::Monitor,
            Scope::Window(_) => Self::Window,
            Scope::Application(_) => Self::Application,
        }
    }
}

/// Why control rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rest {
    /// The customer is using mouse or keyboard.
    CustomerActs {
        /// Seconds without a touch after which it goes on by itself; 0: by the customer's click only.
        back_after_s: u8,
    },
}

/// What the technician should know about the customer's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    /// It runs without a person and gives rights by its command line: for tests only.
    Headless,
    /// The screen can't be captured just now (locked, switched off, another user's).
    ScreenUnavailable,
    /// The screen is there again.
    ScreenAvailable,
    /// The customer said no so often that they are not asked any more for some minutes.
    NotAsked,
    /// What was shared was closed; nothing is shown until the customer shares something else. This one and those behind it
    /// only to a viewer with [`Capabilities::SCOPE`].
    ScopeClosed,
    /// The shared window is minimised, or on another desktop: the picture stays as it was.
    WindowHidden,
    /// The shared window is there again.
    WindowBack,
    /// Another program keeps covering the bar that tells the customer that they are seen.
    Covered,
    /// The grey box in the picture is the customer's own Nearhand window, which is not shown.
    OwnWindowHidden,
}

/// Why input was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputProblem {
    /// The right to control does not hold.
    NoControl,
    /// This system has no such key, or can't type this text.
    Unsupported,
    /// The system refused.
    Failed,
    /// It would have landed outside of what is shared, or another window covers the spot. This one and those behind it only
    /// to a viewer with [`Capabilities::SCOPE`].
    Outside,
    /// It would have landed on the customer's own question or bar.
    Ours,
    /// The customer is using mouse or keyboard: control rests.
    CustomerActs,
}

impl Message for ToHost {
    const MAX: usize = 256;
}

impl Message for ToViewer {
    const MAX: usize = 4 * 1024;

    fn check(&self) -> Result<(), WireError> {
        match self {
            Self::Layout(layout) => layout.check(),
            Self::View(view) => view.area.check(),
            Self::Shared(shared) => bounds(shared.name.len() <= MAX_SHARED_NAME, "name of what is shared"),
            _ => Ok(()),
        }
    }
}
