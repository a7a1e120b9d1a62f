//! How many bits per second the encoder aims at: up while the line takes them, down at the first sign that it does not.
//! Pure: time and measurements are arguments. One for each viewer; everything that is sent to them counts.

#![allow(dead_code, reason = "the hints are read by the streams, which are being built")]

use std::time::{Duration, Instant};

use nearhand_protocol::control::Arrival;

use crate::rtc::Stats;

/// Below this a desktop can't be read.
pub(super) const LEAST: u32 = 300_000;
/// Above this nobody sees a difference.
pub(super) const MOST: u32 = 20_000_000;
/// Where it starts.
pub(super) const START: u32 = 6_000_000;

/// Measurements are looked at this often.
const INTERVAL: Duration = Duration::from_millis(200);
/// Losing this part of the packets, the line is too full.
const HEAVY_LOSS: f32 = 0.10;
/// Losing no more than this, it has room.
const LIGHT_LOSS: f32 = 0.02;
/// Packets that stand this long in queues on the way say that it is too full; twice the usual jitter of Wi-Fi.
const LONG_QUEUE: Duration = Duration::from_millis(100);
/// Below this there is room.
const SHORT_QUEUE: Duration = Duration::from_millis(40);
/// A jitter buffer that holds frames this long says the same, from the other end; in milliseconds.
const LONG_BUFFER: u16 = 250;
/// After a cut it takes this long until its effect is seen.
const AFTER_CUT: Duration = Duration::from_millis(400);
/// After a cut the rate climbs slowly for this long, from where the line was seen to be full.
const CAREFUL: Duration = Duration::from_secs(20);
/// So many looks in a row must find the line too full: one alone may be a browser that was busy for a moment.
const LOOKS: u8 = 2;

/// Tiles may fill the line for this long.
const TILES: Duration = Duration::from_millis(30);

/// How small a stream is beside the view it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scale {
    /// A quarter of the view's width and height.
    Quarter,
    /// Half of them.
    Half,
    /// Three quarters.
    ThreeQuarters,
    /// Pixel for pixel.
    Full,
}

impl Scale {
    /// As numerator and denominator.
    pub(super) const fn fraction(self) -> (u32, u32) {
        match self {
            Self::Quarter => (1, 4),
            Self::Half => (1, 2),
            Self::ThreeQuarters => (3, 4),
            Self::Full => (1, 1),
        }
    }
}

/// The controller.
#[derive(Debug)]
pub(super) struct Rate {
    bitrate: u32,
    looked: Option<Instant>,
    cut: Option<Instant>,
    /// What arrived per second when the line was last found too full.
    full_at: u32,
    /// Looks in a row that found it too full.
    found_full: u8,
    sent_bits: u64,
    reported: Arrival,
    scale: Scale,
    fps: u32,
    round_trip: Duration,
    loss: f32,
}

impl Rate {
    /// At [`START`].
    pub(super) fn new() -> Self {
        Self {
            bitrate: START,
            looked: None,
            cut: None,
            full_at: 0,
            found_full: 0,
            sent_bits: 0,
            reported: Arrival::default(),
            scale: Scale::Full,
            fps: 60,
            round_trip: Duration::ZERO,
            loss: 0.0,
        }
    }

    /// Bits per second to aim at.
    pub(super) const fn bitrate(&self) -> u32 {
        self.bitrate
    }

    /// How fast the packets of one frame may leave, in bits per second: quickly while the line shows no limit, so that
    /// a frame arrives at once, and closer to the rate once it did.
    pub(super) fn pacing(&self, now: Instant) -> u32 {
        if self.is_careful(now) { self.bitrate * 2 } else { (self.bitrate * 4).max(40_000_000) }
    }

    /// A frame of so many bits was sent.
    pub(super) fn sent(&mut self, bits: u64) {
        self.sent_bits += bits;
    }

    /// An update with tiles or moves of so many bytes was sent.
    pub(super) fn sent_tiles(&mut self, bytes: usize) {
        self.sent_bits += bytes as u64 * 8;
    }

    /// Bytes that may leave as tiles now without making what comes after them late.
    pub(super) fn tile_budget(&self, now: Instant) -> usize {
        (f64::from(self.pacing(now)) / 8.0 * TILES.as_secs_f64()) as usize
    }

    /// How small a stream should be so that nobody sees blocks.
    pub(super) const fn wanted_scale(&self) -> Scale {
        self.scale
    }

    /// Most frames a second that are worth their bits.
    pub(super) const fn fps(&self) -> u32 {
        self.fps
    }

    /// How well a frame of something that moves could be coded at today's rate: its mean quantiser. Frames that only
    /// refine what rests are not told.
    pub(super) fn coded(&mut self, now: Instant, qp: u8) {
        let _ = (now, qp);
    }

    /// Round trip to the technician, as far as known.
    pub(super) const fn round_trip(&self) -> Duration {
        self.round_trip
    }

    /// Share of the packets that are lost, 0 to 1.
    pub(super) const fn loss(&self) -> f32 {
        self.loss
    }

    /// The line is known to carry less than the picture could use.
    pub(super) fn is_thin(&self, now: Instant) -> bool {
        self.is_careful(now)
    }

    /// The technician's end reports how the picture arrives.
    pub(super) fn arrival(&mut self, arrival: Arrival) {
        self.reported = arrival;
    }

    /// Looks at the line; `true` where the bitrate changed.
    pub(super) fn update(&mut self, now: Instant, stats: &Stats) -> bool {
        let Some(looked) = self.looked else {
            self.looked = Some(now);
            return false;
        };
        let passed = now.saturating_duration_since(looked);
        if passed < INTERVAL {
            return false;
        }
        self.looked = Some(now);
        // A pause is no measurement of a second: what was sent then counts for its last part only.
        let seconds = passed.as_secs_f64().min(1.0);
        let used =
            std::mem::take(&mut self.sent_bits) as f64 / (f64::from(self.bitrate) * passed.as_secs_f64());
        let buffered = std::mem::take(&mut self.reported).jitter_buffer_ms;
        let before = self.bitrate;

        let loss = stats.loss.unwrap_or(0.0);
        self.loss = loss;
        self.round_trip = stats.round_trip.unwrap_or_default();
        let queue = stats.queue_delay.unwrap_or_default();
        let line_full = loss >= HEAVY_LOSS || queue >= LONG_QUEUE;
        // The other end's report is the mean of a second already.
        let too_full = line_full || buffered >= LONG_BUFFER;
        let settled = self.cut.is_none_or(|cut| {
            let round_trips = stats.round_trip.unwrap_or_default() * 2;
            now.saturating_duration_since(cut) >= AFTER_CUT.max(round_trips)
        });
        self.found_full = match (line_full, buffered >= LONG_BUFFER) {
            (_, true) => LOOKS,
            (true, false) => self.found_full.saturating_add(1),
            (false, false) => 0,
        };
        if self.found_full >= LOOKS && settled {
            self.cut = Some(now);
            // What arrived is what the line takes, where we tried to fill it.
            let arrived = stats.delivered_bitrate.filter(|_| used > 0.5).unwrap_or(before);
            self.full_at = arrived;
            let target = f64::from(before) * 0.85;
            let target = target.min((f64::from(arrived) * 0.9).max(f64::from(before) * 0.4));
            self.bitrate = target as u32;
        } else if !too_full && used >= 0.5 && loss <= LIGHT_LOSS && queue <= SHORT_QUEUE {
            // Only who uses the rate learns whether the line takes it.
            let near = self.is_careful(now) && f64::from(before) > f64::from(self.full_at) * 0.8;
            let per_second = if near { 0.08 } else { 0.5 };
            self.bitrate = (f64::from(before) * (1.0 + per_second * seconds)) as u32 + 5_000;
        }
        self.bitrate = self.bitrate.clamp(LEAST, MOST);
        tracing::trace!(self.bitrate, used, loss, ?queue, buffered, "the line");
        self.bitrate != before
    }

    fn is_careful(&self, now: Instant) -> bool {
        self.cut.is_some_and(|cut| now.saturating_duration_since(cut) < CAREFUL)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A line of this capacity with a queue; the sender fills `use_of` of its rate. Returns the rate after `seconds`.
    fn on_a_line(rate: &mut Rate, now: &mut Instant, capacity: f64, use_of: f64, seconds: u32) -> f64 {
        let mut queued_bits = 0.0_f64;
        for _ in 0..seconds * 5 {
            let offered = f64::from(rate.bitrate()) * use_of * 0.2;
            rate.sent(offered as u64);
            queued_bits = (queued_bits + offered - capacity * 0.2).max(0.0);
            let limit = capacity * 0.5;
            let lost = (queued_bits - limit).max(0.0);
            queued_bits -= lost;
            *now += Duration::from_millis(200);
            let stats = Stats {
                queue_delay: Some(Duration::from_secs_f64(queued_bits / capacity)),
                loss: Some((lost / offered.max(1.0)) as f32),
                delivered_bitrate: Some((offered * 5.0).min(capacity) as u32),
                ..Stats::default()
            };
            rate.update(*now, &stats);
        }
        f64::from(rate.bitrate())
    }

    #[test]
    fn it_climbs_on_a_free_line_and_only_while_it_is_used() {
        let (mut rate, mut now) = (Rate::new(), Instant::now());
        assert!((on_a_line(&mut rate, &mut now, 1e9, 0.1, 60) - f64::from(START)).abs() < 1.0);
        assert!((on_a_line(&mut rate, &mut now, 1e9, 1.0, 10) - f64::from(MOST)).abs() < 1.0);
    }

    #[test]
    fn it_finds_the_capacity_of_a_thin_line_within_seconds() {
        for capacity in [1.5e6, 3e6, 5e6] {
            let (mut rate, mut now) = (Rate::new(), Instant::now());
            let found = on_a_line(&mut rate, &mut now, capacity, 1.0, 5);
            assert!((0.4..1.15).contains(&(found / capacity)), "{found} on {capacity}");
            let later = on_a_line(&mut rate, &mut now, capacity, 1.0, 60);
            assert!((0.6..1.15).contains(&(later / capacity)), "{later} on {capacity}");
        }
    }

    #[test]
    fn it_recovers_when_the_line_does() {
        let (mut rate, mut now) = (Rate::new(), Instant::now());
        on_a_line(&mut rate, &mut now, 1.5e6, 1.0, 20);
        assert!(on_a_line(&mut rate, &mut now, 50e6, 1.0, 60) > 10e6);
    }

    #[test]
    fn the_other_ends_full_buffer_counts() {
        let (mut rate, now) = (Rate::new(), Instant::now());
        rate.update(now, &Stats::default());
        rate.arrival(Arrival { jitter_buffer_ms: 400, ..Arrival::default() });
        assert!(rate.update(now + INTERVAL, &Stats::default()));
        assert!(rate.bitrate() < START && rate.pacing(now + INTERVAL) == rate.bitrate() * 2);
    }

    proptest! {
        #[test]
        fn it_stays_in_its_bounds(steps in prop::collection::vec(
            (0..3_000_u64, 0..100_000_000_u64, 0.0..1.0_f32, 0..5_000_u64, any::<Option<u32>>()), 0..200,
        )) {
            let (mut rate, mut now) = (Rate::new(), Instant::now());
            for (ms, bits, loss, queue, delivered) in steps {
                now += Duration::from_millis(ms);
                rate.sent(bits);
                let stats = Stats {
                    loss: Some(loss),
                    queue_delay: Some(Duration::from_millis(queue)),
                    delivered_bitrate: delivered,
                    ..Stats::default()
                };
                rate.update(now, &stats);
                prop_assert!((LEAST..=MOST).contains(&rate.bitrate()));
            }
        }
    }
}
