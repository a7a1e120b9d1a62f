//! In which order what is not exact is made exact, once it rests: first what shows something old, then what is nearest to
//! the pointer, where somebody looks. Pure.

use std::time::Instant;

use nearhand_protocol::picture::{Area, CELL};

use super::cells::Cells;
use super::region::join;

/// Cells of one go: what changes meanwhile waits no longer than it takes to code them, some milliseconds.
const AT_ONCE: usize = 24;

/// What is to be made exact.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Repair {
    /// These areas, whole cells, in this order; and more after them.
    Now(Vec<Area>),
    /// Nothing before that.
    From(Instant),
    /// Everything is exact, or damaged.
    Nothing,
}

/// The next thing to do; `pointer`: where it is in the view.
pub(super) fn next(cells: &Cells, now: Instant, pointer: (u16, u16)) -> Repair {
    let grid = cells.grid();
    let mut due = Vec::new();
    let mut later: Option<Instant> = None;
    for index in 0..grid.count() {
        let Some(repair) = cells.repair_from(index) else { continue };
        match repair.from.filter(|from| *from > now) {
            Some(from) => later = Some(later.map_or(from, |least| least.min(from))),
            None => due.push((!repair.stale, distance(grid.cell(index), pointer), index)),
        }
    }
    if due.is_empty() {
        return later.map_or(Repair::Nothing, Repair::From);
    }
    if due.len() > AT_ONCE {
        due.select_nth_unstable(AT_ONCE - 1);
        due.truncate(AT_ONCE);
    }
    // Neighbours are coded together: two halves of a line of text know less of each other.
    due.sort_unstable_by_key(|(.., index)| *index);
    Repair::Now(join(due.into_iter().map(|(.., index)| grid.cell(index))))
}

/// What rests and is not exact.
#[derive(Debug, Default)]
pub(super) struct Inexact {
    /// The cells.
    pub(super) cells: Vec<usize>,
    /// How many of them show nothing, or something old.
    pub(super) stale: usize,
    /// When the last of them began to rest; `None`: they never changed.
    pub(super) since: Option<Instant>,
}

/// All cells that rest and are not exact.
pub(super) fn inexact(cells: &Cells, now: Instant) -> Inexact {
    let mut found = Inexact::default();
    for index in 0..cells.grid().count() {
        let Some(repair) = cells.repair_from(index) else { continue };
        if repair.from.is_none_or(|from| from <= now) {
            found.cells.push(index);
            found.stale += usize::from(repair.stale);
            found.since = found.since.max(repair.from);
        }
    }
    found
}

/// In cells, along the longer way: rings around the pointer.
fn distance(cell: Area, pointer: (u16, u16)) -> u16 {
    let (column, row) = (pointer.0 / CELL, pointer.1 / CELL);
    // Neighbours of a row are taken in fours, so that they make wide tiles.
    ((cell.x / CELL).abs_diff(column) / 4).max((cell.y / CELL).abs_diff(row) / 2)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::cells::REST;
    use super::super::region::Grid;
    use super::*;

    const GRID: Grid = Grid { width: 1920, height: 1080 };

    #[test]
    fn nothing_is_repaired_before_it_rests() {
        let now = Instant::now();
        let mut cells = Cells::new(GRID);
        assert_eq!(next(&cells, now, (0, 0)), Repair::Nothing, "all of it is damaged");
        cells.change(GRID.all(), now);
        let all: Vec<usize> = (0..GRID.count()).collect();
        cells.frame(&all, 1);
        assert_eq!(next(&cells, now, (0, 0)), Repair::From(now + REST));
        assert!(matches!(next(&cells, now + REST, (0, 0)), Repair::Now(_)));
    }

    #[test]
    fn everything_is_repaired_around_the_pointer_first_and_what_is_old_before_that() {
        let begun = Instant::now();
        let now = begun + Duration::from_secs(1);
        let mut cells = Cells::new(GRID);
        cells.change(GRID.all(), begun);
        cells.frame(&(0..GRID.count()).collect::<Vec<_>>(), 1);
        cells.lose(GRID.cell(0), 1, now);
        let pointer = (1000, 500);
        let mut number = 1;
        let mut last = 0;
        for go in 0.. {
            let Repair::Now(areas) = next(&cells, now, pointer) else { break };
            assert!(areas.len() <= AT_ONCE);
            assert_eq!(go == 0, areas[0] == GRID.cell(0), "what is old comes first");
            let far =
                areas.iter().filter(|area| **area != GRID.cell(0)).map(|area| distance(*area, pointer)).max();
            assert!(far.unwrap_or(0) >= last);
            last = far.unwrap_or(0);
            for area in areas {
                number += 1;
                cells.tile(area, number);
            }
        }
        assert_eq!(cells.exact_percent(), 100);
        assert_eq!(next(&cells, now, pointer), Repair::Nothing);
    }
}
