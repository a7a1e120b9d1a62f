//! Pictures, and how far two of them are apart.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

/// Red, green, blue; rows from the top.
pub(crate) struct Picture {
    pub(crate) width: u32,
    pub(crate) height: u32,
    rgb: Vec<u8>,
}

impl Picture {
    /// From an X server's 32 bits a pixel.
    pub(crate) fn from_bgrx(width: u32, height: u32, data: &[u8]) -> Self {
        let rgb = data.chunks_exact(4).flat_map(|pixel| [pixel[2], pixel[1], pixel[0]]).collect();
        Self { width, height, rgb }
    }

    /// From a PNG file's bytes.
    pub(crate) fn from_png(bytes: &[u8]) -> Result<Self> {
        let image =
            image::load_from_memory_with_format(bytes, image::ImageFormat::Png).context("reading a PNG")?;
        let rgb = image.to_rgb8();
        Ok(Self { width: rgb.width(), height: rgb.height(), rgb: rgb.into_raw() })
    }

    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        image::save_buffer(path, &self.rgb, self.width, self.height, image::ColorType::Rgb8)
            .with_context(|| format!("writing {}", path.display()))
    }

    /// One pixel: red, green, blue.
    pub(crate) fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        let at = ((y * self.width + x) * 3) as usize;
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }

    /// Peak signal-to-noise ratio of each channel in dB; infinite where the two are identical.
    pub(crate) fn psnr(&self, other: &Self) -> Result<[f64; 3]> {
        self.same_size(other)?;
        let mut squares = [0_u64; 3];
        for (index, (a, b)) in self.rgb.iter().zip(&other.rgb).enumerate() {
            squares[index % 3] += u64::from(a.abs_diff(*b)).pow(2);
        }
        let pixels = f64::from(self.width) * f64::from(self.height);
        Ok(squares.map(|sum| 10.0 * (255.0 * 255.0 * pixels / sum as f64).log10()))
    }

    /// How many pixels differ at all.
    pub(crate) fn differing(&self, other: &Self) -> Result<usize> {
        self.same_size(other)?;
        Ok(self.rgb.chunks_exact(3).zip(other.rgb.chunks_exact(3)).filter(|(a, b)| a != b).count())
    }

    /// Mean structural similarity of the brightness in windows of 8×8 pixels (Wang et al. 2004); 1 where the two are
    /// identical.
    pub(crate) fn ssim(&self, other: &Self) -> Result<f64> {
        self.same_size(other)?;
        let (stable_mean, stable_variance) = ((0.01_f64 * 255.0).powi(2), (0.03_f64 * 255.0).powi(2));
        let (mut sum, mut windows) = (0.0, 0.0);
        for top in (0..self.height.saturating_sub(SIDE - 1)).step_by(4) {
            for left in (0..self.width.saturating_sub(SIDE - 1)).step_by(4) {
                let (mut a1, mut b1, mut a2, mut b2, mut ab) = (0.0, 0.0, 0.0, 0.0, 0.0);
                for y in top..top + SIDE {
                    for x in left..left + SIDE {
                        let (a, b) = (brightness(self.pixel(x, y)), brightness(other.pixel(x, y)));
                        a1 += a;
                        b1 += b;
                        a2 += a * a;
                        b2 += b * b;
                        ab += a * b;
                    }
                }
                let count = f64::from(SIDE * SIDE);
                let (a, b) = (a1 / count, b1 / count);
                let (va, vb, cov) = (a2 / count - a * a, b2 / count - b * b, ab / count - a * b);
                sum += (2.0 * a * b + stable_mean) * (2.0 * cov + stable_variance)
                    / ((a * a + b * b + stable_mean) * (va + vb + stable_variance));
                windows += 1.0;
            }
        }
        Ok(sum / windows)
    }

    /// A part of it.
    pub(crate) fn part(&self, x: u32, y: u32, width: u32, height: u32) -> Self {
        let row = |row: u32| {
            let begin = (((y + row) * self.width + x) * 3) as usize;
            &self.rgb[begin..begin + (width * 3) as usize]
        };
        let rgb = (0..height).flat_map(row).copied().collect();
        Self { width, height, rgb }
    }

    /// The first pixel, row by row, that is another one there.
    pub(crate) fn first_difference(&self, other: &Self) -> Option<(u32, u32)> {
        let mut pixels = self.rgb.chunks_exact(3).zip(other.rgb.chunks_exact(3));
        let at = pixels.position(|(a, b)| a != b)? as u32;
        Some((at % self.width, at / self.width))
    }

    /// Two sums over all pixels, the same as `sumsOf` in `screen.js`.
    pub(crate) fn sums(&self) -> String {
        let (mut a, mut b) = (0x811c_9dc5_u32, 0_u32);
        for pixel in self.rgb.chunks_exact(3) {
            // A canvas has red first, and its words are little-endian.
            let word = u32::from_le_bytes([pixel[0], pixel[1], pixel[2], 0]);
            a = (a ^ word).wrapping_mul(0x0100_0193);
            b = b.wrapping_mul(31).wrapping_add(word);
        }
        format!("{a} {b}")
    }

    fn same_size(&self, other: &Self) -> Result<()> {
        ensure!(
            (self.width, self.height) == (other.width, other.height),
            "one picture is {}×{}, the other {}×{}",
            self.width,
            self.height,
            other.width,
            other.height
        );
        Ok(())
    }
}

/// Side of a window of [`Picture::ssim`].
const SIDE: u32 = 8;

/// Rec. 601 luma.
fn brightness([red, green, blue]: [u8; 3]) -> f64 {
    0.299 * f64::from(red) + 0.587 * f64::from(green) + 0.114 * f64::from(blue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_in_one_channel_is_found_in_that_channel() {
        let clean = Picture::from_bgrx(2, 1, &[10, 20, 30, 0, 10, 20, 30, 0]);
        let noisy = Picture::from_bgrx(2, 1, &[10, 20, 35, 0, 10, 20, 30, 0]);
        assert_eq!(clean.pixel(0, 0), [30, 20, 10]);
        let [red, green, blue] = clean.psnr(&noisy).unwrap();
        assert!((red - 37.16).abs() < 0.01, "{red}");
        assert!(green.is_infinite() && blue.is_infinite());
        assert_eq!(clean.differing(&noisy).unwrap(), 1);
        assert!(clean.psnr(&Picture::from_bgrx(1, 1, &[0; 4])).is_err());
    }
}
