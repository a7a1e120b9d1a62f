//! What pixels look like on the wire, and how they become BGRX.

use x11rb::connection::Connection;
use x11rb::protocol::xproto::{ImageOrder, VisualClass};

use super::super::Server;
use crate::{Error, Rect};

/// What a pixel of the screen looks like on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::x11) enum Format {
    /// Four bytes: blue, green, red, nothing.
    Bgrx,
    /// Two bytes: five bits of red, six of green, five of blue.
    Rgb565,
}

impl Format {
    /// The screen's format, or what is odd about it.
    pub(in crate::x11) fn of(server: &Server) -> Result<Self, Error> {
        let setup = server.conn.setup();
        let screen = server.screen();
        let depth = screen.root_depth;
        let bits =
            setup.pixmap_formats.iter().find(|format| format.depth == depth).map_or(0, |f| f.bits_per_pixel);
        let visual = screen
            .allowed_depths
            .iter()
            .flat_map(|depth| &depth.visuals)
            .find(|visual| visual.visual_id == screen.root_visual);
        let little = setup.image_byte_order == ImageOrder::LSB_FIRST;
        let masks = visual
            .filter(|visual| visual.class == VisualClass::TRUE_COLOR)
            .map(|visual| (visual.red_mask, visual.green_mask, visual.blue_mask));
        match (bits, masks, little) {
            (32, Some((0x00ff_0000, 0xff00, 0xff)), true) => Ok(Self::Bgrx),
            (16, Some((0xf800, 0x07e0, 0x1f)), true) => Ok(Self::Rgb565),
            _ => Err(Error::PixelFormat(format!(
                "{depth} bits of depth in {bits} bits per pixel (masks {masks:x?}, {} byte order)",
                if little { "little-endian" } else { "big-endian" }
            ))),
        }
    }

    /// What a window of this depth has, on a screen that is understood.
    pub(in crate::x11) fn of_depth(server: &Server, depth: u8) -> Option<Self> {
        let formats = &server.conn.setup().pixmap_formats;
        let bits = formats.iter().find(|format| format.depth == depth)?.bits_per_pixel;
        match (depth, bits) {
            // With an alpha channel colours are multiplied by it already: as they are, they lie on black.
            (24 | 32, 32) => Some(Self::Bgrx),
            (16, 16) => Some(Self::Rgb565),
            _ => None,
        }
    }

    /// Bytes of a pixel.
    fn bytes(self) -> usize {
        match self {
            Self::Bgrx => 4,
            Self::Rgb565 => 2,
        }
    }

    /// Bytes of a row; X pads rows to 32 bits.
    pub(super) fn row(self, width: u32) -> usize {
        (width as usize * self.bytes()).next_multiple_of(4)
    }
}

/// Copies the rows of one rectangle to their place in the picture.
pub(super) fn copy(format: Format, from: &[u8], picture: &mut [u8], width: u32, rect: Rect) {
    let row = format.row(rect.width);
    for y in 0..rect.height as usize {
        let source = &from[y * row..][..rect.width as usize * format.bytes()];
        let at = ((rect.y as usize + y) * width as usize + rect.x as usize) * 4;
        let target = &mut picture[at..at + rect.width as usize * 4];
        match format {
            Format::Bgrx => target.copy_from_slice(source),
            Format::Rgb565 => {
                for (pixel, packed) in target.chunks_exact_mut(4).zip(source.chunks_exact(2)) {
                    pixel.copy_from_slice(&expand(u16::from_le_bytes([packed[0], packed[1]])));
                }
            }
        }
    }
}

/// Five and six bits to eight, so that full stays full.
fn expand(packed: u16) -> [u8; 4] {
    let five = |bits: u16| ((bits & 0x1f) << 3 | (bits & 0x1f) >> 2) as u8;
    let six = (packed >> 5) & 0x3f;
    [five(packed), (six << 2 | six >> 4) as u8, five(packed >> 11), 0xff]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_become_thirty_two() {
        assert_eq!(expand(0xffff), [0xff, 0xff, 0xff, 0xff]);
        assert_eq!(expand(0), [0, 0, 0, 0xff]);
        assert_eq!(expand(0xf800), [0, 0, 0xff, 0xff]);
        let mut picture = vec![0; 4 * 4 * 4];
        // Three pixels make six bytes: two of padding follow.
        let rows = [0x1f, 0, 0xe0, 0x07, 0, 0xf8, 9, 9, 0, 0, 0, 0, 0xff, 0xff, 9, 9];
        copy(Format::Rgb565, &rows, &mut picture, 4, Rect::new(1, 2, 3, 2));
        assert_eq!(picture[36..48], [255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255]);
        assert_eq!(picture[60..64], [255; 4]);
        assert!(picture[..36].iter().all(|byte| *byte == 0));
    }
}
