//! Exact pixels in few bytes: the coding of [`crate::picture::Step::Tile`].
//!
//! The first byte says how the rest is to be read; `PROTOCOL.md` tells the codings. `cargo run --release --example tiles`
//! measures them. Of 1920 × 1080 screenshots, in tiles that are not of one colour (one core of a server, both ways alike):
//!
//! | picture | 8 × 16, bytes each | 64 × 64, bytes each | bytes of all | the whole as PNG | ns a pixel |
//! |---|---|---|---|---|---|
//! | terminals | 40 | 311 | 71,281 | 182,021 | 6 |
//! | manual | 36 | 287 | 57,412 | 157,086 | 5 |
//! | book with code | 47 | 595 | 163,571 | 340,908 | 10 |
//! | buttons on a gradient | 50 | 708 | 335,452 | 341,562 | 25 |
//! | photograph | 148 | 4,161 | 1,997,293 | 2,454,318 | 25 |
//!
//! Who codes or reads many tiles keeps an [`Encoder`] or a [`Decoder`]: they keep their memory.

mod arithmetic;
mod model;
mod photograph;
#[cfg(test)]
mod tests;

use model::{MARGIN, Model, Pixel};
use photograph::Photograph;

/// Why bytes are no tile of this size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tile that can't be read: {0}")]
pub struct TileError(&'static str);

const RAW: u8 = 0;
const FILL: u8 = 1;
const MODEL: u8 = 2;
const PHOTOGRAPH: u8 = 3;

/// One pixel in so many may equal one near it.
const EQUAL_IN_PHOTOGRAPHS: usize = 2;

/// Codes tiles. It keeps its memory from one tile to the next, and nothing of their pixels.
#[derive(Debug)]
pub struct Encoder(Memory);

/// Reads tiles. It keeps its memory from one tile to the next, and nothing of their pixels.
#[derive(Debug)]
pub struct Decoder(Memory);

#[derive(Debug)]
struct Memory {
    model: Box<Model>,
    window: Window,
}

/// The row that is coded, and the two above it, each with a margin.
#[derive(Debug, Default)]
struct Window([Vec<Pixel>; 3]);

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
        let pixel = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes) & 0x00ff_ffff;
        let row = |y: usize| bgra[y * stride..][..usize::from(width) * 4].as_chunks::<4>().0;
        let rows = || (0..usize::from(height)).map(row);
        let pixels = || rows().flatten().map(pixel);
        let Some(first) = pixels().next() else { return true };
        if pixels().all(|pixel| pixel == first) {
            into.push(FILL);
            into.extend(&first.to_be_bytes()[1..]);
            return into.len() <= limit;
        }
        let raw = usize::from(width) * usize::from(height) * 3 + 1;
        let most = raw.min(limit);
        let mut too_long = false;
        let Memory { model, window } = &mut self.0;
        if is_photograph(usize::from(width), usize::from(height), |x, y| pixel(&row(y)[x])) {
            into.push(PHOTOGRAPH);
            let (mut coder, mut photograph) = (photograph::Writer::new(into), Photograph::new());
            window.begin(width, 0);
            for row in rows() {
                if coder.len() > most {
                    too_long = true;
                    break;
                }
                window.row(|x, rows| photograph.pixel(&mut coder, pixel(&row[x - MARGIN]), x, rows));
            }
            coder.finish();
        } else {
            into.push(MODEL);
            let mut coder = arithmetic::Writer::new(into);
            model.begin(usize::from(width) * usize::from(height));
            window.begin(width, Model::first(&mut coder, first));
            for row in rows() {
                if coder.len() > most {
                    too_long = true;
                    break;
                }
                window.row(|x, rows| model.pixel(&mut coder, pixel(&row[x - MARGIN]), x, rows));
            }
            coder.finish();
        }
        too_long |= into.len() > most;
        if too_long && raw <= limit {
            too_long = false;
            into.clear();
            into.push(RAW);
            into.extend(pixels().flat_map(|pixel| [(pixel >> 16) as u8, (pixel >> 8) as u8, pixel as u8]));
        }
        !too_long
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
        let fits = match *method {
            RAW => rest.len() == pixels * 3,
            FILL => rest.len() == 3,
            MODEL | PHOTOGRAPH => true,
            _ => return Err(TileError("its coding is not known")),
        };
        if !fits {
            return Err(TileError("its length does not fit its size"));
        }
        into.reserve_exact(pixels * 4);
        let Memory { model, window } = &mut self.0;
        into.resize(pixels * 4, 255);
        let shown = into.chunks_exact_mut(usize::from(width).max(1) * 4);
        let whole = match *method {
            MODEL => {
                let mut coder = arithmetic::Reader::new(rest);
                model.begin(pixels);
                window.begin(width, Model::first(&mut coder, 0));
                for shown in shown {
                    show(window.row(|x, rows| model.pixel(&mut coder, 0, x, rows)), shown);
                }
                coder.is_at_end()
            }
            PHOTOGRAPH => {
                let (mut coder, mut photograph) = (photograph::Reader::new(rest), Photograph::new());
                window.begin(width, 0);
                for shown in shown {
                    show(window.row(|x, rows| photograph.pixel(&mut coder, 0, x, rows)), shown);
                }
                coder.is_at_end()
            }
            _ => {
                let colours = rest.chunks_exact(3).cycle();
                for (shown, colour) in shown.flat_map(|row| row.chunks_exact_mut(4)).zip(colours) {
                    shown[..3].copy_from_slice(colour);
                }
                true
            }
        };
        if whole { Ok(()) } else { Err(TileError("it does not end with its last pixel")) }
    }
}

impl Memory {
    fn new() -> Self {
        Self { model: Box::new(Model::new()), window: Window::default() }
    }
}

impl Window {
    /// Begins a tile: above and beside its first row everything has this colour.
    fn begin(&mut self, width: u16, around: Pixel) {
        for row in &mut self.0 {
            row.clear();
            row.resize(usize::from(width) + 2 * MARGIN, around);
        }
    }

    /// Finds the next row, pixel by pixel, from the place of each, counted with the margin, and from the rows so far.
    fn row(&mut self, mut pixel: impl FnMut(usize, [&[Pixel]; 3]) -> Pixel) -> &[Pixel] {
        self.0.rotate_right(1);
        let [row, above, second] = &mut self.0;
        let end = row.len() - MARGIN;
        // Beside a row everything looks as its neighbours do.
        row[..MARGIN].fill(above[MARGIN]);
        for x in MARGIN..end {
            row[x] = pixel(x, [row, above, second]);
        }
        let last = row[end - 1];
        row[end..].fill(last);
        &row[MARGIN..end]
    }
}

/// Writes a row as red, green, blue and 255.
fn show(row: &[Pixel], shown: &mut [u8]) {
    for (shown, pixel) in shown.as_chunks_mut::<4>().0.iter_mut().zip(row) {
        *shown = (pixel << 8 | 255).to_be_bytes();
    }
}

/// Whether few pixels equal one of their neighbours.
fn is_photograph(width: usize, height: usize, pixel: impl Fn(usize, usize) -> Pixel) -> bool {
    if width < 8 || height < 8 {
        return false;
    }
    let (mut equal, mut looked_at) = (0, 0);
    for y in (1..height).step_by(3) {
        for x in 2..width {
            let this = pixel(x, y);
            let near = [pixel(x - 1, y), pixel(x, y - 1), pixel(x - 2, y), pixel(x - 1, y - 1)];
            equal += usize::from(near.contains(&this));
        }
        looked_at += width - 2;
    }
    equal * EQUAL_IN_PHOTOGRAPHS < looked_at
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
