//! The picture that the encoder reads: I420 planes that follow a BGRA screen where it was damaged.

use yuv::{
    BufferStoreMut, YuvConversionMode, YuvPlanarImageMut, YuvRange, YuvStandardMatrix, bgra_to_yuv420,
};

use crate::Error;

/// A rectangle of pixels, from the top left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rect {
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Rect {
    /// A rectangle by its corner and size.
    pub const fn new(x: u32, y: u32, width: u32, height: u32) -> Self {
        Self { x, y, width, height }
    }
}

/// An I420 picture (BT.709, limited range) of a screen.
///
/// H.264 in 4:2:0 has even sizes only: a screen of odd width or height is padded here by repeating its last column or
/// row, and the padded size is what the encoder is made for and what the decoder shows.
#[derive(Debug)]
pub struct Picture {
    width: u32,
    height: u32,
    /// Luma's bytes per row: the padded width. Chroma has half of it.
    stride: usize,
    /// Bytes of the luma plane; each plane has a spare row behind its last, see `convert`.
    luma: usize,
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

/// Damage is widened to this many pixels: chroma needs 2, and a multiple of what the SIMD takes in one step keeps the
/// result of a part the same as that of the whole.
const ALIGN: u32 = 32;

impl Picture {
    /// A black picture of a screen with this many pixels; see [`Error::Size`] for the limits.
    pub fn new(width: u32, height: u32) -> Result<Self, Error> {
        let macroblocks = u64::from(width.div_ceil(16)) * u64::from(height.div_ceil(16));
        if width < 16 || height < 16 || macroblocks > 36_864 {
            return Err(Error::Size { width, height });
        }
        let stride = width.next_multiple_of(2) as usize;
        let luma = stride * height.next_multiple_of(2) as usize;
        Ok(Self {
            width,
            height,
            stride,
            luma,
            y: vec![16; luma + stride],
            u: vec![128; luma / 4 + stride / 2],
            v: vec![128; luma / 4 + stride / 2],
        })
    }

    /// The screen's size in pixels (width, height).
    pub fn screen_size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// The size of what is encoded: the screen's, rounded up to even numbers (width, height).
    pub fn coded_size(&self) -> (u32, u32) {
        (self.width.next_multiple_of(2), self.height.next_multiple_of(2))
    }

    /// Luma plane, `coded_size` bytes without gaps.
    pub fn y(&self) -> &[u8] {
        &self.y[..self.luma]
    }

    /// Blue-difference plane, a quarter of luma, without gaps.
    pub fn u(&self) -> &[u8] {
        &self.u[..self.luma / 4]
    }

    /// Red-difference plane, a quarter of luma, without gaps.
    pub fn v(&self) -> &[u8] {
        &self.v[..self.luma / 4]
    }

    /// Converts what changed of a BGRA screen (the fourth byte is ignored) with `stride` bytes per row.
    ///
    /// `bgra` is the whole screen; rectangles are clipped to it, and an empty list changes nothing.
    pub fn update_from_bgra(&mut self, bgra: &[u8], stride: usize, damage: &[Rect]) -> Result<(), Error> {
        let row = self.width as usize * 4;
        let needed = stride.checked_mul(self.height as usize - 1).and_then(|n| n.checked_add(row));
        if stride < row || u32::try_from(stride).is_err() || needed.is_none_or(|needed| needed > bgra.len()) {
            return Err(Error::Source { width: self.width, height: self.height, stride, len: bgra.len() });
        }
        for rect in damage {
            if let Some(rect) = self.widen(*rect) {
                self.convert(bgra, stride, rect)?;
            }
        }
        Ok(())
    }

    /// Clips to the screen and grows to [`ALIGN`] in x and to pairs of rows in y.
    fn widen(&self, rect: Rect) -> Option<Rect> {
        let right = rect.x.saturating_add(rect.width).min(self.width);
        let bottom = rect.y.saturating_add(rect.height).min(self.height);
        if rect.x >= right || rect.y >= bottom {
            return None;
        }
        let x = rect.x - rect.x % ALIGN;
        let y = rect.y - rect.y % 2;
        let right = right.next_multiple_of(ALIGN).min(self.width);
        let bottom = bottom.next_multiple_of(2).min(self.height);
        Some(Rect::new(x, y, right - x, bottom - y))
    }

    /// Converts one widened rectangle.
    ///
    /// The `yuv` crate walks whole strides to the end of the slices it is given, whatever the height says, and leaves
    /// out a last pair of rows that is shorter than two strides. So the slices end with the rectangle, the planes have
    /// a spare row behind them, and the screen's last rows, which have none, go through a copy.
    fn convert(&mut self, bgra: &[u8], stride: usize, rect: Rect) -> Result<(), Error> {
        let (x, y) = (rect.x as usize, rect.y as usize);
        let start = y * stride + x * 4;
        let pairs = (rect.height as usize / 2).min((bgra.len() - start) / (2 * stride));
        if pairs > 0 {
            self.convert_pairs(
                &bgra[start..start + pairs * 2 * stride],
                stride,
                rect.x,
                y,
                rect.width,
                pairs,
            )?;
        }
        let left = rect.height as usize - pairs * 2;
        if left > 0 {
            let row = rect.width as usize * 4;
            let mut copy = Vec::with_capacity(2 * row);
            for n in 0..2 {
                let at = start + (pairs * 2 + n.min(left - 1)) * stride;
                copy.extend_from_slice(&bgra[at..at + row]);
            }
            self.convert_pairs(&copy, row, rect.x, y + pairs * 2, rect.width, 1)?;
        }
        self.pad(rect);
        Ok(())
    }

    fn convert_pairs(
        &mut self,
        bgra: &[u8],
        stride: usize,
        x: u32,
        y: usize,
        width: u32,
        pairs: usize,
    ) -> Result<(), Error> {
        let chroma = self.stride / 2;
        let luma_at = y * self.stride + x as usize;
        let chroma_at = y / 2 * chroma + x as usize / 2;
        let mut part = YuvPlanarImageMut {
            y_plane: BufferStoreMut::Borrowed(&mut self.y[luma_at..][..pairs * 2 * self.stride]),
            y_stride: self.stride as u32,
            u_plane: BufferStoreMut::Borrowed(&mut self.u[chroma_at..][..pairs * chroma]),
            u_stride: chroma as u32,
            v_plane: BufferStoreMut::Borrowed(&mut self.v[chroma_at..][..pairs * chroma]),
            v_stride: chroma as u32,
            width,
            height: pairs as u32 * 2,
        };
        bgra_to_yuv420(
            &mut part,
            bgra,
            stride as u32,
            YuvRange::Limited,
            YuvStandardMatrix::Bt709,
            YuvConversionMode::Balanced,
        )
        .map_err(|error| Error::Convert(error.to_string()))
    }

    /// Repeats the last column of luma into the padding; the other odd edges are covered already.
    fn pad(&mut self, rect: Rect) {
        let width = self.width as usize;
        if width < self.stride && rect.x + rect.width == self.width {
            let bottom = (rect.y + rect.height).next_multiple_of(2) as usize;
            for y in rect.y as usize..bottom {
                let at = y * self.stride + width;
                self.y[at] = self.y[at - 1];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A screen that differs in every pixel, the same in every run.
    fn noise(width: u32, height: u32, seed: u32) -> Vec<u8> {
        let mut state = seed | 1;
        (0..width as usize * height as usize * 4)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                (state >> 8) as u8
            })
            .collect()
    }

    fn copy(from: &[u8], to: &mut [u8], width: u32, rect: Rect) {
        for y in rect.y..rect.y + rect.height {
            let at = (y * width + rect.x) as usize * 4;
            let len = rect.width as usize * 4;
            to[at..at + len].copy_from_slice(&from[at..at + len]);
        }
    }

    #[test]
    fn converting_the_damage_equals_converting_everything() {
        for (width, height) in [(64, 64), (131, 77), (640, 33), (1366, 41), (17, 16), (1921, 19)] {
            let full = Rect::new(0, 0, width, height);
            let (old, new) = (noise(width, height, 7), noise(width, height, 99));
            let stride = width as usize * 4;
            for (x, y, w, h) in [
                (0, 0, 1, 1),
                (3, 5, 7, 9),
                (16, 2, 1, 2),
                (1, 1, width, height),
                (width - 1, height - 1, 1, 1),
            ] {
                let rect = Rect::new(
                    x.min(width - 1),
                    y.min(height - 1),
                    w.min(width - x.min(width - 1)),
                    h.min(height - y.min(height - 1)),
                );
                let mut screen = old.clone();
                let mut part = Picture::new(width, height).unwrap();
                part.update_from_bgra(&screen, stride, &[full]).unwrap();
                copy(&new, &mut screen, width, rect);
                part.update_from_bgra(&screen, stride, &[rect]).unwrap();
                let mut whole = Picture::new(width, height).unwrap();
                whole.update_from_bgra(&screen, stride, &[full]).unwrap();
                assert!(part.y() == whole.y(), "luma of {rect:?} on {width} × {height}");
                assert!(
                    part.u() == whole.u() && part.v() == whole.v(),
                    "chroma of {rect:?} on {width} × {height}"
                );
            }
        }
    }

    #[test]
    fn colours_are_bt709_in_limited_range() {
        // Y'CbCr of the primaries by ITU-R BT.709-6, quantised to 8 bits.
        for (bgra, yuv) in [
            ([0, 0, 0, 255], [16, 128, 128]),
            ([255, 255, 255, 0], [235, 128, 128]),
            ([0, 0, 255, 255], [63, 102, 240]),
            ([0, 255, 0, 255], [173, 42, 26]),
            ([255, 0, 0, 255], [32, 240, 118]),
        ] {
            let screen = bgra.repeat(64 * 64);
            let mut picture = Picture::new(64, 64).unwrap();
            picture.update_from_bgra(&screen, 256, &[Rect::new(0, 0, 64, 64)]).unwrap();
            for (got, expected) in [picture.y[0], picture.u[0], picture.v[0]].into_iter().zip(yuv) {
                assert!(got.abs_diff(expected) <= 1, "{bgra:?} became {got}, not {expected}");
            }
        }
    }

    #[test]
    fn odd_sizes_repeat_the_last_pixel() {
        let screen = noise(33, 17, 3);
        let mut picture = Picture::new(33, 17).unwrap();
        picture.update_from_bgra(&screen, 33 * 4, &[Rect::new(0, 0, 33, 17)]).unwrap();
        assert_eq!(picture.coded_size(), (34, 18));
        for y in 0..18 {
            assert_eq!(picture.y[y * 34 + 33], picture.y[y * 34 + 32]);
        }
        assert_eq!(picture.y()[17 * 34..], picture.y()[16 * 34..17 * 34]);
    }

    #[test]
    fn bad_input_is_refused_or_clipped() {
        assert_eq!(Picture::new(8, 600).unwrap_err(), Error::Size { width: 8, height: 600 });
        assert!(Picture::new(u32::MAX, u32::MAX).is_err());
        let mut picture = Picture::new(64, 64).unwrap();
        let all = [Rect::new(0, 0, u32::MAX, u32::MAX)];
        assert!(matches!(picture.update_from_bgra(&[0; 100], 256, &all), Err(Error::Source { .. })));
        assert!(matches!(picture.update_from_bgra(&[0; 64 * 64 * 4], 255, &all), Err(Error::Source { .. })));
        assert!(matches!(
            picture.update_from_bgra(&[0; 64 * 64 * 4], usize::MAX, &all),
            Err(Error::Source { .. })
        ));
        let wild =
            [Rect::new(u32::MAX, 3, 9, 9), Rect::new(60, 60, u32::MAX, u32::MAX), Rect::new(5, 5, 0, 5)];
        picture.update_from_bgra(&[0; 64 * 64 * 4], 256, &wild).unwrap();
    }
}
