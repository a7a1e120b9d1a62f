//! Pixels of photographs and films, where hardly any two neighbours are equal: several times as fast as the model, and a
//! tenth longer.
//!
//! As in LOCO-I (ITU-T T.87): the distance from the median edge detector's guess in Golomb-Rice codes whose parameter
//! follows the mean of the distances before it in the same surroundings. Red and blue are told as far as they don't go the
//! way of green.

use super::model::{Pixel, channel, predict};

/// A code of so many ones is followed by the plain eight bits.
const ESCAPE: u32 = 14;
/// Surroundings that are told apart, for each channel.
const CLASSES: usize = 9;

/// The distances met in one kind of surroundings.
#[derive(Clone, Copy, Debug)]
struct Mean {
    sum: u32,
    count: u32,
}

impl Mean {
    /// The parameter of the code: how many bits are plain.
    #[inline]
    fn parameter(self) -> u32 {
        (self.sum / self.count).checked_ilog2().map_or(0, |bits| bits + 1).min(7)
    }

    #[inline]
    fn learn(&mut self, folded: u8) {
        self.sum += u32::from(folded);
        self.count += 1;
        if self.count == 64 {
            self.sum /= 2;
            self.count /= 2;
        }
    }
}

/// What is learnt while a tile is coded.
#[derive(Debug)]
pub(super) struct Photograph {
    means: [[Mean; CLASSES]; 3],
}

/// One end of the coding.
pub(super) trait Bits {
    /// Codes this number, or finds out which it was, with a Golomb-Rice code of this parameter: the returned one counts.
    fn code(&mut self, parameter: u32, number: u8) -> u8;
}

impl Photograph {
    pub(super) const fn new() -> Self {
        Self { means: [[Mean { sum: 4, count: 2 }; CLASSES]; 3] }
    }

    /// Codes the pixel at `x` of the row; the columns are counted with the margin, and all before `x` are known.
    #[inline]
    pub(super) fn pixel<B: Bits>(
        &mut self,
        bits: &mut B,
        pixel: Pixel,
        x: usize,
        rows: [&[Pixel]; 3],
    ) -> Pixel {
        let [row, above, _] = rows;
        let (w, n, nw, ne) = (row[x - 1], above[x], above[x - 1], above[x + 1]);
        let guess = |place| predict(channel(w, place), channel(n, place), channel(nw, place));
        let step = |one: Pixel, other: Pixel| u32::from(channel(one, 1).abs_diff(channel(other, 1)));
        let slope = step(w, nw) + step(nw, n) + step(n, ne);
        let class = slope.checked_ilog2().map_or(0, |bits| bits as usize + 1).min(CLASSES - 1);
        let green = self.distance(bits, 1, class, channel(pixel, 1).wrapping_sub(guess(1)));
        let class = fold(green).checked_ilog2().map_or(0, |bits| bits as usize + 1);
        let mut found = u32::from(guess(1).wrapping_add(green)) << 8;
        for place in [2, 0] {
            let guess = guess(place).wrapping_add(green);
            let distance = self.distance(bits, place, class, channel(pixel, place).wrapping_sub(guess));
            found |= u32::from(guess.wrapping_add(distance)) << (8 * place);
        }
        found
    }

    #[inline]
    fn distance<B: Bits>(&mut self, bits: &mut B, place: u32, class: usize, distance: u8) -> u8 {
        let mean = &mut self.means[place as usize][class];
        let folded = bits.code(mean.parameter(), fold(distance));
        mean.learn(folded);
        unfold(folded)
    }
}

/// Small distances of either sign to small numbers: 0, -1, 1, -2 to 0, 1, 2, 3.
#[inline]
const fn fold(distance: u8) -> u8 {
    (distance << 1) ^ if distance >= 128 { 255 } else { 0 }
}

#[inline]
const fn unfold(folded: u8) -> u8 {
    (folded >> 1) ^ (folded & 1).wrapping_neg()
}

/// Writes codes.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    held: u64,
    count: u32,
    into: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Appends to these bytes.
    pub(super) fn new(into: &'a mut Vec<u8>) -> Self {
        Self { held: 0, count: 0, into }
    }

    /// Bytes written so far.
    pub(super) fn len(&self) -> usize {
        self.into.len()
    }

    /// At most 24 bits.
    #[inline]
    fn put(&mut self, bits: u32, count: u32) {
        self.held = self.held << count | u64::from(bits);
        self.count += count;
        if self.count >= 32 {
            self.count -= 32;
            self.into.extend(((self.held >> self.count) as u32).to_be_bytes());
        }
    }

    /// Writes what is held. A reader sees zeros behind the end.
    pub(super) fn finish(self) {
        let left = (self.held << (32 - self.count)) as u32;
        self.into.extend(&left.to_be_bytes()[..self.count.div_ceil(8) as usize]);
    }
}

impl Bits for Writer<'_> {
    #[inline]
    fn code(&mut self, parameter: u32, number: u8) -> u8 {
        let high = u32::from(number) >> parameter;
        if high < ESCAPE {
            let ones = (1 << high) - 1;
            let low = u32::from(number) & ((1 << parameter) - 1);
            self.put((ones << 1) << parameter | low, high + 1 + parameter);
        } else {
            self.put((1 << ESCAPE) - 1, ESCAPE);
            self.put(number.into(), 8);
        }
        number
    }
}

/// Reads codes.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    /// The next bits, from the top.
    held: u64,
    count: u32,
    rest: &'a [u8],
    /// Bits that were read behind the end.
    missing: u32,
}

impl<'a> Reader<'a> {
    /// Reads these bytes.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { held: 0, count: 0, rest: bytes, missing: 0 }
    }

    /// Whether every byte was needed, and none was missing.
    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty() && (self.missing..self.missing + 8).contains(&self.count)
    }

    #[inline]
    fn fill(&mut self) {
        if self.count > 32 {
            return;
        }
        let next = if let Some((bytes, rest)) = self.rest.split_first_chunk::<4>() {
            self.rest = rest;
            u32::from_be_bytes(*bytes)
        } else {
            let mut last = [0; 4];
            last[..self.rest.len()].copy_from_slice(self.rest);
            self.missing = self.missing.saturating_add(32 - 8 * self.rest.len() as u32);
            self.rest = &[];
            u32::from_be_bytes(last)
        };
        self.held |= u64::from(next) << (32 - self.count);
        self.count += 32;
    }

    #[inline]
    fn take(&mut self, count: u32) -> u32 {
        // In two steps, for there may be none to take.
        let bits = (self.held >> 1 >> (63 - count)) as u32;
        self.held <<= count;
        self.count -= count;
        bits
    }
}

impl Bits for Reader<'_> {
    #[inline]
    fn code(&mut self, parameter: u32, _: u8) -> u8 {
        self.fill();
        let high = self.held.leading_ones().min(ESCAPE);
        if high == ESCAPE {
            self.take(ESCAPE);
            return self.take(8) as u8;
        }
        self.take(high + 1);
        (high << parameter | self.take(parameter)) as u8
    }
}
