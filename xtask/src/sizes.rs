//! What files weigh on their way to a browser.

use std::fmt;
use std::io::Write as _;

use anyhow::{Context as _, Result, bail};

/// The most that opening a session page may transfer: its script and module, brotli.
const BUDGET: usize = 250_000;

/// Bytes of a file, or of several together, as they are and compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) raw: usize,
    pub(crate) gzip: usize,
    pub(crate) brotli: usize,
}

impl Sizes {
    pub(crate) fn of(content: &[u8]) -> Result<Self> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(content).context("compressing with gzip")?;
        let gzip = gzip.finish().context("compressing with gzip")?.len();
        let mut compressed = Vec::new();
        brotli::BrotliCompress(&mut &*content, &mut compressed, &brotli::enc::BrotliEncoderParams::default())
            .context("compressing with brotli")?;
        Ok(Self { raw: content.len(), gzip, brotli: compressed.len() })
    }

    /// An error if these, the files of the session page together, are too much.
    pub(crate) fn check_budget(self) -> Result<()> {
        if self.brotli > BUDGET {
            bail!(
                "the session page transfers {} bytes with brotli, more than the {BUDGET} allowed",
                self.brotli
            );
        }
        println!("session page: {} of {BUDGET} bytes allowed", self.brotli);
        Ok(())
    }
}

impl std::ops::Add for Sizes {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { raw: self.raw + other.raw, gzip: self.gzip + other.gzip, brotli: self.brotli + other.brotli }
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:>9} raw {:>9} gzip {:>9} brotli", self.raw, self.gzip, self.brotli)
    }
}

#[cfg(test)]
mod tests {
    use super::{BUDGET, Sizes};

    #[test]
    fn compresses() {
        let sizes = Sizes::of(&[7; 10_000]).unwrap();
        assert_eq!(sizes.raw, 10_000);
        assert!(sizes.gzip < 200 && sizes.brotli < 200, "{sizes:?}");
    }

    #[test]
    fn sums_up() {
        let one = Sizes { raw: 1, gzip: 2, brotli: 3 };
        assert_eq!(one + one, Sizes { raw: 2, gzip: 4, brotli: 6 });
    }

    #[test]
    fn the_budget_is_for_what_is_transferred() {
        let sizes = |brotli| Sizes { raw: 10 * BUDGET, gzip: 2 * BUDGET, brotli };
        assert!(sizes(BUDGET).check_budget().is_ok());
        let error = sizes(BUDGET + 1).check_budget().unwrap_err().to_string();
        assert!(error.contains("250001"), "{error}");
    }
}
