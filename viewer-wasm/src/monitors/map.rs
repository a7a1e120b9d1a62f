//! The monitors as they stand beside each other, on a small map: pure.

use nearhand_protocol::display::{Layout, Monitor};

/// The largest map, in rem: across, and down.
const MOST: (f64, f64) = (17.0, 8.0);

/// Where a monitor lies on the map, in percent of the map's sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// The monitors in the order in which they are numbered, from 1: from left to right, then down.
pub(crate) fn in_order(layout: &Layout) -> Vec<&Monitor> {
    let mut monitors: Vec<_> = layout.monitors.iter().collect();
    monitors.sort_by_key(|monitor| (monitor.x, monitor.y, monitor.id));
    monitors
}

/// The map's size in rem: as large as fits, in the proportions of the whole picture.
pub(crate) fn size(layout: &Layout) -> (f64, f64) {
    let (width, height) = (f64::from(layout.width.max(1)), f64::from(layout.height.max(1)));
    let factor = (MOST.0 / width).min(MOST.1 / height);
    (width * factor, height * factor)
}

/// Where this monitor lies on the map.
pub(crate) fn place(layout: &Layout, monitor: &Monitor) -> Place {
    let part = |value: u16, whole: u16| 100.0 * f64::from(value) / f64::from(whole.max(1));
    Place {
        left: part(monitor.x, layout.width),
        top: part(monitor.y, layout.height),
        width: part(monitor.width, layout.width),
        height: part(monitor.height, layout.height),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn monitor(id: u8, (x, y): (u16, u16), (width, height): (u16, u16)) -> Monitor {
        Monitor { id, name: String::new(), x, y, width, height, scale_percent: 100, primary: id == 0 }
    }

    /// A laptop below to the right of a large one, and an upright one at the very left.
    fn three() -> Layout {
        Layout {
            width: 5000,
            height: 2000,
            monitors: vec![
                monitor(0, (1000, 0), (2500, 1250)),
                monitor(1, (3500, 1000), (1500, 1000)),
                monitor(2, (0, 0), (1000, 2000)),
            ],
        }
    }

    #[test]
    fn they_are_numbered_as_they_are_read() {
        let layout = three();
        let ids: Vec<_> = in_order(&layout).iter().map(|monitor| monitor.id).collect();
        assert_eq!(ids, [2, 0, 1]);
    }

    #[test]
    fn the_map_keeps_proportions_and_bounds() {
        for (width, height, expected) in [
            (5000, 2000, (17.0, 6.8)),
            (1000, 2000, (4.0, 8.0)),
            (16_384, 1, (17.0, 17.0 / 16_384.0)),
            (1, 1, (8.0, 8.0)),
            (0, 0, (8.0, 8.0)),
        ] {
            let (across, down) = size(&Layout { width, height, monitors: Vec::new() });
            assert!(
                (across - expected.0).abs() < 1e-9 && (down - expected.1).abs() < 1e-9,
                "{across} {down}"
            );
        }
    }

    #[test]
    fn places_are_parts_of_the_whole() {
        let layout = three();
        let expected = Place { left: 70.0, top: 50.0, width: 30.0, height: 50.0 };
        assert_eq!(place(&layout, &layout.monitors[1]), expected);
        let whole = Place { left: 0.0, top: 0.0, width: 100.0, height: 100.0 };
        let alone = Layout { width: 640, height: 480, monitors: vec![monitor(0, (0, 0), (640, 480))] };
        assert_eq!(place(&alone, &alone.monitors[0]), whole);
    }
}
