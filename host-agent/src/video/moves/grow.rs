//! The largest rectangle around a piece of which every pixel went the same way.

use nearhand_desktop::Rect;

use super::Pixels;
use super::probe::{Seed, Way};

/// A rectangle is at least so wide and so high.
const LEAST: u32 = 16;
/// Widths that are told apart above, and below, the piece. What narrows the rectangle more often is no rectangle.
const STEPS: usize = 48;

/// Rows from the piece on, up to and with the last in which all pixels from `left` to `right` went the way.
#[derive(Clone, Copy)]
struct Extent {
    rows: u32,
    left: u32,
    right: u32,
}

impl Extent {
    /// What is common to the rows above and those below.
    fn with(self, below: Self) -> Self {
        Self {
            rows: self.rows + below.rows,
            left: self.left.max(below.left),
            right: self.right.min(below.right),
        }
    }

    fn area(self) -> u64 {
        u64::from(self.right.saturating_sub(self.left)) * u64::from(self.rows)
    }
}

/// The largest rectangle within `all` that holds the piece at `seed` and went this way, every pixel of it.
pub(super) fn around(old: Pixels<'_>, new: Pixels<'_>, all: Rect, seed: Seed, way: Way) -> Option<Rect> {
    let reach = way.reach(all, new.width, new.height)?;
    let (x, y) = seed;
    let inside =
        (reach.x..reach.x + reach.width).contains(&x) && (reach.y..reach.y + reach.height).contains(&y);
    if !inside {
        return None;
    }
    let pair = |y: u32, left: u32, right: u32| {
        let (from_x, from_y) = way.back(left, y);
        (new.run(left, y, right - left), old.run(from_x, from_y, right - left))
    };
    let narrow = |y: u32, left: u32, right: u32| {
        let (is, was) = pair(y, left, right);
        if is == was {
            return Some((left, right));
        }
        let middle = (x - left) as usize * 4;
        let before = same_at_end(&is[..middle], &was[..middle]) as u32 / 4;
        let after = same_at_beginning(&is[middle..], &was[middle..]) as u32 / 4;
        (before + after >= LEAST).then_some((x - before, x + after))
    };
    let extents = |rows: &mut dyn Iterator<Item = u32>, (mut left, mut right): (u32, u32)| {
        let mut extents: Vec<Extent> = Vec::new();
        for (above, y) in rows.enumerate() {
            let Some(found) = narrow(y, left, right) else { break };
            if extents.last().is_some_and(|last| (last.left, last.right) == found) {
                extents.pop();
            } else if extents.len() == STEPS {
                break;
            }
            (left, right) = found;
            extents.push(Extent { rows: above as u32 + 1, left, right });
        }
        extents
    };
    let first = narrow(y, reach.x, reach.x + reach.width)?;
    let below = extents(&mut (y..reach.y + reach.height), first);
    let mut above = extents(&mut (reach.y..y).rev(), first);
    above.push(Extent { rows: 0, left: first.0, right: first.1 });
    let pairs = above.iter().flat_map(|above| below.iter().map(move |below| (*above, *below)));
    let (above, below) = pairs.max_by_key(|(above, below)| above.with(*below).area())?;
    let both = above.with(below);
    let found = Rect::new(both.left, y - above.rows, both.right.saturating_sub(both.left), both.rows);
    (found.width >= LEAST && found.height >= LEAST).then_some(found)
}

/// About how many pixels of this rectangle differ between the two pictures.
pub(super) fn changed(old: Pixels<'_>, new: Pixels<'_>, rect: Rect) -> u64 {
    const EVERY: u32 = 4;
    let rows = (rect.y..rect.y + rect.height).step_by(EVERY as usize);
    let differing = |y| {
        let (is, was) = (new.run(rect.x, y, rect.width), old.run(rect.x, y, rect.width));
        is.chunks(64)
            .zip(was.chunks(64))
            .filter(|(is, was)| is != was)
            .map(|(is, _)| is.len() as u64 / 4)
            .sum::<u64>()
    };
    rows.map(differing).sum::<u64>() * u64::from(EVERY)
}

/// How many bytes are the same from the beginning on, in whole pixels.
fn same_at_beginning(one: &[u8], other: &[u8]) -> usize {
    let blocks = one.chunks(64).zip(other.chunks(64)).take_while(|(one, other)| one == other).count() * 64;
    let begin = blocks.min(one.len());
    let pixels = one[begin..].chunks(4).zip(other[begin..].chunks(4));
    begin + pixels.take_while(|(one, other)| one == other).count() * 4
}

/// How many bytes are the same up to the end, in whole pixels.
fn same_at_end(one: &[u8], other: &[u8]) -> usize {
    let blocks = one.rchunks(64).zip(other.rchunks(64)).take_while(|(one, other)| one == other).count() * 64;
    let end = one.len().saturating_sub(blocks);
    let pixels = one[..end].rchunks(4).zip(other[..end].rchunks(4));
    one.len() - end + pixels.take_while(|(one, other)| one == other).count() * 4
}
