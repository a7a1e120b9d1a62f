//! Which quantiser fits a number of bytes, and how many bytes a picture may have. Pure.
//!
//! openh264's own rate control spreads a bitrate over groups of eight pictures. On a desktop that is wrong in both
//! directions: a rest counts as easy content, and the next scrolled page is coded ten times too large. So it is off, each
//! picture gets one quantiser, and this chooses it from what changed.

use crate::work::{Cell, Work};

/// The quantiser that doubles the bytes is so many steps finer: between 6 (smooth pictures) and 13 (text), measured.
const HALVING: f64 = 9.0;
/// Quantisers are measured against this one.
const MIDDLE: f64 = 30.0;
/// Bytes at the quantiser [`MIDDLE`] for each unit of detail, before anything was measured: pictures of text as an IDR.
const FIRST_RATIO: f64 = 0.055;
/// Kinds of pictures, by the logarithm of how many macroblocks changed: they cost each their own number of bytes.
const KINDS: usize = 17;
/// A picture is finer than the last of its kind by so many steps at most. A fine one after a coarse one has to say all that
/// the coarse one left out, and the next one nothing: without this the sizes swing between 1 and 140 kB.
const FINER: u8 = 3;
/// What is left of an unused bitrate, in seconds: a change after a rest may be that much larger.
const CREDIT: f64 = 0.1;
/// What was used too much is remembered for so long, in seconds.
const DEBT: f64 = 0.25;

/// How many bytes a picture has at a quantiser, learnt from those before.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    keyframe: f64,
    /// Of pictures where something changed, by their kind; nothing where none of them was seen.
    changed: [Option<f64>; KINDS],
    /// The quantiser of the last picture of each kind.
    last: [Option<u8>; KINDS],
    /// Of what did not change and is coded finer than before.
    refined: f64,
}

/// What is to be coded, told apart by what it costs.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    keyframe: bool,
    kind: usize,
    /// Detail of what changed, or of everything for a keyframe.
    fresh: f64,
    /// Detail of what did not, by the quantiser that it was coded with last.
    stale: [u64; 52],
}

impl Task {
    /// Sorts the cells, each with the quantiser that it was coded with last, by whether they changed since this version.
    pub(crate) fn new(cells: &[Cell], coded: &[u8], work: &Work, keyframe: bool) -> Self {
        let mut task =
            Self { keyframe, kind: work.macroblocks.max(1).ilog2() as usize, fresh: 0.0, stale: [0; 52] };
        task.kind = task.kind.min(KINDS - 1);
        for (cell, qp) in cells.iter().zip(coded) {
            if keyframe || work.is_new(*cell) {
                task.fresh += f64::from(cell.detail);
            } else {
                task.stale[usize::from((*qp).min(51))] += u64::from(cell.detail);
            }
        }
        task
    }

    fn refinement(&self, qp: u8) -> f64 {
        let coarser = self.stale.iter().enumerate().skip(usize::from(qp) + 1);
        coarser.map(|(was, detail)| *detail as f64 * (weight(qp) - weight(was as u8))).sum()
    }
}

/// What a unit of detail costs at this quantiser, against [`MIDDLE`].
fn weight(qp: u8) -> f64 {
    ((MIDDLE - f64::from(qp)) / HALVING).exp2()
}

impl Model {
    pub(crate) fn new() -> Self {
        Self {
            keyframe: FIRST_RATIO,
            changed: [None; KINDS],
            last: [None; KINDS],
            refined: FIRST_RATIO / 2.0,
        }
    }

    /// Bytes to be expected.
    fn bytes(&self, task: &Task, qp: u8) -> f64 {
        // A header at least.
        64.0 + self.ratio(task) * task.fresh * weight(qp) + self.refined * task.refinement(qp)
    }

    /// The finest quantiser from `sharpest` to `coarsest` at which so many bytes are enough, else the coarsest.
    pub(crate) fn quantiser(&self, task: &Task, bytes: usize, sharpest: u8, coarsest: u8) -> u8 {
        let coarsest = coarsest.clamp(1, 51);
        let last = self.last[task.kind].filter(|_| !task.keyframe);
        let sharpest = last.map_or(sharpest, |last| sharpest.max(last.saturating_sub(FINER)));
        let enough = |qp: &u8| self.bytes(task, *qp) <= bytes as f64;
        (sharpest.clamp(1, coarsest)..=coarsest).find(enough).unwrap_or(coarsest)
    }

    /// Learns what it took.
    pub(crate) fn took(&mut self, task: &Task, qp: u8, bytes: usize) {
        let refined = self.refined * task.refinement(qp);
        let (fresh, refinement) = (task.fresh * weight(qp), task.refinement(qp));
        let bytes = (bytes as f64 - 64.0).max(1.0);
        if !task.keyframe {
            self.last[task.kind] = Some(qp);
        }
        if task.keyframe {
            self.keyframe = learn(self.keyframe, bytes / fresh.max(1.0));
        } else if fresh * self.ratio(task) > refined {
            let ratio = learn(self.ratio(task), (bytes - refined).max(bytes / 4.0) / fresh.max(1.0));
            self.changed[task.kind] = Some(ratio);
        } else if refinement > 0.0 {
            self.refined = learn(self.refined, bytes / refinement.max(1.0));
        }
    }

    fn ratio(&self, task: &Task) -> f64 {
        if task.keyframe {
            return self.keyframe;
        }
        let near = (0..KINDS).flat_map(|far| [task.kind.checked_sub(far), Some(task.kind + far)]);
        let known = near.flatten().find_map(|kind| self.changed.get(kind).copied().flatten());
        // What changed can mostly be predicted from what was there.
        known.unwrap_or(self.keyframe * 0.7)
    }
}

/// Believes an increase quickly and a decrease slowly; bounded, as content is.
fn learn(old: f64, new: f64) -> f64 {
    let share = if new > old { 0.8 } else { 0.4 };
    (old.ln() * (1.0 - share) + new.ln() * share).exp().clamp(FIRST_RATIO / 1e4, FIRST_RATIO * 20.0)
}

/// What the bitrate leaves for the next picture.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    /// Bytes that were not used, or too many that were.
    credit: f64,
    last_ms: Option<i64>,
}

impl Bucket {
    pub(crate) fn new() -> Self {
        Self { credit: 0.0, last_ms: None }
    }

    /// Bytes for a picture at this time. The first gets those of half a second.
    pub(crate) fn bytes(&mut self, now_ms: i64, bitrate_bps: u32, max_fps: u32) -> usize {
        let rate = f64::from(bitrate_bps) / 8.0;
        match self.last_ms {
            None => self.credit = rate / 2.0,
            Some(last) => {
                let seconds = now_ms.saturating_sub(last).max(0) as f64 / 1000.0;
                self.credit = (self.credit + rate * seconds).clamp(-rate * DEBT, rate * CREDIT);
            }
        }
        self.last_ms = Some(now_ms);
        // In debt half of an even share goes on, so that the picture does.
        self.credit.max(rate / f64::from(max_fps.max(1)) / 2.0) as usize
    }

    pub(crate) fn took(&mut self, bytes: usize) {
        self.credit -= bytes as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of this many cells of text, of which so many changed.
    fn task(cells: usize, changed: usize, coded: u8, keyframe: bool) -> Task {
        let cells: Vec<Cell> =
            (0..cells).map(|at| Cell { version: u32::from(at < changed), detail: 1500 }).collect();
        let work = Work::since(&cells, 1, 0);
        Task::new(&cells, &vec![coded; cells.len()], &work, keyframe)
    }

    #[test]
    fn more_bytes_are_a_finer_quantiser_within_the_bounds() {
        let model = Model::new();
        let task = task(8160, 4000, 30, false);
        let mut last = 52;
        for bytes in [1000, 10_000, 50_000, 100_000, 300_000, 10_000_000] {
            let qp = model.quantiser(&task, bytes, 20, 48);
            assert!((20..=48).contains(&qp) && qp <= last, "{bytes}: {qp} after {last}");
            last = qp;
        }
        assert_eq!(last, 20);
        assert_eq!(model.quantiser(&task, 1, 60, 70), 51, "bounds out of range are clipped");
        assert_eq!(model.quantiser(&task, usize::MAX, 0, 0), 1);
    }

    #[test]
    fn a_few_pictures_teach_what_content_costs() {
        for truth in [FIRST_RATIO / 50.0, FIRST_RATIO, FIRST_RATIO * 5.0] {
            // With other steps between the halvings than the model's.
            let bytes =
                |task: &Task, qp: u8| (truth * task.fresh * ((30.0 - f64::from(qp)) / 12.0).exp2()) as usize;
            let mut model = Model::new();
            let task = task(8160, 5000, 20, false);
            for _ in 0..16 {
                let qp = model.quantiser(&task, 40_000, 20, 51);
                model.took(&task, qp, bytes(&task, qp));
            }
            let qp = model.quantiser(&task, 40_000, 20, 51);
            let took = bytes(&task, qp);
            assert!(took < 55_000 || qp == 51, "{truth}: {took} bytes at {qp}");
            assert!(took > 25_000 || qp == 20, "{truth}: {took} bytes at {qp}");
        }
    }

    #[test]
    fn a_small_change_does_not_refine_a_coarse_screen_at_once() {
        let model = Model::new();
        let coarse = model.quantiser(&task(8160, 100, 44, false), 20_000, 20, 51);
        let fine = model.quantiser(&task(8160, 100, 20, false), 20_000, 20, 51);
        assert!(coarse > 35, "{coarse}");
        assert!(fine < 25, "{fine}");
    }

    #[test]
    fn kinds_do_not_disturb_each_other() {
        let mut model = Model::new();
        let (clock, page) = (task(8160, 128, 20, false), task(8160, 5600, 20, false));
        for _ in 0..20 {
            let fine = model.quantiser(&clock, 10_000, 20, 51);
            model.took(&clock, fine, 100);
            model.took(&page, 30, 500_000);
        }
        assert_eq!(model.quantiser(&clock, 10_000, 20, 51), 20);
        assert!(model.quantiser(&page, 40_000, 20, 51) > 45);
    }

    #[test]
    fn the_bucket_gives_the_bitrate_and_a_little_after_a_rest() {
        let mut bucket = Bucket::new();
        let mut sum = 0;
        for n in 0..60 {
            let bytes = bucket.bytes(1_000_000 + n * 33, 4_000_000, 30);
            bucket.took(bytes);
            sum += if n > 0 { bytes } else { 0 };
        }
        assert!((900_000..1_050_000).contains(&sum), "{sum} bytes in two seconds at 500 kB/s");
        assert_eq!(bucket.bytes(2_000_000, 4_000_000, 30), 50_000, "a rest leaves a tenth of a second");
        bucket.took(10_000_000);
        let after = bucket.bytes(2_000_033, 4_000_000, 30);
        assert_eq!(after, 8333, "even a great debt leaves half a share");
        assert!(bucket.bytes(2_000_500, 4_000_000, 30) > 40_000, "and is forgotten soon");
    }
}
