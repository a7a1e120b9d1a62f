//! What the technician's pointer and keyboard do, as compact messages.
//!
//! Positions are pixels of the picture ([`crate::display::Layout`]), already mapped by the viewer. A key says both
//! where it is (`code`, [UI Events KeyboardEvent code values](https://www.w3.org/TR/uievents-code/)) and what it typed
//! (`key`), because the layouts of the two ends may differ.

use serde::{Deserialize, Serialize};

use crate::wire::{Message, WireError, bounds};

pub use crate::key_code::KeyCode;

/// Longest text typed or pasted at once, in bytes of UTF-8.
pub const MAX_TEXT: usize = 4 * 1024;
/// One notch of a mouse wheel, in the units of [`InputEvent::Wheel`]; as Windows' `WHEEL_DELTA`.
pub const WHEEL_NOTCH: i16 = 120;

/// A pointer move, on the unreliable channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointerMove {
    /// Counts all moves of this peer connection; one that is not higher than the newest seen is dropped.
    pub sequence: u32,
    /// Pixels from the left edge of the picture.
    pub x: u16,
    /// Pixels from the top edge of the picture.
    pub y: u16,
}

impl Message for PointerMove {
    const MAX: usize = 16;
}

/// A button of a mouse (`MouseEvent.button`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Button {
    /// Usually the left one.
    Primary,
    /// The wheel, pressed.
    Middle,
    /// Usually the right one.
    Secondary,
    /// The fourth: back.
    Back,
    /// The fifth: forward.
    Forward,
}

/// Something that must arrive, and in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputEvent {
    /// A button went down or up. It carries the place, so that no move needs to have arrived before it.
    Button {
        /// Which.
        button: Button,
        /// Down, or up.
        pressed: bool,
        /// Pixels from the left edge of the picture.
        x: u16,
        /// Pixels from the top edge of the picture.
        y: u16,
    },
    /// The wheel was turned; in 1/120 of a notch, positive to the right and down.
    Wheel {
        /// Sideways.
        dx: i16,
        /// Up and down.
        dy: i16,
    },
    /// A key went down or up; a repeated down is the browser's auto-repeat.
    Key {
        /// Where the key is.
        code: KeyCode,
        /// The character that it typed in the technician's layout, where it typed one.
        key: Option<char>,
        /// Down, or up.
        pressed: bool,
    },
    /// Text that no single key made: an input method, a dead key, an emoji panel.
    Text(String),
    /// The viewer lost its focus: nothing is pressed any more.
    ReleaseAll,
}

impl Message for InputEvent {
    const MAX: usize = MAX_TEXT + 16;

    fn check(&self) -> Result<(), WireError> {
        match self {
            Self::Text(text) => bounds(!text.is_empty() && text.len() <= MAX_TEXT, "typed text"),
            _ => Ok(()),
        }
    }
}
