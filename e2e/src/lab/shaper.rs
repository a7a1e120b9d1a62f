//! What a line does to packets, as pure arithmetic: time and chance are arguments.

use std::time::Duration;

/// What one direction of a line is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Conditions {
    /// One way.
    pub(crate) delay: Duration,
    /// At most this is added to the delay, evenly distributed. Packets keep their order, as in a queue.
    pub(crate) jitter: Duration,
    /// Share of the packets that are lost, 0 to 1.
    pub(crate) loss: f64,
    /// Mean number of packets lost in a row (Gilbert's model); 1: each on its own.
    pub(crate) burst: f64,
    /// Bits a second; `None`: any.
    pub(crate) rate: Option<u64>,
    /// Bytes that wait for their turn at that rate; what comes on top is lost.
    pub(crate) queue: usize,
}

impl Conditions {
    /// Nothing is done to anything.
    pub(crate) const PERFECT: Self = Self {
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        loss: 0.0,
        burst: 1.0,
        rate: None,
        queue: usize::MAX,
    };
}

/// One direction of a line.
#[derive(Debug)]
pub(super) struct Shaper {
    pub(super) conditions: Conditions,
    /// Nothing passes a line that is down.
    pub(super) up: bool,
    /// When the last bit that waits will have gone out.
    free: Duration,
    /// When the last packet arrives.
    last: Duration,
    /// In the middle of a burst of losses.
    losing: bool,
}

impl Shaper {
    pub(super) fn new(conditions: Conditions) -> Self {
        Self { conditions, up: true, free: Duration::ZERO, last: Duration::ZERO, losing: false }
    }

    /// When a packet of `size` bytes that comes `now` arrives at the other end; `None`: never. `chance` gives numbers
    /// from 0 to 1.
    pub(super) fn pass(
        &mut self,
        now: Duration,
        size: usize,
        mut chance: impl FnMut() -> f64,
    ) -> Option<Duration> {
        if !self.up || self.loses(&mut chance) {
            return None;
        }
        let Conditions { delay, jitter, rate, queue, .. } = self.conditions;
        let mut sent = now;
        if let Some(rate) = rate {
            let rate = rate.max(1) as f64;
            let begin = self.free.max(now);
            let waiting = begin.saturating_sub(now).as_secs_f64() * rate / 8.0;
            if waiting + size as f64 > queue as f64 {
                return None;
            }
            sent = begin + Duration::from_secs_f64(size as f64 * 8.0 / rate);
            self.free = sent;
        }
        self.last = self.last.max(sent + delay + jitter.mul_f64(chance()));
        Some(self.last)
    }

    fn loses(&mut self, chance: &mut impl FnMut() -> f64) -> bool {
        let Conditions { loss, burst, .. } = self.conditions;
        if loss <= 0.0 {
            self.losing = false;
            return false;
        }
        if loss >= 1.0 {
            return true;
        }
        if burst <= 1.0 {
            return chance() < loss;
        }
        let leave = 1.0 / burst;
        // So that the share of time in the losing state is `loss`.
        let enter = (leave * loss / (1.0 - loss)).min(1.0);
        self.losing = if self.losing { chance() >= leave } else { chance() < enter };
        self.losing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn dice() -> impl FnMut() -> f64 {
        // Park and Miller's generator: the same numbers in each run.
        let mut state = 20_261_121_u64;
        move || {
            state = state * 48_271 % 2_147_483_647;
            state as f64 / 2_147_483_647.0
        }
    }

    #[test]
    fn a_perfect_line_does_nothing() {
        let mut shaper = Shaper::new(Conditions::PERFECT);
        assert_eq!(shaper.pass(7 * MS, 1500, || 0.0), Some(7 * MS));
    }

    #[test]
    fn delay_and_jitter_add_up_and_keep_the_order() {
        let conditions = Conditions { delay: 20 * MS, jitter: 10 * MS, ..Conditions::PERFECT };
        let mut shaper = Shaper::new(conditions);
        assert_eq!(shaper.pass(Duration::ZERO, 100, || 1.0), Some(30 * MS));
        assert_eq!(shaper.pass(MS, 100, || 0.0), Some(30 * MS), "it would overtake");
        assert_eq!(shaper.pass(15 * MS, 100, || 0.5), Some(40 * MS));
    }

    #[test]
    fn a_rate_spaces_packets_and_a_full_queue_loses_them() {
        // 1000 bytes take 8 ms.
        let conditions = Conditions { rate: Some(1_000_000), queue: 2_500, ..Conditions::PERFECT };
        let mut shaper = Shaper::new(conditions);
        let mut pass = |now| shaper.pass(now, 1000, || 0.0);
        assert_eq!(pass(Duration::ZERO), Some(8 * MS));
        assert_eq!(pass(Duration::ZERO), Some(16 * MS));
        assert_eq!(pass(Duration::ZERO), None, "2000 bytes wait already");
        assert_eq!(pass(8 * MS), Some(24 * MS));
        assert_eq!(pass(100 * MS), Some(108 * MS), "the queue has drained");
    }

    #[test]
    fn losses_are_as_many_and_as_long_as_asked() {
        for (loss, burst) in [(0.02, 1.0), (0.1, 1.0), (0.05, 4.0), (0.2, 10.0), (1.0, 3.0)] {
            let mut shaper = Shaper::new(Conditions { loss, burst, ..Conditions::PERFECT });
            let mut chance = dice();
            let runs = 200_000;
            let (mut lost, mut bursts, mut before) = (0, 0, false);
            for _ in 0..runs {
                let now = shaper.pass(Duration::ZERO, 100, &mut chance).is_none();
                lost += usize::from(now);
                bursts += usize::from(now && !before);
                before = now;
            }
            let share = lost as f64 / f64::from(runs);
            assert!((share - loss).abs() < loss * 0.1, "{share} instead of {loss}");
            if loss < 1.0 && burst > 1.0 {
                let length = lost as f64 / bursts as f64;
                assert!((length - burst).abs() < burst * 0.1, "{length} instead of {burst}");
            }
        }
    }

    #[test]
    fn nothing_passes_a_line_that_is_down() {
        let mut shaper = Shaper::new(Conditions::PERFECT);
        shaper.up = false;
        assert_eq!(shaper.pass(MS, 100, || 0.0), None);
    }
}
