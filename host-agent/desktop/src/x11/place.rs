//! Where a window is: X's coordinates, which may lie outside of the screen. Pure.

use crate::Rect;

/// A rectangle on the root window, borders included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Place {
    pub(super) const fn new(x: i32, y: i32, width: u32, height: u32) -> Self {
        Self { x, y, width, height }
    }

    /// As events and replies tell it: `width` and `height` without the border, `x` and `y` of its outer corner.
    pub(super) fn of(x: i16, y: i16, width: u16, height: u16, border: u16) -> Self {
        let border = 2 * u32::from(border);
        Self::new(x.into(), y.into(), u32::from(width) + border, u32::from(height) + border)
    }

    fn right(&self) -> i32 {
        self.x + self.width as i32
    }

    fn bottom(&self) -> i32 {
        self.y + self.height as i32
    }

    /// What both have in common.
    pub(super) fn meet(&self, other: &Self) -> Option<Self> {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let (right, bottom) = (self.right().min(other.right()), self.bottom().min(other.bottom()));
        (x < right && y < bottom).then(|| Self::new(x, y, (right - x) as u32, (bottom - y) as u32))
    }

    /// What of it lies on a screen of this size.
    pub(super) fn clip(&self, width: u32, height: u32) -> Option<Rect> {
        let seen = self.meet(&Self::new(0, 0, width, height))?;
        Some(Rect::new(seen.x as u32, seen.y as u32, seen.width, seen.height))
    }

    pub(super) fn contains(&self, x: i32, y: i32) -> bool {
        (self.x..self.right()).contains(&x) && (self.y..self.bottom()).contains(&y)
    }

    /// What is left of it without the other: four parts at most.
    fn without(&self, other: &Self) -> impl Iterator<Item = Self> {
        let met = self.meet(other);
        let parts = match met {
            None => [Some(*self), None, None, None],
            Some(hole) => [
                Self::between(self.x, self.y, self.right(), hole.y),
                Self::between(self.x, hole.bottom(), self.right(), self.bottom()),
                Self::between(self.x, hole.y, hole.x, hole.bottom()),
                Self::between(hole.right(), hole.y, self.right(), hole.bottom()),
            ],
        };
        parts.into_iter().flatten()
    }

    fn between(x: i32, y: i32, right: i32, bottom: i32) -> Option<Self> {
        (x < right && y < bottom).then(|| Self::new(x, y, (right - x) as u32, (bottom - y) as u32))
    }
}

impl From<Rect> for Place {
    fn from(rect: Rect) -> Self {
        Self::new(rect.x as i32, rect.y as i32, rect.width, rect.height)
    }
}

/// More parts than this are not told apart: a cover that would make more is taken for none.
const MAX_PARTS: usize = 64;

/// What of a place can be seen below these covers; rather too much than too little.
pub(super) fn uncovered(place: Place, covers: impl IntoIterator<Item = Place>) -> Vec<Place> {
    let mut parts = vec![place];
    for cover in covers {
        let left: Vec<Place> = parts.iter().flat_map(|part| part.without(&cover)).collect();
        if left.len() <= MAX_PARTS {
            parts = left;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covers_leave_exactly_what_they_dont_cover() {
        let place = Place::new(-5, 10, 40, 30);
        let covers = [
            Place::new(0, 0, 10, 100),
            Place::new(20, 20, 5, 5),
            Place::new(100, 100, 9, 9),
            Place::new(30, 35, 50, 50),
            Place::new(-9, 12, 2, 2),
        ];
        let parts = uncovered(place, covers);
        for y in 0..60 {
            for x in -10..50 {
                let seen = place.contains(x, y) && !covers.iter().any(|cover| cover.contains(x, y));
                let times = parts.iter().filter(|part| part.contains(x, y)).count();
                assert_eq!(times, usize::from(seen), "at {x}, {y}");
            }
        }
        assert!(uncovered(place, [Place::new(-100, -100, 900, 900)]).is_empty());
    }

    #[test]
    fn too_many_holes_are_taken_for_none() {
        let place = Place::new(0, 0, 1000, 1000);
        let holes = (0..200).map(|n| Place::new(n % 20 * 50, n / 20 * 50, 3, 3));
        let parts = uncovered(place, holes);
        assert!(parts.len() <= MAX_PARTS);
        let seen: u64 = parts.iter().map(|part| u64::from(part.width) * u64::from(part.height)).sum();
        assert!(seen >= 1_000_000 - 200 * 9, "nothing else is lost");
    }

    #[test]
    fn what_hangs_over_the_edge_is_cut() {
        assert_eq!(Place::of(-3, 5, 10, 10, 1).clip(100, 10), Some(Rect::new(0, 5, 9, 5)));
        assert_eq!(Place::new(100, 0, 5, 5).clip(100, 100), None);
    }
}
