//! The cells of the view: by which step each was painted, and how sets of them become few rectangles.

use nearhand_protocol::picture::{Area, CELL, Cells};

/// Which step: the number of the update, then the place of the step in it. Later ones are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(u64);

impl Key {
    pub(super) const fn new(number: u32, step: usize) -> Self {
        // Steps are at most 256, and none has the key zero, since numbers begin at one.
        Self((number as u64) << 16 | step as u64)
    }

    /// Of the update.
    pub(super) const fn number(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

/// Some of the cells: one bit for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Set(Vec<u64>);

impl Set {
    /// None of so many.
    pub(super) fn new(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    pub(super) fn add(&mut self, cell: usize) {
        if let Some(word) = self.0.get_mut(cell / 64) {
            *word |= 1 << (cell % 64);
        }
    }

    pub(super) fn has(&self, cell: usize) -> bool {
        self.0.get(cell / 64).is_some_and(|word| word >> (cell % 64) & 1 == 1)
    }

    /// Ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            let mut left = *word;
            core::iter::from_fn(move || {
                let bit = left.trailing_zeros() as usize;
                (left != 0).then(|| {
                    left &= left - 1;
                    at * 64 + bit
                })
            })
        })
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    /// The last step that painted a part of it.
    last: Key,
    /// The last step that painted all of it.
    whole: Key,
    /// It was painted from a later frame than the one that was meant, and may show what a move not yet carried out is to
    /// bring.
    ahead: bool,
}

/// What a step may do in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum May {
    /// It is newer than what is there.
    Paint,
    /// Something newer covers all of it.
    Skip,
    /// Something newer covers a part of it: what lies beside that can't be told apart any more.
    Not,
}

/// All cells of a view.
#[derive(Debug, Default)]
pub(super) struct Grid {
    width: u16,
    height: u16,
    columns: u16,
    cells: Vec<Cell>,
}

impl Grid {
    /// None of them is painted.
    pub(super) fn new(width: u16, height: u16) -> Self {
        let (columns, rows) = Cells::grid(width, height);
        let cells = vec![Cell::default(); usize::from(columns) * usize::from(rows)];
        Self { width, height, columns, cells }
    }

    pub(super) const fn size(&self) -> (u16, u16) {
        (self.width, self.height)
    }

    pub(super) const fn len(&self) -> usize {
        self.cells.len()
    }

    /// The cells that an area touches.
    pub(super) fn touched(&self, area: Area) -> impl Iterator<Item = usize> + use<> {
        let columns = usize::from(self.columns);
        let side = u32::from(CELL);
        let (first, last) = (u32::from(area.x) / side, (area.right() - 1) / side);
        (u32::from(area.y) / side..=(area.bottom() - 1) / side)
            .flat_map(move |row| (first..=last).map(move |column| row as usize * columns + column as usize))
    }

    /// Where a cell lies.
    pub(super) fn area(&self, cell: usize) -> Area {
        let columns = usize::from(self.columns.max(1));
        let (x, y) = ((cell % columns) as u16 * CELL, (cell / columns) as u16 * CELL);
        Area::new(x, y, CELL.min(self.width - x), CELL.min(self.height - y))
    }

    pub(super) fn may(&self, cell: usize, key: Key) -> May {
        match self.cells.get(cell) {
            Some(cell) if cell.last < key => May::Paint,
            Some(cell) if cell.whole > key => May::Skip,
            _ => May::Not,
        }
    }

    pub(super) fn is_ahead(&self, cell: usize) -> bool {
        self.cells.get(cell).is_none_or(|cell| cell.ahead)
    }

    /// A step painted a part of the cell.
    pub(super) fn paint(&mut self, at: usize, part: Area, key: Key) {
        let whole = covers(part, self.area(at));
        if let Some(cell) = self.cells.get_mut(at) {
            cell.last = cell.last.max(key);
            if whole {
                cell.whole = cell.whole.max(key);
                cell.ahead = false;
            }
        }
    }

    /// A frame painted the cell: the one that was meant, or a later one.
    pub(super) fn paint_frame(&mut self, at: usize, key: Key, ahead: bool) {
        self.paint(at, self.area(at), key);
        if let Some(cell) = self.cells.get_mut(at) {
            cell.ahead = ahead;
        }
    }

    /// Few rectangles that together are these cells, which are sorted.
    pub(super) fn rectangles(&self, cells: impl Iterator<Item = usize>) -> Vec<Area> {
        let columns = usize::from(self.columns.max(1));
        let mut found: Vec<Area> = Vec::new();
        // Those of the row above, that the next row may lengthen.
        let mut open: Vec<usize> = Vec::new();
        let mut next: Vec<usize> = Vec::new();
        let mut row = usize::MAX;
        let mut run: Option<(usize, usize)> = None;
        let mut close = |(first, last): (usize, usize), open: &[usize], next: &mut Vec<usize>| {
            let from = self.area(first);
            let width = (self.area(last).right() - u32::from(from.x)) as u16;
            let above = open.iter().copied().find(|at| {
                found.get(*at).is_some_and(|area| {
                    area.x == from.x && area.width == width && area.bottom() == u32::from(from.y)
                })
            });
            if let Some((at, area)) = above.and_then(|at| found.get_mut(at).map(|area| (at, area))) {
                area.height += from.height;
                next.push(at);
            } else {
                next.push(found.len());
                found.push(Area::new(from.x, from.y, width, from.height));
            }
        };
        for cell in cells {
            match run {
                Some((first, last)) if cell == last + 1 && cell / columns == row => run = Some((first, cell)),
                _ => {
                    if let Some(run) = run {
                        close(run, &open, &mut next);
                    }
                    if cell / columns != row {
                        open = core::mem::take(&mut next);
                        row = cell / columns;
                    }
                    run = Some((cell, cell));
                }
            }
        }
        if let Some(run) = run {
            close(run, &open, &mut next);
        }
        found
    }
}

/// What two areas share.
pub fn common(one: Area, other: Area) -> Option<Area> {
    let (x, y) = (one.x.max(other.x), one.y.max(other.y));
    let right = one.right().min(other.right()).saturating_sub(x.into()) as u16;
    let lower = one.bottom().min(other.bottom()).saturating_sub(y.into()) as u16;
    (right > 0 && lower > 0).then(|| Area::new(x, y, right, lower))
}

/// The smallest area that holds all of them.
pub fn around(areas: &[Area]) -> Option<Area> {
    let x = areas.iter().map(|area| area.x).min()?;
    let y = areas.iter().map(|area| area.y).min()?;
    let right = areas.iter().map(|area| area.right()).max()?;
    let bottom = areas.iter().map(|area| area.bottom()).max()?;
    Some(Area::new(x, y, (right - u32::from(x)) as u16, (bottom - u32::from(y)) as u16))
}

const fn covers(one: Area, other: Area) -> bool {
    one.x <= other.x && one.y <= other.y && one.right() >= other.right() && one.bottom() >= other.bottom()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cells_of_an_area() {
        let grid = Grid::new(200, 130);
        assert_eq!((grid.columns, grid.len()), (4, 12));
        assert_eq!(grid.touched(Area::new(0, 0, 64, 64)).collect::<Vec<_>>(), [0]);
        assert_eq!(grid.touched(Area::new(63, 63, 2, 2)).collect::<Vec<_>>(), [0, 1, 4, 5]);
        assert_eq!(grid.area(11), Area::new(192, 128, 8, 2), "at the edge they are smaller");
    }

    #[test]
    fn newer_wins_and_what_is_covered_is_not_missed() {
        let mut grid = Grid::new(64, 64);
        let key = |number| Key::new(number, 0);
        grid.paint(0, Area::new(0, 0, 10, 10), key(5));
        assert_eq!((grid.may(0, key(6)), grid.may(0, key(4))), (May::Paint, May::Not));
        grid.paint(0, Area::new(0, 0, 64, 64), key(7));
        assert_eq!((grid.may(0, key(6)), grid.may(0, key(8))), (May::Skip, May::Paint));
        assert_eq!(grid.may(0, key(7)), May::Not, "never the same step twice");
        assert_eq!(grid.may(1, key(9)), May::Not, "outside");
        assert!(Key::new(7, 1) > Key::new(7, 0) && Key::new(8, 0) > Key::new(7, 255));
    }

    proptest! {
        /// The rectangles cover exactly the cells, each once.
        #[test]
        fn rectangles_are_the_cells(
            (width, height) in (1..400_u16, 1..400_u16), flags in prop::collection::vec(any::<bool>(), 49),
        ) {
            let grid = Grid::new(width, height);
            let cells: Vec<usize> = (0..grid.len()).filter(|cell| flags[*cell % 49]).collect();
            let mut covered = vec![0; grid.len()];
            for area in grid.rectangles(cells.iter().copied()) {
                prop_assert!(area.within(width, height));
                prop_assert_eq!(area.x % CELL + area.y % CELL, 0);
                for cell in grid.touched(area) {
                    prop_assert!(covers(area, grid.area(cell)));
                    covered[cell] += 1;
                }
            }
            for (cell, times) in covered.into_iter().enumerate() {
                prop_assert_eq!(times, usize::from(cells.contains(&cell)));
            }
        }
    }

    #[test]
    fn blocks_become_one_rectangle() {
        let grid = Grid::new(320, 320);
        assert_eq!(grid.rectangles([6, 7, 11, 12].into_iter()), [Area::new(64, 64, 128, 128)]);
        assert_eq!(grid.rectangles(0..grid.len()), [Area::new(0, 0, 320, 320)]);
        assert_eq!(grid.rectangles([0, 5, 6].into_iter()).len(), 2);
    }

    #[test]
    fn areas_together_and_in_common() {
        let (one, other) = (Area::new(0, 0, 10, 10), Area::new(5, 8, 10, 10));
        assert_eq!(common(one, other), Some(Area::new(5, 8, 5, 2)));
        assert_eq!(common(one, Area::new(10, 0, 1, 1)), None);
        assert_eq!(around(&[one, other]), Some(Area::new(0, 0, 15, 18)));
        assert_eq!(around(&[]), None);
    }
}
