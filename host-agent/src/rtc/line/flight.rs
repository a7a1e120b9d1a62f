//! What is on its way and not told of yet, and whether more should follow it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A browser tells of packets this often at least, while any arrive.
const FEEDBACK: Duration = Duration::from_millis(50);
/// What may stand in the queue of a line that is full.
const TARGET_QUEUE: Duration = Duration::from_millis(40);
/// Hearing nothing for this long though there should be something to tell, the line has stopped, or the end of a frame
/// was lost, of which the other end can't know.
const SILENCE: Duration = Duration::from_millis(150);
/// Then a frame goes every so often, to see.
const TRY: Duration = Duration::from_millis(250);
/// What may be on its way before anything was heard …
const UNHEARD: usize = 100_000;
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
        while self.packets.front().is_some_and(|(then, _)| *then <= newest) {
            self.pop();
        }
        self.heard = Some(now);
        let lag = now.saturating_duration_since(newest);
        // It forgets slowly, so that a longer way is learnt.
        self.lag = Some(self.lag.map_or(lag, |least| lag.min(least + lag / 64)));
    }

    fn pop(&mut self) {
        if let Some((_, bytes)) = self.packets.pop_front() {
            self.bytes -= bytes;
        }
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
        let Some((lag, heard)) = self.lag.zip(self.heard) else {
            return self.bytes < UNHEARD || since(*oldest) > DEAF;
        };
        if since(*oldest) <= lag + FEEDBACK + TARGET_QUEUE {
            return true;
        }
        since(heard) > SILENCE && since(*newest) >= TRY.min(lag + FEEDBACK * 2)
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
            flight.sent(start + at * MS, 1000);
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
        flight.sent(start, 90_000);
        assert!(flight.is_free(start + 100 * MS));
        flight.sent(start, 90_000);
        assert!(!flight.is_free(start + 100 * MS));
        assert!(flight.is_free(start + 800 * MS), "the other end may never tell");
    }

    #[test]
    fn a_queue_is_drained_before_more_follows() {
        let start = Instant::now();
        let mut flight = flight(start);
        assert!(flight.is_free(start + 100 * MS));
        assert!(!flight.is_free(start + 150 * MS));
        flight.told(start + 180 * MS, start + 15 * MS);
        assert!(!flight.is_free(start + 180 * MS), "told of late");
        flight.told(start + 190 * MS, start + 60 * MS);
        assert!(flight.is_free(start + 190 * MS));
    }

    #[test]
    fn a_line_that_stopped_is_tried_now_and_then() {
        let start = Instant::now();
        let mut flight = flight(start);
        assert!(flight.is_free(start + 300 * MS));
        flight.sent(start + 300 * MS, 1000);
        assert!(!flight.is_free(start + 310 * MS));
        assert!(flight.is_free(start + 600 * MS));
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
