//! Which way what changed goes: as exact tiles where that is cheap, else by video. Pure: what a tile takes is asked of
//! an argument.

use std::time::Instant;

use nearhand_protocol::picture::{Area, Step};

use super::cells::Cells;
use super::region::{around, join};

/// Bytes of an update's step around a tile's.
pub(super) const STEP: usize = 12;
/// Up to this many pixels are tried as tiles, however dear they were not long ago: a character, a button, a line.
const SMALL: u32 = 8_192;
/// Boxes are joined where that adds no more pixels than this: about the step's bytes.
const JOIN_WASTE: u32 = 192;
/// More boxes than this are not tried in pairs.
const MOST_PAIRS: usize = 24;

/// What may go as tiles now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Bytes for everything together.
    pub(super) bytes: usize,
    /// Bytes for what is small, also where the above is used up.
    pub(super) small: usize,
    /// Pixels are moved with this look: what they leave open is to come with them, though it was dear not long ago.
    pub(super) moved: bool,
}

/// Pixels that are tried as tiles in one go, beside those that are all the same: some milliseconds of work, and then the
/// video is quicker.
const MOST_PIXELS: u32 = 262_144;
/// What is no longer than this took no work.
const EMPTY: usize = 16;

/// A tile and its coding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    /// Where it is.
    pub(super) area: Area,
    /// Its pixels: see [`nearhand_protocol::tile`].
    pub(super) coded: Vec<u8>,
}

impl Tile {
    /// As a step of an update.
    pub(super) fn step(&self) -> Step<'_> {
        Step::Tile { area: self.area, coded: &self.coded }
    }
}

/// Codes the pixels of an area; `None` where that takes more than so many bytes.
pub(super) type Code<'a> = &'a mut dyn FnMut(Area, usize) -> Option<Vec<u8>>;

/// Decides about everything that is damaged: returns what goes as tiles, and gives the rest to the video. What is small
/// goes at once; of what is not, all goes one way: two halves of one look would be seen one after the other.
pub(super) fn decide(cells: &mut Cells, now: Instant, limits: Limits, code: Code<'_>) -> Vec<Tile> {
    let mut groups: Vec<(Vec<usize>, Vec<Area>, u32)> = cells
        .groups()
        .into_iter()
        .map(|group| {
            let areas = outline(cells, &group);
            let pixels = areas.iter().map(|area| area.pixels()).sum();
            (group, areas, pixels)
        })
        .collect();
    groups.sort_by_key(|(_, _, pixels)| *pixels);
    let mut tiles = Vec::new();
    let mut large = Vec::new();
    let mut video = false;
    let mut left = limits.bytes;
    let mut work = MOST_PIXELS;
    for (group, areas, pixels) in groups {
        let small = pixels <= SMALL;
        let dear = group.iter().filter(|index| cells.is_dear(**index, now)).count();
        if !small && !limits.moved && dear * 2 >= group.len() {
            cells.give_to_video(&group);
            video = true;
            continue;
        }
        let allowed = if small { left.max(limits.small) } else { left };
        if let Some(coded) = try_tiles(&areas, allowed, &mut work, code) {
            let bytes: usize = coded.iter().map(|tile| tile.coded.len() + STEP).sum();
            left = left.saturating_sub(bytes);
            cells.cheap(&group);
            if small {
                tiles.extend(coded);
            } else {
                large.push((group, coded));
            }
        } else {
            cells.dear(&group, now);
            cells.give_to_video(&group);
            video = true;
        }
    }
    for (group, coded) in large {
        if video {
            cells.give_to_video(&group);
        } else {
            tiles.extend(coded);
        }
    }
    tiles
}

fn try_tiles(areas: &[Area], allowed: usize, work: &mut u32, code: Code<'_>) -> Option<Vec<Tile>> {
    let mut left = allowed;
    let mut tiles = Vec::with_capacity(areas.len());
    for area in areas {
        left = left.checked_sub(STEP)?;
        let coded = code(*area, left)?;
        left = left.checked_sub(coded.len())?;
        if coded.len() > EMPTY {
            *work = work.checked_sub(area.pixels())?;
        }
        tiles.push(Tile { area: *area, coded });
    }
    Some(tiles)
}

/// Few rectangles that cover what is due of these cells, and may be painted there.
fn outline(cells: &Cells, group: &[usize]) -> Vec<Area> {
    let mut areas = join(group.iter().filter_map(|index| cells.due(*index)));
    if areas.len() > MOST_PAIRS {
        return areas;
    }
    'again: loop {
        for a in 0..areas.len() {
            for b in a + 1..areas.len() {
                let all = around(areas[a], areas[b]);
                let waste = all.pixels().saturating_sub(areas[a].pixels() + areas[b].pixels());
                if waste <= JOIN_WASTE && all.pixels() <= SMALL && cells.takes(all) {
                    areas[a] = all;
                    areas.swap_remove(b);
                    continue 'again;
                }
            }
        }
        return areas;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::region::Grid;
    use super::*;

    const GRID: Grid = Grid { width: 1920, height: 1080 };
    const LIMITS: Limits = Limits { bytes: 16_000, small: 1_100, moved: false };

    fn exact() -> Cells {
        let mut cells = Cells::new(GRID);
        cells.tile(GRID.all(), 1);
        cells
    }

    /// Codes everything with so many bits for each pixel.
    fn coder(bits: usize) -> impl FnMut(Area, usize) -> Option<Vec<u8>> {
        move |area, most| {
            let bytes = area.pixels() as usize * bits / 8 + 5;
            (bytes <= most).then(|| vec![0; bytes])
        }
    }

    #[test]
    fn each_way_by_what_it_takes() {
        let now = Instant::now();
        for (name, area, bits, by_tiles) in [
            ("a typed character", Area::new(500, 300, 9, 16), 4, true),
            ("a time code", Area::new(448, 4, 1024, 32), 1, true),
            ("a window of another colour", Area::new(100, 100, 800, 600), 0, true),
            ("a menu", Area::new(0, 30, 200, 400), 1, true),
            ("a film", Area::new(100, 100, 640, 480), 8, false),
            ("a page of text", Area::new(160, 90, 1600, 900), 2, false),
            ("everything, another colour", GRID.all(), 0, true),
        ] {
            let mut cells = exact();
            cells.change(area, now);
            let tiles = decide(&mut cells, now, LIMITS, &mut coder(bits));
            assert_eq!(!tiles.is_empty(), by_tiles, "{name}");
            assert_eq!(cells.by_video().count() == 0, by_tiles, "{name}");
        }
    }

    #[test]
    fn one_look_goes_one_way_but_for_what_is_small() {
        let now = Instant::now();
        let mut cells = exact();
        cells.change(Area::new(0, 0, 300, 200), now);
        cells.change(Area::new(640, 0, 640, 480), now);
        cells.change(Area::new(100, 640, 9, 16), now);
        let dear = |area: Area| area.pixels() > 200_000;
        let tiles = decide(&mut cells, now, LIMITS, &mut |area, _| (!dear(area)).then(|| vec![0; 40]));
        assert_eq!(tiles.iter().map(|tile| tile.area).collect::<Vec<_>>(), [Area::new(100, 640, 9, 16)]);
        assert!(cells.by_video().any(|cell| cell == 0), "the quiet half of the look waits for the other");
    }

    #[test]
    fn a_character_is_one_small_tile_wherever_it_lies() {
        let now = Instant::now();
        for x in 40..70 {
            let mut cells = exact();
            cells.change(Area::new(x, 120, 10, 18), now);
            let tiles = decide(&mut cells, now, LIMITS, &mut coder(4));
            assert_eq!(tiles.iter().map(|tile| tile.area).collect::<Vec<_>>(), [Area::new(x, 120, 10, 18)]);
        }
    }

    #[test]
    fn what_shows_video_is_painted_whole() {
        let now = Instant::now();
        let mut cells = exact();
        cells.frame(&[31], 2);
        cells.change(Area::new(100, 100, 3, 3), now);
        let tiles = decide(&mut cells, now, LIMITS, &mut coder(1));
        assert_eq!(tiles[0].area, GRID.cell(31));
    }

    #[test]
    fn typing_goes_on_beside_a_film() {
        let now = Instant::now();
        let mut cells = exact();
        for frame in 0..50 {
            let now = now + Duration::from_millis(33) * frame;
            cells.change(Area::new(1200, 600, 640, 480), now);
            cells.change(Area::new(100 + 10 * frame as u16, 100, 9, 16), now);
            let tiles = decide(&mut cells, now, LIMITS, &mut coder(8));
            assert_eq!(tiles.len(), 1, "the character");
            let film: Vec<usize> = cells.by_video().collect();
            assert!(film.len() >= 80);
            cells.tile(tiles[0].area, 2 * frame + 2);
            cells.frame(&film, 2 * frame + 3);
        }
    }

    #[test]
    fn dear_areas_are_not_tried_each_time_and_cheap_ones_come_back() {
        let start = Instant::now();
        let mut cells = exact();
        let mut tried = 0;
        for frame in 0..100 {
            let now = start + Duration::from_millis(33) * frame;
            cells.change(Area::new(0, 0, 640, 480), now);
            let tiles = decide(&mut cells, now, LIMITS, &mut |_, _| {
                tried += 1;
                None
            });
            assert!(tiles.is_empty());
        }
        assert!((3..=8).contains(&tried), "{tried}");
        let now = start + Duration::from_secs(5);
        cells.change(Area::new(0, 0, 640, 480), now);
        assert!(!decide(&mut cells, now, LIMITS, &mut coder(0)).is_empty());
        cells.change(Area::new(0, 0, 640, 480), now);
        assert!(!decide(&mut cells, now, LIMITS, &mut coder(0)).is_empty());
    }

    #[test]
    fn what_is_small_goes_also_where_nothing_is_left() {
        let now = Instant::now();
        let mut cells = exact();
        cells.change(Area::new(10, 10, 9, 16), now);
        let none = Limits { bytes: 0, ..LIMITS };
        assert_eq!(decide(&mut cells, now, none, &mut coder(4)).len(), 1);
        cells.change(Area::new(10, 10, 300, 300), now);
        assert_eq!(decide(&mut cells, now, none, &mut coder(4)).len(), 0);
    }
}
