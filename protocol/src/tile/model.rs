//! What a pixel is likely to be, given those above it and to its left. The two ends run the same model, each with its
//! own end of the arithmetic coding.
//!
//! A pixel is guessed, one guess after another:
//! 1. what followed the same neighbours the last time: glyphs repeat, and so do dithers, edges and icons;
//! 2. the neighbours themselves;
//! 3. a colour that was guessed wrong a short while ago: the shades of a font's edges are few;
//! 4. and else it is coded channel by channel as the distance from what the slope around it suggests.

use super::arithmetic::{Coder, Likelihood};

/// A pixel as `0x00RRGGBB`.
pub(super) type Pixel = u32;

/// Columns to the left and to the right of a row that are looked at.
pub(super) const MARGIN: usize = 2;

/// Colours that are remembered.
const RECENT: usize = 64;
/// Trust in what followed the same neighbours: the highest level.
const TRUST: u32 = 15;

/// Everything that is learnt while a tile is coded.
#[derive(Debug)]
pub(super) struct Model {
    flat: [Likelihood; 2],
    novel: Likelihood,
    /// By where the guess is from, its trust, and which neighbour it equals.
    guess: [Likelihood; 3 * 16 * 4],
    /// By how many guesses failed and which neighbours are equal.
    neighbour: [Likelihood; 7 * 64],
    recent: [Likelihood; 4],
    place: [Likelihood; RECENT],
    channels: [Channel; 3 * 4],
    colours: Vec<Pixel>,
    /// What followed a hash of many neighbours, and of few: a pixel with the trust in its upper byte.
    many: Vec<u32>,
    few: Vec<u32>,
    shift: u32,
}

/// How one channel's distance is coded: whether it is none, its sign, its magnitude's bits.
#[derive(Clone, Copy, Debug)]
struct Channel {
    zero: Likelihood,
    sign: Likelihood,
    length: [Likelihood; 8],
    /// The highest two bits below the leading one, by length.
    bits: [[Likelihood; 3]; 8],
    rest: Likelihood,
}

impl Channel {
    const NEW: Self = Self {
        zero: Likelihood::EVEN,
        sign: Likelihood::EVEN,
        length: [Likelihood::EVEN; 8],
        bits: [[Likelihood::EVEN; 3]; 8],
        rest: Likelihood::EVEN,
    };

    /// Codes a distance of -128 to 127, modulo 256.
    fn code<C: Coder>(&mut self, coder: &mut C, distance: u8) -> u8 {
        if coder.bit(&mut self.zero, distance == 0) {
            return 0;
        }
        let negative = coder.bit(&mut self.sign, distance >= 128);
        // 1 to 128 as 0 to 127, then with a leading one: 1 to 128.
        let magnitude = u32::from(if negative { distance.wrapping_neg() } else { distance });
        let length = 31 - magnitude.leading_zeros().min(31);
        let mut found = 0;
        while found < 7 && coder.bit(&mut self.length[found as usize], found < length) {
            found += 1;
        }
        let length = found;
        let mut value = 1_u32;
        for place in (0..length).rev() {
            let likelihood = match length - 1 - place {
                0 => &mut self.bits[length as usize][0],
                1 => &mut self.bits[length as usize][1 + (value & 1) as usize],
                _ => &mut self.rest,
            };
            let bit = coder.bit(likelihood, magnitude >> place & 1 == 1);
            value = value << 1 | u32::from(bit);
        }
        if negative { (value as u8).wrapping_neg() } else { value as u8 }
    }
}

impl Model {
    pub(super) fn new() -> Self {
        Self {
            flat: [Likelihood::EVEN; 2],
            novel: Likelihood::EVEN,
            guess: [Likelihood::EVEN; 3 * 16 * 4],
            neighbour: [Likelihood::EVEN; 7 * 64],
            recent: [Likelihood::EVEN; 4],
            place: [Likelihood::EVEN; RECENT],
            channels: [Channel::NEW; 12],
            colours: Vec::with_capacity(RECENT),
            many: Vec::new(),
            few: Vec::new(),
            shift: 0,
        }
    }

    /// Forgets everything before a tile of so many pixels.
    pub(super) fn begin(&mut self, pixels: usize) {
        self.flat.fill(Likelihood::about(245));
        self.novel = Likelihood::EVEN;
        for (place, guess) in self.guess.iter_mut().enumerate() {
            let trust = place / 4 % 16;
            *guess = Likelihood::about((255 * (trust + 1) / (trust + 2)) as u8);
        }
        self.neighbour.fill(Likelihood::EVEN);
        self.recent.fill(Likelihood::EVEN);
        self.place.fill(Likelihood::EVEN);
        self.channels.fill(Channel::NEW);
        for set in [4, 8] {
            self.channels[set].zero = Likelihood::about(230);
        }
        self.colours.clear();
        let bits = pixels.next_power_of_two().ilog2().clamp(8, 13);
        self.shift = 32 - bits;
        for table in [&mut self.many, &mut self.few] {
            table.clear();
            table.resize(1 << bits, 0);
        }
    }

    /// Codes the first colour of a tile.
    pub(super) fn first<C: Coder>(coder: &mut C, pixel: Pixel) -> Pixel {
        let grey = pixel == (pixel & 0xff) * 0x01_01_01;
        let mut even = |bit| coder.bit(&mut Likelihood::EVEN.clone(), bit);
        let grey = even(grey);
        let bits = if grey { 8 } else { 24 };
        let found =
            (0..bits).rev().fold(0, |found, place| found << 1 | u32::from(even(pixel >> place & 1 == 1)));
        if grey { found * 0x01_01_01 } else { found }
    }

    /// Codes the pixel at `x` of the row; the columns are counted with the margin, and all before `x` are known.
    #[inline]
    pub(super) fn pixel<C: Coder>(
        &mut self,
        coder: &mut C,
        pixel: Pixel,
        x: usize,
        rows: [&[Pixel]; 3],
    ) -> Pixel {
        let [row, above, second] = rows;
        let (w, ww) = (row[x - 1], row[x - 2]);
        let (n, nw, ne, nee) = (above[x], above[x - 1], above[x + 1], above[x + 2]);
        let nn = second[x];
        let equal = u32::from(w == n)
            | u32::from(w == nw) << 1
            | u32::from(n == nw) << 2
            | u32::from(n == ne) << 3
            | u32::from(w == ww) << 4
            | u32::from(n == nn) << 5;
        let flat = equal == 63 && ne == nee;
        if flat && coder.bit(&mut self.flat[0], pixel == w) {
            return w;
        }
        let nne = second[x + 1];
        let hash = mix(mix(mix(mix(w, n), nw), ne), ww);
        let few = (mix(w, n).wrapping_mul(0x9e37_79b1) >> self.shift) as usize;
        let many = (mix(mix(mix(hash, nn), nne), nee).wrapping_mul(0x9e37_79b1) >> self.shift) as usize;
        let found = self.guess(coder, pixel, [w, n, nw, ne], equal, flat, [many, few]);
        learn(&mut self.many[many], found);
        learn(&mut self.few[few], found);
        found
    }

    fn guess<C: Coder>(
        &mut self,
        coder: &mut C,
        pixel: Pixel,
        near: [Pixel; 4],
        equal: u32,
        flat: bool,
        slots: [usize; 2],
    ) -> Pixel {
        let [w, n, nw, ne] = near;
        // Within a photograph all of the following would fail, one by one.
        let noisy = equal.trailing_zeros() >= 4 && self.many[slots[0]] >> 24 == 0;
        if noisy {
            let novel = !near.contains(&pixel) && self.few[slots[1]] & 0x00ff_ffff != pixel;
            if coder.bit(&mut self.novel, novel) {
                return self.colour(coder, pixel, [w, n, nw], 2);
            }
        }
        let mut failed = [u32::MAX; 7];
        let mut tried = 0;
        if flat {
            failed[0] = w;
            tried = 1;
        }
        for (source, entry) in [self.many[slots[0]], self.few[slots[1]]].into_iter().enumerate() {
            let (trust, guess) = (entry >> 24, entry & 0x00ff_ffff);
            if trust == 0 || failed[..tried].contains(&guess) {
                continue;
            }
            let is = if guess == w {
                0
            } else if guess == n {
                1
            } else if guess == nw || guess == ne {
                2
            } else {
                3
            };
            let kind = if source == 1 && tried > 0 { 2 } else { source };
            if coder.bit(&mut self.guess[(kind * 16 + trust as usize) * 4 + is], pixel == guess) {
                return guess;
            }
            failed[tried] = guess;
            tried += 1;
            if source == 0 && trust > 2 {
                //break;
            }
        }
        for (place, guess) in [w, n, ne, nw].into_iter().enumerate() {
            if failed[..tried].contains(&guess) {
                continue;
            }
            let _ = place;
            if coder.bit(&mut self.neighbour[tried * 64 + equal as usize], pixel == guess) {
                return guess;
            }
            failed[tried] = guess;
            tried += 1;
        }
        self.colour(coder, pixel, [w, n, nw], usize::from(tried > 3))
    }

    /// Codes a colour that nothing around suggests.
    fn colour<C: Coder>(&mut self, coder: &mut C, pixel: Pixel, near: [Pixel; 3], class: usize) -> Pixel {
        let rare = class == 2 && self.recent[2].is_rare();
        let known = if rare { None } else { self.colours.iter().position(|colour| *colour == pixel) };
        if !rare && !self.colours.is_empty() && coder.bit(&mut self.recent[class], known.is_some()) {
            let place = known.unwrap_or(0);
            let mut node = 1;
            while node < RECENT {
                let bit = RECENT.ilog2() - 1 - node.ilog2();
                node = node << 1 | usize::from(coder.bit(&mut self.place[node], place >> bit & 1 == 1));
            }
            // Only a broken tile names a place that is not there.
            let place = (node - RECENT).min(self.colours.len() - 1);
            let found = self.colours[place];
            self.colours[..=place].rotate_right(1);
            return found;
        }
        let [w, n, nw] = near;
        let gradient = |place| predict(channel(w, place), channel(n, place), channel(nw, place));
        let busy = channel(w, 1).abs_diff(channel(nw, 1)) / 2 + channel(n, 1).abs_diff(channel(nw, 1)) / 2;
        let class = match busy {
            0..=2 => 0,
            3..=8 => 1,
            9..=24 => 2,
            _ => 3,
        };
        let green = self.channels[class].code(coder, channel(pixel, 1).wrapping_sub(gradient(1)));
        // The other channels mostly go the way green went.
        let other = match green.min(green.wrapping_neg()) {
            0 => 0,
            1..=3 => 1,
            4..=16 => 2,
            _ => 3,
        };
        let mut found = u32::from(green.wrapping_add(gradient(1))) << 8;
        for place in [2, 0] {
            let guess = gradient(place).wrapping_add(green);
            let set = if place == 2 { 4 } else { 8 } + other;
            let distance = self.channels[set].code(coder, channel(pixel, place).wrapping_sub(guess));
            found |= u32::from(distance.wrapping_add(guess)) << (8 * place);
        }
        if rare {
            return found;
        }
        if self.colours.len() == RECENT {
            self.colours.pop();
        }
        self.colours.insert(0, found);
        found
    }
}

#[inline]
fn mix(hash: u32, pixel: Pixel) -> u32 {
    (hash.rotate_left(7) ^ pixel).wrapping_mul(0x85eb_ca6b)
}

/// A guess that was right is trusted more; one that was wrong less, and in the end it is replaced.
#[inline]
fn learn(entry: &mut u32, pixel: Pixel) {
    let trust = *entry >> 24;
    if *entry & 0x00ff_ffff == pixel && trust > 0 {
        *entry = (trust + 1).min(TRUST) << 24 | pixel;
    } else if trust > 3 {
        *entry = (trust / 4) << 24 | (*entry & 0x00ff_ffff);
    } else {
        *entry = 1 << 24 | pixel;
    }
}

/// Blue, green or red: 0, 1 or 2.
#[inline]
pub(super) const fn channel(pixel: Pixel, place: u32) -> u8 {
    (pixel >> (8 * place)) as u8
}

/// The median edge detector of JPEG-LS (ITU-T T.87, A.4.1).
#[inline]
pub(super) fn predict(w: u8, n: u8, nw: u8) -> u8 {
    let (least, most) = (w.min(n), w.max(n));
    if nw >= most {
        least
    } else if nw <= least {
        most
    } else {
        w.wrapping_add(n).wrapping_sub(nw)
    }
}
