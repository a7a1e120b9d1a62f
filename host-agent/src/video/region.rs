//! What changed of a picture, as one box for each cell: few numbers, however often and wherever it changes.

use nearhand_protocol::picture::{Area, CELL, Cells};

/// Boxes that side by side make one rectangle, and one column more of which makes no difference to what is done with
/// them, are joined up to this many pixels.
const JOINED: u32 = 16_384;

/// The smallest area around both.
pub(super) fn around(a: Area, b: Area) -> Area {
    let (x, y) = (a.x.min(b.x), a.y.min(b.y));
    let (right, bottom) = (a.right().max(b.right()), a.bottom().max(b.bottom()));
    Area::new(x, y, (right - u32::from(x)) as u16, (bottom - u32::from(y)) as u16)
}

/// What of `a` lies in `b`.
pub(super) fn common(a: Area, b: Area) -> Option<Area> {
    let (x, y) = (a.x.max(b.x), a.y.max(b.y));
    let (right, bottom) = (a.right().min(b.right()), a.bottom().min(b.bottom()));
    (u32::from(x) < right && u32::from(y) < bottom)
        .then(|| Area::new(x, y, (right - u32::from(x)) as u16, (bottom - u32::from(y)) as u16))
}

/// Whether `inner` lies in `outer`.
pub(super) fn holds(outer: Area, inner: Area) -> bool {
    common(outer, inner) == Some(inner)
}

/// The cells of a picture of some size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) width: u16,
    pub(super) height: u16,
}

impl Grid {
    /// How many cells lie side by side.
    pub(super) const fn across(self) -> usize {
        Cells::grid(self.width, self.height).0 as usize
    }

    /// How many cells there are.
    pub(super) const fn count(self) -> usize {
        let (across, down) = Cells::grid(self.width, self.height);
        across as usize * down as usize
    }

    /// All of it.
    pub(super) const fn all(self) -> Area {
        Area::new(0, 0, self.width, self.height)
    }

    /// Where a cell lies.
    pub(super) fn cell(self, index: usize) -> Area {
        let cell = usize::from(CELL);
        let (x, y) = (index % self.across() * cell, index / self.across() * cell);
        let side = |at: usize, end: u16| cell.min(usize::from(end) - at) as u16;
        Area::new(x as u16, y as u16, side(x, self.width), side(y, self.height))
    }

    /// The cells that an area within the picture touches.
    pub(super) fn touched(self, area: Area) -> impl Iterator<Item = usize> {
        let cell = u32::from(CELL);
        let columns = u32::from(area.x) / cell..area.right().div_ceil(cell);
        let rows = u32::from(area.y) / cell..area.bottom().div_ceil(cell);
        rows.flat_map(move |row| {
            columns.clone().map(move |column| row as usize * self.across() + column as usize)
        })
    }
}

/// The boxes.
#[derive(Clone, Debug)]
pub(super) struct Region {
    grid: Grid,
    boxes: Vec<Option<Area>>,
    empty: bool,
}

impl Region {
    /// Nothing of a picture of this size.
    pub(super) fn new(grid: Grid) -> Self {
        Self { grid, boxes: vec![None; grid.count()], empty: true }
    }

    /// Takes in an area, clipped to the picture.
    pub(super) fn add(&mut self, area: Area) {
        let Some(area) = common(area, self.grid.all()) else { return };
        for cell in self.grid.touched(area) {
            let Some(part) = common(area, self.grid.cell(cell)) else { continue };
            let place = &mut self.boxes[cell];
            *place = Some(place.map_or(part, |old| around(old, part)));
            self.empty = false;
        }
    }

    /// Whether there is nothing in it.
    pub(super) const fn is_empty(&self) -> bool {
        self.empty
    }

    /// Everything in it, as few rectangles; it is empty then.
    pub(super) fn take(&mut self) -> Vec<Area> {
        self.empty = true;
        joined(self.boxes.iter_mut().filter_map(Option::take), u32::MAX)
    }
}

/// Joins areas to rectangles that cover just the same pixels. They come in the order of their cells.
pub(super) fn join(areas: impl IntoIterator<Item = Area>) -> Vec<Area> {
    joined(areas, JOINED)
}

fn joined(areas: impl IntoIterator<Item = Area>, most: u32) -> Vec<Area> {
    let mut rows: Vec<Area> = Vec::new();
    for area in areas {
        match rows.last_mut() {
            Some(last)
                if last.right() == u32::from(area.x)
                    && (last.y, last.height) == (area.y, area.height)
                    && last.pixels() + area.pixels() <= most =>
            {
                last.width += area.width;
            }
            _ => rows.push(area),
        }
    }
    let mut blocks: Vec<Area> = Vec::new();
    for row in rows {
        // One row of cells back is far enough: what ends just above this one was put there not long ago.
        let above = blocks.iter_mut().rev().take(256).find(|block| {
            block.bottom() == u32::from(row.y)
                && (block.x, block.width) == (row.x, row.width)
                && block.pixels() + row.pixels() <= most
        });
        match above {
            Some(block) => block.height += row.height,
            None => blocks.push(row),
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GRID: Grid = Grid { width: 200, height: 130 };

    fn areas() -> impl Strategy<Value = Vec<Area>> {
        let area = (0..200_u16, 0..130_u16, 1..201_u16, 1..131_u16);
        prop::collection::vec(area.prop_map(|(x, y, width, height)| Area::new(x, y, width, height)), 0..12)
    }

    #[test]
    fn cells_of_the_edge_are_smaller() {
        assert_eq!((GRID.across(), GRID.count()), (4, 12));
        assert_eq!(GRID.cell(11), Area::new(192, 128, 8, 2));
        assert_eq!(GRID.touched(Area::new(63, 63, 2, 2)).collect::<Vec<_>>(), [0, 1, 4, 5]);
    }

    #[test]
    fn a_whole_picture_is_one_rectangle() {
        let mut region = Region::new(GRID);
        region.add(Area::new(0, 0, u16::MAX, u16::MAX));
        assert_eq!(region.take(), [GRID.all()]);
        assert!(region.is_empty() && region.take().is_empty());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_overlaps(areas in areas()) {
            let mut region = Region::new(GRID);
            for area in &areas {
                region.add(*area);
            }
            let taken = region.take();
            let covered = |x: u16, y: u16| taken.iter().filter(|area| holds(**area, Area::new(x, y, 1, 1))).count();
            for y in 0..GRID.height {
                for x in 0..GRID.width {
                    let times = covered(x, y);
                    prop_assert!(times <= 1);
                    let wanted = areas.iter().any(|area| common(*area, Area::new(x, y, 1, 1)).is_some());
                    prop_assert!(times == 1 || !wanted);
                }
            }
        }
    }
}
