//! How much painting the host may ask for: far more than any real one does, and not so much that the tab stands still.

use nearhand_protocol::wire::WireError;

/// Pictures that may be painted in each second, counted in pixels.
const PER_SECOND: f64 = 150.0;
/// Pictures that may come at once: a tab that was held up has ten seconds to catch up on.
const AT_ONCE: f64 = 600.0;
/// What an update costs at least, in pixels.
const LEAST: u64 = 512;
/// Views are taken for at least so large, in pixels.
const LEAST_VIEW: u32 = 256 * 1024;
/// One update paints at most so many pictures.
const BY_ONE: u64 = 3;

/// Pixels that may be painted.
#[derive(Debug, Default)]
pub(super) struct Pace {
    view: f64,
    left: f64,
    at_ms: f64,
}

impl Pace {
    pub(super) fn set_view(&mut self, pixels: u32, now_ms: f64) {
        let first = self.view == 0.0;
        self.view = f64::from(pixels.max(LEAST_VIEW));
        // Views that change without end earn nothing.
        self.left = if first { self.view * AT_ONCE } else { self.left.min(self.view * AT_ONCE) };
        self.at_ms = now_ms;
    }

    /// An update paints so many pixels.
    pub(super) fn spend(&mut self, pixels: u64, now_ms: f64) -> Result<(), WireError> {
        if pixels as f64 > self.view * BY_ONE as f64 {
            return Err(WireError::OutOfBounds("painted area"));
        }
        let passed_s = ((now_ms - self.at_ms) / 1000.0).max(0.0);
        self.at_ms = now_ms;
        self.left = (self.left + passed_s * self.view * PER_SECOND).min(self.view * AT_ONCE);
        let cost = pixels.max(LEAST) as f64;
        if self.left < cost {
            return Err(WireError::OutOfBounds("pace"));
        }
        self.left -= cost;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_host_is_never_held_up_and_a_flood_is() {
        let mut pace = Pace::default();
        pace.set_view(1920 * 1080, 0.0);
        for frame in 0..6000 {
            assert_eq!(pace.spend(1920 * 1080, f64::from(frame) * 16.0), Ok(()));
        }
        let flood = (0..2000).filter(|_| pace.spend(1920 * 1080, 100_000.0).is_ok()).count();
        assert_eq!(flood, 600);
        assert_eq!(pace.spend(1920 * 1080 * 4, 200_000.0), Err(WireError::OutOfBounds("painted area")));
        assert_eq!(pace.spend(64 * 64, 200_000.0), Ok(()));
    }
}
