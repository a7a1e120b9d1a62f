//! Striking pieces of what changed, and where they were before.

use nearhand_desktop::Rect;

use super::Pixels;

/// Pixels of a piece; it is one row high.
const PIECE: u32 = 16;
/// Rows below a piece that must have been below it before.
const CHECKED: [u32; 3] = [1, 3, 6];
/// Colour changes within a piece, at least: less is found everywhere.
const DETAIL: usize = 4;
/// Columns and rows of the grid in which pieces are looked for, one in each field.
const GRID: (u32, u32) = (6, 5);
/// Rows of a field, and places of each, where a piece is looked for.
const TRIES: (u32, u32) = (6, 24);
/// So many pieces that were nowhere before are enough: this is new, and moved from nowhere.
const ENOUGH: usize = 8;
/// How far away, along both axes at once, a piece is looked for. 96 pixels a frame are faster than the eye follows.
const NEAR: u32 = 96;
/// Pieces that are looked for along both axes at once: that takes four times as long as along each.
const FAR_SEARCHES: u32 = 4;
/// Places of one piece that are kept: text and patterns repeat.
const PLACES: usize = 48;
/// Places in a row that are ruled out together.
const BLOCK: usize = 32;
/// Pieces that went one way, and show that it is no accident.
const AGREED: usize = 2;

/// From where to where: what is added to the old place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    dx: i32,
    dy: i32,
}

impl Way {
    /// The place from which this one comes. It must lie within the picture.
    pub(super) const fn back(self, x: u32, y: u32) -> (u32, u32) {
        (x.wrapping_add_signed(-self.dx), y.wrapping_add_signed(-self.dy))
    }

    /// The part of this rectangle that comes from within the picture.
    pub(super) fn reach(self, to: Rect, width: u32, height: u32) -> Option<Rect> {
        let side = |at: u32, length: u32, by: i32, limit: u32| {
            let begin = i64::from(at).max(by.into()).max(0);
            let end = i64::from(at + length).min(i64::from(limit) + i64::from(by)).min(limit.into());
            (begin < end).then_some((begin as u32, (end - begin) as u32))
        };
        let (x, columns) = side(to.x, to.width, self.dx, width)?;
        let (y, rows) = side(to.y, to.height, self.dy, height)?;
        Some(Rect::new(x, y, columns, rows))
    }
}

/// A place of a piece in the new picture.
pub(super) type Seed = (u32, u32);

/// The ways that pieces of what changed may have gone.
#[derive(Debug, Default)]
pub(super) struct Ways {
    /// Each with the pieces that went that way; the likeliest first.
    found: Vec<(Way, Vec<Seed>)>,
}

impl Ways {
    /// Looks for pieces of `new` in `old`. `hints` are ways that are likely.
    pub(super) fn search(
        old: Pixels<'_>,
        new: Pixels<'_>,
        damage: &[Rect],
        all: Rect,
        hints: &[Way],
    ) -> Self {
        let mut ways = Self::default();
        let (mut nowhere, mut far) = (0, FAR_SEARCHES);
        let fields = GRID.0 * GRID.1;
        for step in 0..fields {
            // 7 has no divisor in common with the number of fields: neighbours are not tried one after the other.
            let field = step * 7 % fields;
            let Some(seed) = piece(old, new, damage, all, (field % GRID.0, field / GRID.0)) else { continue };
            let piece = Piece::new(old, new, seed);
            let known: Vec<Way> =
                ways.agreed().chain(hints.iter().copied()).filter(|way| piece.went(*way)).collect();
            let mut places = if known.is_empty() { piece.along_axes(all) } else { known };
            if places.is_empty() && far > 0 {
                far -= 1;
                places = piece.nearby(all);
            }
            nowhere += usize::from(places.is_empty());
            for way in places {
                ways.vote(way, seed);
            }
            if nowhere == ENOUGH && ways.agreed().next().is_none() {
                return Self::default();
            }
        }
        ways.found.sort_by_key(|(way, seeds)| (std::cmp::Reverse(seeds.len()), !hints.contains(way)));
        ways.found.truncate(4);
        ways
    }

    /// Pieces with the way that each may have gone, the likeliest first.
    pub(super) fn candidates(&self) -> impl Iterator<Item = (Seed, Way)> + '_ {
        // A few pieces of each are enough: those of one rectangle grow to the same one.
        self.found.iter().flat_map(|(way, seeds)| seeds.iter().take(4).map(|seed| (*seed, *way)))
    }

    /// This rectangle went that way: its pieces need no other explanation.
    pub(super) fn explained(&mut self, to: Rect, way: Way) {
        for (_, seeds) in &mut self.found {
            seeds.retain(|(x, y)| {
                !(to.x..to.x + to.width).contains(x) || !(to.y..to.y + to.height).contains(y)
            });
        }
        self.found.retain(|(_, seeds)| !seeds.is_empty());
        self.found.sort_by_key(|(other, seeds)| (*other != way, std::cmp::Reverse(seeds.len())));
    }

    /// Ways that more than one piece went.
    fn agreed(&self) -> impl Iterator<Item = Way> + '_ {
        self.found.iter().filter(|(_, seeds)| seeds.len() >= AGREED).map(|(way, _)| *way)
    }

    fn vote(&mut self, way: Way, seed: Seed) {
        match self.found.iter_mut().find(|(other, _)| *other == way) {
            Some((_, seeds)) if seeds.last() == Some(&seed) => {}
            Some((_, seeds)) => seeds.push(seed),
            None => self.found.push((way, vec![seed])),
        }
    }
}

/// A piece of the new picture, to be found in the old one.
struct Piece<'a> {
    old: Pixels<'a>,
    new: Pixels<'a>,
    seed: Seed,
    pixels: &'a [u8],
    /// Pixels of it by which most places are ruled out: those at its first and its last change of colour.
    keys: [(usize, u32); 4],
}

impl<'a> Piece<'a> {
    fn new(old: Pixels<'a>, new: Pixels<'a>, seed: Seed) -> Self {
        let pixels = new.run(seed.0, seed.1, PIECE);
        let changes = || (1..PIECE as usize).filter(|at| pixels[at * 4..][..4] != pixels[at * 4 - 4..][..4]);
        let (first, last) = (changes().next().unwrap_or(1), changes().next_back().unwrap_or(1));
        let keys = [first - 1, first, last - 1, last].map(|at| (at, pixel(&pixels[at * 4..])));
        Self { old, new, seed, pixels, keys }
    }

    /// Whether it was there, and what is below it too.
    fn was_at(&self, x: u32, y: u32) -> bool {
        self.old.run(x, y, PIECE) == self.pixels
            && CHECKED.iter().all(|below| {
                self.seed.1 + below >= self.new.height
                    || y + below >= self.old.height
                    || self.new.run(self.seed.0, self.seed.1 + below, PIECE)
                        == self.old.run(x, y + below, PIECE)
            })
    }

    fn went(&self, way: Way) -> bool {
        let (x, y) = self.seed;
        let reached = way.reach(Rect::new(x, y, PIECE, 1), self.old.width, self.old.height);
        let (from_x, from_y) = way.back(x, y);
        reached.is_some_and(|reached| reached.width == PIECE) && self.was_at(from_x, from_y)
    }

    fn way_from(&self, x: u32, y: u32) -> Way {
        Way { dx: self.seed.0 as i32 - x as i32, dy: self.seed.1 as i32 - y as i32 }
    }

    /// Where it was along the same column and the same row.
    fn along_axes(&self, all: Rect) -> Vec<Way> {
        let (x, y) = self.seed;
        let column = (all.y..all.y + all.height).filter(|from_y| self.was_at(x, *from_y));
        let mut ways: Vec<Way> = column.map(|from_y| self.way_from(x, from_y)).take(PLACES).collect();
        self.along(all.x, all.x + all.width, y, &mut ways);
        ways
    }

    /// Where it was not far from here.
    fn nearby(&self, all: Rect) -> Vec<Way> {
        let (x, y) = self.seed;
        let (left, right) = (x.saturating_sub(NEAR).max(all.x), (x + NEAR + PIECE).min(all.x + all.width));
        let mut ways = Vec::new();
        for from_y in y.saturating_sub(NEAR).max(all.y)..(y + NEAR).min(all.y + all.height) {
            self.along(left, right, from_y, &mut ways);
        }
        ways
    }

    /// Where it was in a part of a row.
    fn along(&self, left: u32, right: u32, y: u32, ways: &mut Vec<Way>) {
        let row = self.old.run(left, y, right - left);
        let places = (right - left + 1).saturating_sub(PIECE) as usize;
        for begin in (0..places).step_by(BLOCK) {
            // The last block may be short, and is looked at one by one.
            let whole = begin + BLOCK <= places;
            if whole && !self.may_be_in(row, begin) {
                continue;
            }
            for at in begin..(begin + BLOCK).min(places) {
                let x = left + at as u32;
                let (place, key) = self.keys[1];
                let may_be = pixel(&row[(at + place) * 4..]) == key;
                if may_be && ways.len() < PLACES && self.was_at(x, y) {
                    ways.push(self.way_from(x, y));
                }
            }
        }
    }

    /// Whether its keys are at any place of this block.
    #[inline]
    fn may_be_in(&self, row: &[u8], begin: usize) -> bool {
        let mut differs = [0_u32; BLOCK];
        for (place, key) in self.keys {
            let (pixels, _) = row[(begin + place) * 4..][..BLOCK * 4].as_chunks::<4>();
            // Without a branch, so that it is done for many places at once.
            for (differs, bytes) in differs.iter_mut().zip(pixels) {
                *differs |= u32::from_le_bytes(*bytes) ^ key;
            }
        }
        differs.iter().fold(0, |any, differs| any | u32::from(*differs == 0)) > 0
    }
}

fn pixel(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// A striking piece that changed, in this field of the grid.
fn piece(old: Pixels<'_>, new: Pixels<'_>, damage: &[Rect], all: Rect, field: (u32, u32)) -> Option<Seed> {
    let side = |at: u32, length: u32, count: u32, field: u32| {
        let begin = at + length * field / count;
        (begin, at + length * (field + 1) / count - begin)
    };
    let (left, width) = side(all.x, all.width, GRID.0, field.0);
    let (top, height) = side(all.y, all.height, GRID.1, field.1);
    for row in 0..TRIES.0.min(height) {
        // Rows in no order that text lines could have.
        let y = top + (height * row / TRIES.0 + row * 5) % height;
        for place in 0..TRIES.1 {
            let x = left + width * place / TRIES.1;
            let inside = |rect: &Rect| {
                x >= rect.x && x + PIECE <= rect.x + rect.width && y >= rect.y && y < rect.y + rect.height
            };
            if !damage.iter().any(inside) {
                continue;
            }
            let run = new.run(x, y, PIECE);
            if run != old.run(x, y, PIECE) && is_striking(run) {
                return Some((x, y));
            }
        }
    }
    None
}

/// Whether these pixels change their colour so often that they are not found everywhere.
fn is_striking(run: &[u8]) -> bool {
    let pixels = run.chunks_exact(4);
    pixels.clone().zip(pixels.skip(1)).filter(|(one, next)| one != next).count() >= DETAIL
}
