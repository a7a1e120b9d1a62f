//! What packets tell about the line: how long its queue is, what it carries, what it loses. Pure: time is an argument.
//!
//! Every frame leaves faster than the line is thought to carry on average, so every frame is a probe: how far its packets
//! are apart when they arrive tells the capacity of the narrowest place (packet trains), also while little is sent. The
//! packets at the *beginning* of frames tell how long the queue is that stands there, apart from what a frame itself
//! makes. Neither needs padding, and neither takes random loss for a full line.

mod base;
mod flight;
mod meter;
mod share;
mod trains;

use base::Base;
use flight::Flight;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use trains::{Train, Trains};

pub(crate) use meter::Meter;
pub(crate) use share::Share;
pub use trains::Capacity;

/// Window of loss and delivered rate.
const WINDOW: Duration = Duration::from_secs(1);
/// Window of what is delivered just now.
const NOW: Duration = Duration::from_millis(250);
/// The least travel time of this long tells the queue that stands, in microseconds.
const STANDING_US: i64 = 120_000;
/// Packets of one window, at most: a second of 60 Mbit/s.
const MOST_PACKETS: usize = 8_192;

/// What became of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// When it left.
    pub(crate) departure: Instant,
    /// When it arrived, by any clock that runs evenly; `None`: it was lost.
    pub(crate) arrival: Option<Duration>,
    /// Its size.
    pub(crate) bytes: usize,
}

/// What is known about a line at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Findings {
    /// Time that packets at the beginning of frames stand in queues on the way.
    pub(crate) queue: Option<Duration>,
    /// Part of the last second's packets that was lost, 0 to 1.
    pub(crate) loss: Option<f32>,
    /// Bits that arrived during the last second.
    pub(crate) delivered: Option<u32>,
    /// The same per second, of the last quarter of one.
    pub(crate) delivered_now: Option<u32>,
    /// What frames tell about the narrowest place.
    pub(crate) capacity: Option<Capacity>,
    /// The least time from a packet's departure until it was told of: about a round trip.
    pub(crate) lag: Option<Duration>,
}

/// The measurements of one line.
#[derive(Debug)]
pub(crate) struct Line {
    epoch: Instant,
    base: Base,
    /// Of the last [`WINDOW`], in the order in which they were told.
    told: VecDeque<Told>,
    trains: Trains,
    flight: Flight,
    /// What SCTP delivered beside the packets, of the last [`WINDOW`].
    beside: VecDeque<(Instant, usize)>,
    /// When the other end last told something.
    heard: Option<Instant>,
    /// When something of the picture last left.
    shown: Option<Instant>,
}

/// A packet whose fate is known.
#[derive(Debug)]
struct Told {
    at: Instant,
    bytes: usize,
    /// Arrival, and time on the way, both in microseconds of unrelated clocks.
    arrived: Option<(i64, i64)>,
}

impl Line {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            epoch: now,
            base: Base::new(now),
            told: VecDeque::new(),
            trains: Trains::default(),
            flight: Flight::default(),
            beside: VecDeque::new(),
            heard: None,
            shown: None,
        }
    }

    /// A packet leaves, whose fate will be told.
    pub(crate) fn sent(&mut self, now: Instant, bytes: usize) {
        self.shown = Some(now);
        self.flight.sent(now, bytes);
    }

    /// Something of the picture leaves in a data channel.
    pub(crate) fn shows(&mut self, now: Instant) {
        self.shown = Some(now);
    }

    /// When something of the picture last left.
    pub(crate) fn shown(&self) -> Option<Instant> {
        self.shown
    }

    /// Bytes of data channels arrived.
    pub(crate) fn acknowledged(&mut self, now: Instant, bytes: usize) {
        while self.beside.len() >= MOST_PACKETS
            || self.beside.front().is_some_and(|(then, _)| now.saturating_duration_since(*then) >= WINDOW)
        {
            self.beside.pop_front();
        }
        self.beside.push_back((now, bytes));
    }

    fn beside(&self, now: Instant, window: Duration) -> usize {
        self.beside
            .iter()
            .rev()
            .take_while(|(then, _)| now.saturating_duration_since(*then) < window)
            .map(|(_, bytes)| bytes)
            .sum()
    }

    /// The other end tells of packets, in the order in which they left.
    pub(crate) fn reports(&mut self, now: Instant, reports: &[Report]) {
        let Some(newest) = reports.iter().map(|report| report.departure).max() else { return };
        self.heard = Some(now);
        self.flight.told(now, newest);
        for report in reports {
            let arrived = report.arrival.map(|arrival| {
                let arrival = arrival.as_micros() as i64;
                let departure = report.departure.saturating_duration_since(self.epoch).as_micros() as i64;
                // The two clocks differ by a constant; only differences of travel times mean anything.
                let travel = arrival - departure;
                self.base.add(now, travel);
                self.trains.packet(now, departure, arrival, report.bytes);
                (arrival, travel)
            });
            self.told.push_back(Told { at: now, bytes: report.bytes, arrived });
        }
        self.trains.quiet(now);
        while self.told.len() > MOST_PACKETS
            || self.told.front().is_some_and(|told| now.saturating_duration_since(told.at) >= WINDOW)
        {
            self.told.pop_front();
        }
    }

    /// What is known at `now`.
    pub(crate) fn findings(&self, now: Instant) -> Findings {
        let queue = self.queue(now);
        let (packets, lost, bytes) =
            self.told.iter().fold((0, 0, 0), |(packets, lost, bytes), told| match told.arrived {
                Some(_) => (packets + 1, lost, bytes + told.bytes),
                None => (packets + 1, lost + 1, bytes),
            });
        let bytes = bytes + self.beside(now, WINDOW);
        let delivered_now = self.delivered_now(now);
        Findings {
            queue,
            loss: (packets > 0).then(|| lost as f32 / packets as f32),
            delivered: self.heard.map(|_| (bytes as f64 * 8.0 / WINDOW.as_secs_f64()) as u32),
            delivered_now,
            capacity: self.trains.capacity(now),
            lag: self.flight.lag(),
        }
    }

    /// Whether a frame should go now: what is on its way fits the line, and the other end still tells of it.
    pub(crate) fn is_free(&self, now: Instant) -> bool {
        self.flight.is_free(now)
    }

    /// The least time on the way of the last moments, above the least of all. It has drained meanwhile where nothing was
    /// sent since.
    fn queue(&self, now: Instant) -> Option<Duration> {
        let heard = self.heard?;
        let newest = self.told.iter().rev().find_map(|told| told.arrived)?.0;
        let least = self
            .told
            .iter()
            .rev()
            .filter_map(|told| told.arrived)
            .take_while(|(arrival, _)| newest - arrival <= STANDING_US)
            .map(|(_, travel)| travel)
            .min()?;
        // The newest frame's first packet found the queue as it is now, however slowly frames follow each other.
        let least = self.trains.newest().map_or(least, |Train { first_travel, .. }| least.min(first_travel));
        let queue = Duration::from_micros((least - self.base.shortest()).max(0) as u64);
        let idle = if self.flight.is_empty() { now.saturating_duration_since(heard) } else { Duration::ZERO };
        Some(queue.saturating_sub(idle))
    }

    /// By the clock of arrival: feedback that comes late or in lumps does not change it.
    fn delivered_now(&self, now: Instant) -> Option<u32> {
        let newest = self.told.iter().rev().find_map(|told| told.arrived)?.0;
        let window = NOW.as_micros() as i64;
        let bytes: usize = self
            .told
            .iter()
            .filter(|told| told.arrived.is_some_and(|(arrival, _)| newest - arrival < window))
            .map(|told| told.bytes)
            .sum::<usize>()
            + self.beside(now, NOW);
        Some((bytes as f64 * 8.0 / NOW.as_secs_f64()) as u32)
    }
}

#[cfg(test)]
mod tests;
