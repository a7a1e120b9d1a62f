//! Rectangles, scales, and the sizes that can be encoded.

/// Most macroblocks of 16 × 16 pixels of a picture: level 5.2, ITU-R H.264 table A-1. More is refused by openh264.
pub const MAX_MACROBLOCKS: u32 = 36_864;
/// Longest side of a picture, in pixels: `sqrt(8 × MAX_MACROBLOCKS)` macroblocks, H.264 A.3.1.
pub const MAX_SIDE: u32 = 543 * 16;
/// Shortest side that openh264 takes, in pixels. A [`Picture`](crate::Picture) of less is padded.
pub(crate) const MIN_SIDE: u32 = 16;

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

    /// The first column to the right of it.
    pub(crate) const fn right(self) -> u32 {
        self.x.saturating_add(self.width)
    }

    /// The first row below it.
    pub(crate) const fn bottom(self) -> u32 {
        self.y.saturating_add(self.height)
    }

    /// The rectangle from one corner to the other; `None` where it is empty.
    pub(crate) const fn between(x: u32, y: u32, right: u32, bottom: u32) -> Option<Self> {
        if x < right && y < bottom { Some(Self::new(x, y, right - x, bottom - y)) } else { None }
    }

    /// What of it lies in the other.
    pub(crate) fn clip(self, other: Self) -> Option<Self> {
        Self::between(
            self.x.max(other.x),
            self.y.max(other.y),
            self.right().min(other.right()),
            self.bottom().min(other.bottom()),
        )
    }
}

/// How much smaller than the screen a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scale {
    numerator: u32,
    denominator: u32,
}

impl Scale {
    /// Pixel for pixel.
    pub const ONE: Self = Self { numerator: 1, denominator: 1 };

    /// Three quarters in both directions.
    pub const THREE_QUARTERS: Self = Self { numerator: 3, denominator: 4 };
    /// Half in both directions.
    pub const HALF: Self = Self { numerator: 1, denominator: 2 };
    /// A third in both directions.
    pub const THIRD: Self = Self { numerator: 1, denominator: 3 };
    /// A quarter in both directions.
    pub const QUARTER: Self = Self { numerator: 1, denominator: 4 };
    /// A sixth in both directions: for the largest screens only.
    pub const SIXTH: Self = Self { numerator: 1, denominator: 6 };

    /// What a stream steps down through where its line is thin or its screen too large. Below a third text can't be read.
    pub const STEPS: [Self; 6] =
        [Self::ONE, Self::THREE_QUARTERS, Self::HALF, Self::THIRD, Self::QUARTER, Self::SIXTH];

    /// The size of a view of this many pixels (width, height), rounded up, never empty.
    pub fn size(self, width: u32, height: u32) -> (u32, u32) {
        let side = |side: u32| {
            let scaled = (u64::from(side) * u64::from(self.numerator)).div_ceil(u64::from(self.denominator));
            (scaled as u32).max(1)
        };
        (side(width), side(height))
    }

    /// The largest of the [`STEPS`](Self::STEPS) at which a view of this size can be encoded; the smallest of them where
    /// none is enough, and then [`Picture::of`](crate::Picture::of) refuses it (beyond 16 384 × 16 384).
    pub fn largest(width: u32, height: u32) -> Self {
        let fits = |scale: &Self| {
            let (width, height) = scale.size(width, height);
            encodable(width, height)
        };
        Self::STEPS.into_iter().find(fits).unwrap_or(Self::STEPS[Self::STEPS.len() - 1])
    }
}

/// Whether a picture of this size, padded where it is small, can be encoded.
pub(crate) fn encodable(width: u32, height: u32) -> bool {
    let macroblocks = u64::from(width.div_ceil(16)) * u64::from(height.div_ceil(16));
    (1..=MAX_SIDE).contains(&width)
        && (1..=MAX_SIDE).contains(&height)
        && macroblocks <= u64::from(MAX_MACROBLOCKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_screen_has_a_scale_at_which_it_is_encoded() {
        for (width, height, expected) in [
            (1, 1, Scale::ONE),
            (1920, 1080, Scale::ONE),
            (4096, 2304, Scale::ONE),
            (5120, 2880, Scale::THREE_QUARTERS),
            (7680, 4320, Scale::HALF),
            (16_384, 1080, Scale::HALF),
            (16_384, 16_384, Scale::SIXTH),
        ] {
            let found = Scale::largest(width, height);
            assert_eq!(found, expected, "{width} × {height}");
            let (small_width, small_height) = found.size(width, height);
            assert!(encodable(small_width, small_height));
        }
        assert_eq!(Scale::THIRD.size(1, 2), (1, 1));
        assert_eq!(Scale::THREE_QUARTERS.size(1921, 1081), (1441, 811));
    }
}
