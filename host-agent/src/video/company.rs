//! Who shares a stream: those whose lines are alike. One whose line is much worse gets a stream of its own, so that
//! nobody else suffers. Pure.

use std::time::{Duration, Instant};

/// A line that carries less than half of the best one's for this long is another kind of line.
const BEHIND: Duration = Duration::from_secs(2);
/// It is one again when it carries three quarters of it, for this long: coming back costs a keyframe for all.
const LEVEL: Duration = Duration::from_secs(5);
/// Frames that the others could have are held up by one viewer for this long.
const HELD_UP: Duration = Duration::from_millis(50);

/// How one viewer stands among those that look at the same.
#[derive(Debug, Default)]
pub(super) struct Company {
    apart: bool,
    behind: Option<Instant>,
    level: Option<Instant>,
    holds_up: Option<Instant>,
}

impl Company {
    /// It has a stream of its own.
    pub(super) const fn is_apart(&self) -> bool {
        self.apart
    }

    /// Its line carries `bitrate`, and the best one of the others `best`; true where it changes the stream.
    pub(super) fn compare(&mut self, now: Instant, bitrate: u32, best: Option<u32>) -> bool {
        let Some(best) = best else {
            (self.behind, self.level) = (None, None);
            return false;
        };
        let (own, best) = (u64::from(bitrate), u64::from(best));
        let since = |place: &mut Option<Instant>, holds: bool| {
            if holds {
                now.saturating_duration_since(*place.get_or_insert(now))
            } else {
                *place = None;
                Duration::ZERO
            }
        };
        let behind = since(&mut self.behind, own * 2 < best);
        let level = since(&mut self.level, own * 4 >= best * 3);
        let change = if self.apart { level >= LEVEL } else { behind >= BEHIND };
        if change {
            self.part(!self.apart);
        }
        change
    }

    /// A frame is due that the others could have, and this one `busy` with the one before; true where it gets a stream of
    /// its own for that.
    pub(super) fn holds_up(&mut self, now: Instant, busy: bool) -> bool {
        if !busy {
            self.holds_up = None;
            return false;
        }
        let since = *self.holds_up.get_or_insert(now);
        let long = !self.apart && now.saturating_duration_since(since) >= HELD_UP;
        if long {
            self.part(true);
        }
        long
    }

    fn part(&mut self, apart: bool) {
        *self = Self { apart, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_much_worse_line_gets_its_own_stream_and_comes_back() {
        let (mut company, start) = (Company::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!company.compare(at(0), 1_000_000, Some(6_000_000)));
        assert!(!company.compare(at(1), 4_000_000, Some(6_000_000)), "a bad moment");
        assert!(!company.compare(at(2), 1_000_000, Some(6_000_000)));
        assert!(company.compare(at(4), 1_000_000, Some(6_000_000)) && company.is_apart());
        assert!(!company.compare(at(5), 5_000_000, Some(6_000_000)));
        assert!(!company.compare(at(9), 4_000_000, Some(6_000_000)));
        assert!(!company.compare(at(10), 5_000_000, Some(6_000_000)));
        assert!(company.compare(at(15), 5_000_000, Some(6_000_000)) && !company.is_apart());
    }

    #[test]
    fn nobody_waits_long_for_one_that_is_busy() {
        let (mut company, start) = (Company::default(), Instant::now());
        assert!(!company.holds_up(start, true));
        assert!(!company.holds_up(start + Duration::from_millis(30), false));
        assert!(!company.holds_up(start + Duration::from_millis(60), true));
        assert!(company.holds_up(start + Duration::from_millis(110), true) && company.is_apart());
    }

    #[test]
    fn alone_nothing_is_worse() {
        let mut company = Company::default();
        assert!(!company.compare(Instant::now(), 1, None) && !company.is_apart());
    }
}
