//! The picture as of the last look at the desktop. It knows what really changed: programs paint anew what looks the same.

use nearhand_desktop::{Frame, Rect};
use nearhand_protocol::picture::{Area, CELL};

use super::moves::{Finder, Pixels};
use super::region::{Grid, Region};

/// What is shown, in memory of its own: it is read long after the desktop went on.
#[derive(Debug)]
pub(super) struct Screen {
    grid: Grid,
    /// Keeps the picture, to find in it what moved.
    finder: Finder,
}

/// How the picture became another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// Where pixels are others than before.
    pub(super) areas: Vec<Area>,
    /// Which of them were elsewhere before: to be carried out one after the other.
    pub(super) moves: Vec<Shift>,
    /// What has to be painted anew beside these moves.
    pub(super) rest: Vec<Area>,
}

/// Pixels that were elsewhere before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shift {
    /// Where they were.
    pub(super) from: Area,
    /// Where they are.
    pub(super) to: Area,
}

impl Screen {
    /// One that has seen nothing.
    pub(super) fn new(width: u16, height: u16) -> Self {
        Self { grid: Grid { width, height }, finder: Finder::default() }
    }

    /// Whether this is a picture of it.
    pub(super) fn fits(&self, frame: &Frame<'_>) -> bool {
        (u32::from(self.grid.width), u32::from(self.grid.height)) == (frame.width, frame.height)
    }

    /// Whether a view lies within it: layout and picture change one after the other.
    pub(super) fn holds(&self, view: Area) -> bool {
        view.within(self.grid.width, self.grid.height)
    }

    /// All pixels: blue, green, red and a byte without meaning for each, rows without gaps.
    pub(super) fn pixels(&self) -> &[u8] {
        self.finder.known()
    }

    /// Bytes from one row to the next.
    pub(super) fn stride(&self) -> usize {
        usize::from(self.grid.width) * 4
    }

    /// The pixels from the corner of an area on.
    pub(super) fn from(&self, x: u16, y: u16) -> &[u8] {
        &self.pixels()[usize::from(y) * self.stride() + usize::from(x) * 4..]
    }

    /// Follows the desktop, of which this is a picture, and says what became of it.
    pub(super) fn follow(&mut self, frame: &Frame<'_>) -> Change {
        let new =
            Pixels { bgra: frame.pixels, stride: frame.stride, width: frame.width, height: frame.height };
        if self.pixels().is_empty() {
            self.finder.find(new, &[]);
            return Change { areas: vec![self.grid.all()], moves: Vec::new(), rest: vec![self.grid.all()] };
        }
        let mut changed = Region::new(self.grid);
        for rect in frame.damage {
            self.compare(frame, *rect, &mut changed);
        }
        if changed.is_empty() {
            return Change::default();
        }
        let areas = changed.take();
        let rects: Vec<Rect> = areas
            .iter()
            .map(|area| Rect::new(area.x.into(), area.y.into(), area.width.into(), area.height.into()))
            .collect();
        let found = self.finder.find(new, &rects);
        let moves = found.moves.iter().map(|one| {
            let to = area(one.to);
            Shift { from: Area::new(one.from_x as u16, one.from_y as u16, to.width, to.height), to }
        });
        let moves: Vec<Shift> = moves.collect();
        // What is left beside moves is told less exactly.
        let rest = if moves.is_empty() { areas.clone() } else { found.rest.into_iter().map(area).collect() };
        Change { areas, moves, rest }
    }

    fn compare(&self, frame: &Frame<'_>, rect: Rect, changed: &mut Region) {
        let Some(rect) = rect.clip(self.grid.width.into(), self.grid.height.into()) else { return };
        let cell = u32::from(CELL);
        let mut y = rect.y;
        while y < rect.y + rect.height {
            let bottom = (y - y % cell + cell).min(rect.y + rect.height);
            let mut x = rect.x;
            while x < rect.x + rect.width {
                let right = (x - x % cell + cell).min(rect.x + rect.width);
                if let Some(area) = self.compare_cell(frame, (x, y), (right, bottom)) {
                    changed.add(area);
                }
                x = right;
            }
            y = bottom;
        }
    }

    /// The box around what is different in a part of one cell.
    fn compare_cell(
        &self,
        frame: &Frame<'_>,
        (x, y): (u32, u32),
        (right, bottom): (u32, u32),
    ) -> Option<Area> {
        let (stride, pixels) = (self.stride(), self.pixels());
        let bytes = x as usize * 4..right as usize * 4;
        let mut columns: Option<(usize, usize)> = None;
        let (mut first, mut last) = (None, y);
        for row in y..bottom {
            let new = &frame.pixels[row as usize * frame.stride..][bytes.clone()];
            let old = &pixels[row as usize * stride..][bytes.clone()];
            if new == old {
                continue;
            }
            let (new_pixels, old_pixels) = (new.as_chunks::<4>().0, old.as_chunks::<4>().0);
            let differ = |at: &usize| new_pixels[*at][..3] != old_pixels[*at][..3];
            let left = (0..new_pixels.len()).find(differ);
            let end = (0..new_pixels.len()).rfind(differ);
            if let (Some(left), Some(end)) = (left, end) {
                columns = Some(columns.map_or((left, end), |(a, b)| (a.min(left), b.max(end))));
                first.get_or_insert(row);
                last = row;
            }
        }
        let ((left, end), first) = (columns?, first?);
        let (width, height) = ((end - left + 1) as u16, (last - first + 1) as u16);
        Some(Area::new((x as usize + left) as u16, first as u16, width, height))
    }
}

/// A rectangle within a picture that has no more than 65535 pixels along its sides.
fn area(rect: Rect) -> Area {
    Area::new(rect.x as u16, rect.y as u16, rect.width as u16, rect.height as u16)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn frame<'a>(pixels: &'a [u8], damage: &'a [Rect]) -> Frame<'a> {
        let now = Instant::now();
        Frame { width: 100, height: 70, stride: 400, pixels, damage, damaged_at: now, captured_at: now }
    }

    #[test]
    fn only_what_is_different_counts() {
        let mut screen = Screen::new(100, 70);
        let mut pixels = vec![7; 100 * 70 * 4];
        let everything = [Rect::new(0, 0, 100, 70)];
        assert_eq!(screen.follow(&frame(&pixels, &everything)).areas, [Area::new(0, 0, 100, 70)]);
        assert_eq!(screen.follow(&frame(&pixels, &everything)).areas, [], "painted anew, and the same");
        pixels[3] = 9;
        assert_eq!(screen.follow(&frame(&pixels, &everything)).areas, [], "the fourth byte has no meaning");
        for (x, y) in [(10, 5), (12, 4), (70, 69)] {
            pixels[(y * 100 + x) * 4] = 200;
        }
        let changed = screen.follow(&frame(&pixels, &everything)).areas;
        assert_eq!(changed, [Area::new(10, 4, 3, 2), Area::new(70, 69, 1, 1)]);
        for (seen, pixel) in screen.pixels().chunks(4).zip(pixels.chunks(4)) {
            assert_eq!(seen[..3], pixel[..3]);
        }
    }

    #[test]
    fn what_is_not_damaged_is_not_read() {
        let mut screen = Screen::new(100, 70);
        screen.follow(&frame(&vec![0; 28_000], &[]));
        let changed = screen.follow(&frame(&vec![5; 28_000], &[Rect::new(60, 60, 90, 90)])).areas;
        assert_eq!(changed, [Area::new(60, 60, 40, 10)]);
        assert_eq!(screen.from(60, 60)[0], 5);
        assert_eq!(screen.from(59, 60)[0], 0);
    }
}
