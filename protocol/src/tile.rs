//! Exact pixels in few bytes: the coding of [`crate::picture::Step::Tile`].
//!
//! The first byte says how the rest is to be read.

mod arithmetic;
mod model;
#[cfg(test)]
mod tests;

use arithmetic::{Coder, Reader, Writer};
use model::{MARGIN, Model, Pixel};

/// Why bytes are no tile of this size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tile that can't be read: {0}")]
pub struct TileError(&'static str);

const RAW: u8 = 0;
const FILL: u8 = 1;
const MODEL: u8 = 2;

/// Codes tiles. It keeps its memory from one tile to the next, and nothing of their pixels.
#[derive(Debug)]
pub struct Encoder(Memory);

/// Reads tiles. It keeps its memory from one tile to the next, and nothing of their pixels.
#[derive(Debug)]
pub struct Decoder(Memory);

#[derive(Debug)]
struct Memory {
    model: Box<Model>,
    /// The row that is coded, and the two above it.
    rows: [Vec<Pixel>; 3],
}

impl Default for Encoder {
    fn default() -> Self {
        Self(Memory::new())
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self(Memory::new())
    }
}

impl Encoder {
    /// Codes the pixels of `width` × `height` at the beginning of `bgra`, whose rows are `stride` bytes apart; each is
    /// blue, green, red and a byte that does not matter. `into` is emptied first.
    ///
    /// Gives up, and is `false`, where it would be longer than `limit` bytes; `into` holds nothing of use then.
    ///
    /// # Panics
    /// If `bgra` is shorter than that.
    pub fn encode_within(
        &mut self,
        bgra: &[u8],
        stride: usize,
        (width, height): (u16, u16),
        limit: usize,
        into: &mut Vec<u8>,
    ) -> bool {
        into.clear();
        let pixel = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]);
        let rows = || (0..usize::from(height)).map(|row| &bgra[row * stride..][..usize::from(width) * 4]);
        let pixels = || rows().flat_map(|row| row.chunks_exact(4)).map(pixel);
        let Some(first) = pixels().next() else { return true };
        if pixels().all(|pixel| pixel == first) {
            into.push(FILL);
            into.extend(&first.to_be_bytes()[1..]);
            return into.len() <= limit;
        }
        let raw = usize::from(width) * usize::from(height) * 3 + 1;
        let most = raw.min(limit);
        into.push(MODEL);
        let mut coder = Writer::new(into);
        self.0.begin(&mut coder, first, width, height);
        for row in rows() {
            if coder.len() > most {
                break;
            }
            self.0.row(&mut coder, |x| pixel(&row[x * 4..]), |_, _| ());
        }
        coder.finish();
        if into.len() > raw && raw <= limit {
            into.clear();
            into.push(RAW);
            into.extend(pixels().flat_map(|pixel| [(pixel >> 16) as u8, (pixel >> 8) as u8, pixel as u8]));
        }
        into.len() <= limit
    }
}

impl Decoder {
    /// The pixels of a tile of this size: red, green, blue and 255 for each, rows from the top. `into` is emptied first,
    /// and never longer than `width × height × 4`.
    pub fn decode(
        &mut self,
        coded: &[u8],
        width: u16,
        height: u16,
        into: &mut Vec<u8>,
    ) -> Result<(), TileError> {
        into.clear();
        let pixels = usize::from(width) * usize::from(height);
        let (method, rest) = coded.split_first().ok_or(TileError("it is empty"))?;
        match *method {
            RAW if rest.len() == pixels * 3 => {
                into.extend(rest.chunks_exact(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 255]));
            }
            FILL if rest.len() == 3 => into.extend([rest[0], rest[1], rest[2], 255].repeat(pixels)),
            RAW | FILL => return Err(TileError("its length does not fit its size")),
            MODEL => {
                into.resize(pixels * 4, 255);
                let mut coder = Reader::new(rest);
                self.0.begin(&mut coder, 0, width, height);
                for row in into.chunks_exact_mut(usize::from(width).max(1) * 4) {
                    self.0.row(
                        &mut coder,
                        |_| 0,
                        |x, pixel| {
                            row[x * 4..][..3].copy_from_slice(&pixel.to_be_bytes()[1..]);
                        },
                    );
                }
                if !coder.is_at_end() {
                    return Err(TileError("it goes on behind its last pixel"));
                }
            }
            _ => return Err(TileError("its coding is not known")),
        }
        Ok(())
    }
}

impl Memory {
    fn new() -> Self {
        Self { model: Box::new(Model::new()), rows: [Vec::new(), Vec::new(), Vec::new()] }
    }

    /// Begins a tile: around its first row everything has the colour of its first pixel.
    fn begin<C: Coder>(&mut self, coder: &mut C, first: Pixel, width: u16, height: u16) {
        let width = usize::from(width);
        self.model.begin(width * usize::from(height));
        let first = Model::first(coder, first);
        for row in &mut self.rows {
            row.clear();
            row.resize(width + 2 * MARGIN, first);
        }
    }

    /// Codes the next row.
    fn row<C: Coder>(
        &mut self,
        coder: &mut C,
        pixel: impl Fn(usize) -> Pixel,
        mut found: impl FnMut(usize, Pixel),
    ) {
        self.rows.rotate_right(1);
        let [row, above, second] = &mut self.rows;
        let width = row.len() - 2 * MARGIN;
        // Beside the row everything looks as the end of the row above.
        row[..MARGIN].fill(above[MARGIN]);
        for x in 0..width {
            let pixel = self.model.pixel(coder, pixel(x), MARGIN + x, [row, above, second]);
            row[MARGIN + x] = pixel;
            found(x, pixel);
        }
        let last = row[MARGIN + width - 1];
        row[MARGIN + width..].fill(last);
    }
}

/// As [`Encoder::encode_within`] without a limit, with memory of its own.
///
/// # Panics
/// If `bgra` is shorter than that.
pub fn encode(bgra: &[u8], stride: usize, width: u16, height: u16, into: &mut Vec<u8>) {
    Encoder::default().encode_within(bgra, stride, (width, height), usize::MAX, into);
}

/// As [`Decoder::decode`], with memory of its own.
pub fn decode(coded: &[u8], width: u16, height: u16, into: &mut Vec<u8>) -> Result<(), TileError> {
    Decoder::default().decode(coded, width, height, into)
}
