//! How much of a file may be on its way: as much as the line carries without a queue, and little while a thin line is
//! busy with the picture. SCTP by itself fills every queue it finds, and what is clicked would wait behind it.

use super::base::Base;
use super::{Findings, Report};
use std::time::{Duration, Instant};

/// Bytes that may be given to SCTP and not acknowledged: at first, and at most.
const FIRST: usize = 256 * 1024;
const MOST: usize = 1024 * 1024;
/// One message may always go when nothing is on its way.
const LEAST: usize = 1;
/// Acknowledgements that come so much later than the soonest ones tell of a queue.
const QUEUE: Duration = Duration::from_millis(30);
/// Below this there is room for more.
const SHORT_QUEUE: Duration = Duration::from_millis(15);
/// Changes follow each other no faster.
const PAUSE: Duration = Duration::from_millis(50);
const SHRINK: f64 = 0.75;
const GROW: usize = 32 * 1024;
/// The picture was busy if something of it was sent this recently.
const BUSY: Duration = Duration::from_millis(600);
/// A line that shows a limit below this is thin, and files get this part of it while the picture is busy.
const THIN: u32 = 12_000_000;
const PART: f64 = 0.2;

/// The share of one channel.
#[derive(Debug)]
pub(crate) struct Share {
    window: usize,
    base: Base,
    epoch: Instant,
    changed: Instant,
    /// The last message takes its part of a thin line until then.
    paid: Instant,
}

impl Share {
    pub(crate) fn new(now: Instant) -> Self {
        Self { window: FIRST, base: Base::new(now), epoch: now, changed: now, paid: now }
    }

    /// Some of it was acknowledged. `found`: what packets tell of the line.
    pub(crate) fn acknowledged(&mut self, now: Instant, report: &Report, found: &Findings) {
        let travel = now.saturating_duration_since(report.departure);
        self.base.add(now, travel.as_micros() as i64);
        if now.saturating_duration_since(self.changed) < PAUSE.max(travel) {
            return;
        }
        self.changed = now;
        let own = Duration::from_micros((travel.as_micros() as i64 - self.base.shortest()).max(0) as u64);
        let queue = own.max(found.queue.unwrap_or_default());
        if queue > QUEUE {
            // What the line carries in its own time and that of a short queue is no queue, however unevenly a busy
            // computer acknowledges it.
            let way = Duration::from_micros(self.base.shortest().max(0) as u64) + QUEUE;
            let carried = f64::from(found.delivered_now.unwrap_or_default()) / 8.0 * way.as_secs_f64();
            self.window = ((self.window as f64 * SHRINK) as usize).max(carried as usize).clamp(LEAST, MOST);
        } else if queue < SHORT_QUEUE {
            self.window = (self.window + GROW).min(MOST);
        }
    }

    /// Whether a message may go, where so many bytes are on their way; `shown`: when something of the picture last went.
    pub(crate) fn allows(
        &self,
        now: Instant,
        outstanding: usize,
        found: &Findings,
        shown: Option<Instant>,
    ) -> bool {
        if self.thin(now, found, shown).is_some() && now < self.paid {
            return false;
        }
        outstanding == 0 || outstanding < self.window
    }

    /// A message goes.
    pub(crate) fn sent(&mut self, now: Instant, bytes: usize, found: &Findings, shown: Option<Instant>) {
        if let Some(carries) = self.thin(now, found, shown) {
            self.paid = self.paid.max(now)
                + Duration::from_secs_f64(bytes as f64 * 8.0 / (f64::from(carries.max(1)) * PART));
        }
    }

    /// What the line carries, if that is little and the picture needs it.
    fn thin(&self, now: Instant, found: &Findings, shown: Option<Instant>) -> Option<u32> {
        let busy =
            shown.is_some_and(|shown| now.saturating_duration_since(shown) < BUSY && shown >= self.epoch);
        found
            .capacity
            .filter(|capacity| busy && capacity.reached && capacity.bits < THIN)
            .map(|found| found.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Capacity, Meter};
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const MESSAGE: usize = 60 * 1024;

    /// Sends as much as may go over a line of so many bytes a millisecond and this round trip. Returns bytes per second
    /// over the last half, and the most that waited then.
    fn over(carries: usize, round_trip: u64, found: &Findings, busy: bool) -> (usize, usize) {
        let start = Instant::now();
        let (mut share, mut meter) = (Share::new(start), Meter::new(start));
        let (mut queue, mut travelling, mut outstanding) =
            (0_usize, std::collections::VecDeque::new(), 0_usize);
        let (mut total, mut longest) = (0, 0);
        let limit = 20_000;
        for ms in 0..limit {
            let now = start + MS * ms;
            let shown = busy.then_some(now);
            while share.allows(now, outstanding, found, shown) {
                share.sent(now, MESSAGE, found, shown);
                meter.handed(now, MESSAGE);
                outstanding += MESSAGE;
                queue += MESSAGE;
            }
            let passes = queue.min(carries);
            queue -= passes;
            travelling.push_back((u64::from(ms) + round_trip, passes));
            while travelling.front().is_some_and(|(due, _)| *due <= u64::from(ms)) {
                outstanding -= travelling.pop_front().unwrap().1;
            }
            if let (bytes, Some(report)) = meter.looked(now, outstanding) {
                share.acknowledged(now, &report, found);
                total += if ms > limit / 2 { bytes } else { 0 };
            }
            longest = if ms > limit / 2 { longest.max(queue) } else { 0 };
        }
        (total * 1000 / (limit as usize / 2), longest)
    }

    #[test]
    fn a_line_is_filled_without_a_queue() {
        // 10 Mbit/s, 100 Mbit/s and 400 Mbit/s.
        for (carries, round_trip) in [(1_250, 50), (12_500, 20), (50_000, 1)] {
            let (rate, queue) = over(carries, round_trip, &Findings::default(), false);
            assert!(rate > carries * 1000 * 7 / 10, "{rate} of {carries} kB/s");
            assert!(queue < carries * 80 + MESSAGE, "{queue} bytes wait on {carries} kB/s");
        }
    }

    #[test]
    fn the_picture_comes_first_on_a_thin_line() {
        let capacity = Some(Capacity { bits: 4_000_000, reached: true });
        let found = Findings { capacity, ..Findings::default() };
        let (alone, _) = over(500, 30, &found, false);
        let (beside, _) = over(500, 30, &found, true);
        assert!(alone > 350_000, "{alone}");
        assert!((70_000..130_000).contains(&beside), "{beside}: a fifth");
    }
}
