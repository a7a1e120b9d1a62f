//! What the technician looks at: the picture's size and the monitors in it.

use serde::{Deserialize, Serialize};

use crate::wire::{WireError, bounds};

/// Most monitors that are told apart.
pub const MAX_MONITORS: usize = 16;
/// Longest name of a monitor, in bytes.
pub const MAX_NAME: usize = 128;
/// Largest side of the picture, in pixels.
pub const MAX_SIDE: u16 = 16_384;

/// The picture as the host sends it. Pointer positions are pixels of this picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Width of the picture in pixels.
    pub width: u16,
    /// Height of the picture in pixels.
    pub height: u16,
    /// The monitors in it; never empty while something is shared.
    pub monitors: Vec<Monitor>,
}

/// One monitor of the customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitor {
    /// Names the monitor within this session.
    pub id: u8,
    /// As the system calls it, for example `HDMI-1`.
    pub name: String,
    /// Left edge within the picture, in pixels.
    pub x: u16,
    /// Top edge within the picture, in pixels.
    pub y: u16,
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// The system's scale of text and windows, in percent: 100 is unscaled.
    pub scale_percent: u16,
    /// The one with the task bar.
    pub primary: bool,
}

impl Layout {
    pub(crate) fn check(&self) -> Result<(), WireError> {
        let sides = 1..=MAX_SIDE;
        bounds(sides.contains(&self.width) && sides.contains(&self.height), "picture size")?;
        bounds(self.monitors.len() <= MAX_MONITORS, "number of monitors")?;
        for monitor in &self.monitors {
            bounds(monitor.name.len() <= MAX_NAME, "monitor name")?;
            let inside = u32::from(monitor.x) + u32::from(monitor.width) <= u32::from(self.width)
                && u32::from(monitor.y) + u32::from(monitor.height) <= u32::from(self.height);
            bounds(inside, "monitor position")?;
        }
        Ok(())
    }
}
