//! A clock that a machine reads off a picture, also off a compressed one: 32 black or white cells.
//!
//! 24 bits of the wall clock in units of 0.1 ms (it wraps after 28 minutes), highest first, then 8 bits that check them.
//! `page.js` of the measurements reads the same.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use x11rb::protocol::xproto::{ConnectionExt as _, Rectangle};

use super::canvas::{Canvas, area};

/// Side of a cell in pixels: two macroblocks, so that its middle survives any quantiser.
pub(crate) const CELL: u16 = 32;
/// Number of cells.
pub(crate) const CELLS: u16 = 32;

/// The clock now, in its own units.
pub(crate) fn now() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_micros() / 100 % (1 << 24)) as u32
}

/// The cells of a clock value: `true` is white.
pub(crate) fn cells(clock: u32) -> [bool; CELLS as usize] {
    let [_, high, middle, low] = clock.to_be_bytes();
    let word = u32::from_be_bytes([high, middle, low, high ^ middle ^ low ^ 0xa5]);
    std::array::from_fn(|cell| word >> (31 - cell) & 1 == 1)
}

/// The clock value of cells, if it checks.
#[cfg(test)]
fn read(cells: [bool; CELLS as usize]) -> Option<u32> {
    let word = cells.iter().fold(0_u32, |word, cell| word << 1 | u32::from(*cell));
    let [high, middle, low, check] = word.to_be_bytes();
    (high ^ middle ^ low ^ 0xa5 == check).then(|| u32::from_be_bytes([0, high, middle, low]))
}

/// Draws the clock at the top left of a drawable, by one request: whoever captures the screen at once sees no half of it.
pub(crate) fn draw(canvas: &Canvas, drawable: u32) -> Result<()> {
    let cells = cells(now());
    let pixmap = canvas.pixmap(CELL * CELLS, CELL)?;
    for (colour, wanted) in [(0x00ff_ffff, true), (0, false)] {
        let areas: Vec<Rectangle> = (0..CELLS)
            .filter(|cell| cells[usize::from(*cell)] == wanted)
            .map(|cell| area((cell * CELL) as i16, 0, CELL, CELL))
            .collect();
        canvas.fill(pixmap, colour, &areas)?;
    }
    canvas.copy(pixmap, drawable, (0, 0), area(0, 0, CELL * CELLS, CELL))?;
    canvas.connection.free_pixmap(pixmap)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_read_back_and_a_smeared_one_is_not() {
        for clock in [0, 1, 0xff_ffff, 0x12_3456] {
            let mut drawn = cells(clock);
            assert_eq!(read(drawn), Some(clock));
            drawn[7] = !drawn[7];
            assert_eq!(read(drawn), None);
        }
    }
}
