//! The four sides of a frame. Pure.

use crate::Framed;
use crate::x11::place::Place;

/// Where the sides are on a screen of this size; those that would be empty are left out.
pub(super) fn strips(framed: &Framed, width: u32, height: u32) -> Vec<Place> {
    let thick = i32::from(framed.thickness);
    let area = Place::from(framed.area);
    let screen = Place::new(0, 0, width, height);
    let around = if framed.inside {
        area
    } else {
        Place::new(
            area.x - thick,
            area.y - thick,
            area.width + 2 * thick as u32,
            area.height + 2 * thick as u32,
        )
    };
    // Where there is no room outside it lies inside.
    let Some(around) = around.meet(&screen) else { return Vec::new() };
    let Place { x, y, width, height } = around;
    let (across, down) = (width.min(thick as u32), height.min(thick as u32));
    let between = height.saturating_sub(2 * down);
    let sides = [
        Place::new(x, y, width, down),
        Place::new(x, y + (height - down) as i32, width, down),
        Place::new(x, y + down as i32, across, between),
        Place::new(x + (width - across) as i32, y + down as i32, across, between),
    ];
    sides.into_iter().filter(|side| side.width > 0 && side.height > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rect;

    #[test]
    fn frames_lie_outside_where_there_is_room() {
        let framed = |area, inside| Framed { area, colour: [0; 3], thickness: 4, inside };
        let sides = |area, inside| strips(&framed(area, inside), 100, 80);
        let monitor = sides(Rect::new(0, 0, 100, 80), true);
        let expected = [(0, 0, 100, 4), (0, 76, 100, 4), (0, 4, 4, 72), (96, 4, 4, 72)];
        assert_eq!(monitor, expected.map(|(x, y, width, height)| Place::new(x, y, width, height)));
        assert_eq!(sides(Rect::new(0, 0, 100, 80), false), monitor, "a window over the whole screen");
        let window = sides(Rect::new(10, 10, 20, 20), false);
        let expected = [(6, 6, 28, 4), (6, 30, 28, 4), (6, 10, 4, 20), (30, 10, 4, 20)];
        assert_eq!(window, expected.map(|(x, y, width, height)| Place::new(x, y, width, height)));
        let corner = sides(Rect::new(90, 70, 30, 30), false);
        assert_eq!(corner[0], Place::new(86, 66, 14, 4));
        assert!(sides(Rect::new(200, 200, 5, 5), false).is_empty());
        assert_eq!(sides(Rect::new(10, 10, 3, 0), true), []);
        assert_eq!(sides(Rect::new(10, 10, 3, 5), true).len(), 2, "thinner than its sides");
    }
}
