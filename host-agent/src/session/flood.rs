//! How much of something a technician's end may do: so much at once, and so much a second. A tab that does more disturbs
//! nobody.

use std::time::{Duration, Instant};

/// Lets so many through at once, and then one every so often (the generic cell rate algorithm, ITU-T I.371).
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    every: Duration,
    most: u32,
    /// When it will be full again.
    full: Option<Instant>,
}

impl Bucket {
    pub(super) const fn new(most: u32, every: Duration) -> Self {
        Self { every, most, full: None }
    }

    /// Whether one more is let through now.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let free = self.free_at().is_none_or(|at| at <= now);
        if free {
            self.full = Some(self.full.map_or(now, |full| full.max(now)) + self.every);
        }
        free
    }

    /// When the next one is let through; `None`: at once.
    pub(super) fn free_at(&self) -> Option<Instant> {
        // As much as fits is owed at `full`; one less leaves room for one.
        self.full?.checked_sub(self.every * (self.most - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_and_then_one_by_one() {
        let now = Instant::now() + Duration::from_mins(1);
        let every = Duration::from_millis(250);
        let mut bucket = Bucket::new(20, every);
        let through = |bucket: &mut Bucket, now| (0..100).filter(|_| bucket.take(now)).count();
        assert_eq!(through(&mut bucket, now), 20);
        assert_eq!(bucket.free_at(), Some(now + every));
        assert_eq!(through(&mut bucket, now + every / 2), 0);
        assert_eq!(through(&mut bucket, now + every), 1);
        assert_eq!(through(&mut bucket, now + Duration::from_secs(2)), 7);
        assert_eq!(through(&mut bucket, now + Duration::from_mins(10)), 20, "it holds no more");
    }
}
