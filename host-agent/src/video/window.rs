//! How many bytes of what is not urgent may be under way: little more than the line carries in a round trip, found by what
//! is acknowledged. Pure.
//!
//! SCTP by itself sends more and more until a router's queue is full and drops a handful of packets, of which it loses a
//! second or more; and what is urgent would wait in that queue, too. So who has much to send stays below.

use std::time::{Duration, Instant};

/// So many bytes may always be under way.
const LEAST: usize = 16 * 1024;
/// Round trips are not taken for shorter: acknowledgements come together.
const SHORTEST: Duration = Duration::from_millis(10);
/// Over so many round trips of what the line carries the window is filled: it grows where that carries more.
const AHEAD: f64 = 1.5;
/// What is carried is looked at over so many round trips.
const LOOKS: u32 = 2;
/// The channel stands still where nothing was acknowledged for so long, and two round trips: a browser acknowledges a single
/// packet after 200 ms, and a timer of SCTP takes a second at least.
const STANDS: Duration = Duration::from_millis(300);
/// But not for longer: what is sent then at the latest shows whether it really does.
const STOOD: Duration = Duration::from_secs(4);
/// How far the rate follows where the line carried less though it was full.
const FOLLOWS: f64 = 0.3;

/// What is known of a line.
#[derive(Debug, Default)]
pub(super) struct Window {
    sent: u64,
    /// When the last look began, what had been acknowledged then, and whether the window was full since.
    since: Option<(Instant, u64, bool)>,
    /// Bytes per second that were acknowledged.
    rate: f64,
    round_trip: Option<Duration>,
    /// When more was acknowledged last, or nothing was under way, and how much was acknowledged by then.
    moved: Option<(Instant, u64)>,
}

impl Window {
    /// So many bytes were given to the channel.
    pub(super) const fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// Whether the channel carries nothing just now, where so many bytes are not acknowledged. What is sent meanwhile comes
    /// after all that waits there, and shows what is long past by then.
    pub(super) fn stands(&mut self, now: Instant, under_way: usize, round_trip: Duration) -> bool {
        let acknowledged = self.sent.saturating_sub(under_way as u64);
        let moved = match self.moved {
            Some(moved) if under_way > 0 && acknowledged <= moved.1 => moved,
            _ => (now, acknowledged),
        };
        self.moved = Some(moved);
        (STANDS + round_trip * 2..STOOD).contains(&now.saturating_duration_since(moved.0))
    }

    /// How many bytes more may be sent now, where so many are not acknowledged.
    pub(super) fn room(&mut self, now: Instant, under_way: usize, round_trip: Duration) -> usize {
        let shortest = self.round_trip.map_or(round_trip, |shortest| shortest.min(round_trip)).max(SHORTEST);
        self.round_trip = Some(shortest);
        let limit = self.limit(shortest);
        let full = under_way * 2 > limit;
        let acknowledged = self.sent.saturating_sub(under_way as u64);
        let (begun, had, was_full) = *self.since.get_or_insert((now, acknowledged, full));
        let passed = now.saturating_duration_since(begun);
        if passed >= shortest * LOOKS {
            let rate = acknowledged.saturating_sub(had) as f64 / passed.as_secs_f64();
            if rate > self.rate {
                self.rate = rate;
            } else if full && was_full {
                self.rate += (rate - self.rate) * FOLLOWS;
            }
            self.since = Some((now, acknowledged, full));
        } else {
            self.since = Some((begun, had, was_full && full));
        }
        self.limit(shortest).saturating_sub(under_way)
    }

    fn limit(&self, round_trip: Duration) -> usize {
        ((self.rate * round_trip.as_secs_f64() * AHEAD) as usize).max(LEAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends as much as may be for some time over a line of so many bytes per second; answers the rate of the last second,
    /// and the longest queue in bytes.
    fn fill(window: &mut Window, line: f64, round_trip: Duration, seconds: u32) -> (f64, f64) {
        let (start, step) = (Instant::now(), Duration::from_millis(1));
        let (mut queue, mut longest, mut carried) = (0.0_f64, 0.0_f64, 0.0);
        let mut flying: Vec<(Instant, f64)> = Vec::new();
        for millisecond in 0..seconds * 1_000 {
            let now = start + step * millisecond;
            flying.retain(|(at, _)| *at > now);
            let under_way = queue + flying.iter().map(|(_, bytes)| bytes).sum::<f64>();
            let room = window.room(now, under_way as usize, round_trip);
            window.sent(room);
            queue += room as f64;
            let out = queue.min(line / 1_000.0);
            queue -= out;
            flying.push((now + round_trip, out));
            longest = longest.max(queue);
            if millisecond + 1_000 >= seconds * 1_000 {
                carried += out;
            }
        }
        (carried, longest)
    }

    #[test]
    fn it_fills_a_line_and_hardly_its_queue() {
        for (bits, milliseconds) in [(1e6, 50), (10e6, 50), (10e6, 160), (100e6, 20)] {
            let (line, round_trip) = (bits / 8.0, Duration::from_millis(milliseconds));
            let (carried, longest) = fill(&mut Window::default(), line, round_trip, 5);
            assert!(carried > line * 0.9, "{carried} of {line}");
            let product = line * round_trip.as_secs_f64();
            assert!(longest < product.max(LEAST as f64) * 1.1, "{longest} beside {product}");
        }
    }

    #[test]
    fn it_follows_a_line_that_becomes_narrow() {
        let mut window = Window::default();
        let round_trip = Duration::from_millis(50);
        fill(&mut window, 2e6, round_trip, 3);
        assert!(window.limit(round_trip) > 120_000);
        let mut narrow = Window { sent: 0, since: None, ..window };
        fill(&mut narrow, 200_000.0, round_trip, 5);
        assert!(narrow.limit(round_trip) <= LEAST + 8_000, "{}", narrow.limit(round_trip));
    }

    #[test]
    fn it_stands_where_nothing_is_acknowledged_and_not_for_ever() {
        let (mut window, start) = (Window::default(), Instant::now());
        let ms = |ms: u64| start + Duration::from_millis(ms);
        let round_trip = Duration::from_millis(20);
        assert!(!window.stands(ms(0), 0, round_trip));
        window.sent(1_000);
        // A browser takes its time with a single packet.
        assert!(!window.stands(ms(5), 1_000, round_trip));
        assert!(!window.stands(ms(250), 1_000, round_trip));
        assert!(!window.stands(ms(6_000), 0, round_trip));
        window.sent(3_000);
        assert!(!window.stands(ms(6_010), 3_000, round_trip));
        assert!(!window.stands(ms(6_300), 2_000, round_trip), "some came");
        assert!(!window.stands(ms(6_600), 2_000, round_trip));
        assert!(window.stands(ms(6_650), 2_000, round_trip));
        window.sent(500);
        assert!(window.stands(ms(6_700), 2_500, round_trip), "what is added is no sign");
        assert!(!window.stands(ms(6_800), 1_500, round_trip));
        assert!(window.stands(ms(10_700), 1_500, round_trip));
        assert!(!window.stands(ms(10_800), 1_500, round_trip), "it is tried again");
    }
}
