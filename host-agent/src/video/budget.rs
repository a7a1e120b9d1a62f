//! How many bytes may go as tiles: a bucket that fills evenly and is never deeper than a moment's worth. Pure.

use std::time::Instant;

/// The bucket.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    level: f64,
    filled: Option<Instant>,
}

impl Bucket {
    /// Bytes in it at `now`, where it fills with `rate` bytes per second up to `depth`. It is full at first.
    pub(super) fn level(&mut self, now: Instant, rate: f64, depth: f64) -> usize {
        let passed =
            self.filled.replace(now).map(|filled| now.saturating_duration_since(filled).as_secs_f64());
        self.level = passed.map_or(depth, |seconds| (self.level + seconds * rate).min(depth));
        self.level.max(0.0) as usize
    }

    /// Takes some out, also more than there is: what comes next waits then.
    pub(super) fn take(&mut self, bytes: usize) {
        self.level -= bytes as f64;
    }

    /// Seconds until there is something in it.
    pub(super) fn wait(&self, rate: f64, least: f64) -> f64 {
        ((least - self.level) / rate.max(1.0)).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_fills_evenly_and_no_deeper_than_it_is() {
        let (mut bucket, now) = (Bucket::default(), Instant::now());
        assert_eq!(bucket.level(now, 1_000.0, 500.0), 500);
        bucket.take(700);
        assert_eq!(bucket.level(now, 1_000.0, 500.0), 0);
        assert!((bucket.wait(1_000.0, 100.0) - 0.3).abs() < 0.001);
        assert_eq!(bucket.level(now + Duration::from_millis(300), 1_000.0, 500.0), 100);
        assert_eq!(bucket.level(now + Duration::from_hours(1), 1_000.0, 500.0), 500);
    }
}
