//! Exact pixels in few bytes: the coding of [`crate::picture::Step::Tile`].
//!
//! The first byte says how the rest is to be read.

/// Why bytes are no tile of this size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tile that can't be read: {0}")]
pub struct TileError(&'static str);

const RAW: u8 = 0;
const FILL: u8 = 1;

/// Codes the pixels of `width` × `height` at the beginning of `bgra`, whose rows are `stride` bytes apart; each is blue,
/// green, red and a byte that does not matter. `into` is emptied first.
///
/// # Panics
/// If `bgra` is shorter than that.
pub fn encode(bgra: &[u8], stride: usize, width: u16, height: u16, into: &mut Vec<u8>) {
    into.clear();
    let rows = || (0..usize::from(height)).map(|row| &bgra[row * stride..][..usize::from(width) * 4]);
    let pixels = || rows().flat_map(|row| row.chunks_exact(4)).map(|pixel| [pixel[2], pixel[1], pixel[0]]);
    let Some(first) = pixels().next() else { return };
    if pixels().all(|pixel| pixel == first) {
        into.push(FILL);
        into.extend(first);
    } else {
        into.push(RAW);
        into.extend(pixels().flatten());
    }
}

/// The pixels of a tile of this size: red, green, blue and 255 for each, rows from the top. `into` is emptied first, and
/// never longer than `width × height × 4`.
pub fn decode(coded: &[u8], width: u16, height: u16, into: &mut Vec<u8>) -> Result<(), TileError> {
    into.clear();
    let pixels = usize::from(width) * usize::from(height);
    let (method, rest) = coded.split_first().ok_or(TileError("it is empty"))?;
    match *method {
        RAW if rest.len() == pixels * 3 => {
            into.extend(rest.chunks_exact(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 255]));
        }
        FILL if rest.len() == 3 => into.extend([rest[0], rest[1], rest[2], 255].repeat(pixels)),
        RAW | FILL => return Err(TileError("its length does not fit its size")),
        _ => return Err(TileError("its coding is not known")),
    }
    Ok(())
}
