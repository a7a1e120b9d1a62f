//! What changed in a picture, and how much there is to see in it: what the encoder's budget is computed from.

use crate::Rect;

/// What there is to encode for one who has seen a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Work {
    /// Macroblocks that changed.
    pub(crate) macroblocks: u32,
    now: u32,
    newest: u32,
}

impl Work {
    /// Counts the cells of the version `now` that changed after the version `seen`.
    pub(crate) fn since(cells: &[Cell], now: u32, seen: u32) -> Self {
        let mut work = Self { macroblocks: 0, now, newest: now.wrapping_sub(seen) };
        work.macroblocks = cells.iter().filter(|cell| work.is_new(**cell)).count() as u32;
        work
    }

    /// Whether this cell is among them.
    pub(crate) fn is_new(&self, cell: Cell) -> bool {
        self.now.wrapping_sub(cell.version) < self.newest
    }
}

/// For each macroblock of 16 × 16 pixels, when it changed last and what there is to see in it.
#[derive(Debug)]
pub(crate) struct Works {
    columns: u32,
    rows: u32,
    cells: Vec<Cell>,
    version: u32,
}

/// One macroblock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    /// When it changed last.
    pub(crate) version: u32,
    /// What there is to see in it: see [`Works::changed`].
    pub(crate) detail: u32,
}

/// Every so many rows are looked at.
const EACH: usize = 4;

impl Works {
    pub(crate) fn new(width: u32, height: u32) -> Self {
        let (columns, rows) = (width.div_ceil(16), height.div_ceil(16));
        let cells = vec![Cell { version: 0, detail: 0 }; columns as usize * rows as usize];
        Self { columns, rows, cells, version: 0 }
    }

    /// A new version begins.
    pub(crate) fn begin(&mut self) {
        self.version = self.version.wrapping_add(1);
    }

    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    /// These pixels changed. Measured is the sum of the differences between neighbours, in a sample of the rows: about
    /// what an encoder has to say about them.
    pub(crate) fn changed(&mut self, rect: Rect, luma: &[u8], stride: usize) {
        let columns = (rect.x / 16)..rect.right().div_ceil(16).min(self.columns);
        for row in (rect.y / 16)..rect.bottom().div_ceil(16).min(self.rows) {
            for column in columns.clone() {
                let at = row as usize * 16 * stride + column as usize * 16;
                let cell = &mut self.cells[(row * self.columns + column) as usize];
                *cell = Cell { version: self.version, detail: detail(&luma[at..], stride) };
            }
        }
    }

    /// All cells, row by row.
    pub(crate) fn cells(&self) -> &[Cell] {
        &self.cells
    }
}

/// The sum of the differences between neighbours to the right and below.
fn detail(luma: &[u8], stride: usize) -> u32 {
    let mut sum = 0;
    for row in (0..16).step_by(EACH) {
        let Some(here) = luma.get(row * stride..row * stride + 16) else { break };
        let Some(below) = luma.get((row + 1) * stride..(row + 1) * stride + 16) else { break };
        for at in 0..15 {
            sum += u32::from(here[at].abs_diff(here[at + 1])) + u32::from(here[at].abs_diff(below[at]));
        }
    }
    sum
}
