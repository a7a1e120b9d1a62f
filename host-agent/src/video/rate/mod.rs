//! How many bits per second one viewer is sent: up while the line takes them, down at the first sign that it does not.
//! Everything that is sent to that viewer counts. Pure: time and measurements are arguments.

mod scale;

use std::time::{Duration, Instant};

use nearhand_protocol::control::Arrival;

use crate::rtc::{Capacity, Stats};
pub(super) use scale::Scale;
use scale::{Scaler, frames_for};

/// Below this a desktop can't be read.
pub(super) const LEAST: u32 = 300_000;
/// Above this nobody sees a difference.
pub(super) const MOST: u32 = 20_000_000;
/// Where it starts.
pub(super) const START: u32 = 6_000_000;

/// Measurements are looked at this often.
const INTERVAL: Duration = Duration::from_millis(100);
/// What was used of the rate is a mean over about this long.
const USE: f64 = 0.4;
/// Only who uses this part of the rate learns whether the line takes more.
const USED: f64 = 0.5;
/// A queue this long says that the line is full: at once, or when two looks in a row see it.
const LONG_QUEUE: Duration = Duration::from_millis(100);
const QUEUE: Duration = Duration::from_millis(50);
/// Below this there is room.
const SHORT_QUEUE: Duration = Duration::from_millis(35);
/// What a queue shall have come to when it was drained.
const DRAINED: Duration = Duration::from_millis(15);
/// A jitter buffer that holds frames this long says the same, from the other end; in milliseconds.
const LONG_BUFFER: u16 = 250;
/// Losing this part of the packets without a queue, the line is full and drops what it can't carry; or it is a bad one.
const HEAVY_LOSS: f32 = 0.15;
/// Losing no more than this, it has room.
const LIGHT_LOSS: f32 = 0.10;
/// A bad line loses as much at any rate, so loss alone takes the rate no lower than this part of what it was …
const LOSS_FLOOR: f64 = 0.35;
/// … until it has lasted so long.
const LONG_LOSS: Duration = Duration::from_secs(4);
/// After a cut it takes this long, and a round trip, until its effect is seen.
const AFTER_CUT: Duration = Duration::from_millis(250);
/// After a cut the rate climbs slowly for this long, from where the line was seen to be full: at first, and at most when
/// it was full again each time. Unless the spacing of packets told it, and now tells of more.
const CAREFUL: Duration = Duration::from_secs(2);
const LONGEST_CAREFUL: Duration = Duration::from_secs(20);
/// The spacing of packets tells why there is a queue where it shows less than so many times the rate.
const SEEN: f64 = 1.5;
/// Near to what packets show, with a queue that is short and stays, the rate gives way by this part each look.
const EASE: f64 = 0.02;
/// Climbs, as parts of the rate a second: near where the line was full; usually; when packets show that there is room.
const SLOW: f64 = 0.08;
const USUAL: f64 = 0.5;
const QUICK: f64 = 3.0;
/// Near is from this part of what the line was full at; and it carries more now where this many times as much is seen.
const NEAR: f64 = 0.8;
const DISPROVED: f64 = 1.3;
/// The part of the capacity that is used.
const MARGIN: f64 = 0.9;
/// Packets of one frame leave at so many times the rate, so that their spacing at the other end tells of three times as
/// much; and on a line that shows no limit at least so fast that a frame arrives at once.
const PACING: f64 = 3.0;
const FREE_PACING: u32 = 40_000_000;
/// Bits that may be sent ahead of their even flow, as time.
const AHEAD: f64 = 0.1;
/// Tiles may fill the line for this long at once.
const TILES: f64 = 0.03;
/// The part of the capacity that a single frame may count on.
const RESTING: f64 = 0.6;
/// While no frames show what a line carries, it is taken for as narrow as they showed last for this long.
const STILL_NARROW: Duration = Duration::from_secs(30);
/// A line that shows a limit below this is thin.
const THIN: u32 = 12_000_000;

/// The controller of one viewer's line.
#[derive(Debug)]
pub(super) struct Rate {
    bitrate: f64,
    looked: Option<Instant>,
    /// Sent since the last look.
    sent_bits: u64,
    /// Mean of what was used, as part of the rate.
    used: f64,
    /// Bits ahead of their even flow as of the last look.
    ahead: f64,
    /// Looks in a row that found a queue.
    found_full: u8,
    /// Where the line was found full last.
    full: Option<Full>,
    careful: Duration,
    /// While much is lost.
    losing: Option<Losing>,
    capacity: Option<Capacity>,
    /// What frames told last of a line that carries no more.
    narrow: Option<(Instant, Capacity)>,
    reported: Arrival,
    scaler: Scaler,
    round_trip: Duration,
    loss: f32,
}

/// The line was full.
#[derive(Clone, Copy, Debug)]
struct Full {
    at: Instant,
    /// What arrived per second.
    bits: f64,
    /// The spacing of packets told it, too.
    seen: bool,
}

/// Much is lost, and there is no queue.
#[derive(Clone, Copy, Debug)]
struct Losing {
    since: Instant,
    cut: Instant,
    floor: f64,
}

impl Rate {
    /// At [`START`].
    pub(super) const fn new() -> Self {
        Self {
            bitrate: START as f64,
            looked: None,
            sent_bits: 0,
            used: 0.0,
            ahead: 0.0,
            found_full: 0,
            full: None,
            careful: CAREFUL,
            losing: None,
            capacity: None,
            narrow: None,
            reported: Arrival { frames_decoded: 0, frames_dropped: 0, packets_lost: 0, jitter_buffer_ms: 0 },
            scaler: Scaler::new(),
            round_trip: Duration::ZERO,
            loss: 0.0,
        }
    }

    /// Bits per second for everything that this viewer is sent.
    pub(super) const fn bitrate(&self) -> u32 {
        self.bitrate as u32
    }

    /// How fast the packets of one frame may leave, in bits per second: at once while the line shows no limit, and closer
    /// to the rate once it did.
    pub(super) fn pacing(&self, now: Instant) -> u32 {
        let pacing = (self.bitrate * PACING) as u32;
        if self.is_thin(now) { pacing } else { pacing.max(FREE_PACING) }
    }

    /// A frame of so many bits was sent.
    pub(super) fn sent(&mut self, bits: u64) {
        self.sent_bits += bits;
    }

    /// An update with tiles or moves of so many bytes was sent.
    pub(super) fn sent_tiles(&mut self, bytes: usize) {
        self.sent_bits += bytes as u64 * 8;
    }

    /// Bytes that may leave as tiles now without making what comes after them late. What waits in
    /// [`Transport::buffered`](crate::rtc::Transport::buffered) for the picture is to be taken off.
    pub(super) fn tile_budget(&self, now: Instant) -> usize {
        let passed = self.looked.map_or(0.0, |looked| now.saturating_duration_since(looked).as_secs_f64());
        let ahead = (self.ahead + self.sent_bits as f64 - self.bitrate * passed).max(0.0);
        let (room, carries) = if self.is_thin(now) {
            (self.bitrate * AHEAD, self.bitrate * AHEAD)
        } else {
            // As fast as packets go, and not as a picture that moves may go on and on.
            let carries = f64::from(self.pacing(now)).max(f64::from(FREE_PACING));
            (carries * AHEAD, carries * TILES)
        };
        ((room - ahead).clamp(0.0, carries) / 8.0) as usize
    }

    /// How small a stream should be so that nobody sees blocks.
    pub(super) const fn wanted_scale(&self) -> Scale {
        self.scaler.scale()
    }

    /// Most frames a second that are worth their bits.
    pub(super) const fn fps(&self) -> u32 {
        frames_for(self.bitrate())
    }

    /// Bits per second of what packets show that may be used at once, while nothing else is: half a second's worth does not
    /// fill a line's queue.
    pub(super) fn carries(&self) -> u32 {
        let shown = self.capacity.filter(|capacity| capacity.reached).map_or(0, |capacity| capacity.bits);
        (f64::from(shown) * RESTING) as u32
    }

    /// What is shown rests, and is worth all pixels.
    pub(super) fn rests(&mut self) {
        self.scaler.rests();
    }

    /// How well a frame of something that moves could be coded at the rate: its mean quantiser. Frames that only refine
    /// what rests, and keyframes, are not told.
    pub(super) fn coded(&mut self, now: Instant, qp: u8) {
        self.scaler.coded(now, qp);
    }

    /// Share of the packets that are lost, 0 to 1.
    pub(super) const fn loss(&self) -> f32 {
        self.loss
    }

    /// The line is known to carry less than the picture could use.
    pub(super) fn is_thin(&self, now: Instant) -> bool {
        self.is_careful(now)
            || self.losing.is_some()
            || self.capacity.is_some_and(|capacity| capacity.reached && capacity.bits < THIN)
    }

    /// The technician's end reports how the picture arrives.
    pub(super) fn arrival(&mut self, arrival: Arrival) {
        self.reported = arrival;
    }

    /// Looks at the line; `true` where the bitrate changed. To be called with every frame and update, and while something
    /// waits to be sent: it looks ten times a second at most.
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
        let before = self.bitrate();
        self.count(passed.as_secs_f64());
        self.capacity = self.capacity_as_of(now, stats.capacity);
        self.loss = stats.loss.unwrap_or(0.0);
        self.round_trip = stats.round_trip.unwrap_or(self.round_trip);

        let queue = stats.queue_delay.unwrap_or_default();
        let buffered = std::mem::take(&mut self.reported).jitter_buffer_ms >= LONG_BUFFER;
        self.found_full = match queue {
            _ if buffered || queue >= LONG_QUEUE => 2,
            _ if queue >= QUEUE => self.found_full.saturating_add(1),
            _ => 0,
        };
        if self.found_full >= 2 {
            self.losing = None;
            self.line_is_full(now, queue, stats);
        } else if self.loss >= HEAVY_LOSS {
            self.line_loses(now, stats);
        } else {
            self.losing = None;
            let shows = stats.capacity.filter(|capacity| capacity.reached);
            if queue > SHORT_QUEUE {
                if shows.is_some_and(|shows| self.bitrate > f64::from(shows.bits) * MARGIN) {
                    self.bitrate *= 1.0 - EASE;
                }
            } else if self.used >= USED && self.loss <= LIGHT_LOSS {
                self.climb(now, passed.as_secs_f64().min(1.0));
            }
        }
        self.bitrate = self.bitrate.clamp(f64::from(LEAST), f64::from(MOST));
        tracing::trace!(self.bitrate, self.used, self.loss, ?queue, capacity = ?stats.capacity, "the line");
        self.bitrate() != before
    }

    /// What the line carries, as frames tell, or told when there were some: exact tiles tell nothing, and follow when
    /// what moved rests.
    fn capacity_as_of(&mut self, now: Instant, told: Option<Capacity>) -> Option<Capacity> {
        if let Some(told) = told {
            self.narrow = told.reached.then_some((now, told));
            return Some(told);
        }
        let (then, capacity) = self.narrow?;
        (now.saturating_duration_since(then) < STILL_NARROW).then_some(capacity)
    }

    /// Notes what was sent in so many seconds.
    fn count(&mut self, seconds: f64) {
        let sent = std::mem::take(&mut self.sent_bits) as f64;
        let used = sent / (self.bitrate * seconds);
        let weight = (seconds / USE).min(1.0);
        self.used += (used - self.used) * weight;
        self.ahead = (self.ahead + sent - self.bitrate * seconds).clamp(0.0, self.bitrate);
    }

    fn settled(&self, now: Instant, cut: Instant) -> bool {
        now.saturating_duration_since(cut) >= AFTER_CUT + self.round_trip
    }

    /// There is a queue: what arrives now is what the line carries, if we fill it.
    fn line_is_full(&mut self, now: Instant, queue: Duration, stats: &Stats) {
        if self.full.is_some_and(|full| !self.settled(now, full.at)) {
            return;
        }
        let arrived =
            f64::from(stats.delivered_now.or(stats.delivered_bitrate).unwrap_or(self.bitrate() / 2));
        let spacing =
            stats.capacity.filter(|capacity| capacity.reached).map(|capacity| f64::from(capacity.bits));
        // What frames show is true also while they are held back. Without it, where little is sent little arrives, and the
        // queue may be somebody else's.
        let seen = spacing.is_some_and(|spacing| spacing < self.bitrate * SEEN);
        let filled = self.used >= USED || (seen && self.used > 0.0);
        let carries =
            if filled { spacing.map_or(arrived, |spacing| spacing.max(arrived)) } else { self.bitrate };
        // The transport holds frames back until the queue is short; this leaves room for its rest.
        let excess = queue.saturating_sub(DRAINED).as_secs_f64();
        let drain = (1.0 - excess * 2.0).clamp(0.75, 0.9);
        let lowest = if seen { 0.05 } else { 0.4 };
        if filled {
            self.bitrate = (carries * drain).clamp(self.bitrate * lowest, self.bitrate * 0.95);
        } else if self.used >= USED / 5.0 {
            self.bitrate *= 0.85;
        } else {
            return;
        }
        let before = self.full.filter(|full| now.saturating_duration_since(full.at) < self.careful * 2);
        self.careful = if before.is_some() { (self.careful * 3 / 2).min(LONGEST_CAREFUL) } else { CAREFUL };
        self.full = Some(Full { at: now, bits: carries, seen: seen || before.is_some_and(|full| full.seen) });
    }

    /// Much is lost and there is no queue.
    fn line_loses(&mut self, now: Instant, stats: &Stats) {
        let losing =
            self.losing.get_or_insert(Losing { since: now, cut: now, floor: self.bitrate * LOSS_FLOOR });
        let settled = now.saturating_duration_since(losing.cut) >= AFTER_CUT + self.round_trip;
        if !settled || self.used < USED / 5.0 {
            return;
        }
        if now.saturating_duration_since(losing.since) >= LONG_LOSS {
            losing.since = now;
            losing.floor *= LOSS_FLOOR;
        }
        losing.cut = now;
        let loses = f64::from(stats.loss.unwrap_or(0.0));
        let lower = self.bitrate * (1.0 - loses / 2.0);
        self.bitrate = lower.max(losing.floor).min(self.bitrate);
    }

    fn climb(&mut self, now: Instant, seconds: f64) {
        if self.full.is_some_and(|full| !self.settled(now, full.at)) {
            return;
        }
        // What the line was full at, it carries by far now.
        let disproved = |full: &Full| {
            let shows = self.capacity.map_or(0.0, |capacity| f64::from(capacity.bits));
            full.seen && shows.max(self.bitrate) > full.bits * DISPROVED
        };
        if self.full.as_ref().is_some_and(disproved) {
            self.full = None;
            self.careful = CAREFUL;
        }
        let near = self.full.filter(|full| self.bitrate > full.bits * NEAR && self.is_careful(now));
        let (per_second, limit) = match (self.capacity, near) {
            // Packets told where it was full, and tell now that it is not.
            (Some(Capacity { bits, reached: false }), near) if near.is_none_or(|full| full.seen) => {
                (QUICK, f64::from(bits) * MARGIN)
            }
            (Some(Capacity { bits, reached: true }), None) => (QUICK, f64::from(bits) * MARGIN),
            (Some(Capacity { bits, reached: true }), Some(_)) => (SLOW, f64::from(bits) * MARGIN),
            (_, Some(_)) => (SLOW, f64::from(MOST)),
            (_, None) => (USUAL, f64::from(MOST)),
        };
        let higher = self.bitrate * (1.0 + per_second * seconds) + 5_000.0;
        self.bitrate = self.bitrate.max(higher.min(limit));
    }

    fn is_careful(&self, now: Instant) -> bool {
        self.full.is_some_and(|full| now.saturating_duration_since(full.at) < self.careful)
    }
}

#[cfg(test)]
mod simulated;
#[cfg(test)]
mod tests;
