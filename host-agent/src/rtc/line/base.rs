//! The least time that packets took of late: the way without a queue.

use std::time::{Duration, Instant};

/// The least is remembered for one to two of these. A line whose way got longer for good looks full for so long at most.
const PERIOD: Duration = Duration::from_secs(6);

/// The shortest travel time of the last one to two [`PERIOD`]s, in microseconds of two unrelated clocks.
#[derive(Debug)]
pub(super) struct Base {
    since: Instant,
    current: i64,
    before: i64,
}

impl Base {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, current: i64::MAX, before: i64::MAX }
    }

    pub(super) fn add(&mut self, now: Instant, travel: i64) {
        if now.saturating_duration_since(self.since) >= PERIOD {
            (self.before, self.current, self.since) = (self.current, i64::MAX, now);
        }
        self.current = self.current.min(travel);
    }

    pub(super) fn shortest(&self) -> i64 {
        self.current.min(self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_way_becomes_the_new_base() {
        let start = Instant::now();
        let mut base = Base::new(start);
        base.add(start, 5);
        for second in 0..13 {
            base.add(start + Duration::from_secs(second), 50);
        }
        assert_eq!(base.shortest(), 50);
    }

    #[test]
    fn a_shorter_way_counts_at_once() {
        let start = Instant::now();
        let mut base = Base::new(start);
        base.add(start, 50);
        base.add(start, -7);
        assert_eq!(base.shortest(), -7);
    }
}
