//! How long to wait before the next attempt: longer each time, and never all tabs at once.

/// The first wait, in milliseconds.
const FIRST_MS: f64 = 250.0;
/// The longest wait, in milliseconds.
const LONGEST_MS: f64 = 10_000.0;

/// Counts the attempts that failed.
#[derive(Debug, Default)]
pub struct BackOff {
    failed: u32,
}

impl BackOff {
    /// Before the first attempt.
    pub fn new() -> Self {
        Self::default()
    }

    /// An attempt succeeded.
    pub const fn reset(&mut self) {
        self.failed = 0;
    }

    /// An attempt failed: how many milliseconds to wait. `random` is uniform in 0..1; half of the wait is its.
    pub fn next_ms(&mut self, random: f64) -> i32 {
        let full = (FIRST_MS * f64::from(2_u32.pow(self.failed.min(8)))).min(LONGEST_MS);
        self.failed = self.failed.saturating_add(1);
        (full * (0.5 + 0.5 * random.clamp(0.0, 1.0))) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_scatter() {
        let mut back_off = BackOff::new();
        let waits: Vec<_> = (0..8).map(|_| back_off.next_ms(1.0)).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
        assert_eq!(back_off.next_ms(0.0), 5000);
        for _ in 0..1000 {
            back_off.next_ms(0.5);
        }
        back_off.reset();
        assert_eq!(back_off.next_ms(0.0), 125);
    }
}
