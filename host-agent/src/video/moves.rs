//! What of a change is only another place for pixels that were there before: scrolled text, a dragged window.
//!
//! The finder keeps the picture before, takes some striking pieces of what changed, and looks where they were: along the
//! same column, along the same row, and close by. Where pieces agree on a way, the rectangle that went that way is grown
//! from them and compared byte for byte, so that whatever is claimed is true.

mod grow;
mod probe;
mod rest;
#[cfg(test)]
mod tests;

use nearhand_desktop::Rect;

use probe::{Way, Ways};

/// Most moves of one change. One is the rule; a blinking cursor or a clock in the middle cuts a moved area into more.
const MAX_MOVES: usize = 6;
/// A move has to explain at least so many changed pixels: less is cheap as a tile.
const WORTH: u64 = 3_000;

/// A picture: blue, green, red and a byte without meaning for each pixel. All four bytes are compared, for a system gives
/// moved pixels the same fourth byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pixels<'a> {
    /// The rows, from the top.
    pub(super) bgra: &'a [u8],
    /// Bytes from one row to the next.
    pub(super) stride: usize,
    /// Pixels in a row.
    pub(super) width: u32,
    /// Rows.
    pub(super) height: u32,
}

impl<'a> Pixels<'a> {
    /// `count` pixels of a row.
    #[inline]
    fn run(&self, x: u32, y: u32, count: u32) -> &'a [u8] {
        &self.bgra[y as usize * self.stride + x as usize * 4..][..count as usize * 4]
    }
}

/// Pixels that were elsewhere before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Move {
    /// Left edge of where they were.
    pub(super) from_x: u32,
    /// Top edge of where they were.
    pub(super) from_y: u32,
    /// Where they are now. It may overlap with where they were.
    pub(super) to: Rect,
}

/// How the picture before becomes the new one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// To be carried out one after the other: each copies from what the moves before it have left.
    pub(super) moves: Vec<Move>,
    /// Where, after the moves, pixels still differ: rectangles in steps of 16 pixels, within the damage.
    pub(super) rest: Vec<Rect>,
}

/// Finds moves between a picture and the one before it.
#[derive(Debug, Default)]
pub(super) struct Finder {
    known: Vec<u8>,
    width: u32,
    height: u32,
    /// The last ways that were found: a drag or a scroll goes on.
    ways: Vec<Way>,
}

impl Finder {
    /// How the picture of the last call became this one, where all that differs lies within `damage`. Of the first picture,
    /// and of one with another size, everything is the rest.
    ///
    /// The rest also leaves out what was damaged without being changed. Pixels outside of `damage` are not looked at, but
    /// for where moves come from.
    ///
    /// # Panics
    /// If the picture has fewer bytes than its size says.
    pub(super) fn find(&mut self, new: Pixels<'_>, damage: &[Rect]) -> Change {
        let damage: Vec<Rect> = damage.iter().filter_map(|rect| rect.clip(new.width, new.height)).collect();
        if (self.width, self.height) != (new.width, new.height) {
            return self.begin(new);
        }
        let mut moves: Vec<Move> = Vec::new();
        if let Some(all) = damage.iter().copied().reduce(|all, rect| all.union(&rect)) {
            self.moves(new, &damage, all, &mut moves);
        }
        let rest = rest::take(&mut self.known, new, &damage, &moves);
        Change { moves, rest }
    }

    /// The picture of the last call, rows without gaps.
    pub(super) fn known(&self) -> &[u8] {
        &self.known
    }

    /// Forgets the picture before: the next one is new everywhere.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    fn begin(&mut self, new: Pixels<'_>) -> Change {
        self.forget();
        (self.width, self.height) = (new.width, new.height);
        self.known.reserve_exact(new.width as usize * new.height as usize * 4);
        for y in 0..new.height {
            self.known.extend_from_slice(new.run(0, y, new.width));
        }
        Change {
            moves: Vec::new(),
            rest: Rect::new(0, 0, new.width, new.height).clip(new.width, new.height).into_iter().collect(),
        }
    }

    fn moves(&mut self, new: Pixels<'_>, damage: &[Rect], all: Rect, moves: &mut Vec<Move>) {
        let old = Pixels { bgra: &self.known, stride: self.width as usize * 4, ..new };
        let mut ways = Ways::search(old, new, damage, all, &self.ways);
        while moves.len() < MAX_MOVES {
            let old = Pixels { bgra: &self.known, stride: self.width as usize * 4, ..new };
            // The way of the move before comes first: a moved area may be in pieces.
            let Some((found, way)) = ways.candidates().find_map(|(seed, way)| {
                let to = grow::around(old, new, all, seed, way)?;
                (grow::changed(old, new, to) >= WORTH).then_some((to, way))
            }) else {
                break;
            };
            let (from_x, from_y) = way.back(found.x, found.y);
            moves.push(Move { from_x, from_y, to: found });
            ways.explained(found, way);
            rest::copy(&mut self.known, new, found);
            self.ways.retain(|known| *known != way);
            self.ways.insert(0, way);
            self.ways.truncate(3);
        }
    }
}
