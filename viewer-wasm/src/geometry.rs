//! Where the picture lies in the page, and which of its pixels a pointer means.

/// How the picture is laid into its stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// As large as fits, proportions kept.
    Fit,
    /// One pixel of the picture is one pixel of this screen; the stage scrolls.
    Actual,
}

/// A size, in CSS pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    /// Across.
    pub width: f64,
    /// Down.
    pub height: f64,
}

/// A rectangle of the page, in CSS pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rect {
    /// Left edge.
    pub left: f64,
    /// Top edge.
    pub top: f64,
    /// Its size.
    pub size: Size,
}

/// The size at which a picture of `width × height` pixels is shown; `None` while there is no place or no picture.
///
/// `device_pixels` is the browser's `devicePixelRatio`.
pub fn shown(scale: Scale, stage: Size, width: u16, height: u16, device_pixels: f64) -> Option<Size> {
    if width == 0 || height == 0 {
        return None;
    }
    let (width, height) = (f64::from(width), f64::from(height));
    let factor = match scale {
        Scale::Fit => (stage.width / width).min(stage.height / height),
        Scale::Actual => 1.0 / device_pixels,
    };
    (factor.is_finite() && factor > 0.0).then_some(Size { width: width * factor, height: height * factor })
}

/// The picture's pixel under a point of the page; a point beside the picture means the pixel next to it, so that a
/// drag that leaves the picture ends at its edge. `None` while the picture has no extent.
pub fn to_pixel(picture: Rect, width: u16, height: u16, x: f64, y: f64) -> Option<(u16, u16)> {
    Some((
        along(x - picture.left, picture.size.width, width)?,
        along(y - picture.top, picture.size.height, height)?,
    ))
}

/// Where a pixel of the picture (its upper left corner) is shown, in CSS pixels from the picture's corner.
pub fn from_pixel(shown: Size, width: u16, height: u16, x: u16, y: u16) -> (f64, f64) {
    let part = |at: u16, pixels: u16, extent: f64| f64::from(at) * extent / f64::from(pixels.max(1));
    (part(x, width, shown.width), part(y, height, shown.height))
}

fn along(at: f64, extent: f64, pixels: u16) -> Option<u16> {
    if !(extent > 0.0 && at.is_finite()) || pixels == 0 {
        return None;
    }
    let pixel = (at * f64::from(pixels) / extent).floor();
    Some(pixel.clamp(0.0, f64::from(pixels - 1)) as u16)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STAGE: Size = Size { width: 1000.0, height: 500.0 };

    #[test]
    fn fitted_keeps_proportions() {
        for ((width, height), expected) in [
            ((1920, 1080), (888.888_888, 500.0)),
            ((1000, 500), (1000.0, 500.0)),
            ((500, 1000), (250.0, 500.0)),
            ((4000, 1000), (1000.0, 250.0)),
        ] {
            let size = shown(Scale::Fit, STAGE, width, height, 2.0).unwrap();
            assert!((size.width - expected.0).abs() < 0.001, "{width}×{height}: {size:?}");
            assert!((size.height - expected.1).abs() < 0.001, "{width}×{height}: {size:?}");
        }
    }

    #[test]
    fn actual_size_counts_device_pixels() {
        let size = shown(Scale::Actual, STAGE, 1920, 1080, 2.0).unwrap();
        assert_eq!(size, Size { width: 960.0, height: 540.0 });
    }

    #[test]
    fn nothing_to_show_is_no_size() {
        assert_eq!(shown(Scale::Fit, Size { width: 0.0, height: 0.0 }, 1920, 1080, 1.0), None);
        assert_eq!(shown(Scale::Fit, STAGE, 0, 1080, 1.0), None);
        assert_eq!(shown(Scale::Actual, STAGE, 1, 1, 0.0), None);
    }

    #[test]
    fn points_become_pixels_and_stay_inside() {
        let picture = Rect { left: 100.0, top: 50.0, size: Size { width: 960.0, height: 540.0 } };
        for ((x, y), expected) in [
            ((100.0, 50.0), (0, 0)),
            ((100.49, 50.49), (0, 0)),
            ((100.5, 50.5), (1, 1)),
            ((1059.9, 589.9), (1919, 1079)),
            ((5000.0, -3.0), (1919, 0)),
        ] {
            assert_eq!(to_pixel(picture, 1920, 1080, x, y), Some(expected), "{x}, {y}");
        }
        assert_eq!(to_pixel(picture, 1920, 1080, f64::NAN, 1.0), None);
        let flat = Rect { size: Size { width: 0.0, height: 0.0 }, ..picture };
        assert_eq!(to_pixel(flat, 1920, 1080, 1.0, 1.0), None);
    }

    proptest! {
        /// Showing a pixel and pointing at its middle leads back to it, at any scale and place.
        #[test]
        fn there_and_back(
            width in 1..5000_u16, height in 1..5000_u16, zoom in 0.05..4.0_f64,
            left in -500.0..500.0_f64, x in 0.0..1.0_f64, y in 0.0..1.0_f64,
        ) {
            let size = Size { width: f64::from(width) * zoom, height: f64::from(height) * zoom };
            let (x, y) = ((x * f64::from(width)) as u16, (y * f64::from(height)) as u16);
            let (across, down) = from_pixel(size, width, height, x, y);
            let picture = Rect { left, top: 0.0, size };
            let half = zoom / 2.0;
            prop_assert_eq!(to_pixel(picture, width, height, left + across + half, down + half), Some((x, y)));
        }
    }
}
