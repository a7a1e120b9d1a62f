//! Making a part of the screen smaller.

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x4;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use crate::{Error, Rect};

/// Draws a view of the screen with fewer pixels, each the mean of those that it stands for, weighted by their distance.
#[derive(Debug)]
pub(crate) struct Scaler {
    resizer: Resizer,
    options: ResizeOptions,
    /// What was drawn last, without gaps.
    pixels: Vec<u8>,
}

impl Scaler {
    pub(crate) fn new() -> Self {
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
            // The fourth byte of a screen's pixel means nothing.
            .use_alpha(false);
        Self { resizer: Resizer::new(), options, pixels: Vec::new() }
    }

    /// Columns and rows beside a pixel of the small picture that it may show, in pixels of the small picture.
    pub(crate) const REACH: u32 = 1;

    /// Draws `part`, a rectangle of the small picture, of which `size` stands for the whole `view` of the screen.
    pub(crate) fn draw(
        &mut self,
        bgra: &[u8],
        stride: usize,
        view: Rect,
        size: (u32, u32),
        part: Rect,
    ) -> Result<&[u8], Error> {
        let refused = |error: &dyn std::fmt::Display| Error::Convert(error.to_string());
        // The view lies within the screen, and the screen's rows are whole pixels long: see `Picture::update_from_bgra`.
        let screen = TypedImageRef::<U8x4>::from_buffer((stride / 4) as u32, view.bottom(), bgra)
            .map_err(|error| refused(&error))?;
        let screen = TypedCroppedImage::from_ref(&screen, view.x, view.y, view.width, view.height)
            .map_err(|error| refused(&error))?;
        let (across, down) =
            (f64::from(view.width) / f64::from(size.0), f64::from(view.height) / f64::from(size.1));
        let (left, top) = (f64::from(part.x) * across, f64::from(part.y) * down);
        // Rounding must not lead out of the view.
        let width = (f64::from(part.width) * across).min(f64::from(view.width) - left);
        let height = (f64::from(part.height) * down).min(f64::from(view.height) - top);
        let options = self.options.crop(left, top, width, height);
        self.pixels.resize(part.width as usize * part.height as usize * 4, 0);
        let mut small = TypedImage::<U8x4>::from_buffer(part.width, part.height, &mut self.pixels)
            .map_err(|error| refused(&error))?;
        self.resizer.resize_typed(&screen, &mut small, &options).map_err(|error| refused(&error))?;
        Ok(&self.pixels)
    }
}
