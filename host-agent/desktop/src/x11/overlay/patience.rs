//! How often windows are raised: at once, but without a war with somebody who does the same. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// From one raise to the next at least.
const GAP: Duration = Duration::from_millis(50);
/// The same while it does not help.
const LONG_GAP: Duration = Duration::from_millis(500);
/// So many raises…
const MANY: usize = 40;
/// …within so long do not help. After so long without any it is over.
const WAR: Duration = Duration::from_secs(3);

/// What was tried, and whether it helps.
#[derive(Debug, Default)]
pub(super) struct Patience {
    raised: VecDeque<Instant>,
    hopeless: bool,
}

impl Patience {
    /// May they be raised now? Else when.
    pub(super) fn ask(&mut self, now: Instant) -> Result<(), Instant> {
        let gap = if self.hopeless { LONG_GAP } else { GAP };
        if let Some(due) = self.raised.back().map(|last| *last + gap).filter(|due| *due > now) {
            return Err(due);
        }
        self.look(now);
        self.raised.push_back(now);
        self.hopeless |= self.raised.len() >= MANY;
        Ok(())
    }

    /// Whether it does not help.
    pub(super) fn is_hopeless(&self) -> bool {
        self.hopeless
    }

    /// Forgets what is long ago.
    pub(super) fn look(&mut self, now: Instant) {
        while self.raised.front().is_some_and(|raised| now.duration_since(*raised) >= WAR) {
            self.raised.pop_front();
        }
        self.hopeless &= !self.raised.is_empty();
    }

    /// When it will be over, if nobody covers anything until then.
    pub(super) fn over(&self) -> Option<Instant> {
        self.raised.back().filter(|_| self.hopeless).map(|last| *last + WAR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_way_to_who_does_not() {
        let start = Instant::now();
        let mut patience = Patience::default();
        let mut raises = 0;
        // Covered anew every millisecond, for ten seconds.
        for now in (0..10_000).map(|n| start + Duration::from_millis(n)) {
            raises += u32::from(patience.ask(now).is_ok());
        }
        assert!(patience.is_hopeless());
        assert!((MANY as u32 + 10..MANY as u32 + 20).contains(&raises), "{raises}");
        let over = patience.over().unwrap();
        patience.look(start + Duration::from_secs(11));
        assert!(patience.is_hopeless());
        patience.look(over);
        assert!(!patience.is_hopeless() && patience.over().is_none());
        assert_eq!(patience.ask(over), Ok(()));
    }

    #[test]
    fn a_window_now_and_then_is_no_war() {
        let start = Instant::now();
        let mut patience = Patience::default();
        for n in 0..100 {
            assert_eq!(patience.ask(start + Duration::from_millis(100 * n)), Ok(()));
            assert!(!patience.is_hopeless());
        }
        assert_eq!(
            patience.ask(start + Duration::from_millis(9910)),
            Err(start + Duration::from_millis(9950))
        );
    }
}
