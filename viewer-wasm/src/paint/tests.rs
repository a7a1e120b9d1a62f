//! Single rules here; all of them together, with a host over a bad line, in `line`.

mod line;

use nearhand_protocol::picture::{CELL, Cells};

use super::*;

/// A canvas of plain pixels: `0xrrggbb`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Pixels {
    width: u16,
    height: u16,
    at: Vec<u32>,
    frame: Option<Box<Pixels>>,
}

impl Pixels {
    fn new(width: u16, height: u16, color: u32) -> Self {
        Self { width, height, at: vec![color; usize::from(width) * usize::from(height)], frame: None }
    }

    fn index(&self, x: u16, y: u16) -> usize {
        usize::from(y) * usize::from(self.width) + usize::from(x)
    }

    fn get(&self, x: u16, y: u16) -> u32 {
        self.at[self.index(x, y)]
    }

    fn fill(&mut self, area: Area, mut color: impl FnMut(u16, u16) -> u32) {
        for y in area.y..area.bottom() as u16 {
            for x in area.x..area.right() as u16 {
                let index = self.index(x, y);
                self.at[index] = color(x, y);
            }
        }
    }

    fn move_within(&mut self, from: Area, to: Area) {
        let before = self.clone();
        self.fill(to, |x, y| before.get(x - to.x + from.x, y - to.y + from.y));
    }

    /// As a tile.
    fn coded(&self, area: Area) -> Vec<u8> {
        let mut bgra = Vec::new();
        for y in area.y..area.bottom() as u16 {
            for x in area.x..area.right() as u16 {
                bgra.extend(self.get(x, y).to_le_bytes());
            }
        }
        let mut coded = Vec::new();
        nearhand_protocol::tile::encode(
            &bgra,
            usize::from(area.width) * 4,
            area.width,
            area.height,
            &mut coded,
        );
        coded
    }
}

impl Canvas for Pixels {
    fn tile(&mut self, area: Area, coded: &[u8], parts: &[Area]) -> Result<(), TileError> {
        let mut rgba = Vec::new();
        nearhand_protocol::tile::decode(coded, area.width, area.height, &mut rgba)?;
        for part in parts {
            assert!(common(*part, area) == Some(*part), "a part of the tile");
            self.fill(*part, |x, y| {
                let at = (usize::from(y - area.y) * usize::from(area.width) + usize::from(x - area.x)) * 4;
                u32::from_be_bytes([0, rgba[at], rgba[at + 1], rgba[at + 2]])
            });
        }
        Ok(())
    }

    fn copy(&mut self, from: Area, to: Area) {
        self.move_within(from, to);
    }

    fn frame(&mut self, width: u16, height: u16, parts: &[Area]) -> bool {
        let Some(frame) = self.frame.clone() else { return false };
        assert!(width > 0 && height > 0);
        for part in parts {
            self.fill(*part, |x, y| frame.get(x, y));
        }
        true
    }
}

const SIDE: u16 = CELL * 3;

struct Bench {
    painter: Painter,
    pixels: Pixels,
    now_ms: f64,
}

impl Bench {
    fn new() -> Self {
        let mut bench = Self { painter: Painter::new(), pixels: Pixels::new(SIDE, SIDE, 0), now_ms: 0.0 };
        assert_eq!(bench.painter.view(view(1), 0.0, &mut bench.pixels), 0);
        bench
    }

    fn update(&mut self, number: u32, steps: Vec<Step<'_>>) -> Result<(), WireError> {
        self.update_of(1, number, steps)
    }

    fn update_of(&mut self, view: u8, number: u32, steps: Vec<Step<'_>>) -> Result<(), WireError> {
        let bytes = wire::encode(&Update { view, number, steps }).unwrap();
        self.painter.update(&bytes, self.now_ms, &mut self.pixels)
    }

    /// Whether it painted anything.
    fn frame(&mut self, timestamp: u32, color: u32) -> bool {
        self.pixels.frame = Some(Box::new(Pixels::new(SIDE, SIDE, color)));
        let before = self.pixels.at.clone();
        self.painter.frame(timestamp, self.now_ms, &mut self.pixels).unwrap();
        self.pixels.at != before
    }

    fn later(&mut self, ms: f64) {
        self.now_ms += ms;
        self.painter.tick(self.now_ms, &mut self.pixels).unwrap();
    }

    /// What the host would hear of these updates by now.
    fn told(&self, numbers: &[u32]) -> Vec<bool> {
        let painted = self.painter.history.told();
        numbers.iter().map(|number| painted.tells(*number).unwrap()).collect()
    }
}

fn view(number: u8) -> View {
    View { number, monitor: None, area: Area::new(0, 0, SIDE, SIDE) }
}

fn tile(area: Area, color: u8) -> (Area, Vec<u8>) {
    // One colour: see `nearhand_protocol::tile`.
    (area, vec![1, 0, 0, color])
}

const fn step((area, coded): &(Area, Vec<u8>)) -> Step<'_> {
    Step::Tile { area: *area, coded: coded.as_slice() }
}

fn frame(timestamp: u32, cells: &[usize]) -> Step<'static> {
    let cells = Cells::from_flags((0..9).map(|cell| cells.contains(&cell)));
    Step::Frame { timestamp, width: SIDE, height: SIDE, cells }
}

const fn shift(since: u32, from: (u16, u16), to: Area) -> Step<'static> {
    Step::Move { since, from_x: from.0, from_y: from.1, to }
}

const CELL_0: Area = Area::new(0, 0, CELL, CELL);
const CELL_1: Area = Area::new(CELL, 0, CELL, CELL);

#[test]
fn tiles_paint_in_the_order_of_their_numbers() {
    let mut bench = Bench::new();
    let (new, old) = (tile(Area::new(0, 0, 8, 8), 2), tile(Area::new(4, 4, 8, 8), 1));
    bench.update(2, vec![step(&new)]).unwrap();
    bench.update(1, vec![step(&old)]).unwrap();
    assert_eq!((bench.pixels.get(5, 5), bench.pixels.get(10, 10)), (2, 0), "the old one is not painted");
    assert_eq!(bench.told(&[1, 2]), [false, true]);
    let both = [tile(Area::new(0, 0, 8, 8), 3), tile(Area::new(0, 0, 4, 4), 4)];
    bench.update(3, both.iter().map(step).collect()).unwrap();
    assert_eq!((bench.pixels.get(0, 0), bench.pixels.get(7, 7)), (4, 3), "one update's steps in their order");
    let whole = tile(CELL_0, 6);
    bench.update(5, vec![step(&whole)]).unwrap();
    bench.update(4, vec![step(&tile(Area::new(0, 0, 100, 8), 5))]).unwrap();
    assert_eq!(
        (bench.pixels.get(0, 0), bench.pixels.get(70, 0)),
        (6, 5),
        "what is covered whole is not missed"
    );
    assert_eq!(bench.told(&[4, 5]), [true, true]);
    bench.update(5, vec![step(&tile(CELL_0, 9))]).unwrap();
    assert_eq!(bench.pixels.get(0, 0), 6, "the same number twice");
}

#[test]
fn a_frame_paints_the_cells_that_are_named_and_nothing_else() {
    let mut bench = Bench::new();
    bench.update(1, vec![frame(1000, &[1, 4])]).unwrap();
    assert_eq!(bench.painter.due_ms(), None, "an awaited frame needs no timer");
    assert!(!bench.frame(999, 7), "an older one is not meant");
    assert!(bench.frame(1000, 8));
    assert_eq!([0, 64, 128].map(|x| bench.pixels.get(x, 0)), [0, 8, 0]);
    assert_eq!(bench.pixels.get(64, 64), 8);
    assert!(!bench.frame(1001, 9), "nobody asked");
    assert_eq!(bench.told(&[1]), [true]);
    // The first of them is lost: the next one paints for both.
    bench.update(2, vec![frame(2000, &[0])]).unwrap();
    bench.update(3, vec![frame(3000, &[1])]).unwrap();
    assert!(bench.frame(3000, 10));
    assert_eq!([0, 64].map(|x| bench.pixels.get(x, 0)), [10, 10]);
    // Its update comes late.
    bench.frame(u32::MAX, 11);
    bench.update(4, vec![frame(u32::MAX - 5, &[2])]).unwrap();
    assert_eq!(bench.pixels.get(128, 0), 11);
    bench.update(5, vec![frame(4, &[2])]).unwrap();
    assert!(bench.frame(5, 12), "timestamps wrap around");
    assert_eq!(bench.told(&[1, 2, 3, 4, 5]), [true; 5]);
    bench.painter.forget_frame();
    bench.update(6, vec![frame(5, &[2])]).unwrap();
    assert_eq!(bench.told(&[6]), [false], "it is not held any more");
}

#[test]
fn a_tile_stays_when_the_frame_of_an_older_update_comes() {
    let mut bench = Bench::new();
    bench.update(1, vec![frame(1000, &[0, 1])]).unwrap();
    let typed = [tile(Area::new(10, 10, 5, 5), 1), tile(Area::new(12, 12, 60, 5), 2)];
    bench.update(2, typed.iter().map(step).collect()).unwrap();
    assert_eq!(bench.pixels.get(10, 10), 1, "at once");
    assert!(bench.frame(1000, 9));
    let found = [(10, 10), (12, 12), (71, 12), (9, 10), (72, 12), (0, 0), (127, 63)];
    assert_eq!(found.map(|(x, y)| bench.pixels.get(x, y)), [1, 2, 2, 9, 9, 9, 9]);
    assert_eq!(bench.told(&[1, 2]), [true, true]);
}

#[test]
fn a_tile_stays_when_an_older_update_comes_after_it() {
    for frame_first in [true, false] {
        let mut bench = Bench::new();
        if frame_first {
            bench.frame(1000, 9);
        }
        bench.update(2, vec![step(&tile(Area::new(10, 10, 5, 5), 1))]).unwrap();
        bench.update(1, vec![frame(1000, &[0, 1])]).unwrap();
        if !frame_first {
            bench.frame(1000, 9);
        }
        assert_eq!([(10, 10), (64, 0)].map(|(x, y)| bench.pixels.get(x, y)), [1, 9]);
        assert_eq!(bench.told(&[1, 2]), [false, true]);
    }
}

#[test]
fn too_much_painted_over_an_awaited_frame_is_given_up() {
    let mut bench = Bench::new();
    bench.update(1, vec![frame(1000, &[0, 1])]).unwrap();
    for number in 2..70 {
        let typed = tile(Area::new(number as u16 % 60, 0, 2, 2), 1);
        bench.update(number, vec![step(&typed)]).unwrap();
    }
    bench.frame(1000, 9);
    assert_eq!((bench.pixels.get(0, 63), bench.pixels.get(64, 0)), (0, 9), "the other cell is painted");
    assert_eq!(bench.told(&[1, 2]), [false, true]);
}

#[test]
fn moves_need_all_that_came_before_them() {
    let mut bench = Bench::new();
    let (one, two) = (tile(CELL_0, 1), tile(Area::new(0, 0, 8, 8), 2));
    bench.update(1, vec![step(&one)]).unwrap();
    bench.update(3, vec![shift(1, (0, 0), CELL_1)]).unwrap();
    assert_eq!(bench.pixels.get(64, 0), 0, "it waits");
    bench.update(2, vec![step(&two)]).unwrap();
    assert_eq!([(64, 0), (72, 0)].map(|(x, y)| bench.pixels.get(x, y)), [2, 1], "both came");
    assert_eq!(bench.told(&[1, 2, 3]), [true; 3]);
    bench.update(5, vec![shift(4, (0, 0), CELL_1), step(&one)]).unwrap();
    bench.later(WAIT_MS);
    assert_eq!(bench.told(&[4, 5]), [false, false], "what it builds on never came");
    assert_eq!(bench.pixels.get(0, 0), 1, "its other steps are painted");
    bench.update(6, vec![shift(5, (0, 0), CELL_1)]).unwrap();
    assert_eq!(bench.told(&[6]), [false], "nor is what builds on it");
    bench.update(7, vec![shift(7, (0, 0), CELL_1)]).unwrap();
    assert_eq!((bench.pixels.get(64, 0), bench.told(&[7])), (1, vec![true]), "the host knows of them by now");
}

#[test]
fn moves_wait_for_frames_of_what_they_copy() {
    let mut bench = Bench::new();
    bench.update(1, vec![frame(1000, &[0])]).unwrap();
    bench.update(2, vec![shift(1, (0, 0), CELL_1)]).unwrap();
    bench.update(3, vec![shift(1, (128, 128), Area::new(128, 0, 64, 64))]).unwrap();
    bench.later(WAIT_MS - 1.0);
    bench.frame(1000, 9);
    assert_eq!((bench.pixels.get(64, 0), bench.told(&[1, 2, 3])), (9, vec![true; 3]));
    // What a later frame shows may be moved already.
    bench.update(4, vec![frame(2000, &[0])]).unwrap();
    bench.frame(2001, 10);
    bench.later(LATE_MS);
    bench.update(5, vec![shift(4, (0, 0), CELL_1)]).unwrap();
    assert_eq!((bench.pixels.get(64, 0), bench.told(&[4, 5])), (9, vec![true, false]));
}

#[test]
fn what_one_update_changes_is_painted_at_once_with_its_frame() {
    let mut bench = Bench::new();
    let whole = |color| tile(Area::new(0, 0, SIDE, SIDE), color);
    bench.update(1, vec![step(&whole(1))]).unwrap();
    let (two, three, four) = (tile(CELL_0, 2), tile(CELL_1, 3), tile(Area::new(4, 4, 8, 8), 4));
    let to = Area::new(128, 0, 64, 64);
    bench.update(2, vec![shift(2, (64, 0), to), frame(1000, &[4]), step(&two)]).unwrap();
    // What comes later waits behind it where it is to paint or to copy from, and nowhere else.
    bench.update(3, vec![step(&four)]).unwrap();
    bench.update(4, vec![step(&three)]).unwrap();
    let seen = |bench: &Bench| [(20, 20), (4, 4), (64, 0), (64, 64)].map(|(x, y)| bench.pixels.get(x, y));
    assert_eq!(seen(&bench), [1, 1, 1, 1]);
    let beside = tile(Area::new(0, 128, 8, 8), 5);
    bench.update(5, vec![step(&beside)]).unwrap();
    assert_eq!(bench.pixels.get(0, 128), 5);
    bench.later(FRAME_MS - 1.0);
    assert_eq!(bench.painter.wanted(1000), Some((SIDE, SIDE, vec![Area::new(64, 64, 64, 64)])));
    assert_eq!(bench.painter.wanted(999), None);
    bench.frame(1000, 9);
    assert_eq!(seen(&bench), [2, 4, 3, 9]);
    assert_eq!(bench.told(&[1, 2, 3, 4, 5]), [true; 5]);
}

#[test]
fn what_waits_for_a_frame_that_does_not_come_is_painted_in_parts() {
    let mut bench = Bench::new();
    let (one, two) = (tile(CELL_0, 1), tile(CELL_0, 2));
    bench.update(1, vec![frame(1000, &[4]), step(&one)]).unwrap();
    bench.later(FRAME_MS / 2.0);
    bench.update(2, vec![step(&two)]).unwrap();
    assert_eq!(bench.painter.due_ms().filter(|due_ms| *due_ms > bench.now_ms), Some(FRAME_MS));
    bench.later(FRAME_MS / 2.0);
    assert_eq!(bench.pixels.get(0, 0), 2, "both, in their order");
    assert_eq!(bench.told(&[1, 2]), [false, true]);
    bench.frame(1003, 9);
    bench.later(LATE_MS);
    assert_eq!((bench.pixels.get(64, 64), bench.told(&[1])), (9, vec![true]));
}

#[test]
fn a_later_frame_is_not_painted_before_what_was_sent_before_it() {
    let mut bench = Bench::new();
    bench.update(1, vec![frame(1000, &[0, 1])]).unwrap();
    bench.frame(2000, 9);
    assert_eq!(bench.pixels.get(0, 0), 0, "whoever shows it has not said so");
    bench.update(2, vec![step(&tile(CELL_0, 1))]).unwrap();
    assert_eq!(bench.pixels.get(0, 0), 1);
    bench.update(3, vec![frame(2000, &[0])]).unwrap();
    assert_eq!([(0, 0), (64, 0)].map(|(x, y)| bench.pixels.get(x, y)), [9, 9]);
    assert_eq!(bench.told(&[1, 2, 3]), [true; 3]);
    // What says so may be lost.
    bench.update(4, vec![frame(3000, &[1])]).unwrap();
    bench.frame(4000, 10);
    assert!(bench.painter.due_ms().is_some_and(|due_ms| due_ms <= bench.now_ms + LATE_MS));
    bench.later(LATE_MS - 1.0);
    assert_eq!(bench.pixels.get(64, 0), 9);
    bench.later(1.0);
    assert_eq!((bench.pixels.get(64, 0), bench.told(&[4])), (10, vec![true]));
}

#[test]
fn moves_may_overlap_themselves() {
    let mut bench = Bench::new();
    for row in 0..SIDE / 8 {
        let line = tile(Area::new(0, row * 8, SIDE, 8), row as u8);
        bench.update(u32::from(row) + 1, vec![step(&line)]).unwrap();
    }
    bench.update(25, vec![shift(1, (0, 8), Area::new(0, 0, SIDE, SIDE - 8))]).unwrap();
    let rows: Vec<u32> = (0..SIDE / 8).map(|row| bench.pixels.get(7, row * 8)).collect();
    let expected: Vec<u32> = (1..24).chain([23]).collect();
    assert_eq!(rows, expected);
}

#[test]
fn updates_wait_for_their_view_and_old_ones_are_dropped() {
    let mut bench = Bench::new();
    let red = tile(CELL_0, 5);
    bench.update_of(2, 1, vec![step(&red)]).unwrap();
    bench.update_of(0, 2, vec![step(&red)]).unwrap();
    assert_eq!(bench.pixels.get(0, 0), 0);
    bench.painter.view(view(2), 0.0, &mut bench.pixels);
    assert_eq!(bench.pixels.get(0, 0), 5);
    assert_eq!(bench.told(&[1, 2]), [true, false]);
    for number in 3..100 {
        bench.update_of(4, number, vec![step(&tile(CELL_0, number as u8))]).unwrap();
    }
    assert_eq!(bench.painter.early.len(), MOST_EARLY);
    bench.painter.view(view(3), 0.0, &mut bench.pixels);
    assert_eq!((bench.pixels.get(0, 0), bench.painter.early.len()), (5, MOST_EARLY));
    bench.painter.view(view(4), 0.0, &mut bench.pixels);
    assert_eq!((bench.pixels.get(0, 0), bench.painter.early.len()), (99, 0));
    bench.painter.view(view(4), 0.0, &mut bench.pixels);
    assert_eq!(bench.painter.grid.may(0, Key::new(50, 0)), May::Skip, "the same view is no news");
}

#[test]
fn a_new_view_forgets_what_was_awaited() {
    let mut bench = Bench::new();
    bench.update(1, vec![frame(1000, &[0])]).unwrap();
    bench.update(3, vec![shift(2, (0, 0), CELL_1)]).unwrap();
    bench.painter.view(view(2), 0.0, &mut bench.pixels);
    assert!(!bench.frame(1000, 9));
    assert_eq!(bench.pixels.get(0, 0), 0);
    assert_eq!(bench.painter.due_ms().filter(|due_ms| *due_ms > 0.0), None);
}

#[test]
fn nonsense_is_an_error_and_changes_nothing() {
    let mut bench = Bench::new();
    let outside = tile(Area::new(SIDE - 4, 0, 8, 8), 1);
    let bomb: Vec<(Area, Vec<u8>)> = (0..200).map(|_| tile(Area::new(0, 0, SIDE, SIDE), 1)).collect();
    let short = (CELL_0, vec![0, 1, 2]);
    let wide = Step::Frame { timestamp: 1, width: SIDE + 1, height: 1, cells: Cells::from_flags([true]) };
    for (number, steps) in [
        vec![step(&outside)],
        bomb.iter().map(step).collect(),
        vec![shift(1, (0, 0), Area::new(SIDE - 4, 0, 8, 8))],
        vec![shift(1, (SIDE - 4, 0), CELL_0)],
        vec![shift(0, (0, 0), CELL_1)],
        vec![shift(1000, (0, 0), CELL_1)],
        vec![wide],
        vec![step(&short)],
    ]
    .into_iter()
    .enumerate()
    {
        let number = number as u32 + 1;
        assert!(bench.update(number, steps).is_err(), "{number}");
        assert_eq!(bench.told(&[number]), [false]);
    }
    assert!(bench.update(0, Vec::new()).is_err(), "they are counted from one");
    assert!(bench.painter.update(&[1, 2, 3], 0.0, &mut bench.pixels).is_err());
    assert!(bench.pixels.at.iter().all(|pixel| *pixel == 0));
}

#[test]
fn everything_that_waits_is_bounded() {
    let mut bench = Bench::new();
    for number in (2..2000).step_by(2) {
        bench.update(number, vec![frame(5000, &[0]), shift(number - 1, (0, 0), CELL_1)]).unwrap();
        bench.update(number + 101, vec![frame(5000, &[0])]).unwrap();
        assert!(bench.painter.awaited.len() <= MOST_AWAITED + 1, "{}", bench.painter.awaited.len());
        assert!(bench.painter.waiting.len() <= MOST_WAITING + 1);
    }
}
