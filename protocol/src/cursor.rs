//! The customer's cursor: its true shape, drawn by the technician's browser itself, and where it is when somebody else
//! than the technician moved it.

use serde::{Deserialize, Serialize};

use crate::wire::{Message, WireError, bounds};

/// Largest side of a cursor, in pixels; larger ones are scaled down by the host.
pub const MAX_SIDE: u16 = 96;

/// What goes over the cursor channel, from the host to the viewer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CursorMessage {
    /// A new shape, to be shown from now on and remembered under its serial number.
    Shape(CursorShape),
    /// A shape that was sent before is shown again.
    Again {
        /// Its serial number.
        serial: u32,
    },
    /// No cursor is shown, for example while a film plays.
    Hidden,
    /// The cursor is here, and it was not the technician who moved it.
    At {
        /// Pixels from the left edge of the picture.
        x: u16,
        /// Pixels from the top edge of the picture.
        y: u16,
    },
}

/// The picture of a cursor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CursorShape {
    /// Names the shape within this session.
    pub serial: u32,
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// The pixel that points, from the left.
    pub hot_x: u16,
    /// The pixel that points, from the top.
    pub hot_y: u16,
    /// `width × height` pixels, rows from the top, each red, green, blue, alpha (straight, not premultiplied).
    #[serde(with = "serde_bytes")]
    pub rgba: Vec<u8>,
}

impl Message for CursorMessage {
    const MAX: usize = MAX_SIDE as usize * MAX_SIDE as usize * 4 + 64;

    fn check(&self) -> Result<(), WireError> {
        let Self::Shape(shape) = self else { return Ok(()) };
        let sides = 1..=MAX_SIDE;
        bounds(sides.contains(&shape.width) && sides.contains(&shape.height), "cursor size")?;
        bounds(shape.hot_x < shape.width && shape.hot_y < shape.height, "cursor hot spot")?;
        bounds(shape.rgba.len() == usize::from(shape.width) * usize::from(shape.height) * 4, "cursor pixels")
    }
}
