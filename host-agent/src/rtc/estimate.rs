//! The bandwidth estimate from transport-wide feedback: Google Congestion Control, and beside it the plain
//! measurements it is made from.
//!
//! The stack's own pacer is left out: it queues up to 4,096 packets where nobody sees them, which was 15 s of latency
//! after a drop from 5 to 1.5 Mbit/s. Here the estimate only informs; the video scheduler skips frames.

use super::stats::Shared;
use rtc::interceptor::{BandwidthEstimator, Gcc, PacketReport};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bounds of the estimate, in bits per second.
const MIN_BITRATE: f64 = 150_000.0;
const MAX_BITRATE: f64 = 60_000_000.0;
/// Window of loss and delivered rate.
const WINDOW: Duration = Duration::from_secs(1);
/// The shortest travel time is remembered for one to two of these.
const BASE_WINDOW: Duration = Duration::from_secs(10);

/// Google Congestion Control with its inputs published.
pub(super) struct Estimator {
    gcc: Gcc,
    shared: Arc<Shared>,
    epoch: Instant,
    window: VecDeque<Batch>,
    base: Base,
}

/// One feedback's worth of packets.
struct Batch {
    at: Instant,
    packets: usize,
    lost: usize,
    delivered_bytes: usize,
}

impl Estimator {
    pub(super) fn new(shared: Arc<Shared>, initial_bitrate: u32, now: Instant) -> Self {
        Self {
            gcc: Gcc::new(f64::from(initial_bitrate), MIN_BITRATE, MAX_BITRATE),
            shared,
            epoch: now,
            window: VecDeque::new(),
            base: Base::new(now),
        }
    }

    fn queue_delay(&mut self, now: Instant, reports: &[PacketReport]) -> Option<Duration> {
        let mut newest = None;
        for report in reports {
            let Some(arrival) = report.arrival else { continue };
            // The two clocks differ by a constant; only differences of travel times mean anything.
            let departure = report.departure.saturating_duration_since(self.epoch);
            let travel = arrival.as_micros() as i64 - departure.as_micros() as i64;
            self.base.add(now, travel);
            newest = Some(travel);
        }
        newest.map(|travel| Duration::from_micros((travel - self.base.shortest()).max(0) as u64))
    }
}

impl BandwidthEstimator for Estimator {
    fn on_reports(&mut self, now: Instant, reports: &[PacketReport]) {
        if reports.is_empty() {
            return;
        }
        self.gcc.on_reports(now, reports);
        let queue_delay = self.queue_delay(now, reports);
        self.window.push_back(Batch {
            at: now,
            packets: reports.len(),
            lost: reports.iter().filter(|report| !report.arrived).count(),
            delivered_bytes: reports.iter().filter(|report| report.arrived).map(|report| report.size).sum(),
        });
        while self.window.front().is_some_and(|batch| now.saturating_duration_since(batch.at) >= WINDOW) {
            self.window.pop_front();
        }
        let (packets, lost, bytes) = self.window.iter().fold((0, 0, 0), |(packets, lost, bytes), batch| {
            (packets + batch.packets, lost + batch.lost, bytes + batch.delivered_bytes)
        });
        let estimated = self.gcc.target_bitrate() as u32;
        self.shared.update(|line| {
            line.loss = Some(lost as f32 / packets as f32);
            line.delivered_bitrate = Some((bytes as f64 * 8.0 / WINDOW.as_secs_f64()) as u32);
            line.estimated_bitrate = Some(estimated);
            line.queue_delay = queue_delay.or(line.queue_delay);
        });
    }

    fn target_bitrate(&self) -> f64 {
        self.gcc.target_bitrate()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.gcc.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.gcc.poll_timeout()
    }
}

/// The shortest travel time of the last one to two [`BASE_WINDOW`]s, in microseconds of two unrelated clocks.
struct Base {
    since: Instant,
    current: i64,
    before: i64,
}

impl Base {
    fn new(now: Instant) -> Self {
        Self { since: now, current: i64::MAX, before: i64::MAX }
    }

    fn add(&mut self, now: Instant, travel: i64) {
        if now.saturating_duration_since(self.since) >= BASE_WINDOW {
            (self.before, self.current, self.since) = (self.current, i64::MAX, now);
        }
        self.current = self.current.min(travel);
    }

    fn shortest(&self) -> i64 {
        self.current.min(self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(epoch: Instant, sent_ms: u64, arrived_ms: Option<u64>) -> PacketReport {
        PacketReport {
            ssrc: 1,
            id: sent_ms,
            rtp_sequence_number: sent_ms as u16,
            is_twcc: true,
            twcc_sequence_number: sent_ms as u16,
            size: 1000,
            arrived: arrived_ms.is_some(),
            departure: epoch + Duration::from_millis(sent_ms),
            arrival: arrived_ms.map(Duration::from_millis),
            ecn: rtc::rtcp::transport_feedbacks::cc_feedback_report::Ecn::default(),
        }
    }

    #[test]
    fn publishes_loss_rate_and_queue_delay() {
        let epoch = Instant::now();
        let shared = Arc::new(Shared::default());
        let mut estimator = Estimator::new(shared.clone(), 5_000_000, epoch);
        // A clock that is an hour ahead, a way of 20 ms, and every fourth packet lost.
        let arrival = |sent: u64, way: u64| (!sent.is_multiple_of(4)).then_some(3_600_000 + sent + way);
        let calm: Vec<_> = (0..100).map(|sent| report(epoch, sent, arrival(sent, 20))).collect();
        estimator.on_reports(epoch + Duration::from_millis(150), &calm);
        let stats = shared.snapshot();
        assert_eq!(stats.loss, Some(0.25));
        assert_eq!(stats.delivered_bitrate, Some(75 * 1000 * 8));
        assert_eq!(stats.queue_delay, Some(Duration::ZERO));

        let queued: Vec<_> = (1101..1104).map(|sent| report(epoch, sent, arrival(sent, 95))).collect();
        estimator.on_reports(epoch + Duration::from_millis(1250), &queued);
        let stats = shared.snapshot();
        assert_eq!(stats.queue_delay, Some(Duration::from_millis(75)));
        assert_eq!(stats.delivered_bitrate, Some(3 * 1000 * 8), "what is older than a second is forgotten");
        assert!(stats.estimated_bitrate.is_some());
    }

    #[test]
    fn a_longer_way_becomes_the_new_base() {
        let start = Instant::now();
        let mut base = Base::new(start);
        base.add(start, 5);
        for second in 0..21 {
            base.add(start + Duration::from_secs(second), 50);
        }
        assert_eq!(base.shortest(), 50);
    }
}
