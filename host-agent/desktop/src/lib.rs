//! The customer's desktop: what is on it, acting on it, and what its settings say. The only home of operating-system libraries.
//!
//! [`open`] gives independent parts, each made for a thread of its own: [`Capture`] waits for changes and reads
//! pixels, [`Injector`] moves the pointer and types, [`LocalInput`] hears the hand of the person at the machine,
//! [`Clipboard`] has what they copy. No pixel is read, nothing is injected, and the clipboard is not touched without a
//! live grant; letting go of keys and buttons needs none.
//!
//! One folder for each system: `x11`, and [`fake`] for tests. Places that are kept for later: `wayland`, `windows` and
//! `macos` beside them.

mod capture;
mod clipboard;
mod damage;
mod error;
pub mod facts;
pub mod fake;
mod inject;
mod local;
mod overlay;
mod own;
pub mod proxy;
pub mod uri;
mod windows;
#[cfg(target_os = "linux")]
mod x11;

pub use capture::{Capture, CursorSource, Displays, Event, Frame, Rect, Waker};
pub use clipboard::{Clipboard, ClipboardError, Contents, Format, Formats};
pub use damage::{MAX_RECTS, merge};
pub use error::Error;
pub use inject::{Axis, Held, Inject, Injector, NativeKey, Press};
pub use local::{Combination, Hotkey, Hotkeys, Listening, Local, LocalInput, Modifiers, Touch};
pub use nearhand_protocol::grant::{Scope, WindowId};
pub use overlay::{Above, Framed, Overlay};
pub use own::{OwnRole, OwnWindows};
pub use windows::{Icon, MAX_ICON, MAX_TITLE, WindowInfo, Windows};

/// A desktop that can be shown and controlled.
#[derive(Debug)]
pub struct Desktop {
    /// Its pixels, cursor and monitors.
    pub capture: Box<dyn Capture>,
    /// Its pointer and keyboard.
    pub injector: Injector,
    /// The person's own mouse and keyboard; `None` where the system can't tell them from injected input.
    pub local: Option<Box<dyn LocalInput>>,
    /// The windows of other programs.
    pub windows: Box<dyn Windows>,
    /// What lies above all other windows.
    pub overlay: Box<dyn Overlay>,
    /// What the person copies and pastes.
    pub clipboard: Box<dyn Clipboard>,
}

/// Opens the desktop of the person who runs this program.
///
/// `display` names an X server as `$DISPLAY` does; `None` takes `$DISPLAY` itself. The error says in one sentence what
/// is missing and what to do.
pub fn open(display: Option<&str>) -> Result<Desktop, Error> {
    #[cfg(target_os = "linux")]
    return x11::open(display);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = display;
        Err(Error::NoBackend)
    }
}
