use std::time::Instant;

use proptest::prelude::*;

use super::*;

/// A picture that can be drawn on.
#[derive(Clone)]
struct Canvas {
    width: u32,
    height: u32,
    pixels: Vec<u32>,
}

impl Canvas {
    fn new(width: u32, height: u32, colour: u32) -> Self {
        Self { width, height, pixels: vec![colour; (width * height) as usize] }
    }

    fn fill(&mut self, rect: Rect, mut colour: impl FnMut(u32, u32) -> u32) {
        for y in rect.y..(rect.y + rect.height).min(self.height) {
            for x in rect.x..(rect.x + rect.width).min(self.width) {
                self.pixels[(y * self.width + x) as usize] = colour(x - rect.x, y - rect.y);
            }
        }
    }

    /// Lines of something like text, each different, from the given line on.
    fn text(&mut self, rect: Rect, first_line: u32) {
        self.lines(rect, first_line * LINE);
    }

    fn lines(&mut self, rect: Rect, scrolled: u32) {
        self.fill(rect, |x, y| {
            let (line, row) = ((y + scrolled) / LINE, (y + scrolled) % LINE);
            let letter = hash(line * 1000 + x / 8);
            let ink = row > 3 && row < 14 && !letter.is_multiple_of(5) && x % 8 != 7;
            let on = ink && hash(letter % 26 * 977 + row * 8 + x % 8).is_multiple_of(2);
            if on { 0x0020_2020 } else { 0x00ff_ffff }
        });
    }

    fn bytes(&self) -> Vec<u8> {
        self.pixels.iter().flat_map(|pixel| pixel.to_le_bytes()).collect()
    }

    fn all(&self) -> Rect {
        Rect::new(0, 0, self.width, self.height)
    }

    /// As the viewer does it: one move after the other, then the rest.
    fn apply(&mut self, change: &Change, new: &Self) {
        for one in &change.moves {
            let from = self.clone();
            let (from_x, from_y) = (one.from_x, one.from_y);
            self.fill(one.to, |x, y| from.pixels[((from_y + y) * from.width + from_x + x) as usize]);
        }
        for rect in &change.rest {
            self.fill(*rect, |x, y| new.pixels[((rect.y + y) * new.width + rect.x + x) as usize]);
        }
    }
}

/// Rows from one line of text to the next.
const LINE: u32 = 17;

fn hash(number: u32) -> u32 {
    let mixed = (number ^ number >> 15).wrapping_mul(0x2c1b_3c6d);
    (mixed ^ mixed >> 12).wrapping_mul(0x297a_2d39) >> 8
}

/// What is found between the two, checked: it leads from one to the other.
fn found(old: &Canvas, new: &Canvas, damage: &[Rect]) -> Change {
    let mut finder = Finder::default();
    give(&mut finder, old, &[]);
    checked(&mut finder, old, new, damage)
}

fn give(finder: &mut Finder, canvas: &Canvas, damage: &[Rect]) -> Change {
    let bgra = canvas.bytes();
    let pixels =
        Pixels { bgra: &bgra, stride: canvas.width as usize * 4, width: canvas.width, height: canvas.height };
    finder.find(pixels, damage)
}

fn checked(finder: &mut Finder, old: &Canvas, new: &Canvas, damage: &[Rect]) -> Change {
    let change = give(finder, new, damage);
    let mut canvas = old.clone();
    canvas.apply(&change, new);
    let differing = canvas.pixels.iter().zip(&new.pixels).position(|(is, should)| is != should);
    let differing = differing.map(|at| (at as u32 % new.width, at as u32 / new.width));
    assert_eq!(differing, None, "{change:?}");
    change
}

/// Pixels of the rest.
fn rest(change: &Change) -> u64 {
    change.rest.iter().map(Rect::area).sum()
}

#[test]
fn scrolled_text_is_one_move() {
    for lines in [1, 3, 20] {
        let (mut old, mut new) = (Canvas::new(700, 500, 0x00c0_c0c0), Canvas::new(700, 500, 0x00c0_c0c0));
        let pane = Rect::new(30, 40, 640, 425);
        old.text(pane, 5);
        new.text(pane, 5 + lines);
        for (old, new, from_y, to_y) in
            [(&old, &new, 40 + lines * LINE, 40), (&new, &old, 40, 40 + lines * LINE)]
        {
            let change = found(old, new, &[pane]);
            let to = Rect::new(30, to_y, 640, 425 - lines * LINE);
            assert_eq!(change.moves, [Move { from_x: 30, from_y, to }], "{lines} lines");
            assert!(rest(&change) <= u64::from(640 * (lines * LINE + 32)), "{:?}", change.rest);
        }
    }
}

#[test]
fn text_scrolls_sideways() {
    let mut wide = Canvas::new(900, 400, 0);
    wide.text(wide.all(), 0);
    let view = |from: u32| {
        let mut canvas = Canvas::new(600, 400, 0);
        canvas.fill(canvas.all(), |x, y| wide.pixels[(y * 900 + from + x) as usize]);
        canvas
    };
    let change = found(&view(10), &view(263), &[Rect::new(0, 0, 600, 400)]);
    assert_eq!(change.moves, [Move { from_x: 253, from_y: 0, to: Rect::new(0, 0, 347, 400) }]);
}

#[test]
fn what_changes_beside_scrolled_text_is_the_rest() {
    let (mut old, mut new) = (Canvas::new(800, 600, 0x0044_4444), Canvas::new(800, 600, 0x0044_4444));
    let pane = Rect::new(0, 30, 780, 560);
    old.text(pane, 0);
    new.text(pane, 2);
    // A scroll bar, a clock above, and a box in the middle that stays where it is.
    for (canvas, at, time) in [(&mut old, 40, 1), (&mut new, 55, 2)] {
        canvas.fill(Rect::new(784, at, 12, 200), |_, _| 0x00aa_aaaa);
        canvas.fill(Rect::new(700, 4, 60, 16), |x, y| hash(x * 99 + y + time * 7777));
        canvas.fill(Rect::new(300, 250, 40, 40), |x, y| x * y * 1000);
    }
    // The damage is one rectangle around all of it.
    let change = found(&old, &new, &[old.all()]);
    let moved: u64 = change.moves.iter().map(|one| one.to.area()).sum();
    assert!(moved > 350_000, "{change:?}");
    assert!(change.moves.iter().all(|one| one.from_x == one.to.x && one.from_y == one.to.y + 34));
    assert!(rest(&change) < 70_000, "{} {:?}", rest(&change), change.rest);
}

#[test]
fn a_dragged_window_is_followed() {
    let desktop = |at: (u32, u32)| {
        let mut canvas = Canvas::new(1280, 900, 0);
        canvas.fill(canvas.all(), |x, y| if (x ^ y) & 8 == 0 { 0x0030_5080 } else { 0x0038_5888 });
        let window = Rect::new(at.0, at.1, 800, 600);
        canvas.fill(window, |_, _| 0x00f0_f0f0);
        canvas.text(Rect::new(at.0 + 4, at.1 + 24, 700, 500), 0);
        canvas
    };
    let mut finder = Finder::default();
    let places = [(100, 100), (131, 112), (167, 90), (60, 90), (60, 91), (61, 91), (150, 180)];
    give(&mut finder, &desktop(places[0]), &[]);
    for pair in places.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let damage = Rect::new(from.0, from.1, 800, 600).union(&Rect::new(to.0, to.1, 800, 600));
        let change = checked(&mut finder, &desktop(from), &desktop(to), &[damage]);
        assert!(!change.moves.is_empty(), "{pair:?}");
        let one = change.moves[0];
        assert_eq!(
            (one.to.x - one.from_x.min(one.to.x), one.to.x.max(one.from_x) - one.to.x),
            (to.0.saturating_sub(from.0), from.0.saturating_sub(to.0))
        );
        assert!(one.to.width >= 800 && one.to.height >= 600, "{one:?}");
        assert!(rest(&change) < damage.area() - 480_000 + 30_000, "{} of {}", rest(&change), damage.area());
    }
}

#[test]
fn what_is_new_comes_from_nowhere() {
    let mut old = Canvas::new(640, 480, 0);
    old.text(old.all(), 0);
    let mut new = old.clone();
    let place = Rect::new(100, 100, 300, 200);
    new.fill(place, |x, y| hash(x + y * 1000));
    let change = found(&old, &new, &[new.all()]);
    assert_eq!(change.moves, []);
    assert!(rest(&change) < place.area() + 20_000, "{:?}", change.rest);
    // Flat colours are nothing to move.
    let mut flat = old.clone();
    flat.fill(place, |_, _| 0x00ff_0000);
    assert_eq!(found(&old, &flat, &[flat.all()]).moves, []);
    // One glyph is cheaper than any move.
    let mut typed = old.clone();
    typed.fill(Rect::new(80, 85, 8, 17), |x, y| if (x * y).is_multiple_of(3) { 0 } else { 0x00ff_ffff });
    let change = found(&old, &typed, &[Rect::new(80, 85, 8, 17)]);
    assert_eq!((change.moves.len(), rest(&change)), (0, 8 * 17));
}

#[test]
fn nothing_changed_is_no_rest() {
    let mut old = Canvas::new(300, 200, 0);
    old.text(old.all(), 0);
    assert_eq!(found(&old, &old, &[old.all()]), Change::default());
    assert_eq!(found(&old, &old, &[]), Change::default());
}

#[test]
fn another_size_begins_anew() {
    let mut finder = Finder::default();
    let (small, large) = (Canvas::new(3, 1, 7), Canvas::new(40, 30, 7));
    for canvas in [&small, &large, &small] {
        let change = give(&mut finder, canvas, &[]);
        assert_eq!(change, Change { moves: Vec::new(), rest: vec![canvas.all()] });
    }
    assert_eq!(give(&mut finder, &small, &[Rect::new(2, 0, 900, 900)]), Change::default());
}

/// Something that happens on a desktop.
#[derive(Clone, Debug)]
enum Happening {
    Copy { from: (u32, u32), to: (u32, u32), size: (u32, u32) },
    Text(Rect, u32),
    Noise(Rect, u32),
    Flat(Rect, u32),
}

fn happening() -> impl Strategy<Value = Happening> {
    let rect =
        || (0_u32..200, 0_u32..150, 1_u32..200, 1_u32..150).prop_map(|(x, y, w, h)| Rect::new(x, y, w, h));
    prop_oneof![
        4 => ((0_u32..200, 0_u32..150), (0_u32..200, 0_u32..150), (1_u32..200, 1_u32..150))
            .prop_map(|(from, to, size)| Happening::Copy { from, to, size }),
        2 => (rect(), 0_u32..40).prop_map(|(rect, line)| Happening::Text(rect, line)),
        1 => (rect(), any::<u32>()).prop_map(|(rect, seed)| Happening::Noise(rect, seed)),
        1 => (rect(), any::<u32>()).prop_map(|(rect, colour)| Happening::Flat(rect, colour)),
    ]
}

fn happen(canvas: &mut Canvas, happening: &Happening) -> Option<Rect> {
    let rect = match *happening {
        Happening::Copy { from, to, size } => {
            let width = size.0.min(canvas.width.saturating_sub(from.0.max(to.0)));
            let height = size.1.min(canvas.height.saturating_sub(from.1.max(to.1)));
            let before = canvas.clone();
            let to = Rect::new(to.0, to.1, width, height);
            canvas.fill(to, |x, y| before.pixels[((from.1 + y) * before.width + from.0 + x) as usize]);
            to
        }
        Happening::Text(rect, line) => {
            canvas.text(rect, line);
            rect
        }
        Happening::Noise(rect, seed) => {
            canvas.fill(rect, |x, y| hash(seed ^ (x + y * 512)));
            rect
        }
        Happening::Flat(rect, colour) => {
            canvas.fill(rect, |_, _| colour);
            rect
        }
    };
    rect.clip(canvas.width, canvas.height)
}

proptest! {
    #[test]
    fn what_is_claimed_is_true(
        (width, height) in (1_u32..260, 1_u32..200),
        frames in prop::collection::vec((prop::collection::vec(happening(), 0..5), any::<bool>()), 1..6),
    ) {
        let mut old = Canvas::new(width, height, 0x00ff_ffff);
        old.text(Rect::new(0, 0, width, height), 0);
        let mut finder = Finder::default();
        give(&mut finder, &old, &[]);
        for (happenings, merged) in frames {
            let mut new = old.clone();
            let mut damage: Vec<Rect> = happenings.iter().filter_map(|one| happen(&mut new, one)).collect();
            if merged {
                damage = damage.into_iter().reduce(|all, rect| all.union(&rect)).into_iter().collect();
            }
            let change = checked(&mut finder, &old, &new, &damage);
            prop_assert!(change.moves.len() <= MAX_MOVES);
            for one in &change.moves {
                let from = Rect::new(one.from_x, one.from_y, one.to.width, one.to.height);
                prop_assert_eq!(from.clip(width, height), Some(from));
                prop_assert_eq!(one.to.clip(width, height), Some(one.to));
            }
            old = new;
        }
    }
}

/// `cargo test --release -p nearhand-host moves -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn takes() {
    let median = |mut times: Vec<u128>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let measure = |name: &str, frames: &[Canvas], damage: &[Rect]| {
        let bytes: Vec<Vec<u8>> = frames.iter().map(Canvas::bytes).collect();
        let (width, height) = (frames[0].width, frames[0].height);
        let pixels = |at: usize| Pixels { bgra: &bytes[at], stride: width as usize * 4, width, height };
        let mut finder = Finder::default();
        finder.find(pixels(0), &[]);
        let (mut times, mut moved, mut rest_pixels) = (Vec::new(), 0, 0);
        for at in (1..frames.len()).cycle().take(30) {
            finder.find(pixels(at - 1), &[frames[0].all()]);
            let begin = Instant::now();
            let change = finder.find(pixels(at), damage);
            times.push(begin.elapsed().as_micros());
            moved = change.moves.iter().map(|one| one.to.area()).sum();
            rest_pixels = rest(&change);
        }
        println!("{name:<40} {:>8} us, moved {moved:>9}, rest {rest_pixels:>9}", median(times));
    };
    let pane = Rect::new(100, 90, 1600, 900);
    let scroll: Vec<Canvas> = (0..3)
        .map(|step| {
            let mut canvas = Canvas::new(1920, 1080, 0x0030_3030);
            canvas.text(pane, step * 3);
            canvas
        })
        .collect();
    measure("scroll 1600x900", &scroll, &[pane]);
    let drag: Vec<Canvas> = [(300, 200), (313, 207), (340, 199)]
        .into_iter()
        .map(|(x, y)| {
            let mut canvas = Canvas::new(1920, 1080, 0);
            canvas.fill(canvas.all(), |x, y| if (x ^ y) & 8 == 0 { 0x0030_5080 } else { 0x0038_5888 });
            canvas.text(Rect::new(x, y, 800, 600), 0);
            canvas
        })
        .collect();
    measure("drag 800x600", &drag, &[Rect::new(300, 199, 840, 608)]);
    let noise: Vec<Canvas> = (0..3)
        .map(|step| {
            let mut canvas = Canvas::new(1920, 1080, 0x0030_3030);
            canvas.fill(pane, |x, y| hash(hash(step * 77) ^ (x + y * 2048)));
            canvas
        })
        .collect();
    measure("video 1600x900", &noise, &[pane]);
    measure("nothing changed 1600x900", &[scroll[0].clone(), scroll[0].clone()], &[pane]);
    let huge: Vec<Canvas> = (0..2)
        .map(|step| {
            let mut canvas = Canvas::new(7680, 4320, 0);
            canvas.text(canvas.all(), step * 3);
            canvas
        })
        .collect();
    measure("scroll 7680x4320", &huge, &[huge[0].all()]);
}
