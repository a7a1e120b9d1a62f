//! How the picture is painted: exact tiles, moves of what is there already, and the parts of a video frame that count.
//!
//! The technician's tab keeps one canvas, which is to become the customer's framebuffer pixel for pixel. Three things
//! paint on it: a [`Step::Tile`] with exact pixels, a [`Step::Move`] of pixels that are there, and [`Step::Frame`], which
//! names the cells that a frame of the video stream paints. What nobody names stays as it is, so the blur of the video
//! never touches what is exact.
//!
//! Updates travel unordered and are not sent again by SCTP, whose timers start at a second. Their numbers do that work:
//! * Each cell remembers the highest number that painted it. A tile or a frame paints only cells with lower ones, and an
//!   update of which a step could not paint is not acknowledged.
//! * What is not acknowledged after about a round trip is damaged again at the host, which sends what is there *then*
//!   under a new number. Old bytes are never repeated.
//! * A [`Step::Move`] counts only where the updates before it have come.
//!
//! Coordinates are pixels of the shown part of the desktop: see [`View`].

use serde::{Deserialize, Serialize};

use crate::display::MAX_SIDE;
use crate::wire::{Message, WireError, bounds};

/// Side of a cell, in pixels. Cells lie row by row from the top left corner of the view; those at its right and lower
/// edge may be smaller.
pub const CELL: u16 = 64;
/// Most pixels of one tile: 256 × 256.
pub const MAX_TILE_PIXELS: u32 = 65_536;
/// Most steps of one update.
pub const MAX_STEPS: usize = 256;

/// What the viewer looks at: the whole desktop, or one monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Names this view: [`Update::view`]. Rises by one (wrapping) with each.
    pub number: u8,
    /// The monitor that is shown; `None`: all of them.
    pub monitor: Option<u8>,
    /// The part of the layout's picture that is shown.
    pub area: Area,
}

/// A rectangle of pixels; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Area {
    /// Left edge.
    pub x: u16,
    /// Top edge.
    pub y: u16,
    /// Pixels in a row.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

impl Area {
    /// A rectangle by its corner and size.
    pub const fn new(x: u16, y: u16, width: u16, height: u16) -> Self {
        Self { x, y, width, height }
    }

    /// The first column to the right of it.
    pub const fn right(self) -> u32 {
        self.x as u32 + self.width as u32
    }

    /// The first row below it.
    pub const fn bottom(self) -> u32 {
        self.y as u32 + self.height as u32
    }

    /// Pixels in it.
    pub const fn pixels(self) -> u32 {
        self.width as u32 * self.height as u32
    }

    /// Whether it lies within a picture of this size.
    pub const fn within(self, width: u16, height: u16) -> bool {
        self.right() <= width as u32 && self.bottom() <= height as u32
    }

    pub(crate) fn check(self) -> Result<(), WireError> {
        bounds(self.width > 0 && self.height > 0, "empty rectangle")?;
        bounds(self.right() <= MAX_SIDE.into() && self.bottom() <= MAX_SIDE.into(), "rectangle")
    }
}

/// What goes over the picture channel, from the host to the viewer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update<'a> {
    /// The view it paints on. One for a view that was not announced yet may be kept for a moment, one for an older view
    /// is dropped.
    pub view: u8,
    /// Rises by one with each update of a peer connection, from 1.
    pub number: u32,
    /// What is painted, in this order.
    #[serde(borrow)]
    pub steps: Vec<Step<'a>>,
}

/// One thing to paint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step<'a> {
    /// Exact pixels.
    Tile {
        /// Where; at most [`MAX_TILE_PIXELS`].
        area: Area,
        /// The pixels: see [`crate::tile`].
        #[serde(with = "serde_bytes", borrow)]
        coded: &'a [u8],
    },
    /// Pixels of the canvas, copied to another place. The two may overlap. It is carried out only where every update from
    /// `since` up to this one has come, and no frame is awaited for a cell that is copied from.
    Move {
        /// The oldest update of which the host does not know yet that it was painted; this one where there is none.
        since: u32,
        /// Left edge of where they are.
        from_x: u16,
        /// Top edge of where they are.
        from_y: u16,
        /// Where they go.
        to: Area,
    },
    /// The first frame of the video with this RTP timestamp or a later one paints these cells. An update that has other steps
    /// too is painted at once when that frame is there: until then it waits, for 200 ms at most, and what later updates
    /// paint in the cells of its steps waits behind it.
    Frame {
        /// 90 kHz, as in the RTP header (RFC 6184, 5.1).
        timestamp: u32,
        /// Pixels of the frame that hold the view, from its top left corner: fewer than the view has where the host saves
        /// bits, and then the frame is scaled up. What is beyond is padding.
        width: u16,
        /// Rows of the frame that hold the view.
        height: u16,
        /// The cells.
        cells: Cells,
    },
}

/// A set of cells: lengths of runs, in turn outside and inside the set. What follows the last run is outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cells(Vec<u16>);

impl Cells {
    /// Cells of a view of this size: how many lie side by side, and how many rows of them.
    pub const fn grid(width: u16, height: u16) -> (u16, u16) {
        (width.div_ceil(CELL), height.div_ceil(CELL))
    }

    /// The set of those for which it is `true`, in the order of the cells.
    pub fn from_flags(flags: impl IntoIterator<Item = bool>) -> Self {
        let mut runs = vec![0_u16];
        let mut inside = false;
        for flag in flags {
            if flag != inside || runs.last() == Some(&u16::MAX) {
                if flag == inside {
                    // A run that is full: an empty one of the other kind stands between.
                    runs.push(0);
                } else {
                    inside = flag;
                }
                runs.push(0);
            }
            if let Some(run) = runs.last_mut() {
                *run += 1;
            }
        }
        if !inside {
            runs.pop();
        }
        Self(runs)
    }

    /// The indices of the cells in the set, ascending; none at or beyond `count`.
    pub fn indices(&self, count: usize) -> impl Iterator<Item = usize> + '_ {
        let mut begin = 0_usize;
        self.0.iter().enumerate().flat_map(move |(place, run)| {
            let from = begin.min(count);
            begin += usize::from(*run);
            if place % 2 == 1 { from..begin.min(count) } else { 0..0 }
        })
    }

    /// Whether no cell is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.iter().skip(1).step_by(2).all(|run| *run == 0)
    }
}

/// From the viewer to the host, on the same channel: which updates were painted whole. Sent at once where one is missing,
/// could not be painted, or was painted with a frame; else when 16 were painted or the oldest of them is 200 ms old. Each
/// tells about the last 128, so that a lost one costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Painted {
    /// The highest number that came.
    pub highest: u32,
    /// Bit `n` is set where the update `highest - n` was painted, in every step.
    pub painted: u128,
}

impl Painted {
    /// Whether this update was painted; `None` where this does not tell.
    pub const fn tells(&self, number: u32) -> Option<bool> {
        match self.highest.checked_sub(number) {
            Some(back) if back < 128 => Some(self.painted >> back & 1 == 1),
            _ => None,
        }
    }
}

impl Message for Update<'_> {
    const MAX: usize = crate::channel::Channel::MAX_MESSAGE;

    fn check(&self) -> Result<(), WireError> {
        bounds(self.steps.len() <= MAX_STEPS, "number of steps")?;
        for step in &self.steps {
            match step {
                Step::Tile { area, .. } => {
                    area.check()?;
                    bounds(area.pixels() <= MAX_TILE_PIXELS, "tile size")?;
                }
                Step::Move { from_x, from_y, to, .. } => {
                    to.check()?;
                    Area::new(*from_x, *from_y, to.width, to.height).check()?;
                }
                Step::Frame { width, height, .. } => Area::new(0, 0, *width, *height).check()?,
            }
        }
        Ok(())
    }
}

impl Message for Painted {
    const MAX: usize = 32;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_cells_and_all_cells() {
        assert!(Cells::from_flags([false; 9]).is_empty());
        assert_eq!(Cells::from_flags([false; 9]), Cells::default());
        let all = Cells::from_flags([true; 9]);
        assert_eq!(all.indices(9).collect::<Vec<_>>(), (0..9).collect::<Vec<_>>());
        assert_eq!(all.indices(4).count(), 4, "cells beyond the view are not in it");
        assert_eq!(Cells::grid(1920, 1080), (30, 17));
        assert_eq!(Cells::grid(1, 1), (1, 1));
    }

    proptest! {
        #[test]
        fn sets_come_back(flags in prop::collection::vec(any::<bool>(), 0..600)) {
            let cells = Cells::from_flags(flags.iter().copied());
            let found: Vec<usize> = cells.indices(flags.len()).collect();
            let expected: Vec<usize> = flags.iter().enumerate().filter(|(_, flag)| **flag).map(|(at, _)| at).collect();
            prop_assert_eq!(found, expected);
            prop_assert_eq!(cells.is_empty(), !flags.contains(&true));
        }

        #[test]
        fn any_runs_stay_within_the_view(runs in prop::collection::vec(any::<u16>(), 0..200), count in 0_usize..100_000) {
            prop_assert!(Cells(runs).indices(count).all(|index| index < count));
        }
    }

    #[test]
    fn what_was_painted_is_told_by_number() {
        let painted = Painted { highest: 200, painted: 0b101 };
        assert_eq!(
            [200, 199, 198, 201, 72].map(|n| painted.tells(n)),
            [Some(true), Some(false), Some(true), None, None]
        );
        assert_eq!(painted.tells(73), Some(false));
    }

    #[test]
    fn long_runs_are_split() {
        let flags = (0..200_000).map(|at| (1..150_000).contains(&at));
        let cells = Cells::from_flags(flags);
        assert_eq!(cells.indices(300_000).count(), 149_999);
    }
}
