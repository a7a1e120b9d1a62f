//! The picture that the encoder reads: I420 planes that follow a part of a BGRA screen where it was damaged.

use yuv::{
    BufferStoreMut, YuvConversionMode, YuvPlanarImageMut, YuvRange, YuvStandardMatrix, bgra_to_yuv420,
};

use crate::scaler::Scaler;
use crate::size::{MIN_SIDE, encodable};
use crate::work::Works;
use crate::{Error, Rect};

/// An I420 picture (BT.709, limited range) of a view of a screen: all of it or one monitor, pixel for pixel or smaller.
///
/// H.264 in 4:2:0 has even sizes only, and openh264 none below 16: what is odd or smaller is padded here by repeating the
/// last column or row. The padded size is what the encoder is made for and what the decoder shows.
#[derive(Debug)]
pub struct Picture {
    /// The part of the screen that is shown.
    view: Rect,
    /// Pixels in a row that hold the view.
    width: u32,
    /// Rows that hold the view.
    height: u32,
    /// Luma's bytes per row: the padded width. Chroma has half of it.
    stride: usize,
    /// Bytes of the luma plane; each plane has a spare row behind its last, see `convert`.
    luma: usize,
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
    scaler: Option<Scaler>,
    works: Works,
}

/// Damage is widened to this many pixels: chroma needs 2, and a multiple of what the SIMD takes in one step keeps the
/// result of a part the same as that of the whole.
const ALIGN: u32 = 32;

/// Rows that are made smaller in one go: what was made is still in the cache when it is converted, and little memory is
/// needed for it.
const STRIP: u32 = 64;

impl Picture {
    /// A black picture of a whole screen with this many pixels; see [`Error::Size`] for the limits.
    pub fn new(width: u32, height: u32) -> Result<Self, Error> {
        Self::of(Rect::new(0, 0, width, height), width, height)
    }

    /// A black picture of a view, a part of the screen, drawn with `width × height` pixels: as many as the view has, or
    /// fewer (see [`Scale`](crate::Scale)).
    pub fn of(view: Rect, width: u32, height: u32) -> Result<Self, Error> {
        let larger = width > view.width || height > view.height;
        if larger || !encodable(width, height) || view.x.checked_add(view.width).is_none() {
            return Err(Error::Size { width, height });
        }
        let (coded_width, coded_height) = (padded(width), padded(height));
        let stride = coded_width as usize;
        let luma = stride * coded_height as usize;
        Ok(Self {
            view,
            width,
            height,
            stride,
            luma,
            y: vec![16; luma + stride],
            u: vec![128; luma / 4 + stride / 2],
            v: vec![128; luma / 4 + stride / 2],
            scaler: ((width, height) != (view.width, view.height)).then(Scaler::new),
            works: Works::new(coded_width, coded_height),
        })
    }

    /// The part of the screen that is shown.
    pub fn view(&self) -> Rect {
        self.view
    }

    /// The pixels that hold the view (width, height), from the top left corner; the others are padding.
    pub fn screen_size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// The size of what is encoded: the above, padded (width, height).
    pub fn coded_size(&self) -> (u32, u32) {
        (padded(self.width), padded(self.height))
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

    /// When each macroblock changed and what there is to see in it.
    pub(crate) fn works(&self) -> &Works {
        &self.works
    }

    /// Converts what changed of a BGRA screen (the fourth byte is ignored) with `stride` bytes per row.
    ///
    /// `bgra` is the whole screen and the damage is in its pixels; rectangles are clipped to the view, and where nothing of
    /// them is left nothing changes.
    pub fn update_from_bgra(&mut self, bgra: &[u8], stride: usize, damage: &[Rect]) -> Result<(), Error> {
        let view = self.view;
        let (right, bottom) = (view.right() as usize * 4, view.bottom() as usize);
        // Rows that are made smaller must be whole pixels long, also the last one.
        let last = if self.scaler.is_some() { stride } else { right };
        let whole = self.scaler.is_none() || stride.is_multiple_of(4);
        let needed = stride.checked_mul(bottom - 1).and_then(|n| n.checked_add(last));
        if !whole
            || stride < right
            || u32::try_from(stride).is_err()
            || needed.is_none_or(|needed| needed > bgra.len())
        {
            return Err(Error::Source {
                width: view.right(),
                height: view.bottom(),
                stride,
                len: bgra.len(),
            });
        }
        self.works.begin();
        for rect in damage {
            let Some(part) = self.touched(*rect) else { continue };
            if self.scaler.is_some() {
                self.draw(bgra, stride, part)?;
            } else {
                let origin = view.y as usize * stride + view.x as usize * 4;
                let end = ((bottom - 1) * stride + right).max(bgra.len().min(bottom * stride));
                self.convert(&bgra[origin..end], stride, part, part)?;
            }
            self.works.changed(part, &self.y, self.stride);
        }
        Ok(())
    }

    /// What of the picture shows this part of the screen, grown to [`ALIGN`] in x and to pairs of rows in y.
    fn touched(&self, damage: Rect) -> Option<Rect> {
        let damage = damage.clip(self.view)?;
        let (mut x, mut y) = (damage.x - self.view.x, damage.y - self.view.y);
        let (mut right, mut bottom) = (x + damage.width, y + damage.height);
        if self.scaler.is_some() {
            let scaled =
                |at: u32, to: u32, from: u32| (u64::from(at) * u64::from(to) / u64::from(from)) as u32;
            let reach = Scaler::REACH;
            x = scaled(x, self.width, self.view.width).saturating_sub(reach);
            y = scaled(y, self.height, self.view.height).saturating_sub(reach);
            right = scaled(right, self.width, self.view.width) + 1 + reach;
            bottom = scaled(bottom, self.height, self.view.height) + 1 + reach;
        }
        Rect::between(
            x - x % ALIGN,
            y - y % 2,
            right.next_multiple_of(ALIGN).min(self.width),
            bottom.next_multiple_of(2).min(self.height),
        )
    }

    /// Makes a part of the screen smaller and converts it, strip by strip.
    fn draw(&mut self, bgra: &[u8], stride: usize, part: Rect) -> Result<(), Error> {
        let Some(mut scaler) = self.scaler.take() else { return Ok(()) };
        let mut drawn = Ok(());
        let mut y = part.y;
        while y < part.y + part.height && drawn.is_ok() {
            let strip = Rect::new(part.x, y, part.width, STRIP.min(part.y + part.height - y));
            let source = Rect::new(0, 0, strip.width, strip.height);
            drawn = scaler
                .draw(bgra, stride, self.view, (self.width, self.height), strip)
                .and_then(|pixels| self.convert(pixels, strip.width as usize * 4, source, strip));
            y += STRIP;
        }
        self.scaler = Some(scaler);
        drawn
    }

    /// Converts a rectangle of these pixels, which lies at `from` in them, to the place `to` of the same size.
    ///
    /// The `yuv` crate walks whole strides to the end of the slices it is given, whatever the height says, and leaves
    /// out a last pair of rows that is shorter than two strides. So the slices end with the rectangle, the planes have
    /// a spare row behind them, and the last rows, which have none, go through a copy.
    fn convert(&mut self, bgra: &[u8], stride: usize, from: Rect, to: Rect) -> Result<(), Error> {
        let start = from.y as usize * stride + from.x as usize * 4;
        let y = to.y as usize;
        let pairs = (to.height as usize / 2).min((bgra.len() - start) / (2 * stride));
        if pairs > 0 {
            self.convert_pairs(&bgra[start..start + pairs * 2 * stride], stride, to.x, y, to.width, pairs)?;
        }
        let left = to.height as usize - pairs * 2;
        if left > 0 {
            let row = to.width as usize * 4;
            let mut copy = Vec::with_capacity(2 * row);
            for n in 0..2 {
                let at = start + (pairs * 2 + n.min(left - 1)) * stride;
                copy.extend_from_slice(&bgra[at..at + row]);
            }
            self.convert_pairs(&copy, row, to.x, y + pairs * 2, to.width, 1)?;
        }
        self.pad(to);
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

    /// Repeats the last column and row into the padding.
    fn pad(&mut self, rect: Rect) {
        let (coded_width, coded_height) = self.coded_size();
        let bottom = rect.bottom().next_multiple_of(2) as usize;
        let (luma, chroma) = (self.stride, self.stride / 2);
        if self.width < coded_width && rect.right() == self.width {
            repeat_column(&mut self.y, luma, self.width as usize, rect.y as usize..bottom);
            let rows = rect.y as usize / 2..bottom / 2;
            let column = self.width.div_ceil(2) as usize;
            repeat_column(&mut self.u, chroma, column, rows.clone());
            repeat_column(&mut self.v, chroma, column, rows);
        }
        let even = self.height.next_multiple_of(2) as usize;
        if even < coded_height as usize && bottom == even {
            repeat_row(&mut self.y, luma, even, coded_height as usize);
            repeat_row(&mut self.u, chroma, even / 2, coded_height as usize / 2);
            repeat_row(&mut self.v, chroma, even / 2, coded_height as usize / 2);
        }
    }
}

/// The side of the coded picture for a side of the view.
fn padded(side: u32) -> u32 {
    side.max(MIN_SIDE).next_multiple_of(2)
}

/// Fills each of the rows from this column on with what is before it.
fn repeat_column(plane: &mut [u8], stride: usize, column: usize, rows: std::ops::Range<usize>) {
    for row in rows {
        let row = &mut plane[row * stride..][..stride];
        let last = row[column - 1];
        row[column..].fill(last);
    }
}

/// Fills the rows up to `end` with the one before `row`.
fn repeat_row(plane: &mut [u8], stride: usize, row: usize, end: usize) {
    for row in row..end {
        plane.copy_within((row - 1) * stride..row * stride, row * stride);
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

    /// Luma of a view, drawn with so many pixels, after everything and then `damage` of another screen was converted.
    fn drawn(screens: [&[u8]; 2], width: u32, view: Rect, size: (u32, u32), damage: &[Rect]) -> Vec<u8> {
        let mut picture = Picture::of(view, size.0, size.1).unwrap();
        let stride = width as usize * 4;
        picture.update_from_bgra(screens[0], stride, &[Rect::new(0, 0, u32::MAX, u32::MAX)]).unwrap();
        picture.update_from_bgra(screens[1], stride, damage).unwrap();
        [picture.y(), picture.u(), picture.v()].concat()
    }

    #[test]
    fn a_view_is_that_part_of_the_screen() {
        let (width, height) = (300, 200);
        let screen = noise(width, height, 5);
        for view in [Rect::new(0, 0, 300, 200), Rect::new(101, 33, 150, 99), Rect::new(299, 199, 1, 1)] {
            let rows = (view.y..view.bottom()).flat_map(|y| {
                let at = ((y * width + view.x) * 4) as usize;
                screen[at..at + view.width as usize * 4].to_vec()
            });
            let part: Vec<u8> = rows.collect();
            let all = [Rect::new(0, 0, width, height)];
            let alone = Rect::new(0, 0, view.width, view.height);
            let size = (view.width, view.height);
            let shown = drawn([&screen, &screen], width, view, size, &all);
            assert!(shown == drawn([&part, &part], view.width, alone, size, &all), "{view:?}");
        }
    }

    #[test]
    fn a_smaller_picture_shows_the_mean_and_follows_the_damage() {
        let (width, height) = (320, 200);
        let grey = vec![100; (width * height * 4) as usize];
        let (old, new) = (noise(width, height, 7), noise(width, height, 99));
        let view = Rect::new(17, 9, 257, 163);
        for size in [(193, 123), (129, 82), (86, 55), (65, 41), (2, 2), (1, 1)] {
            let flat = drawn([&grey, &grey], width, view, size, &[]);
            let coded = padded(size.0) as usize * padded(size.1) as usize;
            assert!(flat[..coded].iter().all(|luma| luma.abs_diff(102) <= 1), "{:?}", &flat[..16]);
            for damage in [Rect::new(100, 70, 1, 1), Rect::new(0, 0, 320, 200), Rect::new(200, 120, 90, 60)] {
                let mut screen = old.clone();
                copy(&new, &mut screen, width, damage);
                let part = drawn([&old, &screen], width, view, size, &[damage]);
                let whole = drawn([&screen, &screen], width, view, size, &[]);
                let worst = part.iter().zip(&whole).map(|(a, b)| a.abs_diff(*b)).max();
                assert!(worst <= Some(2), "{damage:?} at {size:?}: {worst:?}");
            }
        }
    }

    #[test]
    fn bad_input_is_refused_or_clipped() {
        assert_eq!(Picture::new(0, 600).unwrap_err(), Error::Size { width: 0, height: 600 });
        assert!(Picture::of(Rect::new(0, 0, 64, 64), 65, 64).is_err(), "never larger than the view");
        assert!(Picture::of(Rect::new(u32::MAX, 0, 64, 64), 64, 64).is_err());
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
