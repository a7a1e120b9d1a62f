//! What is on its way and not told of yet, and whether more should follow it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A browser tells of packets this often: Chromium every 50 ms. How often it really does is learnt.
const FEEDBACK: Duration = Duration::from_millis(60);
const LEAST_FEEDBACK: Duration = Duration::from_millis(40);
const MOST_FEEDBACK: Duration = Duration::from_millis(250);
/// Feedback that comes this much later than the soonest came over a line that holds packets up, and its rhythm is the
/// line's.
const CALM: Duration = Duration::from_millis(20);
/// What may stand in the queue of a line that is full.
const TARGET_QUEUE: Duration = Duration::from_millis(40);
/// Hearing nothing for this long though there should be something to tell, the line has stopped, or the end of a frame
/// was lost, of which the other end can't know.
const SILENCE: Duration = Duration::from_millis(150);
/// Then a frame goes every so often, to see.
const TRY: Duration = Duration::from_millis(250);
/// What may be on its way before it is known how the other end tells …
const UNHEARD: usize = 64 * 1024;
/// … for so long: perhaps nothing ever is.
const DEAF: Duration = Duration::from_millis(700);
/// What is not told of after this long never will be.
const FORGET: Duration = Duration::from_secs(3);
/// Packets on their way, at most, that are remembered.
const MOST: usize = 8_192;

/// The packets on their way.
#[derive(Debug, Default)]
pub(super) struct Flight {
    packets: VecDeque<(Instant, usize)>,
    bytes: usize,
    /// The least time from a packet's departure until it was told of: about a round trip.
    lag: Option<Duration>,
    heard: Option<Instant>,
    /// The longest time between feedback of late.
    rhythm: Option<Duration>,
}

impl Flight {
    pub(super) fn sent(&mut self, now: Instant, bytes: usize) {
        while self.packets.len() >= MOST
            || self.packets.front().is_some_and(|(then, _)| now.saturating_duration_since(*then) > FORGET)
        {
            self.pop();
        }
        self.packets.push_back((now, bytes));
        self.bytes += bytes;
    }

    /// Everything up to this departure is told of.
    pub(super) fn told(&mut self, now: Instant, newest: Instant) {
        let oldest = self.packets.front().map(|(then, _)| *then).filter(|then| *then <= newest);
        while self.packets.front().is_some_and(|(then, _)| *then <= newest) {
            self.pop();
        }
        let lag = now.saturating_duration_since(newest);
        let calm = self.lag.is_some_and(|least| lag <= least + CALM);
        // A pause of ours is no rhythm of theirs.
        let steady = oldest.is_some_and(|oldest| self.heard.is_some_and(|heard| oldest <= heard + CALM));
        if let Some(heard) = self.heard.replace(now).filter(|_| calm && steady) {
            let gap = now.saturating_duration_since(heard).clamp(LEAST_FEEDBACK, MOST_FEEDBACK);
            self.rhythm = Some(self.rhythm.map_or(gap, |rhythm| gap.max(rhythm * 15 / 16)));
        }
        // It forgets slowly, so that a longer way is learnt.
        self.lag = Some(self.lag.map_or(lag, |least| lag.min(least + lag / 64)));
    }

    fn pop(&mut self) {
        if let Some((_, bytes)) = self.packets.pop_front() {
            self.bytes -= bytes;
        }
    }

    /// About a round trip.
    pub(super) fn lag(&self) -> Option<Duration> {
        self.lag
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Whether a frame should go: what is on its way is not later than it should be.
    ///
    /// The age of the oldest packet that nobody told of says that sooner than the times of those that arrived, when a line
    /// suddenly carries less.
    pub(super) fn is_free(&self, now: Instant) -> bool {
        let (Some((oldest, _)), Some((newest, _))) = (self.packets.front(), self.packets.back()) else {
            return true;
        };
        let since = |then: Instant| now.saturating_duration_since(then);
        if self.rhythm.is_none() && self.bytes >= UNHEARD && since(*oldest) <= DEAF {
            return false;
        }
        let Some((lag, heard)) = self.lag.zip(self.heard) else { return true };
        let feedback = self.rhythm.unwrap_or(FEEDBACK);
        if since(*oldest) <= lag + feedback + TARGET_QUEUE {
            return true;
        }
        since(heard) > SILENCE.max(feedback) && since(*newest) >= TRY.min(lag + feedback * 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A packet each millisecond for 100 ms, the first of which is told of after 50 ms.
    fn flight(start: Instant) -> Flight {
        let mut flight = Flight::default();
        for at in 0..100 {
            flight.sent(start + at * MS, 500);
            if at == 50 {
                flight.told(start + at * MS, start);
            }
        }
        flight
    }

    #[test]
    fn before_anything_is_known_a_first_picture_may_go() {
        let start = Instant::now();
        let mut flight = Flight::default();
        assert!(flight.is_free(start));
        flight.sent(start, 60_000);
        assert!(flight.is_free(start + 100 * MS));
        flight.sent(start, 60_000);
        assert!(!flight.is_free(start + 100 * MS));
        assert!(flight.is_free(start + 800 * MS), "the other end may never tell");
    }

    #[test]
    fn a_queue_is_drained_before_more_follows() {
        let start = Instant::now();
        let mut flight = flight(start);
        assert!(flight.is_free(start + 140 * MS));
        assert!(!flight.is_free(start + 200 * MS));
        flight.told(start + 210 * MS, start + 15 * MS);
        assert!(!flight.is_free(start + 210 * MS), "told of late");
        flight.told(start + 220 * MS, start + 80 * MS);
        assert!(flight.is_free(start + 220 * MS));
    }

    #[test]
    fn feedback_that_comes_seldom_is_no_queue() {
        for rhythm in [50, 100, 250] {
            let start = Instant::now();
            let mut flight = Flight::default();
            for at in 0..3_000_u32 {
                let now = start + at * MS;
                if at % 15 == 0 {
                    flight.sent(now, 1_000);
                }
                if at % rhythm == 0 && at > 0 {
                    flight.told(now, start + at.saturating_sub(20) * MS);
                }
                assert!(at < 1_000 || flight.is_free(now), "every {rhythm} ms, at {at}");
            }
        }
    }

    #[test]
    fn a_line_that_stopped_is_tried_now_and_then() {
        let start = Instant::now();
        let mut flight = flight(start);
        assert!(flight.is_free(start + 400 * MS));
        flight.sent(start + 400 * MS, 1000);
        assert!(!flight.is_free(start + 410 * MS));
        assert!(flight.is_free(start + 700 * MS));
    }

    #[test]
    fn what_is_never_told_of_is_forgotten() {
        let start = Instant::now();
        let mut flight = flight(start);
        flight.sent(start + 4_000 * MS, 7);
        assert_eq!((flight.packets.len(), flight.bytes), (1, 7));
        for _ in 0..20_000 {
            flight.sent(start + 4_000 * MS, 7);
        }
        assert_eq!((flight.packets.len(), flight.bytes), (MOST, 7 * MOST));
    }
}
