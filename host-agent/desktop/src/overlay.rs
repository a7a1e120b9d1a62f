//! What lies above everything else on the customer's screen: frames around what is shared, and windows of ours that nothing may cover.

use std::fmt;

use crate::{Error, OwnRole, OwnWindows, Rect, WindowId};

/// A frame around something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framed {
    /// What is framed, in pixels of the screen.
    pub area: Rect,
    /// Red, green and blue.
    pub colour: [u8; 3],
    /// Pixels across each side.
    pub thickness: u16,
    /// Along the inside of the edges, for a monitor. Else outside, as far as there is room.
    pub inside: bool,
}

/// What happens to the windows that are to be above all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Above {
    /// Another program keeps covering them (true), or has ceased to. They are raised more seldom meanwhile.
    Covered(bool),
    /// A window of ours was destroyed, by whomever.
    Gone(WindowId, OwnRole),
    /// Nothing is kept above any more, for this reason; the last thing that is said.
    Lost(String),
}

/// Keeps frames and windows of ours above all others. Works on a thread of its own, which ends with it; all frames go then.
pub trait Overlay: Send + fmt::Debug {
    /// Shows these frames and no others. Clicks go through them.
    fn frame(&mut self, around: &[Framed]) -> Result<(), Error>;

    /// This window is ours, before it is shown: input of the technician keeps off it. The bar and notes are above all others
    /// from now on, and no task bar lists them.
    fn adopt(&mut self, window: WindowId, role: OwnRole) -> Result<(), Error>;

    /// The window is gone, or hidden for good.
    fn forget(&mut self, window: WindowId) -> Result<(), Error>;

    /// Our windows, for [`Injector::keep_off`](crate::Injector::keep_off).
    fn own(&self) -> OwnWindows;

    /// Calls `hears` from now on. It runs on the overlay's thread: it must not block, nor drop the overlay.
    fn hear(&mut self, hears: Box<dyn FnMut(Above) + Send>) -> Result<(), Error>;
}
