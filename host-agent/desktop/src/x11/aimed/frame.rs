//! The box around what is shared, which does not jump at each step of a window that is dragged. Pure.

use std::time::{Duration, Instant};

use crate::Rect;

/// How often the box follows at most: each time the technician's picture has another size.
const FOLLOW: Duration = Duration::from_millis(250);
/// A menu that closes leaves its room for so long: the next one may open.
const SHRINK: Duration = Duration::from_secs(1);

/// The box, and what it should be.
#[derive(Debug, Default)]
pub(super) struct Frame {
    area: Option<Rect>,
    wanted: Option<Rect>,
    since: Option<Instant>,
    followed: Option<Instant>,
}

impl Frame {
    /// What is shared is here now; nowhere on the screen, and the box stays.
    pub(super) fn want(&mut self, area: Option<Rect>, now: Instant) {
        let Some(area) = area else { return };
        if self.wanted != Some(area) {
            (self.wanted, self.since) = (Some(area), Some(now));
        }
        if self.area.is_none() {
            self.area = Some(area);
        }
    }

    /// The box; one pixel before anything was seen.
    pub(super) fn area(&self) -> Rect {
        self.area.unwrap_or(Rect::new(0, 0, 1, 1))
    }

    /// When the box will have to follow.
    pub(super) fn due(&self) -> Option<Instant> {
        let (area, wanted, since) = (self.area?, self.wanted?, self.since?);
        if area == wanted {
            return None;
        }
        let rest = if area.union(&wanted) == area { since + SHRINK } else { since };
        Some(self.followed.map_or(rest, |followed| rest.max(followed + FOLLOW)))
    }

    /// Follows if it is time; true: the box is another one.
    pub(super) fn follow(&mut self, now: Instant) -> bool {
        let due = self.due().is_some_and(|due| due <= now);
        if due {
            (self.area, self.followed) = (self.wanted, Some(now));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_at_once_follows_now_and_then_and_shrinks_late() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let (small, large) = (Rect::new(10, 10, 10, 10), Rect::new(10, 10, 10, 50));
        let mut frame = Frame::default();
        frame.want(Some(small), start);
        assert!(!frame.follow(start) && frame.area() == small && frame.due().is_none());
        frame.want(Some(large), at(100));
        assert!(frame.follow(at(100)) && frame.area() == large);
        frame.want(Some(small), at(500));
        assert_eq!(frame.due(), Some(at(1500)));
        assert!(!frame.follow(at(1499)) && frame.follow(at(1500)) && frame.area() == small);
        // Dragged: every 20 ms another place.
        let mut followed = 0;
        for n in 0..50 {
            frame.want(Some(Rect::new(10 + n, 10, 10, 10)), at(2000 + u64::from(n) * 20));
            followed += u32::from(frame.follow(at(2000 + u64::from(n) * 20)));
        }
        assert!((4..=5).contains(&followed), "{followed}");
        frame.want(None, at(9000));
        assert!(frame.follow(at(9000)) && frame.area() == Rect::new(59, 10, 10, 10));
    }
}
