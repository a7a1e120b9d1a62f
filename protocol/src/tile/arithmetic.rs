//! Adaptive binary arithmetic coding: likely decisions cost next to nothing, and none costs a whole bit for being one.

/// How likely a decision is, learnt from how it went before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Likelihood {
    /// That it is `true`, in 65536ths.
    probability: u16,
    /// How often it was met, up to the slowest rate of learning.
    met: u8,
}

/// By how many bits the distance to what happened is shifted: it learns fast at first, as a mean would, and slower later.
const RATES: [u8; 10] = [1, 2, 2, 3, 3, 4, 4, 4, 5, 5];

impl Likelihood {
    /// Nothing is known.
    pub(super) const EVEN: Self = Self { probability: 1 << 15, met: 0 };

    /// It is `true` in so many of 256 cases, by experience; that still bends easily.
    pub(super) const fn about(cases: u8) -> Self {
        Self { probability: (cases as u16) << 8, met: 2 }
    }

    /// Whether it hardly ever was `true`.
    pub(super) const fn is_rare(self) -> bool {
        self.probability < 1 << 11
    }

    fn learn(&mut self, bit: bool) {
        let rate = RATES[usize::from(self.met)];
        if usize::from(self.met) < RATES.len() - 1 {
            self.met += 1;
        }
        if bit {
            self.probability += (0xffe0 - self.probability) >> rate;
        } else {
            self.probability -= self.probability.saturating_sub(0x20) >> rate;
        }
    }
}

/// One end of the coding: the model runs the same at both.
pub(super) trait Coder {
    /// Codes this decision, or finds out which it was: the returned one counts.
    fn bit(&mut self, likelihood: &mut Likelihood, bit: bool) -> bool;
}

/// Writes decisions.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    low: u32,
    high: u32,
    into: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Appends to these bytes.
    pub(super) fn new(into: &'a mut Vec<u8>) -> Self {
        Self { low: 0, high: u32::MAX, into }
    }

    /// Bytes that are certain to be needed for what was written so far.
    pub(super) fn len(&self) -> usize {
        // Zeros are left out where nothing else follows.
        self.into.len() - self.into.iter().rev().take_while(|byte| **byte == 0).count()
    }

    /// Writes what is needed to read the last decision. A reader sees zeros behind the end, so they are left out.
    pub(super) fn finish(self) {
        // The shortest number within what is left of the interval.
        for bytes in 0..=4 {
            let below = u32::MAX.checked_shr(8 * bytes).unwrap_or(0);
            let Some(sum) = self.low.checked_add(below) else { continue };
            let number = sum & !below;
            if number <= self.high {
                self.into.extend(&number.to_be_bytes()[..bytes as usize]);
                break;
            }
        }
        while self.into.last() == Some(&0) {
            self.into.pop();
        }
    }
}

/// Where the interval is divided: `low..=split` stands for `true`.
#[inline]
fn split(low: u32, high: u32, likelihood: Likelihood) -> u32 {
    low + ((u64::from(high - low) * u64::from(likelihood.probability)) >> 16) as u32
}

impl Coder for Writer<'_> {
    #[inline]
    fn bit(&mut self, likelihood: &mut Likelihood, bit: bool) -> bool {
        let split = split(self.low, self.high, *likelihood);
        if bit {
            self.high = split;
        } else {
            self.low = split + 1;
        }
        likelihood.learn(bit);
        while (self.low ^ self.high) >> 24 == 0 {
            self.into.push((self.high >> 24) as u8);
            self.low <<= 8;
            self.high = self.high << 8 | 0xff;
        }
        bit
    }
}

/// Reads decisions.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    low: u32,
    high: u32,
    number: u32,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads these bytes.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let mut reader = Self { low: 0, high: u32::MAX, number: 0, rest: bytes };
        for _ in 0..4 {
            reader.next();
        }
        reader
    }

    /// Whether every byte was read.
    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    fn next(&mut self) {
        let mut byte = 0;
        if let Some((first, rest)) = self.rest.split_first() {
            (byte, self.rest) = (*first, rest);
        }
        self.number = self.number << 8 | u32::from(byte);
    }
}

impl Coder for Reader<'_> {
    #[inline]
    fn bit(&mut self, likelihood: &mut Likelihood, _: bool) -> bool {
        let split = split(self.low, self.high, *likelihood);
        let bit = self.number <= split;
        if bit {
            self.high = split;
        } else {
            self.low = split + 1;
        }
        likelihood.learn(bit);
        while (self.low ^ self.high) >> 24 == 0 {
            self.low <<= 8;
            self.high = self.high << 8 | 0xff;
            self.next();
        }
        bit
    }
}
