//! The windows that can be shared one by one.

use std::fmt;

use crate::{Error, Rect, WindowId};

/// Longest title or name of a program, in bytes; longer ones are cut.
pub const MAX_TITLE: usize = 128;
/// Largest side of an icon, in pixels.
pub const MAX_ICON: u16 = 64;

/// A window of another program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowInfo {
    /// Which it is.
    pub id: WindowId,
    /// What it says at the top: a stranger's text, without control characters, of at most [`MAX_TITLE`] bytes.
    pub title: String,
    /// The program's name for itself, likewise.
    pub program: String,
    /// Where it is on the screen, as far as it is on it.
    pub area: Option<Rect>,
    /// It is minimised, or on another desktop.
    pub minimised: bool,
    /// Its picture for task bars.
    pub icon: Option<Icon>,
}

/// A small picture, which stays on this computer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Icon {
    /// Pixels in a row, at most [`MAX_ICON`].
    pub width: u16,
    /// Rows, at most [`MAX_ICON`].
    pub height: u16,
    /// Red, green, blue and straight alpha of each pixel.
    pub rgba: Vec<u8>,
}

/// The windows of other programs. No grant is asked: the list is for the customer alone.
pub trait Windows: Send + fmt::Debug {
    /// All that can be shared, in the order of the system's task bar; ours are not among them.
    fn list(&mut self) -> Result<Vec<WindowInfo>, Error>;

    /// Brings one to the front, out of its icon if need be. The system may refuse without a word.
    fn activate(&mut self, window: WindowId) -> Result<(), Error>;
}
