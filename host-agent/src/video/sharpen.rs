//! When what rests is shown by more frames, before it is made exact: where frames were made small or coarse for a thin
//! line, and exact tiles will take their time. The first such frame has all pixels, and those that follow refine them. Pure.

use std::time::{Duration, Instant};

use super::repair::Inexact;

/// It rests for so long: who scrolls on does not wait for it.
const RESTS: Duration = Duration::from_millis(450);
/// Exact tiles that take less are worth waiting for, in seconds.
const SOON: f64 = 2.0;
/// Between two that have more pixels than the frame before, and are keyframes.
const BETWEEN: Duration = Duration::from_secs(3);
/// Between two that refine, and most of them.
const REFINED: Duration = Duration::from_millis(700);
const MOST: u8 = 6;
/// A frame that refines may take what the line carries in a quarter of a second, and an encoder gives it that of a tenth.
const REFINING: f64 = 2.5;
/// Bytes of an exact cell where none was coded yet.
const CELL: f64 = 2_000.0;
/// Weight of the newest cells in the mean.
const WEIGHT: f64 = 0.1;

/// What decides about it.
#[derive(Debug)]
pub(super) struct Sharpening {
    last: Option<Instant>,
    asked: Option<Asked>,
    /// What rests since then was refined so many times.
    refined: Option<(Instant, u8)>,
    cell: f64,
}

/// A frame that is not made yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Larger,
    Finer,
}

impl Sharpening {
    /// Nothing was coded.
    pub(super) const fn new() -> Self {
        Self { last: None, asked: None, refined: None, cell: CELL }
    }

    /// A cell was coded exactly with so many bytes.
    pub(super) fn coded(&mut self, bytes: usize) {
        self.cell += (bytes as f64 - self.cell) * WEIGHT;
    }

    /// Whether what rests is worth a frame, where tiles go at `rate` bytes per second; `full`: the frames have all pixels
    /// already.
    pub(super) fn is_due(&mut self, now: Instant, inexact: &Inexact, rate: f64, full: bool) -> bool {
        let Some(since) = inexact.since else { return false };
        let long = |cells: usize| cells as f64 * self.cell > rate * SOON;
        let rests = now.saturating_duration_since(since) >= RESTS;
        let refined = self.refined.filter(|(then, _)| *then == since).map_or(0, |(_, times)| times);
        // A frame was lost: what is old must go, however often.
        let old = long(inexact.stale);
        let between = if full || old { REFINED } else { BETWEEN };
        let again = self.last.is_none_or(|last| now.saturating_duration_since(last) >= between);
        let due = long(inexact.cells.len()) && rests && again && (old || !full || refined < MOST);
        if due {
            self.last = Some(now);
            self.asked = Some(if full && !old { Asked::Finer } else { Asked::Larger });
            self.refined = Some((since, refined + u8::from(full && !old)));
        }
        due
    }

    /// The frame was made, or is no use any more.
    pub(super) const fn done(&mut self) {
        self.asked = None;
    }

    /// The bitrate to code the next frame with: what the line is taken for after what moved has filled it, or what it is
    /// known to carry.
    pub(super) fn bitrate(&self, usual: u32, carries: u32) -> u32 {
        match self.asked {
            None => usual,
            Some(Asked::Larger) => usual.max(carries),
            Some(Asked::Finer) => (f64::from(usual.max(carries)) * REFINING) as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f64 = 80_000.0;

    fn all(since: Instant) -> Inexact {
        Inexact { cells: (0..500).collect(), stale: 0, since: Some(since) }
    }

    #[test]
    fn much_that_rests_on_a_thin_line_is_worth_a_frame() {
        let (mut sharpening, now) = (Sharpening::new(), Instant::now());
        assert!(!sharpening.is_due(now, &all(now), RATE, false), "it does not rest");
        assert!(!sharpening.is_due(now + RESTS, &all(now), RATE * 10.0, false), "it is exact soon");
        let few = Inexact { cells: (0..20).collect(), ..all(now) };
        assert!(!sharpening.is_due(now + RESTS, &few, RATE, false));
        assert_eq!(sharpening.bitrate(300_000, 500_000), 300_000);
        assert!(sharpening.is_due(now + RESTS, &all(now), RATE, false));
        assert_eq!(sharpening.bitrate(300_000, 500_000), 500_000);
        assert_eq!(sharpening.bitrate(600_000, 500_000), 600_000);
        sharpening.done();
        assert_eq!(sharpening.bitrate(300_000, 500_000), 300_000);
        assert!(!sharpening.is_due(now + RESTS * 2, &all(now), RATE, false), "one is enough");
        assert!(sharpening.is_due(now + RESTS + BETWEEN, &all(now), RATE, false));
    }

    #[test]
    fn it_is_refined_some_times_and_again_when_it_has_changed() {
        let (mut sharpening, start) = (Sharpening::new(), Instant::now());
        let mut frames = |since: Instant, stale| {
            let times = (0..1_000).map(|tick| since + Duration::from_millis(10) * tick);
            let inexact = Inexact { stale, ..all(since) };
            times.filter(|now| sharpening.is_due(*now, &inexact, RATE, true)).count()
        };
        assert_eq!(frames(start, 0), usize::from(MOST));
        assert_eq!(frames(start + Duration::from_secs(20), 0), usize::from(MOST));
        assert!(
            frames(start + Duration::from_secs(40), 500) > usize::from(MOST),
            "what is old does not stay"
        );
    }

    #[test]
    fn what_cells_take_is_learned() {
        let (mut sharpening, now) = (Sharpening::new(), Instant::now());
        (0..100).for_each(|_| sharpening.coded(100));
        assert!(!sharpening.is_due(now + RESTS, &all(now), RATE, false), "text is exact soon");
    }
}
