//! Capacity by packet trains: packets that leave closer together than the narrowest place lets them through arrive
//! as far apart as it takes to carry each (Dovrolis, Ramanathan, Moore: What do packet dispersion techniques measure?).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Packets that leave further apart than this belong to different trains, in microseconds.
const GAP_US: i64 = 8_000;
/// A train is no longer than this, in microseconds: a steady stream gives one measurement after the other.
const LONGEST_US: i64 = 40_000;
/// A train of fewer packets tells nothing.
const LEAST_PACKETS: usize = 3;
/// It ended if nothing of it was told for this long.
const QUIET: Duration = Duration::from_millis(30);
/// Measurements older than this are forgotten, and more than so many.
const MEMORY: Duration = Duration::from_millis(1_500);
const MOST: usize = 5;
/// Arriving this much later than they left, packets were held up: a fifth, and a millisecond of jitter.
const STRETCH: f64 = 1.2;
const JITTER_US: f64 = 1_000.0;
/// The resolution of arrival times in transport-wide feedback, in microseconds.
const RESOLUTION_US: f64 = 250.0;

/// What trains tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Bits per second.
    pub bits: u32,
    /// The line was seen to hold packets up: it carries that and no more. Else it carries that at least.
    pub reached: bool,
}

/// Packets that left together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Train {
    /// Travel time of the first packet, in microseconds of unrelated clocks.
    pub(super) first_travel: i64,
    departures: (i64, i64),
    arrivals: (i64, i64),
    /// Without those of the first packet.
    bytes: usize,
    packets: usize,
}

impl Train {
    fn measure(&self) -> Option<Capacity> {
        if self.packets < LEAST_PACKETS {
            return None;
        }
        let left = (self.departures.1 - self.departures.0) as f64;
        let arrived = (self.arrivals.1 - self.arrivals.0) as f64;
        let reached = arrived > left * STRETCH + JITTER_US;
        let takes = if reached { arrived } else { arrived.max(left) }.max(RESOLUTION_US);
        let bits = self.bytes as f64 * 8.0 / takes * 1e6;
        Some(Capacity { bits: bits as u32, reached })
    }
}

/// The last trains.
#[derive(Debug, Default)]
pub(super) struct Trains {
    current: Option<(Instant, Train)>,
    measured: VecDeque<(Instant, Capacity)>,
}

impl Trains {
    /// A packet that arrived is told of; times in microseconds.
    pub(super) fn packet(&mut self, now: Instant, departure: i64, arrival: i64, bytes: usize) {
        if let Some((told, train)) = &mut self.current {
            let belongs =
                departure - train.departures.1 <= GAP_US && departure - train.departures.0 <= LONGEST_US;
            if belongs {
                *told = now;
                train.departures.1 = train.departures.1.max(departure);
                train.arrivals.1 = train.arrivals.1.max(arrival);
                train.bytes += bytes;
                train.packets += 1;
                return;
            }
        }
        self.end(now);
        let train = Train {
            first_travel: arrival - departure,
            departures: (departure, departure),
            arrivals: (arrival, arrival),
            bytes: 0,
            packets: 1,
        };
        self.current = Some((now, train));
    }

    /// Ends the train of which nothing was told for a while.
    pub(super) fn quiet(&mut self, now: Instant) {
        if self.current.is_some_and(|(told, _)| now.saturating_duration_since(told) > QUIET) {
            self.end(now);
        }
    }

    fn end(&mut self, now: Instant) {
        if let Some(measured) = self.current.take().and_then(|(_, train)| train.measure()) {
            self.measured.push_back((now, measured));
            if self.measured.len() > MOST {
                self.measured.pop_front();
            }
        }
    }

    pub(super) fn newest(&self) -> Option<Train> {
        self.current.map(|(_, train)| train)
    }

    /// The median: one train may have met another's traffic, or a receiver that was busy for a moment.
    pub(super) fn capacity(&self, now: Instant) -> Option<Capacity> {
        let mut measured: Vec<Capacity> = self
            .measured
            .iter()
            .filter(|(at, _)| now.saturating_duration_since(*at) < MEMORY)
            .map(|(_, measured)| *measured)
            .collect();
        // The train that is still under way counts when it is long enough: a first keyframe is one.
        measured.extend(self.current.and_then(|(_, train)| train.measure()));
        measured.sort_by_key(|measured| measured.bits);
        measured.get(measured.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends trains of `packets` of 1,200 bytes, `apart_us` apart, through a line of `capacity` bits per second.
    fn through(capacity: f64, packets: i64, apart_us: i64, trains: i64) -> Option<Capacity> {
        let (mut found, start) = (Trains::default(), Instant::now());
        let takes = (1200.0 * 8.0 / capacity * 1e6) as i64;
        let mut free = 0;
        for train in 0..trains {
            let begin = train * 100_000;
            let now = start + Duration::from_micros(begin as u64);
            for packet in 0..packets {
                let departure = begin + packet * apart_us;
                free = free.max(departure) + takes;
                found.packet(now, departure, free + 3_600_000_000, 1200);
            }
            found.quiet(now + 2 * QUIET);
        }
        found.capacity(start + Duration::from_micros((trains * 100_000) as u64))
    }

    #[test]
    fn a_narrow_place_spreads_packets_by_its_capacity() {
        for capacity in [300_000.0, 1_500_000.0, 6_000_000.0, 20_000_000.0] {
            let found = through(capacity, 8, 200, 3).unwrap();
            assert!(found.reached, "{capacity}");
            assert!((f64::from(found.bits) / capacity - 1.0).abs() < 0.05, "{found:?} of {capacity}");
        }
    }

    #[test]
    fn a_wide_line_carries_at_least_what_was_sent() {
        let found = through(1e9, 10, 240, 3).unwrap();
        assert!(!found.reached);
        assert!((35_000_000..=45_000_000).contains(&found.bits), "{found:?}");
    }

    #[test]
    fn one_packet_tells_nothing_and_old_trains_are_forgotten() {
        assert_eq!(through(1e6, 2, 100, 5), None);
        let mut trains = Trains::default();
        let start = Instant::now();
        for packet in 0..10 {
            trains.packet(start, packet, packet * 1000, 1200);
        }
        trains.quiet(start + 2 * QUIET);
        assert!(trains.capacity(start + QUIET).is_some());
        assert_eq!(trains.capacity(start + 2 * MEMORY), None);
    }
}
