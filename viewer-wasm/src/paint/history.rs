//! Which updates came and which were painted, and when the host is to be told.

use nearhand_protocol::picture::Painted;

/// What is missing or could not be painted, and that a frame was, is told at most so often, in milliseconds.
const URGENT_MS: f64 = 20.0;
/// Painted updates that are told together.
const TOGETHER: u32 = 16;
/// The oldest of fewer is told after so long, in milliseconds.
const LATEST_MS: f64 = 200.0;
/// How far back [`Painted`] tells.
pub(super) const TOLD: u32 = 128;

/// What became of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It never came, or is too old to be known.
    Missing,
    /// It came and is not painted whole so far: a frame is awaited.
    Open,
    /// Every step was painted.
    Painted,
    /// A step could not be painted, and never will be.
    Failed,
}

/// The last 128 updates; bit `n` of each set stands for the number `highest - n`.
#[derive(Debug, Default)]
pub(super) struct History {
    highest: u32,
    came: u128,
    painted: u128,
    failed: u128,
    /// Painted, and not told.
    untold: u32,
    /// When the first of those was painted.
    since_ms: f64,
    urgent: bool,
    told_ms: Option<f64>,
}

impl History {
    /// An update came; `false` where it did before, or is older than what is known.
    pub(super) fn came(&mut self, number: u32) -> bool {
        if number > self.highest {
            let by = number - self.highest;
            for set in [&mut self.came, &mut self.painted, &mut self.failed] {
                *set = set.checked_shl(by).unwrap_or(0);
            }
            self.urgent |= by > 1;
            self.highest = number;
        }
        match self.bit(number) {
            Some(bit) if self.came & bit == 0 => {
                self.came |= bit;
                true
            }
            _ => false,
        }
    }

    /// Every step of it was painted. `frame`: with one of the video, which the host waits for to move what it shows.
    pub(super) fn paint(&mut self, number: u32, now_ms: f64, frame: bool) {
        if let Some(bit) = self.bit(number) {
            self.urgent |= frame;
            self.painted |= bit;
            if self.untold == 0 {
                self.since_ms = now_ms;
            }
            self.untold += 1;
        }
    }

    pub(super) fn fail(&mut self, number: u32) {
        if let Some(bit) = self.bit(number) {
            self.failed |= bit;
            self.urgent = true;
        }
    }

    pub(super) fn fate(&self, number: u32) -> Fate {
        let Some(bit) = self.bit(number).filter(|bit| self.came & bit != 0) else { return Fate::Missing };
        if self.painted & bit != 0 {
            Fate::Painted
        } else if self.failed & bit != 0 {
            Fate::Failed
        } else {
            Fate::Open
        }
    }

    /// Whether this is older than what can be told.
    pub(super) const fn is_past(&self, number: u32) -> bool {
        number.saturating_add(TOLD) <= self.highest
    }

    /// When something is to be told; `None` while nothing is.
    pub(super) fn due_ms(&self) -> Option<f64> {
        let urgent = self.urgent.then(|| self.told_ms.map_or(f64::NEG_INFINITY, |told| told + URGENT_MS));
        let many = (self.untold >= TOGETHER).then_some(f64::NEG_INFINITY);
        let few = (self.untold > 0).then_some(self.since_ms + LATEST_MS);
        [urgent, many, few].into_iter().flatten().reduce(f64::min)
    }

    /// What is to be told by now.
    pub(super) fn tell(&mut self, now_ms: f64) -> Option<Painted> {
        self.due_ms().filter(|due_ms| *due_ms <= now_ms)?;
        self.untold = 0;
        self.urgent = false;
        self.told_ms = Some(now_ms);
        Some(self.told())
    }

    /// What is known by now.
    pub(super) const fn told(&self) -> Painted {
        Painted { highest: self.highest, painted: self.painted }
    }

    fn bit(&self, number: u32) -> Option<u128> {
        1_u128.checked_shl(self.highest.checked_sub(number)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn painted_ones_are_told_together_or_in_time() {
        let mut history = History::default();
        assert_eq!(history.due_ms(), None, "no timer runs for nothing");
        for number in 1..=15 {
            assert!(history.came(number));
            history.paint(number, f64::from(number), false);
        }
        assert_eq!(history.tell(200.9), None);
        assert_eq!(history.due_ms(), Some(201.0));
        assert!(history.came(16));
        history.paint(16, 16.0, false);
        let told = history.tell(16.0).unwrap();
        assert_eq!((told.highest, told.painted), (16, 0xffff));
        assert_eq!(history.due_ms(), None);
        assert!(history.came(17));
        history.paint(17, 30.0, true);
        assert_eq!(history.due_ms(), Some(36.0), "a frame is told soon");
    }

    #[test]
    fn what_is_missing_or_failed_is_told_at_once_but_not_in_a_flood() {
        let mut history = History::default();
        history.came(1);
        history.paint(1, 0.0, false);
        history.came(3);
        let told = history.tell(0.0).unwrap();
        assert_eq!([1, 2, 3].map(|number| told.tells(number)), [Some(true), Some(false), Some(false)]);
        history.fail(3);
        assert_eq!(history.tell(19.0), None);
        assert_eq!(history.tell(20.0).unwrap().tells(3), Some(false));
        assert_eq!(
            [1, 2, 3].map(|number| history.fate(number)),
            [Fate::Painted, Fate::Missing, Fate::Failed]
        );
    }

    #[test]
    fn twice_and_too_late_count_as_not_new() {
        let mut history = History::default();
        assert!(history.came(200) && !history.came(200));
        assert!(history.came(73) && !history.came(72));
        assert!(history.is_past(72) && !history.is_past(73));
        assert!(history.came(u32::MAX), "a jump of any width");
        assert_eq!(history.fate(200), Fate::Missing);
    }
}
