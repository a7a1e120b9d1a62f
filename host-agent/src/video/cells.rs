//! What one viewer has of the picture, cell by cell, as far as it is known here. Pure.
//!
//! A part of a cell is only painted, or moved, where the rest of it is known to be there: exact, or a frame of the video
//! that the viewer has painted. Such a cell has one box of pixels that are not sent yet; of any other cell nothing counts
//! but all of it. What is moved stays as good as it was.

use std::time::{Duration, Instant};

use nearhand_protocol::picture::Area;

use super::region::{Grid, around, common, holds};

/// What has not changed for this long rests. Scrolling and typing come ten times a second: made exact in between, each
/// line would be sent twice.
pub(super) const REST: Duration = Duration::from_millis(150);

/// How good a cell is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It shows nothing, or something old.
    Stale,
    /// A frame of the video.
    Video,
    /// The pixels of the screen, but for the box that is not sent.
    Exact,
}

#[derive(Clone, Debug)]
struct Cell {
    state: State,
    /// The viewer has told that it painted what this shows; always where it is exact, for then nothing is awaited.
    settled: bool,
    /// What changed and is not sent.
    damage: Option<Area>,
    /// That waits for a frame of the video.
    by_video: bool,
    /// When the screen changed here.
    changed: Option<Instant>,
    /// The last update that painted all of it: what older ones painted does not count any more.
    covered: u32,
    /// Tiles take too many bytes here, until then.
    dear_until: Option<Instant>,
    dear_for: Duration,
}

/// All cells of what one viewer looks at.
#[derive(Debug)]
pub(super) struct Cells {
    grid: Grid,
    cells: Vec<Cell>,
}

impl Cells {
    /// The viewer has nothing.
    pub(super) fn new(grid: Grid) -> Self {
        let cell = |index| Cell {
            state: State::Stale,
            settled: false,
            damage: Some(grid.cell(index)),
            by_video: false,
            changed: None,
            covered: 0,
            dear_until: None,
            dear_for: Duration::ZERO,
        };
        Self { grid, cells: (0..grid.count()).map(cell).collect() }
    }

    /// The size of it.
    pub(super) const fn grid(&self) -> Grid {
        self.grid
    }

    /// The screen changed here.
    pub(super) fn change(&mut self, area: Area, now: Instant) {
        for index in self.grid.touched(area) {
            let Some(part) = common(area, self.grid.cell(index)) else { continue };
            let cell = &mut self.cells[index];
            cell.damage = Some(cell.damage.map_or(part, |old| around(old, part)));
            cell.by_video = false;
            cell.changed = Some(now);
        }
    }

    /// What this update painted here did not come: it is sent again, or made exact where it rests.
    pub(super) fn lose(&mut self, area: Area, number: u32, now: Instant) {
        for index in self.grid.touched(area) {
            let Some(part) = common(area, self.grid.cell(index)) else { continue };
            let rests = self.rests(index, now);
            let cell = &mut self.cells[index];
            if cell.covered > number {
                continue;
            }
            if rests {
                (cell.state, cell.settled) = (State::Stale, false);
            } else {
                cell.damage = Some(cell.damage.map_or(part, |old| around(old, part)));
                cell.by_video = false;
            }
        }
    }

    /// Exact pixels of this area were sent.
    pub(super) fn tile(&mut self, area: Area, number: u32) {
        for index in self.grid.touched(area) {
            let whole = holds(area, self.grid.cell(index));
            let cell = &mut self.cells[index];
            if whole {
                (cell.state, cell.settled, cell.covered) = (State::Exact, true, number);
                cell.by_video = false;
            }
            if cell.damage.is_some_and(|damage| holds(area, damage)) {
                cell.damage = None;
                cell.by_video = false;
            }
        }
    }

    /// Whether these pixels can be had by a move: they are there, or will be with a frame that is under way, for which the
    /// viewer waits then.
    pub(super) fn can_move(&self, from: Area, to: Area) -> bool {
        let is_sent = |index: usize| self.cells[index].state != State::Stale;
        let is_new =
            |index: usize| self.cells[index].damage.is_some_and(|damage| common(damage, from).is_some());
        self.grid.touched(from).all(|index| is_sent(index) && !is_new(index))
            && self.grid.touched(to).all(|index| is_sent(index) || holds(to, self.grid.cell(index)))
    }

    /// Pixels of the screen were moved. A move that is not sent is taken back by [`Self::stay`].
    pub(super) fn moved(&mut self, from: Area, to: Area, now: Instant) {
        let exact = self.grid.touched(from).all(|index| self.cells[index].state == State::Exact);
        for index in self.grid.touched(to) {
            let whole = holds(to, self.grid.cell(index));
            let cell = &mut self.cells[index];
            cell.changed = Some(now);
            match (exact, whole) {
                (true, true) => (cell.state, cell.settled) = (State::Exact, true),
                (false, _) => (cell.state, cell.settled) = (State::Video, true),
                (true, false) => {}
            }
            if cell.damage.is_some_and(|damage| holds(to, damage)) {
                cell.damage = None;
                cell.by_video = false;
            }
        }
    }

    /// And the move was sent with this update.
    pub(super) fn shifted(&mut self, to: Area, number: u32) {
        for index in self.grid.touched(to) {
            if holds(to, self.grid.cell(index)) {
                self.cells[index].covered = number;
            }
        }
    }

    /// The viewer painted the frame that this update announced.
    pub(super) fn settle(&mut self, cells: &[usize], number: u32) {
        for index in cells {
            let cell = &mut self.cells[*index];
            cell.settled |= cell.state == State::Video && cell.covered == number;
        }
    }

    /// A move to here was not sent.
    pub(super) fn stay(&mut self, to: Area) {
        for index in self.grid.touched(to) {
            let Some(part) = common(to, self.grid.cell(index)) else { continue };
            let cell = &mut self.cells[index];
            cell.damage = Some(cell.damage.map_or(part, |old| around(old, part)));
            cell.by_video = false;
        }
    }

    /// A frame of the video was sent for these cells.
    pub(super) fn frame(&mut self, cells: &[usize], number: u32) {
        for index in cells {
            let cell = &mut self.cells[*index];
            *cell = Cell {
                state: State::Video,
                settled: false,
                damage: None,
                by_video: false,
                covered: number,
                ..*cell
            };
        }
    }

    /// What is to be sent of a cell that is damaged.
    pub(super) fn due(&self, index: usize) -> Option<Area> {
        let cell = &self.cells[index];
        let damage = cell.damage?;
        Some(if cell.settled { damage } else { self.grid.cell(index) })
    }

    /// Whether a tile may be painted here: all that it covers in part is there.
    pub(super) fn takes(&self, area: Area) -> bool {
        self.grid.touched(area).all(|index| self.cells[index].settled || holds(area, self.grid.cell(index)))
    }

    /// The cells that are damaged and not given to the video, those that touch each other together.
    pub(super) fn groups(&self) -> Vec<Vec<usize>> {
        let across = self.grid.across();
        let waits = |index: usize| self.cells[index].damage.is_some() && !self.cells[index].by_video;
        let mut seen = vec![false; self.cells.len()];
        let mut groups = Vec::new();
        for first in 0..self.cells.len() {
            if seen[first] || !waits(first) {
                continue;
            }
            seen[first] = true;
            let mut group = vec![first];
            let mut next = 0;
            while let Some(index) = group.get(next).copied() {
                next += 1;
                let (row, column) = (index / across, index % across);
                for row in row.saturating_sub(1)..=row + 1 {
                    for column in column.saturating_sub(1)..=(column + 1).min(across - 1) {
                        let beside = row * across + column;
                        if beside < seen.len() && !seen[beside] && waits(beside) {
                            seen[beside] = true;
                            group.push(beside);
                        }
                    }
                }
            }
            group.sort_unstable();
            groups.push(group);
        }
        groups
    }

    /// These go by video.
    pub(super) fn give_to_video(&mut self, cells: &[usize]) {
        for index in cells {
            self.cells[*index].by_video = true;
        }
    }

    /// The cells that wait for a frame.
    pub(super) fn by_video(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.cells.len()).filter(|index| self.cells[*index].by_video)
    }

    /// Whether a cell shows a frame that this update announced.
    pub(super) fn shows(&self, index: usize, number: u32) -> bool {
        self.cells[index].state == State::Video && self.cells[index].covered == number
    }

    /// Whether tiles were found too dear here not long ago.
    pub(super) fn is_dear(&self, index: usize, now: Instant) -> bool {
        self.cells[index].dear_until.is_some_and(|until| now < until)
    }

    /// Tiles are too dear here: they are tried again after a while, and later each time.
    pub(super) fn dear(&mut self, cells: &[usize], now: Instant) {
        const FIRST: Duration = Duration::from_millis(250);
        const LONGEST: Duration = Duration::from_secs(1);
        for index in cells {
            let rested = self.rested(*index, now);
            let cell = &mut self.cells[*index];
            let again = if rested { Duration::ZERO } else { cell.dear_for * 2 };
            cell.dear_for = again.clamp(FIRST, LONGEST);
            cell.dear_until = Some(now + cell.dear_for);
        }
    }

    /// Tiles do here.
    pub(super) fn cheap(&mut self, cells: &[usize]) {
        for index in cells {
            (self.cells[*index].dear_for, self.cells[*index].dear_until) = (Duration::ZERO, None);
        }
    }

    /// When a cell may be made exact; `None` where it is, or is damaged.
    pub(super) fn repair_from(&self, index: usize) -> Option<Repair> {
        let cell = &self.cells[index];
        (cell.state != State::Exact && cell.damage.is_none()).then(|| Repair {
            from: cell.changed.map(|changed| changed + REST),
            stale: cell.state == State::Stale,
        })
    }

    /// Part of the cells that are exact, in percent.
    pub(super) fn exact_percent(&self) -> u8 {
        let exact =
            self.cells.iter().filter(|cell| cell.state == State::Exact && cell.damage.is_none()).count();
        (exact * 100 / self.cells.len().max(1)) as u8
    }

    fn rests(&self, index: usize, now: Instant) -> bool {
        let cell = &self.cells[index];
        cell.damage.is_none()
            && cell.changed.is_some_and(|changed| now.saturating_duration_since(changed) >= REST)
    }

    /// It rested for so long that what was before is no sign of what comes.
    fn rested(&self, index: usize, now: Instant) -> bool {
        const LONG: Duration = Duration::from_secs(2);
        self.cells[index].dear_until.is_none_or(|until| now.saturating_duration_since(until) >= LONG)
    }
}

/// A cell that is not exact.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repair {
    /// From then on it may be made exact; `None`: now.
    pub(super) from: Option<Instant>,
    /// It shows nothing or something old, not just a blur.
    pub(super) stale: bool,
}
